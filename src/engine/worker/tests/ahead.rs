//! Work done ahead: it saves what it was done for, and costs what somebody waits for nothing.

use super::*;

impl Bench {
    fn ahead(&mut self, document: DocumentId, head: &Arc<Head>, tail: &str) -> Completion {
        self.task(Task {
            priority: Priority::Idle(0),
            ..task(document, head, tail)
        })
    }

    /// What a server does when a head is outgrown.
    fn prepare(&mut self, head: &Arc<Head>, tail: &str) {
        self.task(Task {
            max_tokens: 0,
            replaces: true,
            priority: Priority::Idle(3),
            ..task(A, head, tail)
        });
    }

    /// What a server does after an answer: as if accepted, whole or a word of it, and other ways to
    /// go on.
    fn ahead_of(&mut self, document: DocumentId, head: &Arc<Head>, tail: &str, ghost: &str) {
        let word = ghost.split_inclusive(' ').nth(1).unwrap_or_default();
        for more in [ghost, word, "x", " ", "(", "ab"] {
            self.ahead(document, head, &format!("{tail}{more}"));
        }
    }
}

/// What each keystroke costs.
fn costs(is_ahead: bool, sequences: usize, typed: &str) -> Vec<usize> {
    let mut bench = Bench::new(Script::new([STORY]).sequences(sequences));
    let head = bench.head.clone();
    let ends = typed.char_indices().skip(1).map(|(at, _)| at);
    ends.map(|at| {
        let completion = bench.ask(&typed[..at]);
        if is_ahead {
            bench.ahead_of(A, &head, &typed[..at], &completion.text);
        }
        completion.usage.evaluated_tokens
    })
    .collect()
}

#[test]
fn work_done_ahead_makes_no_keystroke_dearer() {
    let other = "fn other(thing: u32) -> Vec<u8> {\n    let élan = thing.len() * 3;\n\tdef x\n";
    for typed in [STORY, other] {
        for sequences in [8, 2] {
            let plain = costs(false, sequences, typed);
            let ahead = costs(true, sequences, typed);
            // What was spared at one key may be due at a later one, but never more.
            for keys in 0..=plain.len() {
                let sum = |costs: &[usize]| costs[..keys].iter().sum::<usize>();
                assert!(sum(&ahead) <= sum(&plain), "{plain:?}\n{ahead:?}");
            }
        }
    }
}

#[test]
fn what_was_done_ahead_costs_nothing_when_it_comes_true() {
    let mut bench = Bench::new(Script::new([STORY, "let other = 1;\n"]));
    let head = bench.head.clone();
    let ghost = bench.ask("fn answer(value").text;
    bench.ahead(A, &head, &format!("fn answer(value{ghost}\n"));
    bench.ahead(A, &head, "fn answer(value, let oth");
    let before = bench.script.evaluated();
    bench.ask(&format!("fn answer(value{ghost}\n"));
    assert_eq!(bench.ask("fn answer(value, let oth").text, "er = 1;");
    // And back again.
    assert_eq!(bench.ask("fn answer(value").text, ghost);
    assert_eq!(bench.script.evaluated(), before);
}

#[test]
fn a_place_can_be_prepared_beside_the_one_in_use() {
    let mut bench = Bench::new(Script::new([STORY]));
    bench.ask(&STORY[..60]);
    let moved = head("// text before, some lines on\n", "// other text behind\n");
    let prepared = bench.task(Task {
        max_tokens: 0,
        priority: Priority::Idle(3),
        ..task(A, &moved, &STORY[..60])
    });
    assert!(prepared.usage.evaluated_tokens > 0);
    assert_eq!(bench.ask(&STORY[..60]).usage.evaluated_tokens, 0);
    let there = bench.task(task(A, &moved, &STORY[..60]));
    assert_eq!(there.usage.evaluated_tokens, 0);
    assert_eq!(bench.ask(&STORY[..60]).usage.evaluated_tokens, 0);
}

#[test]
fn a_head_made_ahead_makes_way_for_no_try() {
    for sequences in 3..=8 {
        let mut bench = Bench::new(Script::new([STORY]).sequences(sequences));
        let tail = &STORY[..60];
        // Every sequence is of a place that somebody has asked about.
        for at in 1..sequences {
            let elsewhere = head(&format!("// place {at}\n"), "// behind\n");
            bench.task(task(B, &elsewhere, tail));
        }
        let (here, ghost) = (bench.head.clone(), bench.ask(tail).text);
        let moved = head("// text before, some lines on\n", "// other text behind\n");
        bench.prepare(&moved, tail);
        bench.ahead_of(A, &here, tail, &ghost);
        let there = bench.task(task(A, &moved, tail));
        assert_eq!(there.usage.evaluated_tokens, 0, "{sequences}");
    }
}

#[test]
fn heads_made_anew_at_one_place_leave_the_others_as_they_are() {
    let mut bench = Bench::new(Script::new([STORY]));
    let tail = &STORY[..60];
    let elsewhere: Vec<Arc<Head>> = (0..5)
        .map(|at| head(&format!("// place {at}\n"), "// behind\n"))
        .collect();
    for place in &elsewhere {
        bench.task(task(B, place, tail));
    }
    let mut here = bench.head.clone();
    for line in 0..8 {
        let ghost = bench.task(task(A, &here, tail)).text;
        bench.ahead_of(A, &here, tail, &ghost);
        here = head(&format!("// line {line}\n"), "// text behind\n");
        bench.prepare(&here, tail);
    }
    for place in &elsewhere {
        let back = bench.task(task(B, place, tail));
        assert_eq!(back.usage.evaluated_tokens, 0);
    }
}

#[test]
fn deleting_and_undoing_has_nothing_evaluated_again() {
    let mut bench = Bench::new(Script::new([STORY]));
    let head = bench.head.clone();
    let (typed, accepted) = ("fn answer(", "fn answer(value: usize) -> String {");
    for tail in ["fn ans", typed, accepted] {
        bench.ask(tail);
    }
    let before = bench.script.evaluated();
    for tail in [typed, "fn ans", "fn "] {
        let here = bench.task(Task {
            max_tokens: 0,
            priority: Priority::Idle(3),
            ..task(A, &head, tail)
        });
        assert_eq!(
            (here.usage.evaluated_tokens, here.usage.beside_tokens),
            (0, 0),
            "{tail}"
        );
    }
    assert_eq!(bench.script.evaluated(), before);
}

#[test]
fn what_cancelled_jobs_cost_is_told_with_the_next_one_that_is_done() {
    let script = Script::new([STORY]).batch_size(16);
    let mut bench = Bench::new(script);
    let long = head(&"0123456789".repeat(20), "");
    let job = task(A, &long, "fn");
    let cancel = job.cancel.clone();
    let mut steps = 0;
    let stop = Box::new(move |_: &str| {
        steps += 1;
        if steps == 2 {
            cancel.cancel();
        }
        None
    });
    let outcome = bench.try_task(Task { stop, ..job });
    assert!(matches!(outcome, Outcome::Cancelled), "{outcome:?}");
    let spent = bench.script.evaluated();
    assert!(spent > 200);
    assert_eq!(bench.ask("fn").usage.beside_tokens, spent);
    assert_eq!(bench.ask("fn").usage.beside_tokens, 0);
}

#[test]
fn six_places_in_turn_evaluate_only_what_changed() {
    let mut bench = Bench::new(Script::new([STORY]));
    let places: Vec<(DocumentId, Arc<Head>)> = (0..6)
        .map(|at| {
            let prefix = format!("// place {at}\n{}", "// filler\n".repeat(at + 3));
            (DocumentId(at as u64 % 3), head(&prefix, "// behind\n"))
        })
        .collect();
    let mut costs = Vec::new();
    for round in 0..12 {
        for (document, head) in &places {
            for typed in 0..3 {
                let tail = &STORY[..20 + 2 * round + typed];
                let completion = bench.task(task(*document, head, tail));
                costs.push(completion.usage.evaluated_tokens);
                bench.ahead_of(*document, head, tail, &completion.text);
            }
        }
    }
    assert!(costs[18..].iter().all(|cost| *cost <= 3), "{costs:?}");
    assert!(
        costs[18..].iter().sum::<usize>() * 4 < costs.len(),
        "{costs:?}"
    );
}

/// A bench whose clock goes on by so many milliseconds with every decode.
fn timed(script: Script, each: u64) -> Bench {
    let decodes = script.clone();
    let clock = Box::new(move || Duration::from_millis(decodes.decodes() as u64 * each));
    Bench {
        worker: Worker::new(Box::new(script.model()), 0, clock),
        ..Bench::new(script)
    }
}

#[test]
fn chunks_get_smaller_when_the_model_is_slow() {
    let slow = Script::new([STORY]);
    let mut bench = timed(slow.clone(), 1);
    bench.head = head(&"0123456789".repeat(60), "");
    bench.ask("fn");
    let first = slow.decodes();
    assert!(bench.worker.pace().prompt_token > Duration::from_micros(10));
    bench.head = head(&"9876543210".repeat(60), "");
    bench.ask("fn");
    // 64 tokens took a millisecond, so more than 200 fit into a quarter of a frame.
    assert!(slow.decodes() - first < first, "{first} {}", slow.decodes());
}

#[test]
fn a_slow_model_stops_when_nobody_would_wait_any_longer() {
    let generated = |each| {
        let mut bench = timed(Script::new([STORY]), each);
        bench.worker.speculate(Speculation::Off);
        // The first answer tells how fast it is.
        bench.ask("fn");
        let head = bench.head.clone();
        let long = Task {
            max_tokens: 64,
            stop: Box::new(|_| None),
            ..task(B, &head, "fn")
        };
        bench.task(long).usage.generated_tokens
    };
    assert!(generated(1) > 40, "{}", generated(1));
    assert!((16..20).contains(&generated(500)), "{}", generated(500));
}
