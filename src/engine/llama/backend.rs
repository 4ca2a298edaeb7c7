//! llama.cpp as a process-wide thing: its start, its log, its devices.

use std::{
    cell::RefCell,
    ffi::{CStr, c_char, c_void},
    panic,
    sync::OnceLock,
};

use llama_cpp_2::LlamaBackendDeviceType;
use llama_cpp_sys_2 as sys;

/// A device that llama.cpp can compute on, as built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    pub is_gpu: bool,
}

/// Starts llama.cpp, once per process. Cheap afterwards.
///
/// It is never ended: its state is global, and models on other threads may outlive any owner we could
/// name. The static build has no back ends to look for on disk, so no library is loaded here.
pub(super) fn start() {
    static STARTED: OnceLock<()> = OnceLock::new();
    // SAFETY: both set callbacks that are valid for the whole life of the process and do not unwind;
    // `llama_backend_init` has no preconditions. `OnceLock` makes it happen once and before any use.
    STARTED.get_or_init(|| unsafe {
        sys::llama_log_set(Some(log), std::ptr::null_mut());
        // Instead of ggml's own: that one attaches a debugger to print a backtrace where it finds one.
        sys::ggml_set_abort_callback(Some(aborting));
        sys::llama_backend_init();
    });
}

/// The devices beside the plain CPU first, then the CPU.
pub fn devices() -> Vec<Device> {
    start();
    let mut devices: Vec<Device> = llama_cpp_2::list_llama_ggml_backend_devices()
        .into_iter()
        .map(|device| Device {
            name: device.description,
            is_gpu: matches!(
                device.device_type,
                LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu
            ),
        })
        .collect();
    devices.sort_by_key(|device| !device.is_gpu);
    devices
}

/// What llama.cpp was compiled with: `AVX2 = 1 | AVX512 = 1 | …`.
pub fn system_info() -> String {
    start();
    // SAFETY: returns a string that stays valid until the next call, and it is copied at once; the
    // lock keeps two of our threads from calling at the same time.
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = LOCK.lock();
    unsafe { text(sys::llama_print_system_info()) }
}

/// Whether llama.cpp was compiled with kernels for a CPU's tiles (AMX). They are not to be used: compilers up to GCC 12
/// drop most of the tiles' configuration, which the instruction that loads it is not seen to read, and the first product
/// ends the process with an illegal instruction.
pub(super) fn has_tiles() -> bool {
    system_info().contains("AMX_INT8 = 1")
}

/// Runs `work` and returns, beside its result, what llama.cpp complained about on this thread.
pub(super) fn complaints_of<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    COMPLAINTS.with_borrow_mut(|complaints| *complaints = Some(Vec::new()));
    let result = work();
    (result, COMPLAINTS.take().unwrap_or_default())
}

thread_local! {
    static COMPLAINTS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Enough for the reason; a broken file can make llama.cpp talk without end.
const MAX_COMPLAINTS: usize = 16;

/// A copy of a C string; empty for null.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string that stays valid during the call.
pub(super) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}

unsafe extern "C" fn log(level: sys::ggml_log_level, line: *const c_char, _: *mut c_void) {
    // A panic must not reach C. None is expected, but a subscriber is other people's code.
    let _ = panic::catch_unwind(|| {
        // SAFETY: llama.cpp passes a C string that is valid during the call.
        let line = unsafe { text(line) };
        let line = line.trim();
        // Progress is drawn as dots.
        if line.trim_matches('.').is_empty() {
            return;
        }
        tracing::debug!(target: "llama.cpp", level, "{line}");
        if matches!(level, sys::GGML_LOG_LEVEL_WARN | sys::GGML_LOG_LEVEL_ERROR) {
            let _ = COMPLAINTS.try_with(|complaints| {
                if let Ok(mut complaints) = complaints.try_borrow_mut()
                    && let Some(complaints) = complaints.as_mut()
                    && complaints.len() < MAX_COMPLAINTS
                {
                    complaints.push(line.to_owned());
                }
            });
        }
    });
}

unsafe extern "C" fn aborting(message: *const c_char) {
    let _ = panic::catch_unwind(|| {
        // SAFETY: ggml passes a C string that is valid during the call.
        tracing::error!(target: "llama.cpp", "{}", unsafe { text(message) });
    });
}
