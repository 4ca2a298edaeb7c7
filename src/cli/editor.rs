//! An editor as the server sees one: opens files, sends every key when its profile says so, understands the
//! answers. The bench and the demo type through it.

use std::{
    collections::{HashMap, VecDeque},
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
    outbox::Outbox,
    peer::{Cost, Event, Peer},
    typing::Session,
    typist::Change,
};

/// How long loading a model may take before giving up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// An editor with a running server.
pub(super) struct Editor {
    pub(super) client: Client,
    /// The model's name.
    pub(super) model: String,
    pub(super) outbox: Outbox,
    /// The key of each request, by its id.
    keys: HashMap<i64, usize>,
    unanswered: Option<i64>,
    /// What has happened and was not yet told.
    events: VecDeque<Event>,
}

/// Ghost text as it came over the wire.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    insert_text: String,
    range: Option<Range>,
}

impl Item {
    /// Text that goes where the cursor is.
    pub(super) fn at_cursor(insert_text: String) -> Item {
        Item {
            insert_text,
            range: None,
        }
    }
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
            model,
            outbox: Outbox::default(),
            keys: HashMap::new(),
            unanswered: None,
            events: VecDeque::new(),
        })
    }

    /// Sends what is due at `now`, behind `messages` and in one write. Returns the time just before it.
    fn send_due(&mut self, now: Instant, mut messages: Vec<Value>) -> anyhow::Result<Instant> {
        let due = self.outbox.due(now);
        let changes = due.changes.into_iter();
        messages.extend(changes.map(|params| notification("textDocument/didChange", params)));
        let asked = due.request.map(|(key, params)| {
            let (id, message) = self.client.request("textDocument/inlineCompletion", params);
            messages.push(message);
            self.keys.insert(id, key);
            self.unanswered = Some(id);
            key
        });
        if messages.is_empty() {
            return Ok(now);
        }
        let at = self.client.send(&messages)?;
        self.events
            .extend(asked.map(|key| Event::Asked { key, at }));
        Ok(at)
    }

    fn event(&mut self, mut incoming: Incoming) -> anyhow::Result<Option<Event>> {
        if let Some(id) = incoming.answered() {
            if self.unanswered == Some(id) {
                self.unanswered = None;
            }
            let result = incoming.message.get_mut("result").map(Value::take);
            let items = result
                .map(|mut result| serde_json::from_value(result["items"].take()))
                .transpose()
                .context("while reading the server's ghost text")?;
            let key = self.keys.get(&id);
            return Ok(key.map(|key| Event::Answer {
                key: *key,
                at: incoming.at,
                items,
            }));
        }
        let Some(params) = incoming.notified("ghostline/completed") else {
            return Ok(None);
        };
        let cost = Cost::deserialize(params).context("while reading `ghostline/completed`")?;
        let key = self.keys.get(&cost.id);
        Ok(key.map(|key| Event::Cost { key: *key, cost }))
    }
}

impl Peer for Editor {
    fn open(&mut self, document: usize, session: &Session, text: &str) -> anyhow::Result<()> {
        let name = Path::new(&session.file_name).file_name();
        let uri = format!(
            "file:///ghostline/{document}/{}",
            name.unwrap_or_default().display()
        );
        if self.outbox.show(&uri) {
            // No editor tells a server that another file is in front.
            return Ok(());
        }
        let item =
            json!({"uri": uri, "languageId": session.language_id, "version": 1, "text": text});
        self.client
            .notify("textDocument/didOpen", json!({"textDocument": item}))?;
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        for uri in self.outbox.close() {
            let params = json!({"textDocument": {"uri": uri}});
            self.client.notify("textDocument/didClose", params)?;
        }
        self.keys.clear();
        self.events.clear();
        self.unanswered = None;
        Ok(())
    }

    fn press(
        &mut self,
        key: usize,
        change: Option<(&str, &Change)>,
        (text, cursor): (&str, usize),
    ) -> anyhow::Result<Instant> {
        let mut messages = Vec::new();
        if self.outbox.profile.cancels()
            && let Some(id) = self.unanswered.take()
        {
            messages.push(notification("$/cancelRequest", json!({"id": id})));
        }
        if let Some((text, change)) = change {
            let range = json!({"start": position(text, change.range.start), "end": position(text, change.range.end)});
            self.outbox
                .change(json!({"range": range, "text": change.with}));
        }
        let position = position(text, cursor);
        let now = Instant::now();
        self.outbox.ask(key, position, now);
        self.send_due(now, messages)
    }

    fn receive(&mut self, deadline: Instant) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let due = self.outbox.next_due();
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                self.send_due(now, Vec::new())?;
                continue;
            }
            let until = due.map_or(deadline, |due| due.min(deadline));
            match self.client.receive(until)? {
                Some(incoming) => {
                    if let Some(event) = self.event(incoming)? {
                        return Ok(Some(event));
                    }
                }
                None if until == deadline => return Ok(None),
                None => {}
            }
        }
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

pub(super) fn position(text: &str, offset: usize) -> Value {
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
