//! Clean-up rules on a finished completion. They only ever shorten it.

use super::Shape;
use crate::{document::Snapshot, text::ByteOffset};

/// The completion as it may be shown, or `None` when nothing worth showing is left.
pub fn trim(text: &str, snapshot: &Snapshot, cursor: ByteOffset, shape: Shape) -> Option<String> { todo!() }
