//! Stop rules, applied while decoding: end of line or block, repetition.

use super::Shape;
use crate::{document::Snapshot, text::ByteOffset};

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    EndToken,
    EndOfLine,
    EndOfBlock,
    Repetition,
    MaxTokens,
    /// The text that follows the cursor has been reached.
    Suffix,
    Deadline,
}

/// The rules for one completion.
#[derive(Clone, Debug)]
pub struct Stop {
    // private
}

impl Stop {
    pub fn new(shape: Shape, snapshot: &Snapshot, cursor: ByteOffset) -> Stop { todo!() }

    /// Looks at the whole text generated so far (complete UTF-8); `Some` when it is enough, with how
    /// many bytes of it to keep. Called once per generated token; linear in what is new.
    pub fn check(&mut self, text: &str) -> Option<(StopReason, usize)> { todo!() }
}
