//! One office under several modes; permissions and versions that change while it runs.

use super::*;

#[tokio::test]
async fn each_mode_has_its_pages_and_only_remote_is_throttled() {
    let practice = Practice::builder(1)
        .with_patients(1_200)
        .with_throttle(Throttle::TooMany { retry_after: false })
        .build()
        .unwrap();
    for (mode, plain, enterprise) in [
        (Mode::Remote, 100, 1_000),
        (Mode::Service, 1_000, 1_200),
        (Mode::Local, 1_000, 1_200),
    ] {
        let client = Client::in_mode(&practice, mode).await;
        practice.advance(Duration::from_secs(5));
        assert_eq!(client.get("/patients/Simple").await.rows().len(), plain);
        let early = client.get("/clinics").await.status;
        assert_eq!(early, if mode == Mode::Remote { 429 } else { 200 });
        practice.grant(Permission::Enterprise);
        practice.advance(Duration::from_secs(5));
        assert_eq!(
            client.get("/patients/Simple").await.rows().len(),
            enterprise
        );
        practice.revoke(Permission::Enterprise);
        assert!(
            practice
                .requests()
                .iter()
                .all(|request| request.mode == mode)
        );
        practice.clear_requests();
    }
}

#[tokio::test]
async fn a_page_cap_is_of_one_mode() {
    let practice = Practice::builder(1)
        .with_page_cap(7)
        .with_page_cap_in(Mode::Service, 11)
        .build()
        .unwrap();
    for (mode, rows) in [(Mode::Remote, 7), (Mode::Service, 11), (Mode::Local, 200)] {
        let client = Client::in_mode(&practice, mode).await;
        assert_eq!(client.get("/patients/Simple").await.rows().len(), rows);
        let listed = client.get("/recalls/List").await.rows().len();
        assert!(listed <= rows && (mode == Mode::Local || listed == rows));
    }
}

#[tokio::test]
async fn all_modes_show_one_office_and_one_log() {
    let practice = practice(1);
    let remote = Client::of(&practice).await;
    let local = Client::in_mode(&practice, Mode::Local).await;
    assert_ne!(remote.address, local.address);
    let patient = practice.patients()[0].pat_num;
    practice.update_patient(patient, |row| row.preferred = "Both".to_owned());
    for client in [&remote, &local] {
        let row = client.get(&format!("/patients/{patient}")).await.json();
        assert_eq!(row["Preferred"], "Both");
    }
    let modes: Vec<Mode> = practice.requests().iter().map(|one| one.mode).collect();
    assert_eq!(modes, [Mode::Remote, Mode::Local]);
    assert_eq!(local.server.mode(), Mode::Local);
}

#[tokio::test]
async fn a_connector_that_is_off_stops_remote_alone() {
    let practice = practice(1);
    let remote = Client::of(&practice).await;
    let service = Client::in_mode(&practice, Mode::Service).await;
    remote.server.set_health(Health::ConnectorOff).unwrap();
    for target in ["/clinics", "/patients/Simple", "/nothing"] {
        let got = remote.get(target).await;
        assert_eq!((got.status, got.text().is_empty()), (400, false));
        assert!(got.text().contains("eConnector"));
    }
    assert_eq!(service.get("/clinics").await.status, 200);
    assert!(service.server.set_health(Health::ConnectorOff).is_err());
    remote.server.set_health(Health::Up).unwrap();
    assert_eq!(remote.get("/clinics").await.status, 200);
}

#[tokio::test]
async fn a_stopped_server_refuses_and_comes_back_on_its_port() {
    let practice = practice(1);
    let local = Client::in_mode(&practice, Mode::Local).await;
    let remote = Client::of(&practice).await;
    for _ in 0..3 {
        assert_eq!(local.get("/clinics").await.status, 200);
        local.server.stop().await;
        local.server.stop().await;
        let refused = local.get("/clinics").await;
        assert_eq!((refused.status, refused.head.as_str()), (0, "refused"));
        assert_eq!(remote.get("/clinics").await.status, 200);
        local.server.start().await.unwrap();
        local.server.start().await.unwrap();
    }
    assert_eq!(local.get("/clinics").await.status, 200);
    assert_eq!(practice.requests().len(), 7);
}

#[tokio::test]
async fn a_server_that_hangs_answers_when_it_is_well_again_and_never_when_stopped() {
    let practice = practice(1);
    let client = Client::in_mode(&practice, Mode::Service).await;
    client.server.set_health(Health::Hanging).unwrap();
    let healed = async {
        while practice.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        client.server.set_health(Health::Up).unwrap();
    };
    let (got, ()) = tokio::join!(client.get("/clinics"), healed);
    assert_eq!(got.status, 200);

    practice.clear_requests();
    client.server.set_health(Health::Hanging).unwrap();
    let stopped = async {
        while practice.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        client.server.stop().await;
    };
    let (got, ()) = tokio::join!(client.get("/clinics"), stopped);
    assert_eq!(got.status, 0);
    client.server.start().await.unwrap();
    assert_eq!(client.get("/clinics").await.status, 200);
}

#[tokio::test]
async fn a_fault_of_one_server_leaves_the_others_alone() {
    let practice = practice(1);
    let remote = Client::of(&practice).await;
    let service = Client::in_mode(&practice, Mode::Service).await;
    remote
        .server
        .faults()
        .fail_next(1, Fault::GatewayTimeout504);
    assert_eq!(service.get("/clinics").await.status, 200);
    assert_eq!(remote.get("/clinics").await.status, 504);
    assert_eq!(remote.get("/clinics").await.status, 200);
    practice.faults().fail_next(1, Fault::Status(503));
    assert_eq!(service.get("/clinics").await.status, 503);
}

#[tokio::test]
async fn permissions_that_come_and_go_show_at_once() {
    let practice = practice(1);
    let client = Client::of(&practice).await;
    let held = |rows: Vec<Value>| -> Vec<String> {
        rows.iter()
            .filter(|row| row["HasPermission"] == "true")
            .map(|row| row["Permission"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        held(client.get("/securityperms").await.rows()),
        ["ApiReadAll"]
    );
    practice.grant(Permission::Comm);
    practice.grant(Permission::Comm);
    let now = held(client.get("/securityperms").await.rows());
    assert_eq!(now, ["ApiReadAll", "ApiComm"]);
    practice.revoke(Permission::Comm);
    assert_eq!(
        held(client.get("/securityperms").await.rows()),
        ["ApiReadAll"]
    );
}

#[tokio::test]
async fn a_permission_that_is_bought_speeds_remote_up() {
    let practice = Practice::builder(1)
        .with_throttle(Throttle::TooMany { retry_after: false })
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    assert_eq!(client.get("/clinics").await.status, 200);
    practice.advance(Duration::from_secs(1));
    assert_eq!(client.get("/clinics").await.status, 429);
    practice.advance(Duration::from_secs(4));
    practice.grant(Permission::Queries);
    assert_eq!(client.get("/clinics").await.status, 200);
    practice.advance(Duration::from_secs(1));
    assert_eq!(client.get("/clinics").await.status, 200);
}

#[tokio::test]
async fn an_update_brings_methods_fields_and_the_preference() {
    let practice = Practice::builder(1).with_version("22.1.3").build().unwrap();
    let client = Client::of(&practice).await;
    let version = "/preferences?PrefName=ProgramVersion";
    assert_eq!(client.get("/recalls").await.status, 400);
    assert_eq!(client.get("/securityperms").await.status, 400);
    assert!(
        client.get("/appointments").await.rows()[0]
            .get("PatternSecondary")
            .is_none()
    );
    practice.update_program("24.1.5").unwrap();
    assert_eq!(client.get("/recalls").await.status, 200);
    assert_eq!(client.get("/securityperms").await.status, 200);
    assert!(
        client.get("/appointments").await.rows()[0]
            .get("PatternSecondary")
            .is_some()
    );
    assert_eq!(
        client.get(version).await.rows()[0]["ValueString"],
        "24.1.5.0"
    );
    assert_eq!(client.get("/recalltypes").await.status, 400);
    assert!(practice.update_program("newest").is_err());
}

#[tokio::test]
async fn the_format_strings_print_the_offset_on_offices_that_know_them() {
    let practice = Practice::builder(1)
        .with_version("22.2.26")
        .with_time_zone(chrono_tz::America::Chicago)
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    let target = "/patients/Simple?Limit=1&DateTimeFormatString=yyyy-MM-ddTHH%3Amm%3Asszzz\
                  &DateFormatString=MM/dd/yyyy";
    let row = client.get(target).await.rows()[0].clone();
    assert_eq!(row["serverDateTime"], "2026-11-20T09:00:00-06:00");
    let patient = &practice.patients()[0];
    let stamp = row["DateTStamp"].as_str().unwrap();
    assert!(stamp.starts_with(&patient.date_t_stamp[..10]) && stamp.contains('T'));
    assert_eq!(
        row["SecDateEntry"].as_str().unwrap().matches('/').count(),
        2
    );
    practice.update_program("22.2.14").unwrap();
    let row = client.get(target).await.rows()[0].clone();
    assert_eq!(row["serverDateTime"], "2026-11-20T09:00:00-06:00");
    assert_eq!(row["SecDateEntry"], patient.sec_date_entry.as_str());
    practice.update_program("22.2.13").unwrap();
    let row = client.get(target).await.rows()[0].clone();
    assert_eq!(row["serverDateTime"], "2026-11-20 09:00:00");
}

#[tokio::test]
async fn both_clock_changes_show_in_stamps() {
    let practice = Practice::builder(1)
        .with_time_zone(chrono_tz::America::New_York)
        .with_start("2026-11-01T01:30:00".parse().unwrap())
        .build()
        .unwrap();
    let patients = practice.patients();
    let edit = |n: usize| {
        let key = patients[n].pat_num;
        practice.update_patient(key, |row| row.preferred = "Edited".to_owned());
        practice.patient(key).unwrap().date_t_stamp
    };
    assert_eq!(edit(0), "2026-11-01 01:30:00");
    assert_eq!(
        practice.now_with_offset().to_rfc3339(),
        "2026-11-01T01:30:00-04:00"
    );
    practice.advance(Duration::from_secs(45 * 60));
    // Later, and stamped earlier.
    assert_eq!(edit(1), "2026-11-01 01:15:00");
    assert_eq!(
        practice.now_with_offset().to_rfc3339(),
        "2026-11-01T01:15:00-05:00"
    );
    practice.set_clock("2027-03-14T01:59:30".parse().unwrap());
    practice.advance(Duration::from_secs(60));
    assert_eq!(edit(2), "2027-03-14 03:00:30");
}
