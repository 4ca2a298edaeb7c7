//! What an editor has still to send: changes that wait for each other, and a request that waits for the user to
//! stop typing. Knows its profile's times, but no clock and no wire.

use std::time::Instant;

use serde_json::{Value, json};

use super::peer::Profile;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) profile: Profile,
    documents: Vec<Document>,
    /// The one that the user sees, an index into `documents`.
    front: usize,
    request: Option<Request>,
}

/// An open file.
#[derive(Debug)]
struct Document {
    uri: String,
    version: usize,
    /// Changes that are still to be sent.
    changes: Vec<Value>,
    /// When changes were last sent.
    changed: Option<Instant>,
}

#[derive(Debug)]
struct Request {
    key: usize,
    due: Instant,
    position: Value,
}

/// Parameters of messages that are to be sent now, the changes first.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) changes: Vec<Value>,
    /// The key that it is asked for.
    pub(super) request: Option<(usize, Value)>,
}

impl Outbox {
    /// Brings a file to the front; whether it was open already.
    pub(super) fn show(&mut self, uri: &str) -> bool {
        let open = self.documents.iter().position(|open| open.uri == uri);
        self.front = open.unwrap_or(self.documents.len());
        if open.is_none() {
            self.documents.push(Document {
                uri: uri.to_owned(),
                version: 1,
                changes: Vec::new(),
                changed: None,
            });
        }
        open.is_some()
    }

    /// Forgets all files and what was to be said about them; the files.
    pub(super) fn close(&mut self) -> Vec<String> {
        self.request = None;
        self.documents.drain(..).map(|open| open.uri).collect()
    }

    /// The user has changed the file in front.
    pub(super) fn change(&mut self, change: Value) {
        if let Some(document) = self.documents.get_mut(self.front) {
            document.changes.push(change);
        }
    }

    /// The user has pressed a key at `now`, and the cursor is at `position`.
    pub(super) fn ask(&mut self, key: usize, position: Value, now: Instant) {
        self.request = Some(Request {
            key,
            due: now + self.profile.request_delay(),
            position,
        });
    }

    /// Takes what is to be sent at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let request = self.request.take_if(|request| request.due <= now);
        let mut due = Due::default();
        for (idx, document) in self.documents.iter_mut().enumerate() {
            // A request is about the text that its editor shows.
            let is_needed = request.is_some() && idx == self.front;
            if document.changes.is_empty()
                || !is_needed && document.may_change(self.profile) > Some(now)
            {
                continue;
            }
            document.version += document.changes.len();
            document.changed = Some(now);
            due.changes.push(json!({
                "textDocument": {"uri": document.uri, "version": document.version},
                "contentChanges": std::mem::take(&mut document.changes),
            }));
        }
        due.request = request
            .zip(self.documents.get(self.front))
            .map(|(request, front)| {
                let params = json!({
                    "textDocument": {"uri": front.uri},
                    "position": request.position,
                    // Automatic, as editors have it in the protocol.
                    "context": {"triggerKind": 2},
                });
                (request.key, params)
            });
        due
    }

    /// When something is next to be sent; what could have been before is not counted.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = self
            .documents
            .iter()
            .filter(|open| !open.changes.is_empty());
        let changes = waiting.filter_map(|open| open.may_change(self.profile));
        let request = self.request.as_ref().map(|request| request.due);
        changes.chain(request).min()
    }
}

impl Document {
    /// When changes may be sent; `None` for at any time.
    fn may_change(&self, profile: Profile) -> Option<Instant> {
        Some(self.changed? + profile.change_interval())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::{Expect, expect};

    use super::*;

    /// Presses a key at each of `times`, and writes down what is sent when, all in milliseconds.
    #[track_caller]
    fn check(profile: Profile, times: &[u64], expected: Expect) {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut outbox = Outbox {
            profile,
            ..Outbox::default()
        };
        assert!(!outbox.show("a"));
        let mut sent = String::new();
        let mut send = |outbox: &mut Outbox, now: Instant| {
            let due = outbox.due(now);
            let ms = (now - start).as_millis();
            for change in due.changes {
                let n_changes = change["contentChanges"].as_array().map_or(0, Vec::len);
                let version = &change["textDocument"]["version"];
                sent += &format!("{ms}: {n_changes} changes, version {version}\n");
            }
            if let Some((key, _)) = due.request {
                sent += &format!("{ms}: request for key {key}\n");
            }
        };
        for (key, pressed) in times.iter().enumerate() {
            while let Some(due) = outbox.next_due().filter(|due| *due < at(*pressed)) {
                send(&mut outbox, due);
            }
            outbox.change(json!("x"));
            outbox.ask(key, Value::Null, at(*pressed));
            send(&mut outbox, at(*pressed));
        }
        while let Some(due) = outbox.next_due() {
            send(&mut outbox, due);
        }
        expected.assert_eq(&sent);
    }

    #[test]
    fn the_eager_editor_asks_with_every_key() {
        check(
            Profile::Eager,
            &[0, 30],
            expect![[r#"
                0: 1 changes, version 2
                0: request for key 0
                30: 1 changes, version 3
                30: request for key 1
            "#]],
        );
    }

    #[test]
    fn vscode_asks_a_little_after_a_key_that_no_other_follows_at_once() {
        check(
            Profile::Vscode,
            &[0, 30, 130],
            expect![[r#"
                0: 1 changes, version 2
                30: 1 changes, version 3
                80: request for key 1
                130: 1 changes, version 4
                180: request for key 2
            "#]],
        );
    }

    #[test]
    fn neovim_gathers_changes_and_asks_after_the_last_key() {
        check(
            Profile::Neovim,
            &[0, 100, 140, 400],
            expect![[r#"
                0: 1 changes, version 2
                150: 2 changes, version 4
                340: request for key 2
                400: 1 changes, version 5
                600: request for key 3
            "#]],
        );
    }

    #[test]
    fn changes_of_a_file_that_is_no_longer_in_front_are_sent_too() {
        let start = Instant::now();
        let mut outbox = Outbox {
            profile: Profile::Neovim,
            ..Outbox::default()
        };
        outbox.show("a");
        outbox.change(json!(1));
        assert_eq!(outbox.due(start).changes.len(), 1);
        outbox.change(json!(2));
        outbox.show("b");
        outbox.change(json!(3));
        assert_eq!(outbox.due(start).changes.len(), 1, "that of b is its first");
        let later = outbox.next_due().unwrap();
        assert_eq!(outbox.due(later).changes[0]["textDocument"]["uri"], "a");
        assert!(outbox.show("a"));
        assert_eq!(outbox.close(), ["a", "b"]);
    }
}
