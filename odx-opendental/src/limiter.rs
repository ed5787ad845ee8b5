//! Pacing, per customer key and for the whole process: the vendor's window is
//! shared by everything that uses a key.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use odx_core::{LedgerHash, Secret};
use tokio::sync::watch;

use crate::wire;

/// A key with nothing but Read All. Also assumed while the tier is unknown.
const FREE: Duration = Duration::from_secs(5);
/// Any other permission speeds up every request.
const PAID: Duration = Duration::from_secs(1);
const ENTERPRISE: Duration = Duration::from_millis(500);

static SHARED: LazyLock<Mutex<HashMap<LedgerHash, Arc<Shared>>>> = LazyLock::new(Mutex::default);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// One at a time waits for the window, in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    /// How many writes wait, in the turn or for it.
    writes: watch::Sender<usize>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            writes: watch::Sender::new(0),
        }
    }
}

/// A write that waits. It counts until it is dropped, however it ends.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(writes: &'a watch::Sender<usize>) -> Self {
        writes.send_modify(|waiting| *waiting += 1);
        Self(writes)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

#[derive(Debug, Default)]
struct State {
    /// What the key's permissions call for, once they were read.
    learned: Option<Duration>,
    /// The limiter in use and the interval it keeps.
    limiter: Option<(Duration, Arc<DefaultDirectRateLimiter>)>,
}

/// The pace of one client.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    shared: Arc<Shared>,
    fixed: Option<Duration>,
}

impl Pace {
    /// The pace of everything that uses this key. Kept under a digest, so that
    /// the key itself is in no map.
    pub(crate) fn of(customer_key: &Secret, fixed: Option<Duration>) -> Self {
        let digest = LedgerHash::of(customer_key.expose().as_bytes());
        let shared = Arc::clone(
            SHARED
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(digest)
                .or_default(),
        );
        Self { shared, fixed }
    }

    /// Whether the interval was set by hand: it then holds for every address.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// The interval in use.
    pub(crate) fn interval(&self) -> Duration {
        self.fixed.or_else(|| self.state().learned).unwrap_or(FREE)
    }

    /// Takes over what the permissions say about the tier.
    pub(crate) fn learn(&self, granted: &[String]) {
        self.state().learned = Some(interval_of(granted));
    }

    /// Returns when the next read may start. The interval runs from start to
    /// start: the vendor counts the run time of a request into it. While a
    /// write of the same key waits, it goes first.
    pub(crate) async fn ready(&self) {
        if self.interval().is_zero() {
            return;
        }
        let mut writes = self.shared.writes.subscribe();
        loop {
            // It cannot fail: the sender lives as long as what is shared.
            drop(writes.wait_for(|waiting| *waiting == 0).await);
            let _turn = self.shared.turn.lock().await;
            tokio::select! {
                biased;
                _ = writes.wait_for(|waiting| *waiting > 0) => {}
                () = self.window() => return,
            }
        }
    }

    /// Returns when the next write may start: before every read that waits.
    pub(crate) async fn ready_to_write(&self) {
        if self.interval().is_zero() {
            return;
        }
        let _waiting = Waiting::new(&self.shared.writes);
        let _turn = self.shared.turn.lock().await;
        self.window().await;
    }

    /// Takes one request out of the window of the key.
    async fn window(&self) {
        if let Some(limiter) = self.limiter(self.interval()) {
            limiter.until_ready().await;
        }
    }

    fn limiter(&self, interval: Duration) -> Option<Arc<DefaultDirectRateLimiter>> {
        let mut state = self.state();
        if let Some((kept, limiter)) = &state.limiter
            && *kept == interval
        {
            return Some(Arc::clone(limiter));
        }
        let fresh = Arc::new(RateLimiter::direct(Quota::with_period(interval)?));
        if state.limiter.is_some() {
            // The request before the change has just used the one that a new limiter has free.
            drop(fresh.check());
        }
        state.limiter = Some((interval, Arc::clone(&fresh)));
        Some(fresh)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The vendor's throttle for a key with these permissions.
fn interval_of(granted: &[String]) -> Duration {
    let has = |name: &str| granted.iter().any(|p| p.eq_ignore_ascii_case(name));
    if has("ApiEnterprise") {
        ENTERPRISE
    } else if granted
        .iter()
        .any(|p| !p.eq_ignore_ascii_case("ApiReadAll"))
    {
        PAID
    } else {
        FREE
    }
}

/// The names of the permissions that were granted.
pub(crate) fn granted(rows: Vec<wire::Permission<'_>>) -> Vec<String> {
    rows.into_iter()
        .filter(|row| row.has_permission.get() == Some(true))
        .map(|row| row.permission.into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn any_paid_permission_moves_every_request_to_one_second() {
        assert_eq!(interval_of(&names(&["ApiReadAll"])), FREE);
        assert_eq!(interval_of(&names(&["ApiReadAll", "ApiComm"])), PAID);
        assert_eq!(
            interval_of(&names(&["ApiReadAll", "ApiComm", "ApiEnterprise"])),
            ENTERPRISE
        );
        assert_eq!(interval_of(&[]), FREE);
    }

    #[test]
    fn a_tier_learned_by_one_client_holds_for_every_client_of_the_key() {
        let one = Pace::of(&Secret::new("limiter-test-shared"), None);
        let other = Pace::of(&Secret::new("limiter-test-shared"), None);
        let stranger = Pace::of(&Secret::new("limiter-test-stranger"), None);
        one.learn(&names(&["ApiReadAll", "ApiQueries"]));
        assert_eq!(other.interval(), PAID);
        assert_eq!(stranger.interval(), FREE);
    }

    #[tokio::test]
    async fn two_clients_of_one_key_share_one_pace() {
        let wait = Duration::from_millis(60);
        let one = Pace::of(&Secret::new("limiter-test-pace"), Some(wait));
        let other = Pace::of(&Secret::new("limiter-test-pace"), Some(wait));
        let start = Instant::now();
        one.ready().await;
        assert!(start.elapsed() < wait);
        other.ready().await;
        one.ready().await;
        assert!(start.elapsed() >= 2 * wait - Duration::from_millis(5));
    }

    #[tokio::test]
    async fn the_first_request_of_an_unknown_key_is_free_and_zero_means_no_pace() {
        let start = Instant::now();
        Pace::of(&Secret::new("limiter-test-first"), None)
            .ready()
            .await;
        let none = Pace::of(&Secret::new("limiter-test-none"), Some(Duration::ZERO));
        for _ in 0..50 {
            none.ready().await;
        }
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    /// Who went when: `r` a read, `w` a write.
    async fn order(key: &str, reads: usize, writes: usize) -> String {
        let one = Pace::of(&Secret::new(key), Some(Duration::from_millis(30)));
        let other = Pace::of(&Secret::new(key), Some(Duration::from_millis(30)));
        // The window is used up, so that everybody waits.
        one.ready().await;
        let order = Arc::new(Mutex::new(String::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..reads {
            let (pace, order) = (one.clone(), Arc::clone(&order));
            tasks.spawn(async move {
                pace.ready().await;
                order.lock().unwrap().push('r');
            });
        }
        // One of them waits at the head before the first write comes.
        tokio::task::yield_now().await;
        for _ in 0..writes {
            let (pace, order) = (other.clone(), Arc::clone(&order));
            tasks.spawn(async move {
                pace.ready_to_write().await;
                order.lock().unwrap().push('w');
            });
        }
        tasks.join_all().await;
        order.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn a_write_goes_before_every_read_of_its_key_that_waits() {
        assert_eq!(order("limiter-test-order", 4, 2).await, "wwrrrr");
        assert_eq!(order("limiter-test-reads", 3, 0).await, "rrr");
    }

    #[tokio::test]
    async fn a_write_that_is_given_up_holds_up_nobody() {
        let key = Secret::new("limiter-test-given-up");
        let pace = Pace::of(&key, Some(Duration::from_millis(20)));
        pace.ready().await;
        {
            let mut write = Box::pin(pace.ready_to_write());
            assert!(futures_poll(&mut write).await);
            assert_eq!(*pace.shared.writes.borrow(), 1);
        }
        assert_eq!(*pace.shared.writes.borrow(), 0);
        tokio::time::timeout(Duration::from_secs(30), pace.ready())
            .await
            .unwrap();
    }

    /// Looks at it once; whether it still waits.
    async fn futures_poll(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        std::future::poll_fn(|cx| {
            let pending = std::pin::Pin::new(&mut *future).poll(cx).is_pending();
            std::task::Poll::Ready(pending)
        })
        .await
    }

    #[tokio::test]
    async fn a_write_of_one_key_holds_up_no_other() {
        let stranger = Pace::of(
            &Secret::new("limiter-test-other"),
            Some(Duration::from_millis(20)),
        );
        let key = Secret::new("limiter-test-long");
        let slow = Pace::of(&key, Some(Duration::from_secs(3600)));
        slow.ready().await;
        let mut write = Box::pin(slow.ready_to_write());
        assert!(futures_poll(&mut write).await);
        for _ in 0..3 {
            tokio::time::timeout(Duration::from_secs(30), stranger.ready())
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn a_new_interval_still_counts_the_request_before_it() {
        let key = Secret::new("limiter-test-change");
        Pace::of(&key, Some(Duration::from_millis(20)))
            .ready()
            .await;
        let start = Instant::now();
        let slow = Pace::of(&key, Some(Duration::from_millis(80)));
        slow.ready().await;
        assert!(start.elapsed() >= Duration::from_millis(70));
    }
}
