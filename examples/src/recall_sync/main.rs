//! `recall-sync`: keeps CRMs true to dental practices. All of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    recall_sync::recall_sync()
}
