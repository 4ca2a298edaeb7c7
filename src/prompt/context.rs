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
        let end = text.floor_char_boundary(size);
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
