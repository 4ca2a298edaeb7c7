//! Suggestions: when to ask, where to stop, how to clean up, what can be shown again, what not to show, and what
//! becomes of them.

pub mod ask;
pub mod beginning;
mod brackets;
pub mod eagerness;
pub mod fate;
pub mod gate;
pub mod history;
pub mod outlook;
mod place;
pub mod rejected;
mod repetition;
pub mod retraction;
pub mod reuse;
pub mod stop;
mod surroundings;
pub mod trigger;
pub mod trim;

use crate::{
    document::Snapshot,
    text::{ByteOffset, Text},
};
use surroundings::Right;

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
    /// What stood right of `at` at that version.
    right: Right,
}

/// How much of a line's left part a suggestion remembers; the rest of a minified line says no more.
const MAX_BEFORE: usize = 256;

impl Suggestion {
    /// `text` at `at` in `snapshot`; `None` if there is no text.
    pub fn new(text: String, snapshot: &Snapshot, at: ByteOffset) -> Option<Suggestion> {
        let at = snapshot.text.floor(at);
        let before = before(&snapshot.text, at);
        (!text.is_empty()).then_some(Suggestion {
            text,
            at,
            version: snapshot.version,
            before,
            right: Right::of(&snapshot.text, at),
        })
    }
}

/// The text of the line left of `at`, as far as a suggestion remembers it.
fn before(text: &Text, at: ByteOffset) -> String {
    let line_start = text.line_start(text.line_of(at));
    text.slice(line_start.max(ByteOffset(at.0.saturating_sub(MAX_BEFORE)))..at)
}

/// A document of a language by its LSP id, with the cursor drawn as `|`; without its tree, so that only
/// the rules on text are at work.
#[cfg(test)]
pub(crate) fn at_cursor(language_id: &str, drawn: &str) -> (Snapshot, ByteOffset) {
    let cursor = drawn.find('|').expect("the cursor is drawn");
    let text = drawn.replacen('|', "", 1);
    let mut snapshot = crate::document::Document::new(&text, 1, language_id, None).snapshot();
    snapshot.tree = None;
    (snapshot, ByteOffset(cursor))
}
