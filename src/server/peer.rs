//! What the client is and can do, and what the server therefore offers it.

use serde_json::{Value, json};
use tower_lsp::ls_types::{
    CompletionOptions, ExecuteCommandOptions, InitializeParams, InitializeResult, OneOf,
    PositionEncodingKind, ServerCapabilities, ServerInfo, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextDocumentSyncOptions, TextDocumentSyncSaveOptions,
    WorkspaceFoldersServerCapabilities, WorkspaceServerCapabilities,
};

use super::{copilot, inline, models};
use crate::text::position::Encoding;

/// What follows from the client's side of `initialize`.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub encoding: Encoding,
    /// Whether the client told its encodings; if not, neither do we.
    has_encodings: bool,
    /// Whether ghost text goes out as a completion menu's item.
    pub has_menu: bool,
    pub shows_progress: bool,
    /// Answers `workspace/configuration`.
    pub answers_configuration: bool,
    /// Lets the server ask to be told of changed settings.
    pub registers_configuration: bool,
    /// Lets the server ask to be told of files that change on disk.
    pub watches_files: bool,
    /// Wants `ghostline/completed` for each request.
    pub wants_figures: bool,
    /// Wants `ghostline/status` whenever it changes.
    pub wants_status: bool,
    /// Wants ghost text to replace the half-typed word by the whole.
    pub wants_word: bool,
    /// Can put a question to the user.
    pub asks_user: bool,
    /// Is made for Copilot's language server.
    pub is_copilots: bool,
}

impl Default for Peer {
    fn default() -> Peer {
        Peer::of(&InitializeParams::default())
    }
}

impl Peer {
    pub(crate) fn of(params: &InitializeParams) -> Peer {
        let capabilities = &params.capabilities;
        let offered = capabilities
            .general
            .as_ref()
            .and_then(|general| general.position_encodings.as_deref());
        // lsp-mode holds one encoding for each buffer, the last server's to open it. The language's own server, which
        // stands there, too, most likely takes the first of the list, or has what the list begins with for granted.
        let takes_first = is_lsp_mode(params);
        let workspace = capabilities.workspace.as_ref();
        let text_document = capabilities.text_document.as_ref();
        let announces_inline =
            text_document.is_some_and(|document| document.inline_completion.is_some());
        let extension = |name: &str| {
            let flag = |experimental: &Value| {
                experimental
                    .pointer(&format!("/ghostline/{name}"))
                    .and_then(Value::as_bool)
            };
            capabilities
                .experimental
                .as_ref()
                .and_then(flag)
                .unwrap_or(false)
        };
        // Copilot's server speaks UTF-16 alone, and its clients send that whatever they offer.
        let is_copilots = copilot::is_client(params);
        let encoding = match is_copilots {
            true => Encoding::Utf16,
            false => encoding(offered.unwrap_or_default(), takes_first),
        };
        Peer {
            encoding,
            has_encodings: offered.is_some(),
            // lsp-mode uses inline completion without announcing it; with both providers its popup would fill up.
            has_menu: !announces_inline && !is_lsp_mode(params),
            shows_progress: capabilities
                .window
                .as_ref()
                .and_then(|window| window.work_done_progress)
                .unwrap_or(false),
            answers_configuration: workspace
                .and_then(|workspace| workspace.configuration)
                .unwrap_or(false),
            registers_configuration: workspace
                .and_then(|workspace| workspace.did_change_configuration)
                .and_then(|configuration| configuration.dynamic_registration)
                .unwrap_or(false),
            watches_files: workspace
                .and_then(|workspace| workspace.did_change_watched_files.as_ref())
                .and_then(|watching| watching.dynamic_registration)
                .unwrap_or(false),
            wants_figures: extension("figures"),
            wants_status: extension("status"),
            wants_word: extension("wholeWord"),
            asks_user: (capabilities.window.as_ref())
                .is_some_and(|window| window.show_message.is_some()),
            is_copilots,
        }
    }

    /// The answer to `initialize`.
    pub(crate) fn offer(&self) -> InitializeResult {
        let triggers = [" ", "=", "(", "[", "{", ".", ",", ":", "<", "&", "\"", "\n"];
        InitializeResult {
            capabilities: ServerCapabilities {
                position_encoding: self.has_encodings.then_some(match self.encoding {
                    Encoding::Utf8 => PositionEncodingKind::UTF8,
                    Encoding::Utf16 => PositionEncodingKind::UTF16,
                    Encoding::Utf32 => PositionEncodingKind::UTF32,
                }),
                text_document_sync: Some(TextDocumentSyncCapability::Options(
                    TextDocumentSyncOptions {
                        open_close: Some(true),
                        change: Some(TextDocumentSyncKind::INCREMENTAL),
                        // Of a `.ghostlineignore`.
                        save: Some(TextDocumentSyncSaveOptions::Supported(true)),
                        ..TextDocumentSyncOptions::default()
                    },
                )),
                // Static: Neovim takes no dynamic registration for it.
                inline_completion_provider: Some(OneOf::Left(true)),
                completion_provider: self.has_menu.then(|| CompletionOptions {
                    trigger_characters: Some(triggers.map(String::from).to_vec()),
                    resolve_provider: Some(false),
                    ..CompletionOptions::default()
                }),
                workspace: Some(WorkspaceServerCapabilities {
                    workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                        supported: Some(true),
                        change_notifications: Some(OneOf::Left(true)),
                    }),
                    ..WorkspaceServerCapabilities::default()
                }),
                execute_command_provider: Some(ExecuteCommandOptions {
                    commands: [
                        inline::ACCEPTED,
                        copilot::ACCEPTED,
                        models::PULL,
                        models::USE,
                        models::LIST,
                    ]
                    .map(String::from)
                    .to_vec(),
                    ..ExecuteCommandOptions::default()
                }),
                experimental: Some(
                    json!({"ghostline": {"documentText": true, "figures": true, "status": true}}),
                ),
                ..ServerCapabilities::default()
            },
            server_info: Some(ServerInfo {
                name: "ghostline".to_string(),
                version: Some(env!("CARGO_PKG_VERSION").to_string()),
            }),
            ..InitializeResult::default()
        }
    }
}

/// Emacs' lsp-mode. Its other client, Eglot, calls itself "Eglot".
fn is_lsp_mode(params: &InitializeParams) -> bool {
    params
        .client_info
        .as_ref()
        .is_some_and(|client| client.name == "emacs")
}

/// UTF-8 wherever it is offered, since the text is UTF-8; else, or if the client `takes_first`, the first known one
/// the client would like.
fn encoding(offered: &[PositionEncodingKind], takes_first: bool) -> Encoding {
    let of = |kind: &PositionEncodingKind| match kind.as_str() {
        "utf-8" => Some(Encoding::Utf8),
        "utf-16" => Some(Encoding::Utf16),
        "utf-32" => Some(Encoding::Utf32),
        _ => None,
    };
    let mut known = offered.iter().filter_map(of);
    if !takes_first && known.clone().any(|encoding| encoding == Encoding::Utf8) {
        return Encoding::Utf8;
    }
    known.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(capabilities: Value, client: &str, expected: impl Fn(&Peer) -> bool) {
        let params = serde_json::from_value(
            json!({"capabilities": capabilities, "clientInfo": {"name": client}}),
        );
        let peer = Peer::of(&params.unwrap());
        assert!(expected(&peer), "{peer:?}");
    }

    #[test]
    fn utf8_is_preferred_then_the_clients_order_then_utf16() {
        let offers = |encodings: Value| json!({"general": {"positionEncodings": encodings}});
        check(offers(json!(["utf-32", "utf-8", "utf-16"])), "x", |peer| {
            peer.encoding == Encoding::Utf8
        });
        check(offers(json!(["utf-32", "utf-16"])), "x", |peer| {
            peer.encoding == Encoding::Utf32
        });
        check(offers(json!(["utf-7", "utf-16", "utf-32"])), "x", |peer| {
            peer.encoding == Encoding::Utf16
        });
        check(offers(json!(["utf-7"])), "x", |peer| {
            peer.encoding == Encoding::Utf16
        });
        check(
            offers(json!(["utf-32", "utf-8", "utf-16"])),
            "emacs",
            |peer| peer.encoding == Encoding::Utf32,
        );
        check(json!({}), "x", |peer| {
            peer.encoding == Encoding::Utf16
                && peer.offer().capabilities.position_encoding.is_none()
        });
    }

    #[test]
    fn the_menu_is_for_clients_without_ghost_text_of_their_own() {
        check(
            json!({"textDocument": {"inlineCompletion": {}}}),
            "Neovim",
            |peer| !peer.has_menu,
        );
        check(
            json!({"textDocument": {"completion": {}}}),
            "helix",
            |peer| peer.has_menu,
        );
        check(
            json!({"textDocument": {"completion": {}}}),
            "emacs",
            |peer| !peer.has_menu,
        );
        check(json!({}), "x", |peer| {
            peer.offer()
                .capabilities
                .inline_completion_provider
                .is_some()
        });
    }
}
