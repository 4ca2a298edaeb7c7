//! From a request to ghost text: `textDocument/inlineCompletion`, and the way that both kinds of request go.

use std::{ops::Range, sync::atomic::Ordering};

use serde::Deserialize;
use tokio::sync::oneshot;
use tower_lsp::{
    jsonrpc::{Error, Result},
    ls_types::{self, Command, InlineCompletionItem, InlineCompletionList, MessageType},
};

use super::{
    convert,
    figures::{Figures, Source},
    session::Session,
    state::Superseded,
};
use crate::{
    config::MultiLine,
    document::{Document, Snapshot},
    engine::{Cancel, CancelOnDrop, Job, Outcome, Priority},
    prompt::anchor,
    suggest::{Shape, Suggestion, gate, reuse, stop::Stop, trigger, trim},
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
    pub snapshot: Snapshot,
    pub cursor: ByteOffset,
    /// What stands between here and the cursor is replaced by `typed`; the two are the cursor and empty but
    /// when an item is selected in the client's popup.
    pub start: ByteOffset,
    pub typed: String,
    /// What the ghost text adds.
    pub ghost: String,
}

/// A document and a cursor in it.
struct Place {
    /// As the client has it, without syntax.
    real: Snapshot,
    /// What is completed: the same with its syntax, or what it would be with the popup's item accepted, without,
    /// since that text exists nowhere but here and is not worth a parse.
    snapshot: Snapshot,
    cursor: ByteOffset,
    /// The part of the real text that the popup's item stands for.
    selected: Option<(Range<ByteOffset>, String)>,
    revision: u64,
}

impl Session {
    pub(crate) async fn inline_completion(&self, params: Params) -> Result<InlineCompletionList> {
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
        let range = found.start..ByteOffset(found.cursor.0 + replaced);
        InlineCompletionItem {
            insert_text: format!("{}{}", found.typed, convert::with_plain_breaks(&inserted)),
            filter_text: None,
            range: Some(convert::range(
                &found.snapshot.text,
                range,
                self.peer().encoding,
            )),
            command: Some(accepted()),
            insert_text_format: None,
        }
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
    pub(crate) async fn suggest(&self, query: &Query<'_>) -> Result<Option<Found>> {
        let mut figures = Figures::start(self, query);
        let (place, job) = match self.prepare(query, &mut figures) {
            Prepared::Answer(found) => return Ok(found),
            Prepared::Ask(place, job) => (place, job),
        };
        let Waiting {
            reply,
            superseded,
            shape,
            threshold,
            cancel: _cancel,
        } = *job;
        let outcome = tokio::select! {
            biased;
            _ = superseded => {
                figures.finish(Source::Superseded);
                return Err(Error::request_cancelled());
            }
            outcome = reply => outcome.unwrap_or(Outcome::Cancelled),
        };
        let completion = match outcome {
            Outcome::Done(completion) => completion,
            // By an edit that is being read at this moment, or because the engine makes room for another. Not an
            // empty list: after the answer to a newer request it would take that one's ghost text away.
            Outcome::Cancelled => {
                figures.finish(Source::Superseded);
                return Err(Error::request_cancelled());
            }
            Outcome::Failed(message) => {
                self.show_once(MessageType::ERROR, &message);
                figures.finish(Source::Failed);
                return Ok(None);
            }
        };
        figures.add(&completion);
        let Some(ghost) = trim::trim(&completion.text, &place.snapshot, place.cursor, shape) else {
            figures.finish(Source::Nothing);
            return Ok(None);
        };
        if !gate::is_worth_showing(completion.confidence, threshold) {
            figures.finish(Source::Unsure);
            return Ok(None);
        }
        let suggestion = Suggestion::new(ghost.clone(), &place.snapshot, place.cursor);
        let is_current = self.documents.with(query.uri, |open| {
            let is_current = open.revision == place.revision;
            if is_current {
                open.shown = suggestion;
            }
            is_current
        });
        // An edit supersedes the request; this is for the moment between the two.
        if is_current != Some(true) {
            figures.finish(Source::Superseded);
            return Err(Error::request_cancelled());
        }
        figures.finish(Source::Engine);
        Ok(Some(self.found(place, ghost)))
    }

    fn found(&self, place: Place, ghost: String) -> Found {
        self.counts.shown.fetch_add(1, Ordering::Relaxed);
        match place.selected {
            Some((range, typed)) => Found {
                cursor: range.end,
                start: range.start,
                snapshot: place.real,
                typed,
                ghost,
            },
            None => Found {
                snapshot: place.real,
                cursor: place.cursor,
                start: place.cursor,
                typed: String::new(),
                ghost,
            },
        }
    }

    /// What can be said at once, or the job that has been given to the engine.
    fn prepare(&self, query: &Query<'_>, figures: &mut Figures) -> Prepared {
        let answer = |figures: &mut Figures, source| {
            figures.finish(source);
            Prepared::Answer(None)
        };
        let cancel = Cancel::default();
        let guard = CancelOnDrop(cancel.clone());
        let Some((mut place, language_id, shown, superseded)) =
            self.documents.with(query.uri, |open| {
                let superseded = open.ask(cancel.clone());
                let place = self.place(&open.document, open.revision, query);
                (
                    place,
                    open.language_id.clone(),
                    open.shown.clone(),
                    superseded,
                )
            })
        else {
            return answer(figures, Source::NotOpen);
        };
        figures.at_version(place.real.version);
        self.documents.touch(query.uri);

        let config = self.config();
        if config
            .languages
            .is_disabled(&[&language_id, &place.snapshot.language.name])
        {
            return answer(figures, Source::Disabled);
        }
        let rest =
            shown.and_then(|shown| reuse::typed_through(&shown, &place.snapshot, place.cursor));
        if let Some(rest) = rest {
            figures.finish(Source::TypedThrough);
            return Prepared::Answer(Some(self.found(place, rest.text)));
        }
        let Some((engine_number, engine, model)) = self.engines.ready() else {
            return answer(figures, Source::Loading);
        };
        // Only now is the syntax needed, and parsed: in a file of a megabyte that takes longer than all the rest.
        let Some((document, previous)) = self.documents.with(query.uri, |open| {
            if place.selected.is_none() {
                place.snapshot = open.document.snapshot();
            }
            let anchor = open
                .anchor
                .as_ref()
                .filter(|(number, _)| *number == engine_number);
            (open.id, anchor.map(|(_, anchor)| anchor.clone()))
        }) else {
            return answer(figures, Source::NotOpen);
        };
        let Some(shape) = trigger::decide(&place.snapshot, place.cursor, query.is_invoked) else {
            return answer(figures, Source::NotWanted);
        };
        let shape = match config.completion.multi_line {
            MultiLine::Auto => shape,
            MultiLine::Always => Shape::Block,
            MultiLine::Never => Shape::Line,
        };
        let others = if model.plan.windows.context > 0 {
            self.documents.others(query.uri)
        } else {
            Vec::new()
        };
        let (anchor, prompt) = anchor::follow(
            previous.as_ref(),
            &place.snapshot,
            place.cursor,
            &model.plan,
            &others,
        );
        if place.selected.is_none() {
            self.documents.with(query.uri, |open| {
                open.anchor = Some((engine_number, anchor))
            });
        }

        let (sender, reply) = oneshot::channel();
        let stop = Stop::new(shape, &place.snapshot, place.cursor);
        figures.prepared();
        engine.submit(Job {
            document,
            priority: Priority::Now,
            prompt,
            max_tokens: config.completion.max_tokens,
            budget: None,
            stop,
            heals: config.engine.healing,
            reuses: config.engine.reuse,
            branches: 0,
            cancel,
            progress: None,
            // Nobody listens when the request was superseded.
            reply: Box::new(move |outcome| drop(sender.send(outcome))),
        });
        let threshold = if query.is_invoked {
            0.0
        } else {
            config.completion.min_confidence as f32
        };
        Prepared::Ask(
            place,
            Box::new(Waiting {
                reply,
                superseded,
                shape,
                threshold,
                cancel: guard,
            }),
        )
    }

    /// Without syntax, which takes a parse.
    fn place(&self, document: &Document, revision: u64, query: &Query<'_>) -> Place {
        let real = Snapshot {
            text: document.text().clone(),
            version: document.version(),
            language: document.language(),
            tree: None,
        };
        let encoding = self.peer().encoding;
        let cursor = convert::offset(&real.text, query.position, encoding);
        let mut snapshot = real.clone();
        let Some(selected) = query.selected else {
            return Place {
                real,
                snapshot,
                cursor,
                selected: None,
                revision,
            };
        };
        // The item's range may lag behind what was typed since it was selected.
        let range = convert::byte_range(&real.text, selected.range, encoding);
        let line_start = real.text.line_start(real.text.line_of(cursor));
        let range = range.start.clamp(line_start, cursor)..cursor;
        let cursor = snapshot.text.replace(range.clone(), &selected.text).new_end;
        Place {
            real,
            snapshot,
            cursor,
            selected: Some((range, selected.text.clone())),
            revision,
        }
    }
}

enum Prepared {
    Answer(Option<Found>),
    Ask(Place, Box<Waiting>),
}

/// A job under way.
struct Waiting {
    reply: oneshot::Receiver<Outcome>,
    superseded: Superseded,
    shape: Shape,
    /// The least confidence to be shown.
    threshold: f32,
    /// Stops the job when the request is dropped, which is how it is cancelled.
    cancel: CancelOnDrop,
}

/// The command of an item: VS Code, Neovim and Emacs run it when the item is accepted.
pub(crate) fn accepted() -> Command {
    Command {
        title: "accepted".to_string(),
        command: ACCEPTED.to_string(),
        arguments: None,
    }
}
