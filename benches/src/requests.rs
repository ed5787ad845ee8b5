//! How many requests a practice is asked, by tier: of 10,000 patients, 25,000
//! recalls and 30,000 appointments, the office of the vendor's own arithmetic.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a table is printed, and what is wrong here must fail loudly"
)]

use std::time::Duration;

use odx_core::source::{Cursor, Extent, Position, PracticeSource as _, PullRequest};
use odx_core::{Result, Secret, SourceId};
use odx_opendental::sim::{Mode, Permission, Practice};
use odx_opendental::{Credentials, OpenDental, SYSTEM};

const TIERS: &[(&str, Mode, &[Permission], f64)] = &[
    ("free", Mode::Remote, &[Permission::ReadAll], 5.0),
    (
        "paid",
        Mode::Remote,
        &[Permission::ReadAll, Permission::Comm, Permission::Queries],
        1.0,
    ),
    (
        "Enterprise",
        Mode::Remote,
        &[
            Permission::ReadAll,
            Permission::Comm,
            Permission::Queries,
            Permission::Enterprise,
        ],
        0.5,
    ),
    (
        "API Service",
        Mode::Service,
        &[Permission::ReadAll, Permission::Comm, Permission::Queries],
        0.0,
    ),
];

/// Reads to the end of a pass; how many requests that took.
async fn pass(source: &OpenDental, cursor: &mut Option<Cursor>, extent: Extent) -> Result<u64> {
    let before = source.requests();
    loop {
        let request = PullRequest::after(cursor.clone()).with_extent(extent);
        let page = source.pull(request).await?;
        *cursor = Some(page.position.cursor().clone());
        if matches!(page.position, Position::CaughtUp(_)) {
            return Ok(source.requests() - before);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    println!(
        "| tier | first sync | owed after it | idle poll | after a busy day | night | first sync takes |"
    );
    println!("|---|---|---|---|---|---|---|");
    for &(name, mode, permissions, interval) in TIERS {
        let practice = Practice::builder(15)
            .with_model_office()
            .with_permissions(permissions)
            .build()
            .unwrap();
        let server = practice.serve_as(mode).await.unwrap();
        let credentials = Credentials {
            developer_key: Secret::new(practice.developer_key()),
            customer_key: Secret::new(practice.customer_key()),
        };
        let source = OpenDental::builder(SourceId::new(SYSTEM, "model")?, credentials)
            .with_base_urls(vec![server.base_url().parse().unwrap()])
            .with_interval(Duration::ZERO)
            // As where the zone rules a clock change out.
            .with_overlap(Duration::from_secs(300))
            .build()?;
        let mut cursor = None;
        let first = pass(&source, &mut cursor, Extent::Changes).await?;
        let owed = pass(&source, &mut cursor, Extent::Changes).await?;
        practice.advance(Duration::from_secs(3600));
        let idle = pass(&source, &mut cursor, Extent::Changes).await?;
        practice.advance(Duration::from_secs(3600));
        practice.busy_day(3);
        let busy = pass(&source, &mut cursor, Extent::Changes).await?;
        practice.advance(Duration::from_secs(3600));
        let night = pass(&source, &mut cursor, Extent::Everything).await?;
        let seconds = f64::from(u32::try_from(first).unwrap_or(u32::MAX)) * interval;
        println!("| {name} | {first} | {owed} | {idle} | {busy} | {night} | {seconds} s |");
    }
    Ok(())
}
