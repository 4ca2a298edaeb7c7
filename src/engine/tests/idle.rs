//! Work done ahead: it gives way to what somebody waits for, and shows how far it has got.

use super::*;

/// As `job`, but idle.
fn idle(bench: &Bench, document: DocumentId, rank: u8, name: &'static str) -> Job {
    Job {
        priority: Priority::Idle(rank),
        ..job(document, name, &bench.sender)
    }
}

/// Jobs get into the mailbox while this one is at its first step.
fn occupied() -> (Script, Bench, Sender<Act>) {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    bench.submit(DocumentId(99), "first");
    arrivals.recv().unwrap();
    (script, bench, go)
}

fn all(bench: Bench) -> Vec<String> {
    let Bench {
        sender, outcomes, ..
    } = bench;
    drop(sender);
    shown(outcomes)
}

#[test]
fn idle_jobs_wait_for_the_others_and_the_lowest_rank_comes_first() {
    let (_, bench, go) = occupied();
    for (rank, name) in [(2, "c"), (0, "a"), (2, "d"), (1, "b")] {
        bench.engine.submit(idle(&bench, A, rank, name));
    }
    bench.submit(B, "now");
    drop(go);
    let names = ["first", "now", "a", "b", "c", "d"];
    let answers: Vec<String> = names.iter().map(|_| bench.next()).collect();
    assert_eq!(answers, names.map(|name| format!("{name}:  = 42;")));
}

#[test]
fn a_job_stops_a_running_idle_one_of_any_document_within_its_step() {
    for document in [A, B] {
        let (script, arrivals, go) = gated();
        let bench = Bench::ready(&script);
        bench.engine.submit(idle(&bench, A, 0, "ahead"));
        go.send(Act::Go).unwrap();
        assert_eq!([arrivals.recv(), arrivals.recv()], [Ok(0), Ok(1)]);
        bench.submit(document, "now");
        go.send(Act::Go).unwrap();
        assert_eq!(bench.next(), "ahead: cancelled");
        drop(go);
        assert_eq!(bench.next(), "now:  = 42;");
        assert_eq!(script.drift(), None);
    }
}

#[test]
fn whether_somebody_waits_is_known_from_the_question_to_its_answer() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    assert!(!bench.engine.is_awaited());
    bench.engine.submit(idle(&bench, A, 0, "ahead"));
    arrivals.recv().unwrap();
    assert!(
        !bench.engine.is_awaited(),
        "nobody waits for what is done ahead"
    );
    bench.submit(A, "now");
    assert!(bench.engine.is_awaited(), "it waits in the mailbox");
    go.send(Act::Go).unwrap();
    assert_eq!(bench.next(), "ahead: cancelled");
    arrivals.recv().unwrap();
    assert!(bench.engine.is_awaited(), "it runs");
    drop(go);
    assert_eq!(bench.next(), "now:  = 42;");
    while bench.engine.is_awaited() {
        thread::yield_now();
    }
}

#[test]
fn an_idle_job_stops_and_replaces_nothing() {
    let (_, bench, go) = occupied();
    bench.submit(A, "now");
    for name in ["a", "b"] {
        bench.engine.submit(idle(&bench, A, 0, name));
    }
    bench.engine.submit(idle(&bench, DocumentId(99), 0, "c"));
    drop(go);
    let answers: Vec<String> = (0..5).map(|_| bench.next()).collect();
    let names = ["first", "now", "a", "b", "c"];
    assert_eq!(answers, names.map(|name| format!("{name}:  = 42;")));
}

#[test]
fn a_job_makes_the_idle_ones_of_its_document_superfluous() {
    let (_, bench, go) = occupied();
    bench.engine.submit(idle(&bench, A, 0, "a1"));
    bench.engine.submit(idle(&bench, B, 0, "b"));
    bench.engine.submit(idle(&bench, A, 1, "a2"));
    bench.submit(A, "now");
    assert_eq!(
        [bench.next(), bench.next()],
        ["a1: cancelled", "a2: cancelled"]
    );
    drop(go);
    let answers: Vec<String> = (0..3).map(|_| bench.next()).collect();
    assert_eq!(answers, ["first:  = 42;", "now:  = 42;", "b:  = 42;"]);
}

#[test]
fn idle_jobs_can_be_dropped_without_a_job() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    bench.engine.submit(idle(&bench, A, 0, "running"));
    assert_eq!(arrivals.recv(), Ok(0));
    bench.engine.submit(idle(&bench, A, 0, "a"));
    bench.engine.submit(idle(&bench, B, 0, "b"));
    bench.engine.drop_idle(A);
    assert_eq!(bench.next(), "a: cancelled");
    drop(go);
    assert_eq!(
        [bench.next(), bench.next()],
        ["running: cancelled", "b:  = 42;"]
    );
    bench.submit(A, "now");
    bench.engine.drop_idle(B);
    assert_eq!(bench.next(), "now:  = 42;");
}

#[test]
fn of_too_many_idle_jobs_the_last_ranked_go() {
    let (_, bench, go) = occupied();
    for _ in 0..24 {
        bench.engine.submit(idle(&bench, A, 3, "old"));
    }
    bench.engine.submit(idle(&bench, B, 3, "too late"));
    assert_eq!(bench.next(), "too late: cancelled");
    bench.engine.submit(idle(&bench, B, 2, "urgent"));
    assert_eq!(bench.next(), "old: cancelled");
    drop(go);
    assert_eq!(
        [bench.next(), bench.next()],
        ["first:  = 42;", "urgent:  = 42;"]
    );
    let answers = all(bench);
    assert_eq!(answers, ["old:  = 42;"; 23]);
}

#[test]
fn a_running_job_shows_its_text_so_far() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    let progress = Arc::new(Progress::default());
    bench.engine.submit(Job {
        progress: Some(progress.clone()),
        ..job(A, "job", &bench.sender)
    });
    let mut seen = Vec::new();
    // The prompt, ` answer` that is typed, then each token but the last, which needs no step.
    for _ in 0..6 {
        arrivals.recv().unwrap();
        seen.push((progress.text(), progress.agreement(" = 4")));
        assert!(!progress.is_done());
        go.send(Act::Go).unwrap();
    }
    use Agreement::{Agrees, Ahead};
    let expected = [
        ("", Ahead),
        ("", Ahead),
        (" =", Ahead),
        (" = ", Ahead),
        (" = 4", Agrees),
        (" = 42", Agrees),
    ];
    assert_eq!(
        seen,
        expected.map(|(text, agreement)| (text.to_owned(), agreement))
    );
    drop(go);
    assert_eq!(bench.next(), "job:  = 42;");
    assert_eq!(
        (progress.text().as_str(), progress.is_done()),
        (" = 42;", true)
    );
}

#[test]
fn progress_ends_whatever_becomes_of_the_job() {
    let (_, bench, go) = occupied();
    let make = |document, priority| {
        let progress = Arc::new(Progress::default());
        bench.engine.submit(Job {
            priority,
            progress: Some(progress.clone()),
            ..job(document, "job", &bench.sender)
        });
        progress
    };
    let replaced = make(A, Priority::Now);
    let waiting = [make(A, Priority::Now), make(B, Priority::Idle(0))];
    assert_eq!(bench.next(), "job: cancelled");
    assert!(replaced.is_done() && waiting.iter().all(|it| !it.is_done()));
    go.send(Act::Panic).unwrap();
    drop(go);
    for _ in 0..3 {
        assert!(bench.next().ends_with(RESTARTING));
    }
    assert!(waiting.iter().all(|it| it.is_done()));
}
