//! ghostline: ghost text within one frame of a keystroke, from a model in the same process.
//!
//! Modules stand in reading order, lowest layer first. A module imports from its own layer or from
//! below, never from above; `tests/tidy.rs` enforces it. `docs/architecture.md` tells the story.

// Layer 0, text and syntax: pure values. No I/O, no tokio, no LSP types, no llama.
pub mod document;
pub mod syntax;
pub mod text;

// Layer 1, what to ask and what to show: pure functions over snapshots.
pub mod config;
pub mod nearby;
pub mod prompt;
pub mod suggest;

// Layer 2, the engine: threads and channels of std. No LSP types, no tokio but for remote servers.
pub mod engine;

// Layer 3, the server: tokio and LSP types.
pub mod server;

// Layer 4, the program.
pub mod cli;
pub mod exclude;
pub mod models;
pub mod remote;
pub mod report;
pub mod statistics;
