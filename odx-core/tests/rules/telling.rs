//! Rules 2 to 5: what a CRM is told, in which order, and what is remembered.

use std::path::Path;
use std::time::Duration;

use odx_core::crm::{Body, TaskStatus};
use odx_core::model::{PatientStatus, Record, RecordKey};
use odx_core::policy::{Desired, Policy, PolicyContext, RecallPolicy, RecallSettings};
use odx_core::sink::CrmSink as _;
use odx_core::source::{Change, Page, Position, PracticeSource as _};
use odx_core::store::{Brake, Hold, PageCommit, StateStore as _};
use odx_core::testkit::recall;
use odx_core::{HouseholdKey, Mode, PatientKey};

use crate::bench::crm::Fault;
use crate::bench::spy::Asked;
use crate::bench::{Bench, Kind, day, noon, store};

/// The token dies after some of a household: the rest is still owed, though the
/// practice says nothing new.
async fn rule_2_a_household_is_due_until_every_op_of_it_is_answered(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(3);
    b.crm.fail([
        Fault::Fine,
        Fault::Fine,
        Fault::Fine,
        Fault::Fine,
        Fault::BadToken,
    ]);
    let report = b.run().await;
    assert_eq!((report.sent, report.complete), (4, false));
    assert_eq!(b.due().await.len(), 2, "two of three tasks were not sent");
    assert_eq!(b.run().await.sent, 2);
    assert_eq!(b.due().await, Vec::<String>::new());
}

/// What is set aside says why, counts as settled, and comes back by itself.
async fn rule_2_what_is_parked_has_a_reason_and_comes_back(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 10);
    b.put("1", "Ana");
    b.put("2", "Ana");
    let poor = b.contact("2");
    b.crm.refuse(&poor);
    b.crm.fail([Fault::NotNow, Fault::BadToken]);
    assert!(!b.run().await.complete);
    let sink = b.crm.id();
    let parked = b.store.parked(sink, 9).await.unwrap();
    assert_eq!(parked.len(), 2);
    assert!(parked.iter().all(|parked| parked.reason.contains("503")));
    b.clock.advance(Duration::from_secs(60));
    let report = b.run().await;
    assert_eq!((report.sent, report.refused, report.waiting), (1, 1, 0));
    let parked = b.store.parked(sink, 9).await.unwrap();
    assert_eq!(
        (&parked[0].external_id, parked[0].hold),
        (&poor, Hold::Refused)
    );
    assert!(parked[0].reason.contains("422"));
    // Parked for good is settled: nobody looks at it again for nothing.
    assert_eq!(b.due().await, Vec::<String>::new());
}

/// The practice changes a row while its older state is on its way.
async fn rule_2_a_change_meanwhile_keeps_the_household_due(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.put("1", "Ana");
    b.store.hold();
    let change = async {
        b.store.held().await;
        let source = b.source.id().clone();
        let from = b.store.cursor(&source).await.unwrap();
        let commit = PageCommit {
            source,
            epoch: b.store.epoch().unwrap(),
            page: Page {
                changes: vec![Change::Upsert(Record::Patient(b.person("1", "Nora")))],
                swept: Vec::new(),
                position: Position::CaughtUp(from.clone().unwrap()),
            },
            from,
            today: noon().date_naive(),
            now: noon(),
            brake: Brake::default(),
            delivered: Vec::new(),
        };
        b.store.commit_page(commit).await.unwrap();
        b.store.release();
    };
    let (report, ()) = tokio::join!(b.run(), change);
    assert_eq!((report.sent, b.name_of("1").as_str()), (2, "Nora"));
}

/// A patient moves to another household while something of theirs is set aside:
/// the old household gives it up, the new one must not lose it.
async fn rule_2_what_is_parked_moves_with_its_patient(kind: Kind, folder: &Path) {
    for (waits, from, to) in [
        (false, "1", "2"),
        (true, "1", "2"),
        (false, "2", "1"),
        (true, "2", "1"),
    ] {
        let folder = folder.join(format!("{waits}{from}"));
        std::fs::create_dir_all(&folder).ok();
        let b = Bench::new("main", store(kind, &folder), 1);
        let live_in = |household: &str, name: &str| {
            let mut person = b.person("7", name);
            person.household = HouseholdKey::new(household);
            b.source.put(Record::Patient(person));
        };
        b.put("1", "Ana");
        b.put("2", "Ana");
        live_in(from, "Ana");
        b.run().await;
        live_in(from, "Nora");
        b.crm.fail([Fault::NotNow, Fault::BadToken]);
        b.run().await;
        live_in(to, "Tess");
        if waits {
            // As early as it was set aside: its time has not come.
            b.clock.set(noon());
        } else {
            // Its time has come, and it is turned away once more.
            b.clock.advance(Duration::from_secs(60));
            b.crm.fail([Fault::NotNow]);
        }
        let report = b.run().await;
        assert_eq!((report.complete, report.waiting), (true, 0));
        assert_eq!(
            b.name_of("7"),
            "Tess",
            "from {from} to {to}, waiting {waits}"
        );
    }
}

/// Answers that could not be stored were not given: the sink is told again, and
/// takes it for the repeat that it is.
async fn rule_2_an_answer_that_was_not_stored_did_not_happen(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(3);
    b.store.fail(Asked::Acks, 1);
    b.try_run().await.unwrap_err();
    assert_eq!(b.standing(&b.contact("1")).await.acknowledged, None);
    assert_eq!(b.due().await.len(), 3);
    b.run().await;
    assert_eq!(b.crm.writes().len(), 6, "a repeat must carry the same key");
    assert_eq!(b.due().await, Vec::<String>::new());
}

/// The ledger, not the practice's stamps and not the CRM, says what to send.
async fn rule_3_the_ledger_alone_says_what_was_sent(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 4);
    b.seed(3);
    assert_eq!(b.run().await.sent, 6);
    // Restamped, but the same.
    b.seed(3);
    let report = b.run().await;
    assert_eq!((report.sent, report.changed), (0, 0));
    // A household that is looked at again although all is known.
    b.put("1", "Nora");
    b.run().await;
    let report = b.run().await;
    assert_eq!((report.sent, report.households), (0, 0));
    let known = b.standing(&b.contact("1")).await.acknowledged.unwrap();
    assert_eq!(known.generation, 2, "the second change of this record");
    // Looked at because its task moved: the contact is as the ledger says.
    b.source
        .put(Record::Recall(recall("r1", "1", Some(day(-2)))));
    let report = b.run().await;
    assert_eq!((report.sent, report.unchanged), (1, 1));
    // Who has no ledger says everything again, under the same names.
    let empty = tempfile::tempdir().unwrap();
    let mut again = Bench::new("main", store(kind, empty.path()), 4);
    again.source = b.source.clone();
    again.crm = b.crm.clone();
    assert_eq!(again.run().await.sent, 6);
    assert_eq!((b.crm.contacts().len(), b.crm.tasks().len()), (3, 3));
}

/// The recall policy after somebody changed its mind about something.
#[derive(Debug)]
struct Revised(RecallPolicy);

impl Policy for Revised {
    fn version(&self) -> u32 {
        self.0.version() + 1
    }

    fn desired(&self, view: &odx_core::model::HouseholdView, cx: &PolicyContext<'_>) -> Desired {
        self.0.desired(view, cx)
    }
}

/// The version of the policy is part of what was sent.
async fn rule_3_the_test_is_the_content_under_the_policys_version(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 4);
    b.seed(1);
    b.run().await;
    let revised = odx_core::Pipeline::builder(b.source.clone())
        .policy(Revised(
            RecallPolicy::new(RecallSettings::default()).unwrap(),
        ))
        .sink(b.crm.clone())
        .state(b.store.clone())
        .office(b.pipeline().office().clone())
        .clock(std::sync::Arc::new(b.clock.clone()))
        .build()
        .unwrap();
    // Due because the task moved. The contact is the same, but the policy is not.
    b.source
        .put(Record::Recall(recall("r1", "1", Some(day(-2)))));
    let report = revised.run_once(Mode::Live).await.unwrap();
    assert_eq!(
        report.sent, 2,
        "the contact under the new policy, and the task"
    );
}

/// Nothing is remembered as acknowledged that was not answered with yes.
async fn rule_3_only_a_yes_is_remembered(kind: Kind, folder: &Path) {
    for fault in [
        Fault::Down,
        Fault::Lost(9),
        Fault::NotNow,
        Fault::Refuse,
        Fault::SlowDown(None),
        Fault::BadToken,
    ] {
        let folder = folder.join(format!("{fault:?}").replace(['(', ')'], ""));
        std::fs::create_dir_all(&folder).ok();
        let b = Bench::new("main", store(kind, &folder), 10);
        b.put("1", "Ana");
        b.crm.fail([fault.clone(), Fault::BadToken]);
        b.run().await;
        let known = b.standing(&b.contact("1")).await.acknowledged;
        assert_eq!(known, None, "{fault:?}");
    }
}

/// What is about to be sent is stored before it is, so a value that goes there
/// and back around a lost answer, or around the end of the process, ends right.
async fn rule_3_what_may_have_arrived_is_never_taken_for_what_the_ledger_says(
    kind: Kind,
    folder: &Path,
) {
    for ending in ["lost", "hang"] {
        let folder = folder.join(ending);
        std::fs::create_dir_all(&folder).ok();
        let b = Bench::new("main", store(kind, &folder), 1);
        b.put("1", "Ana");
        b.run().await;
        b.put("1", "Nora");
        if ending == "lost" {
            b.crm.fail([Fault::Lost(1), Fault::BadToken]);
            b.run().await;
        } else {
            // The process ends while the answer is on its way.
            b.crm.fail([Fault::Hang]);
            let (run, calls) = (b.try_run(), b.crm.calls().len());
            let sent = async {
                while b.crm.calls().len() == calls {
                    tokio::task::yield_now().await;
                }
            };
            futures::future::select(std::pin::pin!(run), std::pin::pin!(sent)).await;
        }
        let asked = b.store.asked();
        assert!(asked.contains(&Asked::Departure));
        assert_eq!(b.name_of("1"), "Nora");
        b.put("1", "Ana");
        assert_eq!(b.run().await.sent, 1, "{ending}");
        assert_eq!(b.name_of("1"), "Ana", "{ending}");
        assert_eq!(b.crm.writes().len(), 3, "three changes, three keys");
    }
}

/// Every contact before what hangs from it, however ops are batched.
async fn rule_4_contact_before_task(kind: Kind, folder: &Path) {
    for batch in [1, 3, 100] {
        let folder = folder.join(batch.to_string());
        std::fs::create_dir_all(&folder).ok();
        let b = Bench::new("main", store(kind, &folder), batch);
        b.seed(20);
        b.run().await;
        let log = b.crm.writes();
        let at = |id| log.iter().position(|write| write.id == id).unwrap();
        for n in 1..=20 {
            let (contact, task) = (b.contact(&n.to_string()), b.task(&format!("r{n}")));
            assert!(at(contact) < at(task), "{n} in batches of {batch}");
        }
        assert_eq!(b.crm.wrong(), Vec::<String>::new());
    }
}

/// Also where the contact is there from before, but not in its newest state.
async fn rule_4_a_task_waits_for_its_contact(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.put("1", "Ana");
    b.run().await;
    for fault in [Fault::NotNow, Fault::Refuse, Fault::Lost(1)] {
        let tasks = b.crm.tasks().len();
        b.put("1", &format!("{fault:?}"));
        let due = day(i64::try_from(tasks).unwrap() - 40);
        let key = format!("r{tasks}");
        b.source.put(Record::Recall(recall(&key, "1", Some(due))));
        b.crm.fail([fault.clone(), Fault::BadToken]);
        let report = b.run().await;
        assert_eq!(b.crm.tasks().len(), tasks, "{fault:?}: {report:?}");
        assert_eq!(report.blocked, 1);
        b.crm.recover();
        b.clock.advance(Duration::from_secs(60));
        b.put("1", "Mended");
        b.run().await;
        assert_eq!(b.crm.tasks().len(), tasks + 1, "{fault:?}");
    }
}

/// A task that comes while its contact is set aside waits as well.
async fn rule_4_a_task_waits_for_a_contact_that_is_set_aside(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.put("1", "Ana");
    b.run().await;
    b.crm.refuse(&b.contact("1"));
    b.put("1", "Nora");
    assert_eq!(b.run().await.refused, 1);
    b.source
        .put(Record::Recall(recall("r1", "1", Some(day(-50)))));
    b.run().await;
    // It was refused once more with its new tag; now only the task is new.
    b.source
        .put(Record::Recall(recall("r1", "1", Some(day(-51)))));
    let report = b.run().await;
    assert_eq!((report.refused, report.blocked), (1, 1));
    assert_eq!(b.crm.tasks().len(), 0);
    let parked = b.store.parked(b.crm.id(), 9).await.unwrap();
    assert!(
        parked
            .iter()
            .any(|p| p.hold == Hold::Blocked && p.reason.contains("its contact"))
    );
    b.crm.recover();
    b.put("1", "Tess");
    assert_eq!(b.run().await.sent, 2);
    assert_eq!(b.crm.wrong(), Vec::<String>::new());
}

/// An op that waits is sent as it is when its time comes, not as it was.
async fn rule_4_never_an_older_state_after_a_newer_one(kind: Kind, folder: &Path) {
    for fault in [
        Fault::NotNow,
        Fault::Down,
        Fault::Lost(1),
        Fault::SlowDown(None),
    ] {
        let folder = folder.join(format!("{fault:?}").replace(['(', ')'], ""));
        std::fs::create_dir_all(&folder).ok();
        let b = Bench::new("main", store(kind, &folder), 1);
        b.put("1", "First");
        b.run().await;
        b.put("1", "Second");
        b.crm.fail([fault.clone(), Fault::BadToken]);
        b.run().await;
        b.put("1", "Third");
        b.clock.advance(Duration::from_secs(60));
        b.run().await;
        for _ in 0..3 {
            b.clock.advance(Duration::from_secs(600));
            b.run().await;
        }
        let names: Vec<String> = b
            .crm
            .writes()
            .iter()
            .map(|write| match &write.body {
                Body::Contact(contact) => contact.first_name.expose().clone(),
                Body::Task(_) => panic!("there is no recall"),
            })
            .collect();
        let expected: &[&str] = match fault {
            Fault::Lost(_) => &["First", "Second", "Third"],
            _ => &["First", "Third"],
        };
        assert_eq!(names, expected, "{fault:?}");
    }
}

/// Nothing is created to be closed: neither people nor recalls that were never
/// worth telling.
async fn rule_5_nothing_is_created_to_be_closed(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 3);
    for (key, status) in [
        ("1", PatientStatus::Archived),
        ("2", PatientStatus::Deceased),
        ("3", PatientStatus::Active),
    ] {
        let mut person = b.person(key, "Ana");
        person.status = status;
        b.source.put(Record::Patient(person));
        let key = format!("r{key}");
        b.source.put(Record::Recall(recall(&key, &key[1..], None)));
    }
    b.run().await;
    let contacts: Vec<_> = b.crm.contacts().into_keys().collect();
    assert_eq!(contacts, [b.contact("3")]);
    assert_eq!(b.crm.tasks().len(), 0);
}

/// What is gone at the practice stays in the CRM, at rest.
async fn rule_5_what_is_gone_is_closed_and_stays(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 3);
    b.seed(3);
    b.run().await;
    b.source.delete(&RecordKey::Patient(PatientKey::new("2")));
    b.run().await;
    let (contacts, tasks) = (b.crm.contacts(), b.crm.tasks());
    assert_eq!((contacts.len(), tasks.len()), (3, 3));
    assert_eq!(contacts[&b.contact("2")].tags, ["odx-inactive"]);
    assert_eq!(tasks[&b.task("r2")].status, TaskStatus::Cancelled);
    assert_eq!(tasks[&b.task("r1")].status, TaskStatus::Open);
    // The household itself moves away: the record keeps its name.
    let mut moved = b.person("3", "Ana");
    moved.household = HouseholdKey::new("1");
    b.source.put(Record::Patient(moved));
    b.run().await;
    assert_eq!(b.crm.contacts().len(), 3);
}

every_store! {
    rule_2_a_household_is_due_until_every_op_of_it_is_answered
    rule_2_what_is_parked_has_a_reason_and_comes_back
    rule_2_a_change_meanwhile_keeps_the_household_due
    rule_2_what_is_parked_moves_with_its_patient
    rule_2_an_answer_that_was_not_stored_did_not_happen
    rule_3_the_ledger_alone_says_what_was_sent
    rule_3_the_test_is_the_content_under_the_policys_version
    rule_3_only_a_yes_is_remembered
    rule_3_what_may_have_arrived_is_never_taken_for_what_the_ledger_says
    rule_4_contact_before_task
    rule_4_a_task_waits_for_its_contact
    rule_4_a_task_waits_for_a_contact_that_is_set_aside
    rule_4_never_an_older_state_after_a_newer_one
    rule_5_nothing_is_created_to_be_closed
    rule_5_what_is_gone_is_closed_and_stays
}
