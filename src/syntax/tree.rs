//! A syntax tree kept in step with edits, parsed within a time budget. The only user of `Parser`.
//!
//! A parse that runs out of time is not thrown away: the parser keeps its state, and so do we the text
//! it was reading. The next call goes on there, on that older text, and brings the result up to date
//! with the edits made since; so that even somebody who types faster than a huge file can be parsed
//! gets a tree in the end.

use std::{
    borrow::Cow,
    fmt,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tree_sitter::{InputEdit, ParseOptions, Parser, Point, Tree};

use crate::text::{ByteOffset, Edit, Text};

/// What one parse on the path of a keystroke may take. A keystroke in a file of 100,000 lines needs a
/// fraction of it; what can use it up is a first parse, or a quote that turns the rest of a file around.
pub const PARSE_BUDGET: Duration = Duration::from_millis(4);

/// The clock is not looked at before the parser has reported this often. A report comes every 100
/// operations, that is several tokens, so a small file always gets its tree at once, on however busy
/// a machine, and every parse makes progress.
const MIN_REPORTS: usize = 32;

/// Longer texts get no tree: a tree takes about ten times the memory of its text.
const MAX_PARSED: ByteOffset = ByteOffset(16 << 20);

/// The tree of one document, and the parser that makes it.
pub struct SyntaxTree {
    parser: Parser,
    tree: Option<Tree>,
    is_current: bool,
    unfinished: Option<Unfinished>,
}

/// A parse that ran out of time.
struct Unfinished {
    text: Text,
    /// The tree the parse started from, as it was for `text`.
    base: Option<Tree>,
    /// The edits that led from `text` to the document's present text.
    later: Vec<InputEdit>,
}

impl SyntaxTree {
    pub fn new(language: &tree_sitter::Language) -> SyntaxTree {
        let mut parser = Parser::new();
        (parser.set_language(language))
            .expect("every grammar linked in has an ABI version that this tree-sitter reads");
        SyntaxTree {
            parser,
            tree: None,
            is_current: false,
            unfinished: None,
        }
    }

    /// The tree, with every edit applied to its offsets; its structure is that of the text when
    /// [`is_current`](Self::is_current), and an older one otherwise. `None` until a first parse is done.
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    pub fn is_current(&self) -> bool {
        self.is_current
    }

    /// Tells the tree of an edit that turned `before` into `after`. Logarithmic; parses nothing.
    pub fn edit(&mut self, edit: &Edit, before: &Text, after: &Text) {
        let edit = input_edit(edit, before, after);
        if let Some(tree) = &mut self.tree {
            tree.edit(&edit);
        }
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.later.push(edit);
        }
        self.is_current = false;
    }

    /// Parses what has changed; `text` is what the edits so far have led to. Gives up after about
    /// `budget`, to go on at the next call.
    pub fn parse(&mut self, text: &Text, budget: Duration) {
        if text.len() > MAX_PARSED {
            self.parser.reset();
            (self.tree, self.unfinished, self.is_current) = (None, None, true);
            return;
        }
        let started = Instant::now();
        let mut n_reports = 0;
        while !self.is_current {
            let job = self.unfinished.get_or_insert_with(|| Unfinished {
                text: text.clone(),
                base: self.tree.clone(),
                later: Vec::new(),
            });
            let mut out_of_time = |_: &_| {
                n_reports += 1;
                if n_reports <= MIN_REPORTS || started.elapsed() < budget {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            let Some(mut tree) = self.parser.parse_with_options(
                &mut |at, _| parsed_text(&job.text, ByteOffset(at)),
                job.base.as_ref(),
                Some(ParseOptions::new().progress_callback(&mut out_of_time)),
            ) else {
                return;
            };
            for edit in &job.later {
                tree.edit(edit);
            }
            self.is_current = job.later.is_empty();
            self.tree = Some(tree);
            self.unfinished = None;
        }
    }
}

impl fmt::Debug for SyntaxTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyntaxTree")
            .field("is_current", &self.is_current)
            .finish_non_exhaustive()
    }
}

/// What the parser reads at `at`: the text, with each lone `\r` turned into a `\n`.
///
/// tree-sitter counts only `\n` as a line break, we and the LSP a lone `\r`, too. Showing it the same
/// lines as everybody else sees keeps its rows equal to ours, which the rope finds in O(log n), and
/// makes a comment or a Python statement end where the editor ends the line.
fn parsed_text(text: &Text, at: ByteOffset) -> Cow<'_, [u8]> {
    let chunk = text.chunk_from(at).as_bytes();
    if !chunk.contains(&b'\r') {
        return Cow::Borrowed(chunk);
    }
    let after = text.byte_at(ByteOffset(at.0 + chunk.len()));
    let is_lone =
        |i: usize| chunk[i] == b'\r' && chunk.get(i + 1).copied().or(after) != Some(b'\n');
    if !(0..chunk.len()).any(is_lone) {
        return Cow::Borrowed(chunk);
    }
    let byte = |i: usize| if is_lone(i) { b'\n' } else { chunk[i] };
    Cow::Owned((0..chunk.len()).map(byte).collect())
}

fn input_edit(edit: &Edit, before: &Text, after: &Text) -> InputEdit {
    // How a `\r` is read depends on the byte behind it, so that one right before the edit belongs to it.
    let back = match edit.start.0.checked_sub(1) {
        Some(previous) if before.byte_at(ByteOffset(previous)) == Some(b'\r') => 1,
        _ => 0,
    };
    let start = ByteOffset(edit.start.0 - back);
    InputEdit {
        start_byte: start.0,
        old_end_byte: edit.old_end.0,
        new_end_byte: edit.new_end.0,
        start_position: point(before, start),
        old_end_position: point(before, edit.old_end),
        new_end_position: point(after, edit.new_end),
    }
}

fn point(text: &Text, at: ByteOffset) -> Point {
    let row = text.line_of(at);
    Point::new(row, at.0 - text.line_start(row).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn show() {
        let rust = [
            "fn f() { // foo",
            "fn f() { /* foo",
            "fn f() {\n    let s = \"foo\n}\n\nfn g() { 1 }\n",
            "fn f() {",
            "fn f() {\n\nfn g() { 1 }\n",
            "impl A {\n    fn f(&self) {\n        let x = \n    }\n}\n",
            "impl A {\n    fn f(&self) -> u8 {\n        self.\n    }\n    fn g() {}\n}\n",
            "fn f() { match x { } }",
            "fn f() { if a {} }",
            "/// doc\nfn f() {}\n",
            "fn f() {\n    g(|\n}\nfn h() {}\n",
            "struct A { }",
            "fn f() { let a = 'x'; r#\"a\"#; b\"x\"; S { } }",
            "fn f<'a>() { if x {\n }\n",
            "fn f() {\n    for x in \n}\n",
        ];
        let python = [
            "def f():\n",
            "def f():\n    \nx = 1\n",
            "def f():\n    x = \n\ny = 1\n",
            "class A:\n    def f(self):\n        return self.\n\n    def g(self):\n        pass\n",
            "x = 'abc\ny = 1\n",
            "x = f'a{b",
            "x = f'a{b}c'",
            "def f():\n    '''doc'''\n    \n",
            "class A:\n    def f(self):\n",
            "if x:\n    a = 1\nelse:\n",
            "def f(self",
            "class A:\n    x = 1\n    def f(self, \n    def g(self):\n        pass\n",
            "'''doc\nfoo\nbar",
            "def f():\n    for x in y:\n",
            "def f():\n    if x\n    y = 1\n",
            "def f():\n    # todo\n",
            "def f(): # note\n    \n",
            "try:\n",
        ];
        for (language, texts) in [
            (tree_sitter_rust::LANGUAGE.into(), &rust[..]),
            (tree_sitter_python::LANGUAGE.into(), &python[..]),
        ] {
            for text in texts {
                let mut tree = SyntaxTree::new(&language);
                tree.parse(&Text::new(text), PARSE_BUDGET);
                println!(
                    "{text:?}\n    {}",
                    tree.tree().unwrap().root_node().to_sexp()
                );
            }
        }
    }
}
