//! What a refusal means, how fast is too fast, and where requests may go.

use std::time::Duration;

use odx_core::model::RecordKey;
use odx_core::source::{Change, Extent, PracticeSource as _};
use odx_core::{ErrorKind, PatientKey, Secret, SourceId};
use odx_opendental::sim::{Permission, Practice};
use odx_opendental::{Credentials, OpenDental, SYSTEM};
use wiremock::ResponseTemplate;

use super::life::{Life, by_lists, client, refused};
use crate::office::{Office, pass};

#[tokio::test]
async fn trap_27_only_a_404_for_one_known_row_means_that_it_is_gone() {
    let office = Office::documented().await;
    let source = office.source();
    let nobody = PatientKey::new("39");
    let gone = source.refresh(&nobody).await.unwrap();
    assert_eq!(gone, [Change::Gone(RecordKey::Patient(nobody.clone()))]);
    for list in ["patients/Simple", "appointments", "recalls"] {
        office.say_nothing_special();
        office.say(list, ResponseTemplate::new(404));
        let end = pass(&office.source(), None, Extent::Changes).await;
        let error = end.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config, "{list}");
    }
}

#[tokio::test]
async fn trap_28_a_401_on_one_method_may_be_a_permission_and_the_key_still_lives() {
    let life = Life::of(by_lists()).await;
    let (_, cursor) = life.first().await;
    life.practice.revoke(Permission::Comm);
    let news = life.news();
    let from = life.practice.requests().len();
    let error = refused(life.write(&news[0]).await);
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(error.chain().contains("ApiComm"), "{}", error.chain());
    let asked = life.asked(from);
    assert!(asked.iter().any(|one| one.path == "/securityperms"));
    // The others go on, and so does reading.
    life.write(&news[1]).await.unwrap();
    life.later(cursor).await;
    let error = refused(life.write(&news[2]).await);
    assert_eq!(error.kind(), ErrorKind::Permission);
}

#[tokio::test]
async fn trap_29_all_that_use_a_key_share_one_pace() {
    const INTERVAL: Duration = Duration::from_millis(150);
    let builder = || {
        Practice::builder(3)
            .with_patients(5)
            .with_keys("Dev29", "Shared29")
    };
    let practice = builder().build().unwrap();
    let server = practice.serve().await.unwrap();
    let one = || {
        let paced = client(&practice, &server).with_interval(INTERVAL);
        paced.build().unwrap()
    };
    let (reader, other) = (one(), one());
    let start = std::time::Instant::now();
    let (left, right) = tokio::join!(reader.probe(), other.probe());
    left.unwrap();
    right.unwrap();
    let requests = u32::try_from(practice.requests().len()).unwrap();
    assert_eq!(requests, 6);
    // Each alone would be done in two intervals. Nothing but a lower bound: it
    // holds however busy the machine is.
    assert!(start.elapsed() >= (requests - 2) * INTERVAL);
}

#[tokio::test]
async fn trap_30_a_probe_says_what_a_paid_permission_would_speed_up() {
    let look = |permissions: &'static [Permission]| async move {
        let builder = Practice::builder(3)
            .with_patients(150)
            .with_permissions(permissions);
        let life = Life::of(builder).await;
        let findings = life.source.probe().await.unwrap().findings.join("\n");
        life.first().await;
        let mut pages = life.practice.requests();
        pages.retain(|one| {
            let path = &*one.path;
            path.contains("Query")
                || ["/patients/Simple", "/recalls", "/appointments"].contains(&path)
        });
        (findings, pages.len())
    };
    let (free, by_lists) = look(&[Permission::ReadAll]).await;
    assert!(free.contains("only every 5 s"), "{free}");
    assert!(free.contains("smallest paid tier"), "{free}");
    let paid = &[Permission::ReadAll, Permission::Comm, Permission::Queries];
    let (paid, by_queries) = look(paid).await;
    assert!(!paid.contains("paid tier"), "{paid}");
    assert!(by_queries < by_lists, "{by_queries} < {by_lists}");
}

#[tokio::test]
async fn trap_55_plain_http_stays_inside_and_no_redirect_gets_the_keys() {
    let build = |url: &str| {
        let credentials = Credentials {
            developer_key: Secret::new("d"),
            customer_key: Secret::new("c"),
        };
        OpenDental::builder(SourceId::new(SYSTEM, "m").unwrap(), credentials)
            .with_base_urls(vec![url.parse().unwrap()])
            .build()
    };
    for outside in [
        "http://api.opendental.com/api/v1",
        "http://8.8.8.8:30223/api/v1",
        "http://172.32.0.1:30223/api/v1",
        "http://169.254.169.254/api/v1",
    ] {
        assert_eq!(
            build(outside).unwrap_err().kind(),
            ErrorKind::Config,
            "{outside}"
        );
    }
    for inside in [
        "http://localhost:30222/api/v1",
        "http://192.168.1.20:30223/api/v1",
    ] {
        build(inside).unwrap();
    }
    let elsewhere = Office::documented().await;
    for code in [301, 302, 303, 307, 308] {
        let office = Office::documented().await;
        let to = format!("{}/patients/Simple", elsewhere.url());
        office.say(
            "*",
            ResponseTemplate::new(code).insert_header("location", &*to),
        );
        let end = pass(&office.source(), None, Extent::Changes).await;
        assert_eq!(end.err().unwrap().kind(), ErrorKind::Config, "{code}");
    }
    assert!(elsewhere.asked().await.is_empty());
}
