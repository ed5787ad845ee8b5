//! What `recall-sync` and `dentrix-connector` are made of: both keep CRMs true to
//! practices, and differ in how they are asked.
//!
//! Without a configuration `recall-sync` is a demonstration that needs nothing. See
//! the README of the project for the configuration and the exit codes.

mod calls;
mod clerk;
mod cli;
mod commands;
mod config;
mod connector;
mod demo;
mod door;
mod live;
mod log;
mod look;
mod ops_config;
mod post;
mod progress;
mod section;
mod table;

use std::process::ExitCode;
use std::sync::OnceLock;

static NAME: OnceLock<&str> = OnceLock::new();

/// The whole of `recall-sync`: reads the command line, and does what it says.
pub fn recall_sync() -> ExitCode {
    begin("recall-sync");
    cli::run()
}

/// The whole of `dentrix-connector`.
pub fn dentrix_connector() -> ExitCode {
    begin("dentrix-connector");
    connector::run()
}

/// What this program is called, in front of what it complains about.
pub(crate) fn name() -> &'static str {
    NAME.get().copied().unwrap_or("recall-sync")
}

fn begin(name: &'static str) {
    let name = NAME.get_or_init(|| name);
    // The message of a panic may quote data; its place does not.
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        log::complain(&format!("{name}: a defect{place}; please report it"));
    }));
    log::begin();
    // Reads FAILPOINTS: where a test ends this process, which rules it switches off.
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
}

/// The README's example, which runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[derive(Debug)]
pub struct Readme;
