//! The reader over real drivers: SQLite under the name of the vendor's driver, MariaDB
//! with procedures, PostgreSQL with functions and a timeout that it keeps.

#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::result_large_err,
    reason = "a test that cannot go on fails, and servers take a while to start"
)]

mod ended;
mod failures;
mod mariadb;
mod memory;
mod postgres;
mod rig;
mod rows;
mod server;
mod sqlite;
mod whole;
