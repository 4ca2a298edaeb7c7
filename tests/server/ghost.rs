//! `textDocument/inlineCompletion`: what is shown, where, and when nothing is.

use expect_test::{Expect, expect};
use ghostline::engine::script::{Act, Script};
use serde_json::{Value, json};

use crate::support::{
    Start, TestServer,
    gate::Gate,
    inline_params, items,
    mirror::{Mirror, Units},
};

const URI: &str = "file:///a.rs";
const STORY: &str = "fn main() {\n    let answer = 42;\n}\n";
const CANCELLED: i64 = -32800;

/// The document with the ghost text in it, or what else the answer was.
#[track_caller]
pub(crate) fn draw(mirror: &Mirror, items: &[Value]) -> String {
    match items {
        [] => "nothing".to_string(),
        [item] => mirror.draw(item),
        _ => panic!("one item at most: {items:?}"),
    }
}

pub(crate) async fn ask(
    server: &mut TestServer,
    mirror: &Mirror,
    at: usize,
    context: Value,
) -> Vec<Value> {
    let params =
        json!({"textDocument": {"uri": URI}, "position": mirror.position(at), "context": context});
    items(
        server
            .request("textDocument/inlineCompletion", params)
            .await
            .expect("an answer"),
    )
}

async fn check(story: &str, drawn: &str, context: Value, expected: Expect) {
    for units in Units::ALL {
        let encodings = json!([units.name()]);
        let start = Start::new(&Script::new([story]))
            .with("/capabilities/general/positionEncodings", encodings);
        let mut server = start.ready().await;
        let (mirror, at) = Mirror::drawn(drawn, units);
        server.open(URI, "rust", &mirror.text).await;
        let items = ask(&mut server, &mirror, at, context.clone()).await;
        expected.assert_eq(&draw(&mirror, &items));
        server.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ghost_text_stands_at_the_cursor_in_each_encoding() {
    check(
        STORY,
        "fn main() {\n    let an|\n}\n",
        json!({"triggerKind": 2}),
        expect![[r#"
        fn main() {
            let an«swer = 42;»[]
        }
    "#]],
    )
    .await;
    let story = "let é日本\u{1F600} = \"\u{1F600}\".len();\n";
    check(
        story,
        "let é日本\u{1F600} = \"\u{1F600}|",
        json!({"triggerKind": 2}),
        expect![[r#"let é日本😀 = "😀«".len();»[]"#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closers_that_the_editor_inserted_do_not_come_twice() {
    check(
        "fn f() {\n    print(hello);\n}\n",
        "fn f() {\n    print(|)\n}\n",
        json!({"triggerKind": 2}),
        expect![[r#"
        fn f() {
            print(«hello»[])
        }
    "#]],
    )
    .await;
    check(
        "fn f() {\n    print(hello)\n}\n",
        "fn f() {\n    print(|)\n}\n",
        json!({"triggerKind": 2}),
        expect![[r#"
        fn f() {
            print(«hello»[])
        }
    "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_suggested_before_other_text_unless_asked_by_hand() {
    let drawn = "fn main() {\n    let an| + 1;\n}\n";
    check(STORY, drawn, json!({"triggerKind": 2}), expect!["nothing"]).await;
    check(
        STORY,
        drawn,
        json!({"triggerKind": 0}),
        expect![[r#"
        fn main() {
            let an«swer = 42;»[] + 1;
        }
    "#]],
    )
    .await;
    check(
        STORY,
        drawn,
        json!({"triggerKind": 1}),
        expect![[r#"
        fn main() {
            let an«swer = 42;»[] + 1;
        }
    "#]],
    )
    .await;
    // What a client leaves out means "automatic".
    check(STORY, drawn, json!({}), expect!["nothing"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_counts_trigger_kinds_from_zero_means_automatic_by_one() {
    let mut server = Start::new(&Script::new([STORY])).ready().await;
    let (mirror, at) = Mirror::drawn("fn main() {\n    let an| + 1;\n}\n", Units::Utf16);
    server.open(URI, "rust", &mirror.text).await;
    assert_eq!(
        ask(&mut server, &mirror, at, json!({"triggerKind": 0}))
            .await
            .len(),
        1
    );
    server.open(URI, "rust", &mirror.text).await;
    assert_eq!(
        ask(&mut server, &mirror, at, json!({"triggerKind": 1}))
            .await
            .len(),
        0
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_several_lines_is_extended_whatever_its_line_breaks_are() {
    let story = "fn main() {\n    if a {\n        größe();\n    }\n}\n";
    let mut server = Start::new(&Script::new([story])).ready().await;
    let (mirror, at) = Mirror::drawn("fn main() {\r\n    i|\r\n}\r\n", Units::Utf16);
    server.open(URI, "rust", &mirror.text).await;
    let context = json!({
        "triggerKind": 1,
        "selectedCompletionInfo": {
            "range": {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 5}},
            "text": "if a {\r\n        gr",
        },
    });
    let items = ask(&mut server, &mirror, at, context).await;
    assert_eq!(items[0]["insertText"], "if a {\r\n        größe();");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_extends_the_item_that_is_selected_in_the_popup() {
    let story = "fn main() {\n    println!(\"hi\");\n}\n";
    // The popup's item stands for `pr`; its range lags behind the cursor.
    let selected = json!({
        "triggerKind": 2,
        "selectedCompletionInfo": {
            "range": {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 5}},
            "text": "println!",
        },
    });
    check(
        story,
        "fn main() {\n    pr|\n}\n",
        selected.clone(),
        expect![[r#"
        fn main() {
            «println!("hi");»[pr]
        }
    "#]],
    )
    .await;
    check(
        story,
        "fn main() {\n    pr|()\n}\n",
        selected,
        expect!["nothing"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_the_ghost_text_needs_no_engine() {
    let script = Script::new([STORY]);
    let options = json!({"engine": {"prefetch": false}});
    let start = Start::new(&script).with("/initializationOptions", options);
    let mut server = start.ready().await;
    let (mut mirror, mut at) = Mirror::drawn("fn main() {\n    let an|\n}\n", Units::Utf16);
    server.open(URI, "rust", &mirror.text).await;
    let first = ask(&mut server, &mirror, at, json!({"triggerKind": 2})).await;
    assert_eq!(first[0]["insertText"], "swer = 42;");
    let decodes = script.decodes();
    for (n, typed) in ["s", "w", "e", "r", " ", "="].into_iter().enumerate() {
        let position = mirror.position(at);
        let change = json!([{"range": {"start": position, "end": position}, "text": typed}]);
        let document = json!({"uri": URI, "version": n + 2});
        let params = json!({"textDocument": document, "contentChanges": change});
        server.notify("textDocument/didChange", params).await;
        mirror.apply(&change);
        at += 1;
        let items = ask(&mut server, &mirror, at, json!({"triggerKind": 2})).await;
        assert_eq!(items[0]["insertText"], "swer = 42;"[n + 1..]);
    }
    assert_eq!(script.decodes(), decodes);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_answers_the_request_before_it_at_once_and_never_with_items() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let mut server = Start::new(&Script::new([STORY]).on_decode(move |_| at_gate.pass()))
        .ready()
        .await;
    server
        .open(URI, "rust", "fn main() {\n    let a\n}\n")
        .await;
    let id = server.send_inline(URI, 1, 9).await;
    gate.is_reached().await;
    server.change(URI, 2, Some([[1, 9], [1, 9]]), "n").await;
    assert_eq!(server.answer(id).await, Err(CANCELLED));
    gate.open();
    assert_eq!(
        server.inline(URI, 1, 10).await[0]["insertText"],
        "swer = 42;"
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_request_answers_the_one_before_it_at_once() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let mut server = Start::new(&Script::new([STORY]).on_decode(move |_| at_gate.pass()))
        .ready()
        .await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let first = server.send_inline(URI, 1, 10).await;
    gate.is_reached().await;
    let second = server.send_inline(URI, 1, 10).await;
    assert_eq!(server.answer(first).await, Err(CANCELLED));
    // Closing the document does the same.
    server
        .notify(
            "textDocument/didClose",
            json!({"textDocument": {"uri": URI}}),
        )
        .await;
    assert_eq!(server.answer(second).await, Err(CANCELLED));
    gate.open();
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_different_documents_do_not_disturb_each_other() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let mut server = Start::new(&Script::new([STORY]).on_decode(move |_| at_gate.pass()))
        .ready()
        .await;
    let mut ids = Vec::new();
    for uri in ["file:///a.rs", "file:///b.rs", "file:///c.rs"] {
        server
            .open(uri, "rust", "fn main() {\n    let an\n}\n")
            .await;
        ids.push(server.send_inline(uri, 1, 10).await);
    }
    gate.open();
    for id in ids {
        let items = items(server.answer(id).await.expect("an answer"));
        assert_eq!(items[0]["insertText"], "swer = 42;");
    }
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_uncertain_is_shown_only_to_those_who_ask_by_hand() {
    // A story that agrees nowhere: the model says something arbitrary, none of it likely.
    let options = json!({"completion": {"min_confidence": 0.9, "max_tokens": 4}});
    let start = Start::new(&Script::new(["日"])).with("/initializationOptions", options);
    let mut server = start
        .with("/capabilities/experimental/ghostline/figures", json!(true))
        .ready()
        .await;
    server.open(URI, "rust", "let x = y\n").await;
    let asked = server.inline(URI, 0, 9).await;
    let figures = server.notified("ghostline/completed").await;
    assert!(
        asked.is_empty() && figures["source"] != "not-wanted",
        "{asked:?} {figures}"
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_gives_an_empty_answer_and_one_message() {
    let mut server = Start::new(&Script::new([STORY]).on_decode(|_| Act::Fail))
        .ready()
        .await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    assert!(server.inline(URI, 1, 10).await.is_empty());
    let shown = server.notified("window/showMessage").await;
    assert_eq!(shown["type"], 1);
    assert!(server.inline(URI, 1, 10).await.is_empty());
    assert!(
        !server
            .has_arrived(|message| message["method"] == "window/showMessage")
            .await
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_tell_what_an_answer_cost_and_hold_no_text() {
    let figures = "/capabilities/experimental/ghostline/figures";
    let mut server = Start::new(&Script::new([STORY]))
        .with(figures, json!(true))
        .with(
            "/initializationOptions",
            json!({"engine": {"prefetch": false}}),
        )
        .ready()
        .await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let id = server.send_inline(URI, 1, 10).await;
    // They come before the answer, so that a client that has it has them, too.
    let first = server
        .take(|message| message["method"] == "ghostline/completed" || message["id"] == id)
        .await;
    assert_eq!(first["method"], "ghostline/completed");
    server.answer(id).await.expect("an answer");
    let mut record = first["params"].clone();
    let usage = record["usage"].take();
    assert!(
        usage["prompt_tokens"].as_u64() > Some(0) && usage["generated_tokens"].as_u64() > Some(0),
        "{usage}"
    );
    for time in ["total_us", "prepare_us"] {
        assert!(record[time].take().is_u64());
    }
    let evidence = record["evidence"].take();
    assert_eq!(
        (&evidence["typed"], &evidence["characters"]),
        (&json!(2), &json!(10))
    );
    assert!(
        evidence["mean"].as_f64().is_some_and(|mean| mean < 0.0),
        "{evidence}"
    );
    let expected = json!({
        "id": id, "uri": URI, "version": 1, "evidence": null, "position": {"line": 1, "character": 10}, "source": "decoded",
        "stop": "end-of-line", "usage": null, "total_us": null, "prepare_us": null,
    });
    assert_eq!(record, expected);

    server.inline(URI, 1, 10).await;
    assert_eq!(
        server.notified("ghostline/completed").await["source"],
        "typed-through"
    );
    let params = inline_params("file:///other.rs", 0, 0);
    server
        .request("textDocument/inlineCompletion", params)
        .await
        .expect("an answer");
    assert_eq!(
        server.notified("ghostline/completed").await["source"],
        "not-open"
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_items_are_counted() {
    let mut server = Start::new(&Script::new([STORY])).ready().await;
    server
        .open(URI, "rust", "fn main() {\n    let an\n}\n")
        .await;
    let item = server.inline(URI, 1, 10).await.remove(0);
    let command = json!({"command": item["command"]["command"], "arguments": null});
    assert_eq!(
        server.request("workspace/executeCommand", command).await,
        Ok(Value::Null)
    );
    let unknown = json!({"command": "rm -rf", "arguments": []});
    assert_eq!(
        server.request("workspace/executeCommand", unknown).await,
        Err(-32602)
    );
    let status = server.status().await;
    assert_eq!(
        (&status["shown"], &status["accepted"]),
        (&json!(1), &json!(1))
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_positions_are_clamped_like_any_other() {
    let mut server = Start::new(&Script::new([STORY])).ready().await;
    server.open(URI, "rust", "fn main() {\n    let an").await;
    let last = server.inline(URI, u32::MAX, u32::MAX).await;
    assert_eq!(
        last[0]["range"]["start"],
        json!({"line": 1, "character": 10})
    );
    server.open(URI, "rust", "fn mai\nother\n").await;
    let end_of_line = server.inline(URI, 0, u32::MAX).await;
    assert_eq!(
        end_of_line[0]["range"]["start"],
        json!({"line": 0, "character": 6})
    );
    server.open(URI, "rust", "").await;
    assert!(server.inline(URI, 7, 7).await.is_empty());
    server.finish().await;
}
