//! Pages of queries, and what to do where the office refuses them.

use odx_core::model::{OptOut, Record, RecordKey, RecordKind};
use odx_core::source::{Change, Page};
use odx_core::{ErrorKind, PatientKey, Phi, Result};

use super::{OpenDental, page};
use crate::client::{Answer, Call};
use crate::convert;
use crate::cursor::{Ask, Feed, Joined};
use crate::plan::Terms;
use crate::query::Query;
use crate::raw::{self, JoinedPage};
use crate::reference::Reference;

/// What a patient opted out of, as a record. A row that says "of nothing" is
/// proof that there is none.
fn opt_out(said: raw::OptOut) -> Change {
    if said.statements.is_empty() {
        return Change::Gone(RecordKey::OptOut(said.patient));
    }
    Change::Upsert(Record::OptOut(OptOut {
        patient: said.patient,
        statements: said.statements,
    }))
}

/// The changes of a joined page, and that complete patients have these recalls
/// and no others.
fn joined(rows: JoinedPage, feed: &Feed) -> (Vec<Change>, Joined) {
    let JoinedPage {
        mut changes,
        opt_outs,
        visits,
        complete,
        incomplete,
        ..
    } = rows;
    let recalls = changes
        .iter()
        .filter(|change| {
            change
                .key()
                .is_some_and(|key| key.kind() == RecordKind::Recall)
        })
        .count();
    let mut whole = Vec::new();
    for patient in complete
        .into_iter()
        .filter(|&patient| feed.is_again(patient))
    {
        let key = PatientKey::new(patient.to_string());
        let keys = changes
            .iter()
            .filter_map(|change| match change {
                Change::Upsert(Record::Recall(recall)) if recall.patient == key => {
                    Some(recall.key.native().to_owned())
                }
                Change::Unreadable(bad) if bad.kind == RecordKind::Recall => {
                    Some(bad.native.clone())
                }
                _ => None,
            })
            .collect();
        whole.push(Change::Whole {
            patient: key,
            kind: RecordKind::Recall,
            keys,
            removed: false,
        });
    }
    changes.extend(whole);
    changes.extend(
        visits
            .into_iter()
            .map(|key| Change::Seen(RecordKey::new(RecordKind::Appointment, key.to_string()))),
    );
    // Before the patients they belong to: a no counts from the first look on.
    let mut all: Vec<_> = opt_outs.into_iter().map(opt_out).collect();
    all.append(&mut changes);
    let page = Joined {
        clock: rows.clock,
        next: None,
        rows: rows.extent.rows,
        recalls,
        cut: incomplete,
    };
    (all, page)
}

impl OpenDental {
    /// The next page of the query that `feed` stands in, or of the list that
    /// takes its place where the office refuses it.
    pub(super) async fn pull_query(
        &self,
        feed: Feed,
        query: Query,
        terms: &Terms,
        reference: &Reference,
    ) -> Result<Page> {
        let answer = match self.query(&query).await {
            Ok(answer) => {
                self.office.query_answered();
                answer
            }
            Err(error) => {
                if !self.refuses_queries(&error).await {
                    return Err(error);
                }
                let why = error.chain();
                tracing::warn!(failure = why, "lists are read instead");
                self.office.close_queries(self.clock.now(), why);
                let feed = feed.without_queries(terms);
                let Ask::List(_) = feed.ask(terms) else {
                    // Nothing was read: the next pull goes on from there.
                    return page(Vec::new(), crate::cursor::Step::To(feed, Vec::new()));
                };
                return self.pull_list(feed, terms, reference).await;
            }
        };
        let rows = answer.rows()?;
        match &query {
            Query::Patients { after } => {
                let found = raw::patients(&rows, reference);
                let next = found.extent.next(*after, query.what())?;
                let (changes, shown) = joined(found, &feed);
                self.saw(shown.clock);
                page(changes, feed.joined(Joined { next, ..shown }, terms))
            }
            Query::PatientsOf(keys) => {
                let found = raw::patients(&rows, reference);
                let there: Vec<_> = found
                    .complete
                    .iter()
                    .chain(&found.incomplete)
                    .copied()
                    .collect();
                let (mut changes, shown) = joined(found, &feed);
                let absent = keys.as_slice().iter().filter(|key| !there.contains(key));
                changes.extend(
                    absent.map(|key| {
                        Change::Gone(RecordKey::new(RecordKind::Patient, key.to_string()))
                    }),
                );
                page(
                    changes,
                    feed.looked_again(keys, shown.clock, &shown.cut, terms),
                )
            }
            Query::Recalls { after, .. } => {
                let found = raw::recalls(&rows, reference);
                let next = found.extent.next(*after, query.what())?;
                let shown = rows.iter().filter_map(|raw| convert::recall_number(raw));
                let (step, whole) = feed.recalls_changed(shown, found.clock, next, terms);
                let mut changes = found.changes;
                changes.extend(whole.into_iter().map(|whole| Change::Whole {
                    patient: PatientKey::new(whole.patient.to_string()),
                    kind: RecordKind::Recall,
                    keys: whole.recalls.iter().map(i64::to_string).collect(),
                    removed: whole.removed,
                }));
                page(changes, step)
            }
            Query::News { after, .. } => {
                let found = raw::news(&rows);
                let next = found.next(*after, query.what())?;
                self.saw(found.clock);
                let changes = found.items.iter().filter_map(raw::Item::gone).collect();
                page(changes, feed.news(&found, next, terms))
            }
            Query::OptOuts { after } => {
                let found = raw::opt_outs(&rows);
                let next = found.extent.next(*after, query.what())?;
                let mut feed = feed;
                for patient in found.unreadable {
                    feed.look_again(patient);
                }
                let changes = found.opt_outs.into_iter().map(opt_out).collect();
                page(changes, feed.opt_outs(next, terms))
            }
            Query::Clock | Query::Zone => page(Vec::new(), feed.skip(terms)),
        }
    }

    pub(super) async fn query(&self, query: &Query) -> Result<Answer> {
        let call = Call::Query {
            sql: Phi::new(query.sql()),
            offset: 0,
        };
        self.list(&call).await
    }

    fn saw(&self, clock: Option<chrono::NaiveDateTime>) {
        if let Some(wall) = clock {
            self.office.saw(wall, self.clock.now());
        }
    }

    /// Whether it is the query that the office refuses, and not everything. A
    /// statement that it cannot run is a 400, and so is an office that is off.
    async fn refuses_queries(&self, error: &odx_core::Error) -> bool {
        match error.kind() {
            ErrorKind::Permission | ErrorKind::Config | ErrorKind::Refused | ErrorKind::Bug => true,
            // It may take too long for the office, or be refused in words nobody knows.
            ErrorKind::Unavailable | ErrorKind::Protocol => {
                self.office.query_failed() && self.api.get(&Call::SecurityPerms).await.is_ok()
            }
            _ => false,
        }
    }
}
