//! `textDocument/completion`, for clients that know no inline completion.

use expect_test::expect;
use ghostline::engine::script::Script;
use serde_json::{Value, json};

use crate::support::{
    Start,
    mirror::{Mirror, Units},
};

const STORY: &str = "fn main() {\n    let answer = 42;\n}\n";

fn helix() -> Start {
    let mut start = Start::new(&Script::new([STORY]));
    start.initialize = json!({
        "clientInfo": {"name": "helix"},
        "capabilities": {
            "general": {"positionEncodings": ["utf-8", "utf-32", "utf-16"]},
            "textDocument": {"completion": {"completionItem": {"insertReplaceSupport": true}}},
        },
    });
    start
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_replaces_the_typed_word_and_shows_the_whole() {
    let mut server = helix().ready().await;
    let (mirror, at) = Mirror::drawn("fn main() {\n    let an|\n}\n", Units::Utf8);
    server.open("file:///a.rs", "rust", &mirror.text).await;
    let params = json!({
        "textDocument": {"uri": "file:///a.rs"},
        "position": mirror.position(at),
        "context": {"triggerKind": 1},
    });
    let list = server
        .request("textDocument/completion", params)
        .await
        .expect("an answer");
    assert_eq!(list["isIncomplete"], true);
    let item = &list["items"][0];
    expect![[r#"
        fn main() {
            let «answer = 42;»[an]
        }
    "#]]
    .assert_eq(&mirror.draw(item));
    expect![[r#"
        {
          "command": {
            "arguments": [
              "1"
            ],
            "command": "ghostline.accepted",
            "title": "accepted"
          },
          "detail": "ghostline",
          "documentation": {
            "kind": "markdown",
            "value": "````rust\nlet answer = 42;\n````"
          },
          "filterText": "answer = 42;",
          "insertTextFormat": 1,
          "insertTextMode": 1,
          "kind": 1,
          "label": "answer = 42;",
          "preselect": true,
          "sortText": " ",
          "textEdit": {
            "newText": "answer = 42;",
            "range": {
              "end": {
                "character": 10,
                "line": 1
              },
              "start": {
                "character": 8,
                "line": 1
              }
            }
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(item).unwrap());
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_breaks_are_those_that_the_client_inserts_rightly() {
    let story = "fn f() {\r\n    a();\r\n    b();\r\n}\r\n";
    let (crlf, at) = Mirror::drawn("fn f() {|\r\n}\r\n", Units::Utf8);
    for (document, expected) in [
        (crlf.clone(), "{\r\n    a();\r\n    b();"),
        (
            Mirror {
                text: crlf.text.replace('\r', ""),
                ..crlf
            },
            "{\n    a();\n    b();",
        ),
    ] {
        let mut start = helix();
        start.start_engine =
            Start::new(&Script::new([story, &story.replace('\r', "")])).start_engine;
        let mut server = start.ready().await;
        server.open("file:///a.rs", "rust", &document.text).await;
        let params =
            json!({"textDocument": {"uri": "file:///a.rs"}, "position": document.position(at)});
        let list = server
            .request("textDocument/completion", params.clone())
            .await
            .expect("an answer");
        assert_eq!(list["items"][0]["textEdit"]["newText"], expected[1..]);
        let items = server.inline("file:///a.rs", 0, 8).await;
        assert_eq!(items[0]["insertText"], expected[1..].replace('\r', ""));
        server.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_show_is_an_empty_incomplete_list() {
    let mut server = helix().ready().await;
    let params = json!({"textDocument": {"uri": "file:///none.rs"}, "position": {"line": 0, "character": 0}});
    let list = server.request("textDocument/completion", params).await;
    assert_eq!(list, Ok(json!({"isIncomplete": true, "items": []})));
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clients_without_ghost_text_are_offered_a_menu() {
    let offers = async |mut start: Start, capabilities: Value, name: &str| {
        start.initialize = json!({"clientInfo": {"name": name}, "capabilities": capabilities});
        let initialize = start.initialize.clone();
        let mut server = start.connect();
        let result = server
            .request("initialize", initialize)
            .await
            .expect("initialize succeeds");
        server.finish().await;
        assert_eq!(result["capabilities"]["inlineCompletionProvider"], true);
        result["capabilities"].get("completionProvider").is_some()
    };
    let start = || Start::new(&Script::new([STORY]));
    assert!(offers(start(), json!({}), "helix").await);
    assert!(
        !offers(
            start(),
            json!({"textDocument": {"inlineCompletion": {}}}),
            "Neovim"
        )
        .await
    );
    assert!(!offers(start(), json!({}), "emacs").await);
    // The day it announces it.
    assert!(
        !offers(
            start(),
            json!({"textDocument": {"inlineCompletion": {}}}),
            "helix"
        )
        .await
    );
    // Emacs' other client knows no ghost text.
    assert!(offers(start(), json!({}), "Eglot").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_gets_ghost_text_the_day_it_announces_it() {
    let start = helix().with("/capabilities/textDocument/inlineCompletion", json!({}));
    let mut server = start.ready().await;
    let (mirror, at) = Mirror::drawn("fn main() {\n    let an|\n}\n", Units::Utf8);
    server.open("file:///a.rs", "rust", &mirror.text).await;
    let position = mirror.position(at);
    let (line, column) = (&position["line"], &position["character"]);
    let place = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let items = server
        .inline("file:///a.rs", place(line), place(column))
        .await;
    expect![[r#"
        fn main() {
            let an«swer = 42;»[]
        }
    "#]]
    .assert_eq(&mirror.draw(&items[0]));
    server.finish().await;
}

/// Emacs' lsp-mode has one encoding for each buffer, and the last server that opens it decides: with another than
/// the language's own server has, that one's positions would be wrong from the first `é` of a line.
#[tokio::test(flavor = "multi_thread")]
async fn in_lsp_mode_positions_are_encoded_as_the_other_server_most_likely_does() {
    let mut start = helix();
    start.initialize["clientInfo"]["name"] = json!("emacs");
    start.initialize["capabilities"]["general"]["positionEncodings"] =
        json!(["utf-32", "utf-8", "utf-16"]);
    let initialize = start.initialize.clone();
    let mut server = start.connect();
    let offer = server.request("initialize", initialize).await.expect("it");
    assert_eq!(offer["capabilities"]["positionEncoding"], "utf-32");
    server.finish().await;
}
