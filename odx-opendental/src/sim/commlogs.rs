//! `commlogs`: the log of contacts with a patient.

use super::answer::{Answer, Refusal};
use super::body::{Fields, invalid};
use super::clock::stamp;
use super::practice::{Practice, must, of_patient};
use super::query::Known;
use super::routes::{ALWAYS, Call, comparison, path_key};
use super::store::Filter;
use super::tables::{DefinitionRow, Record as _};
use super::tables_api::CommlogRow;
use super::wire_api::Commlog;
use super::write_routes::living_patient;

/// As documented for writing, and as stored and printed.
// apicommlogs, Commlogs POST, Mode_
const MODES: [(&str, &str); 9] = [
    ("None", "None"),
    ("Email", "Email"),
    ("Mail", "Mail"),
    ("Phone", "Phone"),
    ("In Person", "InPerson"),
    ("Text", "Text"),
    ("Email and Text", "EmailAndText"),
    ("Phone and Text", "PhoneAndText"),
    ("Fax", "Fax"),
];

// apicommlogs, Commlogs GET (multiple): PatNum is optional since 25.1.13
pub(crate) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    const KNOWN: &[Known] = &[("PatNum", ALWAYS), ("DateTStamp", (25, 1, 13))];
    let query = call.query(ALWAYS, KNOWN)?;
    if call.settings.version < (25, 1, 13) && query.text("PatNum").is_none() {
        return Err(Refusal::bad("PatNum is required"));
    }
    let mut filter = Filter::new();
    call.patient_filter(&query, &mut filter)?;
    // "modified after"
    if let Some(since) = query.stamp("DateTStamp", false)? {
        let compare = comparison(call.settings.strict_after);
        filter.with(format!("DateTStamp {compare} ?"), since);
    }
    let window = call.window(&query)?;
    let rows: Vec<CommlogRow> = call.practice.store().page(filter, window)?;
    let office = call.office();
    let page: Vec<_> = rows.iter().map(|row| Commlog::of(row, office)).collect();
    Answer::json(&page, page.len())
}

// apicommlogs, Commlogs GET (single)
pub(crate) fn one(call: &Call<'_>, key: &str) -> Result<Answer, Refusal> {
    call.query((25, 1, 13), &[])?;
    let row = found(call, path_key(key)?)?;
    Answer::json(&Commlog::of(&row, call.office()), 1)
}

fn found(call: &Call<'_>, key: i64) -> Result<CommlogRow, Refusal> {
    let row: Option<CommlogRow> = call.practice.store().get(key)?;
    row.ok_or_else(|| Refusal::not_found("Commlog not found"))
}

// apicommlogs, Commlogs POST: nothing tells a repeat from a second contact
pub(crate) fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.needs(ALWAYS)?;
    let known = [
        "PatNum",
        "Note",
        "CommDateTime",
        "CommType",
        "commType",
        "Mode_",
        "SentOrReceived",
    ];
    let fields = Fields::of(call, &known)?;
    let pat_num = fields.required_int("PatNum")?;
    let note = fields.required("Note")?;
    let mut row = CommlogRow::new(pat_num, note, &stamp(call.practice.now()));
    if let Some(at) = fields.moment("CommDateTime")? {
        row.comm_date_time = at;
    }
    row.comm_type = comm_type(call, &fields)?;
    if let Some(mode) = fields.text("Mode_")? {
        mode_named(call, mode)?.clone_into(&mut row.mode);
    }
    if let Some(way) = fields.one_of("SentOrReceived", &["Neither", "Sent", "Received"])? {
        way.clone_into(&mut row.sent_or_received);
    }
    living_patient(call, pat_num)?;
    call.practice.store().put(&mut row)?;
    // The object came with 23.3.7; before, the answer had no body.
    if call.settings.version < (23, 3, 7) {
        return Ok(Answer::empty(201));
    }
    let answer = Answer::json(&Commlog::of(&row, call.office()), 1)?;
    Ok(Answer {
        status: 201,
        ..answer
    })
}

/// `commType`, the name, wins over `CommType`, the key; neither is Miscellaneous.
// apicommlogs, Commlogs POST
fn comm_type(call: &Call<'_>, fields: &Fields) -> Result<i64, Refusal> {
    let named = fields.text("commType")?;
    let keyed = fields.int("CommType")?;
    if named.is_none() && keyed.is_none() {
        return type_with_usage(call, "MISC");
    }
    types(call)?
        .iter()
        .find(|row| match (named, keyed) {
            (Some(name), _) => row.item_name == name,
            (None, key) => Some(row.def_num) == key,
        })
        .map(|row| row.def_num)
        .ok_or_else(|| {
            invalid(if named.is_some() {
                "commType"
            } else {
                "CommType"
            })
        })
}

// apidefinitions, category 27; definitionscommlogtypes
fn types(call: &Call<'_>) -> Result<Vec<DefinitionRow>, Refusal> {
    let mut filter = Filter::new();
    filter.with("Category = ?", 27_i64);
    Ok(call.practice.store().all(&filter)?)
}

/// The first comm log type with this usage, 0 when the office has none.
pub(crate) fn type_with_usage(call: &Call<'_>, usage: &str) -> Result<i64, Refusal> {
    let found = types(call)?
        .iter()
        .find(|row| row.item_value == usage)
        .map(|row| row.def_num);
    Ok(found.unwrap_or(0))
}

fn mode_named(call: &Call<'_>, mode: &str) -> Result<&'static str, Refusal> {
    MODES
        .iter()
        .find(|(written, stored)| {
            *written == mode || (call.settings.api.stored_modes && *stored == mode)
        })
        .map(|(_, stored)| *stored)
        .ok_or_else(|| invalid("Mode_"))
}

// apicommlogs, Commlogs PUT: the note only
pub(crate) fn change(call: &Call<'_>, key: i64) -> Result<Answer, Refusal> {
    call.needs((25, 2, 21))?;
    let fields = Fields::of(call, &["Note"])?;
    let note = fields.required("Note")?;
    let row = found(call, key)?;
    living_patient(call, row.pat_num)?;
    call.practice
        .update::<CommlogRow>(key, |row| note.clone_into(&mut row.note));
    Answer::json(&Commlog::of(&found(call, key)?, call.office()), 1)
}

impl Practice {
    /// Every comm log, by key.
    #[must_use]
    pub fn commlogs(&self) -> Vec<CommlogRow> {
        must(self.store().all(&Filter::new()))
    }

    /// The comm logs of one patient.
    #[must_use]
    pub fn commlogs_of(&self, pat_num: i64) -> Vec<CommlogRow> {
        must(self.store().all(&of_patient(pat_num)))
    }

    /// Changes a comm log and restamps it. False when there is no such row.
    pub fn update_commlog(&self, commlog_num: i64, edit: impl FnOnce(&mut CommlogRow)) -> bool {
        self.update(commlog_num, edit).is_some()
    }

    /// Deletes a comm log as staff would: nothing tells of it. False when there is
    /// no such row.
    pub fn delete_commlog(&self, commlog_num: i64) -> bool {
        must(self.store().remove::<CommlogRow>(commlog_num))
    }

    /// Adds a comm log as staff would, and returns the key.
    pub fn add_commlog(&self, mut row: CommlogRow) -> i64 {
        let now = stamp(self.now());
        row.stamp(&now);
        if row.date_t_entry.is_empty() {
            row.date_t_entry.clone_from(&now);
        }
        if row.comm_date_time.is_empty() {
            row.comm_date_time = now;
        }
        must(self.store().put(&mut row))
    }
}
