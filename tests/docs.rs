//! The generated pages are what the code says. `UPDATE_DOCS=1 cargo test --test docs` writes them anew.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ghostline::config::reference;

#[path = "docs/vscode.rs"]
mod vscode;

/// The commands whose help makes up the page of the command line; the first is the program itself.
const COMMANDS: [&str; 10] = [
    "", "lsp", "complete", "demo", "bench", "eval", "doctor", "models", "stats", "config",
];

#[test]
fn the_configuration_page_is_what_the_code_says() {
    check("docs/configuration.md", &reference::reference());
}

#[test]
fn the_command_line_page_is_what_help_prints() {
    let mut page =
        "# The command line\n\nWhat `ghostline --help` and its commands print.\n".to_owned();
    for command in COMMANDS {
        let title = format!("ghostline {command}");
        page += &format!("\n## `{}`\n\n```text\n{}```\n", title.trim(), help(command));
    }
    check("docs/command-line.md", &page);
}

#[test]
fn every_command_stands_on_the_page() {
    let overview = help("");
    let listed = overview
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1);
    for line in listed.take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().unwrap_or_default();
        assert!(
            name == "help" || COMMANDS.contains(&name),
            "`{name}` is missing in tests/docs.rs"
        );
    }
}

/// What `--help` prints where there is no terminal.
fn help(command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ghostline"))
        .args(Some(command).filter(|command| !command.is_empty()))
        .arg("--help")
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("help is text")
}

#[track_caller]
fn check(page: &str, expected: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, expected).expect("the page can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{page} is stale; write it anew with `UPDATE_DOCS=1 cargo test --test docs`"
    );
}
