//! Collects whatever is traced, at every level, as text.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What was traced so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    text: Arc<Mutex<String>>,
    spans: Arc<AtomicU64>,
}

impl Log {
    pub(crate) fn text(&self) -> String {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone()
    }

    /// Writes something of one's own between what was traced.
    pub(crate) fn note(&self, what: &str, text: &str) {
        self.write(|fields| fields.record(what, text));
    }

    fn write(&self, visit: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(String::new());
        visit(&mut fields);
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&fields.0);
        text.push('\n');
    }
}

struct Fields(String);

impl Fields {
    // Writing to a string cannot fail.
    fn record(&mut self, name: &str, value: impl std::fmt::Display) {
        write!(self.0, " {name}={value}").unwrap_or_default();
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record(field.name(), format_args!("{value:?}"));
    }

    /// As it is: quotes and backslashes would hide what is looked for.
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field.name(), value);
    }
}

impl Subscriber for Log {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(|fields| {
            fields.0.push_str(span.metadata().name());
            span.record(fields);
        });
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        self.write(|fields| values.record(fields));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.write(|fields| {
            fields.0.push_str(event.metadata().target());
            event.record(fields);
        });
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
