//! Figures for people: percentiles, shares, tables. Pure functions over what was measured elsewhere.

use std::time::Duration;

/// One frame of a 60 Hz screen: the time a keystroke may take.
pub const FRAME: Duration = Duration::from_micros(16_667);

/// How long keystrokes took; `None` is one whose answer never came, which counts as infinitely long.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Sorted, the ones that never came last.
    samples: Vec<Option<Duration>>,
}

impl FromIterator<Option<Duration>> for Latencies {
    fn from_iter<I: IntoIterator<Item = Option<Duration>>>(samples: I) -> Latencies {
        let mut samples: Vec<_> = samples.into_iter().collect();
        samples.sort_by_key(|sample| sample.unwrap_or(Duration::MAX));
        Latencies { samples }
    }
}

impl Latencies {
    /// The number of samples, the infinite ones included.
    pub fn count(&self) -> usize {
        self.samples.len()
    }

    /// The smallest latency that at least `percent` of all samples do not exceed (nearest rank), or
    /// `None` where that one never came, or where there are no samples. `percent` is 0..=100.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        if self.samples.is_empty() {
            return None;
        }
        let rank = (percent / 100.0 * self.samples.len() as f64).ceil() as usize;
        self.samples[rank.clamp(1, self.samples.len()) - 1]
    }

    /// The share of all samples that came within `limit`, 0..=1; 0 where there are no samples.
    pub fn share_within(&self, limit: Duration) -> f64 {
        let within = self.samples.iter().flatten().filter(|it| **it <= limit);
        within.count() as f64 / self.count().max(1) as f64
    }

    /// The share of all samples that came at all, 0..=1.
    pub fn share_arrived(&self) -> f64 {
        self.share_within(Duration::MAX)
    }
}

/// The middle of `values` (the lower one of two), or `None` where there are none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// The mean of `values`, or `None` where there are none.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// `3.14 ms`, `42.0 ms`, `1,234 ms`; `never` for a sample that did not come.
pub fn milliseconds(latency: Option<Duration>) -> String {
    let Some(latency) = latency else {
        return "never".to_owned();
    };
    let ms = latency.as_secs_f64() * 1e3;
    match ms {
        ..9.995 => format!("{ms:.2} ms"),
        ..99.95 => format!("{ms:.1} ms"),
        _ => format!("{} ms", thousands(ms.round() as u64)),
    }
}

/// `97.3 %`
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `1,234,567`
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `value` with `decimals` places, or a dash where there is none.
pub fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

/// A table of text.
#[derive(Clone, Debug, Default)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// How many columns, counted from the first, are set to the left; the others are set to the right.
    n_left: usize,
}

impl Table {
    /// A table of numbers: the first column to the left, the others to the right. Heads that are all
    /// empty are not printed.
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Table {
        Table {
            head: head.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
            n_left: 1,
        }
    }

    /// A table of words: every column to the left.
    pub fn of_words<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Table {
        Table {
            n_left: usize::MAX,
            ..Table::new(head)
        }
    }

    /// The same with the first `n_columns` set to the left.
    #[must_use]
    pub fn with_left(self, n_columns: usize) -> Table {
        Table {
            n_left: n_columns,
            ..self
        }
    }

    /// Adds a row; a short one leaves its last columns empty.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Table {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// The table as lines, two blanks between columns, no blanks at line ends.
    pub fn lines(&self) -> Vec<String> {
        let has_head = self.head.iter().any(|cell| !cell.is_empty());
        let rows: Vec<&Vec<String>> = has_head
            .then_some(&self.head)
            .into_iter()
            .chain(&self.rows)
            .collect();
        let n_columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..n_columns)
            .map(|idx| {
                rows.iter()
                    .filter_map(|row| row.get(idx))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        rows.iter()
            .map(|row| {
                let cells =
                    row.iter()
                        .zip(&widths)
                        .enumerate()
                        .map(|(idx, (cell, width))| match idx < self.n_left {
                            true => format!("{cell:<width$}"),
                            false => format!("{cell:>width$}"),
                        });
                cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
            })
            .collect()
    }
}

impl Table {
    /// The table in Markdown, one row per line.
    pub fn markdown(&self) -> String {
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let n_columns = n_columns.max(self.head.len());
        let line = |row: &Vec<String>| {
            let cells = (0..n_columns).map(|idx| row.get(idx).map_or("", String::as_str));
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let rules = (0..n_columns).map(|idx| if idx < self.n_left { "---" } else { "---:" });
        let rules = rules.map(str::to_owned).collect();
        let head = [line(&self.head), line(&rules)].concat();
        head + &self.rows.iter().map(line).collect::<String>()
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines()
            .into_iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn latencies(ms: &[u64], n_never: usize) -> Latencies {
        let arrived = ms.iter().map(|ms| Some(Duration::from_millis(*ms)));
        arrived.chain(std::iter::repeat_n(None, n_never)).collect()
    }

    #[track_caller]
    fn check_percentile(latencies: &Latencies, percent: f64, expected_ms: Option<u64>) {
        assert_eq!(
            latencies.percentile(percent),
            expected_ms.map(Duration::from_millis)
        );
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let ten = latencies(&[10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 0);
        check_percentile(&ten, 0.0, Some(10));
        check_percentile(&ten, 10.0, Some(10));
        check_percentile(&ten, 10.1, Some(20));
        check_percentile(&ten, 50.0, Some(50));
        check_percentile(&ten, 99.0, Some(100));
        check_percentile(&ten, 100.0, Some(100));
    }

    #[test]
    fn an_answer_that_never_came_counts_as_infinitely_late() {
        let mixed = latencies(&[30, 10, 20], 1);
        check_percentile(&mixed, 75.0, Some(30));
        check_percentile(&mixed, 76.0, None);
        assert_eq!(mixed.share_within(Duration::from_millis(20)), 0.5);
        assert_eq!(mixed.share_arrived(), 0.75);
        assert_eq!(milliseconds(mixed.percentile(99.0)), "never");
    }

    #[test]
    fn no_samples_have_no_percentiles() {
        check_percentile(&latencies(&[], 0), 50.0, None);
        assert_eq!(latencies(&[], 0).share_within(FRAME), 0.0);
        assert_eq!(median(&[]), None);
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn the_median_of_an_even_number_is_the_lower_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.0));
    }

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!(milliseconds(Some(Duration::from_micros(3_141))), "3.14 ms");
        assert_eq!(milliseconds(Some(Duration::from_micros(9_999))), "10.0 ms");
        assert_eq!(
            milliseconds(Some(Duration::from_micros(1_234_400))),
            "1,234 ms"
        );
        assert_eq!(percent(0.9731), "97.3 %");
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(number(None, 1), "–");
    }

    #[track_caller]
    fn check_table(table: &Table, expected: Expect) {
        expected.assert_eq(&table.to_string());
    }

    #[test]
    fn tables_align_their_columns() {
        let mut table = Table::new(["", "with reuse", "without"]);
        table
            .row(["keystrokes", "1,000", "1,000"])
            .row(["p50", "2.10 ms", "never"])
            .row(["short"]);
        check_table(
            &table,
            expect![[r#"
                            with reuse  without
                keystrokes       1,000    1,000
                p50            2.10 ms    never
                short
            "#]],
        );
        check_table(
            Table::of_words(["key", "value"])
                .row(["a", "1"])
                .row(["bb", "long"]),
            expect![[r#"
                key  value
                a    1
                bb   long
            "#]],
        );
        check_table(
            Table::new(["", ""]).row(["a", "1"]).row(["bb", "22"]),
            expect![[r#"
            a    1
            bb  22
        "#]],
        );
    }

    #[test]
    fn tables_can_stand_in_a_page() {
        let mut table = Table::new(["", "with reuse"]);
        table.row(["p50", "2.10 ms"]).row(["short"]);
        expect![[r#"
            |  | with reuse |
            | --- | ---: |
            | p50 | 2.10 ms |
            | short |  |
        "#]]
        .assert_eq(&table.markdown());
    }
}
