//! How a model is run on this machine, and why: threads, flash attention, the type of the KV cache, polling.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use super::{
    Options,
    again::Again,
    calibration::{Calibration, Place, SLEEPY},
    context::Shape,
    gguf::Header,
    machine,
    sizes::Rounding,
    system_info,
};
use crate::{config::KvType, engine::pace::Pace, prompt::format::ModelFacts};

/// A larger model is not measured, only to find that its steps are too slow for it.
const MEASURE_BELOW: u64 = 4_000_000_000;
/// More threads only wait for each other.
const MAX_THREADS: usize = 16;

/// How a model is run, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tuning {
    pub threads: usize,
    pub flash_attention: FlashAttention,
    /// The type of the KV cache.
    pub kv_type: KvType,
    /// Spinning of waiting threads, 0..=100, as ggml counts it.
    pub polling: u32,
    /// What filling up small batches would bring on a GPU; `None` if that was not tried.
    pub shape: Option<Shape>,
    pub origin: Origin,
    /// What the choice rests on; `None` if it was not measured.
    pub measured: Option<Calibration>,
    /// Where the measured times are kept.
    pub file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlashAttention {
    On,
    Off,
    /// Results have to be exact, which leaves no choice: on.
    OnForExactness,
    /// llama.cpp chooses.
    Auto,
}

/// Why a model runs with as many threads as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The configuration says so.
    Configured,
    /// One per core: on a GPU, with one core, or with a model too large to be measured.
    Estimated,
    /// Measured at this start.
    Measured,
    /// Measured at this start while others used the cores, hence not kept: see `again`.
    MeasuredWhileBusy,
    /// Measured at an earlier start.
    Kept,
}

impl Tuning {
    /// How fast the model was when it was measured.
    pub(in crate::engine) fn pace(&self) -> Option<Pace> {
        let is_flash = self.flash_attention != FlashAttention::Off;
        let mut runs = self.measured.as_ref()?.runs.iter();
        let run = runs.find(|run| {
            (run.threads, run.flash_attention, run.kv_type)
                == (self.threads, is_flash, self.kv_type)
        })?;
        let prompt_token = Duration::from_secs_f64(run.chunk_ms / 1e3 / run.chunk.max(1) as f64);
        Some(Pace {
            step: Duration::from_secs_f64(run.step_ms / 1e3),
            prompt_token,
            whole_prompt_token: prompt_token,
        })
    }

    /// What batches take by number of tokens and threads, as far as it was measured.
    pub(super) fn known(&self) -> Vec<(usize, usize, Duration)> {
        self.measured
            .as_ref()
            .map_or(Vec::new(), Calibration::known)
    }
}

/// Chooses how to run a model: as configured, as measured at an earlier start or now, else by estimate; and whether to
/// measure again.
pub(super) fn tune(
    path: &Path,
    header: &Header,
    facts: &ModelFacts,
    options: &Options,
    rounding: Rounding,
    measure: impl FnOnce(usize, &str) -> Option<(Calibration, bool)>,
) -> (Tuning, Option<Again>) {
    let cores = machine::cores().min(MAX_THREADS);
    let mut tuning = Tuning {
        threads: options.threads.unwrap_or(cores).clamp(1, 256),
        flash_attention: match rounding {
            Rounding::Exact => FlashAttention::OnForExactness,
            Rounding::FastCpu { flash: true } => FlashAttention::On,
            Rounding::FastCpu { flash: false } => FlashAttention::Off,
            Rounding::Gpu => FlashAttention::Auto,
        },
        kv_type: options.kv_type.unwrap_or_default(),
        polling: SLEEPY,
        shape: None,
        origin: Origin::Estimated,
        measured: None,
        file: None,
    };
    if options.threads.is_some() {
        tuning.origin = Origin::Configured;
        return (tuning, None);
    }
    let is_choice = cores > 1 || rounding != Rounding::Exact;
    if rounding == Rounding::Gpu || !is_choice || header.parameters > MEASURE_BELOW {
        return (tuning, None);
    }
    let len = path.metadata().map_or(0, |it| it.len());
    let mut model = format!(
        "{len} {} {} {} {} {:?}",
        facts.architecture,
        facts.name,
        facts.context_length,
        header.parameters,
        header.tensor_types
    );
    // Models that are as they come keep what was measured before there was anything else.
    if options.kv_type.is_some() || !options.lora.is_empty() {
        model += &format!(" {:?} {:?}", options.kv_type, options.lora);
    }
    let machine = format!(
        "{} {} {}",
        machine::name(),
        env!("CARGO_PKG_VERSION"),
        system_info()
    );
    let place = Place::new(options.calibration.as_deref(), &model, &machine);
    let mut again = None;
    let (calibration, origin) = match place.load() {
        Some(kept) => (kept, Origin::Kept),
        None => match measure(cores, &place.of) {
            Some((measured, true)) => {
                place.store(&measured);
                (measured, Origin::Measured)
            }
            Some((measured, false)) => {
                again = Some(Again::new(place.clone(), cores));
                (measured, Origin::MeasuredWhileBusy)
            }
            None => return (tuning, None),
        },
    };
    tuning.file = place.file;
    if let Some(best) = calibration.best() {
        tuning.threads = match origin {
            // What is best then is not what is best later; each batch is measured anyway.
            Origin::MeasuredWhileBusy => cores,
            _ => best.threads,
        };
        if tuning.flash_attention == FlashAttention::Off && best.flash_attention {
            tuning.flash_attention = FlashAttention::On;
        }
        tuning.kv_type = best.kv_type;
        tuning.polling = calibration.polling();
        tuning.origin = origin;
    }
    tuning.measured = Some(calibration);
    (tuning, again)
}
