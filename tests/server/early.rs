//! Work starts at the edit, the request joins it, and nothing is asked twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ghostline::{
    engine::script::{Act, Script},
    suggest::gate::{self, Evidence},
};
use serde_json::{Value, json};

use crate::{support::gate::Gate, typist::Typist};

const STORY: &str = "fn main() {\n    let answer = 42;\n}\n";
const DRAWN: &str = "fn main() {\n    let a|\n}\n";

/// Nothing ahead, so that what the engine does is what was asked.
fn plain() -> Value {
    json!({"engine": {"prefetch": false}})
}

/// A model that stands still before its step number `at`, counted from 0, until the gate is opened.
fn held(stories: &[&str], at: usize) -> (Script, Gate) {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let script = Script::new(stories.iter().copied()).on_decode(move |number| {
        if number < at { Act::Go } else { at_gate.pass() }
    });
    (script, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_done_before_it_is_asked() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, plain(), DRAWN).await;
    typist.types("n").await;
    typist.pauses().await;
    let decodes = script.decodes();
    assert!(decodes > 0);
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("swer = 42;"), "started-early")
    );
    assert!(seen.evaluated() > 0, "{seen:?}");
    // What it cost is told once.
    let again = typist.looks().await;
    assert_eq!(
        (again.source.as_str(), again.evaluated()),
        ("typed-through", 0)
    );
    assert_eq!(script.decodes(), decodes);
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_joins_the_job_that_the_edit_started() {
    let (script, gate) = held(&[STORY], 0);
    let mut typist = Typist::start(&script, plain(), DRAWN).await;
    typist.types("n").await;
    gate.is_reached().await;
    let id = typist.asks().await;
    typist.server.status().await;
    gate.open();
    let seen = typist.sees(id).await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("swer = 42;"), "joined")
    );
    typist.pauses().await;
    // No more steps than one job takes.
    let alone = Script::new([STORY]);
    let mut other = Typist::start(&alone, plain(), "fn main() {\n    let an|\n}\n").await;
    assert_eq!(other.looks().await.source, "decoded");
    assert_eq!(script.decodes(), alone.decodes());
    typist.leaves().await;
    other.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_at_another_place_has_a_job_of_its_own() {
    let (script, gate) = held(&[STORY], 0);
    let mut typist = Typist::start(&script, plain(), DRAWN).await;
    typist.types("n").await;
    gate.is_reached().await;
    typist.at = "fn main() {".len();
    let id = typist.asks().await;
    typist.server.status().await;
    gate.open();
    assert_eq!(typist.sees(id).await.figures["source"], "nothing");
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_lives_on_while_what_is_typed_is_what_it_writes() {
    // The prompt, ` answer` that is typed in part, and one more token.
    let (script, gate) = held(&[STORY], 3);
    let mut typist = Typist::start(&script, plain(), DRAWN).await;
    typist.types("n").await;
    let first = typist.asks().await;
    gate.is_reached().await;
    for typed in ["s", "w"] {
        typist.types(typed).await;
    }
    // The request is answered at once all the same.
    typist.is_refused(first).await;
    let id = typist.asks().await;
    typist.server.status().await;
    gate.open();
    let seen = typist.sees(id).await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("er = 42;"), "joined")
    );
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_costs_what_is_evaluated_after_it_was_pressed() {
    let alone = Script::new([STORY]);
    let mut other = Typist::start(&alone, plain(), "fn main() {\n    let an|\n}\n").await;
    let prompt = other.looks().await.evaluated();
    assert!(prompt > 1);
    other.leaves().await;
    // The prompt has been read, and what was typed before is spelled.
    for (key, at_key) in [("s", 0), ("y", 1)] {
        let (script, gate) = held(&[STORY, "fn main() {\n    let any = 1;\n"], 3);
        let mut typist = Typist::start(&script, plain(), DRAWN).await;
        typist.types("n").await;
        let first = typist.asks().await;
        gate.is_reached().await;
        typist.types(key).await;
        typist.is_refused(first).await;
        let id = typist.asks().await;
        typist.server.status().await;
        gate.open();
        let seen = typist.sees(id).await;
        assert!(seen.ghost.is_some());
        let before = seen.figures["ahead"]["evaluated_tokens"].as_u64();
        // A key that agrees lets the job live, another one starts a new one: both have the prompt already.
        assert!(seen.evaluated() <= at_key, "{key}: {seen:?}");
        assert!(before >= Some(prompt), "{key}: {seen:?}");
        typist.leaves().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_lives_on_when_its_request_is_cancelled_just_before_the_edit() {
    // As VS Code does it.
    let (script, gate) = held(&[STORY], 3);
    let mut typist = Typist::start(&script, plain(), DRAWN).await;
    typist.types("n").await;
    let first = typist.asks().await;
    gate.is_reached().await;
    let cancel = json!({"id": first});
    typist.server.notify("$/cancelRequest", cancel).await;
    typist.types("s").await;
    typist.is_refused(first).await;
    // Longer than it takes to find out that nothing follows.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let id = typist.asks().await;
    typist.server.status().await;
    gate.open();
    let seen = typist.sees(id).await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("wer = 42;"), "joined")
    );
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_stopped_when_something_else_is_typed() {
    let (script, gate) = held(&[STORY, "fn main() {\n    let any = 1;\n"], 3);
    let mut typist = Typist::start(&script, plain(), DRAWN).await;
    typist.types("n").await;
    gate.is_reached().await;
    typist.types("y").await;
    let id = typist.asks().await;
    typist.server.status().await;
    gate.open();
    let seen = typist.sees(id).await;
    assert_eq!(seen.ghost.as_deref(), Some(" = 1;"));
    assert_eq!(seen.source, "joined", "the edit has started another");
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_that_are_no_typing_start_nothing() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, plain(), DRAWN).await;
    let text = typist.mirror.text.clone();
    let at = |line: u32, character: u32| json!({"line": line, "character": character});
    let twice = json!([
        {"range": {"start": at(1, 9), "end": at(1, 9)}, "text": "n"},
        {"range": {"start": at(0, 0), "end": at(0, 0)}, "text": "n"},
    ]);
    let paste = "let b = 1;\n".repeat(200);
    for changes in [
        twice,
        json!([{"text": text}]),
        json!([{"range": {"start": at(1, 0), "end": at(1, 0)}, "text": paste}]),
    ] {
        typist.change(changes).await;
        typist.pauses().await;
        assert_eq!(script.decodes(), 0);
    }
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_asks_is_not_worked_for() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, plain(), DRAWN).await;
    for _ in 0..70 {
        typist.types("x").await;
    }
    typist.pauses().await;
    let decodes = script.decodes();
    for _ in 0..10 {
        typist.types("x").await;
        typist.pauses().await;
    }
    assert_eq!(script.decodes(), decodes);
    // Until it does.
    typist.looks().await;
    let decodes = script.decodes();
    typist.types("y").await;
    typist.pauses().await;
    assert!(script.decodes() > decodes);
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_is_not_asked_again() {
    let stories = [STORY, "fn main() {\n    let any = 1;\n}\n"];
    let script = Script::new(stories);
    let mut typist = Typist::start(&script, plain(), DRAWN).await;
    typist.types("n").await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("swer = 42;"));
    typist.types("y").await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some(" = 1;"));
    let decodes = script.decodes();
    // Backspace, what was deleted again, and a line that is inserted far above.
    typist.deletes(1).await;
    let back = typist.looks().await;
    assert_eq!(
        (back.ghost.as_deref(), back.source.as_str()),
        (Some("swer = 42;"), "earlier")
    );
    typist.types("y").await;
    let again = typist.looks().await;
    assert_eq!(
        (again.ghost.as_deref(), again.source.as_str()),
        (Some(" = 1;"), "earlier")
    );
    typist.deletes(1).await;
    typist.types("swer").await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some(" = 42;"));
    assert_eq!(script.decodes(), decodes);
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_there_is_nothing_to_say_is_said_once() {
    let script = Script::new(["let a = 1;\n"]);
    let mut typist = Typist::start(&script, plain(), "let a = 1;|\nlet b").await;
    let first = typist.looks().await;
    assert_eq!(first.source, "nothing");
    assert!(!first.figures["usage"].is_null());
    let decodes = script.decodes();
    let second = typist.looks().await;
    assert_eq!(second.source, "nothing");
    assert!(second.figures["usage"].is_null());
    assert_eq!(script.decodes(), decodes);
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_settings_make_what_was_said_void() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, plain(), "fn main() {\n    let an|\n}\n").await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("swer = 42;"));
    let settings = json!({"engine": {"prefetch": false}, "completion": {"max_tokens": 1}});
    typist
        .server
        .notify(
            "workspace/didChangeConfiguration",
            json!({"settings": settings}),
        )
        .await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("swer"));
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_the_whole_words_are_shown_and_the_rest_at_the_next_key() {
    let story = "fn main() {\n    let answer = forty_two(now);\n}\n";
    let steps = Arc::new(AtomicUsize::new(usize::MAX));
    let gate = Gate::closed();
    let (at_gate, at) = (gate.clone(), steps.clone());
    let script = Script::new([story]).on_decode(move |number| {
        if number < at.load(Ordering::SeqCst) {
            Act::Go
        } else {
            at_gate.pass()
        }
    });
    let settings = json!({"engine": {"prefetch": false}, "latency": {"deadline_ms": 1}});
    let mut typist = Typist::start(&script, settings, DRAWN).await;
    // Held within a word.
    steps.store(6, Ordering::SeqCst);
    typist.types("n").await;
    gate.is_reached().await;
    let seen = typist.looks().await;
    assert_eq!(seen.source, "in-part");
    let part = seen.ghost.expect("some words");
    assert!(
        "swer = forty_two(now);".starts_with(&part) && part.starts_with("swer ="),
        "{part:?}"
    );
    gate.open();
    typist.pauses().await;
    typist.types("s").await;
    let seen = typist.looks().await;
    assert_eq!(seen.ghost.as_deref(), Some("wer = forty_two(now);"));
    assert_eq!(seen.source, "started-early");
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nothing_will_be_shown_is_said_before_the_model_is_done() {
    // The prompt, and two tokens of which it is never as sure as is wanted here.
    let (script, gate) = held(&[STORY], 3);
    let completion = json!({"min_confidence": 0.99, "partial_lines": false});
    let settings = json!({"engine": {"prefetch": false}, "completion": completion});
    let mut typist = Typist::start(&script, settings, DRAWN).await;
    typist.types("n").await;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (None, "unsure")
    );
    let generated = |figures: &Value| figures["generated_tokens"].as_u64().unwrap_or(0);
    let first = generated(&seen.figures["usage"]);
    assert!(seen.evaluated() > 0 && first > 0, "{seen:?}");
    // What is typed next agrees with what it goes on to write, and who asks by hand waits for it.
    gate.is_reached().await;
    typist.types("s").await;
    let id = typist.asks_by_hand().await;
    typist.server.status().await;
    gate.open();
    let seen = typist.sees(id).await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("wer = 42;"), "joined")
    );
    // What it cost is told once.
    assert_eq!(seen.evaluated(), 0);
    let mut other = Typist::start(
        &Script::new([STORY]),
        plain(),
        "fn main() {\n    let an|\n}\n",
    )
    .await;
    let whole = generated(&other.looks().await.figures["usage"]);
    assert_eq!(first + generated(&seen.figures["usage"]), whole);
    typist.leaves().await;
    other.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_in_time_for_vscode_and_the_job_goes_on() {
    let (script, gate) = held(&[STORY], 0);
    let mut typist = Typist::start(&script, plain(), "fn main() {\n    let an|\n}\n").await;
    let seen = typist.looks().await;
    assert_eq!((seen.ghost, seen.source.as_str()), (None, "late"));
    let total = seen.figures["total_us"].as_u64().expect("a time");
    assert!(total >= 700_000, "{total} µs");
    gate.open();
    typist.pauses().await;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("swer = 42;"), "earlier")
    );
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_is_judged_by_what_is_left_of_it() {
    // Which of the two it is nobody knows; but what follows then.
    let before = (0..20).map(|n| format!("// What was said before, line {n}.\n"));
    let before: String = before.collect();
    let script = Script::new([
        format!("{before}fn main() {{\n    let answer = 42;\n"),
        format!("{before}fn main() {{\n    let answer - 42;\n"),
    ]);
    // Between what the whole and what the rest are worth, whatever the weights are.
    let worth = |least: f32, tokens: u16| {
        let evidence = Evidence {
            first: least,
            mean: least / f32::from(tokens),
            least,
            tokens,
            characters: usize::from(tokens),
            ..Evidence::default()
        };
        gate::probability(&evidence, gate::OTHERS)
    };
    let between = (worth(0.5f32.ln(), 5) + worth(0.0, 4)) / 2.0;
    let settings =
        json!({"engine": {"prefetch": false}, "completion": {"min_confidence": between}});
    let drawn = format!("{before}fn main() {{\n    let answer |\n}}\n");
    let mut typist = Typist::start(&script, settings, &drawn).await;
    assert_eq!(typist.looks().await.source, "unsure");
    typist.pauses().await;
    let decodes = script.decodes();
    typist.types("-").await;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some(" 42;"), "earlier")
    );
    assert_eq!(script.decodes(), decodes);
    typist.leaves().await;
}
