//! Measures what a step and a chunk of a prompt take with each number of threads, in a small context of its
//! own, at the first start with a model, and later if the machine was busy then. A small model takes some 50 ms; what takes
//! longer than `MOST` is given up.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    Cancel, Token, Weights,
    calibration::{self, Calibration, Run, SLEEPY},
    context::Context,
    sizes::{Rounding, Sizes},
};
use crate::config::KvType;

/// As much as in the middle of a short prompt.
const CACHED: usize = 300;
const CHUNK: usize = 48;
/// Rounds through all numbers of threads; more while there is time.
const ROUNDS: usize = 3;
const STEPS: usize = 3;
/// How long to go on with rounds, of one context.
const ENOUGH: Duration = Duration::from_millis(20);
/// The most that measuring in one context may take.
const MOST: Duration = Duration::from_millis(400);
/// With a slower one, nothing is to be won.
const SLOW_STEP: Duration = Duration::from_millis(100);
/// How much longer than one thread several may take.
const LENIENCE: u32 = 6;
const GRACE: Duration = Duration::from_millis(2);
/// After it, sleepy threads sleep.
const PAUSE: Duration = Duration::from_millis(8);
/// The slower quarter of equal batches takes longer than the fastest by no more than this, if nobody else
/// computes.
const UNREST: f64 = 1.5;

/// What is measured.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub weights: &'a Weights,
    pub vocabulary_size: usize,
    /// Without flash attention, it is tried with it, too.
    pub rounding: Rounding,
    /// What the numbers in the cache are; `None` also tries a smaller one where results are not exact anyway.
    pub kv_type: Option<KvType>,
}

/// Times with 1, 2, 4, … `most` threads, and whether the machine was calm meanwhile; `None` if the model is too
/// slow for it or fails, or if it is cancelled.
pub(super) fn measure(
    subject: Subject,
    most: usize,
    of: &str,
    cancel: &Cancel,
) -> Option<(Calibration, bool)> {
    let started = Instant::now();
    let counts: Vec<usize> = std::iter::successors(Some(1), |&it| Some(it * 2))
        .take_while(|&it| it < most)
        .chain([most])
        .collect();
    let mut bench = Bench::new(subject, most, cancel)?;
    let samples = bench.compare(&counts);
    let mut is_calm = samples.iter().all(Samples::is_calm);
    let mut result = Calibration {
        of: of.to_owned(),
        at: calibration::now().as_secs(),
        took_ms: 0.0,
        runs: samples
            .iter()
            .filter_map(|it| it.run(subject.rounding, subject.kv_type))
            .collect(),
        wake_ms: 0.0,
    };
    let best = *result.best()?;
    if best.threads > 1 {
        result.wake_ms = bench.waking(best.threads, best.step_ms);
    }
    drop(bench);

    for (rounding, kv_type) in others(subject.rounding, subject.kv_type) {
        let subject = Subject {
            rounding,
            kv_type,
            ..subject
        };
        let Some(mut bench) = Bench::new(subject, best.threads, cancel) else {
            continue;
        };
        let samples = bench.compare(&[best.threads]);
        is_calm &= samples.iter().all(Samples::is_calm);
        (result.runs).extend(
            samples
                .iter()
                .filter_map(|it| it.run(subject.rounding, subject.kv_type)),
        );
    }
    if cancel.is_cancelled() {
        return None;
    }
    result.took_ms = started.elapsed().as_secs_f64() * 1e3;
    Some((result, is_calm))
}

/// Other ways to run the same model that are worth a try.
fn others(rounding: Rounding, kv_type: Option<KvType>) -> Vec<(Rounding, Option<KvType>)> {
    if rounding != (Rounding::FastCpu { flash: false }) {
        return Vec::new();
    }
    let mut others = vec![(Rounding::FastCpu { flash: true }, kv_type)];
    if kv_type.is_none() {
        others.push((Rounding::FastCpu { flash: true }, Some(KvType::Q8)));
    }
    others
}

struct Bench {
    context: Context,
    chunk: Vec<Token>,
    cached: usize,
    /// What a step takes on one thread.
    alone: Duration,
    ends: Instant,
    cancel: Cancel,
}

impl Bench {
    fn new(subject: Subject, threads: usize, cancel: &Cancel) -> Option<Bench> {
        let vocabulary_size = subject.vocabulary_size;
        let started = Instant::now();
        let sizes = Sizes {
            cells: 512,
            sequences: 1,
            threads,
            polling: SLEEPY,
            rounding: subject.rounding,
            kv_type: subject.kv_type.unwrap_or_default(),
        };
        // Any tokens: what they are changes nothing about the time.
        let token = |index| Token(i32::try_from(index % vocabulary_size.max(1)).unwrap_or(0));
        let mut bench = Bench {
            context: Context::new(subject.weights, vocabulary_size, sizes)?,
            chunk: (0..CHUNK).map(token).collect(),
            cached: 0,
            alone: MOST,
            ends: started + MOST,
            cancel: cancel.clone(),
        };
        // The first step also builds what later ones reuse, and may read the file.
        // One thread, as several may take for ever beside a compiler.
        bench.time(1, 1)?;
        bench.alone = bench.time(1, 1).filter(|time| *time < SLOW_STEP)?;
        bench.context.try_alone(&bench.cancel);
        while bench.cached < CACHED && started.elapsed() < MOST / 4 {
            let limit = bench.ends.checked_duration_since(Instant::now())?;
            let chunk = &bench.chunk;
            let limit = Some(limit);
            (bench.context).time(bench.cached, chunk, 1, limit, &bench.cancel)?;
            bench.cached += CHUNK;
        }
        Some(bench)
    }

    /// What a batch of `n_tokens` takes; `None` if time is up, or if several threads take far longer than one.
    fn time(&mut self, n_tokens: usize, threads: usize) -> Option<Duration> {
        let mut limit = self.ends.checked_duration_since(Instant::now())?;
        if threads > 1 {
            limit = limit.min(self.alone * n_tokens as u32 * LENIENCE + GRACE);
        }
        let tokens = &self.chunk[..n_tokens];
        let time = self
            .context
            .time(self.cached, tokens, threads, Some(limit), &self.cancel)?;
        self.context.forget(self.cached);
        Some(time)
    }

    /// Samples in turns, so that what disturbs one number of threads disturbs all.
    fn compare(&mut self, counts: &[usize]) -> Vec<Samples> {
        let mut all: Vec<Samples> = counts.iter().map(|&it| Samples::new(it)).collect();
        let started = Instant::now();
        let mut rounds = 0;
        while rounds < ROUNDS || started.elapsed() < ENOUGH {
            for samples in all.iter_mut().filter(|it| !it.was_late) {
                samples.was_late = self.sample(samples).is_none();
            }
            if Instant::now() >= self.ends || all.iter().all(|it| it.was_late) {
                break;
            }
            rounds += 1;
        }
        all
    }

    fn sample(&mut self, samples: &mut Samples) -> Option<()> {
        // Wakes the threads.
        self.time(1, samples.threads)?;
        for _ in 0..STEPS {
            samples.steps.push(self.time(1, samples.threads)?);
        }
        samples.chunks.push(self.time(CHUNK, samples.threads)?);
        Some(())
    }

    /// Milliseconds that a step takes longer after a pause.
    fn waking(&mut self, threads: usize, step_ms: f64) -> f64 {
        let mut least = f64::INFINITY;
        for _ in 0..2 {
            if self.cancel.is_cancelled() {
                break;
            }
            thread::sleep(PAUSE);
            if let Some(time) = self.time(1, threads) {
                least = least.min(time.as_secs_f64() * 1e3);
            }
        }
        if least.is_finite() {
            (least - step_ms).max(0.0)
        } else {
            0.0
        }
    }
}

struct Samples {
    threads: usize,
    steps: Vec<Duration>,
    chunks: Vec<Duration>,
    /// A batch was given up.
    was_late: bool,
}

impl Samples {
    fn new(threads: usize) -> Samples {
        Samples {
            threads,
            steps: Vec::new(),
            chunks: Vec::new(),
            was_late: false,
        }
    }

    /// The fastest count: what is slower was disturbed.
    fn run(&self, rounding: Rounding, kv_type: Option<KvType>) -> Option<Run> {
        let least = |times: &[Duration]| Some(times.iter().min()?.as_secs_f64() * 1e3);
        Some(Run {
            threads: self.threads,
            flash_attention: rounding != (Rounding::FastCpu { flash: false }),
            kv_type: kv_type.unwrap_or_default(),
            step_ms: least(&self.steps)?,
            chunk_ms: least(&self.chunks)?,
            chunk: CHUNK,
        })
    }

    fn is_calm(&self) -> bool {
        if self.was_late {
            return false;
        }
        let mut steps = self.steps.clone();
        steps.sort_unstable();
        let (Some(fastest), Some(slow)) = (steps.first(), steps.get(steps.len() * 3 / 4)) else {
            return true;
        };
        slow.as_secs_f64() <= fastest.as_secs_f64() * UNREST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(micros: &[u64], is_calm: bool) {
        let mut samples = Samples::new(2);
        samples.steps = micros.iter().map(|&it| Duration::from_micros(it)).collect();
        assert_eq!(samples.is_calm(), is_calm, "{micros:?}");
    }

    #[test]
    fn a_machine_is_busy_when_equal_steps_take_unequal_times() {
        check(&[300, 310, 320, 305, 315, 300, 300, 330, 310], true);
        check(&[300, 310, 320, 305, 9_000, 300, 300, 330, 310], true);
        check(&[300, 310, 9_000, 305, 8_000, 300, 700, 330, 310], false);
        check(&[], true);
        let mut samples = Samples::new(2);
        samples.was_late = true;
        assert!(!samples.is_calm());
    }

    #[test]
    fn a_smaller_cache_is_tried_only_where_nobody_asked_for_another_and_results_are_not_exact_anyway()
     {
        let flash = Rounding::FastCpu { flash: true };
        let plain = Rounding::FastCpu { flash: false };
        let small = Some(KvType::Q8);
        assert_eq!(others(plain, None), [(flash, None), (flash, small)]);
        let asked = Some(KvType::F16);
        assert_eq!(others(plain, asked), [(flash, asked)]);
        for fixed in [Rounding::Exact, Rounding::Gpu, flash] {
            assert_eq!(others(fixed, None), []);
        }
    }

    #[test]
    fn a_run_without_both_times_does_not_count() {
        let mut samples = Samples::new(2);
        samples.steps = vec![Duration::from_millis(3), Duration::from_millis(2)];
        assert_eq!(samples.run(Rounding::Exact, None), None);
        samples.chunks = vec![Duration::from_millis(9)];
        let run = samples.run(Rounding::Exact, None).unwrap();
        assert_eq!((run.step_ms, run.chunk_ms), (2.0, 9.0));
    }
}
