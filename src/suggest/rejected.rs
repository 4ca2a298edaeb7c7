//! What the user has rejected in a document, so that it is not shown there again: known by the text around it,
//! as the history knows what was said. Only hashes are kept, and not many.
//!
//! A suggestion and the line that it would make are one text, with the lines above. So it is the same wherever on its
//! first line the cursor stands, whether the line is retyped or comes back by undo, and however long the rest of it is.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::text::{ByteOffset, Text};

/// How many are remembered.
const REJECTED: usize = 64;
/// How many lines that are not blank make a place, the suggestion's own included.
const LINES: usize = 3;
/// How far up they are looked for.
const MAX_LINES: usize = 16;
/// The bytes left of the cursor that are looked at. A longer line is another text at each cursor, and never the same.
const MAX_LEFT: usize = 4096;

/// What a suggestion is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// Of `ghost` at `cursor`.
    pub fn of(text: &Text, cursor: ByteOffset, ghost: &str) -> Key {
        let line = text.line_of(cursor);
        let start = text.line_start(line.saturating_sub(MAX_LINES));
        let start = start.max(ByteOffset(cursor.0.saturating_sub(MAX_LEFT)));
        let blank = ghost.len() - ghost.trim_start().len();
        let first_line = ghost[blank..].find(['\n', '\r']);
        let ghost = &ghost[..first_line.map_or(ghost.len(), |len| blank + len)];
        let whole = format!("{}{ghost}", text.slice(start..cursor));
        let mut hasher = DefaultHasher::new();
        let lines = whole.lines().rev().map(str::trim_end);
        for line in lines.filter(|line| !line.is_empty()).take(LINES) {
            line.hash(&mut hasher);
        }
        Key(hasher.finish())
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Rejected {
    /// The newest first.
    keys: VecDeque<Key>,
}

impl Rejected {
    pub fn insert(&mut self, key: Key) {
        self.remove(key);
        self.keys.truncate(REJECTED - 1);
        self.keys.push_front(key);
    }

    /// It was wanted after all.
    pub fn remove(&mut self, key: Key) {
        self.keys.retain(|known| *known != key);
    }

    pub fn holds(&self, key: Key) -> bool {
        self.keys.contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suggest::at_cursor;

    fn key(drawn: &str, ghost: &str) -> Key {
        let (snapshot, cursor) = at_cursor("rust", drawn);
        Key::of(&snapshot.text, cursor, ghost)
    }

    #[test]
    fn it_is_the_same_wherever_on_its_first_line_the_cursor_stands() {
        let place = key("fn f() {\n    let x = |\n}\n", "foo(bar);");
        assert_eq!(key("fn f() {\n    let x = fo|\n}\n", "o(bar);"), place);
        assert_eq!(
            key("fn f() {\r\n    let x =|\r\n}\r\n", " foo(bar);"),
            place
        );
        assert_eq!(
            key("fn f() {|\n}\n", "\n    let x = foo(bar);\n    y();"),
            place
        );
        // However much follows, and wherever in the file it is.
        assert_eq!(
            key("\n\nfn f() {\n    let x = |\n}\n", "foo(bar);\n    y();"),
            place
        );
    }

    #[test]
    fn other_text_or_another_place_is_something_else() {
        let place = key("fn f() {\n    let x = |\n}\n", "foo(bar);");
        assert_ne!(key("fn f() {\n    let x = |\n}\n", "foo();"), place);
        assert_ne!(key("fn f() {\n    let y = |\n}\n", "foo(bar);"), place);
        assert_ne!(key("fn g() {\n    let x = |\n}\n", "foo(bar);"), place);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut rejected = Rejected::default();
        for n in 0..=REJECTED as u64 {
            rejected.insert(Key(n));
            rejected.insert(Key(n));
        }
        assert!(!rejected.holds(Key(0)) && rejected.holds(Key(1)));
        rejected.remove(Key(1));
        assert!(!rejected.holds(Key(1)));
    }
}
