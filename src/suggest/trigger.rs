//! Whether to ask at all, and for how much.
//!
//! Where a block is wanted the syntax tree says; where there is none, a few lines of text do.

use super::{
    Shape,
    place::{Place, indent_of, is_blank},
};
use crate::{document::Snapshot, syntax::scope::scope_at, text::ByteOffset};

/// `None`: nothing is wanted here (text that is no closer or separator follows on the line).
/// `is_invoked`: the user asked by hand; then everything that can be answered is.
pub fn decide(snapshot: &Snapshot, cursor: ByteOffset, is_invoked: bool) -> Option<Shape> {
    let place = Place::of(snapshot, cursor);
    if !is_invoked && (!is_line_done(&place.right) || is_empty(snapshot)) {
        return None;
    }
    let is_block = is_block_end(&place.right)
        && match snapshot.tree {
            Some(_) => scope_at(snapshot, cursor).is_at_empty_block,
            None => is_at_empty_block(&place),
        };
    Some(if is_block { Shape::Block } else { Shape::Line })
}

/// Whether a line goes on with nothing but closers, then at most one separator.
fn is_line_done(right: &str) -> bool {
    let rest = right
        .trim_start()
        .trim_start_matches([')', '>', '}', ']', '"', '\'', '`'])
        .trim();
    matches!(rest, "" | ":" | "{" | ";" | ",")
}

/// Whether a body may stand before `right`: at the end of a line or before a closing brace.
fn is_block_end(right: &str) -> bool {
    let rest = right.trim();
    rest.is_empty() || rest.starts_with('}')
}

/// Nothing typed yet: a model would invent a file.
fn is_empty(snapshot: &Snapshot) -> bool {
    let text = &snapshot.text;
    text.len().0 < 64 && is_blank(&text.slice(ByteOffset(0)..text.len()))
}

/// By the text alone: behind a block's opener, or on the blank line after it, and nothing in the block.
fn is_at_empty_block(place: &Place) -> bool {
    let opener = match is_blank(&place.left) {
        true => place.above().next(),
        false => Some(place.left.clone()),
    };
    opener.is_some_and(|line| place.opens_block(&line) && has_no_body(place, indent_of(&line)))
}

/// Whether what follows the cursor is not indented deeper than the line that opened the block.
fn has_no_body(place: &Place, opener_indent: usize) -> bool {
    place
        .below()
        .next()
        .is_none_or(|line| indent_of(&line) <= opener_indent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{document::Document, suggest::at_cursor};

    /// With the tree, where the language has a parser, and by the text alone.
    #[track_caller]
    fn check(language_id: &str, drawn: &str, expected: Option<Shape>) {
        let (by_text, cursor) = at_cursor(language_id, drawn);
        let text = by_text.text.to_string();
        let by_tree = Document::new(&text, 1, language_id, None).snapshot();
        for (how, snapshot) in [("by text", by_text), ("by tree", by_tree)] {
            assert_eq!(decide(&snapshot, cursor, false), expected, "{how}: {drawn}");
            let invoked = decide(&snapshot, cursor, true);
            assert!(invoked.is_some(), "asked by hand there is always an answer");
            assert!(
                expected.is_none() || invoked == expected,
                "asking by hand changes no shape"
            );
        }
    }

    #[test]
    fn a_line_is_wanted_at_the_end_of_one() {
        for drawn in [
            "let x = |",
            "let x = |\n",
            "a\n    |",
            "foo.|\nbar",
            "x = 1\n|",
        ] {
            check("rust", drawn, Some(Shape::Line));
            check("python", drawn, Some(Shape::Line));
        }
    }

    #[test]
    fn closers_and_one_separator_may_follow() {
        for right in [
            ")", "))", "]", "\")", "'", "`", ">", " }", ") {", "):", ");", "),", ";", "  ",
        ] {
            check("rust", &format!("foo(|{right}\n"), Some(Shape::Line));
        }
    }

    #[test]
    fn nothing_is_wanted_before_other_text() {
        for drawn in [
            "fo|o",
            "let x = | + y;",
            "foo(|bar)",
            "a|;;",
            "|fn main() {}",
            "x(|) {}",
        ] {
            check("rust", drawn, None);
        }
    }

    #[test]
    fn nothing_is_wanted_in_an_empty_file() {
        check("rust", "|", None);
        check("python", "\n  |\n", None);
    }

    #[test]
    fn a_body_is_wanted_in_an_empty_block() {
        for drawn in [
            "fn f() {|",
            "fn f() {|}",
            "fn f() {\n    |\n}",
            "fn f() {\n    |",
            "if x {\n    a();\n} else {|}",
            "fn f() { // why\n    |\n}",
        ] {
            check("rust", drawn, Some(Shape::Block));
        }
        for drawn in [
            "def f():|",
            "def f():\n    |",
            "if x:\n    |\nelse:\n    pass",
            "class A(B):\n    |",
            "for x in y:  # why\n    |",
        ] {
            check("python", drawn, Some(Shape::Block));
        }
    }

    #[test]
    fn a_line_is_wanted_in_a_block_that_has_a_body() {
        check("rust", "fn f() {|\n    a();\n}", Some(Shape::Line));
        check("rust", "fn f() {\n    |\n    a();\n}", Some(Shape::Line));
        check(
            "python",
            "def f():\n    |\n    return 1\n",
            Some(Shape::Line),
        );
    }

    #[test]
    fn a_bracket_or_colon_that_opens_no_block_wants_a_line() {
        for drawn in [
            "use a::{|}",
            "format!(\"{|}\")",
            "format!(\"{|",
            "vec![|]",
            "// a {|\"",
            "let x = foo(|)",
        ] {
            check("rust", drawn, Some(Shape::Line));
        }
        for drawn in ["x:|", "x = {'a':|}", "y[1:|]", "f = lambda x:|", "if x[1:|"] {
            check("python", drawn, Some(Shape::Line));
        }
    }

    #[test]
    fn a_language_without_a_parser_works_on_braces() {
        check("c", "int main() {\n    |\n}", Some(Shape::Block));
        check("plaintext", "Dear Sir or Madam,|", Some(Shape::Line));
    }
}
