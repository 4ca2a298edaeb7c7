//! The dialect of Copilot's language server, as its clients speak it.

use std::sync::{Arc, Mutex};

use ghostline::{
    engine::{Engine, Loader, model::ModelError, script::Script},
    suggest::fate::End,
};
use serde_json::{Value, json};

use crate::support::{Start, gate::Gate};

const URI: &str = "file:///a.rs";
const STORY: &str = "fn main() {\n    let answer = 42;\n}\n";

/// A Neovim plugin: offers each encoding, and sends UTF-16 all the same.
fn plugin(story: &str) -> Start {
    let info = json!({"name": "Neovim", "version": "0.12.4"});
    Start::new(&Script::new([story]))
        .with(
            "/capabilities/general/positionEncodings",
            json!(["utf-8", "utf-16", "utf-32"]),
        )
        .with(
            "/initializationOptions",
            json!({"editorInfo": info, "editorPluginInfo": info}),
        )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_told_that_no_account_is_needed() {
    let mut server = plugin(STORY).ready().await;
    server.ignored = "didChangeStatus";
    let answers = [
        (
            "checkStatus",
            json!({"_": true}),
            json!({"status": "OK", "user": "ghostline"}),
        ),
        (
            "checkStatus",
            Value::Null,
            json!({"status": "OK", "user": "ghostline"}),
        ),
        (
            "signIn",
            json!({}),
            json!({"status": "AlreadySignedIn", "user": "ghostline"}),
        ),
        (
            "signInInitiate",
            json!({}),
            json!({"status": "AlreadySignedIn", "user": "ghostline"}),
        ),
        (
            "signInConfirm",
            json!({"userId": "x"}),
            json!({"status": "OK", "user": "ghostline"}),
        ),
        ("setEditorInfo", json!({"editorInfo": {}}), json!("OK")),
        (
            "getVersion",
            json!({}),
            json!({"version": env!("CARGO_PKG_VERSION")}),
        ),
    ];
    for (method, params, expected) in answers {
        assert_eq!(
            server.request(method, params).await,
            Ok(expected),
            "{method}"
        );
    }
    for method in ["signOut", "getPanelCompletions", "conversation/create"] {
        assert_eq!(
            server.request(method, json!({})).await,
            Err(-32601),
            "{method}"
        );
    }
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugins_own_settings_are_no_mistakes() {
    let start = plugin(STORY).with("/initializationOptions/log", json!({"level": "debug"}));
    let mut server = start.ready().await;
    server.ignored = "didChangeStatus";
    let settings = json!({
        "http": {"proxy": null, "proxyStrictSSL": null},
        "github-enterprise": {"uri": null},
        "github": {"copilot": {"selectedCompletionModel": "x"}},
        "telemetry": {"telemetryLevel": "all"},
        "enableAutoCompletions": true,
        "disabledLanguages": [{"languageId": "help"}],
        "completion": {"max_token": 3},
    });
    server
        .notify(
            "workspace/didChangeConfiguration",
            json!({"settings": settings}),
        )
        .await;
    // What is ghostline's is still looked at.
    let shown = server.notified("window/showMessage").await["message"].to_string();
    assert!(shown.contains("max_tokens"), "{shown}");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_utf16_for_plugins_whatever_they_offer() {
    let mut start = plugin("let é日\u{1F600} = \"\u{1F600}\".len();\n");
    start.initialize["clientInfo"] = json!({"name": "Neovim"});
    let initialize = start.initialize.clone();
    let mut server = start.connect();
    server.ignored = "didChangeStatus";
    let result = server
        .request("initialize", initialize)
        .await
        .expect("initialize succeeds");
    assert_eq!(result["capabilities"]["positionEncoding"], "utf-16");
    server.notify("initialized", json!({})).await;
    server.until_ready().await;
    server
        .open(URI, "rust", "let é日\u{1F600} = \"\u{1F600}\n")
        .await;
    assert_eq!(
        server.inline(URI, 0, 14).await[0]["insertText"],
        "\".len();"
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_told_as_plugins_understand_it() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let mut start = plugin(STORY);
    start.start_engine = Arc::new(move |_, on_status| {
        let (gate, script) = (at_gate.clone(), Script::new([STORY]));
        let loader: Loader = Box::new(move |progress| {
            gate.pass();
            script.loader()(progress)
        });
        Engine::start(loader, on_status)
    });
    let mut server = start.initialize().await;
    let loading = json!({"message": "the model is loading", "kind": "Normal", "busy": true});
    assert_eq!(server.notified("didChangeStatus").await, loading);
    gate.open();
    let ready = json!({"message": "", "kind": "Normal", "busy": false});
    assert_eq!(server.notified("didChangeStatus").await, ready);
    let off = json!({"settings": {"completion": {"enabled": false}}});
    server.notify("workspace/didChangeConfiguration", off).await;
    assert_eq!(server.notified("didChangeStatus").await["kind"], "Inactive");
    server.finish().await;

    let mut start = plugin(STORY);
    start.start_engine = Arc::new(|_, on_status| {
        let loader: Loader = Box::new(|_| Err(ModelError::NotGguf("notes.txt".into())));
        Engine::start(loader, on_status)
    });
    let mut server = start.initialize().await;
    server.notified("window/showMessage").await;
    loop {
        let status = server.notified("didChangeStatus").await;
        if status["kind"] == "Error" {
            assert!(status["message"].as_str().unwrap().contains("notes.txt"));
            break;
        }
    }
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_uses_one_of_its_calls_is_told_from_then_on() {
    let mut server = Start::new(&Script::new([STORY])).ready().await;
    assert!(
        !server
            .has_arrived(|it| it["method"] == "didChangeStatus")
            .await
    );
    server
        .request("setEditorInfo", json!({}))
        .await
        .expect("an answer");
    assert_eq!(server.notified("didChangeStatus").await["kind"], "Normal");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_way_of_asking_gives_whole_lines() {
    let ends: Arc<Mutex<Vec<End>>> = Arc::default();
    let mut start = plugin(STORY);
    let heard = ends.clone();
    start.on_ended = Arc::new(move |ended| heard.lock().unwrap().push(ended.end));
    let mut server = start.ready().await;
    server.ignored = "didChangeStatus";
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let position = json!({"line": 1, "character": 10});
    let document = json!({"uri": URI, "version": 1, "relativePath": "a.rs", "position": position});
    let params = json!({"doc": document, "textDocument": {"uri": URI}, "position": position});
    for method in ["getCompletions", "getCompletionsCycling"] {
        let answer = server
            .request(method, params.clone())
            .await
            .expect("an answer");
        let expected = json!({"completions": [{
            "uuid": "1",
            "text": "    let answer = 42;",
            "displayText": "swer = 42;",
            "range": {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 10}},
            "position": position,
            "docVersion": 1,
        }]});
        assert_eq!(answer, expected, "{method}");
    }
    assert_eq!(
        server.request("notifyShown", json!({"uuid": "1"})).await,
        Ok(json!("OK"))
    );
    // A part of the line, then the whole of it.
    let accepted = json!({"uuid": "1", "acceptedLength": 14});
    assert_eq!(
        server.request("notifyAccepted", accepted).await,
        Ok(json!("OK"))
    );
    let accepted = json!({"uuid": "1", "acceptedLength": 20});
    assert_eq!(
        server.request("notifyAccepted", accepted).await,
        Ok(json!("OK"))
    );
    let none = json!({"doc": {"uri": "file:///none.rs", "position": position}});
    let answer = server.request("getCompletions", none).await;
    assert_eq!(answer, Ok(json!({"completions": []})));
    assert_eq!(
        server.request("getCompletions", json!({"doc": 1})).await,
        Err(-32602)
    );
    for params in [
        json!({}),
        json!({"uuid": 7}),
        json!({"uuids": "x"}),
        json!({"uuids": ["9"]}),
    ] {
        assert_eq!(
            server.request("notifyRejected", params).await,
            Ok(json!("OK"))
        );
    }
    server.finish().await;
    assert_eq!(*ends.lock().unwrap(), [End::Accepted { characters: 10 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn copilots_own_command_is_taken_for_ours() {
    let mut server = plugin(STORY).ready().await;
    server.ignored = "didChangeStatus";
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let item = server.inline(URI, 1, 10).await.remove(0);
    let command = json!({
        "command": "github.copilot.didAcceptCompletionItem",
        "arguments": item["command"]["arguments"],
    });
    assert_eq!(
        server.request("workspace/executeCommand", command).await,
        Ok(Value::Null)
    );
    assert_eq!(server.status().await["accepted"], 1);
    server.finish().await;
}

#[test]
fn the_protocol_page_says_what_is_served_and_what_is_not() {
    let page = include_str!("../../docs/protocol.md");
    for name in [
        "checkStatus",
        "signIn",
        "signInInitiate",
        "signInConfirm",
        "setEditorInfo",
        "getVersion",
        "getCompletions",
        "getCompletionsCycling",
        "notifyShown",
        "notifyAccepted",
        "notifyRejected",
        "didChangeStatus",
        "github.copilot.didAcceptCompletionItem",
        "signOut",
        "getPanelCompletions",
        "editorPluginInfo",
        "textDocument/didShowCompletion",
        "textDocument/didPartiallyAcceptCompletion",
        "textDocument/didFocus",
        "ghostline/didDismiss",
        "ghostline/didChangeSelection",
        "ghostline/didChangeVisible",
        "medianLatencyMs",
    ] {
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is missing in docs/protocol.md"
        );
    }
}
