//! A suggestion that is on the screen, and how much of it stands in the text by now. The place is followed through
//! edits, and what stands there compared: who changed it, and by which edits, does not matter.

use std::time::{Duration, Instant};

use super::{About, End, Key, Offer, SEEN, SuggestionId};
use crate::{
    suggest::before,
    text::{ByteOffset, Edit, Text},
};

/// Neovim gathers what is typed for up to 150 ms and sends it in one piece; behind a longer pause the first key
/// comes alone. So several characters within this time of the last edit may have been typed.
const GATHERED: Duration = Duration::from_millis(250);
/// Nobody types faster for long.
const PER_KEY: Duration = Duration::from_millis(50);

/// What an edit did to a suggestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// What stands there agrees with it.
    Along,
    /// All of it stands there; the last piece was typed by hand, or was not.
    ToTheEnd { is_typed: bool },
    /// Something else stands there.
    Away,
    /// The user is elsewhere, or the place is no more what it was.
    Gone,
}

/// What edits did to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Untouched,
    Touched,
    /// Something else stands left of it.
    Lost {
        is_touched: bool,
    },
}

#[derive(Debug)]
pub(super) struct Standing {
    pub id: SuggestionId,
    pub about: About,
    pub key: Key,
    /// On the screen; `None` while an editor that tells has not told.
    pub since: Option<Instant>,
    /// Where it stands, and the end of what stands there, the editor's own closers included.
    at: usize,
    to: usize,
    /// The line left of `at`.
    before: String,
    text: String,
    /// The bytes of `text` that are not the model's.
    lead: usize,
    /// The bytes of `text` that stand in the document, and those behind them that are the editor's closers.
    progress: usize,
    closers: usize,
    /// How many characters of `text` were typed, or never the model's.
    own: usize,
    /// The bytes of `text` of which the editor says that they were accepted.
    told: usize,
    /// Of the item that was last handed out: where in `text` it begins, how much was typed by then, and how many of its
    /// UTF-16 units stand left of that.
    handed_from: usize,
    handed_own: usize,
    units_before: usize,
}

impl Standing {
    pub(super) fn new(offer: Offer, text: &Text, since: Option<Instant>) -> Standing {
        let own = offer.text[..offer.lead].chars().count();
        let mut standing = Standing {
            id: offer.id,
            about: offer.about,
            key: offer.key,
            since,
            at: offer.at.0,
            to: offer.to.0,
            before: before(text, offer.at),
            text: offer.text,
            lead: offer.lead,
            progress: 0,
            closers: 0,
            own,
            told: 0,
            handed_from: 0,
            handed_own: own,
            units_before: offer.units_before,
        };
        standing.progress = common(&standing.standing_text(text), &standing.text);
        standing
    }

    /// Whether `offer` is the rest of this one, or begins with it; then it is taken for the same.
    pub(super) fn takes_in(&mut self, offer: &Offer, text: &Text) -> bool {
        let is_here = before(text, ByteOffset(self.at)) == self.before
            && (self.at..=self.to).contains(&offer.at.0);
        // Another item of the popup is another suggestion.
        let is_alike = offer.lead == 0 || (offer.lead == self.lead && offer.at.0 == self.at);
        if !is_here || !is_alike {
            return false;
        }
        let typed = plain(&text.slice(ByteOffset(self.at)..offer.at));
        let rest = self.text.strip_prefix(typed.as_str());
        if rest.is_none_or(|rest| rest.is_empty() || !offer.text.starts_with(rest)) {
            return false;
        }
        self.text = format!("{typed}{}", offer.text);
        self.key = offer.key;
        self.handed_from = typed.len();
        self.handed_own = self.own;
        self.units_before = offer.units_before;
        true
    }

    /// `since_last`: the time since the edit before.
    pub(super) fn edited(
        &mut self,
        edits: &[Edit],
        text: &Text,
        since_last: Option<Duration>,
    ) -> Move {
        match self.follow(edits, text) {
            Place::Touched => {}
            Place::Lost { is_touched: true } => return Move::Away,
            Place::Untouched | Place::Lost { .. } => return Move::Gone,
        }
        let stands = self.standing_text(text);
        let agreed = common(&stands, &self.text);
        let rest = &stands[agreed..];
        if agreed > 0 && agreed >= self.text.trim_end().len() {
            let is_typed = self.advance(agreed, since_last);
            return Move::ToTheEnd { is_typed };
        }
        let is_along = rest.is_empty()
            || (is_closers(rest) && (agreed > self.progress || rest.len() <= self.closers));
        if !is_along {
            return Move::Away;
        }
        self.closers = rest.len();
        self.advance(agreed, since_last);
        Move::Along
    }

    /// Whether an edit that came right behind its acceptance has taken it out again.
    pub(super) fn is_taken_back(&mut self, edits: &[Edit], text: &Text) -> bool {
        match self.follow(edits, text) {
            Place::Touched => {}
            Place::Lost { is_touched } => return is_touched,
            Place::Untouched => return false,
        }
        let stands = self.standing_text(text);
        let agreed = common(&stands, &self.text);
        self.closers = stands.len() - agreed;
        let is_back = agreed < self.text.trim_end().len();
        if is_back {
            self.progress = agreed;
            self.told = self.told.min(agreed);
            self.own = self.own.min(self.text[..agreed].chars().count());
        }
        is_back
    }

    /// Whether nothing stands in the text that is not of it.
    pub(super) fn is_open(&self) -> bool {
        self.closers == 0
    }

    /// So many UTF-16 units of the item that was last handed out.
    pub(super) fn told_part(&mut self, units: usize) {
        let from = self.handed_from;
        let mut left = units.saturating_sub(self.units_before);
        let accepted = self.text[from..].chars().take_while(|character| {
            let fits = character.len_utf16() <= left;
            left = left.saturating_sub(character.len_utf16());
            fits
        });
        let to = from + accepted.map(char::len_utf8).sum::<usize>();
        self.told = self.told.max(to);
        self.own = self.own.min(self.handed_own);
    }

    pub(super) fn is_told_whole(&self) -> bool {
        self.told >= self.text.trim_end().len()
    }

    pub(super) fn characters_accepted(&self) -> usize {
        self.characters(self.progress.max(self.told))
            .saturating_sub(self.own)
    }

    /// Of what was not typed by hand, to its end.
    pub(super) fn characters_left(&self) -> usize {
        self.characters(self.text.len()).saturating_sub(self.own)
    }

    /// Of the item that was last handed out.
    pub(super) fn characters_handed_out(&self) -> usize {
        self.characters(self.text.len())
            .saturating_sub(self.handed_own)
    }

    /// All of it stands there: typed, accepted, or some of both.
    pub(super) fn end_of_whole(&self, is_typed: bool) -> End {
        match self.characters_accepted() {
            0 => End::TypedAlong,
            characters if !is_typed => End::Accepted { characters },
            _ => self.end_of_part(),
        }
    }

    pub(super) fn end_of_part(&self) -> End {
        let characters = self.characters_accepted();
        if self.is_told_whole() {
            End::Accepted { characters }
        } else {
            End::PartlyAccepted { characters }
        }
    }

    pub(super) fn end_of_typed_away(&self, now: Instant) -> Option<End> {
        self.end_unless_accepted(End::TypedAway, now)
    }

    pub(super) fn end_of_left(&self, now: Instant) -> Option<End> {
        self.end_unless_accepted(End::Left, now)
    }

    fn end_unless_accepted(&self, end: End, now: Instant) -> Option<End> {
        if self.characters_accepted() > 0 {
            return Some(self.end_of_part());
        }
        let was_seen = self.since.is_some_and(|since| now - since >= SEEN);
        was_seen.then_some(end)
    }

    fn characters(&self, bytes: usize) -> usize {
        self.text[..bytes].chars().count()
    }

    /// Follows the place through edits.
    fn follow(&mut self, edits: &[Edit], text: &Text) -> Place {
        let mut is_touched = false;
        for edit in edits {
            let (start, old_end, new_end) = (edit.start.0, edit.old_end.0, edit.new_end.0);
            let moved = |at: usize| at - old_end + new_end;
            if old_end < self.at {
                (self.at, self.to) = (moved(self.at), moved(self.to));
            } else if start <= self.to {
                is_touched = true;
                // Here, or from further left on: then it is the same place only if the same text stands there again.
                self.to = match old_end <= self.to {
                    true => moved(self.to),
                    false => new_end,
                };
                if self.to < self.at {
                    return Place::Lost { is_touched };
                }
            }
        }
        let is_there = self.at <= text.len().0 && before(text, ByteOffset(self.at)) == self.before;
        match is_there {
            false => Place::Lost { is_touched },
            true if is_touched => Place::Touched,
            true => Place::Untouched,
        }
    }

    /// What stands at the place, as far as it is worth comparing.
    fn standing_text(&self, text: &Text) -> String {
        let most = self.at + 2 * self.text.len() + 64;
        plain(&text.slice(ByteOffset(self.at)..ByteOffset(self.to.min(most))))
    }

    /// So much stands there now. Whether the last of it was typed by hand.
    fn advance(&mut self, agreed: usize, since_last: Option<Duration>) -> bool {
        let from = self.progress.max(self.lead).min(agreed);
        let piece = &self.text[from..agreed];
        let is_typed =
            agreed > self.told && (is_typed(piece, since_last) || self.is_within_word(agreed));
        if is_typed {
            self.own += piece.chars().count();
        }
        if agreed < self.progress {
            self.told = self.told.min(agreed);
            self.own = self.own.min(self.characters(agreed.max(self.lead)));
        }
        self.progress = agreed;
        is_typed
    }

    /// What is accepted in part ends with a word.
    fn is_within_word(&self, at: usize) -> bool {
        let is_word =
            |character: Option<char>| character.is_some_and(|it| it.is_alphanumeric() || it == '_');
        is_word(self.text[..at].chars().next_back()) && is_word(self.text[at..].chars().next())
    }
}

/// Whether somebody may have typed `piece` since the last edit.
fn is_typed(piece: &str, since_last: Option<Duration>) -> bool {
    // Enter brings the indentation along.
    let mut is_after_break = false;
    let keys = piece.chars().filter(|&character| {
        let is_indent = is_after_break && matches!(character, ' ' | '\t');
        is_after_break = is_indent || character == '\n';
        !is_indent
    });
    let keys = keys.count() as u32;
    keys <= 1 || since_last.is_some_and(|since| since < GATHERED && PER_KEY * (keys - 1) <= since)
}

fn is_closers(text: &str) -> bool {
    text.trim_matches([' ', '\t', '\n', ')', ']', '}', '>', '"', '\'', '`'])
        .is_empty()
}

fn plain(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The length of the beginning that both have in common, in whole characters.
fn common(a: &str, b: &str) -> usize {
    let pairs = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    pairs.map(|(character, _)| character.len_utf8()).sum()
}
