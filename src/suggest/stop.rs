//! Stop rules, applied while decoding: end of line or block, repetition.
//!
//! They work on the text, by indentation and brackets, as a half-generated block has no tree worth asking.
//! What they let through, `trim.rs` cleans up at the end.

use super::{
    Shape,
    brackets::{Mark, Scanner},
    place::{Place, has_words, indent_of, is_blank},
    repetition::Repetition,
};
use crate::{document::Snapshot, text::ByteOffset};

/// How many non-blank lines of a block are shown at most: what fits on a screen beside what is there.
const MAX_LINES: usize = 16;

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    EndToken,
    EndOfLine,
    EndOfBlock,
    Repetition,
    /// As many tokens, or lines, as a completion may have.
    MaxTokens,
    /// The text that follows the cursor has been reached.
    Suffix,
    Deadline,
}

/// The rules for one completion.
#[derive(Clone, Debug)]
pub struct Stop {
    shape: Shape,
    surroundings: Surroundings,
    repetition: Repetition,
    scanner: Scanner,
    /// Brackets opened in the generated text and not closed.
    depth: usize,
    /// Bytes read.
    read: usize,
    line_start: usize,
    /// Whether the current line has something on it; the first one counts as having it.
    is_line_begun: bool,
    n_lines: usize,
    /// Where the last complete non-blank line ends.
    kept: usize,
    /// Where the bracket stands that closed the block around the cursor, and the closers behind it.
    closed_at: Option<usize>,
    ended: Option<(StopReason, usize)>,
}

/// What the rules need of the document.
#[derive(Clone, Debug)]
struct Surroundings {
    left: String,
    /// Lines indented less end the block.
    indent: usize,
    /// The next line with words in it, which the model would only repeat.
    next_line: Option<String>,
    /// Whether the document closes the block already.
    is_closed: bool,
    /// Whether the closer follows on the cursor's own line (`{|}`).
    is_closed_on_line: bool,
}

impl Stop {
    pub fn new(shape: Shape, snapshot: &Snapshot, cursor: ByteOffset) -> Stop {
        let place = Place::of(snapshot, cursor);
        Stop {
            shape,
            repetition: Repetition::new(),
            scanner: Scanner::new(snapshot.language).after(&place.left),
            depth: 0,
            read: 0,
            line_start: 0,
            is_line_begun: true,
            n_lines: 0,
            kept: 0,
            closed_at: None,
            ended: None,
            surroundings: Surroundings::of(place),
        }
    }

    /// Looks at the whole text generated so far (complete UTF-8); `Some` when it is enough, with how
    /// many bytes of it to keep. Called once per generated token; linear in what is new.
    ///
    /// A line that turns out empty keeps nothing: behind a finished statement the model says "new line",
    /// and the user is left alone until there is one.
    pub fn check(&mut self, text: &str) -> Option<(StopReason, usize)> {
        while self.ended.is_none() && self.read < text.len() {
            let byte = text.as_bytes()[self.read];
            let ended = match self.shape {
                Shape::Line => self.read_line(byte),
                Shape::Block => self.read_block(text, byte),
            };
            let repeats = self
                .repetition
                .push(byte)
                .map(|kept| (StopReason::Repetition, kept));
            self.ended = ended
                .or(repeats)
                .map(|(reason, kept)| (reason, text.floor_char_boundary(kept)));
            self.read += 1;
        }
        self.ended
    }

    fn read_line(&self, byte: u8) -> Option<(StopReason, usize)> {
        matches!(byte, b'\n' | b'\r').then_some((StopReason::EndOfLine, self.read))
    }

    fn read_block(&mut self, text: &str, byte: u8) -> Option<(StopReason, usize)> {
        let at = self.read;
        if let Some(end) = self.closed_at {
            let belongs = matches!(byte, b')' | b']' | b';' | b',');
            self.closed_at = Some(at + 1);
            return (!belongs).then_some((StopReason::EndOfBlock, end));
        }
        let mark = self.scanner.push(byte);
        if byte == b'\n' {
            return self.end_line(text);
        }
        if !self.is_line_begun && !byte.is_ascii_whitespace() {
            self.is_line_begun = true;
            let is_dedented = indent_of(&text[self.line_start..at]) < self.surroundings.indent;
            if is_dedented && self.depth == 0 && !matches!(mark, Some(Mark::Close(_))) {
                return Some((StopReason::EndOfBlock, self.kept));
            }
        }
        match mark {
            Some(Mark::Open(_)) => self.depth += 1,
            Some(Mark::Close(_)) if self.depth > 0 => self.depth -= 1,
            Some(Mark::Close(b'}')) if !self.surroundings.is_closed => {
                self.closed_at = Some(at + 1)
            }
            Some(Mark::Close(_)) => {
                // `{|}` becomes three lines: the line break before the closer belongs to the body.
                let is_own_line =
                    self.surroundings.is_closed_on_line && is_blank(&text[self.line_start..at]);
                let kept = if is_own_line {
                    at
                } else {
                    text[..at].trim_end().len()
                };
                return Some((StopReason::EndOfBlock, kept));
            }
            Some(Mark::Quote(_)) | None => {}
        }
        None
    }

    /// A line of a block is complete.
    fn end_line(&mut self, text: &str) -> Option<(StopReason, usize)> {
        let line = text[self.line_start..self.read].trim_end();
        let is_first = std::mem::replace(&mut self.line_start, self.read + 1) == 0;
        self.is_line_begun = false;
        if is_blank(line) {
            return None;
        }
        let next = self.surroundings.next_line.as_deref();
        let is_next = match is_first {
            true => {
                next.and_then(|next| next.strip_prefix(self.surroundings.left.as_str()))
                    == Some(line)
            }
            false => next == Some(line),
        };
        if is_next {
            return Some((StopReason::Suffix, self.kept));
        }
        self.kept = self.read - (text[..self.read].len() - text[..self.read].trim_end().len());
        self.n_lines += 1;
        (self.n_lines == MAX_LINES).then_some((StopReason::MaxTokens, self.kept))
    }
}

impl Surroundings {
    fn of(place: Place) -> Surroundings {
        let own = indent_of(&place.left);
        let above = place.above().next();
        let indent = match &above {
            _ if place.opens_block(&place.left) => own + 1,
            // An editor that does not indent by itself leaves the cursor at the start of the line.
            Some(line) if is_blank(&place.left) && place.opens_block(line) => {
                own.max(indent_of(line) + 1)
            }
            _ => own,
        };
        let below = place.below().next();
        let is_closed_on_line = place.right.trim_start().starts_with('}');
        let is_closed = place.language.is_indented
            || is_closed_on_line
            || is_closed_below(&place, indent, below.as_deref());
        let next_line = below
            .map(|line| line.trim_end().to_owned())
            .filter(|line| has_words(line));
        Surroundings {
            left: place.left,
            indent,
            next_line,
            is_closed,
            is_closed_on_line,
        }
    }
}

/// Whether the lines below close the block that holds lines indented by `indent`: by a brace as far left as
/// the line that opened it, or later, when more of the block follows first.
fn is_closed_below(place: &Place, indent: usize, below: Option<&str>) -> bool {
    let Some(below) = below else { return false };
    let opener = std::iter::once(place.left.clone())
        .filter(|left| !is_blank(left))
        .chain(place.above());
    let opener_indent = opener
        .map(|line| indent_of(&line))
        .find(|&found| found < indent)
        .unwrap_or(0);
    indent_of(below) > opener_indent
        || (indent_of(below) == opener_indent && below.trim_start().starts_with('}'))
}

#[cfg(test)]
mod tests {
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
    fn a_cycle_within_a_line_is_shown_once() {
        check(
            Shape::Line,
            "python",
            "x = |",
            "[foo(a), foo(a), foo(a), foo(a), foo(a), foo(a), foo(a), ",
            expect!["[foo(a), ‸ Repetition"],
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
}
