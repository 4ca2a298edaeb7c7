//! Odd models, odd prompts, failures and cancels.

use super::*;

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
    let mut bench = Bench {
        worker: Worker::new(Box::new(script.model()), 100, standing_still()),
        ..Bench::new(script)
    };
    bench.head = head(&"0123456789".repeat(60), "// behind\n");
    for typed in 0..80 {
        let usage = bench.ask(&"x1".repeat(typed)).usage;
        assert!(
            usage.prompt_tokens + usage.generated_tokens <= 100,
            "{usage:?}"
        );
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
