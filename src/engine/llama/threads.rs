//! Pools of threads. Their functions belong to the back end for processors, which may be a file: they are looked up, not
//! linked.

use std::{mem, ptr};

use llama_cpp_sys_2 as sys;

use super::backend;

type New = unsafe extern "C" fn(*mut sys::ggml_threadpool_params) -> *mut sys::ggml_threadpool;
type Free = unsafe extern "C" fn(*mut sys::ggml_threadpool);

/// A pool; null if none can be had.
///
/// # Safety
/// The parameters are valid.
pub(super) unsafe fn new(params: *mut sys::ggml_threadpool_params) -> *mut sys::ggml_threadpool {
    let new = backend::of_processor(c"ggml_threadpool_new");
    // Without the other it could not be freed.
    if new.is_null() || backend::of_processor(c"ggml_threadpool_free").is_null() {
        return ptr::null_mut();
    }
    // SAFETY: what is registered under this name has this type; it stays loaded. The rest is the caller's promise.
    unsafe { mem::transmute::<*mut std::ffi::c_void, New>(new)(params) }
}

/// Frees a pool.
///
/// # Safety
/// It was made by `new`, and nobody uses it any more.
pub(super) unsafe fn free(pool: *mut sys::ggml_threadpool) {
    let free = backend::of_processor(c"ggml_threadpool_free");
    if !free.is_null() {
        // SAFETY: as in `new`.
        unsafe { mem::transmute::<*mut std::ffi::c_void, Free>(free)(pool) };
    }
}
