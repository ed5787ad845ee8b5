//! Shows a run as it happens: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use odx_core::crm::Entity;
use odx_core::engine::{Action, Event, Observer, RunReport};

/// Plain lines about a run under way come no faster than this.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// The screen, shared by all offices.
#[derive(Debug, Clone)]
pub(crate) struct Screen(Option<MultiProgress>);

impl Screen {
    pub(crate) fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(MultiProgress::new))
    }

    /// An observer that shows what happens at one office.
    pub(crate) fn office(&self, name: &str) -> Arc<OfficeLine> {
        let bar = self.0.as_ref().map(|screen| {
            let bar = screen.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:20!} {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Arc::new(OfficeLine {
            name: name.to_owned(),
            screen: self.clone(),
            bar,
            state: Mutex::default(),
        })
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        match &self.0 {
            Some(screen) => drop(screen.println(text)),
            None => println!("{text}"),
        }
    }
}

/// What happens at one office.
#[derive(Debug)]
pub(crate) struct OfficeLine {
    name: String,
    screen: Screen,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    read: u64,
    households: u64,
    sent: u64,
    shown: Option<Instant>,
    problem: Option<String>,
}

impl OfficeLine {
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn tell(&self, text: &str) {
        self.screen.line(&format!("{}: {text}", self.name));
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let text = format!(
            "{} rows read, {} households looked at, {} records sent",
            state.read, state.households, state.sent
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => {
                // The first moments are silent: short runs are told by their end.
                let since = state.shown.get_or_insert_with(Instant::now);
                if since.elapsed() >= PLAIN_EVERY {
                    *since = Instant::now();
                    drop(state);
                    self.tell(&text);
                }
            }
        }
    }
}

impl Observer for OfficeLine {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Read { rows } => self.update(|state| state.read = *rows),
            Event::Looked { households } => self.update(|state| state.households = *households),
            Event::Sent { ops } => self.update(|state| state.sent = *ops),
            Event::Planned { id, entity, action } => {
                let entity = match entity {
                    Entity::Contact => "contact",
                    Entity::Task => "task",
                };
                let action = match action {
                    Action::Create => "create",
                    Action::Update => "update",
                };
                self.tell(&format!("would {action} {entity} {id}"));
            }
            Event::Problem { what, again } => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                // The same trouble over and over is told once.
                if state.problem.as_deref() != Some(what) {
                    state.problem = Some((*what).to_owned());
                    drop(state);
                    let again = again.map_or_else(String::new, |at| {
                        format!(" (again at {} UTC)", at.format("%H:%M:%S"))
                    });
                    self.tell(&format!("{what}{again}"));
                }
            }
            Event::Report(report) => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if report.problems.is_empty() && report.complete {
                    state.problem = None;
                }
                drop(state);
                if !report.is_quiet() {
                    tracing::info!(office = %self.name, report = ?Summary(report), "report");
                }
            }
            _ => {}
        }
    }
}

/// The counts of a report, for a log line.
struct Summary<'a>(&'a RunReport);

impl std::fmt::Debug for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let RunReport {
            read,
            changed,
            gone,
            sent,
            unchanged,
            ..
        } = self.0;
        write!(
            f,
            "read {read}, changed {changed}, gone {gone}, sent {sent}, unchanged {unchanged}"
        )
    }
}
