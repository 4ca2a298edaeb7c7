//! What a request cost: one debug line, and a notification to the clients that want it. Never any text.

use std::time::{Duration, Instant};

use serde::Serialize;
use tower_lsp::{jsonrpc::Id, ls_types::Position};

use super::{client::Client, inline::Query, session::Session, wire, work::Ahead};
use crate::{
    engine::Usage,
    suggest::{gate::Evidence, stop::StopReason},
};

/// Where an answer came from, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// The rest of what was shown before.
    TypedThrough,
    /// Said by the model before: at this place, or typed up to here since.
    Earlier,
    /// A job that was started by the edit and was done when it was asked for.
    StartedEarly,
    /// Computed ahead, while nobody waited.
    Prefetched,
    /// A job that was running already.
    Joined,
    /// A job of its own.
    Decoded,
    /// What a running job had written when time was up.
    InPart,
    /// What stands elsewhere in the open files, while the model had nothing yet.
    OpenFiles,
    /// Time was up and nothing there yet.
    Late,
    /// The model had nothing to say.
    Nothing,
    /// Too uncertain to be shown.
    Unsure,
    /// The user has rejected it here.
    Rejected,
    /// Nothing is wanted at this place.
    NotWanted,
    /// The settings under `eagerness` let nothing come by itself here.
    Quiet,
    /// Switched off, for this language or altogether.
    Disabled,
    /// The file is left alone: a secret, or named by the user.
    Excluded,
    NotOpen,
    /// The model is not there yet.
    Loading,
    Failed,
    /// By an edit or a newer request.
    Superseded,
    /// By the client.
    Cancelled,
}

/// Made when a request starts; says what has become of it at the latest when it is dropped.
pub(crate) struct Figures {
    record: Option<Record>,
    started: Instant,
    client: Option<Client>,
}

/// The parameters of `ghostline/completed`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Id>,
    uri: String,
    /// The document's version it was answered for; none when it is not open.
    version: Option<i32>,
    position: Position,
    source: Source,
    /// Time in the server, from reading the request to its answer.
    #[serde(rename = "total_us", serialize_with = "micros")]
    total: Duration,
    /// Of that: everything before the job was given to the engine.
    #[serde(rename = "prepare_us", serialize_with = "micros")]
    prepare: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<StopReason>,
    /// What was known of the ghost text when it was decided whether to show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    /// Only the beginning of what the model said is shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_part: bool,
    /// What else was computed for the document since the last request.
    #[serde(skip_serializing_if = "Ahead::is_none")]
    ahead: Ahead,
}

fn micros<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_micros() as u64)
}

impl Figures {
    pub(crate) fn start(session: &Session, query: &Query<'_>) -> Figures {
        let record = Record {
            id: wire::request_id(),
            uri: query.uri.to_string(),
            version: None,
            position: query.position,
            source: Source::Cancelled,
            total: Duration::ZERO,
            prepare: Duration::ZERO,
            usage: None,
            stop: None,
            evidence: None,
            is_part: false,
            ahead: Ahead::default(),
        };
        Figures {
            record: Some(record),
            started: Instant::now(),
            client: session.peer().wants_figures.then(|| session.client.clone()),
        }
    }

    pub(crate) fn at_version(&mut self, version: i32) {
        if let Some(record) = &mut self.record {
            record.version = Some(version);
        }
    }

    /// The job is about to be given to the engine.
    pub(crate) fn prepared(&mut self) {
        if let Some(record) = &mut self.record {
            record.prepare = self.started.elapsed();
        }
    }

    pub(crate) fn work_ahead(&mut self, ahead: Ahead) {
        if let Some(record) = &mut self.record {
            record.ahead = ahead;
        }
    }

    /// What the job for this answer cost, if it had one.
    pub(crate) fn add(&mut self, cost: Option<(Usage, StopReason)>) {
        if let (Some(record), Some((usage, stop))) = (&mut self.record, cost) {
            record.ahead.evaluated_tokens += usage.beside_tokens;
            record.usage = Some(usage);
            record.stop = Some(stop);
        }
    }

    /// What the job has cost so far whose end is not waited for.
    pub(crate) fn so_far(&mut self, usage: Usage) {
        if let Some(record) = &mut self.record {
            record.usage = Some(usage);
        }
    }

    /// What is shown, and what it was judged by.
    pub(crate) fn judged(&mut self, evidence: Option<Evidence>, is_part: bool) {
        if let Some(record) = &mut self.record {
            record.evidence = evidence;
            record.is_part = is_part;
        }
    }

    pub(crate) fn is_part(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.is_part)
    }

    /// Returns how long it took.
    pub(crate) fn finish(&mut self, source: Source) -> Duration {
        let Some(mut record) = self.record.take() else {
            return self.started.elapsed();
        };
        record.source = source;
        record.total = self.started.elapsed();
        let usage = record.usage.unwrap_or_default();
        tracing::debug!(
            file = record.uri.rsplit('/').next(),
            version = record.version,
            ?source,
            prepare = ?record.prepare,
            queued = ?usage.queued,
            prompt = ?usage.prompt,
            decode = ?usage.decode,
            total = ?record.total,
            prompt_tokens = usage.prompt_tokens,
            evaluated = usage.evaluated_tokens,
            generated = usage.generated_tokens,
            "answered"
        );
        if let Some(client) = &self.client {
            client.notify("ghostline/completed", &record);
        }
        record.total
    }
}

impl Drop for Figures {
    fn drop(&mut self) {
        self.finish(Source::Cancelled);
    }
}
