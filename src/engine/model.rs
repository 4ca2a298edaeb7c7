//! What the engine needs from a language model, at the level of tokens.

use std::time::Duration;

use super::Cancel;

/// A token id of the model's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub i32);

/// One line of KV cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(pub usize);

/// Implemented by `llama.rs` (the only file that knows llama.cpp) and by `script.rs`.
///
/// Not `Send`: it lives and dies on the engine thread.
pub trait Model {
    /// How many tokens the vocabulary has; ids are `0..vocabulary_size`.
    fn vocabulary_size(&self) -> usize;

    /// The bytes of `token`; not necessarily UTF-8 on their own; empty for control tokens.
    fn piece(&self, token: Token) -> &[u8];

    /// Whether `token` ends a completion: end of text, end of turn, any control token.
    fn is_end(&self, token: Token) -> bool;

    /// Splits `text` into tokens. Control tokens spelled in it are not recognised; no BOS is added.
    fn tokenize(&self, text: &str) -> Vec<Token>;

    /// The control token with this spelling.
    fn special(&self, spelling: &str) -> Option<Token>;

    /// What every prompt starts with, when the model wants one.
    fn start_token(&self) -> Option<Token>;

    /// How many sequences there are.
    fn sequences(&self) -> usize;

    /// How many tokens all sequences together may hold; shared tokens count once.
    fn capacity(&self) -> usize;

    /// How many tokens one `decode` may take at most.
    fn batch_size(&self) -> usize;

    /// Forgets everything of `sequence` from the `len`-th token on. False if the model cannot keep a
    /// part (recurrent and sliding-window models): then it has forgotten the whole sequence.
    fn truncate(&mut self, sequence: Sequence, len: usize) -> bool;

    /// Makes `to` hold the first `len` tokens of `from`, shared, not copied; what `to` held is forgotten.
    fn copy(&mut self, from: Sequence, to: Sequence, len: usize);

    /// Appends `tokens` (at least one, at most a batch) to `sequence`, which holds `len` already.
    /// Afterwards `logits(i)` is the row for the i-th of the last `rows` tokens (1 ≤ rows ≤ tokens.len()).
    /// After `Cancelled` nothing of `tokens` is held.
    fn decode(
        &mut self,
        sequence: Sequence,
        len: usize,
        tokens: &[Token],
        rows: usize,
        cancel: &Cancel,
    ) -> Result<(), ModelError>;

    /// A row of logits of the last successful `decode`, one per vocabulary entry.
    fn logits(&self, row: usize) -> &[f32];

    /// Whether somebody waits for what is computed from now on; if not, it need not be as fast as can be.
    fn hurry(&mut self, _is_awaited: bool) {}

    /// For how long nobody has to want anything before `rest` is called; `None` if it need not be.
    fn rests_after(&self) -> Option<Duration> {
        None
    }

    /// Does what is for calm moments. Ends within a step of being cancelled, which happens as soon as somebody waits.
    fn rest(&mut self, _cancel: &Cancel) {}
}

/// What can go wrong with a model. Each is a sentence for the user with the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error(
        "model file `{0}` not found; give the path of a GGUF file, or leave `--model` away to use the built-in model"
    )]
    NotFound(String),
    #[error(
        "model `{name}`{size} is not on this machine yet; fetch it with `ghostline models pull {name}`"
    )]
    NotFetched { name: String, size: String },
    #[error(
        "no model is called `{name}`; {hint}`ghostline models list` shows those that are known"
    )]
    UnknownName { name: String, hint: String },
    #[error(
        "`{missing}` is missing: the model is cut into {count} files, and all have to stand in one folder; fetch that one, too"
    )]
    MissingPart { missing: String, count: usize },
    #[error("`{file}` is not the first of the model's files; give `{first}`")]
    NotFirstPart { file: String, first: String },
    #[error(
        "`{file}` holds no model but a thing of the kind `{kind}`; give a model's GGUF file, adapters with `--lora`"
    )]
    NoModel { file: String, kind: String },
    #[error(
        "`{0}` is no LoRA adapter; give one in llama.cpp's GGUF format (`convert_lora_to_gguf.py` makes them)"
    )]
    NoAdapter(String),
    #[error(
        "the adapter `{file}` is for models of the architecture `{of}`, the model is of `{model}`; use the model that it was trained on"
    )]
    WrongAdapter {
        file: String,
        of: String,
        model: String,
    },
    #[error("`{0}` is a directory; give the path of a GGUF file in it")]
    IsDirectory(String),
    #[error("no permission to read `{0}`; change its permissions or choose another file")]
    NoPermission(String),
    #[error("`{0}` is not a GGUF file; ghostline reads models in llama.cpp's GGUF format")]
    NotGguf(String),
    #[error("`{0}` ends early: it is an incomplete download; fetch it again")]
    Truncated(String),
    #[error(
        "`{0}` was written into while it was in use; it is loaded again once it is complete. To replace a model, copy the new one next to it and rename it"
    )]
    Overwritten(String),
    #[error("{0}")]
    Format(#[from] crate::prompt::format::FormatError),
    #[error("llama.cpp cannot load `{file}`: {reason}")]
    Unsupported { file: String, reason: String },
    #[error("nothing can be computed: {0}")]
    NoBackend(String),
    #[error("the model's memory is full")]
    Full,
    #[error("cancelled")]
    Cancelled,
    #[error("the model failed: {0}")]
    Failed(String),
    /// The device that runs the model, not the model: it is to be loaded again, with less on the device.
    #[error("the GPU failed ({0}); the model is loaded again with less of it there")]
    Device(String),
}
