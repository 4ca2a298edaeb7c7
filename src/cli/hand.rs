//! What the server asks of the program about models: the same things that `ghostline models` does.

use serde_json::{Value, json};

use super::{Global, choose, models as command, process, settings, watch};
use crate::{
    config::{Config, Origin},
    engine::llama,
    models::{
        Choice, catalogue,
        download::Retries,
        name::{self, Name},
        size,
        store::Store,
        web::Web,
    },
    server::{Change, Missing, Models, Pulled},
};

/// The program's hand in a session.
pub(super) struct Hand {
    pub global: Global,
    pub watch: watch::Shared,
}

impl Models for Hand {
    fn missing(&self, config: &Config) -> Option<Missing> {
        let Choice::Named(source) = Choice::new(config) else {
            return None;
        };
        if config.network.offline {
            // Nothing to be offered: it could not be fetched.
            return None;
        }
        let is_there = Store::of_user().is_none_or(|store| store.has(&source));
        let known = catalogue::find(&source.name).and_then(catalogue::Entry::bytes);
        (!is_there).then(|| Missing {
            size: source.size.or(known).map_or_else(String::new, size),
            name: source.name,
        })
    }

    fn fits_beside(&self, config: &Config) -> bool {
        let Some(free) = process::free_memory() else {
            return true;
        };
        // By length alone: this is asked on the way of messages, and a header takes milliseconds to read.
        let files = Choice::new(config).files();
        let lengths = files.iter().filter_map(|file| file.metadata().ok());
        let weights: u64 = lengths.map(|it| it.len()).sum();
        weights + llama::most_cache_bytes(None, weights).min(weights) <= free
    }

    fn loading(&self, config: &Config) {
        watch::loading(&self.watch, config);
    }

    fn pull(&self, name: &str, progress: &mut dyn FnMut(u64, Option<u64>) -> bool) -> Pulled {
        let Name::Source(source) = name::read(name) else {
            return Err(command::unknown(name).to_string());
        };
        command::allow_network(&self.global).map_err(|error| format!("{error:#}"))?;
        let store = command::store().map_err(|error| error.to_string())?;
        let mut on_progress = |now: crate::models::download::Progress| progress(now.bytes, now.of);
        let web = Web::from_environment();
        let path = store
            .pull(&web, &source, Retries::default(), &mut on_progress)
            .map_err(|error| error.to_string())?;
        llama::inspect(&path).map_err(|error| error.to_string())?;
        Ok(format!("{name} is here"))
    }

    fn choose(&self, name: &str) -> Result<(String, Origin, Value), String> {
        let written = choose::write(&self.global, name).map_err(|error| format!("{error:#}"))?;
        let file = settings::file_to_write(&self.global);
        match file.as_deref().and_then(watch::layer) {
            Some(Change::Settings(origin, layer)) => Ok((written.sentence, origin, layer)),
            _ => Err("the configuration file cannot be read again".to_owned()),
        }
    }

    fn list(&self, config: &Config) -> Value {
        let used = Choice::new(config);
        let store = Store::of_user();
        let known = catalogue::all().iter().map(|entry| {
            let choice = Choice::named(&entry.name);
            let is_here = match (&choice, &store) {
                (Choice::Named(source), Some(store)) => store.has(source),
                _ => false,
            };
            json!({
                "name": entry.name,
                "title": entry.title,
                "size": entry.bytes(),
                "memory": entry.memory(),
                "licence": entry.licence,
                "suits": entry.suits,
                "isHere": is_here,
                "isUsed": choice == used,
            })
        });
        let others = store.iter().flat_map(Store::list);
        let others = others.filter(|kept| catalogue::find(&kept.name).is_none());
        let others = others.map(|kept| {
            json!({
                "name": kept.name,
                "size": kept.fetched.bytes,
                "isHere": true,
                "isUsed": Choice::named(&kept.name) == used,
            })
        });
        let all: Vec<Value> = known.chain(others).collect();
        json!({"models": all, "freeMemory": process::free_memory()})
    }
}
