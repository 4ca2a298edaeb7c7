//! Waiting for a running job: until it ends, the request is superseded, or time is up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::oneshot, time};

use super::{
    asking::{Pending, Question},
    inline::Asked,
    session::Session,
    work::Superseded,
};
use crate::{
    engine::{Outcome, Usage},
    suggest::{
        ask::{self, Raw, Shown},
        beginning,
        gate::{self, Confidence, Likelihood},
        history::{Said, Source},
        outlook::Outlook,
        stop::StopReason,
    },
};

/// VS Code drops the answers of a provider that takes more than 750 ms, and those of the others with them.
pub(super) const PATIENCE: Duration = Duration::from_millis(700);

/// What came first.
pub(super) enum Ended {
    Landed(Outcome),
    Superseded,
    /// Time is up, and the whole words that there are so far are worth showing.
    InPart(String),
    /// Whatever the job goes on to write, it will not be shown; only this beginning, if it is any. It goes on: what is
    /// typed next may agree with it. What it has cost so far.
    Settled(Option<Box<Shown>>, Usage),
    /// Time is up, and there is nothing yet.
    Late,
}

/// VS Code cancels a request up to half a millisecond before it sends the edit that the job may agree with
/// (`tests/traces`); the rest is for a busy machine.
const GRACE: Duration = Duration::from_millis(10);

/// Stops the job soon after the request is dropped, which is how the client cancels it; not when it was
/// superseded, or an edit has followed, because then the job may be what the next request wants.
struct Waiting<'a> {
    /// `None` when the wait is over.
    left: Option<Left>,
    superseded: &'a mut Superseded,
}

/// A job that nobody waits for any more.
struct Left {
    session: Arc<Session>,
    uri: String,
    revision: u64,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let superseded = self.superseded.try_recv();
        let Some(left) = self.left.take() else { return };
        if superseded == Err(oneshot::error::TryRecvError::Empty) {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(left.end())),
                Err(_) => left.stop(),
            }
        }
    }
}

impl Left {
    async fn end(self) {
        time::sleep(GRACE).await;
        self.stop();
    }

    fn stop(&self) {
        self.session.documents.with(&self.uri, |open| {
            if open.revision == self.revision {
                open.work.stop_unawaited(self.number);
            }
        });
    }
}

impl Session {
    /// Waits for `pending` on behalf of a request that came at `started`.
    pub(super) async fn wait(
        self: &Arc<Self>,
        asked: &mut Asked,
        pending: &mut Pending,
        started: Instant,
    ) -> Ended {
        let (question, shows_at) = (&asked.question, asked.shows_at);
        let mut waiting = Waiting {
            left: Some(Left {
                session: Arc::clone(self),
                uri: question.uri.clone(),
                revision: question.revision,
                number: pending.joined.number,
            }),
            superseded: &mut asked.superseded,
        };
        let end = started + PATIENCE;
        let deadline = self.config().latency.deadline_ms;
        let mut until = deadline.map_or(end, |after| {
            let deadline = started + Duration::from_millis(after);
            shows_at.map_or(deadline, |shows_at| deadline.max(shows_at))
        });
        let mut settled = self.settled(question, pending);
        let ended = loop {
            tokio::select! {
                biased;
                _ = &mut *waiting.superseded => break Ended::Superseded,
                outcome = &mut pending.joined.landed => {
                    break Ended::Landed(outcome.unwrap_or(Outcome::Cancelled));
                }
                // Where it ends otherwise, the job does.
                Ok(usage) = &mut settled, if !settled.is_terminated() => {
                    self.documents.with(&question.uri, |open| {
                        open.work.told_so_far(pending.joined.number, usage);
                    });
                    let beginning = self.beginning_so_far(question, pending).map(Box::new);
                    break Ended::Settled(beginning, usage.since(&pending.joined.told));
                }
                () = time::sleep_until(until.into()) => {
                    if let Some(ghost) = self.in_part(question, pending) {
                        break Ended::InPart(ghost);
                    }
                    if until >= end {
                        break Ended::Late;
                    }
                    until = end;
                }
            }
        };
        waiting.left = None;
        ended
    }

    /// Resolves when it is certain that nothing more will be shown of what the job writes.
    fn settled(&self, question: &Question, pending: &Pending) -> oneshot::Receiver<Usage> {
        let Pending { joined, model, .. } = pending;
        let threshold = match question.is_invoked {
            true => 0.0,
            false => self.wanted(false).min_confidence,
        };
        let outlook = Outlook::new(
            &model.plan.format.name,
            threshold,
            (&question.snapshot, question.cursor),
            joined.shape,
            self.config().completion.max_tokens,
        );
        let typed = joined.typed.len();
        let wanted = self.wanted(question.is_invoked);
        let of_beginning = beginning::threshold(threshold);
        // As it is recalled once it is there: by all of its tokens, or by those of the rest.
        let (mut whole, mut rest) = (outlook.clone(), outlook);
        let (tell, told) = oneshot::channel();
        let mut tell = Some(tell);
        joined.progress.watch(move |text, tokens, usage| {
            let behind = text.get(typed..).unwrap_or_default();
            let is_behind = tokens.last().is_some_and(|token| token.start >= typed);
            if behind.is_empty() || !is_behind {
                return false;
            }
            let part = typed..text.len();
            let of_rest = gate::tokens_of(tokens, &part);
            let sum: f64 = of_rest.iter().map(|it| f64::from(it.log_probability)).sum();
            let beginning_grows = wanted.partial_lines && sum.exp() >= of_beginning;
            let is_settled = rest.is_hopeless(of_rest)
                && (typed == 0 || whole.is_hopeless(tokens))
                && !beginning_grows;
            if let Some(tell) = tell.take_if(|_| is_settled) {
                // Nobody listens when the request was superseded.
                let _ = tell.send(*usage);
            }
            is_settled
        });
        told
    }

    /// What may be shown of the beginning of what the job has written.
    fn beginning_so_far(&self, question: &Question, pending: &Pending) -> Option<Shown> {
        let joined = &pending.joined;
        let (text, tokens) = joined.progress.so_far();
        let part = joined.typed.len()..text.len();
        let raw = Raw {
            text: text.get(part.clone())?,
            confidence: Confidence::default(),
            shape: joined.shape,
            format: &pending.model.plan.format,
            // Its last word may.
            goes_on: false,
        };
        let place = (&question.snapshot, question.cursor);
        let wanted = self.wanted(question.is_invoked);
        let shown = ask::beginning(&raw, gate::tokens_of(&tokens, &part), &part, place, &wanted)?;
        let (tokens, confidence) = said_behind(&tokens, part.start, shown.text.len());
        self.remember_part(question, pending, &shown.text, tokens, confidence);
        Some(shown)
    }

    /// Remembers the beginning of what a job is writing, so that it is there at the next key whether or not the job is
    /// done by then; it may be stopped, too.
    fn remember_part(
        &self,
        question: &Question,
        pending: &Pending,
        text: &str,
        tokens: Vec<Likelihood>,
        confidence: Confidence,
    ) {
        let joined = &pending.joined;
        let said = Said {
            text: text.to_owned(),
            shape: joined.shape,
            stop: StopReason::Deadline,
            confidence,
            tokens,
            source: Source::Asked,
        };
        self.documents.with(&question.uri, |open| {
            let is_current = open.revision == question.revision && open.work.is_of(question.epoch);
            // What the job has said to its end is known to be more.
            if is_current && open.work.is_running(joined.number) {
                let (snapshot, cursor) = (&question.snapshot, question.cursor);
                open.work.remember(snapshot, cursor, said);
            }
        });
    }

    /// Holds ghost text back until it may come; whether the request is still wanted then.
    pub(super) async fn is_held(&self, asked: &mut Asked) -> bool {
        let Some(shows_at) = asked.shows_at else {
            return true;
        };
        tokio::select! {
            biased;
            _ = &mut asked.superseded => false,
            () = time::sleep_until(shows_at.into()) => true,
        }
    }

    /// What the job has written so far, without the word it is writing, as it may be shown.
    fn in_part(&self, question: &Question, pending: &Pending) -> Option<String> {
        let joined = &pending.joined;
        let (text, tokens) = joined.progress.so_far();
        let text = whole_words(text.strip_prefix(joined.typed.as_str())?);
        let (tokens, confidence) = said_behind(&tokens, joined.typed.len(), text.len());
        let raw = Raw {
            text,
            confidence,
            shape: joined.shape,
            format: &pending.model.plan.format,
            goes_on: true,
        };
        let ghost = self.shown(question, &raw).ok()?.text;
        self.remember_part(question, pending, text, tokens, confidence);
        Some(ghost)
    }
}

/// The tokens of the `len` bytes behind the first `start`, counted from there, and what they say of them.
fn said_behind(tokens: &[Likelihood], start: usize, len: usize) -> (Vec<Likelihood>, Confidence) {
    let tokens: Vec<Likelihood> = gate::tokens_of(tokens, &(start..start + len))
        .iter()
        .map(|token| Likelihood {
            start: token.start.saturating_sub(start),
            ..*token
        })
        .collect();
    let confidence = Confidence::of(&tokens).unwrap_or_default();
    (tokens, confidence)
}

/// `text` up to the end of its last word that is certainly complete.
fn whole_words(text: &str) -> &str {
    let is_in_word = |character: char| character.is_alphanumeric() || character == '_';
    text.trim_end_matches(is_in_word).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_may_go_on_is_not_shown() {
        assert_eq!(whole_words("let answer"), "let");
        assert_eq!(whole_words("let answer "), "let answer");
        assert_eq!(whole_words("f(x);"), "f(x);");
        assert_eq!(whole_words("größe_2"), "");
    }
}
