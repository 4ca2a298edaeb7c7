//! What is the same place, and what is another: examples.

use expect_test::expect;

use super::tests::check;

#[test]
fn closers_that_the_editor_inserts_or_the_user_types_over_do_not_matter() {
    check("x = |;", "foo(b)", "x = foo(|);", expect!["b)‸"]);
    check("foo(|)", "a, b)?;", "foo(a, b)|", expect!["?;‸"]);
    check("foo(|)", "a, b)?;", "foo(a|", expect![", b)?;‸"]);
    check("x = |", "[\"a\"]", "x = [\"|\"]", expect!["a\"]‸"]);
}

#[test]
fn other_text_right_of_the_cursor_is_another_place() {
    check("x = |", "foo", "x = | + 1", expect!["not known"]);
    check("f(|)", "foo", "f(|);", expect!["not known"]);
    check("x = |\n", "foo", "x = |\ny = 2\n", expect!["not known"]);
    check("x = |\ny\n", "foo", "x = |\nz\n", expect!["not known"]);
    check("x = |\ny\n", "foo", "x = |\n    y\n", expect!["not known"]);
    check("x = |\ny\n", "foo", "x = |y\n", expect!["not known"]);
    check(
        "x = |\ny\nz\n",
        "foo",
        "x = |\ny\nx\n",
        expect!["not known"],
    );
}

#[test]
fn blank_lines_and_closers_below_are_looked_past() {
    check("f(|\n}\n\ng", "foo", "f(f|)\n\n\n}\ng", expect!["oo‸"]);
    check("f(|)\n", "foo", "f(f|", expect!["oo‸"]);
}

#[test]
fn lines_inserted_far_above_or_below_lose_nothing() {
    let then = "let a;\nlet b;\nlet c;\nlet x = |\nlet y;\nlet z;\n";
    let now = "use d;\n\nlet a;\nlet b;\nlet c;\nlet x = f|\nlet y;\nlet z;\nlet w;\n";
    check(then, "foo", now, expect!["oo‸"]);
}

#[test]
fn the_same_line_below_other_lines_is_another_place() {
    let then = "let a;\nlet b;\nlet c;\nx = |\n";
    for now in [
        "let o;\nlet b;\nlet c;\nx = |\n",
        "let a;\nlet b;\n\nlet c;\nx = |\n",
        "let a;\nlet c;\nx = |\n",
        "let a;\nlet b;\nlet c;\n\nx = |\n",
        "let a;\nlet b;\nlet c;\nx = 1;\nx = |\n",
        "x = |\n",
    ] {
        check(then, "foo", now, expect!["not known"]);
    }
}

#[test]
fn lines_of_closers_do_not_make_a_place() {
    let closers = "        }\n    }\n\n    }\n}\n\nfn ";
    let (then, now) = (format!("a();\n{closers}|"), format!("b();\n{closers}|"));
    check(&then, "main() {", &now, expect!["not known"]);
    check(&then, "main() {", &then, expect!["main() {‸"]);
}

#[test]
fn the_first_lines_of_a_file_are_another_place_than_the_same_lines_below() {
    check("x = |", "foo", "y\nx = |", expect!["not known"]);
    check("|", "foo", "y\n|", expect!["not known"]);
    check("|", "foo", "f|", expect!["oo‸"]);
    check("y\nx = |", "foo", "x = |", expect!["not known"]);
}

#[test]
fn other_indentation_is_another_place() {
    check("a\n    |\n", "foo", "a\n  |\n", expect!["not known"]);
    check("a\n    |\n", "foo", "a\n\t|\n", expect!["not known"]);
    check(
        "    |\n    \n",
        "foo",
        "    \n    |\n",
        expect!["not known"],
    );
    check("x = |", "foo", "ax = |", expect!["not known"]);
}

#[test]
fn in_a_long_line_its_last_part_makes_the_place() {
    let line = "größe ".repeat(500);
    for cut in 0..40 {
        let line: String = line.chars().skip(cut).collect();
        let (then, now) = (format!("{line}|"), format!("{line}f|"));
        check(&then, "foo", &now, expect!["oo‸"]);
        check(&then, "foo", &format!("x{now}"), expect!["not known"]);
    }
}

#[test]
fn a_long_line_above_may_end_anywhere() {
    for len in 250..260 {
        for line_break in ["\n", "\r\n"] {
            let above = ("x".repeat(len) + line_break).repeat(5);
            for left in ["", "y"] {
                let (then, now) = (format!("{above}{left}|"), format!("{above}{left}f|"));
                check(&then, "foo", &then, expect!["foo‸"]);
                check(&then, "foo", &now, expect!["oo‸"]);
                let longer = format!("x{now}");
                check(&then, "foo", &longer, expect!["oo‸"]);
            }
        }
    }
}
