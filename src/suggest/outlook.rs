//! Whether a completion that is still being written can be worth showing at all, so that whoever waits for one that
//! will not be shown hears so at once. A bound, not a guess: what is given up is never shown.

use super::{
    Shape,
    gate::{self, Confidence, Evidence, Likelihood},
    place::Place,
};
use crate::{document::Snapshot, text::ByteOffset};

/// More tokens than any completion has.
const MOST_TOKENS: usize = 4096;
/// For the last digits of sums that are taken in another order.
const MARGIN: f64 = 1e-6;

/// Follows the tokens of one completion.
#[derive(Clone, Debug)]
pub struct Outlook {
    family: String,
    /// What `completion.min_confidence` is here.
    threshold: f64,
    /// The text left of the cursor on its line.
    left: String,
    /// Whether what was written last may be cut off at the end.
    may_shrink: bool,
    longest: usize,
    /// Of the tokens looked at; `mean` is their sum.
    so_far: Confidence,
    /// What there was at some time might be shown, were the rest of it cut off.
    was_good: bool,
}

impl Outlook {
    /// Of a completion of at most `longest` tokens at `cursor`, by a model of this family.
    pub fn new(
        family: &str,
        threshold: f64,
        (snapshot, cursor): (&Snapshot, ByteOffset),
        shape: Shape,
        longest: usize,
    ) -> Outlook {
        Outlook {
            family: family.to_owned(),
            threshold,
            left: Place::of(snapshot, cursor).left,
            may_shrink: shape == Shape::Block,
            longest: longest.min(MOST_TOKENS),
            so_far: Confidence::default(),
            was_good: false,
        }
    }

    /// Whether nothing that begins with these tokens, which begin with those of the last call, will be shown. Linear in
    /// how many tokens there may be.
    pub fn is_hopeless(&mut self, tokens: &[Likelihood]) -> bool {
        let seen = usize::from(self.so_far.tokens);
        for token in tokens.get(seen..).unwrap_or_default() {
            let before = usize::from(self.so_far.tokens);
            self.was_good |= self.may_shrink && before > 0 && self.is_good(before);
            self.add(token.log_probability);
        }
        let seen = usize::from(self.so_far.tokens);
        // Tokens to come can be certain, and then they change neither the sum nor the least; the mean they improve.
        let can_be_good = || (seen..=self.longest.max(seen)).any(|tokens| self.is_good(tokens));
        seen > 0 && !self.was_good && !can_be_good()
    }

    fn add(&mut self, log_probability: f32) {
        let Confidence {
            first,
            mean: sum,
            least,
            tokens,
        } = &mut self.so_far;
        if *tokens == 0 {
            *first = log_probability;
        }
        *sum += log_probability;
        *least = least.min(log_probability);
        *tokens = tokens.saturating_add(1);
    }

    /// Whether it may be worth showing if there are so many tokens in the end.
    fn is_good(&self, tokens: usize) -> bool {
        let confidence = Confidence {
            mean: self.so_far.mean / tokens as f32,
            tokens: tokens.try_into().unwrap_or(u16::MAX),
            ..self.so_far
        };
        let evidence = Evidence::new(confidence, &self.left, "");
        let best = gate::at_best(&evidence, &self.family, self.may_shrink);
        // A broken model is found out at the end.
        best.is_nan() || gate::is_worth_showing(best + MARGIN, self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suggest::at_cursor;

    /// At the place that `is_shown` judges.
    fn outlook(family: &str, threshold: f64, shape: Shape) -> Outlook {
        let (snapshot, cursor) = at_cursor("rust", "    let x|\n");
        Outlook::new(family, threshold, (&snapshot, cursor), shape, 24)
    }

    /// Numbers that are as good as random, in 0..1.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> f64 {
            self.0 = (self.0)
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f64 / (1u64 << 24) as f64
        }
    }

    fn likelihoods(probabilities: &[f32]) -> Vec<Likelihood> {
        let token = |(start, probability): (usize, &f32)| Likelihood {
            start,
            log_probability: probability.ln(),
        };
        probabilities.iter().enumerate().map(token).collect()
    }

    fn is_shown(tokens: &[Likelihood], family: &str, threshold: f64, shown: &str) -> bool {
        let confidence = Confidence::of(tokens).unwrap();
        let evidence = Evidence::new(confidence, "    let x", shown);
        gate::is_worth_showing(gate::probability(&evidence, family), threshold)
    }

    /// Of how many random completions it said early that they are hopeless, and how many were not shown.
    fn check(family: &str, shape: Shape, threshold: f64) -> (usize, usize) {
        let mut numbers = Numbers(1);
        let (mut given_up, mut unshown) = (0, 0);
        for _ in 0..400 {
            let n_tokens = 1 + (numbers.next() * 24.0) as usize;
            let sureness = 8.0 * numbers.next();
            let probabilities: Vec<f32> = (0..n_tokens)
                .map(|_| numbers.next().powf(1.0 / (1.0 + sureness * sureness)) as f32)
                .collect();
            let tokens = likelihoods(&probabilities);
            let mut outlook = outlook(family, threshold, shape);
            let lost = (1..=n_tokens).find(|&n| outlook.is_hopeless(&tokens[..n]));
            let texts: &[&str] = match shape {
                Shape::Line => &["", "f(x);"],
                Shape::Block => &["", "f(x);", "f(x);\n    y"],
            };
            let shortest = match shape {
                Shape::Line => n_tokens,
                Shape::Block => 1,
            };
            let is_shown = (shortest..=n_tokens)
                .flat_map(|n| texts.iter().map(move |text| (n, text)))
                .any(|(n, text)| is_shown(&tokens[..n], family, threshold, text));
            assert!(!(is_shown && lost.is_some()), "{lost:?}: {probabilities:?}");
            unshown += usize::from(!is_shown);
            given_up += usize::from(lost.is_some_and(|at| at < n_tokens));
        }
        (given_up, unshown)
    }

    #[test]
    fn what_is_given_up_would_not_have_been_shown_however_it_ends() {
        for family in ["ghostline", "nobody's"] {
            for threshold in [0.1, 0.2, 0.6] {
                let (given_up, unshown) = check(family, Shape::Line, threshold);
                assert!(
                    2 * given_up > unshown,
                    "{family}, {threshold}: {given_up} of {unshown}"
                );
                check(family, Shape::Block, threshold);
            }
        }
        assert!(check("ghostline", Shape::Block, 0.2).0 > 0);
        assert_eq!(check("ghostline", Shape::Line, 0.0).0, 0, "asked by hand");
    }

    #[test]
    fn a_first_token_that_is_unlikely_is_enough() {
        let is_hopeless = |probabilities: &[f32], shape| {
            let mut outlook = outlook("ghostline", 0.2, shape);
            outlook.is_hopeless(&likelihoods(probabilities))
        };
        for shape in [Shape::Line, Shape::Block] {
            assert!(is_hopeless(&[0.1], shape));
            assert!(!is_hopeless(&[0.9], shape));
            assert!(!is_hopeless(&[], shape));
            assert!(!is_hopeless(&[f32::NAN], shape));
        }
        // The end of a block may be cut off, that of a line may not.
        assert!(is_hopeless(&[0.9, 0.9, 0.01], Shape::Line));
        assert!(!is_hopeless(&[0.9, 0.9, 0.01], Shape::Block));
    }
}
