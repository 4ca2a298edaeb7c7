//! Showing again what was shown before, without the engine.

use super::Suggestion;
use crate::{document::Snapshot, text::ByteOffset};

/// What is left of `last` after the user typed along with it, or `None` if they typed something else.
pub fn typed_through(last: &Suggestion, snapshot: &Snapshot, cursor: ByteOffset) -> Option<Suggestion> { todo!() }
