//! Recalls and appointments: as rows of their own, and packed.

use odx_core::model::{Record, RecordKind};
use odx_core::source::Change;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::pack::{Pieces, date, int};
use super::words::{APPOINTMENT_STATUS, PRIORITY, interval, word};
use crate::convert::{self, Fault, appointment_record, bad, recall_record};
use crate::query::{RECALL_FIELDS, VISIT_FIELDS};
use crate::reference::Reference;
use crate::wire::{self, Amount, Flag, Int, Text};

/// A day has 288 steps of five minutes; no pattern is longer than its column.
const MAX_STEPS: usize = 255;

/// A row of `Query::Recalls`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawRecall<'a> {
    recall_num: Int,
    pat_num: Int,
    #[serde(borrow)]
    date_due: Text<'a>,
    #[serde(borrow)]
    date_previous: Text<'a>,
    recall_interval: Int,
    recall_status: Int,
    is_disabled: Flag,
    recall_type_num: Int,
    disable_until_balance: Amount,
    #[serde(borrow)]
    disable_until_date: Text<'a>,
    #[serde(borrow)]
    date_scheduled: Text<'a>,
    priority: Int,
}

impl<'a> RawRecall<'a> {
    fn into_wire(self) -> Result<wire::Recall<'a>, Fault> {
        Ok(wire::Recall {
            recall_num: self.recall_num,
            pat_num: self.pat_num,
            date_due: self.date_due,
            date_previous: self.date_previous,
            recall_interval: interval("RecallInterval", self.recall_interval)?,
            recall_status: self.recall_status,
            // The reference data know it.
            recall_status_text: Text::default(),
            is_disabled: self.is_disabled,
            recall_type_num: self.recall_type_num,
            disable_until_balance: self.disable_until_balance,
            disable_until_date: self.disable_until_date,
            date_scheduled: self.date_scheduled,
            priority: word("Priority", Some(self.priority), PRIORITY)?,
        })
    }

    fn of(fields: [&'a str; RECALL_FIELDS], patient: i64) -> Self {
        let [
            num,
            due,
            previous,
            interval,
            status,
            disabled,
            kind,
            held,
            until,
            scheduled,
            priority,
        ] = fields;
        Self {
            recall_num: int(num),
            pat_num: Int::of(Some(patient)),
            date_due: date(due),
            date_previous: date(previous),
            recall_interval: int(interval),
            recall_status: int(status),
            is_disabled: flag(disabled),
            recall_type_num: int(kind),
            disable_until_balance: Amount::of(flag(held).get().map(f64::from)),
            disable_until_date: date(until),
            date_scheduled: date(scheduled),
            priority: int(priority),
        }
    }
}

fn flag(field: &str) -> Flag {
    Flag::of(match int(field).get() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    })
}

/// A row of `Query::Recalls`.
pub(super) fn recall(raw: &RawValue, reference: &Reference) -> Change {
    convert::read(
        RecordKind::Recall,
        raw,
        |row: &RawRecall<'_>| row.recall_num,
        |row, number| recall_record(&row.into_wire()?, number, reference),
    )
}

/// The recalls of a patient, out of one column. False: not all of them.
#[must_use]
pub(super) fn recalls_of(
    patient: i64,
    column: &str,
    reference: &Reference,
    changes: &mut Vec<Change>,
) -> bool {
    let pieces = Pieces::parse(column);
    let mut whole = !pieces.incomplete;
    for fields in pieces.rows {
        let row = RawRecall::of(fields, patient);
        let change = packed(RecordKind::Recall, row.recall_num, &fields, |number| {
            recall_record(&row.into_wire()?, number, reference)
        });
        whole &= change.is_some();
        changes.extend(change);
    }
    whole
}

/// The appointments of a patient, out of one column. False: not all of them.
#[must_use]
pub(super) fn visits_of(
    patient: i64,
    column: &str,
    reference: &Reference,
    changes: &mut Vec<Change>,
) -> bool {
    let pieces = Pieces::parse(column);
    let mut whole = !pieces.incomplete;
    for fields in pieces.rows {
        let num = int(fields.first().copied().unwrap_or_default());
        let change = packed(RecordKind::Appointment, num, &fields, |number| {
            appointment_record(&visit(fields, patient)?, number, reference)
        });
        whole &= change.is_some();
        changes.extend(change);
    }
    whole
}

/// The keys of all visits of a patient, out of one column. False: not all.
#[must_use]
pub(super) fn keys_of(column: &str, keys: &mut Vec<i64>) -> bool {
    let pieces = Pieces::<1>::parse(column);
    let before = keys.len();
    let rows = pieces.rows.iter().flatten();
    keys.extend(rows.filter_map(|field| int(field).get().filter(|&key| key != 0)));
    !pieces.incomplete && keys.len() - before == pieces.rows.len()
}

fn visit(fields: [&str; VISIT_FIELDS], patient: i64) -> Result<wire::Appointment<'_>, Fault> {
    let [
        num,
        status,
        steps,
        confirmed,
        op,
        dentist,
        hygienist,
        at,
        unscheduled,
        clinic,
        hygiene,
        missed,
    ] = fields;
    let steps = int(steps)
        .get()
        .and_then(|n| usize::try_from(n).ok())
        .filter(|&n| n <= MAX_STEPS)
        .ok_or(Fault("Pattern", "is no length"))?;
    Ok(wire::Appointment {
        apt_num: int(num),
        pat_num: Int::of(Some(patient)),
        apt_status: word("AptStatus", Some(int(status)), APPOINTMENT_STATUS)?,
        // Only its length is told, and only its length is asked for.
        pattern: Text::of("/".repeat(steps)),
        confirmed: int(confirmed),
        // The reference data know it, and the one below.
        confirmed_text: Text::default(),
        op: int(op),
        prov_num: int(dentist),
        prov_hyg: int(hygienist),
        apt_date_time: date(at),
        unsched_status: int(unscheduled),
        unsched_status_text: Text::default(),
        clinic_num: int(clinic),
        is_hygiene: flag(hygiene),
        // The server has looked at it.
        proc_descript: Text::default(),
        missed: flag(missed)
            .get()
            .ok_or(Fault("ProcDescript", "is no code"))?,
    })
}

/// A packed row as a change. None: it has no key, so nothing can be said of it.
fn packed(
    kind: RecordKind,
    key: Int,
    fields: &[&str],
    make: impl FnOnce(i64) -> Result<Record, Fault>,
) -> Option<Change> {
    let number = key.get().filter(|&n| n != 0)?;
    Some(match make(number) {
        Ok(record) => Change::Upsert(record),
        Err(fault) => bad(kind, Some(number), fault, fields.join("|").as_bytes()),
    })
}
