//! What becomes of suggestions: accepted, in whole or in part, typed along, typed away, dismissed, or left
//! standing. One document's; a pure state machine: edits, what the editor tells, and the time are passed in.
//!
//! Some editors say that an item was accepted, by its command; others say nothing, and none says it of a part
//! (VS Code's "accept word"). So it is also inferred from edits: text of the suggestion that comes in one piece was
//! accepted, text that comes key by key was typed. A command comes right behind its edit, or right before it; therefore
//! what was inferred is final only with the next edit, or when something else is shown. Every suggestion ends
//! once, and is counted once.
//!
//! How a suggestion is followed through edits is `fate/standing.rs`, what is not shown again `rejected.rs`.

mod standing;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::rejected::{Key, Rejected};
use crate::{
    config::{self, Mode},
    text::{ByteOffset, Edit, Text},
};
use standing::{Move, Standing};

/// Ghost text that went away earlier than this was not seen: noticing something takes about 250 ms, and reading a
/// few words of it as long again. Nobody who types on within that time has rejected anything.
pub const SEEN: Duration = Duration::from_millis(600);

/// How many suggestions that have ended are known by their ids, for an editor that tells late.
const SETTLED: usize = 16;

/// Names a suggestion in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SuggestionId(pub u64);

/// What is counted with a suggestion, beside its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// As the editor names it.
    pub language: String,
    /// The model's name.
    pub model: String,
    /// From reading the request to its answer, the first time it was handed out.
    pub latency: Duration,
}

/// A suggestion that is handed to the editor.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What to call it, if it is a new one.
    pub id: SuggestionId,
    /// Where `text` begins to stand when it is accepted; left of that the line stays as it is.
    pub at: ByteOffset,
    /// The end of what stands there now and will be part of `text`, or is replaced by it; `at` when nothing is.
    pub to: ByteOffset,
    /// What stands from `at` on when it is accepted, with `\n` as its line break.
    pub text: String,
    /// How many bytes of `text` are not the model's, but of an item that is selected in the editor's popup.
    pub lead: usize,
    /// How many UTF-16 units of the item stand left of `at`.
    pub units_before: usize,
    /// What it is known by when it was rejected.
    pub key: Key,
    pub about: About,
}

/// How a suggestion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// To its last character; so many of them were not typed by hand.
    Accepted {
        characters: usize,
    },
    PartlyAccepted {
        characters: usize,
    },
    /// The user typed all of it.
    TypedAlong,
    /// The user saw it and typed, or deleted, something else.
    TypedAway,
    /// The user put it away.
    Dismissed,
    /// It was seen, and went away by something that says nothing about it.
    Left,
}

/// A suggestion that was seen and is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub id: SuggestionId,
    pub about: About,
    pub end: End,
}

impl End {
    pub fn is_rejection(self) -> bool {
        matches!(self, End::TypedAway | End::Dismissed)
    }

    /// Whether some of it was wanted.
    pub fn is_use(self) -> bool {
        !self.is_rejection() && self != End::Left
    }
}

/// The rejections in a row after the end of one more suggestion.
pub fn rejections_in_row(before: usize, end: End) -> usize {
    match end {
        _ if end.is_use() => 0,
        _ if end.is_rejection() => before.saturating_add(1),
        _ => before,
    }
}

/// When ghost text comes: as it is set, but more rarely after many rejections in a row.
pub fn effective_mode(settings: &config::Eagerness, rejections_in_row: usize) -> Mode {
    let backs_off = settings.back_off > 0 && rejections_in_row >= settings.back_off;
    match settings.mode {
        Mode::Automatic if backs_off => Mode::Subtle,
        mode => mode,
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Fate {
    standing: Option<Standing>,
    pending: Option<Pending>,
    settled: VecDeque<Settled>,
    rejected: Rejected,
    last_edit: Option<Instant>,
}

/// The end of a suggestion as an edit suggests it; a command may still say otherwise.
#[derive(Debug)]
struct Pending {
    standing: Standing,
    /// `None` when nobody saw it.
    end: Option<End>,
}

#[derive(Debug)]
struct Settled {
    id: SuggestionId,
    /// What to count and how many characters, if it is accepted after all; `None` when it has been counted.
    uncounted: Option<(About, usize)>,
}

impl Fate {
    /// A suggestion is handed out. When it is the rest of the one that stands there, or goes on with it, it is the same
    /// one and keeps its id. `is_told`: the editor tells when it is on the screen; else it is from now on.
    pub fn offered(
        &mut self,
        offer: Offer,
        text: &Text,
        is_told: bool,
        now: Instant,
    ) -> (SuggestionId, Vec<Ended>) {
        let mut ended = Vec::from_iter(self.settle());
        if let Some(standing) = &mut self.standing
            && standing.takes_in(&offer, text)
        {
            return (standing.id, ended);
        }
        ended.extend(self.leave(now));
        let id = offer.id;
        let since = (!is_told).then_some(now);
        self.standing = Some(Standing::new(offer, text, since));
        (id, ended)
    }

    /// The document has been edited, by these edits one after the other, and is `text` now.
    pub fn edited(&mut self, edits: &[Edit], text: &Text, now: Instant) -> Vec<Ended> {
        let since_last = self.last_edit.replace(now).map(|last| now - last);
        let mut ended = Vec::new();
        if let Some(mut pending) = self.pending.take() {
            let is_use = pending.end.is_some_and(End::is_use);
            // A menu's preview, or an accident: taken out again at once, it was not accepted.
            if is_use && pending.standing.is_taken_back(edits, text) {
                if self.standing.is_none() && pending.standing.is_open() {
                    self.standing = Some(pending.standing);
                    return ended;
                }
                pending.end = pending.standing.end_of_typed_away(now);
            }
            ended.extend(self.finish(pending.standing, pending.end));
        }
        let Some(mut standing) = self.standing.take() else {
            return ended;
        };
        let end = match standing.edited(edits, text, since_last) {
            Move::Along => {
                self.standing = Some(standing);
                return ended;
            }
            Move::ToTheEnd { is_typed } => Some(standing.end_of_whole(is_typed)),
            Move::Away => standing.end_of_typed_away(now),
            Move::Gone => standing.end_of_left(now),
        };
        self.pending = Some(Pending { standing, end });
        ended
    }

    /// The document is closed, or the session ends.
    pub fn closed(&mut self, now: Instant) -> Vec<Ended> {
        let mut ended = Vec::from_iter(self.settle());
        ended.extend(self.leave(now));
        ended
    }

    /// The editor has put it on the screen. Whether the suggestion is known here.
    pub fn told_shown(&mut self, id: SuggestionId, now: Instant) -> bool {
        if let Some(standing) = self.standing.as_mut().filter(|it| it.id == id) {
            standing.since.get_or_insert(now);
        }
        self.knows(id)
    }

    /// The editor says that all of it was accepted. `None` when the suggestion is not known here.
    pub fn told_accepted(&mut self, id: SuggestionId) -> Option<Vec<Ended>> {
        if let Some(standing) = self.standing.take_if(|it| it.id == id) {
            let characters = standing.characters_left();
            return Some(Vec::from_iter(
                self.finish(standing, Some(End::Accepted { characters })),
            ));
        }
        if let Some(Pending { standing, .. }) = self.pending.take_if(|it| it.standing.id == id) {
            let characters = standing.characters_handed_out();
            return Some(Vec::from_iter(
                self.finish(standing, Some(End::Accepted { characters })),
            ));
        }
        let settled = self.settled.iter_mut().find(|it| it.id == id)?;
        let late = settled.uncounted.take().map(|(about, characters)| Ended {
            id,
            about,
            end: End::Accepted { characters },
        });
        Some(Vec::from_iter(late))
    }

    /// The editor says that so many UTF-16 units of the item were accepted, all in all. Whether the suggestion is
    /// known here.
    pub fn told_part(&mut self, id: SuggestionId, units: usize, now: Instant) -> bool {
        if let Some(standing) = self.standing.as_mut().filter(|it| it.id == id) {
            standing.since.get_or_insert(now);
            standing.told_part(units);
        }
        if let Some(pending) = self.pending.as_mut().filter(|it| it.standing.id == id) {
            pending.standing.told_part(units);
            let is_told = pending.standing.characters_accepted() > 0;
            if is_told && !matches!(pending.end, Some(End::Accepted { .. })) {
                pending.end = Some(pending.standing.end_of_part());
            }
        }
        self.knows(id)
    }

    /// Whether the editor has said of every part of it that it was accepted.
    pub fn is_told_whole(&self, id: SuggestionId) -> bool {
        let pending = self.pending.as_ref().map(|it| &it.standing);
        let mut known = self.standing.iter().chain(pending);
        known.any(|it| it.id == id && it.is_told_whole())
    }

    /// The user has put it away: `by_key` for certain, else it counts only if it was seen. `None` when the
    /// suggestion is not known here.
    pub fn told_dismissed(
        &mut self,
        id: SuggestionId,
        by_key: bool,
        now: Instant,
    ) -> Option<Vec<Ended>> {
        let Some(standing) = self.standing.take_if(|it| it.id == id) else {
            return self.knows(id).then(Vec::new);
        };
        let end = match standing.end_of_left(now) {
            Some(part @ End::PartlyAccepted { .. }) => Some(part),
            Some(_) => Some(End::Dismissed),
            None => by_key.then_some(End::Dismissed),
        };
        Some(Vec::from_iter(self.finish(standing, end)))
    }

    /// Whether what this is the key of was rejected in this document.
    pub fn is_rejected(&self, key: Key) -> bool {
        self.rejected.holds(key)
    }

    fn knows(&self, id: SuggestionId) -> bool {
        self.standing.as_ref().is_some_and(|it| it.id == id)
            || (self.pending.as_ref()).is_some_and(|it| it.standing.id == id)
            || self.settled.iter().any(|it| it.id == id)
    }

    fn settle(&mut self) -> Option<Ended> {
        let pending = self.pending.take()?;
        self.finish(pending.standing, pending.end)
    }

    fn leave(&mut self, now: Instant) -> Option<Ended> {
        let standing = self.standing.take()?;
        let end = standing.end_of_left(now);
        self.finish(standing, end)
    }

    fn finish(&mut self, standing: Standing, end: Option<End>) -> Option<Ended> {
        self.settled.truncate(SETTLED - 1);
        let Standing { id, key, .. } = standing;
        let Some(end) = end else {
            let characters = standing.characters_handed_out();
            self.settled.push_front(Settled {
                id,
                uncounted: Some((standing.about, characters)),
            });
            return None;
        };
        self.settled.push_front(Settled {
            id,
            uncounted: None,
        });
        if end.is_rejection() {
            self.rejected.insert(key);
        } else if end.is_use() {
            self.rejected.remove(key);
        }
        Some(Ended {
            id,
            about: standing.about,
            end,
        })
    }
}
