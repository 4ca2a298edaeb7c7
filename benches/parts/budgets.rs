//! How long each part of a keystroke may take, on one core of the development machine, beside the model.
//! `main.rs` measures them; `tests/budgets.rs` sees to it that they add up.

use std::time::Duration;

/// An edit in the middle of a file of one megabyte.
pub const EDIT: Duration = Duration::from_micros(50);
/// A change in such a file, from its first byte on the wire, 99 times of 100; a parse may go on meanwhile.
pub const CHANGE: Duration = Duration::from_millis(1);
/// The snapshot after it, with the tree parsed anew around the edit.
pub const REPARSE: Duration = Duration::from_micros(2500);
/// The prompt when the anchor stays, which is what typing does.
pub const PROMPT: Duration = Duration::from_micros(50);
/// The prompt with a new anchor, as after a jump.
pub const NEW_ANCHOR: Duration = Duration::from_micros(200);
/// The choice among the tokens that go on with a half-typed word, of 152,000.
pub const MASK: Duration = Duration::from_micros(300);
/// All stop rules over a completion of 16 tokens.
pub const STOP: Duration = Duration::from_micros(50);
/// The clean-up rules over it.
pub const TRIM: Duration = Duration::from_micros(50);
/// What the model has said at a place before, among 250 completions.
pub const RECALL: Duration = Duration::from_micros(50);
/// Following the open files over 16 tokens, with a draft at each.
pub const DRAFT: Duration = Duration::from_micros(50);
/// Reading and indexing as much of the open files as is ever looked at: once for each head of a prompt, on the
/// engine's thread.
pub const LOOK: Duration = Duration::from_millis(3);
/// Finding the places that are like the text before the cursor and weighing them against the model's choice, over 16
/// tokens of 8,192.
pub const MIX: Duration = Duration::from_micros(500);
