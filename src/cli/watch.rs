//! What changes on disk while the server runs: the configuration file and the model's files. Looked at once a second
//! (a few `stat` calls), by a thread of its own; without a watcher of the system's, which differs everywhere and misses
//! what happens on network disks.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::settings;
use crate::{
    config::{Config, Origin},
    models::Choice,
    server::Change,
};

const EVERY: Duration = Duration::from_secs(1);

/// What tells a file from the one before it; `None` for one that is not there.
type Stamp = Vec<Option<(u64, Option<SystemTime>, u64)>>;

/// Files, as they were when something was last made of them.
#[derive(Debug, Default)]
struct Watched {
    files: Vec<PathBuf>,
    known: Stamp,
    /// Another one, seen once: it may still be written to.
    seen: Option<Stamp>,
}

/// The files that are looked at.
#[derive(Debug, Default)]
pub(super) struct Watch {
    settings: Watched,
    model: Watched,
}

/// Held by whoever loads a model.
pub(super) type Shared = Arc<Mutex<Watch>>;

/// Begins to look; the file is that of the settings.
pub(super) fn start(file: Option<PathBuf>) -> (Shared, UnboundedReceiver<Change>) {
    let watch = Shared::new(Mutex::new(Watch {
        settings: Watched::new(Vec::from_iter(file)),
        model: Watched::default(),
    }));
    let (sender, changes) = unbounded_channel();
    let shared = Arc::downgrade(&watch);
    let looking = move || {
        while let Some(watch) = shared.upgrade() {
            let changes = lock(&watch).look();
            drop(watch);
            for change in changes {
                if sender.send(change).is_err() {
                    return;
                }
            }
            thread::sleep(EVERY);
        }
    };
    if let Err(error) = thread::Builder::new()
        .name("watch".to_owned())
        .spawn(looking)
    {
        tracing::warn!("changes on disk are not seen: no thread for it: {error}");
    }
    (watch, changes)
}

/// The model of these settings is being loaded.
pub(super) fn loading(watch: &Shared, config: &Config) {
    lock(watch).model = Watched::new(Choice::new(config).files());
}

fn lock(watch: &Shared) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    fn look(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.settings.have_changed() {
            changes.extend(self.settings.files.first().and_then(|file| layer(file)));
        }
        if self.model.have_changed() {
            let is_whole = self.model.known.iter().all(Option::is_some);
            if is_whole {
                changes.push(Change::Model);
            } else {
                tracing::info!("a file of the model is gone; what is loaded stays");
            }
        }
        changes
    }
}

impl Watched {
    fn new(files: Vec<PathBuf>) -> Watched {
        Watched {
            known: stamp(&files),
            files,
            seen: None,
        }
    }

    /// Whether they are others than they were, and the same as at the last look: nobody is writing.
    fn have_changed(&mut self) -> bool {
        let now = stamp(&self.files);
        if now == self.known {
            self.seen = None;
            return false;
        }
        if self.seen.as_ref() == Some(&now) {
            self.known = now;
            self.seen = None;
            return true;
        }
        self.seen = Some(now);
        false
    }
}

fn stamp(files: &[PathBuf]) -> Stamp {
    let of = |file: &PathBuf| {
        let metadata = file.metadata().ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = 0;
        Some((metadata.len(), metadata.modified().ok(), number))
    };
    files.iter().map(of).collect()
}

/// The layer that the settings' file is now; nothing of one that cannot be read: it may be in the middle of an edit.
pub(super) fn layer(file: &Path) -> Option<Change> {
    let origin = Origin::File(file.display().to_string());
    match std::fs::read_to_string(file) {
        Ok(text) => match toml::from_str::<Value>(&text) {
            Ok(layer) => Some(Change::Settings(origin, layer)),
            Err(error) => {
                tracing::warn!("{}", settings::not_toml(file, &error));
                None
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(Change::Settings(origin, Value::Null))
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn said(watch: &mut Watch) -> Vec<String> {
        let said = |change: &Change| match change {
            Change::Model => "model".to_owned(),
            Change::Settings(_, layer) => layer.to_string(),
        };
        watch.look().iter().map(said).collect()
    }

    #[test]
    fn a_file_that_has_changed_is_told_once_nobody_writes_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [config, model] = ["c.toml", "m.gguf"].map(|name| folder.path().join(name));
        fs::write(&model, "GGUF").unwrap();
        let mut watch = Watch {
            settings: Watched::new(vec![config.clone()]),
            model: Watched::new(vec![model.clone()]),
        };
        assert!(said(&mut watch).is_empty());
        fs::write(&config, "[log]\nlevel = \"off\"\n").unwrap();
        fs::write(&model, "GGUF half").unwrap();
        assert!(said(&mut watch).is_empty());
        fs::write(&model, "GGUF half and more").unwrap();
        assert_eq!(said(&mut watch), [r#"{"log":{"level":"off"}}"#]);
        assert_eq!(said(&mut watch), ["model"]);
        assert!(said(&mut watch).is_empty());
    }

    #[test]
    fn a_model_that_is_deleted_is_no_news_and_one_that_comes_back_is() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("m.gguf");
        fs::write(&model, "GGUF").unwrap();
        let mut watch = Watch {
            model: Watched::new(vec![model.clone()]),
            ..Watch::default()
        };
        fs::remove_file(&model).unwrap();
        assert!(said(&mut watch).is_empty() && said(&mut watch).is_empty());
        fs::write(&model, "GGUF of today").unwrap();
        assert!(said(&mut watch).is_empty());
        assert_eq!(said(&mut watch), ["model"]);
    }

    #[test]
    fn settings_that_go_away_are_an_empty_layer_and_nonsense_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("c.toml");
        fs::write(&config, "log = [").unwrap();
        assert!(layer(&config).is_none());
        fs::remove_file(&config).unwrap();
        assert!(matches!(
            layer(&config),
            Some(Change::Settings(_, Value::Null))
        ));
    }
}
