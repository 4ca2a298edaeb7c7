//! Source text, prompts and completions are never logged, however much is. In a process of its own: the log is
//! the process's.

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "the rest of it serves the tests of the server")]
mod support;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use ghostline::engine::script::Script;
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use support::{
    Start,
    gate::Gate,
    inline_params,
    mirror::{Mirror, Units},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_holds_no_text_at_its_most_talkative_level() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();

    let gate = Gate::default();
    let at_gate = gate.clone();
    let script = Script::new(["fn secret() {\n    let hush = hidden;\n}\n"])
        .on_decode(move |_| at_gate.pass());
    let mut server = Start::new(&script).ready().await;
    let (mirror, at) = Mirror::drawn("fn secret() {\n    let hu|\n}\n", Units::Utf16);
    server
        .open("file:///dir/file.rs", "rust", &mirror.text)
        .await;
    let item = server.inline("file:///dir/file.rs", 1, 10).await.remove(0);
    assert!(mirror.draw(&item).contains("hidden") && at > 0);
    // Before the edit, at which the work starts: the request is to be cancelled under way.
    gate.close();
    server
        .change(
            "file:///dir/file.rs",
            2,
            Some([[1, 8], [1, 10]]),
            "secretive",
        )
        .await;
    server
        .change("file:///dir/other.rs", 2, None, "secret")
        .await;
    server.text("file:///dir/file.rs").await;
    server.bytes(b"Content-Length: 8\r\n\r\n{\"secret").await;
    assert!(server.take(|message| message["id"].is_null()).await["error"].is_object());
    let wrong = json!({"textDocument": {"uri": "file:///dir/file.rs", "version": 3}, "contentChanges": "secret"});
    server.notify("textDocument/didChange", wrong).await;
    let params = inline_params("file:///dir/file.rs", 1, 17);
    let id = server.send("textDocument/inlineCompletion", params).await;
    gate.is_reached().await;
    server.notify("$/cancelRequest", json!({"id": id})).await;
    assert_eq!(server.answer(id).await, Err(-32800));
    gate.open();
    server.finish().await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("out of step"), "{log}");
    assert!(log.contains("answered") && log.contains("file.rs"), "{log}");
    for text in ["secret", "hush", "hidden", "let "] {
        assert!(!log.contains(text), "{text:?} in:\n{log}");
    }
}
