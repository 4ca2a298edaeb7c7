//! Figures as tables: rows of names, one column per way of running, the spread of several runs.

use std::{collections::BTreeSet, time::Duration};

use super::figures::{Arrival, Figures, Spread, Within, in_milliseconds};
use crate::report::{self, Table, median};

/// How a figure is written, and whether the quotient of two says something.
#[derive(Clone, Copy)]
enum Unit {
    Count,
    Share,
    /// Compared; without a value it never came.
    Milliseconds,
    /// Without a value it was not measured.
    PlainMilliseconds,
    /// Compared.
    Decimal,
    PlainDecimal,
}

/// Finds a figure; `None` where there is none, or where it is infinite.
type Value = Box<dyn Fn(&Figures) -> Option<f64>>;

/// A row of the table: its name, unit, and where its value stands.
struct Row {
    name: String,
    unit: Unit,
    value: Value,
}

fn row(
    name: impl Into<String>,
    unit: Unit,
    value: impl Fn(&Figures) -> Option<f64> + 'static,
) -> Row {
    Row {
        name: name.into(),
        unit,
        value: Box::new(value),
    }
}

/// Shares within a frame and so on; `what` is had.
fn within(what: &str, get: impl Fn(&Figures) -> Within + Copy + 'static) -> [Row; 4] {
    [
        row(format!("{what} within 16.7 ms"), Unit::Share, move |all| {
            Some(get(all).one_frame)
        }),
        row(format!("{what} within 50 ms"), Unit::Share, move |all| {
            Some(get(all).ms_50)
        }),
        row(format!("{what} within 100 ms"), Unit::Share, move |all| {
            Some(get(all).ms_100)
        }),
        row(
            format!("{what} before the next key"),
            Unit::Share,
            move |all| Some(get(all).before_the_next_key),
        ),
    ]
}

/// Percentiles of `what`.
fn percentiles(what: &str, get: impl Fn(&Figures) -> Spread + Copy + 'static) -> [Row; 5] {
    let row = |name: &str, value: fn(Spread) -> Option<Duration>| {
        let name = format!("{what}, {name}");
        row(name, Unit::Milliseconds, move |all| ms(value(get(all))))
    };
    [
        row("p50", |spread| spread.p50),
        row("p90", |spread| spread.p90),
        row("p95", |spread| spread.p95),
        row("p99", |spread| spread.p99),
        row("longest", |spread| spread.max),
    ]
}

fn ms(latency: Option<Duration>) -> Option<f64> {
    latency.map(in_milliseconds)
}

fn rows(columns: &[(&str, Vec<Figures>)]) -> Vec<Row> {
    use Unit::{Count, Decimal, Milliseconds, PlainDecimal, PlainMilliseconds, Share};
    let runs = || columns.iter().flat_map(|(_, runs)| runs);
    let mut rows = vec![row("keystrokes", Count, |all| Some(all.keystrokes as f64))];
    if runs().any(|run| run.late_keys > 0) {
        rows.push(row("pressed late, the machine being busy", Count, |all| {
            Some(all.late_keys as f64)
        }));
    }
    let waits = runs().any(|run| run.asked < 1.0);
    if waits {
        rows.push(row("asked for, before the next key", Share, |all| {
            Some(all.asked)
        }));
    }
    rows.extend(within("answered", |all| all.answered));
    rows.extend(within("ghost text", |all| all.shown));
    rows.extend(percentiles("latency", |all| all.latency));
    if waits {
        rows.extend(percentiles("from the key", |all| all.since_key));
    }
    rows.push(row("freshly computed or late", Share, |all| {
        Some(all.fresh.share)
    }));
    rows.extend(within("of these answered", |all| all.fresh.answered));
    rows.extend(percentiles("their latency", |all| all.fresh.latency));
    rows.extend([
        row("prompt tokens evaluated per key, mean", Decimal, |all| {
            all.evaluated.mean
        }),
        row("prompt tokens evaluated per key, median", Decimal, |all| {
            all.evaluated.median
        }),
        row("per typed character, mean", Decimal, |all| {
            all.evaluated.typed_mean
        }),
        row("per typed character, median", Decimal, |all| {
            all.evaluated.typed_median
        }),
        row(
            "per typed character at a place read before",
            Decimal,
            |all| all.evaluated.typed_at_read_places_mean,
        ),
        row("per new place, up to its first answer", Decimal, |all| {
            all.evaluated.arrival_mean
        }),
        row("per line break, mean", Decimal, |all| {
            all.evaluated.newline_mean
        }),
        row("per backspace, mean", Decimal, |all| {
            all.evaluated.backspace_mean
        }),
        row("per accept, mean", Decimal, |all| all.evaluated.accept_mean),
        row("tokens evaluated ahead per key", PlainDecimal, |all| {
            all.evaluated_ahead
        }),
        row("tokens generated ahead per key", PlainDecimal, |all| {
            all.generated_ahead
        }),
        row("tokens per second while decoding", Count, |all| {
            all.tokens_per_second
        }),
        row("right characters shown per second", PlainDecimal, |all| {
            all.right_characters_per_second
        }),
    ]);
    let sources: BTreeSet<&String> = runs().flat_map(|run| run.sources.keys()).collect();
    for source in sources {
        let name = source.clone();
        rows.push(row(format!("source: {source}"), Share, move |all| {
            Some(all.sources.get(&name).copied().unwrap_or(0.0))
        }));
    }
    rows.extend([
        row("accepted", Count, |all| Some(all.accepted as f64)),
        row("keystrokes saved", Share, |all| Some(all.keystrokes_saved)),
        row("shown text changed without a reason", Count, |all| {
            Some(all.flickers as f64)
        }),
        row(
            "from the server's start to its first answer",
            PlainMilliseconds,
            |all| ms(all.first_answer),
        ),
        row(
            "from the server's start to its first ghost text",
            PlainMilliseconds,
            |all| ms(all.first_ghost_text),
        ),
        row(
            "server's CPU time per keystroke",
            PlainMilliseconds,
            |all| all.cpu_ms_per_keystroke,
        ),
        row("server's CPU seconds", PlainDecimal, |all| all.cpu_seconds),
    ]);
    let mut arrival = |name: &str, get: fn(&Figures) -> Arrival| {
        if runs().any(|run| get(run).times > 0) {
            rows.push(row(name, Milliseconds, move |all| ms(get(all).p50)));
        }
    };
    arrival("answer after opening a file, p50", |all| all.after_opening);
    arrival("answer after a jump, p50", |all| all.after_a_jump);
    arrival("answer back in an open file, p50", |all| all.after_a_switch);
    // What nobody has figures for says nothing.
    rows.retain(|row| {
        let is_known = |figures: &Figures| (row.value)(figures).is_some();
        matches!(row.unit, Milliseconds) || runs().any(is_known)
    });
    rows
}

/// The rows of the short table.
const ESSENTIAL: [&str; 9] = [
    "keystrokes",
    "answered within 16.7 ms",
    "ghost text within 16.7 ms",
    "latency, p50",
    "latency, p95",
    "latency, p99",
    "prompt tokens evaluated per key, mean",
    "tokens per second while decoding",
    "accepted",
];

/// The few figures that say most, of one replay.
pub(super) fn short_table(figures: Figures) -> Table {
    let columns = [("", vec![figures])];
    let mut table = Table::new([""; 2]);
    let is_essential = |row: &Row| ESSENTIAL.contains(&row.name.as_str());
    for row in rows(&columns).into_iter().filter(is_essential) {
        let (_, cell) = spread(&row, &columns[0].1);
        table.row([row.name, cell]);
    }
    table
}

/// The table of `columns`, each a name and its runs: the median run, and in brackets the lowest and the
/// highest. Behind each but the first stands how many times as much it is as the first.
pub(super) fn table(columns: &[(&str, Vec<Figures>)]) -> Table {
    let mut heads = vec![""];
    for (idx, (name, _)) in columns.iter().enumerate() {
        heads.push(name);
        heads.extend((idx > 0).then_some("×"));
    }
    let mut table = Table::new(heads);
    for row in rows(columns) {
        let mut cells = vec![row.name.clone()];
        let mut first = None;
        for (idx, (_, runs)) in columns.iter().enumerate() {
            let (middle, cell) = spread(&row, runs);
            cells.push(cell);
            if idx == 0 {
                first = middle;
            } else {
                cells.push(times(row.unit, first, middle));
            }
        }
        table.row(cells);
    }
    table
}

/// How many times `first` is `other`; empty where that says nothing.
fn times(unit: Unit, first: Option<f64>, other: Option<f64>) -> String {
    match (unit, first, other) {
        (
            Unit::Milliseconds | Unit::PlainMilliseconds | Unit::Decimal,
            Some(first),
            Some(other),
        ) if first > 0.0 => {
            format!("{:.1}", other / first)
        }
        _ => String::new(),
    }
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
        (Unit::PlainMilliseconds, Some(ms)) => {
            report::milliseconds(Some(Duration::from_secs_f64(ms / 1e3)))
        }
        (Unit::Count, Some(value)) => report::thousands(value.round() as u64),
        (Unit::Share, Some(value)) => report::percent(value),
        (Unit::Decimal | Unit::PlainDecimal, value) => report::number(value, 1),
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
                keystrokes                                           6
                asked for, before the next key                  83.3 %
                answered within 16.7 ms                         80.0 %
                answered within 50 ms                           80.0 %
                answered within 100 ms                          80.0 %
                answered before the next key                    80.0 %
                ghost text within 16.7 ms                       60.0 %
                ghost text within 50 ms                         60.0 %
                ghost text within 100 ms                        60.0 %
                ghost text before the next key                  60.0 %
                latency, p50                                   3.00 ms
                latency, p90                                     never
                latency, p95                                     never
                latency, p99                                     never
                latency, longest                                 never
                from the key, p50                              3.00 ms
                from the key, p90                                never
                from the key, p95                                never
                from the key, p99                                never
                from the key, longest                            never
                freshly computed or late                        80.0 %
                of these answered within 16.7 ms                75.0 %
                of these answered within 50 ms                  75.0 %
                of these answered within 100 ms                 75.0 %
                of these answered before the next key           75.0 %
                their latency, p50                             3.00 ms
                their latency, p90                               never
                their latency, p95                               never
                their latency, p99                               never
                their latency, longest                           never
                prompt tokens evaluated per key, mean              1.0
                prompt tokens evaluated per key, median            0.0
                per typed character, mean                          1.0
                per typed character, median                        1.0
                per typed character at a place read before         1.0
                per new place, up to its first answer            300.0
                per line break, mean                               3.0
                per backspace, mean                                0.0
                per accept, mean                                   0.0
                tokens evaluated ahead per key                     2.0
                tokens generated ahead per key                    10.0
                tokens per second while decoding                 2,000
                right characters shown per second                  9.0
                source: decoded                                 60.0 %
                source: never came                              20.0 %
                source: typed-through                           20.0 %
                accepted                                             1
                keystrokes saved                                25.0 %
                shown text changed without a reason                  0
                server's CPU time per keystroke                8.33 ms
                server's CPU seconds                               0.1
                answer after opening a file, p50                200 ms
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
                                                                           with reuse                    without     ×
                keystrokes                                                          6                          6
                asked for, before the next key                                 83.3 %                     83.3 %
                answered within 16.7 ms                                        80.0 %                      0.0 %
                answered within 50 ms                                          80.0 %     40.0 % (20.0 %–40.0 %)
                answered within 100 ms                                         80.0 %     80.0 % (60.0 %–80.0 %)
                answered before the next key                                   80.0 %                     80.0 %
                ghost text within 16.7 ms                                      60.0 %                      0.0 %
                ghost text within 50 ms                                        60.0 %     40.0 % (20.0 %–40.0 %)
                ghost text within 100 ms                                       60.0 %     60.0 % (40.0 %–60.0 %)
                ghost text before the next key                                 60.0 %                     60.0 %
                latency, p50                                6.00 ms (3.00 ms–9.00 ms)  60.0 ms (60.0 ms–90.0 ms)  10.0
                latency, p90                                                    never                      never
                latency, p95                                                    never                      never
                latency, p99                                                    never                      never
                latency, longest                                                never                      never
                from the key, p50                           6.00 ms (3.00 ms–9.00 ms)  60.0 ms (60.0 ms–90.0 ms)  10.0
                from the key, p90                                               never                      never
                from the key, p95                                               never                      never
                from the key, p99                                               never                      never
                from the key, longest                                           never                      never
                freshly computed or late                                       80.0 %                     80.0 %
                of these answered within 16.7 ms                               75.0 %                      0.0 %
                of these answered within 50 ms                                 75.0 %      25.0 % (0.0 %–25.0 %)
                of these answered within 100 ms                                75.0 %     75.0 % (50.0 %–75.0 %)
                of these answered before the next key                          75.0 %                     75.0 %
                their latency, p50                          6.00 ms (3.00 ms–9.00 ms)  60.0 ms (60.0 ms–90.0 ms)  10.0
                their latency, p90                                              never                      never
                their latency, p95                                              never                      never
                their latency, p99                                              never                      never
                their latency, longest                                          never                      never
                prompt tokens evaluated per key, mean                   2.0 (1.0–3.0)           20.0 (20.0–30.0)  10.0
                prompt tokens evaluated per key, median                           0.0                        0.0
                per typed character, mean                               2.0 (1.0–3.0)           20.0 (20.0–30.0)  10.0
                per typed character, median                             2.0 (1.0–3.0)           20.0 (20.0–30.0)  10.0
                per typed character at a place read before              2.0 (1.0–3.0)           20.0 (20.0–30.0)  10.0
                per new place, up to its first answer                           300.0                      300.0   1.0
                per line break, mean                                    6.0 (3.0–9.0)           60.0 (60.0–90.0)  10.0
                per backspace, mean                                               0.0                        0.0
                per accept, mean                                                  0.0                        0.0
                tokens evaluated ahead per key                                    2.0                        2.0
                tokens generated ahead per key                                   10.0                       10.0
                tokens per second while decoding                                2,000                      2,000
                right characters shown per second                                 9.0                        9.0
                source: decoded                                                60.0 %                     60.0 %
                source: never came                                             20.0 %                     20.0 %
                source: typed-through                                          20.0 %                     20.0 %
                accepted                                                            1                          1
                keystrokes saved                                               25.0 %                     25.0 %
                shown text changed without a reason                                 0                          0
                server's CPU time per keystroke                               8.33 ms                    8.33 ms   1.0
                server's CPU seconds                                              0.1                        0.1
                answer after opening a file, p50                               200 ms                     200 ms   1.0
            "#]],
        );
    }
}
