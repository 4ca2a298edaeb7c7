//! From a request to ghost text: `textDocument/inlineCompletion`, and the way that both kinds of request go.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use serde::Deserialize;
use tower_lsp::{
    jsonrpc::{Error, Result},
    ls_types::{self, InlineCompletionItem, InlineCompletionList, MessageType},
};

use super::{
    asking::{Answer, Question},
    convert,
    eagerness::silence,
    figures::{Figures, Source},
    session::Session,
    waiting::Ended,
    work::Superseded,
};
use crate::{
    document::Snapshot,
    engine::Outcome,
    suggest::{
        Suggestion,
        ask::{Raw, Unshown},
        eagerness::Due,
        rejected::Key,
    },
    text::ByteOffset,
};

/// The command that clients run when an item was accepted.
pub(crate) const ACCEPTED: &str = "ghostline.accepted";

/// As lenient as can be: what a client leaves out has a meaning.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Params {
    text_document: DocumentName,
    position: ls_types::Position,
    #[serde(default)]
    context: Context,
}

#[derive(Debug, Deserialize)]
struct DocumentName {
    uri: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    trigger_kind: Option<i64>,
    selected_completion_info: Option<ls_types::SelectedCompletionInfo>,
}

/// What is asked, by either kind of request.
pub(crate) struct Query<'a> {
    pub uri: &'a str,
    pub position: ls_types::Position,
    /// The user asked by hand.
    pub is_invoked: bool,
    /// The item that is selected in the client's popup, as if it were accepted.
    pub selected: Option<&'a ls_types::SelectedCompletionInfo>,
}

/// Ghost text and all that is needed to make an item of it.
pub(crate) struct Found {
    pub uri: String,
    /// Of the document, when it was asked.
    pub revision: u64,
    /// From reading the request to its answer.
    pub took: Duration,
    /// What it is known by when it is rejected.
    pub key: Key,
    pub snapshot: Snapshot,
    pub cursor: ByteOffset,
    /// What stands between here and the cursor is replaced by `typed`; the two are the cursor and empty but
    /// when an item is selected in the client's popup.
    pub start: ByteOffset,
    pub typed: String,
    /// What the ghost text adds.
    pub ghost: String,
    /// The model has no part in it.
    pub is_copied: bool,
}

/// A request under way.
pub(super) struct Asked {
    pub question: Question,
    /// The document as the client has it, without syntax.
    real: Snapshot,
    /// The part of the real text that the popup's item stands for.
    selected: Option<(Range<ByteOffset>, String)>,
    pub superseded: Superseded,
    /// New ghost text may not come earlier.
    pub shows_at: Option<Instant>,
}

impl Session {
    pub(crate) async fn inline_completion(
        self: &Arc<Self>,
        params: Params,
    ) -> Result<InlineCompletionList> {
        let query = Query {
            uri: &params.text_document.uri,
            position: params.position,
            is_invoked: self.is_invoked(params.context.trigger_kind),
            selected: params.context.selected_completion_info.as_ref(),
        };
        let found = self.suggest(&query).await?;
        let items = found
            .map(|found| self.inline_item(&found))
            .into_iter()
            .collect();
        Ok(InlineCompletionList { items })
    }

    fn inline_item(&self, found: &Found) -> InlineCompletionItem {
        let after = convert::line_after(&found.snapshot.text, found.cursor);
        let (inserted, replaced) = convert::insertion(&found.ghost, &after);
        let (start, typed) = self.replaced(found);
        let range = start..ByteOffset(found.cursor.0 + replaced);
        InlineCompletionItem {
            insert_text: format!("{typed}{}", convert::with_plain_breaks(&inserted)),
            filter_text: None,
            range: Some(convert::range(
                &found.snapshot.text,
                range,
                self.peer().encoding,
            )),
            command: Some(self.offer(found, &inserted, 0)),
            insert_text_format: None,
        }
    }

    /// What an item replaces left of the cursor, and by what.
    fn replaced(&self, found: &Found) -> (ByteOffset, String) {
        if found.start != found.cursor || !self.peer().wants_word {
            return (found.start, found.typed.clone());
        }
        let before = convert::line_before(&found.snapshot.text, found.cursor);
        let word = &before[convert::word_start(&before)..];
        (ByteOffset(found.cursor.0 - word.len()), word.to_owned())
    }

    /// LSP says 1 for invoked and 2 for automatic. Old VS Code shims send the editor's own 0 and 1: a client that
    /// has said 0 once means "automatic" by 1.
    fn is_invoked(&self, kind: Option<i64>) -> bool {
        match kind {
            Some(0) => {
                self.counts_from_zero.store(true, Ordering::Relaxed);
                true
            }
            Some(1) => !self.counts_from_zero.load(Ordering::Relaxed),
            _ => false,
        }
    }

    /// The ghost text for a place; an error when the request is superseded.
    ///
    /// Up to the first `await` this runs in wire order: it sees the document as the client saw it when it asked.
    pub(crate) async fn suggest(self: &Arc<Self>, query: &Query<'_>) -> Result<Option<Found>> {
        let started = Instant::now();
        let mut figures = Figures::start(self, query);
        let Some(mut asked) = self.place(query, &mut figures) else {
            return Ok(None);
        };
        match self.due(&asked.question, started) {
            Due::Now => {}
            Due::In(rest) => asked.shows_at = Some(started + rest),
            Due::TooLate => return self.too_early(asked, figures),
        }
        let mut joins = false;
        loop {
            let mut pending = match self.ask(&mut asked.question, true) {
                Answer::Ghost(ghost) => {
                    let source = if joins { Source::Joined } else { ghost.source };
                    figures.add(ghost.cost);
                    figures.judged(ghost.evidence, ghost.is_part);
                    if source != Source::TypedThrough && asked.shows_at.is_some() {
                        self.plan_ahead(query.uri);
                        if !self.is_held(&mut asked).await {
                            return superseded(figures);
                        }
                    }
                    return self.show(asked, ghost.text, source, figures);
                }
                Answer::Silence(Source::Superseded, _) | Answer::Underway => {
                    return superseded(figures);
                }
                Answer::Silence(source, cost) => {
                    figures.add(cost);
                    figures.finish(source);
                    if source != Source::Quiet {
                        self.plan_ahead(query.uri);
                    }
                    return Ok(None);
                }
                Answer::Pending(pending) => *pending,
            };
            figures.prepared();
            let completion = match self.wait(&mut asked, &mut pending, started).await {
                Ended::Landed(Outcome::Done(completion)) => completion,
                // By an edit that is being read at this moment, or because the engine makes room for another. Not
                // an empty list: after the answer to a newer request it would take that one's ghost text away.
                Ended::Landed(Outcome::Cancelled) | Ended::Superseded => {
                    return superseded(figures);
                }
                Ended::Landed(Outcome::Failed(message)) => {
                    self.show_once(MessageType::ERROR, &message);
                    figures.finish(Source::Failed);
                    return Ok(None);
                }
                Ended::InPart(ghost) => {
                    figures.judged(None, true);
                    return self.show(asked, ghost, Source::InPart, figures);
                }
                Ended::Settled(beginning, usage) => {
                    figures.so_far(usage);
                    let shown = beginning.map(|it| *it).ok_or(Unshown::Unsure);
                    return self.say(asked, shown, pending.source(), figures).await;
                }
                Ended::Late => {
                    if let Some(ghost) = self.copied(&asked.question) {
                        return self.show(asked, ghost, Source::OpenFiles, figures);
                    }
                    figures.finish(Source::Late);
                    return Ok(None);
                }
            };
            let usage = completion.usage.since(&pending.joined.told);
            figures.add(Some((usage, completion.stop)));
            if !pending.joined.typed.is_empty() {
                // What is left of it is recalled like anything that was said before; or it turned out to be
                // something else in the end, and is asked anew.
                joins = true;
                continue;
            }
            let raw = Raw {
                text: &completion.text,
                confidence: completion.confidence,
                shape: pending.joined.shape,
                format: &pending.model.plan.format,
                goes_on: false,
            };
            let question = &asked.question;
            let (tokens, part) = (&completion.tokens, 0..completion.text.len());
            let shown = self.shown(question, &raw);
            let shown = self.or_beginning(shown, question, &raw, tokens, &part);
            return self.say(asked, shown, pending.source(), figures).await;
        }
    }

    /// Answers a request that cannot wait as long as `eagerness.delay_ms` wants: with what is on the screen, if that
    /// has been typed along. The work for the next request starts all the same.
    fn too_early(
        self: &Arc<Self>,
        mut asked: Asked,
        mut figures: Figures,
    ) -> Result<Option<Found>> {
        match self.ask(&mut asked.question, false) {
            Answer::Ghost(ghost) if ghost.source == Source::TypedThrough => {
                return self.show(asked, ghost.text, ghost.source, figures);
            }
            Answer::Silence(Source::Superseded, _) => return superseded(figures),
            Answer::Silence(source, cost) => {
                figures.add(cost);
                figures.finish(source);
            }
            Answer::Ghost(_) | Answer::Pending(_) | Answer::Underway => {
                figures.finish(Source::Quiet);
            }
        }
        self.plan_ahead(&asked.question.uri);
        Ok(None)
    }

    /// Hands out ghost text, unless an edit has come in between.
    pub(super) fn show(
        self: &Arc<Self>,
        asked: Asked,
        ghost: String,
        source: Source,
        mut figures: Figures,
    ) -> Result<Option<Found>> {
        let Question {
            uri,
            snapshot,
            cursor,
            revision,
            is_invoked,
            epoch,
            ..
        } = &asked.question;
        let key = Key::of(&snapshot.text, *cursor, &ghost);
        if !is_invoked && self.is_rejected(uri, key) {
            figures.finish(Source::Rejected);
            return Ok(None);
        }
        let is_current = self.documents.with(uri, |open| {
            let is_current = open.revision == *revision;
            match source {
                // The whole of it is remembered, so that deleting brings it back.
                Source::TypedThrough => {}
                // There will be more; or another model has taken over, which may say something else.
                Source::InPart if is_current => open.work.shown = None,
                _ if is_current && !open.work.is_of(*epoch) => open.work.shown = None,
                _ if is_current => {
                    open.work.shown = Suggestion::new(ghost.clone(), snapshot, *cursor);
                    open.work.shows_part = figures.is_part();
                }
                _ => {}
            }
            is_current
        });
        // An edit supersedes the request; this is for the moment between the two.
        if is_current != Some(true) {
            return superseded(figures);
        }
        let took = figures.finish(source);
        if !matches!(source, Source::Decoded | Source::InPart) {
            self.plan_ahead(uri);
        }
        let is_copied = source == Source::OpenFiles;
        Ok(Some(Found {
            is_copied,
            ..found(asked, ghost, key, took)
        }))
    }

    /// Where something is asked, if that is in a document that is open and not silent; the request before it is
    /// superseded.
    fn place(&self, query: &Query<'_>, figures: &mut Figures) -> Option<Asked> {
        self.unasked.store(0, Ordering::Relaxed);
        let config = self.config();
        let asked = self.documents.with(query.uri, |open| {
            let superseded = open.work.asked();
            figures.work_ahead(std::mem::take(&mut open.work.ahead));
            let real = open.document.unparsed();
            let silence = silence(open, &config);
            let asked = self.asked(real, open.revision, query, superseded);
            if !asked.question.is_supposed {
                open.work.cursor = Some(asked.question.cursor);
            }
            (asked, silence)
        });
        let Some((asked, silence)) = asked else {
            figures.finish(Source::NotOpen);
            return None;
        };
        figures.at_version(asked.real.version);
        self.documents.touch(query.uri);
        if let Some(silence) = silence {
            figures.finish(silence);
            return None;
        }
        Some(asked)
    }

    fn asked(
        &self,
        real: Snapshot,
        revision: u64,
        query: &Query<'_>,
        superseded: Superseded,
    ) -> Asked {
        let encoding = self.peer().encoding;
        let cursor = convert::offset(&real.text, query.position, encoding);
        let mut question = Question {
            uri: query.uri.to_owned(),
            snapshot: real.clone(),
            cursor,
            is_supposed: query.selected.is_some(),
            revision,
            is_invoked: query.is_invoked,
            epoch: Default::default(),
        };
        let selected = query.selected.map(|selected| {
            // The item's range may lag behind what was typed since it was selected.
            let range = convert::byte_range(&real.text, selected.range, encoding);
            let line_start = real.text.line_start(real.text.line_of(cursor));
            let range = range.start.clamp(line_start, cursor)..cursor;
            let edit = (question.snapshot.text).replace(range.clone(), &selected.text);
            // That text exists nowhere but here and is not worth a parse.
            question.snapshot.tree = None;
            question.cursor = edit.new_end;
            (range, selected.text.clone())
        });
        Asked {
            question,
            real,
            selected,
            superseded,
            shows_at: None,
        }
    }
}

fn found(asked: Asked, ghost: String, key: Key, took: Duration) -> Found {
    let Asked {
        question,
        real,
        selected,
        ..
    } = asked;
    let (range, typed) = match selected {
        Some((range, typed)) => (range, typed),
        None => (question.cursor..question.cursor, String::new()),
    };
    Found {
        uri: question.uri,
        revision: question.revision,
        took,
        key,
        snapshot: real,
        start: range.start,
        cursor: range.end,
        typed,
        ghost,
        is_copied: false,
    }
}

pub(super) fn superseded(mut figures: Figures) -> Result<Option<Found>> {
    figures.finish(Source::Superseded);
    Err(Error::request_cancelled())
}
