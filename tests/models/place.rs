//! A place to download to, for tests.

use std::{path::PathBuf, time::Duration};

use ghostline::models::{
    download::{FetchError, Fetched, Progress, Retries, Wanted, download},
    web::Web,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::hub::Hub;

/// Tells the end of a file from its beginning.
pub fn model() -> Vec<u8> {
    let rest = (0..700_000u32).flat_map(|number| (number / 3).to_le_bytes());
    b"GGUF".iter().copied().chain(rest).collect()
}

pub fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A place to download to.
pub struct Place {
    pub folder: TempDir,
    pub web: Web,
    pub sha256: Option<String>,
    pub size: Option<u64>,
    /// Stops when so many bytes are there.
    pub stops_at: u64,
}

impl Place {
    pub fn new() -> Place {
        Place {
            folder: tempfile::tempdir().unwrap(),
            web: web(&[]),
            sha256: None,
            size: None,
            stops_at: u64::MAX,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("models/x.gguf")
    }

    pub fn part(&self) -> PathBuf {
        self.folder.path().join("models/x.gguf.part")
    }

    pub fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        self.fetch_watched(url, &mut |_| ())
    }

    pub fn fetch_watched(
        &self,
        url: &str,
        seen: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, FetchError> {
        let wanted = Wanted {
            url,
            into: &self.path(),
            sha256: self.sha256.as_deref(),
            size: self.size,
        };
        let retries = Retries {
            attempts: 3,
            pause: Duration::ZERO,
        };
        download(&self.web, &wanted, retries, &mut |progress| {
            seen(progress);
            progress.bytes < self.stops_at
        })
    }

    /// What lies there, without the lock.
    pub fn files(&self) -> Vec<String> {
        let folder = self.folder.path().join("models");
        let mut names: Vec<_> = folder
            .read_dir()
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".lock"))
            .collect();
        names.sort();
        names
    }

    #[track_caller]
    pub fn check_refused(&self, hub: &Hub, expected: &str) {
        let error = self.fetch(&format!("{}/x.gguf", hub.url())).unwrap_err();
        let said = error.to_string().replace(&hub.url()[7..], "HUB");
        assert!(said.contains(expected), "{said}");
        assert!(!self.path().exists());
    }
}

pub fn web(variables: &[(&str, &str)]) -> Web {
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    let mut web = Web::new(|name| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    });
    // Only ever runs out where a test has a server that stalls.
    web.patience = Duration::from_secs(20);
    web
}
