//! Keeping the syntax tree in step: as much as may be done while messages wait, the rest where nobody waits for it.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, time::sleep};

use super::{
    progress::Engines,
    session::Session,
    state::{Documents, Open},
};
use crate::{
    engine::{DocumentId, Engine},
    syntax::tree::Parse,
    text::ByteOffset,
};

/// What a parse may take while messages wait to be read. What is left over is parsed aside.
pub(super) const PARSE: Duration = Duration::from_micros(500);

/// A text of more than this is not parsed in that time, and all of it is parsed aside: a key in a megabyte takes 2 ms.
const LARGE: ByteOffset = ByteOffset(512 << 10);

/// How long is parsed aside before looking whether the document is still open.
const SLICE: Duration = Duration::from_millis(20);

/// Before each slice, how long is waited at most while the model computes what somebody waits for: threads that evaluate
/// a batch together wait for the slowest of them, and a core that parses, too, makes one the slowest.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often is looked whether it still does.
const LOOK: Duration = Duration::from_millis(1);

/// After a parse aside, the next one waits for so many times as long: a key in a file of 100,000 lines otherwise took 209
/// ms of processor time, most of it for parsing around errors.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(10);

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
        if open.rests {
            return;
        }
        if let Some(parse) = open.document.take_parse() {
            let aside = Aside {
                documents: self.documents.clone(),
                engines: self.engines.clone(),
                uri: uri.to_owned(),
                id: open.id,
            };
            aside.parse_on(parse);
        }
    }
}

/// A document that is parsed aside.
struct Aside {
    documents: Arc<Documents>,
    engines: Arc<Engines>,
    uri: String,
    id: DocumentId,
}

impl Aside {
    /// Goes on with what was taken out of the document; after a rest, with what has changed meanwhile.
    fn parse_on(self, mut parse: Parse) {
        tokio::task::spawn_blocking(move || {
            let mut took = Duration::ZERO;
            loop {
                let is_done = self.slice(&mut parse, &mut took);
                if is_done {
                    break;
                }
                if !self.documents.has(&self.uri, self.id) {
                    return;
                }
            }
            let rest = (took * REST).min(LONGEST_REST);
            let put_back = self.documents.with(&self.uri, |open| {
                (open.id == self.id).then(|| {
                    open.rests = true;
                    open.document.put_back(parse)
                })
            });
            let Some(Some(old)) = put_back else { return };
            // When the document is free again: to drop a large tree takes milliseconds.
            drop(old);
            Handle::current().spawn(async move {
                sleep(rest).await;
                let next = self.documents.with(&self.uri, |open| {
                    let is_it = open.id == self.id;
                    open.rests &= !is_it;
                    is_it.then(|| open.document.take_parse()).flatten()
                });
                if let Some(Some(next)) = next {
                    self.parse_on(next);
                }
            });
        });
    }

    /// Parses for a while, once nobody waits for the model, or for too long.
    fn slice(&self, parse: &mut Parse, took: &mut Duration) -> bool {
        let engine = self.engines.engine();
        let is_awaited = || engine.as_ref().is_some_and(Engine::is_awaited);
        let since = Instant::now();
        while is_awaited() && since.elapsed() < PATIENCE {
            thread::sleep(LOOK);
        }
        let has_patience = since.elapsed() < PATIENCE;
        let started = Instant::now();
        let is_done =
            parse.go_on(&mut || started.elapsed() < SLICE && !(has_patience && is_awaited()));
        *took += started.elapsed();
        is_done
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::server::status::tests::session;

    const URI: &str = "file:///large.rs";

    #[tokio::test(start_paused = true)]
    async fn what_changes_while_a_large_text_rests_is_parsed_after_the_rest() {
        let (session, _queue) = session(json!({})).await;
        let text = "fn f() {}\n".repeat(LARGE.0 / 10 + 1);
        session.documents.open(URI, "rust", 0, &text, false);
        let change = |at: usize| {
            session.documents.with(URI, |open| {
                open.document.edit(ByteOffset(at)..ByteOffset(at), "a");
                session.parse(URI, open);
            })
        };
        let is_parsed = || {
            let parsed = |open: &mut Open| (open.document.is_parsed(), open.rests);
            session.documents.with(URI, parsed).unwrap()
        };
        change(3);
        while !is_parsed().0 {
            tokio::task::yield_now().await;
        }
        assert!(is_parsed().1, "it rests");
        change(14);
        // The clock stands still meanwhile.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(is_parsed(), (false, true));
        while !is_parsed().0 {
            sleep(Duration::from_millis(1)).await;
        }
        let tree = session
            .documents
            .with(URI, |open| open.document.unparsed().tree.unwrap());
        assert!(!tree.unwrap().root_node().has_error());
        session.close();
    }
}
