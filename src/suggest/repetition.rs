//! Finds where a text begins to repeat itself: what small models do when they have nothing to say.
//!
//! Within a line by periods in bytes, between lines by whole lines. Incremental: each byte is read once.

use super::place::has_words;
use crate::prompt::floor;

/// The longest unit, in bytes, of a repetition within a line.
const MAX_PERIOD: usize = 40;
/// A repetition within a line has at least this many units and this many bytes.
const UNITS: usize = 4;
const SPAN: usize = 48;
/// Rules of one or two characters (`-----`, `=====`), zeros and blanks may be this long.
const RULE_SPAN: usize = 100;
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
        let within = self.push_within_line(byte);
        self.read += 1;
        if within.is_some() {
            return within;
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

    fn push_within_line(&mut self, byte: u8) -> Option<usize> {
        let mut found = None;
        let mut is_rule = false;
        for period in 1..=MAX_PERIOD.min(self.read) {
            let repeats = self.last[(self.read - period) % MAX_PERIOD] == byte;
            self.runs[period] = if repeats { self.runs[period] + 1 } else { 0 };
            let span = self.runs[period] + period;
            // A rule has all multiples of its period, too.
            is_rule |= period <= 2 && span >= SPAN / 2;
            let enough = if is_rule {
                RULE_SPAN
            } else {
                SPAN.max(UNITS * period)
            };
            if found.is_none() && span >= enough {
                found = Some(self.read + 1 - span + period);
            }
        }
        self.last[self.read % MAX_PERIOD] = byte;
        found
    }

    fn push_line(&mut self, line: Vec<u8>, end: usize) -> Option<usize> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        self.lines.push((line, end));
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
