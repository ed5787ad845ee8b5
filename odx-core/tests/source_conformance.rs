//! The practice in memory passes the checks that every adapter passes.

#![allow(clippy::unwrap_used, reason = "tests: a panic is the failure")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use odx_core::model::{BadRecord, Record, RecordKey, RecordKind};
use odx_core::source::PracticeSource;
use odx_core::testkit::conformance::{SourceHarness, Supported};
use odx_core::testkit::{MemorySource, SourceFault};
use odx_core::{Result, SourceId};

struct InMemory {
    practice: MemorySource,
    bad: Mutex<Vec<BadRecord>>,
}

impl InMemory {
    fn mend(&self, key: &RecordKey) {
        let mut bad = self.bad.lock().unwrap();
        bad.retain(|bad| bad.kind != key.kind() || bad.native != key.native());
        self.practice.set_bad(bad.clone());
    }
}

#[async_trait]
impl SourceHarness for InMemory {
    async fn start() -> Self {
        Self {
            practice: MemorySource::new(SourceId::new("t", "main-st").unwrap(), 5),
            bad: Mutex::default(),
        }
    }

    fn source(&self) -> Arc<dyn PracticeSource> {
        Arc::new(self.practice.clone())
    }

    async fn put(&self, record: Record) -> Result<()> {
        self.mend(&record.key());
        self.practice.put(record);
        Ok(())
    }

    async fn delete(&self, key: RecordKey) -> Result<()> {
        self.practice.delete(&key);
        Ok(())
    }

    async fn fail_next(&self, fault: SourceFault) -> Supported {
        self.practice.fail([fault]);
        Supported::Yes
    }

    async fn recover(&self) {
        self.practice.recover();
    }

    async fn fail_after(&self, _good: u64, _fault: SourceFault) -> Supported {
        Supported::No("one call is one request here: fail_next says it all")
    }

    async fn put_unreadable(&self, record: Record, spoiled: &str) -> Supported {
        self.mend(&record.key());
        self.practice.vanish(record.kind(), record.native());
        let row = BadRecord::new(
            record.kind(),
            Some(record.native()),
            "a status that is not known",
            spoiled.as_bytes(),
        );
        self.bad.lock().unwrap().push(row);
        self.practice.set_bad(self.bad.lock().unwrap().clone());
        Supported::Yes
    }

    async fn put_late(&self, _record: Record, _by: Duration) -> Supported {
        Supported::No("changes are numbered, not timed: none can be late")
    }

    async fn turn_back(&self, _by: Duration) -> Supported {
        Supported::No("changes are numbered, not timed: there is no clock")
    }

    fn wall_clock(&self) -> Option<chrono::NaiveDateTime> {
        Some(chrono::NaiveDate::from_ymd_opt(2026, 11, 20)?.and_time(chrono::NaiveTime::MIN))
    }

    fn kinds(&self) -> Vec<RecordKind> {
        RecordKind::ALL.to_vec()
    }
}

odx_core::source_conformance!(InMemory);
