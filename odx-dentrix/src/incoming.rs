//! Reports in a folder, as reads of an office.

use std::collections::BTreeMap;

use odx_core::{Error, ErrorKind, Result};

use crate::config::ExportSettings;
use crate::cursor::Place;
use crate::exports::folder::{Folder, Ready};
use crate::snapshot::Part;
use crate::source::{Dentrix, Snapshot};
use crate::table::{Field, Table};
use crate::wire::{Class, FileJob, Job};

/// A report that stays unfinished for so many times the settling time is held.
const UNFINISHED: u32 = 30;

impl Dentrix {
    /// What is new in the folder, each table once, the newest of each. None: nothing is.
    pub(crate) async fn read_exports(
        &self,
        settings: &ExportSettings,
        place: &mut Place,
    ) -> Result<Option<Snapshot>> {
        let now = self.now();
        let mut folder = self.folder(settings).await;
        let looked = folder.look(now).map_err(folder_error)?;
        let mut found: BTreeMap<Table, (Ready, Part)> = BTreeMap::new();
        for file in looked.ready {
            if place.knows(&file.hash) {
                folder.archive(&file, now).map_err(folder_error)?;
                continue;
            }
            let part = match self.run(&file_job(settings, self, &file, place)).await {
                Ok((parts, notes)) => {
                    for note in notes {
                        tracing::warn!("{}: {note}", self.id());
                    }
                    parts.into_values().next()
                }
                Err(why) if why.class == Class::Busy => return Err(why.into()),
                Err(why) if why.class == Class::Incomplete && file.age(now) < settings.settle * UNFINISHED => {
                    // Whoever writes it may only be pausing.
                    continue;
                }
                Err(why) => {
                    folder
                        .quarantine(&file, &why.what, now)
                        .map_err(folder_error)?;
                    return Err(Error::from(why));
                }
            };
            let Some(part) = part else { continue };
            let printed = part.report.as_ref().and_then(|report| report.printed);
            let last = place.printed.get(&part.table).copied();
            let newer = found
                .get(&part.table)
                .and_then(|(_, known)| known.report.as_ref()?.printed);
            if printed.is_some() && (printed < last || printed < newer) {
                let what = "this report was printed before the last one of its kind that was read: newer news is known";
                folder.quarantine(&file, what, now).map_err(folder_error)?;
                continue;
            }
            if let Some((older, _)) = found.insert(part.table, (file, part)) {
                let what = "a newer report of this kind was there beside it";
                folder.quarantine(&older, what, now).map_err(folder_error)?;
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        let mut after = place.clone();
        let mut parts = BTreeMap::new();
        for (table, (file, part)) in found {
            after.remember(file.hash.clone());
            if let Some(printed) = part.report.as_ref().and_then(|report| report.printed) {
                after.printed.insert(table, printed);
            }
            parts.insert(table, (file, part));
        }
        // The book is printed for a span of days: who is not in it may be on another page of it.
        let whole = parts
            .keys()
            .copied()
            .filter(|table| *table != Table::Appointments)
            .collect();
        let (files, parts): (Vec<_>, BTreeMap<_, _>) = parts
            .into_iter()
            .map(|(table, (file, part))| (file, (table, part)))
            .unzip();
        match self.snapshot(parts, whole, place.clone(), after) {
            Ok(read) => Ok(Some(read)),
            Err(why) => {
                for file in files {
                    folder
                        .quarantine(&file, &why.to_string(), now)
                        .map_err(folder_error)?;
                }
                Err(why)
            }
        }
    }

    /// The last report of each kind, whether it was read before or not.
    pub(crate) async fn last_exports(
        &self,
        settings: &ExportSettings,
    ) -> Result<BTreeMap<Table, Part>> {
        let mut folder = self.folder(settings).await;
        let mut files = folder.look(self.now()).map_err(folder_error)?.ready;
        files.reverse();
        files.extend(folder.archived().map_err(folder_error)?);
        let place = Place::read(None)?;
        let mut found = BTreeMap::new();
        for file in files {
            let job = file_job(settings, self, &file, &place);
            let (parts, _) = match self.run(&job).await {
                Ok(read) => read,
                // What is still being written, or will be held by the next pass.
                Err(why) if why.class != Class::Busy => continue,
                Err(why) => return Err(why.into()),
            };
            for (table, part) in parts {
                found.entry(table).or_insert(part);
            }
            if found.len() == Table::ALL.len() {
                break;
            }
        }
        Ok(found)
    }

    /// What stands in the folder, in lines for a person.
    pub(crate) async fn look_at_folder(&self, settings: &ExportSettings) -> Result<Vec<String>> {
        let mut folder = self.folder(settings).await;
        let looked = folder.look(self.now()).map_err(folder_error)?;
        Ok(vec![format!(
            "the folder can be read: {} reports are ready, {} are still being written, {} are held",
            looked.ready.len(),
            looked.settling,
            looked.held
        )])
    }
}

fn file_job(settings: &ExportSettings, source: &Dentrix, file: &Ready, place: &Place) -> Job {
    let columns = Table::ALL.map(|table| {
        let mut columns = source.columns(table);
        // Without a list of patients their privacy requests stand here or nowhere.
        if table == Table::Recalls && !place.columns.contains_key(&Table::Patients) {
            columns.suppression = vec![vec![Field::Privacy]];
        }
        columns
    });
    Job::File(FileJob {
        path: file.path.clone(),
        columns: columns.into(),
        encoding: settings.encoding.clone(),
        max_bytes: settings.max_bytes,
        max_rows: 200_000,
        require_footer: settings.require_footer,
        columns_only: false,
    })
}

fn folder_error(why: std::io::Error) -> Error {
    let kind = match why.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        _ => ErrorKind::Unavailable,
    };
    Error::new(
        kind,
        "the folder of reports cannot be read, or reports cannot be moved inside it: give this account read and write \
         access to it, or name another folder",
    )
    .with_cause(why.kind().to_string())
}
