//! Sizes of a context, and which kernels it may use.

use llama_cpp_sys_2 as sys;

use crate::config::KvType;

/// Room for several documents, without ever holding more than one person works on.
const CELLS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The most memory that the KV cache may take.
const CACHE_BYTES: usize = 512 << 20;

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

impl Rounding {
    /// llama.cpp has no other way to attend to a cache that is not F16.
    pub(super) fn flash_attention(self, kv_type: KvType) -> sys::llama_flash_attn_type {
        match self {
            Rounding::Exact | Rounding::FastCpu { flash: true } => {
                sys::LLAMA_FLASH_ATTN_TYPE_ENABLED
            }
            Rounding::FastCpu { flash: false } => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
            Rounding::Gpu if kv_type != KvType::F16 => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            Rounding::Gpu => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
        }
    }
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
            Rounding::Gpu => GPU_BATCH,
        }
    }
}

/// How many tokens a batch on a GPU may have.
pub(super) const GPU_BATCH: usize = 256;

/// Room that is needed for the companion: one token in one cell of one sequence.
pub(super) const COMPANION: usize = 1;

/// The most bytes that an F16 cache takes, `per_token` each or unknown.
pub fn most_cache_bytes(per_token: Option<u64>) -> u64 {
    let most = CACHE_BYTES as u64;
    per_token.map_or(most, |bytes| {
        let (least, cells) = (*CELLS.start() as u64, *CELLS.end() as u64);
        bytes * cells.min((most / bytes.max(1)).max(least))
    })
}

/// Several full contexts for a model with a short one, the most that memory and sense allow for others.
pub(super) fn cells(weights: &super::Weights, context_length: usize) -> usize {
    let affordable = CACHE_BYTES / weights.bytes_per_cell().max(1);
    (context_length * super::SEQUENCES)
        .clamp(*CELLS.start(), *CELLS.end())
        .min(affordable)
        .max(*CELLS.start())
}
