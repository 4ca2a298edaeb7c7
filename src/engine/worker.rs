//! One job after the other: from its prompt to its completion. Runs on the engine thread, which is
//! `engine.rs`; knows no threads itself.
//!
//! A job walks along a *path* of tokens: the prompt's, then the chosen ones. At each place of the path
//! it needs the row of logits there, and `reach` is the only function that asks the model for one:
//! what the sequence holds already and has a kept row for costs nothing, be it the prompt of a
//! moment ago, ghost text that was generated and is now typed or accepted, or a forced token of
//! healing.

use std::time::{Duration, Instant};

use super::{
    Branch, Cancel, Completion, Outcome, Usage,
    heal::{self, SortedVocabulary},
    mailbox::Task,
    model::{Model, ModelError, Sequence, Token},
    rows::Rows,
    sample,
    sequences::{Place, Sequences},
    tokens::{MissingToken, Tokens},
};
use crate::suggest::{gate::Confidence, stop::StopReason};

/// How many prompt tokens are evaluated at once: between two chunks a job can be cancelled even by a
/// model that cannot stop within one.
const CHUNK: usize = 64;

/// A model and all that is remembered about it.
pub struct Worker {
    model: Box<dyn Model>,
    sequences: Sequences,
    rows: Rows,
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
    pub fn new(model: Box<dyn Model>, context_length: usize) -> Worker {
        let known = if context_length == 0 {
            usize::MAX
        } else {
            context_length
        };
        Worker {
            longest: model.capacity().min(known),
            sequences: Sequences::new(model.sequences()),
            rows: Rows::new(model.vocabulary_size()),
            tokens: Tokens::default(),
            vocabulary: SortedVocabulary::new(&*model),
            failures: 0,
            model,
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
                self.forget_everything();
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
    pub fn forget(&mut self, document: super::DocumentId) {
        self.sequences.retire(document);
    }

    fn try_complete(&mut self, task: &mut Task, queued: Duration) -> Result<Completion, Trouble> {
        let started = Instant::now();
        if task.cancel.is_cancelled() {
            return Err(ModelError::Cancelled.into());
        }
        if !task.reuses {
            self.forget_everything();
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
        let mut path = self
            .tokens
            .of(&*self.model, &task.prompt.head, &tail[..boundary], limit)?;
        usage.prompt_tokens = path.len();
        let mut written = Written::default();
        if path.is_empty() {
            // A model needs something to go on from: an empty document without a control token.
            return Ok(written.finish(StopReason::EndToken, Vec::new(), usage));
        }

        let sequence = self.enter(&path, task.document);
        usage.evaluated_tokens = self.reach(sequence, &path, &task.cancel)?;
        usage.reused_tokens = usage.prompt_tokens - usage.evaluated_tokens;
        usage.prompt = started.elapsed();
        let started = Instant::now();

        let mut left = max_tokens;
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
                .rows
                .get(sequence, path.len())
                .expect("the row at the end of the path was kept by `reach`");
            let choice = if rest.is_empty() {
                sample::best(row)
            } else {
                self.vocabulary.choose(&*self.model, row, rest)
            };
            let choice = choice
                .ok_or_else(|| ModelError::Failed("its output is not a number".to_owned()))?;
            let piece = self.model.piece(choice.token);
            let healed = piece.len().min(rest.len());
            let is_forced = healed > 0 && healed == piece.len();
            if wanted > 0 && (!is_forced || left == 0) {
                // Not before: tokens that only spell what is typed do not tell what follows.
                let wanted = std::mem::take(&mut wanted);
                branches = self.vocabulary.branches(&*self.model, row, rest, wanted);
            }
            if left == 0 {
                break StopReason::MaxTokens;
            }
            if self.model.is_end(choice.token) {
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
            let evaluated = self.reach(sequence, &path, &task.cancel)?;
            usage.replayed_tokens += usize::from(evaluated == 0);
        };
        usage.decode = started.elapsed();
        Ok(written.finish(stop, branches, usage))
    }

    /// The sequence that is going to hold `prompt`.
    fn enter(&mut self, prompt: &[Token], document: super::DocumentId) -> Sequence {
        match self.sequences.choose(prompt, document) {
            Place::Here(sequence) => sequence,
            Place::Fork { from, to } => {
                // Whole, then cut by `reach`: models that cannot keep a part cannot copy one either,
                // but say so when they truncate.
                let len = self.sequences.held(from).len();
                let shared = self.sequences.shared(from, prompt);
                self.model.copy(from, to, len);
                self.sequences.copy(from, to);
                self.rows.copy(from, to, shared);
                to
            }
        }
    }

    /// Makes `sequence` hold `path`, with its row kept; says how many tokens were evaluated for it.
    /// Nothing is, when all is held and the row is there; then what the sequence holds behind stays.
    fn reach(
        &mut self,
        sequence: Sequence,
        path: &[Token],
        cancel: &Cancel,
    ) -> Result<usize, ModelError> {
        let shared = self.sequences.shared(sequence, path);
        if shared == path.len() && self.rows.has(sequence, shared) {
            return Ok(0);
        }
        let kept = self.truncate(sequence, shared.min(path.len() - 1));
        for chunk in path[kept..].chunks(CHUNK.min(self.model.batch_size()).max(1)) {
            if cancel.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            self.evaluate(sequence, chunk, cancel)?;
        }
        self.rows.keep(sequence, path.len(), self.model.logits(0));
        Ok(path.len() - kept)
    }

    /// Appends one chunk to the sequence, making room for it.
    fn evaluate(
        &mut self,
        sequence: Sequence,
        chunk: &[Token],
        cancel: &Cancel,
    ) -> Result<(), ModelError> {
        while self.sequences.used_cells() + chunk.len() > self.model.capacity()
            && self.evict(sequence)
        {}
        let len = self.sequences.held(sequence).len();
        let mut result = self.model.decode(sequence, len, chunk, 1, cancel);
        // The model knows better what fits: fragmented memory, for one.
        while result == Err(ModelError::Full) && self.evict(sequence) {
            result = self.model.decode(sequence, len, chunk, 1, cancel);
        }
        result?;
        self.sequences.append(sequence, chunk);
        Ok(())
    }

    /// Empties the sequence that is needed least, other than `sequence`; false when there is none.
    fn evict(&mut self, sequence: Sequence) -> bool {
        let victim = self.sequences.evictable(sequence);
        if let Some(victim) = victim {
            self.truncate(victim, 0);
        }
        victim.is_some()
    }

    /// Forgets everything from the `len`-th token on; says how many are left, 0 if the model cannot
    /// keep a part.
    fn truncate(&mut self, sequence: Sequence, len: usize) -> usize {
        let held = self.sequences.held(sequence).len();
        if len >= held {
            return held;
        }
        let len = if self.model.truncate(sequence, len) {
            len
        } else {
            0
        };
        self.sequences.truncate(sequence, len);
        self.rows.truncate(sequence, len);
        len
    }

    fn forget_everything(&mut self) {
        for sequence in (0..self.model.sequences()).map(Sequence) {
            // Also those that the mirror says are empty: it may be asked because it is in doubt.
            self.model.truncate(sequence, 0);
            self.sequences.truncate(sequence, 0);
            self.rows.truncate(sequence, 0);
        }
    }
}

/// Text as it is being written, and how sure the model was of it.
#[derive(Default)]
struct Written {
    text: String,
    /// The start of a character whose end has not come yet.
    held_back: Vec<u8>,
    /// Whether bytes came that are no text, whatever follows.
    is_broken: bool,
    /// Where each token starts, and its log probability.
    tokens: Vec<(usize, f32)>,
}

impl Written {
    /// Whether there is more text than before.
    fn push(&mut self, bytes: &[u8], log_probability: f32) -> bool {
        self.tokens
            .push((self.text.len() + self.held_back.len(), log_probability));
        self.held_back.extend_from_slice(bytes);
        let before = self.text.len();
        let complete = self
            .held_back
            .utf8_chunks()
            .next()
            .map_or("", |chunk| chunk.valid());
        self.text += complete;
        let error = std::str::from_utf8(&self.held_back).err();
        self.is_broken |= error.is_some_and(|error| error.error_len().is_some());
        self.held_back.drain(..self.text.len() - before);
        self.text.len() > before
    }

    /// Keeps the first `keep` bytes.
    fn truncate(&mut self, keep: usize) {
        self.text.truncate(keep);
    }

    /// Of the tokens that something is left of.
    fn confidence(&self) -> Confidence {
        let shown = self
            .tokens
            .partition_point(|(start, _)| *start < self.text.len());
        let shown = self.tokens[..shown].iter().map(|(_, it)| *it);
        Confidence {
            first: shown.clone().next().unwrap_or_default(),
            mean: shown.clone().sum::<f32>() / shown.len().max(1) as f32,
        }
    }

    fn finish(self, stop: StopReason, branches: Vec<Branch>, usage: Usage) -> Completion {
        Completion {
            confidence: self.confidence(),
            text: self.text,
            stop,
            branches,
            usage,
        }
    }
}

#[cfg(test)]
mod tests;
