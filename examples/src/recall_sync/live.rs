//! The real thing: one or many offices in one process.

use std::process::ExitCode;
use std::sync::Arc;

use odx_core::engine::Shutdown;
use odx_core::failpoint::reach;
use odx_core::store::{SqliteStore, StateStore};
use odx_core::{Error, ErrorKind, Mode, RunReport};
use tokio::task::JoinSet;

use crate::clerk::{Clerk, Telling};
use crate::cli::{DONE, FAILED, INCOMPLETE, fail};
use crate::commands::Dress;
use crate::commands::scratch::sweep;
use crate::config::{Config, OfficeSetup};
use crate::door::subscribe;
use crate::progress::Screen;
use crate::table;
use crate::{log, look};

/// How an office's run ended. A followed one has no report of its own.
type End = (String, Result<Option<RunReport>, Error>);

pub(crate) async fn run(config: Config, follow: bool, mode: Mode) -> ExitCode {
    if let Some(files) = &config.log
        && let Err(why) = log::into(files)
    {
        return fail(FAILED, &why);
    }
    let store: Arc<dyn StateStore> = match SqliteStore::open(&config.state) {
        Ok(store) => Arc::new(store),
        Err(why) => {
            return fail(
                FAILED,
                &format!("{}: {}", config.state.display(), why.chain()),
            );
        }
    };
    if let Err(why) = sweep(&config.state) {
        log::complain(&format!("{}: {why}", crate::name()));
    }
    let screen = Screen::new();
    let (shutdown, stop) = Shutdown::new();
    let signals = tokio::spawn(async move {
        interrupted().await;
        shutdown.stop();
        // A second time: at once. What was sent and not acknowledged is sent again, and does no harm.
        interrupted().await;
        std::process::exit(i32::from(INCOMPLETE));
    });

    let Config {
        schedule,
        brake,
        door,
        operations,
        offices,
        ..
    } = config;
    let doorstep = door.as_ref().filter(|_| follow).map(|door| {
        let declared = |setup: &OfficeSetup| {
            let events = setup.events.as_ref()?;
            let declaration = door.declaration(events.workstation.as_deref())?;
            Some((Arc::clone(&events.source), declaration))
        };
        offices.iter().map(declared).collect::<Vec<_>>()
    });
    let mut declarations = doorstep.unwrap_or_default().into_iter();
    // Deliveries wait for whoever follows; a single run ends before any could come.
    let door = match door.filter(|_| follow) {
        None => None,
        Some(door) => {
            let keys = offices.iter().filter_map(OfficeSetup::sends).collect();
            let lines = offices.iter().map(OfficeSetup::line).collect();
            match door
                .open(keys, lines, Arc::clone(&store), screen.clone())
                .await
            {
                Ok(open) => Some(tokio::spawn(open.serve(screen.clone(), stop.clone()))),
                Err(why) => return fail(FAILED, &format!("receiver: {}", why.chain())),
            }
        }
    };
    let (notices, heard) = tokio::sync::mpsc::unbounded_channel();
    let mut desks = Vec::new();
    let mut runs = JoinSet::new();
    for setup in offices {
        let name = setup.office.id().to_string();
        let line = screen.office(&name, follow);
        let declared = declarations.next().flatten();
        let dress = Dress::of(&setup);
        let pipeline = setup
            .pipeline(&store, mode)
            .schedule(schedule)
            .brake(brake)
            .observer(Arc::new(Telling::new(&name, line.clone(), notices.clone())))
            .build();
        let desk = pipeline
            .as_ref()
            .ok()
            .map(|pipeline| dress.on(pipeline.desk()));
        desks.extend(desk.and_then(Result::ok));
        let stop = stop.clone();
        let screen = screen.clone();
        // Each on its own: one failing office never delays another.
        runs.spawn(async move {
            let end = match pipeline {
                Err(why) => Err(why),
                Ok(pipeline) if follow => {
                    let subscribing = async {
                        if let Some((source, declaration)) = &declared {
                            let out = (&screen, &stop);
                            subscribe(&name, source, declaration, schedule.sweep, out).await;
                        }
                    };
                    let (ran, ()) = tokio::join!(pipeline.run(stop.clone()), subscribing);
                    ran.map(|()| None)
                }
                Ok(pipeline) => {
                    if mode == Mode::DryRun {
                        screen.line(&look::plan_of(&name, &pipeline.plan().await));
                    }
                    pipeline.run_once_until(mode, &stop).await.map(Some)
                }
            };
            line.finish();
            (name, end)
        });
    }
    drop(notices);
    let clerk = operations.tells().then(|| {
        let clerk = Clerk::new(operations, desks, screen.clone());
        tokio::spawn(clerk.attend(heard, follow.then(|| stop.clone())))
    });
    let mut ends: Vec<End> = Vec::new();
    while let Some(end) = runs.join_next().await {
        match end {
            Ok(end) => ends.push(end),
            Err(_) => return fail(FAILED, "an office ended in a defect"),
        }
    }
    if let Some(clerk) = clerk {
        // It ends with the last notice; what cannot be sent is not waited for.
        drop(clerk.await);
    }
    // With it goes the Shutdown, so that the receiver ends where nobody has interrupted it.
    signals.abort();
    if let Some(door) = door
        && let Ok(Err(why)) = door.await
    {
        return fail(FAILED, &format!("receiver: {}", why.chain()));
    }
    // The last one to hold it closes the file, and brings the log into it.
    reach("close.before_checkpoint");
    drop(store);
    reach("close.after_checkpoint");
    ends.sort_by(|a, b| a.0.cmp(&b.0));
    close(&screen, &ends, mode)
}

pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    drop(tokio::signal::ctrl_c().await);
}

fn close(screen: &Screen, ends: &[End], mode: Mode) -> ExitCode {
    let mut code = DONE;
    let mut rows = Vec::new();
    for (name, end) in ends {
        match end {
            Ok(None) => {}
            Ok(Some(report)) => {
                if !report.complete {
                    code = code.max(INCOMPLETE);
                }
                rows.push((name.clone(), report));
            }
            Err(why) => {
                screen.line(&format!("{name}: {}", why.chain()));
                code = if why.kind() == ErrorKind::Unavailable {
                    code.max(INCOMPLETE)
                } else {
                    FAILED
                };
            }
        }
    }
    if rows.is_empty() {
        return code.into();
    }
    println!();
    print!("{}", table::reports(&rows));
    table::reports(&rows).lines().for_each(log::keep);
    for (name, report) in &rows {
        let skipped = table::skipped(report);
        if !skipped.is_empty() {
            log::say(&format!("{name}: left out {}", skipped.join(", ")));
        }
        let told = table::told_line(report, mode);
        if !told.is_empty() {
            log::say(&format!("{name}: {told}"));
        }
        if let Some(paused) = &report.paused {
            log::say(&format!("{name}: nobody is told anything: {paused}"));
        }
        let health = report.health.as_ref();
        if let Some(quiet) = health.and_then(|health| health.quiet()) {
            log::say(&format!("{name}: {quiet}"));
        }
        for parked in &report.parked {
            log::say(&format!(
                "{name}: {} waits: {}",
                parked.external_id, parked.reason
            ));
        }
        for problem in &report.problems {
            log::say(&format!("{name}: {problem}"));
        }
    }
    if mode == Mode::DryRun {
        println!("dry run: \"sent\" is what would be sent; nothing was");
    }
    code.into()
}
