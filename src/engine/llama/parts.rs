//! A model in several files, `NAME-00001-of-00003.gguf` and so on: which files those are. llama.cpp loads all of
//! them when it is given the first.

use std::path::{Path, PathBuf};

/// More parts than any model has.
const MOST: usize = 1000;

/// The number of a part, from 1, and how many there are; `None` for a name of another form.
pub fn split(name: &str) -> Option<(usize, usize)> {
    let stem = name.strip_suffix(".gguf")?;
    let (rest, count) = number_at_end(stem)?;
    let (rest, number) = number_at_end(rest.strip_suffix("-of-")?)?;
    let is_sane = rest.ends_with('-') && (1..=count).contains(&number) && count <= MOST;
    is_sane.then_some((number, count))
}

/// The name of the part with another number.
///
/// # Panics
/// If `name` is not that of a part.
pub fn sibling(name: &str, number: usize) -> String {
    let (_, count) = split(name).expect("it is the name of a part");
    let base = &name[..name.len() - "00001-of-00001.gguf".len()];
    format!("{base}{number:05}-of-{count:05}.gguf")
}

/// The files of a model, the first one first; the one file alone when it is no part.
pub fn all(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match split(&name) {
        Some((_, count)) => (1..=count)
            .map(|number| path.with_file_name(sibling(&name, number)))
            .collect(),
        None => vec![path.to_owned()],
    }
}

/// Five digits at the end of a text, and what stands in front of them.
fn number_at_end(text: &str) -> Option<(&str, usize)> {
    let at = text.len().checked_sub(5)?;
    let digits = text.get(at..)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((&text[..at], digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_names() {
        assert_eq!(split("x-00002-of-00003.gguf"), Some((2, 3)));
        for name in [
            "x.gguf",
            "x-00004-of-00003.gguf",
            "x-00000-of-00003.gguf",
            "x-2-of-3.gguf",
            "00001-of-00003.gguf",
            "x-00001-of-00003.bin",
            "ä0001-of-00003.gguf",
            "x-00001-of-99999.gguf",
        ] {
            assert_eq!(split(name), None, "{name}");
        }
    }

    #[test]
    fn every_part_leads_to_all() {
        let all = all(Path::new("m/x-00002-of-00002.gguf"));
        assert_eq!(
            all,
            [
                Path::new("m/x-00001-of-00002.gguf"),
                Path::new("m/x-00002-of-00002.gguf")
            ]
        );
        assert_eq!(super::all(Path::new("m/x.gguf")), [Path::new("m/x.gguf")]);
    }
}
