//! Whether to ask at all, and for how much.
//!
//! Rules on the text of a few lines; the syntax tree, where there is one, sharpens them.

use super::{
    Shape,
    place::{Place, indent_of, is_blank},
};
use crate::{
    document::Snapshot,
    syntax::scope::{Scope, scope_at},
    text::ByteOffset,
};

/// `None`: nothing is wanted here (text that is no closer or separator follows on the line).
/// `is_invoked`: the user asked by hand; then everything that can be answered is.
pub fn decide(snapshot: &Snapshot, cursor: ByteOffset, is_invoked: bool) -> Option<Shape> {
    let place = Place::of(snapshot, cursor);
    if !is_invoked && (!is_line_done(&place.right) || is_empty(snapshot)) {
        return None;
    }
    let scope = if snapshot.tree.is_some() {
        scope_at(snapshot, cursor)
    } else {
        Scope::default()
    };
    let is_block = !scope.is_in_comment
        && !scope.is_in_string
        && is_block_end(&place.right)
        && (scope.is_at_empty_block || is_at_empty_block(&place) || is_behind_docstring(&place));
    Some(if is_block { Shape::Block } else { Shape::Line })
}

/// Whether a line goes on with nothing but closers, then at most one separator.
fn is_line_done(right: &str) -> bool {
    let rest = right
        .trim_start()
        .trim_start_matches([')', '>', '}', ']', '"', '\'', '`'])
        .trim();
    matches!(rest, "" | ":" | "{" | ";" | ",")
}

/// Whether a body may stand before `right`: at the end of a line or before a closing brace.
fn is_block_end(right: &str) -> bool {
    let rest = right.trim();
    rest.is_empty() || rest.starts_with('}')
}

/// Nothing typed yet: a model would invent a file.
fn is_empty(snapshot: &Snapshot) -> bool {
    let text = &snapshot.text;
    text.len().0 < 64 && is_blank(&text.slice(ByteOffset(0)..text.len()))
}

/// By the text alone: behind a block's opener, or on the blank line after it, and nothing in the block.
fn is_at_empty_block(place: &Place) -> bool {
    let opener = if !is_blank(&place.left) {
        place.left.clone()
    } else {
        // `{` and a blank line, not `{`, two blank lines: the body was left empty on purpose there.
        match place.above().next() {
            Some(line) => line,
            None => return false,
        }
    };
    place.opens_block(&opener) && has_no_body(place, indent_of(&opener))
}

/// Whether what follows the cursor is not indented deeper than the line that opened the block.
fn has_no_body(place: &Place, opener_indent: usize) -> bool {
    place
        .below()
        .next()
        .is_none_or(|line| indent_of(&line) <= opener_indent)
}

/// The line after a function's documentation, where its first line of documentation follows the opener:
/// the body is still missing. Only where blocks are told by indentation, as only there it stands inside.
fn is_behind_docstring(place: &Place) -> bool {
    if !place.language.is_indented || !is_blank(&place.left) {
        return false;
    }
    let mut above = place.above();
    let Some(last) = above.next() else {
        return false;
    };
    let Some(quotes) = ["\"\"\"", "'''"]
        .into_iter()
        .find(|quotes| last.trim_end().ends_with(quotes))
    else {
        return false;
    };
    let is_start = |line: &str| line.trim_start().starts_with(quotes);
    let is_one_line = is_start(&last) && last.trim().len() >= 2 * quotes.len();
    if !is_one_line && !above.any(|line| is_start(&line)) {
        return false;
    }
    let opener = above.next();
    opener.is_some_and(|line| place.opens_block(&line) && has_no_body(place, indent_of(&line)))
}
