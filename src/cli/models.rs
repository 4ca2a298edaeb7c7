//! `ghostline models`: models by name. What names mean and how files come is in `models`; here it is asked for and shown.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{Global, Unusable, choose, print, process, say, settings};
use crate::{
    engine::llama,
    models::{
        self, catalogue,
        download::{Progress, Retries},
        name::{self, Name, Source},
        size,
        store::{Kept, Store, Verdict},
        web::Web,
    },
    report::Table,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    task: Task,
}

/// A NAME is one of the list, `organisation/repository:file.gguf` on the hub, a URL, `builtin`, or the path of a file.
#[derive(Debug, Subcommand)]
enum Task {
    /// Show the models that are known by name, and those that are here
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model from the network, or go on with it [env: HF_ENDPOINT, HF_TOKEN, HTTPS_PROXY, NO_PROXY]
    Pull {
        name: String,
        /// The SHA-256 that the file has to have
        #[arg(long, value_name = "HASH")]
        sha256: Option<String>,
    },
    /// Write into the configuration file that this model is used from now on, also by servers that are running
    Use { name: String },
    /// Print where a model's file is
    Path { name: String },
    /// Delete a model that was fetched
    Rm { name: String },
    /// Read a model again, or all, and compare it with what was fetched
    Verify { name: Option<String> },
}

pub(super) fn run(global: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    match &options.task {
        Task::List { json } => list(global, *json),
        Task::Pull { name, sha256 } => pull(global, name, sha256.as_deref()),
        Task::Use { name } => choose::choose(global, name),
        Task::Path { name } => path(name),
        Task::Rm { name } => remove(global, name),
        Task::Verify { name } => verify(name.as_deref()),
    }
}

/// Where fetched models are kept.
pub(super) fn store() -> Result<Store, Unusable> {
    Store::of_user().ok_or_else(|| {
        Unusable("there is no folder for models; set XDG_DATA_HOME or HOME".to_owned())
    })
}

/// A name that can be fetched.
fn source(text: &str) -> Result<Source, Unusable> {
    match name::read(text) {
        Name::Source(source) => Ok(source),
        Name::Builtin => Err(Unusable("the built-in model is always there".to_owned())),
        Name::Path(path) => Err(Unusable(format!(
            "`{path}` is a path; it can be used as it is, with `--model` or `ghostline models use`"
        ))),
        Name::Unknown(_) => Err(unknown(text)),
    }
}

/// What to say of a name that stands for nothing.
pub(super) fn unknown(text: &str) -> Unusable {
    match models::Choice::Unknown(text.to_owned()).path() {
        Err(error) => Unusable(error.to_string()),
        Ok(path) => Unusable(format!("no model is called `{}`", path.display())),
    }
}

fn list(global: &Global, is_json: bool) -> anyhow::Result<ExitCode> {
    let (layered, _) = settings::load(global)?;
    let used = layered.config().model.path.clone().unwrap_or_default();
    let store = store()?;
    let kept = store.list();
    let is_used = |source: &Source| name::read(&used) == Name::Source(source.clone());
    let known: Vec<_> = catalogue::all()
        .iter()
        .filter_map(|entry| Some((entry, source(&entry.name).ok()?)))
        .collect();
    let others: Vec<&Kept> = kept
        .iter()
        .filter(|kept| catalogue::find(&kept.name).is_none())
        .collect();
    if is_json {
        let known: Vec<_> = known
            .iter()
            .map(|(entry, source)| {
                let mut shown = json!(entry);
                shown["memory"] = json!(entry.memory());
                shown["is_here"] = json!(store.has(source));
                shown["is_used"] = json!(is_used(source));
                shown
            })
            .collect();
        print(&format!(
            "{:#}\n",
            json!({"known": known, "other": others, "folder": store.folder()})
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let free = process::free_memory();
    let mut table = Table::of_words(["name", "", "size", "memory", "format", "licence", "suits"]);
    let state = |is_here: bool, is_used: bool| match (is_here, is_used) {
        (_, true) => "used",
        (true, _) => "here",
        _ => "",
    };
    let used_builtin = matches!(name::read(&used), Name::Builtin);
    table.row([
        "builtin",
        state(true, used_builtin),
        &size(models::builtin_bytes()),
        "",
        "ghostline",
        "MIT",
        "any computer",
    ]);
    let or_unknown = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), size);
    for (entry, source) in &known {
        let mark = match (free, entry.memory()) {
            (Some(free), Some(needed)) if needed > free => " (too much now)",
            _ => "",
        };
        table.row([
            entry.name.clone(),
            state(store.has(source), is_used(source)).to_owned(),
            or_unknown(entry.bytes()),
            or_unknown(entry.memory()) + mark,
            format!("{}, {}", entry.format, entry.order),
            entry.licence.clone(),
            entry.suits.clone(),
        ]);
    }
    for kept in others {
        let is_used = is_used_name(&used, &kept.name);
        table.row([
            kept.name.clone(),
            state(true, is_used).to_owned(),
            size(kept.fetched.bytes),
        ]);
    }
    let free = free.map_or_else(String::new, |free| format!("Free memory: {}. ", size(free)));
    print(&format!(
        "{table}\n{free}Fetched models are in {}\nAlso: organisation/repository:file.gguf on the hub, any URL, any path.\n",
        store.folder().display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn is_used_name(used: &str, name: &str) -> bool {
    name::read(used) == name::read(name)
}

/// Refuses what would use the network where that is forbidden.
pub(super) fn allow_network(global: &Global) -> anyhow::Result<()> {
    let (config, _) = settings::load(global)?;
    anyhow::ensure!(
        !config.config().network.offline,
        Unusable("`network.offline` is set, so nothing is fetched; leave `--offline` and GHOSTLINE_OFFLINE away, or give the path of a file".to_owned())
    );
    Ok(())
}

fn pull(global: &Global, text: &str, sha256: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut source = source(text)?;
    if let Some(sha256) = sha256 {
        source.sha256 = Some(sha256.to_lowercase());
    }
    let store = store()?;
    if store.has(&source) {
        let file = store.path(&source);
        let kept = store.list();
        let kept = kept.iter().find(|it| store.folder().join(&it.file) == file);
        if let (Some(kept), Some(wanted)) = (kept, &source.sha256)
            && !kept.fetched.sha256.eq_ignore_ascii_case(wanted)
        {
            return Err(Unusable(format!(
                "{text} is here with another SHA-256, {}; `ghostline models rm {text}` deletes it, then pull again",
                kept.fetched.sha256
            ))
            .into());
        }
        print(&format!(
            "{text} is here already: {}\n",
            store.path(&source).display()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    allow_network(global)?;
    let mut bar = Bar::new();
    let pulled = store.pull(
        &Web::from_environment(),
        &source,
        Retries::default(),
        &mut |progress| bar.show(progress),
    );
    bar.end();
    let path = pulled.map_err(|error| Unusable(format!("{text}: {error}")))?;
    let kept = store.list();
    let is_verified = kept
        .iter()
        .filter(|it| it.name == source.name)
        .all(|it| it.fetched.is_verified);
    let verified = match is_verified {
        true => "its SHA-256 is right",
        false => "nobody said what its SHA-256 should be",
    };
    print(&format!(
        "{text} is here: {} ({verified})\n",
        path.display()
    ))?;
    if let Err(error) = llama::inspect(&path) {
        say(&format!("but it cannot be used: {error}"));
        return Ok(ExitCode::FAILURE);
    }
    print(&format!("Use it with: ghostline models use {text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn path(text: &str) -> anyhow::Result<ExitCode> {
    let choice = models::Choice::named(text);
    let path = choice.path()?;
    print(&format!("{}\n", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn remove(global: &Global, text: &str) -> anyhow::Result<ExitCode> {
    let source = source(text)?;
    let freed = store()?
        .remove(&source)
        .map_err(|error| Unusable(format!("{text} cannot be deleted: {error}")))?;
    let Some(freed) = freed else {
        return Err(Unusable(format!(
            "{text} is not here; `ghostline models list` shows what is"
        ))
        .into());
    };
    print(&format!(
        "{text} is deleted; {} are free again\n",
        size(freed)
    ))?;
    let (layered, _) = settings::load(global)?;
    let used = layered.config().model.path.clone().unwrap_or_default();
    if is_used_name(&used, text) {
        say("the configuration still names it; choose another with `ghostline models use NAME`");
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(text: Option<&str>) -> anyhow::Result<ExitCode> {
    let store = store()?;
    let wanted = text.map(source).transpose()?;
    let files: Option<Vec<_>> =
        wanted.map(|source| source.parts().iter().map(Source::file).collect());
    let kept: Vec<Kept> = store
        .list()
        .into_iter()
        .filter(|kept| {
            files
                .as_ref()
                .is_none_or(|files| files.contains(&kept.file))
        })
        .collect();
    if let Some(text) = text.filter(|_| kept.is_empty()) {
        return Err(Unusable(format!(
            "{text} is not here; `ghostline models list` shows what is"
        ))
        .into());
    }
    let mut is_right = true;
    for kept in &kept {
        let verdict = store.verify(kept);
        is_right &= matches!(verdict, Ok(Verdict::Right));
        let said = match verdict {
            Ok(Verdict::Right) if kept.fetched.is_verified => "right".to_owned(),
            Ok(Verdict::Right) => "as it came; nobody said what its SHA-256 should be".to_owned(),
            Ok(Verdict::Changed) => format!(
                "CHANGED since it came; `ghostline models rm {0}`, then `ghostline models pull {0}`",
                kept.name
            ),
            Ok(Verdict::Missing) => format!("MISSING; `ghostline models pull {}`", kept.name),
            Err(error) => format!("cannot be read: {error}"),
        };
        print(&format!("{}: {said}\n", kept.file.display()))?;
    }
    if kept.is_empty() {
        print("no model was fetched yet\n")?;
    }
    Ok(if is_right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// How a download is shown: a bar in a terminal, now and then a line elsewhere.
struct Bar {
    /// `None` without a terminal.
    bar: Option<ProgressBar>,
    said: Option<Instant>,
}

impl Bar {
    fn new() -> Bar {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(
                "{bar:30} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
            );
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Bar { bar, said: None }
    }

    fn show(&mut self, progress: Progress) -> bool {
        if let Some(bar) = &self.bar {
            if let Some(of) = progress.of {
                bar.set_length(of);
            }
            bar.set_position(progress.bytes);
            return true;
        }
        if self
            .said
            .is_none_or(|said| said.elapsed() >= Duration::from_secs(10))
        {
            self.said = Some(Instant::now());
            let of = progress
                .of
                .map_or_else(String::new, |of| format!(" of {}", size(of)));
            say(&format!("{}{of}", size(progress.bytes)));
        }
        true
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
