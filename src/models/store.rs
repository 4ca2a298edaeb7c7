//! The models that were fetched: where they lie, what is known of each, whether they are still right.
//!
//! They lie below one folder, each beside a `FILE.json` that says where it came from and what its hash is. Files that a
//! user names by path are his own and not in here.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    download::{self, FetchError, Fetched, Progress, Retries, Wanted},
    hex,
    name::Source,
    web::Web,
};

/// Where models are kept.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// A model that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// As it was asked for.
    pub name: String,
    #[serde(flatten)]
    pub fetched: Fetched,
    /// Below the store's folder.
    #[serde(skip)]
    pub file: PathBuf,
}

/// What looking at a file again says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The bytes are those that came.
    Right,
    /// They are not.
    Changed,
    Missing,
}

impl Store {
    /// The user's own, `models` in the folder for data; `None` where the system has none.
    pub fn of_user() -> Option<Store> {
        let folders = directories::ProjectDirs::from("", "", "ghostline")?;
        Some(Store::new(folders.data_dir().join("models")))
    }

    pub fn new(folder: PathBuf) -> Store {
        Store { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a model, or its first one, whether it is there or not.
    pub fn path(&self, source: &Source) -> PathBuf {
        let first = source.parts().into_iter().next();
        self.folder.join(first.as_ref().unwrap_or(source).file())
    }

    /// Whether all of a model's files are there.
    pub fn has(&self, source: &Source) -> bool {
        let mut parts = source.parts().into_iter();
        parts.all(|part| self.folder.join(part.file()).is_file())
    }

    /// Fetches a model, with all its parts, unless it is there. `progress` hears of each file by itself and says
    /// whether to go on.
    pub fn pull(
        &self,
        web: &Web,
        source: &Source,
        retries: Retries,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<PathBuf, FetchError> {
        for part in source.parts() {
            let into = self.folder.join(part.file());
            if into.is_file() {
                continue;
            }
            let wanted = Wanted {
                url: &part.url(&web.hub),
                into: &into,
                sha256: part.sha256.as_deref(),
                size: part.size,
            };
            let kept = Kept {
                name: part.name.clone(),
                fetched: download::download(web, &wanted, retries, progress)?,
                file: part.file(),
            };
            self.note(&kept)
                .map_err(|error| FetchError::Disk(note_of(&into).display().to_string(), error))?;
        }
        Ok(self.path(source))
    }

    /// Everything that is there, by name.
    pub fn list(&self) -> Vec<Kept> {
        let mut all = Vec::new();
        self.collect(&self.folder, 0, &mut all);
        all.sort_by(|a, b| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
        all
    }

    /// Deletes a model's files and what is left of unfinished ones; how many bytes that freed, or `None` if there
    /// was nothing.
    pub fn remove(&self, source: &Source) -> Result<Option<u64>, FetchError> {
        let mut freed = None;
        for part in source.parts() {
            let path = self.folder.join(part.file());
            let bytes = [
                path.metadata().ok().map(|it| it.len()),
                download::unfinished(&path),
            ];
            let removed = download::forget(&path, || {
                _ = fs::remove_file(note_of(&path));
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            })?;
            removed.map_err(|error| FetchError::Disk(path.display().to_string(), error))?;
            for bytes in bytes.into_iter().flatten() {
                freed = Some(freed.unwrap_or(0) + bytes);
            }
            // Folders that have become empty; others cannot be removed.
            let below = path.ancestors().skip(1);
            for folder in below.take_while(|it| it.starts_with(&self.folder)) {
                _ = fs::remove_dir(folder);
            }
        }
        Ok(freed)
    }

    /// Reads a file again and compares its hash with the one that it had when it came.
    pub fn verify(&self, kept: &Kept) -> io::Result<Verdict> {
        let mut file = match File::open(self.folder.join(&kept.file)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Verdict::Missing),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() != kept.fetched.bytes {
            return Ok(Verdict::Changed);
        }
        let mut hash = Sha256::new();
        io::copy(&mut file, &mut hash)?;
        Ok(match hex(&hash.finalize()) == kept.fetched.sha256 {
            true => Verdict::Right,
            false => Verdict::Changed,
        })
    }

    fn note(&self, kept: &Kept) -> io::Result<()> {
        let path = note_of(&self.folder.join(&kept.file));
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec_pretty(kept)?)?;
        fs::rename(new, path)
    }

    fn collect(&self, folder: &Path, depth: usize, all: &mut Vec<Kept>) {
        // Names have no more parts than this; a link in a circle has.
        if depth > 8 {
            return;
        }
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.collect(&path, depth + 1, all);
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(file) = name
                .strip_suffix(".json")
                .filter(|it| !it.ends_with(".part"))
            else {
                continue;
            };
            let kept = fs::read(&path)
                .ok()
                .and_then(|it| serde_json::from_slice::<Kept>(&it).ok());
            if let Some(mut kept) = kept {
                let file = path.with_file_name(file);
                kept.file = file.strip_prefix(&self.folder).unwrap_or(&file).to_owned();
                all.push(kept);
            }
        }
    }
}

fn note_of(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".json");
    file.with_file_name(name)
}

/// How many bytes the disk of `folder` has room for; `None` where the system does not say.
pub fn free_space(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let existing = folder.ancestors().find(|it| it.exists())?;
        let disk = rustix::fs::statvfs(existing).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
    #[cfg(not(unix))]
    {
        _ = folder;
        None
    }
}
