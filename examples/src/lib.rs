//! The programs are under `src/`; this library only runs the README's example.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
