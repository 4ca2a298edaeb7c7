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
pub mod mix;
pub mod model;
mod pace;
mod progress;
pub mod remote;
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
    path::PathBuf,
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
use remote::Remote;
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
    pub nature: Nature,
}

/// What is particular about a model, beyond its prompts.
#[derive(Clone, Debug, Default)]
pub struct Nature {
    /// What it was loaded from.
    pub files: Vec<PathBuf>,
    /// How long they are, together.
    pub bytes: u64,
    pub roll_back: RollBack,
    /// LoRA adapters with their strength.
    pub adapters: Vec<String>,
    /// Why it does not run as it was meant to: sentences with the way out.
    pub notes: Vec<String>,
    /// What the machine is too small for, today as yesterday: no reason to interrupt anybody.
    pub limits: Vec<String>,
}

/// Whether a model can forget the end of what it has read and go on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RollBack {
    #[default]
    Plain,
    /// Attention looks back only so many tokens; the cache is kept whole nevertheless.
    WindowKeptWhole(usize),
    /// One state instead of a cache: what was read cannot be taken back.
    Recurrent,
    /// Layers of both kinds.
    Hybrid,
}

impl RollBack {
    pub fn is_possible(self) -> bool {
        matches!(self, RollBack::Plain | RollBack::WindowKeptWhole(_))
    }
}

/// The live cache was measured to pay for models of at most so many parameters.
const SMALL: u64 = 100_000_000;

impl Summary {
    /// Whether the live cache makes it better, as far as was measured.
    pub fn gains_from_open_files(&self) -> bool {
        (1..=SMALL).contains(&self.parameters)
    }
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
const LOWERING: &str = "the GPU failed; the model is loaded again with less of it there";
const RESTARTING: &str = "the engine broke down and starts again";

/// The handle. Clones share one engine; the last one dropped stops the thread.
#[derive(Clone)]
pub struct Engine(Kind);

#[derive(Clone)]
enum Kind {
    /// The model is in this process.
    Local(Arc<Shared>),
    /// It is on other machines.
    Remote(Arc<Remote>),
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
        Engine(Kind::Local(Arc::new(Shared {
            core,
            thread: Mutex::new(thread),
        })))
    }

    /// Starts an engine whose jobs are done by remote servers, and by the model that `loader` loads while none
    /// of them answers. To be called only where the user has agreed that text goes there.
    pub fn start_remote(
        settings: remote::Settings,
        loader: Option<Loader>,
        on_status: Box<dyn Fn(Status) + Send + Sync>,
    ) -> Engine {
        Engine(Kind::Remote(Arc::new(Remote::start(
            settings, loader, on_status,
        ))))
    }

    pub fn status(&self) -> Status {
        match &self.0 {
            Kind::Local(shared) => shared.core.status(),
            Kind::Remote(remote) => remote.status(),
        }
    }

    /// How the remote servers stand; none for a model in this process.
    pub fn remotes(&self) -> Vec<remote::Health> {
        match &self.0 {
            Kind::Local(_) => Vec::new(),
            Kind::Remote(remote) => remote.health(),
        }
    }

    /// How fast the model is, as of the last job.
    pub fn pace(&self) -> Pace {
        match &self.0 {
            Kind::Local(shared) => *shared.core.pace(),
            Kind::Remote(remote) => remote.pace(),
        }
    }

    /// Whether several tokens are evaluated per step when they can be guessed, from the next job on.
    /// Changes no answer; for measurements.
    pub fn speculate(&self, speculation: Speculation) {
        match &self.0 {
            Kind::Local(shared) => *shared.core.speculation() = speculation,
            Kind::Remote(remote) => remote.speculate(speculation),
        }
    }

    /// Hands a job over and returns at once. Before the model is ready the job fails at once, after
    /// `shut_down` it is cancelled at once.
    pub fn submit(&self, job: Job) {
        match &self.0 {
            Kind::Local(shared) => shared.core.mailbox.put(job),
            Kind::Remote(remote) => remote.submit(job),
        }
    }

    /// Whether this machine computes something that somebody waits for.
    pub fn is_awaited(&self) -> bool {
        match &self.0 {
            Kind::Local(shared) => shared.core.mailbox.is_awaited(),
            Kind::Remote(remote) => remote.is_awaited(),
        }
    }

    /// What was to be done ahead for the document is of no use any more: its idle jobs are cancelled,
    /// waiting and running.
    pub fn drop_idle(&self, document: DocumentId) {
        match &self.0 {
            Kind::Local(shared) => shared.core.mailbox.drop_idle(document),
            Kind::Remote(remote) => remote.drop_idle(document),
        }
    }

    /// The document is closed: its waiting and running jobs are cancelled, its cache may be dropped.
    pub fn forget(&self, document: DocumentId) {
        match &self.0 {
            Kind::Local(shared) => shared.core.mailbox.forget(document),
            Kind::Remote(remote) => remote.forget(document),
        }
    }

    /// Cancels everything, ends the thread within one step, and waits for it. Idempotent.
    pub fn shut_down(&self) {
        match &self.0 {
            Kind::Local(shared) => shared.shut_down(),
            Kind::Remote(remote) => remote.shut_down(),
        }
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
    fn status(&self) -> Status {
        let status = self.status.lock();
        status.unwrap_or_else(PoisonError::into_inner).clone()
    }

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
            let mut worker = Worker::new(model, summary.context_length, clock);
            if let Some(pace) = summary.tuning.as_ref().and_then(llama::Tuning::pace) {
                worker.expect(pace);
                *core.pace() = pace;
            }
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
            // Not for ever: each time less of the model is there.
            End::Lowered => continue,
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
    /// A device failed, and the loader knows what to try next.
    Lowered,
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
        let is_lowered = worker.has_lost_device();
        if has_crashed || is_lowered {
            // Before the answer, so that who hears it does not find the engine open.
            core.mailbox
                .shut(if is_lowered { LOWERING } else { RESTARTING });
        }
        posted
            .reply
            .send(outcome.unwrap_or_else(|_| Outcome::Failed(RESTARTING.to_owned())));
        match (is_lowered, has_crashed) {
            (true, _) => break End::Lowered,
            (_, true) => break End::Crashed,
            _ => {}
        }
        worker.tidy_up();
    };
    // A model that broke down may break down once more while it is dropped.
    _ = catch_unwind(AssertUnwindSafe(|| drop(worker)));
    end
}

#[cfg(test)]
mod tests;
