//! Which households to look at, and what is known of them.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, OptionalExtension as _, Transaction, params};

use super::{acks, damaged, date, day, failed, int, kind, sink_row, suppress, uint};
use crate::error::Result;
use crate::failpoint::broken;
use crate::hash::LedgerHash;
use crate::id::{ExternalId, HouseholdKey};
use crate::model::{Blocked, HouseholdView, Member, RecordKind};
use crate::store::view::{self, DigestKey, Row};
use crate::store::{Due, DueQuery};

const OPT_OUT: u8 = RecordKind::OptOut.code();

pub(super) fn load(db: &Transaction<'_>, key: &DigestKey, query: &DueQuery) -> Result<Vec<Due>> {
    let sink = sink_row(db, &query.sink)?;
    let source: i64 = db
        .prepare_cached("SELECT source FROM sink WHERE id = ?1")
        .and_then(|mut q| q.query_row([sink], |row| row.get(0)))
        .map_err(failed)?;
    let source = if broken("broken.office.source") {
        1
    } else {
        source
    };
    let mut due = Households::new();
    let limit = int(u64::try_from(query.limit).unwrap_or(u64::MAX));
    // Each of the three has its own partial index: the cost is that of what is due. An order is
    // asked for only where somebody walks through it: it would sort all of `again` for each call.
    let (bound, order) = match &query.after {
        None => ("", ""),
        Some(_) => ("AND household > ?4", "ORDER BY household"),
    };
    let after = query.after.as_ref().map_or("", HouseholdKey::native);
    for (sql, by) in [
        (
            "FROM route INDEXED BY route_due WHERE sink = ?1 AND generation > seen AND ?2 NOTNULL",
            0,
        ),
        (
            "FROM route INDEXED BY route_again WHERE sink = ?1 AND again <= ?2",
            day(query.today),
        ),
        (
            "FROM parked INDEXED BY parked_waiting JOIN route USING (sink, household) \
             WHERE sink = ?1 AND not_before <= ?2",
            query.now.timestamp_millis(),
        ),
    ] {
        if due.len() >= query.limit && query.after.is_none() {
            break;
        }
        let sql = format!(
            "SELECT household, route.generation, tried {sql} AND ?4 NOTNULL {bound} {order} LIMIT ?3"
        );
        let mut statement = db.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement
            .query(params![sink, by, limit, after])
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let seen = (
                uint(row.get(1).map_err(failed)?),
                row.get(2).map_err(failed)?,
            );
            due.insert(row.get(0).map_err(failed)?, seen);
        }
    }
    while due.len() > query.limit {
        due.pop_last();
    }
    gather(db, key, query, (sink, source), due)
}

/// These households, whether they are due or not.
pub(super) fn these(
    db: &Transaction<'_>,
    key: &DigestKey,
    query: &DueQuery,
    keys: &[HouseholdKey],
) -> Result<Vec<Due>> {
    let sink = sink_row(db, &query.sink)?;
    let mut known = db
        .prepare_cached("SELECT generation, tried FROM route WHERE sink = ?1 AND household = ?2")
        .map_err(failed)?;
    let mut due = Households::new();
    for household in keys {
        let found = known
            .query_row(params![sink, household.native()], |row| {
                Ok((uint(row.get(0)?), row.get(1)?))
            })
            .optional()
            .map_err(failed)?;
        due.extend(found.map(|found| (household.native().to_owned(), found)));
    }
    let source = db
        .prepare_cached("SELECT source FROM sink WHERE id = ?1")
        .and_then(|mut q| q.query_row([sink], |row| row.get(0)))
        .map_err(failed)?;
    gather(db, key, query, (sink, source), due)
}

/// Households by key: their generation, and what was on its way.
type Households = BTreeMap<String, (u64, Option<Vec<u8>>)>;

/// Everything that is known of these households.
fn gather(
    db: &Transaction<'_>,
    key: &DigestKey,
    query: &DueQuery,
    (sink, source): (i64, i64),
    due: Households,
) -> Result<Vec<Due>> {
    let (stops, any_parked): (bool, bool) = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM suppression), EXISTS (SELECT 1 FROM parked WHERE sink = ?1)",
        )
        .and_then(|mut q| q.query_row([sink], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(failed)?;
    let mut found = Vec::with_capacity(due.len());
    let mut loader = Loader::prepare(db, source)?;
    for (household, (generation, tried)) in due {
        let mut members = loader.members(&household)?;
        if stops {
            for member in &mut members {
                let patient = &member.patient.record;
                let found = suppress::of_patient(db, key, source, patient, &query.ids)?;
                view::stop(member, found);
            }
        }
        let parked = if any_parked {
            let mut query = db
                .prepare_cached("SELECT external_id FROM parked WHERE sink = ?1 AND household = ?2")
                .map_err(failed)?;
            query
                .query_map(params![sink, household], |row| {
                    row.get(0).map(|id: String| ExternalId::from_kept(id))
                })
                .and_then(Iterator::collect)
                .map_err(failed)?
        } else {
            Vec::new()
        };
        found.push(Due {
            generation,
            view: HouseholdView {
                key: HouseholdKey::new(household),
                members,
            },
            parked,
            tried: tried
                .as_deref()
                .map(acks::decode_tried)
                .transpose()?
                .unwrap_or_default(),
        });
    }
    Ok(found)
}

/// Reads what hangs together, its statements prepared once.
struct Loader<'a> {
    source: i64,
    patients: CachedStatement<'a>,
    children: CachedStatement<'a>,
    /// Where any opt-out cannot be read: whether that of this patient.
    unread: Option<CachedStatement<'a>>,
}

impl<'a> Loader<'a> {
    fn prepare(db: &'a Transaction<'_>, source: i64) -> Result<Self> {
        let any_unread: bool = db
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM unreadable WHERE source = ?1 AND kind = ?2)",
            )
            .and_then(|mut q| q.query_row(params![source, OPT_OUT], |row| row.get(0)))
            .map_err(failed)?;
        let unread = "SELECT EXISTS (SELECT 1 FROM unreadable WHERE source = ?1 AND kind = ?2 AND native = ?3)";
        Ok(Self {
            source,
            unread: any_unread
                .then(|| db.prepare_cached(unread))
                .transpose()
                .map_err(failed)?,
            // Told which index: left alone, the planner walks all patients to get the order for nothing.
            patients: db
                .prepare_cached(
                    "SELECT native, body, gone, changed_on, hash FROM record INDEXED BY record_parent \
                     WHERE source = ?1 AND parent = ?2 AND kind = 0",
                )
                .map_err(failed)?,
            children: db
                .prepare_cached(
                    "SELECT kind, body, gone, changed_on, hash FROM record INDEXED BY record_parent \
                     WHERE source = ?1 AND parent = ?2 AND kind > 0",
                )
                .map_err(failed)?,
        })
    }

    fn members(&mut self, household: &str) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        let mut rows = self
            .patients
            .query(params![self.source, household])
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let native = row
                .get_ref(0)
                .map_err(failed)?
                .as_str()
                .map_err(|e| failed(e.into()))?;
            let mut member = Member {
                patient: view::patient(&stored(row, RecordKind::Patient)?)?,
                recalls: Vec::new(),
                appointments: Vec::new(),
                opt_out: None,
                reminders: Vec::new(),
                blocked: Blocked::default(),
                stops: Vec::new(),
            };
            let mut rows = self
                .children
                .query(params![self.source, native])
                .map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                view::hang(
                    &mut member,
                    &stored(row, kind(row.get(0).map_err(failed)?)?)?,
                )?;
            }
            if let Some(unread) = &mut self.unread {
                let which = params![self.source, OPT_OUT, native];
                if unread.query_row(which, |row| row.get(0)).map_err(failed)? {
                    view::opted_out_unread(&mut member);
                }
            }
            view::order(&mut member);
            members.push(member);
        }
        members.sort_by(|a, b| a.patient.record.key.cmp(&b.patient.record.key));
        Ok(members)
    }
}

fn stored<'a>(row: &'a rusqlite::Row<'_>, kind: RecordKind) -> Result<Row<'a>> {
    let bytes = |place| {
        let value = row.get_ref(place).map_err(failed)?;
        value.as_blob().map_err(|e| failed(e.into()))
    };
    let body = bytes(1)?;
    // SQLite does not notice a bit that fell over, and what it made of a name would reach the CRM.
    if bytes(4)? != LedgerHash::of(body).as_bytes() {
        return Err(damaged("a record that is not as it was stored"));
    }
    Ok(Row {
        kind,
        body,
        gone: row.get(2).map_err(failed)?,
        changed_on: date(row.get(3).map_err(failed)?)?,
    })
}
