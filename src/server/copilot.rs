//! The dialect of Copilot's language server, so that editor plugins made for it can be pointed at ghostline: its
//! start-up calls, its older way of asking for completions, its status. No account is needed here, and that is what is
//! said. What newer plugins use is the LSP's own and the notifications in `notices.rs`.
//!
//! `docs/protocol.md` lists what is served and what is not.

use std::sync::{Arc, atomic::Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_lsp::{
    LspServiceBuilder,
    jsonrpc::{Error, Result},
    ls_types::{self, InitializeParams},
};

use super::{
    convert,
    fates::suggestion_id,
    inline::{Found, Query},
    session::{Methods, Session},
};
use crate::{engine, text::ByteOffset};

/// The command of Copilot's own items, for clients that have it built in.
pub(crate) const ACCEPTED: &str = "github.copilot.didAcceptCompletionItem";

/// What is served; parameters may be left out of any of them.
pub(crate) const METHODS: [&str; 11] = [
    "checkStatus",
    "signIn",
    "signInInitiate",
    "signInConfirm",
    "setEditorInfo",
    "getVersion",
    "getCompletions",
    "getCompletionsCycling",
    "notifyShown",
    "notifyAccepted",
    "notifyRejected",
];

/// Settings of Copilot's clients, none of which means anything here.
const SETTINGS: [&str; 14] = [
    "advanced",
    "copilotCapabilities",
    "copilotIntegrationId",
    "disabledLanguages",
    "editorConfiguration",
    "editorInfo",
    "editorPluginInfo",
    "enableAutoCompletions",
    "github",
    "github-enterprise",
    "http",
    "networkProxy",
    "nextEditSuggestions",
    "telemetry",
];

/// Who is signed in, where somebody has to be.
const USER: &str = "ghostline";

pub(super) fn methods(service: LspServiceBuilder<Methods>) -> LspServiceBuilder<Methods> {
    let [
        check,
        sign_in,
        initiate,
        confirm,
        editor,
        version,
        get,
        cycle,
        shown,
        accepted,
        rejected,
    ] = METHODS;
    service
        .custom_method(check, Methods::check_status)
        .custom_method(sign_in, Methods::sign_in)
        .custom_method(initiate, Methods::sign_in)
        .custom_method(confirm, Methods::check_status)
        .custom_method(editor, Methods::set_editor_info)
        .custom_method(version, Methods::get_version)
        .custom_method(get, Methods::get_completions)
        .custom_method(cycle, Methods::get_completions_cycling)
        .custom_method(shown, Methods::notify_shown)
        .custom_method(accepted, Methods::notify_accepted)
        .custom_method(rejected, Methods::notify_rejected)
}

/// Whether the client says at the start that it is one of Copilot's.
pub(super) fn is_client(params: &InitializeParams) -> bool {
    let options = params.initialization_options.as_ref();
    options.is_some_and(|options| options.get("editorPluginInfo").is_some())
}

/// The parameters of `didChangeStatus`.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Status {
    message: String,
    kind: &'static str,
    busy: bool,
}

impl Status {
    pub(super) fn of(status: &engine::Status, is_enabled: bool) -> Status {
        let (kind, message) = match status {
            engine::Status::Failed(message) => ("Error", message.clone()),
            _ if !is_enabled => ("Inactive", "switched off".to_owned()),
            engine::Status::Loading(_) => ("Normal", "the model is loading".to_owned()),
            engine::Status::Ready(_) => ("Normal", String::new()),
        };
        Status {
            busy: matches!(status, engine::Status::Loading(_)),
            message,
            kind,
        }
    }
}

#[derive(Deserialize)]
struct Params {
    doc: Document,
}

#[derive(Deserialize)]
struct Document {
    uri: String,
    position: ls_types::Position,
}

/// A completion as `getCompletions` gives it: the whole line, because older clients take no other range.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Completion {
    uuid: String,
    text: String,
    display_text: String,
    range: ls_types::Range,
    position: ls_types::Position,
    doc_version: i32,
}

impl Methods {
    async fn check_status(&self, _: Value) -> Result<Value> {
        self.speaks_copilot_now();
        Ok(json!({"status": "OK", "user": USER}))
    }

    async fn sign_in(&self, _: Value) -> Result<Value> {
        self.speaks_copilot_now();
        Ok(json!({"status": "AlreadySignedIn", "user": USER}))
    }

    async fn set_editor_info(&self, _: Value) -> Result<Value> {
        self.speaks_copilot_now();
        Ok(json!("OK"))
    }

    async fn get_version(&self, _: Value) -> Result<Value> {
        self.speaks_copilot_now();
        Ok(json!({"version": env!("CARGO_PKG_VERSION")}))
    }

    async fn get_completions(&self, params: Value) -> Result<Value> {
        self.0.completions(params, false).await
    }

    /// Asked by hand, for more than the first one.
    async fn get_completions_cycling(&self, params: Value) -> Result<Value> {
        self.0.completions(params, true).await
    }

    async fn notify_shown(&self, params: Value) -> Result<Value> {
        if let Some(id) = suggestion_id(&params["uuid"]) {
            self.told_shown(id);
        }
        Ok(json!("OK"))
    }

    async fn notify_accepted(&self, params: Value) -> Result<Value> {
        if let Some(id) = suggestion_id(&params["uuid"]) {
            match params["acceptedLength"].as_u64() {
                Some(units) => self.told_so_far(id, units as usize),
                None => self.told_accepted(Some(&params["uuid"])),
            }
        }
        Ok(json!("OK"))
    }

    /// Not only by a key: older clients say so whenever ghost text goes away.
    async fn notify_rejected(&self, params: Value) -> Result<Value> {
        let uuids = params["uuids"].as_array();
        for id in uuids.into_iter().flatten().filter_map(suggestion_id) {
            self.told_dismissed(id, false);
        }
        Ok(json!("OK"))
    }
}

impl Session {
    /// Whether the client speaks the dialect.
    pub(crate) fn speaks_copilot(&self) -> bool {
        self.peer().is_copilots || self.fates.speaks_copilot.load(Ordering::Relaxed)
    }

    fn speaks_copilot_now(&self) {
        let did = self.fates.speaks_copilot.swap(true, Ordering::Relaxed);
        if !did && !self.peer().is_copilots {
            // Its status is news to the client.
            self.counts.changed();
        }
    }

    /// What of a layer of settings is for ghostline. Copilot's clients send what Copilot's server knows.
    pub(crate) fn own_settings(&self, mut layer: Value) -> Value {
        if let Some(layer) = layer.as_object_mut().filter(|_| self.speaks_copilot()) {
            layer.retain(|name, _| !SETTINGS.contains(&name.as_str()));
        }
        layer
    }

    async fn completions(self: &Arc<Self>, params: Value, is_invoked: bool) -> Result<Value> {
        self.speaks_copilot_now();
        // Not the error: it may quote the text.
        let Ok(Params { doc }) = Params::deserialize(params) else {
            return Err(Error::invalid_params("no `doc` with `uri` and `position`"));
        };
        let query = Query {
            uri: &doc.uri,
            position: doc.position,
            is_invoked,
            selected: None,
        };
        let found = self.suggest(&query).await?;
        let completions = Vec::from_iter(found.map(|found| self.completion(&found, doc.position)));
        Ok(json!({"completions": completions}))
    }

    fn completion(&self, found: &Found, position: ls_types::Position) -> Completion {
        let text = &found.snapshot.text;
        let before = convert::line_before(text, found.cursor);
        let after = convert::line_after(text, found.cursor);
        let (inserted, replaced) = convert::insertion(&found.ghost, &after);
        let inserted = convert::with_plain_breaks(&inserted);
        let id = self.offered(found, &inserted, before.encode_utf16().count());
        let range =
            ByteOffset(found.cursor.0 - before.len())..ByteOffset(found.cursor.0 + replaced);
        Completion {
            uuid: id.0.to_string(),
            text: format!("{before}{inserted}"),
            display_text: inserted,
            range: convert::range(text, range, self.peer().encoding),
            position,
            doc_version: found.snapshot.version,
        }
    }
}
