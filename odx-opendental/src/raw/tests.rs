use std::sync::Arc;

use odx_core::model::{Channel, ConsentState, Record, consent};
use proptest::prelude::*;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::words::{APPOINTMENT_STATUS, CONTACT_METHOD, PATIENT_STATUS, PRIORITY, YES_NO};
use super::*;
use crate::query::{NewsMark, Part};

fn reference() -> Reference {
    let mut reference = Reference::default();
    reference
        .learn_definitions(
            br#"[{"DefNum": 19, "ItemName": "Not Called"}, {"DefNum": 142, "ItemName": "Mailed"}]"#,
        )
        .unwrap();
    reference
        .learn_recall_types(br#"[{"RecallTypeNum": 1, "Description": "Prophy"}]"#)
        .unwrap();
    Reference::clone(&Arc::new(reference).knowing(&["Missed".to_owned()]))
}

fn boxed(rows: &[Value]) -> Vec<Box<RawValue>> {
    rows.iter().map(|row| to_raw_value(row).unwrap()).collect()
}

fn joined(rows: &[Value]) -> JoinedPage {
    let rows = boxed(rows);
    let rows: Vec<_> = rows.iter().map(AsRef::as_ref).collect();
    patients(&rows, &reference())
}

fn listed(row: &Value, read: fn(&RawValue, &Reference) -> Change) -> Change {
    read(&to_raw_value(row).unwrap(), &reference())
}

/// A patient's row as a query tells it, with these fields instead.
fn raw_patient(fields: Value) -> Value {
    let mut row = json!({
        "serverDateTime": "2026-11-20T09:00:00", "PatNum": 48, "LName": "Canary-Last",
        "FName": "Canary-First", "Preferred": "Cany", "PatStatus": 0,
        "Birthdate": "1961-02-03T00:00:00", "HmPhone": "(503)555-0143", "WkPhone": "",
        "WirelessPhone": "(503)555-0142", "Guarantor": 40, "Email": "mail.canary@example.org",
        "PriProv": 1, "BillingType": "Standard Account",
        "DateFirstVisit": "0001-01-01T00:00:00", "ClinicNum": 0, "PreferContactMethod": 0,
        "PreferRecallMethod": 0, "Language": "", "TxtMsgOk": 0, "ShortCodeOptIn": 0,
        "OptOutSms": 0, "OptOutEmail": 0, "DoNotContact": 0, "Recalls": "0:", "OpenVisits": "0:",
        "LastVisit": "0:", "Visits": "0:"
    });
    row.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    row
}

fn listed_patient(fields: Value) -> Value {
    let mut row = json!({
        "serverDateTime": "2026-11-20 09:00:07", "PatNum": 48, "LName": "Canary-Last",
        "FName": "Canary-First", "Preferred": "Cany", "PatStatus": "Patient",
        "Birthdate": "1961-02-03", "HmPhone": "(503)555-0143", "WkPhone": "",
        "WirelessPhone": "(503)555-0142", "Guarantor": 40, "Email": "mail.canary@example.org",
        "PriProv": 1, "priProvAbbr": "DOC1", "BillingType": "Standard Account",
        "DateFirstVisit": "0001-01-01", "ClinicNum": 0, "PreferContactMethod": "None",
        "PreferRecallMethod": "None", "Language": "", "TxtMsgOk": "Unknown"
    });
    row.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    row
}

#[test]
fn a_patient_is_the_same_by_list_and_by_query_for_every_number_there_is() {
    for (status, status_word) in PATIENT_STATUS.iter().enumerate() {
        for (contact, contact_word) in CONTACT_METHOD.iter().enumerate() {
            for (recall, recall_word) in CONTACT_METHOD.iter().enumerate() {
                for (texts, texts_word) in YES_NO.iter().enumerate() {
                    let page = joined(&[raw_patient(json!({
                        "PatStatus": status, "PreferContactMethod": contact.to_string(),
                        "PreferRecallMethod": recall, "TxtMsgOk": texts
                    }))]);
                    let list = listed_patient(json!({
                        "PatStatus": status_word, "PreferContactMethod": contact_word,
                        "PreferRecallMethod": recall_word, "TxtMsgOk": texts_word
                    }));
                    let list = listed(&list, convert::patient);
                    assert!(matches!(list, Change::Upsert(_)), "{list:?}");
                    assert_eq!(page.changes, [list]);
                }
            }
        }
    }
}

#[test]
fn a_number_nobody_knows_spoils_the_patient_and_no_other_row() {
    for (fields, reason) in [
        (
            json!({"PatStatus": 7}),
            "PatStatus holds a number this version does not know",
        ),
        (
            json!({"PatStatus": -1}),
            "PatStatus holds a number this version does not know",
        ),
        (
            json!({"PatStatus": "Patient"}),
            "PatStatus holds a number this version does not know",
        ),
        (
            json!({"PatStatus": true}),
            "PatStatus holds a number this version does not know",
        ),
        (json!({"PatStatus": null}), "PatStatus is missing"),
        (
            json!({"PreferContactMethod": 9}),
            "PreferContactMethod holds a number this version does not know",
        ),
        (
            json!({"PreferRecallMethod": null}),
            "PreferRecallMethod is missing",
        ),
        (
            json!({"TxtMsgOk": 3}),
            "TxtMsgOk holds a number this version does not know",
        ),
        (
            json!({"ShortCodeOptIn": 3}),
            "ShortCodeOptIn holds a number this version does not know",
        ),
        (json!({"OptOutSms": null}), "OptOutSms is missing"),
        (
            json!({"OptOutEmail": 2}),
            "OptOutEmail is neither true nor false",
        ),
        (
            json!({"DoNotContact": "perhaps"}),
            "DoNotContact is neither true nor false",
        ),
        (json!({"Birthdate": "soon"}), "Birthdate is not a date"),
    ] {
        let mut bad = raw_patient(fields);
        bad["Recalls"] = json!("1:7|2026-01-02||393217|0|0|1|0|||0|");
        let page = joined(&[bad, raw_patient(json!({"PatNum": 49}))]);
        let [
            Change::Unreadable(bad),
            Change::Upsert(Record::Recall(recall)),
            Change::Upsert(_),
        ] = page.changes.as_slice()
        else {
            panic!("{:?}", page.changes)
        };
        assert_eq!((bad.native.as_str(), bad.reason.as_str()), ("48", reason));
        assert_eq!(recall.key.native(), "7");
        assert_eq!(page.complete, [48, 49]);
    }
}

#[test]
fn what_is_not_known_of_an_opt_out_is_not_taken_for_none() {
    for field in ["OptOutSms", "OptOutEmail", "DoNotContact", "ShortCodeOptIn"] {
        let mut row = raw_patient(json!({}));
        row.as_object_mut().unwrap().remove(field);
        let page = joined(std::slice::from_ref(&row));
        assert!(page.opt_outs.is_empty());
        assert!(matches!(page.changes[0], Change::Unreadable(_)), "{field}");
        let rows = boxed(&[row]);
        let page = opt_outs(&[&rows[0]]);
        assert!(page.opt_outs.is_empty());
        assert_eq!(page.unreadable, [48]);
    }
}

#[test]
fn an_opt_out_denies_what_it_is_about_and_do_not_contact_denies_everything() {
    use ConsentState::{Denied, Unknown};
    for (fields, sms, email, voice) in [
        (json!({}), Unknown, Unknown, Unknown),
        (json!({"OptOutSms": 1}), Denied, Unknown, Unknown),
        (json!({"OptOutEmail": "1"}), Unknown, Denied, Unknown),
        (json!({"ShortCodeOptIn": 2}), Denied, Unknown, Unknown),
        (json!({"ShortCodeOptIn": 1}), Unknown, Unknown, Unknown),
        (json!({"DoNotContact": true}), Denied, Denied, Denied),
        (
            json!({"OptOutSms": 1, "ShortCodeOptIn": 2, "DoNotContact": 1}),
            Denied,
            Denied,
            Denied,
        ),
    ] {
        let row = raw_patient(fields.clone());
        let page = joined(std::slice::from_ref(&row));
        let said = &page.opt_outs[0].statements;
        assert_eq!(page.opt_outs[0].patient.native(), "48");
        let states = [Channel::Sms, Channel::Email, Channel::Voice].map(|c| consent(said, c));
        assert_eq!(states, [sms, email, voice], "{fields}");
        // One word for a channel, however many tables say it.
        assert_eq!(said.len(), states.iter().filter(|&&s| s == Denied).count());
        let rows = boxed(&[row]);
        assert_eq!(opt_outs(&[&rows[0]]).opt_outs, page.opt_outs);
    }
}

#[test]
fn texts_read_as_the_lists_print_them() {
    let odd = json!({"LName": " O'Brien \"Bob\" \u{1F600}\r\nJr ", "Language": null,
        "Birthdate": "0001-01-01T00:00:00", "BillingType": null, "ClinicNum": "3"});
    let list = json!({"LName": "O'Brien \"Bob\" \u{1F600} Jr", "Language": "",
        "Birthdate": "0001-01-01", "BillingType": "", "ClinicNum": 3});
    let list = listed(&listed_patient(list), convert::patient);
    assert_eq!(joined(&[raw_patient(odd)]).changes, [list]);
}

/// Text of an interval as the lists print it.
fn interval_text([y, m, w, d]: [u8; 4]) -> String {
    let mut text = String::new();
    for (n, unit) in [(y, "y"), (m, "m"), (w, "w"), (d, "d")] {
        if n > 0 {
            text += &format!("{n}{unit}");
        }
    }
    text
}

fn raw_date(day: Option<u32>) -> String {
    day.map_or("0001-01-01T00:00:00".to_owned(), |d| {
        format!("2026-03-{d:02}T00:00:00")
    })
}

fn date(day: Option<u32>) -> String {
    raw_date(day)[..10].to_owned()
}

fn days() -> impl Strategy<Value = Option<u32>> {
    prop::option::of(1..=28_u32)
}

proptest! {
    #[test]
    fn a_recall_is_the_same_by_list_by_query_and_packed(
        key in 1..i64::MAX, interval in any::<[u8; 4]>(), status in prop::sample::select(vec![0, 142, 9]),
        kind in 0..3_i64, flags in any::<[bool; 3]>(), days in [days(), days(), days(), days()],
    ) {
        let [disabled, held, asap] = flags.map(u8::from);
        let number = u32::from_be_bytes(interval);
        let list = json!({
            "RecallNum": key, "PatNum": 48, "DateDue": date(days[0]), "DatePrevious": date(days[1]),
            "RecallInterval": interval_text(interval), "RecallStatus": status,
            "recallStatus": if status == 142 { "Mailed" } else { "" }, "Note": "note-canary",
            "IsDisabled": flags[0].to_string(), "RecallTypeNum": kind,
            "DisableUntilBalance": f64::from(held) * 12.5, "DisableUntilDate": date(days[2]),
            "DateScheduled": date(days[3]), "Priority": PRIORITY[usize::from(asap)]
        });
        let raw = json!({
            "serverDateTime": "2026-11-20T09:00:00", "RecallNum": key, "PatNum": 48,
            "DateDue": raw_date(days[0]), "DatePrevious": raw_date(days[1]),
            "RecallInterval": number, "RecallStatus": status, "IsDisabled": disabled,
            "RecallTypeNum": kind, "DisableUntilBalance": held,
            "DisableUntilDate": raw_date(days[2]), "DateScheduled": raw_date(days[3]),
            "Priority": asap
        });
        let packed = format!(
            "1:{key}|{}|{}|{number}|{status}|{disabled}|{kind}|{held}|{}|{}|{asap}|",
            date(days[0]), date(days[1]), date(days[2]), date(days[3])
        );
        let list = listed(&list, convert::recall);
        prop_assert!(matches!(list, Change::Upsert(_)), "{:?}", list);
        let rows = boxed(&[raw]);
        let page = recalls(&[&rows[0]], &reference());
        prop_assert_eq!(&page.changes, std::slice::from_ref(&list));
        prop_assert_eq!(page.extent, Extent { rows: 1, last: Some(key) });
        let page = joined(&[raw_patient(json!({"Recalls": packed}))]);
        prop_assert_eq!(&page.changes[1..], &[list]);
        prop_assert_eq!(page.complete, [48]);
    }

    #[test]
    fn an_appointment_is_the_same_by_list_and_packed(
        key in 1..i64::MAX, status in 1..9_usize, steps in 0..200_usize,
        keys in prop::array::uniform4(0..3_i64), confirmed in prop::sample::select(vec![0, 19, 5]),
        unscheduled in prop::sample::select(vec![0, 142]), hygiene: bool, missed: bool, day in days(),
    ) {
        let [op, dentist, hygienist, clinic] = keys;
        let at = format!("{} {}", date(day), if day.is_some() { "09:10:00" } else { "00:00:00" });
        let list = json!({
            "AptNum": key, "PatNum": 48, "AptStatus": APPOINTMENT_STATUS[status],
            "Pattern": "/X".repeat(steps / 2) + &"X".repeat(steps % 2), "Confirmed": confirmed,
            "confirmed": if confirmed == 19 { "Not Called" } else { "" }, "Op": op,
            "ProvNum": dentist, "ProvHyg": hygienist, "AptDateTime": at,
            "UnschedStatus": unscheduled,
            "unschedStatus": if unscheduled == 142 { "Mailed" } else { "" },
            "ClinicNum": clinic, "IsHygiene": hygiene.to_string(), "Note": "note-canary",
            "ProcDescript": if missed { "Missed" } else { "PerEx" }
        });
        let packed = format!(
            "1:{key}|{status}|{steps}|{confirmed}|{op}|{dentist}|{hygienist}|{at}|{unscheduled}|\
             {clinic}|{}|{}|", u8::from(hygiene), u8::from(missed)
        );
        let list = listed(&list, convert::appointment);
        prop_assert!(matches!(list, Change::Upsert(_)), "{:?}", list);
        for column in ["OpenVisits", "LastVisit"] {
            let page = joined(&[raw_patient(json!({column: &packed}))]);
            prop_assert_eq!(&page.changes[1..], std::slice::from_ref(&list));
            prop_assert_eq!(page.complete, [48]);
        }
    }

    #[test]
    fn whatever_an_answer_holds_one_patient_a_row_and_nothing_is_quoted(
        texts in prop::collection::vec("[0-9|,:x canary-]{0,40}", 9),
    ) {
        let row = |n: i64| raw_patient(json!({
            "PatNum": n, "Recalls": texts[0], "OpenVisits": texts[1], "LastVisit": texts[2],
            "PatStatus": texts[3], "OptOutSms": texts[4], "Birthdate": texts[5],
            "TxtMsgOk": texts[6], "serverDateTime": texts[7], "PreferContactMethod": texts[8],
        }));
        let page = joined(&[row(1), raw_patient(json!({"PatNum": 2})), row(3)]);
        prop_assert_eq!(page.extent, Extent { rows: 3, last: Some(3) });
        let mut all: Vec<_> = page.complete.iter().chain(&page.incomplete).copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, [1, 2, 3]);
        let two = Some("2".to_owned());
        let there = page.changes.iter().filter(|change| match change {
            Change::Upsert(Record::Patient(patient)) => Some(patient.key.native().to_owned()) == two,
            _ => false,
        });
        prop_assert_eq!(there.count(), 1);
        for change in &page.changes {
            if let Change::Unreadable(bad) = change {
                prop_assert!(!bad.reason.contains("canary") && bad.reason.len() < 80);
            }
        }
    }
}

#[test]
fn a_cut_column_shows_its_whole_rows_and_asks_for_the_patient_again() {
    let one = "7|2026-01-02||393217|0|0|1|0|||0|";
    for column in [
        format!("3:{one},8{}", &one[1..]),
        format!("2:{one},8|2026-01"),
        format!("1:{one},8{}", &one[1..]),
    ] {
        let page = joined(&[
            raw_patient(json!({"Recalls": column})),
            raw_patient(json!({"PatNum": 49, "Recalls": format!("1:9{}", &one[1..])})),
        ]);
        assert_eq!((page.incomplete, page.complete), (vec![48], vec![49]));
        assert!(
            page.changes
                .iter()
                .all(|change| matches!(change, Change::Upsert(_)))
        );
    }
    // A column that is not there at all.
    for column in ["Recalls", "OpenVisits", "LastVisit", "Visits"] {
        assert_eq!(
            joined(&[raw_patient(json!({column: null}))]).incomplete,
            [48]
        );
    }
}

#[test]
fn a_packed_row_with_an_unknown_number_is_unreadable_by_its_own_key() {
    let reason = |recalls: &str, booked: &str| {
        let page = joined(&[raw_patient(
            json!({"Recalls": recalls, "OpenVisits": booked}),
        )]);
        assert_eq!(page.complete, [48]);
        match &page.changes[1] {
            Change::Unreadable(bad) => (bad.native.clone(), bad.reason.clone()),
            other => panic!("{other:?}"),
        }
    };
    for (recalls, field) in [
        ("1:7|2026-01-02||393217|0|0|1|0|||2|", "Priority"),
        ("1:7|2026-01-02||393217|0|2|1|0|||0|", "IsDisabled"),
        ("1:7|2026-01-02||-1|0|0|1|0|||0|", "RecallInterval"),
        ("1:7|2026-13-02||0|0|0|1|0|||0|", "DateDue"),
        ("1:7|2026-01-02||0|x|0|1|0|||0|", "RecallStatus"),
        ("1:7|2026-01-02||0|0|0|1|x|||0|", "DisableUntilBalance"),
    ] {
        let (key, reason) = reason(recalls, "0:");
        assert_eq!(key, "7");
        assert!(reason.starts_with(field), "{reason}");
    }
    for (booked, field) in [
        ("1:7|0|4|0|0|0|0|2026-01-02 09:00:00|0|0|0|0|", "AptStatus"),
        ("1:7|9|4|0|0|0|0|2026-01-02 09:00:00|0|0|0|0|", "AptStatus"),
        ("1:7|1|999|0|0|0|0|2026-01-02 09:00:00|0|0|0|0|", "Pattern"),
        ("1:7|1|4|0|0|0|0|2026-01-02 09:00|0|0|0|0|", "AptDateTime"),
        ("1:7|1|4|0|0|0|0|2026-01-02 09:00:00|0|0|3|0|", "IsHygiene"),
        (
            "1:7|1|4|0|0|0|0|2026-01-02 09:00:00|0|0|0|3|",
            "ProcDescript",
        ),
    ] {
        let (key, reason) = reason("0:", booked);
        assert_eq!(key, "7");
        assert!(reason.starts_with(field), "{reason}");
    }
}

#[test]
fn the_servers_own_none_is_no_date_in_a_packed_row() {
    let packed = "1:7|0000-00-00|0001-01-01|0|0|0|1|0|0000-00-00||0|";
    let page = joined(&[raw_patient(json!({"Recalls": packed}))]);
    let Change::Upsert(Record::Recall(recall)) = &page.changes[1] else {
        panic!("{:?}", page.changes)
    };
    assert_eq!(
        (recall.due, recall.snoozed_until, recall.interval),
        (None, None, None)
    );
}

#[test]
fn a_full_page_goes_on_a_short_one_ends_and_one_that_leads_nowhere_is_an_error() {
    let extent = |rows, last| Extent { rows, last };
    assert_eq!(extent(99, Some(9)).next(0, "rows").unwrap(), None);
    assert_eq!(extent(0, None).next(7, "rows").unwrap(), None);
    assert_eq!(extent(100, Some(9)).next(0, "rows").unwrap(), Some(9));
    // Longer than was asked for: some servers send everything.
    assert_eq!(extent(250, Some(9)).next(0, "rows").unwrap(), Some(9));
    assert!(extent(100, Some(9)).next(9, "rows").is_err());
    assert!(extent(100, None).next(0, "rows").is_err());
}

fn read_news(rows: &[Value]) -> NewsPage {
    let rows = boxed(rows);
    news(&rows.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

#[test]
fn news_tell_deletions_merges_and_the_digest() {
    let at = "2026-11-20T09:00:00";
    let page = read_news(&[
        json!({"Part": 0, "Num": 0, "Subject": 0, "Other": 0, "serverDateTime": at,
            "UtcOffset": -18000, "Digest": "1-5.0-0.0-0"}),
        json!({"Part": 1, "Num": 4, "Subject": 266, "Other": 0, "serverDateTime": at}),
        json!({"Part": "1", "Num": "5", "Subject": "48", "Other": "2", "serverDateTime": at}),
        json!({"Part": 2, "Num": 1, "Subject": 60, "Other": 61, "serverDateTime": at}),
        json!({"Part": 3, "Num": 70, "Subject": 70, "Other": 0, "serverDateTime": at}),
    ]);
    assert_eq!(
        page.items,
        [
            Item::AppointmentGone(266),
            Item::RecallGoneOf(48),
            Item::Merged { from: 60, to: 61 },
            Item::PatientGone(70),
        ]
    );
    let state = page.state.clone().unwrap();
    assert_eq!(
        (state.utc_offset, state.opt_outs.as_str()),
        (Some(-18000), "1-5.0-0.0-0")
    );
    assert_eq!(page.clock, Some(state.at));
    assert_eq!(page.unreadable, 0);
    assert_eq!(page.next(None, "news").unwrap(), None);
    let touched: Vec<_> = page.items.iter().flat_map(Item::touched).collect();
    assert_eq!(touched, [48, 60, 61]);
    assert_eq!(page.items.iter().filter_map(Item::gone).count(), 2);
}

#[test]
fn news_that_are_not_understood_are_counted_and_go_on() {
    let row = |part: i64, num: i64, subject: i64, other: i64| json!({"Part": part, "Num": num, "Subject": subject, "Other": other});
    let page = read_news(&[
        row(1, 4, 266, 1),
        row(1, 5, 0, 0),
        row(2, 6, 60, 0),
        row(9, 6, 60, 0),
        json!({"Subject": 4}),
        json!("x"),
        json!({"Part": 0, "Num": 0, "Digest": "1"}),
        row(3, 70, 70, 0),
    ]);
    assert_eq!(page.unreadable, 7);
    assert_eq!(page.items, [Item::PatientGone(70)]);
    assert_eq!(page.state, None);
    let full: Vec<_> = (1..=100).map(|n| row(1, n, 300 + n, 0)).collect();
    let page = read_news(&full);
    let mark = NewsMark {
        part: Part::Deleted,
        key: 100,
    };
    assert_eq!(page.next(None, "news").unwrap(), Some(mark));
    assert!(page.next(Some(mark), "news").is_err());
}

#[test]
fn the_clock_and_the_zones_read() {
    let rows = boxed(&[json!({"serverDateTime": "2026-11-20T09:00:00", "UtcOffset": "-18000"})]);
    let (at, ahead) = office_clock(&[&rows[0]]).unwrap();
    assert_eq!(
        (at.to_string().as_str(), ahead),
        ("2026-11-20 09:00:00", -18000)
    );
    for bad in [
        json!({}),
        json!({"serverDateTime": "soon", "UtcOffset": 0}),
        json!({"serverDateTime": "2026-11-20T09:00:00", "UtcOffset": 90000}),
        json!({"serverDateTime": "2026-11-20T09:00:00"}),
    ] {
        let rows = boxed(&[bad]);
        assert_eq!(office_clock(&[&rows[0]]), None);
    }
    assert_eq!(office_clock(&[]), None);
    let rows = boxed(&[
        json!({"TimeZone": "America/Chicago"}),
        json!({"TimeZone": null}),
    ]);
    assert_eq!(zones(&[&rows[0], &rows[1]]), ["America/Chicago"]);
}

#[test]
fn a_joined_page_prints_nobody() {
    let mut spoilt = raw_patient(json!({"PatNum": 49, "PatStatus": 77}));
    spoilt["Email"] = json!("mail.canary@example.org");
    let page = format!(
        "{:?}",
        joined(&[raw_patient(json!({"OptOutSms": 1})), spoilt])
    );
    for canary in [
        "Canary-",
        "mail.canary",
        "5550142",
        "555-0142",
        "1961",
        "77",
    ] {
        assert!(!page.contains(canary), "{canary} in {page}");
    }
}
