//! What the handle and the tasks of a remote engine share: who is asked, in which order, how often, and what happens when
//! nobody answers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::{self, Handle},
    sync::Notify,
    time::sleep,
};

use super::{
    super::{Cancel, Completion, Engine, Outcome, Status, Summary},
    Settings,
    attempt::{attempt, cancelled},
    desk::{Desk, Order},
    endpoint::Endpoint,
    probe::{self, Facts},
    trouble::Trouble,
};
use crate::prompt::parts::Translator;

/// How often all servers are tried where nobody else can answer, and how long to wait in between.
const ROUNDS: usize = 3;
const BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(2);

/// How often to look whether a model is loaded.
const LOADING: Duration = Duration::from_millis(5);

/// How long tasks may take to notice the end.
const END: Duration = Duration::from_millis(200);

/// See the module.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    pub(super) desk: Desk,
    /// `None` where the model in this process is not to answer.
    pub(super) local: OnceLock<Option<Engine>>,
    pub(super) translator: Mutex<Translator>,
    pub(super) runtime: OnceLock<Handle>,
    pub(super) closed: Notify,
    pub(super) on_status: Box<dyn Fn(Status) + Send + Sync>,
}

impl Core {
    /// Without the model in this process, which is to be set before anything is asked.
    pub(super) fn new(settings: Settings, on_status: Box<dyn Fn(Status) + Send + Sync>) -> Core {
        let endpoints = settings
            .addresses
            .iter()
            .map(|address| Arc::new(Endpoint::new(address, &settings)))
            .collect();
        Core {
            endpoints,
            settings,
            desk: Desk::default(),
            local: OnceLock::new(),
            translator: Mutex::default(),
            runtime: OnceLock::new(),
            closed: Notify::new(),
            on_status,
        }
    }

    /// Whether any server answers as far as is known.
    pub(super) fn is_up(&self) -> bool {
        self.endpoints
            .iter()
            .any(|endpoint| endpoint.facts().is_some())
    }

    /// The thread that owns the connections.
    pub(super) fn run(self: Arc<Core>) -> std::io::Result<JoinHandle<()>> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let _ = self.runtime.set(runtime.handle().clone());
        thread::Builder::new()
            .name("remote".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    for endpoint in &self.endpoints {
                        self.watch(endpoint);
                    }
                    self.closed.notified().await;
                    let ended = async {
                        while !self.desk.is_idle() {
                            sleep(Duration::from_millis(1)).await;
                        }
                    };
                    let _ = tokio::time::timeout(END, ended).await;
                });
                // Tasks that are left are dropped, and their replies answer by themselves. Nobody waits for a name
                // that is being looked up: that may take as long as the resolver's patience.
                runtime.shutdown_background();
            })
    }

    /// The model in this process, if it is loaded.
    pub(super) fn local(&self) -> Option<(&Engine, Arc<Summary>)> {
        let local = self.local.get()?.as_ref()?;
        match local.status() {
            Status::Ready(summary) => Some((local, summary)),
            _ => None,
        }
    }

    pub(super) fn status(&self) -> Status {
        // The first that answers, else the first that ever did.
        let of = |known: fn(&Endpoint) -> Option<Arc<Facts>>| {
            let mut endpoints = self.endpoints.iter();
            endpoints.find_map(|it| Some((known(it)?, it.host())))
        };
        let (facts, host) = match of(Endpoint::facts).or_else(|| of(Endpoint::last_facts)) {
            Some((facts, host)) => (Some(facts), host),
            None => {
                let first = self.endpoints.first();
                (None, first.map(|it| it.host()).unwrap_or_default())
            }
        };
        let local = self
            .local
            .get()
            .and_then(Option::as_ref)
            .map(Engine::status);
        let (name, plan, context_length) = match (facts, local) {
            (Some(facts), _) => {
                let name = facts.model_name().unwrap_or_else(|| facts.protocol());
                (
                    format!("{name} at {host}"),
                    facts.plan(),
                    facts.context_length,
                )
            }
            (None, Some(Status::Loading(done))) => return Status::Loading(done),
            // Nobody is known to answer: what is asked finds out.
            (None, Some(Status::Ready(_) | Status::Failed(_)) | None) => {
                (host, probe::plan(None, 0), 0)
            }
        };
        Status::Ready(Arc::new(Summary {
            name,
            plan,
            parameters: 0,
            context_length,
            vocabulary_size: 0,
            gpu: None,
            threads: 0,
            tuning: None,
            nature: crate::engine::Nature::default(),
        }))
    }

    /// Tells whoever wants to know how things stand.
    pub(super) fn tell(&self) {
        let status = self.status();
        if catch_unwind(AssertUnwindSafe(|| (self.on_status)(status))).is_err() {
            tracing::error!("the receiver of the engine's status panicked");
        }
    }

    pub(super) fn spawn(self: &Arc<Core>, order: Order) {
        let core = Arc::clone(self);
        // Without a runtime the order is dropped, and its reply answers by itself.
        if let Some(runtime) = self.runtime.get() {
            runtime.spawn(async move { core.serve(order).await });
        }
    }

    /// Does an order, then those that have waited for it to end.
    async fn serve(self: Arc<Core>, order: Order) {
        let mut next = Some(order);
        while let Some(mut order) = next {
            let number = order.number;
            match self.answer(&mut order).await {
                Ok(completion) => order.reply.send(Outcome::Done(completion)),
                Err(Failure {
                    trouble: Trouble::Cancelled,
                    ..
                }) => order.reply.send(Outcome::Cancelled),
                Err(failure) if self.awaits_local(&order.job.cancel).await => {
                    tracing::debug!("{}; the model in this process answers", failure.sentence());
                    self.hand_over(order);
                }
                Err(failure) => order.reply.send(Outcome::Failed(failure.sentence())),
            }
            next = self.desk.ended(number);
        }
    }

    /// Whether the model in this process can answer, once it is loaded if it still is loading.
    async fn awaits_local(&self, cancel: &Cancel) -> bool {
        let is_loading = || {
            let local = self.local.get().and_then(Option::as_ref);
            local.is_some_and(|local| matches!(local.status(), Status::Loading(_)))
        };
        while is_loading() && !cancel.is_cancelled() {
            sleep(LOADING).await;
        }
        self.local().is_some()
    }

    async fn answer(self: &Arc<Core>, order: &mut Order) -> Result<Completion, Failure> {
        let cancel = order.job.cancel.clone();
        let queued = order.since.elapsed();
        let withdrawn = |endpoint: &Endpoint| Failure {
            trouble: Trouble::Cancelled,
            host: endpoint.host(),
        };
        let first = self
            .endpoints
            .first()
            .expect("settings have one address at least");
        tokio::select! {
            biased;
            () = cancelled(&cancel) => return Err(withdrawn(first)),
            () = sleep(self.settings.delay) => {}
        }
        let mut failure = Failure {
            trouble: first.trouble().unwrap_or(Trouble::NotReady),
            host: first.host(),
        };
        for round in 0..ROUNDS {
            for endpoint in self.candidates() {
                let facts = match endpoint.facts() {
                    Some(facts) => Ok(facts),
                    // Nobody else can answer: it is worth the wait.
                    None => tokio::select! {
                        biased;
                        () = cancelled(&cancel) => return Err(withdrawn(&endpoint)),
                        facts = endpoint.probe(&self.settings) => facts,
                    },
                };
                let mut has_begun = false;
                let tried = match facts {
                    Ok(facts) => {
                        let (job, settings) = (&mut order.job, &self.settings);
                        let tried = attempt(&endpoint, &facts, job, settings, &mut has_begun).await;
                        if let Err(trouble) = &tried
                            && *trouble != Trouble::Cancelled
                        {
                            endpoint.failed(trouble);
                        }
                        tried
                    }
                    // The probe has noted that itself.
                    Err(trouble) => Err(trouble),
                };
                let trouble = match tried {
                    Ok(mut completion) => {
                        completion.usage.queued = queued;
                        if endpoint.facts().is_none() {
                            self.watch(&endpoint);
                        }
                        return Ok(completion);
                    }
                    Err(Trouble::Cancelled) => return Err(withdrawn(&endpoint)),
                    Err(trouble) => trouble,
                };
                self.watch(&endpoint);
                failure = Failure {
                    trouble,
                    host: endpoint.host(),
                };
                tracing::info!("{}", failure.sentence());
                self.tell();
                if has_begun {
                    // What has been shown of it cannot go on with other text.
                    order.has_begun = true;
                    return Err(failure);
                }
            }
            if self.local().is_some() || !failure.trouble.is_safe_to_repeat() || round + 1 == ROUNDS
            {
                break;
            }
            let wait = match &failure.trouble {
                Trouble::Busy(Some(after)) if *after > LONGEST_BACK_OFF => break,
                Trouble::Busy(Some(after)) => *after,
                _ => BACK_OFF * (1 << round),
            };
            tokio::select! {
                biased;
                () = cancelled(&cancel) => return Err(withdrawn(first)),
                () = sleep(wait) => {}
            }
        }
        Err(failure)
    }

    /// The servers to ask, the fastest first; where nobody else can answer, also those that failed.
    fn candidates(&self) -> Vec<Arc<Endpoint>> {
        let has_local = self.local().is_some();
        let mut candidates: Vec<Arc<Endpoint>> = self.endpoints.clone();
        let is_up = candidates.iter().any(|endpoint| endpoint.facts().is_some());
        candidates.retain(|endpoint| endpoint.facts().is_some() || !(has_local || is_up));
        candidates.sort_by(|a, b| a.estimate().total_cmp(&b.estimate()));
        candidates
    }

    /// Has a server probed until it answers, unless somebody does so already.
    fn watch(self: &Arc<Core>, endpoint: &Arc<Endpoint>) {
        if endpoint.facts().is_some() || !endpoint.begin_watch() {
            return;
        }
        let (core, endpoint) = (Arc::downgrade(self), Arc::clone(endpoint));
        let Some(runtime) = self.runtime.get() else {
            return;
        };
        runtime.spawn(async move {
            loop {
                sleep(endpoint.rest()).await;
                let Some(core) = core.upgrade() else { return };
                let is_up =
                    endpoint.facts().is_some() || endpoint.probe(&core.settings).await.is_ok();
                if is_up {
                    endpoint.end_watch();
                    tracing::info!("`{}` answers", endpoint.host());
                }
                core.tell();
                if is_up {
                    return;
                }
            }
        });
    }

    /// Gives an order to the model in this process.
    pub(super) fn hand_over(&self, order: Order) {
        let Order {
            mut job,
            reply,
            has_begun,
            ..
        } = order;
        let Some((local, summary)) = self.local() else {
            return reply.send(Outcome::Cancelled);
        };
        let plan = &summary.plan;
        let mut translator = self
            .translator
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        job.prompt = translator.translate(&job.prompt, &plan.format, &plan.windows);
        drop(translator);
        if has_begun {
            // It has grown already, by other text.
            job.progress = None;
        }
        job.reply = Box::new(move |outcome| reply.send(outcome));
        local.submit(job);
    }
}

/// Why no server has answered.
struct Failure {
    trouble: Trouble,
    host: String,
}

impl Failure {
    fn sentence(&self) -> String {
        self.trouble.sentence(&self.host)
    }
}
