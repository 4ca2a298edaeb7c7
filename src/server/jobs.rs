//! Jobs between the session and the engine: what every job has in common, and what becomes of one that
//! somebody was to wait for. Who wants it is `asking.rs`; those that nobody waits for are in `ahead.rs`.

use std::sync::{Arc, atomic::Ordering};

use super::{session::Session, state::Open};
use crate::{
    document::Snapshot,
    engine::{Cancel, Completion, DocumentId, Engine, Job, Outcome, Priority, Summary},
    prompt::Prompt,
    suggest::{
        Shape,
        history::{Said, Source},
        stop::Stop,
    },
    text::ByteOffset,
};

/// Which job has come back, and for what place it was.
pub(super) struct Landing {
    pub uri: String,
    pub document: DocumentId,
    pub epoch: (u64, u64),
    pub snapshot: Snapshot,
    pub cursor: ByteOffset,
    pub shape: Shape,
}

impl Landing {
    pub(super) fn said(&self, completion: &Completion, source: Source) -> Said {
        Said {
            text: completion.text.clone(),
            shape: self.shape,
            stop: completion.stop,
            confidence: completion.confidence,
            tokens: completion.tokens.clone(),
            source,
        }
    }
}

/// The engine that answers, and the number that tells it from those before it.
pub(super) struct Ready {
    pub engine: Engine,
    pub model: Arc<Summary>,
    pub epoch: (u64, u64),
}

impl Session {
    pub(super) fn ready(&self) -> Option<Ready> {
        let (number, engine, model) = self.engines.ready()?;
        let epoch = (number, self.settings_epoch.load(Ordering::Relaxed));
        Some(Ready {
            engine,
            model,
            epoch,
        })
    }

    /// A job whose reply nobody hears.
    pub(super) fn job(
        &self,
        document: DocumentId,
        priority: Priority,
        prompt: Prompt,
        snapshot: &Snapshot,
        cursor: ByteOffset,
        shape: Shape,
    ) -> Job {
        let config = self.config();
        Job {
            document,
            priority,
            prompt,
            max_tokens: config.completion.max_tokens,
            stop: Stop::new(shape, snapshot, cursor),
            heals: config.engine.healing,
            reuses: config.engine.reuse,
            mixes: self.uses_live_cache(),
            branches: 0,
            replaces: false,
            cancel: Cancel::default(),
            progress: None,
            reply: Box::new(|_| ()),
        }
    }

    /// Whether places in the open files count beside the model's opinion.
    pub(super) fn uses_live_cache(&self) -> bool {
        let ready = self.engines.ready();
        let pays = ready.is_none_or(|(_, _, model)| model.gains_from_open_files());
        self.config().completion.live_cache.is_on(pays)
    }

    /// A job that somebody was to wait for has ended. On the engine's thread, or on that of whoever
    /// replaced it.
    pub(super) fn landed(
        self: &Arc<Self>,
        landing: &Landing,
        number: u64,
        is_asked: bool,
        outcome: Outcome,
    ) {
        let departed = |open: &mut Open| open.work.departed(number);
        if let Some(departed) = self.documents.with(&landing.uri, departed).flatten() {
            // Said by the engine before, and therefore not remembered.
            if let Some(waiter) = departed.waiter {
                // Nobody listens when the request was superseded.
                drop(waiter.send(outcome));
            }
            return;
        }
        let landed = self.documents.with(&landing.uri, |open| {
            if open.id != landing.document || !open.work.is_of(landing.epoch) {
                return None;
            }
            let running = open.work.landed(number);
            let told = running.as_ref().map(|it| it.told).unwrap_or_default();
            let waiter = running
                .and_then(|running| running.waiter)
                .filter(|waiter| !waiter.is_closed());
            if let Outcome::Done(completion) = &outcome {
                let source = match waiter.is_some() || is_asked {
                    true => Source::Asked,
                    false => Source::AtEdit,
                };
                let said = landing.said(completion, source);
                open.work.remember(&landing.snapshot, landing.cursor, said);
                let usage = completion.usage.since(&told);
                match (&waiter, source) {
                    (Some(_), _) => {}
                    (None, Source::AtEdit) => open.work.tell_later(usage, completion.stop),
                    (None, _) => open.work.ahead.add(&usage),
                }
            }
            Some(waiter)
        });
        let Some(waiter) = landed.flatten() else {
            return;
        };
        let is_done = matches!(outcome, Outcome::Done(_));
        let Some(waiter) = waiter else {
            if is_done {
                self.plan_now(&landing.uri);
            }
            return;
        };
        if is_done {
            // Once it is answered.
            self.plan_ahead(&landing.uri);
        }
        // Nobody listens when the request was superseded.
        drop(waiter.send(outcome));
    }
}
