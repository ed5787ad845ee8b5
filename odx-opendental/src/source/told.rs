//! What the office tells by itself, seen from where the feed stands.
//!
//! A row that is newer than anything that was read is told as it is. A read may
//! have shown a row of the same moment: then the patient is read again. What a
//! whole pass has read beyond is old. A recall has no event, so whoever is told
//! of is touched, and their recalls are looked at.

use odx_core::model::{RecordKey, RecordKind};
use odx_core::push::{Delivery, PushSource};
use odx_core::source::{Change, Cursor, Page};
use odx_core::{AppointmentKey, Result};

use super::{OpenDental, position};
use crate::convert;
use crate::cursor::{Feed, Verdict};
use crate::error::Cause;
use crate::events::{Kind, Told, decode};
use crate::plan::Terms;
use crate::reference::Reference;

impl PushSource for OpenDental {
    fn told(&self, delivery: &Delivery, cursor: &Cursor) -> Result<Page> {
        let mut feed = Feed::read(cursor)?;
        let terms = self.terms();
        let reference = self.office.reference();
        let reference = reference.map(|known| known.knowing(&feed.missed));
        let rows = decode(delivery.kind(), delivery.body().expose())
            .ok_or(Cause::NotJson { what: "an event" })?;
        let mut changes = Vec::new();
        for row in rows {
            let reference = reference.as_deref();
            changes.extend(told(&row, &mut feed, &terms, reference));
        }
        feed.heard(&terms);
        Ok(Page {
            changes,
            swept: Vec::new(),
            position: position(&feed)?,
        })
    }
}

fn told(
    row: &Told<'_>,
    feed: &mut Feed,
    terms: &Terms,
    reference: Option<&Reference>,
) -> Option<Change> {
    let (kind, convert) = match row.kind {
        Kind::AppointmentDeleted if row.complete => {
            feed.touch(row.patient, terms);
            let key = AppointmentKey::new(row.key.to_string());
            return Some(Change::Gone(RecordKey::Appointment(key)));
        }
        Kind::Appointment => (
            RecordKind::Appointment,
            convert::appointment as fn(&serde_json::value::RawValue, &Reference) -> Change,
        ),
        Kind::Patient => (
            RecordKind::Patient,
            convert::patient as fn(&serde_json::value::RawValue, &Reference) -> Change,
        ),
        // Opening a patient in the program brings their recalls up to date.
        Kind::PatientSelected => {
            feed.touch(row.patient, terms);
            return None;
        }
        _ => return None,
    };
    let verdict = feed.verdict(kind, row.stamp);
    if verdict == Verdict::Stale {
        return None;
    }
    feed.touch(row.patient, terms);
    let newer = row
        .stamp
        .filter(|_| verdict == Verdict::News && row.complete);
    // Without the names that rows refer to, a row would read as changed.
    if let (Some(stamp), Some(reference)) = (newer, reference)
        && let Change::Upsert(record) = convert(row.row, reference)
    {
        return Some(Change::Told { record, stamp });
    }
    if let Some(patient) = row.patient {
        feed.look_again(patient);
    }
    None
}
