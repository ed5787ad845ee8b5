//! Every request there is, from a closed list of exact names: the vendor
//! ignores some parameters it does not know, and refuses others.

use chrono::{NaiveDate, NaiveDateTime};
use odx_core::Phi;
use odx_core::http::Method;
use serde_json::json;
use url::Url;

const CATEGORY: &str = "Category";
const DATE_END: &str = "dateEnd";
const DATE_START: &str = "dateStart";
const DATE_T_STAMP: &str = "DateTStamp";
const HIST_APPT_ACTION: &str = "HistApptAction";
const INCLUDE_HIDDEN: &str = "includeHidden";
const OFFSET: &str = "Offset";
const PAT_NUM: &str = "PatNum";
const PREF_NAME: &str = "PrefName";
const SIG_DATE_TIME: &str = "SigDateTime";

/// One request. No `Limit` is ever sent: whether one above the cap is clipped
/// or refused is not documented, and without one a page is as long as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    SecurityPerms,
    RecallTypes,
    /// The items of a category, also hidden ones: old rows still name them.
    Definitions(u8),
    ProgramVersion,
    Patient(i64),
    /// Not `/patients`: that list has neither guarantor nor change filter.
    Patients {
        since: Option<NaiveDateTime>,
        offset: u64,
    },
    Appointments {
        since: Option<NaiveDateTime>,
        offset: u64,
    },
    AppointmentsOf {
        patient: i64,
        offset: u64,
    },
    DeletedAppointments {
        from: NaiveDate,
        to: NaiveDate,
        offset: u64,
    },
    Recalls {
        offset: u64,
    },
    RecallsOf {
        patient: i64,
        offset: u64,
    },
    Appointment(i64),
    #[cfg_attr(
        not(feature = "events"),
        allow(dead_code, reason = "for those who subscribe")
    )]
    Computers {
        offset: u64,
    },
    /// Asked for the office's clock, which stands in each row.
    #[cfg_attr(
        not(feature = "events"),
        allow(dead_code, reason = "for those who subscribe")
    )]
    Providers,
    #[cfg_attr(
        not(feature = "events"),
        allow(dead_code, reason = "for those who subscribe")
    )]
    Subscriptions {
        offset: u64,
    },
    /// One preference, by a name of ours.
    #[allow(dead_code, reason = "for those who plan a route")]
    Preference(&'static str),
    /// What the program tells its own caches.
    Signals {
        since: NaiveDateTime,
        offset: u64,
    },
    CommlogsOf {
        patient: i64,
        offset: u64,
    },
    Commlogs {
        since: NaiveDateTime,
        offset: u64,
    },
    PatFieldsOf {
        patient: i64,
        offset: u64,
    },
    /// A query, read only. Its text comes from another module, and is printed
    /// nowhere: it stands in the office's audit trail, that is enough.
    Query {
        sql: Phi<String>,
        offset: u64,
    },
}

/// Office time, no T, no zone: the only documented form.
fn stamp(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

impl Call {
    /// In words, for messages.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::SecurityPerms => "permissions",
            Self::RecallTypes => "recall types",
            Self::Definitions(_) => "definitions",
            Self::ProgramVersion => "preferences",
            Self::Patient(_) | Self::Patients { .. } => "patients",
            Self::Appointments { .. } | Self::AppointmentsOf { .. } | Self::Appointment(_) => {
                "appointments"
            }
            Self::Computers { .. } => "computers",
            Self::Providers => "providers",
            Self::Subscriptions { .. } => "subscriptions",
            Self::Preference(_) => "preferences",
            Self::Signals { .. } => "signals",
            Self::CommlogsOf { .. } | Self::Commlogs { .. } => "comm logs",
            Self::PatFieldsOf { .. } => "patient fields",
            Self::Query { .. } => "queries",
            Self::DeletedAppointments { .. } => "appointment history",
            Self::Recalls { .. } | Self::RecallsOf { .. } => "recalls",
        }
    }

    /// The office's version from which the vendor documents it.
    pub(crate) const fn needs(&self) -> &'static str {
        match self {
            Self::SecurityPerms => "22.2",
            Self::RecallTypes => "24.1.44",
            Self::Patients { .. }
            | Self::Appointments { .. }
            | Self::Signals { .. }
            | Self::Query { .. } => "21.2",
            Self::Computers { .. } => "23.1.30",
            Self::Subscriptions { .. } => "22.1",
            Self::Commlogs { .. } => "25.1.13",
            Self::PatFieldsOf { .. } => "22.4.5",
            Self::AppointmentsOf { .. } => "21.4",
            Self::DeletedAppointments { .. } => "23.1.30",
            Self::Recalls { .. } | Self::RecallsOf { .. } => "22.4.40",
            Self::Definitions(_)
            | Self::ProgramVersion
            | Self::Preference(_)
            | Self::Providers
            | Self::Appointment(_)
            | Self::CommlogsOf { .. }
            | Self::Patient(_) => "21.1",
        }
    }

    /// A 404 means that the row is gone. On a list it means a wrong address.
    pub(crate) const fn is_single(&self) -> bool {
        matches!(self, Self::Patient(_) | Self::Appointment(_))
    }

    /// It names a patient, so the office can say that there is none.
    pub(crate) const fn names_a_patient(&self) -> bool {
        matches!(
            self,
            Self::Patient(_)
                | Self::AppointmentsOf { .. }
                | Self::RecallsOf { .. }
                | Self::CommlogsOf { .. }
                | Self::PatFieldsOf { .. }
        )
    }

    /// Whether its text names tables, which an office may not have.
    pub(crate) const fn is_query(&self) -> bool {
        matches!(self, Self::Query { .. })
    }

    /// How it is sent. A query is a PUT that only reads.
    pub(crate) const fn method(&self) -> Method {
        match self {
            Self::Query { .. } => Method::PUT,
            _ => Method::GET,
        }
    }

    /// What is sent with it.
    pub(crate) fn body(&self) -> Option<String> {
        match self {
            Self::Query { sql, .. } => Some(json!({"SqlCommand": sql.expose()}).to_string()),
            _ => None,
        }
    }

    fn path(&self) -> Vec<String> {
        let parts: &[&str] = match self {
            Self::SecurityPerms => &["securityperms"],
            Self::RecallTypes => &["recalltypes"],
            Self::Definitions(_) => &["definitions"],
            Self::ProgramVersion => &["preferences"],
            Self::Patient(number) => return vec!["patients".to_owned(), number.to_string()],
            Self::Appointment(number) => {
                return vec!["appointments".to_owned(), number.to_string()];
            }
            Self::Computers { .. } => &["computers"],
            Self::Providers => &["providers"],
            Self::Subscriptions { .. } => &["subscriptions"],
            Self::Preference(_) => &["preferences"],
            Self::Signals { .. } => &["signalods"],
            Self::CommlogsOf { .. } | Self::Commlogs { .. } => &["commlogs"],
            Self::PatFieldsOf { .. } => &["patfields"],
            Self::Query { .. } => &["queries", "ShortQuery"],
            Self::Patients { .. } => &["patients", "Simple"],
            Self::Appointments { .. } | Self::AppointmentsOf { .. } => &["appointments"],
            Self::DeletedAppointments { .. } => &["histappointments"],
            Self::Recalls { .. } | Self::RecallsOf { .. } => &["recalls"],
        };
        parts.iter().map(|&part| part.to_owned()).collect()
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        let mut page = 0;
        match self {
            Self::SecurityPerms
            | Self::RecallTypes
            | Self::Providers
            | Self::Appointment(_)
            | Self::Patient(_) => {}
            Self::Definitions(category) => {
                query.push((CATEGORY, category.to_string()));
                query.push((INCLUDE_HIDDEN, "true".to_owned()));
            }
            Self::ProgramVersion => query.push((PREF_NAME, "ProgramVersion".to_owned())),
            Self::Preference(name) => query.push((PREF_NAME, (*name).to_owned())),
            Self::Signals { since, offset } => {
                query.push((SIG_DATE_TIME, stamp(*since)));
                page = *offset;
            }
            Self::Commlogs { since, offset } => {
                query.push((DATE_T_STAMP, stamp(*since)));
                page = *offset;
            }
            Self::Patients { since, offset } | Self::Appointments { since, offset } => {
                query.extend(since.map(|at| (DATE_T_STAMP, stamp(at))));
                page = *offset;
            }
            Self::DeletedAppointments { from, to, offset } => {
                query.push((HIST_APPT_ACTION, "Deleted".to_owned()));
                query.push((DATE_START, from.format("%Y-%m-%d").to_string()));
                query.push((DATE_END, to.format("%Y-%m-%d").to_string()));
                page = *offset;
            }
            Self::AppointmentsOf { patient, offset }
            | Self::RecallsOf { patient, offset }
            | Self::CommlogsOf { patient, offset }
            | Self::PatFieldsOf { patient, offset } => {
                query.push((PAT_NUM, patient.to_string()));
                page = *offset;
            }
            Self::Recalls { offset }
            | Self::Computers { offset }
            | Self::Subscriptions { offset }
            | Self::Query { offset, .. } => page = *offset,
        }
        if page > 0 {
            query.push((OFFSET, page.to_string()));
        }
        query
    }

    /// Where it goes.
    pub(crate) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(self.path());
        }
        let query = self.query();
        if !query.is_empty() {
            // Not the form encoding: it writes a blank as `+`, which the vendor
            // does not read as one. `set_query` makes `%20` of it. No value here
            // can hold anything else that would need encoding.
            let pairs: Vec<_> = query.iter().map(|(k, v)| format!("{k}={v}")).collect();
            url.set_query(Some(&pairs.join("&")));
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_exactly_the_documented_ones() {
        let base: Url = "https://api.opendental.com/api/v1".parse().unwrap();
        let slash: Url = "https://api.opendental.com/api/v1/".parse().unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let at: NaiveDateTime = "2021-11-07T14:00:09".parse().unwrap();
        let since = Some(at);
        for (call, tail) in [
            (Call::SecurityPerms, "securityperms"),
            (Call::RecallTypes, "recalltypes"),
            (
                Call::Definitions(13),
                "definitions?Category=13&includeHidden=true",
            ),
            (Call::ProgramVersion, "preferences?PrefName=ProgramVersion"),
            (Call::Patient(48), "patients/48"),
            (
                Call::Patients {
                    since: None,
                    offset: 0,
                },
                "patients/Simple",
            ),
            (
                Call::Patients { since, offset: 700 },
                "patients/Simple?DateTStamp=2021-11-07%2014:00:09&Offset=700",
            ),
            (
                Call::Appointments { since, offset: 0 },
                "appointments?DateTStamp=2021-11-07%2014:00:09",
            ),
            (
                Call::AppointmentsOf {
                    patient: 7,
                    offset: 0,
                },
                "appointments?PatNum=7",
            ),
            (
                Call::DeletedAppointments {
                    from: day("2021-11-06"),
                    to: day("2023-11-07"),
                    offset: 100,
                },
                "histappointments?HistApptAction=Deleted&dateStart=2021-11-06&dateEnd=2023-11-07&Offset=100",
            ),
            (Call::Recalls { offset: 0 }, "recalls"),
            (
                Call::RecallsOf {
                    patient: 38,
                    offset: 100,
                },
                "recalls?PatNum=38&Offset=100",
            ),
            (Call::Appointment(34), "appointments/34"),
            (Call::Computers { offset: 0 }, "computers"),
            (Call::Providers, "providers"),
            (
                Call::Subscriptions { offset: 100 },
                "subscriptions?Offset=100",
            ),
            (
                Call::Preference("RecallDaysPast"),
                "preferences?PrefName=RecallDaysPast",
            ),
            (
                Call::Signals {
                    since: at,
                    offset: 0,
                },
                "signalods?SigDateTime=2021-11-07%2014:00:09",
            ),
            (
                Call::CommlogsOf {
                    patient: 15,
                    offset: 100,
                },
                "commlogs?PatNum=15&Offset=100",
            ),
            (
                Call::Commlogs {
                    since: at,
                    offset: 0,
                },
                "commlogs?DateTStamp=2021-11-07%2014:00:09",
            ),
            (
                Call::PatFieldsOf {
                    patient: 10,
                    offset: 0,
                },
                "patfields?PatNum=10",
            ),
            (
                Call::Query {
                    sql: Phi::new("SELECT 1".to_owned()),
                    offset: 100,
                },
                "queries/ShortQuery?Offset=100",
            ),
        ] {
            let whole = format!("https://api.opendental.com/api/v1/{tail}");
            assert_eq!(call.url(&base).as_str(), whole);
            assert_eq!(call.url(&slash).as_str(), whole);
        }
    }

    #[test]
    fn a_query_is_a_put_that_is_printed_nowhere() {
        let query = Call::Query {
            sql: Phi::new("SELECT \"canary\"".to_owned()),
            offset: 0,
        };
        assert_eq!(query.method(), Method::PUT);
        assert_eq!(
            query.body().unwrap(),
            r#"{"SqlCommand":"SELECT \"canary\""}"#
        );
        assert!(!format!("{query:?} {query:#?} {}", query.what()).contains("canary"));
        assert_eq!(Call::RecallTypes.method(), Method::GET);
        assert_eq!(Call::RecallTypes.body(), None);
    }
}
