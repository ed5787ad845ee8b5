use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDateTime;

use crate::error::Result;
use crate::model::{Record, RecordKey, RecordKind};
use crate::source::{Extent, PracticeSource};
use crate::testkit::SourceFault;
use crate::testkit::conformance::Supported;

/// A practice that the checks can write to and break, and clients that read it.
///
/// Four methods are required. Each of the others makes further checks possible;
/// what is left out is printed with the reason given.
#[async_trait]
pub trait SourceHarness: Sized + Send + Sync + 'static {
    /// An empty practice. Each check starts its own, some start two.
    async fn start() -> Self;

    /// A fresh client of this practice, as after a restart of the process: it
    /// shares no memory with those before it.
    fn source(&self) -> Arc<dyn PracticeSource>;

    /// Writes a record the way staff would: a new row, or a change of the row
    /// with this key. The checks use native ids that [`native`](Self::native)
    /// gives.
    ///
    /// # Errors
    /// Whatever is wrong with the harness: it ends the check.
    async fn put(&self, record: Record) -> Result<()>;

    /// Deletes a record the way staff would. A patient is deleted only when no
    /// recall, no appointment and no opt-out hangs from them.
    ///
    /// # Errors
    /// Whatever is wrong with the harness: it ends the check.
    async fn delete(&self, key: RecordKey) -> Result<()>;

    /// Makes the next call of any client (`pull`, `refresh` or `probe`) meet
    /// this fault. It may go on until [`recover`](Self::recover).
    async fn fail_next(&self, fault: SourceFault) -> Supported {
        let _ = fault;
        Supported::No("the harness does not implement fail_next")
    }

    /// Ends every fault.
    async fn recover(&self) {}

    /// Lets `good` requests to the practice succeed and makes the one after
    /// them fail, once: for adapters that ask several times in one `pull`.
    async fn fail_after(&self, good: u64, fault: SourceFault) -> Supported {
        let _ = (good, fault);
        Supported::No("the harness does not implement fail_after")
    }

    /// Writes this record so that it cannot be read: its key as given, one of
    /// its other fields holding `spoiled`, a word that no version knows. A later
    /// `put` of the same key mends it.
    async fn put_unreadable(&self, record: Record, spoiled: &str) -> Supported {
        let _ = (record, spoiled);
        Supported::No("the harness does not implement put_unreadable")
    }

    /// Writes this record with a change stamp that lies `by` in the past, as a
    /// transaction does that was open that long.
    async fn put_late(&self, record: Record, by: Duration) -> Supported {
        let _ = (record, by);
        Supported::No("the harness does not implement put_late")
    }

    /// Lets time pass at the practice. Where change stamps come from a clock,
    /// that clock should stand still otherwise: then what the checks write
    /// without this in between is written in one second.
    fn advance(&self, by: Duration) {
        let _ = by;
    }

    /// What the practice's wall clock shows now. Reminders are of some moment, and
    /// old ones are not shown: without this they are not checked.
    fn wall_clock(&self) -> Option<NaiveDateTime> {
        None
    }

    /// Turns the practice's wall clock back, as on the last night of summer time.
    async fn turn_back(&self, by: Duration) -> Supported {
        let _ = by;
        Supported::No("the harness does not implement turn_back")
    }

    /// How many rows the practice answers at most at a time. Keep it small:
    /// most checks write three times as many.
    fn page_size(&self) -> usize {
        5
    }

    /// What must be asked for to be shown every change. Where a practice tells of
    /// some kinds only what there is, and never what changed, that is
    /// `Extent::Everything`: say which in a second harness whose
    /// [`kinds`](Self::kinds) leave them out.
    fn extent_of_changes(&self) -> Extent {
        Extent::Changes
    }

    /// The kinds of record this practice has and the adapter reads. Few practices
    /// keep opt-outs beside the patient, or write down what they sent: say so here
    /// where yours does, by `RecordKind::ALL.to_vec()`. For reminders tell the
    /// [`wall_clock`](Self::wall_clock), too.
    fn kinds(&self) -> Vec<RecordKind> {
        vec![
            RecordKind::Patient,
            RecordKind::Recall,
            RecordKind::Appointment,
        ]
    }

    /// How this practice writes the `n`th id of a kind. Ids of different kinds
    /// may be equal, and should be where the practice numbers each on its own.
    /// Not asked for opt-outs: their key is the patient's.
    fn native(&self, kind: RecordKind, n: u32) -> String {
        let _ = kind;
        n.to_string()
    }

    /// Whether a record of this kind that was deleted can be written again under
    /// its old id. Where ids only count up, it cannot.
    fn comes_back(&self, kind: RecordKind) -> Supported {
        let _ = kind;
        Supported::Yes
    }

    /// What is left of a record in this practice: fields it does not have are
    /// cleared here. Everything else must come back as it was written. Labels
    /// may be added by the adapter, and consent may come in any order.
    fn as_kept(&self, record: Record) -> Record {
        record
    }

    /// The keys, tokens and passwords that clients of this practice are given.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}
