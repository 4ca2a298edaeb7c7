//! A llama.cpp context: the KV cache and the computation. A small safe type around the raw API, because
//! the wrapper crate keeps its pointers private and has neither thread pools nor abort callbacks.
//!
//! **Exactness.** ggml picks its kernels by the shape of a batch, and they round differently; 8-bit
//! activations then turn a difference in the last bit into one of up to 0.27 in a logit (measured). So that a cached
//! answer equals an uncached one, `Rounding::Exact` keeps to kernels whose result for a token does not depend
//! on what else is in the batch or where its cells lie:
//! * flash attention, which visits the cells of a sequence in order and skips all others;
//! * at most 63 tokens per batch, because from 64 on it walks the cache in tiles;
//! * at least 2, because with several threads a single one splits the cache between them
//!   (and its products go through another kernel for F16 weights): a lone token gets a companion in
//!   a sequence of its own. On one thread nothing is split, and where the products are the same, too, which is tried
//!   when the model is loaded, it goes alone: a sixth less processor time per key (10.7 ms instead of 12.9, means of
//!   three runs of 60 keys on one thread).
//!
//! This makes weights of the types that `is_exact` lists exact on x86-64 (measured, bit by bit), whatever the
//! number of threads, as long as a sequence's cells are in the order of its tokens. One that would grow into a hole in
//! front of it is taken out and put in again before, which copies its part of the cache and computes nothing. K-quants
//! have other kernels from 8 rows on.

mod order;
pub(super) mod shape;
mod trials;

use std::{
    ffi::c_void,
    ptr::{self, NonNull},
    time::{Duration, Instant},
};

use llama_cpp_sys_2 as sys;

use super::{
    Cancel, ModelError, Sequence, Token, Weights,
    cells::Cells,
    crew::Crew,
    guard, machine,
    signals::{self, Signals},
    sizes::{COMPANION, Rounding, Sizes},
    threads::Pool,
};

pub use shape::Shape;

pub(super) struct Context {
    raw: NonNull<sys::llama_context>,
    /// `None` with one thread.
    pool: Option<Pool>,
    batch: sys::llama_batch,
    /// Boxed, as llama.cpp keeps its address.
    signals: Box<Signals>,
    sizes: Sizes,
    /// `None` on a GPU, which does not share its cores.
    crew: Option<Crew>,
    /// Whether a part of a sequence can be kept.
    can_be_cut: bool,
    /// Tokens that the layers of least sight look back on; 0 if all see everything.
    window: usize,
    /// When the last batch was done.
    rested_since: Option<Instant>,
    vocabulary_size: usize,
    /// Whether a lone token needs no companion on one thread. Not before that was tried.
    goes_alone: bool,
    /// How many rows every small batch has; 0 leaves them as they come. See `shape`.
    shape: usize,
    cells: Cells,
    /// Where in the last batch the rows of logits begin, and how many there are.
    rows: Option<(usize, usize)>,
    /// What a back end threw in the middle of a batch: nobody knows what state it left.
    thrown: Option<String>,
}

impl Context {
    pub(super) fn new(weights: &Weights, vocabulary_size: usize, sizes: Sizes) -> Option<Context> {
        let signals = Box::new(Signals::new());
        let can_be_cut = weights.roll_back().is_possible();
        let threads = i32::try_from(sizes.threads).ok()?;
        let batch_size = u32::try_from(sizes.batch_size() + COMPANION).ok()?;
        // SAFETY: returns a plain value.
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = u32::try_from(sizes.cells).ok()?;
        params.n_batch = batch_size;
        params.n_ubatch = batch_size;
        // Sizes the buffers for logits; by default it would be a row per token of `n_ctx`.
        params.n_outputs_max = batch_size;
        params.n_seq_max = u32::try_from(sizes.sequences + COMPANION).ok()?;
        params.n_threads = threads;
        params.n_threads_batch = threads;
        params.kv_unified = true;
        params.no_perf = true;
        params.flash_attn_type = sizes.flash_attention();
        params.type_k = sizes.ggml_kv_type();
        params.type_v = params.type_k;
        params.offload_kqv = sizes.rounding == Rounding::Gpu;
        params.op_offload = sizes.rounding == Rounding::Gpu;
        params.abort_callback = Some(signals::is_to_stop);
        params.abort_callback_data = ptr::from_ref(&*signals).cast_mut().cast::<c_void>();
        // SAFETY: the model is loaded and outlives the context (`Llama` drops the context first). The
        // callback's data lives in a box that the context owns. Only one thread creates contexts of a model.
        let raw = NonNull::new(unsafe { sys::llama_init_from_model(weights.raw(), params) })?;
        if !weights.adapt_context(raw) {
            // SAFETY: made above, and nobody else has it.
            unsafe { sys::llama_free(raw.as_ptr()) };
            return None;
        }

        let pool = Pool::new(sizes.threads, sizes.polling);
        if let Some(pool) = &pool {
            // SAFETY: both live, and the pool is freed after the context.
            unsafe { sys::llama_attach_threadpool(raw.as_ptr(), pool.raw(), pool.raw()) };
        }
        // SAFETY: allocates; `add` keeps to the sizes given here.
        let batch = unsafe { sys::llama_batch_init(batch_size.cast_signed(), 0, 1) };
        Some(Context {
            raw,
            pool,
            batch,
            signals,
            sizes,
            can_be_cut,
            window: weights.window(),
            // Its time limits end a batch in the middle.
            crew: (sizes.rounding != Rounding::Gpu && can_be_cut)
                .then(|| Crew::new(sizes.threads, machine::processors())),
            rested_since: None,
            // SAFETY: the context lives; this reads a number, which may be more than was asked for.
            cells: Cells::new(unsafe { sys::llama_n_ctx(raw.as_ptr()) } as usize),
            vocabulary_size,
            goes_alone: false,
            shape: 0,
            rows: None,
            thrown: None,
        })
    }

    /// Shortens the first sequence.
    pub(super) fn forget(&mut self, len: usize) {
        self.truncate(Sequence(0), len);
    }

    /// See [`Model::hurry`](super::Model::hurry).
    pub(super) fn hurry(&mut self, is_awaited: bool) {
        if let Some(crew) = &mut self.crew {
            crew.hurry(is_awaited);
        }
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.sizes
    }

    pub(super) fn truncate(&mut self, sequence: Sequence, len: usize) -> bool {
        let Some(id) = self.id(sequence) else {
            return false;
        };
        // Where a batch was ended in its middle, a state that cannot be cut is gone.
        let is_there = len > 0 && (self.can_be_cut || self.len(sequence) >= len);
        // SAFETY: the context lives, `id` is one of its sequences, and -1 means "to the end".
        let kept = is_there
            && unsafe { sys::llama_memory_seq_rm(self.memory(), id, position(len), -1) }
            && self.sees_back(id, len);
        if !kept {
            // SAFETY: as above; removing a whole sequence works for every kind of model.
            unsafe { sys::llama_memory_seq_rm(self.memory(), id, -1, -1) };
        }
        self.cells.cut(id, if kept { len } else { 0 });
        kept || len == 0
    }

    /// Whether what the next token looks at is still there. Cells that have left a sliding window may be taken for other
    /// tokens, and come back into it when the sequence is cut.
    fn sees_back(&self, id: sys::llama_seq_id, len: usize) -> bool {
        // SAFETY: the context lives and `id` is one of its sequences.
        let first = unsafe { sys::llama_memory_seq_pos_min(self.memory(), id) };
        self.window == 0 || (0..=position(len.saturating_sub(self.window))).contains(&first)
    }

    pub(super) fn copy(&mut self, from: Sequence, to: Sequence, len: usize) {
        let (Some(from), Some(to)) = (self.id(from), self.id(to)) else {
            return;
        };
        if from == to {
            self.truncate(Sequence(to as usize), len);
            return;
        }
        // SAFETY: the context lives and both are its sequences. The cache is unified, so that a copy marks
        // cells as shared; a partial one is allowed only then.
        unsafe {
            sys::llama_memory_seq_rm(self.memory(), to, -1, -1);
            if len > 0 {
                sys::llama_memory_seq_cp(self.memory(), from, to, 0, position(len));
            }
        }
        self.cells.cut(to, 0);
        self.cells.share(from, to, len);
    }

    /// How many tokens `sequence` holds.
    pub(super) fn len(&self, sequence: Sequence) -> usize {
        // SAFETY: the context lives and `id` is one of its sequences. -1 means empty.
        self.id(sequence).map_or(0, |id| unsafe {
            sys::llama_memory_seq_pos_max(self.memory(), id) + 1
        } as usize)
    }

    pub(super) fn decode(
        &mut self,
        sequence: Sequence,
        len: usize,
        tokens: &[Token],
        rows: usize,
        cancel: &Cancel,
    ) -> Result<(), ModelError> {
        self.rows = None;
        let held = self.len(sequence);
        let Some(id) = self.id(sequence) else {
            return Err(ModelError::Failed(format!(
                "there is no sequence {}",
                sequence.0
            )));
        };
        // llama.cpp would refuse all of this with one number for everything, or end the process.
        if held != len
            || tokens.is_empty()
            || tokens.len() > self.sizes.batch_size()
            || !(1..=tokens.len()).contains(&rows)
        {
            return Err(ModelError::Failed(format!(
                "cannot append {} tokens with {rows} rows at {len} to a sequence of {held}",
                tokens.len()
            )));
        }
        if cancel.is_cancelled() {
            return Err(ModelError::Cancelled);
        }
        self.keep_order(id, tokens.len())?;
        let is_gpu = self.sizes.rounding == Rounding::Gpu;
        loop {
            let pause = self.rested_since.map_or(Duration::MAX, |it| it.elapsed());
            let team = (self.crew.as_mut()).map(|crew| crew.choose(tokens.len(), pause));
            match self.try_decode(id, len, tokens, rows, cancel, team) {
                0 => {
                    self.rows = Some((tokens.len() - rows, rows));
                    return Ok(());
                }
                guard::THROWN => {
                    let words = self.thrown.clone().unwrap_or_default();
                    return Err(ModelError::Device(words));
                }
                code => {
                    // Parts of the batch that were finished before stay in the cache.
                    let is_kept = self.truncate(sequence, len);
                    return Err(match code {
                        1 => ModelError::Full,
                        // Not because of us, but because of too many threads: once more, with fewer.
                        2 if is_kept && !cancel.is_cancelled() => continue,
                        2 => ModelError::Cancelled,
                        -2 if is_gpu => ModelError::Device("its memory is full".to_owned()),
                        ..-2 if is_gpu => {
                            ModelError::Device("it could not compute a batch".to_owned())
                        }
                        _ => ModelError::Failed(format!(
                            "llama.cpp could not evaluate a batch (code {code})"
                        )),
                    });
                }
            }
        }
    }

    /// One attempt with so many threads and so much time; llama.cpp's answer.
    fn try_decode(
        &mut self,
        sequence: sys::llama_seq_id,
        len: usize,
        tokens: &[Token],
        rows: usize,
        cancel: &Cancel,
        team: Option<(usize, Option<Duration>)>,
    ) -> i32 {
        let first_row = tokens.len() - rows;
        self.batch.n_tokens = 0;
        let is_shaped = tokens.len() <= self.shape;
        for (index, token) in tokens.iter().enumerate() {
            self.add(
                *token,
                len + index,
                sequence,
                is_shaped || index >= first_row,
            );
        }
        let threads = team.map_or(self.sizes.threads, |(threads, _)| threads);
        let companions = self.companions(tokens.len(), threads);
        for index in 0..companions {
            self.add(tokens[0], index, self.companion(), is_shaped);
        }

        if team.is_some() {
            self.set_threads(threads);
        }
        let limit = team.and_then(|(_, limit)| limit);
        let started = Instant::now();
        self.signals.set(cancel, limit.map(|limit| started + limit));
        // SAFETY: the context lives; the batch has at most as many tokens as it was made for, and each one
        // is in the vocabulary, in a valid sequence and at the position that follows (checked by the
        // callers). `cancel` outlives the call, and the pointer to it is removed right after it.
        let decode = || unsafe { guard::decode(self.raw.as_ptr(), self.batch) };
        let (code, thrown) = match self.pool.as_ref().filter(|_| threads > 1) {
            Some(pool) => pool.together(decode),
            None => decode(),
        };
        self.thrown = self.thrown.take().or(thrown);
        self.signals.clear();
        self.rested_since = Some(Instant::now());
        // 1 means that there was no room. After other failures the tokens have been removed again.
        if code != 1 {
            let own = (0..tokens.len()).map(|index| (sequence, len + index));
            let others = (0..companions).map(|index| (self.companion(), index));
            let all: Vec<_> = own.chain(others).collect();
            self.cells.place(all.into_iter());
        }
        if code != 0 {
            self.cells.cut(sequence, len);
        }

        if let Some(crew) = &mut self.crew {
            match code {
                0 => crew.took(tokens.len(), started.elapsed()),
                2 if !cancel.is_cancelled() => crew.was_late(tokens.len()),
                _ => {}
            }
        }
        if companions > 0 {
            // SAFETY: as in `truncate`.
            unsafe { sys::llama_memory_seq_rm(self.memory(), self.companion(), -1, -1) };
            self.cells.cut(self.companion(), 0);
        }
        code
    }

    pub(super) fn logits(&self, row: usize) -> &[f32] {
        let (first, rows) = self
            .rows
            .expect("logits are read after a successful decode only");
        assert!(row < rows, "row {row} of {rows} rows of logits");
        // SAFETY: the last decode succeeded and asked for logits at this index. A row is as long as the
        // vocabulary and stays until the next decode, which needs `&mut self`. Null is handled.
        unsafe {
            let logits = sys::llama_get_logits_ith(self.raw.as_ptr(), position(first + row));
            assert!(!logits.is_null(), "a row that was asked for is there");
            std::slice::from_raw_parts(logits, self.vocabulary_size)
        }
    }

    fn set_threads(&mut self, threads: usize) {
        let threads = position(threads);
        // SAFETY: the context lives, and the pool as long as the context; both only set fields. Without
        // its pool a context computes on the calling thread, and the pool's threads go to sleep.
        unsafe {
            sys::llama_set_n_threads(self.raw.as_ptr(), threads, threads);
            match self.pool.as_ref().filter(|_| threads > 1) {
                Some(pool) => {
                    sys::llama_attach_threadpool(self.raw.as_ptr(), pool.raw(), pool.raw());
                }
                None => sys::llama_detach_threadpool(self.raw.as_ptr()),
            }
        }
    }

    fn add(&mut self, token: Token, at: usize, sequence: sys::llama_seq_id, wants_logits: bool) {
        let index = self.batch.n_tokens as usize;
        assert!(
            index < self.sizes.batch_size() + COMPANION,
            "a batch has room for its tokens"
        );
        // SAFETY: the arrays were allocated with room for this many tokens of one sequence each, and
        // `index` is below that.
        unsafe {
            self.batch.token.add(index).write(token.0);
            self.batch.pos.add(index).write(position(at));
            self.batch.n_seq_id.add(index).write(1);
            self.batch.seq_id.add(index).read().write(sequence);
            self.batch.logits.add(index).write(i8::from(wants_logits));
        }
        self.batch.n_tokens += 1;
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: the context lives; its memory is part of it.
        unsafe { sys::llama_get_memory(self.raw.as_ptr()) }
    }

    /// The companion's sequence: the one after ours.
    fn companion(&self) -> sys::llama_seq_id {
        position(self.sizes.sequences)
    }

    /// llama.cpp ends the process for an id it does not know.
    fn id(&self, sequence: Sequence) -> Option<sys::llama_seq_id> {
        (sequence.0 < self.sizes.sequences).then(|| position(sequence.0))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.thrown.is_some() {
            // Whatever is freed now may throw again, or wait for a device that is gone. It is left behind.
            std::mem::forget(self.pool.take());
            return;
        }
        // SAFETY: both were made in `new` and are freed once; the context before the pool it uses, which is dropped
        // after this.
        unsafe {
            sys::llama_free(self.raw.as_ptr());
            sys::llama_batch_free(self.batch);
        }
    }
}

fn position(index: usize) -> i32 {
    i32::try_from(index).expect("positions are below the cache's size, which fits")
}
