//! The engine on other machines: the same jobs, done by servers over HTTP, and by the model in this process while
//! none of them answers.
//!
//! A thread with a tokio runtime of its own owns the connections. Each document has one question under way at most,
//! the newest; cutting its stream off is what stops the server. Work ahead costs others something: there is little of
//! it. Nothing here decides whether text may be sent: an engine of this kind is only made where it may.

mod address;
mod attempt;
mod connection;
mod core;
mod desk;
mod endpoint;
mod events;
mod probe;
mod protocol;
mod proxy;
mod trouble;

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::runtime;

pub use address::{Address, AddressError, Key};
pub use endpoint::Health;
pub use proxy::Proxy;

use self::core::Core;
use super::{DocumentId, Engine, Job, Loader, Outcome, Pace, Priority, Speculation, Status};
use crate::{
    config::{Config, Protocol},
    prompt::format,
};
use desk::Order;
use endpoint::Endpoint;

/// What a remote engine needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    pub addresses: Vec<Address>,
    pub key: Option<Key>,
    pub protocol: Protocol,
    pub model: Option<String>,
    pub format: Option<String>,
    /// How long to wait for each byte.
    pub timeout: Duration,
    /// How long to wait before a question leaves.
    pub delay: Duration,
    pub slots: usize,
    pub ahead: bool,
    /// Those that lie on the way to addresses.
    pub proxies: Vec<(Address, Proxy)>,
}

impl Settings {
    /// What the configuration says of remote servers; a sentence where it makes no sense. The key is read by whoever
    /// may read files.
    pub fn new(config: &Config, key: Option<Key>) -> Result<Settings, String> {
        let remote = &config.remote;
        let mut addresses: Vec<Address> = Vec::new();
        for (setting, text) in (remote.url.iter().map(|url| ("remote.url", url)))
            .chain(remote.endpoints.iter().map(|url| ("remote.endpoints", url)))
        {
            let address = text.parse();
            // Not the text: there may be a key in it.
            let address = address.map_err(|error| format!("what `{setting}` is set to {error}"))?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(
                "`engine.kind` is \"remote\", but no server is named; set `remote.url`".to_owned(),
            );
        }
        if let Some(name) = remote
            .format
            .as_deref()
            .filter(|name| format::named(name).is_none())
        {
            let nearest = format::names().max_by(|a, b| {
                let likeness = |known: &str| strsim::jaro_winkler(known, name);
                likeness(a).total_cmp(&likeness(b))
            });
            let nearest = nearest.unwrap_or_default();
            return Err(format!(
                "`remote.format` names no known format; did you mean `{nearest}`?"
            ));
        }
        Ok(Settings {
            addresses,
            key,
            protocol: remote.protocol,
            model: remote.model.clone(),
            format: remote.format.clone(),
            timeout: Duration::from_millis(remote.timeout_ms),
            delay: Duration::from_millis(remote.delay_ms),
            slots: remote.slots,
            ahead: remote.ahead,
            proxies: Vec::new(),
        })
    }

    fn proxy_to(&self, address: &Address) -> Option<Proxy> {
        let found = self.proxies.iter().find(|(to, _)| to == address);
        found.map(|(_, proxy)| proxy.clone())
    }

    /// The hosts that text would go to.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = self.addresses.iter().map(Address::host).collect();
        hosts.dedup();
        hosts
    }
}

/// Finds out what each server is; sends no text.
pub fn examine(settings: &Settings) -> Vec<Health> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let endpoints = settings
        .addresses
        .iter()
        .map(|address| Endpoint::new(address, settings));
    let examine = |endpoint: Endpoint| {
        if let Ok(runtime) = &runtime {
            // What went wrong is in its health.
            let _ = runtime.block_on(endpoint.probe(settings));
        }
        endpoint.health()
    };
    endpoints.map(examine).collect()
}

/// Urgent work ahead is that which follows from accepting; the rest is left undone.
const AHEAD: Priority = Priority::Idle(2);

/// Between two steps of generated text, as far as work ahead is planned by it.
const STEP: Duration = Duration::from_millis(10);

/// See the module.
pub(super) struct Remote {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Remote {
    /// Starts the thread, and with a loader the engine in this process.
    pub(super) fn start(
        settings: Settings,
        loader: Option<Loader>,
        on_status: Box<dyn Fn(Status) + Send + Sync>,
    ) -> Remote {
        let core = Arc::new(Core::new(settings, on_status));
        let weak: Weak<Core> = Arc::downgrade(&core);
        let local = loader.map(|loader| {
            let on_status = move |_| {
                if let Some(core) = weak.upgrade() {
                    core.tell();
                }
            };
            Engine::start(loader, Box::new(on_status))
        });
        let _ = core.local.set(local);
        let thread = core.clone().run();
        let thread =
            thread.inspect_err(|error| tracing::error!("no thread for remote servers: {error}"));
        core.tell();
        Remote {
            core,
            thread: Mutex::new(thread.ok()),
        }
    }

    pub(super) fn status(&self) -> Status {
        self.core.status()
    }

    pub(super) fn health(&self) -> Vec<Health> {
        self.core
            .endpoints
            .iter()
            .map(|endpoint| endpoint.health())
            .collect()
    }

    /// The model in this process, if it is the one that answers now.
    pub(super) fn stand_in(&self) -> Option<Engine> {
        let is_up = self.core.is_up();
        let (local, _) = self.core.local().filter(|_| !is_up)?;
        Some(local.clone())
    }

    pub(super) fn pace(&self) -> Pace {
        match self.stand_in() {
            Some(local) => local.pace(),
            // By this the server decides how much work ahead to plan.
            None => Pace {
                step: if self.core.settings.ahead {
                    STEP
                } else {
                    STEP * 100
                },
                ..Pace::default()
            },
        }
    }

    pub(super) fn speculate(&self, speculation: Speculation) {
        if let Some(Some(local)) = self.core.local.get() {
            local.speculate(speculation);
        }
    }

    pub(super) fn submit(&self, job: Job) {
        let core = &self.core;
        let is_up = core.is_up();
        let order = Order::new(job);
        if order.job.priority != Priority::Now {
            if !is_up && core.local().is_some() {
                return core.hand_over(order);
            }
            let is_wanted = core.settings.ahead
                && is_up
                && order.job.priority <= AHEAD
                && order.job.branches == 0
                && order.job.max_tokens > 0;
            if !is_wanted {
                return order.reply.send(Outcome::Cancelled);
            }
        }
        if let Some(order) = core.desk.put(order) {
            core.spawn(order);
        }
    }

    /// Whether the model that stands in computes something that somebody waits for.
    pub(super) fn is_awaited(&self) -> bool {
        let local = self.core.local.get();
        local.is_some_and(|local| local.as_ref().is_some_and(Engine::is_awaited))
    }

    pub(super) fn drop_idle(&self, document: DocumentId) {
        self.core.desk.drop_idle(document);
        if let Some(Some(local)) = self.core.local.get() {
            local.drop_idle(document);
        }
    }

    pub(super) fn forget(&self, document: DocumentId) {
        self.core.desk.forget(document);
        if let Some(Some(local)) = self.core.local.get() {
            local.forget(document);
        }
    }

    pub(super) fn shut_down(&self) {
        self.core.desk.close();
        self.core.closed.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The last handle may be dropped by a reply, on that thread: it ends by itself.
        if let Some(thread) = thread.filter(|it| it.thread().id() != thread::current().id()) {
            // Panics of tasks are caught by the runtime.
            _ = thread.join();
        }
        if let Some(Some(local)) = self.core.local.get() {
            local.shut_down();
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.shut_down();
    }
}
