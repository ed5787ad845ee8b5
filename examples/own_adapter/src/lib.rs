//! Chairside as an odx source.
//!
//! Chairside is an invented practice program that appends every change of a
//! patient or a recall to a journal: a text file with one JSON object per line.
//! The first line names the journal; each later one holds a row as it is now, or
//! says that it is gone. When Chairside tidies up it begins a journal with a new
//! name. Visits are in a book of paper.

mod convert;
mod cursor;
mod source;
mod wire;

pub use source::Chairside;
