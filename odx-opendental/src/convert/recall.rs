//! Recalls.

use odx_core::model::{Interval, Label, Recall, Record, RecordKind};
use odx_core::source::Change;
use odx_core::{PatientKey, RecallKey};
use serde_json::value::RawValue;

use super::{Fault, date, flag, foreign_key, read, status_label};
use crate::reference::Reference;
use crate::wire;

/// A row of `/recalls`.
pub(crate) fn recall(raw: &RawValue, reference: &Reference) -> Change {
    read(
        RecordKind::Recall,
        raw,
        |row: &wire::Recall<'_>| row.recall_num,
        |row, number| convert(&row, number, reference),
    )
}

pub(crate) fn convert(
    row: &wire::Recall<'_>,
    number: i64,
    reference: &Reference,
) -> Result<Record, Fault> {
    let patient = foreign_key("PatNum", row.pat_num)?.ok_or(Fault("PatNum", "is missing"))?;
    let interval = match row.recall_interval.get() {
        "" => None,
        text => Some(
            text.parse::<Interval>()
                .map_err(|_| Fault("RecallInterval", "is not an interval"))?,
        ),
    };
    let mut labels = Vec::new();
    status_label(
        &mut labels,
        ("recall_status", "RecallStatus"),
        row.recall_status,
        &row.recall_status_text,
        |key| reference.definition(key),
    )?;
    if let Some(key) = foreign_key("RecallTypeNum", row.recall_type_num)? {
        let text = reference.recall_type(&key).unwrap_or_default();
        labels.push(Label::new("recall_type", key, text));
    }
    let held = row
        .disable_until_balance
        .get()
        .ok_or(Fault("DisableUntilBalance", "is not a number"))?;
    Ok(Record::Recall(Recall {
        key: RecallKey::new(number.to_string()),
        patient: PatientKey::new(patient),
        due: date("DateDue", &row.date_due)?,
        previous: date("DatePrevious", &row.date_previous)?,
        interval,
        scheduled: date("DateScheduled", &row.date_scheduled)?,
        disabled: flag("IsDisabled", row.is_disabled)?,
        snoozed_until: date("DisableUntilDate", &row.disable_until_date)?,
        held_for_balance: held > 0.0,
        urgent: row.priority.get() == "ASAP",
        labels,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn change(fields: Value) -> Change {
        let mut row = json!({"RecallNum": 40, "PatNum": 38, "DateDue": "2022-09-09",
            "RecallInterval": "6m1d", "IsDisabled": "false", "Note": "note-canary"});
        row.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let raw = serde_json::value::to_raw_value(&row).unwrap();
        recall(&raw, &Reference::default())
    }

    fn good(fields: Value) -> Recall {
        match change(fields) {
            Change::Upsert(Record::Recall(recall)) => recall,
            other => panic!("{other:?}"),
        }
    }

    fn bad(fields: Value) -> String {
        match change(fields) {
            Change::Unreadable(bad) => {
                assert_eq!(bad.native, "40");
                bad.reason
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_documented_row_reads_whole() {
        let types = include_bytes!("../../tests/fixtures/recalltypes.get.json");
        let mut reference = Reference::default();
        reference.learn_recall_types(types).unwrap();
        let body = include_bytes!("../../tests/fixtures/recalls.get.json");
        let rows = wire::rows(body).unwrap();
        let Change::Upsert(Record::Recall(recall)) = recall(rows[0], &reference) else {
            panic!()
        };
        assert_eq!(recall.key.native(), "40");
        assert_eq!(recall.patient.native(), "38");
        assert_eq!(recall.due.unwrap().to_string(), "2022-09-09");
        assert_eq!(recall.previous, None);
        assert_eq!(recall.interval.unwrap().to_string(), "6m1d");
        assert_eq!(recall.scheduled, None);
        assert_eq!(recall.snoozed_until, None);
        assert!(!recall.disabled && !recall.held_for_balance && !recall.urgent);
        assert_eq!(
            recall.labels,
            [
                Label::new("recall_status", "142", "Mailed Postcard"),
                // Type 6 is not among the two types the documentation prints.
                Label::new("recall_type", "6", ""),
            ]
        );
    }

    #[test]
    fn an_empty_interval_is_none_and_a_bad_one_is_unreadable() {
        assert_eq!(good(json!({"RecallInterval": ""})).interval, None);
        assert_eq!(
            bad(json!({"RecallInterval": "393217"})),
            "RecallInterval is not an interval"
        );
    }

    #[test]
    fn a_recall_can_be_off_snoozed_held_or_urgent() {
        assert!(good(json!({"IsDisabled": "True"})).disabled);
        assert!(bad(json!({"IsDisabled": "perhaps"})).starts_with("IsDisabled"));
        let snoozed = good(json!({"DisableUntilDate": "2022-10-01"})).snoozed_until;
        assert_eq!(snoozed.unwrap().to_string(), "2022-10-01");
        assert!(good(json!({"DisableUntilBalance": "0.01"})).held_for_balance);
        assert!(!good(json!({"DisableUntilBalance": 0})).held_for_balance);
        assert!(good(json!({"Priority": "ASAP"})).urgent);
    }

    #[test]
    fn labels_have_keys_and_texts_and_zero_is_none() {
        let types = include_bytes!("../../tests/fixtures/recalltypes.get.json");
        let mut reference = Reference::default();
        reference.learn_recall_types(types).unwrap();
        let raw = serde_json::value::to_raw_value(
            &json!({"RecallNum": 1, "PatNum": 2, "RecallTypeNum": "1", "RecallStatus": 0}),
        )
        .unwrap();
        let Change::Upsert(Record::Recall(recall)) = recall(&raw, &reference) else {
            panic!()
        };
        assert_eq!(recall.labels, [Label::new("recall_type", "1", "Prophy")]);
    }

    #[test]
    fn a_recall_of_nobody_is_unreadable_and_a_new_stamp_is_no_change() {
        assert_eq!(bad(json!({"PatNum": 0})), "PatNum is missing");
        assert_eq!(
            change(json!({"DateTStamp": "2021-07-21 10:05:47"})),
            change(json!({"DateTStamp": "2026-07-21 10:05:47"}))
        );
    }
}
