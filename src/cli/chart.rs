//! The chart of a bench: how large a share of the keystrokes was answered within how much time, one line per
//! column, as an SVG that needs nothing else and can be read on light and on dark pages.

use std::{fmt::Write, time::Duration};

use crate::report::{FRAME, Latencies, percent};

/// The size of the picture and of the part with the lines in it, in pixels.
const SIZE: (f64, f64) = (760.0, 400.0);
const LEFT: f64 = 56.0;
const RIGHT: f64 = 590.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 350.0;

/// The time axis, logarithmic.
const FROM_MS: f64 = 0.1;
const TO_MS: f64 = 1000.0;
const TICKS: [(f64, &str); 5] = [
    (0.1, "0.1 ms"),
    (1.0, "1 ms"),
    (10.0, "10 ms"),
    (100.0, "100 ms"),
    (1000.0, "1 s"),
];

/// From one line's label to the next.
const LABEL_HEIGHT: f64 = 42.0;

/// Told apart by people who see few colours, and strong enough on white and on black: light, dark.
pub(super) const COLORS: [(&str, &str); 4] = [
    ("#0a7d62", "#2fc79b"),
    ("#c2570c", "#f59e58"),
    ("#6b5bd2", "#a99cf5"),
    ("#6e7781", "#9198a1"),
];

/// A line of the chart.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) latencies: Latencies,
}

/// The chart of `lines`, as the text of an SVG file. `subtitle` says what was measured.
pub(super) fn svg(lines: &[Line], subtitle: &str) -> String {
    let mut svg = opening(
        SIZE,
        "Share of keystrokes answered within a time",
        "Keystrokes answered within …",
        LEFT,
        subtitle,
    );
    axes(&mut svg);
    for (idx, line) in lines.iter().enumerate() {
        let label_y = TOP + 10.0 + LABEL_HEIGHT * idx as f64;
        let class = idx % COLORS.len();
        let within = line.latencies.share_within(FRAME);
        let _ = writeln!(
            svg,
            "<path class=\"l c{class}\" d=\"{}\"/>",
            path(&line.latencies)
        );
        let _ = writeln!(
            svg,
            "<circle class=\"f{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>",
            x(FRAME.as_secs_f64() * 1e3),
            y(within)
        );
        let _ = writeln!(
            svg,
            "<text class=\"n f{class}\" x=\"{:.0}\" y=\"{label_y:.1}\">{}</text>\n\
             <text x=\"{0:.0}\" y=\"{:.1}\">{} in a frame</text>",
            RIGHT + 10.0,
            escaped(line.name),
            label_y + 15.0,
            percent(within),
        );
    }
    svg + "</svg>\n"
}

/// The start of a picture: its style, what it shows in a sentence for those who do not see it, and its two headings.
pub(super) fn opening(
    (width, height): (f64, f64),
    about: &str,
    title: &str,
    left: f64,
    subtitle: &str,
) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>{about}</title>\n<style>\n\
         text {{ font: 12px system-ui, -apple-system, \"Segoe UI\", Helvetica, Arial, sans-serif; fill: #57606a }}\n\
         .t {{ font-size: 15px; font-weight: 600; fill: #1f2328 }} .n {{ font-weight: 600; font-size: 13px }}\n\
         .g {{ stroke: #d0d7de }} .e {{ text-anchor: end }} .m {{ text-anchor: middle }}\n\
         .r {{ stroke: #1f2328 }} .s {{ font-size: 10px }}\n\
         .l {{ fill: none; stroke-width: 2.2; stroke-linejoin: round }}\n\
         .frame {{ stroke: #1f2328; stroke-dasharray: 4 3 }}\n"
    );
    let mut dark = String::from(
        "text { fill: #9198a1 } .t { fill: #f0f6fc } .g { stroke: #30363d } .frame, .r { stroke: #f0f6fc }",
    );
    for (idx, (light, night)) in COLORS.iter().enumerate() {
        let _ = writeln!(
            svg,
            ".c{idx} {{ stroke: {light} }} .f{idx} {{ fill: {light} }}"
        );
        let _ = write!(
            dark,
            " .c{idx} {{ stroke: {night} }} .f{idx} {{ fill: {night} }}"
        );
    }
    let _ = writeln!(
        svg,
        "@media (prefers-color-scheme: dark) {{ {dark} }}\n</style>\n\
         <text class=\"t\" x=\"{left}\" y=\"22\">{title}</text>\n\
         <text x=\"{left}\" y=\"40\">{}</text>",
        escaped(subtitle)
    );
    svg
}

fn axes(svg: &mut String) {
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = y(share);
        let _ = writeln!(
            svg,
            "<path class=\"g\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text class=\"e\" x=\"{:.0}\" y=\"{:.1}\">{:.0} %</text>",
            LEFT - 8.0,
            y + 4.0,
            share * 100.0
        );
    }
    for (ms, label) in TICKS {
        let x = x(ms);
        let _ = writeln!(
            svg,
            "<path class=\"g\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/><text class=\"m\" x=\"{x:.1}\" y=\"{:.0}\">{label}</text>",
            BOTTOM + 18.0
        );
    }
    let x = x(FRAME.as_secs_f64() * 1e3);
    let _ = writeln!(
        svg,
        "<path class=\"frame\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/><text class=\"m\" x=\"{x:.1}\" y=\"{:.0}\">one frame, 16.7 ms</text>",
        BOTTOM + 36.0
    );
}

/// The steps of the distribution, from the left edge to the right one.
fn path(latencies: &Latencies) -> String {
    let mut path = String::new();
    let mut last = y(latencies.share_within(Duration::from_secs_f64(FROM_MS / 1e3)));
    let _ = write!(path, "M{LEFT} {last:.1}");
    // A point per pixel is as much as can be seen.
    for pixel in 1..=(RIGHT - LEFT) as u32 {
        let x = LEFT + f64::from(pixel);
        let now = y(latencies.share_within(time(x)));
        if (now - last).abs() >= 0.05 {
            let _ = write!(path, "H{x:.0}V{now:.1}");
            last = now;
        }
    }
    let _ = write!(path, "H{RIGHT}");
    path
}

fn x(ms: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * (ms / FROM_MS).ln() / (TO_MS / FROM_MS).ln()
}

/// The time at `x`, the inverse of [`x`].
fn time(x: f64) -> Duration {
    let share = (x - LEFT) / (RIGHT - LEFT);
    Duration::from_secs_f64(FROM_MS * (TO_MS / FROM_MS).powf(share) / 1e3)
}

fn y(share: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * share
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(ms: &[f64], n_never: usize) -> Latencies {
        let arrived = ms.iter().map(|ms| Some(Duration::from_secs_f64(ms / 1e3)));
        arrived.chain(std::iter::repeat_n(None, n_never)).collect()
    }

    #[test]
    fn a_line_rises_to_the_share_that_was_answered() {
        let end = |latencies: &Latencies| path(latencies).rsplit('V').next().map(str::to_owned);
        let all = latencies(&[1.0, 1.0], 0);
        assert_eq!(end(&all), Some(format!("{TOP:.1}H{RIGHT}")));
        let half = latencies(&[1.0], 1);
        assert_eq!(
            end(&half),
            Some(format!("{:.1}H{RIGHT}", (TOP + BOTTOM) / 2.0))
        );
        assert_eq!(
            path(&latencies(&[], 3)),
            format!("M{LEFT} {BOTTOM:.1}H{RIGHT}")
        );
    }

    #[test]
    fn places_on_the_axis_are_times() {
        for ms in [0.1, 3.0, 16.667, 1000.0] {
            let there_and_back = time(x(ms)).as_secs_f64() * 1e3;
            assert!((there_and_back - ms).abs() < 1e-3, "{there_and_back}");
        }
    }

    #[test]
    fn names_cannot_break_the_picture() {
        let line = Line {
            name: "a<b & c",
            latencies: latencies(&[5.0, 50.0], 0),
        };
        let svg = svg(&[line], "x < y");
        assert!(svg.contains("a&lt;b &amp; c") && svg.contains("x &lt; y"));
        assert!(svg.contains("50.0 % in a frame"));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }
}
