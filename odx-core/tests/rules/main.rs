//! The rules that must not break, one by one: remove a rule from the code, and
//! a test that names it fails.
//!
//! Rule 7 (what cannot be taken back: claim, act, settle) has files of its own,
//! `effects.rs` and `effects_killed.rs`. Of rule 8 there is the dry run and the
//! first import; enrollments and the cap of a first live run do not exist yet.
//! Rule 10 is searched for again, with everything traced, in `canaries.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

#[path = "../bench/mod.rs"]
mod bench;

/// A test that hangs has failed, also one that never waits.
fn in_time<T: Future<Output = ()>>(test: impl FnOnce() -> T + Send + 'static) {
    let (done, end) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test());
        // Nobody listens any more only after a time-out.
        let _heard = done.send(());
    });
    match end.recv_timeout(std::time::Duration::from_secs(30)) {
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap(),
    }
}

/// The same test for every store: a rule that the store decides is decided twice.
macro_rules! every_store {
    ($($name:ident)*) => {
        mod memory {
            use std::path::Path;
            $(#[test] fn $name() {
                crate::in_time(|| super::$name(crate::bench::Kind::Memory, Path::new("")));
            })*
        }
        mod sqlite {
            $(#[test] fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().to_owned();
                crate::in_time(move || async move {
                    super::$name(crate::bench::Kind::Sqlite, &path).await;
                });
            })*
        }
    };
}

mod apart;
mod listing;
mod pace;
mod page;
mod quiet;
mod silence;
mod telling;
mod told;
