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
    time::Instant,
};

use dashmap::DashMap;
use tower_lsp::ls_types::TextDocumentContentChangeEvent;

use super::{convert, inferred::Edits, work::Work};
use crate::{
    document::{Document, Snapshot},
    engine::DocumentId,
    suggest::{
        fate::{Ended, Fate},
        retraction::Retractions,
    },
    text::{ByteOffset, position::Encoding},
};

/// How many other documents a prompt may draw from: those last used.
const OTHERS: usize = 8;

/// Of how many closed documents it is remembered where the cursor was.
const LEFT: usize = 64;

/// A document that the client has open.
pub(crate) struct Open {
    pub id: DocumentId,
    pub document: Document,
    /// As the client gave it.
    pub language_id: String,
    /// Counts changes. Versions are the client's: they jump, and some clients' do not rise.
    pub revision: u64,
    /// When that was; `None` before the first.
    pub edited_at: Option<Instant>,
    pub retractions: Retractions,
    /// Where a menu was last asked for: revision and cursor.
    pub menu_asked: Option<(u64, ByteOffset)>,
    /// The file is left alone: nothing is suggested in it, and it is no context for others.
    pub is_excluded: bool,
    /// What has changed is parsed aside in a while: see `parsing`.
    pub rests: bool,
    pub work: Work,
    /// Where the cursor was when the document was closed last.
    pub left_at: Option<ByteOffset>,
    pub fate: Fate,
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
    /// Suggestions that are over.
    pub ended: Vec<Ended>,
}

#[derive(Default)]
pub(crate) struct Documents {
    open: DashMap<String, Open>,
    next_id: AtomicU64,
    /// Counts how often the user went from one document to another.
    focus: AtomicU64,
    /// URIs in the order of their last use, the newest in front; at most `OTHERS` and one.
    recent: Mutex<VecDeque<String>>,
    /// Where the cursor was in documents that were closed, the last one in front; at most `LEFT`.
    left: Mutex<VecDeque<(String, ByteOffset)>>,
    /// URIs of the documents that the editor shows, the focused one first, as far as it tells; at most `OTHERS`
    /// and one.
    visible: Mutex<Vec<String>>,
}

impl Documents {
    /// Opens a document; one that was open under the same URI is replaced and its id returned.
    pub(crate) fn open(
        &self,
        uri: &str,
        language_id: &str,
        version: i32,
        text: &str,
        is_excluded: bool,
    ) -> Option<DocumentId> {
        let path = path_of(uri);
        let id = DocumentId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let open = Open {
            id,
            document: Document::new(text, version, language_id, path.as_deref()),
            language_id: language_id.to_string(),
            revision: 0,
            edited_at: None,
            retractions: Retractions::default(),
            menu_asked: None,
            is_excluded,
            rests: false,
            work: Work::default(),
            left_at: self.left_at(uri),
            fate: Fate::default(),
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
            open.edited_at = Some(Instant::now());
            let mut edits = Edits::default();
            let mut all = Vec::new();
            if version <= open.document.version() {
                tracing::debug!(
                    version,
                    last = open.document.version(),
                    "a version that does not rise; applied"
                );
            }
            for change in changes {
                let before = open.document.text().clone();
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
                let (text, shown) = (open.document.text(), open.work.shown.as_ref());
                open.retractions.edited(&edit, &before, text, shown);
                open.work.edited(&edit);
                all.push(edit);
            }
            open.retractions.end_message();
            open.document.set_version(version);
            let cursor = edits.cursor(open.document.text());
            open.work.cursor = cursor;
            if cursor.is_none() {
                open.work.stop();
            }
            let text = open.document.text();
            Changed {
                cursor,
                revision: open.revision,
                ended: open.fate.edited(&all, text, Instant::now()),
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
        if let Some(cursor) = open.work.cursor {
            let mut left = self.left();
            left.retain(|(other, _)| other != uri);
            left.push_front((uri.to_owned(), cursor));
            left.truncate(LEFT);
        }
        Some(open.id)
    }

    /// Supersedes every request there is.
    pub(crate) fn supersede_all(&self) {
        for mut open in self.open.iter_mut() {
            open.close();
        }
    }

    /// Does something with one document after the other until it comes to something.
    pub(crate) fn find<T>(&self, mut act: impl FnMut(&mut Open) -> Option<T>) -> Option<T> {
        self.open.iter_mut().find_map(|mut open| act(&mut open))
    }

    /// Does something with a document, if it is open, while nobody else does.
    pub(crate) fn with<T>(&self, uri: &str, act: impl FnOnce(&mut Open) -> T) -> Option<T> {
        self.open.get_mut(uri).map(|mut open| act(&mut open))
    }

    /// The URIs and numbers of all.
    pub(crate) fn all(&self) -> Vec<(String, DocumentId)> {
        let all = self.open.iter();
        all.map(|open| (open.key().clone(), open.id)).collect()
    }

    /// Snapshots of the documents beside this one: those that are visible, then those last used, newest first; without
    /// those that are left alone.
    pub(crate) fn others(&self, uri: &str) -> Vec<Snapshot> {
        let mut others = self.visible().clone();
        let recent = self.recent();
        others.extend(recent.iter().cloned());
        drop(recent);
        let mut seen = HashSet::from([uri.to_owned()]);
        others.retain(|other| seen.insert(other.clone()));
        let readable = |open: &mut Open| (!open.is_excluded).then(|| open.document.unparsed());
        others
            .iter()
            .filter_map(|uri| self.with(uri, readable).flatten())
            .take(OTHERS)
            .collect()
    }

    /// Whether this very document is still open.
    pub(crate) fn has(&self, uri: &str, id: DocumentId) -> bool {
        self.open.get(uri).is_some_and(|open| open.id == id)
    }

    /// As `touch`, but only for a document that is open.
    pub(crate) fn touch_open(&self, uri: &str) {
        if self.open.contains_key(uri) {
            self.touch(uri);
        }
    }

    pub(crate) fn touch(&self, uri: &str) {
        let mut recent = self.recent();
        if recent.front().is_some_and(|front| front == uri) {
            return;
        }
        self.focus.fetch_add(1, Ordering::Relaxed);
        let left = recent.front().cloned();
        recent.retain(|recent| recent != uri);
        recent.push_front(uri.to_string());
        recent.truncate(OTHERS + 1);
        drop(recent);
        if let Some(left) = left {
            self.with(&left, |open| open.work.leave());
        }
    }

    /// Changes when another document is used than before.
    pub(crate) fn focus(&self) -> u64 {
        self.focus.load(Ordering::Relaxed)
    }

    /// The URI of the document that was used last.
    pub(crate) fn last_used(&self) -> Option<String> {
        self.recent().front().cloned()
    }

    fn left_at(&self, uri: &str) -> Option<ByteOffset> {
        let left = self.left();
        left.iter().find(|(left, _)| left == uri).map(|(_, at)| *at)
    }

    fn left(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, ByteOffset)>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The editor shows these documents, the focused one first.
    pub(crate) fn show(&self, mut uris: Vec<String>) {
        uris.truncate(OTHERS + 1);
        *self.visible() = uris;
    }

    fn visible(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.visible.lock().unwrap_or_else(PoisonError::into_inner)
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
