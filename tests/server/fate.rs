//! What becomes of suggestions: told by commands and notifications, or inferred from edits; who hears of it, and what
//! follows from it for what is shown.

use std::sync::{Arc, Mutex};

use ghostline::{
    engine::script::Script,
    suggest::fate::{End, Ended},
};
use serde_json::{Value, json};

use crate::{
    support::{Start, TestServer},
    typist::{Typist, URI},
};

const STORY: &str = "fn main() {\n    let answer = 42;\n    let other = answer + 1;\n}\n";
const DRAWN: &str = "fn main() {\n    let an|\n}\n";

/// Hears what a session counts.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Ended>>>);

impl Ear {
    fn start(&self, story: &str) -> Start {
        let mut start = Start::new(&Script::new([story]));
        let ended = self.0.clone();
        start.on_ended = Arc::new(move |it| ended.lock().unwrap().push(it));
        start
    }

    fn ends(&self) -> Vec<End> {
        self.0.lock().unwrap().iter().map(|it| it.end).collect()
    }
}

async fn item(server: &mut TestServer, line: u32, character: u32) -> Value {
    server.inline(URI, line, character).await.remove(0)
}

async fn accept(server: &mut TestServer, item: &Value) {
    let command =
        json!({"command": item["command"]["command"], "arguments": item["command"]["arguments"]});
    let accepted = server.request("workspace/executeCommand", command).await;
    assert_eq!(accepted, Ok(Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_item_has_an_id_and_the_rest_of_it_keeps_it() {
    let mut server = Start::new(&Script::new([STORY])).ready().await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let first = item(&mut server, 1, 10).await;
    let id = first["command"]["arguments"][0].clone();
    assert!(id.is_string(), "{first}");
    server.change(URI, 2, Some([[1, 10], [1, 10]]), "s").await;
    let rest = item(&mut server, 1, 11).await;
    assert_eq!(rest["insertText"], "wer = 42;");
    assert_eq!(rest["command"]["arguments"], json!([id]));
    server
        .change(URI, 3, Some([[1, 11], [2, 0]]), "swer = 42;\n    let o\n")
        .await;
    let next = item(&mut server, 2, 9).await;
    assert_ne!(next["command"]["arguments"], json!([id]));
    assert_eq!(server.status().await["shown"], 2);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_and_its_edit_are_one_acceptance_in_either_order() {
    for is_edit_first in [true, false] {
        let ear = Ear::default();
        let mut server = ear.start(STORY).ready().await;
        server
            .open(URI, "rust", "fn main() {\n    let an\n}\n")
            .await;
        let shown = item(&mut server, 1, 10).await;
        if !is_edit_first {
            accept(&mut server, &shown).await;
        }
        let text = shown["insertText"].as_str().expect("a text");
        server.change(URI, 2, Some([[1, 10], [1, 10]]), text).await;
        if is_edit_first {
            accept(&mut server, &shown).await;
        }
        accept(&mut server, &shown).await;
        assert_eq!(server.status().await["accepted"], 1);
        server.finish().await;
        assert_eq!(ear.ends(), [End::Accepted { characters: 10 }]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_that_sends_no_command_is_understood_by_its_edits() {
    let ear = Ear::default();
    let mut server = ear
        .start(STORY)
        .with("/capabilities/general/positionEncodings", json!(["utf-8"]))
        .with("/capabilities/textDocument", json!({}))
        .ready()
        .await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let params = json!({"textDocument": {"uri": URI}, "position": {"line": 1, "character": 10}});
    let list = server
        .request("textDocument/completion", params)
        .await
        .expect("an answer");
    let edit = &list["items"][0]["textEdit"];
    assert!(list["items"][0]["command"]["arguments"][0].is_string());
    // The menu's edit: the word and all.
    let text = edit["newText"].as_str().expect("a text");
    server.change(URI, 2, Some([[1, 8], [1, 10]]), text).await;
    server.change(URI, 3, Some([[1, 20], [1, 20]]), "\n").await;
    assert_eq!(server.status().await["accepted"], 1);
    server.finish().await;
    assert_eq!(ear.ends(), [End::Accepted { characters: 10 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_cursors_accept_once() {
    let ear = Ear::default();
    let mut server = ear.start("let answer = 42;\n").ready().await;
    server.open(URI, "rust", "let an\nlet an\n").await;
    let shown = item(&mut server, 0, 6).await;
    let text = &shown["insertText"];
    let at = |line: u32| json!({"start": {"line": line, "character": 6}, "end": {"line": line, "character": 6}});
    let changes = json!([{"range": at(1), "text": text}, {"range": at(0), "text": text}]);
    let document = json!({"uri": URI, "version": 2});
    server
        .notify(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": changes}),
        )
        .await;
    accept(&mut server, &shown).await;
    server.finish().await;
    assert_eq!(ear.ends(), [End::Accepted { characters: 10 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_counted_in_utf16_and_once() {
    let ear = Ear::default();
    let mut server = ear
        .start("let a = \"\u{1F600} one\" + two;\n")
        .with("/capabilities/general/positionEncodings", json!(["utf-16"]))
        .ready()
        .await;
    server.open(URI, "rust", "let a =\n").await;
    let shown = item(&mut server, 0, 7).await;
    assert_eq!(shown["insertText"], " \"\u{1F600} one\" + two;");
    server
        .notify("textDocument/didShowCompletion", json!({"item": shown}))
        .await;
    let part = json!({"item": shown, "acceptedLength": 4});
    server
        .notify("textDocument/didPartiallyAcceptCompletion", part)
        .await;
    server
        .change(URI, 2, Some([[0, 7], [0, 7]]), " \"\u{1F600}")
        .await;
    server.change(URI, 3, Some([[0, 11], [0, 11]]), "?").await;
    server.finish().await;
    assert_eq!(ear.ends(), [End::PartlyAccepted { characters: 3 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_names_language_and_model_and_holds_no_text() {
    let ear = Ear::default();
    let mut server = ear.start(STORY).ready().await;
    server
        .open(URI, "Rust", "fn main() {\n    let an\n}\n")
        .await;
    let shown = item(&mut server, 1, 10).await;
    accept(&mut server, &shown).await;
    server.finish().await;
    let ended = ear.0.lock().unwrap().clone();
    assert_eq!(
        (
            ended[0].about.language.as_str(),
            ended[0].about.model.as_str()
        ),
        ("Rust", "script")
    );
    assert!(!format!("{ended:?}").contains("swer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_where_that_is_switched_off() {
    let ear = Ear::default();
    let settings = json!({"statistics": {"record": false}});
    let mut server = ear
        .start(STORY)
        .with("/initializationOptions", settings)
        .ready()
        .await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let shown = item(&mut server, 1, 10).await;
    accept(&mut server, &shown).await;
    assert_eq!(server.status().await["accepted"], 1);
    server.finish().await;
    assert!(ear.ends().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_at_the_end_of_a_document_is_over() {
    let ear = Ear::default();
    let mut server = ear.start(STORY).ready().await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let shown = item(&mut server, 1, 10).await;
    // In one piece, and no word more of it.
    server
        .change(
            URI,
            2,
            Some([[1, 10], [1, 10]]),
            shown["insertText"].as_str().unwrap(),
        )
        .await;
    server
        .notify(
            "textDocument/didClose",
            json!({"textDocument": {"uri": URI}}),
        )
        .await;
    server.finish().await;
    assert_eq!(ear.ends(), [End::Accepted { characters: 10 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_away_is_not_shown_there_again_by_itself() {
    for repeats in [false, true] {
        let settings = json!({"eagerness": {"repeat_rejected": repeats, "after_delete": true}});
        let script = Script::new([STORY]);
        let mut typist = Typist::start(&script, settings, DRAWN).await;
        let mut params = crate::support::inline_params(URI, 1, 10);
        let answer = typist
            .server
            .request("textDocument/inlineCompletion", params.clone())
            .await;
        let item = answer.expect("an answer")["items"][0].clone();
        typist.server.notified("ghostline/completed").await;
        typist
            .server
            .notify("ghostline/didDismiss", json!({"item": item}))
            .await;
        let again = typist.looks().await;
        assert_eq!(again.ghost.is_some(), repeats, "{again:?}");
        if !repeats {
            assert_eq!(again.source, "rejected");
        }
        // Nor when its line is typed anew, or along it.
        typist.types("s").await;
        typist.deletes(2).await;
        typist.types("n").await;
        assert_eq!(typist.looks().await.ghost.is_some(), repeats);
        // By hand it is.
        params["context"]["triggerKind"] = json!(1);
        let by_hand = typist
            .server
            .request("textDocument/inlineCompletion", params)
            .await;
        assert_eq!(
            by_hand.expect("an answer")["items"][0]["insertText"],
            "swer = 42;"
        );
        typist.server.notified("ghostline/completed").await;
        // Elsewhere, too: it is another place.
        typist.types("swer = 42;\n    let ot").await;
        assert_eq!(
            typist.looks().await.ghost.as_deref(),
            Some("her = answer + 1;")
        );
        typist.leaves().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejections_in_a_row_make_it_subtle_until_one_is_accepted() {
    let story =
        "let value_0 = 0;\nlet value_1 = 1;\nlet value_2 = 2;\nfn f() {\n    a();\n    b();\n}\n";
    let settings = json!({"eagerness": {"back_off": 3}});
    let mut server = Start::new(&Script::new([story]))
        .with("/initializationOptions", settings)
        .with("/capabilities/experimental/ghostline/status", json!(true))
        .ready()
        .await;
    let text = "let value_0 =\nlet value_1 =\nlet value_2 =\nfn f() {\n    \n}\n";
    server.open(URI, "rust", text).await;
    let body = item(&mut server, 4, 4).await;
    assert_eq!(body["insertText"], "a();\n    b();");
    for line in 0..3 {
        assert_eq!(server.status().await["mode"], "automatic");
        let shown = item(&mut server, line, 13).await;
        server
            .notify("ghostline/didDismiss", json!({"item": shown}))
            .await;
    }
    assert_eq!(server.status().await["mode"], "subtle");
    // Told without being asked.
    while server.notified("ghostline/status").await["mode"] != "subtle" {}
    let body = item(&mut server, 4, 4).await;
    assert_eq!(body["insertText"], "a();", "one line");
    let mut by_hand = crate::support::inline_params(URI, 0, 13);
    by_hand["context"]["triggerKind"] = json!(1);
    let answer = server
        .request("textDocument/inlineCompletion", by_hand)
        .await;
    accept(&mut server, &answer.expect("an answer")["items"][0]).await;
    assert_eq!(server.status().await["mode"], "automatic");
    while server.notified("ghostline/status").await["mode"] != "automatic" {}
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_or_missing_id_does_no_harm() {
    let ear = Ear::default();
    let mut server = ear.start(STORY).ready().await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    item(&mut server, 1, 10).await;
    for arguments in [json!(["4711"]), json!([null]), json!([{"x": 1}]), json!([])] {
        let command = json!({"command": "ghostline.accepted", "arguments": arguments});
        let done = server.request("workspace/executeCommand", command).await;
        assert_eq!(done, Ok(Value::Null));
    }
    server.finish().await;
    // Without an id it is what was handed out last.
    assert_eq!(ear.ends(), [End::Accepted { characters: 10 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_median_latency_is_that_of_answers_with_ghost_text() {
    let mut server = Start::new(&Script::new([STORY])).ready().await;
    assert!(server.status().await.get("medianLatencyMs").is_none());
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    item(&mut server, 1, 10).await;
    let status = server.status().await;
    assert!(status["medianLatencyMs"].as_f64() > Some(0.0), "{status}");
    assert_eq!(
        (&status["enabled"], &status["mode"]),
        (&json!(true), &json!("automatic"))
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_settings_are_told_at_once() {
    let mut server = Start::new(&Script::new([STORY]))
        .with("/capabilities/experimental/ghostline/status", json!(true))
        .ready()
        .await;
    while server.notified("ghostline/status").await["state"] != "ready" {}
    let settings = json!({
        "completion": {"enabled": false}, "eagerness": {"mode": "manual"}, "languages": {"disabled": ["lua"]},
    });
    server
        .notify(
            "workspace/didChangeConfiguration",
            json!({"settings": settings}),
        )
        .await;
    let status = server.notified("ghostline/status").await;
    assert_eq!(
        (&status["enabled"], &status["mode"]),
        (&json!(false), &json!("manual"))
    );
    assert_eq!(status["disabledLanguages"], json!(["lua"]));
    server.finish().await;
}
