//! A loaded model's weights, and the adapters that change them.

use std::{
    ffi::{CString, c_void},
    panic::{self, AssertUnwindSafe},
    path::Path,
    ptr::NonNull,
};

use llama_cpp_sys_2 as sys;

use super::{Device, ModelError, RollBack, backend};
use crate::config::KvType;

/// A loaded model's weights.
pub(super) struct Weights {
    raw: NonNull<sys::llama_model>,
    /// Freed with the model.
    adapters: Vec<(NonNull<sys::llama_adapter_lora>, f32)>,
}

impl Weights {
    pub(super) fn load(
        path: &Path,
        is_mapped: bool,
        devices: &[Device],
        gpu_layers: usize,
        mut progress: &mut dyn FnMut(f32) -> bool,
    ) -> Option<Weights> {
        // A path with a NUL in it was not found before.
        let path = CString::new(path.as_os_str().as_encoded_bytes()).ok()?;
        // SAFETY: returns a plain value.
        let mut params = unsafe { sys::llama_model_default_params() };
        // None at all keeps llama.cpp from setting anything up on a GPU that the model is not to use.
        let mut devices = backend::list(if gpu_layers == 0 { &[] } else { devices });
        params.devices = devices.as_mut_ptr();
        params.n_gpu_layers = i32::try_from(gpu_layers).unwrap_or(i32::MAX);
        params.progress_callback = Some(on_progress);
        params.progress_callback_user_data = (&raw mut progress).cast();
        params.load_mode = match is_mapped {
            true => sys::LLAMA_LOAD_MODE_MMAP,
            false => sys::LLAMA_LOAD_MODE_NONE,
        };
        params.use_extra_bufts = !backend::has_tiles();
        // SAFETY: the path is a C string and, like the list of devices, the callback and what it points to, lives during
        // the call.
        // llama.cpp was started. Exceptions are caught inside and answered with null.
        let raw = NonNull::new(unsafe { sys::llama_model_load_from_file(path.as_ptr(), params) })?;
        Some(Weights {
            raw,
            adapters: Vec::new(),
        })
    }

    /// Adds a LoRA adapter that was trained on a model of this `architecture`; contexts made from now on feel it.
    pub(super) fn adapt(
        &mut self,
        file: &Path,
        scale: f32,
        architecture: &str,
    ) -> Result<(), ModelError> {
        let shown = file.display().to_string();
        let of = super::architecture_of_adapter(file)?;
        if of != architecture {
            return Err(ModelError::WrongAdapter {
                file: shown,
                of,
                model: architecture.to_owned(),
            });
        }
        let unsupported = |complaints: Vec<String>| ModelError::Unsupported {
            file: shown.clone(),
            reason: backend::reason(&complaints),
        };
        let path = CString::new(file.as_os_str().as_encoded_bytes())
            .map_err(|_| ModelError::NotFound(shown.clone()))?;
        let (adapter, complaints) = backend::complaints_of(|| {
            // SAFETY: the model is loaded and the path is a C string that lives during the call. Exceptions are
            // caught inside and answered with null. The adapter belongs to the model and is freed with it.
            NonNull::new(unsafe { sys::llama_adapter_lora_init(self.raw(), path.as_ptr()) })
        });
        let adapter = adapter.ok_or_else(|| unsupported(complaints))?;
        self.adapters.push((adapter, scale));
        Ok(())
    }

    /// Makes a context feel the adapters; whether that worked.
    pub(super) fn adapt_context(&self, context: NonNull<sys::llama_context>) -> bool {
        if self.adapters.is_empty() {
            return true;
        }
        let mut raw: Vec<_> = self.adapters.iter().map(|(it, _)| it.as_ptr()).collect();
        let mut scales: Vec<f32> = self.adapters.iter().map(|(_, scale)| *scale).collect();
        // SAFETY: the context is one of this model's, as the adapters are; both lists are as long as is said and are
        // copied during the call.
        let code = unsafe {
            sys::llama_set_adapters_lora(
                context.as_ptr(),
                raw.as_mut_ptr(),
                raw.len(),
                scales.as_mut_ptr(),
            )
        };
        code == 0
    }

    pub(super) fn raw(&self) -> *mut sys::llama_model {
        self.raw.as_ptr()
    }

    pub(super) fn vocabulary(&self) -> *const sys::llama_vocab {
        // SAFETY: the model is loaded; its vocabulary is part of it.
        unsafe { sys::llama_model_get_vocab(self.raw()) }
    }

    pub(super) fn layers(&self) -> usize {
        // SAFETY: the model is loaded; this reads a number.
        usize::try_from(unsafe { sys::llama_model_n_layer(self.raw()) }).unwrap_or(0)
    }

    /// Bytes that one token takes in the cache.
    pub(super) fn bytes_per_cell(&self, kv_type: KvType) -> usize {
        // SAFETY: the model is loaded; these read numbers.
        let [width, heads, kv_heads] = unsafe {
            [
                sys::llama_model_n_embd(self.raw()),
                sys::llama_model_n_head(self.raw()),
                sys::llama_model_n_head_kv(self.raw()),
            ]
        }
        .map(|number| usize::try_from(number).unwrap_or(0));
        let head = width / heads.max(1);
        let numbers = 2 * self.layers() * kv_heads * head;
        // Blocks of 32 numbers.
        numbers
            * match kv_type {
                KvType::F16 => 64,
                KvType::Q8 => 34,
                KvType::Q5 => 24,
                KvType::Q4 => 18,
            }
            / 32
    }

    /// Whether the end of a sequence can be forgotten and the rest kept.
    pub(super) fn roll_back(&self) -> RollBack {
        // SAFETY: the model is loaded; these read flags.
        let (is_hybrid, is_recurrent) = unsafe {
            (
                sys::llama_model_is_hybrid(self.raw()),
                sys::llama_model_is_recurrent(self.raw()),
            )
        };
        match (is_hybrid, is_recurrent) {
            (true, _) => RollBack::Hybrid,
            (_, true) => RollBack::Recurrent,
            // Contexts are made with `swa_full`, llama.cpp's default.
            _ if self.window() > 0 => RollBack::WindowKeptWhole(self.window()),
            _ => RollBack::Plain,
        }
    }

    /// Tokens that the layers of least sight look back on; 0 if all see everything.
    pub(super) fn window(&self) -> usize {
        // SAFETY: the model is loaded; this reads a number.
        usize::try_from(unsafe { sys::llama_model_n_swa(self.raw()) }).unwrap_or(0)
    }
}

impl Drop for Weights {
    fn drop(&mut self) {
        // SAFETY: loaded once, freed once; the context that used it was dropped before.
        unsafe { sys::llama_model_free(self.raw()) };
    }
}

unsafe extern "C" fn on_progress(fraction: f32, data: *mut c_void) -> bool {
    // SAFETY: `data` is the address of the callback in `Weights::load`, which waits for us.
    let progress = unsafe { &mut *data.cast::<&mut dyn FnMut(f32) -> bool>() };
    // A panic must not reach C; it ends the loading instead.
    panic::catch_unwind(AssertUnwindSafe(|| progress(fraction))).unwrap_or(false)
}

/// Whether all weights are of types that have exact kernels (see `context`): F32, F16, Q4_0, Q4_1, Q5_0, Q5_1,
/// Q8_0, BF16, by number.
pub(super) fn is_exact(header: &super::Header) -> bool {
    const EXACT: [u32; 8] = [0, 1, 2, 3, 6, 7, 8, 30];
    header.tensor_types.iter().all(|kind| EXACT.contains(kind))
}
