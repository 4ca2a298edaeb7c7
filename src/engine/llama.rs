//! llama.cpp: loads a model file and runs it. With its folder the only user of `llama_cpp_sys_2`, and the
//! only place with `unsafe`; the engine above sees tokens and rows of logits.
//!
//! * `gguf` reads a file's header before llama.cpp does, `inspect` those of all parts of a model;
//! * `weights` are the loaded model, with its adapters;
//! * `backend` is llama.cpp as a process-wide thing: start, log, devices; `backends` are files of it;
//! * `start` makes one attempt to load a model;
//! * `offload` says what of a model goes to a GPU, and what is tried when that fails;
//! * `vocabulary` holds the pieces of tokens;
//! * `cells` mirrors where tokens lie in that cache;
//! * `context` is the KV cache and the computation, and says how results are made exact;
//! * `tuning` says how a model is run: as configured, or by `calibration`'s arithmetic on what `measure` measures
//!   on this `machine`, and `again` when that was busy;
//! * `crew` chooses the number of threads from batch to batch, as others use the cores, too;
//! * `sizes` are a context's, with the kernels it may use;
//! * `signals` stops a batch in its middle, `guard` ends what a back end throws there;
//! * `threads` makes pools of threads, which run in their `places`;
//! * `mapped` sees to it that a file that is written into while it is mapped ends nothing.

mod again;
mod backend;
mod backends;
mod calibration;
mod cells;
mod context;
mod crew;
pub mod gguf;
mod guard;
mod inspect;
mod machine;
mod mapped;
mod measure;
mod offload;
pub mod parts;
mod places;
mod signals;
mod sizes;
mod start;
mod threads;
mod tuning;
mod vocabulary;
mod weights;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Cancel, Loader, Nature, RollBack, Summary,
    model::{Model, ModelError, Sequence, Token},
};
use crate::{
    config::KvType,
    prompt::{anchor::Plan, format, window::Windows},
};
use again::Again;
pub use backend::{Device, devices, files, system_info};
pub use backends::{BackendFile, Fate, Files};
pub use calibration::{Calibration, Run};
use context::Context;
pub use context::Shape;
use gguf::Header;
pub use inspect::{architecture_of_adapter, inspect};
use mapped::Mapped;
use measure::Subject;
use offload::Descent;
use sizes::Rounding;
pub use sizes::most_cache_bytes;
use start::{Start, Tuned};
pub use tuning::{FlashAttention, Origin, Tuning};
use vocabulary::Vocabulary;
use weights::Weights;

/// How to run a model.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Threads that compute on the CPU; `None` chooses by what is measured at the first start.
    pub threads: Option<usize>,
    /// Layers that run on a GPU, if there is one; `None` is as many as fit, 0 keeps to the CPU.
    pub gpu_layers: Option<usize>,
    /// Which device, as `doctor` names it; `None` takes the best one.
    pub device: Option<String>,
    /// The prompt format by name; `None` recognises it.
    pub format: Option<String>,
    /// LoRA adapters and how strongly each is felt.
    pub lora: Vec<(PathBuf, f32)>,
    /// What the numbers in the cache are; `None` chooses by what is measured at the first start.
    pub kv_type: Option<KvType>,
    /// The folder that keeps what was measured; `None` measures at each start.
    pub calibration: Option<PathBuf>,
}

/// One document and a few of its neighbours can each have their own; free when unused.
const SEQUENCES: usize = 8;

/// A step of a larger model on one thread takes too long to be spent at the start.
const WARM_UP_BELOW: u64 = 300_000_000;

/// Loads on the engine thread; to be handed to `Engine::start`.
pub fn loader(path: PathBuf, options: Options) -> Loader {
    loader_of(move || Ok(path.clone()), options)
}

/// The same for a file that is found out each time.
pub fn loader_of(
    mut path: impl FnMut() -> Result<PathBuf, ModelError> + Send + 'static,
    options: Options,
) -> Loader {
    let descent = Descent::default();
    Box::new(move |progress| load_below(&path()?, &options, &descent, progress))
}

/// Loads the model in `path`. `progress` hears the fraction done and says whether to go on; if not, the
/// error is `Cancelled`.
pub fn load(
    path: &Path,
    options: &Options,
    progress: &mut dyn FnMut(f32) -> bool,
) -> Result<(Box<dyn Model>, Summary), ModelError> {
    load_below(path, options, &Descent::default(), progress)
}

fn load_below(
    path: &Path,
    options: &Options,
    descent: &Descent,
    progress: &mut dyn FnMut(f32) -> bool,
) -> Result<(Box<dyn Model>, Summary), ModelError> {
    let (header, facts) = inspect(path)?;
    let format = format::recognise(&facts, options.format.as_deref())?;
    if let Some(trouble) = &backend::start().trouble {
        return Err(ModelError::NoBackend(trouble.clone()));
    }
    let (devices, note) = offload::choose(&devices(), options.device.as_deref());
    let mut notes: Vec<String> = backend::start().refused().map(str::to_owned).collect();
    notes.extend(note);
    let mut limits = Vec::new();
    let device = Vec::from_iter(devices.iter().map(|it| it.name.as_str())).join(" and ");
    let mapped = Mapped::of(path, header.file_len);
    let start = Start {
        path,
        is_mapped: mapped.is_mapped(),
        options,
        header: &header,
        facts: &facts,
        format: &format,
        devices: &devices,
    };
    let first = match devices.is_empty() {
        true => 0,
        false => descent.limit(start.layers(&mut limits)),
    };
    let ((weights, vocabulary, context, tuned), gpu_layers, note) =
        descent.descend(&offload::rungs(first), &device, |layers| {
            start.attempt(layers, progress)
        })?;
    notes.extend(note);
    let Tuned {
        tuning,
        again,
        rounding,
    } = tuned;

    let prompt_tokens = sizes::fitting(facts.context_length, context.sizes().cells);
    let windows = Windows::new(&format, prompt_tokens);
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
        gpu: (gpu_layers > 0).then(|| (gpu_layers, device.clone())),
        threads: context.sizes().threads,
        tuning: Some(tuning),
        nature: Nature {
            files: parts::all(path),
            bytes: header.file_len,
            roll_back: weights.roll_back(),
            adapters: options
                .lora
                .iter()
                .map(|(file, scale)| format!("{} ({scale})", file.display()))
                .collect(),
            notes,
            limits,
        },
    };
    Ok((
        Box::new(Llama {
            context,
            vocabulary,
            weights,
            mapped,
            rounding,
            kv_type: options.kv_type,
            again,
            gpu: (gpu_layers, device),
            descent: descent.clone(),
        }),
        summary,
    ))
}

/// A loaded model with its context.
struct Llama {
    // First, as it uses the weights until it is dropped.
    context: Context,
    vocabulary: Vocabulary,
    weights: Weights,
    mapped: Mapped,
    /// Before anything was measured.
    rounding: Rounding,
    /// As it was asked for.
    kv_type: Option<KvType>,
    /// What is to be measured again; `None` once it is known.
    again: Option<Again>,
    /// Layers on devices, and what these are called.
    gpu: (usize, String),
    descent: Descent,
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
        self.vocabulary.tokenize(&self.weights, text)
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
        if let Some(path) = self.mapped.overwritten() {
            return Err(ModelError::Overwritten(path.display().to_string()));
        }
        let decoded = self.context.decode(sequence, len, tokens, rows, cancel);
        if let Err(ModelError::Device(reason)) = &decoded {
            let (layers, device) = &self.gpu;
            self.descent.failed_with(*layers, device, reason);
        }
        decoded
    }

    fn logits(&self, row: usize) -> &[f32] {
        self.context.logits(row)
    }

    fn hurry(&mut self, is_awaited: bool) {
        self.context.hurry(is_awaited);
    }

    fn rests_after(&self) -> Option<Duration> {
        self.again.as_ref().map(Again::pause)
    }

    fn rest(&mut self, cancel: &Cancel) {
        let is_whole = self.mapped.overwritten().is_none();
        let Some(again) = self.again.as_mut().filter(|_| is_whole) else {
            return;
        };
        let subject = Subject {
            weights: &self.weights,
            vocabulary_size: self.vocabulary.len(),
            rounding: self.rounding,
            kv_type: self.kv_type,
        };
        let measured = measure::measure(subject, again.most, again.of(), cancel);
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
