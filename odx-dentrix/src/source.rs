//! `impl PracticeSource`. Where every field comes from:
//!
//! | canonical | over ODBC | in reports | notes |
//! |---|---|---|---|
//! | `key` | chart and birth date, or GUID | the same | `identity.rs` |
//! | `household` | `guar_guid`, `guar_id` | Guarantor | whoever stands alone is their own |
//! | `status` | `status` | Status | a disclosure restriction closes |
//! | `consent` | `privacy_flags` | Privacy Request | only ever noes |
//! | `due`, `previous` | `due_date`, `prior_date` | Due Date, Prior Treat. | before 1880 is none |
//! | `start` | date, `start_hour`, `start_minute` | Appt Date, Time | wall clock |

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::NaiveDate;
use odx_core::source::{
    Capabilities, Change, Extent, Page, Position, PracticeSource, Probe, PullRequest,
};
use odx_core::{Error, ErrorKind, Office, PatientKey, Result, SourceId};
use tokio::sync::Mutex;

use crate::config::{Builder, OdbcSettings, Way};
use crate::cursor::{Pass, Place, Stage};
use crate::meaning::{Meaning, changed_until, is_patient, weigh};
use crate::reader::Reader;
use crate::snapshot::{Part, Taker};
use crate::table::Table;
use crate::wire::{Failure, Job, Parameter, Statement};

/// So many refused logins in a row and nobody tries again by itself: more may lock
/// the account (reference 8.5).
const LOGINS: u32 = 2;

/// One Dentrix office.
#[derive(Debug)]
pub struct Dentrix {
    pub(crate) settings: Builder,
    /// What was read and is being given out.
    held: Mutex<Option<Snapshot>>,
    /// Where reports arrive, and which of them are still being written.
    #[cfg(feature = "exports")]
    pub(crate) folder: Mutex<Option<crate::exports::Folder>>,
    /// Contents over which the reader broke before.
    #[cfg(feature = "exports")]
    pub(crate) again: Mutex<std::collections::BTreeSet<String>>,
    reads: AtomicU64,
    refused: AtomicU32,
}

/// A read that is being given out.
#[derive(Debug)]
pub(crate) struct Snapshot {
    read: u64,
    parts: BTreeMap<Table, Part>,
    /// Listings that are complete: what they do not show is not there.
    whole: Vec<Table>,
    meaning: Meaning,
    /// What was remembered before, and stays so until all was given out: a pass that is cut off is read again.
    before: Place,
    /// What is remembered then.
    after: Place,
}

impl Dentrix {
    /// An office that is read this way, by this reader.
    pub fn builder(id: SourceId, office: Office, way: Way, reader: Arc<dyn Reader>) -> Builder {
        Builder::new(id, office, way, reader)
    }

    pub(crate) fn new(settings: Builder) -> Self {
        Self {
            settings,
            held: Mutex::new(None),
            #[cfg(feature = "exports")]
            folder: Mutex::new(None),
            #[cfg(feature = "exports")]
            again: Mutex::default(),
            reads: AtomicU64::new(0),
            refused: AtomicU32::new(0),
        }
    }

    #[cfg(feature = "exports")]
    pub(crate) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.settings.clock.now()
    }

    fn today(&self) -> NaiveDate {
        self.settings.today()
    }

    /// Runs a job and takes what it says.
    pub(crate) async fn run(
        &self,
        job: &Job,
    ) -> Result<(BTreeMap<Table, Part>, Vec<String>), Failure> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let mut taker = Taker::default();
        let read = {
            let mut take = |said| taker.take(said);
            self.settings.reader.read(job, &mut take).await
        };
        read?;
        taker.finish()
    }

    /// As [`run`](Self::run), for a database: after refused logins nobody is asked any more.
    async fn ask(&self, job: &Job) -> Result<BTreeMap<Table, Part>> {
        if self.refused.load(Ordering::Relaxed) >= LOGINS {
            return Err(Error::new(
                ErrorKind::Credentials,
                "the login was refused twice and is not tried again, so that the account is not locked: let the vendor's \
                 program issue the connection string anew, then start this program again",
            ));
        }
        let answer = self.run(job).await.map_err(Error::from);
        match &answer {
            Ok(_) => self.refused.store(0, Ordering::Relaxed),
            Err(why) if why.kind() == ErrorKind::Credentials => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        let (parts, notes) = answer?;
        for note in notes {
            tracing::warn!("{}: {note}", self.settings.id);
        }
        Ok(parts)
    }

    /// Reads the database.
    async fn read_odbc(
        &self,
        settings: &OdbcSettings,
        place: Place,
        extent: Extent,
    ) -> Result<Snapshot> {
        let since = match extent {
            Extent::Changes => place.changed_since(),
            Extent::Everything => None,
        };
        let statements = self.settings.statements(settings, extent, since)?;
        let in_part = |statement: &Statement| {
            statement
                .parameters
                .iter()
                .any(|value| matches!(value, Parameter::Stamp(Some(_))))
        };
        let whole: Vec<Table> = statements
            .iter()
            .filter(|statement| !in_part(statement))
            .map(|statement| statement.table)
            .collect();
        let asked: Vec<Table> = statements.iter().map(|statement| statement.table).collect();
        let parts = self.ask(&settings.job(statements)).await?;
        if let Some(table) = asked.iter().find(|table| !parts.contains_key(table)) {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("the reader left out the {}", table.name()),
            ));
        }
        self.snapshot(parts, whole.clone(), &whole, place.clone(), place)
    }

    /// Checks a read, and makes it ready to be given out. `after` is what is remembered then, but for what the read
    /// itself teaches.
    pub(crate) fn snapshot(
        &self,
        mut parts: BTreeMap<Table, Part>,
        whole: Vec<Table>,
        counted: &[Table],
        before: Place,
        mut after: Place,
    ) -> Result<Snapshot> {
        let today = self.today();
        after.learned = weigh(&self.settings, today, &mut parts, counted, &after.learned)?;
        after.read = true;
        after.pass = None;
        for part in parts.values_mut() {
            match part.table {
                Table::Patients => after.listed = true,
                Table::Appointments => {
                    after.changed_until = changed_until(part)?.max(after.changed_until);
                }
                Table::Recalls => {}
            }
        }
        let meaning = Meaning::new(&self.settings, today, &mut parts, after.listed)?;
        Ok(Snapshot {
            read: RandomState::new().build_hasher().finish(),
            parts,
            whole,
            meaning,
            before,
            after,
        })
    }

    /// Begins a pass. None: nothing is new.
    async fn begin(&self, place: &mut Place, extent: Extent) -> Result<Option<Snapshot>> {
        match &self.settings.way {
            Way::Odbc(settings) => {
                let read = self.read_odbc(settings, place.clone(), extent).await?;
                Ok(Some(read))
            }
            #[cfg(feature = "exports")]
            Way::Exports(settings) => self.read_exports(settings, place).await,
            #[cfg(not(feature = "exports"))]
            Way::Exports(_) => Err(no_exports()),
        }
    }
}

#[cfg(not(feature = "exports"))]
fn no_exports() -> Error {
    Error::new(
        ErrorKind::Config,
        "this program was built without the feature `exports`: build it with it, or read over ODBC",
    )
}

impl Snapshot {
    /// What there is of this stage, or of the first one after it.
    fn stage(&self, from: Stage) -> Option<Stage> {
        let has = |table| self.parts.contains_key(&table);
        let stages = [
            (Stage::Patients, has(Table::Patients)),
            (Stage::People, !self.meaning.recalled().is_empty()),
            (Stage::Recalls, has(Table::Recalls)),
            (Stage::Appointments, has(Table::Appointments)),
        ];
        let mut stages = stages.into_iter();
        stages
            .find(|(stage, has)| *stage >= from && *has)
            .map(|(stage, _)| stage)
    }

    /// A page from here on, and what stands after it.
    fn page(&mut self, at: &Pass, most: usize) -> Result<Page> {
        let mut changes = Vec::new();
        let mut swept = Vec::new();
        let mut next = at.clone();
        let (table, follows) = match at.stage {
            Stage::Patients => (Some(Table::Patients), Some(Stage::People)),
            Stage::People => (None, Some(Stage::Recalls)),
            Stage::Recalls => (Some(Table::Recalls), Some(Stage::Appointments)),
            Stage::Appointments => (Some(Table::Appointments), None),
        };
        next.after = match table {
            None => {
                let people = self.meaning.recalled();
                let from = at.after.map_or(0, |after| {
                    people.partition_point(|(standing, _)| *standing <= after)
                });
                let rest = people.get(from..).unwrap_or_default();
                let page = rest.get(..most).unwrap_or(rest);
                changes.extend(page.iter().map(|(_, change)| change.clone()));
                let last = page.last().map(|(standing, _)| *standing);
                last.filter(|_| page.len() < rest.len())
            }
            Some(table) => {
                let Some(part) = self.parts.get_mut(&table) else {
                    return Err(Error::new(ErrorKind::Bug, "a table that was not read"));
                };
                if at.after.is_none() {
                    changes.extend(Meaning::unreadable(part));
                }
                let (rows, last) = part.rows.page(at.after, most)?;
                for row in &rows {
                    changes.extend(self.meaning.change(table, row)?);
                }
                if last.is_none() && self.whole.contains(&table) {
                    swept.push(Meaning::swept(table));
                }
                last
            }
        };
        let stage = match next.after {
            Some(_) => Some(at.stage),
            None => follows.and_then(|from| self.stage(from)),
        };
        let position = match stage {
            Some(stage) => {
                next.stage = stage;
                let mut place = self.before.clone();
                place.pass = Some(next);
                Position::More(place.write()?)
            }
            None => {
                let mut place = self.after.clone();
                place.changed_until = at.changed_until;
                Position::CaughtUp(place.write()?)
            }
        };
        Ok(Page {
            changes,
            swept,
            position,
        })
    }
}

#[async_trait]
impl PracticeSource for Dentrix {
    fn id(&self) -> &SourceId {
        &self.settings.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().with_sweeps()
    }

    async fn probe(&self) -> Result<Probe> {
        let mut findings = Vec::new();
        match &self.settings.way {
            Way::Odbc(settings) => {
                let mut statements =
                    self.settings
                        .statements(settings, Extent::Everything, None)?;
                statements
                    .iter_mut()
                    .for_each(|one| one.columns_only = true);
                for part in self.ask(&settings.job(statements)).await?.into_values() {
                    findings.push(format!(
                        "{} can be read: {} columns, all that are needed among them",
                        part.table.name(),
                        part.header.len()
                    ));
                }
            }
            #[cfg(feature = "exports")]
            Way::Exports(settings) => findings.extend(self.look_at_folder(settings).await?),
            #[cfg(not(feature = "exports"))]
            Way::Exports(_) => return Err(no_exports()),
        }
        Ok(Probe::new(findings))
    }

    async fn pull(&self, req: PullRequest) -> Result<Page> {
        let mut place = Place::read(req.cursor.as_ref())?;
        let mut held = self.held.lock().await;
        let under_way = place
            .pass
            .clone()
            .filter(|pass| held.as_ref().is_some_and(|held| held.read == pass.read));
        let at = match under_way {
            Some(at) => at,
            None => {
                *held = None;
                let extent = place.extent(req.extent, !place.read);
                let cut = place.pass.take();
                let Some(read) = self.begin(&mut place, extent).await? else {
                    return Ok(Page {
                        changes: Vec::new(),
                        swept: Vec::new(),
                        position: Position::CaughtUp(place.write()?),
                    });
                };
                let until = read.after.changed_until;
                let begun = Pass {
                    read: read.read,
                    everything: extent == Extent::Everything,
                    stage: Stage::Patients,
                    after: None,
                    changed_until: until,
                };
                // A pass that was cut off goes on where it stood, in the new read.
                let mut at = cut.map_or(begun, |cut| Pass {
                    read: read.read,
                    changed_until: cut.changed_until.min(until),
                    ..cut
                });
                match read.stage(at.stage) {
                    Some(stage) if stage != at.stage => (at.stage, at.after) = (stage, None),
                    Some(_) => {}
                    None => {
                        return Ok(Page {
                            changes: Vec::new(),
                            swept: Vec::new(),
                            position: Position::CaughtUp(read.after.write()?),
                        });
                    }
                }
                *held = Some(read);
                at
            }
        };
        let Some(read) = held.as_mut() else {
            return Err(Error::new(ErrorKind::Bug, "a read that is not there"));
        };
        let page = read.page(&at, self.settings.page)?;
        if let Position::CaughtUp(_) = page.position {
            for what in read.meaning.left_out() {
                tracing::info!("{}: left out {what}", self.settings.id);
            }
            *held = None;
        }
        Ok(page)
    }

    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>> {
        let parts = match &self.settings.way {
            Way::Odbc(settings) => {
                let statements = self
                    .settings
                    .statements(settings, Extent::Everything, None)?;
                self.ask(&settings.job(statements)).await?
            }
            #[cfg(feature = "exports")]
            Way::Exports(settings) => self.last_exports(settings).await?,
            #[cfg(not(feature = "exports"))]
            Way::Exports(_) => return Err(no_exports()),
        };
        let mut parts = parts;
        let listed = parts.contains_key(&Table::Patients);
        let mut meaning = Meaning::new(&self.settings, self.today(), &mut parts, listed)?;
        let people = meaning.recalled().iter().map(|(_, change)| change);
        let people = people.filter(|change| is_patient(change, patient));
        let mut about: Vec<Change> = people.cloned().collect();
        for (table, part) in &mut parts {
            let mut theirs = Vec::new();
            part.rows.each(|row| {
                if meaning.whose(*table, &row).as_ref() == Some(patient) {
                    theirs.push(row);
                }
            })?;
            for row in theirs {
                about.extend(meaning.change(*table, &row)?);
            }
        }
        Ok(about)
    }

    fn requests(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}
