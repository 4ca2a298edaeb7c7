//! The session's engine, and what the user is told about it: progress while a model loads, its failure. What clients
//! are told of the session as a whole is in `status.rs`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use serde_json::json;
use tokio::{
    sync::watch,
    time::{Duration, Instant, timeout_at},
};
use tower_lsp::ls_types::MessageType;

use super::{StartEngine, client::Client, peer::Peer, session::Session, status::percent};
use crate::{
    config::Config,
    engine::{Engine, Status, Summary},
    prompt::format::Order,
};

/// The one engine of a session, which a change of settings replaces by another.
pub(crate) struct Engines {
    start: StartEngine,
    slot: Arc<Mutex<Slot>>,
    /// Held by whoever waits for the engine's end.
    closing: Mutex<()>,
    /// Of the engine with this number; 0 stands for none yet.
    status: Arc<watch::Sender<(u64, Status)>>,
}

#[derive(Default)]
struct Slot {
    /// Counts engines, from 1.
    number: u64,
    /// The newest. `None` also while one makes room for it: two models at once may be too much for the memory.
    engine: Option<Engine>,
    /// The one that answers while the newest loads, or because that cannot be loaded.
    answering: Option<(u64, Engine, Arc<Summary>)>,
    /// Finishes what was asked of it.
    retired: Vec<Engine>,
    is_closed: bool,
}

/// How long an engine goes on with what it was asked when another has taken its place; requests wait less.
const LINGERS: Duration = Duration::from_secs(1);

impl Engines {
    pub(crate) fn new(start: StartEngine) -> Engines {
        let status = Arc::new(watch::Sender::new((0, Status::Loading(0.0))));
        Engines {
            start,
            slot: Arc::default(),
            closing: Mutex::default(),
            status,
        }
    }

    /// Starts an engine in place of the one before, if any, which goes on answering until the new one is ready if
    /// `beside` says that it may. Returns at once; called on the runtime.
    pub(crate) fn start(self: &Arc<Engines>, config: &Config, beside: bool) {
        let ready = self.ready();
        let (number, old) = {
            let mut slot = lock(&self.slot);
            let last = slot.number;
            slot.number += 1;
            let newest = slot.engine.take();
            let before = slot.answering.take().map(|(_, engine, _)| engine);
            let old: Vec<Engine> = match ready.filter(|_| beside) {
                Some(ready) => {
                    let is_newest = ready.0 == last;
                    slot.answering = Some(ready);
                    // The other one is stale: it was still loading, could not be loaded, or was about to retire.
                    Vec::from_iter(if is_newest { before } else { newest })
                }
                None => newest.into_iter().chain(before).collect(),
            };
            // Under the lock: who comes second is to be heard last.
            self.status
                .send_replace((slot.number, Status::Loading(0.0)));
            (slot.number, old)
        };
        if old.is_empty() {
            return self.put(number, config);
        }
        let (engines, config) = (self.clone(), config.clone());
        // Waits for the old engine's step to end.
        tokio::task::spawn_blocking(move || {
            for engine in old {
                engine.shut_down();
            }
            engines.put(number, &config);
        });
    }

    fn put(&self, number: u64, config: &Config) {
        if lock(&self.slot).number != number {
            return;
        }
        let (status, slot) = (self.status.clone(), self.slot.clone());
        let on_status = move |mut new: Status| {
            let is_ready = matches!(new, Status::Ready(_));
            if let (Status::Failed(message), Some((_, _, old))) = (&mut new, &lock(&slot).answering)
            {
                *message += &format!("; {} goes on answering", old.name);
            }
            let is_current = status.send_if_modified(|(current, status)| {
                let is_current = *current == number;
                if is_current {
                    *status = new;
                }
                is_current
            });
            if is_current && is_ready {
                retire(&slot, number);
            }
        };
        let engine = (self.start)(config, Box::new(on_status));
        let late = {
            let mut slot = lock(&self.slot);
            if slot.number == number && !slot.is_closed {
                slot.engine.replace(engine)
            } else {
                Some(engine)
            }
        };
        if let Some(late) = late {
            late.shut_down();
        }
    }

    /// The engine that answers, its number and its model: the newest when it is loaded, else the one before.
    pub(crate) fn ready(&self) -> Option<(u64, Engine, Arc<Summary>)> {
        let newest = match &*self.status.borrow() {
            (number, Status::Ready(summary)) => Some((*number, summary.clone())),
            _ => None,
        };
        let slot = lock(&self.slot);
        if let Some((number, summary)) = newest
            && slot.number == number
            && let Some(engine) = &slot.engine
        {
            return Some((number, engine.clone(), summary));
        }
        slot.answering.clone()
    }

    /// The engine that answers, or the newest whatever it is doing.
    pub(crate) fn engine(&self) -> Option<Engine> {
        let ready = self.ready().map(|(_, engine, _)| engine);
        ready.or_else(|| lock(&self.slot).engine.clone())
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().1.clone()
    }

    /// The status and its changes, each with the engine's number.
    pub(crate) fn states(&self) -> watch::Receiver<(u64, Status)> {
        self.status.subscribe()
    }

    /// Ends the engines for good; waits for the running step, whoever ended it first: the process must not go while
    /// the model computes.
    pub(crate) fn close(&self) {
        let _turn = lock(&self.closing);
        let all: Vec<Engine> = {
            let mut slot = lock(&self.slot);
            slot.is_closed = true;
            slot.number += 1;
            let answering = slot.answering.take().map(|(_, engine, _)| engine);
            let newest = slot.engine.take();
            let retired = std::mem::take(&mut slot.retired);
            newest.into_iter().chain(answering).chain(retired).collect()
        };
        for engine in all {
            engine.shut_down();
        }
    }
}

/// The newest engine is ready: the one that answered until now finishes what it was asked, then ends.
fn retire(slot: &Arc<Mutex<Slot>>, number: u64) {
    let slot = slot.clone();
    {
        let mut slot = lock(&slot);
        let old = slot.answering.take_if(|(old, _, _)| *old < number);
        let Some((_, old, _)) = old else { return };
        slot.retired.push(old);
    }
    let ending = move || {
        thread::sleep(LINGERS);
        // All of them: each has lingered, or has not been asked anything for a moment.
        let retired = std::mem::take(&mut lock(&slot).retired);
        for engine in retired {
            engine.shut_down();
        }
    };
    // Without a thread they end with the session.
    let _ = thread::Builder::new()
        .name("retired engine".to_owned())
        .spawn(ending);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A model that loads faster than this shows no progress bar: it would only flash.
const GRACE: Duration = Duration::from_millis(200);

/// Shows how a model loads, or why it does not, until the session ends.
pub(crate) async fn show(session: Arc<Session>) {
    let mut changes = session.engines.states();
    let mut bar = Bar {
        client: session.client.clone(),
        peer: session.peer().clone(),
        open: None,
    };
    let mut loading = (0, Instant::now());
    loop {
        let (number, status) = changes.borrow_and_update().clone();
        if loading.0 != number {
            loading = (number, Instant::now());
        }
        match &status {
            Status::Loading(done) => {
                let shows_at = loading.1 + GRACE;
                if bar.open.is_none() && Instant::now() < shows_at {
                    let changed = timeout_at(shows_at, changes.changed()).await;
                    if matches!(changed, Ok(Ok(()))) {
                        continue;
                    }
                }
                bar.report(number, percent(*done)).await;
            }
            Status::Ready(summary) => {
                tracing::info!(model = summary.name, "model ready");
                bar.end(&format!("{} is ready", summary.name));
                if summary.plan.format.order == Order::LeftToRight {
                    session.show_once(MessageType::WARNING, &left_to_right(&summary.name));
                }
                for note in &summary.nature.notes {
                    session.show_once(MessageType::INFO, note);
                }
            }
            Status::Failed(message) => {
                bar.end("failed");
                session.say_failed(message);
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// What to say of a model that knows no fill-in-the-middle.
fn left_to_right(name: &str) -> String {
    format!(
        "{name} was not trained to fill in: it sees nothing behind the cursor; `ghostline models list` shows models that do"
    )
}

/// The progress bar of the model that is loading, for clients that show one.
struct Bar {
    client: Client,
    peer: Peer,
    /// The engine's number, which names the bar, and what was last reported.
    open: Option<(u64, u32)>,
}

impl Bar {
    async fn report(&mut self, number: u64, percent: u32) {
        if !self.peer.shows_progress || number == 0 {
            return;
        }
        if self.open.is_some_and(|(open, _)| open != number) {
            self.end("");
        }
        let last = match self.open {
            Some((_, last)) => last,
            None => {
                let created = self.client.request(
                    "window/workDoneProgress/create",
                    json!({"token": token(number)}),
                );
                if created.await.is_err() {
                    self.peer.shows_progress = false;
                    return;
                }
                self.send(number, json!({"kind": "begin", "title": "ghostline: loading model", "percentage": percent}));
                percent
            }
        };
        if percent > last {
            self.send(number, json!({"kind": "report", "percentage": percent}));
        }
        self.open = Some((number, percent));
    }

    fn end(&mut self, message: &str) {
        if let Some((number, _)) = self.open.take() {
            self.send(number, json!({"kind": "end", "message": message}));
        }
    }

    fn send(&self, number: u64, value: serde_json::Value) {
        self.client.notify(
            "$/progress",
            json!({"token": token(number), "value": value}),
        );
    }
}

fn token(number: u64) -> String {
    format!("ghostline/model-{number}")
}
