//! Benches only: `cargo bench -p odx-benches`.
