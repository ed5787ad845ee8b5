//! Reports in a folder, as reads of an office.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, NaiveDateTime, Utc};
use odx_core::source::PracticeSource as _;
use odx_core::{Error, Result};

use crate::columns::BadHeader;
use crate::config::ExportSettings;
use crate::cursor::Place;
use crate::exports::{Folder, ReadyFile};
use crate::snapshot::Part;
use crate::source::{Dentrix, Snapshot};
use crate::table::{Field, Table};
use crate::wire::{Class, Failure, FileJob, Job};

/// A report that stays unfinished for so many times the settling time is held.
const UNFINISHED: u32 = 30;
/// More rows than this in one report are refused.
const MOST_ROWS: u64 = 200_000;

/// So many of the last reports show one of each kind.
const LAST: usize = 9;

/// A report that was read.
#[derive(Debug)]
struct Found {
    file: ReadyFile,
    part: Part,
}

impl Found {
    fn printed(&self) -> Option<NaiveDateTime> {
        self.part.report.as_ref()?.printed
    }
}

impl Dentrix {
    /// What is new in the folder, each table once, the newest of each. None: nothing is.
    pub(crate) async fn read_exports(
        &self,
        settings: &ExportSettings,
        place: &Place,
    ) -> Result<Option<Snapshot>> {
        let now = self.now();
        let mut folder = self.folder.lock().await;
        let folder = folder.get_or_insert_with(|| Folder::new(settings));
        let mut found: BTreeMap<Table, Found> = BTreeMap::new();
        // Lists of recalls that say nothing of privacy: right where a list of patients does.
        let mut open = Vec::new();
        for file in folder.look(now)?.ready {
            if place.knows(&file.hash) {
                if !self.settings.hands_off {
                    folder.archive(&file, now)?;
                }
                continue;
            }
            match self
                .read_file(settings, file.path.clone(), place.listed)
                .await
            {
                Ok(part) => self.keep(&mut found, Found { file, part }, place, folder)?,
                Err(why) if why.class == Class::Busy => return Err(why.into()),
                // Whoever writes it may only be pausing.
                Err(why) if why.class == Class::Incomplete && is_young(settings, &file, now) => {}
                Err(why) if is_silent(&why) => open.push((file, why)),
                // Once may be the machine's fault; twice is the file's, and costs that file and no other.
                Err(why)
                    if is_of_the_reader(&why)
                        && self.again.lock().await.insert(file.hash.clone()) =>
                {
                    return Err(why.into());
                }
                Err(why) => return Err(self.hold(folder, &file, why)),
            }
        }
        for (file, why) in open {
            if !found.contains_key(&Table::Patients) {
                return Err(self.hold(folder, &file, why));
            }
            match self.read_file(settings, file.path.clone(), true).await {
                Ok(part) => self.keep(&mut found, Found { file, part }, place, folder)?,
                Err(why) if why.class == Class::Busy => return Err(why.into()),
                Err(why) => return Err(self.hold(folder, &file, why)),
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        let mut after = place.clone();
        for (table, one) in &found {
            after.remember(one.file.hash.clone());
            if let Some(printed) = one.printed() {
                after.printed.insert(*table, printed);
            }
        }
        let counted: Vec<Table> = found.keys().copied().collect();
        // The book is printed for a span of days: who is not in it may have a visit on another.
        let whole = counted.iter().copied();
        let whole = whole
            .filter(|table| *table != Table::Appointments)
            .collect();
        let parts = found.into_iter().map(|(table, one)| (table, one.part));
        // A read that nobody would believe stays where it is: a person may release it.
        let read = self.snapshot(parts.collect(), whole, &counted, place.clone(), after);
        read.map(Some)
    }

    /// Keeps the newest report of each table, and holds the others.
    fn keep(
        &self,
        found: &mut BTreeMap<Table, Found>,
        one: Found,
        place: &Place,
        folder: &mut Folder,
    ) -> Result<()> {
        const OLD: &str = "a report of this kind that was printed later is known already: nothing of this one was used";
        let table = one.part.table;
        let printed = one.printed();
        if printed.is_some() && printed < place.printed.get(&table).copied() {
            return self.put_aside(folder, &one.file, OLD);
        }
        let known = found.get(&table).map(Found::printed);
        if known.is_some_and(|known| printed < known) {
            return self.put_aside(folder, &one.file, OLD);
        }
        if let Some(older) = found.insert(table, one) {
            self.put_aside(folder, &older.file, OLD)?;
        }
        Ok(())
    }

    /// Puts a report aside, with its reason beside it.
    fn put_aside(&self, folder: &mut Folder, file: &ReadyFile, reason: &str) -> Result<()> {
        if self.settings.hands_off {
            return Ok(());
        }
        folder.quarantine(file, reason, self.now()).map(drop)
    }

    fn hold(&self, folder: &mut Folder, file: &ReadyFile, why: Failure) -> Error {
        match self.put_aside(folder, file, &why.what) {
            Ok(()) => why.into(),
            Err(why) => why,
        }
    }

    async fn read_file(
        &self,
        settings: &ExportSettings,
        path: PathBuf,
        listed: bool,
    ) -> Result<Part, Failure> {
        let job = Job::File(self.file_job(settings, path, listed));
        let (parts, notes) = self.run(&job).await?;
        for note in notes {
            tracing::warn!("{}: {note}", self.id());
        }
        parts
            .into_values()
            .next()
            .ok_or_else(|| Failure::new(Class::NoReport, "the reader found no report in the file"))
    }

    pub(crate) fn file_job(
        &self,
        settings: &ExportSettings,
        path: PathBuf,
        listed: bool,
    ) -> FileJob {
        let columns = Table::ALL.map(|table| {
            let mut columns = self.settings.columns(table);
            if table == Table::Recalls && !listed {
                columns.suppression = vec![vec![Field::Privacy]];
            }
            columns
        });
        FileJob {
            path,
            columns: columns.into(),
            encoding: settings.encoding.clone(),
            max_bytes: settings.max_bytes,
            max_rows: MOST_ROWS,
            require_footer: settings.require_footer,
            columns_only: false,
        }
    }

    /// The last report of each kind, whether it was read before or not.
    pub(crate) async fn last_exports(
        &self,
        settings: &ExportSettings,
    ) -> Result<BTreeMap<Table, Part>> {
        let mut folder = self.folder.lock().await;
        let folder = folder.get_or_insert_with(|| Folder::new(settings));
        let ready = folder.look(self.now())?.ready.into_iter();
        let mut files: Vec<(PathBuf, DateTime<Utc>)> =
            ready.map(|file| (file.path, file.modified)).collect();
        files.extend(folder.archived());
        files.sort_by_key(|(_, modified)| std::cmp::Reverse(*modified));
        let mut found: BTreeMap<Table, Part> = BTreeMap::new();
        // Not every office exports every table: the archive is not searched to its end for what is not there.
        files.truncate(LAST);
        for (path, _) in files {
            match self.read_file(settings, path, true).await {
                Ok(part) => {
                    found.entry(part.table).or_insert(part);
                }
                Err(why) if why.class == Class::Incomplete => {}
                Err(why) => return Err(why.into()),
            }
            if found.len() == Table::ALL.len() {
                break;
            }
        }
        Ok(found)
    }

    /// How the folder stands, in lines for a person.
    pub(crate) async fn look_at_folder(&self, settings: &ExportSettings) -> Result<Vec<String>> {
        let mut folder = self.folder.lock().await;
        let folder = folder.get_or_insert_with(|| Folder::new(settings));
        let looked = folder.look(self.now())?;
        let mut findings = vec![format!(
            "the folder can be read: {} reports are ready, {} are still being written",
            looked.ready.len(),
            looked.settling
        )];
        let mut refused = None;
        for file in &looked.ready {
            let mut job = self.file_job(settings, file.path.clone(), true);
            job.columns_only = true;
            let mut take = |_| Ok(());
            match self.settings.reader.read(&Job::File(job), &mut take).await {
                Ok(()) => findings.push("a report that is ready can be read".to_owned()),
                Err(why) => refused = Some(why),
            }
        }
        match refused {
            // Nothing at all can be read: that is no finding among others.
            Some(why) if findings.len() == 1 => Err(why.into()),
            Some(why) => {
                findings.push(format!(
                    "a report that is ready cannot be read: {}",
                    why.what
                ));
                Ok(findings)
            }
            None => Ok(findings),
        }
    }
}

fn is_young(settings: &ExportSettings, file: &ReadyFile, now: DateTime<Utc>) -> bool {
    let age = (now - file.modified).to_std().unwrap_or_default();
    age < settings.settle * UNFINISHED
}

/// The reader went, or took too long.
const fn is_of_the_reader(why: &Failure) -> bool {
    matches!(why.class, Class::Crashed | Class::Timeout)
}

/// The report would do, if another said who must not be contacted.
fn is_silent(why: &Failure) -> bool {
    matches!(
        why.header.as_deref(),
        Some(BadHeader::NoSuppression {
            table: Table::Recalls,
            ..
        })
    )
}
