//! What editors tell beside the LSP, and what comes of it.

use std::sync::Arc;

use ghostline::engine::{Engine, Loader, script::Script};
use serde_json::{Value, json};

use crate::{
    support::{Start, TestServer},
    typist::{Typist, URI},
};

const STORY: &str = "fn main() {\n    let answer = 42;\n}\n";

/// A session whose model has room for other files, with what it tells of its work.
async fn with_context(script: &Script) -> TestServer {
    let mut start = Start::new(script)
        .with("/capabilities/experimental/ghostline/figures", json!(true))
        .with(
            "/initializationOptions",
            json!({"engine": {"prefetch": false}}),
        );
    let script = script.clone();
    start.start_engine = Arc::new(move |_, on_status| {
        let script = script.clone();
        let loader: Loader = Box::new(move |progress| {
            let (model, mut summary) = script.loader()(progress)?;
            summary.plan.windows.context = 400;
            Ok((model, summary))
        });
        Engine::start(loader, on_status)
    });
    start.ready().await
}

/// How many tokens the prompt has with these messages sent before it is asked.
async fn prompt_tokens(messages: &[(&str, Value)]) -> u64 {
    let script = Script::new([STORY]);
    let mut server = with_context(&script).await;
    // Alike, so that each is worth showing to the model; only one of them is long, and has been left for long.
    let long = "fn total_of(values: &[u32]) -> u32 {\n    let answer = values.iter().sum();\n    answer\n}\n";
    server.open("file:///long.rs", "rust", long).await;
    for n in 0..9 {
        server.open(&format!("file:///{n}.rs"), "rust", "x\n").await;
    }
    server
        .open(URI, "rust", "fn total(values: &[u32]) -> u32 {\n    let an")
        .await;
    for (method, params) in messages {
        server.notify(method, params.clone()).await;
    }
    server.inline(URI, 1, 10).await;
    let figures = server.notified("ghostline/completed").await;
    server.finish().await;
    figures["usage"]["prompt_tokens"]
        .as_u64()
        .expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_visible_or_focused_are_context_first() {
    let without = prompt_tokens(&[]).await;
    let long = json!({"uri": "file:///long.rs"});
    let this = json!({"uri": URI});
    let visible = json!({"textDocuments": [this, long]});
    let seen = prompt_tokens(&[("ghostline/didChangeVisible", visible)]).await;
    assert!(seen > without, "{seen} tokens instead of {without}");
    let focus = json!({"textDocument": long});
    let focused = prompt_tokens(&[("textDocument/didFocus", focus)]).await;
    assert!(focused > without, "{focused} tokens instead of {without}");
    // What is not open is no context, and no document is no mistake.
    let nothing = [
        (
            "ghostline/didChangeVisible",
            json!({"textDocuments": [{"uri": "file:///none.rs"}]}),
        ),
        (
            "textDocument/didFocus",
            json!({"textDocument": {"uri": null}}),
        ),
        ("textDocument/didFocus", json!({})),
    ];
    assert_eq!(prompt_tokens(&nothing).await, without);
}

async fn moves(typist: &mut Typist, at: usize) {
    typist.at = at;
    let position = typist.mirror.position(at);
    let params = json!({"textDocument": {"uri": URI}, "position": position});
    typist
        .server
        .notify("ghostline/didChangeSelection", params)
        .await;
}

/// Waits until the model has been asked for something.
async fn until_asked(typist: &mut Typist, script: &Script, before: usize) {
    while script.decodes() == before {
        typist.server.status().await;
        tokio::task::yield_now().await;
    }
    typist.pauses().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_cursor_rests_ghost_text_is_there_already() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, json!({}), "|fn main() {\n    let an\n}\n").await;
    let at = "fn main() {\n    let an".len();
    // What is done when a document is opened.
    typist.pauses().await;
    let before = script.decodes();
    moves(&mut typist, at).await;
    until_asked(&mut typist, &script, before).await;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("swer = 42;"), "prefetched")
    );
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_place_is_worked_for() {
    let script = Script::new([STORY]);
    let text = format!("{}|", "let a = 1;\n".repeat(50));
    let mut typist = Typist::start(&script, json!({}), &text).await;
    let before = script.decodes();
    for line in 0..50 {
        moves(&mut typist, line * 11 + 10).await;
    }
    until_asked(&mut typist, &script, before).await;
    // A head, a completion, and what is likely there; not fifty of them.
    assert!(
        script.decodes() - before < 60,
        "{}",
        script.decodes() - before
    );
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_ignored() {
    let mut server = Start::new(&Script::new([STORY])).ready().await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let methods = [
        "textDocument/didShowCompletion",
        "textDocument/didPartiallyAcceptCompletion",
        "textDocument/didFocus",
        "ghostline/didDismiss",
        "ghostline/didChangeSelection",
        "ghostline/didChangeVisible",
    ];
    let nonsense = [
        Value::Null,
        json!([]),
        json!("x"),
        json!({"item": 1, "acceptedLength": -3}),
        json!({"item": {"command": {"arguments": [{}]}}, "textDocuments": [1, {}]}),
        json!({"textDocument": {"uri": 7}, "position": {"line": "x"}}),
        json!({"textDocument": {"uri": URI}, "position": {"line": 9_999, "character": 9_999}}),
    ];
    for method in methods {
        for params in &nonsense {
            server.notify(method, params.clone()).await;
        }
        server
            .raw(&json!({"jsonrpc": "2.0", "method": method}))
            .await;
    }
    assert_eq!(
        server.inline(URI, 1, 10).await[0]["insertText"],
        "swer = 42;"
    );
    server.finish().await;
}
