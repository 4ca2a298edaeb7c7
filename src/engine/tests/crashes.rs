//! The model breaks down, once or for good; the engine answers everyone and comes back.

use super::*;

#[test]
fn after_a_crash_the_model_is_loaded_again_and_the_next_job_works() {
    let (script, arrivals, go) = gated();
    let bench = Bench::ready(&script);
    bench.submit(A, "crashing");
    arrivals.recv().unwrap();
    bench.submit(B, "waiting");
    go.send(Act::Panic).unwrap();
    drop(go);
    assert_eq!(
        [bench.next(), bench.next()],
        [
            format!("waiting: {RESTARTING}"),
            format!("crashing: {RESTARTING}")
        ]
    );
    bench.wait(|status| matches!(status, Status::Loading(_)));
    bench.wait(|status| matches!(status, Status::Ready(_)));
    bench.submit(A, "next");
    assert_eq!(bench.next(), "next:  = 42;");
    assert_eq!(script.loads(), 2);
}

#[test]
fn an_engine_that_crashes_all_the_time_stays_off() {
    let script = Script::new([STORY]).on_decode(|_| Act::Panic);
    let bench = Bench::start(script.loader());
    for _ in 0..=RESTARTS {
        bench.wait(|status| matches!(status, Status::Ready(_)));
        bench.submit(A, "job");
        assert_eq!(bench.next(), format!("job: {RESTARTING}"));
    }
    let Status::Failed(sentence) = bench.wait(|status| matches!(status, Status::Failed(_))) else {
        panic!()
    };
    bench.submit(A, "job");
    assert_eq!(bench.next(), format!("job: {sentence}"));
    assert_eq!(script.loads(), 1 + RESTARTS);
}

#[test]
fn a_model_that_fails_again_and_again_is_loaded_again() {
    let script = Script::new([STORY]).on_decode(|number| {
        if number < FAILURES {
            Act::Fail
        } else {
            Act::Go
        }
    });
    let bench = Bench::ready(&script);
    for _ in 0..FAILURES {
        bench.submit(A, "failing");
        assert!(bench.next().contains("the model failed"));
    }
    bench.wait(|status| matches!(status, Status::Ready(_)));
    bench.submit(A, "job");
    assert_eq!(bench.next(), "job:  = 42;");
    assert_eq!(script.loads(), 2);
}

#[test]
fn a_device_that_fails_costs_one_answer_each_time_and_is_no_crash() {
    let failures = 2 * RESTARTS;
    let script = Script::new([STORY]).on_decode(move |number| match number < failures {
        true => Act::FailDevice,
        false => Act::Go,
    });
    let bench = Bench::ready(&script);
    for _ in 0..failures {
        bench.submit(A, "failing");
        assert!(bench.next().contains("loaded again with less of it there"));
        bench.wait(|status| matches!(status, Status::Loading(_)));
        bench.wait(|status| matches!(status, Status::Ready(_)));
    }
    bench.submit(A, "job");
    assert_eq!(bench.next(), "job:  = 42;");
    assert_eq!(script.loads(), 1 + failures);
}

#[test]
fn a_job_that_cannot_be_asked_is_not_the_models_failure() {
    let script = Script::new([STORY]);
    let bench = Bench::ready(&script);
    for _ in 0..2 * FAILURES {
        let mut job = job(A, "job", &bench.sender);
        job.prompt.head = Arc::new(Head {
            segments: vec![Segment::Special("<nope>".to_owned())],
        });
        bench.engine.submit(job);
        assert!(bench.next().contains("`<nope>`"));
    }
    bench.submit(A, "next");
    assert_eq!(bench.next(), "next:  = 42;");
    assert_eq!(script.loads(), 1);
}
