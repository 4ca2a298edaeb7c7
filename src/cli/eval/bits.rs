//! Bits per byte: how well a model knows held-out text, whatever is made of it afterwards.
//!
//! This goes past the server, to the model itself: the text before a stretch, as much as a prompt has room for, then
//! the stretch, token by token as it stands. With the suffix in front, when the model has it there, since that is how
//! such models read a text that simply goes on; else plain.

use anyhow::{Context, anyhow};

use super::{
    super::random::Random,
    cursors::{Lines, line_around, stream},
    files::File,
};
use crate::{
    engine::{
        Cancel,
        model::{Model, Sequence, Token},
    },
    prompt::{Segment, anchor::Plan, format::Order},
    syntax::language::Language,
};

/// How much is told at a time, in bytes.
const STRETCH: usize = 400;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// An index into the files.
    file: usize,
    /// In bytes; the start of a line.
    start: usize,
    end: usize,
}

/// `count` stretches in the files of `language`, or as many as there are; none overlaps another.
pub(super) fn draw(files: &[File], language: &Language, count: usize, seed: u64) -> Vec<Stretch> {
    let mut random = Random::new(stream(seed, &format!("{}/bits", language.name)));
    let lines = Lines::new(files, language);
    let mut found: Vec<Stretch> = Vec::new();
    for _ in 0..count * 4 {
        if found.len() == count {
            break;
        }
        let Some((file, byte)) = lines.draw(&mut random) else {
            break;
        };
        let text = &files[file].text;
        let start = line_around(text, byte).0;
        let end = crate::prompt::floor(text, start + STRETCH);
        let overlaps =
            |other: &Stretch| other.file == file && other.start < end && start < other.end;
        if start < end && !found.iter().any(overlaps) {
            found.push(Stretch { file, start, end });
        }
    }
    found.sort_by_key(|stretch| (stretch.file, stretch.start));
    found
}

/// The bits that the model needs for a stretch, and the bytes that it tells with them.
pub(super) fn bits(
    model: &mut dyn Model,
    plan: &Plan,
    files: &[File],
    stretch: Stretch,
) -> anyhow::Result<(f64, f64)> {
    let File { text, language, .. } = &files[stretch.file];
    let room = plan.windows.prefix + plan.windows.tail;
    let from = match stretch.start.saturating_sub(room) {
        0 => 0,
        // A line start, as windows have it, if there is one.
        cut => line_around(text, crate::prompt::floor(text, cut))
            .1
            .min(stretch.start),
    };
    let mut tokens = lead(model, plan, &language.name)?;
    let head = tokens.len();
    tokens.extend(model.tokenize(&text[from..stretch.end]));

    // Tokens that begin before the stretch belong to what is given.
    let mut at = from;
    let mut first = head;
    while first < tokens.len() && (at < stretch.start || first == 0) {
        at += model.piece(tokens[first]).len();
        first += 1;
    }
    let n_bytes = stretch.end.saturating_sub(at);
    let mut bits = 0.0;
    let sequence = Sequence(0);
    model.truncate(sequence, 0);
    let mut held = 0;
    while held < tokens.len() {
        // What is given needs no rows; the last of it tells of the first that is to be told.
        let given = first.saturating_sub(1);
        let end = if held < given { given } else { tokens.len() };
        let n = model.batch_size().min(end - held);
        let rows = if held < given { 1 } else { n };
        model
            .decode(
                sequence,
                held,
                &tokens[held..held + n],
                rows,
                &Cancel::default(),
            )
            .map_err(|error| anyhow!("{error}"))
            .context("while the model reads held-out text")?;
        for row in 0..rows {
            let next = held + n - rows + row + 1;
            if next >= first && next < tokens.len() {
                bits += cost(model.logits(row), tokens[next]);
            }
        }
        held += n;
    }
    Ok((bits, n_bytes as f64))
}

/// What stands before a text that simply goes on.
fn lead(model: &dyn Model, plan: &Plan, language: &str) -> anyhow::Result<Vec<Token>> {
    let mut tokens: Vec<Token> = model.start_token().into_iter().collect();
    if plan.format.order == Order::Spm {
        for segment in plan.format.head(language, &[], "", "") {
            if let Segment::Special(spelling) = segment {
                let token = model.special(&spelling);
                tokens.push(token.with_context(|| format!("the model has no token `{spelling}`"))?);
            }
        }
    }
    Ok(tokens)
}

/// The bits of `token` by a row of logits.
fn cost(row: &[f32], token: Token) -> f64 {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|logit| f64::from(logit - top).exp()).sum();
    let log_probability = f64::from(row[token.0 as usize] - top) - sum.ln();
    -log_probability / std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::script::Script;

    fn file(text: &str) -> File {
        File {
            name: "a.rs".to_owned(),
            language: Language::of("", Some(Path::new("a.rs"))),
            text: text.to_owned(),
            is_development: false,
        }
    }

    #[test]
    fn a_token_costs_what_its_probability_says() {
        let row = [0.0, 3f32.ln(), f32::NEG_INFINITY];
        assert!((cost(&row, Token(0)) - 2.0).abs() < 1e-6);
        assert!((cost(&row, Token(1)) - (4.0f64 / 3.0).log2()).abs() < 1e-6);
        assert_eq!(cost(&row, Token(2)), f64::INFINITY);
    }

    #[test]
    fn stretches_do_not_overlap_and_are_the_same_each_time() {
        let files = [file(&"let answer = 42;\n".repeat(400))];
        let drawn = draw(&files, files[0].language, 8, 3);
        assert_eq!(drawn, draw(&files, files[0].language, 8, 3));
        assert!(drawn.len() > 4);
        assert!(drawn.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }

    #[test]
    fn a_text_that_the_model_knows_by_heart_costs_less_than_another() {
        let known = "fn main() {\n    let answer = 42;\n}\n".repeat(4);
        let other = known.replace("answer", "reply");
        let files = [file(&known), file(&other)];
        let mut progress = |_: f32| true;
        let (mut model, summary) = (Script::new([known.as_str()]).loader())(&mut progress).unwrap();
        let mut of = |file: usize| {
            let stretch = Stretch {
                file,
                start: 12,
                end: files[file].text.len(),
            };
            let (bits, bytes) = bits(&mut *model, &summary.plan, &files, stretch).unwrap();
            assert!(bytes > 100.0 && bytes <= (files[file].text.len() - 12) as f64);
            bits / bytes
        };
        let (by_heart, new) = (of(0), of(1));
        assert!(by_heart < new, "{by_heart} {new}");
    }
}
