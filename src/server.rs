//! The language server: tokio and LSP types.
//!
//! `serve` runs one session over any pair of streams; several may run in one process. Read `wire` for the order
//! in which things happen, `inline` for what happens to a request, `asking` for how an answer is found.
//! Wiring stdio, files and signals to it is the command line's business; the protocol is written down in
//! `docs/protocol.md`.

mod ahead;
mod asking;
mod client;
mod completion;
mod convert;
mod copied;
mod copilot;
mod eagerness;
mod exclusion;
mod fates;
mod figures;
mod frame;
mod heads;
mod inferred;
mod inline;
mod jobs;
mod later;
mod models;
mod notices;
mod opening;
mod parsing;
mod peer;
mod progress;
mod remote;
mod rest;
mod session;
mod showing;
mod state;
mod status;
mod waiting;
mod wire;
mod work;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower_lsp::LspService;

use client::Client;
use session::{Methods, Session};

pub use exclusion::LIST;
pub use models::{Change, Missing, Models, Outside, Pulled};

use crate::{
    config::{Config, Layered},
    engine::{Engine, Status, remote::Settings as RemoteSettings},
    suggest::fate::Ended,
};

/// Starts an engine for a configuration: the first when `initialize` has arrived, another when the editor's
/// settings change the model. Must return at once (the model loads on the engine's thread); hands the
/// function on to [`Engine::start`].
pub type StartEngine =
    Arc<dyn Fn(&Config, Box<dyn Fn(Status) + Send + Sync>) -> Engine + Send + Sync>;

/// Hears of each suggestion that was seen and is over; there is no text in what it hears.
pub type OnEnded = Arc<dyn Fn(Ended) + Send + Sync>;

/// What a session is started with.
pub struct Options {
    /// The layers known before the editor says anything; the session adds the editor's own.
    pub config: Layered,
    pub start_engine: StartEngine,
    /// Called with the effective configuration whenever the editor has changed it, `initialize` included:
    /// the place to apply the log level. Must not block.
    pub on_config: Arc<dyn Fn(&Config) + Send + Sync>,
    /// Called for each suggestion that is over, unless the settings say that nothing is recorded. Must not block.
    pub on_ended: OnEnded,
    /// Says which documents are left alone. Called when one is opened or saved, and when what it depends on has
    /// changed; never at a keystroke.
    pub excludes: Excludes,
    pub outside: Outside,
    /// Where remote servers, keys and the user's consent are known.
    pub remotes: Arc<dyn Remotes>,
}

/// What the program knows of remote servers.
pub trait Remotes: Send + Sync {
    /// What the configuration says of them; a sentence for the user where it makes no sense.
    fn settings(&self, config: &Config) -> Result<RemoteSettings, String>;

    /// Whether the user has agreed that text goes to this host; `None` if not asked yet.
    fn consent(&self, host: &str) -> Option<bool>;

    /// Remembers the user's answer.
    fn remember(&self, host: &str, is_given: bool);
}

/// For sessions that have nothing to do with remote servers.
pub struct NoRemotes;

impl Remotes for NoRemotes {
    fn settings(&self, _: &Config) -> Result<RemoteSettings, String> {
        Err("there are no remote servers here".to_owned())
    }

    fn consent(&self, _: &str) -> Option<bool> {
        Some(false)
    }

    fn remember(&self, _: &str, _: bool) {}
}

/// Whether a document is left alone: nothing is suggested in it, and its text is no context for others.
pub type Excludes = Arc<dyn Fn(&Candidate<'_>) -> Verdict + Send + Sync>;

/// A document that may have to be left alone.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub path: &'a Path,
    /// Whether the path is one of the file system; else it is that of a URI with another scheme than `file`.
    pub is_file: bool,
    /// The folders that the editor has open.
    pub roots: &'a [PathBuf],
    /// The setting `files.exclude`.
    pub patterns: &'a [String],
}

/// What [`Excludes`] says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why the document is left alone; `None` when it is not.
    pub reason: Option<String>,
    /// What cannot be used of the user's patterns, for the user.
    pub problems: Vec<String>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client sent `exit`; clean when it had sent `shutdown` before. The exit code is 0 or 1.
    Exit { is_clean: bool },
    /// The client closed the stream, or it broke.
    Closed,
}

/// Serves one client until it leaves; returns within a second of `exit` or the end of `input`. Dropping the
/// future ends the session, too, and stops its engine.
///
/// A process that reads stdin through tokio must not wait for its threads at the end: tokio's stdin blocks one
/// until the next byte, which a client that sent `exit` may never send.
pub async fn serve<I, O>(input: I, output: O, options: Options) -> Ending
where
    I: AsyncRead + Send + Unpin + 'static,
    O: AsyncWrite + Send + Unpin + 'static,
{
    let (client, queue) = Client::new();
    let session = Arc::new(Session::new(options, client.clone()));
    let mut end = CloseOnDrop(Some(session.clone()));
    // The library's own way to the client is not used: it waits, and the engine's thread cannot.
    let service = LspService::build(|_| Methods(session.clone()))
        .custom_method("textDocument/inlineCompletion", Methods::inline_completion)
        .custom_method("ghostline/documentText", Methods::document_text)
        .custom_method("ghostline/status", Methods::status);
    let (service, _) = copilot::methods(notices::methods(service)).finish();
    let begin_later = {
        let session = session.clone();
        move || session.begin_later()
    };
    let ending = wire::run(input, output, service, client, queue, begin_later).await;
    end.0 = None;
    let closing = tokio::task::spawn_blocking(move || session.close());
    if tokio::time::timeout(CLOSE, closing).await.is_err() {
        tracing::warn!("the engine does not end; leaving it behind");
    }
    ending
}

/// How long the engine may take to end its running step.
const CLOSE: Duration = Duration::from_millis(500);

/// For a session whose future is dropped.
struct CloseOnDrop(Option<Arc<Session>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.close();
        }
    }
}
