//! Whether speculation pays on this model and device, and how long drafts should be. Pure arithmetic
//! over what was measured: durations are passed in, nothing is random.
//!
//! A draft of k tokens, each right with probability a, makes a step of k + 1 tokens give
//! `(1 - a^(k+1)) / (1 - a)` tokens: 2.0 for a = 0.5, k = 7; 4.2 for a = 0.8. It pays if that step takes
//! less than as many times what a plain one takes. On GPUs a step of 8 takes 1.3 to 2.2 plain ones, on
//! CPUs with tiny models 4 and more: there it stays off by itself.

use std::time::Duration;

use super::MAX_DRAFT;

/// Speculation is switched on at this gain in tokens per second...
const ON: f64 = 1.1;
/// ...and off below this one, so that noise does not switch it to and fro.
const OFF: f64 = 1.0;
/// A time counts from this sample on: CUDA graphs replay a shape from the third time on.
const SETTLED: u32 = 3;
/// A new sample's weight in the average.
const WEIGHT: f64 = 1.0 / 16.0;
/// A sample counts for at most this many times the average: the machine may have been busy.
const OUTLIER: f64 = 4.0;
/// One draft in so many is tried although none pays, in case the device has changed its mind.
const AGAIN: u32 = 512;
/// A source's record fades by this factor with each token tried: about the last thirty count.
const FADING: f64 = 0.97;

/// What a step costs, by the number of tokens in it.
#[derive(Default)]
pub struct Benefit {
    times: [Timed; MAX_DRAFT + 1],
    refused: u32,
}

#[derive(Clone, Copy, Default)]
struct Timed {
    seconds: f64,
    samples: u32,
}

/// How often a source of drafts was right, an exponential average; and whether it is used.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    accepted: f64,
    tried: f64,
    is_on: bool,
}

impl Default for Record {
    /// As if two of four tokens had been right.
    fn default() -> Record {
        Record {
            accepted: 2.0,
            tried: 4.0,
            is_on: false,
        }
    }
}

impl Record {
    /// Of `drafted` tokens the first `accepted` were what the model chose. What stood behind a wrong one
    /// says nothing.
    pub fn observe(&mut self, drafted: usize, accepted: usize) {
        let tried = drafted.min(accepted + 1);
        let fading = FADING.powi(tried as i32);
        self.accepted = self.accepted * fading + accepted.min(drafted) as f64;
        self.tried = self.tried * fading + tried as f64;
    }

    /// The probability that a token of a draft is right if those before it are, 0..=1.
    pub fn acceptance(&self) -> f64 {
        self.accepted / self.tried
    }

    /// The tokens that a step with a draft of `drafted` gives, at least 1.
    pub fn expected(&self, drafted: usize) -> f64 {
        let acceptance = self.acceptance();
        let mut sum = 1.0;
        for _ in 0..drafted {
            sum = 1.0 + acceptance * sum;
        }
        sum
    }
}

impl Benefit {
    /// A step of `batch` tokens took so long. Whoever pads steps to a fixed shape says how many tokens it
    /// was about, not how many it was padded to. Steps longer than a draft can make say nothing.
    pub fn observe_step(&mut self, batch: usize, took: Duration) {
        let Some(timed) = batch.checked_sub(1).and_then(|at| self.times.get_mut(at)) else {
            return;
        };
        let seconds = took.as_secs_f64().max(1e-9);
        if timed.samples == 0 {
            timed.seconds = seconds;
        } else if timed.samples < SETTLED {
            // The first ones prepare what later ones use.
            timed.seconds = timed.seconds.min(seconds);
        } else {
            let seconds = seconds.min(timed.seconds * OUTLIER);
            timed.seconds += (seconds - timed.seconds) * WEIGHT;
        }
        timed.samples = timed.samples.saturating_add(1);
    }

    /// How many tokens a source with this record should draft, at most `available`; 0 if a plain step
    /// gives more tokens per second. While unknown, and rarely later, drafts are tried to find out.
    pub fn length(&mut self, record: &mut Record, available: usize) -> usize {
        let available = available.min(MAX_DRAFT);
        if !self.is_settled(1) {
            return 0;
        }
        let is_known = (2..=MAX_DRAFT + 1).any(|batch| self.is_settled(batch));
        if is_known {
            let (gain, _) = self.best(record, MAX_DRAFT);
            record.is_on = gain >= if record.is_on { OFF } else { ON };
            if record.is_on {
                return self.best(record, available).1;
            }
            self.refused += 1;
            if self.refused < AGAIN {
                return 0;
            }
            self.refused = 0;
        }
        if record.expected(available) >= ON {
            available
        } else {
            0
        }
    }

    /// The greatest gain, 1 without a draft, and the shortest draft that has it.
    fn best(&self, record: &Record, available: usize) -> (f64, usize) {
        let mut best = (1.0, 0);
        for drafted in 1..=available {
            let gain = record.expected(drafted) * self.time(1) / self.time(drafted + 1);
            if gain > best.0 {
                best = (gain, drafted);
            }
        }
        best
    }

    fn is_settled(&self, batch: usize) -> bool {
        self.times[batch - 1].samples >= SETTLED
    }

    /// The seconds a step takes: on the line between the nearest measured ones, beyond the last of them on
    /// the line through the first and the last. Some other than 1 must be measured.
    fn time(&self, batch: usize) -> f64 {
        let measured = |batch: &usize| self.is_settled(*batch);
        let seconds = |batch: usize| self.times[batch - 1].seconds;
        if measured(&batch) {
            return seconds(batch);
        }
        let below = (1..batch).rev().find(measured).unwrap_or(1);
        let above = (batch + 1..=MAX_DRAFT + 1).find(measured);
        let (from, to) = above.map_or((1, below), |above| (below, above));
        let slope = (seconds(to) - seconds(from)) / (to - from).max(1) as f64;
        let slope = if above.is_some() {
            slope
        } else {
            slope.max(0.0)
        };
        seconds(below) + slope * (batch - below) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Times by batch size, measured often enough to count.
    fn measured(times: &[(usize, f64)]) -> Benefit {
        let mut benefit = Benefit::default();
        for (batch, milliseconds) in times {
            for _ in 0..SETTLED {
                benefit.observe_step(*batch, Duration::from_secs_f64(milliseconds / 1e3));
            }
        }
        benefit
    }

    fn record(acceptance: f64) -> Record {
        Record {
            accepted: acceptance * 100.0,
            tried: 100.0,
            is_on: false,
        }
    }

    #[test]
    fn tokens_per_step_are_as_the_sum_says() {
        for (acceptance, expected) in [
            (0.5, 2.0),
            (0.6, 2.5),
            (0.7, 3.1),
            (0.8, 4.2),
            (0.9, 5.7),
            (1.0, 8.0),
        ] {
            assert!((record(acceptance).expected(7) - expected).abs() < 0.06);
        }
    }

    #[test]
    fn on_a_gpu_drafts_are_long() {
        // Gemma 2B F16 on an RTX 3090.
        let mut benefit = measured(&[(1, 6.18), (2, 7.70), (4, 7.68), (8, 8.22)]);
        assert_eq!(benefit.length(&mut record(0.7), 7), 7);
        assert_eq!(benefit.length(&mut record(0.7), 3), 3);
        assert_eq!(benefit.length(&mut record(0.2), 7), 0);
        // An 8B Q4_0 on the same: longer ones cost too much.
        let mut benefit = measured(&[(1, 6.39), (2, 7.15), (4, 8.50), (8, 13.7)]);
        assert!((1..=3).contains(&benefit.length(&mut record(0.6), 7)));
    }

    #[test]
    fn where_a_step_is_bound_by_arithmetic_it_stays_off() {
        let mut benefit = measured(&[(1, 0.5), (2, 0.9), (8, 3.4)]);
        assert_eq!(benefit.length(&mut record(0.8), 7), 0);
        let mut benefit = measured(&[(1, 1.0), (2, 2.0), (8, 8.0)]);
        assert_eq!(benefit.length(&mut record(1.0), 7), 0);
    }

    #[test]
    fn nothing_is_drafted_before_a_plain_step_was_measured() {
        assert_eq!(measured(&[]).length(&mut record(0.9), 7), 0);
        assert_eq!(measured(&[(8, 1.0)]).length(&mut record(0.9), 7), 0);
        assert_eq!(measured(&[(1, 1.0)]).length(&mut record(0.9), 7), 7);
        assert_eq!(measured(&[(1, 1.0)]).length(&mut record(0.01), 7), 0);
    }

    #[test]
    fn what_does_not_pay_is_tried_again_but_rarely() {
        let mut benefit = measured(&[(1, 1.0), (8, 8.0)]);
        let mut record = record(0.8);
        let lengths: Vec<usize> = (0..2 * AGAIN)
            .map(|_| benefit.length(&mut record, 5))
            .collect();
        assert_eq!(lengths.iter().filter(|length| **length == 5).count(), 2);
        assert_eq!(
            lengths.iter().filter(|length| **length == 0).count(),
            lengths.len() - 2
        );
    }

    #[test]
    fn a_gain_in_between_changes_nothing() {
        // A step of two takes 1.5 plain ones: a gain of 1.05 at 0.575, longer drafts gain less.
        let mut benefit = measured(&[(1, 1.0), (2, 1.5), (8, 8.0)]);
        let mut record = record(0.575);
        assert_eq!(benefit.length(&mut record, 7), 0);
        record.is_on = true;
        assert_eq!(benefit.length(&mut record, 7), 1);
    }

    #[test]
    fn a_hiccup_does_not_change_the_decision() {
        let mut benefit = measured(&[(1, 6.0), (8, 8.0)]);
        benefit.observe_step(8, Duration::from_secs(1));
        assert!(benefit.length(&mut record(0.8), 7) > 0);
        for _ in 0..100 {
            benefit.observe_step(8, Duration::from_millis(48));
        }
        assert_eq!(benefit.length(&mut record(0.5), 7), 0, "that is no hiccup");
    }

    #[test]
    fn what_a_shape_costs_at_first_does_not_count() {
        let mut benefit = measured(&[(1, 6.0)]);
        for milliseconds in [40, 20, 8] {
            benefit.observe_step(8, Duration::from_millis(milliseconds));
        }
        assert!((benefit.time(8) - 0.008).abs() < 1e-9);
    }

    #[test]
    fn beyond_what_was_measured_nothing_gets_cheaper() {
        assert_eq!(measured(&[(1, 6.0), (2, 5.0)]).time(8), 0.005);
        assert!((measured(&[(1, 6.0), (3, 8.0)]).time(8) - 0.013).abs() < 1e-9);
    }

    #[test]
    fn the_record_follows_what_happens() {
        let mut record = Record::default();
        (0..50).for_each(|_| record.observe(7, 7));
        assert!(record.acceptance() > 0.95);
        (0..60).for_each(|_| record.observe(7, 0));
        assert!(record.acceptance() < 0.2);
        // Three right and one wrong: what stood behind was not tried.
        let mut record = Record::default();
        (0..200).for_each(|_| record.observe(7, 3));
        assert!((record.acceptance() - 0.75).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn the_length_is_available_and_the_best(
            times in prop::collection::vec(0.1..10.0f64, 8), acceptance in 0.0..=1.0f64, available in 0..10usize,
        ) {
            let all: Vec<(usize, f64)> = times.iter().enumerate().map(|(at, time)| (at + 1, *time)).collect();
            let mut benefit = measured(&all);
            let record = record(acceptance);
            let gain = |length: usize| record.expected(length) * times[0] / times[length];
            let best = (0..=available.min(MAX_DRAFT)).map(gain).fold(1.0, f64::max);
            let length = benefit.length(&mut record.clone(), available);
            prop_assert!(length <= available.min(MAX_DRAFT));
            let is_on = (1..=MAX_DRAFT).any(|length| gain(length) >= ON);
            let is_best = (gain(length) - best).abs() < 1e-6;
            prop_assert!((is_on && is_best) || (!is_on && length == 0));
        }

        #[test]
        fn times_between_measured_ones_lie_between_them(
            times in prop::collection::vec((1..=8usize, 0.1..10.0f64), 1..6), batch in 1..=8usize,
        ) {
            let mut benefit = measured(&times);
            benefit.observe_step(1, Duration::from_millis(1));
            (0..SETTLED).for_each(|_| benefit.observe_step(1, Duration::from_millis(1)));
            (0..SETTLED).for_each(|_| benefit.observe_step(8, Duration::from_millis(3)));
            let known: Vec<f64> = (1..=8).filter(|it| benefit.is_settled(*it)).map(|it| benefit.time(it)).collect();
            let (least, most) = (known.iter().copied().fold(f64::MAX, f64::min), known.iter().copied().fold(0.0, f64::max));
            let time = benefit.time(batch);
            prop_assert!(least - 1e-9 <= time && time <= most + 1e-9);
        }

        #[test]
        fn nothing_measured_breaks_it(steps in prop::collection::vec((0..12usize, any::<u64>()), 0..60), drafts in prop::collection::vec((0..12usize, 0..12usize), 0..60)) {
            let (mut benefit, mut record) = (Benefit::default(), Record::default());
            for (batch, nanos) in steps {
                benefit.observe_step(batch, Duration::from_nanos(nanos));
            }
            for (drafted, accepted) in drafts {
                record.observe(drafted, accepted);
                prop_assert!((0.0..=1.0).contains(&record.acceptance()));
                prop_assert!(benefit.length(&mut record, drafted) <= drafted.min(MAX_DRAFT));
            }
        }
    }
}
