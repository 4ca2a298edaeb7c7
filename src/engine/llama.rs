//! llama.cpp: loads a model file and runs it. With its folder the only user of `llama_cpp_sys_2`, and the
//! only place with `unsafe`; the engine above sees tokens and rows of logits.
//!
//! * `gguf` reads a file's header before llama.cpp does;
//! * `backend` is llama.cpp as a process-wide thing: start, log, devices;
//! * `vocabulary` holds the pieces of tokens;
//! * `cells` mirrors where tokens lie in that cache;
//! * `context` is the KV cache and the computation, and says how results are made exact;
//! * `tuning` says how a model is run: as configured, or by `calibration`'s arithmetic on what `measure` measures
//!   on this `machine`, and `again` when that was busy;
//! * `crew` chooses the number of threads from batch to batch, as others use the cores, too;
//! * `sizes` are a context's, with the kernels it may use;
//! * `signals` stops a batch in its middle.

mod again;
mod backend;
mod calibration;
mod cells;
mod context;
mod crew;
pub mod gguf;
mod machine;
mod measure;
mod signals;
mod sizes;
mod tuning;
mod vocabulary;

use std::{
    ffi::{CString, c_void},
    fs::File,
    io::{self, BufReader},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    ptr::NonNull,
    time::Duration,
};

use llama_cpp_sys_2 as sys;

use super::{
    Cancel, Loader, Summary,
    model::{Model, ModelError, Sequence, Token},
};
use crate::prompt::{
    anchor::Plan,
    format::{self, ModelFacts},
    window::Windows,
};
use again::Again;
pub use backend::{Device, devices, system_info};
pub use calibration::{Calibration, Run};
use context::Context;
use gguf::{Header, HeaderError};
use sizes::{Rounding, Sizes};
pub use tuning::{FlashAttention, Origin, Tuning};
use vocabulary::Vocabulary;

/// How to run a model.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Threads that compute on the CPU; `None` chooses by what is measured at the first start.
    pub threads: Option<usize>,
    /// Layers that run on a GPU, if there is one; `None` is all of them, 0 keeps to the CPU.
    pub gpu_layers: Option<usize>,
    /// The prompt format by name; `None` recognises it.
    pub format: Option<String>,
    /// The folder that keeps what was measured; `None` measures at each start.
    pub calibration: Option<PathBuf>,
}

/// One document and a few of its neighbours can each have their own; free when unused.
const SEQUENCES: usize = 8;
/// Room for several documents, without ever holding more than one person works on.
const CELLS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The most memory that the KV cache may take.
const CACHE_BYTES: usize = 512 << 20;

/// A step of a larger model on one thread takes too long to be spent at the start.
const WARM_UP_BELOW: u64 = 300_000_000;

/// Loads on the engine thread; to be handed to `Engine::start`.
pub fn loader(path: PathBuf, options: Options) -> Loader {
    Box::new(move |progress| load(&path, &options, progress))
}

/// Loads the model in `path`. `progress` hears the fraction done and says whether to go on; if not, the
/// error is `Cancelled`.
pub fn load(
    path: &Path,
    options: &Options,
    progress: &mut dyn FnMut(f32) -> bool,
) -> Result<(Box<dyn Model>, Summary), ModelError> {
    let (header, facts) = inspect(path)?;
    let format = format::recognise(&facts, options.format.as_deref())?;
    let windows = Windows::new(&format, facts.context_length);

    backend::start();
    let gpu = devices().into_iter().find(|device| device.is_gpu);
    let gpu_layers = if gpu.is_some() {
        options.gpu_layers
    } else {
        Some(0)
    };
    let unsupported = |complaints: Vec<String>| ModelError::Unsupported {
        file: path.display().to_string(),
        reason: reason(&complaints),
    };

    let mut was_stopped = false;
    let (weights, complaints) = backend::complaints_of(|| {
        Weights::load(path, gpu_layers, &mut |fraction| {
            let goes_on = progress(fraction);
            was_stopped |= !goes_on;
            goes_on
        })
    });
    if was_stopped {
        return Err(ModelError::Cancelled);
    }
    let weights = weights.ok_or_else(|| unsupported(complaints))?;
    let vocabulary = Vocabulary::new(&weights, &format);

    let rounding = match gpu_layers {
        Some(0) if is_exact(&header) => Rounding::Exact,
        Some(0) => Rounding::FastCpu { flash: false },
        _ => Rounding::Gpu,
    };
    let (tuning, again) = tuning::tune(path, &header, &facts, options, rounding, |most, of| {
        let cancel = Cancel::default();
        measure::measure(&weights, vocabulary.len(), rounding, most, of, &cancel)
    });
    let sizes = Sizes {
        cells: cells(&weights, facts.context_length),
        // What cannot keep a part of a sequence cannot share one either.
        sequences: if weights.keeps_parts() { SEQUENCES } else { 1 },
        threads: tuning.threads,
        polling: tuning.polling,
        rounding: match rounding {
            Rounding::FastCpu { .. } => Rounding::FastCpu {
                flash: tuning.flash_attention == FlashAttention::On,
            },
            rounding => rounding,
        },
    };
    let (context, complaints) =
        backend::complaints_of(|| Context::new(&weights, vocabulary.len(), sizes));
    let mut context = context.ok_or_else(|| unsupported(complaints))?;
    if header.parameters < WARM_UP_BELOW && tuning.threads > 1 && rounding != Rounding::Gpu {
        context.warm_up();
    }
    context.expect(&tuning.known());

    let n_layers = weights.layers() + 1;
    let summary = Summary {
        name: if facts.name.is_empty() {
            facts.file_name
        } else {
            facts.name
        },
        plan: Plan { format, windows },
        parameters: header.parameters,
        context_length: facts.context_length,
        vocabulary_size: vocabulary.len(),
        gpu: gpu
            .filter(|_| gpu_layers != Some(0))
            .map(|device| (gpu_layers.unwrap_or(n_layers).min(n_layers), device.name)),
        threads: sizes.threads,
        tuning: Some(tuning),
    };
    Ok((
        Box::new(Llama {
            context,
            vocabulary,
            weights,
            rounding,
            again,
        }),
        summary,
    ))
}

/// Everything that can be said about a file without llama.cpp, which would end in one sentence for all of it.
pub fn inspect(path: &Path) -> Result<(Header, ModelFacts), ModelError> {
    let shown = || path.display().to_string();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => ModelError::NoPermission(shown()),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
            ModelError::NotFound(shown())
        }
        io::ErrorKind::IsADirectory => ModelError::IsDirectory(shown()),
        _ => ModelError::Unsupported {
            file: shown(),
            reason: error.to_string(),
        },
    };
    let metadata = path.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(ModelError::IsDirectory(shown()));
    }
    // Opening a pipe would wait for its other end, for ever.
    if !metadata.is_file() {
        return Err(ModelError::NotGguf(shown()));
    }
    let file = File::open(path).map_err(failed)?;
    let header = gguf::read(BufReader::new(file), metadata.len()).map_err(|error| match error {
        HeaderError::NotGguf => ModelError::NotGguf(shown()),
        HeaderError::Truncated => ModelError::Truncated(shown()),
        HeaderError::Damaged(_) => ModelError::Unsupported {
            file: shown(),
            reason: error.to_string(),
        },
        HeaderError::Io(error) => failed(error),
    })?;
    let facts = header.facts(&path.file_name().unwrap_or_default().to_string_lossy());
    Ok((header, facts))
}

/// A loaded model with its context.
struct Llama {
    // First, as it uses the weights until it is dropped.
    context: Context,
    vocabulary: Vocabulary,
    weights: Weights,
    /// Before anything was measured.
    rounding: Rounding,
    /// What is to be measured again; `None` once it is known.
    again: Option<Again>,
}

impl Model for Llama {
    fn vocabulary_size(&self) -> usize {
        self.vocabulary.len()
    }

    fn piece(&self, token: Token) -> &[u8] {
        self.vocabulary.piece(token)
    }

    fn is_end(&self, token: Token) -> bool {
        self.vocabulary.is_end(token)
    }

    fn tokenize(&self, text: &str) -> Vec<Token> {
        vocabulary::tokenize(&self.weights, text)
    }

    fn special(&self, spelling: &str) -> Option<Token> {
        self.vocabulary.special(spelling)
    }

    fn start_token(&self) -> Option<Token> {
        self.vocabulary.start
    }

    fn sequences(&self) -> usize {
        self.context.sizes().sequences
    }

    fn capacity(&self) -> usize {
        self.context.sizes().capacity()
    }

    fn batch_size(&self) -> usize {
        self.context.sizes().batch_size()
    }

    fn truncate(&mut self, sequence: Sequence, len: usize) -> bool {
        self.context.truncate(sequence, len)
    }

    fn copy(&mut self, from: Sequence, to: Sequence, len: usize) {
        self.context.copy(from, to, len);
    }

    fn decode(
        &mut self,
        sequence: Sequence,
        len: usize,
        tokens: &[Token],
        rows: usize,
        cancel: &Cancel,
    ) -> Result<(), ModelError> {
        if let Some(token) = tokens
            .iter()
            .find(|&&token| !self.vocabulary.contains(token))
        {
            return Err(ModelError::Failed(format!("there is no token {}", token.0)));
        }
        self.context.decode(sequence, len, tokens, rows, cancel)
    }

    fn logits(&self, row: usize) -> &[f32] {
        self.context.logits(row)
    }

    fn rests_after(&self) -> Option<Duration> {
        self.again.as_ref().map(Again::pause)
    }

    fn rest(&mut self, cancel: &Cancel) {
        let Some(again) = &mut self.again else { return };
        let (size, rounding) = (self.vocabulary.len(), self.rounding);
        let measured = measure::measure(
            &self.weights,
            size,
            rounding,
            again.most,
            again.of(),
            cancel,
        );
        let Some(calibration) = again.take(measured) else {
            return;
        };
        if let Some(best) = calibration.best() {
            tracing::info!(threads = best.threads, "measured again, on a calm machine");
            self.context.retune(best.threads, &calibration.known());
        }
        self.again = None;
    }
}

/// A loaded model's weights.
struct Weights(NonNull<sys::llama_model>);

impl Weights {
    fn load(
        path: &Path,
        gpu_layers: Option<usize>,
        mut progress: &mut dyn FnMut(f32) -> bool,
    ) -> Option<Weights> {
        // A path with a NUL in it was not found before.
        let path = CString::new(path.as_os_str().as_encoded_bytes()).ok()?;
        // SAFETY: returns a plain value.
        let mut params = unsafe { sys::llama_model_default_params() };
        params.n_gpu_layers =
            gpu_layers.map_or(-1, |layers| i32::try_from(layers).unwrap_or(i32::MAX));
        params.progress_callback = Some(on_progress);
        params.progress_callback_user_data = (&raw mut progress).cast();
        params.use_extra_bufts = !backend::has_tiles();
        // SAFETY: the path is a C string and, like the callback and what it points to, lives during the call.
        // llama.cpp was started. Exceptions are caught inside and answered with null.
        NonNull::new(unsafe { sys::llama_model_load_from_file(path.as_ptr(), params) }).map(Weights)
    }

    fn raw(&self) -> *mut sys::llama_model {
        self.0.as_ptr()
    }

    fn vocabulary(&self) -> *const sys::llama_vocab {
        // SAFETY: the model is loaded; its vocabulary is part of it.
        unsafe { sys::llama_model_get_vocab(self.raw()) }
    }

    fn layers(&self) -> usize {
        // SAFETY: the model is loaded; this reads a number.
        usize::try_from(unsafe { sys::llama_model_n_layer(self.raw()) }).unwrap_or(0)
    }

    /// Bytes that one token takes in an F16 cache.
    fn bytes_per_cell(&self) -> usize {
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
        2 * 2 * self.layers() * kv_heads * head
    }

    /// Whether the end of a sequence can be forgotten and the rest kept.
    fn keeps_parts(&self) -> bool {
        // SAFETY: the model is loaded; these read flags.
        unsafe {
            !sys::llama_model_is_recurrent(self.raw()) && !sys::llama_model_is_hybrid(self.raw())
        }
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
fn is_exact(header: &Header) -> bool {
    const EXACT: [u32; 8] = [0, 1, 2, 3, 6, 7, 8, 30];
    header.tensor_types.iter().all(|kind| EXACT.contains(kind))
}

/// Several full contexts for a model with a short one, the most that memory and sense allow for others.
fn cells(weights: &Weights, context_length: usize) -> usize {
    let affordable = CACHE_BYTES / weights.bytes_per_cell().max(1);
    (context_length * SEQUENCES)
        .clamp(*CELLS.start(), *CELLS.end())
        .min(affordable)
        .max(*CELLS.start())
}

/// The one of llama.cpp's complaints that says why a model cannot be loaded.
fn reason(complaints: &[String]) -> String {
    const MARK: &str = "error loading model: ";
    complaints
        .iter()
        .find_map(|line| line.split_once(MARK).map(|(_, reason)| reason))
        .or(complaints.last().map(String::as_str))
        .unwrap_or("it gives no reason")
        .to_owned()
}
