//! A document: text, syntax tree and version, changed by edits and read through snapshots.

use std::{ops::Range, path::Path, time::Duration};

use crate::{
    syntax::{
        language::Language,
        tree::{Parse, SyntaxTree},
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
    /// when a parse ran out of time or goes on elsewhere: then it has had the edits applied and its offsets are right, but
    /// its structure is the older one.
    pub tree: Option<tree_sitter::Tree>,
}

impl Snapshot {
    /// The same text for whoever keeps it for long and needs no tree: the last one to drop the tree of a large file
    /// takes milliseconds for it.
    #[must_use]
    pub fn without_tree(&self) -> Snapshot {
        Snapshot {
            tree: None,
            text: self.text.clone(),
            ..*self
        }
    }
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
        if let Some(budget) = self.tree.as_ref().map(SyntaxTree::budget) {
            self.parse(budget);
        }
        self.unparsed()
    }

    /// Parses what has changed, for about `budget`; whether that was enough. The next call goes on there.
    pub fn parse(&mut self, budget: Duration) -> bool {
        let Some(tree) = &mut self.tree else {
            return true;
        };
        tree.parse(&self.text, budget);
        tree.is_current()
    }

    /// Whether the syntax is that of the text as it is; of what has no parser it always is.
    pub fn is_parsed(&self) -> bool {
        self.tree.as_ref().is_none_or(|tree| tree.is_current())
    }

    /// Takes what is left to parse out, so that it can be parsed while the document is edited and read; `None`
    /// when nothing is left, or it is out already.
    pub fn take_parse(&mut self) -> Option<Parse> {
        self.tree.as_mut()?.take(&self.text)
    }

    /// Takes a parse back that was taken out. The tree of before is returned, to be dropped where nobody waits.
    pub fn put_back(&mut self, parse: Parse) -> Option<tree_sitter::Tree> {
        self.tree.as_mut()?.put_back(parse)
    }

    /// The document as it is now, with the tree as the last parse left it. Costs next to nothing.
    pub fn unparsed(&self) -> Snapshot {
        Snapshot {
            text: self.text.clone(),
            version: self.version,
            language: self.language,
            tree: self.tree.as_ref().and_then(|tree| tree.tree().cloned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(snapshot: &Snapshot) -> String {
        snapshot.tree.as_ref().unwrap().root_node().to_sexp()
    }

    fn fresh(text: &str) -> String {
        structure(&Document::new(text, 0, "rust", None).snapshot())
    }

    #[test]
    fn a_snapshot_does_not_change_when_the_document_does() {
        let mut document = Document::new("fn f() {}", 1, "rust", None);
        let before = document.snapshot();
        let edit = document.edit(ByteOffset(3)..ByteOffset(4), "größe");
        document.set_version(2);
        let after = document.snapshot();
        assert_eq!(edit.new_end, ByteOffset(10));
        assert_eq!(
            (before.version, before.text.to_string().as_str()),
            (1, "fn f() {}")
        );
        assert_eq!(
            (after.version, after.text.to_string().as_str()),
            (2, "fn größe() {}")
        );
        assert_eq!(before.tree.unwrap().root_node().end_byte(), 9);
        assert_eq!(after.tree.unwrap().root_node().end_byte(), 15);
    }

    #[test]
    fn the_tree_follows_edits_and_whole_replacements() {
        let mut document = Document::new("fn f() {}\nfn g() {}\n", 1, "rust", None);
        document.snapshot();
        document.edit(ByteOffset(8)..ByteOffset(8), " 1 + x ");
        assert_eq!(
            structure(&document.snapshot()),
            fresh("fn f() { 1 + x }\nfn g() {}\n")
        );
        let edit = document.replace_all("fn f() { 1 * x }\nfn g() {}\n");
        assert_eq!((edit.start.0, edit.old_end.0, edit.new_end.0), (11, 12, 12));
        assert_eq!(
            structure(&document.snapshot()),
            fresh("fn f() { 1 * x }\nfn g() {}\n")
        );
        document.replace_all("");
        assert!(document.text().is_empty());
        assert_eq!(structure(&document.snapshot()), "(source_file)");
    }

    #[test]
    fn several_edits_before_a_snapshot_are_one_parse_of_the_text_they_led_to() {
        let mut document = Document::new("fn f() { 1 }\r\n", 1, "rust", None);
        document.snapshot();
        for with in ["let a = \"é\";\r\n", "// 😀\r", "x\n"] {
            document.edit(ByteOffset(9)..ByteOffset(9), with);
        }
        assert_eq!(
            structure(&document.snapshot()),
            fresh(&document.text().to_string())
        );
    }

    #[test]
    fn a_document_is_edited_and_read_while_it_is_parsed_elsewhere() {
        let mut document = Document::new("fn f() {}\n", 1, "rust", None);
        document.snapshot();
        document.edit(ByteOffset(8)..ByteOffset(8), " 1 ");
        let mut parse = document.take_parse().expect("there is something to parse");
        assert!(document.take_parse().is_none(), "it is out");
        // Nothing of the document is needed there: this compiles.
        let parsing = std::thread::spawn(move || {
            assert!(parse.go_on(&mut || true));
            parse
        });
        document.edit(ByteOffset(0)..ByteOffset(0), "// é\n");
        let snapshot = document.snapshot();
        assert_eq!(snapshot.text.to_string(), "// é\nfn f() { 1 }\n");
        let tree = snapshot.tree.expect("the older one");
        assert_eq!(tree.root_node().end_byte(), snapshot.text.len().0);
        document.put_back(parsing.join().expect("it parses"));
        // It was of the text before, and has had the edit applied.
        let tree = document.unparsed().tree.expect("the new one");
        assert_eq!(tree.root_node().end_byte(), snapshot.text.len().0);
        assert!(tree.root_node().to_sexp().contains("integer_literal"));
        assert!(document.parse(Duration::MAX));
        assert_eq!(
            structure(&document.unparsed()),
            fresh("// é\nfn f() { 1 }\n")
        );
        assert!(document.take_parse().is_none(), "nothing is left");
    }

    #[test]
    fn text_without_a_parser_has_no_tree() {
        let mut document = Document::new("a: 1\n", 1, "yaml", None);
        document.edit(ByteOffset(0)..ByteOffset(1), "b");
        let snapshot = document.snapshot();
        assert!(snapshot.tree.is_none());
        assert_eq!(snapshot.language.name, "yaml");
        assert_eq!(snapshot.text.to_string(), "b: 1\n");
    }
}
