//! `textDocument/completion`: ghost text as an item of the menu, for clients that know no other way (Helix).

use std::sync::Arc;

use tower_lsp::{
    jsonrpc::Result,
    ls_types::{
        CompletionItem, CompletionItemKind, CompletionList, CompletionParams, CompletionResponse,
        CompletionTextEdit, Documentation, InsertTextFormat, InsertTextMode, MarkupContent,
        MarkupKind, TextEdit,
    },
};

use super::{
    convert,
    inline::{Found, Query},
    session::Session,
};
use crate::text::ByteOffset;

/// Longer labels are cut; the whole text stands in the documentation.
const LABEL: usize = 60;

impl Session {
    pub(crate) async fn menu(
        self: &Arc<Self>,
        params: &CompletionParams,
    ) -> Result<Option<CompletionResponse>> {
        let place = &params.text_document_position;
        let query = Query {
            uri: place.text_document.uri.as_str(),
            position: place.position,
            is_invoked: self.is_by_hand(params),
            selected: None,
        };
        let items = match self.suggest(&query).await? {
            Some(found) => vec![self.menu_item(&found)],
            None => Vec::new(),
        };
        // Incomplete, so that the next key asks again.
        Ok(Some(CompletionResponse::List(CompletionList {
            is_incomplete: true,
            items,
        })))
    }

    /// The item replaces the typed word, because menus filter by it: an item that does not start with what was
    /// typed is thrown away.
    fn menu_item(&self, found: &Found) -> CompletionItem {
        let text = &found.snapshot.text;
        let before = convert::line_before(text, found.cursor);
        let word = &before[convert::word_start(&before)..];
        let after = convert::line_after(text, found.cursor);
        let (offered, replaced) = convert::insertion(&found.ghost, &after);
        let inserted = convert::with_breaks_of(text, found.cursor, &offered);
        let whole = format!("{word}{inserted}");
        let range = ByteOffset(found.cursor.0 - word.len())..ByteOffset(found.cursor.0 + replaced);
        let first_line = whole.trim_start().lines().next().unwrap_or_default();
        let language = &found.snapshot.language.name;
        CompletionItem {
            label: label(&whole),
            kind: Some(CompletionItemKind::TEXT),
            detail: Some("ghostline".to_string()),
            documentation: Some(Documentation::MarkupContent(MarkupContent {
                kind: MarkupKind::Markdown,
                value: format!(
                    "````{language}\n{}{}\n````",
                    before.trim_start(),
                    found.ghost
                ),
            })),
            // Menus sort by this where nothing else decides; a blank stands before every letter.
            sort_text: Some(" ".to_string()),
            preselect: Some(true),
            filter_text: Some(first_line.to_string()),
            insert_text_format: Some(InsertTextFormat::PLAIN_TEXT),
            insert_text_mode: Some(InsertTextMode::AS_IS),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit {
                range: convert::range(text, range, self.peer().encoding),
                new_text: whole,
            })),
            command: Some(self.offer(found, &offered, 0)),
            ..CompletionItem::default()
        }
    }
}

/// The first line that is not blank, shortened, with a sign that more follows.
fn label(text: &str) -> String {
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default();
    let mut label: String = line.chars().take(LABEL).collect();
    if label.len() < text.len() {
        label.push('…');
    }
    label
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_label_is_one_line_and_says_when_there_is_more() {
        assert_eq!(label("  a + b"), "a + b");
        assert_eq!(label("\n    body\n}"), "body…");
        assert_eq!(label(&"x".repeat(100)).chars().count(), 61);
    }
}
