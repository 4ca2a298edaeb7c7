//! Sizes of a context, and which kernels it may use.

use llama_cpp_sys_2 as sys;

use crate::config::KvType;

/// Room for several documents, without ever holding more than one person works on.
const CELLS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The most memory that the KV cache may take beside a model of up to 4 GiB; beside a larger one an eighth of its size.
const CACHE_BYTES: u64 = 512 << 20;
const CACHE_SHARE: u64 = 8;

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
    /// What the numbers in the cache are.
    pub kv_type: KvType,
}

impl Sizes {
    /// How many tokens the cache may hold: the other cells are the companions'.
    pub(super) fn capacity(self) -> usize {
        self.cells
            - match self.rounding {
                Rounding::Gpu => SHAPE,
                _ => COMPANION,
            }
    }

    /// llama.cpp has no other way to attend to a cache that is not F16.
    pub(super) fn flash_attention(self) -> sys::llama_flash_attn_type {
        match self.rounding {
            Rounding::Exact | Rounding::FastCpu { flash: true } => {
                sys::LLAMA_FLASH_ATTN_TYPE_ENABLED
            }
            Rounding::FastCpu { flash: false } => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
            Rounding::Gpu if self.kv_type != KvType::F16 => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            Rounding::Gpu => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
        }
    }

    pub(super) fn ggml_kv_type(self) -> sys::ggml_type {
        match self.kv_type {
            KvType::F16 => sys::GGML_TYPE_F16,
            KvType::Q8 => sys::GGML_TYPE_Q8_0,
            KvType::Q5 => sys::GGML_TYPE_Q5_1,
            KvType::Q4 => sys::GGML_TYPE_Q4_0,
        }
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

/// How many rows a small batch may be filled up to on a GPU: one that is chosen and seven that are drafted.
pub(super) const SHAPE: usize = 8;

/// The most bytes that an F16 cache takes, `per_token` each or unknown, beside weights of so many bytes.
pub fn most_cache_bytes(per_token: Option<u64>, weights: u64) -> u64 {
    let most = affordable(weights);
    per_token.map_or(most, |bytes| {
        let (least, cells) = (*CELLS.start() as u64, *CELLS.end() as u64);
        bytes * cells.min((most / bytes.max(1)).max(least))
    })
}

fn affordable(weights: u64) -> u64 {
    CACHE_BYTES.max(weights / CACHE_SHARE)
}

/// The tokens that prompts may have: what the model was made for, or half of what the cache holds, so that work done
/// ahead does not push out what is on the screen. 0 is unknown, as a length and as the answer.
pub(super) fn fitting(context_length: usize, cells: usize) -> usize {
    match context_length {
        // Nearly all are made for that much.
        0 if cells / 2 >= UNKNOWN_CONTEXT => 0,
        0 => cells / 2,
        known => known.min(cells / 2),
    }
}

/// What a model is taken to be made for that does not tell.
const UNKNOWN_CONTEXT: usize = 2048;

/// Several full contexts for a model with a short one, the most that memory and sense allow for others.
pub(super) fn cells(bytes_per_cell: usize, weights: u64, context_length: usize) -> usize {
    let affordable = usize::try_from(affordable(weights)).unwrap_or(usize::MAX);
    let affordable = affordable / bytes_per_cell.max(1);
    (context_length * super::SEQUENCES)
        .clamp(*CELLS.start(), *CELLS.end())
        .min(affordable)
        .max(*CELLS.start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_fills_half_of_the_cache_at_most() {
        const GIB: u64 = 1 << 30;
        // Codestral 22B and DeepSeek-Coder 1.3B as Q4_K_M: 224 and 192 KiB a token.
        let codestral = cells(224 << 10, 12 * GIB, 32_768);
        assert_eq!((codestral, fitting(32_768, codestral)), (7021, 3510));
        let deepseek = cells(192 << 10, GIB, 16_384);
        assert_eq!((deepseek, fitting(16_384, deepseek)), (2730, 1365));
        let qwen = cells(12 << 10, GIB / 2, 32_768);
        assert_eq!((qwen, fitting(32_768, qwen)), (8192, 4096));
        let built_in = cells(5 << 10, GIB / 100, 768);
        assert_eq!((built_in, fitting(768, built_in)), (6144, 768));
        assert_eq!([fitting(0, 8192), fitting(0, 2048)], [0, 1024]);
    }
}
