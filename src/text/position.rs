//! Protocol positions (line and column in UTF-8, UTF-16 or UTF-32 units) to and from byte offsets,
//! clamped as the LSP says: a column past the end of its line means the end of the line.
//!
//! Every conversion is O(log n) in the text, however long the line.

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

/// The byte offset of `position`; a line past the last means the end of the text, a column past the
/// end of its line the line's end before its break, a column inside a character the character's start.
pub fn offset_of(text: &Text, position: Position, encoding: Encoding) -> ByteOffset {
    let line = position.line as usize;
    if line >= text.line_count() {
        return text.len();
    }
    let start = text.line_start(line);
    let end = text.line_end(line);
    let units = units_before(text, start, encoding).saturating_add(position.column as usize);
    if units >= units_before(text, end, encoding) {
        return end;
    }
    match encoding {
        Encoding::Utf8 => text.floor(ByteOffset(units)),
        Encoding::Utf16 => ByteOffset(text.rope.char_to_byte(text.rope.utf16_cu_to_char(units))),
        Encoding::Utf32 => ByteOffset(text.rope.char_to_byte(units)),
    }
}

/// The position of `at` (clamped; inside a character its start, inside a line break the line's end).
/// Numbers that do not fit the protocol's 32 bits become the largest that does.
pub fn position_of(text: &Text, at: ByteOffset, encoding: Encoding) -> Position {
    let at = text.floor(at);
    let line = text.line_of(at);
    let at = at.min(text.line_end(line));
    let start = units_before(text, text.line_start(line), encoding);
    let column = units_before(text, at, encoding) - start;
    Position {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

/// How many units of `encoding` stand before `at`, a character boundary.
fn units_before(text: &Text, at: ByteOffset, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Utf8 => at.0,
        Encoding::Utf16 => text.rope.char_to_utf16_cu(text.char_at(at)),
        Encoding::Utf32 => text.char_at(at),
    }
}
