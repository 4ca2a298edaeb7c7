//! Where the cursor is after an edit, as far as the edit tells: LSP sends no cursor, and a request that
//! does comes 50 ms later (VS Code) or 200 ms (Neovim). A wrong guess costs work that nobody uses.

use crate::text::{ByteOffset, Edit, Text};

/// Typing, accepting and undoing insert less than this; a paste of more is rarely followed by a question.
const MAX_INSERTED: usize = 1024;

/// Openers whose closers editors insert along with them.
const PAIRS: [&str; 7] = ["()", "[]", "{}", "<>", "\"\"", "''", "``"];

/// The edits of one message.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// Where all of them were, as the text is now; `None` while there are none.
    region: Option<(usize, usize)>,
    is_scattered: bool,
    last: Option<(Edit, String)>,
}

impl Edits {
    pub(crate) fn push(&mut self, edit: Edit, inserted: &str) {
        let (start, old_end, new_end) = (edit.start.0, edit.old_end.0, edit.new_end.0);
        let region = match self.region {
            None => (start, new_end),
            Some((from, to)) if start <= to && from <= old_end => {
                (from.min(start), to.max(old_end) - old_end + new_end)
            }
            Some(region) => {
                self.is_scattered = true;
                region
            }
        };
        self.region = Some(region);
        let kept = inserted.get(..=MAX_INSERTED).unwrap_or(inserted);
        self.last = Some((edit, kept.to_owned()));
    }

    /// The whole text was replaced: no place of an edit is known.
    pub(crate) fn push_all(&mut self) {
        self.is_scattered = true;
    }

    /// The cursor in `text`, which is what the edits led to; `None` if they were in several places, or
    /// are no typing.
    pub(crate) fn cursor(&self, text: &Text) -> Option<ByteOffset> {
        let (edit, inserted) = self.last.as_ref().filter(|_| !self.is_scattered)?;
        if edit.new_end.0 - edit.start.0 > MAX_INSERTED {
            return None;
        }
        if PAIRS.contains(&inserted.as_str()) {
            return Some(ByteOffset(edit.start.0 + 1));
        }
        // Enter between braces: the closer goes down a line, the cursor stays above it.
        let is_closed = matches!(text.byte_at(edit.new_end), Some(b'}' | b')' | b']'));
        let last_break = inserted.rfind('\n');
        if let Some(at) = last_break.filter(|_| is_closed && inserted.trim().is_empty())
            && inserted[..at].contains('\n')
        {
            let before = inserted[..at].strip_suffix('\r').unwrap_or(&inserted[..at]);
            return Some(ByteOffset(edit.start.0 + before.len()));
        }
        Some(edit.new_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies edits to `text` in order, each a range and what it is replaced by; draws the cursor.
    #[track_caller]
    fn check(text: &str, edits: &[(std::ops::Range<usize>, &str)], expected: &str) {
        let mut text = Text::new(text);
        let mut all = Edits::default();
        for (range, with) in edits {
            let edit = text.replace(ByteOffset(range.start)..ByteOffset(range.end), with);
            all.push(edit, with);
        }
        let mut drawn = text.to_string();
        match all.cursor(&text) {
            Some(cursor) => drawn.insert(cursor.0, '|'),
            None => drawn.push('?'),
        }
        assert_eq!(drawn, expected);
    }

    #[test]
    fn the_cursor_is_behind_what_was_inserted_or_where_something_was_deleted() {
        check("let  = 1;", &[(4..4, "x")], "let x| = 1;");
        check("let xy = 1;", &[(5..6, "")], "let x| = 1;");
        check("let xy = 1;", &[(4..6, "größe")], "let größe| = 1;");
    }

    #[test]
    fn the_cursor_is_between_brackets_that_come_together() {
        check("f", &[(1..1, "()")], "f(|)");
        check("f", &[(1..1, "g()")], "fg()|");
        check("fn f() {}", &[(8..8, "\n    \n")], "fn f() {\n    |\n}");
        check(
            "fn f() {}",
            &[(8..8, "\r\n    \r\n")],
            "fn f() {\r\n    |\r\n}",
        );
        check("fn f() {\n", &[(8..8, "\n\n")], "fn f() {\n\n|\n");
    }

    #[test]
    fn edits_that_touch_are_one_place_and_others_are_none() {
        check("ab", &[(1..1, "x"), (2..2, ")")], "ax)|b");
        check("abcdef", &[(3..4, ""), (3..3, "x")], "abcx|ef");
        check("abcdef", &[(5..5, "x"), (1..1, "x")], "axbcdexf?");
    }

    #[test]
    fn a_long_paste_or_a_whole_text_tells_nothing() {
        let long = "x".repeat(2000);
        check("", &[(0..0, &long)], &format!("{long}?"));
        let mut all = Edits::default();
        all.push_all();
        assert_eq!(all.cursor(&Text::new("x")), None);
    }
}
