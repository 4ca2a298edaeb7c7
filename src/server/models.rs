//! Models by name in a running server: fetched when the editor asks for it or the user consents, chosen, loaded anew when
//! the file has changed. Where models come from is the program's; it is handed in as [`Models`].

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tower_lsp::{
    jsonrpc::{Error, Result},
    ls_types::{ExecuteCommandParams, MessageType},
};

use super::session::{Methods, Session};
use crate::{
    config::{Config, Origin},
    engine::Status,
};

/// What the program knows of models. What blocks says so.
pub trait Models: Send + Sync {
    /// The model that the settings name, if it can be fetched and is not there.
    fn missing(&self, config: &Config) -> Option<Missing>;

    /// Whether memory has room for this model while another one is loaded.
    fn fits_beside(&self, config: &Config) -> bool;

    /// A model is being loaded: changes of its files from now on are news.
    fn loading(&self, config: &Config);

    /// Fetches a model; blocks for minutes. `progress` hears how many bytes there are and will be, and says whether to
    /// go on. Both results are sentences for the user.
    fn pull(&self, name: &str, progress: &mut dyn FnMut(u64, Option<u64>) -> bool) -> Pulled;

    /// Writes into the configuration file which model is used, and returns a sentence with the file's new layer.
    /// Blocks for a moment.
    fn choose(&self, name: &str) -> std::result::Result<(String, Origin, Value), String>;

    /// What there is, for menus. Blocks for a moment.
    fn list(&self, config: &Config) -> Value;
}

pub type Pulled = std::result::Result<String, String>;

/// A model that could be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub name: String,
    /// `1.6 GB`, or nothing where it is not known.
    pub size: String,
}

/// What has happened outside of the editor.
#[derive(Clone, Debug)]
pub enum Change {
    /// A layer of the configuration is another one.
    Settings(Origin, Value),
    /// The files of the model that is in use are others, or are there now.
    Model,
}

/// What a session has of the program's world beyond its own: nothing by default.
pub struct Outside {
    pub models: Arc<dyn Models>,
    pub changes: Option<mpsc::UnboundedReceiver<Change>>,
}

impl Default for Outside {
    fn default() -> Outside {
        Outside {
            models: Arc::new(NoModels),
            changes: None,
        }
    }
}

/// Knows of no models by name.
struct NoModels;

impl Models for NoModels {
    fn missing(&self, _: &Config) -> Option<Missing> {
        None
    }
    fn fits_beside(&self, _: &Config) -> bool {
        true
    }
    fn loading(&self, _: &Config) {}
    fn pull(&self, name: &str, _: &mut dyn FnMut(u64, Option<u64>) -> bool) -> Pulled {
        Err(format!("no model is called `{name}`"))
    }
    fn choose(&self, name: &str) -> std::result::Result<(String, Origin, Value), String> {
        Err(format!("no model is called `{name}`"))
    }
    fn list(&self, _: &Config) -> Value {
        json!({})
    }
}

pub(crate) const PULL: &str = "ghostline.models.pull";
pub(crate) const USE: &str = "ghostline.models.use";
pub(crate) const LIST: &str = "ghostline.models.list";

/// The downloads under way, by the token of their progress bar: set, one ends.
pub(crate) type Downloads = Mutex<HashMap<String, Arc<AtomicBool>>>;

/// Sets the flag when it is dropped: who does not wait for a download any more does not want it.
struct StopOnDrop<'a> {
    flag: Arc<AtomicBool>,
    token: String,
    downloads: &'a Downloads,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.flag.store(true, Ordering::Relaxed);
        let mut downloads = self
            .downloads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        downloads.remove(&self.token);
    }
}

impl Session {
    /// Loads the configured model. The one that is loaded goes on answering meanwhile, if memory has room for both.
    pub(super) fn load(self: &Arc<Self>, config: &Config) {
        self.models.loading(config);
        let is_answering = self.engines.ready().is_some();
        let fits = !is_answering || self.models.fits_beside(config);
        if !fits {
            self.client.show(
                MessageType::INFO,
                "memory has no room for two models at once: there is no ghost text until the new one is loaded",
            );
        }
        self.engines.start(&self.permitted(config), fits);
    }

    /// Does what `Change`s want, as long as the session goes on.
    pub(super) async fn follow_changes(self: &Arc<Self>) {
        let changes = self
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut changes) = changes else { return };
        while let Some(change) = changes.recv().await {
            match change {
                Change::Settings(origin, layer) => self.take_over(origin, layer),
                Change::Model => {
                    tracing::info!("the model's file has changed; it is loaded anew");
                    self.load(&self.config());
                }
            }
        }
    }

    /// A model cannot be loaded: says why; if it only has to be fetched, asks whether to.
    pub(super) fn say_failed(self: &Arc<Self>, message: &str) {
        let Some(missing) = self.models.missing(&self.config()) else {
            return self.client.show(MessageType::ERROR, message);
        };
        // Not joined to the session's life: the user may never answer.
        tokio::spawn(offer(
            Arc::downgrade(self),
            self.client.clone(),
            missing,
            message.to_owned(),
        ));
    }

    /// Fetches a model, with a progress bar, and loads it if it is the one that is wanted.
    async fn pull(self: &Arc<Self>, name: &str, token: Option<Value>) -> Pulled {
        let flag = Arc::new(AtomicBool::new(false));
        let token = match token {
            Some(token) => Some(token),
            None => self.new_bar().await,
        };
        let guard = StopOnDrop {
            flag: flag.clone(),
            token: token.as_ref().map(Value::to_string).unwrap_or_default(),
            downloads: &self.downloads,
        };
        self.downloads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(guard.token.clone(), flag.clone());
        let bar = |value: Value| {
            if let Some(token) = &token {
                self.client
                    .notify("$/progress", json!({"token": token, "value": value}));
            }
        };
        bar(
            json!({"kind": "begin", "title": format!("ghostline: fetching {name}"), "cancellable": true, "percentage": 0}),
        );

        let (progress, mut changes) = watch::channel(0);
        let (done, mut result) = oneshot::channel();
        let (models, wanted) = (self.models.clone(), name.to_owned());
        let spawned = thread::Builder::new()
            .name("download".to_owned())
            .spawn(move || {
                let mut on_progress = |bytes: u64, of: Option<u64>| {
                    let percent = of.map_or(0, |of| bytes * 100 / of.max(1));
                    progress.send_if_modified(|known| std::mem::replace(known, percent) != percent);
                    !flag.load(Ordering::Relaxed)
                };
                // Nobody may be waiting any more.
                let _ = done.send(models.pull(&wanted, &mut on_progress));
            });
        let pulled = match spawned {
            Err(error) => Err(format!("no thread for the download: {error}")),
            Ok(_) => loop {
                tokio::select! {
                    biased;
                    pulled = &mut result => {
                        break pulled.unwrap_or_else(|_| Err("the download broke down".to_owned()));
                    }
                    changed = changes.changed() => {
                        if changed.is_err() {
                            break (&mut result).await.unwrap_or_else(|_| Err("the download broke down".to_owned()));
                        }
                        let percent = *changes.borrow_and_update();
                        bar(json!({"kind": "report", "percentage": percent.min(100)}));
                    }
                }
            },
        };
        drop(guard);
        let message = match &pulled {
            Ok(sentence) | Err(sentence) => sentence,
        };
        bar(json!({"kind": "end", "message": message}));
        let config = self.config();
        let is_wanted = config.model.path.as_deref() == Some(name);
        if pulled.is_ok() && is_wanted && !matches!(self.engines.status(), Status::Ready(_)) {
            self.load(&config);
        }
        pulled
    }

    /// Nobody is there any more who wanted them. What came is kept.
    pub(super) fn stop_downloads(&self) {
        let downloads = self
            .downloads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for flag in downloads.values() {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// A progress bar of our own making, if the client shows any.
    async fn new_bar(&self) -> Option<Value> {
        if !self.peer().shows_progress {
            return None;
        }
        let number = self.next_job.fetch_add(1, Ordering::Relaxed);
        let token = json!(format!("ghostline/download-{number}"));
        let created = self
            .client
            .request("window/workDoneProgress/create", json!({"token": token}));
        created.await.ok().map(|_| token)
    }
}

/// Asks whether to fetch a model that the settings name; nothing goes to the network without that.
async fn offer(
    session: Weak<Session>,
    client: super::client::Client,
    missing: Missing,
    message: String,
) {
    let fetch = match missing.size.as_str() {
        "" => "Fetch it".to_owned(),
        size => format!("Fetch it ({size})"),
    };
    let question = json!({
        "type": MessageType::WARNING,
        "message": format!("ghostline: {message}"),
        "actions": [{"title": fetch}, {"title": "Not now"}],
    });
    tracing::warn!("{message}");
    let answer = client.request("window/showMessageRequest", question).await;
    let Some(session) = session.upgrade() else {
        return;
    };
    match answer {
        Ok(action) if action["title"] == fetch.as_str() => {
            if let Err(sentence) = session.pull(&missing.name, None).await {
                session
                    .client
                    .show(MessageType::ERROR, &format!("{}: {sentence}", missing.name));
            }
        }
        Ok(_) => {}
        // It cannot ask: it is told at least.
        Err(_) => client.show(MessageType::ERROR, &message),
    }
}

impl Methods {
    /// The commands that are about models; `None` for others.
    pub(super) async fn models_command(
        &self,
        params: &ExecuteCommandParams,
    ) -> Option<Result<Option<Value>>> {
        if params.command == LIST {
            let (models, config) = (self.models.clone(), self.config());
            let listed = tokio::task::spawn_blocking(move || models.list(&config)).await;
            return Some(Ok(listed.ok()));
        }
        if ![PULL, USE].contains(&params.command.as_str()) {
            return None;
        }
        let first = params.arguments.first();
        let name = first.and_then(|it| it.as_str().or_else(|| it["name"].as_str()));
        let Some(name) = name else {
            return Some(Err(Error::invalid_params("the name of a model is missing")));
        };
        let done = if params.command == PULL {
            let token = params.work_done_progress_params.work_done_token.as_ref();
            let token = token.and_then(|token| serde_json::to_value(token).ok());
            self.0.pull(name, token).await
        } else {
            self.choose(name).await
        };
        Some(match done {
            Ok(sentence) => Ok(Some(json!({"message": sentence}))),
            Err(sentence) => Err(Error {
                message: sentence.into(),
                ..Error::internal_error()
            }),
        })
    }

    async fn choose(&self, name: &str) -> Pulled {
        let (models, wanted) = (self.models.clone(), name.to_owned());
        let chosen = tokio::task::spawn_blocking(move || models.choose(&wanted)).await;
        let (sentence, origin, layer) =
            chosen.unwrap_or_else(|_| Err("it cannot be written down".to_owned()))?;
        self.0.take_over(origin, layer);
        Ok(match self.overruled("model.path") {
            None => sentence,
            Some(by) => format!(
                "{sentence}; but another one is set elsewhere, too, and that comes first: {by}"
            ),
        })
    }

    /// The user has stopped what a progress bar shows.
    pub(super) async fn cancel_progress(&self, params: Value) {
        let downloads = self
            .downloads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(flag) = downloads.get(&params["token"].to_string()) {
            flag.store(true, Ordering::Relaxed);
        }
    }
}
