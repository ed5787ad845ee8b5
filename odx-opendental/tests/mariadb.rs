//! Every statement, on a real database: the vendor's tables as far as they are
//! documented, with the settings of servers old and new. What comes out, read as
//! the client reads it, must be what the lists would have told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

#[path = "mariadb/office.rs"]
mod office;
#[path = "mariadb/server.rs"]
mod server;

use chrono::NaiveDateTime;
use mysql::prelude::Queryable;
use mysql::{Conn, Row};
use odx_core::model::{Channel, ConsentState, consent};
use odx_core::source::Change;
use odx_opendental::statements::{
    self, Item, Keys, NewsMark, NewsPage, OptOut, PAGE, Part, Query, State,
};
use serde_json::json;

use office::{DELETED, MANY, Patient, Print, fill, make_tables, put, run};
use server::server;

const LONG_AGO: &str = "2000-01-01T00:00:00";

/// What servers, old and new, are set to.
const MODES: [&str; 3] = [
    "",
    "ONLY_FULL_GROUP_BY",
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
     ERROR_FOR_DIVISION_BY_ZERO,ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES",
];

/// So many recalls of one patient are more than a column holds, which holds so many.
const WHOLE: usize = 14;

fn at(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn set_mode(conn: &mut Conn, mode: &str) {
    conn.query_drop(format!("SET SESSION sql_mode='{mode}'"))
        .unwrap();
}

fn opt_out(patient: &Patient, said: &OptOut) {
    assert_eq!(said.patient.native(), patient.key.to_string());
    let states = [Channel::Sms, Channel::Email, Channel::Voice]
        .map(|channel| consent(&said.statements, channel) == ConsentState::Denied);
    assert_eq!(states, [patient.sms, patient.email, patient.nothing]);
}

/// Which variant, by number: a new one does not compile without a line here.
const VARIANTS: usize = 7;
fn variant(query: &Query) -> usize {
    match query {
        Query::Clock => 0,
        Query::Patients { .. } => 1,
        Query::PatientsOf(_) => 2,
        Query::Recalls { .. } => 3,
        Query::News { .. } => 4,
        Query::OptOuts { .. } => 5,
        Query::Zone => 6,
    }
}

/// Runs statements and notes which.
struct Office<'a> {
    conn: &'a mut Conn,
    print: Print,
    ran: [usize; VARIANTS],
}

impl Office<'_> {
    fn run(&mut self, query: &Query) -> Vec<u8> {
        self.ran[variant(query)] += 1;
        run(self.conn, query, self.print)
    }

    fn joined(&mut self, query: &Query, patients: &[&Patient]) {
        let body = self.run(query);
        let page = statements::patients(&statements::rows(&body).unwrap());
        let mut rest = page.changes.as_slice();
        let mut shows = |expected: &[Change]| {
            let (there, beyond) = rest.split_at(expected.len());
            assert_eq!(there, expected);
            rest = beyond;
        };
        assert_eq!(page.extent.rows, patients.len());
        assert_eq!(page.opt_outs.len(), patients.len());
        for (patient, said) in patients.iter().zip(&page.opt_outs) {
            opt_out(patient, said);
            shows(std::slice::from_ref(&patient.row));
            // Cut at 1024 bytes: what is whole is there, and that it is not all is known.
            let cut = patient.recalls.len() == MANY;
            let whole = if cut { WHOLE } else { patient.recalls.len() };
            shows(&patient.recalls[..whole]);
            shows(&patient.booked);
            shows(patient.last.as_slice());
            assert_eq!(page.incomplete.contains(&patient.key), cut);
            assert_eq!(page.complete.contains(&patient.key), !cut);
        }
        assert!(rest.is_empty());
        assert_eq!(page.extent.last, patients.last().map(|patient| patient.key));
        assert_eq!(page.clock.is_some(), !patients.is_empty());
    }

    fn news(&mut self, since: NaiveDateTime) -> (Vec<Item>, State, usize) {
        let (mut items, mut state, mut after, mut pages) = (Vec::new(), None, None, 0);
        loop {
            let body = self.run(&Query::News { since, after });
            let rows = statements::rows(&body).unwrap();
            let page = statements::news(&rows);
            assert_eq!(page.unreadable, 0);
            pages += 1;
            state = state.or(page.state.clone());
            after = mark_after(&page, rows.len());
            items.extend(page.items);
            if after.is_none() {
                return (items, state.unwrap(), pages);
            }
        }
    }
}

/// As the client goes on.
fn mark_after(page: &NewsPage, rows: usize) -> Option<NewsMark> {
    (rows == PAGE).then(|| page.last().unwrap())
}

#[test]
fn every_statement_tells_what_the_office_holds_whatever_the_server_is_set_to() {
    let server = server();
    let mut conn = server.database();
    make_tables(&mut conn);
    let people = fill(&mut conn, 330);
    let there: Vec<_> = people.iter().filter(|p| p.status != DELETED).collect();
    let said_no: Vec<_> = people
        .iter()
        .filter(|p| p.sms || p.email || p.nothing)
        .collect();
    assert!(there.len() > 250 && there.len() < people.len() && said_no.len() > 20);
    for (mode, print) in MODES
        .into_iter()
        .zip([Print::Numbers, Print::Texts, Print::Numbers])
    {
        set_mode(&mut conn, mode);
        let mut office = Office {
            conn: &mut conn,
            print,
            ran: [0; VARIANTS],
        };

        let body = office.run(&Query::Clock);
        let (now, ahead) = statements::office_clock(&statements::rows(&body).unwrap()).unwrap();
        assert!(now > at(LONG_AGO) && ahead == 0);
        let body = office.run(&Query::Zone);
        let zones = statements::zones(&statements::rows(&body).unwrap());
        assert_eq!(zones, ["America/Chicago", "America/Denver"]);

        let mut after = 0;
        for page in there.chunks(PAGE) {
            office.joined(&Query::Patients { after }, page);
            after = page.last().unwrap().key;
        }
        office.joined(&Query::Patients { after: i64::MAX }, &[]);
        let keys = people.iter().map(|patient| patient.key);
        for (keys, page) in Keys::chunks(keys).into_iter().zip(people.chunks(PAGE)) {
            office.joined(&Query::PatientsOf(keys), &page.iter().collect::<Vec<_>>());
        }

        let mut recalls: Vec<Change> = Vec::new();
        let mut after = 0;
        loop {
            let body = office.run(&Query::Recalls {
                of: None,
                since: at(LONG_AGO),
                after,
            });
            let page = statements::recalls(&statements::rows(&body).unwrap());
            recalls.extend(page.changes);
            if page.extent.rows < PAGE {
                break;
            }
            after = page.extent.last.unwrap();
        }
        let expected: Vec<_> = people.iter().flat_map(|p| &p.recalls).collect();
        assert_eq!(recalls.len(), expected.len());
        assert!(recalls.iter().all(|recall| expected.contains(&recall)));

        let body = office.run(&Query::OptOuts { after: 0 });
        let page = statements::opt_outs(&statements::rows(&body).unwrap());
        assert_eq!(page.opt_outs.len(), said_no.len());
        for (patient, said) in said_no.iter().zip(&page.opt_outs) {
            opt_out(patient, said);
        }
        let after = said_no[5].key;
        let body = office.run(&Query::OptOuts { after });
        assert_eq!(statements::rows(&body).unwrap().len(), said_no.len() - 6);

        let (items, _, _) = office.news(at(LONG_AGO));
        assert_eq!(items.len(), people.len() - there.len());
        for part in [Part::State, Part::Deleted, Part::Merged, Part::Removed] {
            for key in [i64::MIN, -1, i64::MAX] {
                let after = Some(NewsMark { part, key });
                office.run(&Query::News {
                    since: NaiveDateTime::MIN,
                    after,
                });
                office.run(&Query::News {
                    since: NaiveDateTime::MAX,
                    after,
                });
            }
        }
        assert!(
            office.ran.iter().all(|&times| times > 0),
            "{:?}",
            office.ran
        );
    }
}

#[test]
fn only_what_was_written_since_then_is_told() {
    let server = server();
    let mut conn = server.database();
    make_tables(&mut conn);
    let stamped = |table: &str, key: &str| {
        format!(
            "UPDATE {table} SET DateTStamp=IF({key}<>2,'2020-05-05 10:00:00','2020-05-05 09:59:59')"
        )
    };
    for n in 1..4 {
        put(&mut conn, "recall", json!({"RecallNum": n, "PatNum": 48}));
        put(&mut conn, "patient", json!({"PatNum": n, "PatStatus": 4}));
        put(
            &mut conn,
            "deletedobject",
            json!({"DeletedObjectNum": n, "ObjectNum": 7 + n,
            "ObjectType": n - 1}),
        );
        let day = if n == 2 {
            "2020-05-05 09:59:59"
        } else {
            "2020-05-05 10:00:00"
        };
        for kind in [1, 2] {
            put(
                &mut conn,
                "patientlink",
                json!({"PatNumFrom": 10 + n, "PatNumTo": 20,
                "LinkType": kind, "DateTimeLink": day}),
            );
        }
    }
    for (table, key) in [
        ("recall", "RecallNum"),
        ("patient", "PatNum"),
        ("deletedobject", "DeletedObjectNum"),
    ] {
        conn.query_drop(stamped(table, key)).unwrap();
    }
    let since = at("2020-05-05T10:00:00");
    let mut office = Office {
        conn: &mut conn,
        print: Print::Numbers,
        ran: [0; VARIANTS],
    };
    let body = office.run(&Query::Recalls {
        since,
        of: None,
        after: 0,
    });
    let page = statements::recalls(&statements::rows(&body).unwrap());
    assert_eq!((page.extent.rows, page.extent.last), (2, Some(3)));
    let (items, _, pages) = office.news(since);
    assert_eq!(pages, 1);
    assert_eq!(
        items,
        [
            Item::AppointmentGone(8),
            Item::RecallGoneOf(10),
            Item::Merged { from: 11, to: 20 },
            Item::Merged { from: 13, to: 20 },
            Item::PatientGone(1),
            Item::PatientGone(3),
        ]
    );
    let (none, _, _) = office.news(at("2020-05-05T10:00:01"));
    assert_eq!(none, []);
}

#[test]
fn news_of_a_long_absence_are_told_once_each_page_by_page() {
    let server = server();
    let mut conn = server.database();
    make_tables(&mut conn);
    let mut random = fastrand::Rng::with_seed(3);
    for n in 0..130 {
        // Keys in no order, as where they are random.
        for (table, row) in [
            (
                "deletedobject",
                json!({"DeletedObjectNum": random.i64(1..i64::MAX),
                "ObjectNum": 1000 + n, "ObjectType": 0}),
            ),
            (
                "patientlink",
                json!({"PatientLinkNum": random.i64(1..i64::MAX),
                "PatNumFrom": 2000 + n, "PatNumTo": 1, "LinkType": 1,
                "DateTimeLink": "2026-01-01 00:00:00"}),
            ),
            (
                "patient",
                json!({"PatNum": random.i64(1..i64::MAX), "PatStatus": 4}),
            ),
        ] {
            put(&mut conn, table, row);
        }
    }
    let mut office = Office {
        conn: &mut conn,
        print: Print::Texts,
        ran: [0; VARIANTS],
    };
    let (items, _, pages) = office.news(at(LONG_AGO));
    assert_eq!((items.len(), pages), (390, 4));
    let mut all: Vec<_> = items.iter().map(|item| format!("{item:?}")).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 390);
}

#[test]
fn the_digest_of_opt_outs_moves_with_every_one_of_them_and_with_nothing_else() {
    let server = server();
    let mut conn = server.database();
    make_tables(&mut conn);
    for n in 1..=4 {
        put(&mut conn, "patient", json!({"PatNum": n}));
        put(
            &mut conn,
            "commoptout",
            json!({"PatNum": n, "OptOutSms": 0}),
        );
        put(&mut conn, "reactivation", json!({"PatNum": n}));
    }
    let mut seen = Vec::new();
    let digest = |conn: &mut Conn| {
        let mut office = Office {
            conn,
            print: Print::Numbers,
            ran: [0; VARIANTS],
        };
        office.news(at(LONG_AGO)).1.opt_outs
    };
    seen.push(digest(&mut conn));
    for change in [
        "UPDATE commoptout SET OptOutSms=1 WHERE PatNum IN (1,2)",
        // Two who swap what they opted out of.
        "UPDATE commoptout SET OptOutSms=0,OptOutEmail=1 WHERE PatNum IN (1,2)",
        "UPDATE commoptout SET OptOutSms=1,OptOutEmail=0 WHERE PatNum=1",
        "UPDATE commoptout SET OptOutSms=OptOutEmail,OptOutEmail=1-OptOutSms WHERE PatNum IN (1,2)",
        // The same again in a second row.
        "INSERT INTO commoptout (PatNum,OptOutSms) VALUES (1,1)",
        "INSERT INTO commoptout (PatNum,OptOutSms) VALUES (1,1)",
        // Two rows that say the same, and then the same of somebody else.
        "INSERT INTO commoptout (PatNum,OptOutSms) VALUES (4,1),(4,1)",
        "UPDATE commoptout SET PatNum=5 WHERE PatNum=4 AND OptOutSms=1",
        // A merge: the rows go over to another patient.
        "UPDATE commoptout SET PatNum=3 WHERE PatNum=1",
        "DELETE FROM commoptout WHERE PatNum=2",
        "UPDATE reactivation SET DoNotContact=1 WHERE PatNum=2",
        "UPDATE reactivation SET DoNotContact=(PatNum=4)",
        "UPDATE patient SET ShortCodeOptIn=2 WHERE PatNum=1",
        "UPDATE patient SET ShortCodeOptIn=IF(PatNum=2,2,1)",
    ] {
        conn.query_drop(change).unwrap();
        let now = digest(&mut conn);
        assert!(!seen.contains(&now), "{change}");
        seen.push(now);
    }
    for change in [
        "UPDATE patient SET LName='Changed',PatStatus=2",
        "UPDATE reactivation SET ReactivationNote='called',ReactivationStatus=9",
        "UPDATE patient SET ShortCodeOptIn=0 WHERE PatNum=1",
        "INSERT INTO commoptout (PatNum) VALUES (4)",
    ] {
        conn.query_drop(change).unwrap();
        assert_eq!(seen.last(), Some(&digest(&mut conn)), "{change}");
    }
}

/// An office of ten thousand, as the request counts are reckoned for: 2.5 recalls
/// and 3 appointments each.
fn large(conn: &mut Conn) {
    make_tables(conn);
    for fill in [
        "INSERT INTO patient (LName,FName,PatStatus,BillingType,Guarantor,ShortCodeOptIn) \
         SELECT 'Last','First',IF(seq%20=0,4,0),40,seq,IF(seq%200=0,2,0) FROM seq_1_to_10000",
        "INSERT INTO recall (PatNum,RecallTypeNum,DateDue,RecallInterval) \
         SELECT 1+seq%10000,1+seq DIV 10000,'2026-05-05',393217 FROM seq_1_to_25000",
        "INSERT INTO appointment (PatNum,AptStatus,Pattern,AptDateTime) \
         SELECT 1+seq%10000,1+seq%3,'//XXXX//','2026-05-05 09:00:00' FROM seq_1_to_30000",
        "INSERT INTO commoptout (PatNum,OptOutSms) SELECT seq*50,1 FROM seq_1_to_200",
        "INSERT INTO reactivation (PatNum,DoNotContact) SELECT seq*70,1 FROM seq_1_to_140",
        "INSERT INTO deletedobject (ObjectNum,ObjectType,DateTStamp) \
         SELECT seq,0,'2020-01-01 00:00:00' FROM seq_1_to_5000",
        "UPDATE recall SET DateTStamp='2020-01-01 00:00:00' WHERE RecallNum%250<>0",
        "UPDATE patient SET DateTStamp='2020-01-01 00:00:00'",
        "ANALYZE TABLE patient,recall,appointment,commoptout,reactivation,deletedobject,patientlink",
    ] {
        conn.query_drop(fill).unwrap();
    }
}

/// Rows that a statement made the server read.
fn rows_read(conn: &mut Conn, query: &Query) -> u64 {
    conn.query_drop("FLUSH STATUS").unwrap();
    assert!(!run(conn, query, Print::Numbers).is_empty());
    let counts: Vec<(String, u64)> = conn
        .query("SHOW SESSION STATUS LIKE 'Handler_read%'")
        .unwrap();
    counts.iter().map(|(_, count)| count).sum()
}

#[test]
fn a_page_reads_its_own_rows_by_key_and_no_others() {
    let server = server();
    let mut conn = server.database();
    large(&mut conn);
    let since = at("2026-01-01T00:00:00");
    let keys = Keys::chunks((1..=100).map(|n| n * 97)).remove(0);
    let (patients, opt_outs) = (10_000, 340);
    for (query, bound) in [
        (Query::Clock, 10),
        (Query::Zone, 20),
        // A patient, 5 % deleted in between, 2.5 recalls, 3 visits looked at twice, the name
        // of the billing type, opt-outs that are mostly not there, and two codes for each visit
        // that was completed.
        (Query::Patients { after: 0 }, 4000),
        (Query::Patients { after: 5000 }, 4000),
        (Query::Patients { after: 9990 }, 300),
        (Query::PatientsOf(keys), 4000),
        // No index by stamp is known of: the keys beyond the last one, at most.
        (
            Query::Recalls {
                since,
                of: None,
                after: 0,
            },
            25_200,
        ),
        (
            Query::Recalls {
                of: None,
                since,
                after: 24_900,
            },
            300,
        ),
        // One walk over the patients for the digest, one for the deleted among them.
        (
            Query::News { since, after: None },
            2 * patients + 5_000 + opt_outs + 1000,
        ),
        (Query::OptOuts { after: 0 }, patients + 3 * opt_outs + 1000),
        (Query::OptOuts { after: 9_900 }, 400),
    ] {
        let read = rows_read(&mut conn, &query);
        let clock = std::time::Instant::now();
        run(&mut conn, &query, Print::Numbers);
        let what = query.what();
        println!("{what}: {read} rows read, {:?}", clock.elapsed());
        assert!(read <= bound, "{query:?} reads {read} rows");
        let plan: Vec<Row> = conn.query(format!("EXPLAIN {}", query.sql())).unwrap();
        for step in plan {
            let text = |name: &str| step.get::<Option<String>, _>(name).flatten();
            let (table, kind) = (
                text("table").unwrap_or_default(),
                text("type").unwrap_or_default(),
            );
            let by_key = matches!(
                query,
                Query::Patients { .. } | Query::PatientsOf(_) | Query::Recalls { .. }
            );
            if by_key {
                assert!(
                    !["ALL", "index"].contains(&kind.as_str()),
                    "{query:?}: {kind} on {table}"
                );
                assert!(
                    table.is_empty() || text("key").is_some(),
                    "{query:?}: {table} without key"
                );
                let extra = text("Extra").unwrap_or_default();
                let sorts = extra.contains("filesort") || extra.contains("temporary");
                assert!(
                    !sorts || ["a", "r"].contains(&table.as_str()),
                    "{query:?}: {extra} on {table}"
                );
            }
        }
    }
}
