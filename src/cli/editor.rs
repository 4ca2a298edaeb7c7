//! An editor as the server sees one: opens a file, sends every key, understands the answers. The bench,
//! the demo and the tests type through it.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Unusable,
    client::{Client, Incoming, notification},
    typist::Change,
};

/// How long loading a model may take before giving up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// An editor with a running server and at most one open file.
pub(super) struct Editor {
    pub(super) client: Client,
    uri: String,
    version: i64,
    /// The model's name.
    pub(super) model: String,
}

/// What the server says of a request afterwards, in `ghostline/completed`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Cost {
    pub(super) id: i64,
    /// Where the answer came from, or why there is none.
    pub(super) source: String,
    /// Nothing but zeros where the engine was not needed.
    pub(super) usage: Usage,
}

/// The part of the engine's account that is of use here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    pub(super) evaluated_tokens: u64,
    pub(super) generated_tokens: u64,
    pub(super) decode_us: u64,
}

/// What came from the server.
pub(super) enum Event {
    /// The answer to the request `id`; `None` when it was refused, as superseded ones are.
    Answer {
        id: i64,
        at: Instant,
        items: Option<Vec<Item>>,
    },
    Cost(Cost),
}

/// Ghost text as it came over the wire.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    insert_text: String,
    range: Option<Range>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Range {
    start: Position,
    end: Position,
}

/// Counted in bytes: the editor asks for UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Position {
    line: usize,
    character: usize,
}

impl Editor {
    /// Starts the server and waits until its model is loaded. `options` are the settings that the
    /// editor brings.
    pub(super) fn start(server: &mut Command, settings: &Value) -> anyhow::Result<Editor> {
        let mut client = Client::start(server)?;
        let params = json!({
            "processId": std::process::id(),
            "clientInfo": {"name": "ghostline", "version": env!("CARGO_PKG_VERSION")},
            "rootUri": null,
            "capabilities": {
                "general": {"positionEncodings": ["utf-8"]},
                "textDocument": {"inlineCompletion": {"dynamicRegistration": false}},
                "experimental": {"ghostline": {"figures": true, "status": true}},
            },
            "initializationOptions": settings,
        });
        let result = client.call("initialize", params, PATIENCE, drop)?;
        if result["capabilities"]["positionEncoding"] != "utf-8" {
            bail!("the server does not count in UTF-8");
        }
        client.notify("initialized", json!({}))?;
        let model = wait_for_model(&mut client)?;
        Ok(Editor {
            client,
            uri: String::new(),
            version: 0,
            model,
        })
    }

    /// Opens a file in place of the one that is open; nothing is written anywhere.
    pub(super) fn open(
        &mut self,
        file_name: &str,
        language_id: &str,
        text: &str,
    ) -> anyhow::Result<()> {
        self.close()?;
        self.uri = format!(
            "file:///ghostline/{}",
            Path::new(file_name)
                .file_name()
                .unwrap_or_default()
                .display()
        );
        self.version = 1;
        let document = json!({"uri": self.uri, "languageId": language_id, "version": self.version, "text": text});
        self.client
            .notify("textDocument/didOpen", json!({"textDocument": document}))?;
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        if !self.uri.is_empty() {
            self.client.notify(
                "textDocument/didClose",
                json!({"textDocument": {"uri": self.uri}}),
            )?;
        }
        Ok(())
    }

    /// Sends what an editor sends for one key, in one write: the cancellation of the request that is still
    /// open, the change (`text` is what it applies to), the request for ghost text at `cursor` in the
    /// changed text. Returns the request's id and the time just before the write.
    pub(super) fn press(
        &mut self,
        unanswered: Option<i64>,
        change: Option<(&str, &Change)>,
        (text, cursor): (&str, usize),
    ) -> anyhow::Result<(i64, Instant)> {
        let mut messages = Vec::new();
        if let Some(id) = unanswered {
            messages.push(notification("$/cancelRequest", json!({"id": id})));
        }
        if let Some((text, change)) = change {
            self.version += 1;
            let range = json!({"start": position(text, change.range.start), "end": position(text, change.range.end)});
            messages.push(notification(
                "textDocument/didChange",
                json!({
                    "textDocument": {"uri": self.uri, "version": self.version},
                    "contentChanges": [{"range": range, "text": change.with}],
                }),
            ));
        }
        let (id, request) = self.client.request(
            "textDocument/inlineCompletion",
            json!({
                "textDocument": {"uri": self.uri},
                "position": position(text, cursor),
                // Automatic, as editors have it in the protocol.
                "context": {"triggerKind": 2},
            }),
        );
        messages.push(request);
        let at = self.client.send(&messages)?;
        Ok((id, at))
    }

    /// The next event, or `None` when none came until `deadline`.
    pub(super) fn receive(&mut self, deadline: Instant) -> anyhow::Result<Option<Event>> {
        while let Some(incoming) = self.client.receive(deadline)? {
            if let Some(event) = event(incoming)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}

/// Waits until the model is loaded; its name.
fn wait_for_model(client: &mut Client) -> anyhow::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    while let Some(incoming) = client.receive(deadline)? {
        let Some(status) = incoming.notified("ghostline/status") else {
            continue;
        };
        match status["state"].as_str() {
            Some("ready") => {
                return Ok(status["model"]["name"]
                    .as_str()
                    .unwrap_or("unnamed")
                    .to_owned());
            }
            Some("failed") => {
                let sentence = status["message"]
                    .as_str()
                    .unwrap_or("the model cannot be loaded");
                return Err(Unusable(sentence.to_owned()).into());
            }
            _ => {}
        }
    }
    bail!("the model was not loaded within {PATIENCE:?}")
}

fn event(mut incoming: Incoming) -> anyhow::Result<Option<Event>> {
    if let Some(id) = incoming.answered() {
        let result = incoming.message.get_mut("result").map(Value::take);
        let items = result
            .map(|mut result| serde_json::from_value(result["items"].take()))
            .transpose()
            .context("while reading the server's ghost text")?;
        return Ok(Some(Event::Answer {
            id,
            at: incoming.at,
            items,
        }));
    }
    let Some(params) = incoming.notified("ghostline/completed") else {
        return Ok(None);
    };
    let cost = Cost::deserialize(params).context("while reading `ghostline/completed`")?;
    Ok(Some(Event::Cost(cost)))
}

/// What the user sees of `item` behind the cursor of `text`: what it would insert, without what stands
/// left of the cursor already. `None` where it does not fit there.
pub(super) fn ghost_text(item: &Item, text: &str, cursor: usize) -> Option<String> {
    let Some(range) = item.range else {
        return Some(item.insert_text.clone());
    };
    let (start, end) = (offset(text, range.start)?, offset(text, range.end)?);
    let ghost = item.insert_text.strip_prefix(text.get(start..cursor)?)?;
    let ghost = ghost.strip_suffix(text.get(cursor..end)?).unwrap_or(ghost);
    (!ghost.is_empty()).then(|| ghost.to_owned())
}

fn position(text: &str, offset: usize) -> Value {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |idx| idx + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    json!({"line": line, "character": offset - line_start})
}

fn offset(text: &str, position: Position) -> Option<usize> {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(idx, _)| idx + 1));
    let start = starts.into_iter().nth(position.line)?;
    Some(start + position.character).filter(|offset| *offset <= text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text_with_cursor: &str, item: &Value, expected: Option<&str>) {
        let cursor = text_with_cursor.find('|').unwrap();
        let text = text_with_cursor.replace('|', "");
        let item = Item::deserialize(item).unwrap();
        assert_eq!(ghost_text(&item, &text, cursor).as_deref(), expected);
    }

    fn range(line: usize, start: usize, end: usize) -> Value {
        json!({"start": {"line": line, "character": start}, "end": {"line": line, "character": end}})
    }

    #[test]
    fn ghost_text_is_what_the_item_adds_behind_the_cursor() {
        check(
            "a\nlet x|",
            &json!({"insertText": " = 1;", "range": range(1, 5, 5)}),
            Some(" = 1;"),
        );
        check(
            "a\nlet x|",
            &json!({"insertText": "let x = 1;", "range": range(1, 0, 5)}),
            Some(" = 1;"),
        );
        check(
            "print(|)",
            &json!({"insertText": "x)", "range": range(0, 6, 7)}),
            Some("x"),
        );
        check("x|", &json!({"insertText": "y"}), Some("y"));
    }

    #[test]
    fn an_item_for_another_place_shows_nothing() {
        check(
            "let y|",
            &json!({"insertText": "let x = 1;", "range": range(0, 0, 5)}),
            None,
        );
        check(
            "x|",
            &json!({"insertText": "y", "range": range(7, 0, 0)}),
            None,
        );
        check(
            "x|",
            &json!({"insertText": "x", "range": range(0, 0, 1)}),
            None,
        );
    }

    #[test]
    fn positions_count_bytes_in_their_line() {
        let text = "é\nab\n";
        for (at, line, character) in [(0, 0, 0), (2, 0, 2), (3, 1, 0), (5, 1, 2), (6, 2, 0)] {
            assert_eq!(
                position(text, at),
                json!({"line": line, "character": character})
            );
            assert_eq!(offset(text, Position { line, character }), Some(at));
        }
    }
}
