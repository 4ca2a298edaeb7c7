//! One session: its state, its life from `initialize` to `shutdown`, and the methods it serves.

use std::{
    collections::HashSet,
    ops::Deref,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower_lsp::{
    LanguageServer,
    jsonrpc::{Error, Result},
    ls_types::{
        CompletionParams, CompletionResponse, DidChangeConfigurationParams,
        DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidChangeWorkspaceFoldersParams,
        DidCloseTextDocumentParams, DidOpenTextDocumentParams, DidSaveTextDocumentParams,
        ExecuteCommandParams, InitializeParams, InitializeResult, InitializedParams,
        InlineCompletionList, LSPAny, MessageType, WillSaveTextDocumentParams,
    },
};

use super::{
    Options,
    client::Client,
    copilot,
    exclusion::{self, Exclusion},
    fates::Fates,
    heads::Pauses,
    inline,
    later::Later,
    models::{Change, Downloads, Models},
    peer::Peer,
    progress::{self, Engines},
    remote::Permissions,
    state::Documents,
    status::{Counts, Report},
};
use crate::config::{Config, Layered, Origin, Warning};

pub(crate) struct Session {
    pub client: Client,
    pub documents: Arc<Documents>,
    pub engines: Arc<Engines>,
    pub counts: Counts,
    pub fates: Fates,
    /// The client has shown that its trigger kinds start at 0.
    pub counts_from_zero: AtomicBool,
    /// Counts changes of settings.
    pub settings_epoch: AtomicU64,
    /// Counts jobs that somebody waits for, or will.
    pub next_job: AtomicU64,
    /// Counts edits since something was last asked.
    pub unasked: AtomicU64,
    /// Where work ahead is to be planned.
    pub later: Later,
    pub pauses: Pauses,
    peer: OnceLock<Peer>,
    settings: Mutex<Settings>,
    on_config: Arc<dyn Fn(&Config) + Send + Sync>,
    pub(super) exclusion: Exclusion,
    pub(super) models: Arc<dyn Models>,
    pub(super) downloads: Downloads,
    /// Until they are followed.
    pub(super) changes: Mutex<Option<mpsc::UnboundedReceiver<Change>>>,
    pub(super) permissions: Permissions,
    /// What the user has been told already.
    told: Mutex<HashSet<String>>,
}

struct Settings {
    layered: Layered,
    /// Replaced whole.
    config: Arc<Config>,
    /// From `initialize`, to be shown when the client is ready for it.
    early: Vec<Warning>,
}

impl Session {
    pub(crate) fn new(options: Options, client: Client) -> Session {
        let config = Arc::new(options.config.config().clone());
        Session {
            client,
            documents: Arc::default(),
            engines: Arc::new(Engines::new(options.start_engine)),
            counts: Counts::default(),
            fates: Fates::new(options.on_ended),
            counts_from_zero: AtomicBool::new(false),
            settings_epoch: AtomicU64::new(0),
            next_job: AtomicU64::new(0),
            unasked: AtomicU64::new(0),
            later: Later::default(),
            pauses: Pauses::default(),
            peer: OnceLock::new(),
            settings: Mutex::new(Settings {
                layered: options.config,
                config,
                early: Vec::new(),
            }),
            on_config: options.on_config,
            exclusion: Exclusion::new(options.excludes),
            models: options.outside.models,
            downloads: Downloads::default(),
            changes: Mutex::new(options.outside.changes),
            permissions: Permissions::new(options.remotes),
            told: Mutex::default(),
        }
    }

    pub(crate) fn peer(&self) -> &Peer {
        self.peer.get_or_init(Peer::default)
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.settings().config.clone()
    }

    /// Shows something to the user that need not be said twice.
    pub(crate) fn show_once(&self, kind: MessageType, message: &str) {
        if self
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(message.to_string())
        {
            self.client.show(kind, message);
        }
    }

    /// Answers what is pending and ends the engine; waits for its running step.
    pub(crate) fn close(&self) {
        self.documents.supersede_all();
        self.stop_downloads();
        self.end_all();
        self.engines.close();
    }

    /// Takes over a layer of settings; the warnings are the caller's to show.
    fn configure(&self, origin: Origin, layer: Value) -> (Vec<Warning>, Arc<Config>, Arc<Config>) {
        let mut settings = self.settings();
        let warnings = settings.layered.set(origin, layer);
        let new = Arc::new(settings.layered.config().clone());
        let old = std::mem::replace(&mut settings.config, new.clone());
        (warnings, old, new)
    }

    fn reconfigure(self: &Arc<Self>, layer: Value) {
        self.take_over(Origin::Settings, self.own_settings(layer));
    }

    /// Which layer says something of `key` that comes before the configuration file, if one does.
    pub(super) fn overruled(&self, key: &str) -> Option<Origin> {
        let origin = self.settings().layered.origin(key);
        (!matches!(origin, Origin::Default | Origin::File(_))).then_some(origin)
    }

    /// Takes over a layer of settings that has changed, and does what follows.
    pub(super) fn take_over(self: &Arc<Self>, origin: Origin, layer: Value) {
        let (warnings, old, new) = self.configure(origin, layer);
        self.warn(&warnings);
        if old == new {
            return;
        }
        tracing::info!("settings changed");
        (self.on_config)(&new);
        self.counts.changed();
        // What was said under other settings is forgotten.
        self.settings_epoch.fetch_add(1, Ordering::Relaxed);
        if old.needs_restart(&new) {
            self.load(&new);
        }
        self.permissions.changed.notify_one();
        if !new.completion.enabled {
            self.stop_everything();
        }
        if old.files != new.files {
            self.exclude_anew();
        }
    }

    fn warn(&self, warnings: &[Warning]) {
        for warning in warnings {
            self.show_once(MessageType::WARNING, &warning.to_string());
        }
    }

    async fn register_configuration(&self, peer: &Peer) {
        if !peer.registers_configuration {
            return;
        }
        let registration = json!({"registrations": [{
            "id": "ghostline-configuration",
            "method": "workspace/didChangeConfiguration",
            "registerOptions": {"section": "ghostline"},
        }]});
        if let Err(error) = self
            .client
            .request("client/registerCapability", registration)
            .await
        {
            tracing::info!("the client sends no changes of settings: {error}");
        }
    }

    fn settings(&self) -> std::sync::MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session as the library's router wants it.
pub(crate) struct Methods(pub Arc<Session>);

impl Deref for Methods {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

/// Parameters of `ghostline/documentText`.
#[derive(Deserialize)]
pub(crate) struct DocumentText {
    uri: String,
}

impl Methods {
    pub(crate) async fn inline_completion(
        &self,
        params: inline::Params,
    ) -> Result<InlineCompletionList> {
        self.0.inline_completion(params).await
    }

    pub(crate) async fn document_text(&self, params: DocumentText) -> Result<Value> {
        let document = self.documents.with(&params.uri, |open| {
            self.parse(&params.uri, open);
            json!({
                "text": open.document.text().to_string(),
                "version": open.document.version(),
                "isParsed": open.document.is_parsed(),
            })
        });
        Ok(document.unwrap_or_default())
    }

    pub(crate) async fn status(&self, _: Value) -> Result<Report> {
        Ok(self.report())
    }
}

impl LanguageServer for Methods {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let peer = Peer::of(&params);
        if let Some(client) = &params.client_info {
            tracing::info!(client = client.name, version = client.version, encoding = ?peer.encoding, "initialize");
        }
        let offer = peer.offer();
        self.exclusion.enter(&params);
        // Set once: the library refuses a second `initialize`.
        let _ = self.peer.set(peer);
        let options = self.own_settings(params.initialization_options.unwrap_or_default());
        let (warnings, _, config) = self.configure(Origin::Initialization, options);
        self.settings().early = warnings;
        (self.on_config)(&config);
        // Only now is it known which model is wanted. It loads on a thread of its own.
        self.0.load(&config);
        Ok(offer)
    }

    async fn initialized(&self, _: InitializedParams) {
        let early = std::mem::take(&mut self.settings().early);
        self.warn(&early);
        let peer = self.peer().clone();
        // Goes on as long as the session.
        tokio::join!(
            self.register_configuration(&peer),
            self.watch_lists(&peer),
            progress::show(self.0.clone()),
            self.0.follow_changes(),
            self.tell_status(),
            self.0.look_after_permissions(),
            self.0.warm_when_ready(),
            self.0.prepare_languages(),
            self.0.watch_pauses(),
        );
    }

    async fn shutdown(&self) -> Result<()> {
        let session = self.0.clone();
        session.documents.supersede_all();
        tokio::task::spawn_blocking(move || session.close());
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        let uri = document.uri.as_str();
        tracing::debug!(
            bytes = document.text.len(),
            language = document.language_id,
            "opened"
        );
        self.end_of(uri);
        let is_excluded = self.excludes(uri);
        let replaced = self.documents.open(
            uri,
            &document.language_id,
            document.version,
            &document.text,
            is_excluded,
        );
        if let (Some(replaced), Some(engine)) = (replaced, self.engines.engine()) {
            tracing::info!("a document was opened twice; the second text holds");
            engine.forget(replaced);
        }
        if !is_excluded {
            self.0.opened(uri);
        }
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let document = params.text_document;
        let encoding = self.peer().encoding;
        let uri = document.uri.as_str();
        let changed =
            self.documents
                .change(uri, document.version, params.content_changes, encoding);
        let Some(changed) = changed else {
            tracing::warn!("a change of a document that is not open; ignored");
            return;
        };
        self.ended(changed.ended);
        if let Some(cursor) = changed.cursor {
            self.0.ask_early(uri, cursor, changed.revision);
        }
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.end_of(params.text_document.uri.as_str());
        let closed = self.documents.close(params.text_document.uri.as_str());
        if let (Some(closed), Some(engine)) = (closed, self.engines.engine()) {
            engine.forget(closed);
        }
    }

    // The text is known from the changes; but the document may have another name, or be a list of files.
    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        self.0.saved(params.text_document.uri.as_str());
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        if params
            .changes
            .iter()
            .any(|change| exclusion::is_list(change.uri.as_str()))
        {
            self.0.exclude_anew();
        }
    }

    async fn will_save(&self, _: WillSaveTextDocumentParams) {}

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        self.exclusion.change(&params);
        self.0.exclude_anew();
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        self.0.menu(&params).await
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<LSPAny>> {
        if let Some(done) = self.models_command(&params).await {
            return done;
        }
        if ![inline::ACCEPTED, copilot::ACCEPTED].contains(&params.command.as_str()) {
            return Err(Error::invalid_params(format!(
                "unknown command `{}`",
                params.command
            )));
        }
        self.told_accepted(params.arguments.first());
        Ok(None)
    }

    async fn did_change_configuration(&self, params: DidChangeConfigurationParams) {
        if !params.settings.is_null() {
            return self.0.reconfigure(params.settings);
        }
        // The pull model: the client only says that something has changed.
        if self.peer().answers_configuration {
            let items = json!({"items": [{"section": "ghostline"}]});
            match self.client.request("workspace/configuration", items).await {
                Ok(mut answer) => self
                    .0
                    .reconfigure(answer.get_mut(0).map(Value::take).unwrap_or_default()),
                Err(error) => tracing::info!("the client does not tell its settings: {error}"),
            }
        }
    }
}
