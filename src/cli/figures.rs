//! What a replay's samples add up to, and the table of it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Serialize, Serializer};

use super::replay::{Kind, Replayed};
use crate::report::{self, FRAME, Latencies, Table, mean, median};

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
fn in_milliseconds(latency: Duration) -> f64 {
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

/// How a figure is written.
#[derive(Clone, Copy)]
enum Unit {
    Count,
    Share,
    Milliseconds,
    Decimal,
}

/// A row of the table: its name, unit, and where its value stands.
struct Row {
    name: String,
    unit: Unit,
    value: Box<dyn Fn(&Figures) -> Option<f64>>,
    /// Whether the quotient of two columns says something.
    is_compared: bool,
    /// Whether it belongs in the short table, too.
    is_essential: bool,
}

fn rows(columns: &[(&str, Vec<Figures>)]) -> Vec<Row> {
    fn row(
        name: impl Into<String>,
        unit: Unit,
        is_compared: bool,
        value: impl Fn(&Figures) -> Option<f64> + 'static,
    ) -> Row {
        Row {
            name: name.into(),
            unit,
            value: Box::new(value),
            is_compared,
            is_essential: false,
        }
    }
    fn ms(latency: Option<Duration>) -> Option<f64> {
        latency.map(in_milliseconds)
    }
    let mut rows = vec![
        row("keystrokes", Unit::Count, false, |all| {
            Some(all.keystrokes as f64)
        }),
        row("answered within 16.7 ms", Unit::Share, false, |all| {
            Some(all.within_one_frame)
        }),
        row("answered within 50 ms", Unit::Share, false, |all| {
            Some(all.within_50_ms)
        }),
        row("answered within 100 ms", Unit::Share, false, |all| {
            Some(all.within_100_ms)
        }),
        row("answered before the next key", Unit::Share, false, |all| {
            Some(all.answered)
        }),
        row("latency, p50", Unit::Milliseconds, true, |all| {
            ms(all.latency.p50)
        }),
        row("latency, p90", Unit::Milliseconds, true, |all| {
            ms(all.latency.p90)
        }),
        row("latency, p95", Unit::Milliseconds, true, |all| {
            ms(all.latency.p95)
        }),
        row("latency, p99", Unit::Milliseconds, true, |all| {
            ms(all.latency.p99)
        }),
        row("latency, longest", Unit::Milliseconds, true, |all| {
            ms(all.latency.max)
        }),
        row(
            "prompt tokens evaluated per answered key, mean",
            Unit::Decimal,
            true,
            |all| all.evaluated_tokens_mean,
        ),
        row(
            "prompt tokens evaluated per answered key, median",
            Unit::Decimal,
            true,
            |all| all.evaluated_tokens_median,
        ),
        row(
            "tokens per second while decoding",
            Unit::Count,
            false,
            |all| all.tokens_per_second,
        ),
    ];
    let sources: std::collections::BTreeSet<&String> = columns
        .iter()
        .flat_map(|(_, runs)| runs)
        .flat_map(|run| run.sources.keys())
        .collect();
    for source in sources {
        let name = source.clone();
        rows.push(row(
            format!("source: {source}"),
            Unit::Share,
            false,
            move |all| Some(all.sources.get(&name).copied().unwrap_or(0.0)),
        ));
    }
    rows.extend([
        row("ghost text shown", Unit::Share, false, |all| {
            Some(all.shown)
        }),
        row("accepted", Unit::Count, false, |all| {
            Some(all.accepted as f64)
        }),
        row("keystrokes saved", Unit::Share, false, |all| {
            Some(all.keystrokes_saved)
        }),
        row(
            "shown text changed without a reason",
            Unit::Count,
            false,
            |all| Some(all.flickers as f64),
        ),
        row(
            "first answer after opening a file, p50",
            Unit::Milliseconds,
            true,
            |all| ms(all.opened),
        ),
        row(
            "first answer after a jump, p50",
            Unit::Milliseconds,
            true,
            |all| ms(all.jumped),
        ),
        row(
            "server's CPU time per keystroke",
            Unit::Milliseconds,
            true,
            |all| all.cpu_ms_per_keystroke,
        ),
    ]);
    for row in &mut rows {
        row.is_essential = ESSENTIAL.contains(&row.name.as_str());
    }
    rows
}

/// The rows of the short table.
const ESSENTIAL: [&str; 8] = [
    "keystrokes",
    "answered within 16.7 ms",
    "latency, p50",
    "latency, p95",
    "latency, p99",
    "prompt tokens evaluated per answered key, mean",
    "tokens per second while decoding",
    "accepted",
];

/// The few figures that say most, of one replay.
pub(super) fn short_table(figures: Figures) -> Table {
    let columns = [("", vec![figures])];
    let mut table = Table::new([""; 2]);
    for row in rows(&columns).into_iter().filter(|row| row.is_essential) {
        let (_, cell) = spread(&row, &columns[0].1);
        table.row([row.name, cell]);
    }
    table
}

/// The table of `columns`, each a name and its runs: the median run, and in brackets the lowest and the
/// highest. Two columns are compared in a third.
pub(super) fn table(columns: &[(&str, Vec<Figures>)]) -> Table {
    let heads = std::iter::once("").chain(columns.iter().map(|(name, _)| *name));
    let mut table = Table::new(heads.chain((columns.len() == 2).then_some("ratio")));
    for row in rows(columns) {
        let middles: Vec<_> = columns.iter().map(|(_, runs)| spread(&row, runs)).collect();
        let ratio = match middles.as_slice() {
            [(one, _), (two, _)] if row.is_compared => one.zip(*two).filter(|(one, _)| *one > 0.0),
            _ => None,
        };
        let ratio = ratio.map(|(one, two)| format!("{:.1} ×", two / one));
        table.row(
            std::iter::once(row.name)
                .chain(middles.into_iter().map(|(_, cell)| cell))
                .chain(ratio),
        );
    }
    table
}

/// The median of a figure over `runs`, and its cell in the table. A figure that is missing counts as
/// infinite.
fn spread(row: &Row, runs: &[Figures]) -> (Option<f64>, String) {
    let values: Vec<f64> = runs
        .iter()
        .map(|run| (row.value)(run).unwrap_or(f64::INFINITY))
        .collect();
    let finite = |value: f64| value.is_finite().then_some(value);
    let middle = median(&values).and_then(finite);
    let mut cell = written(row.unit, middle);
    if values.iter().any(|value| *value != values[0]) {
        let lowest = values.iter().copied().reduce(f64::min).and_then(finite);
        let highest = values.iter().copied().reduce(f64::max).and_then(finite);
        cell += &format!(
            " ({}–{})",
            written(row.unit, lowest),
            written(row.unit, highest)
        );
    }
    (middle, cell)
}

fn written(unit: Unit, value: Option<f64>) -> String {
    match (unit, value) {
        (Unit::Milliseconds, value) => {
            report::milliseconds(value.map(|ms| Duration::from_secs_f64(ms / 1e3)))
        }
        (_, None) => report::number(None, 0),
        (Unit::Count, Some(value)) => report::thousands(value.round() as u64),
        (Unit::Share, Some(value)) => report::percent(value),
        (Unit::Decimal, value) => report::number(value, 1),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

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

    fn figures(slower: u64) -> Figures {
        let samples = vec![
            sample(Kind::Opened, Some(200), 300, "engine"),
            sample(Kind::Typed, Some(2 * slower), slower, "engine"),
            sample(Kind::Newline, Some(3 * slower), 3 * slower, "engine"),
            sample(Kind::Deleted, Some(slower), 0, "typed-through"),
            sample(Kind::Typed, None, 2, "engine"),
            sample(Kind::Accepted, Some(4 * slower), 0, "engine"),
        ];
        Figures::new(
            &Replayed {
                samples,
                n_needless: 3,
                n_keys: 8,
            },
            Some(Duration::from_millis(50)),
        )
    }

    #[track_caller]
    fn check(columns: &[(&str, Vec<Figures>)], expected: Expect) {
        expected.assert_eq(&table(columns).to_string());
    }

    #[test]
    fn keystrokes_without_an_answer_count_and_openings_do_not() {
        check(
            &[("with reuse", vec![figures(1)])],
            expect![[r#"
                                                              with reuse
            keystrokes                                                 5
            answered within 16.7 ms                               80.0 %
            answered within 50 ms                                 80.0 %
            answered within 100 ms                                80.0 %
            answered before the next key                          80.0 %
            latency, p50                                         3.00 ms
            latency, p90                                           never
            latency, p95                                           never
            latency, p99                                           never
            latency, longest                                       never
            prompt tokens evaluated per answered key, mean           1.0
            prompt tokens evaluated per answered key, median         0.0
            tokens per second while decoding                       2,000
            source: engine                                        75.0 %
            source: typed-through                                 25.0 %
            ghost text shown                                     100.0 %
            accepted                                                   1
            keystrokes saved                                      37.5 %
            shown text changed without a reason                        0
            first answer after opening a file, p50                200 ms
            first answer after a jump, p50                         never
            server's CPU time per keystroke                      10.0 ms
        "#]],
        );
    }

    #[test]
    fn runs_show_their_spread_and_columns_their_ratio() {
        check(
            &[
                ("with reuse", vec![figures(1), figures(2), figures(3)]),
                ("without", vec![figures(20), figures(30), figures(20)]),
            ],
            expect![[r#"
                                                                                 with reuse                    without   ratio
                keystrokes                                                                5                          5
                answered within 16.7 ms                                              80.0 %                      0.0 %
                answered within 50 ms                                                80.0 %     40.0 % (20.0 %–40.0 %)
                answered within 100 ms                                               80.0 %     80.0 % (60.0 %–80.0 %)
                answered before the next key                                         80.0 %                     80.0 %
                latency, p50                                      6.00 ms (3.00 ms–9.00 ms)  60.0 ms (60.0 ms–90.0 ms)  10.0 ×
                latency, p90                                                          never                      never
                latency, p95                                                          never                      never
                latency, p99                                                          never                      never
                latency, longest                                                      never                      never
                prompt tokens evaluated per answered key, mean                2.0 (1.0–3.0)           20.0 (20.0–30.0)  10.0 ×
                prompt tokens evaluated per answered key, median                        0.0                        0.0
                tokens per second while decoding                                      2,000                      2,000
                source: engine                                                       75.0 %                     75.0 %
                source: typed-through                                                25.0 %                     25.0 %
                ghost text shown                                                    100.0 %                    100.0 %
                accepted                                                                  1                          1
                keystrokes saved                                                     37.5 %                     37.5 %
                shown text changed without a reason                                       0                          0
                first answer after opening a file, p50                               200 ms                     200 ms   1.0 ×
                first answer after a jump, p50                                        never                      never
                server's CPU time per keystroke                                     10.0 ms                    10.0 ms   1.0 ×
            "#]],
        );
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
