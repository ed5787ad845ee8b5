//! Every statement that is sent through `PUT /queries/ShortQuery`, as a closed
//! list. There are no bind parameters and the text lands in the office's audit
//! trail, so a statement is made of constants, keys and moments only: no name,
//! number or secret has a way in.
//!
//! Plain enough for MySQL 5.5: no common table expression, no window, no JSON.
//! Table names are in lower case, for servers that tell the cases apart. Pages
//! are keyset pages of [`PAGE`] rows in the order of a unique key: `Offset`
//! would run the statement again on a table that has moved.
//!
//! Two columns are in nearly every answer: `serverDateTime`, the office's wall
//! clock spelled as the lists spell it, and the key the next page goes on from.

#![allow(
    unreachable_pub,
    reason = "seen from outside with the feature `sim` only"
)]

mod pack;

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use pack::{LAST_VISIT, MISSED, OPEN, RECALLS, VISITS};
pub(crate) use pack::{RECALL_FIELDS, VISIT_FIELDS};

/// Rows per statement: the documented cap of an answer.
pub const PAGE: usize = 100;

/// Seconds that the office's wall clock is ahead of UTC.
const UTC_OFFSET: &str = "TIMESTAMPDIFF(SECOND,UTC_TIMESTAMP(),NOW())";

/// A statement that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// The clock alone: the cheapest way to learn whether queries are allowed.
    Clock,
    /// Every patient with all recalls, visits that are not completed and the last one that was,
    /// one row each. Not the deleted ones: the lists do not show those either,
    /// so a listing means the same by either route, and going from one to the
    /// other makes nobody appear or vanish. That somebody was deleted is told at
    /// once, by name, by [`Query::News`].
    Patients {
        /// The last key of the page before; 0 at first.
        after: i64,
    },
    /// The same rows of these patients, deleted ones included: whoever asks by
    /// key wants to know. One request for a hundred, where single reads are
    /// three for each.
    PatientsOf(Keys),
    /// Recalls written since then, and all recalls of some patients: whoever is
    /// told to have lost one is read whole in the same request.
    Recalls {
        /// By the office's wall clock.
        since: NaiveDateTime,
        /// Whose recalls are wanted whatever their stamp.
        of: Option<Keys>,
        /// The last key of the page before; 0 at first.
        after: i64,
    },
    /// Whatever has no list: what was deleted, who was merged into whom, and a
    /// digest of all opt-outs, whose tables have no stamp; and what the office calls
    /// a visit that was missed. The first page always has a row, so the clock is told even when nothing happened.
    News {
        /// By the office's wall clock.
        since: NaiveDateTime,
        /// Where the page before ended; none at first.
        after: Option<NewsMark>,
    },
    /// Every patient who opted out of anything.
    OptOuts {
        /// The last key of the page before; 0 at first.
        after: i64,
    },
    /// The zones the office wrote down for its clinics. An old office has no
    /// such column and refuses.
    Zone,
}

/// Keys of patients: at least one, [`PAGE`] at most, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(Vec<i64>);

impl Keys {
    /// As few lists as hold them all. 0 is nobody's key.
    pub fn chunks(keys: impl IntoIterator<Item = i64>) -> Vec<Self> {
        let mut keys: Vec<i64> = keys.into_iter().filter(|&key| key != 0).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.chunks(PAGE).map(|some| Self(some.to_vec())).collect()
    }

    fn text(&self) -> String {
        let keys: Vec<_> = self.0.iter().map(i64::to_string).collect();
        keys.join(",")
    }

    /// In ascending order.
    pub fn as_slice(&self) -> &[i64] {
        &self.0
    }
}

/// Where a page of news ended: which part, and the key in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewsMark {
    /// Which part.
    pub part: Part,
    /// The key of its last row.
    pub key: i64,
}

/// The parts of the news, in the order they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// One row: the clock and the digest of the opt-outs.
    State,
    /// Rows of `deletedobject`.
    Deleted,
    /// Rows of `patientlink`.
    Merged,
    /// Patients whose status became deleted.
    Removed,
}

impl Part {
    /// As the statement spells it.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::State => 0,
            Self::Deleted => 1,
            Self::Merged => 2,
            Self::Removed => 3,
        }
    }

    /// What the statement spelled so.
    pub(crate) const fn of(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::State),
            1 => Some(Self::Deleted),
            2 => Some(Self::Merged),
            3 => Some(Self::Removed),
            _ => None,
        }
    }
}

impl Query {
    /// In words, for messages.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Clock => "a query of the clock",
            Self::Patients { .. } | Self::PatientsOf(_) => "a query of patients",
            Self::Recalls { .. } => "a query of recalls",
            Self::News { .. } => "a query of deletions, merges and opt-outs",
            Self::OptOuts { .. } => "a query of opt-outs",
            Self::Zone => "a query of clinics",
        }
    }

    /// The statement.
    pub fn sql(&self) -> String {
        match self {
            Self::Clock => format!("SELECT NOW() AS serverDateTime,{UTC_OFFSET} AS UtcOffset"),
            Self::Patients { after } => patients(&format!("p.PatStatus<>4 AND p.PatNum>{after}")),
            Self::PatientsOf(keys) => patients(&format!("p.PatNum IN ({})", keys.text())),
            Self::Recalls { since, of, after } => format!(
                "SELECT NOW() AS serverDateTime,RecallNum,PatNum,DateDue,DatePrevious,\
                 RecallInterval,RecallStatus,IsDisabled,RecallTypeNum,\
                 DisableUntilBalance>0 AS DisableUntilBalance,DisableUntilDate,DateScheduled,\
                 Priority FROM recall WHERE {} AND RecallNum>{after} \
                 ORDER BY RecallNum LIMIT {PAGE}",
                match of {
                    None => format!("DateTStamp>={}", moment(*since)),
                    Some(keys) => format!(
                        "(DateTStamp>={} OR PatNum IN ({}))",
                        moment(*since),
                        keys.text()
                    ),
                }
            ),
            Self::News { since, after } => news(*since, *after),
            Self::OptOuts { after } => opt_outs(*after),
            Self::Zone => format!(
                "SELECT DISTINCT TimeZone FROM clinic WHERE TimeZone<>'' \
                 ORDER BY TimeZone LIMIT {PAGE}"
            ),
        }
    }
}

/// One row for each patient. Everything of other tables is a subquery by
/// `PatNum`, which has an index in each of them: it runs for the rows of the
/// page and for no others. The billing type is told by name, as the lists do;
/// the only other text is the patient's own.
fn patients(which: &str) -> String {
    format!(
        "SELECT NOW() AS serverDateTime,p.PatNum,p.LName,p.FName,p.Preferred,p.PatStatus,\
         p.Birthdate,p.HmPhone,p.WkPhone,p.WirelessPhone,p.Guarantor,p.Email,p.PriProv,\
         (SELECT d.ItemName FROM definition d WHERE d.DefNum=p.BillingType) AS BillingType,\
         p.DateFirstVisit,p.ClinicNum,p.PreferContactMethod,p.PreferRecallMethod,p.Language,\
         p.TxtMsgOk,IFNULL(p.ShortCodeOptIn,0) AS ShortCodeOptIn,\
         EXISTS(SELECT 1 FROM commoptout c WHERE c.PatNum=p.PatNum AND c.OptOutSms<>0) \
         AS OptOutSms,\
         EXISTS(SELECT 1 FROM commoptout c WHERE c.PatNum=p.PatNum AND c.OptOutEmail<>0) \
         AS OptOutEmail,\
         EXISTS(SELECT 1 FROM reactivation v WHERE v.PatNum=p.PatNum AND v.DoNotContact<>0) \
         AS DoNotContact,\
         {RECALLS} AS Recalls,{OPEN} AS OpenVisits,{LAST_VISIT} AS LastVisit,\
         {VISITS} AS Visits \
         FROM patient p WHERE {which} ORDER BY p.PatNum LIMIT {PAGE}"
    )
}

/// Parts that were told whole are not asked for again, and each part brings a
/// page at most, so a long absence costs no more per request than a short one.
///
/// Keys may be random numbers, so "above the last one known" does not mean new:
/// every part goes by its stamp, and by its key only from page to page.
fn news(since: NaiveDateTime, after: Option<NewsMark>) -> String {
    let since = moment(since);
    let from = |part: Part, key: &str| match after {
        Some(mark) if mark.part > part => None,
        Some(mark) if mark.part == part => Some(format!(" AND {key}>{}", mark.key)),
        _ => Some(String::new()),
    };
    let mut parts = Vec::new();
    if after.is_none() {
        let digest = digest();
        let [missed, cancelled] = MISSED.map(abbreviation);
        let state = Part::State.number();
        parts.push(format!(
            "SELECT {state} AS Part,0 AS Num,0 AS Subject,0 AS Other,NOW() AS serverDateTime,\
             {UTC_OFFSET} AS UtcOffset,{digest} AS Digest,{missed} AS Missed,\
             {cancelled} AS Cancelled"
        ));
    }
    let mut add = |part: Part, num: &str, columns: &str, rows: &str| {
        if let Some(beyond) = from(part, num) {
            let part = part.number();
            parts.push(format!(
                "SELECT * FROM (SELECT {part} AS Part,{num} AS Num,{columns},\
                 NOW() AS serverDateTime,0 AS UtcOffset,'' AS Digest,'' AS Missed,\
                 '' AS Cancelled FROM {rows}{beyond} \
                 ORDER BY {num} LIMIT {PAGE}) n{part}"
            ));
        }
    };
    add(
        Part::Deleted,
        "o.DeletedObjectNum",
        "o.ObjectNum AS Subject,o.ObjectType AS Other",
        &format!("deletedobject o WHERE o.ObjectType IN (0,2) AND o.DateTStamp>={since}"),
    );
    add(
        Part::Merged,
        "l.PatientLinkNum",
        "l.PatNumFrom AS Subject,l.PatNumTo AS Other",
        &format!("patientlink l WHERE l.LinkType=1 AND l.DateTimeLink>={since}"),
    );
    add(
        Part::Removed,
        "p.PatNum",
        "p.PatNum AS Subject,0 AS Other",
        &format!("patient p WHERE p.PatStatus=4 AND p.DateTStamp>={since}"),
    );
    let parts = parts.join(" UNION ALL ");
    format!("SELECT * FROM ({parts}) n ORDER BY Part,Num LIMIT {PAGE}")
}

/// How the office abbreviates a code.
fn abbreviation(code: &str) -> String {
    format!(
        "IFNULL((SELECT c.AbbrDesc FROM procedurecode c WHERE c.ProcCode='{code}' \
         ORDER BY c.CodeNum LIMIT 1),'')"
    )
}

/// How many rows say no, and a sum over them that does not depend on their
/// order. `CRC32` would not do: it is linear, so two patients who swap their
/// opt-outs would leave the sum as it was. The keys keep two rows that say the
/// same from cancelling out.
fn digest() -> String {
    let of = |row: &str, rows: &str| {
        format!(
            "(SELECT CONCAT(COUNT(*),'-',BIT_XOR(CAST(CONV(SUBSTR(MD5(CONCAT_WS(',',{row})),1,15),\
             16,10) AS UNSIGNED))) FROM {rows})"
        )
    };
    format!(
        "CONCAT_WS('.',{},{},{})",
        of(
            "c.CommOptOutNum,c.PatNum,c.OptOutSms<>0,c.OptOutEmail<>0",
            "commoptout c WHERE c.OptOutSms<>0 OR c.OptOutEmail<>0"
        ),
        of(
            "v.ReactivationNum,v.PatNum",
            "reactivation v WHERE v.DoNotContact<>0"
        ),
        of("p.PatNum", "patient p WHERE p.ShortCodeOptIn=2"),
    )
}

fn opt_outs(after: i64) -> String {
    format!(
        "SELECT NOW() AS serverDateTime,o.PatNum,MAX(o.Sms) AS OptOutSms,\
         MAX(o.Email) AS OptOutEmail,MAX(o.NoContact) AS DoNotContact,\
         MAX(o.ShortCode) AS ShortCodeOptIn FROM (\
         SELECT PatNum,IFNULL(OptOutSms<>0,0) AS Sms,IFNULL(OptOutEmail<>0,0) AS Email,\
         0 AS NoContact,0 AS ShortCode FROM commoptout \
         WHERE (OptOutSms<>0 OR OptOutEmail<>0) AND PatNum>{after} UNION ALL \
         SELECT PatNum,0,0,1,0 FROM reactivation \
         WHERE DoNotContact<>0 AND PatNum>{after} UNION ALL \
         SELECT PatNum,0,0,0,2 FROM patient WHERE ShortCodeOptIn=2 AND PatNum>{after}) o \
         GROUP BY o.PatNum ORDER BY o.PatNum LIMIT {PAGE}"
    )
}

/// A moment as the tables hold it; one that no table can hold is the nearest.
fn moment(at: NaiveDateTime) -> String {
    let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
    let at = match at.year() {
        // The server's stamps begin there.
        ..1970 => day(1970, 1, 2).and_time(chrono::NaiveTime::MIN),
        10_000.. => day(9999, 12, 31).and_time(chrono::NaiveTime::MIN),
        _ => at,
    };
    at.format("'%Y-%m-%d %H:%M:%S'").to_string()
}

#[cfg(test)]
mod tests;
