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

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::RngSeed};

    use super::*;

    const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32];

    #[track_caller]
    fn check(text: &str, line: u32, column: u32, expected: [usize; 3]) {
        let text = Text::new(text);
        let position = Position { line, column };
        let found = ENCODINGS.map(|encoding| offset_of(&text, position, encoding).0);
        assert_eq!(found, expected, "in UTF-8, UTF-16, UTF-32");
    }

    #[test]
    fn columns_count_in_the_units_of_the_encoding() {
        check("aé😀b", 0, 1, [1, 1, 1]);
        check("aé😀b", 0, 3, [3, 3, 7]);
        check("aé😀b", 0, 4, [3, 7, 8]);
        check("é\nx日本", 1, 2, [4, 7, 7]);
    }

    #[test]
    fn a_column_inside_a_character_means_its_start() {
        check("😀b", 0, 1, [0, 0, 4]);
        check("😀b", 0, 3, [0, 5, 5]);
    }

    #[test]
    fn a_column_past_the_end_of_a_line_means_its_end_before_the_break() {
        for line_break in ["\n", "\r\n", "\r"] {
            check(&format!("é{line_break}b"), 0, 9, [2; 3]);
            check(&format!("é{line_break}b"), 0, u32::MAX, [2; 3]);
        }
    }

    #[test]
    fn a_line_past_the_last_means_the_end_of_the_text() {
        check("a\nb", 2, 0, [3; 3]);
        check("a\nb\n", u32::MAX, 7, [4; 3]);
        check("", 1, 1, [0; 3]);
    }

    #[test]
    fn the_middle_of_a_line_break_means_the_end_of_the_line() {
        let text = Text::new("ab\r\nc");
        let found = position_of(&text, ByteOffset(3), Encoding::Utf16);
        assert_eq!((found.line, found.column), (0, 2));
    }

    /// Text with characters of every length and line breaks of every kind.
    fn texts() -> impl Strategy<Value = String> {
        let pieces = vec![
            "a", "bc ", "\n", "\r", "\r\n", "é", "日", "😀", "\u{2028}", "e\u{301}",
        ];
        proptest::collection::vec(proptest::sample::select(pieces), 0..400)
            .prop_map(|pieces| pieces.concat())
    }

    fn always_the_same(cases: u32) -> ProptestConfig {
        ProptestConfig {
            rng_seed: RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::with_cases(cases)
        }
    }

    proptest! {
        #![proptest_config(always_the_same(64))]

        #[test]
        fn every_place_has_a_position_that_leads_back(text in texts()) {
            let rope = Text::new(&text);
            for (at, _) in text.char_indices().chain([(text.len(), ' ')]) {
                if text[..at].ends_with('\r') && text[at..].starts_with('\n') {
                    continue;
                }
                for encoding in ENCODINGS {
                    let position = position_of(&rope, ByteOffset(at), encoding);
                    prop_assert_eq!(offset_of(&rope, position, encoding), ByteOffset(at));
                    let line = &text[rope.line_start(position.line as usize).0..at];
                    let column = match encoding {
                        Encoding::Utf8 => line.len(),
                        Encoding::Utf16 => line.encode_utf16().count(),
                        Encoding::Utf32 => line.chars().count(),
                    };
                    prop_assert_eq!(position.column as usize, column);
                }
            }
        }

        #[test]
        fn any_position_is_clamped_to_its_line(text in texts(), line in 0..200u32, column in 0..50u32) {
            let text = Text::new(&text);
            for encoding in ENCODINGS {
                for position in [
                    Position { line, column },
                    Position { line: u32::MAX - line, column },
                    Position { line, column: u32::MAX - column },
                ] {
                    let at = offset_of(&text, position, encoding);
                    prop_assert_eq!(text.floor(at), at);
                    let line = position.line as usize;
                    prop_assert!(text.line_start(line) <= at && at <= text.line_end(line));
                }
            }
        }
    }
}
