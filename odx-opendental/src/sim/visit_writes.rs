//! Writes to recalls and appointments.

use super::answer::{Answer, Refusal};
use super::body::{Fields, invalid};
use super::clock::{normal_interval, stamp};
use super::commlogs::type_with_usage;
use super::practice::must;
use super::routes::{ALWAYS, Call};
use super::store::Filter;
use super::tables::{AppointmentRow, DefinitionRow, NO_DATE, RecallRow, RecallTypeRow};
use super::tables_api::CommlogRow;
use super::wire::Recall;
use super::write_routes::living_patient;

// apirecalls, Recalls PUT Status
const MODES: [&str; 8] = [
    "None",
    "Email",
    "Mail",
    "Phone",
    "InPerson",
    "Text",
    "EmailAndText",
    "PhoneAndText",
];

/// Stands for the program's standard note, whose words are not documented.
const STANDARD_NOTE: &str = "Recall reminder.";

/// The text and the two types that recall status took before 22.1.
const SPECIAL: [&str; 2] = ["Prophy", "Perio"];

// apirecalls, Recalls PUT Status: always writes a Recall-type comm log
pub(crate) fn recall_status(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.needs((21, 2, 0))?;
    let known = [
        "PatNum",
        "recallType",
        "RecallStatus",
        "commlogMode",
        "commlogNote",
    ];
    let fields = Fields::of(call, &known)?;
    let pat_num = fields.required_int("PatNum")?;
    let kind = fields.required("recallType")?;
    let status = recall_status_of(call, &fields)?;
    let mode = fields.one_of("commlogMode", &MODES)?.unwrap_or("None");
    let note = fields.text("commlogNote")?.unwrap_or(STANDARD_NOTE);
    living_patient(call, pat_num)?;
    if call.settings.version < (22, 1, 0) && !SPECIAL.contains(&kind) {
        return Err(invalid("recallType"));
    }
    let recall = recall_of(call, pat_num, kind)?;
    call.practice.update_recall(recall, |row| {
        if let Some(status) = status {
            row.recall_status = status;
        }
    });
    let mut log = CommlogRow::new(pat_num, note, &stamp(call.practice.now()));
    log.comm_type = type_with_usage(call, "RECALL")?;
    mode.clone_into(&mut log.mode);
    must(call.practice.store().put(&mut log));
    Ok(Answer::empty(200))
}

/// The patient's recall of the type with that description.
fn recall_of(call: &Call<'_>, pat_num: i64, kind: &str) -> Result<i64, Refusal> {
    let types: Vec<RecallTypeRow> = call.practice.store().all(&Filter::new())?;
    let kind = types
        .iter()
        .find(|row| row.description == kind)
        .ok_or_else(|| Refusal::not_found("RecallType not found"))?;
    call.practice
        .recalls_of(pat_num)
        .iter()
        .find(|row| row.recall_type_num == kind.recall_type_num)
        .map(|row| row.recall_num)
        .ok_or_else(|| Refusal::not_found("Recall not found"))
}

/// A definition of category 13, 0 = none.
fn recall_status_of(call: &Call<'_>, fields: &Fields) -> Result<Option<i64>, Refusal> {
    let status = fields.int("RecallStatus")?;
    match status {
        Some(key) if key != 0 && !is_of(call, key, 13)? => Err(invalid("RecallStatus")),
        status => Ok(status),
    }
}

fn is_of(call: &Call<'_>, def_num: i64, category: i64) -> Result<bool, Refusal> {
    let row: Option<DefinitionRow> = call.practice.store().get(def_num)?;
    Ok(row.is_some_and(|row| row.category == category))
}

// apirecalls, Recalls PUT: an absent field is left alone
pub(crate) fn recall(call: &Call<'_>, key: i64) -> Result<Answer, Refusal> {
    call.needs((24, 2, 31))?;
    let known = [
        "DateDue",
        "RecallInterval",
        "RecallStatus",
        "Note",
        "IsDisabled",
        "DisableUntilBalance",
        "DisableUntilDate",
        "Priority",
        "TimePatternOverride",
    ];
    let fields = Fields::of(call, &known)?;
    let row: Option<RecallRow> = call.practice.store().get(key)?;
    let mut row = row.ok_or_else(|| Refusal::not_found("Recall not found"))?;
    living_patient(call, row.pat_num)?;
    if let Some(date) = fields.date("DateDue")? {
        date.clone_into(&mut row.date_due);
    }
    if let Some(text) = fields.text("RecallInterval")? {
        row.recall_interval = normal_interval(text).ok_or_else(|| invalid("RecallInterval"))?;
    }
    if let Some(status) = recall_status_of(call, &fields)? {
        row.recall_status = status;
    }
    if let Some(note) = fields.text("Note")? {
        note.clone_into(&mut row.note);
    }
    if let Some(disabled) = fields.flag("IsDisabled")? {
        row.is_disabled = disabled;
        if disabled {
            // Schema: disabling clears DateDue.
            NO_DATE.clone_into(&mut row.date_due);
        }
    }
    if let Some(balance) = fields.decimal("DisableUntilBalance")? {
        row.disable_until_balance = balance;
    }
    if let Some(date) = fields.date("DisableUntilDate")? {
        date.clone_into(&mut row.disable_until_date);
    }
    if let Some(priority) = fields.one_of("Priority", &["Normal", "ASAP"])? {
        priority.clone_into(&mut row.priority);
    }
    if let Some(pattern) = fields.text("TimePatternOverride")? {
        if pattern.chars().any(|c| !matches!(c, 'X' | '/')) {
            return Err(invalid("TimePatternOverride"));
        }
        pattern.clone_into(&mut row.time_pattern_override);
    }
    call.practice.update_recall(key, |kept| *kept = row);
    let row: Option<RecallRow> = call.practice.store().get(key)?;
    let row = row.ok_or_else(|| Refusal::not_found("Recall not found"))?;
    Answer::json(&Recall::of(&row, call.office()), 1)
}

fn visit(call: &Call<'_>, key: i64) -> Result<AppointmentRow, Refusal> {
    let row: Option<AppointmentRow> = call.practice.store().get(key)?;
    let row = row.ok_or_else(|| Refusal::not_found("Appointment not found"))?;
    living_patient(call, row.pat_num)?;
    Ok(row)
}

// apiappointments, Appointments PUT Confirm: exactly one of the two
pub(crate) fn confirm(call: &Call<'_>, key: i64) -> Result<Answer, Refusal> {
    call.needs(ALWAYS)?;
    let fields = Fields::of(call, &["confirmVal", "defNum"])?;
    let by_key = if call.settings.version >= (21, 2, 0) {
        fields.int("defNum")?
    } else {
        None
    };
    let status = match (fields.text("confirmVal")?, by_key) {
        (Some(value), None) => resolved(call, value)?,
        (None, Some(def_num)) if is_of(call, def_num, 2)? => def_num,
        (None, Some(_)) => return Err(invalid("defNum")),
        _ => {
            return Err(Refusal::bad(
                "Exactly one of confirmVal and defNum is required",
            ));
        }
    };
    visit(call, key)?;
    call.practice
        .update_appointment(key, |row| row.confirmed = status);
    Ok(Answer::empty(200))
}

/// "None" is the first status; the others are what the office mapped, if anything.
// apiappointments, Appointments PUT Confirm; automatedmessagingadvanced
fn resolved(call: &Call<'_>, value: &str) -> Result<i64, Refusal> {
    let mut filter = Filter::new();
    filter.with("Category = ?", 2_i64);
    let all: Vec<DefinitionRow> = call.practice.store().all(&filter)?;
    let found = match value {
        "None" => all.first(),
        "Sent" | "Confirmed" | "Not Accepted" | "Failed" => call
            .settings
            .api
            .confirm
            .iter()
            .find(|(mapped, _)| mapped == value)
            .and_then(|(_, name)| all.iter().find(|row| row.item_name == *name)),
        _ => return Err(invalid("confirmVal")),
    };
    found
        .map(|row| row.def_num)
        .ok_or_else(|| Refusal::bad(format!("No confirmation status is set up for {value}")))
}

// apiappointments, Appointments PUT Note: appended on a new line
pub(crate) fn note(call: &Call<'_>, key: i64) -> Result<Answer, Refusal> {
    call.needs(ALWAYS)?;
    let fields = Fields::of(call, &["Note"])?;
    let note = fields.required("Note")?;
    visit(call, key)?;
    call.practice.update_appointment(key, |row| {
        if !row.note.is_empty() {
            row.note.push_str("\r\n");
        }
        row.note.push_str(note);
    });
    Ok(Answer::empty(200))
}
