//! One test per oddity of Chairside.

#![allow(clippy::unwrap_used, reason = "tests: a panic is the failure")]

use std::fs::OpenOptions;
use std::io::Write;

use odx_core::SourceId;
use odx_core::source::{PracticeSource, PullRequest};
use own_adapter::Chairside;

#[tokio::test]
async fn a_line_that_is_still_being_written_is_left_for_the_next_pull() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let write = |text: &str| {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let source = Chairside::new(SourceId::new("chair", "main-st").unwrap(), path.clone());
    write("{\"journal\":\"first\"}\n{\"kind\":\"recall\",");
    let page = source.pull(PullRequest::default()).await.unwrap();
    assert_eq!(page.changes.len(), 0);
    write("\"id\":\"1\"}\n");
    let next = PullRequest::after(Some(page.position.cursor().clone()));
    assert_eq!(source.pull(next).await.unwrap().changes.len(), 1);
}
