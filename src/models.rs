//! Where models come from: the built-in one, files, and what was fetched by name. What is in a model is the engine's
//! affair.
//!
//! * `catalogue` knows some models by name;
//! * `name` says what a name, an address or a path stands for;
//! * `web` asks for a file, `download` gets it whole and right, `store` keeps it.
//!
//! The built-in model is part of the program and is written to the user's cache directory once, because
//! llama.cpp maps files into memory and nothing else. Nothing here knows more of it than its bytes and a name.

pub mod catalogue;
pub mod download;
pub mod name;
pub mod store;
pub mod web;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use sha2::{Digest, Sha256};

use crate::{
    config::{Config, Count},
    engine::{
        Loader,
        llama::{self, Options},
        model::ModelError,
    },
};
use catalogue::Entry;
use name::{Name, Source};
use store::Store;

const BUILTIN: &[u8] = include_bytes!("../models/ghostline-small-q8_0.gguf");
const BUILTIN_NAME: &str = "ghostline-small-q8_0";

/// Which model to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Builtin,
    /// A file, named by a flag or by the configuration.
    File(PathBuf),
    /// One that is, or can be, fetched.
    Named(Source),
    /// A name that nobody knows.
    Unknown(String),
}

impl Choice {
    /// The model that the configuration names (a flag is one of its layers), else the built-in one. `~/`
    /// is the user's home directory, as no shell expands it in a configuration.
    pub fn new(config: &Config) -> Choice {
        Choice::named(config.model.path.as_deref().unwrap_or_default())
    }

    /// The model that a text names.
    pub fn named(text: &str) -> Choice {
        match name::read(text) {
            Name::Builtin => Choice::Builtin,
            Name::Path(path) => Choice::File(expand(&path)),
            Name::Source(source) => Choice::Named(source),
            // So that a file without an ending can still be named.
            Name::Unknown(name) if Path::new(&name).exists() => Choice::File(name.into()),
            Name::Unknown(name) => Choice::Unknown(name),
        }
    }

    /// The file to load; the built-in model is written when it is not there yet.
    pub fn path(&self) -> Result<PathBuf, ModelError> {
        match self {
            Choice::Builtin => builtin(),
            Choice::File(path) => Ok(path.clone()),
            Choice::Named(source) => match Store::of_user() {
                Some(store) if store.has(source) => Ok(store.path(source)),
                _ => Err(ModelError::NotFetched {
                    name: name::shown(&source.name),
                    size: catalogue::find(&source.name)
                        .and_then(Entry::bytes)
                        .map_or_else(String::new, |it| format!(" ({})", size(it))),
                }),
            },
            Choice::Unknown(name) => Err(ModelError::UnknownName {
                name: name.clone(),
                hint: catalogue::nearest(name)
                    .map_or_else(String::new, |it| format!("did you mean `{}`? ", it.name)),
            }),
        }
    }

    /// The files that the model is made of, whether they are there or not; none for the built-in one.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Choice::Builtin | Choice::Unknown(_) => Vec::new(),
            Choice::File(path) => llama::parts::all(path),
            Choice::Named(source) => Store::of_user()
                .map(|store| llama::parts::all(&store.path(source)))
                .unwrap_or_default(),
        }
    }
}

/// `1.6 GB`, in powers of ten, as hubs and disks count.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes @ ..1e6 => format!("{:.0} kB", bytes / 1e3),
        bytes @ ..1e9 => format!("{:.0} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

/// Loads the configured model; to be handed to `Engine::start`. All work is done on the engine thread.
pub fn loader(config: &Config) -> Loader {
    let choice = Choice::new(config);
    let options = options(config);
    llama::loader_of(move || choice.path(), options)
}

/// How the configuration wants a model to be run.
pub fn options(config: &Config) -> Options {
    let number = |count: Count| match count {
        Count::Auto => None,
        Count::Exactly(number) => Some(number as usize),
    };
    Options {
        threads: number(config.engine.threads),
        gpu_layers: number(config.model.gpu_layers),
        device: config.model.device.clone(),
        format: config.model.format.clone(),
        lora: config.model.lora.iter().map(|it| adapter(it)).collect(),
        kv_type: config.model.kv_type,
        calibration: folders()
            .into_iter()
            .next()
            .map(|it| it.with_file_name("calibration")),
    }
}

/// A LoRA adapter, `FILE` or `FILE:SCALE`.
fn adapter(text: &str) -> (PathBuf, f32) {
    let scaled = text.rsplit_once(':').and_then(|(file, scale)| {
        let scale: f32 = scale.parse().ok()?;
        scale.is_finite().then_some((file, scale))
    });
    let (file, scale) = scaled.unwrap_or((text, 1.0));
    (expand(file), scale)
}

/// Bytes of the built-in model.
pub fn builtin_bytes() -> u64 {
    BUILTIN.len() as u64
}

/// The built-in model as a file, in the user's cache directory or, where that cannot be written, in the
/// directory for temporary files.
pub fn builtin() -> Result<PathBuf, ModelError> {
    let name = format!(
        "{BUILTIN_NAME}-{}.gguf",
        &hex(&Sha256::digest(BUILTIN))[..16]
    );
    let mut reason = "there is no directory to write it to".to_owned();
    for folder in folders() {
        match place(BUILTIN, &folder, &name) {
            Ok(path) => return Ok(path),
            Err(error) => {
                reason = format!("{}: {error}", folder.display());
                tracing::warn!("the built-in model cannot be written to {reason}");
            }
        }
    }
    Err(ModelError::Failed(format!(
        "the built-in model cannot be unpacked ({reason}); make room there, or set XDG_CACHE_HOME to a directory that can be written"
    )))
}

/// Where to write the built-in model, best first.
fn folders() -> Vec<PathBuf> {
    let cache = cache().map(|it| it.join("models"));
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("USERNAME"))
        .unwrap_or_default();
    let user: String = user.chars().filter(char::is_ascii_alphanumeric).collect();
    let temporary = std::env::temp_dir().join(format!("ghostline-{user}"));
    cache.into_iter().chain([temporary]).collect()
}

/// The user's cache directory for this program.
fn cache() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "ghostline").map(|it| it.cache_dir().to_owned())
}

/// Makes sure that `folder` has a file `name` with these bytes, and returns its path.
///
/// The file appears whole or not at all: it is written under another name, synced and renamed, so that
/// several processes may do it at once and any may be killed. A file that is there is compared byte by byte:
/// that is as fast as reading it, which loading does anyway (3.6 MB: 1 ms), catches what a length would not, and
/// mends it.
pub fn place(bytes: &[u8], folder: &Path, name: &str) -> io::Result<PathBuf> {
    create_private(folder)?;
    let path = folder.join(name);
    if holds(&path, bytes) {
        return Ok(path);
    }
    let unfinished = unfinished(folder, name);
    let written = (|| {
        let mut file = File::create_new(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    })();
    if let Err(error) = written {
        _ = fs::remove_file(&unfinished);
        // Another process may have cleaned up ours as a leftover, or may hold the file open: what counts is
        // that the file is right.
        return if holds(&path, bytes) {
            Ok(path)
        } else {
            Err(error)
        };
    }
    remove_leftovers(folder, name);
    Ok(path)
}

const UNFINISHED: &str = ".unfinished";

/// A path that no other thread or process uses.
fn unfinished(folder: &Path, name: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{name}.{}-{count}{UNFINISHED}", process::id()))
}

/// Removes what killed processes left behind. It may hit one that is still writing: as our file is in its
/// place by now, that one finds it.
fn remove_leftovers(folder: &Path, name: &str) {
    let Ok(entries) = folder.read_dir() else {
        return;
    };
    for entry in entries.flatten() {
        let file_name = entry.file_name();
        let file_name = file_name.to_string_lossy();
        if file_name.starts_with(name) && file_name.ends_with(UNFINISHED) {
            _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether the file has exactly these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    if !file
        .metadata()
        .is_ok_and(|it| it.is_file() && it.len() == bytes.len() as u64)
    {
        return false;
    }
    let mut chunk = vec![0; 1 << 18];
    bytes.chunks(chunk.len()).all(|expected| {
        let chunk = &mut chunk[..expected.len()];
        file.read_exact(chunk).is_ok() && chunk == expected
    })
}

/// Creates a directory for this user alone, and refuses one that others can write to: the directory for
/// temporary files is everybody's, and whoever can swap the file can feed us another model.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if folder.starts_with(std::env::temp_dir()) {
            // Who owns a file that we make is who we are.
            let probe = unfinished(folder, "probe");
            let us = File::create_new(&probe)
                .and_then(|it| it.metadata())
                .map(|it| it.uid());
            _ = fs::remove_file(&probe);
            let metadata = folder.symlink_metadata()?;
            if !metadata.is_dir() || metadata.mode() & 0o022 != 0 || metadata.uid() != us? {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "others can write to this directory",
                ));
            }
        }
    }
    Ok(())
}

/// `~/` is the user's home directory, as no shell expands it in a configuration.
pub fn expand(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), directories::BaseDirs::new()) {
        (Some(rest), Some(base)) => base.home_dir().join(rest),
        _ => PathBuf::from(path),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const NAME: &str = "model-0123.gguf";

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = folder
            .read_dir()
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_model_is_written_once_and_then_used() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("ghostline/models");
        let path = place(b"weights", &models, NAME).unwrap();
        let written = path.metadata().unwrap().modified().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"weights");
        assert_eq!(place(b"weights", &models, NAME).unwrap(), path);
        assert_eq!(path.metadata().unwrap().modified().unwrap(), written);
        assert_eq!(files(&models), [NAME]);
    }

    #[test]
    fn a_file_with_other_bytes_of_the_same_length_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        for wrong in [&b"weighty"[..], b"weight", b"", b"weights and more"] {
            fs::write(folder.path().join(NAME), wrong).unwrap();
            let path = place(b"weights", folder.path(), NAME).unwrap();
            assert_eq!(fs::read(path).unwrap(), b"weights");
        }
    }

    #[test]
    fn what_a_killed_process_left_behind_is_not_used_and_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join(format!("{NAME}.4711-0{UNFINISHED}")),
            b"weig",
        )
        .unwrap();
        fs::write(folder.path().join("other.gguf"), b"x").unwrap();
        let path = place(b"weights", folder.path(), NAME).unwrap();
        assert_eq!(fs::read(path).unwrap(), b"weights");
        assert_eq!(files(folder.path()), [NAME, "other.gguf"]);
    }

    #[test]
    fn several_first_starts_at_once_end_with_one_right_file() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = vec![7; 300_000];
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let path = place(&bytes, folder.path(), NAME).unwrap();
                    assert_eq!(fs::read(path).unwrap(), bytes);
                });
            }
        });
        assert_eq!(files(folder.path()), [NAME]);
    }

    #[test]
    fn a_folder_that_is_a_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::write(&taken, b"").unwrap();
        assert!(place(b"weights", &taken, NAME).is_err());
        assert!(place(b"weights", &taken.join("models"), NAME).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_temporary_folder_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(
            place(b"x", folder.path(), NAME).unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
    }

    #[test]
    fn a_configured_path_is_chosen_before_the_built_in_model() {
        let mut config = Config::default();
        assert_eq!(Choice::new(&config), Choice::Builtin);
        config.model.path = Some("models/x.gguf".to_owned());
        assert_eq!(Choice::new(&config), Choice::File("models/x.gguf".into()));
        config.model.path = Some("~/x.gguf".to_owned());
        let Choice::File(path) = Choice::new(&config) else {
            panic!("a file")
        };
        assert!(
            path.is_absolute() && path.ends_with("x.gguf"),
            "{}",
            path.display()
        );
    }
}
