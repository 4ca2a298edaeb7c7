//! Configuration by the client: at the start and while running.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use ghostline::{
    config::{Config, Origin},
    engine::{Engine, script::Script},
};
use serde_json::{Value, json};

use crate::support::{Start, TestServer};

const URI: &str = "file:///a.rs";

async fn settings(server: &TestServer, settings: Value) {
    server
        .notify(
            "workspace/didChangeConfiguration",
            json!({"settings": settings}),
        )
        .await;
}

/// Starts a model that recites `model.path`, and counts starts.
fn reciting(starts: &Arc<AtomicUsize>) -> Start {
    let mut start = Start::new(&Script::new([""]));
    let starts = starts.clone();
    start.start_engine = Arc::new(move |config: &Config, on_status| {
        starts.fetch_add(1, Ordering::SeqCst);
        let story = config
            .model
            .path
            .clone()
            .unwrap_or_else(|| "let a = builtin;\n".to_string());
        Engine::start(Script::new([story]).loader(), on_status)
    });
    start
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_are_shown_once_with_the_nearest_name_and_the_rest_holds() {
    let options = json!({"completion": {"max_token": 5}, "log": {"level": "debug"}});
    let levels = Arc::new(Mutex::new(Vec::new()));
    let seen = levels.clone();
    let mut start = Start::new(&Script::new(["x"])).with("/initializationOptions", options);
    start.on_config = Arc::new(move |config| seen.lock().unwrap().push(config.log.level.name()));
    let mut server = start.ready().await;
    let shown = server.notified("window/showMessage").await;
    let message = "ghostline: configuration `completion.max_token`: unknown; did you mean `completion.max_tokens`?";
    assert_eq!(shown, json!({"type": 2, "message": message}));
    settings(
        &server,
        json!({"ghostline": {"completion": {"max_token": 5}, "log": {"level": "warn"}}}),
    )
    .await;
    settings(
        &server,
        json!({"ghostline": {"completion": {"max_tokens": "many"}}}),
    )
    .await;
    let shown = server.notified("window/showMessage").await["message"].to_string();
    assert!(shown.contains("it stays 64"), "{shown}");
    // The first setting's layer stays below the later one's.
    assert_eq!(*levels.lock().unwrap(), ["debug", "warn", "debug"]);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_is_loaded_without_losing_documents_or_requests() {
    let starts = Arc::new(AtomicUsize::new(0));
    let mut server = reciting(&starts).ready().await;
    server.open(URI, "rust", "let a =").await;
    assert_eq!(server.inline(URI, 0, 7).await[0]["insertText"], " builtin;");
    settings(
        &server,
        json!({"ghostline": {"model": {"path": "let a = other;\n"}}}),
    )
    .await;
    // Answered, whatever the engine is doing.
    let id = server.send_inline(URI, 0, 7).await;
    assert!(server.answer(id).await.is_ok());
    server.until_ready().await;
    assert_eq!(server.inline(URI, 0, 7).await[0]["insertText"], " other;");
    // What does not concern the model leaves it alone.
    settings(&server, json!({"ghostline": {"model": {"path": "let a = other;\n"}, "completion": {"max_tokens": 9}}})).await;
    assert_eq!(server.inline(URI, 0, 7).await[0]["insertText"], " other;");
    assert_eq!(starts.load(Ordering::SeqCst), 2);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_many_changes_of_the_model_holds() {
    let starts = Arc::new(AtomicUsize::new(0));
    let mut server = reciting(&starts).ready().await;
    server.open(URI, "rust", "let a =").await;
    for n in 0..20 {
        settings(
            &server,
            json!({"model": {"path": format!("let a = {n};\n")}}),
        )
        .await;
    }
    server.until_ready().await;
    assert_eq!(server.inline(URI, 0, 7).await[0]["insertText"], " 19;");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_named_on_the_command_line_is_not_changed_by_the_editor() {
    let starts = Arc::new(AtomicUsize::new(0));
    let mut start = reciting(&starts);
    start.layered.set(
        Origin::CommandLine,
        json!({"model": {"path": "let a = mine;\n"}}),
    );
    let mut server = start
        .with("/initializationOptions", json!({"model": {"path": "x"}}))
        .ready()
        .await;
    server.open(URI, "rust", "let a =").await;
    settings(&server, json!({"model": {"path": "let a = other;\n"}})).await;
    assert_eq!(server.inline(URI, 0, 7).await[0]["insertText"], " mine;");
    assert_eq!(starts.load(Ordering::SeqCst), 1);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn languages_are_switched_off_and_on_again() {
    let mut server = Start::new(&Script::new(["let a = 1;\n"])).ready().await;
    server.open(URI, "rust", "let a =").await;
    settings(&server, json!({"languages": {"disabled": ["rust"]}})).await;
    assert!(server.inline(URI, 0, 7).await.is_empty());
    settings(&server, json!({})).await;
    assert_eq!(server.inline(URI, 0, 7).await.len(), 1);
    server.open("file:///a.md", "markdown", "let a =").await;
    settings(&server, json!({"languages": {"disabled": ["markdown"]}})).await;
    assert!(server.inline("file:///a.md", 0, 7).await.is_empty());
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_only_says_that_something_changed_is_asked_for_it() {
    let start = Start::new(&Script::new(["let a = 1;\n"]))
        .with("/capabilities/workspace/configuration", json!(true));
    let mut server = start.ready().await;
    *server.settings.lock().unwrap() = json!({"languages": {"disabled": ["rust"]}});
    server.open(URI, "rust", "let a =").await;
    settings(&server, Value::Null).await;
    while !server.inline(URI, 0, 7).await.is_empty() {}
    let items = json!({"items": [{"section": "ghostline"}]});
    assert_eq!(
        server.asked(),
        [("workspace/configuration".to_string(), items)]
    );
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_lets_itself_be_asked_is_asked_to_tell_of_changes() {
    let pointer = "/capabilities/workspace/didChangeConfiguration/dynamicRegistration";
    let server = Start::new(&Script::new(["x"]))
        .with(pointer, json!(true))
        .ready()
        .await;
    let registration = json!({"registrations": [{
        "id": "ghostline-configuration",
        "method": "workspace/didChangeConfiguration",
        "registerOptions": {"section": "ghostline"},
    }]});
    assert_eq!(
        server.asked(),
        [("client/registerCapability".to_string(), registration)]
    );
    server.finish().await;
}
