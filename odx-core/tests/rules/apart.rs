//! Rule 9: offices never mix.

use std::path::Path;
use std::sync::Arc;

use odx_core::engine::Pipeline;
use odx_core::model::{BadRecord, Channel, Phone, RecordKind};
use odx_core::sink::{Account, CrmSink as _, Suppression, Target};
use odx_core::source::PracticeSource as _;
use odx_core::store::{DueQuery, StateStore};
use odx_core::testkit::SourceFault;
use odx_core::{ErrorKind, IdScheme, Mode};

use crate::bench::crm::{Crm, Fault};
use crate::bench::spy::Spy;
use crate::bench::{Bench, Kind, noon, store};

fn neighbours(kind: Kind, folder: &Path) -> (Bench, Bench) {
    let store = store(kind, folder);
    let main = Bench::new("main", Arc::clone(&store), 4);
    let mut elm = Bench::new("elm", Arc::clone(&store), 4);
    elm.store = Arc::new(Spy::on(store));
    (main, elm)
}

/// Everything the state knows of an office, as text.
async fn known(b: &Bench) -> String {
    let (source, sink) = (b.source.id(), b.crm.id());
    let ids: Vec<_> = (1..=9)
        .flat_map(|n| [b.contact(&n.to_string()), b.task(&format!("r{n}"))])
        .collect();
    let query = DueQuery {
        source: source.clone(),
        sink: sink.clone(),
        ids: b.ids(),
        today: noon().date_naive(),
        now: noon(),
        limit: 100,
        after: None,
    };
    let due = b.store.due(&query).await.unwrap();
    let names: Vec<_> = due
        .iter()
        .flat_map(|due| &due.view.members)
        .map(|member| {
            let record = &member.patient.record;
            format!(
                "{} {} {:?} {} recalls {}",
                record.first_name.expose(),
                record.last_name.expose(),
                member.blocked,
                member.recalls.len(),
                member.patient.gone
            )
        })
        .collect();
    format!(
        "{:?} {:?} {:?} {names:?} {:?} {:?} {:?} {:?} {:?}",
        b.store.cursor(source).await.unwrap(),
        b.store.last_seen(source).await.unwrap().swept_at(),
        b.store.counts(source, sink).await.unwrap(),
        due.iter()
            .map(|due| (due.generation, &due.tried, &due.parked))
            .collect::<Vec<_>>(),
        b.store.standing(sink, ids).await.unwrap(),
        b.store.parked(sink, 99).await.unwrap(),
        b.store.next_wake(sink).await.unwrap(),
        b.store.suppression_cursor(sink).await.unwrap(),
    )
}

/// Whatever one office does, nothing that is known of the other moves: neither
/// cursor nor listing, ledger, parked ops, stops or what is due. Both have the
/// same native ids.
async fn rule_9_what_one_office_does_moves_nothing_of_the_other(kind: Kind, folder: &Path) {
    let (main, elm) = neighbours(kind, folder);
    main.seed(6);
    elm.seed(6);
    // Main Street has something of everything: acknowledged, parked, refused, tried, unread.
    main.crm.refuse(&main.contact("2"));
    main.source.set_bad(vec![BadRecord::new(
        RecordKind::Recall,
        Some("r9"),
        "no date",
        b"raw",
    )]);
    main.run().await;
    main.put("3", "Nora");
    main.put("4", "Nora");
    main.crm.fail([Fault::NotNow, Fault::BadToken]);
    main.run().await;
    main.put("5", "Nora");
    main.source.fail([SourceFault::BadKey]);
    main.crm.fail([Fault::Lost(1), Fault::BadToken]);
    main.run().await;
    main.put("5", "Tess");
    main.put("6", "Tess");
    main.crm.fail([Fault::Lost(1), Fault::BadToken]);
    main.run().await;
    // In the end it owes everybody something.
    for n in 1..=6 {
        main.put(&n.to_string(), "Last");
    }
    main.crm.fail([Fault::BadToken]);
    main.run().await;
    assert!(main.due().await.contains(&"2".to_owned()));
    let before = known(&main).await;
    let check = async |did: &str| assert_eq!(known(&main).await, before, "after elm {did}");

    elm.source.set_bad(vec![BadRecord::new(
        RecordKind::Recall,
        Some("r9"),
        "no date",
        b"raw",
    )]);
    elm.run().await;
    check("read the same keys").await;
    elm.source.set_bad(Vec::new());
    elm.source
        .put(odx_core::model::Record::Recall(odx_core::testkit::recall(
            "r9", "1", None,
        )));
    elm.sweep().await;
    check("could read the row again").await;
    for n in 1..=6 {
        elm.put(&n.to_string(), "Other");
    }
    elm.crm.refuse(&elm.contact("5"));
    elm.run().await;
    check("changed and was refused").await;
    elm.crm.recover();
    elm.crm.fail([Fault::NotNow, Fault::BadToken]);
    elm.put("3", "Else");
    elm.run().await;
    check("was told to wait").await;
    elm.crm.set_stops(vec![
        Suppression {
            target: Target::Phone(Phone::parse("503-555-0123").unwrap()),
            channel: Some(Channel::Sms),
            reason: "stop".to_owned(),
        },
        Suppression {
            target: Target::Contact(elm.contact("1")),
            channel: None,
            reason: "stop".to_owned(),
        },
    ]);
    elm.sweep().await;
    check("heard stops for the same numbers").await;
    elm.source.vanish(RecordKind::Patient, "6");
    elm.source.vanish(RecordKind::Recall, "r6");
    elm.sweep().await;
    assert_eq!(elm.sweep().await.gone, 2);
    check("lost somebody").await;
    elm.source.fail([SourceFault::Forgot]);
    elm.run().await;
    check("began its feed again").await;
    // The run of Main Street is still its own.
    let epoch = main.store.epoch().unwrap();
    let source = main.source.id();
    main.store.restart_feed(source, epoch).await.unwrap();
    assert_eq!(
        [main.crm.wrong(), elm.crm.wrong()],
        [const { Vec::<String>::new() }; 2]
    );
}

/// A stop at one office's account says nothing about the other office.
async fn rule_9_a_stop_belongs_to_one_account(kind: Kind, folder: &Path) {
    let (main, elm) = neighbours(kind, folder);
    for b in [&main, &elm] {
        let mut person = b.person("1", "Ana");
        person.consent = crate::bench::consents(true);
        b.source.put(odx_core::model::Record::Patient(person));
        b.run().await;
    }
    elm.crm.set_stops(vec![Suppression {
        target: Target::Phone(Phone::parse("503-555-0123").unwrap()),
        channel: None,
        reason: "stop".to_owned(),
    }]);
    // Main Street has stops as well, of somebody else.
    main.crm.set_stops(vec![Suppression {
        target: Target::Phone(Phone::parse("503-555-0199").unwrap()),
        channel: None,
        reason: "stop".to_owned(),
    }]);
    assert_eq!(elm.run().await.sent, 1);
    assert_eq!(main.run().await.sent, 0);
    // Also when it is looked at again.
    let mut person = main.person("1", "Nora");
    person.consent = crate::bench::consents(true);
    main.source.put(odx_core::model::Record::Patient(person));
    assert_eq!(main.run().await.sent, 1);
    let granted = odx_core::model::ConsentState::Granted;
    assert_eq!(main.crm.contacts()[&main.contact("1")].consent.sms, granted);
    assert_ne!(elm.crm.contacts()[&elm.contact("1")].consent.sms, granted);
}

/// Another office's sink, other names on the same account, or a second office on
/// an account whose names do not tell databases apart: refused before a call.
async fn rule_9_a_wrong_pairing_is_refused_at_start(kind: Kind, folder: &Path) {
    let (main, elm) = neighbours(kind, folder);
    main.seed(3);
    elm.seed(3);
    main.run().await;
    let account = |name: &str, scheme| Account {
        name: name.to_owned(),
        scheme,
    };
    let calls = main.crm.calls().len();
    let with = |crm: &Arc<Crm>| {
        Pipeline::builder(elm.source.clone())
            .policy(
                odx_core::policy::RecallPolicy::new(odx_core::policy::RecallSettings::default())
                    .unwrap(),
            )
            .sink(crm.clone())
            .state(elm.store.clone())
            .office(elm.pipeline().office().clone())
            .clock(Arc::new(elm.clock.clone()))
            .build()
            .unwrap()
    };
    // The sink of Main Street under the source of Elm Street.
    let error = with(&main.crm).run_once(Mode::Live).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("t:main"), "{error}");
    // Elm Street's own sink on Main Street's account, with names that could meet.
    let shared = main.crm.account().name;
    let bare = Arc::new(
        Crm::new("elm", 4, Arc::new(elm.clock.clone()))
            .with_account(account(&shared, IdScheme::Bare)),
    );
    let error = with(&bare).run_once(Mode::Live).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!((main.crm.calls().len(), bare.calls().len()), (calls, 0));
    assert_eq!(bare.list_reads(), 0);
    // With names that tell them apart it may be one account.
    let scoped = Arc::new(
        Crm::new("elm", 4, Arc::new(elm.clock.clone()))
            .with_account(account(&shared, IdScheme::Scoped)),
    );
    assert_eq!(with(&scoped).run_once(Mode::Live).await.unwrap().sent, 6);
    // From then on the names stay as they are.
    let renamed = Arc::new(
        Crm::new("elm", 4, Arc::new(elm.clock.clone()))
            .with_account(account("another", IdScheme::Bare)),
    );
    let error = with(&renamed).run_once(Mode::Live).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(renamed.calls().len(), 0);
}

/// A refused start changes nothing: the run that was there goes on.
async fn rule_9_a_refused_start_takes_nothing_over(kind: Kind, folder: &Path) {
    let (main, elm) = neighbours(kind, folder);
    main.seed(2);
    main.run().await;
    let before = known(&main).await;
    let opening = odx_core::store::Opening {
        source: elm.source.id().clone(),
        sinks: vec![(main.crm.id().clone(), main.crm.account())],
    };
    let error = main.store.open_run(&opening).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(known(&main).await, before);
    let source = main.source.id();
    main.store
        .restart_feed(source, main.store.epoch().unwrap())
        .await
        .unwrap();
}

/// A listing that is half read knows what it has shown, whatever the office next
/// door lists meanwhile.
async fn rule_9_a_listing_counts_for_its_own_office(kind: Kind, folder: &Path) {
    let (main, elm) = neighbours(kind, folder);
    main.seed(15);
    elm.seed(15);
    main.run().await;
    elm.run().await;
    for _ in 0..3 {
        main.clock
            .advance(std::time::Duration::from_secs(25 * 3600));
        main.fail_reading(2, vec![SourceFault::BadKey]);
        assert!(!main.run().await.complete);
        elm.sweep().await;
        let report = main.run().await;
        assert_eq!((report.complete, report.gone, report.held), (true, 0, 0));
    }
}

/// Names that do not tell databases apart, on accounts that are apart.
async fn rule_9_bare_names_on_two_accounts_never_meet(kind: Kind, folder: &Path) {
    let (mut main, mut elm) = neighbours(kind, folder);
    for b in [&mut main, &mut elm] {
        let account = Account {
            name: format!("{} alone", b.name),
            scheme: IdScheme::Bare,
        };
        let crm = Crm::new(b.name, 4, Arc::new(b.clock.clone()));
        b.crm = Arc::new(crm.with_account(account));
        b.seed(2);
    }
    let id = odx_core::ExternalId::from_kept("t:1");
    assert_eq!(main.run().await.sent, 4);
    let known = main.standing(&id).await.acknowledged;
    assert!(known.is_some());
    elm.source.fail([SourceFault::BadKey]);
    elm.run().await;
    assert_eq!(elm.standing(&id).await.acknowledged, None);
    assert_eq!(elm.run().await.sent, 4);
    assert_eq!(main.standing(&id).await.acknowledged, known);
    assert_ne!(
        elm.standing(&id).await.acknowledged.unwrap().hash,
        known.unwrap().hash
    );
    for b in [&main, &elm] {
        let contacts = b.crm.contacts();
        assert!(contacts[&id].last_name.expose().starts_with(b.name));
        assert_eq!(contacts.len(), 2);
    }
}

every_store! {
    rule_9_what_one_office_does_moves_nothing_of_the_other
    rule_9_a_stop_belongs_to_one_account
    rule_9_a_listing_counts_for_its_own_office
    rule_9_bare_names_on_two_accounts_never_meet
    rule_9_a_wrong_pairing_is_refused_at_start
    rule_9_a_refused_start_takes_nothing_over
}
