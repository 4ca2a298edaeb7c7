//! What of a model goes to a GPU: which device, how many layers by its free memory, and what is tried next when that
//! fails, at the start or later. Pure: devices are values here, and attempts are functions.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Device, ModelError, gguf::Header};

/// Kept free for what a computation needs beside weights and cache, logits apart: measured 60 to 150 MiB for models of
/// up to 7 B parameters, and drivers want some, too.
const RESERVE: u64 = 256 << 20;
/// Of what is free, as a share: others use the device as well, and pieces do not fill it to the last byte.
const USABLE: (u64, u64) = (9, 10);

/// What a model needs of a device's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// That can go to a device, without the output.
    pub layers: usize,
    /// Of one layer: its weights and its part of the cache.
    pub layer: u64,
    /// Of the output, which counts as one more layer.
    pub output: u64,
    /// Whatever is there.
    pub reserve: u64,
}

impl Need {
    /// By what the header says; `None` if it does not.
    pub fn of(header: &Header, cache: u64, vocabulary: usize, batch: usize) -> Option<Need> {
        let layers = header.of_architecture("block_count").filter(|it| *it > 0)?;
        let width = header.of_architecture("embedding_length")?;
        let (vocabulary, batch) = (vocabulary as u64, batch as u64);
        let embedding = vocabulary.checked_mul(width)?;
        let per_parameter = header.file_len as f64 / header.parameters.max(1) as f64;
        let output = (embedding as f64 * per_parameter) as u64;
        let weights = header.file_len.saturating_sub(output);
        Some(Need {
            layers: usize::try_from(layers).ok()?,
            layer: (weights + cache) / layers,
            output,
            reserve: RESERVE + vocabulary.checked_mul(batch)?.checked_mul(4)?,
        })
    }

    /// How many layers fit, the output being the last one.
    pub fn fitting(&self, free: u64) -> usize {
        let (numerator, denominator) = USABLE;
        let room = (free / denominator * numerator).saturating_sub(self.reserve);
        if room >= self.layer * self.layers as u64 + self.output {
            return self.layers + 1;
        }
        let fitting = room / self.layer.max(1);
        usize::try_from(fitting).map_or(self.layers, |it| it.min(self.layers))
    }

    /// Says that only so many layers fit.
    pub fn short(&self, fitting: usize, free: u64, device: &str) -> String {
        let mebibytes = |bytes: u64| bytes >> 20;
        let whole = self.layer * self.layers as u64 + self.output + self.reserve;
        format!(
            "{fitting} of the model's {} layers go to {device}: of the {} MiB that it has free, the whole model would want {} and a tenth more; the processor runs the rest, and a smaller model would be faster",
            self.layers + 1,
            mebibytes(free),
            mebibytes(whole)
        )
    }
}

/// Which devices a model is to run on: as asked for (names as `doctor` shows them, or a part of what they are called,
/// commas between), else the one with the most free memory, those on the board last. None is the processor. With what
/// has to be said about that.
pub(super) fn choose(devices: &[Device], asked: Option<&str>) -> (Vec<Device>, Option<String>) {
    let gpus = || devices.iter().filter(|it| it.is_gpu);
    let best = gpus().max_by_key(|it| (!it.is_integrated, it.free));
    let automatic = || Vec::from_iter(best.cloned());
    let Some(asked) = asked.map(str::trim).filter(|it| !it.is_empty()) else {
        return (automatic(), None);
    };
    if asked.eq_ignore_ascii_case("cpu") {
        return (Vec::new(), None);
    }
    let mut chosen: Vec<Device> = Vec::new();
    for name in asked.split(',').map(|it| it.trim().to_lowercase()) {
        let called = |device: &&Device| device.id.to_lowercase() == name;
        let like = |device: &&Device| device.name.to_lowercase().contains(&name);
        let Some(device) = gpus().find(called).or_else(|| gpus().find(like)) else {
            return (
                automatic(),
                Some(format!(
                    "there is no device `{name}`, which `model.device` asks for; `ghostline doctor` lists those that are there"
                )),
            );
        };
        if !chosen.iter().any(|it| it.id == device.id) {
            chosen.push(device.clone());
        }
    }
    (chosen, None)
}

/// How many layers to try, one after the other; the last is none.
pub(super) fn rungs(first: usize) -> Vec<usize> {
    let mut rungs = Vec::new();
    let mut layers = first;
    for _ in 0..3 {
        if layers > 0 {
            rungs.push(layers);
        }
        layers /= 2;
    }
    rungs.push(0);
    rungs
}

/// How far down a model has come since it was chosen. Shared by its loader and by the loaded model, which says so when
/// the device fails it.
#[derive(Clone, Default)]
pub(super) struct Descent(Arc<Mutex<Descended>>);

#[derive(Default)]
struct Descended {
    /// No more than this is tried again.
    most: Option<usize>,
    note: Option<String>,
}

fn counted(layers: usize) -> String {
    let plural = if layers == 1 { "" } else { "s" };
    format!("{layers} layer{plural}")
}

impl Descent {
    /// The device failed with so many layers on it.
    pub fn failed_with(&self, layers: usize, device: &str, reason: &str) {
        tracing::warn!(layers, device, reason, "the device failed");
        let mut descended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        descended.most = Some(layers / 2);
        descended.note = Some(format!(
            "{device} could not go on with {} of the model ({reason})",
            counted(layers)
        ));
    }

    /// Of what would be tried first, what still is.
    pub fn limit(&self, layers: usize) -> usize {
        let descended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        descended.most.map_or(layers, |most| layers.min(most))
    }

    fn note(&self) -> Option<String> {
        let descended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        descended.note.clone()
    }

    /// Tries one rung after the other. With the layers that worked, and a sentence if it was not the first, or the first
    /// is not where it began.
    pub fn descend<T>(
        &self,
        rungs: &[usize],
        device: &str,
        mut attempt: impl FnMut(usize) -> Result<T, ModelError>,
    ) -> Result<(T, usize, Option<String>), ModelError> {
        let mut note = self.note();
        for layers in rungs {
            match attempt(*layers) {
                Ok(loaded) => {
                    let note = note.map(|note| match layers {
                        0 => format!("{note}, so the processor runs it; free memory there, or choose a smaller model, and start again"),
                        _ => format!("{note}, so {layers} of its layers run there and the rest on the processor; free memory there and start again"),
                    });
                    return Ok((loaded, *layers, note));
                }
                // Anything else is not up to the device.
                Err(ModelError::Unsupported { reason, .. }) if *layers > 0 => {
                    tracing::warn!(layers, device, reason, "the device does not take the model");
                    note = Some(format!(
                        "{device} does not take {} of the model ({reason})",
                        counted(*layers)
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Err(ModelError::Failed("no way to run it was tried".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn need() -> Need {
        Need {
            layers: 28,
            layer: 60 * MIB,
            output: 200 * MIB,
            reserve: 300 * MIB,
        }
    }

    fn device(id: &str, name: &str, free: u64, is_integrated: bool) -> Device {
        Device {
            id: id.to_owned(),
            name: name.to_owned(),
            backend: id.trim_end_matches(char::is_numeric).to_owned(),
            is_gpu: id != "CPU",
            is_integrated,
            free,
            total: free,
            driver: None,
        }
    }

    fn failure(layers: usize) -> ModelError {
        ModelError::Unsupported {
            file: "m.gguf".to_owned(),
            reason: format!("out of memory at {layers}"),
        }
    }

    #[test]
    fn as_many_layers_go_to_the_device_as_fit_beside_what_else_it_needs() {
        let fitting = |mebibytes: u64| need().fitting(mebibytes * MIB);
        assert_eq!(fitting(0), 0);
        assert_eq!(fitting(300), 0);
        assert_eq!(fitting(1000), 10);
        // All layers, but not the output.
        assert_eq!(fitting(2300), 28);
        assert_eq!(fitting(2500), 29);
        assert_eq!(fitting(u64::MAX / MIB), 29);
    }

    #[test]
    fn after_a_failure_half_is_tried_then_a_quarter_then_the_processor() {
        assert_eq!(rungs(29), [29, 14, 7, 0]);
        assert_eq!(rungs(1), [1, 0]);
        assert_eq!(rungs(0), [0]);
    }

    #[test]
    fn the_ladder_ends_where_it_holds_and_says_so() {
        let mut tried = Vec::new();
        let (loaded, layers, note) = Descent::default()
            .descend(&rungs(29), "GPU X", |layers| {
                tried.push(layers);
                if layers > 7 {
                    Err(failure(layers))
                } else {
                    Ok("model")
                }
            })
            .unwrap();
        assert_eq!((loaded, layers, tried), ("model", 7, vec![29, 14, 7]));
        assert_eq!(
            note.unwrap(),
            "GPU X does not take 14 layers of the model (out of memory at 14), so 7 of its layers run there and the rest on the processor; free memory there and start again"
        );
    }

    #[test]
    fn what_is_not_up_to_the_device_ends_it_at_once() {
        let mut tried = 0;
        let result = Descent::default().descend(&rungs(29), "GPU X", |_| {
            tried += 1;
            Err::<(), _>(ModelError::Cancelled)
        });
        assert!(matches!(result, Err(ModelError::Cancelled)));
        assert_eq!(tried, 1);
        // A broken file fails on the processor, too, and that is what is said.
        let result = Descent::default().descend(&rungs(4), "GPU X", |it| Err::<(), _>(failure(it)));
        assert!(matches!(result, Err(it) if it == failure(0)));
    }

    #[test]
    fn a_device_that_fails_later_gets_half_of_it_and_in_the_end_nothing() {
        let descent = Descent::default();
        let mut runs = Vec::new();
        for _ in 0..4 {
            let first = descent.limit(5);
            let (_, layers, note) = descent.descend(&rungs(first), "GPU X", Ok).unwrap();
            runs.push((layers, note.is_some()));
            if layers > 0 {
                descent.failed_with(layers, "GPU X", "device lost");
            }
        }
        assert_eq!(runs, [(5, false), (2, true), (1, true), (0, true)]);
    }

    #[test]
    fn the_device_with_the_most_free_memory_is_taken_unless_another_is_asked_for() {
        let devices = [
            device("Vulkan0", "Board", 30 * MIB, true),
            device("CUDA0", "NVIDIA A", 10 * MIB, false),
            device("CUDA1", "NVIDIA B", 20 * MIB, false),
            device("CPU", "EPYC", 90 * MIB, false),
        ];
        let ids = |asked| {
            let (chosen, note) = choose(&devices, asked);
            let ids = Vec::from_iter(chosen.into_iter().map(|it| it.id));
            (ids.join(" "), note.is_some())
        };
        assert_eq!(ids(None), ("CUDA1".to_owned(), false));
        assert_eq!(ids(Some("cuda0")), ("CUDA0".to_owned(), false));
        assert_eq!(ids(Some("board")), ("Vulkan0".to_owned(), false));
        assert_eq!(ids(Some("CUDA1, CUDA0")), ("CUDA1 CUDA0".to_owned(), false));
        assert_eq!(ids(Some("cpu")), (String::new(), false));
        assert_eq!(ids(Some("CUDA7")), ("CUDA1".to_owned(), true));
        assert!(choose(&devices[3..], None).0.is_empty());
    }
}
