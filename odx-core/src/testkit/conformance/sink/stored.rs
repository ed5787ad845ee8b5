//! What a CRM holds, as a check compares it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::crm::{Body, Contact, Entity, Intent, Op, Task};
use crate::id::ExternalId;

/// One object in a CRM.
///
/// Its fields go by the names of the canonical form (`first_name`, `phone`,
/// `consent.sms`, `due_date`, `status`, …), lists with commas. A field without
/// a value is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Our name for it. None: odx did not create it.
    pub external_id: Option<ExternalId>,
    /// What it is.
    pub entity: Entity,
    /// The CRM's own id, if the sink hands it on.
    pub remote_id: Option<String>,
    /// What it says.
    pub fields: BTreeMap<String, String>,
}

impl Stored {
    /// An object without fields yet.
    pub const fn new(entity: Entity, external_id: Option<ExternalId>) -> Self {
        Self {
            external_id,
            entity,
            remote_id: None,
            fields: BTreeMap::new(),
        }
    }

    /// What a CRM holds that keeps a contact whole.
    pub fn contact(contact: &Contact) -> Self {
        Self::of(Body::Contact(contact.clone()))
    }

    /// What a CRM holds that keeps a task whole.
    pub fn task(task: &Task) -> Self {
        Self::of(Body::Task(task.clone()))
    }

    /// Adds the CRM's own id.
    #[must_use]
    pub fn with_remote_id(mut self, id: impl Into<String>) -> Self {
        self.remote_id = Some(id.into());
        self
    }

    /// Adds a field. An empty value is none.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.fields.insert(name.to_owned(), value);
        }
        self
    }

    /// Takes our name off: somebody entered it by hand.
    #[must_use]
    pub fn foreign(mut self) -> Self {
        self.external_id = None;
        self
    }

    /// What the canonical form of a record says.
    pub(super) fn of(body: Body) -> Self {
        let op = Op {
            intent: Intent::Upsert,
            body,
        };
        let mut stored = Self::new(op.entity(), Some(op.external_id().clone()));
        let canonical = op.canonical().ok();
        let whole = canonical.and_then(|bytes| serde_json::from_slice(bytes.expose()).ok());
        if let Some(Value::Object(whole)) = whole {
            for (name, value) in whole {
                if name != "external_id" {
                    flatten(&mut stored.fields, name, &value);
                }
            }
        }
        stored
    }
}

fn flatten(fields: &mut BTreeMap<String, String>, name: String, value: &Value) {
    let text = match value {
        Value::Object(inner) => {
            for (key, value) in inner {
                flatten(fields, format!("{name}.{key}"), value);
            }
            return;
        }
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(","),
        Value::String(text) => text.clone(),
        Value::Null => return,
        other => other.to_string(),
    };
    if !text.is_empty() {
        fields.insert(name, text);
    }
}
