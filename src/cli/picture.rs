//! A recording of the demo as an animated SVG: one group per piece of text, each visible in its time.
//! Browsers play it where an image may stand; what cannot play it shows the last frame.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    time::Duration,
};

use super::scene::{Frame, Ink, Row};

/// Size of a character cell and its text in pixels.
const CELL: (f64, f64) = (8.4, 18.0);
const FONT_SIZE: f64 = 14.0;
const MARGIN: f64 = 14.0;

/// How long the last frame stands before everything starts again.
const REST: Duration = Duration::from_secs(3);

/// Frames that stand for less than this are not seen.
const VISIBLE: Duration = Duration::from_millis(30);

/// Frames of one size and when each appeared.
#[derive(Debug)]
pub(super) struct Recording {
    width: usize,
    height: usize,
    frames: Vec<(Duration, Frame)>,
}

impl Recording {
    /// A recording of frames with this many columns and rows.
    pub(super) fn new(width: usize, height: usize) -> Recording {
        Recording {
            width,
            height,
            frames: Vec::new(),
        }
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Adds a frame that appears at `at`, which is not before the last one. What nobody could see, as it
    /// was replaced at once, is left out.
    pub(super) fn push(&mut self, at: Duration, frame: Frame) {
        match self.frames.last_mut() {
            Some((_, last)) if *last == frame => {}
            Some((since, last)) if at - *since < VISIBLE => *last = frame,
            _ => self.frames.push((at, frame)),
        }
    }

    pub(super) fn svg(&self) -> String {
        let (width, height) = (
            self.width as f64 * CELL.0 + 2.0 * MARGIN,
            self.height as f64 * CELL.1 + 2.0 * MARGIN,
        );
        let end = self.frames.last().map_or(REST, |(at, _)| *at + REST);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
             <title>ghostline demo: somebody types, ghost text appears</title>\n<style>\n\
             text {{ font: {FONT_SIZE}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre; fill: {} }}\n",
            color(Ink::Plain),
        );
        for ink in INKS {
            let style = match ink {
                Ink::Ghost => "; font-style: italic",
                Ink::Strong => "; font-weight: bold",
                _ => "",
            };
            let _ = writeln!(svg, ".{} {{ fill: {}{style} }}", class(ink), color(ink));
        }
        let _ = writeln!(
            svg,
            "</style>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1b1d23\"/>"
        );
        for (span, runs) in self.spans() {
            for (from, until) in runs {
                let _ = writeln!(
                    svg,
                    "{}{}</g>",
                    group(from, until.unwrap_or(end), end),
                    text(&span)
                );
            }
        }
        let cursors = self.frames.iter().map(|(at, frame)| (*at, frame.cursor));
        for (from, until, (column, row)) in intervals(cursors, end) {
            let (x, y) = (
                MARGIN + column as f64 * CELL.0,
                MARGIN + row as f64 * CELL.1,
            );
            let _ = writeln!(
                svg,
                "{}<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"2\" height=\"{}\" fill=\"#e6e6e6\"/></g>",
                group(from, until, end),
                CELL.1,
            );
        }
        svg + "</svg>\n"
    }

    /// Every span that is ever seen, and when.
    fn spans(&self) -> BTreeMap<Placed, Vec<(Duration, Option<Duration>)>> {
        let mut spans: BTreeMap<Placed, Vec<(Duration, Option<Duration>)>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (at, frame) in &self.frames {
            let rows = frame.rows.iter().enumerate();
            let now: BTreeSet<Placed> = rows.flat_map(|(idx, row)| placed(idx, row)).collect();
            for gone in seen.difference(&now) {
                if let Some((_, until)) = spans.get_mut(gone).and_then(|runs| runs.last_mut()) {
                    *until = Some(*at);
                }
            }
            for new in now.difference(&seen) {
                spans.entry(new.clone()).or_default().push((*at, None));
            }
            seen = now;
        }
        spans
    }
}

/// A piece of visible text at its row and column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    row: usize,
    column: usize,
    ink: Ink,
    text: String,
}

fn placed(row: usize, spans: &Row) -> Vec<Placed> {
    let mut column = 0;
    let mut all = Vec::new();
    for (ink, text) in spans {
        let visible = text.trim();
        if !visible.is_empty() {
            let n_leading = text.chars().take_while(|char| char.is_whitespace()).count();
            all.push(Placed {
                row,
                column: column + n_leading,
                ink: *ink,
                text: visible.to_owned(),
            });
        }
        column += text.chars().count();
    }
    all
}

/// Runs of equal values, each with its start and end.
fn intervals<T: PartialEq>(
    values: impl Iterator<Item = (Duration, T)>,
    end: Duration,
) -> Vec<(Duration, Duration, T)> {
    let mut runs: Vec<(Duration, Duration, T)> = Vec::new();
    for (at, value) in values {
        match runs.last_mut() {
            Some((_, _, last)) if *last == value => {}
            last => {
                if let Some((_, until, _)) = last {
                    *until = at;
                }
                runs.push((at, end, value));
            }
        }
    }
    runs
}

/// A group that is visible from `from` until `until`, again and again.
fn group(from: Duration, until: Duration, end: Duration) -> String {
    let share = |at: Duration| at.as_secs_f64() / end.as_secs_f64();
    let seconds = end.as_secs_f64();
    let animate = |values: &str, times: &str| {
        format!(
            "<animate attributeName=\"opacity\" calcMode=\"discrete\" dur=\"{seconds:.2}s\" repeatCount=\"indefinite\" \
             values=\"{values}\" keyTimes=\"{times}\"/>"
        )
    };
    match (from.is_zero(), until >= end) {
        (true, true) => "<g>".to_owned(),
        (false, true) => format!("<g>{}", animate("0;1", &format!("0;{:.4}", share(from)))),
        (true, false) => format!(
            "<g opacity=\"0\">{}",
            animate("1;0", &format!("0;{:.4}", share(until)))
        ),
        (false, false) => {
            format!(
                "<g opacity=\"0\">{}",
                animate(
                    "0;1;0",
                    &format!("0;{:.4};{:.4}", share(from), share(until))
                )
            )
        }
    }
}

fn text(span: &Placed) -> String {
    let (x, y) = (
        MARGIN + span.column as f64 * CELL.0,
        MARGIN + span.row as f64 * CELL.1 + FONT_SIZE,
    );
    // The length is given, so that columns align whatever the font is.
    let length = span.text.chars().count() as f64 * CELL.0;
    let class = class(span.ink);
    format!(
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\">{}</text>",
        escape(&span.text)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const INKS: [Ink; 11] = [
    Ink::Plain,
    Ink::Keyword,
    Ink::Type,
    Ink::Function,
    Ink::Literal,
    Ink::Comment,
    Ink::Ghost,
    Ink::Faint,
    Ink::Strong,
    Ink::Good,
    Ink::Late,
];

fn class(ink: Ink) -> &'static str {
    match ink {
        Ink::Plain => "p",
        Ink::Keyword => "k",
        Ink::Type => "t",
        Ink::Function => "f",
        Ink::Literal => "l",
        Ink::Comment => "c",
        Ink::Ghost => "gh",
        Ink::Faint => "fa",
        Ink::Strong => "st",
        Ink::Good => "go",
        Ink::Late => "la",
    }
}

fn color(ink: Ink) -> &'static str {
    match ink {
        Ink::Plain => "#d8dce4",
        Ink::Keyword => "#c792ea",
        Ink::Type => "#7fd1de",
        Ink::Function => "#82aaff",
        Ink::Literal => "#e6c07b",
        Ink::Comment => "#7a8394",
        Ink::Ghost => "#6f7787",
        Ink::Faint => "#5d6575",
        Ink::Strong => "#ffffff",
        Ink::Good => "#8fd18a",
        Ink::Late => "#e5786d",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str, column: usize) -> Frame {
        Frame {
            rows: vec![vec![(Ink::Plain, text.to_owned())]],
            cursor: (column, 0),
        }
    }

    fn recording() -> Recording {
        let mut recording = Recording::new(10, 1);
        recording.push(Duration::ZERO, frame("a<b", 1));
        recording.push(Duration::from_secs(1), frame("a<b", 1));
        recording.push(Duration::from_secs(2), frame("a<b", 2));
        recording.push(Duration::from_secs(3), frame("c", 2));
        recording
    }

    #[test]
    fn text_is_written_once_for_as_long_as_it_stays() {
        let svg = recording().svg();
        assert_eq!(svg.matches("a&lt;b").count(), 1);
        // Three seconds of recording and three of rest.
        assert!(svg.contains("dur=\"6.00s\""));
        assert!(
            svg.contains("values=\"1;0\" keyTimes=\"0;0.5000\""),
            "{svg}"
        );
    }

    #[test]
    fn without_animation_the_last_frame_is_seen() {
        let svg = recording().svg();
        let last = svg.lines().find(|line| line.contains(">c<")).unwrap();
        assert!(last.starts_with("<g><animate"), "{last}");
        let first = svg.lines().find(|line| line.contains("a&lt;b")).unwrap();
        assert!(first.starts_with("<g opacity=\"0\">"), "{first}");
    }

    #[test]
    fn equal_frames_are_kept_once_and_unseen_ones_not_at_all() {
        let mut recording = recording();
        assert_eq!(recording.frames.len(), 3);
        recording.push(Duration::from_millis(3010), frame("d", 1));
        let shown: Vec<_> = recording
            .frames
            .iter()
            .map(|(at, _)| at.as_secs())
            .collect();
        assert_eq!(shown, [0, 2, 3]);
        assert_eq!(recording.frames[2].1, frame("d", 1));
    }
}
