//! Who may come in, and who gives way.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::ServeLimits;
use super::watch::{SILENT, Watch};

/// The connections there are.
pub(super) struct Door {
    connections: usize,
    per_peer: usize,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    next: u64,
    by_number: BTreeMap<u64, (IpAddr, Arc<Watch>)>,
}

/// The place of one connection. Dropped, it is free.
pub(super) struct Ticket {
    door: Arc<Door>,
    number: u64,
    pub(super) watch: Arc<Watch>,
}

/// Who has many addresses has a whole /64 of them.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

impl Door {
    pub(super) fn new(limits: &ServeLimits) -> Self {
        Self {
            connections: limits.connections.max(1),
            per_peer: limits.per_peer.max(1),
            inside: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from there, if need be that of another. None:
    /// everybody inside is busy, or has at least begun to speak where the
    /// newcomer has not.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: IpAddr,
        speaks: bool,
        limits: &ServeLimits,
    ) -> Option<Ticket> {
        let peer = network(peer);
        let now = Instant::now();
        let mut inside = self.lock();
        let of_peer = inside.by_number.values().filter(|one| one.0 == peer);
        if of_peer.count() >= self.per_peer {
            inside.make_room(now, speaks, |of| of == peer)?;
        } else if inside.by_number.len() >= self.connections {
            inside.make_room(now, speaks, |_| true)?;
        }
        let watch = Arc::new(Watch::new(now, limits, speaks));
        inside.next += 1;
        let number = inside.next;
        inside.by_number.insert(number, (peer, Arc::clone(&watch)));
        Some(Ticket {
            door: Arc::clone(self),
            number,
            watch,
        })
    }
}

impl Inside {
    /// Ends the one that has shown the least for the longest.
    fn make_room(
        &mut self,
        now: Instant,
        speaks: bool,
        among: impl Fn(IpAddr) -> bool,
    ) -> Option<()> {
        let mut least = None;
        for (number, (peer, watch)) in &self.by_number {
            if !among(*peer) {
                continue;
            }
            if let Some(standing) = watch.dispensable(now)
                && (speaks || standing.0 == SILENT)
                && least.is_none_or(|(other, _)| standing < other)
            {
                least = Some((standing, *number));
            }
        }
        let (_, watch) = self.by_number.remove(&least?.1)?;
        watch.send_off();
        Some(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.door.lock().by_number.remove(&self.number);
    }
}
