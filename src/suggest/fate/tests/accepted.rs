//! What counts as accepted, in whole or in part.

use expect_test::expect;

use super::*;

#[test]
fn what_comes_in_one_piece_was_accepted() {
    let mut story = Story::shown("let x = |;\n", "foo(bar)");
    story.waits(1_000).inserts("foo(bar)");
    story.check(expect!["1 Accepted { characters: 8 }"]);
    // However soon.
    let mut story = Story::shown("let x = |;\n", "foo(bar)");
    story.types("f").waits(90).inserts("oo(bar)");
    story.check(expect!["1 Accepted { characters: 7 }"]);
}

#[test]
fn the_command_and_its_edit_count_once_in_either_order() {
    let mut story = Story::shown("let x = |\n", "foo");
    story
        .waits(100)
        .inserts("foo")
        .command(1)
        .types(";")
        .command(1);
    story.check(expect!["1 Accepted { characters: 3 }"]);
    let mut story = Story::shown("let x = |\n", "foo");
    story
        .waits(100)
        .command(1)
        .inserts("foo")
        .types(";")
        .command(1);
    story.check(expect!["1 Accepted { characters: 3 }"]);
}

#[test]
fn a_command_makes_up_for_an_edit_that_says_something_else() {
    // One character, which a key might have typed, too.
    let mut story = Story::shown("f(x|\n", ")");
    story.waits(100).inserts(")").command(1);
    story.check(expect!["1 Accepted { characters: 1 }"]);
    // Accepted before the typed characters were told: they are left behind.
    let mut story = Story::shown("print(|\n", "hello_world)");
    story.waits(LATER).inserts("phello_world)").command(1);
    story.check(expect!["1 Accepted { characters: 12 }"]);
    // Told late, of one that nobody counted.
    let mut story = Story::shown("let x = |\n", "foo");
    story.types("yz").command(1).command(1);
    story.check(expect!["1 Accepted { characters: 3 }"]);
}

#[test]
fn closers_and_line_breaks_may_be_the_documents_own() {
    let mut story = Story::shown("print(|)\n", "x);");
    story.waits(500).edits(&[(6..7, "x);")]);
    story.check(expect!["1 Accepted { characters: 3 }"]);
    let mut story = Story::shown("fn f() {|\r\n}\r\n", "\n    a();\n    b();");
    story.waits(500).inserts("\r\n    a();\r\n    b();");
    story.check(expect!["1 Accepted { characters: 18 }"]);
}

#[test]
fn a_menu_replaces_the_typed_word_by_the_whole() {
    let mut story = Story::shown("    let an|\n", "swer = 42;");
    story.waits(500).edits(&[(8..10, "answer = 42;")]);
    story.check(expect!["1 Accepted { characters: 10 }"]);
    let mut story = Story::shown("    let an|\n", "swer = 42;");
    story.waits(500).edits(&[(8..10, "android")]);
    story.check(expect![""]);
    let mut story = Story::shown("    let an|\n", "swer = 42;");
    story.waits(LATER).edits(&[(8..10, "android")]);
    story.check(expect!["1 TypedAway"]);
}

#[test]
fn a_preview_that_is_taken_back_was_not_accepted() {
    let mut story = Story::shown("    let an|\n", "swer = 42;");
    story.waits(500).edits(&[(8..10, "answer = 42;")]);
    story.waits(500).edits(&[(8..20, "an")]);
    assert_eq!(story.seen.len(), 0);
    story.waits(500).edits(&[(10..10, "y")]);
    story.check(expect!["1 TypedAway"]);
    // Another item of the menu instead.
    let mut story = Story::shown("    let an|\n", "swer = 42;");
    story.waits(LATER).edits(&[(8..10, "answer = 42;")]);
    story.waits(100).edits(&[(8..20, "android")]);
    story.check(expect!["1 TypedAway"]);
}

#[test]
fn at_several_cursors_it_is_accepted_once() {
    let mut story = Story::shown("a = |\nb = \nc = \n", "foo()");
    story
        .waits(LATER)
        .edits(&[(14..14, "foo()"), (9..9, "foo()"), (4..4, "foo()")]);
    story.check(expect!["1 Accepted { characters: 5 }"]);
    let mut story = Story::shown("a = \nb = |\nc = \n", "foo()");
    story
        .waits(LATER)
        .edits(&[(4..4, "foo()"), (14..14, "foo()"), (24..24, "foo()")]);
    story.check(expect!["1 Accepted { characters: 5 }"]);
}

#[test]
fn a_word_or_a_line_in_one_piece_is_a_part() {
    let mut story = Story::shown("let x = |\n", "foo(bar);\nlet y = 2;");
    story.waits(LATER).inserts("foo");
    story.waits(300).inserts("(bar");
    assert_eq!(story.shows(");\nlet y = 2;"), 1, "the rest keeps the id");
    story.types("q");
    story.check(expect!["1 PartlyAccepted { characters: 7 }"]);
}

#[test]
fn part_by_part_to_the_end_is_the_whole() {
    let mut story = Story::shown("let x = |\n", "foo bar");
    story.waits(LATER).inserts("foo");
    story.waits(300).inserts(" bar");
    story.check(expect!["1 Accepted { characters: 7 }"]);
    // Some by hand.
    let mut story = Story::shown("let x = |\n", "foo bar");
    story.types("foo").waits(400).inserts(" bar");
    story.check(expect!["1 Accepted { characters: 4 }"]);
    let mut story = Story::shown("let x = |\n", "foo bar");
    story.waits(400).inserts("foo").types(" bar");
    story.check(expect!["1 PartlyAccepted { characters: 3 }"]);
}

#[test]
fn the_whole_after_a_part_replaces_it() {
    // VS Code: a word, then Tab, which writes all of it once more and runs the command.
    let mut story = Story::shown("let x = |\n", "foo(bar)");
    story.waits(LATER).inserts("foo");
    story.waits(300).edits(&[(8..11, "foo(bar)")]).command(1);
    story.check(expect!["1 Accepted { characters: 8 }"]);
}

#[test]
fn what_the_editor_says_of_parts_is_no_part_twice() {
    let part_first = |story: &mut Story| {
        story.waits(300).part(1, 3).inserts("foo");
    };
    let edit_first = |story: &mut Story| {
        story.waits(300).inserts("foo").part(1, 3);
    };
    for accept in [part_first, edit_first] {
        let mut story = Story::shown("let x = |\n", "foo bar baz");
        accept(&mut story);
        // All in all, the first part included.
        story.waits(90).inserts(" b").part(1, 5).types("q");
        story.check(expect!["1 PartlyAccepted { characters: 5 }"]);
    }
    // Of the item that was last handed out, in UTF-16.
    let mut story = Story::shown("let x = |\n", "a😀b😀c");
    story.types("a");
    assert_eq!(story.shows("😀b😀c"), 1);
    story.waits(300).part(1, 3).inserts("😀b").types("q");
    story.check(expect!["1 PartlyAccepted { characters: 2 }"]);
    // To the end.
    let mut story = Story::shown("let x = |\n", "foo bar");
    story.part(1, 7).inserts("foo bar");
    story.check(expect!["1 Accepted { characters: 7 }"]);
}

#[test]
fn the_popups_own_text_is_not_ours() {
    // `foo` is selected in the popup, and the suggestion goes on with it.
    let mut story = Story::new("let x = fo|\n");
    story.hands_out(story.offer(8, "foo(bar)", 3));
    story.waits(LATER).edits(&[(8..10, "foo")]);
    story.cursor = 11;
    assert_eq!(story.shows("(bar)"), 1);
    story.types("q");
    story.check(expect!["1 TypedAway"]);
    let mut story = Story::new("let x = fo|\n");
    story.hands_out(story.offer(8, "foo(bar)", 3));
    story.waits(LATER).edits(&[(8..10, "foo(bar)")]).command(1);
    story.check(expect!["1 Accepted { characters: 5 }"]);
}
