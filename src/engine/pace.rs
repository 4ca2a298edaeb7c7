//! How fast the model is, measured as it works: for the size of prompt chunks, and for whoever has to
//! decide what is worth beginning ahead. Pure arithmetic; the clock is the worker's.

use std::time::Duration;

/// Between two chunks of a prompt a job can be stopped even by a model that cannot stop within one;
/// a quarter of a frame is lost at most.
const CHUNK: Duration = Duration::from_micros(16_667 / 4);
/// Tokens in a chunk while nothing has been measured...
const CHUNK_TOKENS: usize = 64;
/// ...and at least: fewer cost as much as these.
const FEWEST: usize = 8;

/// Nobody waits longer for ghost text: a slow model generates fewer tokens...
const ANSWER: Duration = Duration::from_secs(2);
/// ...but enough for the rest of most lines.
const SHORTEST: usize = 16;

/// A new measurement weighs one part in so many.
const WEIGHT: f64 = 8.0;
/// One step may take for ever, because the machine was busy or asleep. It counts as this many times
/// the average at most.
const OUTLIER: f64 = 4.0;

/// Averages of what was measured lately; zero as long as nothing was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pace {
    /// One token of generated text, alone in its batch.
    pub step: Duration,
    /// One token of a prompt among many.
    pub prompt_token: Duration,
    /// The same over a whole prompt that somebody waited for: later tokens take longer, and all cores are at it.
    pub whole_prompt_token: Duration,
}

impl Pace {
    /// One token, alone in its batch, took so long.
    pub(super) fn stepped(&mut self, time: Duration) {
        average(&mut self.step, time);
    }

    /// A whole chunk of a prompt took so long. What is left of one at the end says little: fewer tokens take longer each.
    pub(super) fn took_chunk(&mut self, n_tokens: usize, time: Duration) {
        if n_tokens >= FEWEST {
            average(&mut self.prompt_token, time / n_tokens as u32);
        }
    }

    /// How many tokens of a prompt to evaluate at once, `1..=batch_size`.
    pub(super) fn chunk(&self, batch_size: usize) -> usize {
        let fitting = fitting(CHUNK, self.prompt_token).unwrap_or(CHUNK_TOKENS);
        fitting.max(FEWEST).min(batch_size).max(1)
    }

    /// How many tokens to generate at most, of the `wanted` ones.
    pub(super) fn longest(&self, wanted: usize) -> usize {
        let fitting = self.tokens(ANSWER).unwrap_or(wanted);
        wanted.min(fitting.max(SHORTEST))
    }

    /// How many tokens can be generated within `time`; `None` while nobody knows.
    pub fn tokens(&self, time: Duration) -> Option<usize> {
        fitting(time, self.step)
    }
}

impl Pace {
    /// So many tokens of a prompt that somebody waited for took so long.
    pub(super) fn read(&mut self, n_tokens: usize, time: Duration) {
        if n_tokens >= WHOLE {
            average(&mut self.whole_prompt_token, time / n_tokens as u32);
        }
    }

    /// How many tokens a prompt may have that is to be read within `time`; `None` while nobody knows.
    pub fn prompt_tokens(&self, time: Duration) -> Option<usize> {
        fitting(time, self.whole_prompt_token)
    }
}

/// Fewer tokens do not tell what a whole prompt takes.
const WHOLE: usize = 32;

fn fitting(time: Duration, each: Duration) -> Option<usize> {
    (!each.is_zero()).then(|| (time.as_nanos() / each.as_nanos()) as usize)
}

fn average(average: &mut Duration, time: Duration) {
    *average = if average.is_zero() {
        time
    } else {
        let before = average.as_secs_f64();
        let time = time.as_secs_f64().min(before * OUTLIER);
        Duration::from_secs_f64(before + (time - before) / WEIGHT)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pace(step: Duration, prompt_token: Duration) -> Pace {
        Pace {
            step,
            prompt_token,
            ..Pace::default()
        }
    }

    #[test]
    fn averages_follow_what_is_measured_but_not_one_outlier() {
        let mut pace = Pace::default();
        pace.stepped(MS);
        pace.took_chunk(16, 8 * MS);
        assert_eq!(pace, self::pace(MS, MS / 2));
        pace.stepped(10_000 * MS);
        assert!(pace.step < MS * 3 / 2, "{pace:?}");
        for _ in 0..100 {
            pace.stepped(3 * MS);
        }
        assert!(pace.step > MS * 29 / 10 && pace.step <= 3 * MS, "{pace:?}");
        assert_eq!(pace.prompt_token, MS / 2);
    }

    #[test]
    fn a_chunk_takes_a_quarter_of_a_frame() {
        let chunk = |prompt_token, batch_size| pace(MS, prompt_token).chunk(batch_size);
        assert_eq!(chunk(MS / 10, 512), 41);
        assert_eq!(chunk(MS / 10, 32), 32);
        assert_eq!(chunk(100 * MS, 512), FEWEST);
        assert_eq!(chunk(100 * MS, 3), 3);
        assert_eq!(chunk(Duration::from_nanos(1), 256), 256);
        assert_eq!(Pace::default().chunk(512), CHUNK_TOKENS);
    }

    #[test]
    fn what_a_prompt_takes_is_told_by_whole_ones() {
        let mut pace = Pace::default();
        pace.took_chunk(64, 64 * MS);
        assert_eq!(pace.prompt_tokens(100 * MS), None);
        pace.read(20, 20 * MS);
        assert_eq!(pace.prompt_tokens(100 * MS), None);
        pace.read(400, 200 * MS);
        assert_eq!(pace.prompt_tokens(100 * MS), Some(200));
    }

    #[test]
    fn a_slow_model_generates_what_somebody_waits_for_and_the_rest_of_a_line_at_least() {
        let longest = |step, wanted| pace(step, MS).longest(wanted);
        assert_eq!(longest(MS, 64), 64);
        assert_eq!(longest(50 * MS, 64), 40);
        assert_eq!(longest(500 * MS, 64), SHORTEST);
        assert_eq!(longest(500 * MS, 3), 3);
        assert_eq!(longest(MS, 0), 0);
        assert_eq!(Pace::default().longest(64), 64);
    }

    #[test]
    fn a_time_is_worth_as_many_tokens_as_fit() {
        assert_eq!(pace(MS, MS).tokens(12 * MS), Some(12));
        assert_eq!(pace(MS, MS).tokens(MS / 2), Some(0));
        assert_eq!(Pace::default().tokens(12 * MS), None);
    }
}
