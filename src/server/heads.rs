//! The head of a prompt is made anew before it is outgrown, and when the user pauses: on another sequence, while
//! nobody waits, and swapped in when it is evaluated and the text still fits it. So no key pays for a head.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use super::{
    ahead::{AGAIN, Base, HEAD, OUTGROWN_HEAD, SLOW, Supposed},
    eagerness::silence,
    jobs::Ready,
    session::Session,
    state::Open,
};
use crate::{
    document::Snapshot,
    engine::{Job, Outcome, Priority},
    prompt::anchor::{self, Anchor},
    suggest::{Shape, ask, history::Source, reuse},
    text::ByteOffset,
};

/// Nothing typed for so long is a pause.
const PAUSE: Duration = Duration::from_millis(400);

/// A tail of more than this part of its window is worth a new head at once...
const OUTGROWN: usize = 2;
/// ...and of more than this in a pause: what is done then need not be done while somebody types.
const GROWN: usize = 8;

/// A place with a head that is to be made anew if the user pauses there.
#[derive(Clone, Debug)]
struct Grown {
    uri: String,
    revision: u64,
    cursor: ByteOffset,
}

/// The last such place.
pub(crate) struct Pauses(watch::Sender<Option<Grown>>);

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses(watch::Sender::new(None))
    }
}

impl Session {
    /// Has the next head evaluated where that is due, or notes that it is when the user pauses.
    pub(super) fn look_after_head(self: &Arc<Self>, base: &Base, ready: &Ready) {
        let length = base.prompt.tail.len();
        let is_outgrown = base.is_short || length > base.tail / OUTGROWN;
        let grown = (!is_outgrown && length > base.tail / GROWN).then(|| Grown {
            uri: base.uri.clone(),
            revision: base.revision,
            cursor: base.cursor,
        });
        self.pauses.0.send_replace(grown);
        if is_outgrown {
            self.renew_head(base, ready, OUTGROWN_HEAD);
        }
    }

    /// Makes heads anew in pauses, as long as the session.
    pub(crate) async fn watch_pauses(self: &Arc<Self>) {
        let mut places = self.pauses.0.subscribe();
        while places.changed().await.is_ok() {
            while let Ok(changed) = timeout(PAUSE, places.changed()).await {
                if changed.is_err() {
                    return;
                }
            }
            let place = places.borrow_and_update().clone();
            if let Some(place) = place {
                self.renew_head_at(&place);
            }
        }
    }

    /// A place whose answer was known without a prompt gets a head if none fits there, so that the key that needs one finds
    /// it read.
    pub(super) fn give_head(&self, uri: &str, ready: &Ready) {
        let plan = &ready.model.plan;
        let headless = self.documents.with(uri, |open| {
            let cursor = open.work.cursor?;
            let is_planned = open.work.planned == Some((open.revision, cursor));
            let is_silent = silence(open, &self.config()).is_some();
            let is_ours = open.work.is_of(ready.epoch) && !open.work.is_busy();
            if is_planned || is_silent || !is_ours {
                return None;
            }
            let snapshot = open.document.unparsed();
            let has_head = open.work.anchor(&snapshot, cursor, plan).is_some();
            let last = open.work.last_anchor().cloned();
            (!has_head).then_some((open.revision, snapshot, cursor, last))
        });
        let Some((revision, snapshot, cursor, last)) = headless.flatten() else {
            return;
        };
        let focus = self.documents.focus();
        let others = self.documents.others(uri);
        let tokens = self.affordable_prompt(&ready.engine, false);
        let last = last.as_ref();
        let anchor = anchor::fresh_within(tokens, last, &snapshot, cursor, plan, &others);
        self.documents.with(uri, |open| {
            let is_there = open.revision == revision && open.work.cursor == Some(cursor);
            if is_there && open.work.is_of(ready.epoch) && !open.work.is_busy() {
                open.work.use_anchor(anchor);
                open.work.focus = focus;
            }
        });
    }

    fn renew_head_at(self: &Arc<Self>, place: &Grown) {
        let Some(ready) = self.ready() else { return };
        let Grown {
            uri,
            revision,
            cursor,
        } = place;
        let base = self.documents.with(uri, |open| {
            let is_there = open.revision == *revision && open.work.cursor == Some(*cursor);
            if !is_there || !open.work.is_of(ready.epoch) || open.work.is_busy() {
                return None;
            }
            let snapshot = open.document.unparsed();
            let plan = &ready.model.plan;
            let anchor = open.work.anchor(&snapshot, *cursor, plan)?;
            Some(Base {
                uri: uri.clone(),
                document: open.id,
                epoch: ready.epoch,
                revision: *revision,
                prompt: anchor.prompt(&snapshot, *cursor),
                tail: plan.windows.tail,
                is_short: anchor.is_short(),
                snapshot,
                cursor: *cursor,
            })
        });
        if let Some(base) = base.flatten() {
            self.renew_head(&base, &ready, HEAD);
        }
    }

    pub(super) fn renew_head(self: &Arc<Self>, base: &Base, ready: &Ready, priority: Priority) {
        let plan = &ready.model.plan;
        let anchors = self.documents.with(&base.uri, |open| {
            let anchor = open.work.anchor(&base.snapshot, base.cursor, plan)?;
            let successor = open.work.successor.as_ref();
            let successor = successor.and_then(|it| it.fitting(&base.snapshot, base.cursor, plan));
            Some((anchor, successor))
        });
        if let Some((anchor, successor)) = anchors.flatten() {
            self.prepare_head(base, ready, &anchor, successor, priority);
        }
    }

    /// Has the head of the next anchor evaluated, so that no key pays for it.
    fn prepare_head(
        self: &Arc<Self>,
        base: &Base,
        ready: &Ready,
        anchor: &Anchor,
        successor: Option<Anchor>,
        priority: Priority,
    ) {
        let successor = successor.unwrap_or_else(|| {
            let others = self.documents.others(&base.uri);
            let plan = &ready.model.plan;
            anchor::fresh(Some(anchor), &base.snapshot, base.cursor, plan, &others)
        });
        if Arc::ptr_eq(&successor.head, &anchor.head) {
            return;
        }
        let prompt = successor.prompt(&base.snapshot, base.cursor);
        let evaluated = prompt.tail.clone();
        let (snapshot, cursor) = (&base.snapshot, base.cursor);
        let job = Job {
            max_tokens: 0,
            replaces: true,
            ..self.job(
                base.document,
                priority,
                prompt,
                snapshot,
                cursor,
                Shape::Line,
            )
        };
        let (plan, of) = (ready.model.plan.clone(), successor.clone());
        let is_fast = ready.engine.pace().step < SLOW;
        let place = Base {
            snapshot: base.snapshot.without_tree(),
            ..base.clone()
        };
        let job = self.with_reply(job, base, move |session, open, outcome| {
            let snapshot = open.document.unparsed();
            // Where nobody has asked yet it is only supposed where they will.
            let cursor = open.work.cursor.unwrap_or(place.cursor);
            let now = matches!(outcome, Outcome::Done(_))
                .then(|| of.fitting(&snapshot, cursor, &plan))
                .flatten();
            // When something was typed meanwhile, a key would have to pay for it.
            let Some(now) = now.filter(|it| it.prompt(&snapshot, cursor).tail == evaluated) else {
                return Vec::new();
            };
            open.work.succeed(now.clone());
            let is_asked = place.is_short && is_fast && open.work.cursor.is_some();
            is_asked
                .then(|| session.asked_again(open, &place, &now, &snapshot))
                .flatten()
                .into_iter()
                .collect()
        });
        self.documents.with(&base.uri, |open| {
            open.work.successor = Some(successor);
        });
        ready.engine.submit(job);
    }

    /// What the model says with the whole head, where nothing is shown of what it said with the short one.
    fn asked_again(
        self: &Arc<Self>,
        open: &Open,
        base: &Base,
        anchor: &Anchor,
        snapshot: &Snapshot,
    ) -> Option<Job> {
        let cursor = open.work.cursor?;
        let shown = open.work.shown.as_ref();
        if shown.is_some_and(|shown| reuse::typed_through(shown, snapshot, cursor).is_some()) {
            return None;
        }
        let shape = ask::shape(snapshot, cursor, false, &self.wanted(false))?;
        let supposed = Supposed {
            prompt: anchor.prompt(snapshot, cursor),
            snapshot: snapshot.without_tree(),
            cursor,
            shape,
        };
        Some(self.supposed_job(base, supposed, AGAIN, Source::AtRest))
    }
}
