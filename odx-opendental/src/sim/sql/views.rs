//! The tables as the database really holds them: numbers for names, packed intervals.
//!
//! The simulator keeps the words that the API prints. A query sees views of these tables in a
//! schema of its own, with the vendor's table names in lower case.

use rusqlite::Connection;

use super::super::more_tables::{
    CommOptOutRow, DeletedObjectRow, OperatoryRow, PatientLinkRow, ReactivationRow, SignalRow,
};
use super::super::tables::{
    AppointmentRow, ClinicRow, DefinitionRow, HistAppointmentRow, PatientRow, PreferenceRow,
    ProviderRow, RecallRow, RecallTypeRow, Record,
};

/// Names by number, from 0.
// apiqueries with the schema document: number codes
const PAT_STATUS: &[&str] = &[
    "Patient",
    "NonPatient",
    "Inactive",
    "Archived",
    "Deleted",
    "Deceased",
    "Prospective",
];
const APT_STATUS: &[&str] = &[
    "None",
    "Scheduled",
    "Complete",
    "UnschedList",
    "ASAP",
    "Broken",
    "Planned",
    "PtNote",
    "PtNoteCompleted",
];
const CONTACT: &[&str] = &[
    "None",
    "DoNotCall",
    "HmPhone",
    "WkPhone",
    "WirelessPh",
    "Email",
    "SeeNotes",
    "Mail",
    "TextMessage",
];
const YES_NO: &[&str] = &["Unknown", "Yes", "No"];
const GENDER: &[&str] = &["Male", "Female", "Unknown", "Other"];
const POSITION: &[&str] = &["Single", "Married", "Child", "Widowed", "Divorced"];
const ACTION: &[&str] = &["Created", "Changed", "Missed", "Cancelled", "Deleted"];
const PRIORITY: &[&str] = &["Normal", "ASAP"];
const PROV_STATUS: &[&str] = &["Active", "Deleted"];

/// Columns of every table that hold a day or a moment.
const DATES: &[&str] = &[
    "Birthdate",
    "DateFirstVisit",
    "AdmitDate",
    "SecDateEntry",
    "DateTStamp",
    "DateDue",
    "DateDueCalc",
    "DatePrevious",
    "DisableUntilDate",
    "DateScheduled",
    "AptDateTime",
    "DateTimeArrived",
    "DateTimeSeated",
    "DateTimeDismissed",
    "DateTimeAskedToArrive",
    "SecDateTEntry",
    "SecDateTEdit",
    "HistDateTStamp",
    "SigDateTime",
    "DateTimeLink",
    "LastHeartBeat",
    "CommDateTime",
    "DateTEntry",
];

pub(crate) fn is_date_column(name: &str) -> bool {
    DATES.iter().any(|date| date.eq_ignore_ascii_case(name))
}

/// The expression behind a column; `None` where the number behind the name is not documented or
/// the column is the simulator's own.
fn expression(table: &str, column: &str) -> Option<String> {
    let names = match (table, column) {
        ("provider", "ClinicNum" | "ProvColor")
        | (_, "ColorOverride" | "ApptSource" | "IType" | "FKeyType") => return None,
        (_, "PatStatus") => PAT_STATUS,
        (_, "AptStatus") => APT_STATUS,
        (_, "Gender") => GENDER,
        (_, "Position") => POSITION,
        (_, "PreferConfirmMethod" | "PreferContactMethod" | "PreferRecallMethod") => CONTACT,
        (_, "TxtMsgOk" | "ShortCodeOptIn") => YES_NO,
        (_, "Priority") => PRIORITY,
        (_, "HistApptAction") => ACTION,
        (_, "ProvStatus") => PROV_STATUS,
        (_, "RecallInterval" | "DefaultInterval") => {
            return Some(format!("packed_interval(t.{column})"));
        }
        (_, "BillingType") => {
            return Some(
                "CAST(COALESCE((SELECT d.DefNum FROM main.definition d WHERE d.Category = 4 \
                 AND d.ItemName = t.BillingType ORDER BY d.DefNum LIMIT 1), 0) AS INTEGER)"
                    .to_owned(),
            );
        }
        _ if is_date_column(column) => return Some(format!("t.{column} COLLATE moment")),
        _ => return Some(format!("t.{column}")),
    };
    let mut case = format!("CAST(CASE t.{column}");
    for (number, name) in names.iter().enumerate() {
        case.push_str(&format!(" WHEN '{name}' THEN {number}"));
    }
    // A word that no version has is a number that none has.
    case.push_str(" WHEN '' THEN 0 ELSE 99 END AS INTEGER)");
    Some(case)
}

fn view<R: Record>(conn: &Connection, more: &str) -> rusqlite::Result<()> {
    let columns: Vec<String> = R::columns()
        .into_iter()
        .filter_map(|(name, _)| Some(format!("{} AS {name}", expression(R::TABLE, name)?)))
        .collect();
    conn.execute_batch(&format!(
        "CREATE TEMP VIEW {table} AS SELECT {}{more} FROM main.{table} t",
        columns.join(", "),
        table = R::TABLE,
    ))
}

/// Makes the views. A table without one cannot be queried.
pub(crate) fn create(conn: &Connection) -> rusqlite::Result<()> {
    view::<PatientRow>(conn, "")?;
    view::<RecallRow>(conn, "")?;
    view::<AppointmentRow>(conn, "")?;
    view::<HistAppointmentRow>(conn, "")?;
    // apidefinitions: the office's order
    view::<DefinitionRow>(
        conn,
        ", (SELECT COUNT(*) FROM main.definition o WHERE o.Category = t.Category \
         AND o.DefNum < t.DefNum) AS ItemOrder",
    )?;
    view::<RecallTypeRow>(conn, "")?;
    view::<ClinicRow>(conn, "")?;
    view::<ProviderRow>(conn, "")?;
    view::<PreferenceRow>(conn, "")?;
    view::<OperatoryRow>(conn, "")?;
    view::<SignalRow>(conn, "")?;
    view::<DeletedObjectRow>(conn, "")?;
    view::<PatientLinkRow>(conn, "")?;
    view::<CommOptOutRow>(conn, "")?;
    view::<ReactivationRow>(conn, "")?;
    // apisetup: the office keeps its keys in table apikey; the key itself is left out here.
    // apiprocedurecodes: the two that are printed, and those of missed and cancelled visits,
    // whose abbreviations are each office's own.
    // apicomputers: the same three machines as the list.
    conn.execute_batch(
        "CREATE TEMP VIEW apikey AS SELECT 1 AS APIKeyNum, 'Simulated Developer' AS DevName;
         CREATE TEMP VIEW computer AS
            SELECT 1 AS ComputerNum, 'SERVER' AS CompName, now() AS LastHeartBeat
            UNION ALL SELECT 3, 'FRONTDESK', now()
            UNION ALL SELECT 5, 'OP2', '0001-01-01 00:00:00';
         CREATE TEMP VIEW procedurecode AS
            SELECT 35 AS CodeNum, 'D0120' AS ProcCode, 'PerEx' AS AbbrDesc
            UNION ALL SELECT 36, 'D0140', 'LimEx'
            UNION ALL SELECT 986, 'D9986', 'Missed'
            UNION ALL SELECT 987, 'D9987', 'Canc';",
    )
}
