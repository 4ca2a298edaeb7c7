//! Makes a session's file long, with functions that say nothing about what is typed: what is typed stays the same, so that
//! what it costs in a long file can be compared with what it costs in a short one.

use std::iter::repeat_n;

use super::typing::Session;

/// Puts functions above and below, none like another, until the file has `lines` lines.
pub(super) fn lengthen(session: &mut Session, lines: usize) {
    let missing = lines.saturating_sub(session.text.lines().count());
    if missing == 0 {
        return;
    }
    let functions = |first: usize, n_lines: usize| -> (String, String) {
        let per_function = function(&session.language_id, 0).lines().count();
        let n_functions = n_lines / per_function;
        let text =
            (first..first + n_functions).map(|number| function(&session.language_id, number));
        let blank = repeat_n('\n', n_lines % per_function).collect();
        (text.collect(), blank)
    };
    let n_above = missing / 2;
    let (above, blank_above) = functions(0, n_above);
    let (below, blank_below) = functions(n_above, missing - n_above);
    let above = blank_above + &above;
    for passage in &mut session.passages {
        passage.start += above.len();
    }
    if !session.text.is_empty() && !session.text.ends_with('\n') {
        session.text.push('\n');
    }
    session.text.insert_str(0, &above);
    session.text.push_str(&below);
    session.text.push_str(&blank_below);
}

const KINDS: [&str; 16] = [
    "open", "closed", "first", "last", "total", "daily", "weekly", "monthly", "paid", "empty",
    "large", "small", "old", "new", "next", "left",
];
const THINGS: [&str; 16] = [
    "order", "account", "item", "user", "price", "amount", "entry", "report", "balance", "event",
    "task", "job", "file", "line", "name", "page",
];

/// The `number`-th of 65,536, in whole lines. Of words, as code is: a token of the built-in model is 3.0 bytes of it in Rust
/// and 3.7 in Python, where the files that are typed have 3.4 and 3.7. With numbers it is half as much, and a prompt, whose
/// window is in bytes, twice as long.
fn function(language_id: &str, number: usize) -> String {
    let word = |of: [&'static str; 16], at: u32| of[number / 16_usize.pow(at) % 16];
    let (kind, thing) = (word(KINDS, 0), word(THINGS, 1));
    let (whose, owner) = (word(KINDS, 2), word(THINGS, 3));
    let name = format!("{kind}_{thing}_of_{whose}_{owner}");
    match language_id {
        "rust" | "rs" => format!(
            "/// The {kind} {thing} of the {whose} {owner}.\n\
             fn {name}({thing}: u32, {owner}: u32) -> u32 {{\n    \
             let {kind} = {thing} + {owner};\n    \
             {kind}.max({thing})\n\
             }}\n\n"
        ),
        "python" => format!(
            "def {name}({thing}, {owner}):\n    \
             \"\"\"The {kind} {thing} of the {whose} {owner}.\"\"\"\n    \
             {kind} = {thing} + {owner}\n    \
             return max({kind}, {thing})\n\n\n"
        ),
        // Languages that are not written like this have a line that their grammar passes over.
        _ => format!("{name} = {kind} + {thing}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::typing::{sessions, tests::source};
    use crate::document::Document;

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
    fn no_function_that_is_added_is_like_another() {
        for language_id in ["rust", "python", "lua"] {
            let mut session = sessions(&[source()], 40, 1).remove(0);
            session.language_id = language_id.to_owned();
            session.text = String::new();
            session.passages.clear();
            lengthen(&mut session, 60_000);
            assert_eq!(session.text.lines().count(), 60_000);
            let names = session.text.lines().filter(|line| line.contains("_of_"));
            let mut names: Vec<&str> = names.collect();
            let n_functions = names.len();
            assert!(n_functions >= 60_000 / 6 - 2);
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), n_functions);
        }
    }

    #[test]
    fn what_is_added_has_no_syntax_error() {
        for language_id in ["rust", "python"] {
            let mut document = Document::new(
                &function(language_id, 4_321).repeat(3),
                1,
                language_id,
                None,
            );
            let tree = document.snapshot().tree.expect("there is a grammar");
            assert!(!tree.root_node().has_error());
        }
    }

    #[test]
    fn a_file_that_is_long_enough_stays_as_it_is() {
        let short = sessions(&[source()], 40, 1).remove(0);
        let mut same = short.clone();
        lengthen(&mut same, 5);
        assert_eq!((same.text, same.passages), (short.text, short.passages));
    }
}
