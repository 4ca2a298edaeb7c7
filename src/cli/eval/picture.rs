//! The chart of an evaluation: how often the first line is right, for each kind of place and each way of guessing, with
//! its range.

use std::fmt::Write;

use super::{
    super::chart::{COLORS, escaped, opening},
    interval::Estimate,
    summary::Figures,
};
use crate::report::percent;

const WIDTH: f64 = 760.0;
/// Where bars start and where 100 % would be, in pixels.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 86.0;
const BAR: f64 = 11.0;
/// Between two groups of bars.
const GAP: f64 = 14.0;
/// The axis ends at a multiple of this.
const STEP: f64 = 0.1;

/// The chart of `figures`, as the text of an SVG file. `subtitle` says what was measured.
pub(super) fn svg(figures: &Figures, subtitle: &str) -> String {
    let groups = groups(figures);
    let ways: Vec<&str> = (figures.columns.iter().copied())
        .chain(["copying", "n-gram cache"])
        .collect();
    let values = groups.iter().flat_map(|(_, bars)| bars).flatten();
    let highest = values.map(|bar| bar.high).fold(STEP, f64::max);
    let end = ((highest / STEP).ceil() * STEP).min(1.0);
    let height = TOP + groups.len() as f64 * (BAR * ways.len() as f64 + GAP) + 30.0;
    let x = |share: f64| LEFT + (RIGHT - LEFT) * share / end;

    let title = "How often the first line is right, and keystrokes saved";
    let mut svg = opening((WIDTH, height), title, title, LEFT.min(20.0), subtitle);
    let mut at = 20.0;
    for (idx, way) in ways.iter().enumerate() {
        let class = idx % COLORS.len();
        let _ = writeln!(
            svg,
            "<rect class=\"f{class}\" x=\"{at:.0}\" y=\"54\" width=\"10\" height=\"10\"/>\
             <text x=\"{:.0}\" y=\"63\">{}</text>",
            at + 15.0,
            escaped(way)
        );
        at += 35.0 + 7.0 * way.len() as f64;
    }
    for tick in 0..=(end / STEP).round() as usize {
        let share = tick as f64 * STEP;
        let _ = writeln!(
            svg,
            "<path class=\"g\" d=\"M{:.1} {TOP}V{:.1}\"/><text class=\"m\" x=\"{0:.1}\" y=\"{:.1}\">{:.0} %</text>",
            x(share),
            height - 26.0,
            height - 10.0,
            share * 100.0
        );
    }
    let mut y = TOP + 4.0;
    for (name, bars) in &groups {
        let middle = y + BAR * bars.len() as f64 / 2.0 + 4.0;
        let _ = writeln!(
            svg,
            "<text class=\"e\" x=\"{:.0}\" y=\"{middle:.1}\">{}</text>",
            LEFT - 8.0,
            escaped(name)
        );
        for (idx, bar) in bars.iter().enumerate() {
            if let Some(bar) = bar {
                draw(&mut svg, bar, idx % COLORS.len(), y, &x);
            }
            y += BAR;
        }
        y += GAP;
    }
    svg + "</svg>\n"
}

/// A bar, its range as a line, and its figure.
fn draw(svg: &mut String, bar: &Estimate, class: usize, y: f64, x: &dyn Fn(f64) -> f64) {
    let _ = writeln!(
        svg,
        "<rect class=\"f{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
         <path class=\"r\" d=\"M{:.1} {:.1}H{:.1}\"/><text class=\"s\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        y + 1.0,
        x(bar.value) - LEFT,
        BAR - 2.0,
        x(bar.low),
        y + BAR / 2.0,
        x(bar.high),
        x(bar.high) + 4.0,
        y + BAR - 2.0,
        percent(bar.value)
    );
}

/// What stands together: a name, and a bar for each way of guessing.
fn groups(figures: &Figures) -> Vec<(String, Vec<Option<Estimate>>)> {
    let rows = figures.rows.iter().map(|row| {
        let own = row.ghostline.iter().map(|shown| shown.all.exact);
        let all = own.chain([row.copy.exact, row.cache.exact]).collect();
        (format!("{}, {}", row.language, row.law.name()), all)
    });
    let typed = figures.languages.iter().map(|of| {
        let own = of.saved.iter().copied();
        let all = own
            .chain([of.saved_by_copying, of.saved_by_cache])
            .collect();
        (format!("{}, keystrokes saved", of.language), all)
    });
    rows.chain(typed).collect()
}
