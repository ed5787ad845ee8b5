//! The office's computers: what runs on them, and what their clocks say.

use std::sync::{MutexGuard, PoisonError};

use chrono::{NaiveDateTime, TimeDelta};

use super::answer::{Answer, Refusal};
use super::practice::Practice;
use super::routes::Call;
use super::settings::Settings;
use super::tables::NO_DATE_TIME;
use super::wire_reference::Computer;

/// One computer.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    num: i64,
    pub(crate) name: String,
    /// The desktop program is open.
    pub(crate) program: bool,
    /// The API Service runs.
    pub(crate) service: bool,
    skew: TimeDelta,
}

impl Machine {
    /// What this machine's clock says when the server's says that.
    pub(crate) fn clock(&self, server: NaiveDateTime) -> NaiveDateTime {
        server.checked_add_signed(self.skew).unwrap_or(server)
    }
}

/// The machines of a new office; keys as in the printed list, odd.
// apicomputers
pub(crate) fn of(settings: &Settings) -> Vec<Machine> {
    let mut all = Vec::new();
    for (name, program) in [("SERVER", true), ("FRONTDESK", true), ("OP2", false)] {
        machine(&mut all, name, |machine| machine.program = program);
    }
    for name in &settings.api.services {
        machine(&mut all, name, |machine| machine.service = true);
    }
    all
}

/// Changes the machine of that name; there is one from now on.
fn machine(all: &mut Vec<Machine>, name: &str, change: impl FnOnce(&mut Machine)) {
    if let Some(found) = all.iter_mut().find(|machine| machine.name == name) {
        change(found);
        return;
    }
    let mut new = Machine {
        num: all.last().map_or(1, |last| last.num + 2),
        name: name.to_owned(),
        program: false,
        service: false,
        skew: TimeDelta::zero(),
    };
    change(&mut new);
    all.push(new);
}

// apicomputers: workstations beat every 3 minutes, the sentinel means not running
pub(crate) fn computers(call: &Call<'_>) -> Result<Answer, Refusal> {
    let query = call.query((23, 1, 30), &[])?;
    let all = call.practice.machines().clone();
    let rows = all.iter().map(|machine| {
        let beat = if machine.program {
            call.clock()
        } else {
            NO_DATE_TIME
        };
        Computer::of(machine.num, &machine.name, beat)
    });
    call.page_of(&query, rows)
}

impl Practice {
    pub(crate) fn machines(&self) -> MutexGuard<'_, Vec<Machine>> {
        let machines = &self.inner.outbound.machines;
        machines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_machine(&self, name: &str, change: impl FnOnce(&mut Machine)) {
        machine(&mut self.machines(), name, change);
    }

    /// Opens the program on a machine, and adds the machine if it is new.
    pub fn open_workstation(&self, name: &str) {
        self.change_machine(name, |machine| machine.program = true);
    }

    /// Closes the program on a machine: it fires nothing until it is opened again. An
    /// API Service on it goes on.
    pub fn close_workstation(&self, name: &str) {
        self.change_machine(name, |machine| machine.program = false);
    }

    /// Starts the API Service on a machine, and adds the machine if it is new.
    pub fn start_api_service(&self, name: &str) {
        self.change_machine(name, |machine| machine.service = true);
    }

    /// Stops the API Service on a machine.
    pub fn stop_api_service(&self, name: &str) {
        self.change_machine(name, |machine| machine.service = false);
    }

    /// Sets how far a machine's clock runs ahead of the office's server; negative is
    /// behind.
    pub fn skew_workstation(&self, name: &str, ahead: TimeDelta) {
        self.change_machine(name, |machine| machine.skew = ahead);
    }
}
