//! What a job costs and what it answers, counted by the scripted model. That reuse and healing change
//! nothing about the answer is in `tests/law.rs`, and what can go wrong in `tests/trouble.rs`.

mod ahead;
mod law;
mod nearby;
mod speculation;
mod trouble;

use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    engine::{
        Cancel, DocumentId, Priority,
        model::Token,
        script::{Act, EMPTY, MIDDLE, PREFIX, SUFFIX, Script},
    },
    prompt::{Head, Prompt, Segment},
};

const STORY: &str = "fn answer(value: usize) -> String {\n    let answer = value + 42;\n    for x in 0..answer {\n        println(x::y);\n    }\n    return größe_日本語(answer);\n}\n";

const A: DocumentId = DocumentId(1);
const B: DocumentId = DocumentId(2);

fn head(prefix: &str, suffix: &str) -> Arc<Head> {
    let special = |spelling: &str| Segment::Special(spelling.to_owned());
    let text = |text: &str| Segment::Text(text.to_owned());
    Arc::new(Head {
        segments: vec![
            special(PREFIX),
            text(prefix),
            special(SUFFIX),
            Segment::Suffix(suffix.to_owned()),
            special(MIDDLE),
        ],
    })
}

fn task(document: DocumentId, head: &Arc<Head>, tail: &str) -> Task {
    Task {
        document,
        priority: Priority::Now,
        prompt: Prompt {
            head: head.clone(),
            tail: tail.to_owned(),
            nearby: None,
        },
        max_tokens: 24,
        stop: Box::new(|text| text.find('\n').map(|at| (StopReason::EndOfLine, at))),
        heals: true,
        reuses: true,
        mixes: true,
        branches: 0,
        replaces: false,
        cancel: Cancel::default(),
        progress: None,
    }
}

fn standing_still() -> Clock {
    Box::new(|| Duration::ZERO)
}

/// A worker with a scripted model.
struct Bench {
    script: Script,
    worker: Worker,
    head: Arc<Head>,
}

impl Bench {
    fn new(script: Script) -> Bench {
        let mut worker = Worker::new(Box::new(script.model()), 0, standing_still());
        // So that one token is one step.
        worker.speculate(Speculation::Off);
        Bench {
            worker,
            script,
            head: head("// some text before\n", "// some text behind\n"),
        }
    }

    fn try_task(&mut self, mut task: Task) -> Outcome {
        let before = self.script.evaluated();
        let outcome = self.worker.complete(&mut task, Duration::ZERO);
        assert_eq!(self.script.drift(), None);
        if let Outcome::Done(Completion { usage, .. }) = &outcome {
            assert_eq!(
                usage.prompt_tokens,
                usage.reused_tokens + usage.evaluated_tokens
            );
            assert!(self.script.evaluated() - before >= usage.evaluated_tokens);
        }
        outcome
    }

    #[track_caller]
    fn task(&mut self, task: Task) -> Completion {
        match self.try_task(task) {
            Outcome::Done(completion) => completion,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn ask_in(&mut self, document: DocumentId, tail: &str) -> Completion {
        let head = self.head.clone();
        self.task(task(document, &head, tail))
    }

    #[track_caller]
    fn ask(&mut self, tail: &str) -> Completion {
        self.ask_in(A, tail)
    }
}

#[test]
fn the_story_goes_on_at_every_character() {
    let mut bench = Bench::new(Script::new([STORY]));
    for (at, _) in STORY.char_indices().skip(1) {
        let expected = STORY[at..].lines().next().unwrap_or_default();
        assert_eq!(bench.ask(&STORY[..at]).text, expected, "at {at}");
    }
}

#[test]
fn typing_evaluates_at_most_three_prompt_tokens_and_mostly_none() {
    let mut bench = Bench::new(Script::new([STORY]));
    bench.ask("");
    let costs: Vec<usize> = STORY
        .char_indices()
        .skip(1)
        .map(|(at, _)| bench.ask(&STORY[..at]).usage.evaluated_tokens)
        .collect();
    assert!(costs.iter().all(|cost| *cost <= 3), "{costs:?}");
    let none = costs.iter().filter(|cost| **cost == 0).count();
    assert!(none * 10 > costs.len() * 9, "{costs:?}");
}

#[test]
fn typing_against_the_ghost_text_costs_a_token_or_two() {
    let mut bench = Bench::new(Script::new([STORY]));
    let typed = "fn other(thing: u32) -> Vec<u8> {\n    let élan = thing.len() * 3;\n\tdef x\n";
    bench.ask("");
    let costs: Vec<usize> = typed
        .char_indices()
        .skip(1)
        .map(|(at, _)| bench.ask(&typed[..at]).usage.evaluated_tokens)
        .collect();
    assert!(costs.iter().all(|cost| *cost <= 3), "{costs:?}");
    assert!(costs.iter().sum::<usize>() * 2 <= costs.len(), "{costs:?}");
}

#[test]
fn typing_along_decodes_nothing_that_was_decoded() {
    let mut bench = Bench::new(Script::new([STORY]));
    bench.ask("fn answer(value: usize) -> String {\n    let");
    let before = bench.script.decodes();
    assert_eq!(
        bench
            .ask("fn answer(value: usize) -> String {\n    let answ")
            .text,
        "er = value + 42;"
    );
    assert_eq!(bench.script.decodes(), before);
}

#[test]
fn accepting_evaluates_nothing() {
    let mut bench = Bench::new(Script::new([STORY]));
    let mut tail = "fn".to_owned();
    let ghost = bench.ask(&tail);
    assert_eq!(
        (ghost.text.as_str(), ghost.stop),
        (" answer(value: usize) -> String {", StopReason::EndOfLine)
    );
    tail += &ghost.text;
    assert_eq!(bench.ask(&tail).usage.evaluated_tokens, 0);
}

#[test]
fn a_backspace_evaluates_at_most_one_token() {
    let mut bench = Bench::new(Script::new([STORY]));
    let mut tail = STORY[..STORY.len() / 2].to_owned();
    while bench.ask(&tail).usage.evaluated_tokens > 0 {}
    while tail.pop().is_some() {
        let usage = bench.ask(&tail).usage;
        assert!(usage.evaluated_tokens <= 1, "{tail:?} {usage:?}");
    }
}

#[test]
fn the_usage_is_what_the_model_has_counted() {
    let mut bench = Bench::new(Script::new([STORY]));
    for tail in [
        "fn answer(val",
        "fn answer(value: u",
        "fn answer(va",
        "fn bnswer(va",
        "fn answer",
    ] {
        let (evaluated, decodes) = (bench.script.evaluated(), bench.script.decodes());
        let usage = bench.ask(tail).usage;
        let steps = bench.script.evaluated() - evaluated - usage.evaluated_tokens;
        // The last one is chosen, but ends the line: nothing is asked about it.
        assert_eq!(
            steps + usage.replayed_tokens + 1,
            usage.generated_tokens,
            "{usage:?}"
        );
        assert_eq!(
            bench.script.decodes() - decodes,
            steps + usize::from(usage.evaluated_tokens > 0)
        );
    }
}

#[test]
fn two_documents_do_not_evict_each_other() {
    let mut bench = Bench::new(Script::new([STORY]));
    let other = "import value\n# another file altogether, that has nothing in common\ndef ";
    bench.ask_in(A, &STORY[..60]);
    bench.ask_in(B, other);
    for at in 61..90 {
        assert!(bench.ask_in(A, &STORY[..at]).usage.evaluated_tokens <= 3);
        let typed = format!("{other}{}", &"some_name_being_typed_here_now"[..at - 60]);
        assert!(bench.ask_in(B, &typed).usage.evaluated_tokens <= 3);
    }
}

#[test]
fn several_places_of_one_document_stay_alive() {
    let mut bench = Bench::new(Script::new([STORY]));
    let heads: Vec<Arc<Head>> = (0..4)
        .map(|at| {
            head(
                &format!("// place {at}\n{}", "// filler\n".repeat(at + 3)),
                "// behind\n",
            )
        })
        .collect();
    let mut costs = Vec::new();
    for round in 0..3 {
        for head in &heads {
            let tail = &STORY[..20 + round];
            costs.push(bench.task(task(A, head, tail)).usage.evaluated_tokens);
        }
    }
    assert!(costs[4..].iter().all(|cost| *cost <= 3), "{costs:?}");
}

#[test]
fn a_closed_documents_cache_goes_first() {
    let mut bench = Bench::new(Script::new([STORY]).sequences(2));
    bench.ask_in(A, &STORY[..40]);
    bench.ask_in(B, "something else entirely");
    bench.worker.forget(B);
    bench.ask_in(DocumentId(3), "a third document here");
    assert_eq!(bench.ask_in(A, &STORY[..40]).usage.evaluated_tokens, 0);
}

#[test]
fn without_reuse_everything_is_evaluated() {
    let mut bench = Bench::new(Script::new([STORY]));
    for _ in 0..2 {
        let head = bench.head.clone();
        let usage = bench
            .task(Task {
                reuses: false,
                ..task(A, &head, "fn answer(va")
            })
            .usage;
        assert_eq!(
            (usage.reused_tokens, usage.evaluated_tokens),
            (0, usage.prompt_tokens)
        );
    }
}

#[test]
fn without_healing_the_half_word_is_evaluated() {
    let mut bench = Bench::new(Script::new([STORY]));
    let healed = bench.ask("fn answer(val").usage;
    assert_eq!(healed.healed_bytes, "(val".len());
    let head = bench.head.clone();
    let usage = bench
        .task(Task {
            heals: false,
            ..task(A, &head, "fn answer(val")
        })
        .usage;
    assert_eq!(
        (usage.healed_bytes, usage.prompt_tokens),
        (0, healed.prompt_tokens + 4)
    );
}

#[test]
fn no_tokens_wanted_means_that_the_prompt_is_evaluated_and_nothing_else() {
    let mut bench = Bench::new(Script::new([STORY]));
    let head = bench.head.clone();
    let completion = bench.task(Task {
        max_tokens: 0,
        ..task(A, &head, "fn ")
    });
    assert_eq!(
        (
            completion.text.as_str(),
            completion.stop,
            completion.usage.generated_tokens
        ),
        ("", StopReason::MaxTokens, 0)
    );
    assert_eq!(bench.script.evaluated(), completion.usage.prompt_tokens);
    assert_eq!(bench.ask("fn ").usage.evaluated_tokens, 0);
}

#[test]
fn the_token_limit_counts_what_is_shown() {
    let mut bench = Bench::new(Script::new([STORY]));
    let head = bench.head.clone();
    let completion = bench.task(Task {
        max_tokens: 3,
        ..task(A, &head, "fn answer(val")
    });
    assert_eq!(
        (completion.text.as_str(), completion.stop),
        ("ue: ", StopReason::MaxTokens)
    );
    assert_eq!(
        completion.usage.generated_tokens, 4,
        "the bracket was forced"
    );
}

#[test]
fn nothing_at_all_is_answered_with_nothing() {
    let mut bench = Bench::new(Script::new([STORY]));
    let empty = Arc::new(Head { segments: vec![] });
    let completion = bench.task(task(A, &empty, ""));
    assert_eq!(
        (completion.text.as_str(), completion.usage.prompt_tokens),
        ("", 0)
    );
}

#[test]
fn what_may_follow_is_told_behind_what_is_typed() {
    let mut bench = Bench::new(Script::new(["let answer = 42;\n"]));
    let head = bench.head.clone();
    let wanting = |tail, max_tokens| Task {
        max_tokens,
        branches: 3,
        ..task(A, &head, tail)
    };
    // ` answer` spells what is typed; ` =` and ` ` are likely behind it.
    let completion = bench.task(wanting("let answer", 4));
    assert_eq!(completion.text, " = 42");
    assert_eq!(completion.branches.len(), 3);
    assert_eq!(completion.branches[0].text, " ");
    assert!(completion.branches[0].probability > 0.99);
    // Within a word that is one token, too; and without generating anything.
    for max_tokens in [0, 4] {
        let completion = bench.task(wanting("let answ", max_tokens));
        assert_eq!(completion.branches[0].text, "e");
        let sum: f32 = completion.branches.iter().map(|it| it.probability).sum();
        assert!(completion.branches[0].probability > 0.99 && sum <= 1.0 + 1e-5);
    }
    assert_eq!(bench.ask("let answ").branches, []);
}

#[test]
fn a_completion_says_how_likely_each_of_its_tokens_was() {
    // Which of the two it is nobody knows; but what follows then.
    let mut bench = Bench::new(Script::new(["let answer = 42;\n", "let answer - 42;\n"]));
    let completion = bench.ask("let answer ");
    assert_eq!(completion.text, "- 42;");
    let starts: Vec<usize> = completion.tokens.iter().map(|it| it.start).collect();
    assert_eq!(starts, [0, 1, 2, 3, 4]);
    let probability = |at: usize| completion.tokens[at].log_probability.exp();
    assert!(
        probability(0) < 0.6 && probability(1) > 0.9,
        "{completion:?}"
    );
    // What was there before says the same.
    assert_eq!(bench.ask("let answer ").tokens, completion.tokens);
    assert_eq!(
        Some(completion.confidence),
        crate::suggest::gate::Confidence::of(&completion.tokens)
    );
}

#[test]
fn confidence_is_of_what_is_shown() {
    let mut bench = Bench::new(Script::new(["let answer = 42;\n"]));
    let confidence = bench.ask("let answer").confidence;
    assert!(
        confidence.first > -0.01 && confidence.mean > -0.01,
        "{confidence:?}"
    );
    let mut bench = Bench::new(Script::new(Vec::<String>::new()));
    let confidence = bench.ask("let answer").confidence;
    assert!(
        confidence.first < -3.0 && confidence.mean < -3.0,
        "{confidence:?}"
    );
}
