//! A document's text: a rope addressed in bytes. The only user of ropey.
//!
//! Everything inside ghostline counts bytes; protocol positions are converted in `text/position.rs`.
//! No offset and no line is out of range here: each is clamped, and one inside a character means the
//! character's start, so that nothing a client sends can make a text panic.

pub mod position;

use std::{fmt, ops::Range};

use ropey::Rope;

/// A place in a text, counted in bytes of UTF-8 from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteOffset(pub usize);

/// A text; cloning it is O(1).
#[derive(Clone, Debug)]
pub struct Text {
    rope: Rope,
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
        Text {
            rope: Rope::from_str(text),
        }
    }

    /// The length in bytes, which is also the offset of the end.
    pub fn len(&self) -> ByteOffset {
        ByteOffset(self.rope.len_bytes())
    }

    pub fn is_empty(&self) -> bool {
        self.rope.len_bytes() == 0
    }

    /// The nearest character boundary at or before `at`, at most the end of the text.
    pub fn floor(&self, at: ByteOffset) -> ByteOffset {
        ByteOffset(self.rope.char_to_byte(self.char_at(at)))
    }

    /// Lines as the LSP counts them: ended by `\n`, `\r\n` or a lone `\r`; a text that ends with one
    /// has an empty last line.
    pub fn line_count(&self) -> usize {
        self.rope.len_lines()
    }

    /// The zero-based line that holds `at` (clamped).
    pub fn line_of(&self, at: ByteOffset) -> usize {
        self.rope.byte_to_line(at.0.min(self.rope.len_bytes()))
    }

    /// Where `line` starts; the end of the text when there is no such line.
    pub fn line_start(&self, line: usize) -> ByteOffset {
        if line >= self.line_count() {
            return self.len();
        }
        ByteOffset(self.rope.line_to_byte(line))
    }

    /// Where `line` ends, before its line break.
    pub fn line_end(&self, line: usize) -> ByteOffset {
        let next = self.line_start(line.saturating_add(1));
        if line.saturating_add(1) >= self.line_count() {
            return next;
        }
        let is_crlf = next.0 >= 2
            && self.rope.byte(next.0 - 1) == b'\n'
            && self.rope.byte(next.0 - 2) == b'\r';
        ByteOffset(next.0 - if is_crlf { 2 } else { 1 })
    }

    /// A copy of `range`, clamped to the text and widened to no half character (each end floored).
    pub fn slice(&self, range: Range<ByteOffset>) -> String {
        let start = self.floor(range.start);
        let end = self.floor(range.end).max(start);
        self.rope.byte_slice(start.0..end.0).to_string()
    }

    /// The longest contiguous piece of the rope that starts at `at` (floored), for parsers. Empty at
    /// the end.
    pub fn chunk_from(&self, at: ByteOffset) -> &str {
        let at = self.floor(at);
        let (chunk, start, _, _) = self.rope.chunk_at_byte(at.0);
        &chunk[at.0 - start..]
    }

    /// The byte at `at`, or `None` at the end.
    pub fn byte_at(&self, at: ByteOffset) -> Option<u8> {
        self.rope.get_byte(at.0)
    }

    /// Where the last character before `at` starts that is no blank and no line break; looks back at
    /// most `limit` bytes.
    pub fn last_non_blank(&self, at: ByteOffset, limit: usize) -> Option<ByteOffset> {
        let at = self.floor(at);
        let back = (self.rope.bytes_at(at.0).reversed().take(limit)).position(|b| !is_blank(b))?;
        Some(self.floor(ByteOffset(at.0 - back - 1)))
    }

    /// Where the first character at or after `at` starts that is no blank and no line break; looks
    /// at most `limit` bytes ahead.
    pub fn first_non_blank(&self, at: ByteOffset, limit: usize) -> Option<ByteOffset> {
        let at = self.floor(at);
        let ahead = (self.rope.bytes_at(at.0).take(limit)).position(|b| !is_blank(b))?;
        Some(ByteOffset(at.0 + ahead))
    }

    /// Replaces `range` (clamped, floored) and says what that did. Costs what is replaced, not what
    /// the text holds.
    pub fn replace(&mut self, range: Range<ByteOffset>, with: &str) -> Edit {
        let start = self.floor(range.start);
        let old_end = self.floor(range.end).max(start);
        let chars = self.char_at(start)..self.char_at(old_end);
        if chars.len() == self.rope.len_chars() {
            // Building a rope is several times faster than inserting a whole text into an empty one.
            self.rope = Rope::from_str(with);
        } else {
            self.rope.remove(chars.clone());
            self.rope.insert(chars.start, with);
        }
        Edit {
            start,
            old_end,
            new_end: ByteOffset(start.0 + with.len()),
        }
    }

    /// The smallest replacement that turns this text into `new`: a range here, and the part of `new`
    /// to put there. Linear in the text, and copies nothing.
    pub fn difference<'a>(&self, new: &'a str) -> (Range<ByteOffset>, &'a str) {
        let old_len = self.rope.len_bytes();
        let mut prefix = 0;
        for chunk in self.rope.chunks() {
            let rest = &new.as_bytes()[prefix..];
            let pairs = chunk.bytes().zip(rest);
            // Comparing whole chunks first makes this a memcmp, but for the chunk that differs.
            if rest.starts_with(chunk.as_bytes()) {
                prefix += chunk.len();
            } else {
                prefix += pairs.take_while(|(old, new)| old == *new).count();
                break;
            }
        }
        while !new.is_char_boundary(prefix) {
            prefix -= 1;
        }
        let mut suffix = 0;
        for chunk in self.rope.chunks_at_byte(old_len).0.reversed() {
            let rest = &new.as_bytes()[prefix..new.len() - suffix];
            let pairs = chunk.bytes().rev().zip(rest.iter().rev());
            if rest.ends_with(chunk.as_bytes()) {
                suffix += chunk.len();
            } else {
                suffix += pairs.take_while(|(old, new)| old == *new).count();
                break;
            }
        }
        suffix = suffix.min(old_len - prefix);
        while !new.is_char_boundary(new.len() - suffix) {
            suffix -= 1;
        }
        (
            ByteOffset(prefix)..ByteOffset(old_len - suffix),
            &new[prefix..new.len() - suffix],
        )
    }

    fn char_at(&self, at: ByteOffset) -> usize {
        self.rope.byte_to_char(at.0.min(self.rope.len_bytes()))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rope.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}
