//! `patfields`: the office's own fields on a patient.

use super::answer::{Answer, Refusal};
use super::body::{Fields, invalid};
use super::clock::{day, stamp};
use super::practice::{Practice, must, of_patient};
use super::query::{Known, Query};
use super::routes::{ALWAYS, Call, comparison, path_key};
use super::store::Filter;
use super::tables::Record as _;
use super::tables_api::PatFieldRow;
use super::wire_api::PatField;
use super::write_routes::living_patient;

const FIELDS: [&str; 3] = ["PatNum", "FieldName", "FieldValue"];

// apipatfields, PatFields GET (multiple): the filters are optional since 22.4.5
pub(crate) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    const KNOWN: &[Known] = &[
        ("PatNum", ALWAYS),
        ("FieldName", ALWAYS),
        ("SecDateTEdit", (22, 4, 5)),
    ];
    let query = call.query(ALWAYS, KNOWN)?;
    if call.settings.version < (22, 4, 5) {
        for name in ["PatNum", "FieldName"] {
            if query.text(name).is_none() {
                return Err(Refusal::bad(format!("{name} is required")));
            }
        }
    }
    let mut filter = Filter::new();
    call.patient_filter(&query, &mut filter)?;
    if let Some(name) = query.text("FieldName") {
        filter.with("FieldName = ?", name.to_owned());
    }
    // "last edited"
    if let Some(since) = query.stamp("SecDateTEdit", false)? {
        let compare = comparison(call.settings.strict_since);
        filter.with(format!("SecDateTEdit {compare} ?"), since);
    }
    let window = call.window(&query)?;
    let rows: Vec<PatFieldRow> = call.practice.store().page(filter, window)?;
    // The page prints a bare object for filtered reads.
    if let ([one], true, true) = (rows.as_slice(), filtered(&query), call.settings.bare_single) {
        return Answer::json(&PatField::of(one), 1);
    }
    let page: Vec<_> = rows.iter().map(PatField::of).collect();
    Answer::json(&page, page.len())
}

fn filtered(query: &Query) -> bool {
    ["PatNum", "FieldName", "SecDateTEdit"]
        .iter()
        .any(|name| query.text(name).is_some())
}

// apipatfields, PatFields GET (single)
pub(crate) fn one(call: &Call<'_>, key: &str) -> Result<Answer, Refusal> {
    call.query((22, 4, 0), &[])?;
    Answer::json(&PatField::of(&found(call, path_key(key)?)?), 1)
}

fn found(call: &Call<'_>, key: i64) -> Result<PatFieldRow, Refusal> {
    let row: Option<PatFieldRow> = call.practice.store().get(key)?;
    row.ok_or_else(|| Refusal::not_found("PatField not found"))
}

/// What both ways of writing check first.
struct Written {
    pat_num: i64,
    name: String,
    value: String,
    unticked: bool,
    /// The row that is there already.
    row: Option<PatFieldRow>,
}

// apipatfields: FieldName links to the definition in exact case; types of apipatfielddefs
fn written(call: &Call<'_>) -> Result<Written, Refusal> {
    let fields = Fields::of(call, &FIELDS)?;
    let pat_num = fields.required_int("PatNum")?;
    let name = fields.required("FieldName")?;
    let value = fields
        .text("FieldValue")?
        .ok_or_else(|| super::body::missing("FieldValue"))?;
    living_patient(call, pat_num)?;
    let kind = call
        .settings
        .pat_field_defs
        .iter()
        .find(|(defined, _)| defined == name)
        .map(|(_, kind)| kind.as_str())
        .ok_or_else(|| Refusal::not_found("PatFieldDef not found"))?;
    let unticked = kind == "Checkbox" && matches!(value, "" | "0");
    let fits = match kind {
        "Checkbox" => unticked || value == "1",
        "Currency" => value.parse::<f64>().is_ok_and(f64::is_finite),
        _ => true,
    };
    if !fits {
        return Err(invalid("FieldValue"));
    }
    let row = call
        .practice
        .pat_fields_of(pat_num)
        .into_iter()
        .find(|row| row.field_name == name);
    Ok(Written {
        pat_num,
        name: name.to_owned(),
        value: value.to_owned(),
        unticked,
        row,
    })
}

// apipatfields, PatFields POST: hidden definitions are refused
pub(crate) fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.needs((22, 4, 0))?;
    let new = written(call)?;
    if call.settings.api.hidden_fields.contains(&new.name) {
        return Err(Refusal::bad("PatFieldDef is hidden"));
    }
    if new.row.is_some() {
        return Err(Refusal::bad("PatField already exists"));
    }
    if new.unticked {
        return Err(invalid("FieldValue"));
    }
    let key = call
        .practice
        .set_pat_field(new.pat_num, &new.name, &new.value);
    let answer = Answer::json(&PatField::of(&found(call, key)?), 1)?;
    Ok(Answer {
        status: 201,
        ..answer
    })
}

// apipatfields, PatFields PUT: found by patient and name; unticking deletes the row
pub(crate) fn change(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.needs(ALWAYS)?;
    let new = written(call)?;
    if new.unticked {
        if let Some(row) = new.row {
            call.practice.remove_pat_field(row.pat_field_num);
        }
        return Ok(Answer::empty(200));
    }
    let key = call
        .practice
        .set_pat_field(new.pat_num, &new.name, &new.value);
    // The object came with 25.3; before, the answer had no body.
    if call.settings.version < (25, 3, 0) {
        return Ok(Answer::empty(200));
    }
    Answer::json(&PatField::of(&found(call, key)?), 1)
}

// apipatfields, PatFields DELETE
pub(crate) fn remove(call: &Call<'_>, key: i64) -> Result<Answer, Refusal> {
    call.needs((22, 4, 0))?;
    let row = found(call, key)?;
    living_patient(call, row.pat_num)?;
    call.practice.remove_pat_field(key);
    Ok(Answer::empty(200))
}

impl Practice {
    /// Every patient field row, by key.
    #[must_use]
    pub fn pat_fields(&self) -> Vec<PatFieldRow> {
        must(self.store().all(&Filter::new()))
    }

    /// The patient field rows of one patient.
    #[must_use]
    pub fn pat_fields_of(&self, pat_num: i64) -> Vec<PatFieldRow> {
        must(self.store().all(&of_patient(pat_num)))
    }

    /// Sets a field of a patient as staff would, and returns the row's key. Nothing is
    /// checked against the definitions.
    pub fn set_pat_field(&self, pat_num: i64, name: &str, value: &str) -> i64 {
        let old = self
            .pat_fields_of(pat_num)
            .into_iter()
            .find(|row| row.field_name == name);
        let now = self.now();
        let mut row = old.unwrap_or_else(|| PatFieldRow {
            pat_num,
            field_name: name.to_owned(),
            sec_date_entry: day(now.date()),
            ..PatFieldRow::default()
        });
        value.clone_into(&mut row.field_value);
        row.stamp(&stamp(now));
        must(self.store().put(&mut row))
    }

    /// Removes a patient field row without a trace. False when there is none.
    // apipatfields: rows removed in the program leave no trace in the API
    pub fn remove_pat_field(&self, pat_field_num: i64) -> bool {
        must(self.store().remove::<PatFieldRow>(pat_field_num))
    }
}
