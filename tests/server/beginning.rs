//! Where the whole line is too uncertain, its beginning may not be.

use ghostline::engine::script::{Act, Script};
use serde_json::{Value, json};

use crate::{
    support::gate::Gate,
    typist::{Seen, Typist},
};

const DRAWN: &str = "fn main() {\n    let an|\n}\n";

/// What is taken of `total` nobody knows.
fn stories() -> [String; 3] {
    ["first", "last", "sum"]
        .map(|what| format!("fn main() {{\n    let answer = total.{what}();\n}}\n"))
}

fn script() -> Script {
    Script::new(stories())
}

fn settings(completion: Value) -> Value {
    json!({"engine": {"prefetch": false}, "completion": completion})
}

async fn typist(completion: Value) -> Typist {
    Typist::start(&script(), settings(completion), DRAWN).await
}

fn is_part(seen: &Seen) -> bool {
    seen.figures["isPart"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_that_is_likely_is_shown_and_more_of_it_once_that_is() {
    let mut typist = typist(json!({"min_confidence": 0.45})).await;
    let seen = typist.looks().await;
    assert_eq!(seen.ghost.as_deref(), Some("swer = total"), "{seen:?}");
    assert!(is_part(&seen));
    typist.types("swer = to").await;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("tal"), "typed-through")
    );
    // Which of them it is, is known from here on.
    typist.types("tal.first").await;
    let seen = typist.looks().await;
    assert_eq!(seen.ghost.as_deref(), Some("();"), "{seen:?}");
    assert!(!is_part(&seen));
    // Deleting brings back what stood there.
    typist.deletes("tal.first".len()).await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("tal"));
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_by_hand_gets_the_whole_line() {
    let mut typist = typist(json!({"min_confidence": 0.45})).await;
    assert!(is_part(&typist.looks().await));
    let seen = typist.looks_by_hand().await;
    let ghost = seen.ghost.as_deref().unwrap();
    assert!(
        ghost.starts_with("swer = total.") && ghost.ends_with("();"),
        "{ghost}"
    );
    assert!(!is_part(&seen));
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_whole_lines_gets_no_beginnings() {
    let mut typist = typist(json!({"min_confidence": 0.45, "partial_lines": false})).await;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (None, "unsure")
    );
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_comes_before_the_model_is_done() {
    // Held behind the word that nobody knows.
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let script = script().on_decode(move |number| match number {
        0..10 => Act::Go,
        _ => at_gate.pass(),
    });
    let completion = json!({"min_confidence": 0.5});
    let mut typist = Typist::start(&script, settings(completion), DRAWN).await;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("swer = total"), "decoded"),
        "{seen:?}"
    );
    assert!(is_part(&seen));
    gate.is_reached().await;
    gate.open();
    typist.pauses().await;
    let decodes = script.decodes();
    typist.types("swer = total.").await;
    assert_eq!(typist.looks_by_hand().await.source, "earlier");
    assert_eq!(script.decodes(), decodes);
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_comes_back_though_the_model_was_stopped_before_it_was_done() {
    let gate = Gate::closed();
    let at_gate = gate.clone();
    let other = "use std::zero;\n".to_owned();
    let script =
        Script::new(stories().into_iter().chain([other])).on_decode(move |number| match number {
            0..10 => Act::Go,
            _ => at_gate.pass(),
        });
    let completion = json!({"min_confidence": 0.5});
    let mut typist = Typist::start(&script, settings(completion), DRAWN).await;
    let beginning = typist.looks().await;
    assert!(is_part(&beginning), "{beginning:?}");
    gate.is_reached().await;
    // Something else is begun in a line above, which stops it.
    typist.replace(0..0, "\n").await;
    typist.replace(0..0, "use std::ze").await;
    typist.server.text(&typist.uri).await;
    gate.open();
    let other = typist.looks_by_hand().await;
    assert!(other.ghost.is_some(), "{other:?}");
    typist.replace(0..12, "").await;
    let at = DRAWN.find('|').unwrap();
    typist.replace(at..at, "").await;
    let seen = typist.looks().await;
    assert_eq!(
        (&seen.ghost, seen.source.as_str()),
        (&beginning.ghost, "earlier"),
        "{seen:?}"
    );
    assert!(is_part(&seen));
    // Whoever asks by hand gets all of it.
    let whole = typist.looks_by_hand().await.ghost.unwrap();
    assert!(whole.ends_with("();"), "{whole}");
    typist.leaves().await;
}
