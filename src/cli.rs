//! The command line.

pub mod random;
pub mod typing;
