//! A year of a practice, day by day, and what odx made of it: the same as plain
//! SQL makes of the same history.
//!
//! `ODX_YEAR=10000 cargo test --release -p odx-core --test year -- --nocapture`
//! is the full size; `ODX_YEAR_SEED` is another year.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

mod gateway;
mod history;
mod oracle;
mod practice;
mod run;

use run::Year;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_of_odx_is_what_plain_sql_says() {
    let mut year = Year::new(number("ODX_YEAR_SEED", 7), number("ODX_YEAR", 400));
    for tick in run::ticks() {
        year.live_through(tick);
        oracle::step(&year.history);
        year.run().await;
        year.compare(tick).await;
    }
    year.compare_occurrences().await;
    println!("{}", year.figures());
}
