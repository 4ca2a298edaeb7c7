//! Order, cancellation and bad messages.

use ghostline::engine::script::Script;
use serde_json::{Value, json};

use crate::support::{Start, gate::Gate, inline_params};

const STORY: &str = "fn main() {\n    let answer = 42;\n}\n";
const CANCELLED: i64 = -32800;

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_cancellations_get_past_any_number_of_pending_requests() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let mut server = Start::new(&Script::new([STORY]).on_decode(move |_| at_gate.pass()))
        .ready()
        .await;
    server.open("file:///edited.rs", "rust", "").await;
    let mut pending = Vec::new();
    for n in 0..64 {
        let uri = format!("file:///{n}.rs");
        server.open(&uri, "rust", "fn main() {\n    let an").await;
        pending.push(server.send_inline(&uri, 1, 10).await);
    }
    gate.is_reached().await;
    let mut expected = String::new();
    for version in 2..502 {
        let text = format!("{version}\n");
        server
            .change(
                "file:///edited.rs",
                version,
                Some([[u32::MAX, 0], [u32::MAX, 0]]),
                &text,
            )
            .await;
        expected += &text;
    }
    assert_eq!(server.text("file:///edited.rs").await, (expected, 501));
    for id in &pending {
        server.notify("$/cancelRequest", json!({"id": id})).await;
    }
    for id in pending {
        // On a machine so slow that time was up first, with nothing.
        let answer = server.answer(id).await;
        assert!(
            answer == Err(CANCELLED) || answer == Ok(json!({"items": []})),
            "{answer:?}"
        );
    }
    // All of this while the model stood still in its first step.
    assert_eq!(gate.passed(), 0);
    gate.open();
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_stops_the_engine_within_a_step() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let script = Script::new([STORY]).on_decode(move |_| at_gate.pass());
    let mut server = Start::new(&script).ready().await;
    server
        .open("file:///a.rs", "rust", "fn main() {\n    let an")
        .await;
    let id = server.send_inline("file:///a.rs", 1, 10).await;
    gate.is_reached().await;
    server.notify("$/cancelRequest", json!({"id": id})).await;
    assert_eq!(server.answer(id).await, Err(CANCELLED));
    // No edit follows.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    gate.open();
    // Time for the steps of a job that goes on: each takes less than a message there and back.
    for _ in 0..50 {
        server.text("file:///a.rs").await;
    }
    let steps = gate.passed();
    assert!(steps <= 1, "{steps} steps");
    server
        .open("file:///b.rs", "rust", "fn other() {\n    let an")
        .await;
    assert_eq!(server.inline("file:///b.rs", 1, 10).await.len(), 1);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_make_no_sense_do_no_harm() {
    let mut server = Start::new(&Script::new([STORY])).ready().await;
    server
        .open("file:///a.rs", "rust", "fn main() {\n    let an")
        .await;

    server.bytes(b"Content-Length: 7\r\n\r\n{\"met").await;
    server.bytes(b"X}").await;
    assert_eq!(
        server.take(|message| message["id"].is_null()).await["error"]["code"],
        -32700
    );
    server
        .bytes(b"nonsense\r\n\r\nContent-Length: -1\r\n\r\n")
        .await;

    assert_eq!(
        server
            .request("textDocument/inlineCompletion", json!({"nonsense": 1}))
            .await,
        Err(-32602)
    );
    assert_eq!(
        server.request("no/suchMethod", json!({})).await,
        Err(-32601)
    );
    assert_eq!(
        server.request("$/noSuchRequest", json!({})).await,
        Err(-32601)
    );
    assert_eq!(
        server.request("textDocument/didOpen", json!({})).await,
        Err(-32600)
    );
    server.notify("$/noSuchNotification", json!({})).await;
    server.notify("no/suchNotification", json!([1])).await;
    server
        .notify("textDocument/didChange", json!({"textDocument": 7}))
        .await;
    server.notify("$/cancelRequest", json!({"id": 12345})).await;
    server
        .raw(&json!({"jsonrpc": "2.0", "id": 99, "result": {}}))
        .await;
    server.raw(&json!({"jsonrpc": "2.0"})).await;
    server
        .raw(&json!({"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": ""}}))
        .await;

    assert_eq!(server.inline("file:///a.rs", 1, 10).await.len(), 1);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_may_be_strings_and_one_in_use_is_refused() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let mut server = Start::new(&Script::new([STORY]).on_decode(move |_| at_gate.pass()))
        .ready()
        .await;
    server
        .open("file:///a.rs", "rust", "fn main() {\n    let an")
        .await;
    let ask = |uri: &str| {
        let params = inline_params(uri, 1, 10);
        json!({"jsonrpc": "2.0", "id": "seven", "method": "textDocument/inlineCompletion", "params": params})
    };
    server.raw(&ask("file:///a.rs")).await;
    server.raw(&ask("file:///b.rs")).await;
    let refused = server.take(|message| message["id"] == "seven").await;
    assert_eq!(refused["error"]["code"], -32600);
    server
        .notify("$/cancelRequest", json!({"id": "seven"}))
        .await;
    let cancelled = server.take(|message| message["id"] == "seven").await;
    assert_eq!(cancelled["error"]["code"], CANCELLED);
    gate.open();
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uris_that_are_none_by_the_letter_name_documents_all_the_same() {
    let mut server = Start::new(&Script::new([STORY])).ready().await;
    for uri in [
        "file:///src/[id]|ü.rs",
        "untitled:Untitled-1",
        "vscode-notebook-cell:/a b.ipynb#X%20",
    ] {
        server.open(uri, "rust", "fn main() {\n    let an").await;
        assert_eq!(server.inline(uri, 1, 10).await.len(), 1, "{uri}");
    }
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sessions_share_a_process_and_nothing_else() {
    let mut one = Start::new(&Script::new(["let a = 1;\n"])).ready().await;
    let mut two = Start::new(&Script::new(["let a = 2;\n"])).ready().await;
    one.open("file:///a.rs", "rust", "let a =").await;
    two.open("file:///a.rs", "rust", "let a =").await;
    assert_eq!(
        one.inline("file:///a.rs", 0, 7).await[0]["insertText"],
        " 1;"
    );
    assert_eq!(
        two.inline("file:///a.rs", 0, 7).await[0]["insertText"],
        " 2;"
    );
    one.finish().await;
    assert_eq!(two.text("file:///a.rs").await, ("let a =".to_string(), 1));
    two.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_initialize_requests_are_refused_and_notifications_ignored() {
    let mut server = Start::new(&Script::new([STORY])).connect();
    server.open("file:///a.rs", "rust", "").await;
    let id = server.send_inline("file:///a.rs", 0, 0).await;
    assert_eq!(server.answer(id).await, Err(-32002));
    let initialize = json!({"capabilities": {}});
    assert!(
        server
            .request("initialize", initialize.clone())
            .await
            .is_ok()
    );
    assert_eq!(server.request("initialize", initialize).await, Err(-32600));
    assert_eq!(
        server
            .request("ghostline/documentText", json!({"uri": "file:///a.rs"}))
            .await,
        Ok(Value::Null)
    );
    server.finish().await;
}
