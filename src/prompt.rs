//! Prompts: a frozen head and a growing tail. Text only; the engine turns it into tokens.

pub mod anchor;
pub mod context;
mod families;
pub mod format;
mod outline;
pub mod parts;
pub mod window;

use std::sync::Arc;

use crate::nearby::Nearby;

/// One piece of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A control token by its spelling in the vocabulary (`<|fim_prefix|>`): always exactly one token.
    Special(String),
    /// Text; tokenised without looking for control tokens in it.
    Text(String),
    /// The text behind the cursor; the same but for the end at which it is shortened.
    Suffix(String),
}

/// The part of a prompt that stays as it is while a person types. Shared, so that its tokens are
/// computed once: the engine remembers them by the address of the `Arc`.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub segments: Vec<Segment>,
}

/// A prompt: everything in `head`, then the text typed since the anchor.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub head: Arc<Head>,
    /// From the anchor (a line start) to the cursor.
    pub tail: String,
    /// What stands elsewhere; `None` to go by the model alone.
    pub nearby: Option<Arc<Nearby>>,
}

/// The nearest character boundary at or before `at`, at most the end of `text`.
/// (`str::floor_char_boundary` is newer than the Rust that this package asks for.)
pub(crate) fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}
