//! What a driver says, in our own words. Of its own only the state and the number
//! are kept: its texts repeat what they were sent, values and user included.

use odbc_api::Error;
use odbc_api::handles::Record;

use crate::table::Table;
use crate::wire::{Class, Failure, OdbcJob};

/// What was going on.
#[derive(Clone, Copy)]
pub(super) enum Doing<'a> {
    Connecting(&'a OdbcJob),
    Asking(Table, &'a OdbcJob),
}

impl Doing<'_> {
    pub(super) fn failure(self, why: &Error) -> Failure {
        let Some(record) = record(why) else {
            return Failure::new(
                Class::Driver,
                "the driver fails without saying why: install the vendor's own, or a newer one",
            );
        };
        let said = Said {
            state: record.state.as_str().to_owned(),
            number: record.native_error,
            // Only to look for words in.
            text: record.to_string().to_lowercase(),
        };
        let number = said.number();
        let (class, what) = match self {
            Self::Connecting(job) => {
                let class = said.connecting();
                (class, connecting(class, job))
            }
            Self::Asking(table, job) => {
                let class = said.asking();
                (class, asking(class, table, job, number))
            }
        };
        Failure {
            state: Some(said.state),
            native: Some(number),
            ..Failure::new(class, what)
        }
    }
}

fn record(why: &Error) -> Option<&Record> {
    match why {
        Error::Diagnostics { record, .. }
        | Error::UnsupportedOdbcApiVersion(record)
        | Error::InvalidRowArraySize { record, .. }
        | Error::UnableToRepresentNull(record)
        | Error::OracleOdbcDriverDoesNotSupport64Bit(record) => Some(record),
        _ => None,
    }
}

struct Said {
    state: String,
    number: i32,
    /// In lower case.
    text: String,
}

impl Said {
    /// The number of the vendor's procedures stands in their text where the engine
    /// has one of its own.
    fn number(&self) -> i32 {
        let inside = self
            .text
            .split_once("error(")
            .and_then(|(_, rest)| rest.split_once(')'));
        let inside = inside.and_then(|(number, _)| number.trim().parse().ok());
        inside.unwrap_or(self.number)
    }

    fn says(&self, any: &[&str]) -> bool {
        any.iter().any(|words| self.text.contains(words))
    }

    fn is(&self, any: &[&str]) -> bool {
        any.iter().any(|state| self.state.starts_with(state))
    }

    /// A wrong password is 08001 with one driver, a refused port HY000 with another,
    /// a missing driver 01000 with one manager: never by the state alone.
    fn connecting(&self) -> Class {
        const DRIVER: &[&str] = &[
            "can't open lib",
            "data source name not found",
            "architecture mismatch",
        ];
        const DATABASE: &[&str] = &["unknown database", "database not found"];
        const REFUSED: &[&str] = &[
            "password",
            "authentication failed",
            "authorisation failed",
            "authorization failed",
            "login failed",
            "access denied",
        ];
        if self.is(&["IM"]) || self.says(DRIVER) {
            return Class::Driver;
        }
        if self.is(&["HYT", "S1T"]) || self.says(&["timeout expired", "timed out"]) {
            return Class::Timeout;
        }
        let missing = self.says(&["database \""]) && self.says(&["does not exist"]);
        if missing || self.says(DATABASE) || self.number == 1049 {
            return Class::Object;
        }
        if self.is(&["28"]) || [1044, 1045, 1698].contains(&self.number) || self.says(REFUSED) {
            return Class::Credentials;
        }
        Class::Busy
    }

    fn asking(&self) -> Class {
        // Numbers first: many engines have one state for everything.
        match self.number().saturating_abs() {
            51_701 => return Class::Busy,
            50_000..=59_999 => return Class::Object,
            30_000..=30_999 => return Class::Busy,
            1046 | 1049 | 1051 | 1054 | 1146 | 1305 => return Class::Object,
            1044 | 1045 | 1142 | 1143 | 1227 | 1290 | 1370 | 1792 => return Class::Permission,
            1064 => return Class::Guard,
            1205 | 1213 | 2006 | 2013 => return Class::Busy,
            1317 | 1969 | 3024 => return Class::Timeout,
            _ => {}
        }
        if self.is(&["HYT", "S1T", "57014", "HY008", "HY018"]) {
            return Class::Timeout;
        }
        if self.is(&["08", "57P", "53", "40"])
            || self.says(&["exclusive mode", "database is locked", "is locked by"])
        {
            return Class::Busy;
        }
        if self.is(&["01004", "22001"]) {
            return Class::Truncated;
        }
        if self.is(&["42P01", "42703", "42883", "42S02", "42S22", "3F"]) {
            return Class::Object;
        }
        if self.is(&["42501", "25006"])
            || self.says(&[
                "permission denied",
                "access denied",
                "readonly",
                "read-only",
                "read only",
            ])
        {
            return Class::Permission;
        }
        if self.is(&["42601", "37", "07001", "07002"]) || self.says(&["syntax error"]) {
            return Class::Guard;
        }
        if self.says(&[
            "no such ",
            "not found",
            "does not exist",
            "doesn't exist",
            "unknown column",
        ]) || self.is(&["42"])
        {
            return Class::Object;
        }
        if self.is(&["IM", "HYC00", "07006", "HY003"]) {
            return Class::Driver;
        }
        Class::Busy
    }
}

fn connecting(class: Class, job: &OdbcJob) -> String {
    match class {
        Class::Driver => {
            let bits = usize::BITS;
            format!(
                "no driver for odbc.connection can be loaded by this process of {bits} bits: install the vendor's of as many, or \
                 use the reader of the driver's, and check the name behind DSN or DRIVER"
            )
        }
        Class::Timeout => {
            let seconds = job.login_timeout_s;
            format!("no connection within {seconds} s: see whether the server is up, or raise odbc.login_timeout")
        }
        Class::Object => "there is no database of the name in odbc.connection: check what stands behind Database".into(),
        Class::Credentials => "the database refuses the user or the password: have the vendor's program give a new connection \
                               string, and set it as odbc.connection"
            .into(),
        _ => "the database cannot be reached: it is off, being backed up or in exclusive mode, or host and port in odbc.connection \
              are wrong; it is tried again"
            .into(),
    }
}

fn asking(class: Class, table: Table, job: &OdbcJob, number: i32) -> String {
    let name = table.name();
    match class {
        Class::Busy => format!(
            "the database broke off while {name} were read: it went down or is locked; it is read again later"
        ),
        Class::Timeout => {
            let seconds = job.query_timeout_s;
            format!(
                "{name} took longer than {seconds} s: read at a quieter hour, or raise odbc.query_timeout"
            )
        }
        Class::Permission => format!(
            "the user of odbc.connection may not do what odbc.sql.{name} asks: have the vendor's program grant it, and ask for \
             nothing but reading"
        ),
        Class::Guard => format!(
            "the database cannot make sense of odbc.sql.{name}: write it in the dialect of its engine"
        ),
        Class::Truncated => format!(
            "a value of {name} was cut: take its column out of columns.{name}, or shorten it in odbc.sql.{name}"
        ),
        Class::Driver => format!(
            "the driver cannot do what odbc.sql.{name} takes: install the vendor's own, or a newer one"
        ),
        _ if (50_000..=59_999).contains(&number.saturating_abs()) => format!(
            "the vendor's procedure behind odbc.sql.{name} ends with its error {}: look it up in the vendor's list, and ask for \
             something else",
            number.saturating_abs()
        ),
        _ => format!(
            "an object or a column that odbc.sql.{name} names is not there: set it to what this version of Dentrix has, and see \
             that the object was granted"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: &str, number: i32, text: &str) -> Said {
        Said {
            state: state.into(),
            number,
            text: text.to_lowercase(),
        }
    }

    #[test]
    fn what_drivers_say_of_a_connection_has_the_class_of_what_it_means() {
        let cases = [
            (
                "01000",
                0,
                "[unixODBC][Driver Manager]Can't open lib 'x' : file not found",
                Class::Driver,
            ),
            (
                "IM002",
                0,
                "Data source name not found, and no default driver specified",
                Class::Driver,
            ),
            (
                "IM003",
                160,
                "Specified driver could not be loaded",
                Class::Driver,
            ),
            (
                "IM014",
                0,
                "The specified DSN contains an architecture mismatch",
                Class::Driver,
            ),
            (
                "08001",
                101,
                "FATAL: password authentication failed for user \"x\"",
                Class::Credentials,
            ),
            (
                "28000",
                1045,
                "Access denied for user 'x'@'y'",
                Class::Credentials,
            ),
            (
                "86007",
                -20228,
                "[FairCom][ODBC FairCom Driver 12.0][ctreeSQL] -20228 Access Denied(Authorisation failed)",
                Class::Credentials,
            ),
            (
                "08001",
                101,
                "connection to server failed: Connection refused",
                Class::Busy,
            ),
            (
                "HY000",
                2002,
                "Can't connect to server on '127.0.0.1' (111)",
                Class::Busy,
            ),
            (
                "08001",
                101,
                "FATAL: database \"x\" does not exist",
                Class::Object,
            ),
            ("42000", 1049, "Unknown database 'x'", Class::Object),
            ("HYT00", 0, "Login timeout expired", Class::Timeout),
            ("HY000", 30031, "network error", Class::Busy),
        ];
        for (state, number, text, class) in cases {
            assert_eq!(
                said(state, number, text).connecting(),
                class,
                "{state} {number} {text}"
            );
        }
    }

    #[test]
    fn what_drivers_say_of_a_statement_has_the_class_of_what_it_means() {
        let cases = [
            ("HY000", 1, "no such table: v_x (1)", Class::Object),
            ("HY000", 1, "no such column: x (1)", Class::Object),
            ("HY000", 1, "near \"x\": syntax error (1)", Class::Guard),
            (
                "HY000",
                8,
                "attempt to write a readonly database (8)",
                Class::Permission,
            ),
            (
                "42P01",
                1,
                "ERROR: relation \"x\" does not exist",
                Class::Object,
            ),
            (
                "42703",
                1,
                "ERROR: column \"x\" does not exist",
                Class::Object,
            ),
            (
                "42883",
                1,
                "ERROR: function x() does not exist",
                Class::Object,
            ),
            (
                "42601",
                1,
                "ERROR: syntax error at or near \"x\"",
                Class::Guard,
            ),
            (
                "42501",
                1,
                "ERROR: permission denied for table x",
                Class::Permission,
            ),
            (
                "25006",
                1,
                "ERROR: cannot execute DELETE in a read-only transaction",
                Class::Permission,
            ),
            (
                "57014",
                1,
                "ERROR: canceling statement due to statement timeout",
                Class::Timeout,
            ),
            (
                "57P01",
                1,
                "terminating connection due to administrator command",
                Class::Busy,
            ),
            ("42S02", 1146, "Table 'x' doesn't exist", Class::Object),
            ("42S22", 1054, "Unknown column 'x'", Class::Object),
            ("42000", 1305, "PROCEDURE x does not exist", Class::Object),
            (
                "42000",
                1064,
                "You have an error in your SQL syntax",
                Class::Guard,
            ),
            (
                "42000",
                1142,
                "DELETE command denied to user",
                Class::Permission,
            ),
            (
                "HY018",
                1317,
                "Query execution was interrupted",
                Class::Timeout,
            ),
            (
                "08S01",
                2013,
                "Lost connection to server during query",
                Class::Busy,
            ),
            (
                "45000",
                1644,
                "error(-51001): Patient not found",
                Class::Object,
            ),
            (
                "P0001",
                1,
                "ERROR: error(-51701): Database locked",
                Class::Busy,
            ),
            ("86007", -51701, "database locked", Class::Busy),
            (
                "HY000",
                -20148,
                "[FairCom][ODBC FairCom Driver 12.0][ctreeSQL] -20148 Table/View/Synonym not found",
                Class::Object,
            ),
            ("HY000", 30021, "network error", Class::Busy),
        ];
        for (state, number, text, class) in cases {
            assert_eq!(
                said(state, number, text).asking(),
                class,
                "{state} {number} {text}"
            );
        }
    }

    #[test]
    fn the_number_of_a_procedure_is_the_vendors_and_not_the_engines() {
        assert_eq!(
            said("45000", 1644, "error(-51001): Patient not found").number(),
            -51_001
        );
        assert_eq!(said("42000", 1064, "an error (of yours)").number(), 1064);
    }
}
