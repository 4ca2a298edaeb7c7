//! Generated text, byte by byte and at once, and where it ends (`‸`).

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::suggest::at_cursor;

/// Feeds `generated` byte by byte (character by character) and all at once; both must agree.
#[track_caller]
fn check(shape: Shape, language_id: &str, drawn: &str, generated: &str, expected: Expect) {
    let (snapshot, cursor) = at_cursor(language_id, drawn);
    let stop = Stop::new(shape, &snapshot, cursor);
    let at_once = stop.clone().check(generated);
    let mut stop = stop;
    let ends = generated.char_indices().map(|(at, c)| at + c.len_utf8());
    let in_steps = ends
        .map(|end| stop.check(&generated[..end]))
        .find(Option::is_some)
        .flatten();
    assert_eq!(at_once, in_steps);
    let shown = match at_once {
        Some((reason, kept)) => format!("{}‸ {reason:?}", &generated[..kept]),
        None => format!("{generated}‸"),
    };
    expected.assert_eq(&shown.replace('\n', "⏎"));
}

#[test]
fn a_line_ends_with_its_line() {
    check(
        Shape::Line,
        "rust",
        "let x = |",
        "foo();\nlet y",
        expect!["foo();‸ EndOfLine"],
    );
    check(
        Shape::Line,
        "rust",
        "let x = |",
        "foo();\r\nlet y",
        expect!["foo();‸ EndOfLine"],
    );
}

#[test]
fn behind_a_finished_statement_nothing_is_kept() {
    check(
        Shape::Line,
        "rust",
        "let x = 1;|",
        "\nlet y = 2;",
        expect!["‸ EndOfLine"],
    );
}

#[test]
fn an_unfinished_line_goes_on() {
    check(Shape::Line, "rust", "let x = |", "foo(", expect!["foo(‸"]);
}

#[test]
fn a_body_ends_before_the_brace_that_follows_on_the_line() {
    check(
        Shape::Block,
        "rust",
        "fn f() {|}",
        "\n    a();\n    b();\n}\n\nfn g",
        expect!["⏎    a();⏎    b();⏎‸ EndOfBlock"],
    );
}

#[test]
fn a_body_ends_before_the_brace_that_follows_below() {
    check(
        Shape::Block,
        "rust",
        "fn f() {\n    |\n}\n",
        "a();\n    b();\n}\n\nfn g",
        expect!["a();⏎    b();‸ EndOfBlock"],
    );
}

#[test]
fn a_body_takes_along_a_brace_that_is_missing() {
    check(
        Shape::Block,
        "rust",
        "impl A {\n    fn f() {|\n}\n",
        "\n        a();\n    }\n\n    fn",
        expect!["⏎        a();⏎    }‸ EndOfBlock"],
    );
    check(
        Shape::Block,
        "rust",
        "fn f() {\n    |",
        "a();\n}\n\nfn",
        expect!["a();⏎}‸ EndOfBlock"],
    );
    check(
        Shape::Block,
        "rust",
        "run(move |x| {|".replacen('|', "x", 2).as_str(),
        "\n    a();\n});\nb",
        expect!["⏎    a();⏎});‸ EndOfBlock"],
    );
}

#[test]
fn blocks_within_a_body_are_kept_whole() {
    check(
        Shape::Block,
        "rust",
        "fn f() {\n    |\n}\n",
        "if a {\n        b();\n    } else {\n        c(\"}\");\n    }\n    d('}');\n}\n",
        expect![[
            r#"if a {⏎        b();⏎    } else {⏎        c("}");⏎    }⏎    d('}');‸ EndOfBlock"#
        ]],
    );
}

#[test]
fn a_bracket_that_does_not_fit_ends_a_body() {
    check(
        Shape::Block,
        "rust",
        "fn f() {\n    |\n}\n",
        "a();\n    ]\n",
        expect!["a();‸ EndOfBlock"],
    );
}

#[test]
fn a_body_by_indentation_ends_where_it_is_less() {
    check(
        Shape::Block,
        "python",
        "def f():|",
        "\n    a()\n\n    b()\n\ndef g():",
        expect!["⏎    a()⏎⏎    b()‸ EndOfBlock"],
    );
    check(
        Shape::Block,
        "python",
        "class A:\n    def f(self):\n        |",
        "a()\n        b()\n    def g",
        expect!["a()⏎        b()‸ EndOfBlock"],
    );
    check(
        Shape::Block,
        "python",
        "def f():\n|",
        "    a()\ndef g():",
        expect!["    a()‸ EndOfBlock"],
    );
}

#[test]
fn at_the_top_level_a_blank_line_ends_a_block() {
    check(
        Shape::Block,
        "python",
        "|\n",
        "def f():\n    a()\n\n    b()\n\ndef g():",
        expect!["def f():⏎    a()⏎⏎    b()‸ EndOfBlock"],
    );
}

#[test]
fn brackets_over_several_lines_do_not_end_a_body_by_indentation() {
    check(
        Shape::Block,
        "python",
        "def f():\n    |",
        "a(\n  1,\n)\n    b()\nc",
        expect!["a(⏎  1,⏎)⏎    b()‸ EndOfBlock"],
    );
}

#[test]
fn the_text_below_the_cursor_is_not_generated_again() {
    check(
        Shape::Block,
        "python",
        "def f():\n    |\n    return x\n",
        "x = 1\n    return x\n",
        expect!["x = 1‸ Suffix"],
    );
    check(
        Shape::Block,
        "python",
        "def f():\n    |\n    return x\n",
        "return x\n",
        expect!["‸ Suffix"],
    );
}

#[test]
fn a_line_that_comes_three_times_is_shown_once() {
    check(
        Shape::Block,
        "python",
        "def f():\n    |",
        "a = 1\n    foo(a)\n    foo(a)\n    foo(a)\n",
        expect!["a = 1⏎    foo(a)‸ Repetition"],
    );
}

#[test]
fn a_line_that_goes_round_in_circles_is_not_shown() {
    check(
        Shape::Line,
        "python",
        "x = |",
        "[foo(a), foo(a), foo(a), foo(a), foo(a), foo(a), foo(a), ",
        expect!["‸ Repetition"],
    );
}

#[test]
fn before_a_repetition_only_what_is_whole_is_shown() {
    check(
        Shape::Block,
        "rust",
        "fn f() {\n    |\n}\n",
        "a();\n    if b {\n        c();\n        d();\n        d();\n        d();\n",
        expect!["a();‸ Repetition"],
    );
    check(
        Shape::Block,
        "python",
        "def f():\n    |\n",
        "with a:\n        with a:\n            with a:\n                with a:\n",
        expect!["‸ Repetition"],
    );
}

#[test]
fn a_rule_is_no_repetition() {
    check(
        Shape::Line,
        "python",
        "# |",
        &format!("{}\n", "-".repeat(78)),
        expect![
            "------------------------------------------------------------------------------‸ EndOfLine"
        ],
    );
}

#[test]
fn a_body_has_so_many_lines_at_most() {
    let generated: String = (0..40).map(|n| format!("    x{n} = f({n})\n")).collect();
    let (snapshot, cursor) = at_cursor("python", "def f():\n|");
    let (reason, kept) = Stop::new(Shape::Block, &snapshot, cursor)
        .check(&generated)
        .expect("it is too long");
    assert_eq!(reason, StopReason::MaxTokens);
    assert_eq!(generated[..kept].lines().count(), MAX_LINES);
}

proptest! {
    #[test]
    fn no_more_is_kept_than_was_given_and_steps_make_no_difference(
        drawn in "[a-z{}() :\n]{0,30}\\|[a-z{}() :\n]{0,30}",
        parts in proptest::collection::vec("[a-z{}():\"'é]{1,5}|\n {0,8}|    return x\n|foo, ", 0..40),
        is_block: bool,
        is_python: bool,
    ) {
        let (snapshot, cursor) = at_cursor(if is_python { "python" } else { "rust" }, &drawn);
        let mut stop = Stop::new(if is_block { Shape::Block } else { Shape::Line }, &snapshot, cursor);
        let at_once = stop.clone().check(&parts.concat());
        let mut text = String::new();
        let mut in_steps = None;
        for part in &parts {
            text += part;
            in_steps = in_steps.or(stop.check(&text));
            if let Some((_, kept)) = in_steps {
                prop_assert!(text.is_char_boundary(kept) && kept <= text.len());
                break;
            }
        }
        prop_assert_eq!(at_once, in_steps);
    }
}
