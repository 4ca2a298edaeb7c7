//! What editors tell beside the LSP: what is on the screen and what the user does with it, which documents are
//! visible, where the cursor goes. All of it is optional, and whatever makes no sense is ignored with a line in the log.

use std::{future::Future, sync::Arc};

use serde_json::Value;
use tower_lsp::{LspServiceBuilder, ls_types};

use super::{
    fates::id_of_item,
    session::{Methods, Session},
};

/// Which of them there are; also those whose parameters may be left out.
pub(crate) const NOTICES: [&str; 6] = [
    "textDocument/didShowCompletion",
    "textDocument/didPartiallyAcceptCompletion",
    "textDocument/didFocus",
    "ghostline/didDismiss",
    "ghostline/didChangeSelection",
    "ghostline/didChangeVisible",
];

pub(super) fn methods(service: LspServiceBuilder<Methods>) -> LspServiceBuilder<Methods> {
    let [shown, part, focus, dismiss, selection, visible] = NOTICES;
    service
        .custom_method(shown, Methods::did_show_completion)
        .custom_method(part, Methods::did_partially_accept_completion)
        .custom_method(focus, Methods::did_focus)
        .custom_method(dismiss, Methods::did_dismiss)
        .custom_method(selection, Methods::did_change_selection)
        .custom_method(visible, Methods::did_change_visible)
        .custom_method("window/workDoneProgress/cancel", Methods::cancel_progress)
}

impl Methods {
    pub(super) async fn did_show_completion(&self, params: Value) {
        sense("didShowCompletion", self.0.did_show(&params));
    }

    pub(super) async fn did_partially_accept_completion(&self, params: Value) {
        let accepted = self.0.did_accept_in_part(&params);
        sense("didPartiallyAcceptCompletion", accepted);
    }

    pub(super) async fn did_focus(&self, params: Value) {
        // No document at all is an answer, too.
        if let Some(uri) = uri_of(&params["textDocument"]) {
            self.0.turns_to(&uri, None).await;
        }
    }

    pub(super) async fn did_dismiss(&self, params: Value) {
        let dismissed = id_of_item(&params["item"]).map(|id| self.0.told_dismissed(id, true));
        sense("didDismiss", dismissed);
    }

    pub(super) async fn did_change_selection(&self, params: Value) {
        let position = serde_json::from_value(params["position"].clone()).ok();
        let place: Option<(String, ls_types::Position)> =
            uri_of(&params["textDocument"]).zip(position);
        if let Some((uri, position)) = sense("didChangeSelection", place) {
            self.0.turns_to(&uri, Some(position)).await;
        }
    }

    pub(super) async fn did_change_visible(&self, params: Value) {
        let documents = params["textDocuments"].as_array();
        let uris = documents.map(|documents| Vec::from_iter(documents.iter().filter_map(uri_of)));
        if let Some(uris) = sense("didChangeVisible", uris) {
            if let Some(first) = uris.first() {
                self.documents.touch_open(first);
            }
            self.documents.show(uris);
        }
    }
}

impl Session {
    fn did_show(&self, params: &Value) -> Option<()> {
        self.told_shown(id_of_item(&params["item"])?);
        Some(())
    }

    fn did_accept_in_part(&self, params: &Value) -> Option<()> {
        let units = params["acceptedLength"].as_u64()?;
        self.told_part(id_of_item(&params["item"])?, units as usize);
        Some(())
    }

    /// The user has turned to a document, and to a place in it; `None` is the last known one.
    fn turns_to<'a>(
        self: &'a Arc<Self>,
        uri: &'a str,
        position: Option<ls_types::Position>,
    ) -> impl Future<Output = ()> + 'a {
        self.documents.touch_open(uri);
        self.rest(uri, position)
    }
}

fn uri_of(document: &Value) -> Option<String> {
    document["uri"].as_str().map(str::to_owned)
}

/// What could be made of a message; says so when that is nothing.
fn sense<T>(name: &str, made: Option<T>) -> Option<T> {
    if made.is_none() {
        // Not the parameters: there is text in items.
        tracing::warn!(name, "makes no sense and is ignored");
    }
    made
}
