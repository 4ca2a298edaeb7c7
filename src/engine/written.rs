//! What a job has written so far: from the bytes of tokens to text, and to the completion at the end.

use super::{Branch, Completion, Usage};
use crate::suggest::{
    gate::{self, Confidence, Likelihood},
    stop::StopReason,
};

/// Text as it is being written, and how sure the model was of it.
#[derive(Default)]
pub(super) struct Written {
    pub text: String,
    /// The start of a character whose end has not come yet.
    held_back: Vec<u8>,
    /// Whether bytes came that are no text, whatever follows.
    pub is_broken: bool,
    tokens: Vec<Likelihood>,
}

impl Written {
    /// Whether there is more text than before.
    pub fn push(&mut self, bytes: &[u8], log_probability: f32) -> bool {
        self.tokens.push(Likelihood {
            start: self.text.len() + self.held_back.len(),
            log_probability,
        });
        self.held_back.extend_from_slice(bytes);
        let before = self.text.len();
        let complete = self
            .held_back
            .utf8_chunks()
            .next()
            .map_or("", |chunk| chunk.valid());
        self.text += complete;
        let error = std::str::from_utf8(&self.held_back).err();
        self.is_broken |= error.is_some_and(|error| error.error_len().is_some());
        self.held_back.drain(..self.text.len() - before);
        self.text.len() > before
    }

    /// Keeps the first `keep` bytes.
    pub fn truncate(&mut self, keep: usize) {
        self.text.truncate(keep);
    }

    /// The tokens that something is left of.
    pub fn tokens(&self) -> &[Likelihood] {
        gate::tokens_of(&self.tokens, &(0..self.text.len()))
    }

    pub fn finish(self, stop: StopReason, branches: Vec<Branch>, usage: Usage) -> Completion {
        let tokens = self.tokens().to_vec();
        Completion {
            confidence: Confidence::of(&tokens).unwrap_or_default(),
            text: self.text,
            stop,
            tokens,
            branches,
            usage,
        }
    }
}
