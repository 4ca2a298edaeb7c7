//! What leaves this machine, and when: nothing before the user has agreed, and never a file that is left alone. The server
//! keeps every byte that it was sent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use ghostline::{
    config::{Config, Origin},
    engine::{
        Engine,
        remote::{Key, Settings},
        script::Script,
    },
    server::Remotes,
};
use serde_json::{Value, json};

use crate::{
    faulty::{Act, Faulty, Kind},
    support::{Start, TestServer},
};

const STORY: &str = "fn main() {\n    let local = 1;\n}\n";
const TEXT: &str = "fn main() {\n    let l\n}\n";
const SHOWS_MESSAGES: &str = "/capabilities/window/showMessage";

/// Consents in memory.
#[derive(Clone, Default)]
struct Consents(Arc<Mutex<HashMap<String, bool>>>);

impl Remotes for Consents {
    fn settings(&self, config: &Config) -> Result<Settings, String> {
        Settings::new(config, Key::new("s3cret"))
    }

    fn consent(&self, host: &str) -> Option<bool> {
        self.0.lock().unwrap().get(host).copied()
    }

    fn remember(&self, host: &str, is_given: bool) {
        self.0.lock().unwrap().insert(host.to_owned(), is_given);
    }
}

/// A session that is set to use `server`.
fn start(server: &Faulty, consents: &Consents, layer: Value) -> Start {
    let script = Script::new([STORY]);
    let mut start = Start::new(&script);
    let settings = json!({"engine": {"kind": "remote"}, "remote": {"url": server.url()}});
    assert_eq!(start.layered.set(Origin::Environment, settings), []);
    assert_eq!(start.layered.set(Origin::CommandLine, layer), []);
    start.remotes = Arc::new(consents.clone());
    let consents = consents.clone();
    start.start_engine = Arc::new(move |config, on_status| match config.engine.kind {
        ghostline::config::EngineKind::Local => Engine::start(script.loader(), on_status),
        ghostline::config::EngineKind::Remote => {
            let settings = consents.settings(config).unwrap();
            Engine::start_remote(settings, Some(script.loader()), on_status)
        }
    });
    start
}

async fn until_answers(server: &mut TestServer) -> Value {
    loop {
        let status = server.status().await;
        if status["remote"]["state"] == "answers" {
            return status;
        }
        tokio::task::yield_now().await;
    }
}

async fn ghost(server: &mut TestServer, uri: &str) -> String {
    server.open(uri, "rust", TEXT).await;
    let items = server.inline(uri, 1, 9).await;
    items.first().map_or(String::new(), |item| {
        item["insertText"].as_str().unwrap().to_owned()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_before_the_user_agrees_and_the_answer_is_remembered() {
    let remote = Faulty::start(Kind::Llama, Act::Say(vec!["remote = 2;"]));
    let host = remote.address().to_string();
    let consents = Consents::default();
    // The client of these tests answers nothing: the user has closed the question.
    let mut server = start(&remote, &consents, json!({}))
        .with(SHOWS_MESSAGES, json!({}))
        .ready()
        .await;
    assert_eq!(ghost(&mut server, "file:///a.rs").await, "ocal = 1;");
    let status = server.status().await;
    assert_eq!(
        (&status["remote"]["state"], &status["remote"]["textGoesTo"]),
        (&json!("asking"), &json!([]))
    );
    let asked = server.asked();
    let (_, question) = asked
        .iter()
        .find(|(method, _)| method == "window/showMessageRequest")
        .unwrap();
    assert!(
        question["message"].as_str().unwrap().contains(&host),
        "{question}"
    );
    assert_eq!(question["actions"].as_array().unwrap().len(), 2);
    server.finish().await;
    assert!(remote.requests().is_empty() && remote.connections() == 0);

    let mut agreed = start(&remote, &consents, json!({})).with(SHOWS_MESSAGES, json!({}));
    agreed.answers = Some(json!({"title": "Send text there"}));
    let mut server = agreed.ready().await;
    let status = until_answers(&mut server).await;
    assert_eq!(status["remote"]["textGoesTo"], json!([host]));
    assert!(!status.to_string().contains("s3cret"));
    assert_eq!(ghost(&mut server, "file:///a.rs").await, "remote = 2;");
    server.finish().await;
    assert_eq!(consents.consent(&host), Some(true));

    // Not asked again.
    let mut server = start(&remote, &consents, json!({}))
        .with(SHOWS_MESSAGES, json!({}))
        .ready()
        .await;
    until_answers(&mut server).await;
    assert!(server.asked().is_empty());
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_declines_keeps_the_model_in_the_process() {
    let remote = Faulty::start(Kind::Llama, Act::Say(vec!["remote = 2;"]));
    let consents = Consents::default();
    let mut declined = start(&remote, &consents, json!({})).with(SHOWS_MESSAGES, json!({}));
    declined.answers = Some(json!({"title": "Keep text here"}));
    let mut server = declined.ready().await;
    server.ignored = "window/showMessage";
    while server.status().await["remote"]["state"] != "declined" {
        tokio::task::yield_now().await;
    }
    assert_eq!(ghost(&mut server, "file:///a.rs").await, "ocal = 1;");
    server.finish().await;
    assert_eq!(remote.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_that_cannot_ask_is_told_of_the_setting() {
    let remote = Faulty::start(Kind::Llama, Act::Say(vec!["remote = 2;"]));
    let consents = Consents::default();
    let mut server = start(&remote, &consents, json!({})).ready().await;
    let shown = server.notified("window/showMessage").await["message"].to_string();
    assert!(
        shown.contains("set `remote.consent` to") && shown.contains(&remote.address().to_string()),
        "{shown}"
    );
    assert_eq!(remote.connections(), 0);
    let settings = json!({"settings": {"remote": {"consent": "given"}}});
    server
        .notify("workspace/didChangeConfiguration", settings)
        .await;
    until_answers(&mut server).await;
    assert_eq!(ghost(&mut server, "file:///a.rs").await, "remote = 2;");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_beats_everything_and_says_so() {
    let remote = Faulty::start(Kind::Llama, Act::Say(vec!["remote = 2;"]));
    let layer = json!({"network": {"offline": true}, "remote": {"consent": "given"}});
    let mut server = start(&remote, &Consents::default(), layer).ready().await;
    let shown = server.notified("window/showMessage").await["message"].to_string();
    assert!(shown.contains("`network.offline`"), "{shown}");
    assert_eq!(server.status().await["remote"]["state"], "offline");
    assert_eq!(ghost(&mut server, "file:///a.rs").await, "ocal = 1;");
    server.finish().await;
    assert_eq!(remote.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_left_alone_never_go_neither_themselves_nor_as_context() {
    let remote = Faulty::start(Kind::Llama, Act::Say(vec!["remote = 2;"]));
    let layer = json!({"remote": {"consent": "given"}, "files": {"exclude": ["*.hidden.rs"]}});
    let mut server = start(&remote, &Consents::default(), layer).ready().await;
    until_answers(&mut server).await;
    // Alike, so that every one of them would be taken as context.
    let text = |word: &str| {
        format!(
            "fn total_of(values: &[u32]) -> u32 {{\n    // {word}\n    values.iter().sum()\n}}\n"
        )
    };
    for (uri, word) in [
        ("file:///p/.env.rs", "SECRETENV"),
        ("file:///p/server.pem", "SECRETPEM"),
        ("file:///p/a.hidden.rs", "SECRETGLOB"),
        ("file:///p/open.rs", "PUBLIC"),
    ] {
        server.open(uri, "rust", &text(word)).await;
        server.change(uri, 2, Some([[2, 4], [2, 4]]), "v").await;
        server.inline(uri, 2, 5).await;
    }
    let uri = "file:///p/total.rs";
    server
        .open(
            uri,
            "rust",
            "fn total(values: &[u32]) -> u32 {\n    values.it\n}\n",
        )
        .await;
    assert!(!server.inline(uri, 1, 13).await.is_empty());
    server.finish().await;
    let sent = remote.requests().concat();
    assert!(
        sent.contains("fn total(") && sent.contains("PUBLIC"),
        "the others go"
    );
    assert!(!sent.contains("SECRET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_is_named_once_and_ghost_text_goes_on() {
    let remote = Faulty::start(Kind::Llama, Act::Say(vec!["remote = 2;"]));
    let layer = json!({"remote": {"consent": "given"}});
    let mut server = start(&remote, &Consents::default(), layer).ready().await;
    until_answers(&mut server).await;
    remote.die();
    assert_eq!(ghost(&mut server, "file:///a.rs").await, "ocal = 1;");
    let shown = server.notified("window/showMessage").await["message"].to_string();
    assert!(
        shown.contains("The model in this process answers until it does"),
        "{shown}"
    );
    let status = server.status().await;
    assert_eq!(status["remote"]["state"], "failing");
    server.ignored = "window/showMessage";
    server.finish().await;
}
