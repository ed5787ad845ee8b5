//! Looks at the practices without reading them: what works there, and how the next pass would read.

use std::process::ExitCode;
use std::sync::Arc;

use odx_core::source::Plan;
use odx_core::store::{MemoryStore, SqliteStore, StateStore};
use odx_core::{Error, Mode, Result};
use tokio::task::JoinSet;

use crate::cli::{DONE, FAILED, INCOMPLETE, fail};
use crate::config::Config;
use crate::table;

/// What one office came to: its name, what to print, whether it could be asked.
type Looked = (String, String, bool);

/// Prints what works at each office and what would mend the rest.
pub(crate) async fn probe(config: Config) -> ExitCode {
    let mut looks = JoinSet::new();
    for setup in config.offices {
        looks.spawn(async move {
            let name = setup.office.id().to_string();
            let (text, fine) = match setup.source.probe().await {
                Ok(probe) => {
                    let lines = probe.findings.iter();
                    let lines: String = lines.map(|line| format!("  {line}\n")).collect();
                    (format!("{name}:\n{lines}"), true)
                }
                Err(why) => (unasked(&name, &why), false),
            };
            (name, text, fine)
        });
    }
    print(looks).await
}

/// Prints how the next pass would read each office.
pub(crate) async fn explain(config: Config) -> ExitCode {
    // A state that is not there is not made: it would be the first pass.
    let store: Arc<dyn StateStore> = if config.state.exists() {
        match SqliteStore::open(&config.state) {
            Ok(store) => Arc::new(store),
            Err(why) => {
                let state = config.state.display();
                return fail(FAILED, &format!("{state}: {}", why.chain()));
            }
        }
    } else {
        Arc::new(MemoryStore::new())
    };
    let mut looks = JoinSet::new();
    for setup in config.offices {
        let name = setup.office.id().to_string();
        let pipeline = setup
            .pipeline(&store, Mode::DryRun)
            .schedule(config.schedule)
            .brake(config.brake)
            .build();
        looks.spawn(async move {
            let plan = match pipeline {
                Ok(pipeline) => pipeline.plan().await,
                Err(why) => Err(why),
            };
            let text = plan_of(&name, &plan);
            (name, text, plan.is_ok())
        });
    }
    print(looks).await
}

/// The plan of an office, or why there is none.
pub(crate) fn plan_of(name: &str, plan: &Result<Plan>) -> String {
    match plan {
        Ok(plan) => format!("{name}: the next pass reads\n{}", table::plan(plan)),
        Err(why) => unasked(name, why),
    }
}

fn unasked(name: &str, why: &Error) -> String {
    format!("{name}: could not be asked: {}\n", why.chain())
}

/// In the order of their names, once all have answered.
async fn print(mut looks: JoinSet<Looked>) -> ExitCode {
    let mut all = Vec::new();
    while let Some(look) = looks.join_next().await {
        match look {
            Ok(look) => all.push(look),
            Err(_) => return fail(FAILED, "an office ended in a defect"),
        }
    }
    all.sort();
    let mut code = DONE;
    for (_, text, fine) in all {
        print!("{text}");
        if !fine {
            code = INCOMPLETE;
        }
    }
    code.into()
}
