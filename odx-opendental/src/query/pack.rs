//! Several rows in one column. A row is its fields, each followed by `|`; rows
//! are parted by `,`; before them stands how many there are, and `:`. Fields are
//! numbers and dates only, so none of these can occur in one.
//!
//! The server cuts such a column at 1024 bytes: the count, and the `|` that each
//! row ends with, tell the reader. The separator is the server's own, `,`.

/// How many fields a packed recall has.
pub(crate) const RECALL_FIELDS: usize = 11;

/// How many fields a packed appointment has.
pub(crate) const VISIT_FIELDS: usize = 12;

/// The codes of a visit that was missed, and of one that was cancelled.
pub(super) const MISSED: [&str; 2] = ["D9986", "D9987"];

/// All recalls of a patient. `CONCAT_WS` leaves out what is null, which would
/// move every field after it: hence a value for each.
pub(super) const RECALLS: &str = "(SELECT CONCAT(COUNT(*),':',IFNULL(GROUP_CONCAT(\
    CONCAT_WS('|',r.RecallNum,IFNULL(r.DateDue,''),IFNULL(r.DatePrevious,''),\
    IFNULL(r.RecallInterval,0),IFNULL(r.RecallStatus,0),IFNULL(r.IsDisabled,0),\
    IFNULL(r.RecallTypeNum,0),IFNULL(r.DisableUntilBalance>0,0),IFNULL(r.DisableUntilDate,''),\
    IFNULL(r.DateScheduled,''),IFNULL(r.Priority,0),'') ORDER BY r.RecallNum),'')) \
    FROM recall r WHERE r.PatNum=p.PatNum)";

macro_rules! visit {
    ($missed:expr) => {
        concat!(
            "CONCAT_WS('|',a.AptNum,IFNULL(a.AptStatus,0),IFNULL(CHAR_LENGTH(a.Pattern),0),\
             IFNULL(a.Confirmed,0),IFNULL(a.Op,0),IFNULL(a.ProvNum,0),IFNULL(a.ProvHyg,0),\
             IFNULL(a.AptDateTime,''),IFNULL(a.UnschedStatus,0),IFNULL(a.ClinicNum,0),\
             IFNULL(a.IsHygiene,0),",
            $missed,
            ",'')"
        )
    };
}

/// Every visit that was not completed: booked ones, since the one after the next
/// must be known when that one is broken, and those that are broken, planned or
/// wait to be booked. A past one that was never completed still counts as booked
/// with the vendor, so no day bounds them.
pub(super) const OPEN: &str = concat!(
    "(SELECT CONCAT(COUNT(*),':',IFNULL(GROUP_CONCAT(",
    visit!("0"),
    " ORDER BY a.AptNum),'')) FROM appointment a WHERE a.PatNum=p.PatNum AND a.AptStatus<>2)"
);

/// The keys of all visits, so that a listing shows of each that it is there.
pub(super) const VISITS: &str = "(SELECT CONCAT(COUNT(*),':',\
    IFNULL(GROUP_CONCAT(CONCAT(a.AptNum,'|') ORDER BY a.AptNum),'')) \
    FROM appointment a WHERE a.PatNum=p.PatNum)";

/// The last completed visit of these, and what is known of them.
macro_rules! last {
    ($missed:literal, $which:literal) => {
        concat!(
            "(SELECT CONCAT('1:',",
            visit!($missed),
            ") FROM appointment a WHERE a.PatNum=p.PatNum AND a.AptStatus=2 AND ",
            $which,
            "EXISTS(SELECT 1 FROM procedurecode c WHERE c.ProcCode IN ('D9986','D9987') \
             AND c.AbbrDesc<>'' AND c.AbbrDesc=a.ProcDescript) \
             ORDER BY a.AptDateTime DESC,a.AptNum DESC LIMIT 1)"
        )
    };
}

/// The last completed visit that was kept; without one, the last one on which
/// stands nothing but the code of a missed or a cancelled visit. The text of a visit
/// is what the lists tell as well, so both ways come to the same; it stays with the
/// server. Two statements, because MariaDB does not sort by a subquery.
pub(super) const LAST_VISIT: &str = concat!(
    "IFNULL(",
    last!("0", "NOT "),
    ",IFNULL(",
    last!("1", ""),
    ",'0:'))"
);
