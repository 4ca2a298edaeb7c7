//! Protocol positions (line and column in UTF-8, UTF-16 or UTF-32 units) to and from byte offsets,
//! clamped as the LSP says: a column past the end of its line means the end of the line.

use super::{ByteOffset, Text};

/// The unit that columns are counted in, negotiated with the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    Utf8,
    #[default]
    Utf16,
    Utf32,
}

/// A zero-based line and a column in units of an [`Encoding`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// The byte offset of `position`; out-of-range lines and columns are clamped, a column inside a
/// character means its start.
pub fn offset_of(text: &Text, position: Position, encoding: Encoding) -> ByteOffset { todo!() }

/// The position of `at`.
pub fn position_of(text: &Text, at: ByteOffset, encoding: Encoding) -> Position { todo!() }
