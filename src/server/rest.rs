//! Work ahead where the cursor rests: the editor tells that it has moved there, and perhaps somebody will type.
//! Nothing is shown. What the model says goes into the history; a keystroke makes the engine drop it within one step.

use std::{sync::Arc, time::Duration};

use tower_lsp::ls_types;

use super::{
    ahead::SLOW,
    convert,
    eagerness::{is_manual, silence},
    jobs::{Landing, Ready},
    session::Session,
    state::Open,
};
use crate::{
    engine::{Job, Outcome, Priority},
    prompt::anchor::{self, Anchor},
    suggest::{ask, eagerness, history::Source, reuse},
    text::ByteOffset,
};

/// A cursor that moves on within this time was on its way.
const REST: Duration = Duration::from_millis(100);

/// What is known of a place.
enum Known {
    /// What is shown there, or that it is nothing.
    All,
    /// Nothing; the model has to be asked.
    Nothing(Box<Unknown>),
}

/// What it takes to ask.
struct Unknown {
    landing: Landing,
    anchor: Option<Anchor>,
    last_anchor: Option<Anchor>,
    /// Of the documents when the last anchor looked around.
    focus: u64,
}

impl Session {
    /// The cursor is at a place of a document, or, with `None`, where it was there last.
    pub(crate) async fn rest(self: &Arc<Self>, uri: &str, position: Option<ls_types::Position>) {
        let encoding = self.peer().encoding;
        let moved = self.documents.with(uri, |open| {
            if let Some(position) = position {
                let text = open.document.text();
                open.work.cursor = Some(convert::offset(text, position, encoding));
            }
            open.work.cursor.map(|cursor| (cursor, open.revision))
        });
        let Some((cursor, revision)) = moved.flatten() else {
            return;
        };
        let config = self.config();
        if config.engine.prefetch && config.engine.reuse && !is_manual(&config) {
            tokio::time::sleep(REST).await;
            self.prepare(uri, cursor, revision);
        }
    }

    /// Has the model say what it would say at a place, if the cursor is still there and nothing else is to be done.
    fn prepare(self: &Arc<Self>, uri: &str, cursor: ByteOffset, revision: u64) {
        let Some(ready) = self.ready().filter(|it| it.engine.pace().step < SLOW) else {
            return;
        };
        let known = self.documents.with(uri, |open| {
            let is_there = open.revision == revision && open.work.cursor == Some(cursor);
            let is_idle = is_there && !open.work.is_busy();
            is_idle
                .then(|| self.known(uri, open, cursor, &ready))
                .flatten()
        });
        match known.flatten() {
            None => {}
            Some(Known::All) => self.plan_ahead(uri),
            Some(Known::Nothing(unknown)) => {
                let Unknown {
                    landing,
                    anchor,
                    last_anchor,
                    focus: looked_at,
                } = *unknown;
                let focus = self.documents.focus();
                let is_last = |anchor: &Anchor| {
                    let last = last_anchor.as_ref();
                    last.is_some_and(|last| Arc::ptr_eq(&last.head, &anchor.head))
                };
                let others = || self.documents.others(uri);
                let anchor = match anchor {
                    Some(anchor) if looked_at == focus && is_last(&anchor) => anchor,
                    Some(anchor) => anchor.looking_around(&landing.snapshot, cursor, &others()),
                    None => {
                        let plan = &ready.model.plan;
                        let last = last_anchor.as_ref();
                        anchor::fresh(last, &landing.snapshot, cursor, plan, &others())
                    }
                };
                let job = self.rest_job(landing, anchor, focus);
                ready.engine.drop_idle(job.document);
                ready.engine.submit(job);
            }
        }
    }

    fn known(
        &self,
        uri: &str,
        open: &mut Open,
        cursor: ByteOffset,
        ready: &Ready,
    ) -> Option<Known> {
        open.work.enter(ready.epoch);
        let config = self.config();
        let snapshot = open.document.unparsed();
        let is_quiet = eagerness::is_quiet_at(&snapshot, cursor, &config.eagerness);
        if silence(open, &config).is_some() || is_quiet {
            return None;
        }
        let shape = ask::shape(&snapshot, cursor, false, &self.wanted(false))?;
        let shown = open.work.shown.as_ref();
        if shown.is_some_and(|shown| reuse::typed_through(shown, &snapshot, cursor).is_some())
            || open.work.history.recall(&snapshot, cursor, shape).is_some()
        {
            return Some(Known::All);
        }
        let anchor = open.work.anchor(&snapshot, cursor, &ready.model.plan);
        let last_anchor = open.work.last_anchor().cloned();
        let landing = Landing {
            uri: uri.to_owned(),
            document: open.id,
            epoch: ready.epoch,
            snapshot,
            cursor,
            shape,
        };
        Some(Known::Nothing(Box::new(Unknown {
            landing,
            anchor,
            last_anchor,
            focus: open.work.focus,
        })))
    }

    fn rest_job(self: &Arc<Self>, landing: Landing, anchor: Anchor, focus: u64) -> Job {
        let (snapshot, cursor) = (&landing.snapshot, landing.cursor);
        let job = self.job(
            landing.document,
            Priority::Idle(0),
            anchor.prompt(snapshot, cursor),
            snapshot,
            cursor,
            landing.shape,
        );
        let session = Arc::downgrade(self);
        let landed = move |outcome: Outcome| {
            let (Some(session), Outcome::Done(completion)) = (session.upgrade(), outcome) else {
                return;
            };
            let is_current = session.documents.with(&landing.uri, |open| {
                if open.id != landing.document || !open.work.is_of(landing.epoch) {
                    return false;
                }
                open.work.ahead.add(&completion.usage);
                let said = landing.said(&completion, Source::AtRest);
                open.work.remember(&landing.snapshot, landing.cursor, said);
                let is_there = open.work.cursor == Some(landing.cursor);
                if is_there {
                    open.work.use_anchor(anchor);
                    open.work.focus = focus;
                }
                is_there
            });
            if is_current == Some(true) {
                session.plan_ahead(&landing.uri);
            }
        };
        Job {
            reply: Box::new(landed),
            ..job
        }
    }
}
