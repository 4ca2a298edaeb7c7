//! What a change costs in a file of a megabyte, through the whole server: also while the file is being parsed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ghostline::{
    config::Layered,
    engine::{Engine, script::Script},
    exclude,
    server::{NoRemotes, Options, Outside, serve},
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};

const CHANGES: usize = 1_000;
/// A person who types fast.
const GAP: Duration = Duration::from_millis(10);
/// One change of so many is followed by a request for ghost text, not timed: for an editor that never asks, the server
/// soon stops beginning its work at the change.
const ASKED: usize = 8;

/// Types into the middle of `text`, now and then a quote, which turns the rest of the file around. Says what the
/// median and the 99th percentile of a change are, each with a small request behind it that tells when it is done,
/// so that the wire both ways is part of it.
pub fn bench(text: &str, budget: Duration) {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let times = runtime.block_on(times(text));
    let (median, high) = (times[CHANGES / 2], times[CHANGES * 99 / 100]);
    let verdict = if high <= budget { "within" } else { "OVER" };
    println!(
        "change in 1 MB, with parses beside it: median {median:?}, 99 % {high:?}, {verdict} its budget of {budget:?}\n"
    );
}

async fn times(text: &str) -> Vec<Duration> {
    let script = Script::new(["let answer = 42;\n"]);
    let (to, input) = duplex(4 << 20);
    let (output, from) = duplex(4 << 20);
    let options = Options {
        config: Layered::new(),
        start_engine: Arc::new(move |_, on_status| Engine::start(script.loader(), on_status)),
        on_config: Arc::new(|_| ()),
        on_ended: Arc::new(|_| ()),
        excludes: Arc::new(exclude::verdict),
        outside: Outside::default(),
        remotes: Arc::new(NoRemotes),
    };
    let session = tokio::spawn(serve(input, output, options));
    let mut client = Client {
        to,
        from: BufReader::new(from),
    };
    client.ask("initialize", json!({"capabilities": {}})).await;
    client.tell("initialized", json!({})).await;
    let uri = "file:///large.rs";
    let document = json!({"uri": uri, "languageId": "rust", "version": 0, "text": text});
    client
        .tell("textDocument/didOpen", json!({"textDocument": document}))
        .await;
    let middle = text[..text.len() / 2].rfind('\n').expect("it has lines");
    let line = text[..middle].matches('\n').count();
    let character = middle - text[..middle].rfind('\n').map_or(0, |at| at + 1);
    let mut times = Vec::new();
    for number in 0..CHANGES {
        tokio::time::sleep(GAP).await;
        // Every other change takes the one before back.
        let (start, end) = (character, character + number % 2);
        let typed = match number % 20 {
            typed if typed % 2 == 1 => "",
            0 => "\"",
            _ => "x",
        };
        let position = |character: usize| json!({"line": line, "character": character});
        let range = json!({"start": position(start), "end": position(end)});
        let params = json!({
            "textDocument": {"uri": uri, "version": number + 1},
            "contentChanges": [{"range": range, "text": typed}],
        });
        let started = Instant::now();
        client.tell("textDocument/didChange", params).await;
        client.ask("ghostline/status", Value::Null).await;
        times.push(started.elapsed());
        if number % ASKED == 0 {
            let asked = json!({
                "textDocument": {"uri": uri},
                "position": position(character + typed.len()),
                "context": {"triggerKind": 1},
            });
            client.ask("textDocument/inlineCompletion", asked).await;
        }
    }
    client.ask("shutdown", Value::Null).await;
    client.tell("exit", Value::Null).await;
    drop(client);
    drop(session.await);
    times.sort();
    times
}

/// Sends one message after the other; what is not an answer is not read closely.
struct Client {
    to: DuplexStream,
    from: BufReader<DuplexStream>,
}

impl Client {
    async fn send(&mut self, message: Value) {
        let body = message.to_string();
        let message = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let sent = self.to.write_all(message.as_bytes()).await;
        sent.expect("the server reads");
    }

    async fn tell(&mut self, method: &str, params: Value) {
        self.send(json!({"jsonrpc": "2.0", "method": method, "params": params}))
            .await;
    }

    /// Sends a request and waits for its answer.
    async fn ask(&mut self, method: &str, params: Value) {
        let mut message = json!({"jsonrpc": "2.0", "id": 1, "method": method});
        if !params.is_null() {
            message["params"] = params;
        }
        self.send(message).await;
        while self.read().await.get("id") != Some(&json!(1)) {}
    }

    async fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            let read = self.from.read_line(&mut line).await;
            read.expect("the server writes");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length:") {
                length = value.trim().parse().expect("a number");
            }
        }
        let mut body = vec![0; length];
        let read = self.from.read_exact(&mut body).await;
        read.expect("the server writes");
        serde_json::from_slice(&body).expect("the server writes JSON")
    }
}
