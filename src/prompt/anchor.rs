//! The anchor: the line start at which the head of a prompt is frozen.

use std::sync::Arc;

use super::{Head, Prompt, format::Format, window::Windows};
use crate::{document::Snapshot, text::ByteOffset};

/// What prompts are made of, per model: fixed while the model stays.
#[derive(Clone, Debug)]
pub struct Plan {
    pub format: Format,
    pub windows: Windows,
}

/// A frozen head and where it belongs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Anchor {
    pub head: Arc<Head>,
    // where the anchor stands, the frozen window texts: private
}

/// The prompt for `cursor`, and the anchor it hangs on: `previous` when that still fits (the cursor is in
/// the tail's line range, no edit landed in the head, the tail is short enough), else a new one.
pub fn follow(previous: Option<&Anchor>, snapshot: &Snapshot, cursor: ByteOffset, plan: &Plan, others: &[Snapshot]) -> (Anchor, Prompt) { todo!() }
