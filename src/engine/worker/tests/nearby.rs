//! The live cache beside the model: it costs no evaluation, what it says is likely is said, and with it, too, everything
//! that saves work changes no answer.

use proptest::prelude::*;

use super::*;
use crate::{
    document::{Document, Snapshot},
    nearby::Nearby,
    text::ByteOffset,
};

/// What a document with this text before the cursor knows, when the tail starts at its last line.
fn nearby(text: &str, behind: &str) -> (Arc<Nearby>, String) {
    let all = [text, behind].concat();
    let snapshot: Snapshot = Document::new(&all, 1, "rust", None).snapshot();
    let line = text.rfind('\n').map_or(0, |at| at + 1);
    let nearby = Nearby::of(&snapshot, ByteOffset(line), ByteOffset(text.len()), &[]);
    (nearby, text[line..].to_owned())
}

fn task_at(head: &Arc<Head>, text: &str, behind: &str) -> Task {
    let (nearby, tail) = nearby(text, behind);
    let mut task = task(A, head, &tail);
    task.prompt.nearby = Some(nearby);
    task
}

const BEFORE: &str = "    connection.send(Message::Ping)?;\n    connection.flush()?;\n";

#[test]
fn what_stands_elsewhere_is_said_when_the_model_knows_nothing() {
    let mut bench = Bench::new(Script::new(Vec::<String>::new()));
    let head = bench.head.clone();
    let completion = bench.task(task_at(&head, &format!("{BEFORE}    connection.se"), "\n"));
    assert_eq!(completion.text, "nd(Message::Ping)?;");
    // And without, something arbitrary is.
    assert_ne!(bench.ask("    connection.se").text, completion.text);
}

#[test]
fn a_model_that_is_sure_is_believed() {
    let mut bench = Bench::new(Script::new(["    connection.send(Message::Pong)?;\n"]));
    let head = bench.head.clone();
    let text = format!("{BEFORE}    connection.send(Message::Po");
    let completion = bench.task(task_at(&head, &text, "\n"));
    assert_eq!(completion.text, "ng)?;");
}

#[test]
fn a_model_that_chooses_alone_has_drafts_from_what_stands_elsewhere() {
    let said = |mixes: bool, speculation: Speculation, stories: &[&str]| {
        let mut bench = Bench::new(Script::new(stories.iter().copied()));
        bench.worker.speculate(speculation);
        let head = bench.head.clone();
        let completion = bench.task(Task {
            mixes,
            ..task_at(&head, &format!("{BEFORE}    connection.se"), "\n")
        });
        (completion.text, completion.usage.accepted_tokens)
    };
    let (plain, accepted) = said(false, Speculation::Off, &[BEFORE]);
    assert_eq!((plain.as_str(), accepted), ("nd(Message::Ping)?;", 0));
    let (drafted, accepted) = said(false, Speculation::Always, &[BEFORE]);
    assert_eq!(drafted, plain);
    assert!(accepted > 2, "{accepted}");
    // What a model says that knows nothing is left to it.
    let (alone, _) = said(false, Speculation::Always, &[]);
    assert_ne!(alone, plain);
    assert_eq!(said(true, Speculation::Always, &[]).0, plain);
}

#[test]
fn it_evaluates_not_one_token_more() {
    for typed in [
        "",
        "    connection",
        "    connection.se",
        "    connection.send(",
    ] {
        let text = format!("{BEFORE}{typed}");
        let mut bench = Bench::new(Script::new([BEFORE]));
        let head = bench.head.clone();
        let with = bench.task(task_at(&head, &text, "\n"));
        let mut bench = Bench::new(Script::new([BEFORE]));
        let without = bench.task(Task {
            prompt: Prompt {
                nearby: None,
                ..task_at(&head, &text, "\n").prompt
            },
            ..task_at(&head, &text, "\n")
        });
        assert_eq!(with.text, without.text);
        assert_eq!(with.usage.evaluated_tokens, without.usage.evaluated_tokens);
        assert_eq!(with.usage.generated_tokens, without.usage.generated_tokens);
    }
}

#[test]
fn typing_along_with_it_evaluates_nothing_and_changes_nothing() {
    let mut bench = Bench::new(Script::new(Vec::<String>::new()));
    let head = bench.head.clone();
    let text = format!("{BEFORE}    connection.");
    let ghost = bench.task(task_at(&head, &text, "\n")).text;
    assert_eq!(ghost, "flush()?;");
    for at in 1..ghost.len() {
        let typed = format!("{text}{}", &ghost[..at]);
        let completion = bench.task(task_at(&head, &typed, "\n"));
        assert_eq!(completion.text, ghost[at..], "{typed:?}");
        assert_eq!(completion.usage.evaluated_tokens, 0, "{typed:?}");
    }
}

#[test]
fn how_likely_a_token_is_said_to_be_is_its_share_of_the_mixture() {
    let mut bench = Bench::new(Script::new(Vec::<String>::new()));
    let head = bench.head.clone();
    let many = format!("{}    connection.se", BEFORE.repeat(4));
    let sure = bench.task(task_at(&head, &many, "\n"));
    let few = bench.task(task_at(&head, &format!("{BEFORE}    x.se"), "\n"));
    assert!(sure.tokens.iter().all(|token| token.log_probability <= 0.0));
    assert!(
        sure.confidence.mean > few.confidence.mean,
        "{:?} {:?}",
        sure.confidence,
        few.confidence
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn with_it_too_reuse_changes_no_answer(
        speculates in any::<bool>(),
        text in "([a-c(= ]|let |answer|    |\n){0,60}",
        session in prop::collection::vec(("[a-c(= \n]|let |answer|é", 0..3_usize), 1..16),
    ) {
        let script = Script::new([STORY, "let c = answer(a);\n"]);
        let mut bench = Bench::new(script.clone());
        if speculates {
            bench.worker.speculate(Speculation::Always);
        }
        let mut fresh = Bench::new(script);
        let head = bench.head.clone();
        let mut text = text;
        let mut ghost = String::new();
        for (typed, what) in session {
            match what {
                0 => text += &ghost,
                1 => _ = text.pop(),
                _ => text += &typed,
            }
            let reused = bench.task(task_at(&head, &text, "\n}\n"));
            let mut task = task_at(&head, &text, "\n}\n");
            task.reuses = false;
            let plain = fresh.task(task);
            prop_assert_eq!(&reused.text, &plain.text);
            prop_assert_eq!(&reused.tokens, &plain.tokens);
            ghost = reused.text;
            bench.worker.tidy_up();
        }
    }
}
