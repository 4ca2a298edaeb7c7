//! What of the model's words is shown: of what has just been said, of what was said before, and of the rest of what is on
//! the screen. The rules are those of `suggest`; here they meet the documents.

use std::{ops::Range, sync::Arc};

use tower_lsp::jsonrpc;

use super::{
    asking::{Answer, Ghost, Question},
    figures::{Figures, Source},
    inline::{Asked, Found, superseded},
    jobs::Ready,
    session::Session,
    state::Open,
};
use crate::{
    engine::{Summary, Usage},
    suggest::{
        ask::{self, Raw, Shown, Unshown},
        gate::Likelihood,
        history::{self, Recalled},
        stop::StopReason,
    },
};

impl Session {
    /// Hands out what is new, when it may come; or says why there is nothing.
    pub(super) async fn say(
        self: &Arc<Self>,
        mut asked: Asked,
        shown: Result<Shown, Unshown>,
        source: Source,
        mut figures: Figures,
    ) -> jsonrpc::Result<Option<Found>> {
        match shown {
            Ok(shown) if self.is_held(&mut asked).await => {
                figures.judged(Some(shown.evidence), shown.is_part);
                self.show(asked, shown.text, source, figures)
            }
            Ok(_) => superseded(figures),
            Err(unshown) => {
                figures.finish(unshown.into());
                Ok(None)
            }
        }
    }

    pub(super) fn recalled(
        &self,
        question: &Question,
        recalled: &Recalled,
        model: &Summary,
        cost: Option<(Usage, StopReason)>,
    ) -> Answer {
        let source = match recalled.source {
            history::Source::AtEdit if cost.is_some() => Source::StartedEarly,
            history::Source::Asked | history::Source::AtEdit => Source::Earlier,
            history::Source::IfAccepted | history::Source::IfDiverged | history::Source::AtRest => {
                Source::Prefetched
            }
        };
        match self.ghost(question, recalled, model) {
            Ok(shown) => Answer::Ghost(Ghost {
                text: shown.text,
                evidence: Some(shown.evidence),
                source,
                is_part: shown.is_part,
                cost,
            }),
            Err(unshown) => Answer::Silence(unshown.into(), cost),
        }
    }

    /// What of something recalled may be shown. What was worth showing does not vanish because its surest
    /// part has been typed.
    pub(super) fn ghost(
        &self,
        question: &Question,
        recalled: &Recalled,
        model: &Summary,
    ) -> Result<Shown, Unshown> {
        let mut raw = Raw {
            text: &recalled.text,
            confidence: recalled.confidence,
            shape: recalled.shape,
            format: &model.plan.format,
            goes_on: recalled.stop == StopReason::Deadline,
        };
        let shown = match self.shown(question, &raw) {
            Err(Unshown::Unsure) => {
                raw.confidence = recalled.confidence_of_whole;
                self.shown(question, &raw)
            }
            other => other,
        };
        let start = recalled.typed_bytes;
        let part = start..start + recalled.text.len();
        self.or_beginning(shown, question, &raw, &recalled.tokens, &part)
    }

    /// `shown`, or the beginning that is likely where the whole is too unlikely.
    pub(super) fn or_beginning(
        &self,
        shown: Result<Shown, Unshown>,
        question: &Question,
        raw: &Raw<'_>,
        tokens: &[Likelihood],
        part: &Range<usize>,
    ) -> Result<Shown, Unshown> {
        shown.or_else(|unshown| {
            let place = (&question.snapshot, question.cursor);
            let wanted = self.wanted(question.is_invoked);
            let is_unsure = unshown == Unshown::Unsure;
            let beginning = is_unsure.then(|| ask::beginning(raw, tokens, part, place, &wanted));
            beginning.flatten().ok_or(unshown)
        })
    }

    /// What to show where the rest of what is on the screen has been typed along, if that is what is wanted: the rest, or
    /// more, if only a beginning was likely when it came and more is by now.
    pub(super) fn typed_along(
        &self,
        open: &mut Open,
        question: &Question,
        ready: Option<&Ready>,
        rest: String,
    ) -> Option<Ghost> {
        let ghost = |text, source, is_part| Ghost {
            text,
            evidence: None,
            source,
            is_part,
            cost: None,
        };
        if !open.work.shows_part {
            return Some(ghost(rest, Source::TypedThrough, false));
        }
        if question.is_invoked {
            // That is a question for the whole.
            return None;
        }
        let (snapshot, cursor) = (&question.snapshot, question.cursor);
        let longer = ready.and_then(|ready| {
            let shape = ask::shape(snapshot, cursor, false, &self.wanted(false))?;
            let recalled = open.work.history.recall(snapshot, cursor, shape)?;
            let shown = self.ghost(question, &recalled, &ready.model).ok()?;
            let is_longer = shown.text.len() > rest.len() && shown.text.starts_with(&rest);
            is_longer.then_some(shown)
        });
        Some(match longer {
            Some(shown) => ghost(shown.text, Source::Earlier, shown.is_part),
            None => ghost(rest, Source::TypedThrough, true),
        })
    }

    pub(super) fn shown(&self, question: &Question, raw: &Raw<'_>) -> Result<Shown, Unshown> {
        ask::shown(
            raw,
            &question.snapshot,
            question.cursor,
            question.is_invoked,
            &self.wanted(question.is_invoked),
        )
    }
}

impl From<Unshown> for Source {
    fn from(unshown: Unshown) -> Source {
        match unshown {
            Unshown::Nothing => Source::Nothing,
            Unshown::Unsure => Source::Unsure,
        }
    }
}
