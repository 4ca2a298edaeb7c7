//! What becomes of a session's suggestions: which are handed out, what the editor tells of them, and who hears of
//! their end. How an end is inferred is decided in `suggest/fate.rs`; each document keeps its own.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Instant,
};

use serde_json::{Value, json};
use tower_lsp::ls_types::Command;

use super::{
    OnEnded, convert,
    inline::{ACCEPTED, Found},
    session::Session,
};
use crate::{
    config::Mode,
    suggest::{
        fate::{self, About, End, Ended, Offer, SuggestionId},
        rejected::Key,
    },
};

/// What statistics call the model where ghost text comes from the open files alone.
const OPEN_FILES: &str = "(open files)";

/// See the module.
pub(crate) struct Fates {
    next_id: AtomicU64,
    /// What was handed out last, for clients that leave out of a command what it is about.
    last: AtomicU64,
    /// The client tells what is on the screen.
    tells: AtomicBool,
    rejections_in_row: AtomicUsize,
    /// The client has used something of Copilot's dialect.
    pub speaks_copilot: AtomicBool,
    on_ended: OnEnded,
}

impl Fates {
    pub(crate) fn new(on_ended: OnEnded) -> Fates {
        Fates {
            next_id: AtomicU64::new(1),
            last: AtomicU64::new(0),
            tells: AtomicBool::new(false),
            rejections_in_row: AtomicUsize::new(0),
            speaks_copilot: AtomicBool::new(false),
            on_ended,
        }
    }
}

impl Session {
    /// When ghost text comes by itself, at this moment.
    pub(crate) fn mode(&self) -> Mode {
        let rejections = self.fates.rejections_in_row.load(Ordering::Relaxed);
        fate::effective_mode(&self.config().eagerness, rejections)
    }

    /// Hands a suggestion out that inserts `inserted`: the command that clients run when it is accepted.
    /// `units_before`: so many UTF-16 units of the item stand left of what it adds.
    pub(crate) fn offer(&self, found: &Found, inserted: &str, units_before: usize) -> Command {
        let id = self.offered(found, inserted, units_before);
        Command {
            title: "accepted".to_string(),
            command: ACCEPTED.to_string(),
            arguments: Some(vec![json!(id.0.to_string())]),
        }
    }

    pub(crate) fn offered(
        &self,
        found: &Found,
        inserted: &str,
        units_before: usize,
    ) -> SuggestionId {
        let new = SuggestionId(self.fates.next_id.fetch_add(1, Ordering::Relaxed));
        let model = match self.ready() {
            Some(ready) if !found.is_copied => ready.model.name.clone(),
            _ => OPEN_FILES.to_owned(),
        };
        let is_told = self.fates.tells.load(Ordering::Relaxed);
        let offered = self.documents.with(&found.uri, |open| {
            // An edit has come in between: the client will not show it.
            if open.revision != found.revision {
                return None;
            }
            let typed = convert::with_plain_breaks(&found.typed);
            let offer = Offer {
                id: new,
                at: found.start,
                to: found.cursor,
                text: format!("{typed}{}", convert::with_plain_breaks(inserted)),
                lead: typed.len(),
                units_before,
                key: found.key,
                about: About {
                    language: open.language_id.clone(),
                    model,
                    latency: found.took,
                },
            };
            let text = open.document.text();
            Some(open.fate.offered(offer, text, is_told, Instant::now()))
        });
        let (id, ended) = offered.flatten().unwrap_or((new, Vec::new()));
        self.counts.answered(found.took);
        if id == new {
            self.counts.shown();
            if found.is_copied {
                self.counts.copied();
            }
        }
        self.fates.last.store(id.0, Ordering::Relaxed);
        self.ended(ended);
        id
    }

    /// Whether the user has rejected in this document what this is the key of, and that counts.
    pub(crate) fn is_rejected(&self, uri: &str, key: Key) -> bool {
        !self.config().eagerness.repeat_rejected
            && self.documents.with(uri, |open| open.fate.is_rejected(key)) == Some(true)
    }

    /// Suggestions are over.
    pub(crate) fn ended(&self, ended: Vec<Ended>) {
        let is_recorded = self.config().statistics.record;
        for ended in ended {
            let before = self.mode();
            let row = &self.fates.rejections_in_row;
            let count = |row| Some(fate::rejections_in_row(row, ended.end));
            let _ = row.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
            if self.mode() != before {
                self.counts.changed();
            }
            if matches!(ended.end, End::Accepted { .. }) {
                self.counts.accepted();
            }
            tracing::debug!(id = ended.id.0, end = ?ended.end, "a suggestion is over");
            if is_recorded {
                (self.fates.on_ended)(ended);
            }
        }
    }

    /// A document is closed.
    pub(crate) fn end_of(&self, uri: &str) {
        let ended = (self.documents).with(uri, |open| open.fate.closed(Instant::now()));
        self.ended(ended.unwrap_or_default());
    }

    /// The session ends.
    pub(crate) fn end_all(&self) {
        let mut ended = Vec::new();
        self.documents.find(|open| {
            ended.extend(open.fate.closed(Instant::now()));
            None::<()>
        });
        self.ended(ended);
    }

    /// The client says that an item was accepted. Which one stands in `id`, if it says so.
    pub(crate) fn told_accepted(&self, id: Option<&Value>) {
        let last = SuggestionId(self.fates.last.load(Ordering::Relaxed));
        let id = id.and_then(suggestion_id).unwrap_or(last);
        let ended = self.documents.find(|open| open.fate.told_accepted(id));
        match ended {
            Some(ended) => self.ended(ended),
            None => {
                tracing::debug!(id = id.0, "an unknown suggestion was accepted");
                self.counts.accepted();
            }
        }
    }

    pub(crate) fn told_shown(&self, id: SuggestionId) {
        self.fates.tells.store(true, Ordering::Relaxed);
        self.documents
            .find(|open| (open.fate.told_shown(id, Instant::now())).then_some(()));
    }

    /// So many UTF-16 units of the item were accepted, all in all.
    pub(crate) fn told_part(&self, id: SuggestionId, units: usize) {
        self.documents
            .find(|open| (open.fate.told_part(id, units, Instant::now())).then_some(()));
    }

    /// So many UTF-16 units were accepted, which may be all of them.
    pub(crate) fn told_so_far(&self, id: SuggestionId, units: usize) {
        let now = Instant::now();
        let ended = self.documents.find(|open| {
            if !open.fate.told_part(id, units, now) {
                return None;
            }
            let is_all = open.fate.is_told_whole(id);
            Some(
                is_all
                    .then(|| open.fate.told_accepted(id))
                    .flatten()
                    .unwrap_or_default(),
            )
        });
        self.ended(ended.unwrap_or_default());
    }

    /// The user has put it away, `by_key` for certain.
    pub(crate) fn told_dismissed(&self, id: SuggestionId, by_key: bool) {
        let now = Instant::now();
        let ended = (self.documents).find(|open| open.fate.told_dismissed(id, by_key, now));
        self.ended(ended.unwrap_or_default());
    }
}

/// The id that a client gives back: as it was sent, or as a number.
pub(crate) fn suggestion_id(value: &Value) -> Option<SuggestionId> {
    let number = match value {
        Value::String(id) => id.parse().ok(),
        other => other.as_u64(),
    };
    number.map(SuggestionId)
}

/// The id of an item, as the client gives it back.
pub(crate) fn id_of_item(item: &Value) -> Option<SuggestionId> {
    suggestion_id(item.pointer("/command/arguments/0")?)
}
