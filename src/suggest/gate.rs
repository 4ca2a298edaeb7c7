//! What is too uncertain to show: how likely a suggestion is to be right, from what the model found its tokens and from
//! where it stands.
//!
//! The probability is a logistic function of the evidence (`Evidence::features`). Its weights are not written by hand:
//! `ghostline eval --calibrate` finds them on source code that no model was trained with, and writes `models/gate.json`;
//! docs/evaluation.md says how. A model's family has its own, all others share a guess until they are measured.

use std::{collections::BTreeMap, ops::Range, sync::LazyLock};

use serde::{Deserialize, Serialize};

/// How sure the model was: natural-log probabilities of the generated tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Confidence {
    /// Of the first token generated.
    pub first: f32,
    /// Mean over all tokens shown.
    pub mean: f32,
    /// Of the least likely token.
    pub least: f32,
    /// How many tokens there are.
    pub tokens: u16,
}

/// One token of a completion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// Where the token starts in the text, in bytes.
    pub start: usize,
    /// Natural logarithm.
    pub log_probability: f32,
}

impl Confidence {
    /// Of text that is made of `tokens`; `None` where there are none.
    pub fn of(tokens: &[Likelihood]) -> Option<Confidence> {
        let sum: f32 = tokens.iter().map(|token| token.log_probability).sum();
        // A number that is none has to stay, so that nothing is made of it.
        let least = |least: f32, token: &Likelihood| match token.log_probability {
            broken if broken.is_nan() => broken,
            other if other < least => other,
            _ => least,
        };
        Some(Confidence {
            first: tokens.first()?.log_probability,
            mean: sum / tokens.len() as f32,
            least: tokens.iter().fold(0.0, least),
            tokens: tokens.len().try_into().unwrap_or(u16::MAX),
        })
    }
}

/// The tokens, in order, that a part of the text is made of. One that only ends there belongs to it with all of its
/// likelihood.
pub fn tokens_of<'t>(tokens: &'t [Likelihood], part: &Range<usize>) -> &'t [Likelihood] {
    let end = tokens.partition_point(|token| token.start < part.end);
    let first = tokens.partition_point(|token| token.start < part.start);
    let begins = tokens.get(first).map(|token| token.start);
    let first = match begins {
        Some(start) if start == part.start => first,
        _ => first.saturating_sub(1),
    };
    tokens.get(first..end).unwrap_or_default()
}

/// What is known of a suggestion when it is decided whether it is shown. Numbers only, no text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Natural-log probabilities: of the first token, the mean, and of the least likely one.
    pub first: f32,
    pub mean: f32,
    pub least: f32,
    pub tokens: u16,
    /// In the first line of what would be shown.
    pub characters: usize,
    /// How many characters of a word stand left of the cursor.
    pub typed: usize,
    /// Whether the line has nothing but blanks left of the cursor.
    pub is_whole_line: bool,
    /// Whether more than one line would be shown.
    pub is_block: bool,
}

/// The features that the weights belong to, in the order of [`Evidence::features`].
pub const FEATURES: [&str; 9] = [
    "mean",
    "least",
    "first",
    "sum",
    "tokens",
    "characters",
    "typed",
    "whole_line",
    "block",
];
/// So many of them, the first ones, tell how likely the tokens are: more of it never makes a suggestion less likely.
pub const N_LIKELIHOODS: usize = 4;
/// The length of the text: more of it never makes a suggestion likelier.
pub const CHARACTERS: usize = 5;

/// What is less likely than this, for a token and for all of them, makes no difference any more.
const LEAST: (f64, f64) = (-10.0, -40.0);

impl Evidence {
    /// Of `shown`, the text as it would appear behind `left` on its line.
    pub fn new(confidence: Confidence, left: &str, shown: &str) -> Evidence {
        let is_in_word = |char: &char| char.is_alphanumeric() || *char == '_';
        let first = shown.lines().next().unwrap_or_default();
        Evidence {
            first: confidence.first,
            mean: confidence.mean,
            least: confidence.least,
            tokens: confidence.tokens,
            characters: first.trim_end().chars().count(),
            typed: left.chars().rev().take_while(is_in_word).count(),
            is_whole_line: left.trim().is_empty(),
            is_block: shown.contains('\n'),
        }
    }

    /// As numbers of like size. Counts are logarithms: from 2 to 4 characters is as far as from 20 to 40.
    pub fn features(&self) -> [f64; FEATURES.len()] {
        // Not `max`, which takes the other one for what is not a number.
        let above = |value: f64, least: f64| if value < least { least } else { value };
        let token = |log_probability: f32| above(f64::from(log_probability), LEAST.0);
        let count = |count: usize| (1.0 + count as f64).ln();
        let sum = f64::from(self.mean) * f64::from(self.tokens.max(1));
        [
            token(self.mean),
            token(self.least),
            token(self.first),
            above(sum, LEAST.1),
            count(self.tokens.into()),
            count(self.characters),
            count(self.typed),
            f64::from(u8::from(self.is_whole_line)),
            f64::from(u8::from(self.is_block)),
        ]
    }
}

/// What evidence means: the constants of a logistic function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// What they were found on, for people.
    pub from: String,
    pub intercept: f64,
    /// By the names in [`FEATURES`]; what is missing counts nothing.
    pub weights: BTreeMap<String, f64>,
}

/// The weights of each family of models, by the name of its prompt format.
pub type Table = BTreeMap<String, Weights>;

/// The weights for models that have none of their own.
pub const OTHERS: &str = "others";

static TABLE: LazyLock<BTreeMap<String, (f64, [f64; FEATURES.len()])>> = LazyLock::new(|| {
    let table: Table = serde_json::from_str(include_str!("../../models/gate.json"))
        .expect("a test reads models/gate.json");
    let resolved = |weights: Weights| (weights.intercept, weights.in_order());
    table
        .into_iter()
        .map(|(family, weights)| (family, resolved(weights)))
        .collect()
});

impl Weights {
    /// In the order of [`FEATURES`].
    pub fn in_order(&self) -> [f64; FEATURES.len()] {
        FEATURES.map(|name| self.weights.get(name).copied().unwrap_or(0.0))
    }

    /// That the first line is right; see [`probability`].
    pub fn probability(&self, evidence: &Evidence) -> f64 {
        logistic(self.intercept, &self.in_order(), evidence)
    }
}

/// How likely the first line of a suggestion is to be what the user is about to type, with a model of this family (the
/// name of its prompt format); 0..=1, and not a number where the evidence is none: a broken model.
pub fn probability(evidence: &Evidence, family: &str) -> f64 {
    let (intercept, weights) = weights(family);
    logistic(*intercept, weights, evidence)
}

/// At most so likely, whatever text comes of it: what the text decides is as good as it can be.
pub(super) fn at_best(evidence: &Evidence, family: &str, may_be_block: bool) -> f64 {
    let (intercept, weights) = weights(family);
    let [.., characters, _, _, block] = weights;
    let evidence = Evidence {
        characters: if *characters > 0.0 { usize::MAX } else { 0 },
        is_block: may_be_block && *block > 0.0,
        ..*evidence
    };
    logistic(*intercept, weights, &evidence)
}

fn weights(family: &str) -> &'static (f64, [f64; FEATURES.len()]) {
    let weights = TABLE.get(family).or_else(|| TABLE.get(OTHERS));
    weights.expect("a test finds the weights for others")
}

fn logistic(intercept: f64, weights: &[f64; FEATURES.len()], evidence: &Evidence) -> f64 {
    let features = evidence.features();
    let terms = features.iter().zip(weights);
    let sum: f64 = terms.map(|(feature, weight)| feature * weight).sum();
    1.0 / (1.0 + (-(intercept + sum)).exp())
}

/// Whether a suggestion that is right with this probability is shown at `threshold`; at 0 everything is. What is not a
/// number (a broken model) is shown nowhere else.
pub fn is_worth_showing(probability: f64, threshold: f64) -> bool {
    threshold <= 0.0 || probability >= threshold
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_made_of_the_tokens_that_reach_into_it() {
        let tokens = [0, 3, 4, 8].map(|start| Likelihood {
            start,
            log_probability: -(start as f32),
        });
        let starts = |part: Range<usize>| -> Vec<usize> {
            let tokens = tokens_of(&tokens, &part);
            tokens.iter().map(|token| token.start).collect()
        };
        assert_eq!(starts(0..9), [0, 3, 4, 8]);
        assert_eq!(starts(0..8), [0, 3, 4]);
        assert_eq!(starts(2..4), [0, 3]);
        assert_eq!(starts(3..4), [3]);
        assert_eq!(starts(6..9), [4, 8]);
        assert_eq!(starts(9..12), [8]);
        assert_eq!(Confidence::of(tokens_of(&[], &(0..4))), None);
        let all = Confidence::of(&tokens).expect("there are tokens");
        assert_eq!((all.first, all.mean), (0.0, -15.0 / 4.0));
    }

    fn evidence(probabilities: &[f32]) -> Evidence {
        let tokens: Vec<Likelihood> = (probabilities.iter().enumerate())
            .map(|(start, probability)| Likelihood {
                start,
                log_probability: probability.ln(),
            })
            .collect();
        let confidence = Confidence::of(&tokens).unwrap();
        Evidence::new(confidence, "    let x", " = call();")
    }

    #[test]
    fn evidence_is_of_the_first_line_and_of_the_word_at_the_cursor() {
        let confidence = Confidence {
            first: -1.0,
            mean: -2.0,
            least: -3.0,
            tokens: 4,
        };
        let evidence = Evidence::new(confidence, "  ab_1", "cd() \n  more");
        assert_eq!((evidence.characters, evidence.typed), (4, 4));
        assert!(evidence.is_block && !evidence.is_whole_line);
        let [mean, least, first, sum, ..] = evidence.features();
        assert_eq!((mean, least, first, sum), (-2.0, -3.0, -1.0, -8.0));
        let evidence = Evidence::new(confidence, "\t ", "");
        assert!(evidence.is_whole_line && !evidence.is_block);
        assert_eq!((evidence.characters, evidence.typed), (0, 0));
    }

    #[test]
    fn every_family_is_surer_of_what_the_model_is_surer_of() {
        assert!(TABLE.contains_key(OTHERS) && TABLE.contains_key("ghostline"));
        for family in TABLE.keys() {
            let probability = |probabilities: &[f32]| probability(&evidence(probabilities), family);
            let rising = [0.001, 0.01, 0.1, 0.3, 0.6, 0.9, 0.99, 1.0].map(|p| probability(&[p; 6]));
            assert!(rising.is_sorted(), "{family}: {rising:?}");
            assert!(rising[0] < 0.1 && rising[7] > 0.5, "{family}: {rising:?}");
            for at in 0..3 {
                let (mut less, mut more) = ([0.5; 3], [0.5; 3]);
                (less[at], more[at]) = (0.2, 0.8);
                assert!(probability(&less) < probability(&more), "{family}, {at}");
            }
            let all = [&[0.0; 400][..], &[1.0; 400], &[1e-30], &[1.0]].map(probability);
            assert!(
                all.iter().all(|p| (0.0..=1.0).contains(p)),
                "{family}: {all:?}"
            );
        }
    }

    #[test]
    fn the_weights_have_names_that_are_known() {
        let table: Table = serde_json::from_str(include_str!("../../models/gate.json")).unwrap();
        for (family, weights) in table {
            let unknown = weights
                .weights
                .keys()
                .find(|name| !FEATURES.contains(&name.as_str()));
            assert_eq!(unknown, None, "{family}");
            let likelihoods = &weights.in_order()[..N_LIKELIHOODS];
            assert!(likelihoods.iter().all(|weight| *weight >= 0.0), "{family}");
            assert!(!weights.from.is_empty(), "{family}");
        }
    }

    #[test]
    fn an_unknown_family_has_the_weights_of_the_others() {
        let some = evidence(&[0.5, 0.9]);
        assert_eq!(probability(&some, "nobody's"), probability(&some, OTHERS));
    }

    #[test]
    fn a_threshold_of_zero_shows_everything() {
        assert!(is_worth_showing(1e-30, 0.0) && is_worth_showing(f64::NAN, 0.0));
        assert!(is_worth_showing(0.3, 0.3) && !is_worth_showing(0.29, 0.3));
        assert!(!is_worth_showing(0.999, 1.0));
    }

    #[test]
    fn a_broken_model_shows_nothing() {
        for probabilities in [&[f32::NAN][..], &[0.9, f32::NAN, 0.9]] {
            let probability = probability(&evidence(probabilities), "ghostline");
            assert!(!is_worth_showing(probability, 0.1), "{probability}");
        }
        let none = evidence(&[0.0, 0.0]);
        assert!(!is_worth_showing(probability(&none, "ghostline"), 0.1));
    }
}
