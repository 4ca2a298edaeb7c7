//! The client as the server sees it: answers, notifications and requests to it, in one queue.
//!
//! Nothing here waits: the queue has no bound (what is in it, the client asked for), so that any thread may
//! send, the engine's too.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
};
use tower_lsp::{
    jsonrpc::{Error, Response},
    ls_types::MessageType,
};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    queue: mpsc::UnboundedSender<Outgoing>,
    waiting: Arc<Mutex<HashMap<i64, Reply>>>,
    next_id: Arc<AtomicI64>,
}

type Reply = oneshot::Sender<Result<Value, Error>>;

pub(crate) enum Outgoing {
    Message(Vec<u8>),
    /// Everything before has to be written; nothing follows.
    End,
}

pub(crate) type Queue = mpsc::UnboundedReceiver<Outgoing>;

impl Client {
    pub(crate) fn new() -> (Client, Queue) {
        let (queue, receiver) = mpsc::unbounded_channel();
        (
            Client {
                queue,
                waiting: Arc::default(),
                next_id: Arc::default(),
            },
            receiver,
        )
    }

    pub(crate) fn answer(&self, response: &Response) {
        self.send(response);
    }

    pub(crate) fn notify(&self, method: &str, params: impl Serialize) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Asks the client; fails when it answers with an error or leaves.
    pub(crate) async fn request(
        &self,
        method: &str,
        params: impl Serialize,
    ) -> Result<Value, Error> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (reply, replied) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, reply);
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        replied
            .await
            .unwrap_or_else(|_| Err(Error::request_cancelled()))
    }

    /// The client's answer to a request of ours has arrived.
    pub(crate) fn resolve(&self, id: i64, answer: Result<Value, Error>) {
        match self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id)
        {
            Some(reply) => drop(reply.send(answer)),
            None => tracing::debug!(id, "the client answered a request that was never asked"),
        }
    }

    /// Shows `message` to the user and logs it.
    pub(crate) fn show(&self, kind: MessageType, message: &str) {
        match kind {
            MessageType::ERROR => tracing::error!("{message}"),
            MessageType::WARNING => tracing::warn!("{message}"),
            _ => tracing::info!("{message}"),
        }
        self.notify(
            "window/showMessage",
            json!({"type": kind, "message": format!("ghostline: {message}")}),
        );
    }

    pub(crate) fn end(&self) {
        let _ = self.queue.send(Outgoing::End);
    }

    fn send(&self, message: &impl Serialize) {
        let body = serde_json::to_vec(message)
            .expect("messages are made of strings, numbers, maps and lists");
        // Fails when the session is over; then nobody is there to be told.
        let _ = self.queue.send(Outgoing::Message(body));
    }
}

/// Writes the queue out until its end; an error means that the client is gone.
pub(crate) async fn write<W: AsyncWrite + Unpin>(
    mut output: W,
    mut queue: Queue,
) -> std::io::Result<()> {
    let (mut batch, mut bytes) = (Vec::new(), Vec::new());
    loop {
        // What has gathered while the last batch was written goes out in one write.
        let mut is_over = queue.recv_many(&mut batch, 64).await == 0;
        bytes.clear();
        for outgoing in batch.drain(..) {
            match outgoing {
                Outgoing::Message(body) => {
                    bytes.extend_from_slice(
                        format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(),
                    );
                    bytes.extend_from_slice(&body);
                }
                Outgoing::End => is_over = true,
            }
        }
        output.write_all(&bytes).await?;
        output.flush().await?;
        if is_over {
            return Ok(());
        }
    }
}
