//! llama.cpp as a process-wide thing: its start, its log, its devices.

use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char, c_void},
    panic,
    path::Path,
    sync::OnceLock,
};

use llama_cpp_sys_2 as sys;
use serde::Serialize;

use super::{
    backends::{self, Files, Loaded},
    machine,
};

/// A device that llama.cpp can compute on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// How llama.cpp names it: `CUDA0`, `Vulkan1`, `CPU`.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Whose it is: `CUDA`, `Vulkan`, …
    pub backend: String,
    pub is_gpu: bool,
    /// On the board, with the machine's memory.
    pub is_integrated: bool,
    /// Bytes.
    pub free: u64,
    pub total: u64,
    /// The kernel's, with its version where that is known.
    pub driver: Option<String>,
}

/// Starts llama.cpp, once per process. Cheap afterwards.
///
/// It is never ended: its state is global, and models on other threads may outlive any owner we could
/// name.
pub(super) fn start() -> &'static Files {
    static STARTED: OnceLock<Files> = OnceLock::new();
    STARTED.get_or_init(|| {
        // SAFETY: both set callbacks that are valid for the whole life of the process and do not unwind. `OnceLock`
        // makes it happen once and before any use.
        unsafe {
            sys::llama_log_set(Some(log), std::ptr::null_mut());
            // Instead of ggml's own: that one attaches a debugger to print a backtrace where it finds one.
            sys::ggml_set_abort_callback(Some(aborting));
        }
        let files = load_files();
        // With nothing registered llama.cpp would look for libraries, in the current directory, too. Loading a model
        // says what is wrong then.
        if is_usable() {
            // SAFETY: no preconditions.
            unsafe { sys::llama_backend_init() };
        }
        for sentence in files.refused() {
            tracing::warn!("{sentence}");
        }
        files
    })
}

/// Whether there is anything to compute with.
fn is_usable() -> bool {
    // SAFETY: counts what is registered, without preconditions.
    unsafe { sys::ggml_backend_reg_count() > 0 }
}

/// The back ends that are files, with what became of each; empty where they are compiled in.
pub fn files() -> &'static Files {
    start()
}

fn load_files() -> Files {
    if !cfg!(feature = "backends") {
        return Files::default();
    }
    let program = std::env::current_exe()
        .and_then(|it| it.canonicalize())
        .ok();
    let folder = backends::folder(std::env::var_os(backends::VARIABLE), program.as_deref());
    match folder {
        Ok(folder) => backends::load_all(&folder, load_file),
        Err(trouble) => Files {
            trouble: Some(trouble),
            ..Files::default()
        },
    }
}

fn load_file(path: &Path) -> Loaded {
    let Ok(path) = CString::new(path.as_os_str().as_encoded_bytes()) else {
        return Loaded::No("its path cannot be passed on".to_owned());
    };
    let (registered, complaints) = complaints_of(|| {
        // SAFETY: the path is a C string that lives during the call, absolute, and of a file that is as long as it says.
        // Code of the file runs: it is from a folder that only its owner can write to.
        unsafe { sys::ggml_backend_load(path.as_ptr()) }
    });
    if registered.is_null() {
        // It complains about everything but a processor that is too old.
        return complaints
            .into_iter()
            .next()
            .map_or(Loaded::Unsuited, Loaded::No);
    }
    // SAFETY: what is registered stays for the life of the process.
    Loaded::Yes(unsafe { sys::ggml_backend_reg_dev_count(registered) })
}

/// The devices beside the plain CPU first, then the CPU.
pub fn devices() -> Vec<Device> {
    start();
    let mut devices: Vec<Device> = (handles().into_iter()).map(described).collect();
    devices.sort_by_key(|device| !device.is_gpu);
    devices
}

fn handles() -> Vec<sys::ggml_backend_dev_t> {
    // SAFETY: llama.cpp was started; devices stay registered for the life of the process.
    unsafe {
        (0..sys::ggml_backend_dev_count())
            .map(|index| sys::ggml_backend_dev_get(index))
            .collect()
    }
}

fn described(device: sys::ggml_backend_dev_t) -> Device {
    // SAFETY: the device is registered. A zeroed struct of numbers and pointers is a value, and is filled in; its strings
    // are the device's and are copied at once.
    let (props, backend) = unsafe {
        let mut props: sys::ggml_backend_dev_props = std::mem::zeroed();
        sys::ggml_backend_dev_get_props(device, &raw mut props);
        let backend = sys::ggml_backend_reg_name(sys::ggml_backend_dev_backend_reg(device));
        (props, text(backend))
    };
    // SAFETY: as above.
    let [id, name, address] =
        unsafe { [props.name, props.description, props.device_id].map(|it| text(it)) };
    Device {
        id,
        name,
        backend,
        is_gpu: matches!(
            props.type_,
            sys::GGML_BACKEND_DEVICE_TYPE_GPU | sys::GGML_BACKEND_DEVICE_TYPE_IGPU
        ),
        is_integrated: props.type_ == sys::GGML_BACKEND_DEVICE_TYPE_IGPU,
        free: props.memory_free as u64,
        total: props.memory_total as u64,
        driver: machine::driver(&address),
    }
}

/// The devices with these names, and null behind them, as llama.cpp wants a list.
pub(super) fn list(devices: &[Device]) -> Vec<sys::ggml_backend_dev_t> {
    let id = |device: &sys::ggml_backend_dev_t| {
        // SAFETY: the device is registered, its name is copied at once.
        unsafe { text(sys::ggml_backend_dev_name(*device)) }
    };
    let all = handles();
    let mut list: Vec<_> = devices
        .iter()
        .filter_map(|wanted| all.iter().copied().find(|it| id(it) == wanted.id))
        .collect();
    list.push(std::ptr::null_mut());
    list
}

/// A function of the back end for processors, which may be a file; null if it has none of that name.
pub(super) fn of_processor(name: &CStr) -> *mut c_void {
    // SAFETY: null is handled; what is registered stays for the life of the process.
    unsafe {
        let device = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU);
        if device.is_null() {
            return std::ptr::null_mut();
        }
        let registered = sys::ggml_backend_dev_backend_reg(device);
        sys::ggml_backend_reg_get_proc_address(registered, name.as_ptr())
    }
}

/// What llama.cpp was compiled with: `AVX2 = 1 | AVX512 = 1 | …`.
pub fn system_info() -> String {
    start();
    if !is_usable() {
        return String::new();
    }
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

/// The one of llama.cpp's complaints that says why a model cannot be loaded.
pub(super) fn reason(complaints: &[String]) -> String {
    const MARK: &str = "error loading model: ";
    complaints
        .iter()
        .find_map(|line| line.split_once(MARK).map(|(_, reason)| reason))
        .or(complaints.last().map(String::as_str))
        .unwrap_or("it gives no reason")
        .to_owned()
}
