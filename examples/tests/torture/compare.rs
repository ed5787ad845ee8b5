//! What is wrong with the CRM, seen from the practice's own tables. Written from the tables, not from the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use odx_core::clock::{Clock as _, SystemClock};
use odx_core::crm::{Body, Contact, Task, TaskStatus};
use odx_core::model::{ConsentState, Phone};
use odx_opendental::sim::{NO_DATE, PatientRow, RecallRow};

use crate::world::{OFFICES, TOKENS, World, rest};

/// A broken promise, as a recipe saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: Kind,
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Not there.
    Lost,
    /// There in an older state.
    Stale,
    /// There twice, or there without being anybody.
    Double,
    /// At another office's.
    Astray,
    /// A listed promise of another sort.
    Other,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

pub fn found(kind: Kind, what: impl Into<String>) -> Finding {
    let what = what.into();
    Finding { kind, what }
}

/// The recipe found nothing.
#[track_caller]
pub fn nothing(findings: &[Finding]) {
    let first: Vec<_> = findings.iter().take(10).map(Finding::to_string).collect();
    assert!(
        findings.is_empty(),
        "{} findings: {first:#?}",
        findings.len()
    );
}

/// The recipe notices that `rule` is switched off, and says so with this kind.
#[track_caller]
pub fn caught(rule: &str, kind: Kind, findings: &[Finding]) {
    let first: Vec<_> = findings.iter().take(3).map(Finding::to_string).collect();
    println!(
        "without {rule}: {} findings, such as {first:#?}",
        findings.len()
    );
    assert!(
        findings.iter().any(|finding| finding.kind == kind),
        "nobody noticed that {rule} is off: {first:#?}"
    );
}

/// Everything that is wrong now.
pub fn wrong(world: &World) -> Vec<Finding> {
    let mut wrong = Vec::new();
    for n in 0..world.practices.len() {
        office(world, n, &mut wrong);
    }
    let doubles = world.crm.counts().duplicates;
    if doubles > 0 {
        let what = format!("{doubles} writes under the key of another write");
        wrong.push(found(Kind::Double, what));
    }
    wrong
}

fn office(world: &World, n: usize, wrong: &mut Vec<Finding>) {
    let (practice, office) = (&world.practices[n], OFFICES[n]);
    let token = TOKENS[world.accounts[n]];
    let mut contacts: BTreeMap<String, Contact> = (world.crm.contacts_of(token).into_iter())
        .filter(|held| held.record.office_id == office)
        .map(|held| (held.record.external_id.to_string(), held.record))
        .collect();
    let mut tasks: BTreeMap<String, Task> = (world.crm.tasks_of(token).into_iter())
        .filter(|held| held.record.office_id == office)
        .map(|held| (held.record.external_id.to_string(), held.record))
        .collect();
    let mut active = BTreeSet::new();
    for row in practice.patients() {
        let id = format!("od:{office}:{}", row.pat_num);
        let held = contacts.remove(&id);
        if row.pat_status == "Patient" {
            active.insert(row.pat_num);
        }
        wrong.extend(contact(
            &id,
            office,
            &row,
            held,
            world.stopped.contains(&id),
        ));
    }
    wrong.extend(
        contacts
            .into_keys()
            .map(|id| found(Kind::Double, format!("{id} is nobody"))),
    );
    // The machine's day, as for the program: the practice's own clock runs ahead when much happens there.
    let today = (SystemClock.now())
        .with_timezone(&chrono_tz::America::New_York)
        .date_naive()
        .to_string();
    for row in practice.recalls() {
        let id = format!("odrecall:{office}:{}", row.recall_num);
        let wanted = active.contains(&row.pat_num) && is_open(&row, &today);
        let task = (tasks.remove(&id)).filter(|task| task.status == TaskStatus::Open);
        match (wanted, task) {
            (true, None) => wrong.push(found(
                Kind::Lost,
                format!(
                    "{id} has no open task; hidden until {}",
                    row.disable_until_date
                ),
            )),
            (false, Some(_)) => wrong.push(found(Kind::Stale, format!("{id} has an open task"))),
            (true, Some(task)) if task.due_date.to_string() != row.date_due => {
                wrong.push(found(Kind::Stale, format!("{id} has another date")));
            }
            _ => {}
        }
    }
    // A recall that vanished is closed.
    wrong.extend(
        tasks
            .into_iter()
            .filter(|(_, task)| task.status == TaskStatus::Open)
            .map(|(id, _)| found(Kind::Stale, format!("{id} is of no recall and open"))),
    );
}

fn is_open(row: &RecallRow, today: &str) -> bool {
    !row.is_disabled
        && row.date_due != NO_DATE
        && row.date_scheduled == NO_DATE
        && row.disable_until_balance == 0.0
        && (row.disable_until_date == NO_DATE || *row.disable_until_date <= *today)
}

fn contact(
    id: &str,
    office: &str,
    row: &PatientRow,
    held: Option<Contact>,
    stopped: bool,
) -> Option<Finding> {
    let closed = matches!(row.pat_status.as_str(), "Archived" | "Deceased" | "Deleted");
    let Some(contact) = held else {
        return (!closed).then(|| found(Kind::Lost, format!("{id} is lost")));
    };
    if closed {
        let quiet = contact.consent.sms == ConsentState::Denied && contact.tags == ["odx-inactive"];
        let what = format!("{id} is {} and still open", row.pat_status);
        return (!quiet).then(|| found(Kind::Stale, what));
    }
    let mobile = Phone::parse(&row.wireless_phone)
        .ok()
        .filter(Phone::takes_texts);
    let notes = [&row.prefer_recall_method, &row.prefer_contact_method]
        .iter()
        .any(|m| *m == "SeeNotes");
    let sms = match row.txt_msg_ok.as_str() {
        _ if stopped => ConsentState::Denied,
        "Yes" if !notes => ConsentState::Granted,
        "No" => ConsentState::Denied,
        _ => ConsentState::Unknown,
    };
    let preferred = Some(row.preferred.as_str())
        .filter(|name| !name.is_empty() && *name != row.f_name)
        .map(str::to_owned);
    let same = contact.first_name.expose() == &row.f_name
        && contact.last_name.expose() == &row.l_name
        && contact
            .preferred_name
            .as_ref()
            .map(|name| name.expose().clone())
            == preferred
        && contact.phone.as_ref().map(|phone| phone.expose().clone())
            == mobile.map(|phone| phone.e164().expose().clone())
        && contact.consent.sms == sms
        && contact.office_id == office;
    (!same).then(|| found(Kind::Stale, format!("{id} is stale")))
}

/// Where an older version came after a newer one. Versions are preferred names such as `v7`, which only ever rise.
pub fn backwards(world: &World) -> Vec<Finding> {
    let mut newest: BTreeMap<(usize, String), u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for write in world.crm.writes() {
        let Body::Contact(contact) = &write.body else {
            continue;
        };
        let version = (contact.preferred_name.as_ref())
            .and_then(|name| name.expose().strip_prefix('v')?.parse().ok());
        let (Some(version), true) = (version, write.changed) else {
            continue;
        };
        let id = contact.external_id.to_string();
        let known = newest.entry((write.account, id.clone())).or_default();
        if version < *known {
            let what = format!("{id} went from v{known} back to v{version}");
            wrong.push(found(Kind::Stale, what));
        }
        *known = version;
    }
    wrong
}

/// Waits until nothing is wrong; what still is after so long.
pub async fn settled(world: &World, within: Duration) -> Vec<Finding> {
    let began = Instant::now();
    loop {
        let left = wrong(world);
        if left.is_empty() || began.elapsed() > within {
            return left;
        }
        rest(Duration::from_millis(50)).await;
    }
}
