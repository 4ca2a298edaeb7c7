//! What is found where, and what would follow.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::suggest::at_cursor;

/// The cursor is drawn as `|`; what is typed of the next token stands between `‹` and it.
#[track_caller]
fn check(drawn: &str, others: &[&str], expected: Expect) {
    let typed = drawn.find('‹');
    let (snapshot, cursor) = at_cursor("rust", &drawn.replace('‹', ""));
    let others: Vec<Snapshot> = others
        .iter()
        .map(|text| at_cursor("rust", &format!("{text}|")).0)
        .collect();
    let line = snapshot.text.line_start(snapshot.text.line_of(cursor));
    let nearby = Nearby::of(&snapshot, line, cursor, &others);
    let tail = snapshot.text.slice(line..cursor);
    let boundary = typed.map_or(tail.len(), |typed| typed - line.0);
    let left = [nearby.left(), &tail[..boundary]].concat();
    let rest = &tail.as_bytes()[boundary..];
    let mut search = Search::new(nearby, &tail);
    let left = Left::new(left.as_bytes(), rest);
    let drawn: String = search
        .places(&left)
        .iter()
        .map(|place| {
            let text = search.continuation(place, &left, rest).text;
            let line = if place.is_line { " line" } else { "" };
            let above = if place.is_line_above { ", above" } else { "" };
            format!(
                "{} {:?}{line}{above}: {text:?}\n",
                place.matched, place.origin
            )
        })
        .collect();
    expected.assert_eq(&drawn);
}

#[test]
fn what_follows_the_longest_match_comes_first() {
    check(
        "let a = open(path);\nlet b = open(file);\nlet c = op|\n",
        &[],
        expect![[r#"
            5 Before: "en(file);\n"
            5 Before: "en(path);\nl"
        "#]],
    );
}

#[test]
fn a_line_is_found_again_with_other_indentation() {
    check(
        "fn a() {\n    if x {\n        return Err(Closed);\n    }\n}\nfn b() {\n    return E|\n}\n",
        &[],
        expect![[r#"
            11 Before line: "rr(Closed);\n}"
        "#]],
    );
}

#[test]
fn the_lines_that_follow_are_indented_as_here() {
    check(
        "    if done {\n        stop();\n        go();\n    }\nif done {|\n",
        &[],
        expect![[r#"
            9 Before line: "\n    s"
        "#]],
    );
    check(
        "a {\n    b;\n    c;\n}\na {\n    b;\n|\n",
        &[],
        expect![[r#"
            7 Before line, above: "    c;\n}"
        "#]],
    );
    check(
        "a {\n    b;\n    c;\n}\na {\n    b;\n‹    |\n",
        &[],
        expect![[r#"
            7 Before line, above: "    c;\n}"
        "#]],
    );
}

#[test]
fn what_is_typed_of_a_word_has_to_be_there_and_counts_for_nothing() {
    check(
        "self.width = 1;\nself.height = 2;\nself‹.he|\n",
        &[],
        expect![[r#"
            6 Before line: ".height = 2;\n"
        "#]],
    );
}

#[test]
fn other_files_and_what_stands_behind_are_known_too() {
    check(
        "impl Dis|\n\nimpl Display for Behind {\n",
        &["impl Display for Other {\n"],
        expect![[r#"
            8 After line: "play for Behind {\n"
            8 OtherFile line: "play for Other {\n"
        "#]],
    );
}

#[test]
fn a_text_does_not_go_on_in_the_next_one() {
    check("x\n|", &["let last = 1;"], expect![""]);
    check(
        "let la|",
        &["let last = 1;", "let"],
        expect![[r#"
            6 OtherFile line: "st = 1;"
        "#]],
    );
}

#[test]
fn where_nothing_is_alike_there_is_nothing() {
    check("|", &[], expect![""]);
    check("größe|", &[], expect![""]);
    check("let x = 1;\n\0\0\0fn|", &["\0\0\0"], expect![""]);
}

#[test]
fn a_line_is_copied_where_there_is_little_doubt() {
    #[track_caller]
    fn check(drawn: &str, expected: Option<&str>) {
        let (snapshot, cursor) = at_cursor("rust", drawn);
        assert_eq!(alone(&snapshot, cursor, &[]).as_deref(), expected);
    }
    check(
        "    tracing::debug!(\"a\");\ntracing::d|\n",
        Some("ebug!(\"a\");"),
    );
    // Too little has been typed, or it went on in too many ways.
    check("tracing::debug!(\"a\");\ntra|\n", None);
    check("return one;\nreturn two;\nreturn three;\nreturn |\n", None);
    check(
        "return one;\nreturn two;\nreturn two;\nreturn two;\nreturn |\n",
        Some("two;"),
    );
    check("let unlike = 1;\nfn main() {|\n", None);
}

#[test]
fn its_text_is_in_no_debug_output() {
    let (snapshot, cursor) = at_cursor("rust", "let secret = 1;\n|");
    let nearby = Nearby::of(&snapshot, cursor, cursor, &[]);
    assert!(!format!("{nearby:?}").contains("secret"));
}

proptest! {
    #[test]
    fn a_place_is_as_alike_as_it_says(text in "([a-c \n\t{é]|ab ){0,80}", at in 0..80_usize, rest in 0..4_usize) {
        let mut text = text;
        let at = crate::prompt::floor(&text, at);
        text.insert(at, '|');
        let (snapshot, cursor) = at_cursor("rust", &text);
        let line = snapshot.text.line_start(snapshot.text.line_of(cursor));
        let tail = snapshot.text.slice(line..cursor);
        let boundary = crate::prompt::floor(&tail, tail.len().saturating_sub(rest));
        let nearby = Nearby::of(&snapshot, line, cursor, &[]);
        let before = [nearby.left(), &tail[..boundary]].concat();
        let mut search = Search::new(nearby, &tail);
        let left = Left::new(before.as_bytes(), &tail.as_bytes()[boundary..]);
        for place in search.places(&left) {
            prop_assert!(place.matched + left.rest <= left.bytes.len());
            let page = if place.is_recent { &search.recent } else { &search.nearby.index().page };
            let end = &left.bytes[left.bytes.len() - place.matched - left.rest..];
            prop_assert!(page.bytes[..place.at].ends_with(end));
            let text = search.continuation(&place, &left, &tail.as_bytes()[boundary..]).text;
            prop_assert!(text.starts_with(&tail[boundary..]));
        }
    }
}

#[test]
fn what_is_given_back_is_made_again_and_finds_the_same() {
    let (snapshot, cursor) = at_cursor("rust", "let a = open(path);\nlet c = op|\n");
    let line = snapshot.text.line_start(1);
    let nearby = Nearby::of(&snapshot, line, cursor, &[]);
    let found = |nearby: &Arc<Nearby>| {
        let left = Left::new(b"let c = op", b"");
        let mut search = Search::new(Arc::clone(nearby), "let c = op");
        search.places(&left).to_vec()
    };
    let first = found(&nearby);
    assert!(nearby.is_prepared() && !first.is_empty());
    let again = nearby.unprepared();
    assert!(!again.is_prepared());
    assert_eq!(found(&again), first);
}
