//! Keeping a sequence's cells in the order of its tokens; see `cells`.

use llama_cpp_sys_2 as sys;

use super::{
    super::{
        ModelError, Sequence,
        sizes::{COMPANION, Rounding},
    },
    Context,
};

impl Context {
    /// Sees to it that the next tokens of a sequence come to lie behind those it has. `Full` when that needs more
    /// room.
    pub(super) fn keep_order(
        &mut self,
        id: sys::llama_seq_id,
        n_tokens: usize,
    ) -> Result<(), ModelError> {
        let n_more = usize::from(n_tokens == 1) * COMPANION;
        if self.sizes.rounding != Rounding::Exact || self.cells.grows_in_order(id, n_tokens, n_more)
        {
            return Ok(());
        }
        if !self.cells.may_move(id, n_tokens + n_more) {
            return Err(ModelError::Full);
        }
        // SAFETY: the context lives, `id` is one of its sequences, and the buffer is as large as llama.cpp says that
        // it must be. Taking a sequence out and putting it in changes neither its tokens nor what was computed.
        let is_moved = unsafe {
            let context = self.raw.as_ptr();
            let mut state = vec![0u8; sys::llama_state_seq_get_size(context, id)];
            let length =
                sys::llama_state_seq_get_data(context, state.as_mut_ptr(), state.len(), id);
            sys::llama_state_seq_set_data(context, state.as_ptr(), length, id) == length
        };
        let len = self.len(Sequence(id as usize));
        self.cells.moved(id, len);
        if is_moved {
            Ok(())
        } else {
            Err(ModelError::Failed(
                "a part of its cache could not be moved".to_owned(),
            ))
        }
    }
}
