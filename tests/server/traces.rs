//! What four real editors sent while somebody typed in them, as it was recorded: `tests/traces`.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use serde_json::Value;

use crate::support::mirror::{Mirror, Units};

/// What the client sent, and the encoding of the positions in it.
pub fn read(trace: &str) -> (Vec<Value>, Units) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/traces")
        .join(format!("{trace}.jsonl"));
    let lines = std::fs::read_to_string(&path).expect("the trace is there");
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let (mut messages, mut recorded) = (Vec::new(), Units::Utf16);
    for mut line in lines {
        let message = line["msg"].take();
        if line["dir"] == "c2s" {
            messages.push(message);
        } else if let Some(name) = message.pointer("/result/capabilities/positionEncoding") {
            recorded = units(name);
        }
    }
    (messages, recorded)
}

pub fn uri(params: &Value) -> String {
    params["textDocument"]["uri"]
        .as_str()
        .unwrap_or_default()
        .to_string()
}

pub fn units(name: &Value) -> Units {
    let name = name.as_str().expect("an encoding");
    *Units::ALL
        .iter()
        .find(|units| units.name() == name)
        .expect("a known one")
}

/// Every line that ever stood in a document of the trace, so that the model knows what will be typed.
pub fn said_in(messages: &[Value], units: Units) -> String {
    let mut mirrors: HashMap<String, Mirror> = HashMap::new();
    let mut lines = Vec::new();
    for message in messages {
        let params = &message["params"];
        if let Some(text) = params["textDocument"]["text"].as_str() {
            let text = text.to_string();
            mirrors.insert(uri(params), Mirror { text, units });
        } else if let Some(mirror) = mirrors.get_mut(&uri(params)) {
            if !params["contentChanges"].is_null() {
                mirror.apply(&params["contentChanges"]);
            }
            lines.extend(mirror.text.lines().map(String::from));
        }
    }
    let mut seen = BTreeSet::new();
    // The longest first: it goes on where the others end.
    lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
    lines.retain(|line| seen.insert(line.clone()));
    lines.join("\n")
}
