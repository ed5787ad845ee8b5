//! `recall-sync`: keeps CRMs true to Open Dental practices.
//!
//! Without a configuration it is a demonstration that needs nothing. See the
//! README of the project for the configuration and the exit codes.

mod calls;
mod clerk;
mod cli;
mod commands;
mod config;
mod demo;
mod door;
mod live;
mod look;
mod ops_config;
mod post;
mod progress;
mod section;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The message of a panic may quote data; its place does not.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        eprintln!("recall-sync: a defect{place}; please report it");
    }));
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing_subscriber::filter::LevelFilter::ERROR.into())
                .from_env_lossy(),
        )
        .with_writer(std::io::stderr)
        .init();
    // Reads FAILPOINTS: where a test ends this process, which rules it switches off.
    #[cfg(feature = "failpoints")]
    let _armed = fail::FailScenario::setup();
    cli::run()
}
