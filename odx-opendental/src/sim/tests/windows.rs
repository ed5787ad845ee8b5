//! Which rows a poll takes, and where the next one starts.

use chrono::TimeDelta;

use super::receiver::{NEXT, Receiver, watching};
use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn start(practice: &Practice) -> String {
    practice.subscriptions()[0].date_time_start.clone()
}

fn one_patient() -> PracticeBuilder {
    Practice::builder(4)
        .with_patients(1)
        .with_recalls_per_patient(0.0)
        .with_appointments_per_patient(0.0)
}

async fn watched(builder: PracticeBuilder) -> (Practice, Receiver, i64) {
    let practice = builder.build().unwrap();
    let receiver = Receiver::start().await;
    practice.add_subscription(watching(&receiver, "Patient"));
    let pat_num = practice.patients()[0].pat_num;
    practice.update_patient(pat_num, |row| "Patient".clone_into(&mut row.pat_status));
    practice.fire_events().await;
    receiver.take();
    practice.advance(NEXT);
    practice.fire_events().await;
    receiver.take();
    practice.advance(NEXT);
    (practice, receiver, pat_num)
}

#[tokio::test]
async fn a_quiet_poll_sends_nothing_and_still_moves_the_start() {
    let (practice, receiver, _) = watched(one_patient()).await;
    assert!(practice.fire_events().await.is_empty());
    assert!(receiver.take().is_empty());
    assert_eq!(start(&practice), "2026-11-20 09:00:10");
}

#[tokio::test]
async fn a_subscription_is_polled_at_most_once_per_polling_seconds() {
    let (practice, receiver, pat_num) = watched(one_patient()).await;
    practice.fire_events().await;
    practice.update_patient(pat_num, |_| {});
    practice.advance(Duration::from_secs(4));
    assert!(practice.fire_events().await.is_empty());
    practice.advance(Duration::from_secs(1));
    assert_eq!(practice.fire_events().await.len(), 1);
    assert_eq!(receiver.take().len(), 1);
}

#[tokio::test]
async fn a_row_of_the_boundary_second_is_sent_twice() {
    let (practice, receiver, pat_num) = watched(one_patient()).await;
    practice.update_patient(pat_num, |_| {});
    for _ in 0..2 {
        practice.fire_events().await;
        assert_eq!(receiver.take()[0].rows()[0]["PatNum"], pat_num);
        practice.advance(NEXT);
    }
    practice.fire_events().await;
    assert!(receiver.take().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_fails_gets_the_window_again() {
    let (practice, receiver, pat_num) = watched(one_patient()).await;
    let before = start(&practice);
    practice.update_patient(pat_num, |_| {});
    for status in [500, 202, 204, 302, 401] {
        receiver.answers(status);
        let sent = practice.fire_events().await;
        assert_eq!((sent[0].status, sent[0].delivered), (Some(status), false));
        assert_eq!(start(&practice), before);
        practice.advance(NEXT);
    }
    receiver.answers(200);
    assert!(practice.fire_events().await[0].delivered);
    assert_eq!(receiver.take().len(), 6);
    assert_eq!(start(&practice), "2026-11-20 09:00:35");
}

#[tokio::test]
async fn an_office_may_take_any_answer_for_success() {
    let any = one_patient().with_event_success(EventSuccess::AnyAnswer);
    let (practice, receiver, pat_num) = watched(any).await;
    receiver.answers(500);
    practice.update_patient(pat_num, |_| {});
    assert!(practice.fire_events().await[0].delivered);
    assert_eq!(start(&practice), "2026-11-20 09:00:10");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_no_success() {
    let (practice, _receiver, pat_num) =
        watched(one_patient().with_event_success(EventSuccess::AnyAnswer)).await;
    let before = start(&practice);
    let num = practice.subscriptions()[0].subscription_num;
    let mut row = practice.subscription(num).unwrap();
    for url in ["http://127.0.0.1:1/", "https://127.0.0.1:1/"] {
        row.end_point_url = url.to_owned();
        practice.add_subscription(row.clone());
        practice.update_patient(pat_num, |_| {});
        let sent = practice.fire_events().await;
        assert_eq!((sent[0].status, sent[0].delivered), (None, false));
        assert_eq!(start(&practice), before);
        practice.advance(NEXT);
    }
}

#[tokio::test]
async fn changes_older_than_three_days_are_never_sent() {
    let (practice, receiver, pat_num) = watched(one_patient()).await;
    let late = practice.add_patient(PatientRow::new("Late", "Enough"));
    practice.update_patient(pat_num, |_| {});
    receiver.answers(500);
    practice.fire_events().await;
    practice.advance(DAY);
    practice.update_patient(late, |_| {});
    practice.advance(DAY * 2 + Duration::from_secs(1));
    receiver.take();
    receiver.answers(200);
    practice.fire_events().await;
    let rows = receiver.take()[0].rows();
    assert_eq!(keys(&rows, "PatNum"), [late]);
    assert_eq!(start(&practice), "2026-11-23 09:00:11");
}

#[tokio::test]
async fn a_machine_closed_for_a_long_weekend_loses_what_is_older() {
    let (practice, receiver, pat_num) = watched(one_patient()).await;
    practice.close_workstation("FRONTDESK");
    practice.update_patient(pat_num, |_| {});
    practice.advance(DAY * 4);
    assert!(practice.fire_events().await.is_empty());
    assert_eq!(start(&practice), "2026-11-20 09:00:05");
    practice.open_workstation("FRONTDESK");
    assert!(practice.fire_events().await.is_empty());
    assert!(receiver.take().is_empty());
    assert_eq!(start(&practice), "2026-11-24 09:00:10");
}

#[tokio::test]
async fn a_machine_whose_clock_is_ahead_skips_rows() {
    let (practice, receiver, pat_num) = watched(one_patient()).await;
    practice.skew_workstation("FRONTDESK", TimeDelta::seconds(60));
    practice.fire_events().await;
    assert_eq!(start(&practice), "2026-11-20 09:01:10");
    practice.update_patient(pat_num, |_| {});
    for _ in 0..30 {
        practice.advance(NEXT);
        practice.fire_events().await;
    }
    assert!(receiver.take().is_empty());
}

#[tokio::test]
async fn a_start_in_the_future_is_waited_for_and_an_end_is_the_end() {
    let practice = one_patient().build().unwrap();
    let receiver = Receiver::start().await;
    let mut row = watching(&receiver, "Patient");
    row.date_time_start = "2026-11-20 10:00:00".to_owned();
    row.date_time_stop = "2026-11-20 11:00:00".to_owned();
    practice.add_subscription(row);
    let pat_num = practice.patients()[0].pat_num;
    let mut sent = Vec::new();
    for _ in 0..4 {
        practice.update_patient(pat_num, |row| "Patient".clone_into(&mut row.pat_status));
        sent.push(practice.fire_events().await.len());
        practice.advance(Duration::from_secs(1800));
    }
    // At 9:00 and 9:30 it is too early, at 10:00 and 10:30 it is time.
    assert_eq!(sent, [0, 0, 1, 1]);
    practice.update_patient(pat_num, |_| {});
    assert!(practice.fire_events().await.is_empty());
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_stop_the_polls() {
    let (practice, receiver, pat_num) = watched(one_patient()).await;
    practice.fire_events().await;
    practice.set_clock(practice.now() - TimeDelta::hours(1));
    practice.advance(NEXT);
    practice.fire_events().await;
    assert_eq!(start(&practice), "2026-11-20 08:00:15");
    practice.update_patient(pat_num, |_| {});
    practice.advance(NEXT);
    practice.fire_events().await;
    assert_eq!(receiver.take().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up() {
    let hasty = one_patient().with_event_patience(Duration::from_millis(20));
    let (practice, _receiver, pat_num) = watched(hasty).await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut row = practice.subscriptions()[0].clone();
    row.end_point_url = format!("http://{}/", silent.local_addr().unwrap());
    practice.add_subscription(row);
    practice.update_patient(pat_num, |_| {});
    let sent = practice.fire_events().await;
    assert_eq!((sent[0].status, sent[0].delivered), (None, false));
    assert_eq!(start(&practice), "2026-11-20 09:00:05");
}

#[tokio::test]
async fn a_start_put_back_through_the_api_sends_the_rows_again() {
    let (practice, receiver, pat_num) = watched(one_patient()).await;
    practice.update_patient(pat_num, |_| {});
    let client = Client::of(&practice).await;
    let num = practice.subscriptions()[0].subscription_num;
    let back = serde_json::json!({"DateTimeStart": "2026-11-20 09:00:00"});
    for _ in 0..2 {
        let got = client.put(&format!("/subscriptions/{num}"), &back).await;
        assert_eq!(got.status, 200);
        practice.advance(NEXT);
        practice.fire_events().await;
        assert_eq!(keys(&receiver.take()[0].rows(), "PatNum"), [pat_num]);
    }
}
