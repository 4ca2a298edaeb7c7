//! The models known by name: `models/catalogue.toml`, read. Where a name leads beside these is `name.rs`'s.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::engine::llama;

const CATALOGUE: &str = include_str!("../../models/catalogue.toml");

/// A model that the catalogue knows. What nobody has written down is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// How it is asked for: lower case, without blanks.
    pub name: String,
    pub title: String,
    /// `organisation/name` on the hub.
    pub repository: String,
    /// The commit that the size and the hash are of.
    pub revision: Option<String>,
    pub file: String,
    /// In bytes, exact.
    pub size: Option<u64>,
    /// In 1e9 bytes, as rounded by the hub's page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_gb: Option<f64>,
    pub sha256: Option<String>,
    pub quantisation: String,
    pub licence: String,
    /// The name of the prompt format that the model is recognised as.
    pub format: String,
    /// `psm` or `spm`.
    pub order: String,
    /// What a token takes in an F16 cache.
    pub kv_bytes: Option<u64>,
    /// What it takes to be quick.
    pub suits: String,
}

impl Entry {
    /// Bytes of the file, exact or rounded.
    pub fn bytes(&self) -> Option<u64> {
        let rounded = || self.size_gb.map(|gb| (gb * 1e9) as u64);
        self.size.or_else(rounded)
    }

    /// Bytes of memory that the model takes when it runs: weights and cache.
    pub fn memory(&self) -> Option<u64> {
        let weights = self.bytes()?;
        Some(weights + llama::most_cache_bytes(self.kv_bytes, weights))
    }
}

#[derive(Deserialize)]
struct File {
    model: Vec<Entry>,
}

/// All of them, small ones first.
pub fn all() -> &'static [Entry] {
    static ALL: OnceLock<Vec<Entry>> = OnceLock::new();
    ALL.get_or_init(|| {
        let file: File = toml::from_str(CATALOGUE).expect("a test reads the catalogue");
        file.model
    })
}

/// The one of this name, in whatever case.
pub fn find(name: &str) -> Option<&'static Entry> {
    all()
        .iter()
        .find(|entry| entry.name.eq_ignore_ascii_case(name))
}

/// The one whose name is the most like `name`, if any is.
pub fn nearest(name: &str) -> Option<&'static Entry> {
    let likeness =
        |entry: &Entry| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &entry.name);
    all()
        .iter()
        .map(|entry| (likeness(entry), entry))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, entry)| entry)
}

/// The one with the largest file of those that run in `memory` bytes. Not the one that takes the most of it: a model
/// whose heads share no keys has several times the cache, and is none the better for it.
pub fn largest_within(memory: u64) -> Option<&'static Entry> {
    all()
        .iter()
        .filter(|entry| entry.memory().is_some_and(|needed| needed <= memory))
        .max_by_key(|entry| entry.bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::prompt::format::{self, Order};

    #[test]
    fn every_model_has_a_name_a_place_a_licence_and_a_known_format() {
        let mut names = HashSet::new();
        assert!(all().len() >= 11);
        for entry in all() {
            let name = &entry.name;
            assert!(names.insert(name), "{name} stands there twice");
            let is_plain = |char: char| {
                char.is_ascii_lowercase() || char.is_ascii_digit() || "-.".contains(char)
            };
            assert!(name.chars().all(is_plain), "{name}");
            assert_eq!(entry.repository.matches('/').count(), 1, "{name}");
            assert!(entry.file.ends_with(".gguf"), "{name}");
            for text in [&entry.title, &entry.licence, &entry.suits] {
                assert!(!text.is_empty(), "{name}");
            }
            let order = format::order_of(&entry.format).expect("the format is known");
            let expected = match order {
                Order::Psm => "psm",
                Order::Spm => "spm",
                Order::LeftToRight => "left-to-right",
            };
            assert_eq!(entry.order, expected, "{name}");
        }
    }

    #[test]
    fn what_is_said_of_a_file_is_well_formed_or_left_out() {
        let is_hex = |text: &str, len| {
            text.len() == len && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
        };
        for entry in all() {
            assert!(
                entry.sha256.as_deref().is_none_or(|hash| is_hex(hash, 64)),
                "{}",
                entry.name
            );
            assert!(
                entry.revision.as_deref().is_none_or(|it| is_hex(it, 40)),
                "{}",
                entry.name
            );
            assert!(entry.size.is_none() || entry.size_gb.is_none());
        }
    }

    #[test]
    fn memory_is_that_of_weights_and_cache() {
        let small = find("Qwen2.5-Coder-1.5B").unwrap();
        // 8192 tokens of 28 KiB.
        assert_eq!(small.memory(), Some(1_646_573_056 + 8192 * 28_672));
        assert_eq!(find("mellum-4b").unwrap().memory(), None);
    }

    #[test]
    fn a_name_that_is_nearly_right_is_recognised_as_such() {
        assert_eq!(
            nearest("qwen-2.5-coder-1.5b").unwrap().name,
            "qwen2.5-coder-1.5b"
        );
        assert!(nearest("nonsense").is_none());
    }

    #[test]
    fn the_largest_that_fits_is_the_one_with_the_most_weights() {
        let [deepseek, qwen] =
            ["deepseek-coder-1.3b", "qwen2.5-coder-1.5b"].map(|name| find(name).unwrap());
        let memory: u64 = 5 << 29;
        assert!(qwen.memory() < deepseek.memory() && deepseek.memory() < Some(memory));
        assert_eq!(largest_within(memory), Some(qwen));
        assert!(largest_within(1 << 20).is_none());
    }
}
