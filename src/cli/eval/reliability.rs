//! The picture of how good the gate's probabilities are: what was said against what came true.

use std::fmt::Write;

use super::{
    super::chart::opening,
    judged::{Bin, Judged},
};
use crate::report::{percent, thousands};

const SIZE: (f64, f64) = (420.0, 440.0);
const LEFT: f64 = 60.0;
const RIGHT: f64 = 390.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 386.0;
/// The largest dot, in pixels; its area is the share of the suggestions.
const DOT: f64 = 12.0;

/// The plot, as the text of an SVG file. `subtitle` says what was measured.
pub(super) fn svg(judged: &Judged, subtitle: &str) -> String {
    let mut svg = opening(
        SIZE,
        "How often suggestions were right, by the probability that was said",
        "Said and come true",
        LEFT,
        subtitle,
    );
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let (x, y) = place(share, share);
        let _ = writeln!(
            svg,
            "<path class=\"g\" d=\"M{LEFT} {y:.1}H{RIGHT}M{x:.1} {TOP}V{BOTTOM}\"/>\
             <text class=\"e\" x=\"{:.0}\" y=\"{:.1}\">{:.0} %</text>\
             <text class=\"m\" x=\"{x:.1}\" y=\"{:.0}\">{:.0} %</text>",
            LEFT - 8.0,
            y + 4.0,
            share * 100.0,
            BOTTOM + 18.0,
            share * 100.0
        );
    }
    let _ = writeln!(
        svg,
        "<path class=\"frame\" d=\"M{LEFT} {BOTTOM}L{RIGHT} {TOP}\"/>\
         <text class=\"m\" x=\"{:.0}\" y=\"{:.0}\">said; calibration error {}, n = {}</text>",
        (LEFT + RIGHT) / 2.0,
        BOTTOM + 38.0,
        percent(judged.error),
        thousands(judged.n as u64)
    );
    for Bin { said, right } in &judged.bins {
        let (x, y) = place(*said, right.value);
        let (_, low) = place(*said, right.low);
        let (_, high) = place(*said, right.high);
        let radius = DOT * (right.n as f64 / judged.n.max(1) as f64).sqrt();
        let _ = writeln!(
            svg,
            "<path class=\"c0\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>\
             <circle class=\"f0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.1}\"/>",
            radius.max(2.0)
        );
    }
    svg + "</svg>\n"
}

fn place(said: f64, right: f64) -> (f64, f64) {
    (
        LEFT + (RIGHT - LEFT) * said,
        BOTTOM - (BOTTOM - TOP) * right,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_is_a_dot_where_it_belongs() {
        let all: Vec<(f64, bool)> = (0..100).map(|at| (0.55, at < 50)).collect();
        let svg = svg(&Judged::new(&all, 100), "a < b");
        assert_eq!(svg.matches("<circle").count(), 1);
        let (x, y) = place(0.55, 0.5);
        assert!(svg.contains(&format!("cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"12.0\"")));
        assert!(svg.contains("error 5.0 %, n = 100") && svg.contains("a &lt; b"));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }
}
