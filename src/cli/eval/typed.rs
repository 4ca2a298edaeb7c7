//! Keystrokes saved: somebody types held-out lines back in, and accepts ghost text that is right.
//!
//! The rule: the whole of what is shown is right and ends where a word ends, and it has at least two characters; accepting
//! takes one key. A line break and the indentation that an editor puts behind it are one
//! key. There is no clock: each answer is waited for, and no key is wrong.

use super::{
    super::random::Random,
    cursors::{Lines, is_code, line_around, stream},
    desk::{Desk, Said},
    files::File,
    places::begins,
};
use crate::syntax::language::Language;

/// A passage has from 1 to 5 lines.
const LINES: (usize, usize) = (1, 5);
/// Ghost text that is shorter is quicker typed, in characters.
const SHORTEST_ACCEPTED: usize = 2;
/// How often it is tried to find a passage.
const TRIES: usize = 200;

/// Lines that are missing in a file, and typed into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// An index into the files.
    pub(super) file: usize,
    /// In bytes; behind the indentation of the first line.
    pub(super) start: usize,
    /// Before the last line's break.
    pub(super) end: usize,
}

/// What came of typing one passage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// Keys that it would take without ghost text.
    pub(super) keys: usize,
    pub(super) pressed: usize,
    pub(super) accepted: usize,
    /// Keys after which something was shown.
    pub(super) shown: usize,
}

/// Gives ghost text at each key.
pub(super) trait Suggests {
    /// The passage begins, in `text` without it.
    fn open(&mut self, file: &File, text: String, cursor: usize) -> anyhow::Result<String>;
    /// `with` has been typed at `cursor`; what is shown then.
    fn insert(&mut self, cursor: usize, with: &str) -> anyhow::Result<String>;
    fn close(&mut self) -> anyhow::Result<()>;
}

/// Passages in the files of `language` with `n_keys` keys or a few more, in the order in which they are drawn.
pub(super) fn draw(files: &[File], language: &Language, n_keys: usize, seed: u64) -> Vec<Passage> {
    let mut random = Random::new(stream(seed, &format!("{}/typed", language.name)));
    let lines = Lines::new(files, language);
    let mut passages: Vec<Passage> = Vec::new();
    let (mut n_found, mut n_tries) = (0, 0);
    while n_found < n_keys && n_tries < TRIES {
        n_tries += 1;
        let Some((file, byte)) = lines.draw(&mut random) else {
            break;
        };
        let Some(passage) = passage(&files[file], file, byte, &mut random) else {
            continue;
        };
        let touches = |other: &Passage| {
            other.file == file && other.start <= passage.end && passage.start <= other.end
        };
        if !passages.iter().any(touches) {
            n_found += keys(passage.target(files)).count();
            n_tries = 0;
            passages.push(passage);
        }
    }
    passages
}

/// Up to five lines of code from that around `byte` on.
fn passage(
    File { text, language, .. }: &File,
    file: usize,
    byte: usize,
    random: &mut Random,
) -> Option<Passage> {
    let (line, first_end) = line_around(text, byte);
    if !is_code(&text[line..first_end], language) {
        return None;
    }
    let mut end = first_end;
    for _ in 1..LINES.0 + random.below(LINES.1 - LINES.0 + 1) {
        let Some(next) = (end < text.len()).then(|| line_around(text, end + 1)) else {
            break;
        };
        if !is_code(&text[next.0..next.1], language) {
            break;
        }
        end = next.1;
    }
    let indentation = first_end - line - text[line..first_end].trim_start().len();
    Some(Passage {
        file,
        start: line + indentation,
        end,
    })
}

impl Passage {
    pub(super) fn target<'a>(&self, files: &'a [File]) -> &'a str {
        &files[self.file].text[self.start..self.end]
    }
}

/// What each key puts in.
fn keys(target: &str) -> impl Iterator<Item = &str> {
    let mut rest = target;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let len = match first {
            '\n' => rest.len() - rest[1..].trim_start_matches([' ', '\t']).len(),
            _ => first.len_utf8(),
        };
        let (key, left) = rest.split_at(len);
        rest = left;
        Some(key)
    })
}

/// Types a passage, accepting what `suggests` shows where it is right.
pub(super) fn type_in(
    passage: &Passage,
    files: &[File],
    suggests: &mut dyn Suggests,
) -> anyhow::Result<Typed> {
    let file = &files[passage.file];
    let text = [&file.text[..passage.start], &file.text[passage.end..]].concat();
    let target = passage.target(files);
    let mut typed = Typed {
        keys: keys(target).count(),
        ..Typed::default()
    };
    let mut done = 0;
    let mut ghost = suggests.open(file, text, passage.start)?;
    while done < target.len() {
        let rest = &target[done..];
        typed.shown += usize::from(!ghost.is_empty());
        let with = match is_accepted(&ghost, rest) {
            true => {
                typed.accepted += 1;
                ghost.as_str()
            }
            false => keys(rest).next().unwrap_or(rest),
        };
        typed.pressed += 1;
        let at = passage.start + done;
        done += with.len();
        ghost = match done < target.len() {
            true => suggests.insert(at, with)?,
            false => String::new(),
        };
    }
    suggests.close()?;
    Ok(typed)
}

fn is_accepted(ghost: &str, rest: &str) -> bool {
    begins(rest, ghost) && ghost.chars().count() >= SHORTEST_ACCEPTED
}

/// The server's ghost text.
pub(super) struct Served<'d> {
    pub(super) desk: &'d mut Desk,
    pub(super) open: Option<super::desk::Open>,
}

impl Suggests for Served<'_> {
    fn open(&mut self, file: &File, text: String, cursor: usize) -> anyhow::Result<String> {
        let open = self.desk.open(&file.name, &file.language.name, text)?;
        let Said { ghost, .. } = self.desk.ask(&open, cursor, super::desk::Asks::ByItself)?;
        self.open = Some(open);
        Ok(ghost)
    }

    fn insert(&mut self, cursor: usize, with: &str) -> anyhow::Result<String> {
        let Some(open) = &mut self.open else {
            return Ok(String::new());
        };
        Ok(self.desk.insert(open, cursor, with)?.ghost)
    }

    fn close(&mut self) -> anyhow::Result<()> {
        match self.open.take() {
            Some(open) => self.desk.close(open),
            None => Ok(()),
        }
    }
}

/// What a function of the text says at each place, always shown; what is typed along stays.
pub(super) struct Computed<F> {
    pub(super) says: F,
    pub(super) text: String,
    pub(super) ghost: String,
}

impl<F: Fn(&str, usize) -> String> Suggests for Computed<F> {
    fn open(&mut self, _: &File, text: String, cursor: usize) -> anyhow::Result<String> {
        self.ghost = (self.says)(&text, cursor);
        self.text = text;
        Ok(self.ghost.clone())
    }

    fn insert(&mut self, cursor: usize, with: &str) -> anyhow::Result<String> {
        self.text.insert_str(cursor, with);
        let rest = self
            .ghost
            .strip_prefix(with)
            .filter(|rest| !rest.is_empty());
        self.ghost = match rest {
            Some(rest) => rest.to_owned(),
            None => (self.says)(&self.text, cursor + with.len()),
        };
        Ok(self.ghost.clone())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &str = "fn one() {\n    first(1);\n    second(2);\n}\n\n// a comment\n";

    fn file(text: &str) -> File {
        File {
            name: "a.rs".to_owned(),
            language: Language::of("", Some(Path::new("a.rs"))),
            text: text.to_owned(),
            is_development: false,
        }
    }

    /// Types the two statements, where at each place `says` is asked.
    fn typed(says: impl Fn(&str) -> &'static str) -> Typed {
        let files = [file(TEXT)];
        let start = TEXT.find("first").unwrap();
        let passage = Passage {
            file: 0,
            start,
            end: TEXT.find("\n}").unwrap(),
        };
        let mut computed = Computed {
            says: |text: &str, cursor: usize| says(&text[start..cursor]).to_owned(),
            text: String::new(),
            ghost: String::new(),
        };
        let typed = type_in(&passage, &files, &mut computed).unwrap();
        assert!(TEXT.starts_with(&computed.text[..start]));
        typed
    }

    #[test]
    fn a_line_break_with_its_indentation_is_one_key() {
        let keys: Vec<&str> = keys("a\n    é\n\nb").collect();
        assert_eq!(keys, ["a", "\n    ", "é", "\n", "\n", "b"]);
    }

    #[test]
    fn without_ghost_text_every_key_is_pressed() {
        let typed = typed(|_| "");
        // "first(1);", the break, "second(2);"
        assert_eq!((typed.keys, typed.pressed), (20, 20));
        assert_eq!((typed.accepted, typed.shown), (0, 0));
    }

    #[test]
    fn what_is_right_to_the_end_of_its_line_takes_one_key() {
        let rest = typed(|typed| if typed == "fi" { "rst(1);" } else { "" });
        assert_eq!((rest.pressed, rest.accepted), (20 - 7 + 1, 1));
        let all = typed(|typed| {
            if typed.is_empty() {
                "first(1);\n    second(2);"
            } else {
                ""
            }
        });
        assert_eq!((all.pressed, all.accepted), (1, 1));
    }

    #[test]
    fn the_beginning_of_a_line_takes_one_key_where_a_word_ends() {
        for ghost in ["rst", "rst(1)"] {
            let typed = typed(|typed| if typed == "fi" { ghost } else { "" });
            assert_eq!((typed.pressed, typed.accepted), (20 - ghost.len() + 1, 1));
        }
    }

    #[test]
    fn what_is_wrong_or_ends_within_a_word_is_typed() {
        for ghost in ["rst(2);", "rs", "rst(1);\n    third"] {
            let typed = typed(|typed| if typed == "fi" { ghost } else { "" });
            assert_eq!((typed.pressed, typed.accepted), (20, 0), "{ghost}");
            assert!(typed.shown >= 1);
        }
    }

    #[test]
    fn passages_are_code_and_do_not_touch() {
        let files = [file(&TEXT.repeat(30))];
        let passages = draw(&files, files[0].language, 150, 1);
        assert_eq!(passages, draw(&files, files[0].language, 150, 1));
        let n_keys: usize = passages
            .iter()
            .map(|one| keys(one.target(&files)).count())
            .sum();
        assert!(n_keys >= 150, "{n_keys}");
        for (at, one) in passages.iter().enumerate() {
            assert!(!one.target(&files).contains("//"));
            assert!(!one.target(&files).starts_with(' '));
            for other in &passages[at + 1..] {
                assert!(one.end < other.start || other.end < one.start);
            }
        }
    }
}
