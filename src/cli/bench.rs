//! `ghostline bench`: how long ghost text takes, measured from outside as an editor would see it, beside what
//! it would take without what makes it fast, and beside a llama.cpp server.
//!
//! One process plays the editor and starts the server. The clock runs from just before the write of a key's
//! messages to just after the read of the answer's last byte.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};

use super::{
    Global, Unusable, chart,
    crowd::{self, Crowds},
    editor::Editor,
    figures::Figures,
    filler::lengthen,
    http::Url,
    infill::Infill,
    page,
    peer::{Event, Peer, Profile},
    print, process,
    replay::{Replayed, Sample, Watcher, replay},
    settings::{self, unreadable},
    table::table,
    typing::{Session, Source, sessions},
    typist::Typist,
};
use crate::report::thousands;

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
    /// Which editor types
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Beside it, replay the same keys with everything computed anew for each of them
    #[arg(long)]
    baseline: bool,
    /// Beside it, replay the same keys against a llama.cpp server, asked as llama.vim asks it; it has to serve the same model
    #[arg(long, value_name = "URL")]
    against: Option<Url>,
    /// Instead, measure this remote server with several people typing at once: a llama.cpp server or one that is compatible to OpenAI's completions
    #[arg(long, value_name = "URL", conflicts_with_all = ["runs", "baseline", "against", "svg", "page"])]
    remote: Option<String>,
    /// How many people type against the remote server; several numbers are measured one after the other
    #[arg(long, default_value = "1,5,20", value_name = "N", requires = "remote")]
    users: Crowds,
    /// Type into this file instead of the built-in ones; may be given several times
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Put functions above and below what the files say, until each has so many lines: what is typed should cost the same
    #[arg(long, value_name = "N", conflicts_with = "remote")]
    lines: Option<usize>,
    /// Another seed types other lines with other mistakes
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Print JSON, with every latency
    #[arg(long)]
    json: bool,
    /// Draw the distribution of the latencies into this file, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the table into this Markdown file, too, between its lines `<!-- bench PROFILE -->` and `<!-- end -->`
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

/// What types are compared.
struct Column<'a> {
    name: &'static str,
    way: Way<'a>,
    runs: Vec<Figures>,
}

/// Where ghost text comes from.
enum Way<'a> {
    /// A server like this one, with these settings.
    Own(Value),
    LlamaCpp(&'a Url),
}

pub(super) fn run(global: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    let sources = sources(&options.file)?;
    if let Some(url) = &options.remote {
        return crowd(global, options, url, &sources);
    }
    let mut warm_up = sessions(&sources, WARM_UP_KEYS, options.seed ^ u64::MAX);
    let mut measured = sessions(&sources, options.keystrokes, options.seed);
    if let Some(lines) = options.lines {
        let all = warm_up.iter_mut().chain(&mut measured);
        all.for_each(|session| lengthen(session, lines));
    }
    if measured.is_empty() {
        return Err(Unusable(
            "there is nothing to type: the files are empty, or `--keystrokes` is 0".to_owned(),
        )
        .into());
    }
    let mut columns = columns(options);
    let keys = measured.iter().flat_map(|session| &session.keys);
    let seconds: f64 = keys.map(|key| key.gap.as_secs_f64()).sum();
    let n_replays = usize::from(options.runs) * columns.len();
    super::say(&format!(
        "{n_replays} × {} keystrokes, about {:.0} s",
        options.keystrokes,
        seconds * n_replays as f64
    ));
    let mut bench = Bench {
        global,
        profile: options.profile,
        warm_up: &warm_up,
        measured: &measured,
        model: None,
    };
    for number in 1..=options.runs {
        for column in &mut columns {
            let label = format!("run {number} of {}, {}", options.runs, column.name);
            column.runs.push(bench.run(&column.way, &label)?);
        }
    }
    report(
        options,
        &columns,
        bench.model.as_deref().unwrap_or("no model"),
    )
}

/// Several people against one remote server.
fn crowd(
    global: &Global,
    options: &Options,
    url: &str,
    sources: &[Source],
) -> anyhow::Result<ExitCode> {
    let setup = crowd::Setup {
        global,
        url,
        profile: options.profile,
        sources,
        keystrokes: options.keystrokes,
        seed: options.seed,
    };
    let figures = crowd::measure(&setup, &options.users)?;
    if options.json {
        let crowds = json!({"version": env!("CARGO_PKG_VERSION"), "profile": options.profile.name(), "seed": options.seed, "crowds": figures});
        print(&format!("{crowds:#}\n"))?;
    } else {
        print(&crowd::table(&figures).to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn columns(options: &Options) -> Vec<Column<'_>> {
    let column = |name, way| Column {
        name,
        way,
        runs: Vec::new(),
    };
    // Every key is answered, whatever the user likes: what a deletion costs that nobody answers says nothing, and
    // the servers beside answer it, too.
    let eager = json!({
        "mode": "automatic", "delay_ms": 0, "after_delete": true, "repeat_rejected": true, "back_off": 0,
    });
    let engine = json!({"reuse": false, "healing": false, "prefetch": false});
    let completion = json!({"live_cache": false});
    let nothing = json!({"engine": engine, "eagerness": eager, "completion": completion});
    let mut columns = vec![column("ghostline", Way::Own(json!({"eagerness": eager})))];
    if options.baseline {
        columns.push(column("baseline", Way::Own(nothing)));
    }
    if let Some(url) = &options.against {
        columns.push(column("llama.cpp", Way::LlamaCpp(url)));
    }
    columns
}

/// Writes the files that are wanted, prints the rest.
fn report(options: &Options, columns: &[Column], model: &str) -> anyhow::Result<ExitCode> {
    let named: Vec<(&str, Vec<Figures>)> = columns
        .iter()
        .map(|column| (column.name, column.runs.clone()))
        .collect();
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let about = format!(
        "{model}, profile {}, {} × {} keystrokes, {n_cores} cores, {} {}",
        options.profile.name(),
        options.runs,
        thousands(options.keystrokes as u64),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    if let Some(path) = &options.svg {
        let lines: Vec<chart::Line> = columns
            .iter()
            .map(|column| chart::Line {
                name: column.name,
                latencies: column
                    .runs
                    .iter()
                    .flat_map(|run| run.latencies_ms.iter().copied())
                    .collect(),
            })
            .collect();
        written(path, &chart::svg(&lines, &about))?;
    }
    if let Some(path) = &options.page {
        let old = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let content = format!("{about}\n\n{}", table(&named).markdown());
        let new = page::with_content(&old, options.profile.name(), &content)
            .map_err(|sentence| Unusable(format!("`{}`: {sentence}", path.display())))?;
        written(path, &new)?;
    }
    if options.json {
        let columns: Value = columns
            .iter()
            .map(|column| json!({"name": column.name, "runs": column.runs}))
            .collect();
        let machine = json!({"cores": n_cores, "os": std::env::consts::OS, "architecture": std::env::consts::ARCH});
        print(&format!(
            "{:#}\n",
            json!({"version": env!("CARGO_PKG_VERSION"), "model": model, "profile": options.profile.name(), "seed": options.seed, "machine": machine, "columns": columns})
        ))?;
    } else {
        print(&format!("{about}\n\n{}", table(&named)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn written(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("while writing `{}`", path.display()))
}

/// What all runs have in common.
struct Bench<'a> {
    global: &'a Global,
    profile: Profile,
    warm_up: &'a [Session],
    measured: &'a [Session],
    /// The name of our server's model, once known.
    model: Option<String>,
}

impl Bench<'_> {
    fn run(&mut self, way: &Way, label: &str) -> anyhow::Result<Figures> {
        match way {
            Way::Own(settings) => self.own(settings, label),
            Way::LlamaCpp(url) => {
                let (layered, _) = settings::load(self.global)?;
                let max_tokens = layered.config().completion.max_tokens;
                let mut peer = Infill::start(url, self.profile, max_tokens)?;
                self.warm_up(&mut peer, label)?;
                Ok(Figures::new(&self.measure(&mut peer, label)?, None))
            }
        }
    }

    fn own(&mut self, settings: &Value, label: &str) -> anyhow::Result<Figures> {
        let launched = Instant::now();
        let mut editor = Editor::start(&mut process::server(self.global)?, settings)?;
        let first = first_answers(&mut editor, &self.warm_up[0])?;
        self.model = Some(editor.model.clone());
        editor.outbox.profile = self.profile;
        self.warm_up(&mut editor, label)?;
        let started = process::cpu_time(editor.client.process_id());
        let replayed = self.measure(&mut editor, label)?;
        let ended = process::cpu_time(editor.client.process_id());
        editor.client.shut_down()?;
        let cpu = started
            .zip(ended)
            .map(|(started, ended): (Duration, Duration)| ended.saturating_sub(started));
        Ok(Figures {
            first_answer: first.answer.map(|at| at - launched),
            first_ghost_text: first.ghost_text.map(|at| at - launched),
            ..Figures::new(&replayed, cpu)
        })
    }

    fn warm_up(&self, peer: &mut dyn Peer, label: &str) -> anyhow::Result<()> {
        let mut progress = Progress::new(label);
        replay(
            peer,
            self.warm_up,
            1.0,
            &mut progress,
            &mut Replayed::default(),
        )
    }

    fn measure(&self, peer: &mut dyn Peer, label: &str) -> anyhow::Result<Replayed> {
        let mut progress = Progress::new(label);
        let mut replayed = Replayed::default();
        replay(peer, self.measured, 1.0, &mut progress, &mut replayed)?;
        Ok(replayed)
    }
}

/// When a server that was just started had its first answers.
#[derive(Clone, Copy, Default)]
struct First {
    answer: Option<Instant>,
    ghost_text: Option<Instant>,
}

/// Opens a file and types, each key as soon as the one before is answered, until there is ghost text.
fn first_answers(editor: &mut Editor, session: &Session) -> anyhow::Result<First> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut typist = Typist::new(session);
    let mut first = First::default();
    editor.open(0, session, typist.text())?;
    for (number, key) in session.keys.iter().enumerate() {
        let before = typist.text().to_owned();
        let change = typist.press(key);
        let change = change.as_ref().map(|change| (before.as_str(), change));
        let after = (typist.text(), typist.cursor());
        let deadline = editor.press(number, change, after)? + PATIENCE;
        let answer = loop {
            match editor.receive(deadline)? {
                Some(Event::Answer { key, at, items }) if key == number => break Some((at, items)),
                Some(_) => {}
                None => break None,
            }
        };
        let Some((at, items)) = answer else { break };
        first.answer.get_or_insert(at);
        if items.is_some_and(|items| !items.is_empty()) {
            first.ghost_text = Some(at);
            break;
        }
    }
    editor.close()?;
    Ok(first)
}

/// One line on stderr that counts the keys.
struct Progress<'a> {
    /// `None` where stderr is no terminal.
    label: Option<&'a str>,
}

impl Progress<'_> {
    fn new(label: &str) -> Progress<'_> {
        Progress {
            label: io::stderr().is_terminal().then_some(label),
        }
    }
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
