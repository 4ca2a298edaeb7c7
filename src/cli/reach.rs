//! What `ghostline doctor` finds out about remote servers: whether text would go there, whether they answer, what they
//! speak, how fast. No text is sent for it, and nothing at all to a host that the user has not agreed to.

use serde::Serialize;

use crate::{
    config::{Config, EngineKind},
    engine::remote::{self as engine, Health},
    remote,
};

/// What was found out.
#[derive(Debug, Serialize)]
pub(super) struct Reach {
    /// `given`, `declined`, `not asked yet`, `offline` or `unusable`.
    consent: &'static str,
    servers: Vec<Server>,
    /// Whether the model in this process answers while no server does.
    fallback: bool,
    /// Told beside the others.
    #[serde(skip)]
    pub(super) problems: Vec<String>,
}

/// A server, without what may be secret of its address.
#[derive(Debug, Serialize)]
struct Server {
    host: String,
    encrypted: bool,
    answers: bool,
    protocol: Option<&'static str>,
    model: Option<String>,
    format: Option<String>,
    context_length: Option<usize>,
    latency_ms: Option<f64>,
    trouble: Option<String>,
}

/// Looks at the servers of the configuration; `None` where it wants none.
pub(super) fn reach(config: &Config) -> Option<Reach> {
    if config.engine.kind == EngineKind::Local {
        return None;
    }
    let mut reach = Reach {
        consent: "offline",
        servers: Vec::new(),
        fallback: config.remote.fallback,
        problems: Vec::new(),
    };
    if config.network.offline {
        reach.problems.push("`network.offline` is set: no text goes to the remote server, and it was not looked at; leave `--offline` and GHOSTLINE_OFFLINE away to use it".to_owned());
        return Some(reach);
    }
    let settings = match remote::settings(config) {
        Ok(settings) => settings,
        Err(sentence) => {
            reach.consent = "unusable";
            reach.problems.push(sentence);
            return Some(reach);
        }
    };
    let hosts = settings.hosts().join("`, `");
    reach.consent = match remote::Consents::default().of(config, &settings) {
        Some(true) => "given",
        Some(false) => "declined",
        None => "not asked yet",
    };
    match reach.consent {
        "given" => {}
        "declined" => reach.problems.push(format!("you have decided that no text goes to `{hosts}`, which was not looked at; to change that set `remote.consent` to \"given\"")),
        _ => reach.problems.push(format!("nobody has agreed yet that text goes to `{hosts}`, which was not looked at; start an editor, which asks, or set `remote.consent` to \"given\"")),
    }
    if reach.consent == "given" {
        let healths = engine::examine(&settings);
        reach
            .problems
            .extend(healths.iter().filter_map(|health| health.trouble.clone()));
        for address in settings
            .addresses
            .iter()
            .filter(|address| !address.is_encrypted && !address.is_here())
        {
            reach.problems.push(format!(
                "text goes to `{}` without encryption; use https:// unless the network is yours",
                address.host()
            ));
        }
        reach.servers = healths.into_iter().map(Server::of).collect();
    }
    Some(reach)
}

impl Server {
    fn of(health: Health) -> Server {
        Server {
            host: health.host,
            encrypted: health.is_encrypted,
            answers: health.answers,
            protocol: health.protocol,
            model: health.model,
            format: health.format,
            context_length: health.context_length,
            latency_ms: health.latency_ms,
            trouble: health.trouble,
        }
    }

    fn sentence(&self) -> String {
        let how = if self.encrypted {
            "encrypted"
        } else {
            "not encrypted"
        };
        if !self.answers {
            return format!("{}, {how}: does not answer", self.host);
        }
        let mut parts = vec![format!("{}, {how}", self.host)];
        parts.extend(self.protocol.map(|protocol| format!("speaks {protocol}")));
        parts.extend(self.model.as_ref().map(|model| format!("has {model}")));
        parts.extend(
            self.format
                .as_ref()
                .map(|format| format!("prompt format {format}")),
        );
        parts.extend(
            self.context_length
                .map(|length| format!("reads {length} tokens")),
        );
        parts.extend(
            self.latency_ms
                .map(|ms| format!("answers a small question in {ms:.1} ms")),
        );
        parts.join(", ")
    }
}

impl Reach {
    /// For the table.
    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = vec![["consent".to_owned(), self.consent.to_owned()]];
        let servers = self
            .servers
            .iter()
            .map(|server| ["remote server".to_owned(), server.sentence()]);
        rows.extend(servers);
        let otherwise = match self.fallback {
            true => "the model in this process answers",
            false => "there is no ghost text",
        };
        rows.push(["otherwise".to_owned(), otherwise.to_owned()]);
        rows
    }
}
