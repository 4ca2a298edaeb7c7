//! The rules that hold the code's shape and that the compiler does not know: the layers, the rooms for foreign
//! crates, headers, sizes, leftovers. A message names the file, the line and the rule. It reads source text,
//! with a lexer that knows comments and strings but no grammar: cheap, and exact enough for these rules.

use std::fmt::Write as _;

use source::{File, blank, identifier, rust_files, sources, text_files, words};

#[path = "tidy/source.rs"]
mod source;

/// The modules of each layer, lowest first. A module imports from its own layer or from below.
const LAYERS: [&[&str]; 5] = [
    &["text", "syntax", "document"],
    &["config", "nearby", "prompt", "suggest"],
    &["engine"],
    &["server"],
    &[
        "cli",
        "exclude",
        "models",
        "remote",
        "report",
        "statistics",
        "main",
        "lib",
    ],
];

/// Words that may stand only in files whose path begins with one of the prefixes. A word ending in `*`
/// stands for every identifier that begins with it.
const ROOMS: [(&str, &[&str], &str); 8] = [
    (
        "ropey",
        &["src/text.rs"],
        "the rope stays behind `Text`, so that only one file knows its line rules",
    ),
    (
        "tree_sitter*",
        &["src/syntax", "src/document.rs"],
        "everybody else asks `syntax`, in byte offsets",
    ),
    (
        "llama_cpp*",
        &["src/engine/llama"],
        "one room for foreign code",
    ),
    ("unsafe", &["src/engine/llama"], "one room for foreign code"),
    (
        "tokio",
        &["src/server", "src/cli", "src/engine/remote"],
        "everything below the server is plain values, threads and channels; but for sockets that have to be cut off",
    ),
    (
        "tower_lsp",
        &["src/server", "src/cli"],
        "LSP types end at the server",
    ),
    (
        "println!",
        &["src/cli", "src/report", "src/main.rs"],
        "stdout is the wire",
    ),
    (
        "print!",
        &["src/cli", "src/report", "src/main.rs"],
        "stdout is the wire",
    ),
];

/// "About 400", with room to finish the thought.
const MAX_LINES: usize = 450;
/// Files that are a table above all, and may be longer.
const TABLES: [&str; 1] = ["src/prompt/format.rs"];

#[test]
fn a_module_imports_only_from_its_own_layer_or_below() {
    check(sources("src"), |file| {
        let own = file.module();
        let Some(layer) = layer_of(own) else {
            return vec![(
                0,
                format!("module `{own}` stands in no layer; add it to `LAYERS` of tests/tidy.rs"),
            )];
        };
        let mut found = Vec::new();
        for (at, module) in imports(&file.code) {
            if let Some(other) = layer_of(&module).filter(|&other| other > layer) {
                found.push((at, format!("`{own}` (layer {layer}) imports from `{module}` (layer {other}), which is above it")));
            }
        }
        for at in words(&file.code, "super") {
            if supers(&file.code, at) >= file.depth() && !file.is_test(at) {
                found.push((
                    at,
                    "reaches the crate root by `super::`; write `crate::`, which names the layer"
                        .into(),
                ));
            }
        }
        found
    });
}

#[test]
fn foreign_crates_and_unsafe_code_keep_to_their_rooms() {
    check(sources("src"), |file| {
        let mut found = Vec::new();
        for (word, rooms, why) in ROOMS {
            if rooms.iter().any(|room| file.path.starts_with(room)) {
                continue;
            }
            let home = rooms.join(", ");
            let message = format!("`{word}` belongs in {home}: {why}");
            // A test may print: its output is captured.
            let places =
                words(&file.code, word).filter(|&at| word != "println!" || !file.is_test(at));
            found.extend(places.map(|at| (at, message.clone())));
        }
        found
    });
}

#[test]
fn only_the_tree_parses() {
    check(sources("src/syntax"), |file| {
        if file.path == "src/syntax/tree.rs" {
            return Vec::new();
        }
        words(&file.code, "Parser")
            .map(|at| {
                (
                    at,
                    "`Parser` belongs in src/syntax/tree.rs, which keeps its time budget".into(),
                )
            })
            .collect()
    });
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    check(rust_files(), |file| match file.text.starts_with("//! ") {
        true => Vec::new(),
        false => vec![(
            0,
            "begins without `//!`: say what the file is and what it is not".into(),
        )],
    });
}

#[test]
fn a_file_holds_one_idea() {
    check(rust_files(), |file| {
        let lines = file.text.lines().count();
        let is_long = lines > MAX_LINES && !TABLES.contains(&file.path.as_str());
        Vec::from_iter(is_long.then(|| {
            (
                0,
                format!(
                    "{lines} lines, {MAX_LINES} are allowed: split it, or name it among the tables"
                ),
            )
        }))
    });
}

#[test]
fn nothing_can_panic_by_unwrap_outside_tests() {
    check(sources("src"), |file| {
        let calls = file.code.match_indices(".unwrap()").map(|(at, _)| at);
        calls
            .filter(|&at| !file.is_test(at))
            .map(|at| {
                (
                    at,
                    "`unwrap`: degrade, or `expect` with the reason it cannot fail".into(),
                )
            })
            .collect()
    });
}

#[test]
fn nothing_is_left_over() {
    check(rust_files(), |file| {
        let leftovers = ["todo!", "unimplemented!", "dbg!"].into_iter();
        let places = leftovers.flat_map(|word| words(&file.code, word).map(move |at| (at, word)));
        places
            .map(|(at, word)| (at, format!("`{word}` is a leftover")))
            .collect()
    });
}

#[test]
fn no_test_is_switched_off_and_no_warning_silenced_without_a_reason() {
    check(rust_files(), |file| {
        let mut found = Vec::new();
        for (attribute, advice) in [
            (
                "#[ignore",
                "a test that does not run; assert today's behaviour and say why it is wrong",
            ),
            ("#[allow(", "write `#[expect(…, reason = \"…\")]`"),
            ("#![allow(", "write `#![expect(…, reason = \"…\")]`"),
        ] {
            found.extend(
                file.code
                    .match_indices(attribute)
                    .map(|(at, _)| (at, advice.to_owned())),
            );
        }
        found
    });
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // Put together here, so that this file does not find itself.
    let places = [
        ["/ho", "me/"],
        ["/Use", "rs/"],
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["\"resol", "ved\": \"http"],
    ]
    .map(|[a, b]| a.to_owned() + b);
    check(text_files(), |file| {
        let hits = places
            .iter()
            .flat_map(|place| file.text.match_indices(place.as_str()));
        hits.filter(|&(at, _)| {
            // A relative path or a placeholder may well contain such a folder.
            let is_inside = |before: char| before.is_alphanumeric() || "._-~}*$".contains(before);
            !file.text[..at].ends_with(is_inside)
        })
        .map(|(at, place)| {
            (
                at,
                format!("`{place}…` is a place of one machine or registry"),
            )
        })
        .collect()
    });
}

#[test]
fn comments_and_strings_are_not_code() {
    let code = blank(
        "let a = \"tokio \\\" // x\"; // tokio\n/* tokio /* nested */ */ r#\"tokio \"# b'\\'' '\"' &'a str; tokio::x",
    );
    assert_eq!(words(&code, "tokio").count(), 1);
    assert!(code.ends_with("&'a str; tokio::x"));
}

#[test]
fn an_import_from_above_is_found_however_it_is_written() {
    let names = |code: &str| {
        imports(code)
            .into_iter()
            .map(|(_, module)| module)
            .collect::<Vec<_>>()
    };
    assert_eq!(names("use crate::server::Server;"), ["server"]);
    assert_eq!(
        names("use crate::{document::{Snapshot, x}, engine, text::ByteOffset};"),
        ["document", "engine", "text"]
    );
    assert_eq!(names("fn f() -> crate::cli::Args { pub(crate) }"), ["cli"]);
}

#[test]
fn test_code_ends_with_its_item() {
    let file = File::new(
        "src/x.rs".into(),
        "#[cfg(test)]\nmod tests { a.unwrap() }\nfn f() { b.unwrap() }".into(),
    );
    let calls: Vec<_> = file
        .code
        .match_indices(".unwrap()")
        .map(|(at, _)| file.is_test(at))
        .collect();
    assert_eq!(calls, [true, false]);
}

/// Panics with one line per violation: file, line, rule.
#[track_caller]
fn check(files: Vec<File>, rule: impl Fn(&File) -> Vec<(usize, String)>) {
    assert!(!files.is_empty(), "no file was looked at");
    let mut report = String::new();
    for file in &files {
        for (at, message) in rule(file) {
            let line = file.text[..at].matches('\n').count() + 1;
            writeln!(report, "{}:{line}: {message}", file.path)
                .expect("writing to a string does not fail");
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Every `crate::module` in `code`, each name of a group `crate::{a::x, b}` on its own.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in words(code, "crate") {
        let Some(path) = code[at..].strip_prefix("crate::") else {
            continue;
        };
        let Some(group) = path.trim_start().strip_prefix('{') else {
            found.push((at, identifier(path).to_owned()));
            continue;
        };
        let mut depth = 1;
        let mut is_name_next = true;
        for (offset, char) in group.char_indices() {
            match char {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => is_name_next = true,
                _ if is_name_next && !char.is_whitespace() => {
                    found.push((at, identifier(&group[offset..]).to_owned()));
                    is_name_next = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// How many `super` the path at `at` begins with; 0 in the midst of one.
fn supers(code: &str, at: usize) -> usize {
    if code[..at].ends_with("super::") {
        return 0;
    }
    let mut rest = &code[at..];
    let mut count = 0;
    while let Some(next) = rest.strip_prefix("super::") {
        rest = next;
        count += 1;
    }
    count
}
