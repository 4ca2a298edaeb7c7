//! Where it is asked: places in files, drawn at random by three laws, the same for the same seed.

use std::collections::BTreeSet;

use super::{super::random::Random, files::File};
use crate::syntax::language::Language;

/// What is still to be typed has at least so many characters that are no blanks: less is typed as soon as accepted.
const SHORTEST_TARGET: usize = 3;
/// Longer lines are data, not code.
const LONGEST_LINE: usize = 300;
/// How often it is tried for each cursor that is wanted.
const TRIES: usize = 60;
/// What opens and closes Python's strings of several lines, which are mostly documentation.
const DOCSTRINGS: [&str; 2] = ["\"\"\"", "'''"];

/// Where in a line a cursor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Law {
    /// Behind the indentation of a line, of which nothing else stands.
    NextLine,
    /// Before any character of a line.
    RestOfLine,
    /// Behind a `.`, a `(` or the first letter of a name.
    Name,
}

impl Law {
    pub(super) const ALL: [Law; 3] = [Law::NextLine, Law::RestOfLine, Law::Name];

    pub(super) fn name(self) -> &'static str {
        match self {
            Law::NextLine => "next line",
            Law::RestOfLine => "rest of line",
            Law::Name => "after . ( or a letter",
        }
    }
}

/// A place in a file, whose line is as if it ended there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    /// An index into the files.
    pub(super) file: usize,
    pub(super) law: Law,
    /// In bytes.
    pub(super) at: usize,
    /// Where the line ends.
    pub(super) end: usize,
}

impl Cursor {
    /// What the user would type: the rest of the line, without blanks at its end.
    pub(super) fn target<'a>(&self, files: &'a [File]) -> &'a str {
        files[self.file].text[self.at..self.end].trim_end()
    }

    /// The text as the server gets it.
    pub(super) fn document(&self, files: &[File]) -> String {
        let text = &files[self.file].text;
        [&text[..self.at], &text[self.end..]].concat()
    }
}

/// Up to `count` places in the files of `language`, in the order of the files. Every byte of code has the same chance,
/// whatever file it is in; no place comes twice.
pub(super) fn draw(
    files: &[File],
    language: &Language,
    law: Law,
    count: usize,
    seed: u64,
) -> Vec<Cursor> {
    let mut random = Random::new(stream(seed, &format!("{}/{}", language.name, law.name())));
    let mut found = BTreeSet::new();
    let lines = Lines::new(files, language);
    for _ in 0..count * TRIES {
        if found.len() == count {
            break;
        }
        let Some((file, byte)) = lines.draw(&mut random) else {
            break;
        };
        found.extend(cursor(files, file, byte, law, &mut random));
    }
    found.into_iter().collect()
}

/// A seed for one of several uses of `seed`.
pub(super) fn stream(seed: u64, of: &str) -> u64 {
    // FNV-1a: it only has to tell a handful of names apart.
    of.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// The bytes of a language's files.
pub(super) struct Lines {
    /// Files, and how many bytes stand in them and in those before.
    ends: Vec<(usize, usize)>,
}

impl Lines {
    pub(super) fn new(files: &[File], language: &Language) -> Lines {
        let mut total = 0;
        let ends = files
            .iter()
            .enumerate()
            .filter(|(_, file)| std::ptr::eq(file.language, language))
            .map(|(idx, file)| {
                total += file.text.len();
                (idx, total)
            });
        Lines {
            ends: ends.collect(),
        }
    }

    /// A file and a byte in it.
    pub(super) fn draw(&self, random: &mut Random) -> Option<(usize, usize)> {
        let total = self.ends.last()?.1;
        let byte = random.below(total);
        let at = self.ends.partition_point(|(_, end)| *end <= byte);
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before].1);
        Some((self.ends[at].0, byte - start))
    }
}

/// A place by `law` in the line around `byte`, if that is a line of code that has one.
fn cursor(
    files: &[File],
    file: usize,
    byte: usize,
    law: Law,
    random: &mut Random,
) -> Option<Cursor> {
    let File { text, language, .. } = &files[file];
    let (start, end) = line_around(text, byte);
    let line = &text[start..end];
    if line.len() > LONGEST_LINE || !is_code(line, language) {
        return None;
    }
    let indentation = line.len() - line.trim_start().len();
    let places: Vec<usize> = match law {
        Law::NextLine => vec![indentation],
        Law::RestOfLine => line[indentation..]
            .char_indices()
            .map(|(at, _)| indentation + at)
            .collect(),
        Law::Name => behind_openers(line),
    };
    let at = *places.get(random.below(places.len()))?;
    let left = line[at..].chars().filter(|char| !char.is_whitespace());
    (left.count() >= SHORTEST_TARGET).then_some(Cursor {
        file,
        law,
        at: start + at,
        end,
    })
}

/// Where the line around `byte` starts and ends, its break left out.
pub(super) fn line_around(text: &str, byte: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let start = bytes[..byte].iter().rposition(|byte| *byte == b'\n');
    let end = bytes[byte..].iter().position(|byte| *byte == b'\n');
    (
        start.map_or(0, |at| at + 1),
        end.map_or(text.len(), |at| byte + at),
    )
}

/// Whether a line is more than blanks and a comment.
pub(super) fn is_code(line: &str, language: &Language) -> bool {
    let line = line.trim();
    let comment = language.line_comment.as_deref();
    let [open, close] = language
        .block_comment
        .as_ref()
        .map_or(["", ""], |marks| [marks[0].as_str(), marks[1].as_str()]);
    let marks = [comment.unwrap_or_default(), open, close];
    // The lines within a comment of several, as most write them.
    let is_within = !open.is_empty() && line.starts_with('*');
    let is_docstring = language.is_indented && DOCSTRINGS.iter().any(|mark| line.starts_with(mark));
    let is_comment = marks
        .iter()
        .any(|mark| !mark.is_empty() && line.starts_with(mark));
    !(line.is_empty() || is_within || is_docstring || is_comment)
}

/// The places behind a `.`, a `(`, and the first character of a name.
fn behind_openers(line: &str) -> Vec<usize> {
    let is_in_name = |char: char| char.is_alphanumeric() || char == '_';
    let mut places = Vec::new();
    let mut last = ' ';
    for (at, char) in line.char_indices() {
        let starts_name = (char.is_alphabetic() || char == '_') && !is_in_name(last);
        if matches!(char, '.' | '(') || starts_name {
            places.push(at + char.len_utf8());
        }
        last = char;
    }
    places
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn file(name: &str, text: &str) -> File {
        File {
            name: name.to_owned(),
            language: Language::of("", Some(Path::new(name))),
            text: text.to_owned(),
            is_development: false,
        }
    }

    const RUST: &str = "// a comment\nfn one() {\n    let first = other.call(1);\n}\n\n/*\n * more\n */\nfn two() { one() }\n";

    /// All cursors of a law, drawn.
    fn drawn(file: File, law: Law) -> Vec<String> {
        let (language, files) = (file.language, [file]);
        let cursors = draw(&files, language, law, 1000, 1);
        let text = &files[0].text;
        cursors
            .iter()
            .map(|cursor| {
                let (start, end) = line_around(text, cursor.at);
                assert_eq!(end, cursor.end);
                assert_eq!(cursor.target(&files), text[cursor.at..end].trim_end());
                format!("{}|{}", &text[start..cursor.at], &text[cursor.at..end])
            })
            .collect()
    }

    #[test]
    fn the_next_line_is_asked_for_behind_its_indentation() {
        assert_eq!(
            drawn(file("a.rs", RUST), Law::NextLine),
            [
                "|fn one() {",
                "    |let first = other.call(1);",
                "|fn two() { one() }"
            ]
        );
    }

    #[test]
    fn the_rest_of_a_line_is_asked_for_at_any_character_that_leaves_enough() {
        let all = drawn(file("a.rs", RUST), Law::RestOfLine);
        for expected in [
            "fn |one() {",
            "    let first = other.call|(1);",
            "|fn two() { one() }",
        ] {
            assert!(all.contains(&expected.to_owned()), "{expected}: {all:?}");
        }
        let is_wrong = |line: &&String| line.contains("//") || line.contains('*');
        assert_eq!(all.iter().find(is_wrong), None);
        assert!(!all.contains(&"    let first = other.call(1|);".to_owned()));
    }

    #[test]
    fn names_are_asked_for_behind_what_opens_them() {
        assert_eq!(
            drawn(file("a.rs", "let a_b = x.call(yes, 12);\n"), Law::Name),
            [
                "l|et a_b = x.call(yes, 12);",
                "let a|_b = x.call(yes, 12);",
                "let a_b = x|.call(yes, 12);",
                "let a_b = x.|call(yes, 12);",
                "let a_b = x.c|all(yes, 12);",
                "let a_b = x.call(|yes, 12);",
                "let a_b = x.call(y|es, 12);",
            ]
        );
    }

    #[test]
    fn comments_of_each_language_are_left_out() {
        let is_code_in = |name: &str, line: &str| is_code(line, file(name, "").language);
        for line in ["", "  ", "// x", "/* x", "* x", "*/"] {
            assert!(!is_code_in("a.rs", line), "{line}");
        }
        assert!(is_code_in("a.rs", "#[test]"));
        for line in ["# x", "\"\"\"Says.", "    '''"] {
            assert!(!is_code_in("a.py", line), "{line}");
        }
        assert!(is_code_in("a.py", "*args,"));
    }

    #[test]
    fn the_same_seed_draws_the_same_places_and_another_draws_others() {
        let files: Vec<File> = (0..20)
            .map(|n| file(&format!("{n}.rs"), &RUST.repeat(9)))
            .collect();
        let drawn = |seed| draw(&files, files[0].language, Law::RestOfLine, 50, seed);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert_eq!(drawn(1).len(), 50);
    }

    #[test]
    fn the_document_lacks_the_rest_of_the_line() {
        let files = [file("a.rs", "ab cd \nef\n")];
        let cursor = Cursor {
            file: 0,
            law: Law::RestOfLine,
            at: 1,
            end: 6,
        };
        assert_eq!(cursor.document(&files), "a\nef\n");
        assert_eq!(cursor.target(&files), "b cd");
    }
}
