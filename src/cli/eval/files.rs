//! The files of a folder that an evaluation is about: source code that the program would help with, in an order
//! that is the same everywhere.

use std::{collections::BTreeSet, path::Path};

use ignore::WalkBuilder;
use sha2::{Digest, Sha256};

use super::super::Unusable;
use crate::{exclude, server::Candidate, syntax::language::Language};

/// Smaller files leave nothing to go on from; larger ones are rarely written by hand.
const SIZES: std::ops::RangeInclusive<u64> = 200..=256 << 10;
/// Lines of generated and minified files are longer in the mean, in bytes.
const LONGEST_MEAN_LINE: usize = 120;
/// A folder is a package among others if there are at least so many beside it.
const FEWEST_PACKAGES: usize = 8;
/// One package in so many belongs to the development part.
const DEVELOPMENT_SHARE: u8 = 3;

/// A file, with `\n` for line breaks.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Relative to the folder, with `/`.
    pub(super) name: String,
    pub(super) language: &'static Language,
    pub(super) text: String,
    /// Whether its package belongs to the development part.
    pub(super) is_development: bool,
}

/// Which of the packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// All of them
    #[default]
    All,
    /// The third of them that settings may be chosen on
    Development,
    /// The others, for the figures
    Test,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Part::All => "all",
            Part::Development => "development",
            Part::Test => "test",
        }
    }
}

/// The source files in `folder` and the folders in it, by name. Left out are files that Git ignores, that the program
/// leaves alone, that are hidden, and that look generated.
///
/// `languages` are names as in `rust`; none is all of them.
pub(super) fn files(
    folder: &Path,
    patterns: &[String],
    languages: &[String],
    part: Part,
) -> anyhow::Result<Vec<File>> {
    if !folder.is_dir() {
        let what = if folder.exists() {
            "is a file"
        } else {
            "is not there"
        };
        let path = folder.display();
        return Err(Unusable(format!("`{path}` {what}; give a folder with source code")).into());
    }
    let root = [std::path::absolute(folder)?];
    let mut files = Vec::new();
    for entry in WalkBuilder::new(&root[0]).build() {
        // What cannot be listed or read is not the user's code.
        let Ok(entry) = entry else { continue };
        let is_sized = |entry: &ignore::DirEntry| {
            entry.file_type().is_some_and(|kind| kind.is_file())
                && entry
                    .metadata()
                    .is_ok_and(|about| SIZES.contains(&about.len()))
        };
        let path = entry.path();
        let language = Language::of("", Some(path));
        if !is_code(path) || !is_sized(&entry) || !is_wanted(language, languages) {
            continue;
        }
        let candidate = Candidate {
            path,
            is_file: true,
            roots: &root,
            patterns,
        };
        if exclude::verdict(&candidate).reason.is_some() {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        if is_generated(&text) {
            continue;
        }
        let name = path.strip_prefix(&root[0]).unwrap_or(path);
        let parts: Vec<_> = (name.iter().map(|part| part.to_string_lossy())).collect();
        files.push(File {
            name: parts.join("/"),
            language,
            text: text.replace("\r\n", "\n"),
            is_development: false,
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    divide(&mut files);
    files.retain(|file| match part {
        Part::All => true,
        Part::Development => file.is_development,
        Part::Test => !file.is_development,
    });
    if files.is_empty() {
        let path = folder.display();
        return Err(Unusable(format!(
            "there is no source code in `{path}` that is not left alone; give another folder"
        ))
        .into());
    }
    Ok(files)
}

fn is_code(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    exclude::is_code(&name.to_string_lossy())
}

fn is_wanted(language: &Language, languages: &[String]) -> bool {
    let is_it = |name: &String| name.eq_ignore_ascii_case(&language.name);
    languages.is_empty() || languages.iter().any(is_it)
}

fn is_generated(text: &str) -> bool {
    let n_lines = text.lines().count().max(1);
    let says_so = text
        .lines()
        .take(5)
        .any(|line| line.contains("@generated") || line.contains("DO NOT EDIT"));
    says_so || text.len() / n_lines > LONGEST_MEAN_LINE
}

/// Says of each file to which part its package belongs, by a hash of the package's name: so packages stay whole, and
/// stay where they are when others come.
fn divide(files: &mut [File]) {
    let languages: BTreeSet<&str> = files.iter().map(|file| &*file.language.name).collect();
    let depths: Vec<(&str, usize)> = languages
        .into_iter()
        .map(|language| (language, depth(files, language)))
        .collect();
    for file in files {
        let language = depths.iter().find(|(name, _)| *name == file.language.name);
        let depth = language.map_or(usize::MAX, |(_, depth)| *depth);
        let hash = Sha256::digest(package(&file.name, depth).as_bytes());
        file.is_development = hash[0].is_multiple_of(DEVELOPMENT_SHARE);
    }
}

/// How deep packages lie: the fewest parts of names by which the files of a language fall into enough of them.
fn depth(files: &[File], language: &str) -> usize {
    let names: Vec<&str> = files
        .iter()
        .filter(|file| file.language.name == language)
        .map(|file| file.name.as_str())
        .collect();
    let deepest = names
        .iter()
        .map(|name| name.split('/').count())
        .max()
        .unwrap_or(1);
    (1..=deepest)
        .find(|depth| {
            let packages: BTreeSet<&str> = names.iter().map(|name| package(name, *depth)).collect();
            packages.len() >= FEWEST_PACKAGES
        })
        .unwrap_or(usize::MAX)
}

/// The first `depth` parts of `name`.
fn package(name: &str, depth: usize) -> &str {
    let end = name.match_indices('/').nth(depth.saturating_sub(1));
    &name[..end.map_or(name.len(), |(at, _)| at)]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CODE: &str = "fn answer() -> u32 {\n    42\n}\n";

    fn names(files: &[File]) -> Vec<&str> {
        files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn only_code_that_is_not_left_alone_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let long = CODE.repeat(20);
        for (name, text) in [
            ("b.rs", long.as_str()),
            ("a/x.py", long.as_str()),
            ("a/short.rs", CODE),
            ("notes.md", long.as_str()),
            ("mine.rs", long.as_str()),
            ("built/x.rs", long.as_str()),
            (".hidden.rs", long.as_str()),
            (".ghostlineignore", "mine.rs\n"),
            (".gitignore", "/built\n"),
            (".git/config", ""),
            ("minified.js", &"x".repeat(4000)),
            ("made.rs", &format!("// @generated\n{long}")),
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = files(folder.path(), &[], &[], Part::All).unwrap();
        assert_eq!(names(&found), ["a/x.py", "b.rs"]);
        let found = files(folder.path(), &["/a".to_owned()], &[], Part::All).unwrap();
        assert_eq!(names(&found), ["b.rs"]);
        let found = files(folder.path(), &[], &["Python".to_owned()], Part::All).unwrap();
        assert_eq!(names(&found), ["a/x.py"]);
        let error = files(&folder.path().join("no"), &[], &[], Part::All).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("is not there; give a folder with source code")
        );
        let error = files(folder.path(), &[], &["go".to_owned()], Part::All).unwrap_err();
        assert!(error.to_string().starts_with("there is no source code"));
    }

    fn file(name: &str) -> File {
        File {
            name: name.to_owned(),
            language: Language::of("", Some(Path::new(name))),
            text: String::new(),
            is_development: false,
        }
    }

    #[test]
    fn a_package_is_in_one_part_with_all_of_its_files() {
        let all: Vec<File> = (0..30)
            .flat_map(|n| ["lib.rs", "src/a.rs"].map(|end| file(&format!("rust/p{n}/{end}"))))
            .collect();
        assert_eq!(depth(&all, "rust"), 2);
        let mut divided = all.clone();
        divide(&mut divided);
        let packages = |is_development: bool| -> BTreeSet<&str> {
            let of_part = divided
                .iter()
                .filter(|file| file.is_development == is_development);
            of_part.map(|file| package(&file.name, 2)).collect()
        };
        let (development, test) = (packages(true), packages(false));
        assert!(development.is_disjoint(&test));
        assert_eq!(development.len() + test.len(), 30);
        assert!((3..20).contains(&development.len()), "{development:?}");
    }

    #[test]
    fn where_there_are_few_folders_each_file_is_its_own_package() {
        let all: Vec<File> = ["src/a.rs", "src/b.rs", "tests/c.rs"].map(file).into();
        assert_eq!(depth(&all, "rust"), usize::MAX);
        assert_eq!(package("src/a.rs", usize::MAX), "src/a.rs");
        assert_eq!(package("src/a.rs", 1), "src");
    }
}
