//! What the program tells people and what people tell it: calls of providers and CRMs, and being killed while it sends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: a panic is the failure, and what is waited for is another process"
)]
#![allow(unreachable_pub, reason = "the modules of one test")]

mod calls;
mod killed;
mod paused;
#[path = "../../../odx-crm/tests/gateways/schema.rs"]
mod schema;
mod world;
