//! A document: text, syntax tree and version, changed by edits and read through snapshots.

use std::{ops::Range, path::Path};

use crate::{
    syntax::{
        language::Language,
        tree::{PARSE_BUDGET, SyntaxTree},
    },
    text::{ByteOffset, Edit, Text},
};

/// A document as the client has it open. One owner edits it; everyone else reads a [`Snapshot`].
#[derive(Debug)]
pub struct Document {
    text: Text,
    version: i32,
    language: &'static Language,
    /// `None` for languages without a parser.
    tree: Option<SyntaxTree>,
}

/// A document at one version: cheap to clone, never changes.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub text: Text,
    pub version: i32,
    pub language: &'static Language,
    /// `None` for languages without a parser, and until the first parse is done. May lag behind `text`
    /// when a parse ran out of time: then it has had the edits applied and its offsets are right, but
    /// its structure is the older one.
    pub tree: Option<tree_sitter::Tree>,
}

impl Document {
    pub fn new(text: &str, version: i32, language_id: &str, path: Option<&Path>) -> Document {
        let language = Language::of(language_id, path);
        Document {
            text: Text::new(text),
            version,
            language,
            tree: language.parser().map(SyntaxTree::new),
        }
    }

    pub fn text(&self) -> &Text {
        &self.text
    }

    pub fn version(&self) -> i32 {
        self.version
    }

    pub fn language(&self) -> &'static Language {
        self.language
    }

    /// Replaces `range` by `with`; the tree is told, and parsed at the next snapshot.
    pub fn edit(&mut self, range: Range<ByteOffset>, with: &str) -> Edit {
        let before = self.text.clone();
        let edit = self.text.replace(range, with);
        if let Some(tree) = &mut self.tree {
            tree.edit(&edit, &before, &self.text);
        }
        edit
    }

    /// Puts a whole new text in place; keeps the tree by editing only what differs.
    pub fn replace_all(&mut self, text: &str) -> Edit {
        let (range, with) = self.text.difference(text);
        self.edit(range, with)
    }

    pub fn set_version(&mut self, version: i32) {
        self.version = version;
    }

    /// The document as it is now; parses what has changed, within the tree's time budget.
    pub fn snapshot(&mut self) -> Snapshot {
        if let Some(tree) = &mut self.tree {
            tree.parse(&self.text, PARSE_BUDGET);
        }
        Snapshot {
            text: self.text.clone(),
            version: self.version,
            language: self.language,
            tree: self.tree.as_ref().and_then(|tree| tree.tree().cloned()),
        }
    }
}
