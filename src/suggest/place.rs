//! The lines around a cursor as the rules of this folder read them: bounded copies, so that a file with a
//! megabyte on one line costs what any other does.

use super::brackets::{Scanner, unmatched};
use crate::{
    document::Snapshot,
    syntax::language::Language,
    text::{ByteOffset, Text},
};

/// The bytes of a line that are read.
const MAX_LINE: usize = 1024;
/// How far up and down other lines are read.
const MAX_LINES: usize = 64;

pub(super) struct Place<'a> {
    text: &'a Text,
    pub(super) language: &'static Language,
    line: usize,
    /// The cursor's line left of the cursor; its last 1,024 bytes.
    pub(super) left: String,
    /// The cursor's line right of the cursor, its break left out; its first 1,024 bytes.
    pub(super) right: String,
}

impl<'a> Place<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, cursor: ByteOffset) -> Place<'a> {
        let text = &snapshot.text;
        let cursor = text.floor(cursor);
        let line = text.line_of(cursor);
        let from = text
            .line_start(line)
            .max(ByteOffset(cursor.0.saturating_sub(MAX_LINE)));
        let to = text.line_end(line).min(ByteOffset(cursor.0 + MAX_LINE));
        let (left, right) = (text.slice(from..cursor), text.slice(cursor..to));
        Place {
            text,
            language: snapshot.language,
            line,
            left,
            right,
        }
    }

    /// The non-blank lines above the cursor's, nearest first.
    pub(super) fn above(&self) -> impl Iterator<Item = String> {
        let lines = (0..self.line).rev().take(MAX_LINES);
        lines
            .map(|line| self.read(line))
            .filter(|line| !is_blank(line))
    }

    /// The non-blank lines below the cursor's, nearest first.
    pub(super) fn below(&self) -> impl Iterator<Item = String> {
        let lines = (self.line + 1..self.text.line_count()).take(MAX_LINES);
        lines
            .map(|line| self.read(line))
            .filter(|line| !is_blank(line))
    }

    fn read(&self, line: usize) -> String {
        let start = self.text.line_start(line);
        self.text
            .slice(start..self.text.line_end(line).min(ByteOffset(start.0 + MAX_LINE)))
    }

    /// Whether a block begins at the end of `line`.
    pub(super) fn opens_block(&self, line: &str) -> bool {
        let code = self.code(line);
        if self.language.is_indented {
            let first_word = code
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or_default();
            return code.ends_with(':')
                && self.language.may_open_block(first_word)
                && unmatched(Scanner::new(self.language), code) == (0, 0);
        }
        // `{` in `use a::{`, `"{` and `${` opens no block.
        code.strip_suffix('{')
            .is_some_and(|head| head.is_empty() || head.ends_with([' ', '\t', ')']))
    }

    /// `line` without its comment and the blanks around it. Rough: a comment's start in a string counts.
    pub(super) fn code<'l>(&self, line: &'l str) -> &'l str {
        let comment = self
            .language
            .line_comment
            .as_deref()
            .filter(|comment| !comment.is_empty());
        comment
            .and_then(|comment| line.split_once(comment))
            .map_or(line, |(code, _)| code)
            .trim()
    }
}

pub(super) fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// The width of the blanks that `line` starts with; a tab counts as four.
pub(super) fn indent_of(line: &str) -> usize {
    line.bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .map(|byte| if byte == b'\t' { 4 } else { 1 })
        .sum()
}

/// Whether `text` holds a letter or a digit: more than closers and punctuation.
pub(super) fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}
