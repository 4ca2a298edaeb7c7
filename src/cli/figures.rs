//! What a replay's samples add up to; `table.rs` shows it to people.

use std::{collections::BTreeMap, time::Duration};

use serde::{Serialize, Serializer};

use super::replay::{Kind, Replayed};
use crate::report::{FRAME, Latencies, mean, median};

/// The figures of one replay. Latencies are over all keystrokes, the ones that never got their answer as
/// infinitely late; `null` in JSON.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) keystrokes: usize,
    pub(super) within_one_frame: f64,
    pub(super) within_50_ms: f64,
    pub(super) within_100_ms: f64,
    pub(super) answered: f64,
    #[serde(flatten)]
    pub(super) latency: Spread,
    pub(super) evaluated_tokens_mean: Option<f64>,
    pub(super) evaluated_tokens_median: Option<f64>,
    /// Generated tokens per second of decoding.
    pub(super) tokens_per_second: Option<f64>,
    /// Where answers came from, as shares of the answers whose cost is known.
    pub(super) sources: BTreeMap<String, f64>,
    /// The share of keystrokes after which ghost text was shown.
    pub(super) shown: f64,
    pub(super) accepted: usize,
    /// The share of keys that accepting made unnecessary.
    pub(super) keystrokes_saved: f64,
    /// How often shown text changed without a reason in the typing.
    pub(super) flickers: usize,
    #[serde(rename = "first_after_opening_ms", serialize_with = "milliseconds")]
    pub(super) opened: Option<Duration>,
    #[serde(rename = "after_a_jump_ms", serialize_with = "milliseconds")]
    pub(super) jumped: Option<Duration>,
    /// By the server's process, all of its threads.
    pub(super) cpu_ms_per_keystroke: Option<f64>,
    /// In the order of the keys; `null` where no answer came in time.
    #[serde(serialize_with = "all_milliseconds")]
    pub(super) latencies_ms: Vec<Option<Duration>>,
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

impl Figures {
    /// What `replayed` adds up to; `cpu` is the time that the server's process computed meanwhile.
    pub(super) fn new(replayed: &Replayed, cpu: Option<Duration>) -> Figures {
        let keystrokes: Vec<_> = replayed
            .samples
            .iter()
            .filter(|sample| sample.kind.is_keystroke())
            .collect();
        let latencies_ms: Vec<_> = keystrokes.iter().map(|sample| sample.latency).collect();
        let latencies: Latencies = latencies_ms.iter().copied().collect();
        // What a superseded request cost is not known; it counts among the latencies, and only there.
        let costs: Vec<_> = keystrokes
            .iter()
            .filter(|sample| sample.latency.is_some())
            .filter_map(|sample| sample.cost.as_ref())
            .collect();
        let evaluated: Vec<f64> = costs
            .iter()
            .map(|cost| cost.usage.evaluated_tokens as f64)
            .collect();
        let generated: u64 = costs.iter().map(|cost| cost.usage.generated_tokens).sum();
        let decoding = Duration::from_micros(costs.iter().map(|cost| cost.usage.decode_us).sum());
        let mut sources = BTreeMap::new();
        for cost in &costs {
            *sources.entry(cost.source.clone()).or_insert(0.0) += 1.0 / costs.len() as f64;
        }
        let share = |count: usize| count as f64 / keystrokes.len().max(1) as f64;
        let after = |kind: Kind| {
            let all: Latencies = replayed
                .samples
                .iter()
                .filter(|sample| sample.kind == kind)
                .map(|sample| sample.latency)
                .collect();
            all.percentile(50.0)
        };
        Figures {
            keystrokes: keystrokes.len(),
            within_one_frame: latencies.share_within(FRAME),
            within_50_ms: latencies.share_within(Duration::from_millis(50)),
            within_100_ms: latencies.share_within(Duration::from_millis(100)),
            answered: latencies.share_arrived(),
            latency: Spread {
                p50: latencies.percentile(50.0),
                p90: latencies.percentile(90.0),
                p95: latencies.percentile(95.0),
                p99: latencies.percentile(99.0),
                max: latencies.percentile(100.0),
            },
            evaluated_tokens_mean: mean(&evaluated),
            evaluated_tokens_median: median(&evaluated),
            tokens_per_second: (!decoding.is_zero())
                .then(|| generated as f64 / decoding.as_secs_f64()),
            sources,
            shown: share(
                keystrokes
                    .iter()
                    .filter(|sample| !sample.ghost.is_empty())
                    .count(),
            ),
            accepted: keystrokes
                .iter()
                .filter(|sample| sample.kind == Kind::Accepted)
                .count(),
            keystrokes_saved: 1.0
                - (keystrokes.len() as f64 / replayed.n_keys.max(1) as f64).min(1.0),
            flickers: keystrokes.iter().filter(|sample| sample.is_flicker).count(),
            opened: after(Kind::Opened),
            jumped: after(Kind::Jumped),
            cpu_ms_per_keystroke: cpu
                .map(|cpu| cpu.as_secs_f64() * 1e3 / keystrokes.len().max(1) as f64),
            latencies_ms,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::{
        editor::{Cost, Usage},
        replay::Sample,
    };

    fn sample(kind: Kind, ms: Option<u64>, evaluated: u64, source: &str) -> Sample {
        let usage = Usage {
            evaluated_tokens: evaluated,
            generated_tokens: 4,
            decode_us: 2000,
        };
        let cost = Cost {
            id: 0,
            source: source.to_owned(),
            usage,
        };
        Sample {
            kind,
            latency: ms.map(Duration::from_millis),
            ghost: "x".to_owned(),
            cost: Some(cost),
            is_flicker: false,
        }
    }

    /// Five keystrokes, one of them never answered.
    pub(in crate::cli) fn figures(slower: u64) -> Figures {
        let samples = vec![
            sample(Kind::Opened, Some(200), 300, "engine"),
            sample(Kind::Typed, Some(2 * slower), slower, "engine"),
            sample(Kind::Newline, Some(3 * slower), 3 * slower, "engine"),
            sample(Kind::Deleted, Some(slower), 0, "typed-through"),
            sample(Kind::Typed, None, 2, "engine"),
            sample(Kind::Accepted, Some(4 * slower), 0, "engine"),
        ];
        Figures::new(
            &Replayed { samples, n_keys: 8 },
            Some(Duration::from_millis(50)),
        )
    }

    #[test]
    fn json_says_null_for_never() {
        let json = serde_json::to_value(figures(1)).unwrap();
        assert_eq!(json["p99_ms"], serde_json::Value::Null);
        assert_eq!(json["p50_ms"], 3.0);
        assert_eq!(
            json["latencies_ms"],
            serde_json::json!([2.0, 3.0, 1.0, null, 4.0])
        );
    }
}
