//! S1: nothing of one office reaches another office's account, whatever fails and dies around it.

use std::time::Duration;

use chrono::Datelike as _;
use odx_core::crm::Body;

use crate::change::{everything_fails, nothing_fails};
use crate::compare::{Finding, Kind, caught, found, nothing, settled};
use crate::world::{OFFICES, Plan, World, from_env, kill, rest};

/// A year of recall dates for each office: a task tells whose it is.
const FIRST_YEAR: i32 = 2030;

/// Five offices with the same PatNums, the first two on one account. Every name and every date tells the office.
async fn offices() -> World {
    let world = World::new(Plan {
        patients: 20,
        offices: 5,
        batch: 5,
        sharing: 2,
        ..Plan::default()
    })
    .await;
    for (n, practice) in world.practices.iter().enumerate() {
        for row in practice.patients() {
            practice.update_patient(row.pat_num, |row| {
                row.l_name = format!("Of{}{}", OFFICES[n], row.pat_num);
            });
        }
        for row in practice.recalls() {
            practice.update_recall(row.recall_num, |row| row.date_due = date(n, 1));
        }
    }
    world.crm.keep_writes();
    world
}

fn date(office: usize, day: u32) -> String {
    format!(
        "{}-03-{day:02}",
        FIRST_YEAR + i32::try_from(office).unwrap()
    )
}

fn change(world: &World, random: &mut fastrand::Rng) {
    let n = random.usize(..world.practices.len());
    let practice = &world.practices[n];
    for row in practice.patients() {
        if random.u32(..4) == 0 {
            practice.update_patient(row.pat_num, |row| {
                row.f_name = format!("Name{}", random.u32(..3))
            });
        }
    }
    for row in practice.recalls() {
        if random.u32(..4) == 0 {
            practice.update_recall(row.recall_num, |row| {
                row.date_due = date(n, random.u32(1..28))
            });
        }
    }
    practice.advance(Duration::from_secs(1));
}

/// Everything that came to an account, down to its last field, is of one office, and the account is that office's.
fn astray(world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    for write in world.crm.writes() {
        let (office, id, mut signs) = match &write.body {
            Body::Contact(contact) => {
                let name = contact.last_name.expose().clone();
                let family = (contact.household_external_id.as_ref()).is_none_or(|id| {
                    id.as_str()
                        .starts_with(&format!("odfam:{}:", contact.office_id))
                });
                let own = name.starts_with(&format!("Of{}", contact.office_id));
                (
                    &contact.office_id,
                    &contact.external_id,
                    vec![("name", own), ("family", family)],
                )
            }
            Body::Task(task) => {
                let n = OFFICES
                    .iter()
                    .position(|office| *office == task.office_id)
                    .unwrap();
                let year = FIRST_YEAR + i32::try_from(n).unwrap();
                let contact = (task.contact_external_id.as_str())
                    .starts_with(&format!("od:{}:", task.office_id));
                // A task that was closed without a date has the day it was closed on.
                let own = task.due_date.year() == year || task.due_date.year() < FIRST_YEAR;
                (
                    &task.office_id,
                    &task.external_id,
                    vec![("date", own), ("contact", contact)],
                )
            }
        };
        let n = OFFICES.iter().position(|known| known == office).unwrap();
        signs.push(("account", world.accounts[n] == write.account));
        signs.push(("id", id.as_str().split(':').nth(1) == Some(office)));
        for (sign, _) in signs.iter().filter(|(_, own)| !own) {
            let what = format!(
                "{id} of {office} came to account {}: another's {sign}",
                write.account
            );
            findings.push(found(Kind::Astray, what));
        }
    }
    findings
}

async fn mixed(kills: usize) -> Vec<Finding> {
    let world = offices().await;
    everything_fails(&world, 7);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..kills {
        let mut program = world.start(&["--follow"], "");
        for _ in 0..random.usize(2..6) {
            change(&world, &mut random);
            rest(Duration::from_millis(random.u64(..150))).await;
        }
        kill(&mut program);
    }
    nothing_fails(&world);
    let mut program = world.start(&["--follow"], "");
    let mut findings = settled(&world, Duration::from_secs(60)).await;
    kill(&mut program);
    findings.extend(astray(&world));
    println!(
        "{kills} kills, {} writes looked at",
        world.crm.writes().len()
    );
    findings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_of_five_offices_with_equal_numbers_nothing_reaches_anothers_account() {
    nothing(&mixed(from_env("ODX_TENANT_KILLS", 8)).await);
}

/// The first so many offices share what a rule keeps apart.
async fn without(rule: &str) {
    let world = offices().await;
    let mut program = world.start(&["--follow"], &format!("{rule}=return"));
    let mut findings = Vec::new();
    for _ in 0..100 {
        findings = astray(&world);
        if !findings.is_empty() {
            break;
        }
        rest(Duration::from_millis(50)).await;
    }
    kill(&mut program);
    caught(rule, Kind::Astray, &findings);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_is_noticed_when_the_mirror_leaves_the_office_out_of_its_key() {
    without("broken.office.source").await;
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_is_noticed_when_the_ledger_leaves_the_office_out_of_its_key() {
    without("broken.office.sink").await;
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_is_noticed_when_an_external_id_leaves_the_office_out() {
    without("broken.id.office").await;
}
