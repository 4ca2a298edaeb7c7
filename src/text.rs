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

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines by the LSP's own words: where each starts and where it ends before its break.
    fn lines(text: &str) -> Vec<(usize, usize)> {
        let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
        while at < text.len() {
            let len = match &text.as_bytes()[at..] {
                [b'\r', b'\n', ..] => 2,
                [b'\r' | b'\n', ..] => 1,
                _ => 0,
            };
            if len > 0 {
                lines.push((start, at));
                start = at + len;
            }
            at += len.max(1);
        }
        lines.push((start, text.len()));
        lines
    }

    #[track_caller]
    fn check_lines(text: &Text, expected: &str) {
        let expected = lines(expected);
        let found = |line| (text.line_start(line).0, text.line_end(line).0);
        let found: Vec<_> = (0..text.line_count()).map(found).collect();
        assert_eq!(found, expected);
        for (line, (start, end)) in expected.into_iter().enumerate() {
            assert_eq!(text.line_of(ByteOffset(start)), line);
            assert_eq!(text.line_of(ByteOffset(end)), line);
        }
    }

    fn bytes(start: usize, end: usize) -> Range<ByteOffset> {
        ByteOffset(start)..ByteOffset(end)
    }

    #[test]
    fn lines_end_as_the_protocol_says_and_at_no_other_break() {
        for text in [
            "",
            "a",
            "a\n",
            "a\nb",
            "a\r\nb",
            "a\rb",
            "\r\r\n\n",
            "\n\r",
            "a\u{2028}b\u{85}c\x0b\x0cd\n",
        ] {
            check_lines(&Text::new(text), text);
        }
    }

    #[test]
    fn offsets_and_lines_out_of_range_are_clamped() {
        let mut text = Text::new("é\n");
        let far = ByteOffset(usize::MAX);
        assert_eq!(text.floor(far), ByteOffset(3));
        assert_eq!(text.floor(ByteOffset(1)), ByteOffset(0));
        assert_eq!(text.line_of(far), 1);
        assert_eq!(text.line_start(usize::MAX), ByteOffset(3));
        assert_eq!(text.line_end(usize::MAX), ByteOffset(3));
        assert_eq!(text.slice(bytes(1, usize::MAX)), "é\n");
        assert_eq!(text.slice(bytes(3, 1)), "");
        assert_eq!(text.chunk_from(far), "");
        assert_eq!(text.byte_at(far), None);
        assert_eq!(text.last_non_blank(far, 9), Some(ByteOffset(0)));
        assert_eq!(text.first_non_blank(far, 9), None);
        let edit = text.replace(bytes(3, 1), "x");
        assert_eq!(
            (edit.start, edit.old_end, edit.new_end),
            (ByteOffset(3), ByteOffset(3), ByteOffset(4))
        );
        assert_eq!(text.to_string(), "é\nx");
    }

    #[test]
    fn an_edit_inside_a_character_takes_it_whole_from_its_start() {
        let mut text = Text::new("a😀b");
        let edit = text.replace(bytes(3, 5), "é");
        assert_eq!(
            (edit.start, edit.old_end, edit.new_end),
            (ByteOffset(1), ByteOffset(5), ByteOffset(3))
        );
        assert_eq!(text.to_string(), "aéb");
    }

    #[test]
    fn chunks_put_together_are_the_text() {
        let expected = "größe 日本 😀\r\n".repeat(500);
        let text = Text::new(&expected);
        let mut read = String::new();
        while read.len() < expected.len() {
            read += text.chunk_from(ByteOffset(read.len()));
        }
        assert_eq!(read, expected);
    }

    #[test]
    fn blanks_are_skipped_both_ways_within_the_limit() {
        let text = Text::new("é \t\r\n x");
        assert_eq!(text.last_non_blank(ByteOffset(7), 5), None);
        assert_eq!(text.last_non_blank(ByteOffset(7), 6), Some(ByteOffset(0)));
        assert_eq!(text.first_non_blank(ByteOffset(2), 5), None);
        assert_eq!(text.first_non_blank(ByteOffset(2), 6), Some(ByteOffset(7)));
    }

    /// Numbers that only look random.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }
    }

    const PIECES: &[&str] = &[
        "a",
        "word ",
        "\n",
        "\r",
        "\r\n",
        "\n\r",
        "é",
        "日本",
        "😀",
        "",
        "    ",
        "x\ny\r\nz\r",
    ];

    #[test]
    fn ten_thousand_random_edits_leave_the_text_that_a_string_has() {
        let mut random = Random(42);
        let mut expected = "fn größe() {\r\n    1\n}\r".repeat(40);
        let mut text = Text::new(&expected);
        for n in 0..10_000 {
            let at = random.below(expected.len() + 1);
            // Short deletions, now and then a long one that keeps the text from growing.
            let len = if random.below(50) == 0 {
                random.below(600)
            } else {
                random.below(6)
            };
            let with = PIECES[random.below(PIECES.len())].repeat(1 + random.below(3));
            let edit = text.replace(bytes(at, at + len), &with);
            let floor = |mut at: usize| {
                at = at.min(expected.len());
                while !expected.is_char_boundary(at) {
                    at -= 1;
                }
                at
            };
            let (start, end) = (floor(at), floor(at + len));
            let found = (edit.start.0, edit.old_end.0, edit.new_end.0);
            assert_eq!(found, (start, end, start + with.len()));
            expected.replace_range(start..end, &with);
            assert!(text.to_string() == expected, "edit {n}");
            if n % 20 == 0 {
                check_lines(&text, &expected);
            }
        }
    }

    #[test]
    fn a_difference_is_the_smallest_that_turns_one_text_into_the_other() {
        for (old, new, range, with) in [
            ("", "", 0..0, ""),
            ("", "é", 0..0, "é"),
            ("abc", "", 0..3, ""),
            ("abc", "abc", 3..3, ""),
            ("abc", "aXc", 1..2, "X"),
            ("aaa", "aaaa", 3..3, "a"),
            ("aaaa", "aaa", 3..4, ""),
            // They share bytes of a character, which must not be cut.
            ("xéy", "xèy", 1..3, "è"),
            ("x😀", "x😁", 1..5, "😁"),
            ("ũ", "ĩ", 0..2, "ĩ"),
        ] {
            let found = Text::new(old).difference(new);
            assert_eq!(
                found,
                (bytes(range.start, range.end), with),
                "{old:?} to {new:?}"
            );
        }
    }

    #[test]
    fn a_difference_applied_gives_the_new_text() {
        let mut random = Random(7);
        let mut text = Text::new(&"größe\r\n日本\r".repeat(300));
        for _ in 0..500 {
            let mut new = text.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(new.len().0 + 1);
                let with = PIECES[random.below(PIECES.len())];
                new.replace(bytes(at, at + random.below(9)), with);
            }
            let new = new.to_string();
            let (range, with) = text.difference(&new);
            text.replace(range, with);
            assert!(text.to_string() == new);
        }
    }
}
