//! Clean-up rules on a finished completion. They only ever shorten it.
//!
//! Control tokens that a model spells out are cut before this, by the format that knows them
//! (`Format::without_leaks`).

use super::{
    Shape,
    brackets::{Mark, Scanner, unmatched},
    place::{Place, has_words, is_blank},
    repetition::without_repetition,
};
use crate::{document::Snapshot, text::ByteOffset};

/// How many lines below the cursor a completion is compared with.
const LINES_BELOW: usize = 8;
/// In the middle of a line this many bytes of what follows have to be generated again to be cut.
const MIN_OVERLAP: usize = 4;

/// The completion as it may be shown, or `None` when nothing worth showing is left.
///
/// The result begins `text`. Inserted at `cursor` it leaves the brackets and quotes of the line balanced where
/// closers stand right of the cursor already: `print(|)` with `x)` becomes `x`. It never asks to
/// overwrite them; a layer that would rather do that has to look at the closers itself.
pub fn trim(text: &str, snapshot: &Snapshot, cursor: ByteOffset, shape: Shape) -> Option<String> {
    let place = Place::of(snapshot, cursor);
    let kept = match shape {
        Shape::Line => &text[..text.find(['\n', '\r']).unwrap_or(text.len())],
        Shape::Block => text,
    };
    let kept = without_repetition(kept);
    let kept = before_closers(kept, &place);
    let kept = before_rest_of_line(kept, &place);
    let kept = before_lines_below(kept, &place);
    let kept = without_trailing_blanks(kept, &place);
    (!is_blank(kept) && !repeats_line_above(kept, &place)).then(|| kept.to_owned())
}

/// What is left of ghost text as it may still be shown, or `None`: since it came, an editor may have put lines
/// below the cursor that it ends with (Enter between two braces). The closers of the line are left to the layer that
/// may overwrite them.
pub(super) fn rest<'a>(text: &'a str, snapshot: &Snapshot, cursor: ByteOffset) -> Option<&'a str> {
    let place = Place::of(snapshot, cursor);
    let kept = before_rest_of_line(text, &place);
    let kept = before_lines_below(kept, &place);
    // Before a closer on the cursor's line the last break is wanted, whatever of the text has been typed.
    let has_closer = place.right.trim_start().starts_with([')', ']', '}']);
    let kept = match has_closer {
        true => kept,
        false => without_trailing_blanks(kept, &place),
    };
    (!is_blank(kept) && !place.right.starts_with(kept)).then_some(kept)
}

/// `text` up to a closer that stands right of the cursor already.
///
/// The line so far opens n brackets, the rest of it closes m: then `text` may close n - m. In a string, the
/// quote that would end it is the closer.
fn before_closers<'a>(text: &'a str, place: &Place) -> &'a str {
    let fresh = || Scanner::new(place.language);
    let right = place.right.trim_start();
    let mut scanner = fresh().after(&place.left);
    let quote = scanner
        .open_quote()
        .filter(|&quote| right.as_bytes().first() == Some(&quote));
    let (_, closed) = unmatched(fresh(), right);
    let has_angle = right.starts_with('>');
    if quote.is_none() && closed == 0 && !has_angle {
        return text;
    }
    let (opened, _) = unmatched(fresh(), &place.left);
    let mut allowed = opened.saturating_sub(closed);
    let (mut depth, mut angles) = (0usize, 0usize);
    let mut last = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match scanner.push(byte) {
            Some(Mark::Quote(closing)) if quote == Some(closing) => return &text[..at],
            Some(Mark::Open(_)) => depth += 1,
            Some(Mark::Close(_)) if depth > 0 => depth -= 1,
            Some(Mark::Close(_)) if closed > 0 && allowed == 0 => return &text[..at],
            Some(Mark::Close(_)) => allowed = allowed.saturating_sub(1),
            Some(Mark::Quote(_)) | None => {}
        }
        match byte {
            b'<' => angles += 1,
            b'>' if matches!(last, b'-' | b'=') => {}
            b'>' if angles > 0 => angles -= 1,
            b'>' if has_angle => return &text[..at],
            _ => {}
        }
        last = byte;
    }
    text
}

/// `text` without the rest of the cursor's line at its end. Closers have been dealt with.
fn before_rest_of_line<'a>(text: &'a str, place: &Place) -> &'a str {
    let right = place.right.trim();
    if right.is_empty() || right.starts_with([')', ']', '}', '>', '"', '\'', '`']) {
        return text;
    }
    let end = text.trim_end();
    if let Some(kept) = end.strip_suffix(right) {
        return kept;
    }
    let starts = right
        .char_indices()
        .map(|(at, _)| at)
        .filter(|&at| at >= MIN_OVERLAP);
    starts
        .rev()
        .find_map(|at| end.strip_suffix(&right[..at]))
        .unwrap_or(text)
}

/// `text` without lines at its end that stand below the cursor already. Nothing is left when it is all of
/// them, the cursor's own line included.
fn before_lines_below<'a>(text: &'a str, place: &Place) -> &'a str {
    if !is_blank(&place.right) && !text.contains('\n') {
        let whole = format!("{}{text}{}", place.left, place.right);
        let is_next = has_words(&whole)
            && place
                .below()
                .next()
                .is_some_and(|below| below.trim() == whole.trim());
        return if is_next { "" } else { text };
    }
    let below: Vec<String> = place.below().take(LINES_BELOW).collect();
    let first_line = format!("{}{}", place.left, text.lines().next().unwrap_or_default());
    let mut lines: Vec<(usize, &str)> = vec![(0, &first_line)];
    lines.extend(
        text.match_indices('\n')
            .map(|(at, _)| (at, text[at + 1..].lines().next().unwrap_or_default())),
    );
    let is_cut_off = !text.ends_with('\n');
    lines.retain(|(_, line)| !is_blank(line));
    let closes = || unmatched(Scanner::new(place.language).after(&place.left), text).1 > 0;
    for (i, &(at, _)) in lines.iter().enumerate() {
        let generated = &lines[i..];
        let is_same = |(n, (_, line)): (usize, &(usize, &str))| {
            let Some(below) = below.get(n).map(|below| below.trim_end()) else {
                return false;
            };
            let is_last = i > 0 && is_cut_off && n + 1 == generated.len();
            below == line.trim_end()
                || (is_last
                    && has_words(line)
                    && below.starts_with(*line)
                    && 2 * line.trim().len() >= below.trim().len())
        };
        let is_below = generated.iter().enumerate().all(is_same);
        if is_below && (generated.iter().any(|(_, line)| has_words(line)) || closes()) {
            return &text[..at];
        }
    }
    text
}

/// `text` without blanks at its end, where they mean nothing.
fn without_trailing_blanks<'a>(text: &'a str, place: &Place) -> &'a str {
    let kept = text.trim_end();
    let right = place.right.trim_start();
    let blanks = &text[kept.len()..];
    if right.starts_with([')', ']', '}']) && kept.contains('\n') {
        // `{|}` becomes three lines: the break and the indentation before the closer are wanted, once.
        let mut breaks = blanks.match_indices('\n').map(|(at, _)| at);
        return match (breaks.next(), breaks.next()) {
            (Some(_), Some(second)) => {
                &text[..kept.len() + blanks[..second].trim_end_matches('\r').len()]
            }
            (Some(_), None) => text,
            (None, _) => kept,
        };
    }
    // Between two words of a line a blank is as good as any other character.
    if right.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        && !place.right.starts_with([' ', '\t'])
    {
        return text;
    }
    kept
}

/// Whether inserting `text` makes the line the same as the one above it, and nothing more.
fn repeats_line_above(text: &str, place: &Place) -> bool {
    let line = format!("{}{text}{}", place.left, place.right);
    has_words(&line)
        && !text.trim_end().contains('\n')
        && place
            .above()
            .next()
            .is_some_and(|above| above.trim() == line.trim())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::suggest::at_cursor;

    #[track_caller]
    fn check_in(language_id: &str, shape: Shape, drawn: &str, generated: &str, expected: Expect) {
        let (snapshot, cursor) = at_cursor(language_id, drawn);
        let shown = trim(generated, &snapshot, cursor, shape);
        expected.assert_eq(&shown.map_or("nothing".into(), |shown| shown.replace('\n', "⏎") + "‸"));
    }

    #[track_caller]
    fn check(drawn: &str, generated: &str, expected: Expect) {
        check_in("rust", Shape::Line, drawn, generated, expected);
    }

    #[test]
    fn good_text_stays_as_it_is() {
        check("let x = |", "foo(bar);", expect!["foo(bar);‸"]);
    }

    #[test]
    fn blanks_alone_are_not_shown() {
        check("let x = |", "  ", expect!["nothing"]);
        check_in(
            "rust",
            Shape::Block,
            "fn f() {|",
            "\n    \n",
            expect!["nothing"],
        );
    }

    #[test]
    fn a_line_has_no_line_break_and_no_blanks_at_its_end() {
        check("let x = |", "foo;  \n    bar", expect!["foo;‸"]);
        check("let x = 1;|", "\nlet y = 2;", expect!["nothing"]);
    }

    #[test]
    fn a_closer_that_stands_there_is_not_shown_again() {
        check("print(|)", "x)", expect!["x‸"]);
        check("print(|)", "x);", expect!["x‸"]);
        check("print(|);", "x);", expect!["x‸"]);
        check("a[|]", "i]", expect!["i‸"]);
        check("foo(bar(|))", "x))", expect!["x‸"]);
        check("foo(bar(|))", "x), y)", expect!["x‸"]);
    }

    #[test]
    fn a_closer_that_is_missing_is_shown() {
        check("print(|", "x);", expect!["x);‸"]);
        check("foo(bar(|)", "x))", expect!["x)‸"]);
        check("foo(bar(|)", "x), y)", expect!["x), y‸"]);
    }

    #[test]
    fn a_balanced_completion_before_a_closer_stays_whole() {
        check("print(|)", "foo()", expect!["foo()‸"]);
        check("print(|)", "a[i], (b)", expect!["a[i], (b)‸"]);
        check("print(|)", "\")\"", expect!["\")\"‸"]);
        check("x.map(|)", "f(')')", expect!["f(')')‸"]);
    }

    #[test]
    fn a_closer_of_the_line_above_is_not_shown_again() {
        check("foo(\n    bar|)", ", x)", expect![", x‸"]);
    }

    #[test]
    fn a_quote_that_stands_there_is_not_shown_again() {
        check("let x = \"|\";", "hello\";", expect!["hello‸"]);
        check(
            "foo(\"|\")",
            "say \\\"hi\\\"\")",
            expect![[r#"say \"hi\"‸"#]],
        );
        check_in(
            "python",
            Shape::Line,
            "open('|')",
            "a(b).txt')",
            expect!["a(b).txt‸"],
        );
    }

    #[test]
    fn an_angle_that_stands_there_is_not_shown_again() {
        check("let x: Vec<|>", "u8>", expect!["u8‸"]);
        check("let x: Vec<|>", "Vec<u8>>", expect!["Vec<u8>‸"]);
        check(
            "let x: Box<|>",
            "dyn Fn() -> u8>",
            expect!["dyn Fn() -> u8‸"],
        );
    }

    #[test]
    fn a_separator_that_stands_there_is_not_shown_again() {
        check("let x = |;", "foo();", expect!["foo()‸"]);
        check("    a: |,", "1,", expect!["1‸"]);
        check("fn f| {", "() {", expect!["()‸"]);
    }

    #[test]
    fn in_the_middle_of_a_line_its_rest_is_not_shown_again() {
        check("let x = |foo(bar);", "a + foo(bar);", expect!["a + ‸"]);
        check("let x = |foo(bar);", "a + foo(b", expect!["a + ‸"]);
        check("let x = |foo(bar);", "a * ", expect!["a * ‸"]);
    }

    #[test]
    fn the_next_line_is_not_shown_again() {
        check("    |\n    let y = 2;\n", "let y = 2;", expect!["nothing"]);
        check(
            "    let|\n\n    let y = 2;\n",
            " y = 2;",
            expect!["nothing"],
        );
        check_in(
            "rust",
            Shape::Block,
            "    |\n    let y = 2;\n    z();\n",
            "a();\n    let y = 2;\n    z();",
            expect!["a();‸"],
        );
        check_in(
            "rust",
            Shape::Block,
            "    |\n    let y = 2;\n",
            "a();\n    let y =",
            expect!["a();‸"],
        );
        check_in(
            "rust",
            Shape::Block,
            "fn f() {\n    |\n}\n",
            "a();\n}",
            expect!["a();‸"],
        );
    }

    #[test]
    fn lines_that_only_begin_like_the_next_ones_are_kept() {
        check_in(
            "rust",
            Shape::Block,
            "    |\n    let y = 2;\n",
            "let y = 2;\n    b();",
            expect!["let y = 2;⏎    b();‸"],
        );
        check_in(
            "rust",
            Shape::Block,
            "fn f() {\n    |\n}\n",
            "if a {\n        b();\n    }",
            expect!["if a {⏎        b();⏎    }‸"],
        );
    }

    #[test]
    fn the_line_above_alone_is_not_shown_again() {
        check("    a.push(1);\n    |\n", "a.push(1);", expect!["nothing"]);
        check("    a.push(1);\n    a.p|\n", "ush(1);", expect!["nothing"]);
        check("    }\n|\n", "}", expect!["}‸"]);
        check(
            "    a.push(1);\n    |\n",
            "a.push(2);",
            expect!["a.push(2);‸"],
        );
    }

    #[test]
    fn a_repetition_is_cut() {
        check_in(
            "python",
            Shape::Block,
            "def f():\n    |",
            "a()\n    b()\n    b()\n    b()",
            expect!["a()⏎    b()‸"],
        );
    }

    #[test]
    fn between_braces_the_last_line_break_is_kept_once() {
        check_in(
            "rust",
            Shape::Block,
            "fn f() {|}",
            "\n    a();\n",
            expect!["⏎    a();⏎‸"],
        );
        check_in(
            "rust",
            Shape::Block,
            "    fn f() {|}",
            "\n        a();\n    \n\n    ",
            expect!["⏎        a();⏎    ‸"],
        );
        check_in(
            "rust",
            Shape::Block,
            "fn f() {|",
            "\n    a();\n",
            expect!["⏎    a();‸"],
        );
    }

    proptest! {
        #[test]
        fn trimming_never_lengthens(
            drawn in "[a-z{}()\\[\\]<>\"'; \n]{0,40}\\|[a-z{}()\\[\\]<>\"'; \n]{0,40}",
            parts in proptest::collection::vec("[a-z{}()\\[\\]<>\"'; \r\né]{0,6}|\n    |foo\\(", 0..20),
            is_block: bool,
            is_python: bool,
        ) {
            let (snapshot, cursor) = at_cursor(if is_python { "python" } else { "rust" }, &drawn);
            let text = parts.concat();
            let shape = if is_block { Shape::Block } else { Shape::Line };
            if let Some(kept) = trim(&text, &snapshot, cursor, shape) {
                prop_assert!(text.starts_with(&kept));
                prop_assert!(!kept.trim().is_empty());
                prop_assert!(is_block || !kept.contains('\n'));
            }
        }

        #[test]
        fn where_closers_follow_the_line_is_balanced_afterwards(n_open in 1usize..4, n_closed in 1usize..4, generated in "[a-z()\\[\\]]{1,12}") {
            prop_assume!(n_closed <= n_open);
            let drawn = format!("f{}|{}", "(".repeat(n_open), ")".repeat(n_closed));
            let (snapshot, cursor) = at_cursor("rust", &drawn);
            if let Some(kept) = trim(&generated, &snapshot, cursor, Shape::Line) {
                let (_, closed) = unmatched(Scanner::new(snapshot.language), &drawn.replacen('|', &kept, 1));
                prop_assert_eq!(closed, 0, "{} {}", drawn, kept);
            }
        }
    }
}
