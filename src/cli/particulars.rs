//! What `ghostline doctor` says of a model: its figures, what is particular about it, and what else would run here.

use std::path::Path;

use serde::Serialize;

use super::tuned;
use crate::{
    engine::{RollBack, Summary, llama::Tuning},
    models::{self, catalogue, size},
    prompt::format::Order,
    report::thousands,
};

#[derive(Debug, Serialize)]
pub(super) struct ModelReport {
    name: String,
    file: String,
    /// What the settings call it; `None` for the built-in one.
    asked_for: Option<String>,
    /// Where the choice came from.
    origin: String,
    /// Of all its files.
    bytes: u64,
    /// That the disk of the file has left.
    disk_free: Option<u64>,
    parameters: u64,
    context_length: usize,
    vocabulary_size: usize,
    format: String,
    /// Of the prompt's parts.
    order: &'static str,
    tokens: Vec<String>,
    /// LoRA adapters with their strength.
    adapters: Vec<String>,
    /// Why it is slower or worse than others.
    pub notes: Vec<String>,
    /// Bytes of text before and after the cursor, of what is being typed, of other files.
    windows: [usize; 4],
    threads: usize,
    gpu: Option<String>,
    tuning: Option<Tuning>,
}

impl ModelReport {
    pub(super) fn new(
        summary: &Summary,
        file: String,
        asked_for: Option<String>,
        origin: String,
    ) -> ModelReport {
        let (format, windows) = (&summary.plan.format, summary.plan.windows);
        let tokens = [
            &format.suffix,
            &format.prefix,
            &format.middle,
            &format.file_separator,
            &format.repository,
        ];
        ModelReport {
            name: summary.name.clone(),
            bytes: summary.nature.bytes,
            disk_free: models::store::free_space(Path::new(&file)),
            file,
            asked_for,
            origin,
            parameters: summary.parameters,
            context_length: summary.context_length,
            vocabulary_size: summary.vocabulary_size,
            format: format.name.clone(),
            order: order(format.order),
            tokens: tokens.into_iter().flatten().cloned().collect(),
            adapters: summary.nature.adapters.clone(),
            notes: notes(summary),
            windows: [
                windows.prefix,
                windows.suffix,
                windows.tail,
                windows.context,
            ],
            threads: summary.threads,
            gpu: summary
                .gpu
                .as_ref()
                .map(|(layers, device)| format!("{layers} layers on {device}")),
            tuning: summary.tuning.clone(),
        }
    }

    /// A name and what is to be said, each.
    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = Vec::new();
        let parameters = self.parameters as f64 / 1e6;
        rows.push([
            "model".to_owned(),
            format!("{}, {parameters:.1} M parameters", self.name),
        ]);
        if let Some(name) = self.asked_for.as_ref().filter(|it| **it != self.file) {
            rows.push(["asked for as".to_owned(), name.clone()]);
        }
        let free = self.disk_free.map_or_else(String::new, |free| {
            format!("; {} free on its disk", models::size(free))
        });
        rows.push([
            "model file".to_owned(),
            format!(
                "{} ({}), {}{free}",
                self.file,
                self.origin,
                models::size(self.bytes)
            ),
        ]);
        let tokens = self.tokens.join(" ");
        rows.push([
            "prompt format".to_owned(),
            format!("{}, {}: {tokens}", self.format, self.order),
        ]);
        for adapter in &self.adapters {
            rows.push(["LoRA adapter".to_owned(), adapter.clone()]);
        }
        let [prefix, suffix, tail, context] = self.windows.map(|bytes| thousands(bytes as u64));
        rows.push(["windows".to_owned(), format!("{prefix} bytes before the cursor, {suffix} after, {tail} being typed, {context} of other files")]);
        let vocabulary = thousands(self.vocabulary_size as u64);
        rows.push([
            "context".to_owned(),
            format!(
                "{} tokens, vocabulary of {vocabulary}",
                thousands(self.context_length as u64)
            ),
        ]);
        let runs = self.gpu.clone().unwrap_or_else(|| "processor".to_owned());
        rows.push(["runs on".to_owned(), runs]);
        for row in self.tuning.iter().flat_map(tuned::rows) {
            rows.push(row);
        }
        rows
    }
}

/// The order of a prompt in words.
fn order(order: Order) -> &'static str {
    match order {
        Order::Psm => "prefix, suffix, middle",
        Order::Spm => "suffix, prefix, middle",
        Order::LeftToRight => "prefix only",
    }
}

/// Why it is slow, or worse than it could be: each a sentence with the way out.
fn notes(summary: &Summary) -> Vec<String> {
    let nature = &summary.nature;
    let mut notes = [nature.notes.as_slice(), &nature.limits].concat();
    if summary.plan.format.order == Order::LeftToRight {
        notes.push("the model sees nothing behind the cursor: it has no fill-in-the-middle tokens, or `model.format` says left-to-right; a code model trained to fill in knows what follows".to_owned());
    }
    match summary.nature.roll_back {
        RollBack::Plain => {}
        RollBack::WindowKeptWhole(tokens) => notes.push(format!(
            "the model looks back {tokens} tokens in some of its layers; its cache is kept whole nevertheless, so that keys can be taken back, which takes more memory than it needs"
        )),
        kind @ (RollBack::Recurrent | RollBack::Hybrid) => {
            let layers = match kind {
                RollBack::Recurrent => "is recurrent",
                _ => "has recurrent layers",
            };
            notes.push(format!(
                "the model {layers}: what it has read cannot be taken back in part, so a key that does not merely append evaluates the whole prompt, and documents evict each other; a model with attention alone is quicker at the same size"
            ));
        }
    }
    notes
}

/// More than this is slow without a GPU.
const CPU: u64 = 1 << 30;

/// What else would run here, for who uses the built-in model.
pub(super) fn hint(is_builtin: bool, free_memory: Option<u64>, has_gpu: bool) -> Option<String> {
    // Half of what is free: the editor and the compiler want some, too.
    let half = free_memory? / 2;
    let most = if has_gpu { half } else { half.min(CPU) };
    let entry = catalogue::largest_within(most).filter(|_| is_builtin)?;
    Some(format!(
        "the built-in model is a small one; {} ({}, {} of memory; {}) would fit here: `ghostline models pull {}`",
        entry.title,
        entry.bytes().map(size)?,
        entry.memory().map(size)?,
        entry.suits,
        entry.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::script::Script;

    fn summary(order: Order, roll_back: RollBack) -> Summary {
        let mut summary = Script::new(["x"]).summary();
        summary.plan.format.order = order;
        summary.nature.roll_back = roll_back;
        summary
    }

    #[test]
    fn only_what_is_particular_is_said() {
        assert!(notes(&summary(Order::Psm, RollBack::Plain)).is_empty());
        let notes = notes(&summary(Order::LeftToRight, RollBack::Hybrid));
        assert!(notes[0].contains("sees nothing behind the cursor"));
        assert!(notes[1].contains("evaluates the whole prompt"));
    }

    #[test]
    fn a_model_is_proposed_that_fits_to_those_who_have_none() {
        let hint_for = |memory, has_gpu| hint(true, Some(memory), has_gpu);
        let with = hint_for(8 << 30, true).unwrap();
        assert!(with.contains("models pull qwen2.5-coder-3b"), "{with}");
        let without = hint_for(8 << 30, false).unwrap();
        assert!(
            without.contains("models pull qwen2.5-coder-0.5b"),
            "{without}"
        );
        assert_eq!(hint_for(100 << 20, true), None);
        assert_eq!(hint(false, Some(8 << 30), true), None);
        assert_eq!(hint(true, None, true), None);
    }
}
