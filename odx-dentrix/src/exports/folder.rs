//! The folder where exports arrive. Looked at again and again: what the operating
//! system tells about changes may be lost, may come early, or never comes from a
//! network share.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use odx_core::{Error, ErrorKind, Result};
use sha2::Digest as _;

use crate::config::ExportSettings;
use crate::convert::hex;

/// A folder of exports.
#[derive(Clone)]
pub struct Folder {
    folder: PathBuf,
    archive: String,
    quarantine: String,
    settle: Duration,
    max_bytes: u64,
    seen: BTreeMap<OsString, Seen>,
}

#[derive(Clone)]
struct Seen {
    size: u64,
    modified: DateTime<Utc>,
    since: DateTime<Utc>,
    hash: Option<String>,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folder")
            .field("folder", &self.folder)
            .field("seen", &self.seen.len())
            .finish_non_exhaustive()
    }
}

/// A file that is left alone by now. Its name may be a patient's: `Debug` shows
/// neither name nor path.
#[derive(Clone, PartialEq, Eq)]
pub struct ReadyFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub name: OsString,
    /// SHA-256 of its content, in hexadecimal.
    pub hash: String,
    /// In bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

impl std::fmt::Debug for ReadyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadyFile")
            .field("name", &"[phi]")
            .field("hash", &self.hash)
            .field("size", &self.size)
            .field("modified", &self.modified)
            .finish_non_exhaustive()
    }
}

/// What a look at the folder found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Looked {
    /// Files that can be read, oldest first.
    pub ready: Vec<ReadyFile>,
    /// How many are still being written, or cannot be opened yet.
    pub settling: usize,
}

impl Folder {
    /// The folder of these settings. Nothing is looked at yet.
    pub fn new(settings: &ExportSettings) -> Self {
        Self {
            folder: settings.folder.clone(),
            archive: settings.archive.clone(),
            quarantine: settings.quarantine.clone(),
            settle: settings.settle,
            max_bytes: settings.max_bytes,
            seen: BTreeMap::new(),
        }
    }

    /// Looks at the folder: which files can be read by now.
    ///
    /// A file is ready when its size and the time it was written were the same for
    /// as long as the settings ask, and it opens. What programs write for themselves
    /// (`~$`, `.tmp`, `.part`, hidden files) and folders are left alone.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the folder is not there or cannot be read.
    pub fn look(&mut self, now: DateTime<Utc>) -> Result<Looked> {
        let unreadable = |why: std::io::Error| {
            let what = match why.kind() {
                std::io::ErrorKind::NotFound => {
                    "the folder of exports is not there: create it, connect its share, or correct its path"
                }
                _ => {
                    "the folder of exports cannot be read: give the service's user the right to read and to write there"
                }
            };
            failed(&self.folder, what, why)
        };
        let mut seen = BTreeMap::new();
        let mut looked = Looked::default();
        for entry in std::fs::read_dir(&self.folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            if is_passing(&name) {
                continue;
            }
            // A file may go while we look.
            let Ok(meta) = std::fs::symlink_metadata(entry.path()) else {
                continue;
            };
            if meta.is_dir() {
                continue;
            }
            let modified = meta.modified().map(DateTime::<Utc>::from).unwrap_or(now);
            let before = self.seen.remove(&name);
            let mut state = before
                .filter(|before| before.size == meta.len() && before.modified == modified)
                .unwrap_or(Seen {
                    size: meta.len(),
                    modified,
                    since: now,
                    hash: None,
                });
            // By our clock, or by the one of whoever keeps the files.
            let settled = [state.since, modified].into_iter().any(|since| {
                (now - since)
                    .to_std()
                    .is_ok_and(|for_long| for_long >= self.settle)
            });
            let path = entry.path();
            if settled && state.hash.is_none() {
                state.hash = self.hash(&path, &meta);
            }
            match &state.hash {
                Some(hash) if settled => looked.ready.push(ReadyFile {
                    path,
                    name: name.clone(),
                    hash: hash.clone(),
                    size: state.size,
                    modified,
                }),
                _ => looked.settling += 1,
            }
            seen.insert(name, state);
        }
        self.seen = seen;
        looked
            .ready
            .sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        Ok(looked)
    }

    /// The hash of a file, none while somebody else holds it open for writing, or
    /// where it changes.
    fn hash(&self, path: &Path, meta: &std::fs::Metadata) -> Option<String> {
        let mut hash = sha2::Sha256::new();
        // Neither a queue, which would wait, nor more than is ever read: the reader
        // refuses both, and their hash is that of what they are.
        if !meta.is_file() || meta.len() > self.max_bytes {
            hash.update(format!("{:?} {}", meta.file_type(), meta.len()));
            return Some(hex(&hash.finalize()));
        }
        let mut file = open_alone(path).ok()?;
        let mut buffer = vec![0; 64 << 10];
        let mut size = 0_u64;
        loop {
            let read = file.read(&mut buffer).ok()?;
            let part = buffer.get(..read)?;
            if part.is_empty() {
                break;
            }
            size += u64::try_from(read).ok()?;
            hash.update(part);
        }
        (size == meta.len()).then(|| hex(&hash.finalize()))
    }

    /// Moves a file that was read out of the way, under its name and this moment.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it cannot be moved, with what mends it.
    pub fn archive(&mut self, file: &ReadyFile, now: DateTime<Utc>) -> Result<PathBuf> {
        let folder = self.inside(&self.archive)?;
        self.put_away(file, &folder, now, None)
    }

    /// Moves a file that could not be read out of the way, with a line beside it that
    /// says why. The line is there before the file is.
    ///
    /// # Errors
    /// As [`archive`](Self::archive).
    pub fn quarantine(
        &mut self,
        file: &ReadyFile,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<PathBuf> {
        let folder = self.inside(&self.quarantine)?;
        self.put_away(file, &folder, now, Some(reason))
    }

    /// What was read before, and when it was written.
    pub(crate) fn archived(&self) -> Vec<(PathBuf, DateTime<Utc>)> {
        let files = std::fs::read_dir(self.folder.join(&self.archive));
        let files = files.into_iter().flatten().flatten();
        files
            .filter_map(|file| Some((file.path(), file.metadata().ok()?.modified().ok()?.into())))
            .collect()
    }

    fn inside(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|why| {
            failed(
                &folder,
                "this folder cannot be made: give the service's user the right to write there",
                why,
            )
        })?;
        Ok(folder)
    }

    fn put_away(
        &mut self,
        file: &ReadyFile,
        folder: &Path,
        now: DateTime<Utc>,
        reason: Option<&str>,
    ) -> Result<PathBuf> {
        let denied = |why| {
            failed(
                folder,
                "a report cannot be moved into this folder: close it where it is open, and give the service's user the \
                 right to write there and to remove files where they arrive",
                why,
            )
        };
        let stamp = now.format("%Y%m%dT%H%M%SZ").to_string();
        for number in 1..1000 {
            let name = stamped(&file.name, &stamp, number);
            let target = folder.join(&name);
            // Whoever makes this file owns the name; a line left by a crash is no name taken.
            let mut line = target.clone().into_os_string();
            line.push(".reason.txt");
            let line = PathBuf::from(line);
            if std::fs::symlink_metadata(&target).is_ok() {
                continue;
            }
            if let Some(reason) = reason {
                let mut written = match std::fs::File::create_new(&line) {
                    Ok(written) => written,
                    Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => continue,
                    Err(why) => return Err(denied(why)),
                };
                let reason: String = reason.split_whitespace().collect::<Vec<_>>().join(" ");
                written
                    .write_all(format!("{reason}\r\n").as_bytes())
                    .and_then(|()| written.sync_all())
                    .map_err(denied)?;
            }
            match rename_new(&file.path, &target) {
                Ok(()) => {
                    self.seen.remove(&file.name);
                    return Ok(target);
                }
                Err(why) => {
                    if reason.is_some() {
                        drop(std::fs::remove_file(&line));
                    }
                    if why.kind() != std::io::ErrorKind::AlreadyExists {
                        return Err(denied(why));
                    }
                }
            }
        }
        Err(failed(
            folder,
            "a report cannot be moved into this folder: a thousand of its name are there",
            std::io::ErrorKind::AlreadyExists.into(),
        ))
    }
}

/// Moves a file, never over another one. A second name and then one less: a plain
/// rename takes the place of what is there. Shares that know no second names have
/// to make do with a look first.
fn rename_new(from: &Path, to: &Path) -> std::io::Result<()> {
    if std::fs::symlink_metadata(from)?.is_file() {
        match std::fs::hard_link(from, to) {
            Ok(()) => {
                return std::fs::remove_file(from).inspect_err(|_| drop(std::fs::remove_file(to)));
            }
            Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => return Err(why),
            Err(_) => {}
        }
    }
    if std::fs::symlink_metadata(to).is_ok() {
        return Err(std::io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

/// `recall.csv` as `recall.20251103T060004Z.csv`, the second one of a second as
/// `recall.20251103T060004Z-2.csv`.
fn stamped(name: &std::ffi::OsStr, stamp: &str, number: u32) -> OsString {
    let path = Path::new(name);
    let mut stamped = path.file_stem().unwrap_or(name).to_os_string();
    stamped.push(format!(".{stamp}"));
    if number > 1 {
        stamped.push(format!("-{number}"));
    }
    if let Some(extension) = path.extension() {
        stamped.push(".");
        stamped.push(extension);
    }
    stamped
}

/// What programs write for themselves, on the way to the file they mean.
fn is_passing(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_lowercase();
    let ends = [".tmp", ".part", ".partial", ".crdownload"];
    let own = ["thumbs.db", "desktop.ini"];
    name.starts_with("~$")
        || name.starts_with('.')
        || ends.iter().any(|end| name.ends_with(end))
        || own.contains(&name.as_str())
}

/// Opens a file that nobody else has open for writing.
fn open_alone(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt as _;
        options.share_mode(0);
    }
    options.open(path)
}

/// Names the folder, never a file in it.
fn failed(folder: &Path, what: &str, why: std::io::Error) -> Error {
    let kind = why.kind();
    Error::new(ErrorKind::Config, format!("{what} ({})", folder.display()))
        .with_cause(std::io::Error::from(kind))
}
