//! Dentrix as an odx source. Not written yet: this crate only holds its place.
