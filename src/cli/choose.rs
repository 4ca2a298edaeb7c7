//! `ghostline models use`: writes the model into the configuration file, without touching anything else in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use toml::Value;

use super::{Global, Unusable, models, print, say, settings};
use crate::{
    config::{Layered, Origin},
    engine::llama,
    models::{
        Choice,
        name::{self, Name},
    },
};

pub(super) fn choose(global: &Global, text: &str) -> anyhow::Result<ExitCode> {
    let written = write(global, text)?;
    print(&format!("{}\n", written.sentence))?;
    let (layered, _) = settings::load(global)?;
    if let Some(sentence) = overruled(&layered, text) {
        say(&sentence);
    }
    Ok(ExitCode::SUCCESS)
}

/// What was written where.
pub(super) struct Written {
    pub sentence: String,
}

/// Chooses a model that is there: by name, or by the path of a file.
pub(super) fn write(global: &Global, text: &str) -> anyhow::Result<Written> {
    let (value, shown) = match name::read(text) {
        Name::Builtin => (None, "the built-in model".to_owned()),
        Name::Unknown(_) if !Path::new(text).exists() => return Err(models::unknown(text).into()),
        Name::Source(source) => {
            let path = Choice::named(text).path()?;
            llama::inspect(&path)?;
            (Some(source.name.clone()), source.name)
        }
        Name::Path(_) | Name::Unknown(_) => {
            // Whoever reads the configuration is in another folder.
            let path = std::path::absolute(Choice::named(text).path()?)?;
            llama::inspect(&path)?;
            let path = path.display().to_string();
            (Some(path.clone()), path)
        }
    };
    let file = settings::file_to_write(global)
        .ok_or_else(|| Unusable("there is no configuration folder; set XDG_CONFIG_HOME or HOME, or name a file with `--config`".to_owned()))?;
    let old = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(settings::unreadable(&file, &error).into()),
    };
    let new = with_path(&old, value.as_deref()).ok_or_else(|| {
        let line = value.as_deref().map_or_else(
            || "remove `path` from `[model]`".to_owned(),
            |value| format!("write `path = {}` under `[model]`", quoted(value)),
        );
        Unusable(format!(
            "`{}` cannot be changed without changing more; {line} yourself",
            file.display()
        ))
    })?;
    replace(&file, &new)
        .map_err(|error| Unusable(format!("cannot write `{}`: {error}", file.display())))?;
    Ok(Written {
        sentence: format!("{shown} is used from now on, as `{}` says", file.display()),
    })
}

/// A sentence when something else than the file says which model is used.
pub(super) fn overruled(layered: &Layered, text: &str) -> Option<String> {
    let used = layered.config().model.path.clone().unwrap_or_default();
    let origin = layered.origin("model.path");
    let is_file = matches!(origin, Origin::File(_) | Origin::Default);
    (!is_file && name::read(&used) != name::read(text))
        .then(|| format!("but `model.path` is set elsewhere, too, and that comes first: {origin}"))
}

/// The text of a configuration with another `model.path`, or none; `None` if that cannot be had by changing a line.
/// What it means is compared before and after, so that nothing else changes.
fn with_path(old: &str, value: Option<&str>) -> Option<String> {
    let mut expected: toml::Table = toml::from_str(old).ok()?;
    let model = expected
        .entry("model")
        .or_insert_with(|| Value::Table(toml::Table::new()))
        .as_table_mut()?;
    match value {
        Some(value) => model.insert("path".to_owned(), Value::String(value.to_owned())),
        None => model.remove("path"),
    };
    let line = value.map(|value| format!("path = {}", quoted(value)));
    let means = |text: &str| {
        let mut found: toml::Table = toml::from_str(text).ok()?;
        found
            .entry("model")
            .or_insert_with(|| Value::Table(toml::Table::new()));
        Some(found == expected)
    };
    let is_right = |text: &String| means(text) == Some(true);
    candidates(old, line.as_deref()).into_iter().find(is_right)
}

/// What the text may become.
fn candidates(old: &str, line: Option<&str>) -> Vec<String> {
    let lines: Vec<&str> = old.lines().collect();
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
    let is_head = |line: &str| line.trim_start().starts_with("[model]");
    let joined = |lines: Vec<String>| lines.join("\n") + "\n";
    let mut all = Vec::new();
    // The line that stands there is replaced, or goes.
    for (at, old_line) in lines.iter().enumerate() {
        let dotted = match key(old_line).as_deref() {
            Some("path") => "",
            Some("model.path") => "model.",
            _ => continue,
        };
        let mut new: Vec<String> = lines.iter().map(ToString::to_string).collect();
        match line {
            Some(line) => new[at] = format!("{dotted}{line}"),
            None => drop(new.remove(at)),
        }
        all.push(joined(new));
    }
    if line.is_none() {
        all.push(old.to_owned());
    }
    let Some(line) = line else { return all };
    // Below the head that stands there.
    if let Some(at) = lines.iter().position(|line| is_head(line)) {
        let mut new: Vec<String> = lines.iter().map(ToString::to_string).collect();
        new.insert(at + 1, line.to_owned());
        all.push(joined(new));
    }
    let gap = if old.is_empty() || old.ends_with("\n\n") {
        ""
    } else if old.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    };
    all.push(format!("{old}{gap}[model]\n{line}\n"));
    all
}

fn quoted(value: &str) -> String {
    Value::String(value.to_owned()).to_string()
}

/// Writes a file that is there whole or not at all. A link stays one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut new: PathBuf = file.clone();
    new.as_mut_os_string()
        .push(format!(".{}.new", std::process::id()));
    let written = fs::write(&new, text).and_then(|()| {
        if let Ok(metadata) = file.metadata() {
            fs::set_permissions(&new, metadata.permissions())?;
        }
        fs::rename(&new, &file)
    });
    written.inspect_err(|_| _ = fs::remove_file(&new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(old: &str, value: Option<&str>, expected: Option<&str>) {
        assert_eq!(with_path(old, value).as_deref(), expected);
    }

    #[test]
    fn the_model_is_written_and_nothing_else_changes() {
        check("", Some("x"), Some("[model]\npath = \"x\"\n"));
        check(
            "# mine\n[log]\nlevel = \"warn\" # loud\n",
            Some("x"),
            Some("# mine\n[log]\nlevel = \"warn\" # loud\n\n[model]\npath = \"x\"\n"),
        );
        check(
            "[model]\ngpu_layers = 3\n[log]\nfile = \"f\"\n",
            Some("x"),
            Some("[model]\npath = \"x\"\ngpu_layers = 3\n[log]\nfile = \"f\"\n"),
        );
        check(
            "[other]\npath = \"p\"\n[model] # here\n  path = \"old\" # why\n",
            Some("x"),
            Some("[other]\npath = \"p\"\n[model] # here\npath = \"x\"\n"),
        );
        check(
            "model.path = \"old\"\n",
            Some("a\"b\\c"),
            Some("model.path = 'a\"b\\c'\n"),
        );
    }

    #[test]
    fn the_built_in_model_is_the_one_that_is_not_named() {
        check("", None, Some(""));
        check(
            "[model]\npath = \"x\"\ngpu_layers = 1\n",
            None,
            Some("[model]\ngpu_layers = 1\n"),
        );
        check(
            "[log]\nlevel = \"off\"\n",
            None,
            Some("[log]\nlevel = \"off\"\n"),
        );
    }

    #[test]
    fn a_file_that_cannot_be_changed_by_a_line_is_left_alone() {
        check("model = {path = \"x\"}\n", Some("y"), None);
        check("not toml", Some("y"), None);
        check("model = 3\n", Some("y"), None);
    }
}
