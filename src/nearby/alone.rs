//! The live cache without a model: the rest of a line, where other lines leave little doubt what it is.

use super::{Nearby, Place, Search, continuation::Continuation};
use crate::{document::Snapshot, nearby::Left, text::ByteOffset};

/// A line has to have begun with so much, indentation not counted...
const LEAST_LINE: usize = 6;
/// ...or so much before the cursor has to be alike.
const LEAST_MATCH: usize = 24;
/// So much of what is most alike has to go on in the same way.
const LEAST_AGREEING: f32 = 0.6;

/// The rest of the line at `cursor`, copied from this file or one of the others.
pub fn alone(snapshot: &Snapshot, cursor: ByteOffset, others: &[Snapshot]) -> Option<String> {
    let text = &snapshot.text;
    let cursor = text.floor(cursor);
    let line_start = text.line_start(text.line_of(cursor));
    let nearby = Nearby::of(snapshot, line_start, cursor, others);
    let typed = text.slice(line_start..cursor);
    let left = [nearby.left(), &typed].concat();
    let mut search = Search::new(nearby, &typed);
    let left = Left::new(left.as_bytes(), &[]);
    let places = search.places(&left);
    let is_alike = places.first().is_some_and(|best| {
        (best.is_line && left.line_length() >= LEAST_LINE) || best.matched >= LEAST_MATCH
    });
    if !is_alike {
        return None;
    }
    let is_as_alike = |place: &&Place| match places[0].is_line {
        true => place.is_line,
        false => place.matched >= LEAST_MATCH,
    };
    let lines: Vec<String> = places
        .iter()
        .filter(is_as_alike)
        .filter_map(|place| line_of(search.continuation(place, &left, &[])))
        .collect();
    let first = lines.first()?;
    let agreeing = lines.iter().filter(|line| *line == first).count();
    let is_clear = agreeing as f32 >= LEAST_AGREEING * lines.len() as f32;
    (is_clear && !first.trim().is_empty()).then(|| first.clone())
}

/// The first line of it, if that is whole.
fn line_of(continuation: Continuation) -> Option<String> {
    match continuation.text.split_once('\n') {
        Some((line, _)) => Some(line.trim_end().to_owned()),
        None => (!continuation.is_cut).then_some(continuation.text),
    }
}
