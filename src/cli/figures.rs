//! What a replay's samples add up to; `table.rs` shows it to people, `chart.rs` draws it.

mod evaluated;

use std::{collections::BTreeMap, time::Duration};

use serde::{Serialize, Serializer};

use super::{
    peer::Cost,
    replay::{Kind, Replayed, Sample},
};
use crate::report::{FRAME, Latencies};
use evaluated::Evaluated;

/// The figures of one replay. Latencies are over all keystrokes for which ghost text was asked, the ones that
/// never got their answer as infinitely late; `null` in JSON.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) keystrokes: usize,
    /// The share of keystrokes after which the editor asked, before the next one.
    pub(super) asked: f64,
    /// Answers, also those that say that there is nothing to show.
    pub(super) answered: Within,
    /// Ghost text.
    pub(super) shown: Within,
    /// From the request to the answer.
    pub(super) latency: Spread,
    /// From the key, with what the editor waited before it asked; over all keystrokes.
    pub(super) since_key: Spread,
    pub(super) fresh: Fresh,
    pub(super) evaluated: Evaluated,
    /// Computed while nobody waited, per keystroke.
    pub(super) evaluated_ahead: Option<f64>,
    pub(super) generated_ahead: Option<f64>,
    /// Generated tokens per second of decoding, without those that were still there.
    pub(super) tokens_per_second: Option<f64>,
    /// Characters that were shown before they were typed, each counted once.
    pub(super) right_characters_per_second: Option<f64>,
    /// Where answers came from, or that they were late, as shares of the keystrokes for which was asked.
    pub(super) sources: BTreeMap<String, f64>,
    pub(super) accepted: usize,
    /// The share of keys that accepting made unnecessary.
    pub(super) keystrokes_saved: f64,
    /// Keys that left late because the machine was busy with something else: with more than a few of them the other
    /// figures are not to be trusted.
    pub(super) late_keys: usize,
    /// How often shown text changed without a reason in the typing.
    pub(super) flickers: usize,
    pub(super) after_opening: Arrival,
    pub(super) after_a_jump: Arrival,
    pub(super) after_a_switch: Arrival,
    /// From the start of the server's process to its first answer.
    #[serde(rename = "first_answer_ms", serialize_with = "milliseconds")]
    pub(super) first_answer: Option<Duration>,
    /// The same to its first ghost text: each key is typed as soon as the one before is answered.
    #[serde(rename = "first_ghost_text_ms", serialize_with = "milliseconds")]
    pub(super) first_ghost_text: Option<Duration>,
    /// By the server's process, all of its threads.
    pub(super) cpu_seconds: Option<f64>,
    pub(super) cpu_ms_per_keystroke: Option<f64>,
    /// In the order of the keys; `null` where no answer came in time.
    #[serde(serialize_with = "all_milliseconds")]
    pub(super) latencies_ms: Vec<Option<Duration>>,
    /// Every key and what came of it, so that whoever doubts a figure can look.
    pub(super) keys: Vec<KeyRecord>,
}

/// One key. No text: what was typed and shown follows from the seed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KeyRecord {
    kind: Kind,
    #[serde(serialize_with = "milliseconds")]
    latency_ms: Option<Duration>,
    ghost_characters: usize,
    is_late: bool,
    #[serde(flatten)]
    cost: Option<Cost>,
}

impl KeyRecord {
    fn new(sample: &Sample) -> KeyRecord {
        KeyRecord {
            kind: sample.kind,
            latency_ms: sample.latency,
            ghost_characters: sample.ghost.chars().count(),
            is_late: sample.is_late,
            cost: sample.cost.clone(),
        }
    }
}

/// Shares of keystrokes that had something within some time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Within {
    pub(super) one_frame: f64,
    #[serde(rename = "50_ms")]
    pub(super) ms_50: f64,
    #[serde(rename = "100_ms")]
    pub(super) ms_100: f64,
    pub(super) before_the_next_key: f64,
}

/// The first answer at a new place.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Arrival {
    pub(super) times: usize,
    #[serde(rename = "p50_ms", serialize_with = "milliseconds")]
    pub(super) p50: Option<Duration>,
}

/// Percentiles.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Spread {
    #[serde(rename = "p50_ms", serialize_with = "milliseconds")]
    pub(super) p50: Option<Duration>,
    #[serde(rename = "p90_ms", serialize_with = "milliseconds")]
    pub(super) p90: Option<Duration>,
    #[serde(rename = "p95_ms", serialize_with = "milliseconds")]
    pub(super) p95: Option<Duration>,
    #[serde(rename = "p99_ms", serialize_with = "milliseconds")]
    pub(super) p99: Option<Duration>,
    #[serde(rename = "max_ms", serialize_with = "milliseconds")]
    pub(super) max: Option<Duration>,
}

/// Keystrokes for whose answer the model had to compute something, and those that were never answered:
/// if nothing had been to compute, they would have been.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Fresh {
    /// The share of them.
    pub(super) share: f64,
    pub(super) answered: Within,
    pub(super) latency: Spread,
}

fn milliseconds<S: Serializer>(
    latency: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    latency.map(in_milliseconds).serialize(serializer)
}

fn all_milliseconds<S: Serializer>(
    latencies: &[Option<Duration>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(latencies.iter().map(|latency| latency.map(in_milliseconds)))
}

/// With microseconds as its last digits.
pub(super) fn in_milliseconds(latency: Duration) -> f64 {
    latency.as_micros() as f64 / 1e3
}

impl Within {
    fn new(latencies: &Latencies) -> Within {
        Within {
            one_frame: latencies.share_within(FRAME),
            ms_50: latencies.share_within(Duration::from_millis(50)),
            ms_100: latencies.share_within(Duration::from_millis(100)),
            before_the_next_key: latencies.share_arrived(),
        }
    }
}

impl Spread {
    fn new(latencies: &Latencies) -> Spread {
        Spread {
            p50: latencies.percentile(50.0),
            p90: latencies.percentile(90.0),
            p95: latencies.percentile(95.0),
            p99: latencies.percentile(99.0),
            max: latencies.percentile(100.0),
        }
    }
}

/// What an answer took that came in time.
fn cost(sample: &Sample) -> Option<&Cost> {
    sample.latency.and(sample.cost.as_ref())
}

fn is_fresh(sample: &Sample) -> bool {
    sample.latency.is_none()
        || sample
            .cost
            .as_ref()
            .is_some_and(|cost| cost.usage.is_fresh())
}

impl Figures {
    /// What `replayed` adds up to; `cpu` is the time that the server's process computed meanwhile.
    pub(super) fn new(replayed: &Replayed, cpu: Option<Duration>) -> Figures {
        let samples = replayed.samples.iter();
        let keystrokes: Vec<&Sample> = samples
            .filter(|sample| sample.kind.is_keystroke())
            .collect();
        let asked: Vec<&Sample> = keystrokes
            .iter()
            .copied()
            .filter(|sample| sample.is_asked)
            .collect();
        let latencies_ms: Vec<_> = asked.iter().map(|sample| sample.latency).collect();
        let latencies: Latencies = latencies_ms.iter().copied().collect();
        let shown: Latencies = asked
            .iter()
            .map(|sample| sample.latency.filter(|_| !sample.ghost.is_empty()))
            .collect();
        let since_key: Latencies = keystrokes.iter().map(|sample| sample.since_key).collect();
        let fresh: Latencies = asked
            .iter()
            .filter(|sample| is_fresh(sample))
            .map(|sample| sample.latency)
            .collect();
        let costs = || asked.iter().filter_map(|sample| cost(sample));
        let decoded: u64 = costs().map(|cost| cost.usage.decoded_tokens()).sum();
        let decoding = Duration::from_micros(costs().map(|cost| cost.usage.decode_us).sum());
        let mut sources = BTreeMap::new();
        for sample in &asked {
            let source = match cost(sample) {
                Some(cost) => cost.source.clone(),
                None if sample.latency.is_none() => "never came".to_owned(),
                None => "not told".to_owned(),
            };
            *sources.entry(source).or_insert(0.0) += 1.0 / asked.len() as f64;
        }
        let per_keystroke = |total: f64| total / keystrokes.len().max(1) as f64;
        let ahead = |tokens: fn(&Cost) -> u64| {
            let all = replayed.samples.iter().filter_map(|it| it.cost.as_ref());
            let total: u64 = all.map(tokens).sum();
            (!keystrokes.is_empty()).then(|| per_keystroke(total as f64))
        };
        let after = |kind: Kind| {
            let there = replayed.samples.iter().filter(|it| it.kind == kind);
            let all: Latencies = there.map(|sample| sample.latency).collect();
            Arrival {
                times: all.count(),
                p50: all.percentile(50.0),
            }
        };
        let n_foreseen: usize = replayed.samples.iter().map(|it| it.n_foreseen).sum();
        let n_kind = |kind: Kind| keystrokes.iter().filter(|it| it.kind == kind).count();
        Figures {
            keystrokes: keystrokes.len(),
            asked: per_keystroke(asked.len() as f64),
            answered: Within::new(&latencies),
            shown: Within::new(&shown),
            latency: Spread::new(&latencies),
            since_key: Spread::new(&since_key),
            fresh: Fresh {
                share: fresh.count() as f64 / asked.len().max(1) as f64,
                answered: Within::new(&fresh),
                latency: Spread::new(&fresh),
            },
            evaluated: Evaluated::new(&replayed.samples),
            evaluated_ahead: ahead(|cost| cost.ahead.evaluated_tokens),
            generated_ahead: ahead(|cost| cost.ahead.generated_tokens),
            tokens_per_second: (!decoding.is_zero())
                .then(|| decoded as f64 / decoding.as_secs_f64()),
            right_characters_per_second: (!replayed.elapsed.is_zero())
                .then(|| n_foreseen as f64 / replayed.elapsed.as_secs_f64()),
            sources,
            accepted: n_kind(Kind::Accepted),
            keystrokes_saved: 1.0
                - (keystrokes.len() as f64 / replayed.n_keys.max(1) as f64).min(1.0),
            late_keys: keystrokes.iter().filter(|it| it.is_late).count(),
            flickers: keystrokes.iter().filter(|it| it.is_flicker).count(),
            after_opening: after(Kind::Opened),
            after_a_jump: after(Kind::Jumped),
            after_a_switch: after(Kind::Switched),
            first_answer: None,
            first_ghost_text: None,
            cpu_seconds: cpu.map(|cpu| cpu.as_secs_f64()),
            cpu_ms_per_keystroke: cpu.map(|cpu| per_keystroke(cpu.as_secs_f64() * 1e3)),
            latencies_ms,
            keys: replayed.samples.iter().map(KeyRecord::new).collect(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::peer::{Ahead, Usage};

    pub(super) fn sample(kind: Kind, ms: Option<u64>, evaluated: u64, source: &str) -> Sample {
        let is_made = source == "decoded";
        let usage = Usage {
            evaluated_tokens: evaluated,
            generated_tokens: if is_made { 5 } else { 0 },
            replayed_tokens: if is_made { 1 } else { 0 },
            decode_us: if is_made { 2000 } else { 0 },
            ..Usage::default()
        };
        let cost = Cost {
            id: 0,
            source: source.to_owned(),
            usage,
            ahead: Ahead {
                evaluated_tokens: 2,
                generated_tokens: 10,
            },
            ..Cost::default()
        };
        Sample {
            is_asked: true,
            latency: ms.map(Duration::from_millis),
            since_key: ms.map(Duration::from_millis),
            ghost: if kind == Kind::Newline { "" } else { "x" }.to_owned(),
            cost: Some(cost),
            n_foreseen: 3,
            ..Sample::new(kind)
        }
    }

    /// Six keystrokes, one of them never answered, one not asked for.
    pub(in crate::cli) fn figures(slower: u64) -> Figures {
        let samples = vec![
            sample(Kind::Opened, Some(200), 300, "decoded"),
            sample(Kind::Typed, Some(2 * slower), slower, "decoded"),
            sample(Kind::Newline, Some(3 * slower), 3 * slower, "decoded"),
            sample(Kind::Deleted, Some(slower), 0, "typed-through"),
            sample(Kind::Typed, None, 2, "superseded"),
            sample(Kind::Accepted, Some(4 * slower), 0, "decoded"),
            Sample::new(Kind::Typed),
        ];
        let replayed = Replayed {
            samples,
            n_keys: 8,
            elapsed: Duration::from_secs(2),
        };
        Figures::new(&replayed, Some(Duration::from_millis(50)))
    }

    #[test]
    fn json_says_null_for_never() {
        let json = serde_json::to_value(figures(1)).unwrap();
        assert_eq!(json["latency"]["p99_ms"], serde_json::Value::Null);
        assert_eq!(json["latency"]["p50_ms"], 3.0);
        assert_eq!(
            json["latencies_ms"],
            serde_json::json!([2.0, 3.0, 1.0, null, 4.0])
        );
    }

    #[test]
    fn nothing_to_show_is_an_answer_and_no_ghost_text() {
        let figures = figures(1);
        assert_eq!(figures.answered.one_frame, 0.8);
        assert!((figures.shown.one_frame - 0.6).abs() < 1e-9);
    }

    #[test]
    fn what_came_from_a_cache_needed_no_decoding_and_what_never_came_did() {
        let fresh = figures(1).fresh;
        assert_eq!(fresh.share, 0.8);
        assert_eq!(fresh.answered.one_frame, 0.75);
        assert_eq!(fresh.latency.p50, Some(Duration::from_millis(3)));
    }

    #[test]
    fn replayed_tokens_are_not_decoded_ones() {
        // Three times four tokens in two milliseconds each.
        assert_eq!(figures(1).tokens_per_second, Some(2000.0));
    }

    #[test]
    fn a_replay_without_a_key_has_figures_too() {
        let figures = Figures::new(&Replayed::default(), None);
        assert_eq!((figures.keystrokes, figures.asked), (0, 0.0));
        assert_eq!(figures.latency.p50, None);
        assert_eq!(figures.right_characters_per_second, None);
    }
}
