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
use crate::{prompt::floor, text::ByteOffset};

/// Longer labels are cut; the whole text stands in the documentation.
const LABEL: usize = 60;
/// So much of the line left of the cursor stands in the documentation, in bytes.
const DOCUMENTED: usize = 1024;

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
        // Of a minified line the end will do.
        let shown = &before[floor(&before, before.len().saturating_sub(DOCUMENTED))..];
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
                    "````{language}\n{}\n````",
                    from_the_left_edge(&format!("{shown}{}", found.ghost))
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

/// The first line that is not blank, shortened, and how many lines follow.
fn label(text: &str) -> String {
    let mut lines = text.trim().lines();
    let line = lines.next().unwrap_or_default();
    let mut label: String = line.chars().take(LABEL).collect();
    if label.len() < line.len() {
        label.push('…');
    }
    match lines.count() {
        0 => label,
        1 => format!("{label} (+1 line)"),
        more => format!("{label} (+{more} lines)"),
    }
}

/// Without the indentation that all lines share: a pane beside a menu is narrow.
fn from_the_left_edge(text: &str) -> String {
    let text = convert::with_plain_breaks(text);
    let blank = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let shared = (text.lines().filter(|line| !line.trim().is_empty()))
        .map(blank)
        .min()
        .unwrap_or(0);
    let lines = text.lines().map(|line| line.get(shared..).unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{from_the_left_edge, label};

    #[test]
    fn a_label_is_one_line_and_says_when_there_is_more() {
        assert_eq!(label("  a + b"), "a + b");
        assert_eq!(label("\n    body\n}"), "body (+1 line)");
        assert_eq!(label("a\n\nb\n"), "a (+2 lines)");
        assert_eq!(label(&"x".repeat(100)).chars().count(), 61);
    }

    #[test]
    fn documentation_starts_at_the_left_edge_and_keeps_its_shape() {
        assert_eq!(
            from_the_left_edge("    if a {\r\n        b\r\n\r\n    }"),
            "if a {\n    b\n\n}"
        );
        assert_eq!(from_the_left_edge("\tif a:\n\t\tb"), "if a:\n\tb");
        assert_eq!(from_the_left_edge("        a\n    }"), "    a\n}");
        assert_eq!(from_the_left_edge("a"), "a");
    }
}
