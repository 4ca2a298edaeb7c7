//! One attempt to load a model: so much of it on the devices, then what it takes to run it.

use std::path::Path;

use super::{
    Device, FlashAttention, Options, SEQUENCES, WARM_UP_BELOW,
    again::Again,
    backend,
    context::{Context, shape},
    gguf::Header,
    measure::{self, Subject},
    offload::Need,
    sizes::{self, COMPANION, GPU_BATCH, Rounding, Sizes, most_cache_bytes},
    tuning::{self, Tuning},
    vocabulary::Vocabulary,
    weights::{self, Weights},
};
use crate::{
    config::KvType,
    engine::{Cancel, model::ModelError},
    prompt::format::{Format, ModelFacts},
};

/// What every attempt to load a model begins with.
pub(super) struct Start<'a> {
    pub path: &'a Path,
    pub is_mapped: bool,
    pub options: &'a Options,
    pub header: &'a Header,
    pub facts: &'a ModelFacts,
    pub format: &'a Format,
    pub devices: &'a [Device],
}

pub(super) struct Tuned {
    pub tuning: Tuning,
    pub again: Option<Again>,
    pub rounding: Rounding,
}

impl Start<'_> {
    /// How many layers are to go to the devices: as asked for, else as many as fit.
    pub fn layers(&self, limits: &mut Vec<String>) -> usize {
        let all = self.header.of_architecture("block_count");
        let all = all.and_then(|it| usize::try_from(it).ok());
        let all = all.map_or(usize::MAX, |it| it.saturating_add(1));
        if let Some(layers) = self.options.gpu_layers {
            return layers.min(all);
        }
        let cache = most_cache_bytes(self.header.kv_bytes(), self.header.file_len);
        let need = Need::of(
            self.header,
            cache,
            self.header.vocabulary_size(),
            GPU_BATCH + COMPANION,
        );
        // Who does not say how much is free has to be tried.
        let free: u64 = self.devices.iter().map(|it| it.free).sum();
        let Some(need) = need.filter(|_| free > 0) else {
            return all;
        };
        let fitting = need.fitting(free);
        if fitting < all {
            limits.push(need.short(fitting, free, &self.devices[0].name));
        }
        fitting
    }

    /// Loads the model with so many layers on the devices.
    pub fn attempt(
        &self,
        gpu_layers: usize,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<(Weights, Vocabulary, Context, Tuned), ModelError> {
        let Start {
            path,
            options,
            header,
            facts,
            ..
        } = *self;
        let mut was_stopped = false;
        let (weights, complaints) = backend::complaints_of(|| {
            let progress = &mut |fraction| {
                let goes_on = progress(fraction);
                was_stopped |= !goes_on;
                goes_on
            };
            Weights::load(path, self.is_mapped, self.devices, gpu_layers, progress)
        });
        if was_stopped {
            return Err(ModelError::Cancelled);
        }
        let mut weights = weights.ok_or_else(|| self.unsupported(&complaints))?;
        for (adapter, scale) in &options.lora {
            weights.adapt(adapter, *scale, &facts.architecture)?;
        }
        let weights = weights;
        let vocabulary = Vocabulary::new(&weights, self.format);

        let rounding = match gpu_layers {
            // A small cache needs flash attention, and is not known to be exact.
            0 if options.kv_type.is_some_and(|it| it != KvType::F16) => {
                Rounding::FastCpu { flash: true }
            }
            0 if weights::is_exact(header) => Rounding::Exact,
            0 => Rounding::FastCpu { flash: false },
            _ => Rounding::Gpu,
        };
        let subject = Subject {
            weights: &weights,
            vocabulary_size: vocabulary.len(),
            rounding,
            kv_type: options.kv_type,
        };
        let (mut tuning, again) =
            tuning::tune(path, header, facts, options, rounding, |most, of| {
                measure::measure(subject, most, of, &Cancel::default())
            });
        let sizes = Sizes {
            cells: sizes::cells(
                weights.bytes_per_cell(tuning.kv_type),
                header.file_len,
                facts.context_length,
            ),
            // What cannot keep a part of a sequence cannot share one either.
            sequences: if weights.roll_back().is_possible() {
                SEQUENCES
            } else {
                1
            },
            threads: tuning.threads,
            polling: tuning.polling,
            rounding: match rounding {
                Rounding::FastCpu { .. } => Rounding::FastCpu {
                    flash: tuning.flash_attention == FlashAttention::On,
                },
                rounding => rounding,
            },
            kv_type: tuning.kv_type,
        };
        let (context, complaints) =
            backend::complaints_of(|| Context::new(&weights, vocabulary.len(), sizes));
        let mut context = context.ok_or_else(|| self.unsupported(&complaints))?;
        if rounding == Rounding::Gpu {
            let most = facts.context_length.max(1);
            context
                .try_out(most)
                .map_err(|reason| self.unsupported(&[reason]))?;
            if self.devices.iter().any(shape::records) {
                tuning.shape = context.try_shape();
            }
        } else if header.parameters < WARM_UP_BELOW {
            context.warm_up();
        }
        context.expect(&tuning.known());
        let tuned = Tuned {
            tuning,
            again,
            rounding,
        };
        Ok((weights, vocabulary, context, tuned))
    }

    fn unsupported(&self, complaints: &[String]) -> ModelError {
        ModelError::Unsupported {
            file: self.path.display().to_string(),
            reason: backend::reason(complaints),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::llama::inspect, prompt::format};

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_lone_token_of_the_built_in_model_needs_no_companion_on_one_thread() {
        let path = Path::new("models/ghostline-small-q8_0.gguf");
        let (header, facts) = inspect(path).unwrap();
        assert!(backend::start().trouble.is_none());
        let options = Options {
            threads: Some(1),
            ..Options::default()
        };
        let start = Start {
            path,
            is_mapped: false,
            options: &options,
            header: &header,
            facts: &facts,
            format: &format::recognise(&facts, None).unwrap(),
            devices: &[],
        };
        let (_weights, _, context, _) = start.attempt(0, &mut |_| true).unwrap();
        assert!(context.goes_alone());
    }
}
