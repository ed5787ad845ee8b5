//! Reminders: what the office wrote down as sent.
//!
//! An entry counts where somebody was reached, or meant to be:
//!
//! * What was received never counts.
//! * What was sent counts, by whichever way. An entry of the usages `RECALL` and
//!   `REACT` counts also where it says neither: the program takes every one for a
//!   reminder (`recalllist`).
//! * A note that names neither a way nor a use is no contact.
//!
//! Who wrote an entry does not matter. `UserNum` is 0 and `CommSource` is `User`
//! on every row that came through the API, whoever sent it, and only the note,
//! which is never read, holds our own marker. So what odx wrote back is counted
//! beside what odx itself knows to have sent: a limit may be reached one message
//! too soon, never too late.

use chrono::NaiveDateTime;
use odx_core::model::{Record, RecordKey, RecordKind, Reminder, ReminderMode, ReminderUsage};
use odx_core::source::Change;
use odx_core::{PatientKey, ReminderKey};
use serde_json::value::RawValue;

use super::{Fault, date_time, foreign_key, read};
use crate::reference::Reference;
use crate::wire;

/// A row of `/commlogs`. One that does not count, or is of before `from`, is
/// gone: it may have counted before it was edited. None: it is of nobody.
pub(crate) fn reminder(
    raw: &RawValue,
    reference: &Reference,
    from: NaiveDateTime,
) -> Option<Change> {
    let row: wire::Contact<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let number = row.commlog_num.get().filter(|&number| number != 0);
    if number.is_some() && row.pat_num.get() == Some(0) {
        // It is about a referral.
        return None;
    }
    let gone = || {
        let key = number.unwrap_or_default().to_string();
        Change::Gone(RecordKey::Reminder(ReminderKey::new(key)))
    };
    let usage = reference.comm_log_usage(row.comm_type);
    if number.is_some() && !counts(&row, usage) {
        return Some(gone());
    }
    let change = read(
        RecordKind::Reminder,
        raw,
        |row: &wire::Contact<'_>| row.commlog_num,
        |row, number| convert(&row, number, usage),
    );
    Some(match change {
        Change::Upsert(Record::Reminder(reminder)) if reminder.at < from => gone(),
        change => change,
    })
}

fn counts(row: &wire::Contact<'_>, usage: ReminderUsage) -> bool {
    let way = row.sent_or_received.get();
    let counted = matches!(usage, ReminderUsage::Recall | ReminderUsage::Reactivation);
    if way.eq_ignore_ascii_case("Received") || (way.eq_ignore_ascii_case("Neither") && !counted) {
        return false;
    }
    let no_way = matches!(row.mode.get(), "" | "None");
    !no_way || usage != ReminderUsage::Other
}

fn convert(row: &wire::Contact<'_>, number: i64, usage: ReminderUsage) -> Result<Record, Fault> {
    let patient = foreign_key("PatNum", row.pat_num)?.ok_or(Fault("PatNum", "is missing"))?;
    let at = date_time("CommDateTime", &row.comm_date_time)?;
    Ok(Record::Reminder(Reminder {
        key: ReminderKey::new(number.to_string()),
        patient: PatientKey::new(patient),
        at: at.ok_or(Fault("CommDateTime", "is missing"))?,
        mode: mode(row.mode.get()),
        usage,
    }))
}

/// As stored, and as the vendor documents it for writing. A fax is paper.
fn mode(word: &str) -> Option<ReminderMode> {
    Some(match word {
        "Text" => ReminderMode::Text,
        "Email" => ReminderMode::Email,
        "EmailAndText" | "Email and Text" => ReminderMode::EmailAndText,
        "Phone" => ReminderMode::Phone,
        "PhoneAndText" | "Phone and Text" => ReminderMode::PhoneAndText,
        "Mail" | "Fax" => ReminderMode::Mail,
        "InPerson" | "In Person" => ReminderMode::InPerson,
        // It may have been any.
        _ => return None,
    })
}

/// What a comm log type is used for, by its `ItemValue`. It may hold several.
pub(crate) fn usage(item_value: &str) -> ReminderUsage {
    let has = |usage: &str| {
        let mut words = item_value.split([',', ' ']);
        words.any(|word| word.eq_ignore_ascii_case(usage))
    };
    if has("RECALL") {
        ReminderUsage::Recall
    } else if has("REACT") {
        ReminderUsage::Reactivation
    } else if has("APPT") {
        ReminderUsage::Appointment
    } else {
        ReminderUsage::Other
    }
}

#[cfg(test)]
mod tests {
    use odx_core::model::Channel;
    use serde_json::{Value, json};

    use super::*;

    /// Types 1 to 4 are for recalls, reactivations, visits and nothing of these.
    fn reference() -> Reference {
        let types = json!([
            {"DefNum": 1, "ItemName": "Recall", "ItemValue": "RECALL"},
            {"DefNum": 2, "ItemName": "Reactivation", "ItemValue": "REACT"},
            {"DefNum": 3, "ItemName": "Appts", "ItemValue": "APPT"},
            {"DefNum": 4, "ItemName": "Misc", "ItemValue": "MISC"},
            {"DefNum": 5, "ItemName": "Insurance", "ItemValue": ""},
        ]);
        let mut reference = Reference::default();
        let body = types.to_string();
        reference.learn_comm_log_types(body.as_bytes()).unwrap();
        reference
    }

    fn change(fields: Value) -> Option<Change> {
        let mut row = json!({"CommlogNum": 7, "PatNum": 15, "CommDateTime": "2026-11-20 09:30:00",
            "CommType": "1", "commType": "Recall", "Note": "note-canary", "Mode_": "Text",
            "SentOrReceived": "Sent", "UserNum": 0, "CommSource": "User",
            "DateTStamp": "2026-11-20 09:31:00"});
        row.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let raw = serde_json::value::to_raw_value(&row).unwrap();
        let from = "2026-11-12T00:00:00".parse().unwrap();
        let change = reminder(&raw, &reference(), from);
        assert!(!format!("{change:?}").contains("canary"));
        change
    }

    fn good(fields: Value) -> Reminder {
        match change(fields) {
            Some(Change::Upsert(Record::Reminder(reminder))) => reminder,
            other => panic!("{other:?}"),
        }
    }

    fn is_gone(fields: Value) -> bool {
        let key = RecordKey::Reminder(ReminderKey::new("7"));
        change(fields) == Some(Change::Gone(key))
    }

    #[test]
    fn the_documented_rows_read_without_a_word_of_their_notes() {
        let body = include_bytes!("../../tests/fixtures/commlogs.get.json");
        let rows = wire::rows(body).unwrap();
        let from = "2021-02-01T00:00:00".parse().unwrap();
        let read: Vec<_> = rows
            .iter()
            .filter_map(|raw| reminder(raw, &Reference::default(), from))
            .collect();
        let Change::Upsert(Record::Reminder(sent)) = &read[0] else {
            panic!("{read:?}")
        };
        assert_eq!((sent.key.native(), sent.patient.native()), ("2", "15"));
        assert_eq!(sent.at.to_string(), "2021-02-07 03:25:29");
        assert_eq!(sent.mode, Some(ReminderMode::Phone));
        assert_eq!(sent.usage, ReminderUsage::Other);
        // The other one was received.
        assert!(matches!(read[1], Change::Gone(_)));
        assert!(!format!("{read:?}").contains("answering"));
    }

    #[test]
    fn both_spellings_of_a_way_mean_the_same_and_an_unknown_one_may_be_any() {
        for (word, mode) in [
            ("Text", Some(ReminderMode::Text)),
            ("Email", Some(ReminderMode::Email)),
            ("EmailAndText", Some(ReminderMode::EmailAndText)),
            ("Email and Text", Some(ReminderMode::EmailAndText)),
            ("Phone", Some(ReminderMode::Phone)),
            ("PhoneAndText", Some(ReminderMode::PhoneAndText)),
            ("Phone and Text", Some(ReminderMode::PhoneAndText)),
            ("Mail", Some(ReminderMode::Mail)),
            ("Fax", Some(ReminderMode::Mail)),
            ("InPerson", Some(ReminderMode::InPerson)),
            ("In Person", Some(ReminderMode::InPerson)),
            ("None", None),
            ("Pigeon", None),
        ] {
            assert_eq!(good(json!({"Mode_": word})).mode, mode, "{word}");
        }
        assert!(good(json!({"Mode_": "Pigeon", "CommType": "4"})).may_be_by(Channel::Sms));
    }

    #[test]
    fn what_it_was_for_is_told_by_the_usage_of_its_type() {
        for (kind, usage) in [
            (json!("1"), ReminderUsage::Recall),
            (json!(2), ReminderUsage::Reactivation),
            (json!("3"), ReminderUsage::Appointment),
            (json!("4"), ReminderUsage::Other),
            (json!("5"), ReminderUsage::Other),
            (json!("99"), ReminderUsage::Other),
            (json!("0"), ReminderUsage::Other),
        ] {
            assert_eq!(good(json!({"CommType": kind})).usage, usage, "{kind}");
        }
    }

    #[test]
    fn what_was_received_and_what_reached_nobody_does_not_count() {
        assert!(is_gone(json!({"SentOrReceived": "Received"})));
        assert!(is_gone(
            json!({"SentOrReceived": "Neither", "CommType": "4"})
        ));
        assert!(is_gone(json!({"Mode_": "None", "CommType": "4"})));
        // The program counts it, whatever it says.
        assert_eq!(
            good(json!({"SentOrReceived": "Neither", "Mode_": "None"})).usage,
            ReminderUsage::Recall
        );
        // Of long ago.
        assert!(is_gone(json!({"CommDateTime": "2026-11-11 23:59:59"})));
        assert_eq!(change(json!({"PatNum": 0})), None);
    }

    #[test]
    fn an_entry_without_its_moment_or_its_key_is_unreadable() {
        for (fields, native) in [
            (json!({"CommDateTime": "soon"}), Some("7")),
            (json!({"CommDateTime": "0001-01-01 00:00:00"}), Some("7")),
            (json!({"PatNum": "x"}), Some("7")),
            (json!({"CommlogNum": 0}), None),
        ] {
            match change(fields.clone()) {
                Some(Change::Unreadable(bad)) => match native {
                    Some(native) => assert_eq!(bad.native, native),
                    None => assert!(bad.native.starts_with('?')),
                },
                other => panic!("{fields}: {other:?}"),
            }
        }
    }
}
