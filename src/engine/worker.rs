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
    Completion, DocumentId, Outcome, Pace, Usage,
    heal::{self, SortedVocabulary},
    mailbox::Task,
    memory::{Clock, Memory},
    model::{Model, ModelError},
    sample,
    tokens::{MissingToken, Tokens},
    written::Written,
};
use crate::suggest::stop::StopReason;

/// A model and all that is remembered about it.
pub struct Worker {
    memory: Memory,
    tokens: Tokens,
    vocabulary: SortedVocabulary,
    /// How many tokens a prompt and its completion may have together.
    longest: usize,
    failures: usize,
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
            vocabulary: SortedVocabulary::new(&*model),
            failures: 0,
            memory: Memory::new(model, clock),
        }
    }

    /// Does a job. Never panics because of what is in it; a model may.
    pub fn complete(&mut self, task: &mut Task, queued: Duration) -> Outcome {
        match self.try_complete(task, queued) {
            Ok(completion) => {
                self.failures = 0;
                Outcome::Done(completion)
            }
            Err(Trouble::Model(ModelError::Cancelled)) => Outcome::Cancelled,
            Err(Trouble::Model(error)) => {
                self.failures += 1;
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

    /// The document is closed: others get its sequences first.
    pub fn forget(&mut self, document: DocumentId) {
        self.memory.retire(document);
    }

    pub fn pace(&self) -> Pace {
        self.memory.pace()
    }

    fn try_complete(&mut self, task: &mut Task, queued: Duration) -> Result<Completion, Trouble> {
        let started = self.memory.now();
        if task.cancel.is_cancelled() {
            return Err(ModelError::Cancelled.into());
        }
        if !task.reuses {
            self.memory.forget_everything();
            self.tokens.clear();
        }
        let tail = task.prompt.tail.as_str();
        let boundary = if task.heals {
            heal::boundary(tail)
        } else {
            tail.len()
        };
        let boundary = if self.vocabulary.can_spell(&tail.as_bytes()[boundary..]) {
            boundary
        } else {
            tail.len()
        };
        let mut rest = &tail.as_bytes()[boundary..];
        let mut usage = Usage {
            queued,
            healed_bytes: rest.len(),
            ..Usage::default()
        };

        // Half of what fits is for the prompt at least, whatever was asked for.
        let max_tokens = task.max_tokens.min(self.longest / 2);
        let limit = self.longest.saturating_sub(max_tokens + rest.len()).max(1);
        let mut path = self.tokens.of(
            &*self.memory.model,
            &task.prompt.head,
            &tail[..boundary],
            limit,
        )?;
        usage.prompt_tokens = path.len();
        let mut written = Written::default();
        if path.is_empty() {
            // A model needs something to go on from: an empty document without a control token.
            return Ok(written.finish(StopReason::EndToken, Vec::new(), usage));
        }

        let mut seat = self.memory.enter(&path, task.document, task.priority);
        usage.evaluated_tokens = self.memory.reach(&mut seat, &path, &[], &task.cancel)?;
        usage.reused_tokens = usage.prompt_tokens - usage.evaluated_tokens;
        usage.prompt = self.memory.now().saturating_sub(started);
        let started = self.memory.now();

        let mut left = max_tokens;
        // One token can be chosen without a step.
        let affordable = task.budget.and_then(|budget| self.pace().tokens(budget));
        let mut steps_left = affordable.map_or(usize::MAX, |tokens| tokens - 1);
        let mut wanted = task.branches;
        let mut branches = Vec::new();
        let stop = loop {
            if left == 0 && wanted == 0 {
                break StopReason::MaxTokens;
            }
            if task.cancel.is_cancelled() {
                return Err(ModelError::Cancelled.into());
            }
            let row = self
                .memory
                .rows
                .get(seat.sequence, path.len(), task.priority)
                .expect("the row at the end of the path was kept by `reach`");
            let choice = if rest.is_empty() {
                sample::best(row)
            } else {
                self.vocabulary.choose(&*self.memory.model, row, rest)
            };
            let choice = choice
                .ok_or_else(|| ModelError::Failed("its output is not a number".to_owned()))?;
            let piece = self.memory.model.piece(choice.token);
            let healed = piece.len().min(rest.len());
            let is_forced = healed > 0 && healed == piece.len();
            if wanted > 0 && (!is_forced || left == 0) {
                // Not before: tokens that only spell what is typed do not tell what follows.
                let wanted = std::mem::take(&mut wanted);
                branches = self
                    .vocabulary
                    .branches(&*self.memory.model, row, rest, wanted);
            }
            if left == 0 {
                break StopReason::MaxTokens;
            }
            if self.memory.model.is_end(choice.token) {
                break StopReason::EndToken;
            }
            usage.generated_tokens += 1;
            rest = &rest[healed..];
            if !is_forced {
                left -= 1;
                let has_grown = written.push(&piece[healed..], choice.log_probability);
                if has_grown && let Some((reason, keep)) = (task.stop)(&written.text) {
                    written.truncate(keep);
                    break reason;
                }
                if has_grown && let Some(progress) = &task.progress {
                    progress.grow(&written.text, written.confidence());
                }
                if written.is_broken {
                    break StopReason::EndToken;
                }
                if left == 0 {
                    break StopReason::MaxTokens;
                }
            }
            path.push(choice.token);
            if steps_left == 0 && !self.memory.has(&seat, &path) {
                break StopReason::MaxTokens;
            }
            let evaluated = self.memory.reach(&mut seat, &path, &[], &task.cancel)?;
            usage.replayed_tokens += usize::from(evaluated == 0);
            // What only spells what was typed is no part of the text.
            steps_left -= usize::from(evaluated > 0 && !is_forced);
        };
        usage.decode = self.memory.now().saturating_sub(started);
        Ok(written.finish(stop, branches, usage))
    }
}

#[cfg(test)]
mod tests;
