//! Computes a batch where C++ exceptions end: back ends for GPUs throw them, and Rust cannot catch them. The other
//! side is `guard.cpp`.

use std::ffi::{CStr, c_char, c_void};

use llama_cpp_sys_2 as sys;

/// llama.cpp's answers are not below -3.
pub(super) const THROWN: i32 = -1000;

unsafe extern "C" {
    fn ghostline_guard(
        call: unsafe extern "C-unwind" fn(*mut c_void) -> i32,
        data: *mut c_void,
        thrown: i32,
        words: *mut c_char,
        size: usize,
    ) -> i32;
}

// Declared once more, as the bindings say that nothing is thrown.
unsafe extern "C-unwind" {
    fn llama_decode(context: *mut sys::llama_context, batch: sys::llama_batch) -> i32;
    fn llama_synchronize(context: *mut sys::llama_context);
}

struct Call {
    context: *mut sys::llama_context,
    batch: sys::llama_batch,
}

/// Decodes and waits for the result. `THROWN`, with the reason, when something was thrown: then the context must not
/// be used again, nor freed.
///
/// # Safety
/// As for `llama_decode`.
pub(super) unsafe fn decode(
    context: *mut sys::llama_context,
    batch: sys::llama_batch,
) -> (i32, Option<String>) {
    let mut call = Call { context, batch };
    let mut words = [0u8; 256];
    // SAFETY: `run` gets the `Call` that it expects, which lives during the call, as `words` does, whose size is given.
    // What is thrown passes through `run` alone, which may unwind and owns nothing.
    let code = unsafe {
        ghostline_guard(
            run,
            (&raw mut call).cast(),
            THROWN,
            words.as_mut_ptr().cast(),
            words.len(),
        )
    };
    let words = (code == THROWN).then(|| {
        CStr::from_bytes_until_nul(&words)
            .map(|it| it.to_string_lossy().into_owned())
            .unwrap_or_default()
    });
    (code, words)
}

unsafe extern "C-unwind" fn run(call: *mut c_void) -> i32 {
    // SAFETY: see `decode`.
    unsafe {
        let call = &*call.cast::<Call>();
        let code = llama_decode(call.context, call.batch);
        if code == 0 {
            // A device computes on while we go on, and throws here what went wrong.
            llama_synchronize(call.context);
        }
        code
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    unsafe extern "C-unwind" {
        // Of the C++ runtime that we are linked with anyway; it always throws `std::length_error`.
        #[link_name = "_ZSt20__throw_length_errorPKc"]
        fn throw(words: *const c_char) -> !;
    }

    unsafe extern "C-unwind" fn throws(_: *mut c_void) -> i32 {
        // SAFETY: a C string.
        unsafe { throw(c"vk::Device::allocateMemory: ErrorOutOfDeviceMemory".as_ptr()) }
    }

    #[test]
    fn what_is_thrown_becomes_a_number_and_words() {
        let mut words = [0u8; 256];
        // SAFETY: as in `decode`.
        let code = unsafe {
            ghostline_guard(
                throws,
                std::ptr::null_mut(),
                THROWN,
                words.as_mut_ptr().cast(),
                words.len(),
            )
        };
        assert_eq!(code, THROWN);
        let words = CStr::from_bytes_until_nul(&words).expect("the words end with a zero byte");
        assert_eq!(words, c"vk::Device::allocateMemory: ErrorOutOfDeviceMemory");
    }
}
