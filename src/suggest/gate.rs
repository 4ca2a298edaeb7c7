//! What is too uncertain to show.

use std::ops::Range;

/// How sure the model was: natural-log probabilities of the generated tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Confidence {
    /// Of the first token generated.
    pub first: f32,
    /// Mean over all tokens shown.
    pub mean: f32,
}

/// One token of a completion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// Where the token starts in the text, in bytes.
    pub start: usize,
    /// Natural logarithm.
    pub log_probability: f32,
}

impl Confidence {
    /// Of text that is made of `tokens`; `None` where there are none.
    pub fn of(tokens: &[Likelihood]) -> Option<Confidence> {
        let sum: f32 = tokens.iter().map(|token| token.log_probability).sum();
        Some(Confidence {
            first: tokens.first()?.log_probability,
            mean: sum / tokens.len() as f32,
        })
    }
}

/// The tokens, in order, that a part of the text is made of. One that only ends there belongs to it with all of its
/// likelihood.
pub fn tokens_of<'t>(tokens: &'t [Likelihood], part: &Range<usize>) -> &'t [Likelihood] {
    let end = tokens.partition_point(|token| token.start < part.end);
    let first = tokens.partition_point(|token| token.start < part.start);
    let begins = tokens.get(first).map(|token| token.start);
    let first = match begins {
        Some(start) if start == part.start => first,
        _ => first.saturating_sub(1),
    };
    tokens.get(first..end).unwrap_or_default()
}

/// Whether `confidence` reaches `threshold` (a probability per token, geometric mean; 0 shows everything).
///
/// The geometric mean of n probabilities is the n-th root of their product, which is `exp` of the mean of
/// their logarithms. It does not punish length, as the product would. A mean that is not a number (a
/// broken model, no token at all) is not shown.
pub fn is_worth_showing(confidence: Confidence, threshold: f32) -> bool {
    threshold <= 0.0 || confidence.mean.exp() >= threshold
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(probabilities: &[f32], threshold: f32, is_shown: bool) {
        let sum: f32 = probabilities
            .iter()
            .map(|probability| probability.ln())
            .sum();
        let confidence = Confidence {
            first: probabilities[0].ln(),
            mean: sum / probabilities.len() as f32,
        };
        assert_eq!(is_worth_showing(confidence, threshold), is_shown);
    }

    #[test]
    fn a_part_is_made_of_the_tokens_that_reach_into_it() {
        let tokens = [0, 3, 4, 8].map(|start| Likelihood {
            start,
            log_probability: -(start as f32),
        });
        let starts = |part: Range<usize>| -> Vec<usize> {
            let tokens = tokens_of(&tokens, &part);
            tokens.iter().map(|token| token.start).collect()
        };
        assert_eq!(starts(0..9), [0, 3, 4, 8]);
        assert_eq!(starts(0..8), [0, 3, 4]);
        assert_eq!(starts(2..4), [0, 3]);
        assert_eq!(starts(3..4), [3]);
        assert_eq!(starts(6..9), [4, 8]);
        assert_eq!(starts(9..12), [8]);
        assert_eq!(Confidence::of(tokens_of(&[], &(0..4))), None);
        let all = Confidence::of(&tokens).expect("there are tokens");
        assert_eq!((all.first, all.mean), (0.0, -15.0 / 4.0));
    }

    #[test]
    fn the_geometric_mean_of_the_tokens_decides() {
        check(&[0.9, 0.4], 0.59, true);
        check(&[0.9, 0.4], 0.61, false);
    }

    #[test]
    fn length_alone_does_not_hide_a_suggestion() {
        check(&[0.8; 100], 0.7, true);
    }

    #[test]
    fn one_certain_token_does_not_save_the_rest() {
        check(&[1.0, 0.01, 0.01], 0.3, false);
    }

    #[test]
    fn a_threshold_of_zero_shows_everything() {
        check(&[1e-30], 0.0, true);
        assert!(is_worth_showing(
            Confidence {
                first: f32::NAN,
                mean: f32::NAN
            },
            0.0
        ));
    }

    #[test]
    fn a_broken_model_shows_nothing() {
        assert!(!is_worth_showing(
            Confidence {
                first: f32::NAN,
                mean: f32::NAN
            },
            0.1
        ));
        assert!(!is_worth_showing(
            Confidence {
                first: 0.0,
                mean: f32::NEG_INFINITY
            },
            0.1
        ));
    }
}
