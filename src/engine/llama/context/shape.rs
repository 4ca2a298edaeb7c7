//! Small batches that all have the same number of rows.
//!
//! Back ends that record a graph of kernels and play it again (CUDA) do so only while the shape of the batch stays the
//! same: after another one, the next step or two launch each kernel by itself. A burst of ghost text is a few tokens
//! of prompt, then steps with and without drafts: hardly two alike in a row. So each can be filled up to the same number
//! of rows with tokens in a spare sequence, all with logits. That costs arithmetic and copies rows that nobody reads;
//! whether it pays is tried when the model is loaded.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{
    super::sizes::{Rounding, SHAPE},
    super::{Cancel, Device, Sequence, Token},
    Context,
};

/// What a keystroke evaluates in the trial, batch by batch: what was typed, then what is generated.
const KEYSTROKE: [usize; 10] = [2, 1, 1, 4, 1, 1, 8, 1, 1, 1];
const ROUNDS: usize = 3;
/// With slower steps the launches do not matter.
const SLOW_STEP: Duration = Duration::from_millis(30);
/// What filling up has to save.
const WORTH_IT: f64 = 0.85;

/// The back ends that record, as llama.cpp names them; ROCm's is CUDA's.
const RECORDING: [&str; 3] = ["CUDA", "ROCm", "MUSA"];

/// Whether a device is driven by a back end that records its kernels.
pub(in super::super) fn records(device: &Device) -> bool {
    RECORDING.contains(&device.backend.as_str())
}

/// What was measured of a keystroke's batches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shape {
    /// How many rows each is filled up to; 0 if they are left as they come.
    pub rows: usize,
    /// Milliseconds that they take as they come, and filled up.
    pub plain_ms: f64,
    pub filled_ms: f64,
}

impl Context {
    /// How many tokens go along in the spare sequence.
    pub(super) fn companions(&self, n_tokens: usize, threads: usize) -> usize {
        match self.sizes.rounding {
            Rounding::Exact => usize::from(n_tokens == 1 && !(self.goes_alone && threads == 1)),
            _ => self.shape.saturating_sub(n_tokens),
        }
    }

    /// Finds out whether small batches are faster when they are filled up, and fills them up from now on if so. `None`
    /// if the device is too slow for it to matter, or a batch fails.
    pub(in super::super) fn try_shape(&mut self) -> Option<Shape> {
        let tried = self.compare_shapes();
        self.shape = tried.map_or(0, |it| it.rows);
        if self.thrown.is_none() {
            self.forget(0);
        }
        tried
    }

    fn compare_shapes(&mut self) -> Option<Shape> {
        let [mut plain, mut filled] = [Duration::MAX; 2];
        for round in 0..=ROUNDS {
            for (shape, least) in [(0, &mut plain), (SHAPE, &mut filled)] {
                self.shape = shape;
                let time = self.keystroke()?;
                // The first time something is set up.
                if round > 0 {
                    *least = time.min(*least);
                }
            }
        }
        let [plain_ms, filled_ms] = [plain, filled].map(|it| it.as_secs_f64() * 1e3);
        let pays = filled_ms < plain_ms * WORTH_IT;
        Some(Shape {
            rows: if pays { SHAPE } else { 0 },
            plain_ms,
            filled_ms,
        })
    }

    /// What a keystroke's batches take, to the last logit.
    fn keystroke(&mut self) -> Option<Duration> {
        self.forget(0);
        let started = Instant::now();
        let mut len = 0;
        for n_tokens in KEYSTROKE {
            let step = Instant::now();
            let tokens = [Token(0); SHAPE];
            self.decode(Sequence(0), len, &tokens[..n_tokens], 1, &Cancel::default())
                .ok()?;
            // Waits for the device.
            self.logits(0);
            if step.elapsed() > SLOW_STEP {
                return None;
            }
            len += n_tokens;
        }
        Some(started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        super::super::{Weights, backend, sizes::Sizes},
        *,
    };
    use crate::config::KvType;

    #[test]
    fn what_goes_along_changes_nothing_and_leaves_nothing_behind() {
        assert!(backend::start().trouble.is_none());
        let path = Path::new("models/ghostline-small-q8_0.gguf");
        let weights = Weights::load(path, false, &[], 0, &mut |_| true).unwrap();
        let context = |shape| {
            let sizes = Sizes {
                cells: 512,
                sequences: 2,
                threads: 1,
                polling: 1,
                rounding: Rounding::FastCpu { flash: true },
                kv_type: KvType::F16,
            };
            let mut context = Context::new(&weights, 8192, sizes).unwrap();
            context.shape = shape;
            context
        };
        let (mut plain, mut filled) = (context(0), context(SHAPE));
        let cancel = Cancel::default();
        // On a very busy machine the trial is given up; it leaves nothing behind either way.
        if let Some(tried) = filled.try_shape() {
            assert!(tried.plain_ms > 0.0 && tried.filled_ms > 0.0);
        }
        filled.shape = SHAPE;
        // More often than there are cells.
        for round in 0..40 {
            let mut len = 0;
            for (batch, n_tokens) in KEYSTROKE.into_iter().enumerate() {
                let token = |index| Token((500 + 37 * round + 11 * batch as i32 + index) % 8192);
                let tokens: Vec<Token> = (0..n_tokens as i32).map(token).collect();
                for context in [&mut plain, &mut filled] {
                    let rows = n_tokens.min(2);
                    let done = context.decode(Sequence(1), len, &tokens, rows, &cancel);
                    done.unwrap();
                }
                len += n_tokens;
                let pairs = plain.logits(0).iter().zip(filled.logits(0));
                let furthest = pairs
                    .map(|(one, two)| (one - two).abs())
                    .fold(0.0, f32::max);
                // Kernels for one row and for eight round differently.
                assert!(
                    furthest < 0.5,
                    "{furthest} in batch {batch} of round {round}"
                );
            }
            for context in [&mut plain, &mut filled] {
                assert!(context.truncate(Sequence(1), 0));
            }
        }
    }
}
