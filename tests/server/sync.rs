//! The server's text is the client's, whatever edits come.

use ghostline::engine::script::Script;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::support::{
    Start, TestServer,
    mirror::{Mirror, Units},
};

const URI: &str = "file:///a.rs";

async fn start() -> TestServer {
    Start::new(&Script::new(["x"])).initialize().await
}

async fn change(server: &TestServer, version: Value, changes: Value) {
    let document = json!({"uri": URI, "version": version});
    server
        .notify(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": changes}),
        )
        .await;
}

fn range(start: [i64; 2], end: [i64; 2]) -> Value {
    let place = |[line, character]: [i64; 2]| json!({"line": line, "character": character});
    json!({"start": place(start), "end": place(end)})
}

#[tokio::test(flavor = "multi_thread")]
async fn several_changes_in_one_message_follow_each_other() {
    let mut server = start().await;
    server.open(URI, "rust", "one\ntwo\n").await;
    let changes = json!([
        {"range": range([0, 0], [0, 3]), "text": "1\n1"},
        {"range": range([2, 0], [2, 3]), "text": "2"},
        {"text": "all new\n"},
        {"range": range([0, 3], [0, 3]), "text": "\u{1F600}"},
        {"range": range([0, 5], [0, 5]), "text": "!"},
    ]);
    change(&server, json!(2), changes).await;
    assert_eq!(
        server.text(URI).await,
        ("all\u{1F600}! new\n".to_string(), 2)
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_jump_stand_still_or_fall_are_taken_as_they_come() {
    let mut server = start().await;
    server.open(URI, "rust", "").await;
    for (version, known) in [(7, 7), (7, 7), (3, 3), (-1, -1)] {
        change(
            &server,
            json!(version),
            json!([{"range": range([0, 0], [0, 0]), "text": "x"}]),
        )
        .await;
        assert_eq!(server.text(URI).await.1, known);
    }
    change(
        &server,
        Value::Null,
        json!([{"range": range([0, 0], [0, 0]), "text": "x"}]),
    )
    .await;
    assert_eq!(server.text(URI).await.0, "xxxxx");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_ranges_are_clamped_and_turned_round() {
    let mut server = start().await;
    for (range, expected) in [
        (range([0, 3], [0, 1]), "o+\ntwo"),
        (range([0, 99], [0, 99]), "one+\ntwo"),
        (range([9, 9], [9, 9]), "one\ntwo+"),
        (range([1, 1], [0, 1]), "o+wo"),
        (range([0, 0], [4_294_967_295, 4_294_967_295]), "+"),
    ] {
        server.open(URI, "rust", "one\ntwo").await;
        change(&server, json!(2), json!([{"range": range, "text": "+"}])).await;
        assert_eq!(server.text(URI).await.0, expected, "{range}");
    }
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_again_replaces_and_closing_forgets() {
    let mut server = start().await;
    server.open(URI, "rust", "one").await;
    server.open(URI, "python", "two").await;
    assert_eq!(server.text(URI).await, ("two".to_string(), 1));
    let document = json!({"textDocument": {"uri": URI}});
    server
        .notify(
            "textDocument/willSave",
            json!({"textDocument": {"uri": URI}, "reason": 1}),
        )
        .await;
    server
        .notify("textDocument/didSave", document.clone())
        .await;
    server
        .notify("textDocument/didClose", document.clone())
        .await;
    server.notify("textDocument/didClose", document).await;
    // Of a document that is not open: ignored.
    change(&server, json!(3), json!([{"text": "three"}])).await;
    assert_eq!(
        server
            .request("ghostline/documentText", json!({"uri": URI}))
            .await,
        Ok(Value::Null)
    );
    assert!(server.inline(URI, 0, 0).await.is_empty());
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_random_edits_leave_the_text_equal_in_each_encoding() {
    for (n, units) in Units::ALL.into_iter().enumerate() {
        let encodings = json!([units.name()]);
        let start = Start::new(&Script::new(["x"]))
            .with("/capabilities/general/positionEncodings", encodings);
        let mut server = start.initialize().await;
        let mut mirror = Mirror {
            text: String::new(),
            units,
        };
        server.open(URI, "rust", "").await;
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[n as u8; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let pieces = [
            "a",
            "fn f() {",
            "}",
            "\n",
            "\r\n",
            "\r",
            "é",
            "日本",
            "\u{1F600}",
            "\t",
            "e\u{301}",
            "\"",
            "",
        ];
        let text = proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..6)
            .prop_map(|pieces| pieces.concat());
        // Places as fractions of the text; now and then everything is replaced.
        let edit = (0.0..1.0_f64, 0.0..1.0_f64, text, 0..200_u8, 1..4_usize);
        let mut done = 0;
        let mut version = 1;
        while done < 10_000 {
            let mut changes = Vec::new();
            let (.., n_changes) = edit.new_tree(&mut runner).unwrap().current();
            for _ in 0..n_changes {
                let (from, len, text, kind, _) = edit.new_tree(&mut runner).unwrap().current();
                let boundary = |at: usize| {
                    (0..=at)
                        .rev()
                        .find(|&at| mirror.text.is_char_boundary(at))
                        .unwrap()
                };
                let start = boundary((from * mirror.text.len() as f64) as usize);
                let end = boundary((start + (len * 24.0) as usize).min(mirror.text.len()));
                let change = match kind {
                    0 => json!({"text": text}),
                    // Columns past the end of the line.
                    1..4 => {
                        let mut position = mirror.position(start);
                        position["character"] = json!(1_000_000);
                        json!({"range": {"start": position, "end": position}, "text": text})
                    }
                    _ => json!({
                        "range": {"start": mirror.position(start), "end": mirror.position(end)},
                        "text": text,
                    }),
                };
                mirror.apply(&json!([change]));
                changes.push(change);
                done += 1;
            }
            version += 1;
            change(&server, json!(version), json!(changes)).await;
            if version % 97 == 0 {
                assert_eq!(
                    server.text(URI).await,
                    (mirror.text.clone(), version),
                    "{units:?} after {done} edits"
                );
            }
            if mirror.text.len() > 4_000 {
                mirror.text = mirror.text.chars().take(500).collect();
                version += 1;
                change(&server, json!(version), json!([{"text": mirror.text}])).await;
            }
        }
        assert_eq!(server.text(URI).await, (mirror.text, version));
        server.finish().await;
    }
}
