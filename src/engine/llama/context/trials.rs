//! Steps that are taken to learn something: how long they take, whether there is room for them.

use std::time::{Duration, Instant};

use super::{
    super::{Cancel, ModelError, Sequence, Token, machine},
    Context, Crew,
};

impl Context {
    /// Does a first step on one thread, to learn what a step takes: else the first ones beside a busy
    /// compiler take seconds and nobody knows that this is slow.
    pub(in super::super) fn warm_up(&mut self) {
        // It also builds what later ones reuse.
        self.try_alone(&Cancel::default());
        let time = self.time(0, &[Token(0)], 1, None, &Cancel::default());
        self.forget(0);
        if let Some(time) = time {
            self.expect(&[(1, 1, time)]);
        }
    }

    /// Finds out whether a lone token needs no companion on one thread: if all of its logits are the same without, to the
    /// last bit. Kernels that add up in another order would show in some of them.
    pub(in super::super) fn try_alone(&mut self, cancel: &Cancel) {
        let mut logits = || {
            let time = self.time(0, &[Token(0)], 1, None, cancel);
            self.rows = time.map(|_| (0, 1));
            let logits = time.map(|_| self.logits(0).iter().map(|it| it.to_bits()).collect());
            self.forget(0);
            self.goes_alone = true;
            logits
        };
        let (with, without): (Option<Vec<u32>>, _) = (logits(), logits());
        self.goes_alone = with.is_some() && with == without;
        self.rows = None;
    }

    #[cfg(test)]
    pub(in super::super) fn goes_alone(&self) -> bool {
        self.goes_alone
    }

    /// Does the largest batch once, so that a device that has no room for it says so now. What it says, if it fails.
    pub(in super::super) fn try_out(&mut self, tokens: usize) -> Result<(), String> {
        let batch = vec![Token(0); self.sizes.batch_size().min(tokens)];
        let result = self.decode(Sequence(0), 0, &batch, 1, &Cancel::default());
        if self.thrown.is_none() {
            self.forget(0);
        }
        result.map_err(|error| match error {
            ModelError::Device(reason) => reason,
            error => error.to_string(),
        })
    }

    /// What batches are known to take, by number of tokens and threads.
    pub(in super::super) fn expect(&mut self, known: &[(usize, usize, Duration)]) {
        if let Some(crew) = &mut self.crew {
            crew.expect(known);
        }
    }

    /// Runs from now on with at most so many threads, no more than it was made for, of which it is known what batches take.
    pub(in super::super) fn retune(&mut self, threads: usize, known: &[(usize, usize, Duration)]) {
        if let Some(crew) = &mut self.crew {
            *crew = Crew::new(threads.min(self.sizes.threads), machine::processors());
            crew.expect(known);
        }
    }

    /// Appends tokens to the first sequence, and says how long that took; `None` if it failed or took longer than
    /// `limit`. Asks and tells the crew nothing.
    pub(in super::super) fn time(
        &mut self,
        len: usize,
        tokens: &[Token],
        threads: usize,
        limit: Option<Duration>,
        cancel: &Cancel,
    ) -> Option<Duration> {
        self.rows = None;
        let crew = self.crew.take();
        let started = Instant::now();
        let team = Some((threads, limit));
        let code = self.try_decode(0, len, tokens, 1, cancel, team);
        let time = started.elapsed();
        self.crew = crew;
        if code != 0 {
            self.forget(len);
            return None;
        }
        Some(time)
    }
}
