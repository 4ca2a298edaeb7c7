//! The program as editors run it.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use ghostline::cli::client::Client;
use serde_json::{Value, json};

const TEXT: &str = "fn add(a: u32, b: u32) -> u32 {\n    a + b\n}\n\nfn sub(a: u32, b: u32) -> u32 {\n    a - \n}\n";

/// The program as editors run it, when its model is loaded.
pub struct Server {
    client: Client,
    pub status: Value,
    shown: Vec<String>,
    version: usize,
}

const PATIENCE: Duration = Duration::from_secs(120);

impl Server {
    pub fn start(mut command: Command) -> Server {
        let mut client = Client::start(&mut command).expect("the server starts");
        let capabilities = json!({
            "general": {"positionEncodings": ["utf-8"]},
            "textDocument": {"inlineCompletion": {}},
            "experimental": {"ghostline": {"status": true}},
        });
        let params = json!({"capabilities": capabilities});
        client.call("initialize", params, PATIENCE, drop).unwrap();
        client.notify("initialized", json!({})).unwrap();
        let document =
            json!({"uri": "file:///a.rs", "languageId": "rust", "version": 1, "text": TEXT});
        let params = json!({"textDocument": document});
        client.notify("textDocument/didOpen", params).unwrap();
        let mut server = Server {
            client,
            status: Value::Null,
            shown: Vec::new(),
            version: 1,
        };
        server.until_ready();
        server
    }

    fn until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        self.status = Value::Null;
        while self.status["state"] != "ready" {
            let message = self.client.receive(deadline).unwrap();
            let message = message.expect("the model is loaded in time").message;
            self.hear(&message);
        }
    }

    fn hear(&mut self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str() {
            Some("ghostline/status") => self.status = params.clone(),
            Some("window/showMessage") => {
                self.shown
                    .push(params["message"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }

    /// What the user was told, the status included.
    pub fn said(&mut self) -> String {
        // Told before the model is asked anything.
        self.ask();
        assert!(!self.shown.is_empty(), "{}", self.status);
        self.shown.join("\n")
    }

    pub fn ask(&mut self) -> Value {
        let params = json!({
            "textDocument": {"uri": "file:///a.rs"},
            "position": {"line": 5, "character": 8},
            "context": {"triggerKind": 1},
        });
        let mut heard = Vec::new();
        let answer = self
            .client
            .call("textDocument/inlineCompletion", params, PATIENCE, |it| {
                heard.push(it.message)
            });
        for message in heard {
            self.hear(&message);
        }
        answer.expect("every request is answered")
    }

    /// On a software device time may be up before there is any, and it is there at one of the next questions.
    pub fn has_ghost_text(&mut self) {
        let is_there = |answer: Value| {
            let text = answer["items"][0]["insertText"].as_str();
            text.is_some_and(|text| !text.is_empty())
        };
        assert!((0..30).any(|_| is_there(self.ask())), "{}", self.status);
    }

    /// Changes a line above, so that nothing is known of what is asked for.
    pub fn edit(&mut self) {
        self.version += 1;
        let place = json!({"line": 1, "character": 4});
        let params = json!({
            "textDocument": {"uri": "file:///a.rs", "version": self.version},
            "contentChanges": [{"range": {"start": place, "end": place}, "text": "b + "}],
        });
        self.client
            .notify("textDocument/didChange", params)
            .unwrap();
    }

    /// Asks at changing text until the processor computes, and says what the user was told meanwhile.
    pub fn leaves_the_gpu(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while self.status["model"]["gpu"].is_string() {
            assert!(Instant::now() < deadline, "{}", self.status);
            self.edit();
            self.ask();
            thread::sleep(Duration::from_millis(100));
        }
        self.said()
    }

    pub fn settings(&mut self, settings: &Value, model: &str) {
        let params = json!({"settings": {"ghostline": settings}});
        (self.client)
            .notify("workspace/didChangeConfiguration", params)
            .unwrap();
        while self.status["model"]["name"] != model {
            self.until_ready();
        }
    }
}
