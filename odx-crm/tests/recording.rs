//! The sink that only takes notes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

mod common;

use common::{ana, config, contact, recall, task};
use odx_core::sink::{CrmSink, Outcome};
use odx_crm::RecordingSink;

#[tokio::test]
async fn it_stands_in_for_a_sink_and_remembers_in_order() {
    let real = config("https://crm.example").build().unwrap();
    let recording = RecordingSink::in_place_of(&real);
    assert_eq!(recording.id(), real.id());
    assert_eq!(recording.account(), real.account());
    assert_eq!(recording.limits(), real.limits());
    let batch = [contact(ana(), 0), task(recall(), 0)];
    let got = recording.apply(&batch).await.unwrap();
    assert_eq!(got, vec![Outcome::Applied { remote_id: None }; 2]);
    let ops: Vec<_> = batch.iter().map(|delivery| delivery.op.clone()).collect();
    assert_eq!(recording.applied(), ops);
    assert_eq!(recording.requests() + real.requests(), 0);
}
