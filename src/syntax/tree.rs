//! A syntax tree kept in step with edits, parsed within a time budget. The only user of `Parser`.
//!
//! A parse that runs out of time is not thrown away: the parser keeps its state, and so do we the text
//! it was reading. The next call goes on there, on that older text, and brings the result up to date
//! with the edits made since; so that even somebody who types faster than a huge file can be parsed
//! gets a tree in the end.

use std::{
    borrow::Cow,
    fmt,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tree_sitter::{InputEdit, ParseOptions, Parser, Point, Tree};

use crate::text::{ByteOffset, Edit, Text};

/// What one parse on the path of a keystroke may take. Reparsing costs about 0.1 ms and 0.4 µs for each
/// node at the top level, so that it takes a file of a megabyte, or a quote that turns the rest of a
/// file around, to use this up.
const PARSE_BUDGET: Duration = Duration::from_millis(2);

/// What a document's first try may take: enough for 100 KB, once, before anything has been typed.
const FIRST_PARSE_BUDGET: Duration = Duration::from_millis(20);

/// The clock is not looked at before the parser has reported this often. A report comes every 100
/// operations, that is several tokens, so a small file always gets its tree at once, on however busy
/// a machine, and every parse makes progress.
const MIN_REPORTS: usize = 32;

/// Longer texts get no tree: a tree takes about ten times the memory of its text.
const MAX_PARSED: ByteOffset = ByteOffset(16 << 20);

/// The tree of one document, and the parser that makes it.
pub struct SyntaxTree {
    parser: Parser,
    tree: Option<Tree>,
    /// Whether the tree's structure is that of the text, too, and not only its offsets.
    is_current: bool,
    unfinished: Option<Unfinished>,
}

/// A parse that ran out of time.
struct Unfinished {
    text: Text,
    /// The tree the parse started from, as it was for `text`.
    base: Option<Tree>,
    /// The edits that led from `text` to the document's present text.
    later: Vec<InputEdit>,
}

impl SyntaxTree {
    pub fn new(language: &tree_sitter::Language) -> SyntaxTree {
        let mut parser = Parser::new();
        (parser.set_language(language))
            .expect("every grammar linked in has an ABI version that this tree-sitter reads");
        SyntaxTree {
            parser,
            tree: None,
            is_current: false,
            unfinished: None,
        }
    }

    /// The tree, with every edit applied to its offsets; its structure is older than that when the last
    /// parse ran out of time. `None` until a first parse is done.
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    /// Whether the tree's structure is that of the text, too.
    pub fn is_current(&self) -> bool {
        self.is_current
    }

    /// What the next parse may take, without anybody waiting too long for ghost text.
    pub fn budget(&self) -> Duration {
        let is_first = self.tree.is_none() && self.unfinished.is_none();
        if is_first {
            FIRST_PARSE_BUDGET
        } else {
            PARSE_BUDGET
        }
    }

    /// Tells the tree of an edit that turned `before` into `after`. Logarithmic; parses nothing.
    pub fn edit(&mut self, edit: &Edit, before: &Text, after: &Text) {
        let edit = input_edit(edit, before, after);
        if let Some(tree) = &mut self.tree {
            tree.edit(&edit);
        }
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.later.push(edit);
        }
        self.is_current = false;
    }

    /// Parses what has changed; `text` is what the edits so far have led to. Gives up after about
    /// `budget`, to go on at the next call.
    pub fn parse(&mut self, text: &Text, budget: Duration) {
        if text.len() > MAX_PARSED {
            self.parser.reset();
            (self.tree, self.unfinished, self.is_current) = (None, None, true);
            return;
        }
        let started = Instant::now();
        let mut n_reports = 0;
        while !self.is_current {
            let job = self.unfinished.get_or_insert_with(|| Unfinished {
                text: text.clone(),
                base: self.tree.clone(),
                later: Vec::new(),
            });
            let mut out_of_time = |_: &_| {
                n_reports += 1;
                if n_reports <= MIN_REPORTS || started.elapsed() < budget {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            let Some(mut tree) = self.parser.parse_with_options(
                &mut |at, _| parsed_text(&job.text, ByteOffset(at)),
                job.base.as_ref(),
                Some(ParseOptions::new().progress_callback(&mut out_of_time)),
            ) else {
                return;
            };
            for edit in &job.later {
                tree.edit(edit);
            }
            self.is_current = job.later.is_empty();
            self.tree = Some(tree);
            self.unfinished = None;
        }
    }
}

impl fmt::Debug for SyntaxTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyntaxTree")
            .field("is_current", &self.is_current)
            .finish_non_exhaustive()
    }
}

/// What the parser reads at `at`: the text, with each lone `\r` turned into a `\n`.
///
/// tree-sitter counts only `\n` as a line break, we and the LSP a lone `\r`, too. Showing it the same
/// lines as everybody else sees keeps its rows equal to ours, which the rope finds in O(log n), and
/// makes a comment or a Python statement end where the editor ends the line.
fn parsed_text(text: &Text, at: ByteOffset) -> Cow<'_, [u8]> {
    let chunk = text.chunk_from(at).as_bytes();
    if !chunk.contains(&b'\r') {
        return Cow::Borrowed(chunk);
    }
    let after = text.byte_at(ByteOffset(at.0 + chunk.len()));
    let is_lone =
        |i: usize| chunk[i] == b'\r' && chunk.get(i + 1).copied().or(after) != Some(b'\n');
    if !(0..chunk.len()).any(is_lone) {
        return Cow::Borrowed(chunk);
    }
    let byte = |i: usize| if is_lone(i) { b'\n' } else { chunk[i] };
    Cow::Owned((0..chunk.len()).map(byte).collect())
}

fn input_edit(edit: &Edit, before: &Text, after: &Text) -> InputEdit {
    // How a `\r` is read depends on the byte behind it, so that one right before the edit belongs to it.
    let back = match edit.start.0.checked_sub(1) {
        Some(previous) if before.byte_at(ByteOffset(previous)) == Some(b'\r') => 1,
        _ => 0,
    };
    let start = ByteOffset(edit.start.0 - back);
    InputEdit {
        start_byte: start.0,
        old_end_byte: edit.old_end.0,
        new_end_byte: edit.new_end.0,
        start_position: point(before, start),
        old_end_position: point(before, edit.old_end),
        new_end_position: point(after, edit.new_end),
    }
}

fn point(text: &Text, at: ByteOffset) -> Point {
    let row = text.line_of(at);
    Point::new(row, at.0 - text.line_start(row).0)
}

#[cfg(test)]
mod tests;
