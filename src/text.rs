//! A document's text: a rope addressed in bytes. The only user of ropey.
//!
//! Everything inside ghostline counts bytes; protocol positions are converted in `text/position.rs`.

pub mod position;

use std::ops::Range;

/// A place in a text, counted in bytes of UTF-8 from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteOffset(pub usize);

/// A text; cloning it is O(1).
#[derive(Clone, Debug)]
pub struct Text {
    rope: ropey::Rope,
}

/// What an edit did, in bytes: `start..old_end` became `start..new_end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    pub start: ByteOffset,
    pub old_end: ByteOffset,
    pub new_end: ByteOffset,
}

impl Text {
    pub fn new(text: &str) -> Text {
        Text { rope: ropey::Rope::from_str(text) }
    }

    /// The length in bytes, which is also the offset of the end.
    pub fn len(&self) -> ByteOffset { todo!() }

    pub fn is_empty(&self) -> bool { todo!() }

    /// The nearest character boundary at or before `at`, at most the end of the text.
    pub fn floor(&self, at: ByteOffset) -> ByteOffset { todo!() }

    /// Lines as the LSP counts them: ended by `\n`, `\r\n` or a lone `\r`; a text that ends with one has an empty last line.
    pub fn line_count(&self) -> usize { todo!() }

    /// The zero-based line that holds `at` (clamped).
    pub fn line_of(&self, at: ByteOffset) -> usize { todo!() }

    /// Where `line` starts; the end of the text when there is no such line.
    pub fn line_start(&self, line: usize) -> ByteOffset { todo!() }

    /// Where `line` ends, before its line break.
    pub fn line_end(&self, line: usize) -> ByteOffset { todo!() }

    /// A copy of `range`, clamped to the text and widened to no half character (each end floored).
    pub fn slice(&self, range: Range<ByteOffset>) -> String { todo!() }

    /// The longest contiguous piece of the rope that starts at `at`, for parsers. Empty at the end.
    pub fn chunk_from(&self, at: ByteOffset) -> &str { todo!() }

    /// Replaces `range` (clamped, floored) and says what that did.
    pub fn replace(&mut self, range: Range<ByteOffset>, with: &str) -> Edit { todo!() }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() }
}
