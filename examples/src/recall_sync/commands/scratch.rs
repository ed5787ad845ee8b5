//! A folder for a copy of the state. A copy holds what the state holds: nobody leaves one behind for long.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::Trouble;

const PREFIX: &str = ".odx-plan-";
/// Held as long as somebody works in the folder: such a lock ends with its process, also at kill -9.
const LOCK: &str = "lock";
/// How long a folder may be there before its lock is.
const YOUNG: Duration = Duration::from_secs(60);

/// Goes when it is dropped.
pub(super) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Beside this state: nowhere else may what it holds be written.
    pub(super) fn beside(state: &Path) -> Result<Self, Trouble> {
        let refused = |why: std::io::Error| {
            Trouble::failed(format!(
                "no copy can be made beside the state: {}",
                why.kind()
            ))
        };
        sweep(state).map_err(Trouble::failed)?;
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(folder_of(state))
            .map_err(refused)?;
        let lock = File::create_new(folder.path().join(LOCK)).map_err(refused)?;
        lock.try_lock()
            .map_err(|why| refused(std::io::Error::from(why)))?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Takes away the copies that processes which were ended left beside this state.
pub(crate) fn sweep(state: &Path) -> Result<(), String> {
    // Without a folder there is nothing in it.
    let beside = fs::read_dir(folder_of(state)).into_iter().flatten();
    for left in beside.flatten().map(|entry| entry.path()) {
        let named = left
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if !named || !deserted(&left) {
            continue;
        }
        fs::remove_dir_all(&left).map_err(|why| {
            format!(
                "{} holds a copy of the state that was left behind and cannot be removed ({}): remove it",
                left.display(),
                why.kind()
            )
        })?;
    }
    Ok(())
}

fn folder_of(state: &Path) -> &Path {
    let folder = state.parent().filter(|path| !path.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}

/// Nobody works in it.
fn deserted(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => fs::metadata(folder)
            .and_then(|of| of.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > YOUNG)),
    }
}
