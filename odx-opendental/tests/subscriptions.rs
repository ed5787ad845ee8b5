//! Subscriptions: declared, created, compared, repaired, and found wanting, against
//! the simulated office.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

mod subscribed;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use odx_core::testkit::{Canaries, Transcript};
use odx_core::{ErrorKind, Secret};
use odx_opendental::sim::{Fault, Permission, SubscriptionRow};
use odx_opendental::{Declaration, Workstation};
use subscribed::{
    ALL, CUSTOMER, DEVELOPER, Desk, Door, MARK, NEVER, PATH, at, declared, named, source,
};

fn one(findings: &[String], part: &str) {
    let hits = findings.iter().filter(|text| text.contains(part)).count();
    assert_eq!(hits, 1, "{part}: {findings:#?}");
}

#[tokio::test]
async fn each_table_is_subscribed_to_once_and_the_second_time_nothing_is_written() {
    let d = Desk::new().await;
    let report = d.ensure().await;
    assert_eq!(report.created, ALL);
    assert_eq!(report.workstation.as_deref(), Some("SERVER"));
    assert_eq!(report.findings, Vec::<String>::new());
    assert_eq!(d.writes(), ["POST /subscriptions"; 3]);
    for table in ALL {
        let row = d.row(table);
        let url = format!("http://127.0.0.1:9/opendental/{PATH}/{table}/");
        assert_eq!(row.end_point_url, url);
        assert_eq!(
            (row.workstation.as_str(), row.polling_seconds),
            ("SERVER", 10)
        );
        assert_eq!(
            (row.note.as_str(), row.date_time_stop.as_str()),
            (MARK, NEVER)
        );
        assert_eq!(row.ui_event_type, "");
    }
    let before = d.rows();
    let report = d.ensure().await;
    assert_eq!(report.unchanged, ALL);
    assert_eq!((report.created.len(), report.repaired.len()), (0, 0));
    assert!(d.rows() == before);
    let asked = d.asked();
    assert!(asked.iter().all(|line| line.starts_with("GET")));
    // Another process of ours finds the same.
    let other = source(&d.server.base_url(), "main-st");
    let report = other.ensure_subscriptions(&declared()).await.unwrap();
    assert_eq!(report.unchanged, ALL);
    assert_eq!(d.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn where_all_is_well_it_takes_four_requests() {
    let d = Desk::new().await;
    d.ensure().await;
    d.asked();
    let wanted = [
        "GET /preferences",
        "GET /providers",
        "GET /computers",
        "GET /subscriptions",
    ];
    d.ensure().await;
    assert_eq!(d.asked(), wanted);
    assert_eq!(d.check().await, Vec::<String>::new());
    assert_eq!(d.asked(), wanted);
}

#[tokio::test]
async fn what_was_tampered_with_is_repaired_in_place_by_one_request() {
    let d = Desk::new().await;
    d.ensure().await;
    d.asked();
    let good = d.rows();
    type Edit = fn(&mut SubscriptionRow);
    let edits: [(&str, Edit); 6] = [
        ("EndPointUrl", |row| {
            row.end_point_url = "https://elsewhere.example.org/".to_owned();
        }),
        ("EndPointUrl", |row| {
            row.end_point_url.pop();
        }),
        ("Workstation", |row| row.workstation.clear()),
        ("Workstation", |row| row.workstation = "GONE".to_owned()),
        ("PollingSeconds", |row| row.polling_seconds = 900),
        ("", |row| {
            row.date_time_stop = "2026-11-19 00:00:00".to_owned();
        }),
    ];
    for (name, edit) in edits {
        for table in ALL {
            let number = d.tamper(table, edit);
            let part = match name {
                "" => format!("the subscription to {table} has ended"),
                name => format!("the subscription to {table} differs in {name}"),
            };
            one(&d.check().await, &part);
            assert_eq!(d.writes(), Vec::<String>::new());
            let report = d.ensure().await;
            assert_eq!(report.repaired, [table], "{name}");
            assert_eq!(report.unchanged.len(), 2);
            assert_eq!(d.writes(), [format!("PUT /subscriptions/{number}")]);
            assert!(d.rows() == good, "{name} {table}");
        }
    }
    // A start that is yet to come: until then nothing would be sent.
    d.tamper("Patient", |row| {
        row.date_time_start = "2027-01-01 00:00:00".to_owned();
    });
    one(&d.check().await, "to Patient differs in DateTimeStart");
    assert_eq!(d.ensure().await.repaired, ["Patient"]);
    assert!(d.rows() == good);
    // An end that is yet to come.
    d.tamper("Patient", |row| {
        row.date_time_stop = "2027-01-01 00:00:00".to_owned();
    });
    one(&d.check().await, "ends at 2027-01-01 00:00:00");
    assert_eq!(d.ensure().await.repaired, ["Patient"]);
    assert!(d.rows() == good);
}

#[tokio::test]
async fn another_pace_is_told_to_the_rows_that_there_are() {
    let d = Desk::new().await;
    d.ensure().await;
    let slower = declared().with_polling(Duration::from_secs(60));
    let report = d.od.ensure_subscriptions(&slower).await.unwrap();
    assert_eq!(report.repaired, ALL);
    assert!(d.rows().iter().all(|row| row.polling_seconds == 60));
    assert_eq!(d.rows().len(), 3);
}

#[tokio::test]
async fn a_table_cannot_be_changed_so_the_row_is_replaced() {
    let d = Desk::new().await;
    d.ensure().await;
    let wrong = d.tamper("Patient", |row| row.watch_table = "Schedule".to_owned());
    one(&d.check().await, "there is no subscription to Patient");
    d.asked();
    let report = d.ensure().await;
    assert_eq!((report.created, report.removed), (vec!["Patient"], 1));
    // What is too many goes last.
    let delete = format!("DELETE /subscriptions/{wrong}");
    assert_eq!(d.writes(), ["POST /subscriptions", delete.as_str()]);
    assert_eq!(d.tables(), ALL);
    // A row for clicks is none for a table.
    d.tamper("Patient", |row| {
        row.watch_table.clear();
        row.ui_event_type = "PatientSelected".to_owned();
    });
    let report = d.ensure().await;
    assert_eq!((report.created, report.removed), (vec!["Patient"], 1));
    assert_eq!(d.tables(), ALL);
}

#[tokio::test]
async fn doubles_are_removed_and_the_good_one_stays() {
    let d = Desk::new().await;
    d.ensure().await;
    let good = d.rows();
    let mut worse = d.row("Appointment");
    worse.subscription_num = 0;
    worse.polling_seconds = 77;
    d.practice.add_subscription(worse.clone());
    worse.subscription_num = 0;
    d.practice.add_subscription(worse);
    one(&d.check().await, "there are 3 subscriptions to Appointment");
    let report = d.ensure().await;
    assert_eq!((report.removed, report.stopped), (2, 0));
    assert_eq!(report.unchanged, ALL);
    assert!(d.rows() == good);
}

#[tokio::test]
async fn without_the_permission_to_delete_doubles_are_stopped_until_it_is_there() {
    let d = Desk::with(|b| b.with_permissions(&[Permission::ReadAll])).await;
    d.ensure().await;
    let mut double = d.row("Patient");
    double.subscription_num = 0;
    let number = d.practice.add_subscription(double);
    d.asked();
    let report = d.ensure().await;
    assert_eq!((report.removed, report.stopped), (0, 1));
    one(&report.findings, "ApiAllOthers");
    assert_eq!(
        d.writes(),
        [
            format!("DELETE /subscriptions/{number}"),
            format!("PUT /subscriptions/{number}")
        ]
    );
    let stop = d.practice.subscription(number).unwrap().date_time_stop;
    assert_eq!(stop, "2000-01-01 00:00:00");
    // It sends nothing any more, and nobody asks for it again and again.
    d.pass(60);
    d.edit_a_patient();
    let sent = d.practice.fire_events().await;
    assert_eq!(sent.len(), 1);
    assert!(sent[0].subscription_num != number);
    let report = d.ensure().await;
    assert_eq!((report.unchanged.len(), report.stopped), (3, 1));
    one(&report.findings, "ApiAllOthers");
    assert_eq!(d.writes(), Vec::<String>::new());
    d.practice.grant(Permission::AllOthers);
    let report = d.ensure().await;
    assert_eq!((report.removed, report.stopped), (1, 0));
    assert_eq!(d.tables(), ALL);
}

#[tokio::test]
async fn rows_of_others_are_never_touched() {
    let d = Desk::new().await;
    let row = |note: &str, customer: &str| SubscriptionRow {
        end_point_url: "https://other.example.org/hook/".to_owned(),
        watch_table: "Patient".to_owned(),
        workstation: "SERVER".to_owned(),
        polling_seconds: 5,
        note: note.to_owned(),
        customer_key: customer.to_owned(),
        ..SubscriptionRow::default()
    };
    for row in [
        row("", ""),
        row("billing", ""),
        row("[odx events od:main]", ""),
        row("[odx events od:main-st-2]", ""),
        row(MARK, "another-developers-key"),
    ] {
        d.practice.add_subscription(row);
    }
    // Ours to all appearance, but for the mark.
    d.practice.add_subscription(SubscriptionRow {
        end_point_url: format!("http://127.0.0.1:9/opendental/{PATH}/Patient/"),
        ..row("", "")
    });
    let others = d.rows();
    let report = d.ensure().await;
    assert_eq!(report.created, ALL);
    one(&report.findings, "1 subscriptions without the mark");
    d.tamper_all_of_ours();
    d.ensure().await;
    assert!(d.rows()[..others.len()] == others[..]);
    assert_eq!(d.rows().len(), others.len() + 3);
    // A second source of the same key has rows of its own.
    let elm = source(&d.server.base_url(), "elm");
    let report = elm.ensure_subscriptions(&declared()).await.unwrap();
    assert_eq!((report.created.len(), report.removed), (3, 0));
    assert_eq!(d.ensure().await.unchanged, ALL);
}

#[tokio::test]
async fn a_machine_that_sends_is_kept_and_one_that_is_closed_is_replaced() {
    let d = Desk::new().await;
    d.practice.close_workstation("SERVER");
    assert_eq!(d.ensure().await.workstation.as_deref(), Some("FRONTDESK"));
    // A better one is no reason to move.
    d.practice.open_workstation("SERVER");
    d.live(20).await;
    assert_eq!(d.ensure().await.unchanged, ALL);
    d.practice.close_workstation("FRONTDESK");
    d.pass(3600);
    let report = d.ensure().await;
    assert_eq!(report.workstation.as_deref(), Some("SERVER"));
    assert_eq!(report.repaired, ALL);
    assert!(d.rows().iter().all(|row| row.workstation == "SERVER"));
}

#[tokio::test]
async fn with_no_machine_open_nothing_is_created_and_a_finding_says_what_to_do() {
    let d = Desk::new().await;
    d.practice.close_workstation("SERVER");
    d.practice.close_workstation("FRONTDESK");
    let report = d.ensure().await;
    assert_eq!(report.workstation, None);
    one(&report.findings, "open it on one that stays on");
    assert!(d.rows().is_empty());
    assert_eq!(d.writes(), Vec::<String>::new());
    // The machine that runs the API Service has to be named, and is enough.
    d.practice.start_api_service("OP2");
    let named = d.od.ensure_subscriptions(&named("OP2")).await.unwrap();
    assert_eq!((named.created.len(), named.findings.len()), (3, 0));
    d.live(10).await;
    // It sends, so it stays also where it may be chosen.
    let report = d.ensure().await;
    assert_eq!(report.unchanged, ALL);
    assert_eq!(report.findings, Vec::<String>::new());
    assert_eq!(d.check().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_no_machine_has_is_a_finding_and_every_machine_only_when_told() {
    let d = Desk::new().await;
    for (name, part) in [("Server", "write it as SERVER"), ("NOBODY", "exactly")] {
        let report = d.od.ensure_subscriptions(&named(name)).await.unwrap();
        one(&report.findings, part);
        let found = d.od.check_subscriptions(&named(name)).await.unwrap();
        one(&found, part);
    }
    let every = declared().with_workstation(Workstation::Every);
    let report = d.od.ensure_subscriptions(&every).await.unwrap();
    assert_eq!((report.workstation, report.repaired.len()), (None, 3));
    assert!(d.rows().iter().all(|row| row.workstation.is_empty()));
    d.live(3).await;
    let found = d.od.check_subscriptions(&every).await.unwrap();
    assert_eq!(found, Vec::<String>::new());
    one(&d.check().await, "to Patient differs in Workstation");
    assert_eq!(d.ensure().await.repaired, ALL);
}

#[tokio::test]
async fn a_closed_machine_is_found_and_found_well_again_when_it_is_opened() {
    let (desk, door) = (Desk::new().await, Door::new().await);
    let declaration = at(&door.endpoint());
    let check = async || desk.od.check_subscriptions(&declaration).await.unwrap();
    desk.od.ensure_subscriptions(&declaration).await.unwrap();
    desk.live(5).await;
    assert_eq!(check().await, Vec::<String>::new());
    desk.practice.close_workstation("SERVER");
    // Not far behind yet, but it stands still.
    desk.pass(150);
    let found = check().await;
    assert_eq!(found.len(), 1, "{found:#?}");
    one(&found, "open it on SERVER");
    one(&found, "Appointment, AppointmentDeleted, Patient for 2 min");
    // Whoever looks for the first time sees it once it lies far behind.
    let first = source(&desk.server.base_url(), "main-st");
    let found = first.check_subscriptions(&declaration).await.unwrap();
    assert_eq!(found, Vec::<String>::new());
    desk.pass(4 * 24 * 3600);
    let first = source(&desk.server.base_url(), "main-st");
    let found = first.check_subscriptions(&declaration).await.unwrap();
    one(&found, "only the feed tells them");
    desk.practice.open_workstation("SERVER");
    desk.live(2).await;
    assert_eq!(check().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_endpoint_that_nobody_reaches_is_told_from_a_closed_machine() {
    let d = Desk::new().await;
    d.ensure().await;
    d.live(1).await;
    d.edit_a_patient();
    d.live(10).await;
    let found = d.check().await;
    one(&found, "SERVER has not looked for changes of Patient");
    one(&found, "can be reached from SERVER and answers 200");
}

#[tokio::test]
async fn a_clock_that_runs_ahead_is_a_finding() {
    let d = Desk::new().await;
    d.practice
        .skew_workstation("SERVER", TimeDelta::minutes(20));
    d.ensure().await;
    d.live(3).await;
    let found = d.check().await;
    assert_eq!(found.len(), 1, "{found:#?}");
    one(&found, "20 min ahead");
    d.practice.skew_workstation("SERVER", TimeDelta::zero());
    d.live(30).await;
    assert_eq!(d.check().await, Vec::<String>::new());
    // Behind, and sending: at second sight that is no silence.
    d.practice
        .skew_workstation("SERVER", TimeDelta::minutes(-20));
    d.live(3).await;
    d.check().await;
    d.live(3).await;
    one(&d.check().await, "20 min behind");
}

#[tokio::test]
async fn old_offices_are_asked_for_what_they_have() {
    let d = Desk::with(|b| b.with_version("21.4.30")).await;
    let error =
        d.od.ensure_subscriptions(&named("SERVER"))
            .await
            .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.chain().contains("22.1"), "{}", error.chain());
    assert_eq!(d.asked(), ["GET /preferences"]);
    d.practice.update_program("22.4.20").unwrap();
    let error = d.od.ensure_subscriptions(&declared()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.chain().contains("name the workstation"));
    assert!(d.rows().is_empty());
    let report = d.od.ensure_subscriptions(&named("SERVER")).await.unwrap();
    assert_eq!(report.created, ["Appointment", "Patient"]);
    one(&report.findings, "update the office to 22.4.35");
    // After the update the third is there.
    d.practice.update_program("23.1.30").unwrap();
    let report = d.ensure().await;
    assert_eq!(report.created, ["AppointmentDeleted"]);
    assert_eq!(report.unchanged, ["Appointment", "Patient"]);
    assert_eq!(report.findings, Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_reply_makes_no_double() {
    let faults = [
        Fault::LostReply,
        Fault::ConnectionReset,
        Fault::TruncatedBody,
        Fault::HalfJson,
        Fault::HtmlLogin200,
        Fault::EmptyBody,
        Fault::Status(500),
        Fault::GatewayTimeout504,
        Fault::StatusAfter(504),
        Fault::connector_down(),
        Fault::connector_down_after(),
    ];
    for fault in faults {
        for nth in 0..3 {
            let d = Desk::new().await;
            // Whatever the writes come to, each is sent once.
            let writes = Arc::new(AtomicUsize::new(0));
            let (seen, planned) = (Arc::clone(&writes), fault.clone());
            d.practice
                .faults()
                .on_request(Box::new(move |one, practice| {
                    if one.method == "POST" && seen.fetch_add(1, Ordering::Relaxed) == nth {
                        practice.faults().fail_at(one.index, planned.clone());
                    }
                }));
            let first = d.od.ensure_subscriptions(&declared()).await;
            let count = d.writes().len();
            match &first {
                Ok(report) => {
                    assert_eq!(report.created, ALL, "{fault:?}");
                    assert_eq!((count, d.tables().len()), (3, 3), "{fault:?}");
                }
                // It stops at the one that is in doubt.
                Err(_) => assert_eq!(count, nth + 1, "{fault:?}"),
            }
            d.practice.faults().clear();
            d.ensure().await;
            assert_eq!(d.tables(), ALL, "{fault:?}");
            assert_eq!(d.ensure().await.unchanged, ALL, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_lost_reply_to_a_change_or_a_removal_is_looked_up() {
    for fault in [Fault::LostReply, Fault::StatusAfter(504)] {
        let d = Desk::new().await;
        d.ensure().await;
        let good = d.rows();
        let number = d.tamper("Patient", |row| row.polling_seconds = 99);
        let mut double = d.row("Appointment");
        double.subscription_num = 0;
        d.practice.add_subscription(double);
        d.asked();
        d.practice
            .faults()
            .on_request(Box::new(move |one, practice| {
                if one.method != "GET" {
                    practice.faults().fail_at(one.index, fault.clone());
                }
            }));
        let report = d.ensure().await;
        assert_eq!((report.repaired, report.removed), (vec!["Patient"], 1));
        let writes = d.writes();
        assert_eq!(writes.len(), 2, "{writes:?}");
        assert_eq!(writes[0], format!("PUT /subscriptions/{number}"));
        assert!(d.rows() == good);
    }
}

#[tokio::test]
async fn a_list_of_several_pages_is_read_whole() {
    let d = Desk::with(|b| b.with_page_cap(2)).await;
    for _ in 0..3 {
        d.practice.add_subscription(SubscriptionRow {
            end_point_url: "https://other.example.org/".to_owned(),
            watch_table: "Patient".to_owned(),
            ..SubscriptionRow::default()
        });
    }
    assert_eq!(d.ensure().await.created, ALL);
    assert_eq!(d.ensure().await.unchanged, ALL);
    assert_eq!(d.rows().len(), 6);
}

#[tokio::test]
async fn a_wrong_declaration_is_refused_before_anybody_is_asked() {
    let d = Desk::new().await;
    let long = format!("https://a.example.org/{}", "x".repeat(255));
    for wrong in [
        at(&long),
        at("http://a.example.org/"),
        declared().with_polling(Duration::ZERO),
        named(""),
        Declaration::new("https://a.b/".parse().unwrap(), Secret::new("short")),
    ] {
        let error = d.od.ensure_subscriptions(&wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let error = d.od.check_subscriptions(&wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
    assert_eq!(d.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_subscribed_arrives_at_the_receiver_with_its_kind() {
    // The old one names no kind in a header: it stands in the address.
    for (version, told) in [("25.3.1", 3), ("22.4.20", 2)] {
        let (d, door) = (
            Desk::with(|b| b.with_version(version)).await,
            Door::new().await,
        );
        let declaration = at(&door.endpoint());
        let declaration = declaration.with_workstation(Workstation::Named("SERVER".to_owned()));
        let report = d.od.ensure_subscriptions(&declaration).await.unwrap();
        assert_eq!(report.created.len(), told, "{version}");
        d.pass(30);
        let visits = d.practice.appointments();
        let (changed, gone) = (visits[0].apt_num, visits[1].apt_num);
        d.edit_a_patient();
        d.practice
            .update_appointment(changed, |row| row.note.push('x'));
        d.practice.delete_appointment(gone);
        d.pass(30);
        let sent = d.practice.fire_events().await;
        assert_eq!(sent.len(), told, "{version}: {sent:?}");
        assert!(sent.iter().all(|one| one.status == Some(200)), "{sent:?}");
        assert_eq!(
            door.kinds().await[..],
            *if told == 3 {
                &ALL[..]
            } else {
                &["Appointment", "Patient"]
            }
        );
        assert_eq!(
            door.receiver.counts().received,
            u64::try_from(told).unwrap()
        );
        // The next poll finds all of it sent, and the check finds it well.
        d.pass(30);
        assert_eq!(d.practice.fire_events().await.len(), 0);
        let found = d.od.check_subscriptions(&declaration).await.unwrap();
        assert_eq!(found.len(), usize::from(told == 2), "{found:?}");
    }
}

#[tokio::test]
async fn neither_the_secret_nor_a_key_is_printed_by_anything() {
    let transcript = Transcript::begin();
    let d = Desk::with(|b| b.with_permissions(&[Permission::ReadAll])).await;
    let mut printed = vec![format!("{:?}", declared())];
    let mut print = |text: String| printed.push(text);
    print(format!("{:?}", d.ensure().await));
    let mut double = d.row("Patient");
    double.subscription_num = 0;
    d.practice.add_subscription(double);
    d.tamper("Appointment", |row| row.end_point_url.push('x'));
    print(format!("{:#?}", d.check().await));
    print(format!("{:#?} {:?}", d.ensure().await, d.od));
    d.pass(5 * 24 * 3600);
    print(format!("{:#?}", d.check().await));
    let report = serde_json::to_string(&d.ensure().await).unwrap();
    print(report);
    for fault in [
        Fault::HalfJson,
        Fault::HtmlLogin200,
        Fault::Status(500),
        Fault::Unauthorized401,
        Fault::Http400Text(format!("Workstation of {PATH} {CUSTOMER} is wrong")),
        Fault::ConnectionReset,
    ] {
        d.practice.faults().fail_next(9, fault);
        for error in [
            d.od.ensure_subscriptions(&declared()).await.unwrap_err(),
            d.od.check_subscriptions(&declared()).await.unwrap_err(),
        ] {
            print(format!("{error} {error:?} {}", error.chain()));
        }
        d.practice.faults().clear();
        // And of a write that is refused or lost.
        d.tamper("AppointmentDeleted", |row| row.polling_seconds += 1);
    }
    let canaries = Canaries::new([PATH, CUSTOMER, DEVELOPER]);
    canaries.assert_absent("what is printed", &printed.join("\n"));
    canaries.assert_absent("the log", &transcript.text());
    assert!(transcript.text().contains("subscribed"));
}
