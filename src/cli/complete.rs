//! `ghostline complete`: the ghost text for one place in a file, by the same steps as the server's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
    sync::mpsc::sync_channel,
    time::{Duration, Instant},
};

use anyhow::bail;
use serde_json::json;

use super::{Global, Unusable, log, print, settings};
use crate::{
    config::{Config, Level, Origin},
    document::{Document, Snapshot},
    engine::{
        Cancel, Completion, DocumentId, Engine, Job, Outcome, Priority, Status, Summary, llama,
        model::ModelError, remote::Health,
    },
    exclude, models,
    prompt::{
        anchor::{self, Anchor},
        format,
    },
    remote,
    server::Candidate,
    suggest::{ask, stop::Stop},
    text::{
        ByteOffset,
        position::{Encoding, Position, offset_of},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The place, as editors show it: lines and columns count from 1, columns in characters; the ghost
    /// text goes before that character
    #[arg(value_name = "FILE:LINE:COLUMN")]
    place: Place,
    /// Print JSON: the text, why it ends, tokens, times in microseconds
    #[arg(long)]
    json: bool,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    file: PathBuf,
    /// Zero-based.
    position: Position,
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Place, &'static str> {
        const EXPECTED: &str = "expected FILE:LINE:COLUMN, for example src/main.rs:10:5";
        const FROM_ONE: &str = "lines and columns count from 1";
        // From the right: a file name may hold colons.
        let mut parts = text.rsplitn(3, ':');
        let (column, line) = (parts.next().ok_or(EXPECTED)?, parts.next().ok_or(EXPECTED)?);
        let file = parts
            .next()
            .filter(|file| !file.is_empty())
            .ok_or(EXPECTED)?;
        let number = |text: &str| {
            text.parse::<u32>()
                .map_err(|_| EXPECTED)?
                .checked_sub(1)
                .ok_or(FROM_ONE)
        };
        let position = Position {
            line: number(line)?,
            column: number(column)?,
        };
        Ok(Place {
            file: file.into(),
            position,
        })
    }
}

pub(super) fn run(global: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    let (layered, warnings) = settings::load(global)?;
    // What goes wrong is said at the end; the log is for those who ask for it.
    let mut config = layered.config().clone();
    if layered.origin("log.level") == Origin::Default {
        config.log.level = Level::Off;
    }
    log::Log::start(&config.log);
    for warning in warnings {
        super::say(&warning.to_string());
    }

    let file = &options.place.file;
    if let Some(reason) = left_alone(file, &config) {
        return Err(Unusable(format!("`{}` is left alone: {reason}", file.display())).into());
    }
    let text = fs::read_to_string(file).map_err(|error| settings::unreadable(file, &error))?;
    let mut document = Document::new(&text, 0, "", Some(file));
    let snapshot = document.snapshot();
    let cursor = place_in(&snapshot, options.place.position)?;

    let (config, why_here) = remote::for_command(&config);
    if let Some(why) = why_here {
        super::say(&why);
    }
    let started = Instant::now();
    let (engine, model) = load(&config)?;
    let load_time = started.elapsed();
    let answer = complete(&engine, &model, &config, &snapshot, cursor, None)?;
    engine.shut_down();

    let text = answer.as_ref().and_then(|answer| answer.shown.as_ref());
    let text = text.map(|shown| shown.text.as_str());
    if options.json {
        let usage = answer
            .as_ref()
            .map(|answer| answer.completion.usage)
            .unwrap_or_default();
        print(&format!(
            "{:#}\n",
            json!({
                "text": text.unwrap_or_default(),
                "stop_reason": answer.as_ref().map(|answer| answer.completion.stop),
                "confidence": answer.as_ref().and_then(|answer| Some(answer.shown.as_ref()?.probability)),
                "model": model.name,
                "load_us": load_time.as_micros() as u64,
                "prompt_us": usage.prompt.as_micros() as u64,
                "decode_us": usage.decode.as_micros() as u64,
                "prompt_tokens": usage.prompt_tokens,
                "reused_tokens": usage.reused_tokens,
                "evaluated_tokens": usage.evaluated_tokens,
                "generated_tokens": usage.generated_tokens,
                "healed_bytes": usage.healed_bytes,
            })
        ))?;
    } else if let Some(text) = text {
        print(&format!("{text}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Why nothing is suggested in a file, if that is so.
pub(super) fn left_alone(file: &Path, config: &Config) -> Option<String> {
    // By the name that was given, and by that of the file which a link leads to. Without either it cannot be read,
    // which is said then.
    let paths = [std::path::absolute(file), file.canonicalize()];
    paths.into_iter().flatten().find_map(|path| {
        let verdict = exclude::verdict(&Candidate {
            path: &path,
            is_file: true,
            roots: &[],
            patterns: &config.files.exclude,
        });
        for problem in &verdict.problems {
            super::say(problem);
        }
        verdict.reason
    })
}

/// The offset of `position`, which has to be in the text: a wrong place would get a wrong answer.
fn place_in(snapshot: &Snapshot, position: Position) -> Result<ByteOffset, Unusable> {
    let text = &snapshot.text;
    let line = position.line as usize;
    let n_lines = text.line_count();
    if line >= n_lines {
        return Err(Unusable(format!(
            "there is no line {}; the file has {n_lines}",
            line + 1
        )));
    }
    // Editors count characters of UTF-32, as far as they count characters.
    let cursor = offset_of(text, position, Encoding::Utf32);
    let n_columns = text
        .slice(text.line_start(line)..text.line_end(line))
        .chars()
        .count();
    if position.column as usize > n_columns {
        return Err(Unusable(format!(
            "there is no column {} in line {}; its end is column {}",
            position.column + 1,
            line + 1,
            n_columns + 1
        )));
    }
    Ok(cursor)
}

/// A completion, what of it is to be shown, and the anchor of its prompt.
pub(super) struct Answer {
    pub(super) anchor: Anchor,
    pub(super) completion: Completion,
    pub(super) shown: Option<ask::Shown>,
}

/// Starts the engine and waits for its model.
pub(super) fn load(config: &Config) -> anyhow::Result<(Engine, std::sync::Arc<Summary>)> {
    // Looked at first, so that each kind of unusable file has its own exit code.
    let choice = models::Choice::new(config);
    if choice != models::Choice::Builtin {
        let (_, facts) = llama::inspect(&choice.path()?)?;
        format::recognise(&facts, config.model.format.as_deref()).map_err(ModelError::from)?;
    }
    let (sender, statuses) = sync_channel(16);
    let on_status = move |status: Status| {
        if !matches!(status, Status::Loading(_)) {
            // Nobody listens any more once the first is there.
            let _ = sender.try_send(status);
        }
    };
    let engine = remote::start(config, Box::new(on_status));
    match statuses.recv() {
        Ok(Status::Ready(summary)) => {
            await_remotes(&engine, config);
            match engine.status() {
                Status::Ready(now) => Ok((engine, now)),
                _ => Ok((engine, summary)),
            }
        }
        Ok(Status::Failed(sentence)) => Err(Unusable(sentence).into()),
        _ => bail!("the engine ended while loading the model"),
    }
}

/// Waits until it is known of each remote server whether it answers.
fn await_remotes(engine: &Engine, config: &Config) {
    let until = Instant::now() + Duration::from_millis(config.remote.timeout_ms);
    let is_open = |server: &Health| !server.answers && server.trouble.is_none();
    while engine.remotes().iter().any(is_open) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asks for a completion at `cursor`, as when a user asks for one by hand, and waits for it; `None` where
/// nothing is wanted. `previous` is the anchor of the last prompt for the same document.
pub(super) fn complete(
    engine: &Engine,
    model: &Summary,
    config: &Config,
    snapshot: &Snapshot,
    cursor: ByteOffset,
    previous: Option<&Anchor>,
) -> anyhow::Result<Option<Answer>> {
    let Some(shape) = ask::shape(snapshot, cursor, true, &config.completion) else {
        return Ok(None);
    };
    let (anchor, prompt) = anchor::follow(previous, snapshot, cursor, &model.plan, &[]);
    let is_cached = (config.completion.live_cache).is_on(model.gains_from_open_files());
    let (sender, outcome) = sync_channel(1);
    engine.submit(Job {
        document: DocumentId(0),
        priority: Priority::Now,
        prompt,
        max_tokens: config.completion.max_tokens,
        stop: Stop::new(shape, snapshot, cursor),
        heals: config.engine.healing,
        reuses: config.engine.reuse,
        mixes: is_cached,
        branches: 0,
        replaces: false,
        cancel: Cancel::default(),
        progress: None,
        // The channel has room for the one outcome there is.
        reply: Box::new(move |outcome| drop(sender.send(outcome))),
    });
    match outcome.recv() {
        Ok(Outcome::Done(completion)) => {
            let raw = ask::Raw {
                text: &completion.text,
                confidence: completion.confidence,
                shape,
                format: &model.plan.format,
                goes_on: false,
            };
            let shown = ask::shown(&raw, snapshot, cursor, true, &config.completion);
            Ok(Some(Answer {
                anchor,
                completion,
                shown: shown.ok(),
            }))
        }
        Ok(Outcome::Failed(sentence)) => bail!(sentence),
        Ok(Outcome::Cancelled) | Err(_) => bail!("the engine ended before it answered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, u32, u32), &str>) {
        let place = |(file, line, column): (&str, u32, u32)| Place {
            file: file.into(),
            position: Position { line, column },
        };
        assert_eq!(
            text.parse(),
            expected.map(place).map_err(|message| {
                if message == "one" {
                    "lines and columns count from 1"
                } else {
                    "expected FILE:LINE:COLUMN, for example src/main.rs:10:5"
                }
            })
        );
    }

    #[test]
    fn a_place_counts_from_one_and_its_file_may_hold_colons() {
        check("src/a.rs:10:5", Ok(("src/a.rs", 9, 4)));
        check("C:\\a.rs:1:1", Ok(("C:\\a.rs", 0, 0)));
        check("a.rs:0:1", Err("one"));
        check("a.rs:1:0", Err("one"));
        for wrong in ["a.rs", "a.rs:1", "a.rs:x:1", "a.rs:1:-1", ":1:1", ""] {
            check(wrong, Err("expected"));
        }
    }

    #[test]
    fn a_place_outside_of_the_text_is_refused_with_where_it_ends() {
        let snapshot = Document::new("añb\nc", 0, "rust", None).snapshot();
        let at = |line, column| {
            place_in(&snapshot, Position { line, column }).map_err(|error| error.to_string())
        };
        assert_eq!(at(0, 2), Ok(ByteOffset(3)));
        assert_eq!(at(1, 1), Ok(ByteOffset(6)));
        assert_eq!(
            at(0, 4),
            Err("there is no column 5 in line 1; its end is column 4".to_owned())
        );
        assert_eq!(
            at(2, 0),
            Err("there is no line 3; the file has 2".to_owned())
        );
    }
}
