//! Remote servers as far as they are the program's affair: where the key comes from, to whom the user has agreed, and
//! which engine a configuration wants. What is said to a server is `engine/remote.rs`, who asks the user is the server.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{
    config::{Config, Consent, EngineKind},
    engine::{
        Engine, Status,
        remote::{Key, Settings},
    },
    models::{self, web::Web},
    server, statistics,
};

const FILE: &str = "consents.json";

/// The engine that the configuration wants: remote servers only where it says so, which nobody does without having
/// asked.
pub fn start(config: &Config, on_status: Box<dyn Fn(Status) + Send + Sync>) -> Engine {
    let loader = || models::loader(config);
    if config.engine.kind == EngineKind::Local || config.network.offline {
        return Engine::start(loader(), on_status);
    }
    match settings(config) {
        Ok(settings) => {
            let loader = config.remote.fallback.then(loader);
            Engine::start_remote(settings, loader, on_status)
        }
        Err(sentence) => {
            tracing::warn!("{sentence}");
            Engine::start(loader(), on_status)
        }
    }
}

/// The configuration for a command that has nobody to ask: without remote servers unless the user has agreed, and then
/// why.
pub fn for_command(config: &Config) -> (Config, Option<String>) {
    let mut local = config.clone();
    local.engine.kind = EngineKind::Local;
    if config.engine.kind == EngineKind::Local {
        return (local, None);
    }
    let why = if config.network.offline {
        "the network is not to be used".to_owned()
    } else {
        match settings(config) {
            Ok(settings) if Consents::default().of(config, &settings) == Some(true) => {
                return (config.clone(), None);
            }
            Ok(settings) => format!(
                "nobody has agreed that text goes to `{}`; start an editor, which asks, or set `remote.consent` to \"given\"",
                settings.hosts().join("`, `")
            ),
            Err(sentence) => sentence,
        }
    };
    (
        local,
        Some(format!("the model in this process answers: {why}")),
    )
}

/// What the configuration says of remote servers, with the key; a sentence where something is missing.
pub fn settings(config: &Config) -> Result<Settings, String> {
    let mut settings = Settings::new(config, key(config)?)?;
    let web = Web::from_environment();
    let addresses = settings.addresses.iter();
    for address in addresses.filter(|address| address.is_encrypted) {
        if let Some(proxy) = web.proxy_to(&address.origin())? {
            settings.proxies.push((address.clone(), proxy));
        }
    }
    Ok(settings)
}

fn key(config: &Config) -> Result<Option<Key>, String> {
    let remote = &config.remote;
    let (text, from) = if let Some(name) = &remote.key_env {
        let text = std::env::var(name).unwrap_or_default();
        if text.trim().is_empty() {
            return Err(format!(
                "`remote.key_env` names `{name}`, but there is no such variable in the environment that the editor was started with"
            ));
        }
        (text, format!("the variable `{name}`"))
    } else if let Some(path) = &remote.key_file {
        let text = fs::read_to_string(models::expand(path)).map_err(|error| {
            format!("`remote.key_file` names `{path}`, which cannot be read: {error}")
        })?;
        (text, format!("the file `{path}`"))
    } else {
        return Ok(None);
    };
    let key = Key::new(&text);
    let unusable = || format!("{from} holds no key: one word of visible ASCII is expected");
    Ok(Some(key.ok_or_else(unusable)?))
}

/// Who was agreed to, remembered in the user's state folder.
pub struct Consents {
    /// `None` where the user has no folders.
    path: Option<PathBuf>,
    /// One change at a time.
    turn: Mutex<()>,
}

impl Default for Consents {
    fn default() -> Consents {
        Consents {
            path: statistics::path().map(|path| path.with_file_name(FILE)),
            turn: Mutex::default(),
        }
    }
}

impl Consents {
    /// In a file of one's own.
    pub fn in_file(path: PathBuf) -> Consents {
        Consents {
            path: Some(path),
            turn: Mutex::default(),
        }
    }

    /// Whether text may go to every server of the configuration; `None` where the user has to be asked.
    pub fn of(&self, config: &Config, settings: &Settings) -> Option<bool> {
        if config.remote.consent == Consent::Given {
            return Some(true);
        }
        let consents = self.read();
        let mut given = settings
            .hosts()
            .into_iter()
            .map(|host| consents.get(&host).copied());
        given.try_fold(true, |all, one| one.map(|one| all && one))
    }

    /// Nothing where there is no file, or one that makes no sense: then the user is asked again.
    fn read(&self) -> BTreeMap<String, bool> {
        let bytes = self.path.as_ref().and_then(|path| fs::read(path).ok());
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn write(path: &Path, consents: &BTreeMap<String, bool>) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
        fs::write(&unfinished, serde_json::to_vec_pretty(consents)?)?;
        fs::rename(&unfinished, path)
    }
}

impl server::Remotes for Consents {
    fn settings(&self, config: &Config) -> Result<Settings, String> {
        settings(config)
    }

    fn consent(&self, host: &str) -> Option<bool> {
        self.read().get(host).copied()
    }

    fn remember(&self, host: &str, is_given: bool) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut consents = self.read();
        consents.insert(host.to_owned(), is_given);
        let Some(path) = &self.path else { return };
        if let Err(error) = Consents::write(path, &consents) {
            tracing::warn!(
                "the answer cannot be remembered in `{}`: {error}",
                path.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use server::Remotes;

    use super::*;

    fn config(layer: serde_json::Value) -> Config {
        let mut config = Config::default();
        assert_eq!(config.apply(&layer), []);
        config
    }

    #[test]
    fn an_answer_is_remembered_for_each_host() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/consents.json");
        let consents = Consents::in_file(path.clone());
        assert_eq!(consents.consent("box:1"), None);
        consents.remember("box:1", true);
        consents.remember("box:2", false);
        let again = Consents::in_file(path.clone());
        let seen = ["box:1", "box:2", "box:3"].map(|host| again.consent(host));
        assert_eq!(seen, [Some(true), Some(false), None]);
        let both = config(
            serde_json::json!({"remote": {"url": "http://box:1", "endpoints": ["http://box:3"]}}),
        );
        let settings = settings(&both).unwrap();
        assert_eq!(again.of(&both, &settings), None);
        fs::write(&path, "{broken").unwrap();
        assert_eq!(again.consent("box:1"), None);
    }

    #[test]
    fn a_key_comes_from_a_file_and_is_in_no_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let config = config(
            serde_json::json!({"remote": {"url": "http://box", "key_file": path.display().to_string()}}),
        );
        assert!(settings(&config).unwrap_err().contains("cannot be read"));
        fs::write(&path, "s3cret word").unwrap();
        let sentence = settings(&config).unwrap_err();
        assert!(
            sentence.ends_with("holds no key: one word of visible ASCII is expected")
                && !sentence.contains("s3cret")
        );
        fs::write(&path, "s3cret\n").unwrap();
        let settings = settings(&config).unwrap();
        assert!(settings.key.is_some() && !format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn what_makes_no_sense_is_a_sentence_with_the_way_out() {
        let sentence = |layer| settings(&config(serde_json::json!({"remote": layer}))).unwrap_err();
        assert!(sentence(serde_json::json!({})).ends_with("set `remote.url`"));
        assert!(
            sentence(serde_json::json!({"url": "box:80"})).contains("write `http://HOST:PORT`")
        );
        assert!(sentence(serde_json::json!({"url": "http://a@b"})).contains("remote.key_env"));
        let unknown = serde_json::json!({"url": "http://box", "format": "qwen-codr"});
        assert!(sentence(unknown).ends_with("did you mean `qwen-coder`?"));
        let variable = serde_json::json!({"url": "http://box", "key_env": "GHOSTLINE_NO_SUCH_KEY"});
        assert!(sentence(variable).contains("no such variable"));
    }
}
