//! Puts right what differs: one request per change, and none of them twice.

use odx_core::effect::ActError;
use odx_core::source::PracticeSource as _;
use odx_core::{ErrorKind, Phi, Result};

use super::declaration::Declaration;
use super::office::{Office, Row, mark};
use super::plan::{self, Goal, Step, TABLES};
use crate::client::{Call, Write};
use crate::error::Cause;
use crate::limiter;
use crate::source::OpenDental;
use crate::wire::{self, NewSubscription};

/// What was done, and what is left for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SubscriptionReport {
    /// Tables that are subscribed to now and were not before.
    pub created: Vec<&'static str>,
    /// Tables whose subscription was changed.
    pub repaired: Vec<&'static str>,
    /// Tables whose subscription was as it should be.
    pub unchanged: Vec<&'static str>,
    /// Subscriptions of ours that were too many, and are gone.
    pub removed: usize,
    /// Subscriptions of ours that were too many and may not be removed: they are
    /// there and send nothing.
    pub stopped: usize,
    /// The machine that sends. `None`: every machine does, or none could be
    /// chosen.
    pub workstation: Option<String>,
    /// What a person should know, each with its remedy.
    pub findings: Vec<String>,
}

impl OpenDental {
    /// Sees to it that the office sends what the feed can use: one subscription
    /// per table, as declared, marked as ours in its note.
    ///
    /// Subscriptions without the mark of this source are never touched. What is
    /// as declared is left alone, so calling it again writes nothing. Events are
    /// a hint beside the feed: an office that cannot send them is read as before.
    ///
    /// # Shape
    /// Four requests when all is well, three before 23.1.30, and one more for
    /// each change. A change whose answer is lost is looked up, never repeated.
    ///
    /// # Errors
    /// * [`ErrorKind::Config`]: the declaration is wrong, the office is older
    ///   than 22.1, or older than 23.1.30 and no workstation is named.
    /// * Whatever reading or writing comes to. What was changed before stays, and
    ///   the next call goes on from there.
    pub async fn ensure_subscriptions(
        &self,
        declaration: &Declaration,
    ) -> Result<SubscriptionReport> {
        declaration.validate()?;
        let office = self.office_now(declaration).await?;
        let rows = self.subscription_rows().await?;
        let (machine, finding) = plan::machine(declaration.workstation(), &rows, &office);
        let mut report = SubscriptionReport {
            workstation: machine.clone().filter(|name| !name.is_empty()),
            findings: finding.into_iter().collect(),
            ..SubscriptionReport::default()
        };
        report.findings.extend(missing(&office));
        report.findings.extend(strangers(&rows, declaration));
        let Some(machine) = machine else {
            return Ok(report);
        };
        let goal = Goal {
            declaration,
            workstation: &machine,
            clock: office.clock,
        };
        let steps = plan::steps(&rows, goal, office.version);
        report.unchanged = steps.unchanged;
        for step in steps.needed {
            self.step(step, goal, &mut report).await?;
        }
        self.clear(&steps.ended, &mut report).await?;
        if report.stopped > 0 {
            report.findings.push(format!(
                "{} subscriptions of ours are too many and stopped, because the key may not remove them: a key with \
                 ApiAllOthers would",
                report.stopped
            ));
        }
        Ok(report)
    }

    async fn step(
        &self,
        step: Step,
        goal: Goal<'_>,
        report: &mut SubscriptionReport,
    ) -> Result<()> {
        match step {
            Step::Create(table) => {
                let write = Write::Subscribe(self.row_of(goal, table));
                self.put_right(&write, |rows| is_good(rows, goal, table))
                    .await?;
                tracing::info!(table, "subscribed");
                report.created.push(table);
            }
            Step::Repair(table, number, body) => {
                let write = Write::Resubscribe { number, body };
                self.put_right(&write, |rows| is_good(rows, goal, table))
                    .await?;
                tracing::info!(table, "a subscription was repaired");
                report.repaired.push(table);
            }
            Step::Remove(number) => self.remove(number, report).await?,
        }
        Ok(())
    }

    fn row_of(&self, goal: Goal<'_>, table: &'static str) -> NewSubscription {
        NewSubscription {
            end_point_url: Some(Phi::new(goal.declaration.url(table).expose().to_owned())),
            workstation: Some(goal.workstation.to_owned()),
            watch_table: Some(table),
            polling_seconds: plan::seconds(goal.declaration),
            note: Some(mark(self.id())),
            ..NewSubscription::default()
        }
    }

    /// Removes a row that is too many, or stops it where the key may not.
    async fn remove(&self, number: i64, report: &mut SubscriptionReport) -> Result<()> {
        let removal = Write::Unsubscribe(number);
        match self.put_right(&removal, |rows| is_gone(rows, number)).await {
            Ok(()) => report.removed += 1,
            Err(error) if error.kind() == ErrorKind::Permission => {
                let body = plan::stopped();
                let write = Write::Resubscribe { number, body };
                self.put_right(&write, |rows| has_ended(rows, number))
                    .await?;
                report.stopped += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Removes what could only be stopped before, once the key may.
    async fn clear(&self, ended: &[i64], report: &mut SubscriptionReport) -> Result<()> {
        if ended.is_empty() {
            return Ok(());
        }
        let answer = self.list(&Call::SecurityPerms).await?;
        let granted = limiter::granted(wire::decode(answer.body()).unwrap_or_default());
        let permission = Write::Unsubscribe(0).permission();
        if !granted
            .iter()
            .any(|name| name.eq_ignore_ascii_case(permission))
        {
            report.stopped += ended.len();
            return Ok(());
        }
        for &number in ended {
            let removal = Write::Unsubscribe(number);
            match self.put_right(&removal, |rows| is_gone(rows, number)).await {
                Ok(()) => report.removed += 1,
                Err(error) if error.kind() == ErrorKind::Permission => report.stopped += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes once. Whatever is not surely done is looked up: `done` says whether
    /// the office shows it.
    async fn put_right(&self, write: &Write, done: impl Fn(&[Row]) -> bool + Send) -> Result<()> {
        let error = match self.api().write(write).await {
            Ok(reply) if is_told(write, &reply.body) => return Ok(()),
            Ok(_) => Cause::NotJson { what: write.what() }.writing(),
            Err(ActError::NotSent(error)) => return Err(error),
            // A row that is not there any more needs no removal.
            Err(ActError::Refused(error)) if error.kind() != ErrorKind::Refused => {
                return Err(error);
            }
            Err(ActError::Refused(error) | ActError::InDoubt(error)) => error,
        };
        let rows = self.subscription_rows().await?;
        if done(&rows) { Ok(()) } else { Err(error) }
    }
}

/// A new row comes back with its key. What is changed or removed may be answered
/// with nothing.
fn is_told(write: &Write, body: &[u8]) -> bool {
    let created = || {
        let rows = wire::decode::<wire::Subscription<'_>>(body)?;
        rows.first()?.subscription_num.get().filter(|&key| key != 0)
    };
    !matches!(write, Write::Subscribe(_)) || created().is_some()
}

fn is_good(rows: &[Row], goal: Goal<'_>, table: &str) -> bool {
    goal.kept(rows, table)
        .is_some_and(|row| goal.differences(row, table).is_empty())
}

fn is_gone(rows: &[Row], number: i64) -> bool {
    rows.iter().all(|row| row.number != number)
}

fn has_ended(rows: &[Row], number: i64) -> bool {
    let row = rows.iter().find(|row| row.number == number);
    row.is_none_or(|row| row.has_ended(None))
}

/// What this office cannot tell.
pub(super) fn missing(office: &Office) -> Option<String> {
    let told: Vec<_> = plan::tables(office.version).collect();
    let (table, needs) = TABLES.iter().find(|(table, _)| !told.contains(table))?;
    Some(match office.version {
        Some(version) => format!(
            "version {version} does not tell of {table}: update the office to {needs} or later, until then only the \
             feed notices"
        ),
        None => format!(
            "the office's version cannot be read, so there is no subscription to {table}: it needs {needs} or later"
        ),
    })
}

/// Rows without the mark that send to our door.
pub(super) fn strangers(rows: &[Row], declaration: &Declaration) -> Option<String> {
    let to_us = |row: &&Row| {
        let sends = |(table, _): &(&str, _)| declaration.url(table).expose() == row.url.expose();
        !row.ours && TABLES.iter().any(sends)
    };
    let count = rows.iter().filter(to_us).count();
    (count > 0).then(|| {
        format!(
            "{count} subscriptions without the mark of this source send to the same endpoint, so changes come more \
             than once: restore the mark in their notes, or remove them"
        )
    })
}
