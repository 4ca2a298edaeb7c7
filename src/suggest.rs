//! Suggestions: when to ask, where to stop, how to clean up, what can be shown again, what not to show.

pub mod gate;
pub mod reuse;
pub mod stop;
pub mod trigger;
pub mod trim;

use crate::text::ByteOffset;

/// How much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// The rest of the line.
    Line,
    /// A body or the next few lines, until the block ends.
    Block,
}

/// Ghost text and the place it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What would be inserted at `at`; never empty.
    pub text: String,
    pub at: ByteOffset,
    /// The document's version it was made for.
    pub version: i32,
    /// The text of the line left of `at` at that version; what typed-through compares with.
    pub before: String,
}
