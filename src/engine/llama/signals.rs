//! What makes llama.cpp give up a batch in its middle: the job's `Cancel`, and a deadline.

use std::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
    time::Instant,
};

use super::Cancel;

/// What llama.cpp asks for between the operations of a graph.
pub(super) struct Signals {
    origin: Instant,
    /// The `Cancel` of the running `decode`, else null.
    cancel: AtomicPtr<Cancel>,
    /// Nanoseconds after `origin`.
    deadline: AtomicU64,
}

impl Signals {
    pub(super) fn new() -> Signals {
        Signals {
            origin: Instant::now(),
            cancel: AtomicPtr::default(),
            deadline: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn set(&self, cancel: &Cancel, deadline: Option<Instant>) {
        let nanos = deadline.map(|it| it.duration_since(self.origin).as_nanos());
        let nanos = nanos
            .and_then(|it| u64::try_from(it).ok())
            .unwrap_or(u64::MAX);
        self.deadline.store(nanos, Ordering::Release);
        self.cancel
            .store(ptr::from_ref(cancel).cast_mut(), Ordering::Release);
    }

    pub(super) fn clear(&self) {
        self.cancel.store(ptr::null_mut(), Ordering::Release);
    }

    fn is_late(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Acquire);
        // The clock costs 25 ns, a graph asks some hundred times.
        deadline != u64::MAX && self.origin.elapsed().as_nanos() > u128::from(deadline)
    }
}

/// The callback.
///
/// # Safety
/// `data` is the address of `Signals`, and the `Cancel` they were set to lives until they are cleared.
pub(super) unsafe extern "C" fn is_to_stop(data: *mut c_void) -> bool {
    // SAFETY: `data` is the address of the context's boxed signals, which live as long as the context.
    let signals = unsafe { &*data.cast::<Signals>() };
    // SAFETY: null, or a reference that lives until `decode` has returned; llama.cpp asks only during that.
    let cancel = unsafe { signals.cancel.load(Ordering::Acquire).as_ref() };
    cancel.is_some_and(|cancel| cancel.is_cancelled() || signals.is_late())
}
