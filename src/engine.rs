//! The engine: one thread that owns the model and does one job at a time: what somebody waits for
//! first, the newest of it before the rest, then what is done ahead.
//! This file is the handle that everyone else holds; what is handed over is in `engine/job.rs`. No
//! LSP, no tokio.

pub mod draft;
pub mod heal;
mod job;
pub mod llama;
pub mod mailbox;
mod memory;
pub mod model;
mod pace;
mod progress;
pub mod rows;
pub mod sample;
pub mod script;
pub mod sequences;
mod speculation;
pub mod tokens;
pub mod worker;
mod written;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub use job::{
    Branch, Cancel, CancelOnDrop, Completion, DocumentId, Job, Outcome, Priority, Usage,
};
pub use pace::Pace;
pub use progress::{Agreement, Progress};
pub use speculation::Speculation;

use crate::prompt::anchor::Plan;
use mailbox::{Mailbox, Next};
use model::{Model, ModelError};
use worker::Worker;

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
    /// How it is run, and why; `None` for a model that is not llama.cpp's.
    pub tuning: Option<llama::Tuning>,
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
    pace: Mutex<Pace>,
    speculation: Mutex<Speculation>,
    on_status: Box<dyn Fn(Status) + Send + Sync>,
}

impl Engine {
    /// Starts the engine thread, which loads the model at once. `on_status` is called on that thread at
    /// every change of status; it must not wait for the engine.
    pub fn start(loader: Loader, on_status: Box<dyn Fn(Status) + Send + Sync>) -> Engine {
        let core = Arc::new(Core {
            mailbox: Mailbox::new(LOADING),
            status: Mutex::new(Status::Loading(0.0)),
            pace: Mutex::default(),
            speculation: Mutex::default(),
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

    /// How fast the model is, as of the last job.
    pub fn pace(&self) -> Pace {
        *self.shared.core.pace()
    }

    /// Whether several tokens are evaluated per step when they can be guessed, from the next job on.
    /// Changes no answer; for measurements.
    pub fn speculate(&self, speculation: Speculation) {
        *self.shared.core.speculation() = speculation;
    }

    /// Hands a job over and returns at once. Before the model is ready the job fails at once, after
    /// `shut_down` it is cancelled at once.
    pub fn submit(&self, job: Job) {
        self.shared.core.mailbox.put(job);
    }

    /// What was to be done ahead for the document is of no use any more: its idle jobs are cancelled,
    /// waiting and running.
    pub fn drop_idle(&self, document: DocumentId) {
        self.shared.core.mailbox.drop_idle(document);
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
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn speculation(&self) -> MutexGuard<'_, Speculation> {
        let speculation = self.speculation.lock();
        speculation.unwrap_or_else(PoisonError::into_inner)
    }

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
            let (model, summary) = loader(&mut progress)?;
            let start = Instant::now();
            let clock = Box::new(move || start.elapsed());
            let worker = Worker::new(model, summary.context_length, clock);
            Ok::<_, ModelError>((worker, summary))
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
        let posted = match core.mailbox.take(worker.rests_after()) {
            Next::End => break End::Closed,
            Next::Forget(document) => {
                worker.forget(document);
                continue;
            }
            Next::Rest(cancel) => {
                if catch_unwind(AssertUnwindSafe(|| worker.rest(&cancel))).is_err() {
                    core.mailbox.shut(RESTARTING);
                    break End::Crashed;
                }
                continue;
            }
            Next::Job(posted) => *posted,
        };
        let queued = posted.queued();
        let mut task = posted.task;
        worker.speculate(*core.speculation());
        let outcome = catch_unwind(AssertUnwindSafe(|| worker.complete(&mut task, queued)));
        *core.pace() = worker.pace();
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
        worker.tidy_up();
    };
    // A model that broke down may break down once more while it is dropped.
    _ = catch_unwind(AssertUnwindSafe(|| drop(worker)));
    end
}

#[cfg(test)]
mod tests;
