//! What four real editors sent, recorded, is sent again: every request is answered exactly once and validly.

use std::{collections::HashMap, path::Path};

use ghostline::engine::script::Script;
use serde_json::Value;

use crate::support::{
    Start, TestServer,
    mirror::{Mirror, Units},
};

/// Each recorded document's lines again and again, so that there is something to say in most places.
const STORY: &str = "def greet(name):\n    print(hello_world)\n    return name + value\n\nfn main() {\n    let answer = 42;\n}\n";

const REQUESTS: [&str; 2] = ["textDocument/inlineCompletion", "textDocument/completion"];

#[tokio::test(flavor = "multi_thread")]
async fn neovim_is_answered() {
    for trace in ["neovim-0.12.4", "neovim-0.12.4-2", "neovim-0.12.4-3"] {
        replay(trace).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vscode_is_answered() {
    for trace in ["vscode-code-server", "vscode-code-server-2"] {
        replay(trace).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_is_answered() {
    replay("helix-25.07.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn emacs_is_answered() {
    replay("emacs-30.2-lsp-mode-10").await;
}

/// Once with each answer awaited, once with everything sent as fast as it goes.
async fn replay(trace: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/traces")
        .join(format!("{trace}.jsonl"));
    let lines = std::fs::read_to_string(&path).expect("the trace is there");
    let messages: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"))
        .filter(|line| line["dir"] == "c2s")
        .map(|mut line| line["msg"].take())
        .collect();
    let mut shown = 0;
    for awaits in [true, false] {
        shown += Replay::start().run(trace, &messages, awaits).await;
    }
    assert!(shown > 0, "nothing was shown in {trace}");
}

struct Replay {
    server: TestServer,
    units: Units,
    documents: HashMap<String, Mirror>,
    /// Requests for ghost text: the method, and the document as it was when it was asked.
    asked: HashMap<i64, (String, Value, Option<Mirror>)>,
    shown: usize,
}

impl Replay {
    fn start() -> Replay {
        let mut server = Start::new(&Script::new([STORY])).connect();
        // Shown or not, as fast as the model loads.
        server.ignored = "$/progress";
        Replay {
            server,
            units: Units::Utf16,
            documents: HashMap::new(),
            asked: HashMap::new(),
            shown: 0,
        }
    }

    async fn run(mut self, trace: &str, messages: &[Value], awaits: bool) -> usize {
        let mut is_shut_down = false;
        for message in messages {
            let method = message["method"]
                .as_str()
                .expect("clients answer nothing in the traces");
            if method == "exit" {
                break;
            }
            self.mirror(method, &message["params"]);
            self.server.raw(message).await;
            let Some(id) = message["id"].as_i64() else {
                if method == "initialized" {
                    self.server.until_ready().await;
                }
                continue;
            };
            is_shut_down |= method == "shutdown";
            let uri = message["params"]["textDocument"]["uri"]
                .as_str()
                .unwrap_or_default();
            let mirror = self.documents.get(uri).cloned();
            self.asked
                .insert(id, (method.to_string(), message["params"].clone(), mirror));
            if awaits || method == "initialize" || method == "shutdown" {
                self.check(trace, id).await;
            }
        }
        let mut pending: Vec<i64> = self.asked.keys().copied().collect();
        pending.sort_unstable();
        for id in pending {
            self.check(trace, id).await;
        }
        // Some were killed without a word.
        if is_shut_down {
            self.server.notify("exit", Value::Null).await;
            self.server.ended().await;
        } else {
            for (uri, mirror) in &self.documents {
                assert_eq!(self.server.text(uri).await.0, mirror.text, "{trace}: {uri}");
            }
            self.server.finish().await;
        }
        self.shown
    }

    /// Does what the message does to the client's documents.
    fn mirror(&mut self, method: &str, params: &Value) {
        let document = &params["textDocument"];
        let uri = document["uri"].as_str().unwrap_or_default().to_string();
        match method {
            "textDocument/didOpen" => {
                let text = document["text"].as_str().expect("a text").to_string();
                self.documents.insert(
                    uri,
                    Mirror {
                        text,
                        units: self.units,
                    },
                );
            }
            "textDocument/didChange" => self
                .documents
                .get_mut(&uri)
                .expect("it is open")
                .apply(&params["contentChanges"]),
            "textDocument/didClose" => drop(self.documents.remove(&uri)),
            _ => {}
        }
    }

    async fn check(&mut self, trace: &str, id: i64) {
        let (method, params, mirror) = self.asked.remove(&id).expect("it was asked");
        let context = format!("{trace}: {method} {id}");
        let answer = self.server.answer(id).await;
        match method.as_str() {
            "initialize" => {
                let offer = answer.expect("initialize succeeds");
                let encoding = offer["capabilities"]["positionEncoding"]
                    .as_str()
                    .expect("an encoding");
                self.units = *Units::ALL
                    .iter()
                    .find(|units| units.name() == encoding)
                    .expect("a known one");
                // What the recorded server chose, since the recorded positions depend on it.
                assert_eq!(
                    self.units == Units::Utf16,
                    trace.starts_with("vscode"),
                    "{context}"
                );
            }
            "shutdown" => assert_eq!(answer, Ok(Value::Null)),
            // Commands of the recorded server, and what was never offered.
            "workspace/executeCommand" => assert_eq!(answer, Err(-32602), "{context}"),
            "textDocument/codeAction" => assert_eq!(answer, Err(-32601), "{context}"),
            _ => {
                assert!(REQUESTS.contains(&method.as_str()), "{context}");
                match answer {
                    Ok(answer) => self.check_items(&context, &params, mirror, &answer),
                    // By the next edit or request, or by the client.
                    Err(code) => assert_eq!(code, -32800, "{context}"),
                }
            }
        }
    }

    fn check_items(
        &mut self,
        context: &str,
        params: &Value,
        mirror: Option<Mirror>,
        answer: &Value,
    ) {
        let items = answer["items"]
            .as_array()
            .unwrap_or_else(|| panic!("{context}: {answer}"));
        let Some(mirror) = mirror else {
            return assert!(items.is_empty(), "{context}");
        };
        let cursor = mirror.offset(&params["position"]);
        for item in items {
            self.shown += 1;
            let (range, text) = match item.get("textEdit") {
                Some(edit) => (&edit["range"], &edit["newText"]),
                None => (&item["range"], &item["insertText"]),
            };
            assert!(
                !text.as_str().unwrap_or_default().is_empty(),
                "{context}: {item}"
            );
            assert_eq!(
                range["start"]["line"], params["position"]["line"],
                "{context}: one line, the cursor's"
            );
            assert_eq!(
                range["end"]["line"], params["position"]["line"],
                "{context}: one line, the cursor's"
            );
            // `offset` asserts that they are inside the document.
            let (start, end) = (mirror.offset(&range["start"]), mirror.offset(&range["end"]));
            assert!(
                start <= cursor && cursor <= end,
                "{context}: {start}..{end} around {cursor}"
            );
            let replaced = &mirror.text[cursor..end];
            assert!(
                replaced.chars().all(|c| ")]}>\"'`".contains(c)),
                "{context}: replaces {replaced:?}"
            );
        }
    }
}
