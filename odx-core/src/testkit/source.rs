use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{PatientKey, SourceId};
use crate::model::{BadRecord, Record, RecordKey, RecordKind};
use crate::push::{Delivery, PushSource};
use crate::source::{
    Capabilities, Change, Cursor, Extent, Page, Position, PracticeSource, Probe, PullRequest, Swept,
};

/// One way for a practice to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceFault {
    /// This pull works.
    None,
    /// No connection.
    Down,
    /// The other side answers that it has failed, as a status 500 does.
    ServerError,
    /// Asked for a slower pace, for this long where it says.
    SlowDown(Option<Duration>),
    /// The key is refused.
    BadKey,
    /// An answer that was cut.
    Cut,
    /// A whole answer that is something else, such as the login page of a proxy.
    Nonsense,
    /// The cursor is not known any more.
    Forgot,
}

impl SourceFault {
    fn end(self) -> Result<()> {
        Err(match self {
            Self::None => return Ok(()),
            Self::Down => Error::new(ErrorKind::Unavailable, "no connection"),
            Self::ServerError => Error::new(ErrorKind::Unavailable, "the practice failed"),
            Self::SlowDown(after) => {
                Error::new(ErrorKind::RateLimited, "slow down").with_after(after)
            }
            Self::BadKey => Error::new(ErrorKind::Credentials, "the key is refused"),
            Self::Cut => Error::new(ErrorKind::Protocol, "the answer was cut"),
            Self::Nonsense => Error::new(ErrorKind::Protocol, "the answer is no list"),
            Self::Forgot => Error::new(ErrorKind::CursorExpired, "the cursor is gone"),
        })
    }
}

/// A practice in memory with a change feed. Clones read the same practice.
#[derive(Debug, Clone)]
pub struct MemorySource {
    id: SourceId,
    page: usize,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: BTreeMap<(RecordKind, String), (u64, Option<Record>)>,
    /// Records that a listing leaves out, as if they had been deleted.
    hidden: bool,
    bad: Vec<BadRecord>,
    faults: VecDeque<SourceFault>,
    told: Vec<Vec<Change>>,
    stamp: u64,
    pulls: u64,
}

impl Inner {
    fn fail(&mut self) -> Result<()> {
        self.faults.pop_front().map_or(Ok(()), SourceFault::end)
    }
}

impl MemorySource {
    /// An empty practice that answers `page` rows at a time.
    pub fn new(id: SourceId, page: usize) -> Self {
        Self {
            id,
            page: page.max(1),
            inner: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a record.
    pub fn put(&self, record: Record) {
        let mut inner = self.lock();
        inner.stamp += 1;
        let stamp = inner.stamp;
        inner.records.insert(
            (record.kind(), record.native().to_owned()),
            (stamp, Some(record)),
        );
    }

    /// Deletes a record without a trace: only a listing shows it.
    pub fn vanish(&self, kind: RecordKind, native: &str) {
        self.lock().records.remove(&(kind, native.to_owned()));
    }

    /// Deletes a record and says so.
    pub fn delete(&self, key: &RecordKey) {
        let mut inner = self.lock();
        inner.stamp += 1;
        let stamp = inner.stamp;
        if let Some(slot) = inner
            .records
            .get_mut(&(key.kind(), key.native().to_owned()))
        {
            *slot = (stamp, None);
        }
    }

    /// Answers with these rows that cannot be read, each pass.
    pub fn set_bad(&self, bad: Vec<BadRecord>) {
        self.lock().bad = bad;
    }

    /// Lists nothing from now on, as a broken filter would.
    pub fn hide(&self, hidden: bool) {
        self.lock().hidden = hidden;
    }

    /// What the practice would send to tell these changes.
    pub fn telling(&self, changes: Vec<Change>, now: DateTime<Utc>) -> Delivery {
        let mut inner = self.lock();
        inner.told.push(changes);
        Delivery::new("", (inner.told.len() - 1).to_string().into_bytes(), now)
    }

    /// Forgets the failures that were still to come.
    pub fn recover(&self) {
        self.lock().faults.clear();
    }

    /// Fails the next calls, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = SourceFault>) {
        self.lock().faults.extend(faults);
    }
}

/// Where a pass stands: everything or changes, from which stamp, to which, and
/// after which row. Without a row it stands between two passes.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    all: bool,
    from: u64,
    to: u64,
    after: Option<(RecordKind, String)>,
}

fn read(cursor: &Cursor) -> Result<Place> {
    serde_json::from_str(cursor.as_str())
        .map_err(|_| Error::new(ErrorKind::CursorExpired, "not a cursor of this source"))
}

fn write(place: &Place) -> Result<Cursor> {
    serde_json::to_string(place)
        .map(Cursor::new)
        .map_err(|_| Error::new(ErrorKind::Bug, "a place is not json"))
}

impl PushSource for MemorySource {
    fn told(&self, delivery: &Delivery, cursor: &Cursor) -> Result<Page> {
        let place = read(cursor)?;
        let number = std::str::from_utf8(delivery.body().expose())
            .ok()
            .and_then(|text| text.parse::<usize>().ok());
        let changes = number
            .and_then(|number| self.lock().told.get(number).cloned())
            .ok_or_else(|| Error::new(ErrorKind::Protocol, "not a delivery of this source"))?;
        Ok(Page {
            changes,
            swept: Vec::new(),
            position: if place.after.is_some() {
                Position::More(cursor.clone())
            } else {
                Position::CaughtUp(cursor.clone())
            },
        })
    }
}

#[async_trait]
impl PracticeSource for MemorySource {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .with_deletions()
            .with_sweeps()
            .with_incremental()
    }

    async fn probe(&self) -> Result<Probe> {
        self.lock().fail()?;
        Ok(Probe::default())
    }

    async fn pull(&self, req: PullRequest) -> Result<Page> {
        let mut inner = self.lock();
        inner.pulls += 1;
        inner.fail()?;
        let mut place = match &req.cursor {
            None => Place {
                all: true,
                from: 0,
                to: inner.stamp,
                after: None,
            },
            Some(cursor) => match read(cursor)? {
                Place {
                    to, after: None, ..
                } => Place {
                    all: req.extent == Extent::Everything,
                    from: to,
                    to: inner.stamp,
                    after: None,
                },
                under_way => under_way,
            },
        };
        let wanted = |stamp: u64, there: bool| {
            stamp <= place.to && (stamp > place.from || (place.all && there && !inner.hidden))
        };
        // By key, not by number: rows that change meanwhile move to the next pass and shift nobody.
        let mut rows = inner.records.iter().filter(|(key, (stamp, record))| {
            place.after.as_ref().is_none_or(|after| *key > after)
                && wanted(*stamp, record.is_some())
        });
        let taken: Vec<_> = rows.by_ref().take(self.page).collect();
        let more = rows.next().is_some();
        let last = taken.last().map(|(key, _)| (*key).clone());
        let mut changes: Vec<Change> = taken
            .iter()
            .map(|((kind, native), (_, record))| match record {
                Some(record) => Change::Upsert(record.clone()),
                None => Change::Gone(RecordKey::new(*kind, native.clone())),
            })
            .collect();
        if more {
            place.after = last;
            return Ok(Page {
                changes,
                swept: Vec::new(),
                position: Position::More(write(&place)?),
            });
        }
        changes.extend(inner.bad.iter().cloned().map(Change::Unreadable));
        let swept = if place.all {
            RecordKind::ALL.map(|kind| Swept { kind }).to_vec()
        } else {
            Vec::new()
        };
        place.after = None;
        Ok(Page {
            changes,
            swept,
            position: Position::CaughtUp(write(&place)?),
        })
    }

    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>> {
        let mut inner = self.lock();
        inner.fail()?;
        let bad =
            |bad: &&BadRecord| bad.kind == RecordKind::Patient && bad.native == patient.native();
        let bad: Vec<_> = inner.bad.iter().filter(bad).cloned().collect();
        Ok(inner
            .records
            .values()
            .filter_map(|(_, record)| record.clone())
            .filter(|record| match record {
                Record::Patient(known) => known.key == *patient,
                Record::Recall(_)
                | Record::Appointment(_)
                | Record::OptOut(_)
                | Record::Reminder(_) => record.parent() == patient.native(),
            })
            .map(Change::Upsert)
            .chain(bad.into_iter().map(Change::Unreadable))
            .collect())
    }

    fn push(&self) -> Option<&dyn PushSource> {
        Some(self)
    }

    fn requests(&self) -> u64 {
        self.lock().pulls
    }
}
