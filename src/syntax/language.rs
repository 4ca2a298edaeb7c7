//! The languages ghostline knows more of than their text: one folder of `grammars/` each.
//!
//! A folder holds `language.toml` (the settings), `scopes.scm` (the query that `scope.rs` asks) and
//! `cases/*.txt` (what is expected of both); `grammars/README.md` explains them. A language without a
//! parser is a few lines of `grammars/plain.toml`.

use std::{
    path::Path,
    sync::{LazyLock, OnceLock},
};

use serde::Deserialize;
use tree_sitter::{CaptureQuantifier, Query};

/// A language with a parser: its folder's files, compiled in.
struct Grammar {
    settings: &'static str,
    scopes: &'static str,
    parser: fn() -> tree_sitter::Language,
}

macro_rules! grammar {
    ($folder:literal, $parser:expr) => {
        Grammar {
            settings: include_str!(concat!("../../grammars/", $folder, "/language.toml")),
            scopes: include_str!(concat!("../../grammars/", $folder, "/scopes.scm")),
            parser: || $parser.into(),
        }
    };
}

/// Every language with a parser: one line each.
static GRAMMARS: &[Grammar] = &[
    grammar!("python", tree_sitter_python::LANGUAGE),
    grammar!("rust", tree_sitter_rust::LANGUAGE),
];

static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(load);

/// One language: its settings from `grammars/<name>/language.toml`, its parser and its queries.
/// Languages live as long as the process and are compared by address.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// `rust`, `python`, `text`, … ; the name used in configuration and in prompt formats.
    pub name: String,
    /// What starts a comment that runs to the end of the line.
    pub line_comment: Option<String>,
    /// Whether blocks are told by indentation (Python) and not by brackets.
    #[serde(default)]
    pub is_indented: bool,
    /// What opens and closes a comment that may span lines.
    pub block_comment: Option<[String; 2]>,
    /// What opens a block, and what closes it where indentation does not.
    pub block_open: Option<String>,
    pub block_close: Option<String>,
    /// The characters that open and close a string.
    #[serde(default)]
    pub(super) quotes: Vec<char>,
    /// The LSP's language ids.
    #[serde(default)]
    ids: Vec<String>,
    /// File extensions without the dot.
    #[serde(default)]
    extensions: Vec<String>,
    /// Whole file names, for files without an extension of their own.
    #[serde(default)]
    file_names: Vec<String>,
    /// Words that begin a line which opens a block, where the tree cannot say because the text has
    /// an error there. Empty: whatever opens a block elsewhere opens one there.
    #[serde(default)]
    block_words: Vec<String>,
    #[serde(skip)]
    syntax: Option<Syntax>,
}

/// What only a language with a parser has.
#[derive(Debug)]
struct Syntax {
    parser: tree_sitter::Language,
    source: &'static str,
    /// Compiled at first use: it takes milliseconds, and most sessions need one language.
    scopes: OnceLock<Scopes>,
}

/// The compiled query of `scopes.scm`, and what each of its captures means.
#[derive(Debug)]
pub(super) struct Scopes {
    pub(super) query: Query,
    /// The patterns with an `@import` alone, which are a quarter of the work.
    pub(super) imports: Query,
    /// By capture index.
    pub(super) roles: Vec<Role>,
}

/// What a capture of `scopes.scm` says about its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Definition,
    Body,
    Import,
    Comment,
    LineComment,
    String,
    Interpolation,
    Docstring,
    Block,
    BlockOpen,
}

impl Language {
    /// The language of a document by its LSP language id, else by its path's name or extension, else
    /// plain text.
    pub fn of(language_id: &str, path: Option<&Path>) -> &'static Language {
        Language::with_id(language_id)
            .or_else(|| Language::of_path(path?))
            .unwrap_or_else(Language::plain)
    }

    /// All languages that are known by more than their text.
    pub fn with_parsers() -> impl Iterator<Item = &'static Language> {
        LANGUAGES
            .iter()
            .filter(|language| language.syntax.is_some())
    }

    /// Text without syntax.
    pub fn plain() -> &'static Language {
        Language::with_id("plaintext").expect("a test finds plain text in grammars/plain.toml")
    }

    /// Makes trees of the language; `None` when it is known as text only.
    pub fn parser(&self) -> Option<&tree_sitter::Language> {
        self.syntax.as_ref().map(|syntax| &syntax.parser)
    }

    /// Whether `word` begins a line that opens a block, as far as a word can tell.
    pub fn may_open_block(&self, word: &str) -> bool {
        self.block_words.is_empty() || self.block_words.iter().any(|known| known == word)
    }

    /// Does what the first question about a text of this language would have to wait for: 20 ms for Rust.
    pub fn prepare(&self) {
        self.scopes();
    }

    /// Whether that is done.
    pub fn is_prepared(&self) -> bool {
        let syntax = self.syntax.as_ref();
        syntax.is_none_or(|syntax| syntax.scopes.get().is_some())
    }

    pub(super) fn scopes(&self) -> Option<&Scopes> {
        let syntax = self.syntax.as_ref()?;
        Some((syntax.scopes).get_or_init(|| Scopes::new(&syntax.parser, syntax.source)))
    }

    fn with_id(id: &str) -> Option<&'static Language> {
        let is_it = |known: &String| known.eq_ignore_ascii_case(id);
        LANGUAGES
            .iter()
            .find(|language| language.ids.iter().any(is_it))
    }

    fn of_path(path: &Path) -> Option<&'static Language> {
        let name = path.file_name()?.to_str()?;
        let extension = path.extension().and_then(|extension| extension.to_str());
        let by_name = |language: &&Language| language.file_names.iter().any(|known| known == name);
        let is_it = |known: &String| extension.is_some_and(|it| known.eq_ignore_ascii_case(it));
        (LANGUAGES.iter().find(by_name)).or_else(|| {
            LANGUAGES
                .iter()
                .find(|language| language.extensions.iter().any(is_it))
        })
    }
}

impl Scopes {
    fn new(parser: &tree_sitter::Language, source: &str) -> Scopes {
        let query = Query::new(parser, source).expect("a test compiles every scopes.scm");
        let roles: Vec<Role> = (query.capture_names().iter())
            .map(|name| Role::named(name).expect("a test compiles every scopes.scm"))
            .collect();
        let mut imports = query.deep_clone();
        for pattern in 0..query.pattern_count() {
            let mut captures = query.capture_quantifiers(pattern).iter().zip(&roles);
            if !captures.any(|(n, role)| *role == Role::Import && *n != CaptureQuantifier::Zero) {
                imports.disable_pattern(pattern);
            }
        }
        Scopes {
            query,
            imports,
            roles,
        }
    }
}

impl Role {
    fn named(name: &str) -> Option<Role> {
        Some(match name {
            "definition" => Role::Definition,
            "body" => Role::Body,
            "import" => Role::Import,
            "comment" => Role::Comment,
            "comment.line" => Role::LineComment,
            "string" => Role::String,
            "interpolation" => Role::Interpolation,
            "docstring" => Role::Docstring,
            "block" => Role::Block,
            "block.open" => Role::BlockOpen,
            _ => return None,
        })
    }
}

fn load() -> Vec<Language> {
    #[derive(Deserialize)]
    struct Plain {
        language: Vec<Language>,
    }
    let with_parser = GRAMMARS.iter().map(|grammar| Language {
        syntax: Some(Syntax {
            parser: (grammar.parser)(),
            source: grammar.scopes,
            scopes: OnceLock::new(),
        }),
        ..toml::from_str(grammar.settings).expect("a test reads every language.toml")
    });
    let plain: Plain = toml::from_str(include_str!("../../grammars/plain.toml"))
        .expect("a test reads grammars/plain.toml");
    with_parser.chain(plain.language).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[track_caller]
    fn check(language_id: &str, path: &str, expected: &str) {
        assert_eq!(
            Language::of(language_id, Some(Path::new(path))).name,
            expected
        );
    }

    #[test]
    fn a_known_id_says_more_than_the_path_and_the_path_more_than_an_unknown_id() {
        check("rust", "a.py", "rust");
        check("Rust", "", "rust");
        check("", "src/a.rs", "rust");
        check("brainfuck", "a.PYI", "python");
        check("", "Makefile", "make");
        check("typescriptreact", "a.tsx", "typescript");
        check("plaintext", "a.rs", "text");
        check("brainfuck", "a.bf", "text");
        check("", "", "text");
    }

    #[test]
    fn a_language_is_one_object_however_it_is_found() {
        let by_id = Language::of("python", None);
        assert!(std::ptr::eq(
            by_id,
            Language::of("", Some(Path::new("a.py")))
        ));
        assert!(by_id.is_indented && by_id.parser().is_some());
        assert!(std::ptr::eq(Language::plain(), Language::of("", None)));
        assert!(Language::plain().parser().is_none());
    }

    #[test]
    fn every_language_file_is_read_and_every_query_compiles() {
        for language in LANGUAGES.iter() {
            assert_eq!(language.parser().is_some(), language.scopes().is_some());
        }
        let with_parser = LANGUAGES
            .iter()
            .filter(|language| language.parser().is_some());
        assert_eq!(with_parser.count(), GRAMMARS.len());
    }

    #[test]
    fn no_two_languages_claim_the_same_name_id_or_file() {
        let mut seen = HashSet::new();
        for language in LANGUAGES.iter() {
            let claims = (language.ids.iter().map(|id| format!("id {id}")))
                .chain(
                    language
                        .extensions
                        .iter()
                        .map(|extension| format!(".{extension}")),
                )
                .chain(
                    language
                        .file_names
                        .iter()
                        .map(|name| format!("file {name}")),
                )
                .chain([format!("name {}", language.name)]);
            for claim in claims {
                assert!(
                    seen.insert(claim.clone()),
                    "{} claims {claim} again",
                    language.name
                );
            }
        }
    }
}
