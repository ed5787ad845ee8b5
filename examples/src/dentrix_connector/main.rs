//! `dentrix-connector`: what stands in a Dentrix office. All of it is in the library
//! that it shares with `recall-sync`.

use std::process::ExitCode;

fn main() -> ExitCode {
    recall_sync::dentrix_connector()
}
