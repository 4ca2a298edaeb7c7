//! What the syntax tree says about a place: comment or string, enclosing definitions, imports, end of block.
//!
//! Everything here is read off the captures of `grammars/<name>/scopes.scm`, asked for the few bytes
//! around the cursor; only where a half-typed text has no node yet do we look at the text itself.

use std::{
    cmp::Reverse,
    ops::{ControlFlow, Range},
};

use tree_sitter::{Node, Query, QueryCursor, QueryCursorOptions, StreamingIterator};

use super::language::{Role, Scopes};
use crate::{
    document::Snapshot,
    text::{ByteOffset, Text},
};

/// How far we look back and ahead over blanks, and back along a line.
const LOOK: usize = 4096;

/// How many comments, one after another, a block may begin with and still count as empty.
const MAX_COMMENTS: usize = 32;

/// Imports are looked for in this much of a file's head, so that they cost the same in every file.
const IMPORTS_WITHIN: usize = 32 << 10;

/// A query is given up after so many reports, one for each 1,000 nodes or so: an error can leave tree-sitter with all
/// items of a file side by side, and passing over 20,000 of them took 22 to 32 ms a query, several times a key.
const MAX_REPORTS: usize = 4;

/// What is known of a cursor's surroundings. Without a tree everything is empty or false.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub is_in_comment: bool,
    pub is_in_string: bool,
    /// The definitions (functions, types, impls, classes) around the cursor, outermost first: the
    /// whole node, and its first line ("signature").
    pub enclosing: Vec<Enclosing>,
    /// Whether the cursor stands in a block that holds nothing yet but comments and a docstring
    /// (`fn f() {|}`, the line after `def f():`): the place where a whole body is wanted.
    pub is_at_empty_block: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosing {
    pub node: Range<ByteOffset>,
    /// From the start of the definition to the start of its body, without the blanks between.
    pub signature: Range<ByteOffset>,
}

/// The scope at `cursor`. Cost: a few queries over the nodes around the cursor, each of them
/// logarithmic in a file that parses.
pub fn scope_at(snapshot: &Snapshot, cursor: ByteOffset) -> Scope {
    let Some(place) = Place::new(snapshot, cursor) else {
        return Scope::default();
    };
    let around = place.around();
    let literal = place.literal(&around);
    Scope {
        is_in_comment: literal == Some(Literal::Comment),
        is_in_string: literal == Some(Literal::String),
        is_at_empty_block: literal.is_none() && place.is_at_empty_block(),
        enclosing: place.enclosing(around),
    }
}

/// Text that is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    Comment,
    String,
}

/// The comment or string that `cursor` stands in, as far as the tree tells; one that begins on the cursor's line
/// counts though the tree does not know it yet. Costs one query; `None` without a tree.
pub fn literal_at(snapshot: &Snapshot, cursor: ByteOffset) -> Option<Literal> {
    let place = Place::new(snapshot, cursor)?;
    place.literal(&place.around())
}

/// The byte ranges of the import statements at the top level, in order; those that begin in the first
/// 32 KiB.
pub fn imports(snapshot: &Snapshot) -> Vec<Range<ByteOffset>> {
    let Some(place) = Place::new(snapshot, ByteOffset(0)) else {
        return Vec::new();
    };
    let mut cursor = QueryCursor::new();
    cursor.set_byte_range(0..IMPORTS_WITHIN);
    cursor.set_max_start_depth(Some(1));
    let found = place.run(&mut cursor, &place.scopes.imports);
    found.marks.into_iter().map(|mark| mark.range).collect()
}

/// Where the innermost block around `cursor` ends: before its closing bracket, or behind its last
/// statement where blocks are indented. Never before `cursor`; `None` outside of every block.
pub fn end_of_block(snapshot: &Snapshot, cursor: ByteOffset) -> Option<ByteOffset> {
    Place::new(snapshot, cursor)?.end_of_block()
}

/// A cursor in a text that has a tree.
struct Place<'a> {
    snapshot: &'a Snapshot,
    text: &'a Text,
    root: Node<'a>,
    scopes: &'static Scopes,
    cursor: ByteOffset,
}

/// What the query found in some range.
#[derive(Default)]
struct Found {
    marks: Vec<Mark>,
    definitions: Vec<Enclosing>,
}

/// One capture.
struct Mark {
    role: Role,
    range: Range<ByteOffset>,
}

impl<'a> Place<'a> {
    fn new(snapshot: &'a Snapshot, cursor: ByteOffset) -> Option<Place<'a>> {
        Some(Place {
            snapshot,
            text: &snapshot.text,
            root: snapshot.tree.as_ref()?.root_node(),
            scopes: snapshot.language.scopes()?,
            cursor: snapshot.text.floor(cursor),
        })
    }

    /// What the tree says of the two characters that the cursor stands between.
    fn around(&self) -> Found {
        let before = ByteOffset(self.cursor.0.saturating_sub(1));
        self.ask(before..ByteOffset(self.cursor.0 + 1))
    }

    /// Whether the cursor stands in a comment or a string.
    fn literal(&self, around: &Found) -> Option<Literal> {
        let is_inside = |mark: &&Mark| {
            let is_before_end = match mark.role {
                // The end of its line is in the comment, even where the node holds the line break, too.
                Role::LineComment => {
                    self.cursor <= self.text.line_end(self.text.line_of(mark.range.start))
                }
                _ => self.cursor < mark.range.end,
            };
            mark.range.start < self.cursor && is_before_end
        };
        let mut literals = around.marks.iter().filter(|mark| mark.is_literal());
        match literals.rfind(is_inside) {
            None => self.unfinished_literal(),
            Some(mark) => match mark.role {
                Role::Interpolation => None,
                Role::String => Some(Literal::String),
                _ => Some(Literal::Comment),
            },
        }
    }

    /// The comment or string that begins on the cursor's line and has no end yet: there the tree has
    /// no node but an error, so that we look for an opening mark which belongs to no node.
    fn unfinished_literal(&self) -> Option<Literal> {
        let line_start = self.text.line_start(self.text.line_of(self.cursor));
        let start = line_start.max(ByteOffset(self.cursor.0.saturating_sub(LOOK)));
        let start = self.text.floor(start);
        let before = self.text.slice(start..self.cursor);
        let language = self.snapshot.language;
        let opens_comment = |rest: &str| {
            let block = language.block_comment.as_ref().map(|[open, _]| open);
            (language.line_comment.iter().chain(block)).any(|open| rest.starts_with(open))
        };
        let opens = |(at, c)| language.quotes.contains(&c) || opens_comment(&before[at..]);
        if !before.char_indices().any(opens) {
            return None;
        }
        let mut found = self.ask(start..self.cursor);
        found.marks.retain(Mark::is_literal);
        let mut open = None;
        let mut chars = before.char_indices();
        while let Some((at, c)) = chars.next() {
            let place = ByteOffset(start.0 + at);
            match open {
                Some(_) if c == '\\' => drop(chars.next()),
                Some(quote) if c == quote => open = None,
                Some(_) => {}
                None if found.marks.iter().any(|mark| mark.range.contains(&place)) => {}
                None if opens_comment(&before[at..]) => return Some(Literal::Comment),
                None if language.quotes.contains(&c) => open = Some(c),
                None => {}
            }
        }
        open.map(|_| Literal::String)
    }

    fn enclosing(&self, around: Found) -> Vec<Enclosing> {
        let mut definitions = if self.snapshot.language.is_indented {
            let Some(at) = self.code_before(&[]) else {
                return Vec::new();
            };
            let mut found = self.ask(at..ByteOffset(at.0 + 1)).definitions;
            found
                .retain(|one| self.holds_indented(&one.node, at, |column, indent| column < indent));
            found
        } else {
            let mut found = around.definitions;
            found.retain(|one| one.node.start < self.cursor && self.cursor < one.node.end);
            found
        };
        definitions.sort_by_key(|one| (one.node.start, Reverse(one.node.end)));
        // A decorated definition is found with its decorators and without.
        definitions.dedup_by_key(|one| one.signature.end);
        definitions
    }

    fn end_of_block(&self) -> Option<ByteOffset> {
        if self.snapshot.language.is_indented {
            return self.end_of_indented_block();
        }
        let mut blocks = self.around().marks;
        blocks.retain(|mark| {
            mark.role == Role::Block
                && mark.range.start < self.cursor
                && self.cursor < mark.range.end
        });
        let end = blocks.last()?.range.end;
        let close = self
            .snapshot
            .language
            .block_close
            .as_deref()
            .unwrap_or_default();
        let before_close = ByteOffset(end.0.saturating_sub(close.len()));
        let is_closed = self.text.slice(before_close..end) == close;
        Some(if is_closed { before_close } else { end }.max(self.cursor))
    }

    fn end_of_indented_block(&self) -> Option<ByteOffset> {
        let at = self.code_before(&[])?;
        let blocks_at = |at: ByteOffset| {
            let mut blocks = self.ask(at..ByteOffset(at.0 + 1)).marks;
            blocks.retain(|mark| mark.role == Role::Block && mark.range.contains(&at));
            blocks
        };
        if self.opens_block(at) {
            // The block begins behind the cursor, if there is anything in it.
            let first = self.text.first_non_blank(self.cursor, LOOK);
            let mut blocks = first.map(blocks_at).unwrap_or_default();
            blocks.retain(|block| Some(block.range.start) == first);
            return Some(blocks.first().map_or(self.cursor, |block| block.range.end));
        }
        let mut blocks = blocks_at(at);
        blocks.retain(|block| {
            self.holds_indented(&block.range, at, |column, indent| column <= indent)
        });
        Some(blocks.last()?.range.end.max(self.cursor))
    }

    /// Whether a node that holds the code at `at`, the last before the cursor, goes on to the cursor:
    /// in an indented language the node ends with its last statement, and what makes the line behind
    /// it a part of it is the column it begins in.
    fn holds_indented(
        &self,
        node: &Range<ByteOffset>,
        at: ByteOffset,
        may_begin: impl Fn(usize, usize) -> bool,
    ) -> bool {
        let column = node.start.0 - self.text.line_start(self.text.line_of(node.start)).0;
        let indent = self
            .indent(self.text.line_of(self.cursor))
            .min(self.column());
        node.contains(&at) && (self.cursor <= node.end || may_begin(column, indent))
    }

    fn is_at_empty_block(&self) -> bool {
        let language = self.snapshot.language;
        let Some(at) = self.code_before(&[Role::Docstring]) else {
            return false;
        };
        if !self.opens_block(at) {
            return false;
        }
        let open_line = self.text.line_of(at);
        let line = self.text.line_of(self.cursor);
        let indent = self.indent(open_line);
        let is_nothing_behind = match self.text.first_non_blank(self.cursor, LOOK) {
            None => true,
            Some(next) => {
                let is_close = (language.block_close.as_deref())
                    .is_some_and(|close| self.text.chunk_from(next).starts_with(close));
                let next_line = self.text.line_of(next);
                is_close || (next_line > line && self.indent(next_line) <= indent)
            }
        };
        // Behind a docstring the block may be over; right behind its opening it cannot be.
        let is_within = !language.is_indented
            || self.text.last_non_blank(self.cursor, LOOK) == Some(at)
            || self.column() > indent;
        is_nothing_behind && is_within
    }

    /// Whether the token at `at` opens a block.
    fn opens_block(&self, at: ByteOffset) -> bool {
        let open = self.snapshot.language.block_open.as_deref();
        if !open.is_some_and(|open| self.text.chunk_from(at).starts_with(open)) {
            return false;
        }
        let found = self.ask(at..ByteOffset(at.0 + 1));
        let is_opening = |mark: &Mark| mark.role == Role::BlockOpen && mark.range.start == at;
        if found.marks.iter().any(is_opening) {
            return true;
        }
        let token = self.root.descendant_for_byte_range(at.0, at.0 + 1);
        let is_in_error =
            |token: Node| token.is_error() || token.parent().is_some_and(|it| it.is_error());
        token.is_some_and(is_in_error) && {
            let start = self.text.line_start(self.text.line_of(at));
            let line = self
                .text
                .slice(start.max(ByteOffset(at.0.saturating_sub(LOOK)))..at);
            let word = line
                .split(|c: char| !c.is_alphanumeric())
                .find(|word| !word.is_empty());
            self.snapshot
                .language
                .may_open_block(word.unwrap_or_default())
        }
    }

    /// The last character before the cursor that is no blank and in no comment, nor in a node of the
    /// roles in `or`.
    fn code_before(&self, or: &[Role]) -> Option<ByteOffset> {
        let mut before = self.cursor;
        for _ in 0..MAX_COMMENTS {
            let at = self.text.last_non_blank(before, LOOK)?;
            let found = self.ask(at..ByteOffset(at.0 + 1));
            let is_skipped = |mark: &&Mark| {
                let is_comment = matches!(mark.role, Role::Comment | Role::LineComment);
                (is_comment || or.contains(&mark.role)) && mark.range.contains(&at)
            };
            match found.marks.iter().find(is_skipped) {
                Some(mark) => before = mark.range.start,
                None => return Some(at),
            }
        }
        None
    }

    /// The end of what stands before `at`, without the blanks between.
    fn end_before(&self, at: ByteOffset) -> ByteOffset {
        let last = self.text.last_non_blank(at, LOOK);
        let end = |last| {
            self.text
                .chunk_from(last)
                .chars()
                .next()
                .map(|c| ByteOffset(last.0 + c.len_utf8()))
        };
        last.and_then(end).unwrap_or(at)
    }

    /// How many bytes of blanks `line` begins with.
    fn indent(&self, line: usize) -> usize {
        let start = self.text.line_start(line);
        let end = self.text.line_end(line);
        let first = self.text.first_non_blank(start, LOOK).unwrap_or(end);
        first.min(end).0 - start.0
    }

    /// How many bytes stand before the cursor on its line.
    fn column(&self) -> usize {
        self.cursor.0 - self.text.line_start(self.text.line_of(self.cursor)).0
    }
    /// Every capture that touches `range`, a node's start coming before those of the nodes in it.
    fn ask(&self, range: Range<ByteOffset>) -> Found {
        let mut cursor = QueryCursor::new();
        // To tree-sitter an end of 0 means no end.
        cursor.set_byte_range(range.start.0..range.end.0.max(1));
        self.run(&mut cursor, &self.scopes.query)
    }

    fn run(&self, cursor: &mut QueryCursor, query: &Query) -> Found {
        let text = |node: Node| std::iter::once(self.text.slice(range_of(&node)));
        let mut n_reports = 0;
        let mut is_too_long = |_: &_| {
            n_reports += 1;
            match n_reports > MAX_REPORTS {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let options = QueryCursorOptions::new().progress_callback(&mut is_too_long);
        let mut matches = cursor.matches_with_options(query, self.root, text, options);
        let mut found = Found::default();
        while let Some(one) = matches.next() {
            let captured = |role| {
                let mut captures = one.captures().iter();
                captures.find(|capture| self.scopes.roles[capture.index as usize] == role)
            };
            for capture in one.captures() {
                found.marks.push(Mark {
                    role: self.scopes.roles[capture.index as usize],
                    range: range_of(&capture.node),
                });
            }
            if let (Some(node), Some(body)) = (captured(Role::Definition), captured(Role::Body)) {
                let node = range_of(&node.node);
                let end = match captured(Role::BlockOpen) {
                    Some(open) => ByteOffset(open.node.end_byte()),
                    None => self
                        .end_before(ByteOffset(body.node.start_byte()))
                        .max(node.start),
                };
                let signature = node.start..end;
                found.definitions.push(Enclosing { node, signature });
            }
        }
        drop(matches);
        if n_reports > MAX_REPORTS {
            // Half of it may say the opposite.
            return Found::default();
        }
        found
            .marks
            .sort_by_key(|mark| (mark.range.start, Reverse(mark.range.end)));
        found
    }
}

impl Mark {
    fn is_literal(&self) -> bool {
        use Role::{Comment, Interpolation, LineComment, String};
        matches!(self.role, Comment | Interpolation | LineComment | String)
    }
}

fn range_of(node: &Node) -> Range<ByteOffset> {
    ByteOffset(node.start_byte())..ByteOffset(node.end_byte())
}

#[cfg(test)]
mod tests;
