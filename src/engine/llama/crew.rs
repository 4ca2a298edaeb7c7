//! How many threads compute the next batch, and how long they may take. Pure arithmetic on measured times;
//! `context` does the measuring.
//!
//! ggml's threads wait for each other by spinning, dozens of times per token. Beside a compiler that keeps all
//! cores busy, a step of three tokens then took 620 ms with two threads and 1 ms with one (measured). So each size
//! of batch remembers what it took with how many threads, goes down as soon as that was faster, and tries now
//! and then whether going up pays again; and a batch that takes far too long is given up and repeated with fewer.
//!
//! After a pause the threads sleep and the weights have left the caches: on one thread the first step of a key took 1.4 ms,
//! the sixth 0.85 (medians of 18, CPU time). Such batches are compared with each other only: beside what one thread took
//! when warm, two cold ones look slow, and a machine that nobody else used went down to one thread.
//!
//! What nobody waits for is computed on one thread, where a step of it is short enough to make way for what somebody
//! does: threads that spin for each other take more processor time for the same result. Prompts are not: they are many
//! tokens for each time that threads wait, and the next key may need all of one. And what somebody waits for
//! leaves a core free where its steps are short: the editor needs one, and so do the threads of the server, and a
//! thread that has lost its core keeps all others waiting. On two cores with two threads and with one, 91.3 and 97.1 % of
//! what was computed freshly came within a frame, with a 99th percentile over all keys of 18.2 and 13.6 ms and the same
//! median (424 keys each, AVX2 EPYC).

use std::time::Duration;

/// Batches are alike when their sizes have the same power of two, and when they are equally warm.
const SHAPES: usize = 8;
/// The first batches after a pause are cold.
const COLD: usize = 2;
/// The one between two steps of a job is shorter, the one between two keystrokes longer.
const PAUSE: Duration = Duration::from_millis(2);
/// How many batches to wait before trying another number of threads. Doubled when that was in vain.
const PATIENCE: std::ops::RangeInclusive<u32> = 32..=512;
/// What a change has to win.
const WORTH_IT: f32 = 0.8;
/// How much longer than expected a batch may take. What a token takes differs by 2 within a shape, what is attended to
/// by 3.
const LENIENCE: f32 = 6.0;
const GRACE: Duration = Duration::from_millis(2);
/// On one thread, what nobody waits for: if a token takes no longer.
const SHORT: Duration = Duration::from_millis(2);
/// Leaving a core free, what somebody waits for: if a token takes no longer on one thread...
const BRIEF: Duration = Duration::from_millis(1);
/// ...and both if there are fewer of them. A prompt is worth all cores.
const A_PROMPT: usize = 8;
/// One batch may have been disturbed: it counts as this many times the average at most.
const OUTLIER: f32 = 4.0;

#[derive(Clone, Debug)]
pub(super) struct Crew {
    /// Numbers of threads, most first, each half of the one before.
    sizes: Vec<usize>,
    warm: [Shape; SHAPES],
    cold: [Shape; SHAPES],
    /// The index into `sizes` of those that leave a core free.
    sparing: usize,
    /// How many batches are cold, from the present one on.
    n_cold: usize,
    is_awaited: bool,
    /// Whether the present batch says something about numbers of threads.
    counts: bool,
}

#[derive(Clone, Debug)]
struct Shape {
    /// Index into `sizes`.
    current: usize,
    /// What is being tried, for one batch.
    trial: Option<usize>,
    /// Seconds that a token took with each number of threads, smoothed. Not a batch: one of 8 tokens on one thread is no
    /// faster than one of 15 on two.
    seconds: Vec<Option<f32>>,
    waited: u32,
    patience: u32,
    goes_up: bool,
}

impl Crew {
    /// At most so many threads on so many cores.
    pub(super) fn new(threads: usize, cores: usize) -> Crew {
        let sizes: Vec<usize> =
            std::iter::successors(Some(threads.max(1)), |&it| (it > 1).then_some(it / 2)).collect();
        let shape = Shape {
            current: 0,
            trial: None,
            seconds: vec![None; sizes.len()],
            waited: 0,
            // The first one comes soon: what is not known cannot be compared with.
            patience: 1,
            goes_up: true,
        };
        Crew {
            warm: std::array::from_fn(|_| shape.clone()),
            cold: std::array::from_fn(|_| shape.clone()),
            sparing: usize::from(threads >= cores && threads > 1),
            n_cold: 0,
            is_awaited: true,
            counts: true,
            sizes,
        }
    }

    /// What warm batches are known to take, by number of tokens and threads.
    pub(super) fn expect(&mut self, known: &[(usize, usize, Duration)]) {
        for &(n_tokens, threads, time) in known {
            if let Some(index) = self.sizes.iter().position(|&size| size == threads) {
                self.warm[class(n_tokens)].seconds[index] = Some(per_token(n_tokens, time));
            }
        }
    }

    /// Whether somebody waits for the batches from now on.
    pub(super) fn hurry(&mut self, is_awaited: bool) {
        self.is_awaited = is_awaited;
    }

    /// How many threads a batch of `n_tokens` should have that comes so long after the last one, and after what time
    /// to call `was_late`.
    pub(super) fn choose(&mut self, n_tokens: usize, pause: Duration) -> (usize, Option<Duration>) {
        self.n_cold = match pause > PAUSE {
            true => COLD,
            false => self.n_cold.saturating_sub(1),
        };
        let fewest = self.sizes.len() - 1;
        let alone = self.warm[class(1)].seconds[fewest].map(Duration::from_secs_f32);
        let takes = |limit: Duration| alone.is_some_and(|alone| alone <= limit);
        let fixed = match self.is_awaited {
            false if n_tokens < A_PROMPT && takes(SHORT) => Some(fewest),
            true if self.sparing > 0 && n_tokens < A_PROMPT && takes(BRIEF) => Some(self.sparing),
            _ => None,
        };
        self.counts = fixed.is_none();
        if let Some(fixed) = fixed {
            return (self.sizes[fixed], None);
        }
        let expected = self.expected(n_tokens);
        let shape = self.shape(n_tokens);
        shape.waited += 1;
        shape.trial = None;
        if shape.waited > shape.patience && fewest > 0 {
            shape.waited = 0;
            shape.goes_up = !shape.goes_up;
            let is_up = shape.current == fewest || (shape.goes_up && shape.current > 0);
            shape.trial = Some(if is_up {
                shape.current - 1
            } else {
                shape.current + 1
            });
        }
        let chosen = shape.trial.unwrap_or(shape.current);
        let limit = expected
            .filter(|_| chosen < fewest)
            .map(|it| Duration::from_secs_f32(it * LENIENCE) + GRACE);
        (self.sizes[chosen], limit)
    }

    /// The batch that was asked about last took so long.
    pub(super) fn took(&mut self, n_tokens: usize, time: Duration) {
        if !self.counts {
            return;
        }
        let shape = self.shape(n_tokens);
        let time = per_token(n_tokens, time);
        if let Some(trial) = shape.trial.take() {
            // What it took long ago says little.
            shape.seconds[trial] = Some(time);
            let pays =
                shape.seconds[shape.current].is_some_and(|current| time < current * WORTH_IT);
            if pays {
                shape.current = trial;
                shape.patience = *PATIENCE.start();
            } else {
                shape.patience = (shape.patience * 2).clamp(*PATIENCE.start(), *PATIENCE.end());
            }
            return;
        }
        let smoothed = shape.seconds[shape.current].map_or(time, |before| {
            before * 0.75 + time.min(before * OUTLIER) * 0.25
        });
        shape.seconds[shape.current] = Some(smoothed);
        // Down at once: nobody should wait for a trial while cores are busy.
        if let Some(&Some(fewer)) = shape.seconds.get(shape.current + 1)
            && fewer < smoothed * WORTH_IT
        {
            shape.go_down();
        }
    }

    /// The batch that was asked about last was given up after its limit.
    pub(super) fn was_late(&mut self, n_tokens: usize) {
        let shape = self.shape(n_tokens);
        match shape.trial.take() {
            Some(_) => {
                shape.patience = (shape.patience * 2).clamp(*PATIENCE.start(), *PATIENCE.end())
            }
            None => shape.go_down(),
        }
    }

    fn shape(&mut self, n_tokens: usize) -> &mut Shape {
        let shapes = match self.n_cold {
            0 => &mut self.warm,
            _ => &mut self.cold,
        };
        &mut shapes[class(n_tokens)]
    }

    /// Seconds that a batch should take at best, as far as is known.
    fn expected(&self, n_tokens: usize) -> Option<f32> {
        let class = class(n_tokens);
        let best = |shape: &Shape| shape.seconds.iter().flatten().copied().reduce(f32::min);
        let cold = (self.n_cold > 0).then(|| best(&self.cold[class])).flatten();
        // No batch like it yet: as a smaller one.
        let smaller = || (0..class).rev().find_map(|class| best(&self.warm[class]));
        let each = (cold.or_else(|| best(&self.warm[class]))).or_else(smaller)?;
        Some(each * n_tokens as f32)
    }
}

impl Shape {
    fn go_down(&mut self) {
        self.current = (self.current + 1).min(self.seconds.len() - 1);
        self.waited = 0;
        self.patience = *PATIENCE.start();
    }
}

fn per_token(n_tokens: usize, time: Duration) -> f32 {
    time.as_secs_f32() / n_tokens.max(1) as f32
}

fn class(n_tokens: usize) -> usize {
    (n_tokens.max(1).ilog2() as usize).min(SHAPES - 1)
}

#[cfg(test)]
mod tests;
