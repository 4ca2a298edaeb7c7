//! Remote servers, as they should be and as they are: against a server that a test tells how to fail.

#[path = "../support/faulty.rs"]
mod faulty;
#[expect(dead_code, reason = "the tests of the server use the rest of it")]
#[path = "../support/mod.rs"]
mod support;

mod consent;
mod engine;
mod faults;
mod program;
