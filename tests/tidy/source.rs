//! Source files as `tests/tidy.rs` looks at them: their text, and the same with comments and literals blanked.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// One source file: its text, and the same with comments and literals blanked, byte for byte in place.
pub struct File {
    /// Below the repository's root, with `/`.
    pub path: String,
    pub text: String,
    /// As long as `text`; empty unless it is Rust.
    pub code: String,
    /// The items under `#[cfg(test)]`.
    tests: Vec<Range<usize>>,
}

impl File {
    pub fn read(path: &Path) -> File {
        let relative = path.strip_prefix(root()).expect("found below the root");
        let text = fs::read_to_string(path).unwrap_or_default();
        File::new(
            relative
                .to_str()
                .expect("paths of the repository are UTF-8")
                .replace('\\', "/"),
            text,
        )
    }

    pub fn new(path: String, text: String) -> File {
        let code = if path.ends_with(".rs") {
            blank(&text)
        } else {
            String::new()
        };
        let tests = code
            .match_indices("#[cfg(test)]")
            .map(|(at, _)| at..end_of_item(&code, at))
            .collect();
        File {
            path,
            text,
            code,
            tests,
        }
    }

    /// `engine` for `src/engine.rs` and for `src/engine/worker.rs`.
    pub fn module(&self) -> &str {
        let inner = self.path.trim_start_matches("src/");
        inner
            .split('/')
            .next()
            .unwrap_or(inner)
            .trim_end_matches(".rs")
    }

    /// How many `super::` lead from this file to the crate root.
    pub fn depth(&self) -> usize {
        self.path.matches('/').count()
    }

    pub fn is_test(&self, at: usize) -> bool {
        self.path.ends_with("tests.rs")
            || self.path.contains("/tests/")
            || self.tests.iter().any(|range| range.contains(&at))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn sources(folder: &str) -> Vec<File> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    paths.iter().map(|path| File::read(path)).collect()
}

pub fn rust_files() -> Vec<File> {
    ["src", "tests", "benches"]
        .iter()
        .flat_map(|folder| sources(folder))
        .collect()
}

/// Everything a person writes and reads: code, scripts, settings, prose.
pub fn text_files() -> Vec<File> {
    const EXTENSIONS: [&str; 14] = [
        "rs", "toml", "md", "sh", "lua", "ts", "js", "mjs", "json", "py", "scm", "yml", "lock", "",
    ];
    let mut paths = Vec::new();
    walk(&root(), &mut paths);
    paths.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        EXTENSIONS.contains(&extension.unwrap_or_default())
    });
    paths.iter().map(|path| File::read(path)).collect()
}

/// All files below `folder` but build products, recorded traffic and git's own, sorted.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let is_product = [
            "target",
            "node_modules",
            "build",
            "dist",
            "out",
            "traces",
            ".git",
        ]
        .contains(&name);
        match (is_product, path.is_dir()) {
            (true, _) => {}
            (false, true) => walk(&path, files),
            (false, false) => files.push(path),
        }
    }
}

/// Where `word` stands in `code` as a whole word; see [`ROOMS`] for `*`.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let stem = word.trim_end_matches('*');
    code.match_indices(stem)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let starts = !code[..at].ends_with(is_word_char);
            let ends = stem != word
                || stem.ends_with('!')
                || !code[at + stem.len()..].starts_with(is_word_char);
            starts && ends
        })
}

pub fn identifier(code: &str) -> &str {
    let code = code.trim_start();
    &code[..code.find(|char| !is_word_char(char)).unwrap_or(code.len())]
}

fn is_word_char(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Where the item after the attribute at `at` ends: its closing brace, or its semicolon.
fn end_of_item(code: &str, at: usize) -> usize {
    let mut depth = 0;
    for (offset, char) in code[at..].char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + offset,
            _ => continue,
        }
        if depth == 0 {
            return at + offset;
        }
    }
    code.len()
}

/// `text` with the inside of comments, strings and characters replaced by blanks, byte for byte.
pub fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = end_of_literal(text, at);
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("whole characters became blanks")
}

/// Where the comment or literal that begins at byte `at` ends; `at` where none begins there.
fn end_of_literal(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let until = |from: usize, end: &str| {
        bytes[from..]
            .windows(end.len())
            .position(|bytes| bytes == end.as_bytes())
            .map_or(bytes.len(), |found| from + found + end.len())
    };
    let is_inside_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match bytes[at..] {
        [b'/', b'/', ..] => until(at, "\n"),
        [b'/', b'*', ..] => {
            let mut depth = 1;
            let mut end = at + 2;
            while depth > 0 && end < bytes.len() {
                match bytes[end..] {
                    [b'/', b'*', ..] => (depth, end) = (depth + 1, end + 2),
                    [b'*', b'/', ..] => (depth, end) = (depth - 1, end + 2),
                    _ => end += 1,
                }
            }
            end
        }
        [b'r', b'"' | b'#', ..] if !is_inside_word || bytes[at - 1] == b'b' => {
            let hashes = bytes[at + 1..]
                .iter()
                .take_while(|&&byte| byte == b'#')
                .count();
            match bytes.get(at + 1 + hashes) {
                Some(b'"') => until(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes))),
                _ => at,
            }
        }
        [b'"', ..] => {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            (end + 1).min(bytes.len())
        }
        [b'\'', b'\\', ..] => until(at + 3, "'"),
        // A character, unless the quote begins a lifetime.
        [b'\'', ..] => match text[at + 1..].chars().next() {
            Some(char) if text[at + 1 + char.len_utf8()..].starts_with('\'') => {
                at + 2 + char.len_utf8()
            }
            _ => at,
        },
        _ => at,
    }
}
