//! Rule 10: nothing that is printed shows a patient or a secret.

use std::path::Path;

use odx_core::model::{Email, Phone, Record};
use odx_core::sink::CrmSink as _;
use odx_core::source::{Change, Cursor, Page, Position, PracticeSource as _};
use odx_core::store::{Brake, DueQuery, Epoch, PageCommit, StateStore as _};
use odx_core::testkit::Canaries;
use odx_core::{Phi, Secret};

use crate::bench::crm::Fault;
use crate::bench::{Bench, Kind, noon, store};

const NAME: &str = "Quetzalcoatl";
const BORN: &str = "1987-03-14";

fn planted() -> Canaries {
    Canaries::new([
        NAME,
        "(503) 555-0187",
        "zyx@canary.example",
        BORN,
        "tok-77aa",
    ])
}

/// `Debug` of everything that holds a patient, on its way and at rest.
async fn rule_10_debug_shows_no_patient(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 5);
    let mut person = b.person("1", NAME);
    person.last_name = format!("main {NAME}").into();
    person.preferred_name = Some(Phi::new(NAME.to_owned()));
    person.born = BORN.parse().ok().map(Phi::new);
    person.mobile = Phone::parse("(503) 555-0187").ok();
    person.email = Email::parse("zyx@canary.example").ok();
    let record = Record::Patient(person);
    b.source.put(record.clone());
    let page = Page {
        changes: vec![Change::Upsert(record.clone())],
        swept: Vec::new(),
        position: Position::CaughtUp(Cursor::new("1")),
    };
    let commit = PageCommit {
        source: b.source.id().clone(),
        epoch: Epoch(1),
        from: None,
        page: page.clone(),
        today: noon().date_naive(),
        now: noon(),
        brake: Brake::default(),
        delivered: Vec::new(),
    };
    b.crm.fail([Fault::Lost(1), Fault::NotNow]);
    let report = b.run().await;
    let query = DueQuery {
        source: b.source.id().clone(),
        sink: b.crm.id().clone(),
        ids: b.ids(),
        today: noon().date_naive(),
        now: noon(),
        limit: 9,
        after: None,
    };
    b.source.put(Record::Patient(b.person("1", NAME)));
    b.crm.fail([Fault::BadToken]);
    b.run().await;
    let due = b.store.due(&query).await.unwrap();
    let standing = b.standing(&b.contact("1")).await;
    let writes = b.crm.writes();
    assert!(!writes.is_empty() && !due.is_empty());
    let canaries = planted();
    for (what, text) in [
        ("a record", format!("{record:?}")),
        ("a page", format!("{page:?} {commit:?}")),
        ("what is due", format!("{due:?} {query:?}")),
        ("a standing", format!("{standing:?}")),
        ("a write", format!("{writes:?}")),
        ("a contact", format!("{:?}", b.crm.contacts())),
        (
            "a report",
            format!("{report:?} {}", serde_json::to_string(&report).unwrap()),
        ),
        ("a pipeline", format!("{:?}", b.pipeline())),
        ("a store", format!("{:?}", b.store)),
        ("a secret", format!("{:?}", Secret::new("tok-77aa"))),
    ] {
        canaries.assert_absent(what, &text);
    }
}

/// The search itself finds what a type shows that derives `Debug` over the
/// inner value.
#[test]
fn rule_10_a_type_that_derives_debug_over_a_name_is_found() {
    #[derive(Debug)]
    #[allow(dead_code, reason = "only printed")]
    struct Careless {
        name: String,
        born: chrono::NaiveDate,
    }
    let careless = Careless {
        name: NAME.to_owned(),
        born: BORN.parse().unwrap(),
    };
    assert!(planted().found_in(&format!("{careless:?}")).is_some());
    let careful = Phi::new(careless);
    assert_eq!(planted().found_in(&format!("{careful:?}")), None);
}

every_store! {
    rule_10_debug_shows_no_patient
}
