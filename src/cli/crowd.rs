//! `ghostline bench --remote`: several people who type at once, each with an editor and a server of their own, against
//! one remote server. What one waits for is what the others have it do, too.

use std::{
    fmt,
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Global, Unusable,
    editor::Editor,
    peer::Profile,
    process,
    replay::{Replayed, Sample, Watcher, replay},
    typing::{Session, Source, sessions},
    typist::Typist,
};
use crate::{
    engine::remote::Address,
    report::{Latencies, Table, milliseconds, number, percent, thousands},
};

/// How many people type, one measurement for each number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crowds(Vec<usize>);

impl FromStr for Crowds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Crowds, &'static str> {
        let number = |part: &str| part.trim().parse().ok().filter(|n| (1..=200).contains(n));
        let numbers: Option<Vec<usize>> = text.split(',').map(number).collect();
        numbers
            .map(Crowds)
            .ok_or("expected numbers from 1 to 200, for example 1,5,20")
    }
}

impl fmt::Display for Crowds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&numbers.join(","))
    }
}

/// What a measurement needs.
pub(super) struct Setup<'a> {
    pub(super) global: &'a Global,
    pub(super) url: &'a str,
    pub(super) profile: Profile,
    pub(super) sources: &'a [Source],
    pub(super) keystrokes: usize,
    pub(super) seed: u64,
}

/// What came of one number of people.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    users: usize,
    /// For which ghost text was asked.
    questions: usize,
    /// The share of them that was answered before the next key.
    answered: f64,
    /// From the question to the answer; `null` where that one never came.
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// That the server generated in a second, for all together.
    tokens_per_second: f64,
    /// That the server evaluated of prompts in a second, as far as it tells.
    prompt_tokens_per_second: f64,
    /// How long the one typed who took longest: the time that both rates are over.
    seconds: f64,
    #[serde(skip)]
    latencies: Latencies,
}

/// Measures one number of people after the other.
pub(super) fn measure(setup: &Setup, crowds: &Crowds) -> anyhow::Result<Vec<Figures>> {
    if let Err(error) = setup.url.parse::<Address>() {
        return Err(Unusable(format!("what `--remote` is given {error}")).into());
    }
    crowds.0.iter().map(|users| crowd(setup, *users)).collect()
}

fn crowd(setup: &Setup, users: usize) -> anyhow::Result<Figures> {
    super::say(&format!("{users} × {} keystrokes", setup.keystrokes));
    let started = Instant::now();
    let replays: Vec<anyhow::Result<Replayed>> = thread::scope(|scope| {
        let people: Vec<_> = (0..users as u64)
            .map(|user| scope.spawn(move || person(setup, user)))
            .collect();
        let ended = |person: thread::ScopedJoinHandle<'_, _>| {
            person
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("one who typed is gone")))
        };
        people.into_iter().map(ended).collect()
    });
    let mut samples = Vec::new();
    let mut elapsed = Duration::ZERO;
    for replayed in replays {
        let replayed = replayed?;
        elapsed = elapsed.max(replayed.elapsed);
        samples.extend(replayed.samples);
    }
    Ok(Figures::new(
        users,
        &samples,
        elapsed.min(started.elapsed()),
    ))
}

/// One who types other lines than the others.
fn person(setup: &Setup, user: u64) -> anyhow::Result<Replayed> {
    let sessions: Vec<Session> =
        sessions(setup.sources, setup.keystrokes, setup.seed + 1_000 * user);
    let mut command = process::server(setup.global)?;
    let mut editor = Editor::start(&mut command, &settings(setup.url))?;
    editor.outbox.profile = setup.profile;
    let mut replayed = Replayed::default();
    replay(&mut editor, &sessions, 1.0, &mut Nobody, &mut replayed)?;
    editor.client.shut_down()?;
    Ok(replayed)
}

/// Whoever names a server in a command has agreed to it; the text is the bench's own, or that of the files named. Only
/// that server answers.
fn settings(url: &str) -> Value {
    json!({
        "engine": {"kind": "remote"},
        "remote": {"url": url, "consent": "given", "fallback": false},
        "eagerness": {"mode": "automatic", "delay_ms": 0, "after_delete": true, "repeat_rejected": true, "back_off": 0},
    })
}

struct Nobody;

impl Watcher for Nobody {
    fn show(&mut self, _: &Session, _: &Typist, _: &str, _: &[Sample]) -> anyhow::Result<()> {
        Ok(())
    }
}

impl Figures {
    fn new(users: usize, samples: &[Sample], elapsed: Duration) -> Figures {
        let asked = samples
            .iter()
            .filter(|sample| sample.is_asked && sample.kind.is_keystroke());
        let latencies: Latencies = asked.map(|sample| sample.latency).collect();
        let ms = |percent| {
            latencies
                .percentile(percent)
                .map(|it| it.as_secs_f64() * 1e3)
        };
        let usages = || {
            samples
                .iter()
                .filter_map(|sample| sample.cost.as_ref())
                .map(|cost| &cost.usage)
        };
        let seconds = elapsed.as_secs_f64();
        let per_second = |tokens: u64| tokens as f64 / seconds.max(1e-9);
        Figures {
            users,
            questions: latencies.count(),
            answered: latencies.share_arrived(),
            p50_ms: ms(50.0),
            p95_ms: ms(95.0),
            p99_ms: ms(99.0),
            tokens_per_second: per_second(usages().map(|usage| usage.generated_tokens).sum()),
            prompt_tokens_per_second: per_second(
                usages().map(|usage| usage.evaluated_tokens).sum(),
            ),
            seconds,
            latencies,
        }
    }
}

/// The figures for people.
pub(super) fn table(figures: &[Figures]) -> Table {
    let mut table = Table::new([
        "people",
        "questions",
        "answered",
        "p50",
        "p95",
        "p99",
        "tokens/s",
        "prompt tokens/s",
        "seconds",
    ]);
    for one in figures {
        let at = |percent| milliseconds(one.latencies.percentile(percent));
        table.row([
            one.users.to_string(),
            thousands(one.questions as u64),
            percent(one.answered),
            at(50.0),
            at(95.0),
            at(99.0),
            number(Some(one.tokens_per_second), 1),
            number(Some(one.prompt_tokens_per_second), 1),
            number(Some(one.seconds), 1),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::replay::Kind;

    #[test]
    fn numbers_of_people_are_a_list() {
        assert_eq!("1,5, 20".parse(), Ok(Crowds(vec![1, 5, 20])));
        assert_eq!(Crowds(vec![1, 5]).to_string(), "1,5");
        for wrong in ["", "0", "1,,2", "many", "201"] {
            assert!(wrong.parse::<Crowds>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_all_wait_for_is_added_up() {
        let sample = |kind, latency: Option<u64>| Sample {
            is_asked: true,
            latency: latency.map(Duration::from_millis),
            ..Sample::new(kind)
        };
        let samples = [
            sample(Kind::Typed, Some(10)),
            sample(Kind::Typed, None),
            sample(Kind::Deleted, Some(20)),
            sample(Kind::Opened, Some(900)),
            Sample::new(Kind::Typed),
        ];
        let figures = Figures::new(2, &samples, Duration::from_millis(1500));
        assert_eq!(
            (figures.questions, figures.p50_ms, figures.p99_ms),
            (3, Some(20.0), None)
        );
        assert!((figures.answered - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(serde_json::to_value(&figures).unwrap()["seconds"], 1.5);
        let lines = table(&[figures]).lines();
        assert!(lines[0].ends_with("prompt tokens/s  seconds"), "{lines:?}");
        assert!(lines[1].ends_with(" 1.5"), "{lines:?}");
    }
}
