//! Drafts save steps and change nothing else. That they change no answer is in `law.rs`, too.

use super::*;

const CALLS: &str = "    let answer = other.value(alpha, beta, gamma);\n    let second = other.value(alpha, beta, gamma);\n";

/// A bench whose clock goes on with every decode by a millisecond, and by `each` more for every token.
fn timed(script: Script, each: Duration) -> Bench {
    let counted = script.clone();
    let clock = Box::new(move || {
        Duration::from_millis(counted.decodes() as u64) + each * counted.evaluated() as u32
    });
    Bench {
        worker: Worker::new(Box::new(script.model()), 0, clock),
        ..Bench::new(script)
    }
}

impl Bench {
    fn speculates(mut self) -> Bench {
        self.worker.speculate(Speculation::Always);
        self
    }

    /// What is said after `tail`; how many steps it took, and how many tokens were drafted and accepted.
    fn cost(&mut self, tail: &str) -> (String, usize, [usize; 2]) {
        let (before, head) = (self.script.evaluated(), self.head.clone());
        let completion = self.task(Task {
            max_tokens: 60,
            ..task(A, &head, tail)
        });
        self.worker.tidy_up();
        let usage = completion.usage;
        assert!(usage.accepted_tokens <= usage.drafted_tokens, "{usage:?}");
        let evaluated = self.script.evaluated() - before;
        let steps = evaluated - usage.evaluated_tokens - usage.drafted_tokens;
        let others = usage.replayed_tokens + usage.accepted_tokens;
        // Nothing is asked about the last one, but it may have been drafted.
        let last = usage.generated_tokens - steps - others;
        assert!(last <= 1, "{usage:?}");
        let drafted = [usage.drafted_tokens, usage.accepted_tokens];
        (completion.text, steps, drafted)
    }
}

#[test]
fn what_the_prompt_says_elsewhere_takes_fewer_steps() {
    let (prompt, tail) = CALLS.split_at(CALLS.find("    let second").unwrap());
    let tail = &tail[..tail.find("value").unwrap()];
    let cost = |mut bench: Bench| {
        bench.head = head(&prompt.repeat(3), "// behind\n");
        bench.cost("// something else\n");
        bench.cost(tail)
    };
    let (plain, steps, drafted) = cost(Bench::new(Script::new([CALLS])));
    assert_eq!(
        (plain.as_str(), drafted),
        ("value(alpha, beta, gamma);", [0, 0])
    );
    let (text, fewer, [_, accepted]) = cost(Bench::new(Script::new([CALLS])).speculates());
    assert_eq!(text, plain);
    assert!(
        (steps..=steps + 1).contains(&(fewer + accepted)),
        "{fewer} {accepted} {steps}"
    );
    assert!(fewer * 2 < steps, "{fewer} {steps}");
}

#[test]
fn rejected_ghost_text_is_verified_behind_what_was_typed_instead() {
    let cost = |mut bench: Bench| {
        bench.head = head("", "");
        assert!(bench.cost("    let a").0.ends_with(" gamma);"));
        bench.cost("    let sec")
    };
    let (plain, steps, _) = cost(Bench::new(Script::new([CALLS])));
    assert_eq!(plain, "ond = other.value(alpha, beta, gamma);");
    let (text, fewer, [_, accepted]) = cost(Bench::new(Script::new([CALLS])).speculates());
    assert_eq!(text, plain);
    assert!(
        (steps..=steps + 1).contains(&(fewer + accepted)),
        "{fewer} {accepted} {steps}"
    );
    assert!(fewer * 3 < steps * 2, "{fewer} {steps}");
}

#[test]
fn nothing_is_drafted_where_it_does_not_pay() {
    let drafted = |each: Duration| {
        let mut bench = timed(Script::new([CALLS]), each);
        bench.worker.speculate(Speculation::Measured);
        bench.head = head(&CALLS.repeat(3), "");
        let mut drafted = Vec::new();
        for round in 0..60 {
            let (_, _, [tokens, _]) = bench.cost(&format!("// {round}\n    let answer = other."));
            drafted.push(tokens);
        }
        drafted[30..].iter().sum::<usize>()
    };
    assert!(drafted(Duration::ZERO) > 100);
    // One is tried now and then, in case the device has changed its mind.
    assert!(drafted(Duration::from_millis(20)) <= 7);
}

#[test]
fn a_model_that_cannot_forget_a_part_is_asked_for_no_more_drafts_than_one() {
    let script = Script::new([STORY, "let other = 語 + é;\n"]).without_truncation();
    let mut bench = Bench::new(script).speculates();
    bench.head = head(&CALLS.repeat(3), "");
    let drafts = (0..20).filter(|round| {
        let tail = format!("// {round}\n    let answer = other.");
        bench.cost(&tail).2[0] > 0
    });
    assert!(drafts.count() <= 1);
}
