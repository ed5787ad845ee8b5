//! Lists, filters, stamps, keys and the throttle.

use chrono::TimeDelta;

use super::*;

#[tokio::test]
async fn paging_until_a_short_page_gives_every_live_row_once() {
    for order in [
        RowOrder::ByKey,
        RowOrder::ByStamp,
        RowOrder::Shuffled { seed: 3 },
    ] {
        let practice = Practice::builder(5)
            .with_patients(230)
            .with_page_cap(50)
            .with_row_order(order)
            .with_random_primary_keys()
            .build()
            .unwrap();
        let client = Client::of(&practice).await;
        let mut got = keys(&client.all("/patients/Simple", 50).await, "PatNum");
        let unsorted = got.clone();
        got.sort_unstable();
        let truth: Vec<i64> = practice.patients().iter().map(|row| row.pat_num).collect();
        assert_eq!(got, truth);
        assert_eq!(unsorted == truth, order == RowOrder::ByKey);
        assert_eq!(practice.requests().len(), 5);
        assert_eq!(practice.requests()[4].rows, 30);
    }
}

#[tokio::test]
async fn an_exact_multiple_of_the_cap_costs_one_empty_page() {
    let practice = Practice::builder(5)
        .with_patients(20)
        .with_page_cap(10)
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    assert_eq!(client.all("/patients/Simple", 10).await.len(), 20);
    let rows: Vec<usize> = practice.requests().iter().map(|r| r.rows).collect();
    assert_eq!(rows, [10, 10, 0]);
}

#[tokio::test]
async fn a_limit_above_the_cap_is_clipped_or_refused() {
    let practice = practice(1);
    let client = Client::of(&practice).await;
    let got = client.get("/patients/Simple?Limit=5000").await;
    assert_eq!(got.rows().len(), 100);
    assert_eq!(client.get("/patients/Simple?Limit=7").await.rows().len(), 7);
    let strict = Practice::builder(1)
        .with_clipped_limit(false)
        .build()
        .unwrap();
    let client = Client::of(&strict).await;
    assert_eq!(client.get("/patients/Simple?Limit=5000").await.status, 400);
}

#[tokio::test]
async fn both_headers_are_required_on_get() {
    let practice = practice(1);
    let client = Client::of(&practice).await;
    let client = client.with_headers("Content-Type: application/json\r\n");
    assert_eq!(client.get("/clinics").await.status, 401);
    let key = format!(
        "Authorization: ODFHIR {}/{}\r\n",
        practice.developer_key(),
        practice.customer_key()
    );
    let client = client.with_headers(&key);
    assert_eq!(client.get("/clinics").await.status, 400);
    let client = client.with_headers(&format!("{key}Content-Type: application/json\r\n"));
    assert_eq!(client.get("/clinics").await.text(), "[]");
    assert_eq!(client.get("/clinic").await.status, 404);
    assert_eq!(client.get("/patients/simple").await.status, 404);
    let log = format!("{:?}", practice.requests());
    assert!(!log.contains(practice.customer_key()));
}

#[tokio::test]
async fn a_stamp_in_another_form_is_a_400_with_the_documented_text() {
    let client = Client::of(&practice(1)).await;
    for wrong in ["2026-11-20T09:00:00", "2026-11-20+09:00:00", "2026-11-20"] {
        let got = client
            .get(&format!("/patients/Simple?DateTStamp={wrong}"))
            .await;
        assert_eq!(got.status, 400);
        assert_eq!(got.text(), "DateTStamp format must be yyyy-MM-dd HH:mm:ss");
    }
    // The vendor's own appointments example.
    let got = client.get("/appointments?DateTStamp=2026-07-30").await;
    assert_eq!(got.status, 200);
}

#[tokio::test]
async fn updated_since_includes_the_second_and_altered_after_does_not() {
    let practice = practice(2);
    let client = Client::of(&practice).await;
    let patient = practice.patients()[3].pat_num;
    let visit = practice.appointments()[3].apt_num;
    practice.update_patient(patient, |row| row.preferred = "Al".to_owned());
    practice.update_appointment(visit, |row| row.op = 9);
    let since = "DateTStamp=2026-11-20%2009:00:00";
    let rows = client
        .get(&format!("/patients/Simple?{since}"))
        .await
        .rows();
    assert_eq!(keys(&rows, "PatNum"), [patient]);
    assert_eq!(rows[0]["serverDateTime"], "2026-11-20 09:00:00");
    let rows = client.get(&format!("/appointments?{since}")).await.rows();
    assert!(rows.is_empty());

    let loose = Practice::builder(2)
        .with_strict_after(false)
        .build()
        .unwrap();
    let client = Client::of(&loose).await;
    loose.update_appointment(visit, |row| row.op = 9);
    let rows = client.get(&format!("/appointments?{since}")).await.rows();
    assert_eq!(keys(&rows, "AptNum"), [visit]);
}

#[tokio::test]
async fn a_clock_that_goes_back_stamps_later_edits_earlier() {
    let practice = practice(2);
    let client = Client::of(&practice).await;
    let (first, second) = (
        practice.patients()[0].pat_num,
        practice.patients()[1].pat_num,
    );
    practice.advance(Duration::from_millis(1_900));
    practice.update_patient(first, |row| row.preferred = "A".to_owned());
    practice.set_clock(practice.now() - TimeDelta::hours(1));
    practice.update_patient(second, |row| row.preferred = "B".to_owned());
    let stamp = |key| practice.patient(key).unwrap().date_t_stamp;
    assert_eq!(stamp(first), "2026-11-20 09:00:01");
    assert_eq!(stamp(second), "2026-11-20 08:00:01");
    let got = client
        .get("/patients/Simple?DateTStamp=2026-11-20%2008:30:00")
        .await;
    assert_eq!(keys(&got.rows(), "PatNum"), [first]);
}

#[tokio::test]
async fn deletions_leave_the_traces_the_vendor_leaves() {
    let practice = practice(4);
    let client = Client::of(&practice).await;
    let recall = practice.recalls()[0].clone();
    practice.delete_recall(recall.recall_num);
    let rows = client
        .get(&format!("/recalls?PatNum={}", recall.pat_num))
        .await
        .rows();
    assert!(!keys(&rows, "RecallNum").contains(&recall.recall_num));

    let visit = practice.appointments()[0].clone();
    practice.delete_appointment(visit.apt_num);
    let gone = client
        .get(&format!("/appointments/{}", visit.apt_num))
        .await;
    assert_eq!(gone.status, 404);
    let trace = "/histappointments?HistApptAction=Deleted&date=2026-11-20";
    let rows = client.get(trace).await.rows();
    assert_eq!(keys(&rows, "AptNum"), [visit.apt_num]);
    assert_eq!(rows[0]["AptStatus"], visit.apt_status.as_str());

    let patient = practice.patients()[9].pat_num;
    practice.delete_patient(patient);
    assert_eq!(
        client.get(&format!("/patients/{patient}")).await.status,
        404
    );
    let rows = client.all("/patients/Simple", 100).await;
    assert!(!keys(&rows, "PatNum").contains(&patient));
    assert!(practice.recalls_of(patient).is_empty());
}

#[tokio::test]
async fn the_date_of_history_can_mean_either_column() {
    for (which, hits) in [(Which::HistDateTStamp, 1), (Which::AptDateTime, 0)] {
        let practice = Practice::builder(4)
            .with_hist_date_column(which)
            .build()
            .unwrap();
        let client = Client::of(&practice).await;
        let patient = practice.patients()[0].pat_num;
        practice.add_appointment(AppointmentRow::new(patient, "2031-01-01 10:00:00"));
        let got = client.get("/histappointments?date=2026-11-20").await;
        let created = got.rows();
        let ours = created
            .iter()
            .filter(|row| row["AptDateTime"] == "2031-01-01 10:00:00");
        assert_eq!(ours.count(), hits);
    }
}

#[tokio::test]
async fn an_aging_run_moves_every_stamp_and_nothing_else() {
    let practice = practice(4);
    let before = practice.patients();
    practice.restamp_all_patients();
    for (mut old, new) in before.into_iter().zip(practice.patients()) {
        old.date_t_stamp = "2026-11-20 09:00:00".to_owned();
        assert!(old == new);
    }
}

#[tokio::test]
async fn a_method_newer_than_the_office_is_a_400() {
    let practice = Practice::builder(1)
        .with_version("22.4.39")
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    assert_eq!(client.get("/recalls").await.status, 400);
    assert_eq!(client.get("/histappointments").await.status, 400);
    let rows = client.get("/appointments").await.rows();
    assert!(rows[0].get("PatternSecondary").is_none());
    assert!(rows[0].get("DateTimeArrived").is_some());
    let version = client
        .get("/preferences?PrefName=ProgramVersion")
        .await
        .rows();
    assert_eq!(version[0]["ValueString"], "22.4.39.0");
}

#[tokio::test]
async fn unknown_parameters_are_ignored_refused_or_both() {
    for (what, status) in [
        (UnknownParameters::Ignored, [200, 200]),
        (UnknownParameters::Refused, [400, 400]),
        (UnknownParameters::AsReported, [200, 400]),
    ] {
        let practice = Practice::builder(1)
            .with_unknown_parameters(what)
            .build()
            .unwrap();
        let client = Client::of(&practice).await;
        let misspelt = client.get("/appointments?offset=50").await.status;
        let stamped = client
            .get("/patients?DateTStamp=2026-01-01%2000:00:00")
            .await
            .status;
        assert_eq!([misspelt, stamped], status);
    }
}

#[tokio::test]
async fn explanations_come_in_every_form() {
    for (shape, body) in [
        (ErrorShape::Text, "Patient not found"),
        (ErrorShape::JsonString, "\"Patient not found\""),
        (ErrorShape::Object, "{\"Message\":\"Patient not found\"}"),
    ] {
        let practice = Practice::builder(1)
            .with_error_shape(shape)
            .build()
            .unwrap();
        let got = Client::of(&practice).await.get("/recalls?PatNum=5").await;
        assert_eq!((got.status, got.text().as_str()), (404, body));
    }
}

async fn throttled(throttle: Throttle, permissions: &[Permission]) -> (Practice, Client) {
    let practice = Practice::builder(1)
        .with_throttle(throttle)
        .with_permissions(permissions)
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    (practice, client)
}

#[tokio::test]
async fn the_free_tier_is_let_in_every_five_seconds() {
    let too_many = Throttle::TooMany { retry_after: true };
    let (practice, client) = throttled(too_many, &[Permission::ReadAll]).await;
    assert_eq!(client.get("/clinics").await.status, 200);
    practice.advance(Duration::from_millis(1_500));
    let early = client.get("/clinics").await;
    assert_eq!(early.status, 429);
    assert_eq!(early.header("retry-after").as_deref(), Some("4"));
    practice.advance(Duration::from_millis(3_500));
    assert_eq!(client.get("/clinics").await.status, 200);
}

#[tokio::test]
async fn any_paid_permission_moves_reads_to_one_second() {
    let paid = [Permission::ReadAll, Permission::Comm];
    let (practice, client) = throttled(Throttle::BadRequestText, &paid).await;
    assert_eq!(client.get("/clinics").await.status, 200);
    assert_eq!(client.get("/clinics").await.status, 400);
    practice.advance(Duration::from_secs(1));
    assert_eq!(client.get("/clinics").await.status, 200);
}

#[tokio::test]
async fn a_held_request_is_answered_later_and_not_refused() {
    let enterprise = [Permission::ReadAll, Permission::Enterprise];
    let (practice, client) = throttled(Throttle::Hold, &enterprise).await;
    let start = practice.now();
    for _ in 0..5 {
        assert_eq!(client.get("/clinics").await.status, 200);
    }
    assert_eq!(practice.now() - start, TimeDelta::seconds(2));
}

#[tokio::test]
async fn a_throttle_in_real_time_leaves_the_office_clock_alone() {
    let practice = Practice::builder(1)
        .with_throttle(Throttle::Hold)
        .with_throttle_time(ThrottleTime::Real)
        .with_permissions(&[Permission::ReadAll, Permission::Enterprise])
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    let (start, began) = (practice.now(), tokio::time::Instant::now());
    for _ in 0..2 {
        assert_eq!(client.get("/clinics").await.status, 200);
    }
    assert!(began.elapsed() >= Duration::from_millis(500));
    assert_eq!(practice.now(), start);
}

#[tokio::test]
async fn ticks_move_the_clock_with_each_request() {
    let practice = Practice::builder(1)
        .with_ticks(Duration::from_secs(2))
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    let row = |got: Got| got.rows()[0]["serverDateTime"].clone();
    assert_eq!(
        row(client.get("/patients/Simple").await),
        "2026-11-20 09:00:02"
    );
    assert_eq!(
        row(client.get("/patients/Simple").await),
        "2026-11-20 09:00:04"
    );
}

#[test]
fn the_same_seed_gives_the_same_office_and_the_same_day() {
    let (a, b) = (practice(11), practice(11));
    assert!(a.patients() == b.patients());
    assert!(a.day_of_changes(7) == b.day_of_changes(7));
    assert!(a.patients() == b.patients());
    assert!(a.recalls() == b.recalls());
    assert!(a.appointments() == b.appointments());
    assert!(practice(12).patients() != a.patients());
}

#[test]
fn a_day_has_every_kind_of_change() {
    for seed in 0..10 {
        let practice = practice(seed);
        let day = practice.day_of_changes(seed);
        for (kind, count) in [
            ("names", day.names_edited),
            ("phones", day.phones_edited),
            ("texting", day.texting_changed),
            ("refused", day.texting_refused),
            ("completed", day.visits_completed),
            ("booked", day.visits_booked),
            ("broken", day.visits_broken),
            ("deleted", day.visits_deleted),
            ("new", day.new_patients),
            ("archived", day.archived),
            ("deceased", day.deceased),
            ("disabled", day.recalls_disabled),
            ("dropped", day.recalls_deleted),
        ] {
            assert!(count > 0, "seed {seed}: no {kind}");
        }
        assert!(practice.now() < practice.patients_day_end());
    }
}

impl Practice {
    fn patients_day_end(&self) -> chrono::NaiveDateTime {
        self.inner.settings.start + TimeDelta::hours(8)
    }
}

#[test]
fn a_completed_visit_resets_the_recall_it_was_booked_for() {
    let practice = practice(3);
    let patient = practice.add_patient(PatientRow::new("Recall", "Reset"));
    let mut recall = RecallRow::new(patient, 1);
    recall.note = "x".to_owned();
    let recall = practice.add_recall(recall);
    let visit = practice.book_recall(recall, practice.now()).unwrap();
    assert_eq!(
        practice.recall(recall).unwrap().date_scheduled,
        "2026-11-20"
    );
    practice.complete_visit(visit);
    let row = practice.recall(recall).unwrap();
    assert_eq!(row.date_previous, "2026-11-20");
    assert_eq!(row.date_due, "2027-05-21");
    assert_eq!(row.date_scheduled, NO_DATE);
    assert_eq!(row.note, "");
    assert_eq!(practice.appointment(visit).unwrap().apt_status, "Complete");
}

#[test]
fn seeded_recalls_agree_with_the_booked_visits() {
    let practice = practice(8);
    let mut scheduled = 0;
    for recall in practice.recalls() {
        if recall.date_scheduled != NO_DATE {
            scheduled += 1;
            assert!(
                practice
                    .appointments_of(recall.pat_num)
                    .iter()
                    .any(|visit| {
                        visit.apt_status == "Scheduled"
                            && visit.apt_date_time.starts_with(&recall.date_scheduled)
                    })
            );
        }
    }
    assert!(scheduled > 0);
    let canaries = practice.canaries();
    assert!(
        canaries
            .iter()
            .filter(|c| c.starts_with(NOTE_CANARY))
            .count()
            > 20
    );
}

#[test]
fn debug_shows_nobody() {
    let practice = practice(8);
    let row = practice.patients()[0].clone();
    let shown = format!("{practice:?} {row:?} {:?}", practice.recalls()[0]);
    assert!(!shown.contains(&row.l_name) && !shown.contains(&row.ssn));
}
