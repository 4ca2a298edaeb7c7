//! The engine: one thread that owns the model and does one job at a time, newest first.
//! This file is the handle that everyone else holds. No LSP, no tokio.

pub mod heal;
pub mod llama;
pub mod mailbox;
pub mod model;
pub mod sample;
pub mod script;
pub mod sequences;
pub mod worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    prompt::{Prompt, anchor::Plan},
    suggest::{
        gate::Confidence,
        stop::{Stop, StopReason},
    },
};
use model::{Model, ModelError};

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

/// One unit of engine work.
pub struct Job {
    /// A newer job of the same document replaces this one.
    pub document: DocumentId,
    pub prompt: Prompt,
    pub max_tokens: usize,
    pub stop: Stop,
    /// Whether a half-typed word at the end constrains decoding instead of being evaluated.
    pub heals: bool,
    /// Whether KV entries and logits of earlier jobs may be used; off only for measurements.
    pub reuses: bool,
    pub cancel: Cancel,
    /// Called exactly once, on the engine thread or on the thread of a newer `submit`.
    pub reply: Box<dyn FnOnce(Outcome) + Send>,
}

/// How a job ended.
#[derive(Debug)]
pub enum Outcome {
    Done(Completion),
    /// Cancelled, or replaced by a newer job.
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
    pub usage: Usage,
}

/// What a job cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Tokens of the prompt up to the healing boundary.
    pub prompt_tokens: usize,
    /// Of these, the ones whose KV entries were still there.
    pub reused_tokens: usize,
    /// Of these, the ones that had to be evaluated: `prompt_tokens - reused_tokens`, or one more
    /// when only the last row of logits was missing.
    pub evaluated_tokens: usize,
    pub generated_tokens: usize,
    /// Bytes of typed text that constrained decoding instead of being evaluated.
    pub healed_bytes: usize,
    #[serde(rename = "queued_us", serialize_with = "micros")]
    pub queued: Duration,
    #[serde(rename = "prompt_us", serialize_with = "micros")]
    pub prompt: Duration,
    #[serde(rename = "decode_us", serialize_with = "micros")]
    pub decode: Duration,
}

fn micros<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_micros() as u64)
}

/// What a loaded model is, for prompts, for `doctor` and for the status shown to the user.
#[derive(Clone, Debug)]
pub struct Summary {
    /// `general.name` of the GGUF, else the file name.
    pub name: String,
    pub plan: Plan,
    pub parameters: u64,
    pub context_length: usize,
    pub vocabulary_size: usize,
    /// Layers that run on a GPU, and the device's name.
    pub gpu: Option<(usize, String)>,
    pub threads: usize,
}

/// What the engine is doing, for progress and status.
#[derive(Clone, Debug)]
pub enum Status {
    /// Loading; the fraction done, 0..=1.
    Loading(f32),
    Ready(Arc<Summary>),
    /// A sentence for the user that names the thing and the way out.
    Failed(String),
}

/// Loads the model on the engine thread; calls the function with the fraction done, which says
/// whether to go on. Called again when the engine restarts after a failure.
pub type Loader = Box<
    dyn FnMut(&mut dyn FnMut(f32) -> bool) -> Result<(Box<dyn Model>, Summary), ModelError> + Send,
>;

/// The handle. Clones share one engine; the last one dropped stops the thread.
#[derive(Clone)]
pub struct Engine {
    // private: mailbox, status
}

impl Engine {
    /// Starts the engine thread, which loads the model at once. `on_status` is called on that thread at
    /// every change of status.
    pub fn start(loader: Loader, on_status: Box<dyn Fn(Status) + Send + Sync>) -> Engine {
        todo!()
    }

    pub fn status(&self) -> Status {
        todo!()
    }

    /// Hands a job over and returns at once. Before the model is ready the job fails at once.
    pub fn submit(&self, job: Job) {
        todo!()
    }

    /// The document is closed: its waiting and running jobs are cancelled, its cache may be dropped.
    pub fn forget(&self, document: DocumentId) {
        todo!()
    }

    /// Cancels everything, ends the thread within one step, and waits for it. Idempotent.
    pub fn shut_down(&self) {
        todo!()
    }
}
