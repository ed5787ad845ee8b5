//! A year of a practice, day by day, and what odx made of it: the same as plain
//! SQL makes of the same history.
//!
//! `ODX_YEAR=10000 cargo test --release -p odx-core --test year -- --nocapture`
//! is the full size; `ODX_YEAR_SEED` is another year, and `ODX_YEAR_WHY=1` tells what
//! both know about those in whom they differ.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

mod found;
mod gateway;
mod history;
mod oracle;
mod practice;
mod run;

use chrono::NaiveTime;
use practice::Shared;
use run::{Plan, Year};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn at(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_of_odx_is_what_plain_sql_says() {
    let plan = Plan {
        seed: number("ODX_YEAR_SEED", 7),
        people: number("ODX_YEAR", 400),
        shared: Shared::Anywhere,
        times: (at(10, 0), Some(at(16, 0))),
        caps: (1, 3),
        late: false,
    };
    let mut year = Year::new(plan);
    for tick in plan.ticks() {
        year.live_through(tick);
        oracle::step(&year.history);
        year.run().await;
        year.compare(tick).await;
        if tick.number % 30 == 29 && plan.people > 1000 {
            println!("{}: {}", tick.wall.date(), year.pace());
        }
    }
    year.compare_occurrences().await;
    println!("{}", year.figures());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_of_failures_tells_nobody_twice_and_everybody_once() {
    let plan = Plan {
        seed: number("ODX_YEAR_SEED", 7),
        people: number("ODX_YEAR", 150),
        // Where a message fails, another household with the same number is first.
        shared: Shared::InHouseholds,
        // After the day's visits, and early enough for some hours of second tries
        // in every zone.
        times: (at(16, 45), None),
        // Who was told late yesterday may be told late today, and others of the
        // household first.
        caps: (100, 100),
        late: true,
    };
    let mut year = Year::new(plan);
    for tick in plan.ticks() {
        year.live_through(tick);
        oracle::step(&year.history);
        year.run_badly(tick).await;
        year.compare_taken(tick).await;
    }
    year.compare_occurrences().await;
    println!("{}{}", year.figures(), year.faults());
}
