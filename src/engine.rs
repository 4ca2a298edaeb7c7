//! The engine: one thread that owns the model and does one job at a time, newest first.
//! This file is the handle that everyone else holds. No LSP, no tokio.

pub mod draft;
pub mod heal;
pub mod llama;
pub mod mailbox;
pub mod model;
pub mod rows;
pub mod sample;
pub mod script;
pub mod sequences;
pub mod tokens;
pub mod worker;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    prompt::{Prompt, anchor::Plan},
    suggest::{
        gate::Confidence,
        stop::{Stop, StopReason},
    },
};
use mailbox::{Mailbox, Next};
use model::{Model, ModelError};
use worker::Worker;

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
    /// Called exactly once, on the engine thread, or on that of a `submit`, `forget` or `shut_down`.
    /// Must not wait for the engine.
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
    /// Of these, the ones that had to be evaluated: `prompt_tokens - reused_tokens`. When all are there
    /// but the last one's row of logits is not, that one is evaluated again and counts here.
    pub evaluated_tokens: usize,
    /// Tokens chosen, also those that only spell what was typed.
    pub generated_tokens: usize,
    /// Of these, the ones whose rows of logits were still there: they took no step of the model.
    pub replayed_tokens: usize,
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

/// How often the engine starts again after a crash, per [`RESTART_WINDOW`], before it stays off.
const RESTARTS: usize = 3;
const RESTART_WINDOW: Duration = Duration::from_secs(60);

/// Failures of the model in a row after which it is loaded again.
const FAILURES: usize = 3;

const LOADING: &str = "the model is still loading";
const RESTARTING: &str = "the engine broke down and starts again";

/// The handle. Clones share one engine; the last one dropped stops the thread.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What all handles share, as opposed to what the thread holds, too: so the last handle is noticed.
struct Shared {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What handles and thread share.
struct Core {
    mailbox: Mailbox,
    status: Mutex<Status>,
    on_status: Box<dyn Fn(Status) + Send + Sync>,
}

impl Engine {
    /// Starts the engine thread, which loads the model at once. `on_status` is called on that thread at
    /// every change of status; it must not wait for the engine.
    pub fn start(loader: Loader, on_status: Box<dyn Fn(Status) + Send + Sync>) -> Engine {
        let core = Arc::new(Core {
            mailbox: Mailbox::new(LOADING),
            status: Mutex::new(Status::Loading(0.0)),
            on_status,
        });
        let of_thread = core.clone();
        let thread = thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || run(&of_thread, loader));
        let thread = thread
            .inspect_err(|error| core.fail(format!("the engine thread cannot be started: {error}")))
            .ok();
        Engine {
            shared: Arc::new(Shared {
                core,
                thread: Mutex::new(thread),
            }),
        }
    }

    pub fn status(&self) -> Status {
        self.shared
            .core
            .status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Hands a job over and returns at once. Before the model is ready the job fails at once, after
    /// `shut_down` it is cancelled at once.
    pub fn submit(&self, job: Job) {
        self.shared.core.mailbox.put(job);
    }

    /// The document is closed: its waiting and running jobs are cancelled, its cache may be dropped.
    pub fn forget(&self, document: DocumentId) {
        self.shared.core.mailbox.forget(document);
    }

    /// Cancels everything, ends the thread within one step, and waits for it. Idempotent.
    pub fn shut_down(&self) {
        self.shared.shut_down();
    }
}

impl Shared {
    fn shut_down(&self) {
        self.core.mailbox.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The last handle may be dropped by a reply, on the engine thread: that ends by itself.
        if let Some(thread) = thread.filter(|it| it.thread().id() != thread::current().id()) {
            // Panics are caught there; what is left of one is no news.
            _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Core {
    fn set(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status.clone();
        if catch_unwind(AssertUnwindSafe(|| (self.on_status)(status))).is_err() {
            tracing::error!("the receiver of the engine's status panicked");
        }
    }

    fn fail(&self, sentence: String) {
        tracing::error!("{sentence}");
        self.mailbox.shut(&sentence);
        self.set(Status::Failed(sentence));
    }
}

/// The thread's body: loads, serves, and starts again after a crash, though not for ever.
fn run(core: &Core, mut loader: Loader) {
    let mut crashes: Vec<Instant> = Vec::new();
    loop {
        core.set(Status::Loading(0.0));
        let mut progress = |fraction: f32| {
            core.set(Status::Loading(fraction.clamp(0.0, 1.0)));
            !core.mailbox.is_closed()
        };
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            loader(&mut progress)
                .map(|(model, summary)| (Worker::new(model, summary.context_length), summary))
        }));
        if core.mailbox.is_closed() {
            return;
        }
        let (worker, summary) = match loaded {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => return core.fail(error.to_string()),
            Err(_) => {
                return core.fail(
                    "the model cannot be loaded: its loader crashed; try another model".to_owned(),
                );
            }
        };
        core.mailbox.open();
        core.set(Status::Ready(Arc::new(summary)));

        match serve(core, worker) {
            End::Closed => return,
            End::Crashed => core.mailbox.shut(RESTARTING),
        }
        crashes.retain(|crash| crash.elapsed() < RESTART_WINDOW);
        crashes.push(Instant::now());
        if crashes.len() > RESTARTS {
            return core.fail(format!(
                "the engine broke down {} times within a minute and stays off; try another model",
                crashes.len()
            ));
        }
        tracing::warn!("the engine broke down; the model is loaded again");
    }
}

enum End {
    Closed,
    Crashed,
}

/// Does jobs until the end, or until the model broke down.
fn serve(core: &Core, mut worker: Worker) -> End {
    let end = loop {
        let posted = match core.mailbox.take() {
            Next::End => break End::Closed,
            Next::Forget(document) => {
                worker.forget(document);
                continue;
            }
            Next::Job(posted) => *posted,
        };
        let queued = posted.queued();
        let mut task = posted.task;
        let outcome = catch_unwind(AssertUnwindSafe(|| worker.complete(&mut task, queued)));
        let has_crashed = outcome.is_err() || worker.failures() >= FAILURES;
        if has_crashed {
            // Before the answer, so that who hears it does not find the engine open.
            core.mailbox.shut(RESTARTING);
        }
        posted
            .reply
            .send(outcome.unwrap_or_else(|_| Outcome::Failed(RESTARTING.to_owned())));
        if has_crashed {
            break End::Crashed;
        }
    };
    // A model that broke down may break down once more while it is dropped.
    _ = catch_unwind(AssertUnwindSafe(|| drop(worker)));
    end
}

#[cfg(test)]
mod tests;
