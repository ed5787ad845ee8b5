//! Every body that the vendor's documentation prints: what we read of it, what
//! we send of it, and that no row of any other is lost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

#[allow(dead_code, reason = "shared with other tests")]
mod office;

mod printed {
    mod all;
    mod looked;
    mod read;
    mod sent;
}
