//! The session's engine, and what the user is told about it: progress while a model loads, its failure. What clients
//! are told of the session as a whole is in `status.rs`.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::{
    sync::watch,
    time::{Duration, Instant, timeout_at},
};
use tower_lsp::ls_types::MessageType;

use super::{StartEngine, client::Client, peer::Peer, status::percent};
use crate::{
    config::Config,
    engine::{Engine, Status, Summary},
};

/// The one engine of a session, which a change of settings replaces by another.
pub(crate) struct Engines {
    start: StartEngine,
    slot: Mutex<Slot>,
    /// Held by whoever waits for the engine's end.
    closing: Mutex<()>,
    /// Of the engine with this number; 0 stands for none yet.
    status: Arc<watch::Sender<(u64, Status)>>,
}

#[derive(Default)]
struct Slot {
    /// Counts engines, from 1.
    number: u64,
    /// `None` also while one makes room for the next: two models at once may be too much for the memory.
    engine: Option<Engine>,
    is_closed: bool,
}

impl Engines {
    pub(crate) fn new(start: StartEngine) -> Engines {
        let status = Arc::new(watch::Sender::new((0, Status::Loading(0.0))));
        Engines {
            start,
            slot: Mutex::default(),
            closing: Mutex::default(),
            status,
        }
    }

    /// Starts an engine in place of the one before, if any. Returns at once; called on the runtime.
    pub(crate) fn start(self: &Arc<Engines>, config: &Config) {
        let (number, old) = {
            let mut slot = self.slot();
            slot.number += 1;
            (slot.number, slot.engine.take())
        };
        self.status.send_replace((number, Status::Loading(0.0)));
        let Some(old) = old else {
            return self.put(number, config);
        };
        let (engines, config) = (self.clone(), config.clone());
        // Waits for the old engine's step to end.
        tokio::task::spawn_blocking(move || {
            old.shut_down();
            drop(old);
            engines.put(number, &config);
        });
    }

    fn put(&self, number: u64, config: &Config) {
        if self.slot().number != number {
            return;
        }
        let status = self.status.clone();
        let on_status = move |new: Status| {
            status.send_if_modified(|(current, status)| {
                let is_current = *current == number;
                if is_current {
                    *status = new;
                }
                is_current
            });
        };
        let engine = (self.start)(config, Box::new(on_status));
        let late = {
            let mut slot = self.slot();
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

    /// The engine, its number and its model, when the model is loaded.
    pub(crate) fn ready(&self) -> Option<(u64, Engine, Arc<Summary>)> {
        let (number, summary) = match &*self.status.borrow() {
            (number, Status::Ready(summary)) => (*number, summary.clone()),
            _ => return None,
        };
        let slot = self.slot();
        let engine = slot.engine.as_ref().filter(|_| slot.number == number)?;
        Some((number, engine.clone(), summary))
    }

    /// The engine whatever it is doing.
    pub(crate) fn engine(&self) -> Option<Engine> {
        self.slot().engine.clone()
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().1.clone()
    }

    /// The status and its changes, each with the engine's number.
    pub(crate) fn states(&self) -> watch::Receiver<(u64, Status)> {
        self.status.subscribe()
    }

    /// Ends the engine for good; waits for its running step, whoever ended it first: the process must not go while
    /// the model computes.
    pub(crate) fn close(&self) {
        let _turn = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = {
            let mut slot = self.slot();
            slot.is_closed = true;
            slot.number += 1;
            slot.engine.take()
        };
        if let Some(engine) = engine {
            engine.shut_down();
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A model that loads faster than this shows no progress bar: it would only flash.
const GRACE: Duration = Duration::from_millis(200);

/// Shows how a model loads, or why it does not, until the session ends.
pub(crate) async fn show(engines: Arc<Engines>, client: Client, peer: Peer) {
    let mut changes = engines.states();
    let mut bar = Bar {
        client: client.clone(),
        peer,
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
            }
            Status::Failed(message) => {
                bar.end("failed");
                client.show(MessageType::ERROR, message);
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
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
