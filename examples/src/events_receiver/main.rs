//! `events-receiver`: Open Dental's API Events in a service of one's own.
//!
//! The router of the receiver stands beside routes of this program, behind the
//! accept loop of odx. Each delivery is on disk before it is answered; whoever
//! has the state file, such as `recall-sync`, applies it.
//!
//! Without a configuration it makes up a key and a path and says how to call it.
//!
//! ```toml
//! listen = "127.0.0.1:30380"      # anything else than loopback needs [tls]
//! state = "events.sqlite"
//! path = "…"                      # openssl rand -hex 16
//!
//! [[office]]
//! id = "main-st"
//! customer_key = "…"
//!
//! [tls]                           # optional
//! chain = "fullchain.pem"
//! key = "privkey.pem"
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use odx_core::engine::Shutdown;
use odx_core::serve::{ServeLimits, Tls, listen, serve, serve_tls};
use odx_core::store::SqliteStore;
use odx_core::{Error, ErrorKind, Result, Secret, SourceId};
use odx_opendental::{Receiver, ReceiverSettings, SYSTEM};
use serde::Deserialize;

/// Receives Open Dental's API Events, durably.
#[derive(Parser)]
struct Args {
    /// Settings, as TOML. Without them: a key and a path that are made up.
    #[arg(long)]
    config: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "at_home")]
    listen: SocketAddr,
    state: PathBuf,
    path: Secret,
    office: Vec<Office>,
    tls: Option<Certificate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Office {
    id: String,
    customer_key: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    chain: PathBuf,
    key: PathBuf,
}

fn at_home() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 30380))
}

/// Where the receiver is mounted.
const MOUNT: &str = "/opendental";

fn main() -> ExitCode {
    // The message of a panic may quote data; its place does not.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        eprintln!("events-receiver: a defect{place}; please report it");
    }));
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing_subscriber::filter::LevelFilter::WARN.into())
                .from_env_lossy(),
        )
        .with_writer(std::io::stderr)
        .init();
    // Reads FAILPOINTS: where a test ends this process, which rules it switches off.
    #[cfg(feature = "failpoints")]
    let _armed = fail::FailScenario::setup();
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("events-receiver: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

fn settings(args: &Args) -> Result<Config> {
    let refuse = |what: String| Error::new(ErrorKind::Config, what);
    let Some(file) = &args.config else {
        return demonstration();
    };
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|cause| refuse(format!("{name} cannot be read: {}", cause.kind())))?;
    // The parser's message quotes the line, and the line may hold a key.
    toml::from_str(&text).map_err(|wrong: toml::de::Error| {
        let line = wrong.span().map_or(0, |at| {
            text.bytes()
                .take(at.start)
                .filter(|byte| *byte == b'\n')
                .count()
                + 1
        });
        refuse(format!(
            "{name} is wrong at line {line}: {}",
            wrong.message()
        ))
    })
}

/// Everything made up, for a look.
fn demonstration() -> Result<Config> {
    let made = || {
        let mut text = String::new();
        while text.len() < 32 {
            text.push(fastrand::alphanumeric());
        }
        text
    };
    let (path, key) = (made(), made());
    println!("no --config: a path and a customer key were made up. Try:");
    println!(
        "  curl -i -H 'Authorization: {key}' -H 'Event-Type: WatchTable: Appointment' \\\n       \
         -d '[{{\"AptNum\":1,\"PatNum\":1}}]' http://{}{MOUNT}/{path}/",
        at_home()
    );
    Ok(Config {
        listen: at_home(),
        state: "events.sqlite".into(),
        path: Secret::new(path),
        office: vec![Office {
            id: "demo".to_owned(),
            customer_key: Secret::new(key),
        }],
        tls: None,
    })
}

#[tokio::main]
async fn run(args: &Args) -> Result<()> {
    let config = settings(args)?;
    let offices = config
        .office
        .into_iter()
        .map(|office| Ok((SourceId::new(SYSTEM, office.id)?, office.customer_key)))
        .collect::<Result<Vec<_>>>()?;
    let store = Arc::new(SqliteStore::open(&config.state)?);
    let receiver = Receiver::new(ReceiverSettings::new(config.path), offices, store)?;

    // One's own service: whatever it serves, the receiver is one place of it.
    let counted = receiver.clone();
    let service = Router::new()
        .route("/", get(|| async { "this is my service\n" }))
        .route(
            "/counts",
            get(move || async move { Json(counted.counts()) }),
        )
        .nest(MOUNT, receiver.router());

    let listener = listen(config.listen)?;
    // Port 0 is any that is free.
    let address = listener.local_addr().unwrap_or(config.listen);
    let (shutdown, stop) = Shutdown::new();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.stop();
        } else {
            // No signals here: it is stopped in another way, and runs until then.
            std::future::pending::<()>().await;
        }
    });
    let limits = ServeLimits::default();
    match config.tls {
        Some(tls) => {
            let tls = Tls::from_files(tls.chain, tls.key)?;
            println!("listening on https://{address}{MOUNT}/<path>/");
            serve_tls(listener, tls, service, limits, stop).await
        }
        None => {
            println!("listening on http://{address}{MOUNT}/<path>/");
            serve(listener, service, limits, stop).await
        }
    }
}
