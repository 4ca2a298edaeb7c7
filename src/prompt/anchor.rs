//! The anchor: the line start at which the head of a prompt is frozen.
//!
//! An anchor is not told about edits. It knows the text it froze, and looks whether that text still stands
//! around the cursor: the prefix before some line start not far above the cursor, the suffix right after
//! the cursor. That is a comparison of a window's size, whatever the size of the file, and it cannot be
//! wrong: what agrees is right whoever changed it. An import added at the top of the file only moves the place.

use std::sync::Arc;

use super::{
    Head, Prompt, Segment, context,
    format::Format,
    outline::outline,
    window::{self, Windows},
};
use crate::{document::Snapshot, nearby::Nearby, syntax::language::Language, text::ByteOffset};

/// What prompts are made of, per model: fixed while the model stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub format: Format,
    pub windows: Windows,
}

/// A frozen head and where it belongs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Anchor {
    pub head: Arc<Head>,
    nearby: Arc<Nearby>,
    frozen: Arc<Frozen>,
    /// Where the prefix window starts, and where it ends and the tail begins.
    start: ByteOffset,
    at: ByteOffset,
}

/// What a head was made of.
#[derive(Debug)]
struct Frozen {
    prefix: String,
    suffix: String,
    /// Whether the suffix reached to the end of the text.
    is_suffix_whole: bool,
    context: Vec<Segment>,
    outline: String,
    plan: Plan,
    /// The plan's, or smaller ones.
    windows: Windows,
    language: &'static Language,
}

/// One part in so many of the context is for the file's own imports and definitions.
const OUTLINE_SHARE: usize = 4;

/// The prompt for `cursor`, and the anchor it hangs on: `previous` when that still fits (the cursor is in
/// the tail's line range, no edit landed in the head, the tail is short enough), else a new one.
///
/// `previous` is the last anchor of the same document; `others` are the other open documents, most
/// recent first. Cost: a comparison of the windows' size; with a new anchor also the choice of context.
pub fn follow(
    previous: Option<&Anchor>,
    snapshot: &Snapshot,
    cursor: ByteOffset,
    plan: &Plan,
    others: &[Snapshot],
) -> (Anchor, Prompt) {
    let kept = previous.and_then(|anchor| anchor.fitting(snapshot, cursor, plan));
    let anchor = kept.unwrap_or_else(|| fresh(previous, snapshot, cursor, plan, others));
    let prompt = anchor.prompt(snapshot, cursor);
    (anchor, prompt)
}

/// A new anchor for `cursor`. What stands before its window is that of `previous`, the last one there was,
/// as long as the window need not move.
pub fn fresh(
    previous: Option<&Anchor>,
    snapshot: &Snapshot,
    cursor: ByteOffset,
    plan: &Plan,
    others: &[Snapshot],
) -> Anchor {
    fresh_within(usize::MAX, previous, snapshot, cursor, plan, others)
}

/// The same with a prompt of about so many tokens at most, for a place where the whole would take too long. It looks at
/// less, and has to be followed by a whole one.
pub fn fresh_within(
    tokens: usize,
    previous: Option<&Anchor>,
    snapshot: &Snapshot,
    cursor: ByteOffset,
    plan: &Plan,
    others: &[Snapshot],
) -> Anchor {
    let cursor = snapshot.text.floor(cursor);
    let windows = plan.windows.within(tokens);
    let is_alike =
        |anchor: &&Anchor| anchor.is_made_for(snapshot, plan) && anchor.frozen.windows == windows;
    let previous = previous.filter(is_alike);
    Anchor::new(previous, snapshot, cursor, plan, windows, others)
}

impl Anchor {
    /// This anchor where it stands now, if its head is still right for `cursor`.
    pub fn fitting(&self, snapshot: &Snapshot, cursor: ByteOffset, plan: &Plan) -> Option<Anchor> {
        let cursor = snapshot.text.floor(cursor);
        self.is_made_for(snapshot, plan)
            .then(|| self.kept(snapshot, cursor))?
    }

    /// This anchor, which fits, with what stands elsewhere now.
    #[must_use]
    pub fn looking_around(
        &self,
        snapshot: &Snapshot,
        cursor: ByteOffset,
        others: &[Snapshot],
    ) -> Anchor {
        Anchor {
            nearby: Nearby::of(snapshot, self.at, snapshot.text.floor(cursor), others),
            ..self.clone()
        }
    }

    /// What stands elsewhere.
    pub fn nearby(&self) -> &Nearby {
        &self.nearby
    }

    /// Gives back the memory that only serves to be fast at the next question.
    pub fn rest(&mut self) {
        if self.nearby.is_prepared() {
            self.nearby = self.nearby.unprepared();
        }
    }

    /// Whether its prompt looks at less than the plan wants.
    pub fn is_short(&self) -> bool {
        self.frozen.windows != self.frozen.plan.windows
    }

    /// The prompt for a cursor that the anchor fits.
    pub fn prompt(&self, snapshot: &Snapshot, cursor: ByteOffset) -> Prompt {
        Prompt {
            head: Arc::clone(&self.head),
            tail: snapshot.text.slice(self.at..snapshot.text.floor(cursor)),
            nearby: Some(Arc::clone(&self.nearby)),
        }
    }

    fn new(
        previous: Option<&Anchor>,
        snapshot: &Snapshot,
        cursor: ByteOffset,
        plan: &Plan,
        windows: Windows,
        others: &[Snapshot],
    ) -> Anchor {
        let format = &plan.format;
        let text = &snapshot.text;
        let at = window::tail_start(text, cursor, windows.tail);
        let start = window::start(
            text,
            at,
            windows.prefix,
            previous.map(|anchor| anchor.start),
        );
        let end = window::end(text, cursor, windows.suffix);
        let (prefix, suffix) = (text.slice(start..at), text.slice(cursor..end));
        // What stands before the window costs the whole prompt when it changes. That is only allowed
        // where the window has moved and everything is evaluated anew anyway.
        let (context, outline) = match previous.filter(|anchor| anchor.start == start) {
            Some(Anchor { frozen, .. }) => (frozen.context.clone(), frozen.outline.clone()),
            None => {
                let outline = outline(snapshot, cursor, start, windows.context / OUTLINE_SHARE);
                let budget = windows.context - outline.len();
                let context = context::segments(snapshot, cursor, others, format, budget);
                (context, outline)
            }
        };
        let before = format!("{outline}{prefix}");
        let head = Head {
            segments: format.head(&snapshot.language.name, &context, &before, &suffix),
        };
        // The engine knows heads by address: an equal one had better be the same.
        let head = match previous.filter(|anchor| *anchor.head == head) {
            Some(anchor) => Arc::clone(&anchor.head),
            None => Arc::new(head),
        };
        let is_suffix_whole = end == text.len();
        let frozen = Frozen {
            prefix,
            suffix,
            is_suffix_whole,
            context,
            outline,
            plan: plan.clone(),
            windows,
            language: snapshot.language,
        };
        Anchor {
            head,
            nearby: Nearby::of(snapshot, at, cursor, others),
            frozen: Arc::new(frozen),
            start,
            at,
        }
    }

    fn is_made_for(&self, snapshot: &Snapshot, plan: &Plan) -> bool {
        self.frozen.plan == *plan && std::ptr::eq(self.frozen.language, snapshot.language)
    }

    fn kept(&self, snapshot: &Snapshot, cursor: ByteOffset) -> Option<Anchor> {
        let Frozen {
            prefix,
            suffix,
            is_suffix_whole,
            windows,
            ..
        } = &*self.frozen;
        let text = &snapshot.text;
        let after = text.slice(cursor..ByteOffset(cursor.0 + suffix.len() + MAX_TOLERATED + 1));
        let is_after_whole = cursor.0 + after.len() == text.len().0;
        if !agrees(suffix, *is_suffix_whole, &after, is_after_whole) {
            return None;
        }
        // One piece of text holds every place where the prefix could end.
        let from = text.floor(ByteOffset(
            cursor.0.saturating_sub(windows.tail + prefix.len()),
        ));
        let before = text.slice(from..cursor);
        let fits = |at: usize| {
            before
                .get(..at)
                .is_some_and(|left| left.ends_with(prefix.as_str()))
                && before.len() - at <= windows.tail
        };
        let unmoved = self.at.0.checked_sub(from.0).filter(|&at| fits(at));
        let at =
            unmoved.or_else(|| line_starts(&before, from == ByteOffset(0)).find(|&at| fits(at)))?;
        let at = ByteOffset(from.0 + at);
        let start = ByteOffset(at.0 - prefix.len());
        // What was all that stood there may be next to nothing of what stands there now: after a paste, for one.
        if start.0 > 0 && prefix.len() < windows.prefix / 4 {
            return None;
        }
        Some(Anchor {
            at,
            start,
            ..self.clone()
        })
    }
}

/// The line starts in `text`, last first; its own start counts if it is that of the file.
fn line_starts(text: &str, starts_file: bool) -> impl Iterator<Item = usize> {
    let breaks = text
        .bytes()
        .enumerate()
        .rev()
        .filter(|&(_, byte)| byte == b'\n')
        .map(|(at, _)| at + 1);
    breaks.chain(starts_file.then_some(0))
}

/// How much may differ at the start of the text after the cursor: blanks and closers.
const MAX_TOLERATED: usize = 64;

/// Whether `after`, the text that now stands right of the cursor, still is what was frozen as the suffix.
///
/// Typing changes what is right of the cursor without a change in meaning: the editor inserts a closer, the
/// user types over it or deletes it with its opener, Enter between braces moves it down. So both may begin
/// with any blanks and closers. The rest has to agree: to the end when the suffix had reached the end.
fn agrees(suffix: &str, is_suffix_whole: bool, after: &str, is_after_whole: bool) -> bool {
    if !is_suffix_whole && after.starts_with(suffix) {
        return true;
    }
    let (suffix, after) = (meaning(suffix), meaning(after));
    if is_suffix_whole {
        return is_after_whole && suffix == after;
    }
    // Nothing but closers in the whole suffix says nothing about the place.
    !suffix.is_empty() && after.starts_with(suffix)
}

fn meaning(text: &str) -> &str {
    let head = &text[..super::floor(text, MAX_TOLERATED)];
    let rest = head.trim_start_matches([' ', '\t', '\r', '\n', ')', ']', '}', '"', '\'', '`', '>']);
    &text[head.len() - rest.len()..]
}

#[cfg(test)]
mod tests;
