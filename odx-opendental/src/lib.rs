#![doc = include_str!("../README.md")]
#[cfg(feature = "sim")]
pub mod sim;
