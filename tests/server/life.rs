//! From `initialize` to the end: loading, failing, leaving.

use std::sync::Arc;

use ghostline::{
    engine::{Engine, Loader, model::ModelError, script::Script},
    server::Ending,
};
use serde_json::{Value, json};

use crate::support::{Start, gate::Gate};

const URI: &str = "file:///a.rs";
const STORY: &str = "let answer = 42;\n";

/// A model that stops half way through its loading until the gate is opened.
fn slow(gate: &Gate) -> Start {
    let gate = gate.clone();
    let mut start = Start::new(&Script::new([STORY]));
    start.start_engine = Arc::new(move |_, on_status| {
        let (gate, script) = (gate.clone(), Script::new([STORY]));
        let loader: Loader = Box::new(move |progress| {
            progress(0.25);
            progress(0.5);
            gate.pass();
            script.loader()(&mut |_| true)
        });
        Engine::start(loader, on_status)
    });
    start
}

fn failing() -> Start {
    let mut start = Start::new(&Script::new([STORY]));
    start.start_engine = Arc::new(|_, on_status| {
        let loader: Loader = Box::new(|_| Err(ModelError::NotGguf("notes.txt".into())));
        Engine::start(loader, on_status)
    });
    start
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_model_runs_elsewhere_than_it_was_meant_to_is_said_once() {
    let mut start = Start::new(&Script::new([STORY]));
    let note = "the device does not take the model, so the processor runs it";
    let limit = "not all layers fit on the device";
    start.start_engine = Arc::new(move |_, on_status| {
        let script = Script::new([STORY]);
        let loader: Loader = Box::new(move |_| {
            let mut summary = script.summary();
            summary.nature.notes.push(note.to_owned());
            // Today as yesterday: for who asks, not for a popup with every start.
            summary.nature.limits.push(limit.to_owned());
            Ok((Box::new(script.model()), summary))
        });
        Engine::start(loader, on_status)
    });
    let mut server = start.initialize().await;
    let shown = server.notified("window/showMessage").await;
    assert_eq!(shown["message"], format!("ghostline: {note}"));
    assert_eq!(server.status().await["message"], format!("{note}\n{limit}"));
    server.open(URI, "rust", "let an").await;
    let items = server.inline(URI, 0, 6).await;
    assert_eq!(items[0]["insertText"], "swer = 42;");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_loads_holds_nothing_up() {
    let gate = Gate::closed();
    let mut server = slow(&gate).initialize().await;
    gate.is_reached().await;
    server.open(URI, "rust", "let an").await;
    assert!(server.inline(URI, 0, 6).await.is_empty());
    let status = server.status().await;
    assert_eq!(
        (&status["state"], &status["percent"]),
        (&json!("loading"), &json!(50))
    );
    gate.open();
    server.until_ready().await;
    assert_eq!(
        server.inline(URI, 0, 6).await[0]["insertText"],
        "swer = 42;"
    );
    assert_eq!(server.status().await["model"]["name"], "script");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_model_loads_lines_are_copied_from_the_open_files() {
    let gate = Gate::closed();
    let start = slow(&gate).with("/capabilities/experimental/ghostline/figures", json!(true));
    let mut server = start.initialize().await;
    gate.is_reached().await;
    let other = "file:///b.rs";
    server.open(other, "rust", "let beside = 7;\n").await;
    let text = "let before = open(path);\n\nfn f() {}\nlet bef\n\nlet bes\n\nlet an";
    server.open(URI, "rust", text).await;
    assert_eq!(
        server.inline(URI, 3, 7).await[0]["insertText"],
        "ore = open(path);"
    );
    let figures = server.notified("ghostline/completed").await;
    assert_eq!(figures["source"], "open-files");
    assert_eq!(server.inline(URI, 5, 7).await[0]["insertText"], "ide = 7;");
    server.notified("ghostline/completed").await;
    // Nothing is made up.
    assert!(server.inline(URI, 7, 6).await.is_empty());
    let figures = server.notified("ghostline/completed").await;
    assert_eq!(figures["source"], "loading");
    let status = server.status().await;
    assert_eq!(
        (&status["shown"], &status["fromOpenFiles"]),
        (&json!(2), &json!(2))
    );
    gate.open();
    server.until_ready().await;
    // Now the model is asked, there as well.
    assert_eq!(
        server.inline(URI, 7, 6).await[0]["insertText"],
        "swer = 42;"
    );
    server.notified("ghostline/completed").await;
    let status = server.status().await;
    assert_eq!(
        (&status["shown"], &status["fromOpenFiles"]),
        (&json!(3), &json!(2))
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_copied_when_the_live_cache_is_off_or_from_files_left_alone() {
    let off = json!({"completion": {"live_cache": false}});
    let left_alone = json!({"files": {"exclude": ["b.rs"]}});
    for (settings, expected) in [(off, 0), (left_alone, 0), (json!({}), 1)] {
        let gate = Gate::closed();
        let start = slow(&gate).with("/initializationOptions", settings);
        let mut server = start.initialize().await;
        gate.is_reached().await;
        server
            .open("file:///b.rs", "rust", "let beside = 7;\n")
            .await;
        server.open(URI, "rust", "let bes").await;
        assert_eq!(server.inline(URI, 0, 7).await.len(), expected);
        gate.open();
        server.until_ready().await;
        server.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_is_shown_as_progress_to_clients_that_can() {
    let gate = Gate::closed();
    let start = slow(&gate).with("/capabilities/window/workDoneProgress", json!(true));
    let mut server = start.initialize().await;
    gate.is_reached().await;
    let begin = server.notified("$/progress").await;
    assert_eq!(
        (&begin["value"]["kind"], &begin["token"]),
        (&json!("begin"), &json!("ghostline/model-1"))
    );
    gate.open();
    server.until_ready().await;
    let mut last = begin["value"]["percentage"].as_u64();
    loop {
        let value = server.notified("$/progress").await["value"].take();
        match value["kind"].as_str() {
            Some("report") => {
                assert!(
                    value["percentage"].as_u64() > last,
                    "{value} after {last:?}"
                );
                last = value["percentage"].as_u64();
            }
            _ => {
                assert_eq!(value, json!({"kind": "end", "message": "script is ready"}));
                break;
            }
        }
    }
    assert_eq!(server.asked()[0].0, "window/workDoneProgress/create");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_want_it_are_told_of_each_change_of_status() {
    let gate = Gate::closed();
    let start = slow(&gate).with("/capabilities/experimental/ghostline/status", json!(true));
    let mut server = start.initialize().await;
    assert_eq!(
        server.notified("ghostline/status").await["state"],
        "loading"
    );
    gate.open();
    while server.notified("ghostline/status").await["state"] != "ready" {}
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_loaded_is_told_once_and_everything_else_works() {
    let mut server = failing().initialize().await;
    let shown = server.notified("window/showMessage").await;
    assert_eq!(shown["type"], 1);
    let message = shown["message"].as_str().unwrap();
    assert!(
        message.contains("`notes.txt` is not a GGUF file; ghostline reads"),
        "{message}"
    );
    server.open(URI, "rust", "let an").await;
    assert!(server.inline(URI, 0, 6).await.is_empty());
    assert_eq!(server.text(URI).await.0, "let an");
    assert_eq!(server.status().await["state"], "failed");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_after_shutdown_is_clean_and_what_was_pending_is_answered() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let mut server = Start::new(&Script::new([STORY]).on_decode(move |_| at_gate.pass()))
        .ready()
        .await;
    server.open(URI, "rust", "let an").await;
    let pending = server.send_inline(URI, 0, 6).await;
    gate.is_reached().await;
    assert_eq!(
        server.request("shutdown", Value::Null).await,
        Ok(Value::Null)
    );
    assert_eq!(server.answer(pending).await, Err(-32800));
    // Too late.
    assert_eq!(
        server.request("ghostline/status", Value::Null).await,
        Err(-32600)
    );
    server.notify("exit", Value::Null).await;
    // Although the model still stands in its step.
    assert_eq!(server.ended().await, Ending::Exit { is_clean: true });
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_without_shutdown_is_not_clean() {
    let server = Start::new(&Script::new([STORY])).ready().await;
    server.notify("exit", Value::Null).await;
    assert_eq!(server.ended().await, Ending::Exit { is_clean: false });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_stream_ends_the_session_whatever_is_pending() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let mut server = Start::new(&Script::new([STORY]).on_decode(move |_| at_gate.pass()))
        .ready()
        .await;
    server.open(URI, "rust", "let an").await;
    server.send_inline(URI, 0, 6).await;
    gate.is_reached().await;
    assert_eq!(server.hang_up().await, Ending::Closed);
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_end_while_its_model_loads_and_before_it_begins() {
    let gate = Gate::closed();
    let server = slow(&gate).initialize().await;
    gate.is_reached().await;
    assert_eq!(server.hang_up().await, Ending::Closed);
    gate.open();
    let server = Start::new(&Script::new([STORY])).connect();
    assert_eq!(server.hang_up().await, Ending::Closed);
}

#[test]
fn the_protocol_page_names_every_extension() {
    let page = include_str!("../../docs/protocol.md");
    let names = [
        "ghostline/documentText",
        "ghostline/status",
        "ghostline/completed",
        "ghostline.accepted",
        "experimental.ghostline.figures",
        "experimental.ghostline.status",
        "`typed-through`",
        "`superseded`",
        "`evaluated_tokens`",
        "`vocabularySize`",
    ];
    for name in names {
        assert!(page.contains(name), "{name} is missing in docs/protocol.md");
    }
}
