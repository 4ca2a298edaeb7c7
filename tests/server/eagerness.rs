//! What comes by itself, and when, under the settings of `eagerness`; asked by hand, everything does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ghostline::engine::{Engine, script::Script};
use serde_json::{Value, json};

use crate::{
    support::{Start, TestServer},
    typist::Typist,
};

const STORY: &str = "fn main() {\n    let answer = 42;\n}\n";
const DRAWN: &str = "fn main() {\n    let a|\n}\n";

/// Nothing ahead, so that what the engine does is what was asked.
fn with(eagerness: Value) -> Value {
    json!({"engine": {"prefetch": false}, "eagerness": eagerness})
}

async fn configures(typist: &Typist, settings: Value) {
    let params = json!({"settings": settings});
    let server = &typist.server;
    server
        .notify("workspace/didChangeConfiguration", params)
        .await;
}

/// What an automatic request sees: its source, and the ghost text.
async fn looks(typist: &mut Typist) -> (String, Option<String>) {
    let seen = typist.looks().await;
    (seen.source, seen.ghost)
}

fn quiet() -> (String, Option<String>) {
    ("quiet".to_owned(), None)
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_nothing_is_said_and_nothing_done_until_it_is_switched_on() {
    let script = Script::new([STORY]);
    let settings = json!({"completion": {"enabled": false}});
    let mut typist = Typist::start(&script, settings.clone(), DRAWN).await;
    let disabled = ("disabled".to_owned(), None);
    typist.types("n").await;
    assert_eq!(looks(&mut typist).await, disabled);
    assert_eq!(typist.looks_by_hand().await.source, "disabled");
    typist.pauses().await;
    assert_eq!(script.decodes(), 0);
    configures(&typist, json!({"completion": {"enabled": true}})).await;
    let seen = typist.looks().await;
    assert_eq!(seen.ghost.as_deref(), Some("swer = 42;"));
    configures(&typist, settings).await;
    typist.pauses().await;
    let decodes = script.decodes();
    typist.types("s").await;
    assert_eq!(looks(&mut typist).await, disabled);
    typist.pauses().await;
    assert_eq!(script.decodes(), decodes);
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subtle_shows_one_line_where_automatic_shows_a_block() {
    let story = "fn f() {\n    one();\n    two();\n}\n";
    for (mode, expected) in [("automatic", "one();\n    two();"), ("subtle", "one();")] {
        let settings = with(json!({"mode": mode}));
        let drawn = "fn f() {\n    |\n}\n";
        let mut typist = Typist::start(&Script::new([story]), settings, drawn).await;
        assert_eq!(
            typist.looks().await.ghost.as_deref(),
            Some(expected),
            "{mode}"
        );
        // Asked by hand there is no difference.
        let by_hand = typist.looks_by_hand().await.ghost.expect("ghost text");
        assert!(by_hand.starts_with("one();"), "{mode}: {by_hand}");
        typist.leaves().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subtle_is_silent_where_the_model_is_unsure() {
    // Two stories that part at the cursor: the model finds either as likely.
    let script = Script::new(["self", "Vec"].map(|word| format!("let answer = {word};\n")));
    let settings = |mode: &str| {
        json!({
            "engine": {"prefetch": false},
            "completion": {"max_tokens": 1},
            "eagerness": {"mode": mode},
        })
    };
    let mut typist = Typist::start(&script, settings("subtle"), "let answer = |\n").await;
    assert_eq!(looks(&mut typist).await, ("unsure".to_owned(), None));
    assert!(typist.looks_by_hand().await.ghost.is_some());
    configures(&typist, settings("automatic")).await;
    assert!(typist.looks().await.ghost.is_some());
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_manual_mode_nothing_comes_by_itself_and_nothing_is_done() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, with(json!({"mode": "manual"})), DRAWN).await;
    typist.types("n").await;
    typist.pauses().await;
    assert_eq!(looks(&mut typist).await, quiet());
    typist.pauses().await;
    assert_eq!(script.decodes(), 0);
    let by_hand = typist.looks_by_hand().await;
    assert_eq!(by_hand.ghost.as_deref(), Some("swer = 42;"));
    typist.pauses().await;
    let decodes = script.decodes();
    // What was asked for stays while it is typed, and is gone once something else is.
    typist.types("s").await;
    let rest = (String::from("typed-through"), Some("wer = 42;".to_owned()));
    assert_eq!(looks(&mut typist).await, rest);
    typist.types("x").await;
    assert_eq!(looks(&mut typist).await, quiet());
    typist.deletes(1).await;
    assert_eq!(looks(&mut typist).await, quiet());
    typist.pauses().await;
    assert_eq!(script.decodes(), decodes);
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_costs_nothing_where_nothing_comes_by_itself() {
    for (settings, costs_nothing_at_all) in [
        (json!({"completion": {"enabled": false}}), true),
        (json!({"languages": {"disabled": ["rust"]}}), true),
        (json!({"files": {"exclude": ["*.rs"]}}), true),
        (json!({"eagerness": {"mode": "manual"}}), false),
    ] {
        let script = Script::new([STORY]);
        let mut typist = Typist::start(&script, settings.clone(), DRAWN).await;
        typist.pauses().await;
        let decodes = script.decodes();
        assert!(decodes == 0 || !costs_nothing_at_all, "{settings}");
        typist.types("n").await;
        typist.looks().await;
        typist.deletes(1).await;
        typist.pauses().await;
        assert_eq!(script.decodes(), decodes, "{settings}");
        typist.leaves().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mode_needs_no_other_engine() {
    let starts = Arc::new(AtomicUsize::new(0));
    let mut start = Start::new(&Script::new([STORY]));
    let (count, script) = (starts.clone(), Script::new([STORY]));
    start.start_engine = Arc::new(move |_, on_status| {
        count.fetch_add(1, Ordering::SeqCst);
        Engine::start(script.loader(), on_status)
    });
    let mut server = start.ready().await;
    server
        .open("file:///a.rs", "rust", "fn main() {\n    let an\n}\n")
        .await;
    for (mode, expected) in [
        ("manual", 0),
        ("subtle", 1),
        ("manual", 0),
        ("automatic", 1),
    ] {
        let settings = json!({"settings": {"eagerness": {"mode": mode}}});
        server
            .notify("workspace/didChangeConfiguration", settings)
            .await;
        assert_eq!(server.inline("file:///a.rs", 1, 10).await.len(), expected);
    }
    assert_eq!(starts.load(Ordering::SeqCst), 1);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ghost_text_is_held_back_until_the_delay_after_the_edit_is_over() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, with(json!({"delay_ms": 60})), DRAWN).await;
    let before = Instant::now();
    typist.types("n").await;
    // Done long before, perhaps; or not yet: the same.
    let seen = typist.looks().await;
    assert_eq!(seen.ghost.as_deref(), Some("swer = 42;"));
    assert!(before.elapsed() >= Duration::from_millis(60));
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_held_is_answered_at_once_when_something_is_typed() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, with(json!({"delay_ms": 650})), DRAWN).await;
    typist.types("n").await;
    typist.pauses().await;
    let id = typist.asks().await;
    typist.types("s").await;
    typist.is_refused(id).await;
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_longer_than_a_request_can_wait_is_kept_and_the_work_is_done() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, with(json!({"delay_ms": 10_000})), DRAWN).await;
    typist.types("n").await;
    typist.pauses().await;
    let decodes = script.decodes();
    assert!(decodes > 0, "the edit starts the work");
    assert_eq!(looks(&mut typist).await, quiet());
    // By hand there is no delay, and what is typed along is not hidden.
    let by_hand = typist.looks_by_hand().await;
    assert_eq!(by_hand.ghost.as_deref(), Some("swer = 42;"));
    typist.types("s").await;
    let rest = (String::from("typed-through"), Some("wer = 42;".to_owned()));
    assert_eq!(looks(&mut typist).await, rest);
    assert_eq!(script.decodes(), decodes);
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_edit_there_is_no_delay() {
    let settings = with(json!({"delay_ms": 10_000}));
    let drawn = "fn main() {\n    let an|\n}\n";
    let mut typist = Typist::start(&Script::new([STORY]), settings, drawn).await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("swer = 42;"));
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_by_itself_in_comments_and_strings_where_that_is_switched_off() {
    let story = "fn main() {\n    // say hello\n    print(\"say hello\");\n}\n";
    for (settings, drawn, typed) in [
        (
            json!({"in_comments": false}),
            "fn main() {\n    // sa|\n}\n",
            "y",
        ),
        (
            json!({"in_comments": false}),
            "fn main() {\n    /|\n}\n",
            "/",
        ),
        (
            json!({"in_strings": false}),
            "fn main() {\n    print(\"sa|\n}\n",
            "y",
        ),
    ] {
        let script = Script::new([story]);
        let mut typist = Typist::start(&script, with(settings), drawn).await;
        typist.types(typed).await;
        typist.pauses().await;
        assert_eq!(looks(&mut typist).await, quiet(), "{drawn}");
        assert_eq!(script.decodes(), 0, "{drawn}");
        assert!(typist.looks_by_hand().await.ghost.is_some(), "{drawn}");
        typist.leaves().await;
        // By default it does.
        let mut typist = Typist::start(&script, with(json!({})), drawn).await;
        typist.types(typed).await;
        assert!(typist.looks().await.ghost.is_some(), "{drawn}");
        typist.leaves().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_deleting_nothing_new_comes_by_itself_until_something_is_typed() {
    let script = Script::new([STORY]);
    let drawn = "fn main() {\n    let anx|\n}\n";
    let mut typist = Typist::start(&script, with(json!({})), drawn).await;
    typist.deletes(1).await;
    typist.pauses().await;
    assert_eq!(looks(&mut typist).await, quiet());
    assert_eq!(looks(&mut typist).await, quiet(), "asked once more");
    typist.pauses().await;
    assert_eq!(script.decodes(), 0);
    typist.types("s").await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("wer = 42;"));
    // What was said comes back, and by hand everything does.
    typist.types("x").await;
    typist.looks().await;
    typist.deletes(1).await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("wer = 42;"));
    typist.deletes(1).await;
    assert_eq!(looks(&mut typist).await, quiet());
    assert_eq!(
        typist.looks_by_hand().await.ghost.as_deref(),
        Some("swer = 42;")
    );
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_undoing_nothing_new_comes_by_itself() {
    let script = Script::new([STORY]);
    let drawn = "fn main() {\n    let ans|\n}\n";
    let mut typist = Typist::start(&script, with(json!({})), drawn).await;
    typist.deletes(3).await;
    typist.types("ans").await;
    typist.pauses().await;
    assert_eq!(looks(&mut typist).await, quiet());
    assert_eq!(script.decodes(), 0);
    typist.types("w").await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("er = 42;"));
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_ghost_text_comes_after_deleting_where_that_is_switched_on() {
    let settings = with(json!({"after_delete": true}));
    let drawn = "fn main() {\n    let anx|\n}\n";
    let mut typist = Typist::start(&Script::new([STORY]), settings, drawn).await;
    typist.deletes(1).await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("swer = 42;"));
    typist.leaves().await;
}

async fn menu(server: &mut TestServer, kind: u32, character: u32) -> usize {
    let params = json!({
        "textDocument": {"uri": "file:///a.rs"},
        "position": {"line": 1, "character": character},
        "context": {"triggerKind": kind},
    });
    let list = server.request("textDocument/completion", params).await;
    let list = list.expect("an answer");
    list["items"].as_array().expect("items").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_manual_mode_a_menu_has_an_item_when_it_is_asked_for_again_at_the_same_place() {
    let mut start = Start::new(&Script::new([STORY]));
    start.initialize = json!({
        "clientInfo": {"name": "helix"},
        "capabilities": {"textDocument": {"completion": {}}},
        "initializationOptions": {"eagerness": {"mode": "manual"}},
    });
    let mut server = start.ready().await;
    let uri = "file:///a.rs";
    server
        .open(uri, "rust", "fn main() {\n    let an\n}\n")
        .await;
    // By Helix, behind a word, and when insert mode is entered elsewhere.
    assert_eq!(menu(&mut server, 1, 9).await, 0);
    assert_eq!(menu(&mut server, 1, 10).await, 0);
    // By its user.
    assert_eq!(menu(&mut server, 1, 10).await, 1);
    server.change(uri, 2, Some([[1, 10], [1, 10]]), "x").await;
    assert_eq!(menu(&mut server, 1, 11).await, 0);
    // While the menu is open, or behind a blank, it is no person.
    for kind in [3, 2] {
        assert_eq!(menu(&mut server, kind, 11).await, 0);
    }
    server.change(uri, 3, Some([[1, 10], [1, 11]]), "s").await;
    assert_eq!(menu(&mut server, 1, 11).await, 0);
    assert_eq!(menu(&mut server, 1, 11).await, 1);
    server.finish().await;
}
