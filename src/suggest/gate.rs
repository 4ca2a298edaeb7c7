//! What is too uncertain to show.

/// How sure the model was: natural-log probabilities of the generated tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Confidence {
    /// Of the first token generated.
    pub first: f32,
    /// Mean over all tokens shown.
    pub mean: f32,
}

/// Whether `confidence` reaches `threshold` (a probability per token, geometric mean; 0 shows everything).
pub fn is_worth_showing(confidence: Confidence, threshold: f32) -> bool { todo!() }
