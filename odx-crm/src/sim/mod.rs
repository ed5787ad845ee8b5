//! A small CRM in the process that speaks the REST sink's contract and can be
//! told to misbehave (feature `sim`). Beside it a text provider ([`Texts`]), mail
//! providers ([`Mails`]) and a mail server ([`MailServer`]), each written from what
//! its vendor publishes.
//!
//! It is strict where a real one would be: a body that does not fit the contract
//! is answered 422, a task of nobody too. What it counts is what a test wants to
//! know: were there duplicates, needless writes, an older state after a newer one.

mod door;
mod fault;
mod line;
mod mails;
mod schema;
mod server;
mod store;
mod texts;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use odx_core::crm::{Contact, Task};
use odx_core::sink::Suppression;

pub use door::Server;
pub use fault::Fault;
pub use mails::{Mail, Mails};
pub use schema::{Body, Schemas};
pub use server::{MailServer, SmtpFault, SmtpStep, Took};
pub use store::{Counts, Enrolled, Held, Write};
pub use texts::{Text, Texts};

use store::State;

/// A CRM, and what it holds. A copy is the same CRM.
#[derive(Clone)]
pub struct Crm {
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Crm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crm")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Crm {
    /// One account behind this bearer token.
    pub fn new(token: &str) -> Self {
        Self::with_tokens(&[token])
    }

    /// One account per token. Nothing of one is seen through another.
    pub fn with_tokens(tokens: &[&str]) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(tokens))),
        }
    }

    /// Answers on a free port of 127.0.0.1 until the server is dropped. May be
    /// called again: the records stay.
    ///
    /// # Errors
    /// Those of opening a port.
    pub async fn serve(&self) -> std::io::Result<Server> {
        door::open(self.clone(), 0).await
    }

    /// As [`serve`](Self::serve), on this port: where a server was that is gone.
    ///
    /// # Errors
    /// Those of opening a port.
    pub async fn serve_on(&self, port: u16) -> std::io::Result<Server> {
        door::open(self.clone(), port).await
    }

    /// The contacts of all accounts, by account and external id.
    pub fn contacts(&self) -> Vec<Held<Contact>> {
        self.state().contacts(None)
    }

    /// The contacts of the account behind this token.
    pub fn contacts_of(&self, token: &str) -> Vec<Held<Contact>> {
        self.state().contacts(Some(token))
    }

    /// The tasks of all accounts, by account and external id.
    pub fn tasks(&self) -> Vec<Held<Task>> {
        self.state().tasks(None)
    }

    /// The tasks of the account behind this token.
    pub fn tasks_of(&self, token: &str) -> Vec<Held<Task>> {
        self.state().tasks(Some(token))
    }

    /// What it counted so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Keeps every write from now on, as it came: memory grows with each.
    pub fn keep_writes(&self) {
        self.state().writes.get_or_insert_default();
    }

    /// The writes that were kept, in the order in which they were looked at.
    pub fn writes(&self) -> Vec<Write> {
        self.state().writes.clone().unwrap_or_default()
    }

    /// Puts it back to where it was after these writes; it keeps none any more.
    pub fn replay(&self, writes: &[Write]) {
        self.state().replay(writes);
    }

    /// Requests that came in so far, whatever became of them.
    pub fn requests(&self) -> u64 {
        self.state().counts.requests
    }

    /// Sets the list of suppressions of every account.
    pub fn set_suppressions(&self, stops: Vec<Suppression>) {
        self.state().set_stops(&stops);
    }

    /// Adds a stop to the list of suppressions.
    pub fn add_suppression(&self, stop: &Suppression) {
        self.state().add_stop(stop);
    }

    /// Adds an entry to the list of suppressions that names nobody.
    pub fn add_unreadable_suppression(&self) {
        self.state().add_unreadable_stop();
    }

    /// Sets how many suppressions stand on a page. A hundred by default.
    pub fn set_suppressions_page(&self, entries: std::num::NonZeroUsize) {
        self.state().stops_page = entries;
    }

    /// Takes the list of suppressions away: a CRM that keeps none.
    pub fn remove_suppressions(&self) {
        self.state().stops = None;
    }

    /// Takes the batch route away.
    pub fn remove_batch_route(&self) {
        self.state().batch_route = false;
    }

    /// The next `n` requests meet this fault, after those already planned.
    pub fn fail_next(&self, n: usize, fault: Fault) {
        self.state().faults.plan(n, &fault);
    }

    /// Every start of a sequence, in order. Twice for one occurrence is somebody
    /// who hears twice: this CRM forgets idempotency keys of these at once, so
    /// that a test sees what odx does by itself.
    pub fn enrollments(&self) -> Vec<Enrolled> {
        self.state().enrolled.clone()
    }

    /// Takes its sequences away.
    pub fn remove_sequences(&self) {
        self.state().sequences = false;
    }

    /// The next `n` calls about sequences meet this fault, before any other.
    pub fn fail_enrollments(&self, n: usize, fault: Fault) {
        self.state().enrolling.plan(n, &fault);
    }

    /// From now on a share `p` of all requests meets one of these faults, by a
    /// dice that falls the same way for the same seed.
    pub fn rate(&self, seed: u64, p: f64, faults: &[Fault]) {
        self.state().faults.rate(seed, p, faults);
    }

    /// No more faults.
    pub fn clear_faults(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.enrolling.clear();
    }

    /// Every write of this contact is answered with this status.
    pub fn refuse_contact(&self, external_id: &str, status: u16) {
        self.state().refused.insert(external_id.to_owned(), status);
    }

    /// Takes this contact again.
    pub fn accept_contact(&self, external_id: &str) {
        self.state().refused.remove(external_id);
    }

    /// The next write of this record is answered with this status.
    pub fn postpone(&self, external_id: &str, status: u16) {
        self.state()
            .postponed
            .insert(external_id.to_owned(), status);
    }

    /// Somebody deletes the records of this name, in every account. What was
    /// remembered of their idempotency keys stays.
    pub fn delete(&self, external_id: &str) {
        self.state().delete(external_id);
    }

    /// No token is taken any more.
    pub fn revoke_token(&self) {
        self.state().revoked = true;
    }

    /// Tokens are taken again.
    pub fn restore_token(&self) {
        self.state().revoked = false;
    }

    /// Moves its clock on: idempotency keys are forgotten after 24 hours.
    pub fn advance(&self, by: Duration) {
        self.state().advance(by);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
