//! `ghostline bench`: how long ghost text takes, measured from outside as an editor would see it.
//!
//! One process plays the editor and starts the server. The clock runs from just before the write of a key's
//! messages to just after the read of the answer's last byte.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Global, Unusable,
    editor::Editor,
    figures::Figures,
    print, process,
    replay::{Replayed, Sample, Watcher, replay},
    settings::unreadable,
    table::table,
    typing::{Session, Source, sessions},
    typist::Typist,
};

/// Keys typed before anything is measured.
const WARM_UP_KEYS: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many keystrokes to replay; people type about seven a second
    #[arg(long, default_value_t = 400, value_name = "N")]
    keystrokes: usize,
    /// How often to replay them; the table shows the median run and the spread
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// Beside it, replay the same keys with everything computed anew for each of them
    #[arg(long)]
    no_reuse: bool,
    /// Type into this file instead of the built-in ones; may be given several times
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Another seed types other lines with other mistakes
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Print JSON, with every latency
    #[arg(long)]
    json: bool,
}

pub(super) fn run(global: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    let sources = sources(&options.file)?;
    let warm_up = sessions(&sources, WARM_UP_KEYS, options.seed ^ u64::MAX);
    let measured = sessions(&sources, options.keystrokes, options.seed);
    if measured.is_empty() {
        return Err(Unusable(
            "there is nothing to type: the files are empty, or `--keystrokes` is 0".to_owned(),
        )
        .into());
    }
    let mut columns: Vec<(&str, bool, Vec<Figures>)> = vec![("with reuse", true, Vec::new())];
    if options.no_reuse {
        columns.push(("without reuse", false, Vec::new()));
    }
    let seconds: f64 = measured
        .iter()
        .flat_map(|session| &session.keys)
        .map(|key| key.gap.as_secs_f64())
        .sum();
    let n_replays = usize::from(options.runs) * columns.len();
    super::say(&format!(
        "{n_replays} × {} keystrokes, about {:.0} s",
        options.keystrokes,
        seconds * n_replays as f64
    ));
    for number in 1..=options.runs {
        for (name, reuses, figures) in &mut columns {
            let label = format!("run {number} of {}, {name}", options.runs);
            figures.push(one_run(global, *reuses, &warm_up, &measured, &label)?);
        }
    }
    if options.json {
        let columns: Value = columns
            .iter()
            .map(|(name, _, runs)| json!({"name": name, "runs": runs}))
            .collect();
        let machine = json!({"cores": std::thread::available_parallelism().map_or(1, usize::from), "os": std::env::consts::OS, "architecture": std::env::consts::ARCH});
        print(&format!(
            "{:#}\n",
            json!({"version": env!("CARGO_PKG_VERSION"), "seed": options.seed, "machine": machine, "columns": columns})
        ))?;
    } else {
        let columns: Vec<(&str, Vec<Figures>)> = columns
            .into_iter()
            .map(|(name, _, figures)| (name, figures))
            .collect();
        print(&table(&columns).to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn one_run(
    global: &Global,
    reuses: bool,
    warm_up: &[Session],
    measured: &[Session],
    label: &str,
) -> anyhow::Result<Figures> {
    let mut editor = Editor::start(
        &mut process::server(global)?,
        &json!({"engine": {"reuse": reuses}}),
    )?;
    let mut progress = Progress {
        label: io::stderr().is_terminal().then_some(label),
    };
    replay(
        &mut editor,
        warm_up,
        1.0,
        &mut progress,
        &mut Replayed::default(),
    )?;
    let started = process::cpu_time(editor.client.process_id());
    let mut replayed = Replayed::default();
    replay(&mut editor, measured, 1.0, &mut progress, &mut replayed)?;
    let ended = process::cpu_time(editor.client.process_id());
    editor.client.shut_down()?;
    Ok(Figures::new(
        &replayed,
        started
            .zip(ended)
            .map(|(started, ended): (Duration, Duration)| ended.saturating_sub(started)),
    ))
}

/// One line on stderr that counts the keys.
struct Progress<'a> {
    /// `None` where stderr is no terminal.
    label: Option<&'a str>,
}

impl Watcher for Progress<'_> {
    fn show(&mut self, _: &Session, _: &Typist, _: &str, samples: &[Sample]) -> anyhow::Result<()> {
        if let Some(label) = self.label {
            // A courtesy; without stderr there is nobody to show it to.
            let _ = write!(io::stderr(), "\r{label}: key {} ", samples.len());
        }
        Ok(())
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.label.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// The files to type into: the given ones, else the built-in corpus, which never changes, so that figures
/// of two versions compare.
fn sources(files: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    if files.is_empty() {
        return Ok(built_in_sources());
    }
    files
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            // The extension tells the language as well as an editor's name for it would.
            let language_id = path.extension().unwrap_or_default().display().to_string();
            Ok(Source {
                file_name: path.display().to_string(),
                language_id,
                text: text.replace("\r\n", "\n"),
            })
        })
        .collect()
}

/// A Rust and a Python file of our own, which no model has seen.
pub(super) fn built_in_sources() -> Vec<Source> {
    let source = |name: &str, language: &str, text: &str| Source {
        file_name: name.to_owned(),
        language_id: language.to_owned(),
        text: text.to_owned(),
    };
    vec![
        source(
            "ledger.rs",
            "rust",
            include_str!("../../benches/corpus/ledger.rs"),
        ),
        source(
            "scheduler.py",
            "python",
            include_str!("../../benches/corpus/scheduler.py"),
        ),
    ]
}
