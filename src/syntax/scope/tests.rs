//! What is said about places, checked on cases kept as data in `grammars/`.

use std::{fs, path::Path};

use super::*;
use crate::document::Document;

/// One case of a `cases/*.txt`: its name, its text with the cursor as `|`, and what is expected.
struct Case {
    name: String,
    text: String,
    facts: String,
}

fn cases(file: &str) -> Vec<Case> {
    let one = |case: &str| {
        let (name, rest) = case.split_once('\n').expect("a case has a name");
        let (text, facts) = rest.rsplit_once("\n---\n").expect("a case has a --- line");
        Case {
            name: name.trim().to_owned(),
            text: text.to_owned(),
            facts: facts.trim().to_owned(),
        }
    };
    file.split("\n=== ").skip(1).map(one).collect()
}

fn snapshot_at_cursor(language: &str, text: &str) -> (Snapshot, ByteOffset) {
    let (before, after) = text.split_once('|').expect("the cursor is drawn as |");
    assert!(!after.contains('|'), "one cursor");
    let mut document = Document::new(&format!("{before}{after}"), 1, language, None);
    // A long text may need several snapshots before it has a tree.
    let mut snapshots = std::iter::repeat_with(|| document.snapshot());
    let snapshot = snapshots.find(|snapshot| snapshot.tree.is_some());
    (
        snapshot.expect("it goes on for ever"),
        ByteOffset(before.len()),
    )
}

/// The scope in words, a line each.
fn facts(snapshot: &Snapshot, cursor: ByteOffset) -> String {
    let scope = scope_at(snapshot, cursor);
    let mut facts = Vec::new();
    for one in scope.enclosing {
        let signature = snapshot.text.slice(one.signature);
        let words: Vec<_> = signature.split_whitespace().collect();
        facts.push(format!("in {}", words.join(" ")));
    }
    if scope.is_in_comment {
        facts.push("comment".to_owned());
    }
    if scope.is_in_string {
        facts.push("string".to_owned());
    }
    if scope.is_at_empty_block {
        facts.push("empty block".to_owned());
    }
    if let Some(end) = end_of_block(snapshot, cursor) {
        let line = snapshot.text.line_of(end);
        let line = snapshot.text.slice(snapshot.text.line_start(line)..end);
        facts.push(format!("block ends behind `{}`", line.trim()));
    }
    facts.join("\n")
}

#[test]
fn every_case_of_every_grammar_holds() {
    let grammars = Path::new(env!("CARGO_MANIFEST_DIR")).join("grammars");
    let mut wrong = String::new();
    let mut n_cases = 0;
    for folder in fs::read_dir(grammars)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let Ok(files) = fs::read_dir(folder.join("cases")) else {
            continue;
        };
        let language = folder.file_name().unwrap().to_str().unwrap();
        for file in files.map(|entry| entry.unwrap().path()) {
            for case in cases(&fs::read_to_string(&file).unwrap()) {
                let (snapshot, cursor) = snapshot_at_cursor(language, &case.text);
                let facts = facts(&snapshot, cursor);
                n_cases += 1;
                if facts != case.facts {
                    let Case {
                        name,
                        text,
                        facts: expected,
                    } = case;
                    let file = file.display();
                    wrong += &format!(
                        "{file}: {name}\n{text}\n--- expected\n{expected}\n--- found\n{facts}\n\n"
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(n_cases > 60, "only {n_cases} cases were found");
}

#[track_caller]
fn check_imports(language: &str, text: &str, expected: &[&str]) {
    let snapshot = Document::new(text, 1, language, None).snapshot();
    let found = imports(&snapshot)
        .into_iter()
        .map(|range| snapshot.text.slice(range));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn imports_are_those_at_the_top_level_in_order() {
    check_imports(
        "rust",
        "//! Doc.\nuse std::{fmt,\n    io};\npub use a::b; // c\nfn f() { use c::d; }\nmod e { use g; }\nextern crate h;\n",
        &[
            "use std::{fmt,\n    io};",
            "pub use a::b;",
            "extern crate h;",
        ],
    );
    check_imports(
        "python",
        "\"\"\"Doc.\"\"\"\nfrom __future__ import a\nimport os, sys\nfrom b import (c,\n    d)\ndef f():\n    import e\n",
        &[
            "from __future__ import a",
            "import os, sys",
            "from b import (c,\n    d)",
        ],
    );
    check_imports("yaml", "import a\n", &[]);
}

#[test]
fn text_without_a_tree_has_no_scope() {
    let snapshot = Document::new("# a: {}", 1, "yaml", None).snapshot();
    assert_eq!(scope_at(&snapshot, ByteOffset(4)), Scope::default());
    assert_eq!(end_of_block(&snapshot, ByteOffset(4)), None);
}

#[test]
fn no_place_in_no_half_of_a_text_is_too_odd_to_ask_about() {
    for (language, text) in [
        (
            "rust",
            "mod a { // é\r\n    fn f<'a>() { \"😀\\\"\"; match x { 'y' => { /* z */ } } }\r}\n",
        ),
        (
            "python",
            "class A:\r    \"\"\"é\"\"\"\r\n    @b\n    def f(x: {1:\n2}):\n\tf'{x[\"😀\"]}'  # y\n\n  z\n",
        ),
    ] {
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let snapshot = Document::new(&text[..end], 1, language, None).snapshot();
            for at in 0..end + 2 {
                let scope = scope_at(&snapshot, ByteOffset(at));
                assert!(!scope.is_in_comment || !scope.is_in_string);
                for one in scope.enclosing {
                    assert!(
                        one.node.start <= one.signature.end && one.signature.end <= one.node.end
                    );
                }
                if let Some(block_end) = end_of_block(&snapshot, ByteOffset(at)) {
                    let cursor = snapshot.text.floor(ByteOffset(at));
                    assert!(cursor <= block_end && block_end <= ByteOffset(end));
                }
            }
        }
    }
}

#[test]
fn a_place_in_a_long_file_has_the_scope_it_has_in_a_short_one() {
    let others = "fn g() { 1 }\n".repeat(3000);
    let long = format!("{others}impl A {{\n    fn f(&self) {{\n        |\n    }}\n}}\n{others}");
    let (snapshot, cursor) = snapshot_at_cursor("rust", &long);
    let expected = "in impl A\nin fn f(&self)\nempty block\nblock ends behind ``";
    assert_eq!(facts(&snapshot, cursor), expected);
}

#[test]
fn among_thousands_of_items_side_by_side_nothing_is_said_instead_of_looking_at_each() {
    let n_enclosing = |n_items: usize| {
        let items: String = (0..n_items)
            .map(|n| format!("const K{n}: u32 = 0x{n:x};\n"))
            .collect();
        // What follows becomes the unfinished arm's, item by item.
        let half = "impl A {\n    fn g() {\n        match x {\n            Some(|\n    }\n}\n";
        let (snapshot, cursor) = snapshot_at_cursor("rust", &format!("{items}{half}{items}"));
        scope_at(&snapshot, cursor).enclosing.len()
    };
    assert_eq!([n_enclosing(50), n_enclosing(20_000)], [2, 0]);
}
