//! What the places of the live cache and the model are weighed by: features, and the weights that were fitted on
//! development data.

use crate::nearby::{Left, Origin, Place};

pub const PLACE_FEATURES: usize = 18;
pub const MODEL_FEATURES: usize = 2;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    pub place: [f32; PLACE_FEATURES],
    pub model: [f32; MODEL_FEATURES],
}

/// Fitted by `ghostline weigh` with the built-in model at 2,000 places in 90 packages, none of which is measured with
/// (2026-11-26; 28,000 tokens: 2.38 nats per token by the model alone, 1.40 with the open files).
#[rustfmt::skip]
pub const WEIGHTS: Weights = Weights {
    place: [
        -4.889, 1.308, 0.518, -0.641, 0.170, 0.065, 0.438, 0.921, -0.303, 0.135, -0.552, 0.152, -0.047, 1.123, 0.227,
        0.019, -1.492, 0.013,
    ],
    model: [0.370, 0.029],
};

impl Weights {
    pub fn place(&self, features: &[f32; PLACE_FEATURES]) -> f32 {
        self.place.iter().zip(features).map(|(a, b)| a * b).sum()
    }

    pub fn model(&self, features: &[f32; MODEL_FEATURES]) -> f32 {
        self.model.iter().zip(features).map(|(a, b)| a * b).sum()
    }
}

/// Less likely is as good as impossible.
const LEAST: f32 = -12.0;

fn flag(is_so: bool) -> f32 {
    f32::from(u8::from(is_so))
}

/// What a place says, beside where it is.
pub struct Said<'a> {
    /// The bytes of the token.
    pub piece: &'a [u8],
    /// The model's own.
    pub log_probability: f32,
    /// How many places say the same.
    pub n_same: usize,
}

/// `best` is the log probability of the model's likeliest token.
pub fn of_model(best: f32) -> [f32; MODEL_FEATURES] {
    [best, best * best]
}

pub fn of_place(place: &Place, left: &Left, said: &Said<'_>) -> [f32; PLACE_FEATURES] {
    let matched = (1.0 + place.matched as f32).ln();
    let above = |least: f32| (matched - least.ln()).max(0.0);
    let is_start = flag(left.is_line_start());
    let is_line = flag(place.is_line) * (1.0 - is_start);
    [
        1.0,
        matched,
        above(8.0),
        above(24.0),
        is_line,
        is_line * (1.0 + left.line_length() as f32).ln(),
        is_line * flag(place.is_line_above),
        is_start,
        is_start * matched,
        is_start * flag(place.is_line_above),
        flag(place.origin == Origin::OtherFile),
        flag(place.origin == Origin::After),
        (1.0 + place.distance as f32).ln(),
        flag(place.is_longest),
        said.log_probability.max(LEAST),
        (said.n_same as f32).ln(),
        flag(
            said.piece
                .first()
                .is_some_and(|byte| matches!(byte, b'\n' | b'\r')),
        ),
        flag(left.ends_in_word()),
    ]
}
