//! Everything that is ever written, from a closed list, and what an answer to it
//! means.
//!
//! A read that is asked twice does no harm; a write does. So the question is not
//! only whether it worked, but whether it can have: what is not surely one or
//! the other is in doubt.

use std::time::Duration;

use odx_core::http::Method;
use serde::Serialize;
use url::Url;

use super::classify::{Meaning, meaning};
use crate::error::Cause;
use crate::wire::{
    NewCommlog, NewConfirmation, NewPatField, NewRecall, NewRecallStatus, NewSubscription,
};

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    Commlog(NewCommlog),
    RecallStatus(NewRecallStatus),
    Recall {
        number: i64,
        body: NewRecall,
    },
    Confirm {
        number: i64,
        body: NewConfirmation,
    },
    PatField(NewPatField),
    #[allow(dead_code, reason = "for offices whose update creates no row")]
    PatFieldRow(NewPatField),
    #[cfg_attr(
        not(feature = "events"),
        allow(dead_code, reason = "for those who subscribe")
    )]
    Subscribe(NewSubscription),
    #[cfg_attr(
        not(feature = "events"),
        allow(dead_code, reason = "for those who subscribe")
    )]
    Resubscribe {
        number: i64,
        body: NewSubscription,
    },
    #[cfg_attr(
        not(feature = "events"),
        allow(dead_code, reason = "for those who subscribe")
    )]
    Unsubscribe(i64),
}

impl Write {
    /// In words, for messages.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::Commlog(_) => "comm log entries",
            Self::RecallStatus(_) => "recall statuses with a reminder",
            Self::Recall { .. } => "recalls",
            Self::Confirm { .. } => "confirmations",
            Self::PatField(_) | Self::PatFieldRow(_) => "patient fields",
            Self::Subscribe(_) | Self::Resubscribe { .. } | Self::Unsubscribe(_) => "subscriptions",
        }
    }

    /// The office's version from which the vendor documents it.
    pub(crate) const fn needs(&self) -> &'static str {
        match self {
            Self::Commlog(_) | Self::PatField(_) => "21.1",
            Self::RecallStatus(_) | Self::Confirm { .. } => "21.2",
            Self::Recall { .. } => "24.2.31",
            Self::PatFieldRow(_) => "22.4",
            Self::Subscribe(_) | Self::Resubscribe { .. } | Self::Unsubscribe(_) => "22.1",
        }
    }

    /// The permission that opens it.
    pub(crate) const fn permission(&self) -> &'static str {
        match self {
            Self::Commlog(_) | Self::RecallStatus(_) | Self::Confirm { .. } => "ApiComm",
            Self::Recall { .. }
            | Self::PatField(_)
            | Self::PatFieldRow(_)
            | Self::Unsubscribe(_) => "ApiAllOthers",
            Self::Subscribe(_) | Self::Resubscribe { .. } => "ApiReadAll",
        }
    }

    pub(crate) const fn method(&self) -> Method {
        match self {
            Self::Commlog(_) | Self::PatFieldRow(_) | Self::Subscribe(_) => Method::POST,
            Self::RecallStatus(_)
            | Self::Recall { .. }
            | Self::Confirm { .. }
            | Self::PatField(_)
            | Self::Resubscribe { .. } => Method::PUT,
            Self::Unsubscribe(_) => Method::DELETE,
        }
    }

    /// It names a row in its path, so a 404 is about that row.
    const fn names_a_row(&self) -> bool {
        matches!(
            self,
            Self::Recall { .. }
                | Self::Confirm { .. }
                | Self::Resubscribe { .. }
                | Self::Unsubscribe(_)
        )
    }

    /// Where it goes.
    pub(crate) fn url(&self, base: &Url) -> Url {
        let path: Vec<String> = match self {
            Self::Commlog(_) => vec!["commlogs".to_owned()],
            Self::RecallStatus(_) => vec!["recalls".to_owned(), "Status".to_owned()],
            Self::Recall { number, .. } => vec!["recalls".to_owned(), number.to_string()],
            Self::Confirm { number, .. } => vec![
                "appointments".to_owned(),
                number.to_string(),
                "Confirm".to_owned(),
            ],
            Self::PatField(_) | Self::PatFieldRow(_) => vec!["patfields".to_owned()],
            Self::Subscribe(_) => vec!["subscriptions".to_owned()],
            Self::Resubscribe { number, .. } | Self::Unsubscribe(number) => {
                vec!["subscriptions".to_owned(), number.to_string()]
            }
        };
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// What is sent. `None` of the outer: it cannot be written as JSON, which
    /// is a defect of ours.
    pub(crate) fn body(&self) -> Option<String> {
        fn json(body: &impl Serialize) -> Option<String> {
            serde_json::to_string(body).ok()
        }
        match self {
            Self::Commlog(body) => json(body),
            Self::RecallStatus(body) => json(body),
            Self::Recall { body, .. } => json(body),
            Self::Confirm { body, .. } => json(body),
            Self::PatField(body) | Self::PatFieldRow(body) => json(body),
            Self::Subscribe(body) | Self::Resubscribe { body, .. } => json(body),
            Self::Unsubscribe(_) => Some(String::new()),
        }
    }
}

/// What an answer says that is not plain success.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum No {
    /// It was not written.
    Refused(Cause),
    /// Nobody knows.
    InDoubt(Cause),
}

/// What an answer to a write means.
pub(super) fn judge(
    write: &Write,
    status: u16,
    after: Option<Duration>,
    body: &[u8],
) -> Result<(), No> {
    use No::{InDoubt, Refused};
    let what = write.what();
    let meaning = || meaning(body);
    Err(match status {
        // With or without a body. A page of a proxy is no answer of an office.
        200 | 201 if body.trim_ascii_start().starts_with(b"<") => InDoubt(Cause::NotJson { what }),
        200 | 201 => return Ok(()),
        300..=399 => Refused(Cause::Redirect { what }),
        400 => match meaning() {
            Meaning::TooOld => {
                let needs = write.needs();
                Refused(Cause::TooOld { what, needs })
            }
            Meaning::NoPatient | Meaning::BadParameter | Meaning::UnknownName => {
                Refused(Cause::WriteRefused { what })
            }
            Meaning::TooFast => InDoubt(Cause::TooFast { what, after }),
            Meaning::Offline => InDoubt(Cause::Office { what }),
            Meaning::Unknown => InDoubt(Cause::Status { what, status }),
        },
        401 => Refused(Cause::Keys),
        403 => {
            let permission = write.permission();
            Refused(Cause::WriteNotPermitted { what, permission })
        }
        404 if write.names_a_row() => Refused(Cause::WriteRefused { what }),
        404 => match meaning() {
            Meaning::NoPatient | Meaning::UnknownName => Refused(Cause::WriteRefused { what }),
            // A wrong address would otherwise spoil every write for good.
            _ => Refused(Cause::NoSuchResource { what }),
        },
        410 => Refused(Cause::Retired { what }),
        429 => InDoubt(Cause::TooFast { what, after }),
        408 | 425 | 500..=599 => InDoubt(Cause::Server {
            what,
            status,
            after,
        }),
        _ => InDoubt(Cause::Status { what, status }),
    })
}

#[cfg(test)]
mod tests {
    use odx_core::{Disposition, Error, Phi};
    use serde_json::Value;

    use super::*;

    fn commlog() -> Write {
        Write::Commlog(NewCommlog {
            pat_num: 30,
            comm_type: "235".to_owned(),
            comm_date_time: "2025-01-21 11:15:00".to_owned(),
            mode: "Text",
            sent_or_received: "Received",
            note: Phi::new("Appointment confirmed for 9:15am.".to_owned()),
        })
    }

    fn pat_field() -> NewPatField {
        NewPatField {
            pat_num: 10,
            field_name: "Ins Verified".to_owned(),
            field_value: Phi::new("No".to_owned()),
        }
    }

    fn subscription() -> NewSubscription {
        NewSubscription {
            end_point_url: Some(Phi::new("https://myserver/apievents/".to_owned())),
            workstation: Some("MOLLYR".to_owned()),
            watch_table: Some("Appointment"),
            polling_seconds: Some(5),
            ..NewSubscription::default()
        }
    }

    fn fixture(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn requests_are_the_documented_ones() {
        let base: Url = "https://api.opendental.com/api/v1/".parse().unwrap();
        let (number, confirm) = (34, NewConfirmation { def_num: 209 });
        let status = NewRecallStatus {
            pat_num: 71,
            recall_type: "Prophy".to_owned(),
            recall_status: 312,
            commlog_mode: "Phone",
            commlog_note: Phi::new("Patient out of town until 08/30/2021.".to_owned()),
        };
        let put = NewSubscription {
            polling_seconds: Some(30),
            note: Some("Decreased polling rate.".to_owned()),
            ..NewSubscription::default()
        };
        for (write, request, body) in [
            (
                Write::RecallStatus(status),
                "PUT recalls/Status",
                include_str!("../../tests/fixtures/recalls.status.put.request.json"),
            ),
            (
                Write::Confirm {
                    number,
                    body: confirm,
                },
                "PUT appointments/34/Confirm",
                include_str!("../../tests/fixtures/appointments.confirm.put.request.2.json"),
            ),
            (
                Write::PatField(pat_field()),
                "PUT patfields",
                include_str!("../../tests/fixtures/patfields.put.request.json"),
            ),
            (
                Write::PatFieldRow(NewPatField {
                    field_value: Phi::new("Yes".to_owned()),
                    ..pat_field()
                }),
                "POST patfields",
                include_str!("../../tests/fixtures/patfields.post.request.json"),
            ),
            (
                Write::Subscribe(subscription()),
                "POST subscriptions",
                include_str!("../../tests/fixtures/subscriptions.post.request.3.json"),
            ),
            (
                Write::Resubscribe {
                    number: 14,
                    body: put,
                },
                "PUT subscriptions/14",
                include_str!("../../tests/fixtures/subscriptions.put.request.json"),
            ),
            (
                Write::Recall {
                    number: 7,
                    body: NewRecall { recall_status: 312 },
                },
                "PUT recalls/7",
                r#"{"RecallStatus": 312}"#,
            ),
        ] {
            let sent: Value = serde_json::from_str(&write.body().unwrap()).unwrap();
            assert_eq!(sent, fixture(body), "{request}");
            let (method, path) = request.split_once(' ').unwrap();
            assert_eq!(write.method().as_str(), method);
            let whole = format!("https://api.opendental.com/api/v1/{path}");
            assert_eq!(write.url(&base).as_str(), whole);
        }
        let delete = Write::Unsubscribe(14);
        assert_eq!(delete.method(), Method::DELETE);
        assert_eq!(delete.body().as_deref(), Some(""));
        assert!(delete.url(&base).path().ends_with("/subscriptions/14"));
        // By key, and not by its name: the same word is another key next door.
        let mut documented = fixture(include_str!(
            "../../tests/fixtures/commlogs.post.request.2.json"
        ));
        let fields = documented.as_object_mut().unwrap();
        fields.remove("commType");
        fields.insert("CommType".to_owned(), "235".into());
        let sent: Value = serde_json::from_str(&commlog().body().unwrap()).unwrap();
        assert_eq!(sent, documented);
    }

    #[test]
    fn every_documented_subscription_can_be_made() {
        let url = |text: &str| Some(Phi::new(text.to_owned()));
        let day = |text: &str| Some(text.to_owned());
        for (subscription, body) in [
            (
                NewSubscription {
                    date_time_start: day("2022-01-31"),
                    ..subscription()
                },
                include_str!("../../tests/fixtures/subscriptions.post.request.json"),
            ),
            (
                NewSubscription {
                    end_point_url: url("http://localhost:2097/"),
                    ui_event_type: Some("PatientSelected"),
                    ..NewSubscription::default()
                },
                include_str!("../../tests/fixtures/subscriptions.post.request.2.json"),
            ),
            (
                NewSubscription {
                    end_point_url: url("https://myserver2/apievents/"),
                    workstation: Some("BETTYC".to_owned()),
                    date_time_stop: day("2022-12-31"),
                    ..NewSubscription::default()
                },
                include_str!("../../tests/fixtures/subscriptions.put.request.2.json"),
            ),
        ] {
            let sent = Write::Subscribe(subscription).body().unwrap();
            let sent: Value = serde_json::from_str(&sent).unwrap();
            assert_eq!(sent, fixture(body));
        }
    }

    #[test]
    fn no_text_of_a_patient_and_no_secret_address_is_printed() {
        let canary = || Phi::new("canary".to_owned());
        let mut log = commlog();
        if let Write::Commlog(body) = &mut log {
            body.note = canary();
        }
        let field = NewPatField {
            field_value: canary(),
            ..pat_field()
        };
        let subscription = NewSubscription {
            end_point_url: Some(canary()),
            ..subscription()
        };
        for write in [log, Write::PatField(field), Write::Subscribe(subscription)] {
            assert!(write.body().unwrap().contains("canary"));
            assert!(!format!("{write:?} {write:#?}").contains("canary"));
        }
    }

    /// `None`: success. Else whether it is in doubt, and who must act.
    fn end(write: &Write, status: u16, body: &str) -> Option<(bool, Disposition)> {
        match judge(write, status, None, body.as_bytes()) {
            Ok(()) => None,
            Err(No::Refused(cause)) => Some((false, Error::from(cause).disposition())),
            Err(No::InDoubt(cause)) => Some((true, Error::from(cause).disposition())),
        }
    }

    #[test]
    fn an_answer_is_success_a_refusal_or_a_doubt_and_nothing_between() {
        const RETRY: Disposition = Disposition::Retry { after: None };
        let doubt = Some((true, RETRY));
        let never = Some((false, Disposition::Reject));
        let person = Some((false, Disposition::Halt));
        for (status, body, expected) in [
            (200, "", None),
            (201, "", None),
            (201, r#"{"CommlogNum": 14}"#, None),
            (200, "OK", None),
            (200, "<html>Sign in</html>", doubt),
            (202, "", doubt),
            (204, "", doubt),
            (400, "PatNum is required", never),
            (400, "\"Patient not found\"", never),
            (400, "Definition does not exist", never),
            (400, "Method requires version 24.2.31", person),
            (400, "The office's eConnector is not running.", doubt),
            (400, "Request timed out", doubt),
            (400, "", doubt),
            (400, "nobody has seen this", doubt),
            (400, "throttled", doubt),
            (401, "", person),
            (403, "", person),
            (404, "Patient not found", never),
            (404, "", person),
            (410, "", person),
            (307, "", person),
            (408, "", doubt),
            (429, "", doubt),
            (500, "", doubt),
            (502, "", doubt),
            (504, "", doubt),
            (418, "", doubt),
        ] {
            assert_eq!(end(&commlog(), status, body), expected, "{status} {body}");
        }
        let confirm = Write::Confirm {
            number: 34,
            body: NewConfirmation { def_num: 209 },
        };
        assert_eq!(end(&confirm, 404, ""), never);
    }
}
