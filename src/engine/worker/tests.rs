//! What a job costs and what it answers, counted by the scripted model; and the law that reuse and
//! healing change nothing about the answer.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::{
    engine::{
        DocumentId,
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
            text(suffix),
            special(MIDDLE),
        ],
    })
}

fn task(document: DocumentId, head: &Arc<Head>, tail: &str) -> Task {
    Task {
        document,
        prompt: Prompt {
            head: head.clone(),
            tail: tail.to_owned(),
        },
        max_tokens: 24,
        stop: Box::new(|text| text.find('\n').map(|at| (StopReason::EndOfLine, at))),
        heals: true,
        reuses: true,
        cancel: Cancel::default(),
    }
}

/// A worker with a scripted model.
struct Bench {
    script: Script,
    worker: Worker,
    head: Arc<Head>,
}

impl Bench {
    fn new(script: Script) -> Bench {
        Bench {
            worker: Worker::new(Box::new(script.model()), 0),
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
        assert!(steps <= usage.generated_tokens, "{usage:?} {steps}");
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

/// The model says these bytes after `x =`.
#[track_caller]
fn check_bytes(said: &[u8], expected: &str) -> Completion {
    let mut bench = Bench::new(Script::new([[b"x =", said].concat()]));
    let completion = bench.ask("x =");
    assert_eq!(completion.text, expected);
    completion
}

#[test]
fn only_whole_characters_come_out() {
    check_bytes("語 é".as_bytes(), "語 é");
    check_bytes(&"1語".as_bytes()[..3], "1");
    check_bytes(b"1\xFF2", "1");
    check_bytes(b"\x80", "");
    check_bytes(b"1\n\xFF2", "1");
}

#[test]
fn stop_rules_see_only_whole_characters_and_each_text_once() {
    let mut bench = Bench::new(Script::new(["x = 語é;\n"]));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (head, sink) = (bench.head.clone(), seen.clone());
    let stop = Box::new(move |text: &str| {
        sink.lock().unwrap().push(text.to_owned());
        text.ends_with('\n')
            .then(|| (StopReason::EndOfLine, text.len() - 1))
    });
    assert_eq!(
        bench
            .task(Task {
                stop,
                ..task(A, &head, "x = ")
            })
            .text,
        "語é;"
    );
    assert_eq!(*seen.lock().unwrap(), ["語", "語é", "語é;", "語é;\n"]);
}

#[test]
fn a_model_that_says_nothing_for_ever_comes_to_an_end() {
    let mut bench = Bench::new(Script::new([STORY]).insists_on(EMPTY));
    let completion = bench.ask("x\n");
    assert_eq!(
        (completion.text.as_str(), completion.stop),
        ("", StopReason::MaxTokens)
    );
    assert_eq!(completion.usage.generated_tokens, 24);
}

#[test]
fn end_tokens_are_not_allowed_within_the_word_being_typed() {
    let script = Script::new([STORY]);
    let end = script.model().special(crate::engine::script::END).unwrap();
    let completion = Bench::new(script.insists_on(end)).ask("let answ");
    assert_eq!(
        (completion.text.as_str(), completion.stop),
        ("er", StopReason::EndToken)
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

#[test]
fn an_over_long_prompt_is_shortened_and_still_reused() {
    let mut bench = Bench::new(Script::new([STORY]).capacity(256));
    bench.head = head(&"0123456789".repeat(60), "// behind\n");
    let costs: Vec<usize> = (30..60)
        .map(|at| bench.ask(&STORY[..at]).usage.evaluated_tokens)
        .collect();
    assert_eq!(bench.ask(&STORY[..60]).text, " 42;");
    // Once in 64 tokens everything moves.
    assert!(
        costs[1..].iter().filter(|cost| **cost > 3).count() <= 1,
        "{costs:?}"
    );
}

#[test]
fn no_sequence_gets_longer_than_the_models_context() {
    let script = Script::new(Vec::<String>::new());
    let mut bench = Bench { worker: Worker::new(Box::new(script.model()), 100), ..Bench::new(script) };
    bench.head = head(&"0123456789".repeat(60), "// behind\n");
    for typed in 0..80 {
        let usage = bench.ask(&"x1".repeat(typed)).usage;
        assert!(usage.prompt_tokens + usage.generated_tokens <= 100, "{usage:?}");
    }
}

#[test]
fn a_model_that_cannot_forget_a_part_evaluates_everything_again() {
    let mut bench = Bench::new(Script::new([STORY]).without_truncation());
    bench.ask(&STORY[..50]);
    let usage = bench.ask("fn answer(other").usage;
    assert_eq!(
        (usage.reused_tokens, usage.evaluated_tokens),
        (0, usage.prompt_tokens)
    );
    assert_eq!(bench.ask(&STORY[..60]).text, " 42;");
}

#[test]
fn a_failed_step_is_answered_and_the_next_job_works() {
    for act in [Act::Fail, Act::Nonsense] {
        for failing in 0..6 {
            let mut bench = Bench::new(
                Script::new([STORY])
                    .on_decode(move |number| if number == failing { act } else { Act::Go }),
            );
            let head = bench.head.clone();
            assert!(matches!(
                bench.try_task(task(A, &head, "fn answer(val")),
                Outcome::Failed(_)
            ));
            assert_eq!(bench.ask("fn answer(val").text, "ue: usize) -> String {");
        }
    }
}

#[test]
fn a_missing_control_token_is_said() {
    let mut bench = Bench::new(Script::new([STORY]));
    let head = Arc::new(Head {
        segments: vec![Segment::Special("<nope>".to_owned())],
    });
    let Outcome::Failed(sentence) = bench.try_task(task(A, &head, "x")) else {
        panic!()
    };
    assert!(sentence.contains("`<nope>`"), "{sentence}");
}

#[test]
fn cancelling_stops_within_the_step_and_keeps_what_was_evaluated() {
    for step in 0..12 {
        let running: Arc<Mutex<Option<Cancel>>> = Arc::default();
        let hand = running.clone();
        let script = Script::new([STORY])
            .batch_size(16)
            .on_decode(move |number| {
                if let Some(cancel) = hand.lock().unwrap().as_ref().filter(|_| number == step) {
                    cancel.cancel();
                }
                Act::Go
            });
        let mut bench = Bench::new(script);
        let head = bench.head.clone();
        let cancelled = task(A, &head, "fn answer(val");
        *running.lock().unwrap() = Some(cancelled.cancel.clone());
        assert!(matches!(bench.try_task(cancelled), Outcome::Cancelled));
        assert_eq!(bench.script.decodes(), step + 1);
        let (evaluated, completion) = (bench.script.evaluated(), bench.ask("fn answer(val"));
        assert_eq!(completion.text, "ue: usize) -> String {");
        assert_eq!(
            completion.usage.reused_tokens,
            evaluated.min(completion.usage.prompt_tokens)
        );
    }
}

/// What the model says, worked out plainly: everything is evaluated at once by a model of its own, and
/// at each step all tokens are tried. Healing as the brief says it: the best continuation whose text
/// begins with what was typed.
fn plainly(script: &Script, head: &Head, tail: &str, max_tokens: usize) -> String {
    let mut model = script.model();
    let boundary = heal::boundary(tail);
    let mut path = Vec::new();
    for segment in &head.segments {
        match segment {
            Segment::Special(spelling) => path.extend(model.special(spelling)),
            Segment::Text(text) => path.extend(model.tokenize(text)),
        }
    }
    path.extend(model.tokenize(&tail[..boundary]));
    let mut rest = tail.as_bytes()[boundary..].to_vec();
    let (mut said, mut left) = (Vec::new(), max_tokens);
    while left > 0 && !said.contains(&b'\n') {
        model.truncate(Sequence(0), 0);
        for (at, token) in path.iter().enumerate() {
            model
                .decode(Sequence(0), at, &[*token], 1, &Cancel::default())
                .unwrap();
        }
        let row = model.logits(0);
        let agrees = |token: &Token| {
            let piece = model.piece(*token);
            rest.is_empty()
                || (!piece.is_empty() && (piece.starts_with(&rest) || rest.starts_with(piece)))
        };
        let tokens = (0..row.len() as i32).map(Token).filter(agrees);
        let best = tokens
            .max_by(|a, b| {
                row[a.0 as usize]
                    .total_cmp(&row[b.0 as usize])
                    .then(b.cmp(a))
            })
            .unwrap();
        if model.is_end(best) {
            break;
        }
        let piece = model.piece(best);
        let healed = piece.len().min(rest.len());
        left -= usize::from(healed == 0 || piece.len() > healed);
        said.extend_from_slice(&piece[healed..]);
        rest.drain(..healed);
        path.push(best);
    }
    let text = said.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    text.split('\n').next().unwrap_or_default().to_owned()
}

/// What a person does.
#[derive(Clone, Debug)]
enum Step {
    Type(String),
    Delete(usize),
    Accept,
    Jump(usize),
    Switch(usize),
    Undo,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => "[a-z(:= \n\t]|let |answer|é|語|\\n    |0\\.\\.".prop_map(Step::Type),
        1 => (1..12_usize).prop_map(Step::Delete),
        2 => Just(Step::Accept),
        1 => (0..STORY.chars().count()).prop_map(Step::Jump),
        1 => (0..3_usize).prop_map(Step::Switch),
        1 => Just(Step::Undo),
    ]
}

/// A model's oddities.
fn oddities() -> impl Strategy<Value = Script> {
    let sizes = (
        1..4_usize,
        prop_oneof![Just(96_usize), Just(160), Just(16_384)],
        prop_oneof![Just(3_usize), Just(512)],
        any::<bool>(),
        any::<bool>(),
    );
    sizes.prop_map(
        |(sequences, capacity, batch_size, keeps_parts, joins_words)| {
            let script = Script::new([STORY, "let other = 語 + é;\n    for x in value"])
                .sequences(sequences)
                .capacity(capacity)
                .batch_size(batch_size);
            let script = if joins_words {
                script.joins_words()
            } else {
                script
            };
            if keeps_parts {
                script
            } else {
                script.without_truncation()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Over a whole editing session, with cancelled jobs in between, every answer is what a model
    /// without any memory says.
    #[test]
    fn reuse_changes_no_answer(
        script in oddities(),
        session in prop::collection::vec((step(), prop::option::weighted(0.3, 0..6_usize)), 1..24),
    ) {
        const MAX_TOKENS: usize = 5;
        let due: Arc<Mutex<Option<(usize, Cancel)>>> = Arc::default();
        let hand = due.clone();
        let reference = script.clone();
        let mut bench = Bench::new(script.on_decode(move |_| {
            if let Some((steps, cancel)) = hand.lock().unwrap().as_mut() {
                if *steps == 0 { cancel.cancel() } else { *steps -= 1 }
            }
            Act::Go
        }));
        let heads = [head("// a\n", "}\n"), head("// b\nlet", ""), head("", "// c\n")];
        let mut tails = [String::new(), String::new(), String::new()];
        let (mut at, mut ghost, mut undo) = (0, String::new(), String::new());
        for (step, cancel_after) in session {
            let before = tails[at].clone();
            match step {
                Step::Type(text) => tails[at] += &text,
                Step::Delete(count) => (0..count).for_each(|_| _ = tails[at].pop()),
                Step::Accept => tails[at] += &ghost,
                Step::Jump(to) => tails[at] = STORY.chars().take(to.min(30)).collect(),
                Step::Switch(to) => at = to,
                Step::Undo => tails[at] = undo,
            }
            undo = before;
            if tails[at].len() > 60 {
                tails[at].clear();
            }
            if let Some(steps) = cancel_after {
                let task = Task { max_tokens: MAX_TOKENS, ..task(DocumentId(at as u64), &heads[at], &tails[at]) };
                *due.lock().unwrap() = Some((steps, task.cancel.clone()));
                bench.try_task(task);
                *due.lock().unwrap() = None;
            }
            let completion = bench.task(Task { max_tokens: MAX_TOKENS, ..task(DocumentId(at as u64), &heads[at], &tails[at]) });
            prop_assert_eq!(&completion.text, &plainly(&reference, &heads[at], &tails[at], MAX_TOKENS));
            ghost = completion.text;
        }
    }
}
