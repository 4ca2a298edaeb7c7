//! What a replay types into: a server that gives ghost text, and the editor around it. `editor.rs` is the
//! language client, `infill.rs` the client of a llama.cpp server.

use std::time::{Duration, Instant};

use super::{editor::Item, typing::Session, typist::Change};

/// An editor with a server behind it.
pub(super) trait Peer {
    /// Opens a file, or brings an open one to the front. `document` tells it from the others.
    fn open(&mut self, document: usize, session: &Session, text: &str) -> anyhow::Result<()>;

    /// Closes all files; what is still to come about them is dropped.
    fn close(&mut self) -> anyhow::Result<()>;

    /// A key is pressed: the change (`text` is what it applies to), and the cursor in the text after it. What is
    /// said of it later is said under the number `key`. Returns the time just before anything is sent.
    fn press(
        &mut self,
        key: usize,
        change: Option<(&str, &Change)>,
        after: (&str, usize),
    ) -> anyhow::Result<Instant>;

    /// The next event, or `None` when none came until `deadline`. What the editor sends later than at the
    /// key is sent meanwhile.
    fn receive(&mut self, deadline: Instant) -> anyhow::Result<Option<Event>>;
}

/// What happens between two keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// Ghost text has been asked for; `at` is just before the request's first byte left.
    Asked {
        key: usize,
        at: Instant,
    },
    /// The answer; `None` when it was refused, as superseded requests are. `at` is just after its last byte came.
    Answer {
        key: usize,
        at: Instant,
        items: Option<Vec<Item>>,
    },
    Cost {
        key: usize,
        cost: Cost,
    },
}

/// What a server says that an answer took.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default)]
pub(super) struct Cost {
    #[serde(skip_serializing)]
    pub(super) id: i64,
    /// Where the answer came from, or why there is none.
    pub(super) source: String,
    /// Nothing but zeros where the engine was not needed.
    pub(super) usage: Usage,
    /// Why the model stopped, if it said anything.
    pub(super) stop: Option<String>,
    /// What else was computed since the answer before.
    pub(super) ahead: Ahead,
}

/// The part of the engine's account that is of use here.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default)]
pub(super) struct Usage {
    pub(super) evaluated_tokens: u64,
    pub(super) generated_tokens: u64,
    /// Of these, the ones that were still there from before.
    pub(super) replayed_tokens: u64,
    pub(super) queued_us: u64,
    pub(super) prompt_us: u64,
    pub(super) decode_us: u64,
}

impl Usage {
    /// Tokens that took the model a step each, or a part of one.
    pub(super) fn decoded_tokens(&self) -> u64 {
        self.generated_tokens.saturating_sub(self.replayed_tokens)
    }

    /// Whether the model had to compute anything for it.
    pub(super) fn is_fresh(&self) -> bool {
        self.evaluated_tokens + self.decoded_tokens() > 0
    }
}

/// Work done while nobody waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default)]
pub(super) struct Ahead {
    pub(super) evaluated_tokens: u64,
    pub(super) generated_tokens: u64,
}

/// When an editor says what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Profile {
    /// Ghost text is asked for with every key, in one write with the change
    #[default]
    Eager,
    /// Every change at once, the request 50 ms later if no other key came, as VS Code does
    Vscode,
    /// Changes at most every 150 ms, a request 200 ms after the last key, as Neovim does
    Neovim,
}

impl Profile {
    pub(super) fn name(self) -> &'static str {
        match self {
            Profile::Eager => "eager",
            Profile::Vscode => "vscode",
            Profile::Neovim => "neovim",
        }
    }

    /// How long after a key ghost text is asked for, if no other key comes.
    pub(super) fn request_delay(self) -> Duration {
        match self {
            Profile::Eager => Duration::ZERO,
            Profile::Vscode => Duration::from_millis(50),
            Profile::Neovim => Duration::from_millis(200),
        }
    }

    /// The shortest time between two messages with changes; the changes in between wait.
    pub(super) fn change_interval(self) -> Duration {
        match self {
            Profile::Eager | Profile::Vscode => Duration::ZERO,
            Profile::Neovim => Duration::from_millis(150),
        }
    }

    /// Whether a request that has no answer is cancelled at the next key.
    pub(super) fn cancels(self) -> bool {
        self != Profile::Neovim
    }
}
