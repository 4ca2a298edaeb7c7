//! The configuration's layers outside of editors: the file, the environment, the command line. What the
//! values mean is `config.rs`'s.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{Global, Unusable};
use crate::config::{
    Layered, Origin, Warning,
    layers::layer_of_texts,
    reference::{environment_variable, keys},
};

/// Short names of environment variables, and the keys they set.
const SHORT_VARIABLES: [(&str, &str); 3] = [
    ("GHOSTLINE_MODEL", "model.path"),
    ("GHOSTLINE_LOG", "log.level"),
    ("GHOSTLINE_OFFLINE", "network.offline"),
];

/// The environment variable that names the configuration file.
const FILE_VARIABLE: &str = "GHOSTLINE_CONFIG";

/// The layers known before an editor says anything, and what in them could not be used.
///
/// Fails where a file was named that is not there or cannot be read; what stands in a file, however
/// wrong, is only warned about.
pub(super) fn load(global: &Global) -> anyhow::Result<(Layered, Vec<Warning>)> {
    load_from(global, default_file(), |name| {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    })
}

/// `config.toml` in the user's configuration folder.
pub(super) fn default_file() -> Option<PathBuf> {
    Some(
        directories::ProjectDirs::from("", "", "ghostline")?
            .config_dir()
            .join("config.toml"),
    )
}

/// The configuration file that is read, if there is one.
pub(super) fn file_in_use(global: &Global) -> Option<PathBuf> {
    let named = global
        .config
        .clone()
        .or_else(|| std::env::var_os(FILE_VARIABLE).map(PathBuf::from));
    named.or_else(default_file).filter(|path| path.is_file())
}

/// The configuration file to write to, whether it is there or not.
pub(super) fn file_to_write(global: &Global) -> Option<PathBuf> {
    let variable = std::env::var_os(FILE_VARIABLE).filter(|it| !it.is_empty());
    let named = global
        .config
        .clone()
        .or_else(|| variable.map(PathBuf::from));
    named.or_else(default_file)
}

fn load_from(
    global: &Global,
    default_file: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<(Layered, Vec<Warning>)> {
    let mut layered = Layered::new();
    let mut warnings = Vec::new();

    let named = global
        .config
        .clone()
        .or_else(|| variable(FILE_VARIABLE).map(PathBuf::from));
    let is_named = named.is_some();
    if let Some(path) = named.or(default_file) {
        match std::fs::read_to_string(&path) {
            Ok(text) => match toml::from_str::<Value>(&text) {
                Ok(layer) => {
                    warnings.extend(layered.set(Origin::File(path.display().to_string()), layer));
                }
                Err(error) => warnings.push(not_toml(&path, &error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => {}
            Err(error) => return Err(unreadable(&path, &error).into()),
        }
    }

    let long = keys().iter().map(|key| (environment_variable(key), *key));
    let short = SHORT_VARIABLES
        .into_iter()
        .map(|(name, key)| (name.to_owned(), key));
    let texts: Vec<(&str, String)> = short
        .chain(long)
        .filter_map(|(name, key)| Some((key, variable(&name)?)))
        .collect();
    if !texts.is_empty() {
        let layer = layer_of_texts(texts.iter().map(|(key, text)| (*key, text.as_str())));
        warnings.extend(layered.set(Origin::Environment, layer));
    }

    let level = match global.verbose {
        0 => global.log.clone(),
        1 => Some("debug".to_owned()),
        _ => Some("trace".to_owned()),
    };
    let log_file = global
        .log_file
        .as_ref()
        .map(|path| path.display().to_string());
    let flags = [
        ("model.path", global.model.clone()),
        ("log.level", level),
        ("log.file", log_file),
    ];
    let lora =
        (!global.lora.is_empty()).then(|| ("model.lora".to_owned(), global.lora.clone().into()));
    let offline = global
        .offline
        .then(|| ("network.offline".to_owned(), true.into()));
    let flags: Map<String, Value> = flags
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?.into())))
        .chain(lora)
        .chain(offline)
        .collect();
    if !flags.is_empty() {
        warnings.extend(layered.set(Origin::CommandLine, Value::Object(flags)));
    }
    Ok((layered, warnings))
}

pub(super) fn not_toml(path: &Path, error: &toml::de::Error) -> Warning {
    let message = format!("is not TOML and is ignored: {}", error.message());
    Warning {
        key: path.display().to_string(),
        message,
    }
}

/// What to say about a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Unusable {
    let path = path.display();
    Unusable(match error.kind() {
        io::ErrorKind::NotFound => format!("file `{path}` not found; check the path"),
        io::ErrorKind::PermissionDenied => {
            format!("no permission to read `{path}`; change its permissions or choose another file")
        }
        io::ErrorKind::IsADirectory => {
            format!("`{path}` is a directory; give the path of a file in it")
        }
        io::ErrorKind::InvalidData => format!("`{path}` is not UTF-8 text; convert it first"),
        _ => format!("cannot read `{path}`: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(global: Global, file: Option<&str>, variables: &[(&str, &str)], expected: Expect) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.to_string())
        };
        let mut seen = String::new();
        match load_from(&global, Some(path), variable) {
            Ok((layered, warnings)) => {
                for entry in layered
                    .entries()
                    .iter()
                    .filter(|entry| entry.origin != Origin::Default)
                {
                    writeln!(
                        seen,
                        "{} = {} from {}",
                        entry.key, entry.value, entry.origin
                    )
                    .unwrap();
                }
                warnings
                    .iter()
                    .for_each(|warning| writeln!(seen, "{warning}").unwrap());
            }
            Err(error) => writeln!(seen, "{error}").unwrap(),
        }
        expected.assert_eq(&seen.replace(&*folder.path().to_string_lossy(), "FOLDER"));
    }

    #[test]
    fn the_command_line_beats_the_environment_and_that_beats_the_file() {
        let global = Global {
            log: Some("trace".to_owned()),
            ..Global::default()
        };
        let file = "[log]\nlevel = \"warn\"\n[engine]\nthreads = 3\n[completion]\nmax_tokens = 7\n";
        let variables = [
            ("GHOSTLINE_LOG", "error"),
            ("GHOSTLINE_ENGINE_THREADS", "4"),
        ];
        check(
            global,
            Some(file),
            &variables,
            expect![[r#"
            completion.max_tokens = 7 from file FOLDER/config.toml
            engine.threads = 4 from environment
            log.level = "trace" from command line
        "#]],
        );
    }

    #[test]
    fn a_short_variable_gives_way_to_the_long_one() {
        let variables = [
            ("GHOSTLINE_MODEL", "a.gguf"),
            ("GHOSTLINE_MODEL_PATH", "b.gguf"),
        ];
        check(
            Global::default(),
            None,
            &variables,
            expect![[r#"
            model.path = "b.gguf" from environment
        "#]],
        );
    }

    #[test]
    fn a_file_that_is_not_toml_is_ignored_with_a_warning() {
        check(
            Global::default(),
            Some("log = [unfinished"),
            &[],
            expect![[r#"
                configuration `FOLDER/config.toml`: is not TOML and is ignored: unclosed array, expected `]`
            "#]],
        );
    }

    #[test]
    fn a_named_file_has_to_be_there_and_the_usual_one_has_not() {
        check(Global::default(), None, &[], expect![[""]]);
        let global = Global {
            config: Some("nowhere.toml".into()),
            ..Global::default()
        };
        check(
            global,
            None,
            &[],
            expect![[r#"
            file `nowhere.toml` not found; check the path
        "#]],
        );
        check(
            Global::default(),
            None,
            &[("GHOSTLINE_CONFIG", "gone.toml")],
            expect![[r#"
                file `gone.toml` not found; check the path
            "#]],
        );
    }
}
