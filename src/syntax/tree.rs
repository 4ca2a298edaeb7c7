//! A syntax tree kept in step with edits, parsed within a time budget. The only user of `Parser`.
//!
//! A parse that runs out of time is not thrown away: the parser keeps its state, and so do we the text
//! it was reading. The next call goes on there, on that older text, and brings the result up to date
//! with the edits made since; so that even somebody who types faster than a huge file can be parsed
//! gets a tree in the end.
//!
//! What takes long is taken out ([`SyntaxTree::take`]) and gone on with on another thread, while the tree that there
//! is goes on being told of edits: nobody who edits waits for a parse.

use std::{
    borrow::Cow,
    fmt,
    ops::ControlFlow,
    thread,
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

/// The tree of one document, and the parse that makes the next one.
pub struct SyntaxTree {
    tree: Option<Tree>,
    /// Whether the tree's structure is that of the text, too, and not only its offsets.
    is_current: bool,
    /// `None` while somebody has taken it out.
    parse: Option<Parse>,
    /// The edits since the text that the parse reads, if it has begun.
    later: Vec<InputEdit>,
}

/// A parse, begun or not. It needs nothing of its document until it is put back.
pub struct Parse {
    parser: Parser,
    reading: Option<Reading>,
    done: Option<Tree>,
}

/// What an unfinished parse is at.
struct Reading {
    text: Text,
    /// The tree it started from, as it was for `text`.
    base: Option<Tree>,
}

impl Parse {
    /// Goes on as long as `has_time` says, at least a little, behind all who want the core; whether that was enough.
    pub fn go_on(&mut self, has_time: &mut dyn FnMut() -> bool) -> bool {
        self.go_on_while(thread::yield_now, has_time)
    }

    /// Goes on as long as `has_time` says; at least a little. `on_report` is called all the while.
    fn go_on_while(&mut self, on_report: fn(), has_time: &mut dyn FnMut() -> bool) -> bool {
        let Some(Reading { text, base }) = &self.reading else {
            return true;
        };
        let mut n_reports = 0;
        let mut out_of_time = |_: &_| {
            on_report();
            n_reports += 1;
            if n_reports <= MIN_REPORTS || has_time() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let tree = self.parser.parse_with_options(
            &mut |at, _| parsed_text(text, ByteOffset(at)),
            base.as_ref(),
            Some(ParseOptions::new().progress_callback(&mut out_of_time)),
        );
        if tree.is_none() {
            return false;
        }
        self.done = tree;
        self.reading = None;
        true
    }
}

impl SyntaxTree {
    pub fn new(language: &tree_sitter::Language) -> SyntaxTree {
        let mut parser = Parser::new();
        (parser.set_language(language))
            .expect("every grammar linked in has an ABI version that this tree-sitter reads");
        SyntaxTree {
            tree: None,
            is_current: false,
            parse: Some(Parse {
                parser,
                reading: None,
                done: None,
            }),
            later: Vec::new(),
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
        if self.tree.is_none() && !self.has_begun() {
            FIRST_PARSE_BUDGET
        } else {
            PARSE_BUDGET
        }
    }

    /// Whether a parse reads a text, here or elsewhere.
    fn has_begun(&self) -> bool {
        (self.parse.as_ref()).is_none_or(|parse| parse.reading.is_some())
    }

    /// Tells the tree of an edit that turned `before` into `after`. Logarithmic; parses nothing.
    pub fn edit(&mut self, edit: &Edit, before: &Text, after: &Text) {
        let edit = input_edit(edit, before, after);
        if let Some(tree) = &mut self.tree {
            tree.edit(&edit);
        }
        if self.has_begun() {
            self.later.push(edit);
        }
        self.is_current = false;
    }

    /// Parses what has changed; `text` is what the edits so far have led to. Gives up after about
    /// `budget`, to go on at the next call. Does nothing while the parse is taken out.
    pub fn parse(&mut self, text: &Text, budget: Duration) {
        let started = Instant::now();
        while let Some(mut parse) = self.take(text) {
            let is_done = parse.go_on_while(|| (), &mut || started.elapsed() < budget);
            self.put_back(parse);
            if !is_done {
                return;
            }
        }
    }

    /// Takes the parse of what has changed out, to be gone on with elsewhere and then put back; `None` when
    /// nothing is to be parsed, or while it is out already. `text` is what the edits so far have led to.
    pub fn take(&mut self, text: &Text) -> Option<Parse> {
        if text.len() > MAX_PARSED {
            self.tree = None;
            self.is_current = true;
        }
        if self.is_current {
            return None;
        }
        let mut parse = self.parse.take()?;
        if parse.reading.is_none() {
            parse.reading = Some(Reading {
                text: text.clone(),
                base: self.tree.clone(),
            });
            self.later.clear();
        }
        Some(parse)
    }

    /// Takes a parse back, and its tree, if it is done, brought up to date with the edits made since. The
    /// tree before it is returned: to drop a large one takes milliseconds.
    pub fn put_back(&mut self, mut parse: Parse) -> Option<Tree> {
        let done = parse.done.take();
        self.parse = Some(parse);
        let mut tree = done?;
        for edit in &self.later {
            tree.edit(edit);
        }
        self.is_current = self.later.is_empty();
        self.tree.replace(tree)
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
