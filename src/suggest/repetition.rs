//! Finds where a text begins to repeat itself: what small models do when they have nothing to say.
//!
//! Within a line by periods in bytes: then nothing of that line is worth showing, as it has no end. Between
//! lines by whole lines, whatever their indentation: then the first of them may be right. Incremental: each
//! byte is read once.

use super::place::has_words;
use crate::prompt::floor;

/// The longest unit, in bytes, of a repetition within a line.
const MAX_PERIOD: usize = 40;
/// A repetition within a line has at least this many units and this many bytes.
const UNITS: usize = 4;
const SPAN: usize = 48;
/// Rules of one or two characters (`-----`, `=====`), zeros and blanks may be this long.
const RULE_SPAN: usize = 100;
/// With letters in it (`dddd`, `'b'b'b`) it is no rule but stammering; `0xffffffffffffffff` has 16.
const STAMMER_SPAN: usize = 20;
/// The longest cycle of lines, and how often it has to come.
const MAX_CYCLE: usize = 3;
const CYCLES: usize = 3;

/// Reads a text and knows whether it repeats itself.
#[derive(Clone, Debug)]
pub(super) struct Repetition {
    /// For each period p: how many of the last bytes equal the byte p before them.
    runs: [usize; MAX_PERIOD + 1],
    /// The last bytes, a ring.
    last: [u8; MAX_PERIOD],
    read: usize,
    line: Vec<u8>,
    line_start: usize,
    /// The last complete lines with words in them, and where each ends.
    lines: Vec<(Vec<u8>, usize)>,
}

impl Repetition {
    pub(super) fn new() -> Repetition {
        Repetition {
            runs: [0; MAX_PERIOD + 1],
            last: [0; MAX_PERIOD],
            read: 0,
            line: Vec::new(),
            line_start: 0,
            lines: Vec::new(),
        }
    }

    /// Reads one more byte; `Some` with the bytes of the text to keep when it repeats itself.
    pub(super) fn push(&mut self, byte: u8) -> Option<usize> {
        let repeats = self.repeats_within_line(byte);
        self.read += 1;
        if repeats {
            return Some(self.line_start);
        }
        if byte != b'\n' {
            self.line.push(byte);
            return None;
        }
        let line = std::mem::take(&mut self.line);
        let end = self.line_start + line.len();
        self.line_start = self.read;
        self.push_line(line, end)
    }

    fn repeats_within_line(&mut self, byte: u8) -> bool {
        let mut found = false;
        let mut is_rule = false;
        for period in 1..=MAX_PERIOD.min(self.read) {
            let repeats = self.last[(self.read - period) % MAX_PERIOD] == byte;
            self.runs[period] = if repeats { self.runs[period] + 1 } else { 0 };
            let span = self.runs[period] + period;
            let is_short = period <= 2;
            let has_letter = byte.is_ascii_alphabetic()
                || self.last[(self.read + MAX_PERIOD - 1) % MAX_PERIOD].is_ascii_alphabetic();
            found |= is_short && has_letter && span >= STAMMER_SPAN;
            // A rule has all multiples of its period, too.
            is_rule |= is_short && span >= SPAN / 2;
            let enough = if is_rule {
                RULE_SPAN
            } else {
                SPAN.max(UNITS * period)
            };
            found |= span >= enough;
        }
        self.last[self.read % MAX_PERIOD] = byte;
        found
    }

    fn push_line(&mut self, line: Vec<u8>, end: usize) -> Option<usize> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        self.lines.push((line.trim_ascii().to_vec(), end));
        if self.lines.len() > MAX_CYCLE * CYCLES {
            self.lines.remove(0);
        }
        for cycle in 1..=MAX_CYCLE {
            let Some(first) = self.lines.len().checked_sub(cycle * CYCLES) else {
                break;
            };
            let lines = &self.lines[first..];
            let repeats = (cycle..lines.len()).all(|i| lines[i].0 == lines[i - cycle].0);
            let says_something = lines[..cycle]
                .iter()
                .any(|(line, _)| has_words(&String::from_utf8_lossy(line)));
            if repeats && says_something {
                return Some(lines[cycle - 1].1);
            }
        }
        None
    }
}

/// `text` up to where it begins to repeat itself.
pub(super) fn without_repetition(text: &str) -> &str {
    let mut repetition = Repetition::new();
    // The last line is complete, too, if nothing comes after it.
    let kept = text
        .bytes()
        .chain([b'\n'])
        .find_map(|byte| repetition.push(byte));
    &text[..floor(text, kept.unwrap_or(text.len()))]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(without_repetition(text), expected);
    }

    #[test]
    fn a_line_that_comes_three_times_is_kept_once() {
        check("a(x);\na(x);\na(x);", "a(x);");
        check("a(x);\na(x);\nb(x);", "a(x);\na(x);\nb(x);");
    }

    #[test]
    fn lines_that_come_in_turns_are_kept_once() {
        check("a(x);\nb(x);\n".repeat(3).as_str(), "a(x);\nb(x);");
    }

    #[test]
    fn indentation_makes_no_new_line() {
        check("with a:\n  with a:\n    with a:\n", "with a:");
    }

    #[test]
    fn closers_may_repeat() {
        check("    }\n  }\n}\n}\n}\n", "    }\n  }\n}\n}\n}\n");
    }

    #[test]
    fn a_line_that_goes_round_in_circles_is_dropped() {
        check(&format!("a();\nb({}", "foo, bar, ".repeat(6)), "a();\n");
        check(&"日本語".repeat(10), "");
    }

    #[test]
    fn a_line_that_stammers_is_dropped_early() {
        check(&format!("a();\n{}", "d".repeat(20)), "a();\n");
        check(&format!("let c = 'a{}", "'b".repeat(10)), "");
    }

    #[test]
    fn rules_blanks_and_short_lists_are_no_circles() {
        for text in [
            "0xffffffffffffffff".into(),
            "0".repeat(64),
            "-".repeat(80),
            "=-".repeat(40),
            " ".repeat(60) + "x",
            "1, 2, 3, 1, 2, 3, 1, 2, 3".into(),
        ] {
            check(&text, &text);
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_begins_the_text(text in "(ab|a, |\n|é|    ){0,60}") {
            prop_assert!(text.starts_with(without_repetition(&text)));
        }
    }
}
