//! `ghostline doctor`: what works on this machine, how fast it is, and what to do about the rest. Nothing of
//! the user's text is read or shown.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    Global, bench, complete, devices,
    particulars::{self, ModelReport},
    print, process, reach, settings,
    typing::sessions,
    typist::Typist,
};
use crate::{
    config::{Config, EngineKind},
    document::Document,
    engine::{
        Engine, Summary, Usage,
        llama::{self, Device, Files, system_info},
    },
    models,
    report::{FRAME, Table, median, number, thousands},
    text::ByteOffset,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print JSON, for bug reports
    #[arg(long)]
    json: bool,
}

/// Everything that was found out.
#[derive(Debug, Serialize)]
struct Diagnosis {
    version: &'static str,
    machine: Machine,
    /// What llama.cpp was compiled with.
    #[serde(rename = "llama_cpp")]
    llama: String,
    devices: Vec<Device>,
    /// Back ends that are files beside the program.
    backends: Files,
    configuration: Option<PathBuf>,
    /// Where text would go; `None` where nothing remote is set.
    remote: Option<reach::Reach>,
    model: Option<ModelReport>,
    speed: Option<Speed>,
    /// Bytes in RAM with the model loaded.
    memory: Option<u64>,
    /// What could be better.
    hints: Vec<String>,
    /// What is wrong, each with the way out.
    problems: Vec<String>,
    is_usable: bool,
}

#[derive(Debug, Serialize)]
struct Machine {
    os: &'static str,
    architecture: &'static str,
    cores: usize,
    /// Bytes of RAM that programs can still have.
    free_memory: Option<u64>,
    features: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Speed {
    prompt_tokens_per_second: Option<f64>,
    generated_tokens_per_second: Option<f64>,
    /// Median, from the change of the text to the whole completion, without the editor.
    keystroke_ms: Option<f64>,
    n_keystrokes: usize,
}

pub(super) fn run(global: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    let diagnosis = diagnose(global)?;
    if options.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&diagnosis)?))?;
    } else {
        print(&diagnosis.written())?;
    }
    Ok(if diagnosis.is_usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn diagnose(global: &Global) -> anyhow::Result<Diagnosis> {
    let (layered, warnings) = settings::load(global)?;
    let config = layered.config();
    let mut problems: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let features = features(&mut problems);
    if cfg!(debug_assertions) {
        problems.push(
            "this is a debug build, which is many times slower; build with `cargo build --release`"
                .to_owned(),
        );
    }
    let mut diagnosis = Diagnosis {
        version: env!("CARGO_PKG_VERSION"),
        machine: Machine {
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            free_memory: process::free_memory(),
            features,
        },
        llama: system_info(),
        devices: llama::devices(),
        backends: llama::files().clone(),
        configuration: settings::file_in_use(global),
        remote: reach::reach(config),
        model: None,
        speed: None,
        memory: None,
        hints: Vec::new(),
        problems,
        is_usable: false,
    };
    let refused = llama::files().left_out().map(str::to_owned);
    diagnosis.problems.extend(refused);
    if let Some(remote) = &diagnosis.remote {
        diagnosis.problems.extend(remote.problems.iter().cloned());
    }
    // What is measured is the model in this process, which answers while no server does.
    let mut here = config.clone();
    here.engine.kind = EngineKind::Local;
    let config = &here;
    match complete::load(config) {
        Ok((engine, summary)) => {
            diagnosis.is_usable = true;
            let file = models::Choice::new(config)
                .path()
                .map_or_else(|error| error.to_string(), |path| path.display().to_string());
            let origin = match models::Choice::new(config) {
                models::Choice::Builtin => "built in".to_owned(),
                _ => layered.origin("model.path").to_string(),
            };
            let is_builtin = models::Choice::new(config) == models::Choice::Builtin;
            let hint = particulars::hint(
                is_builtin,
                diagnosis.machine.free_memory,
                summary.gpu.is_some(),
            );
            diagnosis.hints.extend(hint);
            let asked_for = config.model.path.as_deref().filter(|_| !is_builtin);
            let asked_for = asked_for.map(models::name::shown);
            let mut model = ModelReport::new(&summary, file, asked_for, origin);
            model
                .notes
                .retain(|note| !diagnosis.problems.contains(note));
            diagnosis.model = Some(model);
            match measure(&engine, &summary, config) {
                Ok(speed) => {
                    diagnosis.problems.extend(slowness(speed, &summary));
                    diagnosis.speed = Some(speed);
                }
                Err(error) => diagnosis
                    .problems
                    .push(format!("the speed test failed: {error:#}")),
            }
            diagnosis.memory = process::memory(std::process::id()).map(|(resident, _)| resident);
            engine.shut_down();
        }
        Err(error) => diagnosis.problems.push(format!("{error:#}")),
    }
    Ok(diagnosis)
}

/// Types as fast as the engine answers: first with everything computed anew for each key, which tells what
/// the model does in a second, then as users do, which tells what a key takes. The texts are different,
/// so that nothing is there from before.
fn measure(engine: &Engine, summary: &Summary, config: &Config) -> anyhow::Result<Speed> {
    let mut anew = config.clone();
    anew.engine.reuse = false;
    let anew = typed(engine, summary, &anew, 1)?;
    let prompts: Vec<f64> = anew
        .iter()
        // Short prompts are all overhead.
        .filter(|(_, usage)| usage.evaluated_tokens >= 64 && !usage.prompt.is_zero())
        .map(|(_, usage)| usage.evaluated_tokens as f64 / usage.prompt.as_secs_f64())
        .collect();
    let decoded: usize = anew.iter().map(|(_, usage)| decoded(usage)).sum();
    let decoding: Duration = anew.iter().map(|(_, usage)| usage.decode).sum();
    let keystrokes: Vec<f64> = typed(engine, summary, config, 2)?
        .iter()
        // Neither a new place nor what the engine only had to repeat.
        .filter(|(_, usage)| usage.evaluated_tokens < 64 && self::decoded(usage) > 0)
        .map(|(took, _)| took.as_secs_f64() * 1e3)
        .collect();
    Ok(Speed {
        prompt_tokens_per_second: median(&prompts),
        generated_tokens_per_second: (!decoding.is_zero())
            .then(|| decoded as f64 / decoding.as_secs_f64()),
        keystroke_ms: median(&keystrokes),
        n_keystrokes: keystrokes.len(),
    })
}

/// Tokens that took a step of the model: those that were still there from before took none.
fn decoded(usage: &Usage) -> usize {
    usage.generated_tokens.saturating_sub(usage.replayed_tokens)
}

/// Half a second of typing: how long each key took, and what its answer cost.
fn typed(
    engine: &Engine,
    summary: &Summary,
    config: &Config,
    seed: u64,
) -> anyhow::Result<Vec<(Duration, Usage)>> {
    let started = Instant::now();
    let mut all = Vec::new();
    for session in sessions(&bench::built_in_sources(), 400, seed) {
        let mut typist = Typist::new(&session);
        let mut document = Document::new(typist.text(), 0, &session.language_id, None);
        let mut anchor = None;
        for key in &session.keys {
            if started.elapsed() > Duration::from_millis(500) {
                return Ok(all);
            }
            let pressed = Instant::now();
            if let Some(change) = typist.press(key) {
                document.edit(
                    ByteOffset(change.range.start)..ByteOffset(change.range.end),
                    &change.with,
                );
            }
            let cursor = ByteOffset(typist.cursor());
            let answer = complete::complete(
                engine,
                summary,
                config,
                &document.snapshot(),
                cursor,
                anchor.as_ref(),
            )?;
            let Some(answer) = answer else { continue };
            all.push((pressed.elapsed(), answer.completion.usage));
            anchor = Some(answer.anchor);
        }
    }
    Ok(all)
}

/// What to do about a model that takes longer than a frame.
fn slowness(speed: Speed, summary: &Summary) -> Option<String> {
    let frame = FRAME.as_secs_f64() * 1e3;
    let keystroke = speed.keystroke_ms.filter(|ms| *ms > frame)?;
    let gpu = if summary.gpu.is_none() {
        ", or let a GPU run it (docs/gpu.md says how)"
    } else {
        ""
    };
    Some(format!(
        "a keystroke takes {keystroke:.1} ms, longer than a frame of 16.7 ms; choose a smaller model{gpu}, or lower `completion.max_tokens`"
    ))
}

/// What the processor can do that matters here; a problem where this build does not use it.
fn features(problems: &mut Vec<String>) -> Vec<&'static str> {
    let mut features = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! look {
            ($($name:tt),*) => {
                $(if std::arch::is_x86_feature_detected!($name) {
                    features.push($name);
                    // The first three are what a build for any machine lacks.
                    // One with back ends as files has them there.
                    if !cfg!(any(target_feature = $name, feature = "backends")) && ["avx2", "fma", "avx512f"].contains(&$name) {
                        problems.push(format!("this build does not use {}, which the processor has; build with `RUSTFLAGS=-Ctarget-cpu=native`", $name));
                    }
                })*
            };
        }
        look!(
            "avx2",
            "fma",
            "f16c",
            "avx512f",
            "avx512bw",
            "avx512vnni",
            "avx512bf16"
        );
    }
    #[cfg(target_arch = "aarch64")]
    {
        let _ = problems;
        macro_rules! look {
            ($($name:tt),*) => {
                $(if std::arch::is_aarch64_feature_detected!($name) { features.push($name); })*
            };
        }
        look!("neon", "dotprod", "i8mm", "fp16", "sve");
    }
    features
}

impl Diagnosis {
    fn written(&self) -> String {
        let mebibytes = |bytes: u64| format!("{} MiB", thousands(bytes >> 20));
        let mut table = Table::of_words([""; 2]);
        table.row(["ghostline", self.version]);
        let machine = &self.machine;
        let free = machine.free_memory.map_or_else(String::new, |free| {
            format!(", {} of memory free", mebibytes(free))
        });
        table.row([
            "machine".to_owned(),
            format!(
                "{} {}, {} cores{free}",
                machine.os, machine.architecture, machine.cores
            ),
        ]);
        table.row(["processor".to_owned(), machine.features.join(" ")]);
        table.row(["llama.cpp", self.llama.trim_end_matches([' ', '|'])]);
        for row in devices::rows(&self.devices, &self.backends) {
            table.row(row);
        }
        let file = self
            .configuration
            .as_ref()
            .map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
        table.row(["configuration".to_owned(), file]);
        for row in self.remote.iter().flat_map(reach::Reach::rows) {
            table.row(row);
        }
        if let Some(model) = &self.model {
            for row in model.rows() {
                table.row(row);
            }
        }
        if let Some(speed) = &self.speed {
            let rate = |rate: Option<f64>| {
                rate.map_or_else(|| "–".to_owned(), |rate| thousands(rate as u64))
            };
            table.row([
                "speed".to_owned(),
                format!(
                    "{} prompt tokens/s, {} generated tokens/s",
                    rate(speed.prompt_tokens_per_second),
                    rate(speed.generated_tokens_per_second)
                ),
            ]);
            table.row([
                "keystroke".to_owned(),
                format!(
                    "{} ms (median of {})",
                    number(speed.keystroke_ms, 1),
                    speed.n_keystrokes
                ),
            ]);
        }
        if let Some(memory) = self.memory {
            table.row([
                "memory".to_owned(),
                format!("{} with the model", mebibytes(memory)),
            ]);
        }
        let mut text = table.to_string();
        let notes = self.model.iter().flat_map(|model| &model.notes);
        for note in notes.chain(&self.hints) {
            text += &format!("\nnote: {note}\n");
        }
        for problem in &self.problems {
            text += &format!("\nproblem: {problem}\n");
        }
        text + if self.is_usable {
            "\nghostline works here\n"
        } else {
            "\nghostline does not work here yet\n"
        }
    }
}
