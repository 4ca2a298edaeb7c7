//! Protocol positions and ranges to and from byte offsets, and what an item replaces.

use std::ops::Range;

use tower_lsp::ls_types;

use crate::text::{
    ByteOffset, Text,
    position::{Encoding, Position, offset_of, position_of},
};

/// The byte offset of a protocol position, clamped into the text.
pub(crate) fn offset(text: &Text, position: ls_types::Position, encoding: Encoding) -> ByteOffset {
    offset_of(
        text,
        Position {
            line: position.line,
            column: position.character,
        },
        encoding,
    )
}

/// The byte range of a protocol range, clamped; one that runs backwards is turned round.
pub(crate) fn byte_range(
    text: &Text,
    range: ls_types::Range,
    encoding: Encoding,
) -> Range<ByteOffset> {
    let (start, end) = (
        offset(text, range.start, encoding),
        offset(text, range.end, encoding),
    );
    start.min(end)..start.max(end)
}

/// An edit without what stays as it was at its start: editors replace a half-typed word by the accepted whole, and
/// that is typing like any other. No further than a line, lest a line break be torn apart.
pub(crate) fn what_differs<'a>(
    text: &Text,
    range: Range<ByteOffset>,
    with: &'a str,
) -> (Range<ByteOffset>, &'a str) {
    let line_end = text.line_end(text.line_of(range.start)).min(range.end);
    let common: usize = text
        .slice(range.start..line_end)
        .chars()
        .zip(with.chars())
        .take_while(|(old, new)| old == new)
        .map(|(old, _)| old.len_utf8())
        .sum();
    (
        ByteOffset(range.start.0 + common)..range.end,
        &with[common..],
    )
}

/// The protocol range of a byte range.
pub(crate) fn range(text: &Text, range: Range<ByteOffset>, encoding: Encoding) -> ls_types::Range {
    let position = |at| {
        let Position { line, column } = position_of(text, at, encoding);
        ls_types::Position {
            line,
            character: column,
        }
    };
    ls_types::Range {
        start: position(range.start),
        end: position(range.end),
    }
}

/// More of a line than this is not looked at: a file may be one line.
const LOOK: usize = 4096;

/// The text of the cursor's line left of the cursor; of a very long line its end.
pub(crate) fn line_before(text: &Text, cursor: ByteOffset) -> String {
    let start = text.line_start(text.line_of(cursor));
    let near = text.floor(ByteOffset(cursor.0.saturating_sub(LOOK)));
    text.slice(start.max(near)..cursor)
}

/// The text of the cursor's line right of the cursor; of a very long line its beginning.
pub(crate) fn line_after(text: &Text, cursor: ByteOffset) -> String {
    let end = text.line_end(text.line_of(cursor));
    let near = text.floor(ByteOffset(cursor.0.saturating_add(LOOK)));
    text.slice(cursor..end.min(near))
}

/// Ghost text with line breaks as editors hold them in memory: VS Code, Neovim and Emacs split items at `\n`
/// and put the document's own breaks in when they insert them; Neovim would show a `\r` as `^M`.
pub(crate) fn with_plain_breaks(ghost: &str) -> String {
    ghost.replace("\r\n", "\n")
}

/// Ghost text with the line breaks of the document, for a client that inserts it to the letter (Helix).
pub(crate) fn with_breaks_of(text: &Text, cursor: ByteOffset, ghost: &str) -> String {
    let line = text.line_of(cursor);
    let ends_with_crlf =
        |line| text.slice(text.line_end(line)..text.line_start(line + 1)) == "\r\n";
    // The last line has no break; the one above it tells.
    let plain = with_plain_breaks(ghost);
    if ends_with_crlf(line) || (line > 0 && ends_with_crlf(line - 1)) {
        plain.replace('\n', "\r\n")
    } else {
        plain
    }
}

/// Where the half-typed word left of the cursor starts; the cursor itself when there is none.
pub(crate) fn word_start(before: &str) -> usize {
    before
        .char_indices()
        .rev()
        .take_while(|(_, character)| character.is_alphanumeric() || *character == '_')
        .last()
        .map_or(before.len(), |(at, _)| at)
}

/// Ghost text as an edit at the cursor: what to insert, and how many bytes right of the cursor it replaces.
///
/// Editors close brackets and quotes on their own. Ghost text that closes them again has to replace them, or
/// `print(` ends in `))`. So for each closer right of the cursor that the ghost text brings itself, in order,
/// the range runs over it. Then what both ends have in common is dropped, so that the range is empty wherever
/// that says the same: VS Code draws either kind in place, but Neovim draws an item with a range as an overlay
/// over the line and only one without as text that moves the rest aside. For the same reason the range starts at
/// the typed word only for clients that ask for that.
pub(crate) fn insertion(text: &str, after: &str) -> (String, usize) {
    let mut replaced = 0;
    let mut rest = text.char_indices();
    for closer in after
        .chars()
        .take_while(|character| ")]}>\"'`".contains(*character))
    {
        if !closes(&mut rest, closer) {
            break;
        }
        replaced += closer.len_utf8();
    }
    let common = text
        .bytes()
        .rev()
        .zip(after.as_bytes()[..replaced].iter().rev())
        .take_while(|(a, b)| a == *b)
        .count();
    (text[..text.len() - common].to_string(), replaced - common)
}

/// Advances `rest` behind the place where it closes `closer`, which was opened before it.
fn closes(rest: &mut std::str::CharIndices<'_>, closer: char) -> bool {
    let is_quote = "\"'`".contains(closer);
    let opener = match closer {
        ')' => '(',
        ']' => '[',
        '}' => '{',
        _ => '<',
    };
    let (mut depth, mut is_in_string, mut previous) = (0_usize, false, ' ');
    let mut ahead = rest.clone();
    while let Some((_, character)) = ahead.next() {
        let before = std::mem::replace(&mut previous, character);
        match character {
            // An arrow closes nothing.
            '>' if before == '-' || before == '=' => {}
            '\\' => {
                ahead.next();
            }
            _ if is_quote && character != closer => {}
            _ if is_quote => {
                *rest = ahead;
                return true;
            }
            '"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            _ if character == opener => depth += 1,
            _ if character == closer && depth > 0 => depth -= 1,
            _ if character == closer => {
                *rest = ahead;
                return true;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line` has the cursor as `|`; the result has what is replaced in `[]`, what is inserted before it.
    #[track_caller]
    fn check(line: &str, ghost: &str, expected: &str) {
        let (before, after) = line.split_once('|').unwrap();
        let (inserted, replaced) = insertion(ghost, after);
        assert_eq!(
            format!(
                "{before}«{inserted}»[{}]{}",
                &after[..replaced],
                &after[replaced..]
            ),
            expected
        );
    }

    #[test]
    fn ghost_text_that_closes_what_the_editor_closed_replaces_it() {
        check("print(|)", "x);", "print(«x);»[)]");
        check("foo(bar(|))", "x), y);", "foo(bar(«x), y);»[))]");
        check("foo(bar(|))", "x), y", "foo(bar(«x), y»[)])");
        check("f(\"|\")", "a\", b);", "f(\"«a\", b);»[\")]");
        check("a[|]", "i] = 1", "a[«i] = 1»[]]");
        check("Vec<|>", "fn() -> u8>;", "Vec<«fn() -> u8>;»[>]");
    }

    #[test]
    fn what_both_ends_have_in_common_stays_untouched() {
        check("print(|)", "x)", "print(«x»[])");
        check("fn f() {|}", "\n    g();\n}", "fn f() {«\n    g();\n»[]}");
        check("foo(bar(|))", "x))", "foo(bar(«x»[]))");
    }

    #[test]
    fn ghost_text_with_brackets_of_its_own_replaces_nothing() {
        check("print(|)", "g(x)", "print(«g(x)»[])");
        check("print(|)", "\")\"", "print(«\")\"»[])");
        check("print(|)", "x", "print(«x»[])");
        check("let a = |;", "b)", "let a = «b)»[];");
        check("x|", "y", "x«y»[]");
        check("f('|')", r"it\'s", r"f('«it\'s»[]')");
    }

    #[test]
    fn a_word_starts_after_the_last_character_that_is_none() {
        assert_eq!(word_start("let größe_2"), 4);
        assert_eq!(word_start("a."), 2);
        assert_eq!(word_start(""), 0);
    }
}
