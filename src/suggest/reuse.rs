//! Showing again what was shown before, without the engine.

use super::{MAX_BEFORE, Suggestion, trim};
use crate::{document::Snapshot, text::ByteOffset};

/// What is left of `last` after the user typed along with it, or `None` if they typed something else.
///
/// The result belongs to the cursor and the snapshot's version. Keep `last` and ask with it again: then
/// deleting back within what had been typed along brings the text back. Closers that the editor put
/// to the right of the cursor do not matter; other text there has to be the same, and what stands there by now is not
/// shown again. Linear in what was typed.
pub fn typed_through(
    last: &Suggestion,
    snapshot: &Snapshot,
    cursor: ByteOffset,
) -> Option<Suggestion> {
    let text = &snapshot.text;
    let cursor = text.floor(cursor);
    let typed_bytes = cursor.0.checked_sub(last.at.0)?;
    // A line break may have become `\r\n`: at most twice the length.
    if typed_bytes > 2 * last.text.len() {
        return None;
    }
    // The same bytes further right on a line are another place, unless the line is longer than remembered.
    let before_start = ByteOffset(last.at.0.checked_sub(last.before.len())?);
    let line_start = text.line_start(text.line_of(last.at));
    if line_start > before_start || (line_start < before_start && last.before.len() < MAX_BEFORE) {
        return None;
    }
    let left = text.slice(before_start..cursor);
    let rest = after_typing(&last.text, left.strip_prefix(last.before.as_str())?)?;
    let rest = trim::rest(rest, snapshot, cursor)?;
    Suggestion::new(rest.into(), snapshot, cursor).filter(|it| it.right == last.right)
}

/// `text` without what was `typed` of it, whatever the line breaks of the document are.
fn after_typing<'a>(text: &'a str, typed: &str) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix(typed) {
        return Some(rest);
    }
    let mut rest = text;
    for (i, part) in typed.split("\r\n").enumerate() {
        if i > 0 {
            rest = rest
                .strip_prefix("\r\n")
                .or_else(|| rest.strip_prefix('\n'))?;
        }
        rest = rest.strip_prefix(part)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::suggest::at_cursor;

    /// Shows `ghost` at the cursor of the first document and asks again in the second.
    #[track_caller]
    fn check(shown: &str, ghost: &str, now: &str, expected: Expect) {
        let (snapshot, cursor) = at_cursor("rust", shown);
        let last = Suggestion::new(ghost.into(), &snapshot, cursor).expect("there is ghost text");
        let (mut snapshot, cursor) = at_cursor("rust", now);
        snapshot.version = 2;
        let rest = typed_through(&last, &snapshot, cursor);
        if let Some(rest) = &rest {
            assert_eq!((rest.at, rest.version), (cursor, 2));
            assert!(rest.before.is_empty() || now.contains(&rest.before));
        }
        expected.assert_eq(&rest.map_or("nothing".into(), |rest| rest.text.replace('\n', "⏎")));
    }

    #[test]
    fn typing_the_ghost_text_shows_the_rest_of_it() {
        check("let x = |", "foo(bar)", "let x = fo|", expect!["o(bar)"]);
    }

    #[test]
    fn asking_again_without_typing_shows_all_of_it() {
        check("let x = |", "foo(bar)", "let x = |", expect!["foo(bar)"]);
    }

    #[test]
    fn typing_something_else_shows_nothing() {
        check("let x = |", "foo(bar)", "let x = fb|", expect!["nothing"]);
    }

    #[test]
    fn typing_all_of_it_leaves_nothing() {
        check("let x = |", "foo", "let x = foo|", expect!["nothing"]);
    }

    #[test]
    fn a_closer_that_the_editor_inserted_does_not_matter() {
        check("let x = |", "foo(bar)", "let x = foo(|)", expect!["bar)"]);
    }

    #[test]
    fn several_lines_are_typed_through() {
        check(
            "fn f() {|}",
            "\n    a();\n    b();\n",
            "fn f() {\n    a();\n    |}",
            expect!["b();⏎"],
        );
    }

    #[test]
    fn a_line_that_the_editor_put_below_is_not_shown_again() {
        check(
            "fn f() {|}",
            "\n    a();\n",
            "fn f() {\n    |\n}",
            expect!["a();"],
        );
        check(
            "fn f() {|",
            "\n    a();\n}",
            "fn f() {\n    |\n}",
            expect!["a();"],
        );
        check("fn f() {|", "\n}", "fn f() {\n|}", expect!["nothing"]);
    }

    #[test]
    fn going_left_in_what_was_accepted_shows_nothing() {
        check(
            "let x = |",
            "foo(bar)",
            "let x = foo(b|ar)",
            expect!["nothing"],
        );
        check(
            "let x = |",
            "foo(bar)",
            "let x = foo(bar|)",
            expect!["nothing"],
        );
        check("|\n", "a();\nb();", "a();\n|b();\n", expect!["nothing"]);
    }

    #[test]
    fn text_deleted_right_of_the_cursor_makes_it_another_place() {
        check("f(|, x);\n", "bar", "f(b|);\n", expect!["nothing"]);
        check("f(|);\ng();\n", "bar", "f(b|);\nh();\n", expect!["nothing"]);
        check("f(|, x);\n", "bar", "f(b|, x);\n", expect!["ar"]);
    }

    #[test]
    fn the_line_breaks_of_the_document_do_not_matter() {
        check(
            "fn f() {|}",
            "\n    a();\n    b();\n",
            "fn f() {\r\n    a();\r\n    |}",
            expect!["b();⏎"],
        );
    }

    #[test]
    fn deleting_what_was_typed_along_brings_it_back() {
        check("let x = |", "foo(bar)", "let x = f|", expect!["oo(bar)"]);
    }

    #[test]
    fn deleting_more_than_that_shows_nothing() {
        check("let x = |", "foo(bar)", "let x =|", expect!["nothing"]);
        check("let x = |", "foo(bar)", "let x =|  ", expect!["nothing"]);
    }

    #[test]
    fn another_line_with_the_same_start_is_another_place() {
        check("    |\n    \n", "foo", "    \n    |\n", expect!["nothing"]);
    }

    #[test]
    fn text_inserted_before_it_makes_it_another_place() {
        check("x = |", "foo", "ax = |", expect!["nothing"]);
        check("x = |", "foo", "\nx =| ", expect!["nothing"]);
    }

    #[test]
    fn a_long_line_is_remembered_in_part() {
        let line = "é".repeat(2000);
        check(
            &format!("{line}|"),
            "foo",
            &format!("{line}f|"),
            expect!["oo"],
        );
    }

    proptest! {
        #[test]
        fn what_is_left_shrinks_by_what_was_typed(
            before in "[a-z \n]{0,20}",
            ghost in "[a-z({\n é]{1,20}",
            n_typed in 0usize..20,
            other in "[a-z]{0,2}",
            after in "[\n)}]{0,5}",
        ) {
            let (snapshot, cursor) = at_cursor("rust", &format!("{before}|{after}"));
            let last = Suggestion::new(ghost.clone(), &snapshot, cursor).expect("there is ghost text");
            let typed: String = ghost.chars().take(n_typed).collect::<String>() + &other;
            let (snapshot, cursor) = at_cursor("rust", &format!("{before}{typed}|{after}"));
            let along = ghost.strip_prefix(&typed);
            match typed_through(&last, &snapshot, cursor) {
                Some(rest) => {
                    prop_assert!(along.is_some_and(|along| along.starts_with(&rest.text)));
                    prop_assert_eq!(rest.at, cursor);
                }
                None => prop_assert!(along.is_none_or(|along| trim::rest(along, &snapshot, cursor).is_none())),
            }
        }
    }
}
