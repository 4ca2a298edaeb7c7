//! Threads: who is answered what, and when. What an answer says is tested in `worker/tests.rs`.

mod crashes;
mod idle;
mod rest;

use std::sync::{
    atomic::{AtomicUsize, Ordering},
    mpsc::{self, Receiver, Sender},
};

use super::{
    script::{Act, Script},
    *,
};
use crate::{
    document::Document,
    prompt::{Head, Prompt, Segment},
    suggest::{Shape, stop::Stop},
    text::ByteOffset,
};

const STORY: &str = "let answer = 42;\n";
const A: DocumentId = DocumentId(1);
const B: DocumentId = DocumentId(2);
const C: DocumentId = DocumentId(3);

/// A job whose outcome arrives in a channel under a name.
fn job(
    document: DocumentId,
    name: &'static str,
    outcomes: &Sender<(&'static str, Outcome)>,
) -> Job {
    let mut text = Document::new("let answer", 1, "rust", None);
    let outcomes = outcomes.clone();
    let head = Head {
        segments: vec![Segment::Text("// before\n".to_owned())],
    };
    Job {
        document,
        priority: Priority::Now,
        prompt: Prompt {
            head: Arc::new(head),
            tail: "let answer".to_owned(),
            nearby: None,
        },
        max_tokens: 8,
        stop: Stop::new(Shape::Line, &text.snapshot(), ByteOffset(10)),
        heals: true,
        reuses: true,
        mixes: true,
        branches: 0,
        replaces: false,
        cancel: Cancel::default(),
        progress: None,
        reply: Box::new(move |outcome| _ = outcomes.send((name, outcome))),
    }
}

/// Outcomes in the order in which they came, in short.
fn shown(outcomes: impl IntoIterator<Item = (&'static str, Outcome)>) -> Vec<String> {
    let short = |outcome| match outcome {
        Outcome::Done(completion) => completion.text,
        Outcome::Cancelled => "cancelled".to_owned(),
        Outcome::Failed(sentence) => sentence,
    };
    outcomes
        .into_iter()
        .map(|(name, outcome)| format!("{name}: {}", short(outcome)))
        .collect()
}

/// A running engine; its status changes can be waited for.
struct Bench {
    engine: Engine,
    statuses: Receiver<Status>,
    sender: Sender<(&'static str, Outcome)>,
    outcomes: Receiver<(&'static str, Outcome)>,
}

impl Bench {
    fn start(loader: Loader) -> Bench {
        let (statuses_sender, statuses) = mpsc::channel();
        let (sender, outcomes) = mpsc::channel();
        let engine = Engine::start(
            loader,
            Box::new(move |status| _ = statuses_sender.send(status)),
        );
        // So that one token is one step.
        engine.speculate(Speculation::Off);
        Bench {
            engine,
            statuses,
            sender,
            outcomes,
        }
    }

    fn ready(script: &Script) -> Bench {
        let bench = Bench::start(script.loader());
        bench.wait(|status| matches!(status, Status::Ready(_)));
        bench
    }

    #[track_caller]
    fn wait(&self, is_wanted: impl Fn(&Status) -> bool) -> Status {
        self.statuses
            .iter()
            .find(is_wanted)
            .expect("the engine ended before it got there")
    }

    fn submit(&self, document: DocumentId, name: &'static str) {
        self.engine.submit(job(document, name, &self.sender));
    }

    fn next(&self) -> String {
        shown(self.outcomes.recv().ok()).remove(0)
    }
}

/// A script whose decodes wait, each for a word. When the other end is gone they just go on.
fn gated() -> (Script, Receiver<usize>, Sender<Act>) {
    let (arrived, arrivals) = mpsc::channel();
    let (go, wait) = mpsc::channel();
    let script = Script::new([STORY]).on_decode(move |number| {
        _ = arrived.send(number);
        wait.recv().unwrap_or(Act::Go)
    });
    (script, arrivals, go)
}

#[test]
fn a_job_is_answered_with_the_continuation() {
    let script = Script::new([STORY]);
    let bench = Bench::ready(&script);
    bench.submit(A, "job");
    assert_eq!(bench.next(), "job:  = 42;");
    assert_eq!(script.drift(), None);
}

#[test]
fn before_the_model_is_ready_jobs_fail_at_once() {
    let script = Script::new([STORY]);
    let (go, wait) = mpsc::channel();
    let mut inner = script.loader();
    let bench = Bench::start(Box::new(move |progress| {
        wait.recv().expect("the test says when");
        inner(progress)
    }));
    bench.submit(A, "early");
    assert_eq!(bench.next(), format!("early: {LOADING}"));
    go.send(()).unwrap();
    bench.wait(|status| matches!(status, Status::Ready(_)));
    bench.submit(A, "late");
    assert_eq!(bench.next(), "late:  = 42;");
}

#[test]
fn loading_is_told_in_fractions() {
    let bench = Bench::start(Script::new([STORY]).loader());
    let told: Vec<String> = bench
        .statuses
        .iter()
        .take(5)
        .map(|status| match status {
            Status::Loading(fraction) => fraction.to_string(),
            Status::Ready(summary) => summary.name.clone(),
            Status::Failed(sentence) => sentence,
        })
        .collect();
    assert_eq!(told, ["0", "0", "0.5", "1", "script"]);
    assert!(matches!(bench.engine.status(), Status::Ready(_)));
}

#[test]
fn a_model_that_cannot_be_loaded_is_said_and_jobs_are_told_why() {
    let crash: Loader = Box::new(|_| panic!("the loader crashed"));
    let missing: Loader = Box::new(|_| Err(ModelError::NotFound("x.gguf".to_owned())));
    for (loader, part) in [(missing, "`x.gguf` not found"), (crash, "crashed")] {
        let bench = Bench::start(loader);
        let Status::Failed(sentence) = bench.wait(|status| matches!(status, Status::Failed(_)))
        else {
            panic!()
        };
        assert!(sentence.contains(part), "{sentence}");
        bench.submit(A, "job");
        assert_eq!(bench.next(), format!("job: {sentence}"));
    }
}

#[test]
fn a_newer_job_replaces_the_waiting_one_and_the_newest_document_comes_first() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    bench.submit(A, "a");
    arrivals.recv().unwrap();
    bench.submit(B, "b1");
    bench.submit(B, "b2");
    // While `a` is still at its first step.
    assert_eq!(bench.next(), "b1: cancelled");
    bench.submit(C, "c");
    drop(go);
    let others: Vec<String> = (0..3).map(|_| bench.next()).collect();
    assert_eq!(others, ["a:  = 42;", "c:  = 42;", "b2:  = 42;"]);
}

#[test]
fn a_newer_job_of_the_same_document_stops_the_running_one_within_its_step() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    bench.submit(A, "old");
    go.send(Act::Go).unwrap();
    assert_eq!([arrivals.recv(), arrivals.recv()], [Ok(0), Ok(1)]);
    bench.submit(A, "new");
    go.send(Act::Go).unwrap();
    assert_eq!(bench.next(), "old: cancelled");
    drop(go);
    assert_eq!(bench.next(), "new:  = 42;");
    assert_eq!(script.drift(), None);
}

#[test]
fn a_cancelled_job_is_not_begun() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    bench.submit(A, "a");
    arrivals.recv().unwrap();
    let waiting = job(B, "b", &bench.sender);
    let hand = CancelOnDrop(waiting.cancel.clone());
    bench.engine.submit(waiting);
    drop(hand);
    drop(go);
    assert_eq!([bench.next(), bench.next()], ["a:  = 42;", "b: cancelled"]);
}

#[test]
fn a_job_cancelled_on_its_way_leaves_the_newer_one_of_its_document_alone() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    bench.submit(A, "newer");
    arrivals.recv().unwrap();
    let late = job(A, "late", &bench.sender);
    late.cancel.cancel();
    bench.engine.submit(late);
    assert_eq!(bench.next(), "late: cancelled");
    drop(go);
    assert_eq!(bench.next(), "newer:  = 42;");
}

#[test]
fn closing_a_document_cancels_its_jobs_only() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    bench.submit(A, "a");
    arrivals.recv().unwrap();
    bench.submit(B, "b");
    bench.submit(C, "c");
    bench.engine.forget(B);
    assert_eq!(bench.next(), "b: cancelled");
    bench.engine.forget(A);
    drop(go);
    assert_eq!([bench.next(), bench.next()], ["a: cancelled", "c:  = 42;"]);
}

#[test]
fn shutting_down_answers_all_and_ends_the_thread() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    for (document, name) in [(A, "a"), (B, "b"), (C, "c")] {
        bench.submit(document, name);
        if document == A {
            arrivals.recv().unwrap();
        }
    }
    let engine = bench.engine.clone();
    let ending = thread::spawn(move || engine.shut_down());
    assert_eq!(
        [bench.next(), bench.next()],
        ["b: cancelled", "c: cancelled"]
    );
    go.send(Act::Go).unwrap();
    assert_eq!(bench.next(), "a: cancelled");
    ending.join().unwrap();
    bench.engine.shut_down();
    bench.submit(A, "late");
    assert_eq!(bench.next(), "late: cancelled");
    assert_eq!(script.decodes(), 1);
}

#[test]
fn shutting_down_interrupts_loading() {
    let bench = Bench::start(Box::new(|progress| {
        while progress(0.5) {}
        Err(ModelError::Cancelled)
    }));
    bench.wait(|status| matches!(status, Status::Loading(fraction) if *fraction > 0.0));
    bench.engine.shut_down();
    assert!(
        bench
            .statuses
            .try_iter()
            .all(|status| matches!(status, Status::Loading(_)))
    );
}

#[test]
fn the_last_handle_dropped_ends_the_thread() {
    let Bench {
        engine, statuses, ..
    } = Bench::ready(&Script::new([STORY]));
    let other = engine.clone();
    drop(engine);
    assert!(matches!(other.status(), Status::Ready(_)));
    drop(other);
    // The thread held the other end.
    assert_eq!(statuses.iter().count(), 0);
}

#[test]
fn the_last_handle_may_be_dropped_by_a_reply() {
    let Bench {
        engine,
        statuses,
        sender,
        outcomes,
    } = Bench::ready(&Script::new([STORY]));
    let last = engine.clone();
    let mut job = job(A, "job", &sender);
    let reply = job.reply;
    let (go, wait) = mpsc::channel::<()>();
    job.reply = Box::new(move |outcome| {
        _ = wait.recv();
        drop(last);
        reply(outcome);
    });
    engine.submit(job);
    drop(engine);
    drop(go);
    assert_eq!(shown(outcomes.recv().ok()), ["job:  = 42;"]);
    assert_eq!(statuses.iter().count(), 0);
}

#[test]
fn a_panicking_receiver_harms_nobody_else() {
    let script = Script::new([STORY]);
    let bench = Bench::ready(&script);
    let mut bad = job(A, "bad", &bench.sender);
    bad.reply = Box::new(|_| panic!("the receiver says so"));
    bench.engine.submit(bad);
    bench.submit(B, "good");
    assert_eq!(bench.next(), "good:  = 42;");
    assert_eq!(script.loads(), 1);
}

#[test]
fn in_any_throng_every_job_is_answered_exactly_once() {
    const JOBS: usize = 300;
    // A crash and a failure here and there.
    let script = Script::new([STORY]).on_decode(|number| match number {
        100 | 300 => Act::Panic,
        n if n % 50 == 7 => Act::Fail,
        _ => Act::Go,
    });
    let engine = Bench::ready(&script).engine.clone();
    let answers: Arc<Vec<AtomicUsize>> =
        Arc::new((0..4 * JOBS).map(|_| AtomicUsize::new(0)).collect());
    let (sender, _outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for hand in 0..4 {
            let (engine, answers, sender) = (&engine, &answers, sender.clone());
            scope.spawn(move || {
                for number in 0..JOBS {
                    let mut job = job(DocumentId((number % 3) as u64), "", &sender);
                    if number % 4 > 0 {
                        job.priority = Priority::Idle((number % 7) as u8);
                    }
                    let progress = Arc::new(Progress::default());
                    job.progress = Some(progress.clone());
                    let answers = answers.clone();
                    job.reply = Box::new(move |_| {
                        assert!(progress.is_done());
                        _ = answers[hand * JOBS + number].fetch_add(1, Ordering::SeqCst)
                    });
                    if number % 5 == 0 {
                        job.cancel.cancel();
                    }
                    engine.submit(job);
                    if number % 17 == 0 {
                        engine.forget(DocumentId(0));
                    }
                    if number % 23 == 0 {
                        engine.drop_idle(DocumentId(1));
                    }
                }
            });
        }
    });
    engine.shut_down();
    assert!(
        answers
            .iter()
            .all(|count| count.load(Ordering::SeqCst) == 1)
    );
    assert_eq!(script.drift(), None);
}
