//! `ghostline stats` with the real program: what a server counts is there afterwards, and goes when it is told to.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use ghostline::cli::client::Client;
use serde_json::{Value, json};

/// Only ever runs out when something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program with nothing of the user's, and a state folder of its own.
fn program(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghostline"));
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command
        .env("XDG_CONFIG_HOME", own.join("config"))
        .env("XDG_CACHE_HOME", own.join("cache"))
        .env("XDG_STATE_HOME", state)
        .stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GHOSTLINE_")) {
        command.env_remove(name);
    }
    command
}

fn stats(state: &Path, arguments: &[&str]) -> Output {
    let mut command = program(state);
    command.arg("stats").args(arguments);
    command.output().expect("the program runs")
}

#[track_caller]
fn printed(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).expect("output is UTF-8")
}

/// A server that hands out a suggestion, which is accepted.
fn accepts(state: &Path, settings: &Value) {
    let mut server = Client::start(program(state).arg("lsp")).expect("the server starts");
    let params = json!({
        "capabilities": {
            "general": {"positionEncodings": ["utf-8"]},
            "textDocument": {"inlineCompletion": {}},
            "experimental": {"ghostline": {"status": true}},
        },
        "initializationOptions": settings,
    });
    server
        .call("initialize", params, PATIENCE, drop)
        .expect("the server initializes");
    server.notify("initialized", json!({})).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let message = server.receive(deadline).unwrap().expect("in time").message;
        if message["method"] == "ghostline/status" && message["params"]["state"] == "ready" {
            break;
        }
    }
    let text = "fn add(left: u32, right: u32) -> u32 {\n    left + \n}\n";
    let document = json!({"uri": "file:///a.rs", "languageId": "rust", "version": 1, "text": text});
    server
        .notify("textDocument/didOpen", json!({"textDocument": document}))
        .unwrap();
    let params = json!({
        "textDocument": {"uri": "file:///a.rs"},
        "position": {"line": 1, "character": 11},
        "context": {"triggerKind": 1},
    });
    let answer = server
        .call("textDocument/inlineCompletion", params, PATIENCE, drop)
        .expect("an answer");
    let command = answer["items"][0]["command"].clone();
    server
        .call("workspace/executeCommand", command, PATIENCE, drop)
        .expect("the command is known");
    server
        .call("shutdown", Value::Null, PATIENCE, drop)
        .expect("the server shuts down");
    server.notify("exit", Value::Null).unwrap();
    while server.receive(deadline).is_ok_and(|it| it.is_some()) {}
}

#[test]
fn what_servers_count_is_printed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let nothing = stats(state, &[]);
    assert!(printed(&nothing).starts_with("nothing has been counted"));

    accepts(state, &json!({}));
    accepts(state, &json!({}));
    accepts(state, &json!({"statistics": {"record": false}}));
    let json: Value = serde_json::from_str(printed(&stats(state, &["--json"]))).unwrap();
    assert_eq!(
        (&json["total"]["shown"], &json["total"]["accepted"]),
        (&json!(2), &json!(2)),
        "{json}"
    );
    assert_eq!(json["by_language_and_model"][0]["language"], "rust");
    let table = stats(state, &["--days", "7"]);
    assert!(printed(&table).contains("100.0 %"), "{table:?}");
    // Counts and names, and nothing of the text.
    let file = json["file"].as_str().expect("a path");
    assert!(!fs::read_to_string(file).unwrap().contains("right"));

    let deleted = stats(state, &["--reset"]);
    assert!(printed(&deleted).starts_with("deleted the counts of 2 suggestions on 1 day"));
    assert!(!Path::new(file).exists());
    assert_eq!(
        printed(&stats(state, &["--reset"])),
        "there was nothing to delete\n"
    );
}

#[test]
fn a_damaged_file_is_told_with_the_way_out_and_harms_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    fs::create_dir(state.join("ghostline")).unwrap();
    fs::write(state.join("ghostline/statistics.json"), "{nonsense").unwrap();
    let told = stats(state, &[]);
    assert_eq!(told.status.code(), Some(2));
    let message = String::from_utf8(told.stderr).unwrap();
    assert!(
        message.contains("`ghostline stats --reset` begins anew"),
        "{message}"
    );
    accepts(state, &json!({}));
    let json: Value = serde_json::from_str(printed(&stats(state, &["--json"]))).unwrap();
    assert_eq!(json["total"]["accepted"], 1);
}
