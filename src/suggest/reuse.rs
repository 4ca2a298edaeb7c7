//! Showing again what was shown before, without the engine.

use super::{MAX_BEFORE, Suggestion};
use crate::{document::Snapshot, text::ByteOffset};

/// What is left of `last` after the user typed along with it, or `None` if they typed something else.
///
/// The result belongs to the cursor and the snapshot's version. Keep `last` and ask with it again: then
/// deleting back within what had been typed along brings the text back. Closers that the editor put
/// to the right of the cursor do not matter. Linear in what was typed.
pub fn typed_through(
    last: &Suggestion,
    snapshot: &Snapshot,
    cursor: ByteOffset,
) -> Option<Suggestion> {
    let text = &snapshot.text;
    let cursor = text.floor(cursor);
    let typed_bytes = cursor.0.checked_sub(last.at.0)?;
    // A line break may have become `\r\n`: at most twice the length.
    if typed_bytes > 2 * last.text.len() {
        return None;
    }
    // The same bytes further right on a line are another place, unless the line is longer than remembered.
    let before_start = ByteOffset(last.at.0.checked_sub(last.before.len())?);
    let line_start = text.line_start(text.line_of(last.at));
    if line_start > before_start || (line_start < before_start && last.before.len() < MAX_BEFORE) {
        return None;
    }
    let left = text.slice(before_start..cursor);
    let rest = after_typing(&last.text, left.strip_prefix(last.before.as_str())?)?;
    if rest.trim().is_empty() {
        return None;
    }
    Suggestion::new(rest.into(), snapshot, cursor)
}

/// `text` without what was `typed` of it, whatever the line breaks of the document are.
fn after_typing<'a>(text: &'a str, typed: &str) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix(typed) {
        return Some(rest);
    }
    let mut rest = text;
    for (i, part) in typed.split("\r\n").enumerate() {
        if i > 0 {
            rest = rest
                .strip_prefix("\r\n")
                .or_else(|| rest.strip_prefix('\n'))?;
        }
        rest = rest.strip_prefix(part)?;
    }
    Some(rest)
}
