//! What is handed to the engine and what comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::Progress;
use crate::{
    prompt::Prompt,
    suggest::{
        gate::{Confidence, Likelihood},
        stop::{Stop, StopReason},
    },
};

/// Tells a job to stop. One flag, several hands: a dropped request, a newer job, shutdown.
/// Polled by the engine before each step and, through llama.cpp's abort callback, within one.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Cancels its job when dropped.
#[derive(Debug)]
pub struct CancelOnDrop(pub Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Identifies a document to the engine; chosen by the server, unique among its open documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(pub u64);

/// When a job is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody waits for it. It stops whatever idle job is running, within one step of the model, and
    /// replaces what was asked before about the same document.
    #[default]
    Now,
    /// Work done ahead, while there is none of the other kind; the lowest rank first, of equals the
    /// oldest. Several may wait per document.
    Idle(u8),
}

/// One unit of engine work.
pub struct Job {
    /// A newer [`Priority::Now`] job of the same document replaces this one.
    pub document: DocumentId,
    pub priority: Priority,
    pub prompt: Prompt,
    pub max_tokens: usize,
    pub stop: Stop,
    /// Whether a half-typed word at the end constrains decoding instead of being evaluated.
    pub heals: bool,
    /// Whether KV entries and logits of earlier jobs may be used; off only for measurements.
    pub reuses: bool,
    /// Whether what stands elsewhere counts beside the model's opinion; else it is only where drafts come from.
    pub mixes: bool,
    /// How many likely next characters are wanted; 0 costs nothing, any other number one pass over
    /// the vocabulary.
    pub branches: usize,
    /// Whether the prompt is what the document's last one will be replaced by, which may be given up then.
    pub replaces: bool,
    pub cancel: Cancel,
    /// Where the text so far is shown while the job runs.
    pub progress: Option<Arc<Progress>>,
    /// Called exactly once, on the engine thread, or on that of a `submit`, `forget` or `shut_down`.
    /// Must not wait for the engine.
    pub reply: Box<dyn FnOnce(Outcome) + Send>,
}

/// How a job ended.
#[derive(Debug)]
pub enum Outcome {
    Done(Completion),
    /// Cancelled, replaced by a newer job, or idle work that had to make way.
    Cancelled,
    /// The model is not there (yet), or broke; a sentence for the user.
    Failed(String),
}

/// Generated text and what it cost.
#[derive(Clone, Debug)]
pub struct Completion {
    /// Continues the prompt's tail; complete UTF-8, no control token's spelling in it.
    pub text: String,
    pub stop: StopReason,
    pub confidence: Confidence,
    /// How likely each token of the text was, in order.
    pub tokens: Vec<Likelihood>,
    /// What may follow the prompt's tail, the likeliest first; as many as the job wanted or fewer.
    pub branches: Vec<Branch>,
    pub usage: Usage,
}

/// A character that may come next.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// One character. The completion's own first one is among them, if it is likely.
    pub text: String,
    /// That it comes next, given what is typed; 0..=1. All of them together may be less than 1: the text may end
    /// here, or go on with a part of a character, or tokens that end within what is typed do not tell.
    pub probability: f32,
}

/// What a job cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Tokens of the prompt up to the healing boundary.
    pub prompt_tokens: usize,
    /// Of these, the ones whose KV entries were still there.
    pub reused_tokens: usize,
    /// Of these, the ones that had to be evaluated: `prompt_tokens - reused_tokens`. When all are there
    /// but the last one's row of logits is not, that one is evaluated again and counts here. So do those
    /// that work done ahead had left elsewhere, if something is generated that had not been.
    pub evaluated_tokens: usize,
    /// Tokens evaluated beside, since the job before that was done: for jobs that were cancelled, and to keep what had
    /// been found in work done ahead.
    pub beside_tokens: usize,
    /// Tokens chosen, also those that only spell what was typed.
    pub generated_tokens: usize,
    /// Of these, the ones whose rows of logits were still there: they took no step of the model.
    pub replayed_tokens: usize,
    /// Tokens evaluated on suspicion that they would be chosen, beside one that had been.
    pub drafted_tokens: usize,
    /// Of these, the ones that were: they took no step of their own.
    pub accepted_tokens: usize,
    /// Bytes of typed text that constrained decoding instead of being evaluated.
    pub healed_bytes: usize,
    #[serde(rename = "queued_us", serialize_with = "micros")]
    pub queued: Duration,
    #[serde(rename = "prompt_us", serialize_with = "micros")]
    pub prompt: Duration,
    #[serde(rename = "decode_us", serialize_with = "micros")]
    pub decode: Duration,
}

impl Usage {
    /// What it cost since it had cost `told`.
    pub fn since(&self, told: &Usage) -> Usage {
        let evaluated_tokens = self.evaluated_tokens.saturating_sub(told.evaluated_tokens);
        Usage {
            prompt_tokens: self.prompt_tokens,
            reused_tokens: self.prompt_tokens.saturating_sub(evaluated_tokens),
            evaluated_tokens,
            beside_tokens: self.beside_tokens.saturating_sub(told.beside_tokens),
            generated_tokens: self.generated_tokens.saturating_sub(told.generated_tokens),
            replayed_tokens: self.replayed_tokens.saturating_sub(told.replayed_tokens),
            drafted_tokens: self.drafted_tokens.saturating_sub(told.drafted_tokens),
            accepted_tokens: self.accepted_tokens.saturating_sub(told.accepted_tokens),
            healed_bytes: self.healed_bytes,
            queued: self.queued.saturating_sub(told.queued),
            prompt: self.prompt.saturating_sub(told.prompt),
            decode: self.decode.saturating_sub(told.decode),
        }
    }
}

fn micros<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_micros() as u64)
}
