//! Tells edits that take something back, by deleting or undoing, from typing: behind those no new ghost text is
//! wanted. The protocol does not say what an edit is, so that it is inferred from what the edits replace.
//!
//! * An edit that only deletes takes back.
//! * So does one that puts several characters where they stood before and were deleted lately: undoing a deletion,
//!   or doing again what was undone. A single character is typing, and so is text that continues the ghost text on
//!   the screen: it was accepted. Text that was cut and is pasted elsewhere is none either.
//! * Everything else types.
//!
//! The last edit of a message decides, but for a deletion in one that inserts more than it deletes: editors trim
//! blanks above along with Enter.

use std::collections::VecDeque;

use super::Suggestion;
use crate::text::{ByteOffset, Edit, Text};

/// How many deletions are remembered, and how long one may be, in bytes: more than a screen of text.
const MAX_HOLES: usize = 32;
const MAX_TEXT: usize = 8 * 1024;

/// How far from where it was deleted text may come back, in bytes: editors that send the difference between lines
/// bring back a line's text and its break in two edits.
const NEAR: usize = 2;

/// What was deleted from one document lately, and whether its last message of edits took back.
#[derive(Debug, Default)]
pub struct Retractions {
    /// The newest in front.
    holes: VecDeque<Hole>,
    is_last: bool,
    message: Message,
}

/// Where something was deleted.
#[derive(Debug)]
struct Hole {
    at: usize,
    text: String,
}

/// The edits of one message so far.
#[derive(Debug, Default)]
struct Message {
    inserted: usize,
    deleted: usize,
    last: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Types,
    Deletes,
    /// Puts back what stood there.
    Restores,
}

impl Retractions {
    /// Takes note of an edit of the message that is being read. `shown` is the ghost text shown last. Linear in
    /// what is replaced, up to a limit.
    pub fn edited(&mut self, edit: &Edit, before: &Text, after: &Text, shown: Option<&Suggestion>) {
        let slice = |text: &Text, start: ByteOffset, end: ByteOffset| {
            (end.0 - start.0 <= MAX_TEXT).then(|| text.slice(start..end))
        };
        self.message.inserted += edit.new_end.0 - edit.start.0;
        self.message.deleted += edit.old_end.0 - edit.start.0;
        let deleted = slice(before, edit.start, edit.old_end);
        let inserted = slice(after, edit.start, edit.new_end);
        let (Some(deleted), Some(inserted)) = (deleted, inserted) else {
            // More than anybody types.
            let is_deletion = edit.new_end == edit.start;
            self.message.last = Some(if is_deletion {
                Kind::Deletes
            } else {
                Kind::Types
            });
            self.shift(edit);
            return;
        };
        // Clients say that they replace `pri` by `print` where they insert `nt`.
        let same = common_start(&deleted, &inserted);
        let (deleted, inserted) = (&deleted[same..], &inserted[same..]);
        let same_end = common_end(deleted, inserted);
        let deleted = &deleted[..deleted.len() - same_end];
        let inserted = &inserted[..inserted.len() - same_end];
        let at = edit.start.0 + same;
        if deleted.is_empty() && inserted.is_empty() {
            // A closer is typed over.
            if edit.new_end != edit.start {
                self.message.last = Some(Kind::Types);
            }
            return;
        }
        let kind = if inserted.is_empty() {
            Kind::Deletes
        } else if shown.is_some_and(|shown| continues(shown, at, inserted)) {
            Kind::Types
        } else if self.restores(at, inserted) {
            Kind::Restores
        } else {
            Kind::Types
        };
        self.message.last = Some(kind);
        let trimmed = Edit {
            start: ByteOffset(at),
            old_end: ByteOffset(at + deleted.len()),
            new_end: ByteOffset(at + inserted.len()),
        };
        if !deleted.is_empty() {
            self.dig(at, deleted, inserted.is_empty());
        }
        self.shift(&trimmed);
    }

    /// The message has been read.
    pub fn end_message(&mut self) {
        let message = std::mem::take(&mut self.message);
        self.is_last = match message.last {
            None => return,
            Some(Kind::Types) => false,
            Some(Kind::Restores) => true,
            Some(Kind::Deletes) => message.inserted <= message.deleted,
        };
    }

    /// Whether the last message that changed anything took something back.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// Whether `inserted` stood at `at`; the hole is filled then.
    fn restores(&mut self, at: usize, inserted: &str) -> bool {
        if inserted.chars().nth(1).is_none() {
            return false;
        }
        let stood = |hole: &Hole| {
            hole.at.abs_diff(at) <= NEAR
                && (hole.text.starts_with(inserted) || hole.text.ends_with(inserted))
        };
        match self.holes.iter().position(stood) {
            Some(found) => {
                self.holes.remove(found);
                true
            }
            None => false,
        }
    }

    /// Keeps the holes where they are in the text.
    fn shift(&mut self, edit: &Edit) {
        for hole in &mut self.holes {
            if hole.at >= edit.old_end.0 && hole.at > edit.start.0 {
                hole.at = hole.at - edit.old_end.0 + edit.new_end.0;
            } else if hole.at > edit.start.0 {
                hole.at = edit.start.0;
            }
        }
    }

    /// Remembers a deletion, as one with that before it when the two touch: editors undo them together.
    fn dig(&mut self, at: usize, deleted: &str, is_deletion: bool) {
        if let Some(last) = self.holes.front_mut()
            && is_deletion
            && last.text.len() + deleted.len() <= MAX_TEXT
        {
            if last.at == at + deleted.len() {
                last.text.insert_str(0, deleted);
                last.at = at;
                return;
            }
            if last.at == at {
                last.text.push_str(deleted);
                return;
            }
        }
        self.holes.push_front(Hole {
            at,
            text: deleted.to_owned(),
        });
        self.holes.truncate(MAX_HOLES);
    }
}

/// Whether `inserted` at `at` is how the rest of the ghost text goes on there.
fn continues(shown: &Suggestion, at: usize, inserted: &str) -> bool {
    let rest = (at.checked_sub(shown.at.0)).and_then(|typed| shown.text.get(typed..));
    rest.is_some_and(|rest| rest.starts_with(inserted.replace("\r\n", "\n").as_str()))
}

/// How many bytes both begin with.
fn common_start(one: &str, other: &str) -> usize {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    same.map(|(character, _)| character.len_utf8()).sum()
}

/// How many bytes both end with.
fn common_end(one: &str, other: &str) -> usize {
    let pairs = one.chars().rev().zip(other.chars().rev());
    let same = pairs.take_while(|(a, b)| a == b);
    same.map(|(character, _)| character.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::suggest::at_cursor;

    /// Somebody's document.
    struct Desk {
        text: Text,
        retractions: Retractions,
        shown: Option<Suggestion>,
    }

    impl Desk {
        fn with(text: &str) -> Desk {
            Desk {
                text: Text::new(text),
                retractions: Retractions::default(),
                shown: None,
            }
        }

        /// Sends one message of edits, each a range and what it is replaced by; whether it takes back.
        fn edits(&mut self, edits: &[(Range<usize>, &str)]) -> bool {
            for (range, with) in edits {
                let before = self.text.clone();
                let edit =
                    (self.text).replace(ByteOffset(range.start)..ByteOffset(range.end), with);
                let shown = self.shown.as_ref();
                (self.retractions).edited(&edit, &before, &self.text, shown);
            }
            self.retractions.end_message();
            self.retractions.is_last()
        }

        #[track_caller]
        fn types(&mut self, range: Range<usize>, with: &str) {
            assert!(!self.edits(&[(range, with)]), "{with:?} is typed");
        }

        #[track_caller]
        fn takes_back(&mut self, range: Range<usize>, with: &str) {
            assert!(self.edits(&[(range, with)]), "{with:?} takes back");
        }
    }

    #[test]
    fn deleting_takes_back_and_inserting_types() {
        let mut desk = Desk::with("let foo = 1;");
        desk.types(7..7, "x");
        desk.takes_back(7..8, "");
        desk.types(7..7, "x");
        desk.takes_back(0..8, "");
        // A paste, and a letter over a selection.
        desk.types(0..0, "let bar = 2;\n");
        desk.types(0..8, "y");
    }

    #[test]
    fn undoing_a_deletion_takes_back_however_it_was_deleted() {
        let mut desk = Desk::with("let foo = 1;");
        desk.takes_back(4..7, "");
        desk.takes_back(4..4, "foo");
        // By backspaces, undone as one.
        for end in [7, 6, 5] {
            desk.takes_back(end - 1..end, "");
        }
        desk.takes_back(4..4, "foo");
        // By the delete key.
        for _ in 0..3 {
            desk.takes_back(4..5, "");
        }
        desk.takes_back(4..4, "foo");
        // What was typed since elsewhere moves the place.
        desk.takes_back(4..7, "");
        desk.types(0..0, "pub ");
        desk.takes_back(8..8, "foo");
        assert_eq!(desk.text.to_string(), "pub let foo = 1;");
    }

    #[test]
    fn a_single_character_is_typed_even_where_it_stood() {
        let mut desk = Desk::with("let foo");
        desk.takes_back(6..7, "");
        desk.types(6..6, "o");
    }

    #[test]
    fn doing_again_what_was_undone_takes_back() {
        let mut desk = Desk::with("let ");
        desk.types(4..4, "answer");
        desk.takes_back(4..10, "");
        desk.takes_back(4..4, "answer");
    }

    #[test]
    fn a_replacement_that_is_undone_takes_back() {
        let mut desk = Desk::with("x = pri\n");
        desk.types(4..7, "pri(one)\n    two");
        desk.takes_back(4..20, "pri");
        let mut desk = Desk::with("let number = 1;");
        desk.types(4..10, "größe");
        desk.takes_back(4..11, "number");
    }

    #[test]
    fn text_that_was_cut_and_is_pasted_elsewhere_is_typed() {
        let mut desk = Desk::with("a();\nb();\n");
        desk.takes_back(0..5, "");
        desk.types(5..5, "a();\n");
    }

    #[test]
    fn accepting_the_ghost_text_is_typing_though_it_stood_there() {
        let (snapshot, cursor) = at_cursor("rust", "let |");
        let mut desk = Desk::with("let answer = 1;");
        desk.takes_back(4..15, "");
        desk.shown = Suggestion::new("answer = 1;".to_owned(), &snapshot, cursor);
        desk.types(4..4, "answer ");
        desk.types(11..11, "= 1;");
    }

    #[test]
    fn accepting_from_a_popup_and_typing_over_a_closer_are_typing() {
        let mut desk = Desk::with("pri()");
        desk.types(0..3, "print");
        desk.types(6..7, ")");
        desk.takes_back(5..7, "");
    }

    #[test]
    fn a_message_with_several_edits_is_what_its_last_one_is() {
        // Neovim gathers keys.
        let mut desk = Desk::with("let fo = 1;");
        assert!(!desk.edits(&[(6..6, "x"), (7..7, "y")]));
        assert!(desk.edits(&[(7..8, ""), (6..7, "")]));
        assert!(desk.edits(&[(6..6, "x"), (6..7, "")]));
        assert!(!desk.edits(&[(5..6, ""), (5..5, "u")]));
        // Several cursors.
        let mut desk = Desk::with("a\nb\n");
        assert!(!desk.edits(&[(3..3, "x"), (1..1, "x")]));
        assert!(desk.edits(&[(4..5, ""), (1..2, "")]));
    }

    #[test]
    fn blanks_that_are_trimmed_along_with_enter_do_not_make_it_a_deletion() {
        let mut desk = Desk::with("{\n    \n}");
        assert!(!desk.edits(&[(6..6, "\n    "), (2..6, "")]));
    }

    #[test]
    fn a_line_that_comes_back_in_two_edits_takes_back() {
        // As Neovim undoes and redoes a line that was typed.
        let mut desk = Desk::with("def f():\n");
        desk.types(8..9, "\n\n");
        desk.types(9..9, "return one");
        desk.takes_back(9..19, "");
        desk.takes_back(9..10, "");
        desk.edits(&[(8..9, "\n\n")]);
        desk.takes_back(9..9, "return one");
    }

    #[test]
    fn nothing_typed_changes_nothing_and_a_large_deletion_takes_back() {
        let mut desk = Desk::with(&"line\n".repeat(4_000));
        desk.takes_back(0..15_000, "");
        desk.takes_back(0..0, "");
        desk.types(0..0, &"line\n".repeat(3_000));
        assert!(!desk.edits(&[(0..0, "")]));
    }
}
