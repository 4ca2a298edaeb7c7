//! The documents that are left alone, secrets above all: told apart when they are opened, and again when something
//! has changed on which that depends, and remembered with the document; a keystroke looks at no file. Which
//! they are is decided by [`Excludes`](super::Excludes), which may read files; the server does not.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, atomic::Ordering},
};

use serde_json::json;
use tower_lsp::ls_types::{
    DidChangeWorkspaceFoldersParams, InitializeParams, MessageType, WorkspaceFolder,
};

use super::{Candidate, Excludes, peer::Peer, session::Session};

/// The name of the files that list files to be left alone.
pub const LIST: &str = ".ghostlineignore";

/// What a session knows of files that are left alone.
pub(crate) struct Exclusion {
    excludes: Excludes,
    roots: Mutex<Vec<PathBuf>>,
}

impl Exclusion {
    pub(crate) fn new(excludes: Excludes) -> Exclusion {
        Exclusion {
            excludes,
            roots: Mutex::default(),
        }
    }

    /// Takes over the folders that the client has open at the start.
    pub(crate) fn enter(&self, params: &InitializeParams) {
        #[expect(deprecated, reason = "clients without workspace folders still say it")]
        let root = params.root_uri.as_ref().map(|uri| locate(uri.as_str()));
        let folders = params.workspace_folders.as_deref().unwrap_or_default();
        *self.roots() = match folders {
            [] => root.into_iter().map(|root| root.path).collect(),
            folders => folders.iter().map(folder).collect(),
        };
    }

    pub(crate) fn change(&self, params: &DidChangeWorkspaceFoldersParams) {
        let removed: Vec<PathBuf> = params.event.removed.iter().map(folder).collect();
        let mut roots = self.roots();
        roots.retain(|root| !removed.contains(root));
        roots.extend(params.event.added.iter().map(folder));
    }

    fn roots(&self) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether a document is left alone. Reads files.
    pub(super) fn excludes(&self, uri: &str) -> bool {
        let (Location { path, is_file }, roots) = (locate(uri), self.exclusion.roots().clone());
        let verdict = (self.exclusion.excludes)(&Candidate {
            path: &path,
            is_file,
            roots: &roots,
            patterns: &self.config().files.exclude,
        });
        for problem in &verdict.problems {
            self.show_once(MessageType::WARNING, problem);
        }
        if let Some(reason) = &verdict.reason {
            let file = path.file_name().unwrap_or_default();
            tracing::info!(file = %file.display(), reason, "left alone");
        }
        verdict.reason.is_some()
    }

    /// A document has been saved, perhaps under a name that it did not have before.
    pub(super) fn saved(&self, uri: &str) {
        if is_list(uri) {
            self.exclude_anew();
        } else {
            self.exclude_of([uri.to_owned()]);
        }
    }

    /// Looks again at which documents are left alone.
    pub(super) fn exclude_anew(&self) {
        self.exclude_of(self.documents.all().into_iter().map(|(uri, _)| uri));
    }

    fn exclude_of(&self, uris: impl IntoIterator<Item = String>) {
        let mut is_any_new = false;
        for uri in uris {
            let is_excluded = self.excludes(&uri);
            let before = self.documents.with(&uri, |open| {
                std::mem::replace(&mut open.is_excluded, is_excluded)
            });
            match before {
                Some(false) if is_excluded => is_any_new = true,
                Some(true) if !is_excluded => self.parse_aside(&uri),
                _ => {}
            }
        }
        if is_any_new {
            self.forget_everything();
        }
    }

    /// Forgets what was made of documents: the text of one that is left alone from now on may stand in the prompts of
    /// all others.
    fn forget_everything(&self) {
        self.settings_epoch.fetch_add(1, Ordering::Relaxed);
        self.documents.supersede_all();
        let Some(engine) = self.engines.engine() else {
            return;
        };
        for (_, id) in self.documents.all() {
            engine.forget(id);
        }
    }

    /// Asks the client to tell of lists that change on disk, if it lets itself be asked.
    pub(super) async fn watch_lists(&self, peer: &Peer) {
        if !peer.watches_files {
            return;
        }
        let registration = json!({"registrations": [{
            "id": "ghostline-lists",
            "method": "workspace/didChangeWatchedFiles",
            "registerOptions": {"watchers": [{"globPattern": format!("**/{LIST}")}]},
        }]});
        if let Err(error) = self
            .client
            .request("client/registerCapability", registration)
            .await
        {
            tracing::info!("the client watches no files: {error}");
        }
    }
}

/// Whether a URI names a list of files to be left alone.
pub(super) fn is_list(uri: &str) -> bool {
    locate(uri)
        .path
        .file_name()
        .is_some_and(|name| name == LIST)
}

fn folder(folder: &WorkspaceFolder) -> PathBuf {
    locate(folder.uri.as_str()).path
}

/// What a URI names.
#[derive(Debug, PartialEq, Eq)]
struct Location {
    path: PathBuf,
    is_file: bool,
}

/// The path in a URI of any scheme, without its escapes: `untitled:` and `git:` name secrets as well as `file:`.
fn locate(uri: &str) -> Location {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let is_file = scheme.eq_ignore_ascii_case("file");
    let rest = match is_file {
        // A file's name may hold what elsewhere begins a query, when a client has not escaped it.
        true => rest,
        false => rest.split(['?', '#']).next().unwrap_or_default(),
    };
    let path = unescaped(rest);
    let path = match path.strip_prefix("//") {
        // The authority: a host of its own on Windows, else none that matters.
        Some(rest) if is_file && cfg!(windows) && !rest.starts_with('/') => format!("//{rest}"),
        Some(rest) => rest
            .find('/')
            .map_or(String::new(), |at| rest[at..].to_owned()),
        None => path,
    };
    Location {
        path: with_drive(path),
        is_file,
    }
}

/// `path`, and when it begins with a Windows drive (`/c:/x`, `/C:\x`), as Windows spells it, one way for each.
fn with_drive(path: String) -> PathBuf {
    let mut start = path.trim_start_matches('/').chars();
    let (Some(drive), Some(':')) = (start.next(), start.next()) else {
        return PathBuf::from(path);
    };
    if !drive.is_ascii_alphabetic() || !matches!(start.next(), None | Some('/' | '\\')) {
        return PathBuf::from(path);
    }
    let rest = path.trim_start_matches('/')[1..].replace('\\', "/");
    Path::new(&format!("{}{rest}", drive.to_ascii_uppercase())).to_owned()
}

/// A URI's text without its percent escapes; what is none stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escape = (first == b'%')
            .then(|| std::str::from_utf8(behind.get(..2)?).ok())
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, path: &str, is_file: bool) {
        let path = PathBuf::from(path);
        assert_eq!(locate(uri), Location { path, is_file });
    }

    #[test]
    fn a_uri_names_a_path_whatever_is_escaped_in_it() {
        check("file:///a/b.rs", "/a/b.rs", true);
        check("file:///a%20b/%2Eenv", "/a b/.env", true);
        check(
            "file:///a/gr%C3%B6%C3%9Fe%5B1%5D.rs",
            "/a/größe[1].rs",
            true,
        );
        check("file:///a/100%.rs", "/a/100%.rs", true);
        check("file:///a/%zz%+1%", "/a/%zz%+1%", true);
        check("file://localhost/a/.env", "/a/.env", true);
        check("FILE:/a/.env", "/a/.env", true);
        check("file:///a/what?.rs", "/a/what?.rs", true);
    }

    #[test]
    fn windows_paths_are_spelled_one_way() {
        for uri in [
            "file:///c%3A/x/.env",
            "file:///C:/x/.env",
            "file:///c:%5Cx%5C.env",
        ] {
            check(uri, "C:/x/.env", true);
        }
        check("file:///ab:/x", "/ab:/x", true);
    }

    #[test]
    fn other_schemes_name_no_file_but_a_path() {
        check("untitled:Untitled-1", "Untitled-1", false);
        check("untitled:/a/.env", "/a/.env", false);
        check("git:/a/.env?%7B%22ref%22%3A%22~%22%7D", "/a/.env", false);
        check("vscode-vfs://github/o/r/.env", "/o/r/.env", false);
        check("", "", false);
    }
}
