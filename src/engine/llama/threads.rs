//! Pools of threads. Their functions belong to the back end for processors, which may be a file: they are looked up, not
//! linked.

use std::{mem, ptr::NonNull};

use llama_cpp_sys_2 as sys;

use super::{backend, places::Places};

type New = unsafe extern "C" fn(*mut sys::ggml_threadpool_params) -> *mut sys::ggml_threadpool;
type Free = unsafe extern "C" fn(*mut sys::ggml_threadpool);

/// A pool of ggml's. Without one that lives on, the first step after an idle time costs 8-16 ms, because its threads are
/// started anew.
pub(super) struct Pool {
    raw: NonNull<sys::ggml_threadpool>,
    /// `None` where its threads run anywhere.
    places: Option<Places>,
}

impl Pool {
    /// Of so many threads, the one that computes with it included; `None` for that one alone, or if none can be had.
    pub(super) fn new(threads: usize, polling: u32) -> Option<Pool> {
        let new = backend::of_processor(c"ggml_threadpool_new");
        // Without the other it could not be freed.
        if threads < 2 || new.is_null() || backend::of_processor(c"ggml_threadpool_free").is_null()
        {
            return None;
        }
        let places = Places::new(threads);
        // SAFETY: returns a plain value.
        let mut params =
            unsafe { sys::ggml_threadpool_params_default(i32::try_from(threads).ok()?) };
        params.poll = polling;
        params.strict_cpu = places.is_some();
        for processor in places.iter().flat_map(Places::processors) {
            params.cpumask[*processor] = true;
        }
        // SAFETY: what is registered under this name has this type and stays loaded; the parameters are valid.
        let raw = unsafe { mem::transmute::<*mut std::ffi::c_void, New>(new)(&raw mut params) };
        places.iter().for_each(Places::leave);
        Some(Pool {
            raw: NonNull::new(raw)?,
            places,
        })
    }

    pub(super) fn raw(&self) -> *mut sys::ggml_threadpool {
        self.raw.as_ptr()
    }

    /// Calls `compute`, which computes on the calling thread together with others of the pool.
    pub(super) fn together<T>(&self, compute: impl FnOnce() -> T) -> T {
        self.places.iter().for_each(Places::enter);
        let result = compute();
        self.places.iter().for_each(Places::leave);
        result
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let free = backend::of_processor(c"ggml_threadpool_free");
        if !free.is_null() {
            // SAFETY: what is registered under this name has this type, and made is what is freed. The context that used
            // it is freed before.
            unsafe { mem::transmute::<*mut std::ffi::c_void, Free>(free)(self.raw()) };
        }
    }
}
