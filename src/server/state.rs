//! The open documents, and what the server remembers of each.
//!
//! Everything here is done at the moment a message is read, in wire order, or, for an answer, behind a check
//! that nothing has changed since. A guard lives for one call of `with`, never across an `await`.

use std::{
    collections::{HashSet, VecDeque},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::DashMap;
use tower_lsp::ls_types::TextDocumentContentChangeEvent;

use super::{convert, inferred::Edits, work::Work};
use crate::{
    document::{Document, Snapshot},
    engine::DocumentId,
    text::{ByteOffset, position::Encoding},
};

/// How many other documents a prompt may draw from: those last used.
const OTHERS: usize = 8;

/// A document that the client has open.
pub(crate) struct Open {
    pub id: DocumentId,
    pub document: Document,
    /// As the client gave it.
    pub language_id: String,
    /// Counts changes. Versions are the client's: they jump, and some clients' do not rise.
    pub revision: u64,
    pub work: Work,
}

impl Open {
    /// Answers what is pending as superseded and stops its job.
    fn close(&mut self) {
        self.work.supersede();
        self.work.stop();
    }
}

/// What a message of changes has done.
pub(crate) struct Changed {
    /// Where the user is now, if that can be told.
    pub cursor: Option<ByteOffset>,
    pub revision: u64,
}

#[derive(Default)]
pub(crate) struct Documents {
    open: DashMap<String, Open>,
    next_id: AtomicU64,
    /// URIs in the order of their last use, the newest in front; at most `OTHERS` and one.
    recent: Mutex<VecDeque<String>>,
    /// What is being parsed aside.
    parsing: Mutex<HashSet<String>>,
}

impl Documents {
    /// Opens a document; one that was open under the same URI is replaced and its id returned.
    pub(crate) fn open(
        &self,
        uri: &str,
        language_id: &str,
        version: i32,
        text: &str,
    ) -> Option<DocumentId> {
        let path = path_of(uri);
        let id = DocumentId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let open = Open {
            id,
            document: Document::new(text, version, language_id, path.as_deref()),
            language_id: language_id.to_string(),
            revision: 0,
            work: Work::default(),
        };
        let replaced = self.open.insert(uri.to_string(), open);
        self.touch(uri);
        replaced.map(|mut replaced| {
            replaced.close();
            replaced.id
        })
    }

    /// Applies a message's changes, in order. `None` when the document is not open.
    pub(crate) fn change(
        &self,
        uri: &str,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
        encoding: Encoding,
    ) -> Option<Changed> {
        let changed = self.with(uri, |open| {
            open.work.supersede();
            open.revision += 1;
            let mut edits = Edits::default();
            if version <= open.document.version() {
                tracing::debug!(
                    version,
                    last = open.document.version(),
                    "a version that does not rise; applied"
                );
            }
            for change in changes {
                let edit = match change.range {
                    Some(range) => {
                        let text = open.document.text();
                        let range = convert::byte_range(text, range, encoding);
                        let (range, with) = convert::what_differs(text, range, &change.text);
                        let edit = open.document.edit(range, with);
                        edits.push(edit, with);
                        edit
                    }
                    None => {
                        edits.push_all();
                        open.document.replace_all(&change.text)
                    }
                };
                open.work.edited(&edit);
            }
            open.document.set_version(version);
            let cursor = edits.cursor(open.document.text());
            open.work.cursor = cursor;
            if cursor.is_none() {
                open.work.stop();
            }
            Changed {
                cursor,
                revision: open.revision,
            }
        });
        if changed.is_some() {
            self.touch(uri);
        }
        changed
    }

    /// Closes a document; its id if it was open.
    pub(crate) fn close(&self, uri: &str) -> Option<DocumentId> {
        self.recent().retain(|recent| recent != uri);
        let (_, mut open) = self.open.remove(uri)?;
        open.close();
        Some(open.id)
    }

    /// Supersedes every request there is.
    pub(crate) fn supersede_all(&self) {
        for mut open in self.open.iter_mut() {
            open.close();
        }
    }

    /// Does something with a document, if it is open, while nobody else does.
    pub(crate) fn with<T>(&self, uri: &str, act: impl FnOnce(&mut Open) -> T) -> Option<T> {
        self.open.get_mut(uri).map(|mut open| act(&mut open))
    }

    /// Snapshots of the documents last used beside this one, newest first.
    pub(crate) fn others(&self, uri: &str) -> Vec<Snapshot> {
        let recent: Vec<String> = self
            .recent()
            .iter()
            .filter(|recent| *recent != uri)
            .cloned()
            .collect();
        recent
            .iter()
            .take(OTHERS)
            .filter_map(|uri| self.with(uri, |open| open.document.unparsed()))
            .collect()
    }

    pub(crate) fn touch(&self, uri: &str) {
        let mut recent = self.recent();
        if recent.front().is_some_and(|front| front == uri) {
            return;
        }
        recent.retain(|recent| recent != uri);
        recent.push_front(uri.to_string());
        recent.truncate(OTHERS + 1);
    }

    /// Whether nobody parses the document aside yet; from now on somebody does.
    pub(crate) fn begin_parse(&self, uri: &str) -> bool {
        self.parsing().insert(uri.to_owned())
    }

    pub(crate) fn end_parse(&self, uri: &str) {
        self.parsing().remove(uri);
    }

    fn parsing(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.parsing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path in a URI, good enough to tell a file's extension by; also for schemes that name no file.
fn path_of(uri: &str) -> Option<PathBuf> {
    let path = uri.split_once(':').map_or(uri, |(_, path)| path);
    let path = path.split(['?', '#']).next()?;
    (!path.is_empty()).then(|| PathBuf::from(path.trim_start_matches("//")))
}
