//! What the office shows of it: its version, its clock, its machines and the rows
//! that there are.

use chrono::{NaiveDateTime, TimeDelta};
use odx_core::{Error, ErrorKind, Result, Secret, SourceId};
use serde_json::value::RawValue;

use super::declaration::{Declaration, Workstation};
use super::plan::SINCE;
use crate::client::Call;
use crate::convert;
use crate::cursor::ends;
use crate::error::Cause;
use crate::source::OpenDental;
use crate::version::Version;
use crate::wire;

/// The first version with `/computers`.
const COMPUTERS: Version = Version(23, 1, 30);
/// A program says every three minutes that it is open. Three of these may be
/// missed before it counts as closed.
const OPEN_FOR: TimeDelta = TimeDelta::minutes(10);

/// A row, as far as it matters here. Whose it is was read from its note, and the
/// note was not kept.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) url: Secret,
    pub(super) workstation: String,
    pub(super) table: String,
    pub(super) ui: String,
    pub(super) polling: Option<i64>,
    pub(super) start: Option<NaiveDateTime>,
    /// What cannot be read is taken for an end long ago, so that it is mended.
    pub(super) stop: Option<NaiveDateTime>,
    pub(super) ours: bool,
}

/// A computer of the office, and when its program was last known to be open.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) beat: Option<NaiveDateTime>,
}

/// The office as it is now.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) version: Option<Version>,
    /// Its server's wall clock.
    pub(super) clock: Option<NaiveDateTime>,
    /// `None`: they cannot be listed.
    pub(super) machines: Option<Vec<Machine>>,
}

impl Office {
    pub(super) fn machine(&self, name: &str) -> Option<&Machine> {
        self.machines.iter().flatten().find(|one| one.name == name)
    }

    /// Whether the program on it is open.
    pub(super) fn is_open(&self, machine: &Machine) -> bool {
        match (machine.beat, self.clock) {
            (Some(beat), Some(clock)) => clock - beat <= OPEN_FOR,
            (beat, _) => beat.is_some(),
        }
    }
}

/// By what a row is known as one of this source. Found by searching for `odx`.
pub(super) fn mark(source: &SourceId) -> String {
    format!("[odx events {source}]")
}

fn row(raw: &RawValue, mark: &str) -> Option<Row> {
    let row: wire::Subscription<'_> = serde_json::from_str(raw.get()).ok()?;
    let number = row.subscription_num.get().filter(|&number| number != 0)?;
    let ours = row.note.get().contains(mark);
    Some(Row {
        number,
        url: Secret::new(row.end_point_url.into_owned()),
        workstation: row.workstation.into_owned(),
        table: row.watch_table.into_owned(),
        ui: row.ui_event_type.into_owned(),
        polling: row.polling_seconds.get(),
        start: convert::office_moment(&row.date_time_start).flatten(),
        stop: convert::office_moment(&row.date_time_stop).unwrap_or(Some(NaiveDateTime::MIN)),
        ours,
    })
}

fn machine(raw: &RawValue) -> Option<Machine> {
    let row: wire::Computer<'_> = serde_json::from_str(raw.get()).ok()?;
    let beat = convert::office_moment(&row.last_heart_beat).flatten();
    let name = row.comp_name.into_owned();
    (!name.is_empty()).then_some(Machine { name, beat })
}

impl OpenDental {
    /// The office's version, clock and machines: three requests, and two where
    /// machines cannot be listed.
    pub(super) async fn office_now(&self, declaration: &Declaration) -> Result<Office> {
        let answer = self.list(&Call::ProgramVersion).await?;
        let rows = wire::decode::<wire::Preference<'_>>(answer.body());
        let version = rows.and_then(|rows| Version::of(&rows));
        let too_old = |call: &Call| -> Error {
            let (what, needs) = (call.what(), call.needs());
            Cause::TooOld { what, needs }.into()
        };
        if version.is_some_and(|version| version < SINCE) {
            return Err(too_old(&Call::Subscriptions { offset: 0 }));
        }
        let lists = version.is_none_or(|version| version >= COMPUTERS);
        if !lists && *declaration.workstation() == Workstation::Choose {
            let what = "the office's version does not list its computers, which needs 23.1.30 or later: name the \
                        workstation that sends events";
            return Err(Error::new(ErrorKind::Config, what));
        }
        // Whoever works there has a row, and each row tells the time.
        let answer = self.list(&Call::Providers).await?;
        let rows = answer.rows()?;
        let clock = rows.iter().find_map(|row| convert::server_clock(row));
        self.api().note_length(&answer, rows.len());
        let machines = if lists {
            let call = |offset| Call::Computers { offset };
            Some(
                self.whole_list(call, machine, |one| one.name.clone())
                    .await?,
            )
        } else {
            None
        };
        let beats = machines.iter().flatten().filter_map(|one| one.beat);
        Ok(Office {
            version,
            clock: clock.or_else(|| beats.max()),
            machines,
        })
    }

    /// Every subscription of the customer key.
    pub(super) async fn subscription_rows(&self) -> Result<Vec<Row>> {
        let mark = mark(odx_core::source::PracticeSource::id(self));
        let call = |offset| Call::Subscriptions { offset };
        self.whole_list(call, |raw| row(raw, &mark), |row| row.number)
            .await
    }

    /// A whole list: half of one would make doubles of the rest.
    async fn whole_list<T, K: PartialEq>(
        &self,
        call: impl Fn(u64) -> Call,
        read: impl Fn(&RawValue) -> Option<T>,
        key: impl Fn(&T) -> K,
    ) -> Result<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        let mut offset = 0;
        loop {
            let answer = self.list(&call(offset)).await?;
            let rows = answer.rows()?;
            let page: Vec<T> = rows.iter().filter_map(|raw| read(raw)).collect();
            let first = page.first().map(&key);
            if first.is_some_and(|first| all.iter().any(|known| key(known) == first)) {
                let what = call(offset).what();
                return Err(Cause::Repeats { what }.into());
            }
            let done = ends(rows.len(), self.api().longest(&answer));
            self.api().note_length(&answer, rows.len());
            offset += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            all.extend(page);
            if done {
                return Ok(all);
            }
        }
    }
}
