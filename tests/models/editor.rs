//! The real server in an editor's hands while models come, change and go.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use ghostline::cli::client::Client;
use serde_json::{Value, json};

use crate::{
    hub::Hub,
    program::{MODEL, User},
};

/// Only ever runs out when something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The built-in model by its own name, and the same by another one.
const OWN: &str = "ghostline-small";
const OTHER: &str = "ghostline-twins";

fn renamed() -> Vec<u8> {
    let mut model = fs::read(MODEL).unwrap();
    let at = model
        .windows(OWN.len())
        .position(|it| it == OWN.as_bytes())
        .unwrap();
    model[at..at + OWN.len()].copy_from_slice(OTHER.as_bytes());
    model
}

/// An editor with a document.
struct Editor {
    client: Client,
    /// The last status that was told.
    status: Value,
    /// What progress bars said.
    progress: Vec<Value>,
    messages: Vec<String>,
}

impl Editor {
    fn open(user: &User, arguments: &[&str]) -> Editor {
        let client = Client::start(user.command().arg("lsp").args(arguments)).unwrap();
        let mut editor = Editor {
            client,
            status: Value::Null,
            progress: Vec::new(),
            messages: Vec::new(),
        };
        let capabilities = json!({
            "general": {"positionEncodings": ["utf-8"]},
            "textDocument": {"inlineCompletion": {}},
            "experimental": {"ghostline": {"status": true}},
        });
        editor
            .call("initialize", json!({"capabilities": capabilities}))
            .unwrap();
        editor.client.notify("initialized", json!({})).unwrap();
        let text =
            "fn main() {\n    let mut numbers = vec![1, 2, 3];\n    for number in numbers.\n}\n";
        let document =
            json!({"uri": "file:///a.rs", "languageId": "rust", "version": 1, "text": text});
        let opened = json!({"textDocument": document});
        editor
            .client
            .notify("textDocument/didOpen", opened)
            .unwrap();
        editor
    }

    fn call(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let mut aside = Vec::new();
        let answer = self
            .client
            .call(method, params, PATIENCE, |incoming| aside.push(incoming));
        for incoming in aside {
            self.hear(&incoming.message);
        }
        answer
    }

    fn hear(&mut self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str() {
            Some("ghostline/status") => self.status = params.clone(),
            Some("$/progress") => self.progress.push(params["value"].clone()),
            Some("window/showMessage") => {
                self.messages
                    .push(params["message"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }

    /// Asks for ghost text: there is an answer whatever is going on.
    fn ask(&mut self) -> usize {
        let params = json!({
            "textDocument": {"uri": "file:///a.rs"},
            "position": {"line": 2, "character": 26},
            "context": {"triggerKind": 1},
        });
        let answer = self.call("textDocument/inlineCompletion", params).unwrap();
        answer["items"]
            .as_array()
            .expect("a list, be it empty")
            .len()
    }

    /// Asks on and on until the server says that something is so; how many answers had ghost text.
    fn ask_until(&mut self, is_so: impl Fn(&Value) -> bool) -> usize {
        let deadline = Instant::now() + PATIENCE;
        let mut n_shown = 0;
        while !is_so(&self.status) {
            assert!(Instant::now() < deadline, "{}", self.status);
            n_shown += self.ask();
            let soon = Instant::now() + Duration::from_millis(20);
            if let Some(incoming) = self.client.receive(soon).unwrap() {
                self.hear(&incoming.message);
            }
        }
        n_shown
    }

    fn until_model(&mut self, name: &str) -> usize {
        self.ask_until(|status| status["state"] == "ready" && status["model"]["name"] == name)
    }

    fn command(&mut self, name: &str, model: &str) -> anyhow::Result<Value> {
        let params = json!({
            "command": format!("ghostline.models.{name}"),
            "arguments": [model],
            "workDoneToken": "bar",
        });
        self.call("workspace/executeCommand", params)
    }

    fn close(self) {
        let (_, status) = self.client.shut_down().unwrap();
        assert!(status.success(), "{status}");
    }
}

#[test]
fn a_model_is_fetched_and_used_by_name_in_an_editor_that_is_open() {
    let hub = Hub::with_file(&renamed());
    let user = User::new(&hub);
    let mut editor = Editor::open(&user, &[]);
    editor.until_model(OWN);
    assert!(editor.ask() > 0);

    let name = "org/two:two.gguf";
    let error = editor.command("use", name).unwrap_err().to_string();
    assert!(error.contains("is not on this machine yet"), "{error}");
    editor.command("pull", name).unwrap();
    assert_eq!(editor.progress[0]["kind"], "begin");
    assert_eq!(editor.progress.last().unwrap()["kind"], "end");
    editor.command("use", name).unwrap();
    editor.until_model(OTHER);
    assert!(editor.ask() > 0);
    let listed = editor.command("list", "").unwrap();
    let models = listed["models"].as_array().unwrap();
    let used: Vec<_> = models.iter().filter(|it| it["isUsed"] == true).collect();
    assert_eq!(used.len(), 1);
    assert_eq!(used[0]["name"], name);

    // And back, from a shell.
    user.prints(&["models", "use", "builtin"]);
    let n_shown = editor.until_model(OWN);
    assert!(n_shown > 0, "the old model answers meanwhile");
    let text = editor
        .call("ghostline/documentText", json!({"uri": "file:///a.rs"}))
        .unwrap();
    assert_eq!(text["version"], 1);
    assert!(editor.messages.is_empty(), "{:?}", editor.messages);
    editor.close();
}

#[cfg(unix)]
#[test]
fn a_model_file_may_be_deleted_and_replaced_while_it_is_in_use() {
    let user = User::new(&Hub::with_file(b""));
    let file = user.home.path().join("m.gguf");
    fs::copy(MODEL, &file).unwrap();
    let mut editor = Editor::open(&user, &["--model", &file.display().to_string()]);
    editor.until_model(OWN);
    fs::remove_file(&file).unwrap();
    assert!(editor.ask() > 0);
    put(&renamed(), &file);
    editor.until_model(OTHER);
    // One that cannot be used does not take the place of one that can.
    put(b"GGUF but no model", &file);
    editor.ask_until(|status| status["state"] == "failed");
    let said = editor.status["message"].as_str().unwrap().to_owned();
    assert!(said.contains("ghostline-twins goes on answering"), "{said}");
    assert!(editor.ask() > 0);
    put(&fs::read(MODEL).unwrap(), &file);
    editor.until_model(OWN);
    // As `cp` does it: cut to nothing first, and then written into.
    fs::write(&file, b"").unwrap();
    assert!(editor.ask() > 0);
    fs::write(&file, renamed()).unwrap();
    editor.until_model(OTHER);
    editor.close();
}

#[test]
fn a_model_that_is_not_there_is_told_and_loaded_once_it_is() {
    let user = User::new(&Hub::with_file(b""));
    let file = user.home.path().join("m.gguf");
    let mut editor = Editor::open(&user, &["--model", &file.display().to_string()]);
    editor.ask_until(|status| status["state"] == "failed");
    assert_eq!(editor.ask(), 0);
    assert!(
        editor.status["message"]
            .as_str()
            .unwrap()
            .contains("not found")
    );
    put(&fs::read(MODEL).unwrap(), &file);
    editor.until_model(OWN);
    assert!(editor.ask() > 0);
    editor.close();
}

/// A file that appears whole.
fn put(bytes: &[u8], file: &Path) {
    let new = file.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, file).unwrap();
}
