//! Edits of the setup and their signals; opt-outs, merges and traces of deletions.

use super::*;

fn kinds(practice: &Practice) -> Vec<String> {
    practice
        .signals()
        .into_iter()
        .map(|row| row.i_type)
        .collect()
}

#[test]
fn every_edit_of_the_setup_gives_its_signal() {
    let practice = practice(1);
    assert!(practice.signals().is_empty());
    let definition = practice.definitions()[0].clone();
    assert!(practice.update_definition(definition.def_num, |row| row.is_hidden = true));
    practice.add_definition(DefinitionRow {
        def_num: 0,
        ..definition
    });
    practice.set_preference("RecallDaysPast", "30");
    assert!(practice.update_recall_type(1, |row| row.description = "Cleaning".to_owned()));
    assert!(practice.update_provider(1, |row| row.abbr = "NEW".to_owned()));
    assert!(practice.update_operatory(1, |row| row.is_hidden = true));
    assert!(!practice.update_operatory(99, |_| {}));
    let all = [
        "Defs",
        "Defs",
        "Prefs",
        "RecallTypes",
        "Providers",
        "Operatories",
    ];
    assert_eq!(kinds(&practice), all);
}

#[test]
fn patients_and_recalls_give_no_signal_and_visits_only_on_request() {
    for announced in [false, true] {
        let practice = Practice::builder(1)
            .with_appointment_signals(announced)
            .build()
            .unwrap();
        practice.update_patient(practice.patients()[0].pat_num, |_| {});
        practice.update_recall(practice.recalls()[0].recall_num, |_| {});
        assert!(practice.signals().is_empty());
        practice.update_appointment(practice.appointments()[0].apt_num, |_| {});
        let expected: &[&str] = if announced { &["Appointment"] } else { &[] };
        assert_eq!(kinds(&practice), expected);
    }
}

#[tokio::test]
async fn a_signal_is_listed_only_after_its_second() {
    let practice = practice(1);
    let client = Client::of(&practice).await;
    practice.set_preference("RecallDaysPast", "30");
    practice.advance(Duration::from_secs(1));
    practice.update_provider(1, |_| {});
    let since = |at: &str| format!("/signalods?SigDateTime=2026-11-20%2009:00:{at}");
    let found = client.get(&since("00")).await.rows();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["IType"], "Providers");
    assert_eq!(found[0]["serverDateTime"], "2026-11-20 09:00:01");
    assert!(client.get(&since("01")).await.rows().is_empty());
    assert_eq!(client.get("/signalods").await.status, 400);
}

#[tokio::test]
async fn an_edited_name_is_printed_beside_its_key() {
    let practice = practice(1);
    let client = Client::of(&practice).await;
    let patient = practice.patients()[0].clone();
    practice.update_provider(patient.pri_prov, |row| row.abbr = "NEWNAME".to_owned());
    let row = client.get(&format!("/patients/{}", patient.pat_num)).await;
    assert_eq!(row.json()["priProvAbbr"], "NEWNAME");
    let provider = practice.providers()[0].clone();
    assert_eq!(provider.date_t_stamp, "2026-11-20 09:00:00");
}

async fn asked(practice: &Practice, sql: &str) -> String {
    practice.grant(Permission::Queries);
    Client::of(practice).await.ask(sql, "").await.text()
}

#[tokio::test]
async fn opt_outs_are_one_row_per_patient_and_leave_the_patient_unstamped() {
    let practice = practice(1);
    let before = practice.patients()[0].clone();
    let patient = before.pat_num;
    practice.opt_out(patient, 1, 4);
    practice.opt_out(patient, 3, 0);
    practice.do_not_contact(patient);
    let out = asked(
        &practice,
        "SELECT PatNum,OptOutSms,OptOutEmail FROM commoptout",
    )
    .await;
    assert_eq!(
        out,
        format!("[{{\"PatNum\":{patient},\"OptOutSms\":3,\"OptOutEmail\":0}}]")
    );
    let mark = "SELECT PatNum,DoNotContact,ReactivationNote FROM reactivation";
    let row = |mark| {
        format!("[{{\"PatNum\":{patient},\"DoNotContact\":{mark},\"ReactivationNote\":\"\"}}]")
    };
    assert_eq!(asked(&practice, mark).await, row(1));
    practice.may_contact_again(patient);
    assert_eq!(asked(&practice, mark).await, row(0));
    assert!(practice.patient(patient).unwrap() == before);
}

#[tokio::test]
async fn deletions_leave_the_visit_or_the_patient_of_the_recall() {
    for random in [false, true] {
        let mut builder = Practice::builder(4);
        if random {
            builder = builder.with_random_primary_keys();
        }
        let practice = builder.build().unwrap();
        let visit = practice.appointments()[0].apt_num;
        let recall = practice.recalls()[0].clone();
        practice.delete_appointment(visit);
        practice.advance(Duration::from_secs(60));
        practice.delete_recall(recall.recall_num);
        practice.delete_recall(recall.recall_num);
        let sql = "SELECT ObjectType,ObjectNum,DateTStamp FROM deletedobject ORDER BY DateTStamp";
        assert_eq!(
            asked(&practice, sql).await,
            format!(
                "[{{\"ObjectType\":0,\"ObjectNum\":{visit},\"DateTStamp\":\"2026-11-20T09:00:00\"}},\
                 {{\"ObjectType\":2,\"ObjectNum\":{},\"DateTStamp\":\"2026-11-20T09:01:00\"}}]",
                recall.pat_num
            )
        );
    }
}

#[tokio::test]
async fn a_merge_moves_everything_but_demographics_and_archives_the_loser() {
    for random in [false, true] {
        let mut builder = Practice::builder(4).with_patients(0);
        if random {
            builder = builder.with_random_primary_keys();
        }
        let practice = builder.build().unwrap();
        let loser = practice.add_patient(PatientRow::new("Twice", "Same"));
        let winner = practice.add_patient(PatientRow::new("Twice", "Same"));
        let mut child = PatientRow::new("Twice", "Child");
        child.guarantor = loser;
        let child = practice.add_patient(child);
        practice.add_recall(RecallRow::new(loser, 1));
        let moved = practice.add_recall(RecallRow::new(loser, 4));
        let kept = practice.add_recall(RecallRow::new(winner, 1));
        let visit = practice.add_appointment(AppointmentRow::new(loser, "2027-01-01 10:00:00"));
        practice.do_not_contact(loser);
        practice.opt_out(loser, 1, 0);
        practice.advance(Duration::from_secs(60));
        assert!(practice.merge_patients(loser, winner));
        assert!(!practice.merge_patients(loser, loser) && !practice.merge_patients(loser, 5));

        assert_eq!(practice.patient(loser).unwrap().pat_status, "Archived");
        assert_eq!(practice.patient(child).unwrap().guarantor, winner);
        assert!(practice.recalls_of(loser).is_empty());
        assert!(practice.appointments_of(loser).is_empty());
        let mut recalls: Vec<i64> = practice
            .recalls_of(winner)
            .iter()
            .map(|r| r.recall_num)
            .collect();
        let mut expected = [moved, kept];
        recalls.sort_unstable();
        expected.sort_unstable();
        assert_eq!(recalls, expected);
        let visit = practice.appointment(visit).unwrap();
        assert_eq!(
            (visit.pat_num, visit.date_t_stamp.as_str()),
            (winner, "2026-11-20 09:01:00")
        );
        let traces = practice.deleted_objects();
        assert_eq!((traces[0].object_type, traces[0].object_num), (2, loser));
        for (table, key) in [("commoptout", winner), ("reactivation", winner)] {
            let text = asked(&practice, &format!("SELECT PatNum FROM {table}")).await;
            assert_eq!(text, format!("[{{\"PatNum\":{key}}}]"), "{table}");
        }
        let link = "SELECT PatNumFrom,PatNumTo,LinkType,DateTimeLink FROM patientlink";
        assert_eq!(
            asked(&practice, link).await,
            format!(
                "[{{\"PatNumFrom\":{loser},\"PatNumTo\":{winner},\"LinkType\":1,\
                 \"DateTimeLink\":\"2026-11-20T09:01:00\"}}]"
            )
        );
    }
}
