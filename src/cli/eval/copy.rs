//! The first thing to be better than: copying the rest of the most similar line of the same file.

/// Shorter beginnings of a line say nothing about its rest, in bytes.
const SHORTEST_BEGINNING: usize = 3;
/// How much of the text before the cursor is compared where no line begins like the cursor's, in bytes.
const LONGEST_BEFORE: usize = 40;
/// The same for a whole line, which has only what stands above it.
const LONGEST_ABOVE: usize = 200;
const SHORTEST_ABOVE: usize = 5;

/// What copying says at `cursor` in `text`, which has nothing behind it on its line; empty where nothing is similar.
///
/// In a line that is begun:
/// 1. the nearest line above that begins like it, indentation included; else the nearest such below; else, both ways,
///    one that begins like it indented otherwise. What follows there is copied to the end of that line;
/// 2. else what follows the place above at which most of the text before the cursor stands (at most 40 bytes, at least
///    3), of several the nearest.
///
/// In a line that is not: the line that follows where most of the text above stands that ends with a line (5 to 200
/// bytes), of several the nearest above.
pub(super) fn copied(text: &str, cursor: usize) -> &str {
    let start = text[..cursor].rfind('\n').map_or(0, |at| at + 1);
    let left = &text[start..cursor];
    let beginning = left.trim_start();
    let copied = if beginning.is_empty() {
        next_line(text, start)
    } else {
        let below = text[cursor..]
            .find('\n')
            .map_or(text.len(), |at| cursor + at + 1);
        let by_line = (beginning.len() >= SHORTEST_BEGINNING)
            .then(|| same_beginning(&text[..start], &text[below..], left))
            .flatten();
        by_line.or_else(|| same_before(text, start, cursor))
    };
    copied.unwrap_or_default().trim_end()
}

/// The rest of a line that begins like `left`.
fn same_beginning<'a>(above: &'a str, below: &'a str, left: &str) -> Option<&'a str> {
    let beginning = left.trim_start();
    let exact = |line: &'a str| line.strip_prefix(left);
    let indented = |line: &'a str| line.trim_start().strip_prefix(beginning);
    let mut above_below = above.lines().rev().filter_map(exact);
    above_below
        .next()
        .or_else(|| above.lines().rev().find_map(indented))
        .or_else(|| below.lines().find_map(exact))
        .or_else(|| below.lines().find_map(indented))
}

/// What follows, on its line, the place before `start` that has most of the text before `cursor` in front.
fn same_before(text: &str, start: usize, cursor: usize) -> Option<&str> {
    let before = &text.as_bytes()[cursor.saturating_sub(LONGEST_BEFORE)..cursor];
    let places = (1..start).rev();
    let at = longest(text, places, before, SHORTEST_BEGINNING)?;
    text[at..].lines().next()
}

/// The line after the place before `start` that has most of the text before `start` in front.
fn next_line(text: &str, start: usize) -> Option<&str> {
    // The line break before the cursor's line is where the line above ends.
    let above = start.checked_sub(1)?;
    let before = &text.as_bytes()[above.saturating_sub(LONGEST_ABOVE)..above];
    let ends = text[..above].rmatch_indices('\n').map(|(at, _)| at);
    let at = longest(text, ends, before, SHORTEST_ABOVE)?;
    let lines = text[at..above].lines();
    Some(
        lines
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or_default(),
    )
}

/// Of `places`, which come nearest first, the one that has most of the end of `before` in front.
fn longest(
    text: &str,
    places: impl Iterator<Item = usize>,
    before: &[u8],
    shortest: usize,
) -> Option<usize> {
    let mut best = (shortest - 1, None);
    for at in places {
        let same = same_end(&text.as_bytes()[..at], before);
        if same > best.0 && text.is_char_boundary(at) {
            best = (same, Some(at));
        }
    }
    best.1
}

/// How many bytes at their ends are the same.
fn same_end(a: &[u8], b: &[u8]) -> usize {
    let pairs = a.iter().rev().zip(b.iter().rev());
    pairs.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(drawn: &str, expected: &str) {
        let cursor = drawn.find('|').unwrap();
        assert_eq!(copied(&drawn.replacen('|', "", 1), cursor), expected);
    }

    #[test]
    fn a_line_goes_on_as_the_nearest_one_above_that_begins_like_it() {
        check(
            "  let a = 1;\n  let b = 2;\n  let |\n  let c = 3;\n",
            "b = 2;",
        );
        check("  let a = 1;\n    let b = 2;\n  let |\n", "a = 1;");
        check("    let b = 2;\n  let |\n  let c = 3;\n", "b = 2;");
        check("x\n  let |\n\n  let c = 3;  \n  let d = 4;\n", "c = 3;");
        check("x\n  let |\n\n let c = 3;\n", "c = 3;");
    }

    #[test]
    fn else_as_the_place_above_with_most_of_the_same_text_before_it() {
        check("a(self.one)\nb(self.two)\nxx(self.|\n", "two)");
        check("a(self.one)\nb(self.two)\nzz = a(self.|\n", "one)");
        check("ab cd\nxy|\n", "");
        check("xyz\nxy|\n", "");
    }

    #[test]
    fn a_new_line_is_the_one_after_the_text_most_like_that_above() {
        check(
            "fn a() {\n    one();\n}\nfn b() {\n    two();\n}\nx fn a() {\n    |\n",
            "one();",
        );
        check("aaaaa\n\n  next\nbbbbb\naaaaa\n|\nrest\n", "next");
        check("one\ntwo\n|\n", "");
        check("|", "");
    }

    #[test]
    fn places_within_characters_are_no_places() {
        check("größe\nä|\n", "");
        check("x = größer\ny = xgrö|\n", "ßer");
    }
}
