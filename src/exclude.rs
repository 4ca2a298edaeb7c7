//! Which files are left alone: secrets, told by their names; those that the setting `files.exclude` names; and those
//! that a `.ghostlineignore` names. This reads the lists; the server asks when it has to.
//!
//! Nothing is kept between two questions, so that a list that has changed holds at the next one.

use std::{
    io,
    path::{Path, PathBuf},
};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::{
    server::{Candidate, LIST, Verdict},
    syntax::language::Language,
};

/// Languages whose files may be the secret itself. In all others it is code that handles secrets:
/// `credentials.rs`, `id_generator.py`. A shell script may be nothing but `export TOKEN=…`.
const DATA: [&str; 10] = [
    "bash",
    "json",
    "markdown",
    "powershell",
    "sql",
    "terraform",
    "text",
    "toml",
    "xml",
    "yaml",
];

/// Whether a document is left alone, and why. Reads every list between its folder and the top of what it belongs to.
pub fn verdict(candidate: &Candidate<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    if is_secret(candidate.path) {
        verdict.reason = Some("its name is one of those that usually hold secrets".to_owned());
        return verdict;
    }
    let tops = Tops::of(candidate);
    let settings = by_settings(candidate, &tops.patterns, &mut verdict.problems);
    verdict.reason = match settings {
        Some(pattern) => Some(format!(
            "the setting `files.exclude` names it by `{pattern}`"
        )),
        None if candidate.is_file => by_lists(candidate.path, &tops.lists, &mut verdict.problems),
        None => None,
    };
    verdict
}

/// Whether a file of this name usually holds secrets. Whatever the file system, the case does not matter: `.ENV` on
/// Linux is no less one.
fn is_secret(path: &Path) -> bool {
    let Some(name) = path.file_name() else {
        return false;
    };
    let name = name.to_string_lossy().to_lowercase();
    let is_always = name.starts_with(".env")
        || [".pem", ".key"].iter().any(|end| name.ends_with(end))
        || [".npmrc", ".pypirc"].contains(&name.as_str());
    let is_unless_code = name.starts_with("id_") || name.starts_with("credentials");
    is_always || (is_unless_code && !is_code(&name))
}

/// Whether a file's extension is that of a programming language.
pub(crate) fn is_code(name: &str) -> bool {
    let language = Language::of("", Some(Path::new(name)));
    !DATA.contains(&&*language.name)
}

/// How far up from a document it is looked.
struct Tops {
    /// What the patterns in the settings are relative to: the editor's folder.
    patterns: PathBuf,
    /// The uppermost folder whose list counts: that of the repository, where the editor has only a part of it open.
    lists: PathBuf,
}

impl Tops {
    fn of(candidate: &Candidate<'_>) -> Tops {
        let path = candidate.path;
        let folders = || path.ancestors().skip(1);
        let root = (candidate.roots.iter().filter(|root| path.starts_with(root)))
            .max_by_key(|root| root.components().count());
        let repository = candidate
            .is_file
            .then(|| folders().find(|folder| folder.join(".git").exists()))
            .flatten();
        let root = root.map(PathBuf::as_path);
        let highest = folders().last().unwrap_or(Path::new(""));
        let outer = match (root, repository) {
            (Some(root), Some(repository)) if root.starts_with(repository) => repository,
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => highest,
        };
        Tops {
            patterns: root.or(repository).unwrap_or(highest).to_owned(),
            lists: outer.to_owned(),
        }
    }
}

/// The pattern of the settings that names the document.
fn by_settings(
    candidate: &Candidate<'_>,
    top: &Path,
    problems: &mut Vec<String>,
) -> Option<String> {
    if candidate.patterns.is_empty() {
        return None;
    }
    let lines = candidate.patterns.iter().map(String::as_str);
    let matcher = matcher(top, lines, "the setting `files.exclude`", problems);
    named(&matcher, candidate.path)?.err()
}

/// Why a list names the document. The nearest list that says anything about it decides.
fn by_lists(path: &Path, top: &Path, problems: &mut Vec<String>) -> Option<String> {
    let folders = path.ancestors().skip(1);
    for folder in folders.take_while(|folder| folder.starts_with(top)) {
        let list = folder.join(LIST);
        let text = match std::fs::read(&list) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if is_absent(&error) => continue,
            Err(error) => {
                // Nobody knows what it would have said.
                problems.push(format!("cannot read `{}`: {error}", list.display()));
                return Some(format!("`{}` cannot be read", list.display()));
            }
        };
        let origin = format!("`{}`", list.display());
        let lines = text.trim_start_matches('\u{feff}').lines();
        let matcher = matcher(folder, lines, &origin, problems);
        match named(&matcher, path) {
            Some(Err(pattern)) => return Some(format!("{origin} names it by `{pattern}`")),
            Some(Ok(())) => return None,
            None => {}
        }
    }
    None
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory)
}

fn matcher<'l>(
    top: &Path,
    lines: impl Iterator<Item = &'l str>,
    origin: &str,
    problems: &mut Vec<String>,
) -> Gitignore {
    let mut builder = GitignoreBuilder::new(top);
    // Where file systems do not tell upper case from lower.
    let ignores_case = cfg!(any(windows, target_os = "macos"));
    builder
        .case_insensitive(ignores_case)
        .expect("it sets a flag and never fails");
    for line in lines {
        if let Err(error) = builder.add_line(None, line) {
            problems.push(format!(
                "{origin} has a pattern that makes no sense: {error}"
            ));
        }
    }
    builder.build().unwrap_or_else(|error| {
        problems.push(format!("{origin} cannot be used: {error}"));
        Gitignore::empty()
    })
}

/// What a list says about a document: the pattern that excludes it or a folder it is in, or that it is not excluded.
fn named(matcher: &Gitignore, path: &Path) -> Option<Result<(), String>> {
    match matcher.matched_path_or_any_parents(path, false) {
        Match::None => None,
        Match::Ignore(glob) => Some(Err(glob.original().to_owned())),
        Match::Whitelist(_) => Some(Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check_secrets(names: &str, expected: bool) {
        for name in names.split_whitespace() {
            let path = Path::new("/folder").join(name);
            assert_eq!(is_secret(&path), expected, "{name}");
        }
    }

    #[test]
    fn secrets_are_told_by_their_names_in_any_case() {
        check_secrets(
            ".env .env.local .ENV .envrc server.pem SERVER.PEM tls.key .npmrc .pypirc id_rsa id_ed25519 id_rsa.pub \
             credentials credentials.json Credentials.toml credentials.yml credentials.ini credentials.txt \
             credentials.sh credentials.csv id_map.json",
            true,
        );
    }

    #[test]
    fn code_that_handles_secrets_is_none() {
        check_secrets(
            "id_generator.rs id_map.py credentials.rs credentials.py Credentials.java credentials_test.go env.rs \
             environment.py keys.rs key.ts pem.go identity.rs my_credentials.txt npmrc.js",
            false,
        );
    }

    /// A folder with files in it, and what is open in the editor.
    struct Place {
        folder: tempfile::TempDir,
        roots: Vec<PathBuf>,
        patterns: Vec<String>,
    }

    impl Place {
        fn with(files: &[(&str, &str)]) -> Place {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let roots = vec![folder.path().to_owned()];
            Place {
                folder,
                roots,
                patterns: Vec::new(),
            }
        }

        fn verdict(&self, name: &str) -> Verdict {
            verdict(&Candidate {
                path: &self.folder.path().join(name),
                is_file: true,
                roots: &self.roots,
                patterns: &self.patterns,
            })
        }

        #[track_caller]
        fn check(&self, name: &str, expected: Option<&str>) {
            let verdict = self.verdict(name);
            let folder = self.folder.path().display().to_string();
            let reason = verdict
                .reason
                .map(|reason| reason.replace(&folder, "FOLDER"));
            assert_eq!(reason.as_deref(), expected, "{name}");
            assert_eq!(verdict.problems, [""; 0]);
        }
    }

    #[test]
    fn the_settings_name_files_as_a_gitignore_does() {
        let mut place = Place::with(&[]);
        place.patterns = [
            "*.sql",
            "/top.rs",
            "private/",
            "!keep.sql",
            "docs/**/draft.md",
        ]
        .map(String::from)
        .to_vec();
        let by = |pattern: &str| format!("the setting `files.exclude` names it by `{pattern}`");
        place.check("a/b.sql", Some(&by("*.sql")));
        place.check("a/keep.sql", None);
        place.check("top.rs", Some(&by("/top.rs")));
        place.check("a/top.rs", None);
        place.check("a/private/x.rs", Some(&by("private/")));
        place.check("private", None);
        place.check("docs/a/b/draft.md", Some(&by("docs/**/draft.md")));
    }

    #[test]
    fn the_nearest_list_decides_and_can_take_back() {
        let place = Place::with(&[
            (".ghostlineignore", "# ours\n\n*.gen.rs\nsecret/\n"),
            ("open/.ghostlineignore", "!*.gen.rs\n"),
            ("open/shut/.ghostlineignore", "/x.gen.rs\n"),
        ]);
        let top = "`FOLDER/.ghostlineignore` names it by";
        place.check("a.gen.rs", Some(&format!("{top} `*.gen.rs`")));
        place.check("secret/a.rs", Some(&format!("{top} `secret/`")));
        place.check("a.rs", None);
        place.check("open/a.gen.rs", None);
        place.check(
            "open/shut/x.gen.rs",
            Some("`FOLDER/open/shut/.ghostlineignore` names it by `/x.gen.rs`"),
        );
        place.check("open/shut/y.gen.rs", None);
    }

    #[test]
    fn a_list_that_changes_holds_at_once() {
        let place = Place::with(&[(".ghostlineignore", "\u{feff}a.rs\r\n")]);
        assert!(place.verdict("a.rs").reason.is_some());
        fs::write(place.folder.path().join(".ghostlineignore"), "b.rs").unwrap();
        place.check("a.rs", None);
        assert!(place.verdict("b.rs").reason.is_some());
    }

    #[test]
    fn no_list_takes_back_a_secret_or_the_settings() {
        let mut place = Place::with(&[(".ghostlineignore", "!.env\n!a.rs\n")]);
        place.patterns = vec!["a.rs".to_owned()];
        assert!(place.verdict(".env").reason.is_some());
        assert!(place.verdict("a.rs").reason.is_some());
    }

    #[test]
    fn lists_count_up_to_the_repository_or_the_editors_folder() {
        let mut place = Place::with(&[
            (".ghostlineignore", "*.rs"),
            ("repository/.git/config", ""),
            ("repository/.ghostlineignore", "*.py"),
            ("repository/part/.ghostlineignore", "*.c"),
        ]);
        let is_excluded = |place: &Place, name: &str| place.verdict(name).reason.is_some();
        let part = place.folder.path().join("repository/part");
        for roots in [vec![part], vec![]] {
            place.roots = roots;
            assert!(is_excluded(&place, "repository/part/x.c"));
            assert!(is_excluded(&place, "repository/part/x.py"));
            assert!(!is_excluded(&place, "repository/part/x.rs"));
        }
        // The editor has more open than the repository.
        place.roots = vec![place.folder.path().to_owned()];
        assert!(is_excluded(&place, "repository/part/x.rs"));
        // Neither is known.
        place.roots = vec![];
        assert!(is_excluded(&place, "other/x.rs"));
    }

    #[test]
    fn what_makes_no_sense_is_said_and_the_rest_holds() {
        let mut place = Place::with(&[("a/.ghostlineignore", "b{\n*.py")]);
        place.patterns = vec!["[z-a].rs".to_owned(), "*.sql".to_owned()];
        let verdict = place.verdict("a/x.py");
        assert!(verdict.reason.is_some());
        let problems = verdict.problems.join("\n");
        assert!(
            problems.contains("the setting `files.exclude` has a pattern that makes no sense"),
            "{problems}"
        );
        assert!(
            problems.contains(".ghostlineignore` has a pattern that makes no sense"),
            "{problems}"
        );
        assert!(place.verdict("x.sql").reason.is_some());
    }

    #[test]
    fn documents_that_are_no_files_are_told_by_their_names_and_the_settings() {
        let patterns = vec!["*.sql".to_owned()];
        let is_excluded = |path: &str| {
            let candidate = Candidate {
                path: Path::new(path),
                is_file: false,
                roots: &[],
                patterns: &patterns,
            };
            verdict(&candidate).reason.is_some()
        };
        assert!(is_excluded("/a/.env") && is_excluded(".env"));
        assert!(is_excluded("/a/x.sql") && is_excluded("x.sql"));
        assert!(!is_excluded("Untitled-1") && !is_excluded(""));
    }
}
