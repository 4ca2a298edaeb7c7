//! The weights of the gate, found on what suggestions were right: logistic regression, with a small penalty on large
//! weights, and none below 0 for what tells how likely tokens are (`gate::N_LIKELIHOODS`), so that a surer model is
//! never trusted less; and none above 0 for the length of the text, which is still growing when it is first judged: else
//! nothing could be given up early (`suggest/outlook.rs`).

use crate::suggest::gate::{CHARACTERS, Evidence, FEATURES, N_LIKELIHOODS, Weights};

const N: usize = FEATURES.len();
/// The penalty, in suggestions: with thousands of them it only decides between features that say the same.
const PENALTY: f64 = 1.0;
const ROUNDS: usize = 300;
/// A round that changes no weight by more is the last one.
const STILL: f64 = 1e-7;

/// The weights that make what is known most likely; `None` where nothing can be learnt, since all suggestions were right
/// or all were wrong. `from` says what they were found on.
pub(super) fn fit(known: &[(Evidence, bool)], from: String) -> Option<Weights> {
    let is_broken = |row: &[f64; N]| row.iter().any(|feature| !feature.is_finite());
    let rows: Vec<([f64; N], bool)> = known
        .iter()
        .map(|(evidence, is_right)| (evidence.features(), *is_right))
        .filter(|(row, _)| !is_broken(row))
        .collect();
    let n_right = rows.iter().filter(|(_, is_right)| *is_right).count();
    if n_right == 0 || n_right == rows.len() {
        return None;
    }
    let (means, scales) = scale(&rows);
    let standard: Vec<[f64; N]> = rows
        .iter()
        .map(|(row, _)| std::array::from_fn(|i| (row[i] - means[i]) / scales[i]))
        .collect();

    // Newton's method along one weight after the other, each kept on the side of 0 where it has to be.
    let mut intercept = 0.0;
    let mut weights = [0.0; N];
    let mut sums = vec![0.0; rows.len()];
    for _ in 0..ROUNDS {
        let mut change: f64 = 0.0;
        for at in 0..=N {
            let feature = |row: &[f64; N]| row.get(at).copied().unwrap_or(1.0);
            let (mut slope, mut curve) = (0.0, 0.0);
            for ((row, sum), (_, is_right)) in standard.iter().zip(&sums).zip(&rows) {
                let probability = 1.0 / (1.0 + f64::exp(-sum));
                let x = feature(row);
                slope += (f64::from(u8::from(*is_right)) - probability) * x;
                curve += probability * (1.0 - probability) * x * x;
            }
            let old = weights.get(at).copied().unwrap_or(intercept);
            let penalty = if at < N { PENALTY } else { 0.0 };
            let step = (slope - penalty * old) / (curve + penalty + 1e-9);
            let mut new = old + step.clamp(-1.0, 1.0);
            if at < N_LIKELIHOODS {
                new = new.max(0.0);
            } else if at == CHARACTERS {
                new = new.min(0.0);
            }
            match weights.get_mut(at) {
                Some(weight) => *weight = new,
                None => intercept = new,
            }
            for (sum, row) in sums.iter_mut().zip(&standard) {
                *sum += (new - old) * feature(row);
            }
            change = change.max((new - old).abs());
        }
        if change < STILL {
            break;
        }
    }

    let plain = |at: usize| weights[at] / scales[at];
    let shift: f64 = (0..N).map(|at| plain(at) * means[at]).sum();
    let named = FEATURES.iter().enumerate();
    Some(Weights {
        from,
        intercept: rounded(intercept - shift),
        weights: named
            .map(|(at, name)| ((*name).to_owned(), rounded(plain(at))))
            .collect(),
    })
}

/// Means and standard deviations of the features.
fn scale(rows: &[([f64; N], bool)]) -> ([f64; N], [f64; N]) {
    let n = rows.len() as f64;
    let mean = |of: &dyn Fn(&[f64; N]) -> f64| rows.iter().map(|(row, _)| of(row)).sum::<f64>() / n;
    let means: [f64; N] = std::array::from_fn(|i| mean(&|row| row[i]));
    let scales = std::array::from_fn(|i| {
        let deviation = mean(&|row| (row[i] - means[i]).powi(2)).sqrt();
        // A feature that never changes says nothing.
        if deviation < 1e-9 { 1.0 } else { deviation }
    });
    (means, scales)
}

/// Four places are as many as mean anything.
fn rounded(weight: f64) -> f64 {
    // No `-0`.
    (weight * 1e4).round() / 1e4 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::random::Random, suggest::gate::Confidence};

    /// Suggestions that are right as often as `truth` says.
    fn sample(n: usize, truth: impl Fn(&Evidence) -> f64) -> Vec<(Evidence, bool)> {
        let mut random = Random::new(5);
        let mut one = || {
            let mean = -3.0 * random.unit() as f32;
            let confidence = Confidence {
                first: mean * random.unit() as f32,
                mean,
                least: mean * (1.0 + random.unit() as f32),
                tokens: 1 + random.below(12) as u16,
            };
            let shown = "x".repeat(1 + random.below(30));
            let left = "y".repeat(random.below(4));
            let evidence = Evidence::new(confidence, &left, &shown);
            (evidence, random.happens(truth(&evidence)))
        };
        (0..n).map(|_| one()).collect()
    }

    #[test]
    fn the_weights_that_made_the_suggestions_are_found_again() {
        let truth = Weights {
            from: String::new(),
            intercept: 1.0,
            weights: [("mean".to_owned(), 1.5), ("characters".to_owned(), -0.5)].into(),
        };
        let known = sample(20_000, |evidence| truth.probability(evidence));
        let found = fit(&known, "x".to_owned()).unwrap();
        let apart = |(evidence, _): &(Evidence, bool)| {
            (found.probability(evidence) - truth.probability(evidence)).abs()
        };
        let apart: f64 = known.iter().map(apart).sum::<f64>() / known.len() as f64;
        assert!(apart < 0.015, "{apart} {found:?}");
        assert_eq!(fit(&known, "x".to_owned()), Some(found));
    }

    #[test]
    fn a_surer_model_is_never_trusted_less_whatever_the_data_say() {
        let known = sample(
            2000,
            |evidence| if evidence.mean < -1.5 { 0.9 } else { 0.1 },
        );
        let found = fit(&known, String::new()).unwrap();
        assert!(
            found.in_order()[..N_LIKELIHOODS]
                .iter()
                .all(|weight| *weight >= 0.0)
        );
    }

    #[test]
    fn a_longer_text_is_never_likelier_right_whatever_the_data_say() {
        assert_eq!(FEATURES[CHARACTERS], "characters");
        let known = sample(2000, |evidence| evidence.characters as f64 / 40.0);
        assert_eq!(
            fit(&known, String::new()).unwrap().in_order()[CHARACTERS],
            0.0
        );
    }

    #[test]
    fn nothing_is_learnt_from_nothing() {
        let right: Vec<_> = sample(50, |_| 1.1);
        assert_eq!(fit(&right, String::new()), None);
        assert_eq!(fit(&[], String::new()), None);
        let broken = Evidence {
            mean: f32::NAN,
            ..Evidence::default()
        };
        assert_eq!(fit(&[(broken, true), (broken, false)], String::new()), None);
    }
}
