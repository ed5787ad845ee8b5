//! What should have been told to whom, and which tasks there should be: plain
//! SQL over the history, without anything of odx.

use rusqlite::params;

use crate::history::History;

const TABLES: &str = "
-- As it stands now.
CREATE TABLE p (key TEXT PRIMARY KEY, household TEXT, status TEXT, born TEXT, mobile TEXT,
    email TEXT, sms INTEGER, mail INTEGER, no_sms INTEGER, no_mail INTEGER,
    needs_person INTEGER, gone INTEGER, adult INTEGER, recipient TEXT);
CREATE INDEX p_household ON p (household);
CREATE TABLE r (key TEXT PRIMARY KEY, patient TEXT, due TEXT, previous TEXT, scheduled TEXT,
    snoozed TEXT, held INTEGER, urgent INTEGER, alive INTEGER, open INTEGER);
CREATE TABLE v (key TEXT PRIMARY KEY, patient TEXT, status TEXT, start TEXT);
CREATE INDEX v_patient ON v (patient);
-- Who has not come for long: the last completed visit, what is booked.
CREATE TABLE lapse (patient TEXT PRIMARY KEY, last TEXT, booked INTEGER, wanted INTEGER);

-- What is wanted now, what the people concerned can be told, and what may be.
CREATE TABLE occurrence (rank INTEGER, purpose TEXT, subject TEXT, cycle TEXT, patient TEXT,
    urgent INTEGER);
CREATE TABLE candidate (household TEXT, rank INTEGER, purpose TEXT, subject TEXT, cycle TEXT,
    patient TEXT, recipient TEXT, channel TEXT, address TEXT, mobile TEXT, email TEXT, urgent INTEGER,
    own INTEGER);
CREATE INDEX candidate_of ON candidate (household, rank);
CREATE TABLE may (purpose TEXT, household TEXT, subject TEXT, cycle TEXT, patient TEXT,
    recipient TEXT, channel TEXT, address TEXT, urgent INTEGER, own INTEGER);

-- What was.
CREATE TABLE sent (t INTEGER, at INTEGER, purpose TEXT, household TEXT, subject TEXT,
    patient TEXT, recipient TEXT, channel TEXT, address TEXT);
CREATE INDEX sent_recipient ON sent (recipient, at);
CREATE INDEX sent_address ON sent (address, at);
CREATE INDEX sent_household ON sent (household, purpose, at);
CREATE TABLE told (t INTEGER, purpose TEXT, subject TEXT, cycle TEXT, channel TEXT,
    by_subject TEXT);
CREATE INDEX told_subject ON told (subject, purpose);
CREATE TABLE task (id TEXT PRIMARY KEY, kind TEXT, contact TEXT, status TEXT);

-- Area codes west of the office: hours behind it.
CREATE TABLE area (code TEXT PRIMARY KEY, behind TEXT);
INSERT INTO area VALUES ('312', '-1 hours'), ('213', '-3 hours');
CREATE TABLE cap (per_day INTEGER, per_week INTEGER);
CREATE TABLE gap (purpose TEXT PRIMARY KEY, seconds INTEGER);
INSERT INTO gap VALUES ('recall', 604800), ('reactivation', 604800), ('review', 86400);
";

/// Who and what there is in this run.
const STATE: &str = "
DELETE FROM p; DELETE FROM r; DELETE FROM v; DELETE FROM lapse;

INSERT INTO p SELECT key, household, status, born, mobile, email, sms, mail, no_sms, no_mail,
    needs_person, gone,
    CASE WHEN born IS NULL THEN key = household ELSE born <= date(day, '-18 years') END, NULL
    FROM person JOIN now WHERE until > t AND since <= t;
UPDATE p SET recipient = CASE WHEN adult THEN key ELSE (
    SELECT g.key FROM p AS g
    WHERE g.key = p.household AND g.household = p.household AND g.key <> p.key AND g.adult
        AND NOT g.gone AND g.status NOT IN ('archived', 'deceased', 'deleted')) END;

-- A recall that is gone or disabled, or of somebody who is not treated here, is none
-- any more, whatever is booked.
INSERT INTO r SELECT recall.key, patient, due, previous, scheduled, snoozed, held, urgent,
    NOT recall.gone AND NOT disabled AND coalesce(p.status = 'active' AND NOT p.gone, 0), 0
    FROM recall JOIN now LEFT JOIN p ON p.key = patient WHERE until > t AND since <= t;
UPDATE r SET open = alive AND NOT held AND scheduled IS NULL AND due IS NOT NULL
    AND coalesce(snoozed <= (SELECT day FROM now), 1);
INSERT INTO v SELECT key, patient, status, start
    FROM visit JOIN now WHERE until > t AND since <= t AND NOT gone;

INSERT INTO lapse SELECT key,
        (SELECT max(date(start)) FROM v WHERE patient = p.key AND status = 'complete') AS last,
        EXISTS (SELECT 1 FROM v WHERE patient = p.key AND status = 'scheduled'
            AND date(start) >= day) AS booked, 0
    FROM p JOIN now;
UPDATE lapse SET wanted = NOT booked AND last IS NOT NULL
    AND julianday((SELECT day FROM now)) - julianday(last) BETWEEN 548 AND 1500
    AND (SELECT status IN ('active', 'inactive') AND NOT gone FROM p WHERE key = patient);
";

/// What is wanted, what was not told before, and by which channel it may go.
const WANTED: &str = "
DELETE FROM occurrence; DELETE FROM candidate;

INSERT INTO occurrence SELECT 1, 'review', 'tapt:main-st:' || v.key, date(start), v.patient, 0
    FROM v JOIN now JOIN p ON p.key = v.patient
    WHERE v.status = 'complete' AND start <= wall AND wall < datetime(start, '+48 hours')
        AND start >= (SELECT wall FROM tick WHERE t = 0)
        AND p.status IN ('active', 'inactive') AND NOT p.gone;
INSERT INTO occurrence SELECT 2, 'recall', 'trecall:main-st:' || r.key, previous, r.patient, urgent
    FROM r JOIN now WHERE open AND due <= day AND day < date(due, '+365 days');
INSERT INTO occurrence SELECT 3, 'reactivation', 't:main-st:' || patient, last, patient, 0
    FROM lapse WHERE wanted;

-- Once for ever: the visit that began it may have been corrected by some days. A
-- visit itself is one, whatever its day.
DELETE FROM occurrence WHERE EXISTS (
    SELECT 1 FROM told WHERE told.subject = occurrence.subject
        AND told.purpose = occurrence.purpose
        AND (told.purpose = 'review' OR told.cycle IS occurrence.cycle
            OR abs(julianday(told.cycle) - julianday(occurrence.cycle)) < 14));

INSERT INTO candidate
WITH reach AS (
    SELECT o.*, p.household, q.key AS recipient, q.mobile, q.email, p.key = p.household AS own,
        q.mobile IS NOT NULL AND coalesce(q.sms, 0) AND NOT q.no_sms
            AND NOT EXISTS (SELECT 1 FROM stop JOIN now WHERE who IN (q.mobile, q.key)
                AND stop.sms AND since <= t AND until > t) AS by_text,
        q.email IS NOT NULL AND coalesce(q.mail, 1) AND NOT q.no_mail
            AND NOT EXISTS (SELECT 1 FROM stop JOIN now WHERE who IN (q.email, q.key)
                AND stop.email AND since <= t AND until > t) AS by_mail
    FROM occurrence AS o JOIN p ON p.key = o.patient JOIN p AS q ON q.key = p.recipient
    WHERE NOT p.needs_person AND NOT q.needs_person)
SELECT household, rank, purpose, subject, cycle, patient, recipient,
    CASE WHEN by_text THEN 'sms' ELSE 'email' END, CASE WHEN by_text THEN mobile ELSE email END,
    mobile, email, urgent, own
FROM reach JOIN now LEFT JOIN area ON by_text AND code = substr(mobile, 3, 3)
-- A text that only has to wait for the hour is waited for.
WHERE CASE WHEN by_text
    THEN time(wall, coalesce(behind, '+0 hours')) BETWEEN '08:00:00' AND '20:59:59'
    ELSE by_mail END;
";

const GROUPS: &str = "SELECT DISTINCT household, rank FROM candidate ORDER BY household, rank";

/// Of one purpose of one household: all that may be told now. Who was reached at
/// any address of theirs was told something, by whichever way it would be now.
const MAY: &str = "
INSERT INTO may SELECT c.purpose, c.household, subject, cycle, patient, recipient, channel,
    address, urgent, own
FROM candidate AS c JOIN now JOIN gap ON gap.purpose = c.purpose
WHERE c.household = ?1 AND c.rank = ?2
    AND (SELECT count(*) FROM sent AS s WHERE s.at > now.at - 86400
        AND (s.recipient = c.recipient OR s.address IN (c.mobile, c.email)))
        < (SELECT per_day FROM cap)
    AND (SELECT count(*) FROM sent AS s WHERE s.at > now.at - 604800
        AND (s.recipient = c.recipient OR s.address IN (c.mobile, c.email)))
        < (SELECT per_week FROM cap)
    AND NOT EXISTS (SELECT 1 FROM sent AS s WHERE s.household = c.household
        AND s.purpose = c.purpose AND s.at > now.at - seconds)
    AND NOT (c.purpose = 'review' AND EXISTS (SELECT 1 FROM sent AS s
        WHERE (s.recipient = c.recipient OR s.address IN (c.mobile, c.email))
            AND s.purpose = 'review' AND s.at > now.at - 180 * 86400))";

const SEND: &str = "
INSERT INTO sent SELECT t, at, purpose, household, subject, patient, recipient, channel, address
FROM may JOIN now ORDER BY urgent DESC, own DESC, subject, cycle LIMIT 1";

const TELL: &str = "
INSERT INTO told SELECT now.t, may.purpose, may.subject, cycle, sent.channel, sent.subject
FROM may JOIN now JOIN sent ON sent.rowid = (SELECT max(rowid) FROM sent)";

const TASKS: &str = "
WITH s AS (
    SELECT 'trecall:main-st:' || key AS id, 'recall' AS kind, patient,
        CASE WHEN open THEN 'open' WHEN alive AND scheduled IS NOT NULL THEN 'completed'
            ELSE 'cancelled' END AS status FROM r
    UNION ALL
    SELECT 'treact:main-st:' || patient, 'reactivation', patient,
        CASE WHEN wanted THEN 'open' WHEN booked THEN 'completed' ELSE 'cancelled' END
    FROM lapse)
INSERT INTO task SELECT id, kind, 't:main-st:' || patient, status FROM s
    WHERE status = 'open' OR EXISTS (SELECT 1 FROM task WHERE task.id = s.id)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, contact = excluded.contact;
";

/// A message as it should have gone out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Should {
    pub(crate) purpose: String,
    pub(crate) channel: String,
    pub(crate) patient: String,
    pub(crate) recipient: String,
    pub(crate) address: String,
    pub(crate) subject: String,
}

pub(crate) fn begin(history: &History, caps: (u32, u32)) {
    history.db.execute_batch(TABLES).unwrap();
    history.run("INSERT INTO cap VALUES (?1, ?2)", params![caps.0, caps.1]);
}

/// Decides the newest run.
pub(crate) fn step(history: &History) {
    let db = &history.db;
    db.execute_batch("BEGIN").unwrap();
    db.execute_batch(STATE).unwrap();
    db.execute_batch(WANTED).unwrap();
    let groups: Vec<(String, u32)> = db
        .prepare_cached(GROUPS)
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (household, rank) in groups {
        history.run("DELETE FROM may", []);
        if history.run(MAY, params![household, rank]) > 0 {
            history.run(SEND, []);
            history.run(TELL, []);
        }
    }
    db.execute_batch(TASKS).unwrap();
    db.execute_batch("COMMIT").unwrap();
}

/// What the newest run should have sent.
pub(crate) fn sent(history: &History) -> Vec<Should> {
    history
        .db
        .prepare_cached(
            "SELECT purpose, channel, patient, recipient, address, subject \
             FROM sent JOIN now ON now.t = sent.t ORDER BY 1, 2, 3, 4, 5, 6",
        )
        .unwrap()
        .query_map([], |row| {
            Ok(Should {
                purpose: row.get(0)?,
                channel: row.get(1)?,
                patient: row.get(2)?,
                recipient: row.get(3)?,
                address: row.get(4)?,
                subject: row.get(5)?,
            })
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// Every task as it should stand: its name, whose it is, its status.
pub(crate) fn tasks(history: &History) -> Vec<(String, String, String)> {
    history
        .db
        .prepare_cached("SELECT id, contact, status FROM task ORDER BY id")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// Every occurrence that should have been told, and in which run: purpose,
/// subject, cycle, run.
pub(crate) fn told(history: &History) -> Vec<(String, String, Option<String>, u32)> {
    history
        .db
        .prepare("SELECT purpose, subject, cycle, t FROM told ORDER BY 1, 2, 3, 4")
        .unwrap()
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// One number out of the history.
pub(crate) fn count(history: &History, sql: &str) -> i64 {
    history.db.query_row(sql, [], |row| row.get(0)).unwrap()
}
