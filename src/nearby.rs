//! The live cache: what stands elsewhere, in this file and in the other open ones, behind text like that before the
//! cursor. Text in, places out; what a place is worth beside the model's own opinion is decided in
//! `engine/mix.rs`, and which files may be read is the caller's business.
//!
//! Text is compared line by line without its indentation (`page.rs`), so that a line is found again in another block.
//! What is known is frozen with the head of a prompt, except for the text typed since, which comes with
//! each question: so the same prompt always gets the same answer.

mod alone;
mod continuation;
mod index;
mod page;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::{
    document::Snapshot,
    text::{ByteOffset, Text},
};
pub use alone::alone;
pub use continuation::Continuation;
use index::Index;
use page::Page;

/// How much of the file itself is known before and after the cursor, and how much of each other one, in bytes.
const BEFORE: usize = 96 * 1024;
const AFTER: usize = 48 * 1024;
const OTHER: usize = 24 * 1024;
/// How many other files are looked at, most recent first.
const MAX_OTHERS: usize = 8;
/// How many bytes left of the cursor are compared at most.
const MAX_LEFT: usize = 320;
/// How many places a question gets at most.
pub const MAX_PLACES: usize = 16;
/// A shorter match says nothing.
const MIN_MATCH: usize = 3;

/// What is known, as of the moment at which the head of a prompt was frozen. Costs next to nothing until it is
/// asked for the first time: 2.5 ms for all the text that it may hold.
pub struct Nearby {
    /// Least important first: of places that are alike the last ones count.
    sources: Arc<[Source]>,
    /// What stands before the text that comes with each question.
    left: String,
    index: OnceLock<Index>,
}

struct Source {
    text: Text,
    from: ByteOffset,
    to: ByteOffset,
    origin: Origin,
}

/// Where a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Before,
    After,
    OtherFile,
}

/// A place where text stands like that before the cursor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The page, and where in it the text goes on.
    is_recent: bool,
    at: usize,
    pub origin: Origin,
    /// Bytes before the healed rest that are alike, indentation not counted.
    pub matched: usize,
    /// Whether all of the line before the cursor is alike, and whether the line above is, too.
    pub is_line: bool,
    pub is_line_above: bool,
    /// Whether no place is more alike.
    pub is_longest: bool,
    /// Lines between here and there; 0 in other files.
    pub distance: usize,
}

impl fmt::Debug for Nearby {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the text.
        f.debug_struct("Nearby")
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}

impl Nearby {
    /// What there is to know at a place whose questions come with the text from `anchor` on, which ends at `cursor`
    /// now; `others` are other open documents, most recent first.
    pub fn of(
        snapshot: &Snapshot,
        anchor: ByteOffset,
        cursor: ByteOffset,
        others: &[Snapshot],
    ) -> Arc<Nearby> {
        let text = &snapshot.text;
        let mut sources: Vec<Source> = others
            .iter()
            .take(MAX_OTHERS)
            .rev()
            .map(|other| Source {
                text: other.text.clone(),
                from: ByteOffset(0),
                to: ByteOffset(OTHER),
                origin: Origin::OtherFile,
            })
            .collect();
        sources.push(Source {
            text: text.clone(),
            from: cursor,
            to: ByteOffset(cursor.0 + AFTER),
            origin: Origin::After,
        });
        sources.push(Source {
            text: text.clone(),
            from: ByteOffset(anchor.0.saturating_sub(BEFORE)),
            to: anchor,
            origin: Origin::Before,
        });
        Arc::new(Nearby {
            sources: sources.into(),
            left: text.slice(ByteOffset(anchor.0.saturating_sub(MAX_LEFT))..anchor),
            index: OnceLock::new(),
        })
    }

    /// What stands right before the text that comes with each question.
    pub fn left(&self) -> &str {
        &self.left
    }

    /// The same without what the first question has to wait for, which takes memory beside the text's.
    pub fn unprepared(&self) -> Arc<Nearby> {
        Arc::new(Nearby {
            sources: Arc::clone(&self.sources),
            left: self.left.clone(),
            index: OnceLock::new(),
        })
    }

    /// Whether `prepare` would have nothing to do.
    pub fn is_prepared(&self) -> bool {
        self.index.get().is_some()
    }

    /// Does what the first question would have to wait for.
    pub fn prepare(&self) {
        self.index();
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut page = Page::default();
            for source in &*self.sources {
                page.add(&source.text.slice(source.from..source.to), source.origin);
            }
            Index::new(page)
        })
    }
}

/// The questions of one job: each behind more of the same text.
pub struct Search {
    nearby: Arc<Nearby>,
    /// The text that came with the job, and where in it places may be.
    recent: Page,
    recent_from: usize,
    /// Scratch.
    found: Vec<(usize, bool, usize)>,
}

/// Text before a place, as it is compared.
pub struct Left {
    /// Without indentation, the last [`MAX_LEFT`] bytes.
    bytes: Vec<u8>,
    /// How many of them are the healed rest.
    rest: usize,
    /// How many are on the cursor's line, without the healed rest.
    line: usize,
    /// How far the cursor's line is indented, and the last line above with something on it.
    indent: usize,
    indent_above: usize,
    is_tabbed: bool,
}

impl Left {
    /// `left` ends where the next token starts; `rest` is typed already.
    pub fn new(left: &[u8], rest: &[u8]) -> Left {
        let whole = [&left[left.len().saturating_sub(MAX_LEFT)..], rest].concat();
        // The first line is cut anywhere; what is left of it looks indented less than it is, at worst.
        let mut page = Page::default();
        page.add_bytes(&whole, Origin::Before);
        let line = page.last_line();
        let typed = whole.len()
            - whole
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |at| at + 1);
        let is_blank = page.bytes.len() == line.start;
        let indent = if is_blank { typed } else { line.indent };
        let typed_on_line = page.bytes.len() - line.start;
        let rest = rest.len().min(typed_on_line);
        Left {
            rest,
            line: typed_on_line - rest,
            indent,
            indent_above: page.indent_above(page.lines.len() - 1),
            is_tabbed: page.is_tabbed(),
            bytes: page.bytes,
        }
    }

    /// Bytes of the cursor's line, without the healed rest.
    pub fn line_length(&self) -> usize {
        self.line
    }

    /// Whether the last character before the healed rest belongs to a word.
    pub fn ends_in_word(&self) -> bool {
        let last = self.bytes.len().checked_sub(self.rest + 1);
        last.is_some_and(|at| {
            self.bytes[at].is_ascii_alphanumeric() || matches!(self.bytes[at], b'_' | 0x80..)
        })
    }

    /// Whether nothing stands on the line before the healed rest.
    pub fn is_line_start(&self) -> bool {
        self.line == 0
    }
}

impl Search {
    /// `tail` is the text from the anchor to the cursor.
    pub fn new(nearby: Arc<Nearby>, tail: &str) -> Search {
        let mut recent = Page::default();
        recent.add(&nearby.left, Origin::Before);
        let recent_from = recent.bytes.len();
        recent.append(tail.as_bytes());
        Search {
            nearby,
            recent,
            recent_from,
            found: Vec::new(),
        }
    }

    pub fn left(&self) -> &str {
        &self.nearby.left
    }

    /// The places where text goes on that is most like `left`, the best first.
    pub fn places(&mut self, left: &Left) -> Vec<Place> {
        let index = self.nearby.index();
        self.found.clear();
        let found = &mut self.found;
        let least = MIN_MATCH.min(left.bytes.len());
        self.recent
            .scan(self.recent_from, &left.bytes, |at, length| {
                found.push((length, true, at))
            });
        index.find(&left.bytes, |at, length| found.push((length, false, at)));
        found.retain(|(length, _, _)| *length >= least && *length > left.rest);
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found.truncate(MAX_PLACES);
        let longest = found.first().map_or(0, |(length, _, _)| *length);
        let above = left.bytes[..left.bytes.len() - left.line - left.rest]
            .strip_suffix(b"\n")
            .map_or(usize::MAX, |above| {
                above.len()
                    - above
                        .iter()
                        .rposition(|&byte| byte == b'\n')
                        .map_or(0, |at| at + 1)
            });
        let n_lines = index.page.lines.len() + self.recent.lines.len();
        found
            .iter()
            .map(|&(length, is_recent, at)| {
                let page = if is_recent { &self.recent } else { &index.page };
                let line = page.line_of(at);
                let origin = page.lines[line].origin;
                let on_line = left.line + left.rest;
                let is_at_line = at - page.lines[line].start == on_line;
                let is_line = length >= on_line && is_at_line;
                Place {
                    is_recent,
                    at,
                    origin,
                    matched: length - left.rest,
                    is_line,
                    is_line_above: is_line && above != usize::MAX && length > on_line + above,
                    is_longest: length == longest,
                    distance: match (origin, is_recent) {
                        (_, true) => self.recent.lines.len() - line,
                        (Origin::Before, false) => n_lines - line,
                        (Origin::After, false) => line - index.after_from(),
                        (Origin::OtherFile, _) => 0,
                    },
                }
            })
            .collect()
    }

    /// The text of a place from the start of the next token on: the healed rest, then what follows there.
    pub fn continuation(&self, place: &Place, left: &Left, rest: &[u8]) -> Continuation {
        let page = match place.is_recent {
            true => &self.recent,
            false => &self.nearby.index().page,
        };
        Continuation::of(page, place.at, left, rest)
    }
}

#[cfg(test)]
mod tests;
