//! Fitting the weights of the live cache: by the likelihood of what was written, over places where it is known.
//! Deterministic; for `ghostline weigh`, never at run time.

use super::{
    Votes,
    weights::{MODEL_FEATURES, PLACE_FEATURES, Weights},
};

const FEATURES: usize = PLACE_FEATURES + MODEL_FEATURES;
const ROUNDS: usize = 30;
const BATCH: usize = 64;
/// Adam's.
const RATE: f32 = 0.02;
const MOMENTUM: f32 = 0.9;
const SCALE: f32 = 0.99;
/// Weights that do nothing shrink.
const DECAY: f32 = 1e-4;
/// No probability is smaller.
const LEAST: f32 = 1e-6;

/// One token that is known.
pub struct Example {
    pub votes: Votes,
    /// Which of the votes are for it.
    pub is_right: Vec<bool>,
    /// The model's probability of it.
    pub own: f32,
}

impl Example {
    /// The probability of what was written, and how it changes with the score of each place and of the model, as the
    /// gradient of its negative logarithm.
    fn gradient(&self, weights: &Weights) -> (f32, Vec<f32>, f32) {
        let votes = &self.votes.votes;
        let scores: Vec<f32> = votes
            .iter()
            .map(|vote| weights.place(&vote.features))
            .collect();
        let model = weights.model(&self.votes.model);
        let top = scores.iter().copied().fold(model, f32::max);
        let model = (model - top).exp();
        let shares: Vec<f32> = scores.iter().map(|score| (score - top).exp()).collect();
        let all = model + shares.iter().sum::<f32>();
        let right = |at: usize| f32::from(u8::from(self.is_right[at]));
        let said: f32 = shares
            .iter()
            .enumerate()
            .map(|(at, share)| share * right(at))
            .sum();
        let good = (said + model * self.own).max(LEAST * all);
        let of_places = shares.iter().enumerate();
        let of_places = of_places.map(|(at, share)| share / all - share * right(at) / good);
        (
            good / all,
            of_places.collect(),
            model / all - model * self.own / good,
        )
    }
}

/// The mean of the negative log likelihood, in nats per token.
pub fn loss(weights: &Weights, examples: &[Example]) -> f64 {
    let each = examples
        .iter()
        .map(|it| f64::from(it.gradient(weights).0).ln());
    -each.sum::<f64>() / examples.len().max(1) as f64
}

/// As `loss`, of the model alone.
pub fn loss_alone(examples: &[Example]) -> f64 {
    let each = examples.iter().map(|it| f64::from(it.own.max(LEAST)).ln());
    -each.sum::<f64>() / examples.len().max(1) as f64
}

/// The weights under which the examples are likeliest, starting from `weights`; 30 rounds of Adam.
pub fn fit(weights: &Weights, examples: &[Example]) -> Weights {
    let mut weights = weights.clone();
    let (mut mean, mut square) = ([0.0_f32; FEATURES], [0.0_f32; FEATURES]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % examples.len()
    };
    let steps = (examples.len() / BATCH).max(1);
    let mut n_steps = 0;
    for round in 0..if examples.is_empty() { 0 } else { ROUNDS } {
        let rate = RATE * (1.0 - round as f32 / ROUNDS as f32);
        for _ in 0..steps {
            let mut gradient = [0.0_f32; FEATURES];
            for _ in 0..BATCH {
                let example = &examples[next()];
                let (_, of_places, of_model) = example.gradient(&weights);
                for (vote, slope) in example.votes.votes.iter().zip(of_places) {
                    for (sum, feature) in gradient.iter_mut().zip(vote.features) {
                        *sum += slope * feature / BATCH as f32;
                    }
                }
                for (sum, feature) in gradient[PLACE_FEATURES..]
                    .iter_mut()
                    .zip(example.votes.model)
                {
                    *sum += of_model * feature / BATCH as f32;
                }
            }
            n_steps += 1;
            let all = weights.place.iter_mut().chain(&mut weights.model);
            for (at, weight) in all.enumerate() {
                let slope = gradient[at] + DECAY * *weight;
                mean[at] += (1.0 - MOMENTUM) * (slope - mean[at]);
                square[at] += (1.0 - SCALE) * (slope * slope - square[at]);
                let scaled = (square[at] / (1.0 - SCALE.powi(n_steps))).sqrt() + 1e-8;
                *weight -= rate * mean[at] / (1.0 - MOMENTUM.powi(n_steps)) / scaled;
            }
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{mix::Vote, model::Token};

    /// A place is right when its second feature says so; the model never is.
    fn examples() -> Vec<Example> {
        let example = |is_right: bool| {
            let mut features = [0.0; PLACE_FEATURES];
            features[0] = 1.0;
            features[1] = if is_right { 2.0 } else { -2.0 };
            Example {
                votes: Votes {
                    votes: vec![Vote {
                        tokens: vec![Token(1)].into(),
                        features,
                    }],
                    model: [-1.0, 1.0],
                    total: 0.0,
                },
                is_right: vec![is_right],
                own: if is_right { 0.01 } else { 0.5 },
            }
        };
        (0..200).map(|at| example(at % 3 > 0)).collect()
    }

    #[test]
    fn fitted_weights_make_what_was_written_likely() {
        let examples = examples();
        let start = Weights {
            place: [0.0; PLACE_FEATURES],
            model: [0.0; MODEL_FEATURES],
        };
        let fitted = fit(&start, &examples);
        let (before, after) = (loss(&start, &examples), loss(&fitted, &examples));
        assert!(after < before / 2.0, "{before} {after}");
        assert!(after < loss_alone(&examples), "{after}");
        assert!(fitted.place[1] > 0.0, "{fitted:?}");
        assert_eq!(fit(&start, &examples), fitted);
        assert_eq!(fit(&start, &[]), start);
    }

    #[test]
    fn slopes_are_those_of_the_loss() {
        let examples = examples();
        let weights = Weights {
            place: [0.1; PLACE_FEATURES],
            model: [0.2; MODEL_FEATURES],
        };
        for example in &examples[..2] {
            let (_, of_places, of_model) = example.gradient(&weights);
            let loss = |weights: &Weights| -f64::from(example.gradient(weights).0).ln();
            let mut moved = weights.clone();
            moved.place[1] += 0.01;
            let slope = (loss(&moved) - loss(&weights)) / 0.01;
            let expected = f64::from(of_places[0] * example.votes.votes[0].features[1]);
            assert!((slope - expected).abs() < 0.02, "{slope} {expected}");
            let mut moved = weights.clone();
            moved.model[0] += 0.01;
            let slope = (loss(&moved) - loss(&weights)) / 0.01;
            let expected = f64::from(of_model * example.votes.model[0]);
            assert!((slope - expected).abs() < 0.02, "{slope} {expected}");
        }
    }
}
