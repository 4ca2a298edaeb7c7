//! Figures as tables: rows of names, one column per way of running, the spread of several runs.

use std::{collections::BTreeSet, time::Duration};

use super::figures::{Figures, in_milliseconds};
use crate::report::{self, Table, median};

/// How a figure is written.
#[derive(Clone, Copy)]
enum Unit {
    Count,
    Share,
    Milliseconds,
    Decimal,
}

/// Finds a figure; `None` where there is none, or where it is infinite.
type Value = Box<dyn Fn(&Figures) -> Option<f64>>;

/// A row of the table: its name, unit, and where its value stands.
struct Row {
    name: String,
    unit: Unit,
    value: Value,
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
    let sources: BTreeSet<&String> = columns
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
    use crate::cli::figures::tests::figures;

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
}
