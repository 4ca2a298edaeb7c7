//! Somebody at a keyboard: types, deletes, accepts, asks; and waits until the engine has nothing left to do.

use std::sync::{Arc, Mutex};

use ghostline::{
    document::Document,
    engine::{Cancel, DocumentId, Engine, Job, Loader, Outcome, Priority, script::Script},
    prompt::{Head, Prompt},
    suggest::{Shape, stop::Stop},
    text::ByteOffset,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::support::{
    Start, TestServer, inline_params, items,
    mirror::{Mirror, Units},
};

pub const URI: &str = "file:///a.rs";

pub struct Typist {
    pub server: TestServer,
    pub mirror: Mirror,
    pub at: usize,
    pub uri: String,
    version: i32,
    engine: Arc<Mutex<Option<Engine>>>,
}

/// Another document.
pub struct Elsewhere {
    mirror: Mirror,
    at: usize,
    uri: String,
    version: i32,
}

/// An answer: its ghost text, if any, and what it cost.
#[derive(Debug)]
pub struct Seen {
    pub ghost: Option<String>,
    pub source: String,
    pub figures: Value,
}

impl Seen {
    /// Prompt tokens evaluated for the answer.
    pub fn evaluated(&self) -> u64 {
        self.figures["usage"]["evaluated_tokens"]
            .as_u64()
            .unwrap_or(0)
    }
}

impl Typist {
    /// Opens a document with the cursor drawn as `|`.
    pub async fn start(script: &Script, settings: Value, drawn: &str) -> Typist {
        let script = script.clone();
        Typist::with_model(move || script.loader(), settings, drawn).await
    }

    pub async fn with_model(
        loader: impl Fn() -> Loader + Send + Sync + 'static,
        settings: Value,
        drawn: &str,
    ) -> Typist {
        let engine: Arc<Mutex<Option<Engine>>> = Arc::default();
        let mut start = Start::new(&Script::new(["x"]))
            .with("/initializationOptions", settings)
            .with("/capabilities/experimental/ghostline/figures", json!(true));
        let slot = engine.clone();
        start.start_engine = Arc::new(move |_, on_status| {
            let engine = Engine::start(loader(), on_status);
            *slot.lock().unwrap() = Some(engine.clone());
            engine
        });
        let server = start.ready().await;
        let (mirror, at) = Mirror::drawn(drawn, Units::Utf16);
        server.open(URI, "rust", &mirror.text).await;
        Typist {
            server,
            mirror,
            at,
            uri: URI.to_owned(),
            version: 1,
            engine,
        }
    }

    /// Replaces `range` of the text and puts the cursor behind it.
    pub async fn replace(&mut self, range: std::ops::Range<usize>, with: &str) {
        let (start, end) = (
            self.mirror.position(range.start),
            self.mirror.position(range.end),
        );
        let changes = json!([{"range": {"start": start, "end": end}, "text": with}]);
        self.at = range.start + with.len();
        self.change(changes).await;
    }

    /// Sends changes; the cursor stays where it is.
    pub async fn change(&mut self, changes: Value) {
        self.version += 1;
        self.mirror.apply(&changes);
        let document = json!({"uri": self.uri, "version": self.version});
        let params = json!({"textDocument": document, "contentChanges": changes});
        self.server.notify("textDocument/didChange", params).await;
    }

    pub async fn types(&mut self, text: &str) {
        self.replace(self.at..self.at, text).await;
    }

    pub async fn deletes(&mut self, n_bytes: usize) {
        self.replace(self.at - n_bytes..self.at, "").await;
    }

    pub async fn asks(&mut self) -> i64 {
        self.asks_as(2).await
    }

    pub async fn asks_by_hand(&mut self) -> i64 {
        self.asks_as(1).await
    }

    async fn asks_as(&mut self, trigger_kind: u32) -> i64 {
        let mut params = inline_params(&self.uri, 0, 0);
        params["position"] = self.mirror.position(self.at);
        params["context"]["triggerKind"] = json!(trigger_kind);
        self.server
            .send("textDocument/inlineCompletion", params)
            .await
    }

    pub async fn sees(&mut self, id: i64) -> Seen {
        self.saw(id).await.expect("an answer")
    }

    /// `None` if the request was superseded or cancelled.
    pub async fn saw(&mut self, id: i64) -> Option<Seen> {
        let answer = self.server.answer(id).await;
        let figures = self
            .server
            .take(|it| it["method"] == "ghostline/completed" && it["params"]["id"] == id)
            .await["params"]
            .take();
        let Ok(answer) = answer else {
            assert_eq!(answer, Err(-32800));
            return None;
        };
        let items = items(answer);
        let ghost = items.first().and_then(|item| item["insertText"].as_str());
        Some(Seen {
            ghost: ghost.map(str::to_owned),
            source: figures["source"].as_str().expect("a source").to_owned(),
            figures,
        })
    }

    pub async fn looks(&mut self) -> Seen {
        let id = self.asks().await;
        self.sees(id).await
    }

    pub async fn looks_by_hand(&mut self) -> Seen {
        let id = self.asks_by_hand().await;
        self.sees(id).await
    }

    /// The request was answered as superseded or cancelled.
    pub async fn is_refused(&mut self, id: i64) {
        assert!(self.saw(id).await.is_none());
    }

    /// Opens another document, to turn to.
    pub async fn opens(&mut self, uri: &str, text: &str) -> Elsewhere {
        self.server.open(uri, "rust", text).await;
        let mirror = Mirror {
            text: text.to_owned(),
            units: Units::Utf16,
        };
        Elsewhere {
            mirror,
            at: 0,
            uri: uri.to_owned(),
            version: 1,
        }
    }

    pub fn turns_to(&mut self, elsewhere: &mut Elsewhere) {
        std::mem::swap(&mut self.mirror, &mut elsewhere.mirror);
        std::mem::swap(&mut self.at, &mut elsewhere.at);
        std::mem::swap(&mut self.uri, &mut elsewhere.uri);
        std::mem::swap(&mut self.version, &mut elsewhere.version);
    }

    /// Makes the text `text` by one edit, as undoing does, and puts the cursor there.
    pub async fn becomes(&mut self, text: &str) {
        let (old, new) = (self.mirror.text.as_bytes(), text.as_bytes());
        let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let same = old[start..].iter().rev().zip(new[start..].iter().rev());
        let end = same.take_while(|(a, b)| a == b).count();
        let with = &text[start..text.len() - end];
        self.replace(start..old.len() - end, with).await;
    }

    /// Waits until the engine has nothing left to do, ahead or otherwise, for what it has been told so far.
    pub async fn pauses(&mut self) {
        // What was sent has been read.
        self.server.status().await;
        let engine = self.engine.lock().unwrap().clone().expect("it was started");
        loop {
            let (sender, done) = oneshot::channel();
            let snapshot = Document::new("", 0, "plain", None).snapshot();
            engine.submit(Job {
                document: DocumentId(u64::MAX),
                // Behind everything else there is, and what comes of that.
                priority: Priority::Idle(u8::MAX),
                // Nothing of which asks the model.
                prompt: Prompt {
                    head: Arc::new(Head {
                        segments: Vec::new(),
                    }),
                    tail: String::new(),
                    nearby: None,
                },
                max_tokens: 0,
                stop: Stop::new(Shape::Line, &snapshot, ByteOffset(0)),
                heals: true,
                reuses: true,
                mixes: true,
                branches: 0,
                replaces: false,
                cancel: Cancel::default(),
                progress: None,
                reply: Box::new(move |outcome| drop(sender.send(outcome))),
            });
            match done.await.expect("a reply") {
                Outcome::Done(_) => return,
                // There was no room, or something came in between.
                Outcome::Cancelled => {}
                Outcome::Failed(message) => panic!("{message}"),
            }
        }
    }

    pub async fn leaves(self) {
        drop(self.engine.lock().unwrap().take());
        self.server.finish().await;
    }
}
