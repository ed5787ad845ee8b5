//! What people do at a practice, what goes wrong around it, and what must never be printed.

use std::time::Duration;

use odx_crm::sim::Fault as CrmFault;
use odx_opendental::sim::{Fault, NO_DATE};

use crate::world::{TOKENS, World};

pub fn change(world: &World, random: &mut fastrand::Rng) {
    let practice = &world.practices[random.usize(..world.practices.len())];
    let patients = practice.patients();
    let key = patients[random.usize(..patients.len())].pat_num;
    let recalls = practice.recalls();
    let recall = recalls[random.usize(..recalls.len())].recall_num;
    match random.u32(..8) {
        0 => drop(
            practice.update_patient(key, |row| row.f_name = format!("Name{}", random.u32(..3))),
        ),
        1 => drop(practice.update_patient(key, |row| {
            row.txt_msg_ok = if row.txt_msg_ok == "Yes" { "No" } else { "Yes" }.to_owned();
        })),
        2 => drop(practice.update_recall(recall, |row| {
            row.date_due = format!("2026-0{}-11", random.u32(1..9))
        })),
        3 => drop(practice.update_recall(recall, |row| row.is_disabled = !row.is_disabled)),
        4 => practice.restamp_all_patients(),
        5 if recalls.len() > 40 => practice.delete_recall(recall),
        6 => drop(practice.update_patient(key, |row| row.pat_status = "Archived".to_owned())),
        _ => drop(practice.day_of_changes(random.u64(..))),
    }
    practice.advance(Duration::from_secs(random.u64(..3)));
}

/// Everybody for whom there is a new name, and their recalls, change; hours pass, so that no overlap of the
/// reader's shows again what was read before.
pub fn edit(world: &World, name: impl Fn(usize) -> Option<String>) {
    for practice in &world.practices {
        for (n, row) in practice.patients().into_iter().enumerate() {
            if let Some(name) = name(n) {
                practice.update_patient(row.pat_num, |row| row.f_name = name);
            }
        }
        for (n, row) in practice.recalls().into_iter().enumerate() {
            if let Some(name) = name(n) {
                let day = name.bytes().map(u32::from).sum::<u32>() % 28 + 1;
                practice.update_recall(row.recall_num, |row| {
                    row.date_due = format!("2027-01-{day:02}");
                    row.disable_until_date = NO_DATE.to_owned();
                });
            }
        }
        practice.advance(Duration::from_secs(2 * 3600));
    }
}

pub fn everything_fails(world: &World, seed: u64) {
    for practice in &world.practices {
        practice.faults().rate(
            seed,
            0.1,
            &[
                Fault::ConnectionReset,
                Fault::Status(503),
                Fault::connector_down(),
                Fault::GatewayTimeout504,
                Fault::TruncatedBody,
                Fault::HalfJson,
                Fault::HtmlLogin200,
                Fault::EmptyBody,
            ],
        );
    }
    world.crm.rate(
        seed,
        0.3,
        &[
            CrmFault::Status(500, None),
            CrmFault::Status(503, Some("0".to_owned())),
            CrmFault::Status(429, Some("99999999".to_owned())),
            CrmFault::ResetBefore,
            CrmFault::ResetAfter,
            CrmFault::StatusAfter(502),
            CrmFault::TruncatedAfter,
        ],
    );
}

pub fn nothing_fails(world: &World) {
    for practice in &world.practices {
        practice.faults().clear();
    }
    world.crm.clear_faults();
}

/// No name, number, note or key of anybody stands in what the program printed, at any level.
pub fn nothing_leaked(world: &World) {
    let log = world.log();
    let mut canaries = vec!["customer0key".to_owned(), "customer1key".to_owned()];
    canaries.extend(TOKENS.map(str::to_owned));
    for practice in &world.practices {
        canaries.extend(practice.canaries());
        for row in practice.patients() {
            canaries.extend(Some(row.l_name).filter(|name| name.len() > 5));
            canaries.extend(Some(row.wireless_phone).filter(|number| number.len() > 9));
        }
    }
    for canary in canaries {
        assert!(!log.contains(&canary), "the log shows {canary:?}");
    }
}
