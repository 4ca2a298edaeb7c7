//! Sizes of a context, and which kernels it may use.

/// Which kernels to allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// Only those whose results do not depend on the shape of the batch. On the CPU.
    Exact,
    /// Whatever is fastest on the CPU. Without flash attention unless it was measured: it often loses below some
    /// hundred new tokens.
    FastCpu { flash: bool },
    /// Whatever llama.cpp thinks best on a GPU.
    Gpu,
}

/// Sizes of a context.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Of the KV cache; llama.cpp rounds it up to a multiple of 256.
    pub cells: usize,
    pub sequences: usize,
    pub threads: usize,
    /// How long waiting threads spin, 0..=100; see `calibration`.
    pub polling: u32,
    pub rounding: Rounding,
}

impl Sizes {
    /// How many tokens the cache may hold: one cell is the companion's.
    pub(super) fn capacity(self) -> usize {
        self.cells - COMPANION
    }

    /// How many tokens one batch may have.
    pub(super) fn batch_size(self) -> usize {
        match self.rounding {
            // One less than ggml's tile.
            Rounding::Exact => 63,
            // Small enough that an abort, polled between the operations of a batch, comes soon.
            Rounding::FastCpu { .. } => 128,
            Rounding::Gpu => 256,
        }
    }
}

/// Room that is needed for the companion: one token in one cell of one sequence.
pub(super) const COMPANION: usize = 1;
