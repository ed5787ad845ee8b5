//! The whole engine against a model of the world: D1-D3, S1 and S12, whatever
//! happens in whatever order.
//!
//! `ODX_SEEDS=5000 cargo test -p odx-core --test model` plays more stories,
//! `ODX_SEED=17` replays one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

mod bench;
mod world;

/// The seeds to play: `ODX_SEED` is one to replay, `ODX_SEEDS` how many.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    match number("ODX_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ODX_SEEDS").unwrap_or(usual),
    }
}

#[tokio::test]
async fn d1_d2_d3_s1_s12_everything_arrives_once_in_order_and_at_its_own_office() {
    for seed in seeds(60) {
        if let Err(wrong) = world::play(seed).await {
            panic!("ODX_SEED={seed}: {wrong}");
        }
    }
}
