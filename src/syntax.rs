//! Languages as data, syntax trees kept in step with edits, and what a tree says about a place.

pub mod language;
pub mod scope;
pub mod tree;
