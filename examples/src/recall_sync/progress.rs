//! Shows a run as it happens: bars on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use odx_core::crm::Entity;
use odx_core::engine::{Action, Event, Observer, RunReport};
use odx_core::health::{Activity, Health};

use crate::log;

/// Plain lines about a run under way come no faster than this.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// The same trouble is told again after this long.
const AGAIN_EVERY: Duration = Duration::from_secs(600);

/// The screen, shared by all offices.
#[derive(Debug, Clone)]
pub(crate) struct Screen(Option<MultiProgress>);

impl Screen {
    pub(crate) fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(MultiProgress::new))
    }

    /// An observer that shows what happens at one office.
    ///
    /// A single run ends with a table; a followed practice has a line for
    /// whatever happened.
    pub(crate) fn office(&self, name: &str, follows: bool) -> Arc<OfficeLine> {
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
            follows,
            bar,
            state: Mutex::default(),
        })
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        log::keep(text);
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
    follows: bool,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    read: u64,
    households: u64,
    sent: u64,
    shown: Option<Instant>,
    /// When each trouble was last told.
    told: BTreeMap<String, Instant>,
    /// Whether the practice had something new, when it was last read.
    activity: Option<Activity>,
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
                    Action::Close => "close",
                };
                self.tell(&format!("would {action} {entity} {id}"));
            }
            Event::Imported { imported, .. } => self.tell(&imported.sentence()),
            // A single run lists them at its end.
            Event::Refused { id, reason } if self.follows => {
                self.tell(&format!("{id} is set aside: {reason}"));
            }
            Event::Problem { what, again } => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                // The same trouble over and over is told now and then.
                if state
                    .told
                    .get(*what)
                    .is_none_or(|at| at.elapsed() > AGAIN_EVERY)
                {
                    state.told.retain(|_, at| at.elapsed() <= AGAIN_EVERY);
                    state.told.insert((*what).to_owned(), Instant::now());
                    drop(state);
                    let again = again.map_or_else(String::new, |at| {
                        format!(" (again at {} UTC)", at.format("%H:%M:%S"))
                    });
                    self.tell(&format!("{what}{again}"));
                }
            }
            Event::Report(report) => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                // The next pass counts anew, and its first moments are silent again.
                *state = State {
                    told: std::mem::take(&mut state.told),
                    activity: state.activity,
                    ..State::default()
                };
                let now = report.health.as_ref().map(|health| health.activity);
                let turned = now.is_some() && now != state.activity;
                state.activity = now.or(state.activity);
                drop(state);
                let quiet = report.health.as_ref().and_then(Health::quiet);
                if let Some(quiet) = quiet.filter(|_| self.follows && turned) {
                    self.tell(&quiet);
                }
                if self.follows && !report.is_quiet() {
                    let RunReport {
                        read,
                        changed,
                        gone,
                        sent,
                        ..
                    } = report;
                    self.tell(&format!(
                        "{read} rows read, {changed} changed, {gone} gone, {sent} records sent"
                    ));
                }
            }
            _ => {}
        }
    }
}
