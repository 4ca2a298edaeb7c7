//! What four real editors sent, recorded, is sent again: every request is answered exactly once, validly, and so
//! that the client that asked does the right thing with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ghostline::engine::script::Script;
use serde_json::{Value, json};

use crate::{
    rules::{Client, EMACS, HELIX, NEOVIM, Shown, VSCODE},
    support::{
        Start, TestServer,
        gate::Gate,
        mirror::{Mirror, Units},
    },
    traces::{self, units, uri},
};

/// What the model can say beside what was typed in the traces.
const STORY: &str = "def greet(name):\n    print(hello_world)\n    foo(one, 2)\n    return name + value\n\nfn main() {\n    let answer = 42;\n}\n";

const REQUESTS: [&str; 2] = ["textDocument/inlineCompletion", "textDocument/completion"];

#[tokio::test(flavor = "multi_thread")]
async fn vscode_is_answered_by_its_rules() {
    by_its_rules(&VSCODE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neovim_is_answered_by_its_rules() {
    by_its_rules(&NEOVIM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn emacs_is_answered_by_its_rules() {
    by_its_rules(&EMACS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_is_answered_by_its_rules() {
    by_its_rules(&HELIX).await;
}

/// Neovim shows whatever comes last, VS Code waits for what it has not cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_request_of_any_client_gets_its_error_while_the_model_still_computes() {
    for client in [&VSCODE, &NEOVIM, &EMACS, &HELIX] {
        let mut superseded = 0;
        for trace in client.traces {
            superseded += Replay::start(client, trace, Pace::Held)
                .await
                .run()
                .await
                .superseded;
        }
        assert!(
            superseded > 0,
            "nothing was superseded in {:?}",
            client.traces
        );
    }
}

/// Each answer awaited, in each encoding; and everything sent as fast as it goes.
async fn by_its_rules(client: &'static Client) {
    let mut tested = BTreeSet::new();
    for trace in client.traces {
        for units in Units::ALL {
            let pace = Pace::Awaited(units);
            tested.extend(Replay::start(client, trace, pace).await.run().await.tested);
        }
        Replay::start(client, trace, Pace::Hurried)
            .await
            .run()
            .await;
    }
    for (rule, _) in client.rules {
        assert!(
            tested.contains(rule),
            "{:?} never tests that {rule}",
            client.traces
        );
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    /// Each answer is waited for.
    Awaited(Units),
    /// Nothing is waited for.
    Hurried,
    /// The model never gets anywhere.
    Held,
}

/// A gate that a failing test leaves open: the engine's thread is waited for.
struct Opens(Gate);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// What a replay has seen.
#[derive(Default)]
struct Tally {
    tested: BTreeSet<&'static str>,
    superseded: usize,
}

struct Replay {
    client: &'static Client,
    trace: String,
    messages: Vec<Value>,
    pace: Pace,
    server: TestServer,
    gate: Opens,
    /// The positions of the trace are in the first, those sent in the second.
    recorded: Units,
    units: Units,
    documents: HashMap<String, Mirror>,
    /// Requests without an answer yet: the method, the parameters, and the document as it was when it was asked.
    asked: BTreeMap<i64, (String, Value, Option<Mirror>)>,
    is_shut_down: bool,
    tally: Tally,
}

impl Replay {
    async fn start(client: &'static Client, trace: &str, pace: Pace) -> Replay {
        let (messages, recorded) = traces::read(trace);
        let gate = Gate::default();
        let passed = gate.clone();
        let script = Script::new([traces::said_in(&messages, recorded), STORY.to_string()]);
        let mut server = Start::new(&script.on_decode(move |_| passed.pass())).connect();
        // Shown or not, as fast as the model loads.
        server.ignored = "$/progress";
        Replay {
            client,
            trace: format!("{trace}, {pace:?}"),
            messages,
            pace,
            server,
            gate: Opens(gate),
            recorded,
            units: recorded,
            documents: HashMap::new(),
            asked: BTreeMap::new(),
            is_shut_down: false,
            tally: Tally::default(),
        }
    }

    async fn run(mut self) -> Tally {
        for mut message in std::mem::take(&mut self.messages) {
            let method = message["method"]
                .as_str()
                .expect("clients answer nothing in the traces")
                .to_string();
            match method.as_str() {
                "exit" => break,
                "initialize" => self.announce(&mut message["params"]),
                _ => self.mirror(&method, &mut message["params"]),
            }
            self.server.raw(&message).await;
            let uri = uri(&message["params"]);
            if let (Pace::Held, Some(stale)) = (self.pace, self.superseded_by(&message, &uri)) {
                for id in stale {
                    self.check_superseded(id).await;
                }
            }
            let Some(id) = message["id"].as_i64() else {
                if method == "initialized" {
                    self.server.until_ready().await;
                    if self.pace == Pace::Held {
                        self.gate.0.close();
                    }
                }
                continue;
            };
            self.is_shut_down |= method == "shutdown";
            let mirror = self.documents.get(&uri).cloned();
            let waits =
                matches!(self.pace, Pace::Awaited(_)) || !REQUESTS.contains(&method.as_str());
            self.asked
                .insert(id, (method, message["params"].take(), mirror));
            if waits {
                self.check(id).await;
            }
        }
        // While the model is held, what is left is answered all the same: no client waits for ever.
        for id in self.asked.keys().copied().collect::<Vec<_>>() {
            self.check(id).await;
        }
        self.gate.0.open();
        // Some were killed without a word.
        if self.is_shut_down {
            self.server.notify("exit", Value::Null).await;
            self.server.ended().await;
        } else {
            for (uri, mirror) in &self.documents {
                let text = self.server.text(uri).await.0;
                assert_eq!(text, mirror.text, "{}: {uri}", self.trace);
            }
            self.server.finish().await;
        }
        self.tally
    }

    /// Says what the client can do, as it did, and that it wants to know where answers come from.
    fn announce(&self, params: &mut Value) {
        params["capabilities"]["experimental"] = json!({"ghostline": {"figures": true}});
        if let Pace::Awaited(units) = self.pace {
            params["capabilities"]["general"]["positionEncodings"] = json!([units.name()]);
        }
    }

    /// Does what the message does to the client's documents, and puts its positions into the server's encoding.
    fn mirror(&mut self, method: &str, params: &mut Value) {
        let uri = uri(params);
        match method {
            "textDocument/didOpen" => {
                let text = params["textDocument"]["text"].as_str().expect("a text");
                let (text, units) = (text.to_string(), self.units);
                self.documents.insert(uri, Mirror { text, units });
            }
            "textDocument/didChange" => {
                let changes = params["contentChanges"].as_array_mut().expect("changes");
                for change in changes {
                    self.translate(&uri, change);
                    let mirror = self.documents.get_mut(&uri).expect("it is open");
                    mirror.apply(&json!([change]));
                }
            }
            "textDocument/didClose" => drop(self.documents.remove(&uri)),
            _ => self.translate(&uri, params),
        }
    }

    /// Puts the positions in `value` into the server's encoding. Where it is the recorded one they stay what they
    /// were, also past the end of a line.
    fn translate(&self, uri: &str, value: &mut Value) {
        let Some(mirror) = self
            .documents
            .get(uri)
            .filter(|_| self.units != self.recorded)
        else {
            return;
        };
        match value {
            Value::Object(object) if object.contains_key("character") => {
                let recorded = Mirror {
                    text: mirror.text.clone(),
                    units: self.recorded,
                };
                *value = mirror.position(recorded.clamped(value));
            }
            Value::Object(object) => {
                object
                    .values_mut()
                    .for_each(|value| self.translate(uri, value));
            }
            Value::Array(array) => {
                array
                    .iter_mut()
                    .for_each(|value| self.translate(uri, value));
            }
            _ => {}
        }
    }

    /// The requests that a message makes stale, if it is such a message.
    fn superseded_by(&self, message: &Value, uri: &str) -> Option<Vec<i64>> {
        let method = message["method"].as_str().unwrap_or_default();
        if method == "$/cancelRequest" {
            let id = message["params"]["id"].as_i64().expect("an id");
            return self.asked.contains_key(&id).then(|| vec![id]);
        }
        let is_edit = method == "textDocument/didChange" || method == "textDocument/didClose";
        (is_edit || REQUESTS.contains(&method)).then(|| {
            let stale = self
                .asked
                .iter()
                .filter(|(_, (_, params, _))| traces::uri(params) == uri);
            stale.map(|(id, _)| *id).collect()
        })
    }

    async fn check_superseded(&mut self, id: i64) {
        let (method, ..) = self.asked.remove(&id).expect("it was asked");
        let context = format!("{}: {method} {id}", self.trace);
        let source = self.source(id).await;
        let answer = self.server.answer(id).await;
        match source.as_str() {
            "superseded" | "cancelled" => {
                self.tally.superseded += 1;
                assert_eq!(answer, Err(-32800), "{context}");
            }
            // Was answered before that.
            "not-wanted" | "not-open" | "quiet" => {
                assert_nothing(&context, &answer.expect("an answer"))
            }
            other => panic!("{context}: superseded, and answered as {other}"),
        }
    }

    /// Where the answer to a request for ghost text came from.
    async fn source(&mut self, id: i64) -> String {
        let fits = |message: &Value| {
            message["method"] == "ghostline/completed" && message["params"]["id"] == id
        };
        let completed = self.server.take(fits).await;
        completed["params"]["source"]
            .as_str()
            .expect("a source")
            .to_string()
    }

    async fn check(&mut self, id: i64) {
        let (method, params, mirror) = self.asked.remove(&id).expect("it was asked");
        let context = format!("{}: {method} {id}", self.trace);
        match method.as_str() {
            "initialize" => {
                let offer = self.server.answer(id).await.expect("initialize succeeds");
                self.units = units(&offer["capabilities"]["positionEncoding"]);
                return;
            }
            "shutdown" => return assert_eq!(self.server.answer(id).await, Ok(Value::Null)),
            // Commands of the recorded server, and what was never offered.
            "workspace/executeCommand" => {
                return assert_eq!(self.server.answer(id).await, Err(-32602), "{context}");
            }
            "textDocument/codeAction" => {
                return assert_eq!(self.server.answer(id).await, Err(-32601), "{context}");
            }
            _ => assert!(REQUESTS.contains(&method.as_str()), "{context}"),
        }
        let source = self.source(id).await;
        let answer = match self.server.answer(id).await {
            Ok(answer) => answer,
            Err(code) => {
                assert_eq!(code, -32800, "{context}");
                // Nobody else is told that there was an error.
                assert!(
                    ["superseded", "cancelled"].contains(&source.as_str()),
                    "{context}"
                );
                // The end of the session answers what is left.
                let is_stale = self.pace == Pace::Hurried || self.is_shut_down;
                return assert!(is_stale, "{context}: nothing came after it");
            }
        };
        let Some(mirror) = mirror.filter(|_| self.pace != Pace::Held) else {
            return assert_nothing(&context, &answer);
        };
        let items = answer["items"].as_array();
        let items = items.unwrap_or_else(|| panic!("{context}: a list, never null: {answer}"));
        assert!(items.len() <= 1, "{context}: {items:?}");
        for item in items {
            let shown = Shown {
                params: &params,
                mirror: &mirror,
                answer: &answer,
                item,
            };
            // Some were recorded with a server that offered the menu to them, too. Ours does not.
            let rules = match method == "textDocument/completion" && !self.client.has_menu {
                true => &[][..],
                false => self.client.rules,
            };
            for (rule, holds) in rules {
                let Some(holds) = holds(&shown) else { continue };
                self.tally.tested.insert(rule);
                assert!(holds, "{context}: {rule}\nasked {params}\nshown {item}");
            }
            if matches!(self.pace, Pace::Awaited(_)) {
                self.accept_elsewhere(&context, &shown).await;
            }
        }
    }

    /// Accepts the item as the client does, in a copy: the client and the server have the same text then.
    async fn accept_elsewhere(&mut self, context: &str, shown: &Shown<'_>) {
        let uri = "file:///workspace/copy";
        let mut mirror = shown.mirror.clone();
        self.server.open(uri, "plaintext", &mirror.text).await;
        let breaks = if mirror.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let text = match self.client.has_menu {
            true => shown.text().to_string(),
            false => shown.text().replace('\n', breaks),
        };
        let changes = json!([{"range": shown.range(), "text": text}]);
        mirror.apply(&changes);
        let document = json!({"uri": uri, "version": 2});
        let params = json!({"textDocument": document, "contentChanges": changes});
        self.server.notify("textDocument/didChange", params).await;
        assert_eq!(self.server.text(uri).await.0, mirror.text, "{context}");
        let document = json!({"textDocument": {"uri": uri}});
        self.server.notify("textDocument/didClose", document).await;
    }
}

#[track_caller]
fn assert_nothing(context: &str, answer: &Value) {
    assert_eq!(answer["items"], json!([]), "{context}: {answer}");
}
