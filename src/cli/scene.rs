//! What the demo draws: a frame of styled text, made from what is known. Pure; `screen.rs` puts frames on
//! a terminal, `picture.rs` into a file.

use std::time::Duration;

use super::replay::Sample;
use crate::report::{FRAME, Latencies, milliseconds, percent, thousands};

/// What a piece of text is, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ink {
    Plain,
    Keyword,
    Type,
    Function,
    Literal,
    Comment,
    /// Ghost text.
    Ghost,
    /// Line numbers and labels.
    Faint,
    Strong,
    /// Within one frame.
    Good,
    /// Later than that.
    Late,
}

/// Text in one ink.
pub(super) type Span = (Ink, String);
/// One row of a screen.
pub(super) type Row = Vec<Span>;

/// A screen full of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) rows: Vec<Row>,
    /// Column and row of the cursor.
    pub(super) cursor: (usize, usize),
}

/// What is to be drawn.
pub(super) struct Scene<'a> {
    pub(super) file_name: &'a str,
    pub(super) model: &'a str,
    pub(super) text: &'a str,
    /// In bytes.
    pub(super) cursor: usize,
    pub(super) ghost: &'a str,
    pub(super) samples: &'a [Sample],
}

/// Rows above and below the code.
const HEADER: usize = 2;
const FOOTER: usize = 4;

impl Scene<'_> {
    /// The scene on a screen of this size. One that is too small for it shows what fits.
    pub(super) fn draw(&self, width: usize, height: usize) -> Frame {
        let (code, cursor) = self.code(height.saturating_sub(HEADER + FOOTER).max(1));
        let title = format!(" ghostline  {}", self.file_name);
        let gap = " ".repeat(
            width
                .saturating_sub(title.chars().count() + self.model.chars().count() + 1)
                .max(1),
        );
        let mut rows = vec![
            vec![
                (Ink::Strong, title),
                (Ink::Faint, format!("{gap}{}", self.model)),
            ],
            vec![(Ink::Faint, "─".repeat(width))],
        ];
        rows.extend(code);
        rows.push(vec![(Ink::Faint, "─".repeat(width))]);
        rows.extend(self.footer(width));
        rows.truncate(height);
        let rows = rows.into_iter().map(|row| fit(row, width)).collect();
        Frame {
            rows,
            cursor: (
                cursor.0.min(width.saturating_sub(1)),
                (cursor.1 + HEADER).min(height.saturating_sub(1)),
            ),
        }
    }

    /// The lines around the cursor, with the ghost text among them, and the cursor's place.
    fn code(&self, n_rows: usize) -> (Vec<Row>, (usize, usize)) {
        let before = &self.text[..self.cursor];
        let line_start = before.rfind('\n').map_or(0, |idx| idx + 1);
        let cursor_line = before.matches('\n').count();
        let left = &self.text[line_start..self.cursor];
        let line_end = self.text[self.cursor..]
            .find('\n')
            .map_or(self.text.len(), |idx| self.cursor + idx);
        let right = &self.text[self.cursor..line_end];

        let first = cursor_line.saturating_sub(n_rows * 3 / 5);
        let number = |line: Option<usize>| match line {
            Some(line) => (Ink::Faint, format!("{:>4}  ", line + 1)),
            None => (Ink::Faint, " ".repeat(6)),
        };
        let mut rows: Vec<Row> = Vec::new();
        for (idx, line) in self.text.split('\n').enumerate().skip(first) {
            if rows.len() >= n_rows {
                break;
            }
            let mut row = vec![number(Some(idx))];
            if idx != cursor_line {
                row.extend(highlight(line));
                rows.push(row);
                continue;
            }
            let mut ghost = self.ghost.split('\n');
            row.extend(highlight(left));
            row.push((Ink::Ghost, ghost.next().unwrap_or_default().to_owned()));
            rows.push(row);
            rows.extend(ghost.map(|line| vec![number(None), (Ink::Ghost, line.to_owned())]));
            if let Some(last) = rows.last_mut() {
                last.extend(highlight(right));
            }
        }
        rows.truncate(n_rows);
        rows.resize(n_rows, Row::new());
        (rows, (6 + left.chars().count(), cursor_line - first))
    }

    /// What the last key cost, and how all of them did.
    fn footer(&self, width: usize) -> Vec<Row> {
        let keystrokes: Vec<&Sample> = self
            .samples
            .iter()
            .filter(|sample| sample.kind.is_keystroke())
            .collect();
        // The newest may still be on its way, and is not late yet.
        let is_pending = keystrokes
            .last()
            .is_some_and(|sample| sample.latency.is_none());
        let settled = &keystrokes[..keystrokes.len() - usize::from(is_pending)];
        let mut last = vec![(Ink::Faint, " last key  ".to_owned())];
        if let Some(sample) = settled.last() {
            last.push((
                speed(sample.latency),
                format!("{:<9}", milliseconds(sample.latency)),
            ));
            let usage = sample
                .cost
                .as_ref()
                .map(|cost| cost.usage)
                .unwrap_or_default();
            let tokens = if usage.evaluated_tokens == 1 {
                "token"
            } else {
                "tokens"
            };
            last.push((
                Ink::Plain,
                format!(
                    "  {} {tokens} evaluated, {} generated",
                    usage.evaluated_tokens, usage.generated_tokens
                ),
            ));
        }
        let latencies: Latencies = settled.iter().map(|sample| sample.latency).collect();
        let mut all = vec![(Ink::Faint, " all keys  ".to_owned())];
        if latencies.count() > 0 {
            let share = latencies.share_within(FRAME);
            let ink = if share >= 0.95 { Ink::Good } else { Ink::Plain };
            all.push((ink, format!("{:<9}", percent(share))));
            all.push((Ink::Plain, "  within one frame (16.7 ms)   ".to_owned()));
            all.push((
                Ink::Faint,
                format!("{} keys", thousands(settled.len() as u64)),
            ));
        }
        let mut bars = vec![(Ink::Faint, " latency   ".to_owned())];
        // When the row is full its older half goes: a row that moved with every key would be hard to read.
        let half = (width.saturating_sub(12) / 2).max(1);
        let oldest = (settled.len() / half).saturating_sub(1) * half;
        bars.extend(
            settled[oldest..]
                .iter()
                .map(|sample| (speed(sample.latency), bar(sample.latency).to_string())),
        );
        vec![last, all, bars]
    }
}

fn speed(latency: Option<Duration>) -> Ink {
    if latency.is_some_and(|latency| latency <= FRAME) {
        Ink::Good
    } else {
        Ink::Late
    }
}

/// One bar of the chart: full height is a frame or more.
fn bar(latency: Option<Duration>) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(latency) = latency else { return '×' };
    let height = latency.as_secs_f64() / FRAME.as_secs_f64() * BARS.len() as f64;
    BARS[(height as usize).min(BARS.len() - 1)]
}

/// What of a row fits into `width`.
fn fit(row: Row, width: usize) -> Row {
    let mut left = width;
    let mut fitted = Row::new();
    for (ink, text) in row {
        let text = text
            .chars()
            .take(left)
            .map(|char| if char == '\t' { ' ' } else { char });
        let text: String = text.collect();
        left -= text.chars().count();
        if !text.is_empty() {
            fitted.push((ink, text));
        }
    }
    fitted
}

const KEYWORDS: [&str; 26] = [
    "as", "break", "const", "else", "enum", "fn", "for", "if", "impl", "in", "let", "loop",
    "match", "mod", "move", "mut", "pub", "ref", "return", "self", "static", "struct", "trait",
    "use", "where", "while",
];

/// A line of Rust in colours: words, numbers, strings, comments. Enough for a demo, and wrong for what
/// spans lines.
fn highlight(line: &str) -> Row {
    let mut row = Row::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let word = |rest: &str| {
            rest.find(|char: char| !char.is_alphanumeric() && char != '_')
                .unwrap_or(rest.len())
        };
        let (len, ink) = if rest.starts_with("//") {
            (rest.len(), Ink::Comment)
        } else if first == '"' {
            (
                rest[1..].find('"').map_or(rest.len(), |idx| idx + 2),
                Ink::Literal,
            )
        } else if first.is_ascii_digit() {
            (word(rest), Ink::Literal)
        } else if first.is_alphabetic() || first == '_' {
            let len = word(rest);
            let ink = match &rest[..len] {
                keyword if KEYWORDS.contains(&keyword) => Ink::Keyword,
                name if name.starts_with(char::is_uppercase) => Ink::Type,
                _ if rest[len..].starts_with(['(', '!']) => Ink::Function,
                _ => Ink::Plain,
            };
            (len, ink)
        } else {
            let is_other = |char: char| !char.is_alphanumeric() && !"_\"/".contains(char);
            (
                rest.find(|char| !is_other(char))
                    .unwrap_or(rest.len())
                    .max(first.len_utf8()),
                Ink::Plain,
            )
        };
        row.push((ink, rest[..len].to_owned()));
        rest = &rest[len..];
    }
    row
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::cli::{
        peer::{Cost, Usage},
        replay::Kind,
    };

    fn sample(micros: Option<u64>) -> Sample {
        let usage = Usage {
            evaluated_tokens: 1,
            generated_tokens: 5,
            decode_us: 900,
            ..Usage::default()
        };
        let cost = Cost {
            id: 1,
            source: "decoded".to_owned(),
            usage,
            ..Cost::default()
        };
        Sample {
            latency: micros.map(Duration::from_micros),
            cost: Some(cost),
            ..Sample::new(Kind::Typed)
        }
    }

    #[track_caller]
    fn check(
        text_with_cursor: &str,
        ghost: &str,
        (width, height): (usize, usize),
        expected: Expect,
    ) {
        let samples = [
            sample(Some(1_800)),
            sample(Some(20_000)),
            sample(None),
            sample(Some(2_345)),
        ];
        let cursor = text_with_cursor.find('|').unwrap();
        let text = text_with_cursor.replace('|', "");
        let scene = Scene {
            file_name: "src/a.rs",
            model: "tiny",
            text: &text,
            cursor,
            ghost,
            samples: &samples,
        };
        let frame = scene.draw(width, height);
        let plain = |row: &Row| {
            row.iter()
                .map(|(_, text)| text.as_str())
                .collect::<String>()
                .trim_end()
                .to_owned()
        };
        let mut rows: Vec<String> = frame.rows.iter().map(plain).collect();
        let (column, row) = frame.cursor;
        let row = &mut rows[row];
        *row = row
            .chars()
            .take(column)
            .chain(['|'])
            .chain(row.chars().skip(column))
            .collect();
        assert!(frame.rows.len() <= height);
        expected.assert_eq(&(rows.join("\n") + "\n"));
    }

    #[test]
    fn ghost_text_stands_behind_the_cursor_and_pushes_lines_down() {
        check(
            "fn a() {\n    let x|\n}\n",
            " = 1;\n    x",
            (60, 13),
            expect![[r#"
                 ghostline  src/a.rs                                   tiny
                ────────────────────────────────────────────────────────────
                   1  fn a() {
                   2      let x| = 1;
                          x
                   3  }
                   4


                ────────────────────────────────────────────────────────────
                 last key  2.34 ms    1 token evaluated, 5 generated
                 all keys  50.0 %     within one frame (16.7 ms)   4 keys
                 latency   ▁█×▂
            "#]],
        );
    }

    #[test]
    fn the_cursor_stays_in_sight_in_a_long_file() {
        let text = "a\n".repeat(50) + "b|\n" + &"c\n".repeat(50);
        check(
            &text,
            "",
            (40, 11),
            expect![[r#"
             ghostline  src/a.rs               tiny
            ────────────────────────────────────────
              48  a
              49  a
              50  a
              51  b|
              52  c
            ────────────────────────────────────────
             last key  2.34 ms    1 token evaluated,
             all keys  50.0 %     within one frame (
             latency   ▁█×▂
        "#]],
        );
    }

    #[test]
    fn a_tiny_screen_shows_what_fits() {
        check(
            "let long_name = 1;|",
            "ghost",
            (10, 4),
            expect![[r#"
             ghostline
            ──────────
               1  let|
            ──────────
        "#]],
        );
        check(
            "x|",
            "",
            (1, 1),
            expect![[r#"
            |
        "#]],
        );
    }

    #[test]
    fn code_is_coloured_without_losing_a_character() {
        for line in [
            "let x: Vec<u8> = f(\"a // b\", 0x1f); // c",
            "\"open",
            "é/ü / 'x'",
            "",
            "    }",
            "a/b",
        ] {
            let text: String = highlight(line)
                .iter()
                .map(|(_, text)| text.as_str())
                .collect();
            assert_eq!(text, line);
        }
        let inks: Vec<Ink> = highlight("let x = Some(f(1)); // done")
            .into_iter()
            .map(|(ink, _)| ink)
            .filter(|ink| *ink != Ink::Plain)
            .collect();
        assert_eq!(
            inks,
            [
                Ink::Keyword,
                Ink::Type,
                Ink::Function,
                Ink::Literal,
                Ink::Comment
            ]
        );
    }
}
