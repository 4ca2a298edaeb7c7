//! A deterministic model for tests and benches: it recites stories, counts what it is asked to do,
//! and checks that the engine's idea of its memory is right. No randomness, no clock.
//!
//! Its vocabulary has every byte, some words and halves of characters, so that typing changes the
//! last tokens as it does with real ones, and control tokens for fill-in-the-middle.
//!
//! ```
//! use ghostline::engine::{Engine, script::Script};
//!
//! let script = Script::new(["fn main() {\n    let answer = 42;\n}\n"]);
//! let engine = Engine::start(script.loader(), Box::new(|_status| ()));
//! engine.shut_down();
//! assert_eq!(script.drift(), None);
//! ```

mod recital;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

pub use recital::{EMPTY, ScriptModel};

use super::{
    Loader, Summary,
    model::{ModelError, Token},
};
use crate::prompt::{
    anchor::Plan,
    format::{Format, Order},
    window::Windows,
};

/// Spellings of the control tokens. All of them end a completion.
pub const END: &str = "<|endoftext|>";
pub const PREFIX: &str = "<|fim_prefix|>";
pub const SUFFIX: &str = "<|fim_suffix|>";
pub const MIDDLE: &str = "<|fim_middle|>";
pub const FILE: &str = "<|file_sep|>";
pub const REPOSITORY: &str = "<|repo_name|>";

/// What a decode does, as `on_decode` decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Go,
    Fail,
    /// The device that runs it does not go on.
    FailDevice,
    Panic,
    /// It succeeds, but none of its logits is a number.
    Nonsense,
}

/// How a [`ScriptModel`] behaves, and what all models made from it have done. Clones share the counts.
#[derive(Clone)]
pub struct Script {
    stories: Arc<Vec<Vec<u8>>>,
    sequences: usize,
    capacity: usize,
    batch_size: usize,
    keeps_parts: bool,
    joins_words: bool,
    insists_on: Option<Token>,
    on_decode: OnDecode,
    counts: Arc<Counts>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script")
            .field("sequences", &self.sequences)
            .field("capacity", &self.capacity)
            .field("batch_size", &self.batch_size)
            .field("keeps_parts", &self.keeps_parts)
            .field("joins_words", &self.joins_words)
            .field("insists_on", &self.insists_on)
            .finish_non_exhaustive()
    }
}

type OnDecode = Arc<Mutex<dyn FnMut(usize) -> Act + Send>>;

#[derive(Default)]
struct Counts {
    loads: AtomicUsize,
    decodes: AtomicUsize,
    evaluated: AtomicUsize,
    tokenised_bytes: AtomicUsize,
    drift: Mutex<Option<String>>,
}

impl Script {
    /// A model that continues the story that agrees longest with what stands left of the cursor; at
    /// a story's end it ends; where no story agrees by a byte, it says something arbitrary. Stories
    /// need not be UTF-8.
    pub fn new<Story: Into<Vec<u8>>>(stories: impl IntoIterator<Item = Story>) -> Script {
        Script {
            stories: Arc::new(stories.into_iter().map(Into::into).collect()),
            sequences: 8,
            capacity: 16_384,
            batch_size: 512,
            keeps_parts: true,
            joins_words: false,
            insists_on: None,
            on_decode: Arc::new(Mutex::new(|_: usize| Act::Go)),
            counts: Arc::default(),
        }
    }

    pub fn sequences(self, sequences: usize) -> Script {
        Script { sequences, ..self }
    }

    /// How many tokens fit, shared ones counted once.
    pub fn capacity(self, capacity: usize) -> Script {
        Script { capacity, ..self }
    }

    pub fn batch_size(self, batch_size: usize) -> Script {
        Script { batch_size, ..self }
    }

    /// A sequence can only be forgotten as a whole, as in recurrent models.
    pub fn without_truncation(self) -> Script {
        Script {
            keeps_parts: false,
            ..self
        }
    }

    /// Tokens are the longest ones that fit wherever words end, as if there were no pre-tokeniser.
    pub fn joins_words(self) -> Script {
        Script {
            joins_words: true,
            ..self
        }
    }

    /// Always finds `token` likeliest.
    pub fn insists_on(self, token: Token) -> Script {
        Script {
            insists_on: Some(token),
            ..self
        }
    }

    /// `on_decode` is called on the engine thread within each decode, with its number (0, 1, …, over
    /// all loads); it may wait, set a `Cancel`, and it decides how the decode goes on.
    pub fn on_decode(self, on_decode: impl FnMut(usize) -> Act + Send + 'static) -> Script {
        Script {
            on_decode: Arc::new(Mutex::new(on_decode)),
            ..self
        }
    }

    pub fn model(&self) -> ScriptModel {
        self.counts.loads.fetch_add(1, Ordering::SeqCst);
        ScriptModel::new(self.clone())
    }

    /// For `Engine::start`.
    pub fn loader(&self) -> Loader {
        let script = self.clone();
        Box::new(move |progress| {
            for fraction in [0.0, 0.5, 1.0] {
                if !progress(fraction) {
                    return Err(ModelError::Cancelled);
                }
            }
            Ok((Box::new(script.model()), script.summary()))
        })
    }

    /// What the loader says of the model: prefix first, then suffix, then what is typed.
    pub fn summary(&self) -> Summary {
        let spelling = |spelling: &str| Some(spelling.to_owned());
        let format = Format {
            name: "script".to_owned(),
            order: Order::Psm,
            prefix: spelling(PREFIX),
            suffix: spelling(SUFFIX),
            middle: spelling(MIDDLE),
            file_separator: spelling(FILE),
            repository: spelling(REPOSITORY),
            languages: Vec::new(),
            stop: Vec::new(),
            windows: None,
        };
        Summary {
            name: "script".to_owned(),
            plan: Plan {
                format,
                windows: Windows {
                    prefix: 2_048,
                    suffix: 512,
                    tail: 1_024,
                    context: 0,
                },
            },
            parameters: 0,
            context_length: self.capacity,
            vocabulary_size: recital::vocabulary_size(),
            gpu: None,
            threads: 1,
            tuning: None,
            nature: crate::engine::Nature::default(),
        }
    }

    /// How often a model was made.
    pub fn loads(&self) -> usize {
        self.counts.loads.load(Ordering::SeqCst)
    }

    /// How many decodes were asked for.
    pub fn decodes(&self) -> usize {
        self.counts.decodes.load(Ordering::SeqCst)
    }

    /// How many tokens were evaluated successfully.
    pub fn evaluated(&self) -> usize {
        self.counts.evaluated.load(Ordering::SeqCst)
    }

    pub fn tokenised_bytes(&self) -> usize {
        self.counts.tokenised_bytes.load(Ordering::SeqCst)
    }

    /// The first mistake the engine made about what the model holds. Tests assert that there is none.
    pub fn drift(&self) -> Option<String> {
        self.counts
            .drift
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn record_drift(&self, what: &str) {
        let mut drift = self
            .counts
            .drift
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        drift.get_or_insert_with(|| what.to_owned());
    }
}
