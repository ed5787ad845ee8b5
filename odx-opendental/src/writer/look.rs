//! Whether an earlier attempt took effect: what the office shows now.

use odx_core::Result;
use odx_core::effect::{Marker, Receipt};
use odx_core::writer::{Confirmation, PatientField, RecallStatus};
use serde::Deserialize;

use super::number;
use crate::client::{Answer, Call};
use crate::cursor::ends;
use crate::error::Cause;
use crate::source::OpenDental;
use crate::wire::{self, Int};

/// A recall, as far as its status goes.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Recall {
    recall_num: Int,
    recall_status: Int,
    recall_type_num: Int,
}

/// A visit, as far as its confirmation goes.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Visit {
    confirmed: Int,
}

/// Every row of an answer. One that cannot be read might be the one.
fn strictly<'a, T: Deserialize<'a>>(
    answer: &'a Answer,
    what: &'static str,
) -> Result<Vec<T>, Cause> {
    let rows = answer.rows()?;
    rows.into_iter()
        .map(|row| serde_json::from_str(row.get()).map_err(|_| Cause::NotJson { what }))
        .collect()
}

impl OpenDental {
    /// The first row of a list about a patient that `of` knows. `None`: every
    /// row was read and none is.
    async fn search<T>(
        &self,
        call: impl Fn(u64) -> Call + Send + Sync,
        of: impl Fn(&Answer, &'static str) -> Result<Option<T>, Cause> + Send + Sync,
    ) -> Result<Option<T>>
    where
        T: Send,
    {
        // A list of several pages can lose a row between two of them, when another
        // is deleted just then: it is read once more before "not there" is said.
        for _ in 0..2 {
            let (mut offset, mut pages) = (0, 0);
            let mut before = Vec::new();
            loop {
                let call = call(offset);
                // `None`: the office knows of no such patient.
                let Some(answer) = self.api().get(&call).await? else {
                    return Ok(None);
                };
                let rows = answer.rows()?.len();
                if let Some(found) = of(&answer, call.what())? {
                    return Ok(Some(found));
                }
                if rows > 0 && answer.body() == before {
                    return Err(Cause::Repeats { what: call.what() }.into());
                }
                pages += 1;
                let done = ends(rows, self.api().longest(&answer));
                self.api().note_length(&answer, rows);
                if done {
                    break;
                }
                before = answer.body().to_vec();
                offset += u64::try_from(rows).unwrap_or(u64::MAX);
            }
            if pages == 1 {
                break;
            }
        }
        Ok(None)
    }

    /// A comm log of this patient with the marker in its note. Read without a
    /// change filter: the office's clock may be wrong, and a row that a filter
    /// hides would be written a second time.
    pub(super) async fn find_marker(
        &self,
        patient: i64,
        marker: &Marker,
    ) -> Result<Option<Receipt>> {
        self.search(
            |offset| Call::CommlogsOf { patient, offset },
            |answer, what| {
                let rows: Vec<wire::Commlog<'_>> = strictly(answer, what)?;
                let mut rows = rows.into_iter();
                let ours = rows.find(|row| marker.stands_in(row.note.get()));
                Ok(ours.map(|row| receipt(row.commlog_num)))
            },
        )
        .await
    }

    async fn recall(&self, patient: i64, recall: i64) -> Result<Option<(Int, Int)>> {
        self.search(
            |offset| Call::RecallsOf { patient, offset },
            |answer, what| {
                let rows: Vec<Recall> = strictly(answer, what)?;
                let mut rows = rows.into_iter();
                let row = rows.find(|row| row.recall_num.get() == Some(recall));
                Ok(row.map(|row| (row.recall_status, row.recall_type_num)))
            },
        )
        .await
    }

    /// The name of a recall's type: the vendor takes no key there.
    pub(super) async fn recall_type(&self, patient: i64, recall: i64) -> Result<String> {
        let what = "recalls";
        let (_, kind) = self
            .recall(patient, recall)
            .await?
            .ok_or(Cause::WriteRefused { what })?;
        let reference = self.reference(&[]).await?;
        let name = kind
            .get()
            .and_then(|kind| reference.recall_type(&kind.to_string()));
        let what = "recall types";
        Ok(name.ok_or(Cause::NoSuchChoice { what })?)
    }

    pub(super) async fn find_recall(
        &self,
        patient: i64,
        status: &RecallStatus,
    ) -> Result<Option<Receipt>> {
        let wanted = match &status.status {
            None => 0,
            Some(key) => number(key)?,
        };
        let recall = number(status.recall.native())?;
        let row = self.recall(patient, recall).await?;
        Ok(row
            .filter(|(now, _)| now.get() == Some(wanted))
            .map(|_| Receipt::default()))
    }

    pub(super) async fn find_confirmation(
        &self,
        confirmation: &Confirmation,
    ) -> Result<Option<Receipt>> {
        let call = Call::Appointment(number(confirmation.appointment.native())?);
        let wanted = number(&confirmation.status)?;
        let Some(answer) = self.api().get(&call).await? else {
            return Ok(None);
        };
        let rows: Vec<Visit> = strictly(&answer, call.what())?;
        let there = rows.iter().any(|row| row.confirmed.get() == Some(wanted));
        Ok(there.then(Receipt::default))
    }

    /// A box that is not ticked has no row: for the vendor that is the value "".
    pub(super) async fn find_field(&self, field: &PatientField) -> Result<Option<Receipt>> {
        let patient = number(field.patient.native())?;
        let wanted = field.value.expose().trim();
        let row = self
            .search(
                |offset| Call::PatFieldsOf { patient, offset },
                |answer, what| {
                    let rows: Vec<wire::PatField<'_>> = strictly(answer, what)?;
                    // An old office ignores the filter and sends everybody's.
                    let row = rows.into_iter().find(|row| {
                        row.pat_num.get() == Some(patient)
                            && row.field_name.get() == field.field.trim()
                    });
                    Ok(row.map(|row| {
                        (row.field_value.get() == wanted).then(|| receipt(row.pat_field_num))
                    }))
                },
            )
            .await?;
        Ok(match row {
            Some(found) => found,
            None => wanted.is_empty().then(Receipt::default),
        })
    }
}

fn receipt(key: Int) -> Receipt {
    key.get()
        .filter(|key| *key != 0)
        .map_or_else(Receipt::default, |key| Receipt::of(key.to_string()))
}
