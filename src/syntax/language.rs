//! The languages ghostline knows more of than their text: one folder of `grammars/` each.

use std::path::Path;

/// One language: its settings from `grammars/<name>/language.toml`, its parser and its queries.
/// Languages live as long as the process and are compared by address.
#[derive(Debug)]
pub struct Language {
    /// `rust`, `python`, `text`, … ; the name used in configuration and in prompt formats.
    pub name: String,
    /// What starts a comment that runs to the end of the line.
    pub line_comment: Option<String>,
    /// Whether blocks are told by indentation (Python) and not by brackets.
    pub is_indented: bool,
    // parser, compiled queries, file extensions, LSP language ids: private
}

impl Language {
    /// The language of a document by its LSP language id, else by its path's extension, else plain text.
    pub fn of(language_id: &str, path: Option<&Path>) -> &'static Language { todo!() }

    /// Text without syntax.
    pub fn plain() -> &'static Language { todo!() }
}
