//! Whether text may go to remote servers. None goes before the user has agreed, once for each host; as long as it is
//! not known, and when it is refused, the model in this process answers, and no engine exists that could send
//! anything. Which servers there are, keys and remembered answers are the program's affair.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::json;
use tokio::sync::Notify;
use tower_lsp::ls_types::MessageType;

use super::{Remotes, session::Session};
use crate::{
    config::{Config, Consent, EngineKind},
    engine::remote::Health,
};

/// What a session knows of its remote servers.
pub(crate) struct Permissions {
    pub(super) remotes: std::sync::Arc<dyn Remotes>,
    /// Settings have changed.
    pub(super) changed: Notify,
    /// Hosts that the user has not decided about in this session.
    dismissed: Mutex<HashSet<String>>,
}

/// How a configuration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing remote is wanted.
    Local,
    /// Text goes there.
    Permitted,
    Offline,
    /// It makes no sense, or a key is missing; a sentence.
    Unusable(String),
    Declined(String),
    /// Nobody has been asked about these hosts.
    Unknown(Vec<String>),
}

/// What `ghostline/status` says of remote servers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// `answers`, `failing`, `asking`, `declined`, `offline` or `unusable`.
    state: &'static str,
    /// Where text goes: hosts and ports.
    text_goes_to: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    servers: Vec<Server>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    host: String,
    answers: bool,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

const SEND: &str = "Send text there";
const KEEP: &str = "Keep text here";

impl Permissions {
    pub(crate) fn new(remotes: std::sync::Arc<dyn Remotes>) -> Permissions {
        Permissions {
            remotes,
            changed: Notify::new(),
            dismissed: Mutex::default(),
        }
    }

    fn standing(&self, config: &Config) -> Standing {
        if config.engine.kind == EngineKind::Local {
            return Standing::Local;
        }
        if config.network.offline {
            return Standing::Offline;
        }
        let hosts = match self.remotes.settings(config) {
            Ok(settings) => settings.hosts(),
            Err(sentence) => return Standing::Unusable(sentence),
        };
        if config.remote.consent == Consent::Given {
            return Standing::Permitted;
        }
        let consent = |host: &String| self.remotes.consent(host);
        if let Some(host) = hosts.iter().find(|host| consent(host) == Some(false)) {
            return Standing::Declined(host.clone());
        }
        let unknown: Vec<String> = (hosts.into_iter())
            .filter(|host| consent(host).is_none())
            .collect();
        match unknown.is_empty() {
            true => Standing::Permitted,
            false => Standing::Unknown(unknown),
        }
    }

    fn dismissed(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.dismissed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// The configuration that an engine may be started with: without remote servers unless text may go there.
    pub(super) fn permitted(&self, config: &Config) -> Config {
        let mut config = config.clone();
        if self.permissions.standing(&config) != Standing::Permitted {
            config.engine.kind = EngineKind::Local;
        }
        config
    }

    /// Asks the user where that is needed, and tells why text does not go where it was to go, as long as the session
    /// lasts.
    pub(super) async fn look_after_permissions(self: &Arc<Self>) {
        let mut states = self.engines.states();
        loop {
            self.tell_of_trouble();
            match self.permissions.standing(&self.config()) {
                Standing::Local | Standing::Permitted => {}
                standing @ (Standing::Offline | Standing::Declined(_)) => {
                    self.show_once(MessageType::INFO, &standing.sentence().unwrap_or_default());
                }
                Standing::Unusable(sentence) => {
                    self.show_once(MessageType::WARNING, &format!("{sentence}; {HERE}"));
                }
                Standing::Unknown(hosts) => {
                    for host in hosts {
                        self.ask_about(&host).await;
                    }
                }
            }
            tokio::select! {
                () = self.permissions.changed.notified() => {}
                changed = states.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    /// Asks about one host, unless that has been done in this session.
    async fn ask_about(self: &Arc<Self>, host: &str) {
        if !self.permissions.dismissed().insert(host.to_owned()) {
            return;
        }
        if !self.peer().asks_user {
            let message = format!(
                "text is to be sent to `{host}`, but this editor cannot ask you for it; set `remote.consent` to \"given\" to agree. {HERE}"
            );
            return self.show_once(MessageType::WARNING, &message);
        }
        let message = format!(
            "ghostline is set to have completions made by `{host}`. For that it sends the text around the cursor and pieces of other open files there while you type. \
             Files with secrets, and those that `files.exclude` and `.ghostlineignore` name, never go. Send text to `{host}`?"
        );
        let params = json!({
            "type": MessageType::INFO,
            "message": message,
            "actions": [{"title": SEND}, {"title": KEEP}],
        });
        let answer = self
            .client
            .request("window/showMessageRequest", params)
            .await;
        let title = answer.as_ref().ok().and_then(|it| it["title"].as_str());
        match title {
            Some(SEND) => {
                tracing::info!(host, "text may be sent there");
                self.permissions.remotes.remember(host, true);
            }
            Some(KEEP) => {
                tracing::info!(host, "text may not be sent there");
                self.permissions.remotes.remember(host, false);
            }
            // Asked again in the next session.
            _ => return,
        }
        let config = self.config();
        if self.permissions.standing(&config) == Standing::Permitted {
            self.load(&config);
        }
        self.counts.changed();
    }

    /// Tells once why a server does not answer.
    fn tell_of_trouble(&self) {
        let remotes = self.remotes();
        if remotes.iter().any(|server| server.answers) {
            return;
        }
        let answers = match self.config().remote.fallback {
            true => " The model in this process answers until it does",
            false => " There is no ghost text until it answers",
        };
        for trouble in remotes.iter().filter_map(|server| server.trouble.as_ref()) {
            self.show_once(MessageType::WARNING, &format!("{trouble}.{answers}"));
        }
    }

    fn remotes(&self) -> Vec<Health> {
        let engine = self.engines.engine();
        engine.map_or_else(Vec::new, |engine| engine.remotes())
    }

    /// Of the section `remote` of the status; `None` where nothing remote is wanted.
    pub(super) fn report_of_remotes(&self) -> Option<Report> {
        let standing = self.permissions.standing(&self.config());
        let servers = self.remotes();
        let state = match &standing {
            Standing::Local => return None,
            Standing::Permitted if servers.iter().any(|server| server.answers) => "answers",
            Standing::Permitted => "failing",
            Standing::Offline => "offline",
            Standing::Unusable(_) => "unusable",
            Standing::Declined(_) => "declined",
            Standing::Unknown(_) => "asking",
        };
        let trouble = servers.iter().find_map(|server| server.trouble.clone());
        Some(Report {
            state,
            text_goes_to: servers.iter().map(|server| server.host.clone()).collect(),
            message: standing
                .sentence()
                .or_else(|| trouble.filter(|_| state == "failing")),
            servers: servers.into_iter().map(Server::of).collect(),
        })
    }
}

/// What happens instead.
const HERE: &str = "Until then no text leaves this machine, and the model in this process answers";

impl Standing {
    fn sentence(&self) -> Option<String> {
        match self {
            Standing::Local | Standing::Permitted => None,
            Standing::Offline => Some(
                "`network.offline` is set: no text goes to a remote server, the model in this process answers".to_owned(),
            ),
            Standing::Unusable(sentence) => Some(sentence.clone()),
            Standing::Declined(host) => Some(format!(
                "you have decided that no text goes to `{host}`; the model in this process answers. To change that set `remote.consent` to \"given\""
            )),
            Standing::Unknown(hosts) => Some(format!(
                "no text goes to `{}` before you have agreed",
                hosts.join("`, `")
            )),
        }
    }
}

impl Server {
    fn of(health: Health) -> Server {
        Server {
            host: health.host,
            answers: health.answers,
            encrypted: health.is_encrypted,
            protocol: health.protocol,
            model: health.model,
            trouble: health.trouble,
        }
    }
}
