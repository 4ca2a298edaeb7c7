//! How readily a session speaks by itself: where it is silent, what it wants in each mode, when a request was made by
//! hand, and when ghost text is due. What the settings mean is decided in `suggest/eagerness.rs`.

use std::time::{Duration, Instant};

use tower_lsp::ls_types::{CompletionParams, CompletionTriggerKind};

use super::{
    asking::Question, convert, figures::Source, session::Session, state::Open, waiting::PATIENCE,
};
use crate::{
    config::{self, Config, Mode},
    suggest::eagerness::{self, Due},
};

/// Why nothing is ever said in a document, not even by hand, if that is so.
pub(super) fn silence(open: &Open, config: &Config) -> Option<Source> {
    if open.is_excluded {
        return Some(Source::Excluded);
    }
    let names = [&*open.language_id, &open.document.language().name];
    let is_on = config.completion.enabled && !config.languages.is_disabled(&names);
    (!is_on).then_some(Source::Disabled)
}

/// Whether nothing comes by itself.
pub(super) fn is_manual(config: &Config) -> bool {
    config.eagerness.mode == Mode::Manual
}

impl Session {
    /// What is wanted of completions at this moment: everything, for those who ask by hand.
    pub(super) fn wanted(&self, is_invoked: bool) -> config::Completion {
        let mode = match is_invoked {
            true => Mode::Automatic,
            false => self.mode(),
        };
        eagerness::completion(&self.config().completion, mode)
    }

    /// Whether a menu is asked for by hand. Helix says "invoked" of its requests behind a word as well as of those that
    /// its user makes; but by itself it asks once at a place. So whoever asks again where nothing has changed is a
    /// person.
    pub(super) fn is_by_hand(&self, params: &CompletionParams) -> bool {
        let place = &params.text_document_position;
        let encoding = self.peer().encoding;
        let is_again = self
            .documents
            .with(place.text_document.uri.as_str(), |open| {
                let cursor = convert::offset(open.document.text(), place.position, encoding);
                let here = Some((open.revision, cursor));
                std::mem::replace(&mut open.menu_asked, here) == here
            });
        let is_said = (params.context.as_ref())
            .is_none_or(|context| context.trigger_kind == CompletionTriggerKind::INVOKED);
        is_said && is_again == Some(true)
    }

    /// When ghost text may come that a request has asked for at `started`.
    pub(super) fn due(&self, question: &Question, started: Instant) -> Due {
        let delay = Duration::from_millis(self.config().eagerness.delay_ms);
        if question.is_invoked || delay.is_zero() {
            return Due::Now;
        }
        let edited_at = self.documents.with(&question.uri, |open| open.edited_at);
        match edited_at.flatten() {
            Some(edited_at) => eagerness::due(started - edited_at, delay, PATIENCE),
            None => Due::Now,
        }
    }

    /// Ends what the engine does for any document. What is pending is answered as superseded.
    pub(super) fn stop_everything(&self) {
        self.documents.supersede_all();
        let Some(engine) = self.engines.engine() else {
            return;
        };
        for (_, id) in self.documents.all() {
            engine.drop_idle(id);
        }
    }
}
