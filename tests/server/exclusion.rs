//! Documents that are left alone: nothing is suggested in them, and nobody else's prompt holds their text.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use ghostline::{
    engine::{Engine, Loader, script::Script},
    exclude,
    server::Verdict,
};
use serde_json::{Value, json};

use crate::support::{Start, TestServer, inline_params};

const STORY: &str = "fn main() {\n    let answer = 42;\n}\n";
const TEXT: &str = "fn main() {\n    let an\n}\n";
const FIGURES: &str = "/capabilities/experimental/ghostline/figures";

/// Where an answer to a request by hand came from, behind `let an`.
async fn source(server: &mut TestServer, uri: &str) -> String {
    let mut params = inline_params(uri, 1, 10);
    params["context"]["triggerKind"] = json!(1);
    let answer = server
        .request("textDocument/inlineCompletion", params)
        .await
        .expect("an answer");
    let figures = server.notified("ghostline/completed").await;
    let source = figures["source"].as_str().expect("a source").to_owned();
    let is_shown = answer["items"] != json!([]);
    assert_eq!(is_shown, source != "excluded", "{uri}: {source}");
    source
}

fn uri_of(path: &Path) -> String {
    format!("file://{}", path.display())
}

async fn saves(server: &TestServer, uri: &str) {
    let params = json!({"textDocument": {"uri": uri}});
    server.notify("textDocument/didSave", params).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_left_alone_even_when_asked_by_hand() {
    let script = Script::new([STORY]);
    let start = Start::new(&script).with(FIGURES, json!(true));
    let mut server = start.ready().await;
    for uri in [
        "file:///a/.env.local",
        "file:///a/%2Eenv",
        "file:///c%3A/a/id_rsa",
        "untitled:/a/server.pem",
        "git:/a/credentials.json?x",
    ] {
        server.open(uri, "rust", TEXT).await;
        server.change(uri, 2, Some([[1, 10], [1, 10]]), "s").await;
        server.change(uri, 3, Some([[1, 10], [1, 11]]), "").await;
        assert_eq!(source(&mut server, uri).await, "excluded", "{uri}");
        // It is kept in step all the same.
        assert_eq!(server.text(uri).await, (TEXT.to_owned(), 3));
    }
    assert_eq!(script.decodes(), 0);
    server.open("file:///a/credentials.rs", "rust", TEXT).await;
    assert_eq!(
        source(&mut server, "file:///a/credentials.rs").await,
        "decoded"
    );
    server.finish().await;
}

/// A session whose model has room for other files.
fn with_context(script: &Script) -> Start {
    let mut start = Start::new(script).with(FIGURES, json!(true));
    let script = script.clone();
    start.start_engine = Arc::new(move |_, on_status| {
        let script = script.clone();
        let loader: Loader = Box::new(move |progress| {
            let (model, mut summary) = script.loader()(progress)?;
            summary.plan.windows.context = 2_000;
            Ok((model, summary))
        });
        Engine::start(loader, on_status)
    });
    start
}

/// How many tokens the prompt for a document has that is opened now.
async fn prompt_tokens(server: &mut TestServer, uri: &str) -> u64 {
    server
        .open(uri, "rust", "fn total(values: &[u32]) -> u32 {\n    val")
        .await;
    server.inline(uri, 1, 7).await;
    let figures = server.notified("ghostline/completed").await;
    figures["usage"]["prompt_tokens"]
        .as_u64()
        .expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_alone_is_no_context_for_others() {
    let script = Script::new(["fn total(values: &[u32]) -> u32 {\n    values.iter().sum()\n}\n"]);
    let text = "fn total_of(values: &[u32]) -> u32 {\n    values.iter().sum()\n}\n";
    let mut prompts = Vec::new();
    for other in [None, Some("file:///id_total"), Some("file:///total.rs")] {
        let mut server = with_context(&script).ready().await;
        if let Some(other) = other {
            server.open(other, "rust", text).await;
        }
        prompts.push(prompt_tokens(&mut server, "file:///a.rs").await);
        server.finish().await;
    }
    assert!(
        prompts[0] == prompts[1] && prompts[1] < prompts[2],
        "{prompts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_file_that_is_left_alone_from_now_on_leaves_the_prompts_of_others() {
    let script = Script::new(["fn total(values: &[u32]) -> u32 {\n    values.iter().sum()\n}\n"]);
    let is_excluded = Arc::new(AtomicBool::new(false));
    let mut start = with_context(&script);
    let flag = is_excluded.clone();
    start.excludes = Arc::new(move |candidate| Verdict {
        reason: (flag.load(Ordering::SeqCst) && candidate.path.ends_with("other.rs"))
            .then(|| "because".to_owned()),
        problems: Vec::new(),
    });
    let mut server = start.ready().await;
    let alone = prompt_tokens(&mut server, "file:///first.rs").await;
    server
        .notify(
            "textDocument/didClose",
            json!({"textDocument": {"uri": "file:///first.rs"}}),
        )
        .await;
    let text = "fn total_of(values: &[u32]) -> u32 {\n    values.iter().sum()\n}\n";
    server.open("file:///other.rs", "rust", text).await;
    let uri = "file:///a.rs";
    assert!(prompt_tokens(&mut server, uri).await > alone);
    is_excluded.store(true, Ordering::SeqCst);
    saves(&server, "file:///.ghostlineignore").await;
    // The document is the same, and its prompt is made anew.
    server.inline(uri, 1, 7).await;
    let figures = server.notified("ghostline/completed").await;
    assert_eq!(figures["usage"]["prompt_tokens"], alone, "{figures}");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_exclude_and_readmit_documents_while_they_are_open() {
    let start = Start::new(&Script::new([STORY])).with(FIGURES, json!(true));
    let mut server = start
        .with("/rootUri", json!("file:///project"))
        .ready()
        .await;
    let (top, below) = ("file:///project/a.rs", "file:///project/deep/a.rs");
    for uri in [top, below] {
        server.open(uri, "rust", TEXT).await;
    }
    let configure = async |server: &TestServer, patterns: Value| {
        let settings = json!({"settings": {"files": {"exclude": patterns}}});
        server
            .notify("workspace/didChangeConfiguration", settings)
            .await;
    };
    configure(&server, json!(["/a.rs"])).await;
    assert_eq!(source(&mut server, top).await, "excluded");
    assert_eq!(source(&mut server, below).await, "decoded");
    // The folder that a pattern begins at.
    let event = json!({
        "removed": [{"uri": "file:///project", "name": "project"}],
        "added": [{"uri": "file:///project/deep", "name": "deep"}],
    });
    server
        .notify(
            "workspace/didChangeWorkspaceFolders",
            json!({"event": event}),
        )
        .await;
    assert_eq!(source(&mut server, below).await, "excluded");
    configure(&server, json!([])).await;
    assert_eq!(source(&mut server, top).await, "decoded");
    assert_eq!(source(&mut server, below).await, "decoded");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_counts_when_it_is_saved_or_changes_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join(".ghostlineignore");
    let (a, b) = (folder.path().join("a.rs"), folder.path().join("b.rs"));
    let (a, b) = (uri_of(&a), uri_of(&b));
    let start = Start::new(&Script::new([STORY])).with(FIGURES, json!(true));
    let folders = json!([{"uri": uri_of(folder.path()), "name": "project"}]);
    let watching = "/capabilities/workspace/didChangeWatchedFiles/dynamicRegistration";
    let mut server = start
        .with("/workspaceFolders", folders)
        .with(watching, json!(true))
        .ready()
        .await;
    server.open(&a, "rust", TEXT).await;
    assert_eq!(source(&mut server, &a).await, "decoded");
    fs::write(&list, "a.rs\n").unwrap();
    saves(&server, &uri_of(&list)).await;
    assert_eq!(source(&mut server, &a).await, "excluded");
    server.open(&b, "rust", TEXT).await;
    assert_eq!(source(&mut server, &b).await, "decoded");
    fs::write(&list, "b.rs\n").unwrap();
    let changes = json!([{"uri": uri_of(&list), "type": 2}]);
    server
        .notify(
            "workspace/didChangeWatchedFiles",
            json!({"changes": changes}),
        )
        .await;
    assert_eq!(source(&mut server, &a).await, "decoded");
    assert_eq!(source(&mut server, &b).await, "excluded");
    // Saving any document looks again at that one, for clients that watch nothing.
    fs::remove_file(&list).unwrap();
    saves(&server, &b).await;
    assert_eq!(source(&mut server, &b).await, "decoded");
    let asked = server.asked();
    let (method, registration) = asked.first().expect("a registration");
    assert_eq!(method, "client/registerCapability");
    let watchers = &registration["registrations"][0]["registerOptions"]["watchers"];
    assert_eq!(watchers, &json!([{"globPattern": "**/.ghostlineignore"}]));
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_keystroke_looks_for_lists() {
    let looked = Arc::new(AtomicUsize::new(0));
    let mut start = Start::new(&Script::new([STORY]));
    let count = looked.clone();
    start.excludes = Arc::new(move |candidate| {
        count.fetch_add(1, Ordering::SeqCst);
        exclude::verdict(candidate)
    });
    let mut server = start.ready().await;
    server.open("file:///a.rs", "rust", TEXT).await;
    for (n, typed) in "swer".chars().enumerate() {
        let at = [1, 10 + n as u32];
        let version = 2 + n as i32;
        let typed = typed.to_string();
        server
            .change("file:///a.rs", version, Some([at, at]), &typed)
            .await;
        server.inline("file:///a.rs", 1, 11 + n as u32).await;
    }
    assert_eq!(looked.load(Ordering::SeqCst), 1);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_makes_no_sense_is_shown_once() {
    let options = json!({"files": {"exclude": ["[z-a]", "*.sql"]}});
    let start = Start::new(&Script::new([STORY])).with("/initializationOptions", options);
    let mut server = start.with(FIGURES, json!(true)).ready().await;
    for uri in ["file:///a.sql", "file:///b.sql"] {
        server.open(uri, "rust", TEXT).await;
        assert_eq!(source(&mut server, uri).await, "excluded");
    }
    let shown = server.notified("window/showMessage").await["message"].to_string();
    assert!(shown.contains("`files.exclude` has a pattern"), "{shown}");
    server.finish().await;
}
