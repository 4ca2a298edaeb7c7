//! What the model has said lately in one document, found again by the text around the cursor: a
//! bounded trie of completions.
//!
//! A completion continues the text before it, so place and completion together are one text: some lines above
//! the cursor, its line, then what the model said. Wherever the cursor now stands behind the beginning of
//! such a text, the user has typed along, come back, or undone something, and the rest of it is what the
//! model says. Offsets and versions do not count, only text: lines inserted far above lose nothing, and
//! nothing is shown where the lines around are others.
//!
//! The trie is kept flat: the texts in order, where all that begin alike are neighbours. With some
//! hundred of them that is smaller and faster than nodes, and an entry is dropped by removing it.
//!
//! Not here: whether a rest is worth showing and how it is cleaned up (`ask.rs`), and who asks.

use std::ops::Range;

use super::{
    Shape,
    gate::{self, Confidence, Likelihood},
    stop::StopReason,
    surroundings::{Left, MAX_LEFT, Right},
};
use crate::{document::Snapshot, prompt::floor, text::ByteOffset};

/// The longest completion that is remembered whole.
const MAX_TEXT: usize = 4096;

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub entries: usize,
    /// Of text and of what belongs to it.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries: 250,
            bytes: 256 * 1024,
        }
    }
}

/// Why the model was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// By a request.
    Asked,
    /// At an edit, before a request came.
    AtEdit,
    /// When idle, for the text as it would be with ghost text accepted.
    IfAccepted,
    /// When idle, for what might be typed instead of the ghost text.
    IfDiverged,
    /// When idle, where the cursor rests.
    AtRest,
}

/// What the model said at a place.
#[derive(Clone, Debug)]
pub struct Said {
    /// As the engine gave it, before any clean-up. May be empty: then there is nothing to say.
    pub text: String,
    /// What was asked for.
    pub shape: Shape,
    pub stop: StopReason,
    pub confidence: Confidence,
    /// In order; may be left out, then `confidence` holds for every rest of the text, too.
    pub tokens: Vec<Likelihood>,
    pub source: Source,
}

/// What the model would say at a place, because it has said so before.
#[derive(Clone, Debug, PartialEq)]
pub struct Recalled {
    /// The rest of what it said, to be cleaned up like a completion. Blank when it has nothing to say here,
    /// which is an answer: it need not be asked.
    pub text: String,
    /// What to clean it up as. A block stays one while it is being typed, though only a line is wanted then.
    pub shape: Shape,
    /// Where it ended; `Deadline` and `MaxTokens` mean that there would be more.
    pub stop: StopReason,
    /// Of the rest. A token of which a part has been typed counts as it did.
    pub confidence: Confidence,
    /// Those that the text is made of, the first bytes of which stand at `typed_bytes`.
    pub tokens: Vec<Likelihood>,
    /// Of the whole: what was worth showing then should not vanish under typing.
    pub confidence_of_whole: Confidence,
    pub source: Source,
    /// How much of it has been typed, or accepted, in bytes; 0 at the very place where it was said.
    pub typed_bytes: usize,
}

/// The completions of one document. Not shared between documents: the same lines in another file are
/// another place.
#[derive(Debug, Default)]
pub struct History {
    limits: Limits,
    /// In the order of their keys.
    entries: Vec<Entry>,
    bytes: usize,
    /// How far left of a cursor the longest entry may begin, in bytes of a document with `\r\n`.
    reach: usize,
    /// Counts what has been remembered and recalled.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    /// The text that makes the place, then the completion, both with `\n` for `\r\n`.
    key: Vec<u8>,
    /// The bytes of `key` that are the place.
    place: usize,
    /// The length of `key` where lines end in `\r\n`.
    reach: usize,
    right: Right,
    said: Said,
    /// When it was said, and when it was last of use.
    said_at: u64,
    used_at: u64,
}

impl History {
    pub fn new(limits: Limits) -> History {
        History {
            limits,
            ..History::default()
        }
    }

    /// How many completions are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes that they take; at most the limit.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything: another model or other settings would say something else.
    pub fn clear(&mut self) {
        *self = History::new(self.limits);
    }

    /// Remembers what was said at `cursor` in `snapshot`, which need not be a text that the user has seen. It
    /// takes the place of what was said there before, and of what has not been of use for longest.
    pub fn remember(&mut self, snapshot: &Snapshot, cursor: ByteOffset, mut said: Said) {
        let cursor = snapshot.text.floor(cursor);
        if said.text.len() > MAX_TEXT {
            said.text.truncate(floor(&said.text, MAX_TEXT));
            said.stop = StopReason::MaxTokens;
        }
        said.tokens.retain(|token| token.start < said.text.len());
        let left = Left::of(&snapshot.text, cursor, MAX_LEFT);
        let right = Right::of(&snapshot.text, cursor);
        let place = left.place();

        let here = self.range(place).find(|&at| {
            let entry = &self.entries[at];
            entry.place == place.len() && entry.right == right && entry.said.shape == said.shape
        });
        if let Some(at) = here {
            // A job that was stopped early knows no better than one that was not.
            let has_more = self.entries[at].said.text.starts_with(&said.text);
            if said.stop == StopReason::Deadline && has_more {
                return self.touch(at);
            }
            self.remove(at);
        }

        self.clock += 1;
        let key = [place, said.text.replace("\r\n", "\n").as_bytes()].concat();
        let n_breaks = key.iter().filter(|&&byte| byte == b'\n').count();
        let entry = Entry {
            reach: key.len() + n_breaks,
            place: place.len(),
            key,
            right,
            said,
            said_at: self.clock,
            used_at: self.clock,
        };
        self.bytes += entry.bytes();
        let at = self.entries.partition_point(|other| other.key < entry.key);
        self.entries.insert(at, entry);
        while self.entries.len() > self.limits.entries || self.bytes > self.limits.bytes {
            let oldest = (0..self.entries.len()).min_by_key(|&at| self.entries[at].used_at);
            self.remove(oldest.expect("what is over a limit is not empty"));
        }
        self.reach = self
            .entries
            .iter()
            .map(|entry| entry.reach)
            .max()
            .unwrap_or(0);
    }

    /// What the model would say at `cursor`, if it has said so: the rest of the completion whose place and
    /// beginning are the text left of the cursor, with the same text right of it. Of several the one that
    /// agrees with the longest text, of these the latest.
    ///
    /// Linear in the longest place and completion remembered, whatever the file's size.
    pub fn recall(
        &mut self,
        snapshot: &Snapshot,
        cursor: ByteOffset,
        shape: Shape,
    ) -> Option<Recalled> {
        if self.is_empty() {
            return None;
        }
        let cursor = snapshot.text.floor(cursor);
        let left = Left::of(&snapshot.text, cursor, self.reach);
        let mut right = None;
        let (at, rest) = left.tails().find_map(|tail| {
            let matching = self.range(tail).filter_map(|at| {
                let entry = &self.entries[at];
                let rest = entry.rest(tail.len().checked_sub(entry.place)?, shape)?;
                let right = right.get_or_insert_with(|| Right::of(&snapshot.text, cursor));
                (entry.right == *right).then_some((at, rest))
            });
            matching.max_by_key(|&(at, _)| self.entries[at].said_at)
        })?;
        let recalled = self.entries[at].recalled(&rest);
        self.touch(at);
        Some(recalled)
    }

    /// The entries whose key begins with `text`.
    fn range(&self, text: &[u8]) -> impl Iterator<Item = usize> {
        let first = self
            .entries
            .partition_point(|entry| entry.key.as_slice() < text);
        (first..self.entries.len()).take_while(move |&at| self.entries[at].key.starts_with(text))
    }

    fn touch(&mut self, at: usize) {
        self.clock += 1;
        self.entries[at].used_at = self.clock;
    }

    fn remove(&mut self, at: usize) {
        let removed = self.entries.remove(at);
        self.bytes -= removed.bytes();
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let tokens = self.said.tokens.len() * size_of::<Likelihood>();
        size_of::<Entry>() + self.key.len() + self.right.len() + self.said.text.len() + tokens
    }

    /// What is left behind the first `typed` bytes of the completion (as the key has it), if it answers a
    /// question for `wanted`.
    fn rest(&self, typed: usize, wanted: Shape) -> Option<Rest> {
        let text = self.said.text.as_str();
        let mut rest = Rest {
            range: self.raw(typed)..text.len(),
            shape: self.said.shape,
            stop: self.said.stop,
        };
        let line_end = text[rest.range.start..].find(['\n', '\r']);
        match (rest.shape, wanted) {
            (Shape::Line, Shape::Line) | (Shape::Block, Shape::Block) => {}
            // What ends by itself before any line does is the same for both.
            (Shape::Line, Shape::Block) if rest.stop == StopReason::EndToken => {}
            (Shape::Line, Shape::Block) => return None,
            // A block on the screen does not shrink when its first word is typed.
            (Shape::Block, Shape::Line) if typed > 0 => {}
            (Shape::Block, Shape::Line) => {
                rest.shape = Shape::Line;
                if let Some(len) = line_end {
                    rest.range.end = rest.range.start + len;
                    rest.stop = StopReason::EndOfLine;
                }
            }
        }
        let is_end_of_line = rest.stop == StopReason::EndOfLine || line_end.is_some();
        let is_final =
            rest.stop == StopReason::EndToken || (wanted == Shape::Line && is_end_of_line);
        (is_final || !text[rest.range.clone()].trim().is_empty()).then_some(rest)
    }

    /// Where in the completion as it was said its first `typed` bytes end, a `\r\n` counted as one.
    fn raw(&self, typed: usize) -> usize {
        let text = self.said.text.as_bytes();
        if self.place + text.len() == self.key.len() {
            return typed;
        }
        let is_counted = |&at: &usize| !text[at..].starts_with(b"\r\n");
        let before = (0..text.len()).filter(is_counted).nth(typed);
        before.map_or(text.len(), |at| {
            // Before a line break, not within it.
            let is_within = text[at] == b'\n' && at > 0 && text[at - 1] == b'\r';
            at - usize::from(is_within)
        })
    }

    fn recalled(&self, rest: &Rest) -> Recalled {
        Recalled {
            text: self.said.text[rest.range.clone()].to_owned(),
            shape: rest.shape,
            stop: rest.stop,
            confidence: self.confidence(&rest.range),
            tokens: gate::tokens_of(&self.said.tokens, &rest.range).to_vec(),
            confidence_of_whole: self.said.confidence,
            source: self.said.source,
            typed_bytes: rest.range.start,
        }
    }

    fn confidence(&self, range: &Range<usize>) -> Confidence {
        (!range.is_empty())
            .then(|| Confidence::of(gate::tokens_of(&self.said.tokens, range)))
            .flatten()
            .unwrap_or(self.said.confidence)
    }
}

/// The part of a completion that answers a question.
struct Rest {
    range: Range<usize>,
    shape: Shape,
    stop: StopReason,
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod places;
#[cfg(test)]
mod tests;
