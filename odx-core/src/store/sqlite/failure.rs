//! What SQLite's failures mean, and what to do about them.

use crate::error::{Error, ErrorKind};

/// A failure of SQLite. Its messages name tables and columns, never values.
pub(super) fn failed(cause: rusqlite::Error) -> Error {
    use rusqlite::{Error::*, ErrorCode};
    let odd = matches!(
        cause,
        FromSqlConversionFailure(..)
            | InvalidColumnType(..)
            | IntegralValueOutOfRange(..)
            | Utf8Error(..)
    );
    let text = match cause.sqlite_error_code() {
        None if odd => return damaged("a value of another kind").with_cause(cause),
        Some(ErrorCode::DiskFull) => {
            "the disk is full: nothing was stored; make room, odx goes on where it was"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds the state file: close it, odx goes on where it was"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            return beyond_repair("is damaged or no state file").with_cause(cause);
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "the state file cannot be written here; give the account write access to its folder"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "the disk did not take what odx writes: look at its room, its quota and its health; nothing was stored, \
             odx goes on where it was"
        }
        // Every statement is a constant of ours: where one does not fit, the file is not as odx wrote it.
        _ => {
            "the state file does not answer as odx wrote it; if that comes again, move it aside and run again: \
             odx reads the practice anew and creates no duplicates"
        }
    };
    Error::new(ErrorKind::State, text).with_cause(cause)
}

pub(super) fn refuse(why: &'static str) -> Error {
    Error::new(ErrorKind::State, why)
}

/// Something in the file that odx cannot have written.
pub(super) fn damaged(what: &'static str) -> Error {
    beyond_repair(&format!("holds {what}"))
}

fn beyond_repair(how: &str) -> Error {
    let text = format!(
        "the state file {how}; move it aside and run again: \
         odx reads the practice anew and creates no duplicates"
    );
    Error::new(ErrorKind::State, text)
}
