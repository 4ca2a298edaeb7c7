//! An editor without a clock: opens texts, asks for ghost text as editors do, and waits for each answer.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{
    Global,
    client::{Client, notification},
    editor::{Editor, Item, ghost_text, position},
    peer::Usage,
    process,
};
use crate::suggest::gate::Evidence;

/// How long one answer may take, however slow the model is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A text that takes longer to parse is asked about without its syntax.
const LONGEST_PARSE: Duration = Duration::from_secs(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// A server with an editor in front of it.
pub(super) struct Desk {
    client: Client,
    /// The model's name.
    pub(super) model: String,
    n_opened: usize,
}

/// An open text.
pub(super) struct Open {
    uri: String,
    version: usize,
    pub(super) text: String,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// The editor, at each key.
    ByItself,
    /// The user, who gets what the editor's question would hide.
    ByHand,
}

/// What the server says at a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Empty where there is nothing.
    pub(super) ghost: String,
    pub(super) account: Account,
    /// Whether the answer was not there within the time that an editor waits.
    pub(super) is_late: bool,
}

/// The part of `ghostline/completed` that is of use here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Account {
    id: i64,
    pub(super) source: String,
    pub(super) usage: Usage,
    /// Of ghost text that is no rest of what was shown.
    pub(super) evidence: Option<Evidence>,
    /// Only the beginning of what the model would say.
    #[serde(rename = "isPart")]
    pub(super) is_part: bool,
}

impl Desk {
    /// Starts the server that editors start, with nothing done ahead: that would cost as much again and change no
    /// answer.
    pub(super) fn start(global: &Global, settings: &Value) -> anyhow::Result<Desk> {
        let mut all = json!({
            "engine": {"prefetch": false},
            "eagerness": {
                "mode": "automatic", "delay_ms": 0, "after_delete": true, "repeat_rejected": true, "back_off": 0,
            },
            "latency": {"deadline_ms": 700},
        });
        merge(&mut all, settings);
        let editor = Editor::start(&mut process::server(global)?, &all)?;
        Ok(Desk {
            client: editor.client,
            model: editor.model,
            n_opened: 0,
        })
    }

    /// Opens a text under a name that no text had before, so that nothing is known of it.
    pub(super) fn open(
        &mut self,
        name: &str,
        language_id: &str,
        text: String,
    ) -> anyhow::Result<Open> {
        self.n_opened += 1;
        let name = name.rsplit('/').next().unwrap_or_default();
        let uri = format!("file:///ghostline/{}/{}", self.n_opened, encoded(name));
        let item = json!({"uri": uri, "languageId": language_id, "version": 1, "text": text});
        self.client
            .notify("textDocument/didOpen", json!({"textDocument": item}))?;
        Ok(Open {
            uri,
            version: 1,
            text,
        })
    }

    pub(super) fn close(&mut self, open: Open) -> anyhow::Result<()> {
        let params = json!({"textDocument": {"uri": open.uri}});
        self.client.notify("textDocument/didClose", params)?;
        Ok(())
    }

    /// What is said at `cursor`.
    pub(super) fn ask(&mut self, open: &Open, cursor: usize, who: Asks) -> anyhow::Result<Said> {
        self.change_and_ask(open, cursor, who, Vec::new())
    }

    /// Types, or accepts, `with` at `cursor`, and asks behind it as editors do.
    pub(super) fn insert(
        &mut self,
        open: &mut Open,
        cursor: usize,
        with: &str,
    ) -> anyhow::Result<Said> {
        let place = position(&open.text, cursor);
        open.text.insert_str(cursor, with);
        open.version += 1;
        let change = notification(
            "textDocument/didChange",
            json!({
                "textDocument": {"uri": open.uri, "version": open.version},
                "contentChanges": [{"range": {"start": place, "end": place}, "text": with}],
            }),
        );
        self.change_and_ask(open, cursor + with.len(), Asks::ByItself, vec![change])
    }

    fn change_and_ask(
        &mut self,
        open: &Open,
        cursor: usize,
        who: Asks,
        mut messages: Vec<Value>,
    ) -> anyhow::Result<Said> {
        let started = Instant::now();
        let mut is_late = false;
        if !messages.is_empty() {
            self.client.send(&messages)?;
            messages.clear();
        }
        self.wait_for_syntax(open)?;
        loop {
            let params = json!({
                "textDocument": {"uri": open.uri},
                "position": position(&open.text, cursor),
                "context": {"triggerKind": if who == Asks::ByHand { 1 } else { 2 }},
            });
            let (id, message) = self.client.request("textDocument/inlineCompletion", params);
            messages.push(message);
            let deadline = self.client.send(&messages)? + PATIENCE;
            messages.clear();
            let mut said = self.answer(id, deadline, open, cursor)?;
            // The job goes on, and the next question joins it.
            let is_unfinished = ["late", "in-part"].contains(&said.account.source.as_str());
            if !is_unfinished {
                said.is_late = is_late;
                return Ok(said);
            }
            is_late = true;
            if started.elapsed() > PATIENCE {
                bail!("the model takes more than {PATIENCE:?} for one line; choose a smaller one");
            }
        }
    }

    /// Waits until the server has parsed a text, so that the answer does not depend on how fast that was.
    fn wait_for_syntax(&mut self, open: &Open) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < LONGEST_PARSE {
            let params = json!({"uri": open.uri});
            let method = "ghostline/documentText";
            let document = self.client.call(method, params, PATIENCE, drop)?;
            if document["isParsed"] == true {
                break;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        Ok(())
    }

    /// The answer to the request `id`, and what it cost.
    fn answer(
        &mut self,
        id: i64,
        deadline: Instant,
        open: &Open,
        cursor: usize,
    ) -> anyhow::Result<Said> {
        let mut account = Account::default();
        while let Some(mut incoming) = self.client.receive(deadline)? {
            if let Some(params) = incoming.notified("ghostline/completed") {
                let told = Account::deserialize(params);
                let told = told.context("while reading `ghostline/completed`")?;
                if told.id == id {
                    account = told;
                }
                continue;
            }
            if incoming.answered() != Some(id) {
                continue;
            }
            if let Some(error) = incoming.message.get("error") {
                bail!("the server refused to answer: {}", error["message"]);
            }
            let items: Vec<Item> =
                serde_json::from_value(incoming.message["result"]["items"].take())
                    .context("while reading the server's ghost text")?;
            let ghost = items
                .first()
                .and_then(|item| ghost_text(item, &open.text, cursor));
            return Ok(Said {
                ghost: ghost.unwrap_or_default(),
                account,
                is_late: false,
            });
        }
        bail!("the server did not answer within {PATIENCE:?}")
    }

    pub(super) fn shut_down(self) -> anyhow::Result<()> {
        self.client.shut_down()?;
        Ok(())
    }
}

/// Sets in `settings` what `more` has.
fn merge(settings: &mut Value, more: &Value) {
    match (settings, more) {
        (Value::Object(settings), Value::Object(more)) => {
            for (key, value) in more {
                merge(settings.entry(key).or_insert(Value::Null), value);
            }
        }
        (settings, more) => *settings = more.clone(),
    }
}

/// `name` as a part of a URI.
fn encoded(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.bytes()
        .map(|byte| match is_plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_merged_key_by_key() {
        let mut settings = json!({"engine": {"prefetch": false}, "log": 1});
        merge(
            &mut settings,
            &json!({"engine": {"healing": false}, "log": 2}),
        );
        assert_eq!(
            settings,
            json!({"engine": {"prefetch": false, "healing": false}, "log": 2})
        );
        merge(&mut settings, &json!({}));
        assert_eq!(settings["log"], 2);
    }

    #[test]
    fn names_are_fit_for_a_uri() {
        assert_eq!(encoded("a b%é.rs"), "a%20b%25%C3%A9.rs");
    }
}
