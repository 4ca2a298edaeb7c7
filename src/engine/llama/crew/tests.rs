//! What a machine does to batches, played without one.

use super::*;

/// More cores than are wanted.
const MANY: usize = 64;

/// Runs batches whose time depends on the number of threads; how often each number was used.
fn run(crew: &mut Crew, n_batches: usize, micros: impl Fn(usize) -> u64) -> Vec<(usize, usize)> {
    let mut used: Vec<_> = crew.sizes.iter().map(|&size| (size, 0)).collect();
    for _ in 0..n_batches {
        let threads = loop {
            let (threads, limit) = crew.choose(1, Duration::ZERO);
            let time = Duration::from_micros(micros(threads));
            if limit.is_some_and(|limit| time > limit) {
                crew.was_late(1);
                continue;
            }
            crew.took(1, time);
            break threads;
        };
        used.iter_mut()
            .find(|(size, _)| *size == threads)
            .unwrap()
            .1 += 1;
    }
    used
}

fn calm(threads: usize) -> u64 {
    100 + 400 / threads as u64
}

fn crowded(threads: usize) -> u64 {
    if threads == 1 { 600 } else { 5_000 }
}

#[test]
fn on_idle_cores_nearly_all_batches_have_all_threads() {
    let mut crew = Crew::new(2, MANY);
    let used = run(&mut crew, 2_000, calm);
    assert!(used[0].0 == 2 && used[0].1 > 1_980, "{used:?}");
}

#[test]
fn on_busy_cores_nearly_all_batches_have_one_thread() {
    let mut crew = Crew::new(2, MANY);
    let used = run(&mut crew, 2_000, crowded);
    assert!(used[0].1 < 45, "{used:?}");
}

#[test]
fn when_cores_become_busy_two_slow_batches_are_enough() {
    let mut crew = Crew::new(2, MANY);
    run(&mut crew, 500, calm);
    let used = run(&mut crew, 30, crowded);
    assert!(used[0].1 <= 2, "{used:?}");
}

#[test]
fn when_cores_become_idle_all_threads_come_back() {
    let mut crew = Crew::new(2, MANY);
    run(&mut crew, 2_000, crowded);
    run(&mut crew, 600, calm);
    let used = run(&mut crew, 100, calm);
    assert!(used[0].1 >= 95, "{used:?}");
}

#[test]
fn more_threads_than_pay_are_halved_until_they_pay() {
    let mut crew = Crew::new(16, MANY);
    let micros = |threads: usize| {
        if threads > 4 {
            100 * threads as u64
        } else {
            calm(threads)
        }
    };
    run(&mut crew, 2_000, micros);
    let used = run(&mut crew, 1_000, micros);
    let fours = used.iter().find(|(threads, _)| *threads == 4).unwrap().1;
    assert!(fours > 900, "{used:?}");
}

#[test]
fn one_thread_is_never_more_or_fewer() {
    let mut crew = Crew::new(1, MANY);
    assert_eq!(run(&mut crew, 200, calm), [(1, 200)]);
    assert_eq!(Crew::new(0, MANY).choose(5, Duration::ZERO), (1, None));
}

#[test]
fn what_takes_far_too_long_is_given_up_also_in_a_size_that_was_never_seen() {
    let mut crew = Crew::new(2, MANY);
    let at_once = Duration::ZERO;
    assert_eq!(crew.choose(1, at_once), (2, None), "nothing is known yet");
    // What is known of other crews does not matter.
    crew.expect(&[
        (1, 1, Duration::from_millis(1)),
        (1, 3, Duration::from_micros(1)),
    ]);
    let (threads, limit) = crew.choose(16, at_once);
    assert_eq!((threads, limit.unwrap().as_millis()), (2, 6 * 16 + 2));
    crew.was_late(16);
    assert_eq!(
        crew.choose(16, at_once),
        (1, None),
        "the last try may take its time"
    );
}

#[test]
fn short_steps_leave_a_core_free_and_prompts_do_not() {
    let known = |threads: usize, cores: usize, micros: u64| {
        let mut crew = Crew::new(threads, cores);
        crew.expect(&[(1, 1, Duration::from_micros(micros))]);
        [1, 4, 48].map(|n_tokens| crew.choose(n_tokens, Duration::ZERO).0)
    };
    assert_eq!(known(2, 2, 700), [1, 1, 2]);
    assert_eq!(known(4, 4, 700), [2, 2, 4]);
    assert_eq!(known(4, 8, 700), [4, 4, 4], "there are enough of them");
    assert_eq!(known(2, 2, 1_500), [2, 2, 2], "that would take too long");
    assert_eq!(known(1, 1, 700), [1, 1, 1]);
}

#[test]
fn what_nobody_waits_for_has_one_thread_if_that_is_fast_and_changes_nothing() {
    for (micros, threads) in [(600, 1), (2_500, 2)] {
        let mut crew = Crew::new(2, MANY);
        crew.expect(&[(1, 1, Duration::from_micros(micros))]);
        run(&mut crew, 100, |threads| micros / threads as u64);
        let before = format!("{:?}", (&crew.warm, &crew.cold));
        crew.hurry(false);
        assert_eq!(crew.clone().choose(48, Duration::ZERO).0, 2, "a prompt");
        let (chosen, _) = crew.choose(4, Duration::ZERO);
        assert_eq!(chosen, threads);
        crew.took(4, Duration::from_micros(1));
        let after = format!("{:?}", (&crew.warm, &crew.cold));
        assert_eq!(before == after, threads == 1);
        crew.hurry(true);
        assert_eq!(crew.choose(1, Duration::ZERO).0, 2);
    }
    let mut crew = Crew::new(2, MANY);
    crew.hurry(false);
    assert_eq!(crew.choose(1, Duration::ZERO).0, 2, "nothing is known yet");
}

/// Keys in turn, each after a pause; how many of their steps had one thread, of how many.
fn keys(crew: &mut Crew, micros: impl Fn(usize, usize) -> u64) -> (usize, usize) {
    let (mut alone, mut all) = (0, 0);
    for key in 0..200 {
        for step in 0..3 + key % 5 {
            let pause = Duration::from_millis(if step == 0 { 80 } else { 0 });
            let (threads, _) = crew.choose(1, pause);
            crew.took(1, Duration::from_micros(micros(threads, step)));
            alone += usize::from(threads == 1);
            all += 1;
        }
    }
    (alone, all)
}

#[test]
fn threads_that_wake_up_slowly_are_not_given_up() {
    let mut crew = Crew::new(2, MANY);
    crew.expect(&[
        (1, 1, Duration::from_micros(600)),
        (1, 2, Duration::from_micros(300)),
    ]);
    let (alone, all) = keys(&mut crew, |threads, step| match (threads, step) {
        (1, 0 | 1) => 1_500,
        (_, 0 | 1) => 1_200,
        (1, _) => 600,
        _ => 300,
    });
    assert!(alone * 20 < all, "{alone} of {all}");
}

#[test]
fn a_cold_start_may_be_faster_alone_while_the_rest_is_not() {
    let mut crew = Crew::new(2, MANY);
    let (alone, all) = keys(&mut crew, |threads, step| match (threads, step) {
        (1, 0 | 1) => 800,
        (_, 0 | 1) => 3_000,
        (1, _) => 600,
        _ => 300,
    });
    let cold = 200 * COLD;
    assert!(
        alone > cold * 9 / 10 && alone < cold + (all - cold) / 20,
        "{alone} of {all}"
    );
}

#[test]
fn a_small_batch_on_one_thread_is_no_reason_to_give_up_two_for_a_large_one() {
    let mut crew = Crew::new(2, MANY);
    let mut alone = 0;
    for batch in 0..200 {
        let n_tokens = if batch % 3 == 1 { 8 } else { 15 };
        let (threads, _) = crew.choose(n_tokens, Duration::ZERO);
        let micros = match (n_tokens, threads) {
            (8, 1) => 2_900,
            (8, _) => 2_600,
            (_, 1) => 5_600,
            _ => 4_000,
        };
        crew.took(n_tokens, Duration::from_micros(micros));
        alone += usize::from(threads == 1);
    }
    assert!(alone < 5, "{alone} to try it");
}

#[test]
fn one_disturbed_step_changes_nothing() {
    let mut crew = Crew::new(2, MANY);
    crew.expect(&[(1, 1, Duration::from_micros(600))]);
    run(&mut crew, 100, calm);
    crew.choose(1, Duration::ZERO);
    crew.took(1, Duration::from_millis(4));
    let used = run(&mut crew, 20, calm);
    assert_eq!(used, [(2, 20), (1, 0)]);
}
