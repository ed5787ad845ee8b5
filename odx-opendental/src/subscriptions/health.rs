//! Whether what is subscribed is sent: a machine that is off, or whose clock is
//! wrong, says nothing, and nothing else says so.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use chrono::{NaiveDateTime, TimeDelta};
use odx_core::Result;

use super::declaration::Declaration;
use super::ensure::{missing, strangers};
use super::office::{Office, Row};
use super::plan::{self, Goal};
use crate::source::OpenDental;

/// How far a machine's clock may run ahead without a word.
const AHEAD: TimeDelta = TimeDelta::minutes(2);
/// What happened longer ago is not sent again.
const REPLAYED: TimeDelta = TimeDelta::days(3);

/// Where a row's window began, and when it was first seen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    start: NaiveDateTime,
    clock: NaiveDateTime,
}

/// What the last check saw, by subscription.
#[derive(Debug, Default)]
pub(crate) struct Looks(Mutex<HashMap<i64, Look>>);

impl Looks {
    /// Notes what is seen now, and says what was seen before.
    fn note(&self, number: i64, now: Look) -> Option<Look> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looks.get(&number).copied();
        if before.is_none_or(|before| before.start != now.start) {
            looks.insert(number, now);
        }
        before
    }

    fn forget_others(&self, rows: &[Row]) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|number, _| rows.iter().any(|row| row.number == *number));
    }
}

/// What is known of the one who polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polls {
    Well,
    /// The clock of the machine runs ahead.
    Ahead(TimeDelta),
    /// It polls, by a clock that runs behind.
    Behind(TimeDelta),
    /// Nobody has polled for so long.
    Not(TimeDelta),
}

/// A live row's start moves on by itself, also when nothing has changed.
fn polls(row: &Row, before: Option<Look>, now: Look) -> Polls {
    let lag = now.clock - now.start;
    let slack = row.slack();
    if let Some(before) = before {
        let polling = TimeDelta::seconds(row.polling.unwrap_or_default().clamp(0, 3600));
        let since = now.clock - before.clock;
        if before.start == now.start && since >= polling * 2 + TimeDelta::minutes(1) {
            return Polls::Not(lag.max(since));
        }
        // It has kept up with the office's clock, at a distance.
        let fell_back = lag - (before.clock - before.start);
        if before.start != now.start && lag > slack && fell_back <= slack {
            return Polls::Behind(lag);
        }
    }
    match lag {
        lag if lag > slack => Polls::Not(lag),
        lag if -lag > AHEAD => Polls::Ahead(-lag),
        _ => Polls::Well,
    }
}

fn minutes(time: TimeDelta) -> String {
    match time.num_minutes() {
        minutes @ ..=120 => format!("{minutes} min"),
        minutes @ ..=2880 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

impl OpenDental {
    /// Whether the declared subscriptions are there, and whether the office's
    /// machine keeps to them. Empty: all is well. Nothing is written.
    ///
    /// Each finding names its remedy. Ask again after some minutes: a
    /// subscription whose window has not moved between two looks of one
    /// [`OpenDental`] is found even while it does not lie far behind yet.
    ///
    /// # Shape
    /// Four requests, three before 23.1.30.
    ///
    /// # Errors
    /// As [`ensure_subscriptions`](Self::ensure_subscriptions), except that
    /// nothing is written.
    pub async fn check_subscriptions(&self, declaration: &Declaration) -> Result<Vec<String>> {
        declaration.validate()?;
        let office = self.office_now(declaration).await?;
        let rows = self.subscription_rows().await?;
        self.looks().forget_others(&rows);
        Ok(findings(declaration, &office, &rows, self.looks()))
    }
}

fn findings(
    declaration: &Declaration,
    office: &Office,
    rows: &[Row],
    looks: &Looks,
) -> Vec<String> {
    let mut found = Vec::new();
    // Tables by what is wrong with all of them alike.
    let mut troubles: BTreeMap<(String, &'static str), (Vec<&str>, TimeDelta)> = BTreeMap::new();
    let (machine, finding) = plan::machine(declaration.workstation(), rows, office);
    let goal = Goal {
        declaration,
        workstation: &machine.unwrap_or_default(),
        clock: office.clock,
    };
    found.extend(finding);
    found.extend(missing(office));
    found.extend(strangers(rows, declaration));
    for table in plan::tables(office.version) {
        let count = rows.iter().filter(|row| row.ours && row.is_of(table));
        let count = count.filter(|row| !row.has_ended(office.clock)).count();
        if count > 1 {
            found.push(format!(
                "there are {count} subscriptions to {table}, so each change comes as often: ensure the subscriptions"
            ));
        }
        let Some(row) = goal.kept(rows, table) else {
            found.push(format!(
                "there is no subscription to {table}: ensure the subscriptions"
            ));
            continue;
        };
        if let Some(stop) = row.stop {
            found.push(if row.has_ended(office.clock) {
                format!("the subscription to {table} has ended: ensure the subscriptions")
            } else {
                format!("the subscription to {table} ends at {stop}: ensure the subscriptions")
            });
        }
        let mut differs = goal.differences(row, table);
        differs.retain(|name| *name != "DateTimeStop");
        if !differs.is_empty() {
            found.push(format!(
                "the subscription to {table} differs in {}: ensure the subscriptions",
                differs.join(", ")
            ));
        }
        let silent = row.has_ended(office.clock) || differs.contains(&"DateTimeStart");
        let (Some(start), Some(clock), false) = (row.start, office.clock, silent) else {
            continue;
        };
        let now = Look { start, clock };
        let (what, time) = match polls(row, looks.note(row.number, now), now) {
            Polls::Well => continue,
            Polls::Ahead(time) => ("ahead", time),
            Polls::Behind(time) => ("behind", time),
            Polls::Not(time) => ("not", time),
        };
        let key = (row.workstation.clone(), what);
        let (tables, longest) = troubles.entry(key).or_default();
        tables.push(table);
        *longest = time.max(*longest);
    }
    if office.clock.is_none() {
        found.push(
            "the office's clock cannot be read, so nobody knows whether events are sent: the feed must not be slowed \
             down"
                .to_owned(),
        );
    }
    for ((machine, what), (tables, time)) in &troubles {
        found.push(trouble(machine, what, &tables.join(", "), *time, office));
    }
    found
}

fn trouble(machine: &str, what: &str, tables: &str, time: TimeDelta, office: &Office) -> String {
    let long = minutes(time);
    let name = if machine.is_empty() {
        "every machine of the office"
    } else {
        machine
    };
    match what {
        "ahead" => format!(
            "the clock of {name} runs {long} ahead of the office's server, so changes can be left out of events to \
             {tables}: set its time by the server"
        ),
        "behind" => format!(
            "the clock of {name} runs {long} behind the office's server, so changes of {tables} come more than once: \
             set its time by the server"
        ),
        _ => {
            let state = office.machine(machine).map(|found| office.is_open(found));
            let remedy = match state {
                Some(false) => format!(
                    "its program is closed: open it on {name}, start the API Service there, or ensure subscriptions \
                     for a machine that stays on"
                ),
                Some(true) => format!(
                    "its program is open: see that the endpoint can be reached from {name} and answers 200, and that \
                     its clock is right"
                ),
                None => format!(
                    "see that {name} is on with the program open or its API Service running, and that the endpoint \
                     can be reached from there"
                ),
            };
            let lost = if time > REPLAYED {
                "; changes of more than three days ago are not sent any more, only the feed tells them"
            } else {
                ""
            };
            format!("{name} has not looked for changes of {tables} for {long}: {remedy}{lost}")
        }
    }
}

#[cfg(test)]
mod tests {
    use odx_core::Secret;

    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        format!("2026-11-20T{text}").parse().unwrap()
    }

    fn row(polling: i64) -> Row {
        Row {
            number: 1,
            url: Secret::new("https://a.b/"),
            workstation: "SERVER".to_owned(),
            table: "Patient".to_owned(),
            ui: String::new(),
            polling: Some(polling),
            start: None,
            stop: None,
            ours: true,
        }
    }

    fn look(start: &str, clock: &str) -> Look {
        Look {
            start: at(start),
            clock: at(clock),
        }
    }

    #[test]
    fn a_window_that_stands_still_is_stale_and_one_that_keeps_its_distance_is_not() {
        let row = row(10);
        let minutes = TimeDelta::minutes;
        let long = look("08:00:00", "09:00:00");
        for (before, now, expected) in [
            (None, look("08:59:55", "09:00:00"), Polls::Well),
            // Far behind at first sight.
            (None, long, Polls::Not(minutes(60))),
            // Not far behind, but where it was a while ago.
            (
                Some(look("08:58:00", "08:58:05")),
                look("08:58:00", "09:00:00"),
                Polls::Not(minutes(2)),
            ),
            // Looked at too soon to tell.
            (
                Some(look("08:59:58", "09:00:00")),
                look("08:59:58", "09:00:05"),
                Polls::Well,
            ),
            // It moves as the office's clock does.
            (
                Some(long),
                look("08:30:00", "09:30:00"),
                Polls::Behind(minutes(60)),
            ),
            // It moved once and then no more.
            (
                Some(look("08:59:55", "09:00:00")),
                look("09:10:00", "12:00:00"),
                Polls::Not(minutes(170)),
            ),
            (
                None,
                look("09:30:00", "09:00:00"),
                Polls::Ahead(minutes(30)),
            ),
            (None, look("09:01:00", "09:00:00"), Polls::Well),
            // Ahead, and off since.
            (
                Some(look("09:30:00", "09:00:00")),
                look("09:30:00", "09:20:00"),
                Polls::Not(minutes(20)),
            ),
        ] {
            assert_eq!(polls(&row, before, now), expected, "{before:?} {now:?}");
        }
    }

    #[test]
    fn a_slow_pace_is_no_silence() {
        let now = look("08:00:00", "09:00:00");
        assert_eq!(polls(&row(600), None, now), Polls::Well);
        assert_eq!(
            polls(&row(300), None, now),
            Polls::Not(TimeDelta::minutes(60))
        );
    }

    #[test]
    fn a_look_remembers_since_when_a_window_stands_still() {
        let looks = Looks::default();
        let first = look("09:00:00", "09:00:01");
        assert_eq!(looks.note(1, first), None);
        assert_eq!(looks.note(1, look("09:00:00", "09:00:09")), Some(first));
        assert_eq!(looks.note(1, look("09:00:09", "09:00:19")), Some(first));
        looks.forget_others(&[]);
        assert_eq!(looks.note(1, first), None);
    }
}
