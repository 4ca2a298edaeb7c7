//! The real program with the real model over real pipes: a session from start to end, and all the ways
//! in which it can end.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use ghostline::cli::client::Client;
use serde_json::{Value, json};

/// A second is what is promised; the rest is for a busy machine.
const PROMPTLY: Duration = Duration::from_secs(3);
/// Only ever runs out when something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The most that the idle server may hold in RAM, in KiB.
const MEMORY: u64 = 100 << 10;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghostline"));
    // Not the user's: neither what is configured there, nor what is cached.
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command
        .env("XDG_CONFIG_HOME", own.join("config"))
        .env("XDG_CACHE_HOME", own.join("cache"))
        .env("XDG_STATE_HOME", own.join("state"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GHOSTLINE_")) {
        command.env_remove(name);
    }
    command
}

/// A server whose model is loaded.
fn server(arguments: &[&str]) -> Client {
    let mut client =
        Client::start(program().arg("lsp").args(arguments)).expect("the server starts");
    let capabilities = json!({
        "general": {"positionEncodings": ["utf-8"]},
        "textDocument": {"inlineCompletion": {}},
        "experimental": {"ghostline": {"status": true}},
    });
    let result = client
        .call(
            "initialize",
            json!({"capabilities": capabilities}),
            PATIENCE,
            drop,
        )
        .expect("the server initializes");
    assert_eq!(result["capabilities"]["inlineCompletionProvider"], true);
    client.notify("initialized", json!({})).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let message = client
            .receive(deadline)
            .unwrap()
            .expect("the model is loaded in time")
            .message;
        if message["method"] == "ghostline/status" && message["params"]["state"] != "loading" {
            assert_eq!(message["params"]["state"], "ready");
            return client;
        }
    }
}

fn open(client: &mut Client, text: &str) {
    let document = json!({"uri": "file:///a.rs", "languageId": "rust", "version": 1, "text": text});
    client
        .notify("textDocument/didOpen", json!({"textDocument": document}))
        .unwrap();
}

fn ask(client: &mut Client, line: usize, character: usize) -> Value {
    let params = json!({
        "textDocument": {"uri": "file:///a.rs"},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 1},
    });
    client
        .call("textDocument/inlineCompletion", params, PATIENCE, drop)
        .unwrap()
}

#[test]
fn ghost_text_comes_while_somebody_types_and_the_session_ends_in_order() {
    let mut client = server(&["--log", "trace"]);
    let before = "use std::collections::HashMap;\n\nfn count(words: &[String]) -> HashMap<String, usize> {\n    ";
    open(&mut client, &format!("{before}\n}}\n"));
    let mut n_shown = 0;
    for (idx, letter) in "let mut counts = HashMap::".char_indices() {
        let at = json!({"line": 3, "character": 4 + idx});
        let change = json!({"range": {"start": at, "end": at}, "text": letter});
        let params = json!({"textDocument": {"uri": "file:///a.rs", "version": idx + 2}, "contentChanges": [change]});
        client.notify("textDocument/didChange", params).unwrap();
        let answer = ask(&mut client, 3, 5 + idx);
        let items = answer["items"]
            .as_array()
            .expect("an answer has items, be it none");
        n_shown += items.len();
        for item in items {
            assert_ne!(item["insertText"], "");
            let range = &item["range"];
            assert_eq!(range["start"]["line"], 3, "{range}");
            assert_eq!(range["end"]["line"], 3, "{range}");
        }
    }
    assert!(n_shown > 0, "a model that says nothing is no model");
    let text = client
        .call(
            "ghostline/documentText",
            json!({"uri": "file:///a.rs"}),
            PATIENCE,
            drop,
        )
        .unwrap();
    assert_eq!(
        text["text"],
        format!("{before}let mut counts = HashMap::\n}}\n")
    );

    let (took, status) = client.shut_down().unwrap();
    assert!(status.success(), "{status}");
    assert!(took < PROMPTLY, "{took:?}");
}

#[test]
fn leaving_while_the_model_works_ends_in_order_too() {
    // A process that runs llama.cpp's destructors beside a working engine dies of a signal, one time in ten or so.
    for _ in 0..10 {
        let mut client = server(&[]);
        open(&mut client, "fn main() {\n    let numbers = \n}\n");
        ask(&mut client, 1, 18);
        let (_, status) = client.shut_down().unwrap();
        assert!(status.success(), "{status}");
    }
}

#[test]
fn leaving_without_a_shutdown_is_a_failure() {
    let mut client = server(&[]);
    let started = client.notify("exit", Value::Null).unwrap();
    let (took, status) = client.wait_for_end(started, PATIENCE).unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(took < PROMPTLY, "{took:?}");
}

#[test]
fn the_end_of_input_ends_the_server() {
    let started = Instant::now();
    let output = program().arg("lsp").stdin(Stdio::null()).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stdout.is_empty(), "stdout is the wire");
    assert!(started.elapsed() < PROMPTLY, "{:?}", started.elapsed());
}

#[cfg(unix)]
#[test]
fn signals_end_the_server_though_its_input_stays_open() {
    for signal in ["TERM", "INT"] {
        let mut client = server(&[]);
        open(&mut client, "fn main() {\n    \n}\n");
        let process = client.process_id().to_string();
        let started = Instant::now();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &process])
                .status()
                .unwrap()
                .success()
        );
        let (took, status) = client.wait_for_end(started, PATIENCE).unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(took < PROMPTLY, "{signal}: {took:?}");
    }
}

#[test]
fn the_idle_server_is_small() {
    let client = server(&[]);
    let Ok(status) = fs::read_to_string(format!("/proc/{}/status", client.process_id())) else {
        eprintln!("skipped: this system does not say how much memory a process holds");
        return;
    };
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let resident: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(resident < MEMORY, "{resident} KiB");
}

#[test]
fn a_model_that_cannot_be_loaded_is_told_and_the_server_stays() {
    let mut client = Client::start(program().args(["lsp", "--model", "nowhere.gguf"])).unwrap();
    let capabilities = json!({"textDocument": {"inlineCompletion": {}}});
    client
        .call(
            "initialize",
            json!({"capabilities": capabilities}),
            PATIENCE,
            drop,
        )
        .unwrap();
    client.notify("initialized", json!({})).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let shown = loop {
        let message = client
            .receive(deadline)
            .unwrap()
            .expect("the user is told")
            .message;
        if message["method"] == "window/showMessage" {
            break message["params"]["message"].as_str().unwrap().to_owned();
        }
    };
    assert!(
        shown.contains("model file `nowhere.gguf` not found"),
        "{shown}"
    );
    open(&mut client, "fn main() {}\n");
    assert_eq!(ask(&mut client, 0, 11), json!({"items": []}));
    client.shut_down().unwrap();
}
