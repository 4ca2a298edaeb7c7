//! A client for tests: a real session of the server over an in-memory pipe, and the scripted model behind it.
//!
//! Dropping a [`TestServer`] asserts that it was ended by `finish`, which in turn asserts that no message was left
//! unread: an answer too many or a message nobody expects fails the test that caused it.

pub mod gate;
pub mod mirror;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use ghostline::{
    config::{Config, Layered, Origin},
    engine::{Engine, script::Script},
    exclude,
    server::{Ending, Excludes, NoRemotes, OnEnded, Options, Outside, Remotes, StartEngine, serve},
};
use serde_json::{Value, json};
use tokio::{
    io::{
        AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex,
    },
    sync::mpsc,
    task::JoinHandle,
};

/// Only ever runs out when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct TestServer {
    to: Arc<tokio::sync::Mutex<DuplexStream>>,
    from: mpsc::UnboundedReceiver<Value>,
    /// Read from the wire, not yet by the test.
    unread: VecDeque<Value>,
    /// What the server asked; answered at once.
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    /// The answer to `workspace/configuration`, and, as `action`, to questions.
    pub settings: Arc<Mutex<Value>>,
    /// A notification that need not be read.
    pub ignored: &'static str,
    next_id: i64,
    session: Option<JoinHandle<Ending>>,
}

/// What a session is started with.
pub struct Start {
    pub start_engine: StartEngine,
    pub layered: Layered,
    pub on_config: Arc<dyn Fn(&Config) + Send + Sync>,
    pub on_ended: OnEnded,
    pub excludes: Excludes,
    pub outside: Outside,
    pub remotes: Arc<dyn Remotes>,
    /// What the user answers when asked.
    pub answers: Option<Value>,
    pub initialize: Value,
}

impl Start {
    pub fn new(script: &Script) -> Start {
        let script = script.clone();
        let start_engine: StartEngine =
            Arc::new(move |_, on_status| Engine::start(script.loader(), on_status));
        let initialize = json!({"capabilities": {"textDocument": {"inlineCompletion": {}}}});
        // What a prompt holds must not depend on how busy the machine is.
        let mut layered = Layered::new();
        layered.set(
            Origin::File("tests".into()),
            json!({"latency": {"prompt_ms": 60_000}}),
        );
        Start {
            start_engine,
            layered,
            on_config: Arc::new(|_| ()),
            on_ended: Arc::new(|_| ()),
            excludes: Arc::new(exclude::verdict),
            outside: Outside::default(),
            remotes: Arc::new(NoRemotes),
            answers: None,
            initialize,
        }
    }

    /// Adds to the client's capabilities, by JSON pointer.
    pub fn with(mut self, pointer: &str, value: Value) -> Start {
        let mut place = &mut self.initialize;
        for name in pointer.trim_start_matches('/').split('/') {
            place = &mut place[name];
        }
        *place = value;
        self
    }

    /// A session that has not said `initialize` yet.
    pub fn connect(self) -> TestServer {
        let (to, input) = duplex(1 << 20);
        let (output, from) = duplex(1 << 20);
        let options = Options {
            config: self.layered,
            start_engine: self.start_engine,
            on_config: self.on_config,
            on_ended: self.on_ended,
            excludes: self.excludes,
            outside: self.outside,
            remotes: self.remotes,
        };
        let session = tokio::spawn(serve(input, output, options));
        let to = Arc::new(tokio::sync::Mutex::new(to));
        let (sender, receiver) = mpsc::unbounded_channel();
        let (asked, settings) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(Mutex::new(Value::Null)),
        );
        tokio::spawn(listen(
            from,
            to.clone(),
            sender,
            asked.clone(),
            settings.clone(),
            self.answers,
        ));
        let unread = VecDeque::new();
        TestServer {
            to,
            from: receiver,
            unread,
            asked,
            settings,
            ignored: "",
            next_id: 1,
            session: Some(session),
        }
    }

    /// A session after `initialize`, `initialized`; the model may still be loading.
    pub async fn initialize(self) -> TestServer {
        let initialize = self.initialize.clone();
        let mut server = self.connect();
        server
            .request("initialize", initialize)
            .await
            .expect("initialize succeeds");
        server.notify("initialized", json!({})).await;
        server
    }

    /// A session whose model is ready.
    pub async fn ready(self) -> TestServer {
        let mut server = self.initialize().await;
        server.until_ready().await;
        server
    }
}

/// Reads what the server sends; answers its requests.
async fn listen(
    from: DuplexStream,
    to: Arc<tokio::sync::Mutex<DuplexStream>>,
    messages: mpsc::UnboundedSender<Value>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    settings: Arc<Mutex<Value>>,
    answers: Option<Value>,
) {
    let mut from = BufReader::new(from);
    while let Some(message) = read(&mut from).await {
        let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id")) else {
            let _ = messages.send(message);
            continue;
        };
        let result = match method {
            "workspace/configuration" => json!([settings.lock().unwrap().clone()]),
            // The first thing that is offered, if the test wants it.
            "window/showMessageRequest" if settings.lock().unwrap()["consents"] == true => {
                message["params"]["actions"][0].clone()
            }
            "window/showMessageRequest" => answers.clone().unwrap_or_default(),
            _ => Value::Null,
        };
        asked
            .lock()
            .unwrap()
            .push((method.to_string(), message["params"].clone()));
        write(
            &mut *to.lock().await,
            &json!({"jsonrpc": "2.0", "id": id, "result": result}),
        )
        .await;
    }
}

async fn read(from: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Value> {
    let mut header = String::new();
    from.read_line(&mut header)
        .await
        .ok()
        .filter(|&read| read > 0)?;
    let length = header
        .trim()
        .strip_prefix("Content-Length: ")
        .expect("a header")
        .parse()
        .expect("a length");
    header.clear();
    from.read_line(&mut header).await.expect("a blank line");
    assert_eq!(header, "\r\n");
    let mut body = vec![0; length];
    from.read_exact(&mut body).await.ok()?;
    Some(serde_json::from_slice(&body).expect("the server writes JSON"))
}

async fn write(to: &mut DuplexStream, message: &Value) {
    let body = message.to_string();
    // Fails once the server has ended, which is the test's to notice.
    let _ = to
        .write_all(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
        .await;
}

impl TestServer {
    pub async fn raw(&self, message: &Value) {
        write(&mut *self.to.lock().await, message).await;
    }

    pub async fn bytes(&self, bytes: &[u8]) {
        self.to
            .lock()
            .await
            .write_all(bytes)
            .await
            .expect("the server reads");
    }

    pub async fn notify(&self, method: &str, params: Value) {
        self.raw(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
            .await;
    }

    /// Sends a request and leaves the answer for later.
    pub async fn send(&mut self, method: &str, params: Value) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        self.raw(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        id
    }

    /// The answer to a request: its result, or the code of the error.
    pub async fn answer(&mut self, id: i64) -> Result<Value, i64> {
        let mut answer = self
            .take(|message| message["id"] == id && message.get("method").is_none())
            .await;
        match answer.get("error") {
            Some(error) => Err(error["code"].as_i64().expect("an error has a code")),
            None => Ok(answer["result"].take()),
        }
    }

    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, i64> {
        let id = self.send(method, params).await;
        self.answer(id).await
    }

    /// The parameters of the next notification of this name.
    pub async fn notified(&mut self, method: &str) -> Value {
        self.take(|message| message["method"] == method).await["params"].take()
    }

    /// The next message that fits; the others stay unread.
    pub async fn take(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.unread.iter().position(&fits) {
            return self.unread.remove(at).expect("it is there");
        }
        loop {
            let message = tokio::time::timeout(PATIENCE, self.from.recv()).await;
            let message = message
                .expect("the server answers")
                .expect("the server is there");
            if fits(&message) {
                return message;
            }
            self.unread.push_back(message);
        }
    }

    /// Whether a message that fits has arrived before the answer to a request sent now.
    pub async fn has_arrived(&mut self, fits: impl Fn(&Value) -> bool) -> bool {
        let _ = self.request("ghostline/status", Value::Null).await;
        self.unread.iter().any(fits)
    }

    /// What the server has asked the client so far.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    pub async fn until_ready(&mut self) {
        while self.status().await["state"] != "ready" {
            tokio::task::yield_now().await;
        }
    }

    pub async fn status(&mut self) -> Value {
        self.request("ghostline/status", Value::Null)
            .await
            .expect("a status")
    }

    pub async fn open(&self, uri: &str, language: &str, text: &str) {
        let document = json!({"uri": uri, "languageId": language, "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document}))
            .await;
    }

    /// Sends a change of `[start, end]` (each line and column), or of everything.
    pub async fn change(&self, uri: &str, version: i32, range: Option<[[u32; 2]; 2]>, text: &str) {
        let mut change = json!({"text": text});
        if let Some([start, end]) = range {
            let place = |[line, character]: [u32; 2]| json!({"line": line, "character": character});
            change["range"] = json!({"start": place(start), "end": place(end)});
        }
        let document = json!({"uri": uri, "version": version});
        self.notify(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": [change]}),
        )
        .await;
    }

    pub async fn text(&mut self, uri: &str) -> (String, i64) {
        let document = self
            .request("ghostline/documentText", json!({"uri": uri}))
            .await
            .expect("a document");
        (
            document["text"].as_str().expect("it is open").to_string(),
            document["version"].as_i64().expect("a version"),
        )
    }

    /// Asks for ghost text, automatically.
    pub async fn send_inline(&mut self, uri: &str, line: u32, character: u32) -> i64 {
        self.send(
            "textDocument/inlineCompletion",
            inline_params(uri, line, character),
        )
        .await
    }

    pub async fn inline(&mut self, uri: &str, line: u32, character: u32) -> Vec<Value> {
        let id = self.send_inline(uri, line, character).await;
        items(self.answer(id).await.expect("an answer"))
    }

    /// Says `shutdown` and `exit`; asserts that nothing was left unread.
    pub async fn finish(mut self) -> Ending {
        assert_eq!(self.request("shutdown", Value::Null).await, Ok(Value::Null));
        self.notify("exit", Value::Null).await;
        self.ended().await
    }

    /// The client goes away without a word.
    pub async fn hang_up(self) -> Ending {
        self.to
            .lock()
            .await
            .shutdown()
            .await
            .expect("the pipe closes");
        self.ended().await
    }

    /// Waits for the end of the session; asserts that nothing was left unread.
    pub async fn ended(mut self) -> Ending {
        let session = self.session.take().expect("it has not ended yet");
        let ending = tokio::time::timeout(PATIENCE, session)
            .await
            .expect("it ends")
            .expect("it does not panic");
        while let Some(message) = self.from.recv().await {
            self.unread.push_back(message);
        }
        self.unread
            .retain(|message| message["method"] != self.ignored);
        assert!(self.unread.is_empty(), "left unread: {:#?}", self.unread);
        ending
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        assert!(
            self.session.is_none() || std::thread::panicking(),
            "end the session by `finish`"
        );
    }
}

pub fn inline_params(uri: &str, line: u32, character: u32) -> Value {
    json!({
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 2},
    })
}

/// The items of an answer, which is a list with items and never null.
#[track_caller]
pub fn items(answer: Value) -> Vec<Value> {
    answer["items"]
        .as_array()
        .unwrap_or_else(|| panic!("no items: {answer}"))
        .clone()
}
