//! One job after the other: from its prompt to its completion. Runs on the engine thread, which is
//! `engine.rs`; knows no threads itself.
//!
//! A job walks along a *path* of tokens: the prompt's, then the chosen ones. At each place of the path
//! it needs the row of logits there, and `Memory::reach` is the only function that asks the model for
//! one: what a sequence holds already and has a kept row for costs nothing, be it the prompt of a
//! moment ago, ghost text that was generated and is now typed or accepted, or a forced token of
//! healing.

use std::time::Duration;

use super::{
    Cancel, Completion, DocumentId, Outcome, Pace, Priority, Speculation, Usage,
    heal::{self, SortedVocabulary},
    mailbox::Task,
    memory::{Clock, Memory, Seat},
    mix::{Known, Mixer},
    model::{Model, ModelError, Token},
    sample,
    speculation::Speculator,
    tokens::{MissingToken, Tokens},
    written::Written,
};
use crate::suggest::stop::StopReason;

/// One part in so many of the context is kept free of the prompt, for a healed word and the answer.
const RESERVE: usize = 8;

/// A model and all that is remembered about it.
pub struct Worker {
    memory: Memory,
    tokens: Tokens,
    /// Of the open files.
    known: Known,
    vocabulary: SortedVocabulary,
    speculator: Speculator,
    speculation: Speculation,
    /// Where the last job that somebody waited for has got to, if that may have to be caught up with.
    behind: Option<(Seat, Vec<Token>)>,
    /// Tokens evaluated that no job has told of yet.
    beside: usize,
    /// How many tokens a prompt and its completion may have together.
    longest: usize,
    failures: usize,
    has_lost_device: bool,
}

/// Why there is no completion.
enum Trouble {
    Prompt(MissingToken),
    /// Cancelled, too.
    Model(ModelError),
}

impl From<MissingToken> for Trouble {
    fn from(error: MissingToken) -> Trouble {
        Trouble::Prompt(error)
    }
}

impl From<ModelError> for Trouble {
    fn from(error: ModelError) -> Trouble {
        Trouble::Model(error)
    }
}

impl Worker {
    /// `context_length` is how many tokens the model was made for; 0 if nobody knows. Sorts the
    /// vocabulary, which takes 95 ms for 152 k tokens.
    pub fn new(model: Box<dyn Model>, context_length: usize, clock: Clock) -> Worker {
        let known = if context_length == 0 {
            usize::MAX
        } else {
            context_length
        };
        Worker {
            longest: model.capacity().min(known),
            tokens: Tokens::default(),
            known: Known::default(),
            vocabulary: SortedVocabulary::new(&*model),
            failures: 0,
            has_lost_device: false,
            speculator: Speculator::default(),
            speculation: Speculation::default(),
            behind: None,
            beside: 0,
            memory: Memory::new(model, clock),
        }
    }

    /// Does a job. Never panics because of what is in it; a model may.
    pub fn complete(&mut self, task: &mut Task, queued: Duration) -> Outcome {
        let before = self.memory.evaluated();
        match self.try_complete(task, queued) {
            Ok(mut completion) => {
                self.failures = 0;
                completion.usage.beside_tokens = std::mem::take(&mut self.beside);
                Outcome::Done(completion)
            }
            Err(Trouble::Model(ModelError::Cancelled)) => {
                self.beside += self.memory.evaluated() - before;
                Outcome::Cancelled
            }
            Err(Trouble::Model(error)) => {
                self.failures += 1;
                self.has_lost_device |= matches!(error, ModelError::Device(_));
                // What the model holds after a failure nobody knows.
                self.memory.forget_everything();
                Outcome::Failed(error.to_string())
            }
            Err(Trouble::Prompt(error)) => Outcome::Failed(error.to_string()),
        }
    }

    /// How often the model has failed since it last did a job.
    pub fn failures(&self) -> usize {
        self.failures
    }

    /// Whether the model has to be loaded again, with less of it on a device.
    pub fn has_lost_device(&self) -> bool {
        self.has_lost_device
    }

    /// The document is closed: others get its sequences first.
    pub fn forget(&mut self, document: DocumentId) {
        self.memory.retire(document);
    }

    pub fn speculate(&mut self, speculation: Speculation) {
        self.speculation = speculation;
    }

    /// What can be done once the last job is answered, within 1 ms.
    pub fn tidy_up(&mut self) {
        self.speculator.learn();
    }

    /// For how long nobody has to want anything before `rest` is of use.
    pub fn rests_after(&self) -> Option<Duration> {
        self.memory.model.rests_after()
    }

    /// Does what is for calm moments.
    pub fn rest(&mut self, cancel: &Cancel) {
        self.memory.model.rest(cancel);
    }

    /// How fast the model was when it was measured.
    pub fn expect(&mut self, pace: Pace) {
        self.memory.expect(pace);
    }

    pub fn pace(&self) -> Pace {
        self.memory.pace()
    }

    fn try_complete(&mut self, task: &mut Task, queued: Duration) -> Result<Completion, Trouble> {
        let started = self.memory.now();
        if task.cancel.is_cancelled() {
            return Err(ModelError::Cancelled.into());
        }
        self.memory.model.hurry(task.priority == Priority::Now);
        if !task.reuses {
            self.memory.forget_everything();
            self.tokens.clear();
            self.known = Known::default();
        }
        if task.priority != Priority::Now
            && let Some((seat, path)) = &mut self.behind
        {
            let caught = self.memory.catch_up(seat, path, &task.cancel)?;
            self.beside += caught;
        }
        self.behind = None;
        let boundary = self.boundary(task);
        let healed_bytes = task.prompt.tail.len() - boundary;
        let mut usage = Usage {
            queued,
            healed_bytes,
            ..Usage::default()
        };

        // The same for all jobs, so that a prompt is shortened alike for what is done ahead and for the key.
        let limit = self.longest - self.longest / RESERVE;
        let path = self.tokens.of(
            &*self.memory.model,
            &task.prompt.head,
            &task.prompt.tail[..boundary],
            limit.max(1),
        )?;
        usage.prompt_tokens = path.len();
        let room = (self.longest - path.len()).saturating_sub(healed_bytes);
        task.max_tokens = self.memory.pace().longest(task.max_tokens).min(room);
        if path.is_empty() {
            // A model needs something to go on from: an empty document without a control token.
            return Ok(Written::default().finish(StopReason::EndToken, Vec::new(), usage));
        }

        let is_place = task.max_tokens == 0 && task.priority != Priority::Now;
        let mut seat = match is_place {
            true => (self.memory).enter_ahead(&path, task.document, task.replaces),
            false => self.memory.enter(&path, task.document, task.priority),
        };
        let reader = task.progress.as_ref();
        let reached = (self.memory).read_prompt(&mut seat, &path, reader, &task.cancel)?;
        if task.priority == Priority::Now {
            self.memory.read(reached.evaluated, reached.took);
        }
        if is_place {
            if let Some(nearby) = &task.prompt.nearby {
                nearby.prepare();
            }
            let caught = self.memory.catch_up(&mut seat, &path, &task.cancel)?;
            self.beside += caught;
        }
        usage.evaluated_tokens = reached.evaluated;
        usage.reused_tokens = usage.prompt_tokens - usage.evaluated_tokens;
        usage.prompt = self.memory.now().saturating_sub(started);
        self.generate(task, boundary, seat, path, usage)
    }

    /// Where the part of the tail starts that constrains decoding instead of being evaluated.
    fn boundary(&self, task: &Task) -> usize {
        let tail = &task.prompt.tail;
        Some(heal::boundary(tail))
            .filter(|at| task.heals && self.vocabulary.can_spell(&tail.as_bytes()[*at..]))
            .unwrap_or(tail.len())
    }

    /// Chooses token after token from the end of the prompt on, which is `path` and has been reached.
    fn generate(
        &mut self,
        task: &mut Task,
        boundary: usize,
        mut seat: Seat,
        mut path: Vec<Token>,
        mut usage: Usage,
    ) -> Result<Completion, Trouble> {
        let started = self.memory.now();
        let speculation = match task.priority {
            Priority::Now if task.reuses => self.speculation,
            _ => Speculation::Off,
        };
        let model = &*self.memory.model;
        self.speculator
            .begin(model, speculation, task, boundary, &path);
        let known = &mut self.known;
        // Where the model chooses alone, places elsewhere are of use only if drafts are.
        let is_looked_at = task.mixes || self.speculator.is_on();
        let mut mixer = task
            .prompt
            .nearby
            .clone()
            .filter(|_| is_looked_at)
            .map(|nearby| {
                let known = std::mem::take(known);
                Mixer::new(nearby, &task.prompt.tail, boundary, known, task.mixes)
            });
        let mut rest = &task.prompt.tail.as_bytes()[boundary..];
        let mut written = Written::default();
        let (mut wanted, mut branches) = (task.branches, Vec::new());
        let mut left = task.max_tokens;
        let stop = loop {
            if left == 0 && wanted == 0 {
                break StopReason::MaxTokens;
            }
            if task.cancel.is_cancelled() {
                return Err(ModelError::Cancelled.into());
            }
            let model = &*self.memory.model;
            let row = self
                .memory
                .rows
                .get(seat.reads, path.len(), task.priority)
                .expect("the row at the end of the path was kept by `reach`");
            let choice = if rest.is_empty() {
                sample::best(row)
            } else {
                self.vocabulary.choose(model, row, rest)
            };
            let choice = choice
                .ok_or_else(|| ModelError::Failed("its output is not a number".to_owned()))?;
            let choice = match &mut mixer {
                Some(mixer) => mixer.choose(model, row, rest, choice),
                None => choice,
            };
            let piece = model.piece(choice.token);
            let healed = piece.len().min(rest.len());
            let is_forced = healed > 0 && healed == piece.len();
            if wanted > 0 && (!is_forced || left == 0) {
                // Not before: tokens that only spell what is typed do not tell what follows.
                let wanted = std::mem::take(&mut wanted);
                branches = self.vocabulary.branches(model, row, rest, wanted);
            }
            if left == 0 {
                break StopReason::MaxTokens;
            }
            if model.is_end(choice.token) {
                break StopReason::EndToken;
            }
            usage.generated_tokens += 1;
            rest = &rest[healed..];
            path.push(choice.token);
            if let Some(mixer) = &mut mixer {
                mixer.step(piece);
            }
            let is_drafted = self.speculator.step(choice.token, piece);
            usage.accepted_tokens += usize::from(is_drafted);
            if let Some(mixer) = &mixer {
                self.speculator.offer(mixer.ahead());
            }
            if !is_forced {
                left -= 1;
                let has_grown = written.push(&piece[healed..], choice.log_probability);
                if has_grown && let Some((reason, keep)) = (task.stop)(&written.text) {
                    written.truncate(keep);
                    break reason;
                }
                if has_grown && let Some(progress) = &task.progress {
                    progress.grow(&written.text, written.tokens(), &usage);
                }
                if written.is_broken {
                    break StopReason::EndToken;
                }
                if left == 0 {
                    break StopReason::MaxTokens;
                }
            }

            let is_there = self.memory.has(&seat, &path);
            // What is still to be spelled is not up to the model, and one token takes no draft.
            let ahead = if rest.is_empty() && !is_there && self.memory.keeps_parts() {
                self.speculator.draft(speculation, left - 1)
            } else {
                &[]
            };
            let reached = self.memory.reach(&mut seat, &path, ahead, &task.cancel)?;
            if reached.ahead < ahead.len() {
                self.speculator.withdraw();
            }
            // A prompt that was found in work done ahead has to be evaluated where this goes on.
            let late = usage
                .prompt_tokens
                .saturating_sub(path.len() - reached.evaluated);
            let late = late.min(usage.reused_tokens);
            usage.reused_tokens -= late;
            usage.evaluated_tokens += late;
            if reached.evaluated == 1 {
                self.speculator.took(reached.ahead, reached.took);
            }
            usage.drafted_tokens += reached.ahead;
            usage.replayed_tokens += usize::from(is_there && !is_drafted);
        };
        if let Some(mixer) = mixer {
            self.known = mixer.into_known();
        }
        self.speculator
            .end(task, boundary, &path, usage.prompt_tokens);
        if task.priority == Priority::Now {
            path.truncate(usage.prompt_tokens + usage.generated_tokens.saturating_sub(1));
            self.behind = Some((seat, path));
        }
        usage.decode = self.memory.now().saturating_sub(started);
        Ok(written.finish(stop, branches, usage))
    }
}

#[cfg(test)]
mod tests;
