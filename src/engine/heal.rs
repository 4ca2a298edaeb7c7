//! Token healing: the text after the last stable place of the tail is not evaluated, it constrains
//! what is decoded. Here are the place, the vocabulary sorted by bytes, and the choice among what is
//! allowed. Who decodes, and what a row of logits belongs to, is `worker.rs`.
//!
//! Why: a model that was asked after `Nod` has seen the tokens `N` and `od`, which training never put
//! before `e`. Asked before `Nod`, and held to it, it says `Node`. And what is not evaluated costs
//! nothing: while a word is being typed, the row of logits before it stays the same.

use std::ops::Range;

use super::{
    Branch,
    model::{Model, Token},
    sample::{self, Choice},
};

/// How many bytes may constrain decoding at most. Words longer than that are cut.
pub const MAX_REST: usize = 64;

/// What pre-tokenisers tell apart. They disagree in details; these classes serve all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Newline,
    Blank,
    Letter,
    Digit,
    Mark,
}

impl Class {
    fn of(char: char) -> Class {
        match char {
            '\n' | '\r' => Class::Newline,
            _ if char.is_whitespace() => Class::Blank,
            _ if char.is_alphabetic() => Class::Letter,
            _ if char.is_numeric() => Class::Digit,
            _ => Class::Mark,
        }
    }
}

/// Where the part of `tail` starts that may still become another token when more is typed: a byte
/// offset on a character boundary, at most [`MAX_REST`] bytes before the end.
///
/// The tokens of `tail[..boundary]` are then those that the same text has inside a longer one, for
/// byte-level BPE with the pre-tokenisers of GPT-2, GPT-4, Qwen2, StarCoder and the like. Other
/// tokenisers may join over it; that costs a token or two, never correctness.
///
/// Linear in what lies behind the boundary.
pub fn boundary(tail: &str) -> usize {
    let Some(last) = tail.chars().next_back() else {
        return 0;
    };
    let class = Class::of(last);
    if class == Class::Newline {
        return tail.len();
    }
    let run = run_start(tail, class);
    let before = &tail[..run];
    let start = match class {
        // Blanks go as a whole: which of them belong to the next word is not known yet.
        Class::Newline | Class::Blank => run,
        // ` ?\p{N}+`, ` ?[^\s\p{L}\p{N}]+`: one blank before belongs to them.
        Class::Digit | Class::Mark => run - leading(before, |char| char == ' '),
        // `[^\r\n\p{L}\p{N}]?\p{L}+`: so does one blank or mark before a word, but a mark only if
        // it stands alone; else it is in a run of marks, which is taken first and as a whole.
        Class::Letter => {
            let marks = run_start(before, Class::Mark);
            match before.len() - marks {
                0 => run - leading(before, |char| Class::of(char) == Class::Blank),
                _ if before[marks..].chars().nth(1).is_none()
                    && !before[..marks].ends_with(' ') =>
                {
                    marks
                }
                _ => run,
            }
        }
    };
    cut(tail, start)
}

/// Where the characters of `class` at the end of `text` start.
fn run_start(text: &str, class: Class) -> usize {
    text.trim_end_matches(|char| Class::of(char) == class).len()
}

/// The length of the last character of `text` if it is wanted, else 0.
fn leading(text: &str, is_wanted: impl Fn(char) -> bool) -> usize {
    text.chars()
        .next_back()
        .filter(|char| is_wanted(*char))
        .map_or(0, char::len_utf8)
}

/// Moves `start` right by whole multiples of [`MAX_REST`], so that it stays while the rest grows by
/// that much, then to a character boundary.
fn cut(tail: &str, start: usize) -> usize {
    let length = tail.len() - start;
    let mut at = start + length.saturating_sub(1) / MAX_REST * MAX_REST;
    while !tail.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// A vocabulary in the order of its tokens' bytes, so that the tokens that begin with a given text
/// are one contiguous range. Control tokens are not in it.
pub struct SortedVocabulary {
    tokens: Vec<Token>,
    /// Which bytes are tokens of their own.
    single: [bool; 256],
    candidates: Vec<Token>,
    logits: Vec<f32>,
}

impl SortedVocabulary {
    /// 1 ms for 8 k tokens, 95 ms for 152 k; done once per model.
    pub fn new(model: &dyn Model) -> SortedVocabulary {
        let mut tokens: Vec<Token> = (0..model.vocabulary_size() as i32).map(Token).collect();
        tokens.retain(|token| !model.is_end(*token) && !model.piece(*token).is_empty());
        tokens.sort_by(|a, b| model.piece(*a).cmp(model.piece(*b)).then(a.cmp(b)));
        let mut single = [false; 256];
        for token in &tokens {
            if let [byte] = model.piece(*token) {
                single[usize::from(*byte)] = true;
            }
        }
        SortedVocabulary {
            tokens,
            single,
            candidates: Vec::new(),
            logits: Vec::new(),
        }
    }

    /// Whether every text that begins with `rest` can be spelled whatever is chosen on the way. True
    /// for byte-level vocabularies; a rest for which it is false has to be evaluated.
    pub fn can_spell(&self, rest: &[u8]) -> bool {
        rest.iter().all(|byte| self.single[usize::from(*byte)])
    }

    /// The likeliest token by `row` that begins with `rest` or that `rest` begins with. `None` when
    /// there is no such token, or no logit is a number.
    ///
    /// Two binary searches per byte of `rest`, each within the range of the one before, then one
    /// gather of what is allowed. A blank allows most, a third of the vocabulary: 2 µs of 8 k tokens,
    /// 42 µs of 152 k (p99 0.3 ms; AVX-512 EPYC, one core). Longer ones take 1 µs.
    pub fn choose(&mut self, model: &dyn Model, row: &[f32], rest: &[u8]) -> Option<Choice> {
        let range = self.agreeing(model, rest);
        self.candidates.extend_from_slice(&self.tokens[range]);
        sample::best_among(row, &self.candidates, &mut self.logits)
    }

    /// The range of the tokens that begin with `rest`; those that `rest` begins with, and are not all of
    /// it, are put into `candidates`.
    fn agreeing(&mut self, model: &dyn Model, rest: &[u8]) -> Range<usize> {
        let mut range = 0..self.tokens.len();
        self.candidates.clear();
        for (at, byte) in rest.iter().enumerate() {
            let tokens = &self.tokens[range.clone()];
            // Everything in the range agrees with `rest` before `at`; what ends there sorts first.
            let ended = tokens.partition_point(|token| model.piece(*token).len() == at);
            self.candidates.extend_from_slice(&tokens[..ended]);
            let tokens = &tokens[ended..];
            let from = tokens.partition_point(|token| model.piece(*token)[at] < *byte);
            let to =
                from + tokens[from..].partition_point(|token| model.piece(*token)[at] == *byte);
            range = range.start + ended + from..range.start + ended + to;
        }
        range
    }

    /// The `count` likeliest characters by `row` behind `rest`, with their probabilities among the
    /// tokens that agree with it. Each has those of the tokens that begin with `rest` and it; tokens
    /// that end before, or within the character, tell nothing, and belong to none.
    ///
    /// Tokens with the same start are neighbours, so one pass is enough.
    pub fn branches(
        &mut self,
        model: &dyn Model,
        row: &[f32],
        rest: &[u8],
        count: usize,
    ) -> Vec<Branch> {
        let range = self.agreeing(model, rest);
        let tokens = &self.tokens[range];
        let logit = |token: &Token| row[token.0 as usize];
        self.logits.clear();
        let (top, sum) = if rest.is_empty() {
            // The end may come, too.
            let top = sample::max(row);
            (top, sample::sum_exp(row, top))
        } else {
            let all = self.candidates.iter().chain(tokens);
            self.logits.extend(all.map(logit));
            let top = sample::max(&self.logits);
            (top, sample::sum_exp(&self.logits, top))
        };
        let mut branches: Vec<Branch> = Vec::new();
        let mut first: &[u8] = &[];
        for token in tokens {
            let piece = &model.piece(*token)[rest.len()..];
            let is_same = !first.is_empty() && piece.starts_with(first);
            if !is_same {
                let Some(char) = first_char(piece) else {
                    continue;
                };
                first = &piece[..char.len_utf8()];
                branches.push(Branch {
                    text: char.to_string(),
                    probability: 0.0,
                });
            }
            if let Some(branch) = branches.last_mut() {
                branch.probability += sample::exp(logit(token) - top) / sum;
            }
        }
        branches.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        branches.truncate(count);
        branches
    }
}

/// `None` when it is not complete, or there is none.
fn first_char(bytes: &[u8]) -> Option<char> {
    let start = &bytes[..bytes.len().min(4)];
    let chunk = start.utf8_chunks().next()?;
    chunk.valid().chars().next()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::script::Script;

    /// The boundary is drawn as `|` in what is typed.
    #[track_caller]
    fn check(expected: &str) {
        let tail = expected.replacen('|', "", 1);
        let at = boundary(&tail);
        assert_eq!(format!("{}|{}", &tail[..at], &tail[at..]), expected);
    }

    #[test]
    fn a_word_goes_with_the_blank_or_the_single_mark_before_it() {
        check("let| ba");
        check("foo|.ba");
        check("foo|(ba");
        check("foo|_ba");
        check("|fo");
        check("a\n|fo");
        check("a\n|\tfo");
        check("a\n   | fo");
        check("é|.größ");
    }

    #[test]
    fn marks_stay_together() {
        check("std|::");
        check("std::|Ve");
        check("f()?.|x");
        check("x| +=");
        check("x| =");
        check("if (|x");
        check("a\n   | //");
    }

    #[test]
    fn digits_stand_apart() {
        check("u|32");
        check("=| (");
        check("=| 12");
        check("(|12");
        check("x2|y");
    }

    #[test]
    fn blanks_are_open_as_long_as_they_last() {
        check("x =| ");
        check("x =|   ");
        check("{\n|    ");
        check("{\n|\t\t");
        check("|  ");
    }

    #[test]
    fn behind_a_line_break_nothing_is_open() {
        check("{\n|");
        check("{\r\n|");
        check("|");
    }

    #[test]
    fn a_long_rest_is_cut_in_steps() {
        let word = "x".repeat(2 * MAX_REST + 3);
        for length in 1..=word.len() {
            let at = boundary(&word[..length]);
            assert_eq!(at, (length - 1) / MAX_REST * MAX_REST);
        }
        let word = "語".repeat(60);
        assert!(word.is_char_boundary(boundary(&word)) && word.len() - boundary(&word) <= MAX_REST);
    }

    /// What [`SortedVocabulary::choose`] says, by trying every token.
    fn slow(model: &dyn Model, row: &[f32], rest: &[u8]) -> Option<Token> {
        let allowed = |token: &Token| {
            let piece = model.piece(*token);
            !model.is_end(*token)
                && !piece.is_empty()
                && (piece.starts_with(rest) || rest.starts_with(piece))
        };
        let tokens = (0..model.vocabulary_size() as i32)
            .map(Token)
            .filter(allowed);
        tokens.min_by(|a, b| {
            row[b.0 as usize]
                .total_cmp(&row[a.0 as usize])
                .then(a.cmp(b))
        })
    }

    /// What [`SortedVocabulary::branches`] says of all characters, by the textbook.
    fn shares(model: &dyn Model, row: &[f32], rest: &[u8]) -> BTreeMap<String, f64> {
        let agrees = |token: &Token| {
            let piece = model.piece(*token);
            rest.is_empty()
                || (!piece.is_empty() && (piece.starts_with(rest) || rest.starts_with(piece)))
        };
        let weight = |token: &Token| f64::from(row[token.0 as usize]).exp();
        let tokens = (0..model.vocabulary_size() as i32).map(Token);
        let tokens: Vec<Token> = tokens.filter(agrees).collect();
        let sum: f64 = tokens.iter().map(weight).sum();
        let mut shares = BTreeMap::new();
        for token in &tokens {
            let behind = model.piece(*token).get(rest.len()..).unwrap_or_default();
            if let Some(char) = String::from_utf8_lossy(behind).chars().next()
                && behind.starts_with(char.to_string().as_bytes())
            {
                *shares.entry(char.to_string()).or_default() += weight(token) / sum;
            }
        }
        shares
    }

    #[test]
    fn a_characters_probability_is_that_of_all_tokens_that_begin_with_it() {
        let model = Script::new(Vec::<String>::new()).model();
        let mut row = vec![-50.0; model.vocabulary_size()];
        // Behind `(`, what begins with it counts: `(` itself, and `()` and `();`. Not ` =`.
        for (text, weight) in [("(", 2.0_f32), ("()", 1.0), ("();", 1.0), (" =", 100.0)] {
            let token = model.tokenize(text);
            assert_eq!(token.len(), 1, "{text}");
            row[token[0].0 as usize] = weight.ln();
        }
        let branches = SortedVocabulary::new(&model).branches(&model, &row, b"(", 3);
        assert_eq!(branches.len(), 1);
        assert_eq!(branches[0].text, ")");
        assert!((branches[0].probability - 0.5).abs() < 1e-5, "{branches:?}");
        // Behind nothing, all counts.
        let branches = SortedVocabulary::new(&model).branches(&model, &row, b"", 2);
        let texts: Vec<&str> = branches.iter().map(|branch| branch.text.as_str()).collect();
        assert_eq!(texts, [" ", "("]);
        assert!(
            (branches[1].probability - 4.0 / 104.0).abs() < 1e-5,
            "{branches:?}"
        );
    }

    proptest! {
        #[test]
        fn branches_are_the_likeliest_characters(rest in "[ \tle(é語n]{0,3}", seed in any::<u64>(), count in 1..400_usize) {
            let model = Script::new(Vec::<String>::new()).model();
            let mut vocabulary = SortedVocabulary::new(&model);
            let row: Vec<f32> = (0..model.vocabulary_size() as u64).map(|id| ((id + 1).wrapping_mul(seed | 1) >> 59) as f32 / 4.0).collect();
            let shares = shares(&model, &row, rest.as_bytes());
            let branches = vocabulary.branches(&model, &row, rest.as_bytes(), count);
            prop_assert_eq!(branches.len(), count.min(shares.len()));
            prop_assert!(branches.is_sorted_by(|a, b| a.probability >= b.probability));
            for branch in &branches {
                prop_assert!((f64::from(branch.probability) - shares[&branch.text]).abs() < 1e-4);
            }
            let least = branches.last().map_or(0.0, |branch| f64::from(branch.probability));
            let better = shares.values().filter(|share| **share > least + 1e-4).count();
            prop_assert!(better <= branches.len());
        }

        #[test]
        fn the_choice_is_the_best_of_all_tokens_that_agree(rest in "[ \tlet:()éß語n]{1,6}", seed in any::<u64>()) {
            let model = Script::new(Vec::<String>::new()).model();
            let mut vocabulary = SortedVocabulary::new(&model);
            // Few different logits, so that ties are common.
            let row: Vec<f32> = (0..model.vocabulary_size() as u64).map(|id| ((id + 1).wrapping_mul(seed | 1) >> 60) as f32).collect();
            prop_assert!(vocabulary.can_spell(rest.as_bytes()));
            let choice = vocabulary.choose(&model, &row, rest.as_bytes()).map(|choice| choice.token);
            prop_assert_eq!(choice, slow(&model, &row, rest.as_bytes()));
        }

        #[test]
        fn the_rest_is_short_and_starts_at_a_character(tail in any::<String>()) {
            let at = boundary(&tail);
            prop_assert!(tail.is_char_boundary(at) && tail.len() - at <= MAX_REST);
        }

        #[test]
        fn a_boundary_never_moves_left_while_more_is_typed(tail in "[ \ta-c0-9_.:(\n語]{1,40}") {
            // Otherwise tokens that were evaluated already would be thrown away.
            let mut last = 0;
            for (at, char) in tail.char_indices() {
                let now = boundary(&tail[..at + char.len_utf8()]);
                prop_assert!(now >= last, "{now} after {last}");
                last = now;
            }
        }
    }
}
