//! Deliveries that come at once share a transaction, and its wait for the disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{Inner, failed, inbox, stopped_by_a_panic};
use crate::error::{Error, Result};
use crate::failpoint::{broken, reach};
use crate::id::SourceId;
use crate::push::Delivery;

/// Bodies in one transaction, at the most, unless one alone is larger: what
/// waits for it should not wait long.
const TOGETHER: usize = 16 << 20;

/// Those who wait for the next transaction.
#[derive(Default)]
pub(super) struct Queue(Mutex<Line>);

#[derive(Default)]
struct Line {
    waiting: Vec<Waiting>,
    /// Somebody is storing, and will come back for those who wait.
    served: bool,
}

struct Waiting {
    source: SourceId,
    delivery: Delivery,
    packed: Vec<u8>,
    answer: oneshot::Sender<Result<bool>>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next group.
    fn next(&self) -> Vec<Waiting> {
        let mut line = self.lock();
        let mut size = 0;
        let fits = line.waiting.iter().take_while(|one| {
            let first = size == 0;
            size += one.packed.len().max(1);
            first || size <= TOGETHER
        });
        let fits = fits.count();
        line.waiting.drain(..fits).collect()
    }

    /// Whether nobody waits. Whoever comes next must then see to it themselves.
    fn is_done(&self) -> bool {
        let mut line = self.lock();
        line.served = !line.waiting.is_empty();
        !line.served
    }
}

/// Stores a delivery with whoever else comes meanwhile. Dropped, it is stored
/// or not, whole in any case.
pub(super) async fn receive(
    inner: &Arc<Inner>,
    source: &SourceId,
    delivery: Delivery,
) -> Result<bool> {
    let packed = inbox::pack(delivery.body().expose());
    let (answer, answered) = oneshot::channel();
    let leads = {
        let mut line = inner.queue.lock();
        line.waiting.push(Waiting {
            source: source.clone(),
            delivery,
            packed,
            answer,
        });
        !std::mem::replace(&mut line.served, true)
    };
    if leads {
        let server = Server {
            inner: Arc::clone(inner),
            done: false,
        };
        // Runs on although nobody waits for it: those in the line do.
        drop(tokio::task::spawn_blocking(move || server.serve()));
    }
    if broken("broken.receive") {
        return Ok(true);
    }
    match answered.await {
        Ok(stored) => stored,
        Err(_) => Err(stopped_by_a_panic()),
    }
}

/// Whoever stores for the whole line.
struct Server {
    inner: Arc<Inner>,
    done: bool,
}

impl Server {
    /// Stores group after group until nobody waits. Between two of them whoever
    /// else wants to write gets their turn: the writer's lock is a fair one.
    fn serve(mut self) {
        loop {
            let mut db = self.inner.writer.blocking_lock();
            // Only now: whoever came while the writer was busy is in it as well.
            let group = self.inner.queue.next();
            let stored = db
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(failed)
                .and_then(|transaction| store(transaction, &group));
            drop(db);
            if stored.as_ref().is_ok_and(|fresh| fresh.contains(&true)) {
                self.inner.bell.send_replace(());
            }
            if self.inner.queue.is_done() {
                self.done = true;
                // Whoever has the last answer may close the store, and open it anew.
                drop(self);
                return answer(group, stored);
            }
            answer(group, stored);
        }
    }
}

fn answer(group: Vec<Waiting>, stored: Result<Vec<bool>>) {
    match stored {
        Ok(fresh) => {
            reach("receive.after_commit");
            for (one, fresh) in group.into_iter().zip(fresh) {
                // Whoever does not wait any more need not know.
                drop(one.answer.send(Ok(fresh)));
            }
        }
        Err(error) => {
            for one in group {
                let same = Error::new(error.kind(), error.chain());
                drop(one.answer.send(Err(same)));
            }
        }
    }
}

/// After a panic, or where it never began, nobody is left waiting: their ends of
/// the line are dropped.
impl Drop for Server {
    fn drop(&mut self) {
        if !self.done {
            let mut line = self.inner.queue.lock();
            line.served = false;
            line.waiting.clear();
        }
    }
}

/// Which of them are new.
fn store(transaction: Transaction<'_>, group: &[Waiting]) -> Result<Vec<bool>> {
    let fresh = group
        .iter()
        .map(|one| inbox::receive(&transaction, &one.source, &one.delivery, &one.packed))
        .collect::<Result<_>>()?;
    reach("receive.in_transaction");
    match transaction.commit().map_err(failed) {
        Err(error) if !broken("broken.state.commit") => Err(error),
        _ => Ok(fresh),
    }
}
