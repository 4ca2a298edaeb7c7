//! How good the gate's probabilities are: whether of those that are said to be right in three of ten cases three of ten
//! are, and what each threshold shows and hides.

use serde::Serialize;

use super::interval::{Estimate, share};
use crate::report::{Table, percent, thousands};

/// Probabilities are looked at in so many ranges of the same width.
const BINS: usize = 10;
/// What can be set as `completion.min_confidence`, to choose from.
const THRESHOLDS: [f64; 11] = [0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7];
/// Nothing is surer than this when it counts how surprising a mistake is.
const SUREST: f64 = 1e-6;

/// See the module.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Judged {
    /// Suggestions.
    pub(super) n: usize,
    /// The expected calibration error (Naeini et al. 2015): how far said and true shares are apart in the mean of the
    /// ranges, each counted by its suggestions.
    pub(super) error: f64,
    /// In bits per suggestion; lower is better.
    pub(super) log_loss: f64,
    pub(super) bins: Vec<Bin>,
    pub(super) thresholds: Vec<Threshold>,
}

/// The suggestions whose probability is in one range.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bin {
    /// The mean of what was said.
    pub(super) said: f64,
    pub(super) right: Estimate,
}

/// What would be shown at one threshold.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Threshold {
    pub(super) at: f64,
    /// Of the places.
    pub(super) shown: Option<Estimate>,
    /// Of what is shown.
    pub(super) precision: Option<Estimate>,
    /// Of the places: shown and right.
    pub(super) right: Option<Estimate>,
}

impl Judged {
    /// `all` are probabilities and whether the suggestion was right; at `n_places` places, where some have none.
    pub(super) fn new(all: &[(f64, bool)], n_places: usize) -> Judged {
        let bin_of = |probability: f64| ((probability * BINS as f64) as usize).min(BINS - 1);
        let bins: Vec<Bin> = (0..BINS)
            .filter_map(|bin| {
                let inside: Vec<&(f64, bool)> = all
                    .iter()
                    .filter(|(said, _)| bin_of(*said) == bin)
                    .collect();
                let n_right = inside.iter().filter(|(_, is_right)| *is_right).count();
                let said: f64 = inside.iter().map(|(said, _)| said).sum();
                Some(Bin {
                    right: share(n_right, inside.len())?,
                    said: said / inside.len() as f64,
                })
            })
            .collect();
        let n = all.len().max(1) as f64;
        let apart = |bin: &Bin| bin.right.n as f64 * (bin.said - bin.right.value).abs();
        let loss = |(said, is_right): &(f64, bool)| {
            let likely = if *is_right { *said } else { 1.0 - said };
            -likely.max(SUREST).log2()
        };
        Judged {
            n: all.len(),
            error: bins.iter().map(apart).sum::<f64>() / n,
            log_loss: all.iter().map(loss).sum::<f64>() / n,
            bins,
            thresholds: THRESHOLDS
                .map(|at| Threshold::new(all, n_places, at))
                .into(),
        }
    }

    /// What each threshold shows, for people.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(["threshold", "shown", "of it right", "shown and right"]);
        for of in &self.thresholds {
            let figure = |estimate: Option<Estimate>| {
                estimate.map_or_else(|| "–".to_owned(), |it| percent(it.value))
            };
            table.row([
                format!("{:.2}", of.at),
                figure(of.shown),
                figure(of.precision),
                figure(of.right),
            ]);
        }
        format!(
            "{table}\nCalibration error {}, log loss {:.3} bits, n = {}\n",
            percent(self.error),
            self.log_loss,
            thousands(self.n as u64)
        )
    }
}

impl Threshold {
    fn new(all: &[(f64, bool)], n_places: usize, at: f64) -> Threshold {
        let shown = all.iter().filter(|(said, _)| *said >= at);
        let n_shown = shown.clone().count();
        let n_right = shown.filter(|(_, is_right)| *is_right).count();
        Threshold {
            at,
            shown: share(n_shown, n_places),
            precision: share(n_right, n_shown),
            right: share(n_right, n_places),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` suggestions with a probability, of which a share was right.
    fn some(said: f64, n: usize, right: usize) -> Vec<(f64, bool)> {
        (0..n).map(|at| (said, at < right)).collect()
    }

    #[test]
    fn probabilities_that_come_true_have_no_error() {
        let all = [some(0.25, 40, 10), some(0.75, 40, 30)].concat();
        let judged = Judged::new(&all, 100);
        assert!(judged.error < 1e-9);
        let entropy = -(0.25f64 * 0.25f64.log2() + 0.75 * 0.75f64.log2());
        assert!((judged.log_loss - entropy).abs() < 1e-9);
        assert_eq!(judged.bins.len(), 2);
    }

    #[test]
    fn the_error_is_how_far_they_are_apart() {
        let all = [some(0.95, 30, 15), some(0.05, 10, 0)].concat();
        let judged = Judged::new(&all, 40);
        assert!((judged.error - (30.0 * 0.45 + 10.0 * 0.05) / 40.0).abs() < 1e-9);
        let surest = Judged::new(&some(1.0, 1, 0), 1);
        assert!(surest.log_loss.is_finite() && surest.bins.len() == 1);
    }

    #[test]
    fn a_higher_threshold_shows_less_and_more_of_it_is_right() {
        let all = [some(0.25, 40, 10), some(0.75, 40, 30)].concat();
        let judged = Judged::new(&all, 100);
        let at = |threshold: f64| {
            let mut found = judged.thresholds.iter().filter(|of| of.at == threshold);
            let of = found.next().unwrap();
            (
                of.shown.unwrap().value,
                of.precision.unwrap().value,
                of.right.unwrap().value,
            )
        };
        assert_eq!(at(0.0), (0.8, 0.5, 0.4));
        assert_eq!(at(0.3), (0.4, 0.75, 0.3));
        assert!(
            judged
                .table()
                .contains("0.30       40.0 %       75.0 %           30.0 %"),
            "{}",
            judged.table()
        );
        let none = Judged::new(&[], 10);
        assert_eq!((none.n, none.error), (0, 0.0));
    }
}
