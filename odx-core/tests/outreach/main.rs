//! People are told what they should hear, once, and nobody else is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

mod audit;
mod cost;
mod family;
mod held;
mod names;
mod office;
mod once;
mod scenes;
mod stops;
mod story;

#[tokio::test]
async fn s12_no_story_lets_anybody_be_written_to_who_must_not_be() {
    let seeds = std::env::var("ODX_SEEDS").map_or(12, |seeds| seeds.parse().unwrap());
    let first: Option<u64> = std::env::var("ODX_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    for seed in first.map_or(0..seeds, |seed| seed..seed + 1) {
        if let Err(wrong) = story::play(seed).await {
            panic!("ODX_SEED={seed}: {wrong}");
        }
    }
}
