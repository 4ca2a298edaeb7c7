//! What is recalled: examples. What makes a place is in `places.rs`, the laws are in
//! `laws.rs`.

use expect_test::{Expect, expect};

use super::*;
use crate::suggest::at_cursor;

pub(super) fn said(text: &str) -> Said {
    Said {
        text: text.to_owned(),
        shape: Shape::Line,
        stop: StopReason::MaxTokens,
        confidence: Confidence {
            first: -0.5,
            mean: -0.25,
            least: -0.5,
            tokens: 2,
        },
        tokens: Vec::new(),
        source: Source::Asked,
    }
}

fn block(text: &str, stop: StopReason) -> Said {
    Said {
        shape: Shape::Block,
        stop,
        ..said(text)
    }
}

/// What is recalled of `said`, at the cursor of the first document, at that of the second.
#[track_caller]
fn recalled(then: &str, said: Said, now: &str, shape: Shape) -> Option<Recalled> {
    let (snapshot, cursor) = at_cursor("rust", then);
    let mut history = History::default();
    history.remember(&snapshot, cursor, said.clone());
    let (snapshot, cursor) = at_cursor("rust", now);
    let recalled = history.recall(&snapshot, cursor, shape);
    if let Some(recalled) = &recalled {
        assert!(said.text[recalled.typed_bytes..].starts_with(&recalled.text));
    }
    recalled
}

fn drawn(recalled: Option<Recalled>) -> String {
    let Some(Recalled { text, .. }) = recalled else {
        return "not known".to_owned();
    };
    text.replace('\r', "␍").replace('\n', "⏎") + "‸"
}

#[track_caller]
fn check_said(then: &str, said: Said, now: &str, shape: Shape, expected: Expect) {
    expected.assert_eq(&drawn(recalled(then, said, now, shape)));
}

#[track_caller]
pub(super) fn check(then: &str, text: &str, now: &str, expected: Expect) {
    check_said(then, said(text), now, Shape::Line, expected);
}

#[test]
fn typing_along_recalls_the_rest() {
    check("let x = |", "foo(bar)", "let x = fo|", expect!["o(bar)‸"]);
    check("let x = |", "foo(bar)", "let x = foo(|)", expect!["bar)‸"]);
}

#[test]
fn the_same_place_recalls_all_of_it() {
    check("let x = |", "foo(bar)", "let x = |", expect!["foo(bar)‸"]);
    let here = recalled("x = |", said("foo"), "x = |", Shape::Line).unwrap();
    assert_eq!(here.typed_bytes, 0);
    let behind = recalled("x = |", said("foo"), "x = fo|", Shape::Line).unwrap();
    assert_eq!((behind.typed_bytes, behind.source), (2, Source::Asked));
}

#[test]
fn typing_something_else_recalls_nothing() {
    check("let x = |", "foo", "let x = fb|", expect!["not known"]);
    check("let x = |", "foo", "let x = foo(|", expect!["not known"]);
}

#[test]
fn deleting_more_than_was_typed_along_recalls_nothing() {
    check("let x = |", "foo", "let x =|", expect!["not known"]);
    check("let x = |", "foo", "let x =| ", expect!["not known"]);
}

#[test]
fn several_lines_are_typed_along() {
    let then = "let a;\nlet b;\nlet c;\nfn f() {|}\n";
    let typed = "let a;\nlet b;\nlet c;\nfn f() {\n    a();\n    |\n}\n";
    let body = || block("\n    a();\n    b();\n", StopReason::EndOfBlock);
    check_said(then, body(), typed, Shape::Line, expect!["b();⏎‸"]);
    let other = typed.replace("a();", "x();");
    check_said(then, body(), &other, Shape::Line, expect!["not known"]);
    let outdented = typed.replace("    |", "  |");
    let expected = expect!["  b();⏎‸"];
    check_said(then, body(), &outdented, Shape::Line, expected);
    let tab = typed.replace("    |", "\t|");
    check_said(then, body(), &tab, Shape::Line, expect!["not known"]);
}

#[test]
fn the_line_breaks_of_document_and_completion_need_not_agree() {
    let (then, now) = ("a\nf() {|}\n", "a\nf() {\n    x();\n    |}\n");
    let at_break = "a\nf() {\n    x();|\n}";
    let dos = |text: &str| text.replace('\n', "\r\n");
    let body = "\n    x();\n    y();\n    z();";
    let check = |then: &str, body: &str, now: &str, expected| {
        let body = block(body, StopReason::EndOfBlock);
        check_said(then, body, now, Shape::Line, expected);
    };
    check(then, body, &dos(now), expect!["y();⏎    z();‸"]);
    check(&dos(then), body, &dos(now), expect!["y();⏎    z();‸"]);
    check(then, &dos(body), now, expect!["y();␍⏎    z();‸"]);
    check(
        &dos(then),
        &dos(body),
        &dos(now),
        expect!["y();␍⏎    z();‸"],
    );
    check(
        &dos(then),
        &dos(body),
        &dos(at_break),
        expect!["␍⏎    y();␍⏎    z();‸"],
    );
}

#[test]
fn a_line_said_to_its_end_has_nothing_more() {
    for stop in [StopReason::EndToken, StopReason::EndOfLine] {
        let all = |text| Said { stop, ..said(text) };
        check_said("x = |", all("foo;"), "x = foo;|", Shape::Line, expect!["‸"]);
        check_said("x = 1;|", all(""), "x = 1;|", Shape::Line, expect!["‸"]);
        check_said("x = |", all("1; "), "x = 1;|", Shape::Line, expect![" ‸"]);
        // What comes on the next line is another question.
        check_said(
            "x = |",
            all("1;"),
            "x = 1;\n|",
            Shape::Line,
            expect!["not known"],
        );
    }
}

#[test]
fn a_completion_that_was_cut_is_asked_for_again_where_it_ends() {
    use StopReason::{Deadline, EndOfBlock, MaxTokens, Repetition, Suffix};
    for stop in [Deadline, EndOfBlock, MaxTokens, Repetition, Suffix] {
        for shape in [Shape::Line, Shape::Block] {
            let cut = Said {
                stop,
                shape,
                ..said("foo ")
            };
            for now in ["x = foo|", "x = foo |"] {
                check_said("x = |", cut.clone(), now, shape, expect!["not known"]);
            }
        }
    }
}

#[test]
fn a_line_says_nothing_about_a_block_unless_the_text_ends() {
    let cut = Said {
        stop: StopReason::EndOfLine,
        ..said("foo {")
    };
    check_said(
        "if |",
        cut.clone(),
        "if |",
        Shape::Block,
        expect!["not known"],
    );
    check_said(
        "if |",
        cut,
        "if foo {|}",
        Shape::Block,
        expect!["not known"],
    );
    let ended = Said {
        stop: StopReason::EndToken,
        ..said("foo")
    };
    check_said("if |", ended.clone(), "if f|", Shape::Block, expect!["oo‸"]);
    check_said("if |", ended, "if foo|", Shape::Block, expect!["‸"]);
}

#[test]
fn a_block_says_where_its_first_line_ends() {
    let body = || block("x {\n    y\n}", StopReason::EndOfBlock);
    let line = recalled("if |", body(), "if |", Shape::Line).unwrap();
    assert_eq!(
        (line.shape, line.stop),
        (Shape::Line, StopReason::EndOfLine)
    );
    assert_eq!(drawn(Some(line)), "x {‸");
    check_said(
        "if x |",
        block("\n  y", StopReason::EndToken),
        "if x |",
        Shape::Line,
        expect!["‸"],
    );
}

#[test]
fn a_block_stays_one_while_it_is_typed() {
    let body = || block("x {\n    y\n}", StopReason::EndOfBlock);
    let rest = recalled("if |", body(), "if x|", Shape::Line).unwrap();
    assert_eq!(
        (rest.shape, rest.stop),
        (Shape::Block, StopReason::EndOfBlock)
    );
    assert_eq!(drawn(Some(rest)), " {⏎    y⏎}‸");
    // Only a line break is left: for a line that is its end, for a block nothing is known.
    let body = || block("x;\n", StopReason::EndOfBlock);
    check_said("|", body(), "x;|", Shape::Line, expect!["⏎‸"]);
    check_said("|", body(), "x;|", Shape::Block, expect!["not known"]);
}

/// Remembers at the cursors of documents in this order, then recalls.
#[track_caller]
fn check_all(then: &[(&str, &str)], now: &str, expected: Expect) {
    let mut history = History::default();
    for (drawn, text) in then {
        let (snapshot, cursor) = at_cursor("rust", drawn);
        history.remember(&snapshot, cursor, said(text));
    }
    let (snapshot, cursor) = at_cursor("rust", now);
    expected.assert_eq(&drawn(history.recall(&snapshot, cursor, Shape::Line)));
}

#[test]
fn the_latest_answer_is_recalled() {
    let (early, late) = (("x = |", "foo(a)"), ("x = |", "foo(b)"));
    check_all(&[early, late], "x = foo|", expect!["(b)‸"]);
    check_all(&[late, early], "x = foo|", expect!["(a)‸"]);
    let late = ("x = f|", "oo(b)");
    check_all(&[early, late], "x = foo|", expect!["(b)‸"]);
    check_all(&[late, early], "x = foo|", expect!["(a)‸"]);
    check_all(&[early, late], "x = |", expect!["foo(a)‸"]);
}

#[test]
fn an_answer_that_agrees_with_more_lines_comes_first() {
    let long = ("a\nb\nc\nd\n|", "e;\nf(1)");
    let short = ("a\nb\nc\nd\ne;\n|", "f(2)");
    check_all(&[long, short], "a\nb\nc\nd\ne;\nf|", expect!["(1)‸"]);
    check_all(&[short, long], "a\nb\nc\nd\ne;\nf|", expect!["(1)‸"]);
}

#[test]
fn a_place_has_one_answer_for_each_shape() {
    let (snapshot, cursor) = at_cursor("rust", "if |");
    let mut history = History::default();
    for text in ["a", "b", "b"] {
        history.remember(&snapshot, cursor, said(text));
    }
    assert_eq!(history.len(), 1);
    history.remember(&snapshot, cursor, block("c", StopReason::EndOfBlock));
    assert_eq!(history.len(), 2);
}

#[test]
fn an_answer_that_was_cut_short_does_not_replace_a_longer_one() {
    let (snapshot, cursor) = at_cursor("rust", "x = |");
    let mut history = History::default();
    let early = |text| Said {
        stop: StopReason::Deadline,
        ..said(text)
    };
    for (answer, expected) in [
        (early("fo"), "fo"),
        (early("foo"), "foo"),
        (said("foo(bar)"), "foo(bar)"),
        (early("foo"), "foo(bar)"),
        (early("baz"), "baz"),
    ] {
        history.remember(&snapshot, cursor, answer);
        let recalled = history.recall(&snapshot, cursor, Shape::Line);
        assert_eq!(recalled.unwrap().text, expected);
    }
}

#[test]
fn what_has_not_been_of_use_for_longest_is_forgotten_first() {
    let mut history = History::new(Limits {
        entries: 2,
        ..Limits::default()
    });
    let places = ["a = |", "b = |", "c = |"].map(|drawn| at_cursor("rust", drawn));
    let recall = |history: &mut History, n: usize| {
        let (snapshot, cursor) = &places[n];
        history.recall(snapshot, *cursor, Shape::Line).is_some()
    };
    for (snapshot, cursor) in &places[..2] {
        history.remember(snapshot, *cursor, said("foo"));
    }
    assert!(recall(&mut history, 0));
    history.remember(&places[2].0, places[2].1, said("foo"));
    let known = [0, 1, 2].map(|n| recall(&mut history, n));
    assert_eq!(known, [true, false, true]);
}

#[test]
fn what_is_larger_than_the_limit_is_not_kept() {
    let (snapshot, cursor) = at_cursor("rust", "x = |");
    let mut history = History::new(Limits {
        bytes: 300,
        ..Limits::default()
    });
    history.remember(&snapshot, cursor, said(&"x".repeat(300)));
    assert_eq!((history.len(), history.bytes()), (0, 0));
    assert_eq!(history.recall(&snapshot, cursor, Shape::Line), None);
}

#[test]
fn a_completion_without_end_is_kept_in_part() {
    let text = format!("{}é", "x".repeat(MAX_TEXT - 1));
    let ended = Said {
        stop: StopReason::EndToken,
        ..said(&text)
    };
    let kept = recalled("|", ended, "|", Shape::Line).unwrap();
    assert_eq!(
        (kept.text.len(), kept.stop),
        (MAX_TEXT - 1, StopReason::MaxTokens)
    );
}

#[test]
fn after_a_change_of_model_nothing_is_recalled() {
    let (snapshot, cursor) = at_cursor("rust", "x = |");
    let mut history = History::new(Limits {
        entries: 1,
        ..Limits::default()
    });
    history.remember(&snapshot, cursor, said("foo"));
    history.clear();
    assert!(history.is_empty());
    assert_eq!(history.recall(&snapshot, cursor, Shape::Line), None);
    for text in ["x = |", "y = |"] {
        let (snapshot, cursor) = at_cursor("rust", text);
        history.remember(&snapshot, cursor, said("foo"));
    }
    assert_eq!(history.len(), 1, "the limits stay");
}

#[test]
fn a_rest_is_as_sure_as_its_tokens() {
    let tokens = [(0, -1.0), (3, -0.5), (4, -0.1), (8, -9.0)];
    let tokens = tokens.map(|(start, log_probability)| Likelihood {
        start,
        log_probability,
    });
    let whole = said("").confidence;
    let foo = || Said {
        tokens: tokens.to_vec(),
        stop: StopReason::EndToken,
        ..said("foo(bar)")
    };
    for (typed, first, mean) in [
        ("", -1.0, -1.6 / 3.0),
        ("f", -1.0, -1.6 / 3.0),
        ("foo", -0.5, -0.3),
        ("foo(", -0.1, -0.1),
        ("foo(ba", -0.1, -0.1),
        ("foo(bar)", whole.first, whole.mean),
    ] {
        let rest = recalled("x = |", foo(), &format!("x = {typed}|"), Shape::Line).unwrap();
        assert_eq!(rest.confidence.first, first, "{typed}");
        assert!((rest.confidence.mean - mean).abs() < 1e-6, "{typed}");
        assert_eq!(rest.confidence_of_whole, whole);
    }
    let rest = recalled("x = |", said("foo"), "x = f|", Shape::Line).unwrap();
    assert_eq!(rest.confidence, whole, "without tokens");
}
