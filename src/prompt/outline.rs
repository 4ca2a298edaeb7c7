//! What the file itself says above the prefix window and a reader would have to know: its imports, and the
//! first lines of the definitions that the window stands in. Needs a syntax tree; empty without one.

use std::ops::Range;

use crate::{
    document::Snapshot,
    syntax::scope::{imports, scope_at},
    text::ByteOffset,
};

/// At most `budget` bytes of whole lines from above `window_start`, in the order of the file.
pub(super) fn outline(
    snapshot: &Snapshot,
    cursor: ByteOffset,
    window_start: ByteOffset,
    budget: usize,
) -> String {
    if budget == 0 || window_start == ByteOffset(0) {
        return String::new();
    }
    let enclosing = scope_at(snapshot, cursor).enclosing;
    let signatures: Vec<_> = lines(
        snapshot,
        enclosing.into_iter().map(|found| found.signature),
        window_start,
    );
    let imports = lines(snapshot, imports(snapshot).into_iter(), window_start);
    // The definitions are the nearer ones: they come first when there is not room for all.
    let mut left = budget;
    let mut fits = |line: &String| {
        let fits = line.len() <= left;
        left -= if fits { line.len() } else { 0 };
        fits
    };
    let signatures: String = signatures.into_iter().filter(&mut fits).collect();
    let imports: String = imports.into_iter().filter(&mut fits).collect();
    imports + &signatures
}

/// The lines of those ranges that end above `end`, each range with its line breaks.
fn lines(
    snapshot: &Snapshot,
    ranges: impl Iterator<Item = Range<ByteOffset>>,
    end: ByteOffset,
) -> Vec<String> {
    let text = &snapshot.text;
    let whole = |range: Range<ByteOffset>| {
        let start = text.line_start(text.line_of(range.start));
        start..text.line_start(text.line_of(range.end) + 1)
    };
    let above = ranges.map(whole).filter(|range| range.end <= end);
    above.map(|range| text.slice(range)).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::document::Document;

    const SOURCE: &str = "\
use std::fmt;
use std::collections::{
    HashMap,
};

struct A;

impl A {
    /// Says it.
    fn say(
        &self,
    ) -> u8 {
        let a = 1;
        let b = 2;
    }
}
";

    #[track_caller]
    fn check(language_id: &str, window: &str, budget: usize, expected: Expect) {
        let snapshot = Document::new(SOURCE, 1, language_id, None).snapshot();
        let start = ByteOffset(SOURCE.find(window).expect("part of the source"));
        let cursor = ByteOffset(SOURCE.find("let b").expect("part of the source"));
        expected.assert_eq(&outline(&snapshot, cursor, start, budget));
    }

    #[test]
    fn imports_and_signatures_above_the_window_are_told() {
        check(
            "rust",
            "        let a",
            1000,
            expect![[r#"
                use std::fmt;
                use std::collections::{
                    HashMap,
                };
                impl A {
                    fn say(
                        &self,
                    ) -> u8 {
            "#]],
        );
    }

    #[test]
    fn what_the_window_shows_is_not_told_twice() {
        check(
            "rust",
            "impl A",
            1000,
            expect![[r#"
                use std::fmt;
                use std::collections::{
                    HashMap,
                };
            "#]],
        );
        check("rust", "use std::fmt", 1000, expect![""]);
    }

    #[test]
    fn where_room_is_short_the_definitions_go_first() {
        check(
            "rust",
            "        let a",
            66,
            expect![[r#"
                use std::fmt;
                impl A {
                    fn say(
                        &self,
                    ) -> u8 {
            "#]],
        );
    }

    #[test]
    fn without_a_tree_nothing_is_told() {
        check("plaintext", "        let a", 1000, expect![""]);
    }
}
