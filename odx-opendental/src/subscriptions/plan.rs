//! What differs between what is declared and what is there. Pure.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use odx_core::Phi;

use super::declaration::{Declaration, Workstation};
use super::office::{Machine, Office, Row};
use crate::version::Version;
use crate::wire::NewSubscription;

/// The first version with subscriptions.
pub(super) const SINCE: Version = Version(22, 1, 0);
/// What is needed, and from which version on it is told.
pub(super) const TABLES: [(&str, Version); 3] = [
    ("Appointment", SINCE),
    ("AppointmentDeleted", Version(22, 4, 35)),
    ("Patient", SINCE),
];
/// The vendor's "never".
const NEVER: &str = "0001-01-01 00:00:00";
/// The end of a row that may not be removed.
const LONG_AGO: &str = "2000-01-01 00:00:00";

/// The tables that this office tells of. One of an unknown version is taken for
/// an old one.
pub(super) fn tables(version: Option<Version>) -> impl Iterator<Item = &'static str> {
    let found = version.unwrap_or(SINCE);
    TABLES
        .iter()
        .filter(move |(_, since)| found >= *since)
        .map(|(table, _)| *table)
}

/// One write that is needed.
#[derive(Debug)]
pub(super) enum Step {
    Create(&'static str),
    Repair(&'static str, i64, NewSubscription),
    /// It is ours and too many.
    Remove(i64),
}

/// What to do, and what is as it should be.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) needed: Vec<Step>,
    pub(super) unchanged: Vec<&'static str>,
    /// Ours, too many, and ended already.
    pub(super) ended: Vec<i64>,
}

impl Row {
    /// It tells of this table. A row for clicks tells of none.
    pub(super) fn is_of(&self, table: &str) -> bool {
        self.ui.is_empty() && self.table.eq_ignore_ascii_case(table)
    }

    pub(super) fn has_ended(&self, clock: Option<NaiveDateTime>) -> bool {
        let long_ago = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default();
        self.stop
            .is_some_and(|stop| stop.date() <= long_ago || clock.is_some_and(|clock| stop <= clock))
    }

    /// How far it may lie behind before nobody polls it: many intervals, and
    /// longer than clocks in an office differ.
    pub(super) fn slack(&self) -> TimeDelta {
        let polling = TimeDelta::seconds(self.polling.unwrap_or_default().clamp(0, 3600));
        (polling * 10).max(TimeDelta::minutes(5))
    }

    /// It was polled a moment ago.
    fn is_live(&self, clock: Option<NaiveDateTime>) -> bool {
        match (self.start, clock) {
            (Some(start), Some(clock)) => {
                !self.has_ended(Some(clock)) && (clock - start).abs() <= self.slack()
            }
            _ => false,
        }
    }
}

/// What every row of ours should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal<'a> {
    pub(super) declaration: &'a Declaration,
    /// Empty: every machine.
    pub(super) workstation: &'a str,
    /// The office's.
    pub(super) clock: Option<NaiveDateTime>,
}

impl Goal<'_> {
    /// What a row of a table lacks. The names are the vendor's.
    pub(super) fn differences(&self, row: &Row, table: &str) -> Vec<&'static str> {
        let mut names = Vec::new();
        let seconds = i64::try_from(self.declaration.seconds()).ok();
        for (name, same) in [
            (
                "EndPointUrl",
                row.url.expose() == self.declaration.url(table).expose(),
            ),
            ("Workstation", row.workstation == self.workstation),
            ("PollingSeconds", row.polling == seconds),
            ("DateTimeStart", !self.starts_too_late(row)),
            ("DateTimeStop", row.stop.is_none()),
        ] {
            if !same {
                names.push(name);
            }
        }
        names
    }

    /// A start that no machine's clock explains: until then nothing is sent.
    fn starts_too_late(&self, row: &Row) -> bool {
        match (row.start, self.clock) {
            (Some(start), Some(clock)) => start - clock > TimeDelta::days(1),
            _ => false,
        }
    }

    /// The row of a table that is kept: the one with the least to mend, and of
    /// equal ones the oldest.
    pub(super) fn kept<'r>(&self, rows: &'r [Row], table: &str) -> Option<&'r Row> {
        rows.iter()
            .filter(|row| row.ours && row.is_of(table))
            .min_by_key(|row| {
                let differs = self.differences(row, table).len();
                (row.stop.is_some(), differs, row.number)
            })
    }

    /// What mends these differences, and nothing else.
    fn repair(&self, differs: &[&str], table: &str) -> NewSubscription {
        let has = |name: &str| differs.contains(&name);
        let url = || Phi::new(self.declaration.url(table).expose().to_owned());
        let now = self.clock.filter(|_| has("DateTimeStart"));
        NewSubscription {
            end_point_url: has("EndPointUrl").then(url),
            workstation: has("Workstation").then(|| self.workstation.to_owned()),
            polling_seconds: seconds(self.declaration).filter(|_| has("PollingSeconds")),
            date_time_start: now.map(|now| now.format("%Y-%m-%d %H:%M:%S").to_string()),
            date_time_stop: has("DateTimeStop").then(|| NEVER.to_owned()),
            ..NewSubscription::default()
        }
    }
}

pub(super) fn seconds(declaration: &Declaration) -> Option<u32> {
    u32::try_from(declaration.seconds()).ok()
}

/// The end that stops a row.
pub(super) fn stopped() -> NewSubscription {
    NewSubscription {
        date_time_stop: Some(LONG_AGO.to_owned()),
        ..NewSubscription::default()
    }
}

/// What must be written so that there is one good row per table.
pub(super) fn steps(rows: &[Row], goal: Goal<'_>, version: Option<Version>) -> Steps {
    let mut steps = Steps::default();
    let mut keep = Vec::new();
    for table in tables(version) {
        let Some(row) = goal.kept(rows, table) else {
            steps.needed.push(Step::Create(table));
            continue;
        };
        keep.push(row.number);
        let differs = goal.differences(row, table);
        if differs.is_empty() {
            steps.unchanged.push(table);
            continue;
        }
        let body = goal.repair(&differs, table);
        steps.needed.push(Step::Repair(table, row.number, body));
    }
    // Last: what is too many still tells, until what replaces it is there.
    for row in rows.iter().filter(|row| row.ours) {
        if keep.contains(&row.number) {
            continue;
        }
        if row.has_ended(goal.clock) {
            steps.ended.push(row.number);
        } else {
            steps.needed.push(Step::Remove(row.number));
        }
    }
    steps
}

/// The machine that sends, and what to say about it. `None`: there is none.
pub(super) fn machine(
    declared: &Workstation,
    rows: &[Row],
    office: &Office,
) -> (Option<String>, Option<String>) {
    match declared {
        Workstation::Every => (Some(String::new()), None),
        Workstation::Named(name) => {
            let name = name.trim();
            (Some(name.to_owned()), unknown(name, office))
        }
        Workstation::Choose => choose(rows, office),
    }
}

/// Why nothing comes from a machine of this name.
fn unknown(name: &str, office: &Office) -> Option<String> {
    let machines = office.machines.as_ref()?;
    if machines.iter().any(|machine| machine.name == name) {
        return None;
    }
    let alike = machines
        .iter()
        .find(|machine| machine.name.eq_ignore_ascii_case(name));
    let remedy = match alike {
        Some(machine) => format!("write it as {}", machine.name),
        None => "name one of them exactly as the office lists it".to_owned(),
    };
    Some(format!(
        "{name} is not among the {} computers of the office, and a wrong name sends nothing: {remedy}",
        machines.len()
    ))
}

fn choose(rows: &[Row], office: &Office) -> (Option<String>, Option<String>) {
    let used: Vec<(&Row, &Machine)> = rows
        .iter()
        .filter(|row| row.ours)
        .filter_map(|row| Some((row, office.machine(&row.workstation)?)))
        .collect();
    // Not a better one every day: a machine that sends is left alone, also one
    // whose program is closed while its API Service runs.
    let sends =
        |(row, machine): &&(&Row, &Machine)| office.is_open(machine) || row.is_live(office.clock);
    if let Some((_, machine)) = used.iter().find(sends) {
        return (Some(machine.name.clone()), None);
    }
    let mut newest: Option<&Machine> = None;
    for machine in office.machines.iter().flatten() {
        if office.is_open(machine) && newest.is_none_or(|found| machine.beat > found.beat) {
            newest = Some(machine);
        }
    }
    if let Some(machine) = newest {
        return (Some(machine.name.clone()), None);
    }
    let finding = "no computer of the office has the program open, so none can be chosen: open it on one that stays \
                   on, or name the one that runs the API Service";
    let before = used.first().map(|(_, machine)| machine.name.clone());
    (before, Some(finding.to_owned()))
}

#[cfg(test)]
mod tests {
    use odx_core::Secret;

    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        format!("2026-11-20T{text}").parse().unwrap()
    }

    fn office(beats: &[(&str, Option<&str>)]) -> Office {
        let machine = |(name, beat): &(&str, Option<&str>)| Machine {
            name: (*name).to_owned(),
            beat: beat.map(at),
        };
        Office {
            version: Some(Version(25, 3, 1)),
            clock: Some(at("09:00:00")),
            machines: Some(beats.iter().map(machine).collect()),
        }
    }

    fn row(number: i64, workstation: &str, start: &str) -> Row {
        Row {
            number,
            url: Secret::new("https://a.b/"),
            workstation: workstation.to_owned(),
            table: "Patient".to_owned(),
            ui: String::new(),
            polling: Some(10),
            start: Some(at(start)),
            stop: None,
            ours: true,
        }
    }

    fn chosen(rows: &[Row], office: &Office) -> Option<String> {
        machine(&Workstation::Choose, rows, office).0
    }

    #[test]
    fn the_machine_that_was_heard_last_is_chosen_and_one_that_broke_down_is_not() {
        for (beats, expected) in [
            (
                &[
                    ("A", Some("08:58:00")),
                    ("B", Some("08:59:00")),
                    ("C", None),
                ][..],
                Some("B"),
            ),
            (
                &[("A", Some("08:59:00")), ("B", Some("08:59:00"))],
                Some("A"),
            ),
            // It never said that it was closed.
            (&[("A", Some("08:30:00"))], None),
            (&[("A", None)], None),
            (&[], None),
        ] {
            assert_eq!(chosen(&[], &office(beats)).as_deref(), expected);
        }
    }

    #[test]
    fn the_machine_in_use_is_kept_while_it_is_open_or_sends() {
        let both = office(&[("A", Some("08:58:00")), ("B", Some("08:59:00"))]);
        let off = office(&[("A", None), ("B", Some("08:59:00"))]);
        for (workstation, start, office, expected) in [
            ("A", "07:00:00", &both, "A"),
            ("A", "08:59:50", &off, "A"),
            ("A", "08:50:00", &off, "B"),
            ("", "08:59:50", &off, "B"),
            ("GONE", "08:59:50", &off, "B"),
        ] {
            let rows = [row(1, workstation, start)];
            let found = chosen(&rows, office);
            assert_eq!(found.as_deref(), Some(expected), "{workstation} {start}");
            let theirs = rows.map(|row| Row { ours: false, ..row });
            assert_eq!(chosen(&theirs, office).as_deref(), Some("B"));
        }
        let none = office(&[("A", None), ("B", None)]);
        let (found, finding) = choose(&[row(1, "A", "07:00:00")], &none);
        assert_eq!(found.as_deref(), Some("A"));
        assert!(finding.is_some_and(|text| text.contains("API Service")));
    }

    #[test]
    fn an_office_whose_version_is_not_known_is_taken_for_an_old_one() {
        let of = |version| tables(version).collect::<Vec<_>>();
        assert_eq!(of(None), ["Appointment", "Patient"]);
        assert_eq!(of(Some(Version(22, 4, 34))), ["Appointment", "Patient"]);
        assert_eq!(of(Some(Version(22, 4, 35))).len(), 3);
    }
}
