//! Text from other open files that is worth having in the head: the piece of each that is most like the
//! lines around the cursor. Chosen only when the head is made anew, and frozen with it.
//!
//! Likeness is the Jaccard index of the sets of words (identifiers, keywords, numbers) of two pieces. It
//! costs one pass over a bounded part of a bounded number of files, and no index has to be kept.

use std::collections::HashSet;

use super::{Segment, format::Format, window};
use crate::{
    document::Snapshot,
    syntax::language::Language,
    text::{ByteOffset, Text},
};

/// How many other documents are looked at, most recent first.
const MAX_FILES: usize = 8;
/// How much of each.
const MAX_BYTES: usize = 32 * 1024;
/// How many lines a piece has, and how far apart pieces start.
const PIECE_LINES: usize = 40;
const PIECE_STEP: usize = 20;
/// How many pieces are used at most.
const MAX_PIECES: usize = 4;
/// Below this nothing is shared but keywords.
const LEAST_LIKENESS: f32 = 0.05;
/// Another language's text is worth this much of the same language's.
const OTHER_LANGUAGE: f32 = 0.5;
/// The bytes before and after the cursor that pieces are compared with.
const BEFORE: usize = 1024;
const AFTER: usize = 512;

/// A piece of another file.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    text: String,
    likeness: f32,
}

/// The segments for at most `budget` bytes of text from `others` (most recent first), the most alike last,
/// where it is nearest to the cursor. Empty if the budget is 0 or nothing is alike.
pub fn segments(
    snapshot: &Snapshot,
    cursor: ByteOffset,
    others: &[Snapshot],
    format: &Format,
    budget: usize,
) -> Vec<Segment> {
    if budget == 0 || others.is_empty() {
        return Vec::new();
    }
    let mut pieces = pieces(snapshot, cursor, others);
    let mut left = budget;
    pieces.retain_mut(|piece| {
        shorten(&mut piece.text, left);
        left -= piece.text.len();
        !piece.text.trim().is_empty()
    });
    pieces.reverse();
    render(&pieces, format, snapshot.language)
}

/// The best piece of each file, the most alike first.
fn pieces(snapshot: &Snapshot, cursor: ByteOffset, others: &[Snapshot]) -> Vec<Piece> {
    let around = around(&snapshot.text, cursor);
    let here: HashSet<&str> = words(&around).collect();
    let mut pieces: Vec<Piece> = others
        .iter()
        .take(MAX_FILES)
        .filter_map(|other| {
            let weight = if std::ptr::eq(other.language, snapshot.language) {
                1.0
            } else {
                OTHER_LANGUAGE
            };
            best_piece(&other.text, &here, weight)
        })
        .collect();
    // A stable sort: between equals the more recent file comes first.
    pieces.sort_by(|a, b| b.likeness.total_cmp(&a.likeness));
    pieces.truncate(MAX_PIECES);
    pieces
}

fn around(text: &Text, cursor: ByteOffset) -> String {
    text.slice(ByteOffset(cursor.0.saturating_sub(BEFORE))..ByteOffset(cursor.0 + AFTER))
}

fn best_piece(text: &Text, here: &HashSet<&str>, weight: f32) -> Option<Piece> {
    let source = text.slice(ByteOffset(0)..window::end(text, ByteOffset(0), MAX_BYTES));
    let lines: Vec<&str> = source.split_inclusive('\n').collect();
    let words_of: Vec<Vec<&str>> = lines.iter().map(|line| words(line).collect()).collect();
    let mut best: Option<(usize, f32)> = None;
    for first in (0..lines.len()).step_by(PIECE_STEP) {
        let there: HashSet<&str> = words_of[first..]
            .iter()
            .take(PIECE_LINES)
            .flatten()
            .copied()
            .collect();
        let likeness = weight * jaccard(here, &there);
        if likeness >= LEAST_LIKENESS && best.is_none_or(|(_, best)| likeness > best) {
            best = Some((first, likeness));
        }
    }
    let (first, likeness) = best?;
    Some(Piece {
        text: lines[first..].iter().take(PIECE_LINES).copied().collect(),
        likeness,
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.len() > 1)
}

fn jaccard(a: &HashSet<&str>, b: &HashSet<&str>) -> f32 {
    let shared = a.intersection(b).count();
    let all = a.len() + b.len() - shared;
    if all == 0 {
        0.0
    } else {
        shared as f32 / all as f32
    }
}

/// Cuts `text` to whole lines of at most `size` bytes in all.
fn shorten(text: &mut String, size: usize) {
    if text.len() > size {
        let end = super::floor(text, size);
        text.truncate(text[..end].rfind('\n').map_or(0, |at| at + 1));
    }
}

/// With a separator token where the format has one, else as comments. The names are constants, as in
/// llama.cpp's server: the models saw a name there, and the real ones are not known at this layer.
fn render(pieces: &[Piece], format: &Format, language: &Language) -> Vec<Segment> {
    if pieces.is_empty() {
        return Vec::new();
    }
    let Some(separator) = &format.file_separator else {
        let comment = language.line_comment.as_deref().unwrap_or("#");
        let lines = pieces.iter().flat_map(|piece| piece.text.lines());
        let text = lines
            .map(|line| format!("{comment} {line}").trim_end().to_owned() + "\n")
            .collect();
        return vec![Segment::Text(text)];
    };
    let mut segments = Vec::new();
    let has_names = format.repository.is_some();
    if let Some(repository) = &format.repository {
        segments.extend([
            Segment::Special(repository.clone()),
            Segment::Text("project\n".into()),
        ]);
    }
    for piece in pieces {
        let name = if has_names { "other\n" } else { "" };
        segments.extend([
            Segment::Special(separator.clone()),
            Segment::Text(format!("{name}{}", piece.text)),
        ]);
    }
    segments.push(Segment::Special(separator.clone()));
    if has_names {
        segments.push(Segment::Text("current\n".into()));
    }
    segments
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::{
        document::Document,
        prompt::format::{ModelFacts, recognise},
    };

    const QWEN: &[&str] = &[
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        "<|repo_name|>",
        "<|file_sep|>",
    ];
    const STARCODER2: &[&str] = &[
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        "<repo_name>",
        "<file_sep>",
    ];
    const STARCODER: &[&str] = &["<fim_prefix>", "<fim_suffix>", "<fim_middle>"];

    fn format(tokens: &[&str]) -> Format {
        let control_tokens = tokens.iter().copied().map(String::from).collect();
        let facts = ModelFacts {
            control_tokens,
            ..ModelFacts::default()
        };
        recognise(&facts, None).expect("its tokens are there")
    }

    fn document(language_id: &str, text: &str) -> Snapshot {
        Document::new(text, 1, language_id, None).snapshot()
    }

    #[track_caller]
    fn check(tokens: &[&str], others: &[(&str, &str)], budget: usize, expected: Expect) {
        let here = document(
            "rust",
            "fn area(width: u32, height: u32) -> u32 {\n    width *\n}\n",
        );
        let others: Vec<Snapshot> = others
            .iter()
            .map(|(language_id, text)| document(language_id, text))
            .collect();
        let found = segments(&here, ByteOffset(50), &others, &format(tokens), budget);
        let drawn = found.iter().map(|segment| match segment {
            Segment::Special(token) => format!("⟨{token}⟩"),
            Segment::Text(text) | Segment::Suffix(text) => text.replace('\n', "⏎"),
        });
        expected.assert_eq(&drawn.collect::<String>());
    }

    const NEAR: &str = "fn volume(width: u32, height: u32, depth: u32) -> u32 {\n}\n";
    const FAR: &str = "fn sides(height: u32) -> Vec<Side> {\n    todo\n}\n";

    #[test]
    fn the_most_alike_stands_last() {
        let expected = expect![[
            r#"⟨<|repo_name|>⟩project⏎⟨<|file_sep|>⟩other⏎fn sides(height: u32) -> Vec<Side> {⏎    todo⏎}⏎⟨<|file_sep|>⟩other⏎fn volume(width: u32, height: u32, depth: u32) -> u32 {⏎}⏎⟨<|file_sep|>⟩current⏎"#
        ]];
        check(QWEN, &[("rust", NEAR), ("rust", FAR)], 1000, expected);
    }

    #[test]
    fn a_format_without_names_gets_none() {
        check(
            STARCODER2,
            &[("rust", NEAR)],
            1000,
            expect![
                "⟨<file_sep>⟩fn volume(width: u32, height: u32, depth: u32) -> u32 {⏎}⏎⟨<file_sep>⟩"
            ],
        );
    }

    #[test]
    fn a_format_without_separator_gets_comments() {
        check(
            STARCODER,
            &[("rust", NEAR)],
            1000,
            expect!["// fn volume(width: u32, height: u32, depth: u32) -> u32 {⏎// }⏎"],
        );
    }

    #[test]
    fn the_same_language_is_preferred() {
        check(
            STARCODER2,
            &[("python", NEAR), ("rust", NEAR)],
            60,
            expect![
                "⟨<file_sep>⟩fn volume(width: u32, height: u32, depth: u32) -> u32 {⏎}⏎⟨<file_sep>⟩"
            ],
        );
    }

    #[test]
    fn what_has_nothing_in_common_is_left_out() {
        check(
            QWEN,
            &[
                ("rust", "mod tests {\n    use super::*;\n}\n"),
                ("rust", ""),
            ],
            1000,
            expect![""],
        );
    }

    #[test]
    fn the_budget_holds_in_whole_lines() {
        check(
            STARCODER2,
            &[("rust", FAR)],
            45,
            expect!["⟨<file_sep>⟩fn sides(height: u32) -> Vec<Side> {⏎⟨<file_sep>⟩"],
        );
        check(STARCODER2, &[("rust", FAR)], 20, expect![""]);
        check(STARCODER2, &[("rust", FAR)], 0, expect![""]);
    }

    #[test]
    fn the_best_piece_of_a_long_file_is_found() {
        let long = format!(
            "{}{NEAR}{}",
            "let other = 1;\n".repeat(200),
            "let other = 2;\n".repeat(200)
        );
        let piece =
            best_piece(&Text::new(&long), &words(NEAR).collect(), 1.0).expect("it is there");
        assert!(piece.text.contains(NEAR));
        assert_eq!(piece.text.lines().count(), PIECE_LINES);
    }

    #[test]
    fn a_huge_file_is_read_in_part() {
        let long = format!("{}{NEAR}", "let other = 1;\n".repeat(10_000));
        assert!(best_piece(&Text::new(&long), &words("volume depth").collect(), 1.0).is_none());
    }
}
