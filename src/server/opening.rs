//! A document is opened: its syntax is parsed, and the head of its first prompt is evaluated while nobody waits, so
//! that the first key in it need not.
//!
//! No editor says where its cursor is when it opens a file. The best guess is where it was when the file was closed.
//! Without that it is the place whose head the others begin with: with models that read the prefix first the end of
//! the text, if all of it fits into the window; else the start, where editors put the cursor.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{
    ahead::{Base, HEAD},
    eagerness,
    parsing::PARSE,
    session::Session,
};
use crate::{
    engine::{Job, Status},
    prompt::{
        anchor::{self, Plan},
        format::Order,
    },
    suggest::Shape,
    syntax::language::Language,
    text::{ByteOffset, Text},
};

/// Before each language, and as long as somebody waits for the model.
const CALM: Duration = Duration::from_millis(500);

impl Session {
    /// A document has been opened: a small one is parsed at once, so that whoever asks finds its tree.
    pub(crate) fn opened(self: &Arc<Self>, uri: &str) {
        self.documents.with(uri, |open| {
            let language = open.document.language();
            tokio::task::spawn_blocking(move || language.prepare());
            if !open.document.parse(PARSE) {
                self.parse_aside(uri, open);
            }
        });
        self.warm(uri);
    }

    /// Does for the last used document what could not be done when it was opened, because the model was not
    /// there; as long as the session.
    pub(crate) async fn warm_when_ready(self: &Arc<Self>) {
        let mut changes = self.engines.states();
        loop {
            let is_ready = matches!(changes.borrow_and_update().1, Status::Ready(_));
            if is_ready && let Some(uri) = self.documents.last_used() {
                self.warm(&uri);
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Prepares the languages in which no file is open yet, in calm moments once the model is there: the first question in
    /// each would have to wait for it.
    pub(crate) async fn prepare_languages(&self) {
        let mut changes = self.engines.states();
        let is_ready = |state: &(u64, Status)| matches!(state.1, Status::Ready(_));
        if changes.wait_for(is_ready).await.is_err() {
            return;
        }
        for language in Language::with_parsers() {
            let is_awaited = || self.engines.engine().is_some_and(|it| it.is_awaited());
            sleep(CALM).await;
            while is_awaited() {
                sleep(CALM).await;
            }
            // Fails only when the runtime ends.
            let _ = tokio::task::spawn_blocking(|| language.prepare()).await;
        }
    }

    /// Has the head at the likely place of a document evaluated, if nothing was asked there yet.
    fn warm(self: &Arc<Self>, uri: &str) {
        let config = self.config();
        if !config.engine.prefetch || !config.engine.reuse || eagerness::is_manual(&config) {
            return;
        }
        let Some(ready) = self.ready() else { return };
        let place = self.documents.with(uri, |open| {
            open.work.enter(ready.epoch);
            let snapshot = open.document.unparsed();
            let is_silent = eagerness::silence(open, &config).is_some();
            if is_silent || open.work.last_anchor().is_some() || snapshot.text.is_empty() {
                return None;
            }
            // Somebody may ask in a moment.
            let tokens = self.affordable_prompt(&ready.engine, false);
            let cursor = (open.work.cursor.or(open.left_at))
                .unwrap_or_else(|| likely_place(&snapshot.text, &ready.model.plan));
            Some((open.id, open.revision, snapshot, cursor, tokens))
        });
        let Some((document, revision, snapshot, cursor, tokens)) = place.flatten() else {
            return;
        };
        let cursor = snapshot.text.floor(cursor);
        let plan = &ready.model.plan;
        let focus = self.documents.focus();
        let others = self.documents.others(uri);
        let anchor = anchor::fresh_within(tokens, None, &snapshot, cursor, plan, &others);
        let base = Base {
            uri: uri.to_owned(),
            document,
            epoch: ready.epoch,
            revision,
            prompt: anchor.prompt(&snapshot, cursor),
            tail: plan.windows.tail,
            is_short: anchor.is_short(),
            snapshot,
            cursor,
        };
        let job = Job {
            max_tokens: 0,
            ..self.job(
                document,
                HEAD,
                base.prompt.clone(),
                &base.snapshot,
                cursor,
                Shape::Line,
            )
        };
        let job = self.with_reply(job, &base, |_, _, _| Vec::new());
        let is_first = self.documents.with(uri, |open| {
            let is_first = open.id == document && open.work.last_anchor().is_none();
            if is_first {
                open.work.use_anchor(anchor);
                open.work.focus = focus;
            }
            is_first
        });
        if is_first == Some(true) {
            ready.engine.submit(job);
            if base.is_short {
                self.renew_head(&base, &ready, HEAD);
            }
        }
    }
}

/// Where the head is of most use, when nobody knows where the user is.
fn likely_place(text: &Text, plan: &Plan) -> ByteOffset {
    let reads_prefix_first = plan.format.order != Order::Spm;
    if reads_prefix_first && text.len().0 <= plan.windows.prefix {
        text.len()
    } else {
        ByteOffset(0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::server::status::tests::session;

    #[tokio::test(start_paused = true)]
    async fn all_languages_are_prepared_before_anything_is_opened() {
        let (session, _queue) = session(json!({})).await;
        session.prepare_languages().await;
        assert!(Language::with_parsers().count() > 1);
        assert!(Language::with_parsers().all(Language::is_prepared));
        session.close();
    }
}
