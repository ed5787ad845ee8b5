//! How an office misbehaves on demand: failing answers, and rows that move
//! while somebody is paging.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::log::RequestLog;
use super::practice::Practice;

/// One way for an answer to go wrong.
///
/// For a write it matters when: what answers in the office's place comes before the effect,
/// what damages or delays the office's own answer comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is reset before any answer; a write has had no effect.
    ConnectionReset,
    /// This status with an empty body.
    Status(u16),
    /// This status with an empty body and `Retry-After` in whole seconds.
    StatusRetryAfter(u16, Duration),
    /// 400 with an explanation; see [`Fault::connector_down`].
    Http400Text(String),
    /// 504, as after the 60 s run time limit.
    GatewayTimeout504,
    /// 401 although the key is right.
    Unauthorized401,
    /// 200 with the full `Content-Length`, and the connection closed half way.
    TruncatedBody,
    /// 200 with a complete HTTP body that holds half of the JSON.
    HalfJson,
    /// 200 with a login page, as from a captive portal or proxy.
    HtmlLogin200,
    /// The right JSON, labelled `text/plain`.
    WrongContentType,
    /// The right answer, later. Waits in real time.
    Slow(Duration),
    /// `Offset` is ignored.
    RepeatFirstPage,
    /// 200 without a body; a write has had no effect.
    EmptyBody,
    /// The request takes effect, and the connection is reset before the answer.
    LostReply,
    /// The request takes effect, and is answered with this status and an empty body;
    /// 504 is a write that was finished after the 60 s were over.
    StatusAfter(u16),
    /// The request takes effect, and is answered 400 with an explanation; see
    /// [`Fault::connector_down_after`].
    Http400TextAfter(String),
}

impl Fault {
    /// The office's eConnector is off. The wording is ours: the vendor documents the
    /// cause (apiimplementation, status codes) and not the text.
    #[must_use]
    pub fn connector_down() -> Self {
        Self::Http400Text("eConnector not running at the office.".to_owned())
    }

    /// The eConnector went off between the effect and the answer: the same words as
    /// [`Fault::connector_down`], which nobody can tell apart.
    #[must_use]
    pub fn connector_down_after() -> Self {
        Self::Http400TextAfter("eConnector not running at the office.".to_owned())
    }
}

/// A list that drift can be aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listing {
    /// `patients/Simple`.
    Patients,
    /// `recalls`.
    Recalls,
    /// `appointments`.
    Appointments,
}

impl Listing {
    /// The path as it stands in a [`RequestLog`].
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Patients => "/patients/Simple",
            Self::Recalls => "/recalls",
            Self::Appointments => "/appointments",
        }
    }
}

/// What drift does to the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriftChange {
    /// The first row vanishes: every later row moves up, one slips past unseen.
    DeleteFirst,
    /// A row appears with the lowest key: one row is seen twice. Comes first when rows
    /// go by key.
    InsertFirst,
    /// The first row is restamped: it moves to the end when rows go by stamp.
    TouchFirst,
}

/// A change between two page requests of one listing. Happens once.
// apispecification, paging: the vendor calls drift negligible
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftPlan {
    /// The list.
    pub listing: Listing,
    /// The change.
    pub change: DriftChange,
    /// Made before this page is answered; pages count from 1, starting over at
    /// a request without `Offset`.
    pub before_page: usize,
}

impl DriftPlan {
    /// Deletes one low-key row before the page.
    #[must_use]
    pub fn delete_low_key(listing: Listing, before_page: usize) -> Self {
        Self {
            listing,
            change: DriftChange::DeleteFirst,
            before_page,
        }
    }

    /// Inserts one low-key row before the page.
    #[must_use]
    pub fn insert_low_key(listing: Listing, before_page: usize) -> Self {
        Self {
            listing,
            change: DriftChange::InsertFirst,
            before_page,
        }
    }

    /// Restamps the first row before the page.
    #[must_use]
    pub fn touch_first(listing: Listing, before_page: usize) -> Self {
        Self {
            listing,
            change: DriftChange::TouchFirst,
            before_page,
        }
    }
}

/// Runs before a request is answered, and may change the office.
pub type Hook = Box<dyn FnMut(&RequestLog, &Practice) + Send>;

#[derive(Default)]
struct Plans {
    next: VecDeque<Fault>,
    at: BTreeMap<usize, Fault>,
    rate: Option<(fastrand::Rng, f64, Vec<Fault>)>,
    /// Each with the number of pages seen.
    drifts: Vec<(DriftPlan, usize)>,
    drifted: Vec<(DriftPlan, i64)>,
    hooks: Vec<Arc<Mutex<Hook>>>,
}

/// The faults planned for an office. All methods take effect on the next request.
#[derive(Default)]
pub struct Faults {
    plans: Mutex<Plans>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next `n` requests fail. Calls add up, in order.
    pub fn fail_next(&self, n: usize, fault: Fault) {
        self.plans().next.extend(std::iter::repeat_n(fault, n));
    }

    /// The request with this [`RequestLog::index`] fails; comes before `fail_next`.
    pub fn fail_at(&self, request_index: usize, fault: Fault) {
        self.plans().at.insert(request_index, fault);
    }

    /// From now on a request fails with this probability, with one of the faults.
    pub fn rate(&self, seed: u64, probability: f64, faults: &[Fault]) {
        let rng = fastrand::Rng::with_seed(seed);
        self.plans().rate = Some((rng, probability, faults.to_vec()));
    }

    /// Plans drift.
    pub fn drift(&self, plan: DriftPlan) {
        self.plans().drifts.push((plan, 0));
    }

    /// Drift that has happened, with the key of the row.
    #[must_use]
    pub fn drifted(&self) -> Vec<(DriftPlan, i64)> {
        self.plans().drifted.clone()
    }

    /// Runs this for every request, before it is answered and before planned
    /// drift. `status` and `rows` of the log entry are still 0.
    pub fn on_request(&self, hook: Hook) {
        self.plans().hooks.push(Arc::new(Mutex::new(hook)));
    }

    /// Forgets every plan and hook.
    pub fn clear(&self) {
        *self.plans() = Plans::default();
    }

    /// Hooks and drift. No lock is held while they change the tables.
    pub(crate) fn before_answer(&self, entry: &RequestLog, practice: &Practice) {
        let hooks = self.plans().hooks.clone();
        for hook in hooks {
            let mut hook = hook.lock().unwrap_or_else(PoisonError::into_inner);
            (*hook)(entry, practice);
        }
        let mut due = Vec::new();
        {
            let mut plans = self.plans();
            for (plan, seen) in &mut plans.drifts {
                if entry.path != plan.listing.path() {
                    continue;
                }
                let later = entry
                    .query
                    .iter()
                    .any(|(name, value)| name == "Offset" && value != "0");
                *seen = if later { *seen + 1 } else { 1 };
                if *seen == plan.before_page {
                    due.push(*plan);
                }
            }
            plans
                .drifts
                .retain(|(plan, seen)| *seen != plan.before_page);
        }
        for plan in due {
            if let Some(key) = practice.drift(plan.listing, plan.change) {
                self.plans().drifted.push((plan, key));
            }
        }
    }

    /// The fault for this request, if any.
    pub(crate) fn take(&self, index: usize) -> Option<Fault> {
        let mut plans = self.plans();
        if let Some(fault) = plans.at.remove(&index) {
            return Some(fault);
        }
        if let Some(fault) = plans.next.pop_front() {
            return Some(fault);
        }
        let (rng, probability, faults) = plans.rate.as_mut()?;
        if rng.f64() >= *probability {
            return None;
        }
        rng.choice(faults.iter()).cloned()
    }
}
