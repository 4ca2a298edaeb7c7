//! Keeping the syntax tree in step: as much as may be done while messages wait, the rest where nobody waits for it.

use std::time::Duration;

use super::{session::Session, state::Open};
use crate::text::ByteOffset;

/// What a parse may take while messages wait to be read. What is left over is parsed aside.
pub(super) const PARSE: Duration = Duration::from_micros(500);

/// A text of more than this is not parsed in that time, and all of it is parsed aside: a key in a megabyte takes 2 ms.
const LARGE: ByteOffset = ByteOffset(512 << 10);

/// How long is parsed aside before looking whether the document is still open.
const SLICE: Duration = Duration::from_millis(20);

impl Session {
    /// Parses a document, as much of it as may be done at once; the rest is parsed aside.
    pub(super) fn parse(&self, uri: &str, open: &mut Open) {
        let is_large = open.document.text().len() > LARGE;
        if is_large || !open.document.parse(PARSE) {
            self.parse_aside(uri, open);
        }
    }

    /// Has what is left to parse of a document parsed where nobody waits for it. The document is not held
    /// meanwhile: it is edited and read with the tree that there is.
    pub(crate) fn parse_aside(&self, uri: &str, open: &mut Open) {
        let Some(mut parse) = open.document.take_parse() else {
            return;
        };
        let (documents, uri, id) = (self.documents.clone(), uri.to_owned(), open.id);
        tokio::task::spawn_blocking(move || {
            loop {
                while !parse.go_on(SLICE) {
                    if !documents.has(&uri, id) {
                        return;
                    }
                }
                let next = documents.with(&uri, |open| {
                    if open.id != id {
                        return (None, None);
                    }
                    let old = open.document.put_back(parse);
                    (old, open.document.take_parse())
                });
                // The old tree is dropped here, when the document is free again.
                let Some((_, Some(next))) = next else { return };
                parse = next;
            }
        });
    }
}
