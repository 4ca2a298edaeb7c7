//! Makes a session's file long, with lines that say nothing about what is typed: what is typed stays the same, so that
//! what it costs in a long file can be compared with what it costs in a short one.

use super::{random::Random, typing::Session};

/// Puts constants above and below, none like another, until the file has `lines` lines.
pub(super) fn lengthen(session: &mut Session, lines: usize) {
    let missing = lines.saturating_sub(session.text.lines().count());
    if missing == 0 {
        return;
    }
    let mut random = Random::new(lines as u64);
    let mut constants = |first: usize, n: usize| -> String {
        (first..first + n)
            .map(|number| constant(&session.language_id, number, random.below(1 << 32)))
            .collect()
    };
    let n_above = missing / 2;
    let (above, below) = (constants(0, n_above), constants(n_above, missing - n_above));
    for passage in &mut session.passages {
        passage.start += above.len();
    }
    if !session.text.is_empty() && !session.text.ends_with('\n') {
        session.text.push('\n');
    }
    session.text.insert_str(0, &above);
    session.text.push_str(&below);
}

/// One line. Languages that are not written like this have a line that their grammar passes over.
fn constant(language_id: &str, number: usize, value: usize) -> String {
    match language_id {
        "rust" | "rs" => format!("const K{number}: u32 = {value:#x};\n"),
        _ => format!("K{number} = {value:#x}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::typing::{sessions, tests::source};

    #[test]
    fn the_same_keys_go_to_the_same_place_in_a_longer_file() {
        let short = sessions(&[source()], 40, 1).remove(0);
        let mut long = short.clone();
        lengthen(&mut long, 1_000);
        assert_eq!(long.text.lines().count(), 1_000);
        assert_eq!(long.keys, short.keys);
        for (long_passage, passage) in long.passages.iter().zip(&short.passages) {
            assert_eq!(long_passage.target, passage.target);
            let (before, after) = short.text.split_at(passage.start);
            let (long_before, long_after) = long.text.split_at(long_passage.start);
            assert!(long_before.ends_with(before));
            assert!(long_after.starts_with(after));
        }
    }

    #[test]
    fn no_line_that_is_added_is_like_another() {
        let mut session = sessions(&[source()], 40, 1).remove(0);
        session.text = String::new();
        session.passages.clear();
        lengthen(&mut session, 10_000);
        let mut lines: Vec<&str> = session.text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 10_000);
    }

    #[test]
    fn a_file_that_is_long_enough_stays_as_it_is() {
        let short = sessions(&[source()], 40, 1).remove(0);
        let mut same = short.clone();
        lengthen(&mut same, 5);
        assert_eq!((same.text, same.passages), (short.text, short.passages));
    }
}
