//! One question to one server: from the prompt to the completion, with the same rules for where it ends as in this
//! process, and cut off as soon as nobody wants the rest.
//!
//! A server cannot be held to half a word as the engine here can: it gets everything that is typed, and goes on from
//! there. Only blanks behind text are kept back, since tokens begin with them: the answer has to begin with them, too.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout, timeout_at};

use super::{
    super::{Cancel, Completion, Job, Usage, written::Written},
    Settings,
    connection::{Answer, LONGEST_ANSWER},
    endpoint::Endpoint,
    events::Events,
    probe::Facts,
    protocol::{self, Dialect, Question, Said},
    trouble::Trouble,
};
use crate::{
    prompt::parts::Parts,
    suggest::stop::{Stop, StopReason},
};

/// A flag tells that a job is cancelled; it is looked at so often.
const LOOK: Duration = Duration::from_millis(1);

/// What is left of an answer whose end is known is read within this time, or not at all.
const DRAIN: Duration = Duration::from_secs(1);

/// Comes when the job is cancelled.
pub(super) async fn cancelled(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        sleep(LOOK).await;
    }
}

/// See the module. `has_begun` says afterwards whether the server had answered anything.
pub(super) async fn attempt(
    endpoint: &Arc<Endpoint>,
    facts: &Facts,
    job: &mut Job,
    settings: &Settings,
    has_begun: &mut bool,
) -> Result<Completion, Trouble> {
    let _in_flight = endpoint.enter();
    let cancel = job.cancel.clone();
    let mut parts = Parts::of(&job.prompt).ok_or(Trouble::Cancelled)?;
    let rest = held_back(&mut parts.tail);
    let started = Instant::now();
    let wanted = Question {
        parts: &parts,
        max_tokens: job.max_tokens,
        is_line: job.stop.is_of_line(),
        model: facts.model.as_deref(),
        with_probabilities: true,
        slot: (settings.slots > 0).then(|| job.document.0 as usize % settings.slots),
    };
    let asked = ask(endpoint, facts, wanted);
    let mut answer = tokio::select! {
        biased;
        () = cancelled(&cancel) => {
            endpoint.was_left(started.elapsed(), settings.timeout);
            return Err(Trouble::Cancelled);
        }
        answer = asked => answer?,
    };
    let mut reader = Reader {
        healed_bytes: rest.len(),
        rest,
        written: Written::default(),
        n_tokens: 0,
        usage: Usage::default(),
        first: None,
        started,
    };
    // The rules remember what they have read; another server begins anew.
    let mut stop = job.stop.clone();
    // What only keeps the connection open is no answer.
    let mut due = Instant::now() + settings.timeout;
    let end = loop {
        let said = tokio::select! {
            biased;
            () = cancelled(&cancel) => return Err(Trouble::Cancelled),
            said = timeout_at(due.into(), answer.next()) => said.map_err(|_| Trouble::Late)??,
        };
        let Some(said) = said else {
            return Err(Trouble::Cut);
        };
        *has_begun = true;
        if !said.text.is_empty() {
            due = Instant::now() + settings.timeout;
        }
        if let (Some(known), Some(model), Dialect::Completion { .. }) =
            (&facts.model, &said.model, &facts.dialect)
            && settings.model.is_none()
            && known != model
        {
            endpoint.has_changed();
        }
        if let Some(end) = reader.take(&said, &mut stop, job) {
            break end;
        }
    };
    endpoint.answered(reader.first.unwrap_or_else(|| started.elapsed()));
    if answer.is_whole() {
        // What says the end and the end itself arrive together, most of the time; else it is off the way to the user.
        if timeout(LOOK, answer.drain()).await.is_err() {
            tokio::spawn(async move {
                let _ = timeout(DRAIN, answer.drain()).await;
            });
        }
    }
    Ok(reader.finish(end))
}

/// Takes the blanks off the end of `tail`, where they stand behind text.
fn held_back(tail: &mut String) -> String {
    let text = tail.trim_end_matches([' ', '\t']).len();
    match tail[..text].chars().next_back() {
        None | Some('\n' | '\r') => String::new(),
        Some(_) => tail.split_off(text),
    }
}

/// Sends the question; one that is not understood is put more simply.
async fn ask(
    endpoint: &Endpoint,
    facts: &Facts,
    mut question: Question<'_>,
) -> Result<Streamed, Trouble> {
    let plain = facts.other_format.clone().map(|format| Dialect::OpenAi {
        format: Some(format),
    });
    let hides = endpoint.hides_probabilities.load(Ordering::Relaxed);
    let dialects = [Some(&facts.dialect), plain.as_ref()];
    let mut trouble = Trouble::Strange;
    for dialect in dialects.into_iter().flatten() {
        for with_probabilities in [true, false] {
            if hides && with_probabilities {
                continue;
            }
            question.with_probabilities = with_probabilities;
            let body = dialect.body(&question);
            let body = body.to_string().into_bytes();
            let answer = endpoint.connections.post(&facts.path, body).await?;
            if answer.status == 200 {
                if !with_probabilities {
                    endpoint.hides_probabilities.store(true, Ordering::Relaxed);
                }
                if *dialect != facts.dialect {
                    endpoint.learn(Facts {
                        dialect: dialect.clone(),
                        other_format: None,
                        ..facts.clone()
                    });
                }
                return Streamed::of(answer);
            }
            trouble = Trouble::of_status(answer.status, &facts.path, answer.retry_after);
            // The connection is kept if the server explains itself shortly.
            let _ = timeout(DRAIN, answer.whole()).await;
            if !matches!(trouble, Trouble::NotUnderstood(_)) {
                return Err(trouble);
            }
        }
    }
    Err(trouble)
}

/// An answer as it is said, piece by piece.
struct Streamed {
    answer: Answer,
    events: Events,
    said: std::collections::VecDeque<Said>,
    /// Of a server that does not stream: all of it.
    whole: Option<Vec<u8>>,
    is_ended: bool,
    has_said_all: bool,
}

impl Streamed {
    fn of(answer: Answer) -> Result<Streamed, Trouble> {
        let whole = match answer.content_type.as_str() {
            "text/event-stream" | "" => None,
            "application/json" => Some(Vec::new()),
            other => return Err(Trouble::NoCompletion(other.to_owned())),
        };
        Ok(Streamed {
            answer,
            events: Events::default(),
            said: Default::default(),
            whole,
            is_ended: false,
            has_said_all: false,
        })
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Said>, Trouble> {
        loop {
            if let Some(said) = self.said.pop_front() {
                self.has_said_all |= said.end.is_some();
                return Ok(Some(said));
            }
            if self.is_ended {
                return Ok(None);
            }
            let chunk = self.answer.chunk().await?;
            self.is_ended = chunk.is_none();
            match (&mut self.whole, chunk) {
                (None, Some(bytes)) => {
                    for event in self.events.push(&bytes)? {
                        self.said.push_back(protocol::said(&event)?);
                    }
                    if self.events.is_over() {
                        // What said so without a reason.
                        self.said.push_back(Said {
                            end: Some(StopReason::EndToken),
                            ..Said::default()
                        });
                    }
                }
                (None, None) => {}
                (Some(whole), Some(bytes)) if whole.len() + bytes.len() > LONGEST_ANSWER => {
                    return Err(Trouble::Malformed("too long"));
                }
                (Some(whole), Some(bytes)) => whole.extend_from_slice(&bytes),
                (Some(whole), None) => {
                    let value = serde_json::from_slice(whole);
                    let value = value.map_err(|_| Trouble::Malformed("no JSON"))?;
                    let mut said = protocol::said(&value)?;
                    said.end.get_or_insert(StopReason::EndToken);
                    self.said.push_back(said);
                }
            }
        }
    }

    /// Reads what is left, so that the connection can be used again.
    async fn drain(&mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }

    /// Whether the server has ended by itself.
    fn is_whole(&self) -> bool {
        self.has_said_all || self.is_ended
    }
}

/// What has been read so far.
struct Reader {
    healed_bytes: usize,
    /// What the answer still has to begin with.
    rest: String,
    written: Written,
    n_tokens: usize,
    usage: Usage,
    started: Instant,
    /// When the first text came.
    first: Option<Duration>,
}

impl Reader {
    /// Takes a piece in; why the completion ends with it, if it does.
    fn take(&mut self, said: &Said, stop: &mut Stop, job: &Job) -> Option<StopReason> {
        self.usage.evaluated_tokens = said.evaluated.unwrap_or(self.usage.evaluated_tokens);
        self.usage.generated_tokens = said.generated.unwrap_or(self.usage.generated_tokens);
        if !said.text.is_empty() {
            self.first.get_or_insert_with(|| self.started.elapsed());
            self.n_tokens += said.log_probabilities.len().max(1);
        }
        let mut text = said.text.as_str();
        let agreed = text
            .bytes()
            .zip(self.rest.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        if agreed < text.len().min(self.rest.len()) {
            // It would not have written what is typed.
            self.written.truncate(0);
            return Some(StopReason::EndToken);
        }
        text = text.get(agreed..).unwrap_or_default();
        self.rest.drain(..agreed);
        if let Some((last, others)) = said.log_probabilities.split_last() {
            for probability in others {
                self.written.push(b"", *probability);
            }
            self.grow(text, *last);
        } else if !text.is_empty() {
            // Nobody knows how sure the model is: it counts as sure.
            self.grow(text, 0.0);
        }
        if !text.is_empty() {
            if let Some((reason, keep)) = stop.check(&self.written.text) {
                self.written.truncate(keep);
                return Some(reason);
            }
            if let Some(progress) = &job.progress {
                progress.grow(&self.written.text, self.written.tokens(), &self.usage);
            }
        }
        if said.end.is_none() && self.n_tokens >= job.max_tokens.saturating_mul(2) {
            // A server that does not count as it was asked to.
            return Some(StopReason::MaxTokens);
        }
        said.end
    }

    fn grow(&mut self, text: &str, log_probability: f32) {
        self.written.push(text.as_bytes(), log_probability);
    }

    fn finish(self, end: StopReason) -> Completion {
        let took = self.started.elapsed();
        let prompt = self.first.unwrap_or(took);
        let usage = Usage {
            prompt_tokens: self.usage.evaluated_tokens,
            generated_tokens: self.usage.generated_tokens.max(self.n_tokens),
            healed_bytes: self.healed_bytes,
            prompt,
            decode: took.saturating_sub(prompt),
            ..self.usage
        };
        self.written.finish(end, Vec::new(), usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tail: &str, sent: &str, rest: &str) {
        let mut tail = tail.to_owned();
        let held_back = held_back(&mut tail);
        assert_eq!((tail.as_str(), held_back.as_str()), (sent, rest));
    }

    #[test]
    fn only_blanks_behind_text_are_kept_back() {
        check("let x = ", "let x =", " ");
        check("let x", "let x", "");
        check("    ", "    ", "");
        check("a\n    ", "a\n    ", "");
        check("a \t", "a", " \t");
        check("", "", "");
    }
}
