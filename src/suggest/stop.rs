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
use crate::{document::Snapshot, prompt::floor, text::ByteOffset};

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
    is_behind_blank_line: bool,
    n_lines: usize,
    /// Where the last complete non-blank line ends.
    kept: usize,
    /// Where complete lines end that leave no bracket and no block open.
    whole: Vec<usize>,
    /// Where the bracket stands that closed the block around the cursor, and the closers behind it.
    closed_at: Option<usize>,
    ended: Option<(StopReason, usize)>,
}

/// What the rules for blocks need of the document.
#[derive(Clone, Debug, Default)]
struct Surroundings {
    left: String,
    /// Lines indented less end the block.
    indent: usize,
    /// The next line with words in it, which the model would only repeat.
    next_line: Option<String>,
    /// Whether blocks are told by indentation.
    is_indented: bool,
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
            is_behind_blank_line: false,
            n_lines: 0,
            kept: 0,
            whole: Vec::new(),
            closed_at: None,
            ended: None,
            surroundings: match shape {
                Shape::Line => Surroundings::default(),
                Shape::Block => Surroundings::of(place),
            },
        }
    }

    /// Whether a line break ends the completion.
    pub fn is_of_line(&self) -> bool {
        self.shape == Shape::Line
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
            // What leads to a repetition is in doubt, too: a bracket opened and never closed is not shown.
            let repeats = self.repetition.push(byte).map(|kept| {
                let whole = self.whole.iter().rfind(|&&whole| whole <= kept);
                (StopReason::Repetition, whole.copied().unwrap_or(0))
            });
            self.ended = ended
                .or(repeats)
                .map(|(reason, kept)| (reason, floor(text, kept)));
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
            // Nothing is indented less than the top level: there a blank line separates.
            let least = self
                .surroundings
                .indent
                .max(usize::from(self.is_behind_blank_line && self.kept > 0));
            let is_dedented = indent_of(&text[self.line_start..at]) < least;
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
        self.is_behind_blank_line = is_blank(line);
        if self.is_behind_blank_line {
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
        let is_opener = self.surroundings.is_indented && line.ends_with(':');
        if self.depth == 0 && !is_opener {
            self.whole.push(self.kept);
        }
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
            is_indented: place.language.is_indented,
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
mod tests;
