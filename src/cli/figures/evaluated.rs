//! How many prompt tokens were evaluated, by what was done.

use serde::Serialize;

use super::cost;
use crate::{
    cli::replay::{Kind, Sample},
    report::{mean, median},
};

/// Prompt tokens evaluated for one answer, by what was done.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::cli) struct Evaluated {
    pub(in crate::cli) mean: Option<f64>,
    pub(in crate::cli) median: Option<f64>,
    pub(in crate::cli) typed_mean: Option<f64>,
    pub(in crate::cli) typed_median: Option<f64>,
    /// Of typed characters at places that were read before. The others are those after an arrival that had no answer yet:
    /// what is left of its prompt counts as theirs, and how much that is depends on how soon they come.
    pub(in crate::cli) typed_at_read_places_mean: Option<f64>,
    /// Of an arrival (a file opened, a switch, a jump) and the keys up to the first that is answered, together, with what
    /// was read before the keys cut it off.
    pub(in crate::cli) arrival_mean: Option<f64>,
    pub(in crate::cli) newline_mean: Option<f64>,
    pub(in crate::cli) backspace_mean: Option<f64>,
    pub(in crate::cli) accept_mean: Option<f64>,
}

impl Evaluated {
    pub(super) fn new(samples: &[Sample]) -> Evaluated {
        let asked: Vec<&Sample> = samples
            .iter()
            .filter(|sample| sample.kind.is_keystroke() && sample.is_asked)
            .collect();
        let (arrivals, settled) = by_arrival(samples);
        // What a superseded request cost is not known; it counts among the latencies, and only there.
        let tokens = |is_wanted: fn(Kind) -> bool| -> Vec<f64> {
            let wanted = asked.iter().filter(|sample| is_wanted(sample.kind));
            wanted
                .filter_map(|sample| Some(cost(sample)?.usage.evaluated_tokens as f64))
                .collect()
        };
        let (all, typed) = (tokens(|_| true), tokens(|kind| kind == Kind::Typed));
        Evaluated {
            mean: mean(&all),
            median: median(&all),
            typed_mean: mean(&typed),
            typed_median: median(&typed),
            typed_at_read_places_mean: mean(&settled),
            arrival_mean: mean(&arrivals),
            newline_mean: mean(&tokens(|kind| kind == Kind::Newline)),
            backspace_mean: mean(&tokens(|kind| kind == Kind::Deleted)),
            accept_mean: mean(&tokens(|kind| kind == Kind::Accepted)),
        }
    }
}

/// What each arrival took until there was an answer, and each typed character where there had been one.
fn by_arrival(samples: &[Sample]) -> (Vec<f64>, Vec<f64>) {
    let (mut arrivals, mut settled) = (Vec::new(), Vec::new());
    let mut is_arriving = false;
    for sample in samples {
        if !sample.kind.is_keystroke() {
            is_arriving = true;
            arrivals.push(0.0);
        } else if let (true, Some(cost), Some(arrival)) =
            (is_arriving, &sample.cost, arrivals.last_mut())
        {
            *arrival += cost.ahead.evaluated_tokens as f64;
        }
        let Some(cost) = cost(sample).filter(|_| sample.is_asked) else {
            continue;
        };
        let tokens = cost.usage.evaluated_tokens as f64;
        match arrivals.last_mut().filter(|_| is_arriving) {
            Some(arrival) => *arrival += tokens,
            None if sample.kind == Kind::Typed => settled.push(tokens),
            None => {}
        }
        is_arriving = false;
    }
    (arrivals, settled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::figures::tests::sample;

    #[test]
    fn what_a_new_place_took_is_not_what_typing_there_takes() {
        let samples = [
            sample(Kind::Opened, Some(200), 300, "decoded"),
            sample(Kind::Typed, Some(2), 1, "decoded"),
            // Cut off, and the second key pays for the rest.
            sample(Kind::Switched, None, 0, "cancelled"),
            sample(Kind::Typed, None, 0, "cancelled"),
            sample(Kind::Typed, Some(20), 90, "joined"),
            sample(Kind::Typed, Some(2), 0, "decoded"),
            sample(Kind::Deleted, Some(2), 7, "decoded"),
        ];
        let evaluated = Evaluated::new(&samples);
        // With two tokens each that were read before the keys.
        assert_eq!(evaluated.arrival_mean, Some((300.0 + 2.0 + 92.0) / 2.0));
        assert_eq!(evaluated.typed_at_read_places_mean, Some(0.5));
        assert_eq!(evaluated.typed_mean, Some((1.0 + 90.0 + 0.0) / 3.0));
        let none = Evaluated::new(&[]);
        assert_eq!(
            (none.arrival_mean, none.typed_at_read_places_mean),
            (None, None)
        );
    }
}
