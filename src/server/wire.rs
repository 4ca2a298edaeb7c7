//! One connection: messages in, answers out, state changed in the order of the wire.
//!
//! Each call's future is polled once at the moment its message is read, notifications and requests alike; what
//! is still pending then goes on as a task of its own. So everything a handler does before its first `await`
//! happens in wire order, and no number of pending requests can hold back an edit or a cancellation. The
//! library's own loop runs at most four handlers at a time, in any order: with four requests pending, 0 of 500
//! edits were applied and no cancellation got through.

use std::{panic::AssertUnwindSafe, pin::pin, time::Duration};

use futures_util::{FutureExt, future};
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};
use tower_lsp::{
    jsonrpc::{Error, Id, Request, Response},
    ls_types::{DidChangeTextDocumentParams, DidOpenTextDocumentParams},
};
use tower_service::Service;
use tracing::Instrument;

use super::{
    Ending,
    client::{self, Client, Queue},
    copilot,
    frame::{Frames, Message},
    later,
    notices::NOTICES,
};

/// How long a client that has stopped reading may hold up the end of its session.
const FLUSH: Duration = Duration::from_millis(300);

tokio::task_local! {
    static REQUEST: Option<Id>;
}

/// The id of the request whose handler is running.
pub(crate) fn request_id() -> Option<Id> {
    REQUEST.try_with(Clone::clone).ok().flatten()
}

/// Runs a connection until `exit` or the end of the stream.
pub(crate) async fn run<I, O, S>(
    input: I,
    output: O,
    service: S,
    client: Client,
    queue: Queue,
    begin_later: impl Fn() + Clone + Send + 'static,
) -> Ending
where
    I: AsyncRead + Send + Unpin + 'static,
    O: AsyncWrite + Send + Unpin + 'static,
    S: Service<Request, Response = Option<Response>>,
    S::Future: Send + 'static,
    S::Error: std::fmt::Display + Send,
{
    let writer = tokio::spawn(client::write(output, queue));
    let mut connection = Connection {
        service,
        client,
        tasks: JoinSet::new(),
        is_shut_down: false,
    };
    // Aborting the writer stands for a client that no longer reads.
    let mut writer = AbortOnDrop(writer);
    let ending = tokio::select! {
        ending = connection.read(input, begin_later) => ending,
        _ = &mut writer.0 => Ending::Closed,
    };
    connection.tasks.shutdown().await;
    connection.client.end();
    let _ = tokio::time::timeout(FLUSH, &mut writer.0).await;
    ending
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Connection<S> {
    service: S,
    client: Client,
    tasks: JoinSet<()>,
    is_shut_down: bool,
}

impl<S> Connection<S>
where
    S: Service<Request, Response = Option<Response>>,
    S::Future: Send + 'static,
    S::Error: std::fmt::Display + Send,
{
    /// `begin_later` is called when there is nothing to read, and what can be answered has been.
    async fn read(
        &mut self,
        input: impl AsyncRead + Unpin,
        begin_later: impl Fn() + Clone + Send + 'static,
    ) -> Ending {
        let mut frames = Frames::new(input);
        loop {
            let mut next = pin!(frames.next());
            let next = match next.as_mut().now_or_never() {
                Some(next) => next,
                None => {
                    // The writer first.
                    tokio::task::yield_now().await;
                    begin_later();
                    next.await
                }
            };
            let message = match next {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => {
                    // The error names a place and what was expected there, not the text.
                    tracing::warn!("a message that cannot be read: {error}");
                    self.client
                        .answer(&Response::from_error(Id::Null, Error::parse_error()));
                    continue;
                }
                Ok(None) => return Ending::Closed,
                Err(error) => {
                    tracing::warn!("reading from the client: {error}");
                    return Ending::Closed;
                }
            };
            while self.tasks.try_join_next().is_some() {}
            if !later::is_urgent(message.method.as_deref()) {
                begin_later();
            }
            if let Some(ending) = self.take(message, &begin_later).await {
                return ending;
            }
        }
    }

    async fn take(
        &mut self,
        mut message: Message,
        begin_later: &(impl Fn() + Clone + Send + 'static),
    ) -> Option<Ending> {
        let Some(method) = message.method.take() else {
            self.take_response(message);
            return None;
        };
        let mut request = Request::build(method.clone());
        if let Some(mut params) = message.params {
            tidy(&mut params);
            if !is_sound(&method, &params) {
                // Not the error: it may quote the text.
                tracing::warn!(
                    method,
                    "makes no sense and is ignored; the document may be out of step"
                );
            }
            request = request.params(params);
        } else if may_lack_params(&method) {
            request = request.params(Value::Object(serde_json::Map::new()));
        }
        if let Some(id) = message.id.clone() {
            request = request.id(id);
        }
        if future::poll_fn(|cx| self.service.poll_ready(cx))
            .await
            .is_err()
        {
            return Some(Ending::Closed);
        }
        self.call(request.finish(), message.id, &method, begin_later);
        self.is_shut_down |= method == "shutdown";
        (method == "exit").then_some(Ending::Exit {
            is_clean: self.is_shut_down,
        })
    }

    fn call(
        &mut self,
        request: Request,
        id: Option<Id>,
        method: &str,
        begin_later: &(impl Fn() + Clone + Send + 'static),
    ) {
        let span = match &id {
            Some(id) => tracing::debug_span!("request", %id, method),
            None => tracing::debug_span!("notification", method),
        };
        let call = AssertUnwindSafe(self.service.call(request)).catch_unwind();
        let answered_id = id.clone();
        let answer = async move {
            match call.await {
                // The library leaves requests that start with `$/` without an answer; only notifications may be.
                Ok(Ok(response)) => response.or_else(|| {
                    answered_id.map(|id| Response::from_error(id, Error::method_not_found()))
                }),
                Ok(Err(error)) => {
                    tracing::warn!("{error}");
                    None
                }
                // A bug; the client still gets its answer and the next request is served.
                Err(_) => {
                    tracing::error!("a handler panicked; please report it");
                    answered_id.map(|id| Response::from_error(id, Error::internal_error()))
                }
            }
        };
        let mut answer = REQUEST.scope(id, answer).instrument(span).boxed();
        if let Some(done) = (&mut answer).now_or_never() {
            if let Some(response) = done {
                self.client.answer(&response);
            }
            return;
        }
        let (client, begin_later) = (self.client.clone(), begin_later.clone());
        self.tasks.spawn(async move {
            if let Some(response) = answer.await {
                client.answer(&response);
            }
            tokio::task::yield_now().await;
            begin_later();
        });
    }

    fn take_response(&mut self, message: Message) {
        match message.id {
            Some(Id::Number(id)) => {
                let answer = message
                    .error
                    .map_or(Ok(message.result.unwrap_or_default()), Err);
                self.client.resolve(id, answer);
            }
            _ => tracing::debug!("a message that is neither request nor response; ignored"),
        }
    }
}

/// Whether the method is one of ours, to which clients send parameters or not, as they like; the library is
/// strict about it.
fn may_lack_params(method: &str) -> bool {
    method == "ghostline/status" || copilot::METHODS.contains(&method) || NOTICES.contains(&method)
}

/// Whether the library will take the parameters. Of requests the client is told; of notifications nobody would be.
fn is_sound(method: &str, params: &Value) -> bool {
    match method {
        "textDocument/didOpen" => DidOpenTextDocumentParams::deserialize(params).is_ok(),
        "textDocument/didChange" => DidChangeTextDocumentParams::deserialize(params).is_ok(),
        _ => true,
    }
}

/// Puts right what the library's strict types would refuse, since a refused `didOpen` or `didChange` would
/// leave the document out of step without a word: some clients leave characters such as `[` in URIs bare
/// (Helix), send no version, or `null` for a list that is empty.
fn tidy(params: &mut Value) {
    if let Some(arguments) = params
        .get_mut("arguments")
        .filter(|arguments| arguments.is_null())
    {
        *arguments = Value::Array(Vec::new());
    }
    for name in ["uri", "rootUri"] {
        if let Some(Value::String(uri)) = params.get_mut(name) {
            tidy_uri(uri);
        }
    }
    for list in [
        "/workspaceFolders",
        "/event/added",
        "/event/removed",
        "/changes",
    ] {
        let entries = params.pointer_mut(list).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            if let Some(Value::String(uri)) = entry.get_mut("uri") {
                tidy_uri(uri);
            }
        }
    }
    if let Some(documents) = params
        .get_mut("textDocuments")
        .and_then(Value::as_array_mut)
    {
        for document in documents {
            if let Some(Value::String(uri)) = document.get_mut("uri") {
                tidy_uri(uri);
            }
        }
    }
    if let Some(Value::String(uri)) = params.pointer_mut("/doc/uri") {
        tidy_uri(uri);
    }
    let is_change = params.get("contentChanges").is_some();
    let Some(document) = params
        .get_mut("textDocument")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    if let Some(Value::String(uri)) = document.get_mut("uri") {
        tidy_uri(uri);
    }
    if is_change || document.contains_key("text") {
        document.entry("version").or_insert(Value::Null);
    }
    if let Some(version) = document.get_mut("version")
        && version
            .as_i64()
            .is_none_or(|version| i32::try_from(version).is_err())
    {
        *version = 0.into();
    }
}

fn tidy_uri(uri: &mut String) {
    if !uri.bytes().any(is_bare) {
        return;
    }
    let mut tidied = String::new();
    for byte in uri.bytes() {
        if is_bare(byte) {
            tidied += &format!("%{byte:02X}");
        } else {
            tidied.push(byte as char);
        }
    }
    *uri = tidied;
}

/// Whether a URI cannot hold `byte` as it is.
fn is_bare(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn uris_with_bare_characters_and_missing_versions_are_put_right() {
        let mut params =
            json!({"textDocument": {"uri": "file:///a/[id]|ü ^.tsx", "version": null}});
        tidy(&mut params);
        assert_eq!(
            params["textDocument"]["uri"],
            "file:///a/%5Bid%5D%7C%C3%BC%20%5E.tsx"
        );
        assert_eq!(params["textDocument"]["version"], 0);

        for mut params in [
            json!({"textDocument": {"uri": "file:///a"}, "contentChanges": []}),
            json!({"textDocument": {"uri": "file:///a", "languageId": "rust", "text": ""}}),
        ] {
            tidy(&mut params);
            assert_eq!(params["textDocument"]["version"], 0);
        }

        let mut params =
            json!({"rootUri": "file:///a b", "workspaceFolders": [{"uri": "file:///[a]"}]});
        tidy(&mut params);
        assert_eq!(
            params,
            json!({"rootUri": "file:///a%20b", "workspaceFolders": [{"uri": "file:///%5Ba%5D"}]})
        );

        let mut params = json!({"textDocument": {"uri": "file:///a%20b/x.rs", "version": 7}});
        tidy(&mut params);
        assert_eq!(
            params,
            json!({"textDocument": {"uri": "file:///a%20b/x.rs", "version": 7}})
        );
    }
}
