//! Whether to ask at all, and for how much.

use super::Shape;
use crate::{document::Snapshot, text::ByteOffset};

/// `None`: nothing is wanted here (text that is no closer or separator follows on the line).
/// `is_invoked`: the user asked by hand; then everything that can be answered is.
pub fn decide(snapshot: &Snapshot, cursor: ByteOffset, is_invoked: bool) -> Option<Shape> { todo!() }
