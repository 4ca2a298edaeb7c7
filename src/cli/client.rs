//! A language client in as few lines as will do: it starts `ghostline lsp` as an editor does and
//! speaks to it over pipes. It knows messages, not what they mean; `editor.rs` does.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::{Value, json};

/// How much of what the server wrote to stderr is kept for the error message of its death.
const KEPT_LOG_LINES: usize = 5;

/// A running server. Killed when dropped.
pub struct Client {
    child: Child,
    stdin: ChildStdin,
    inbox: Receiver<Incoming>,
    log: Arc<Mutex<VecDeque<String>>>,
    last_id: i64,
}

/// A message from the server, and when its last byte had been read.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub at: Instant,
    pub message: Value,
}

impl Incoming {
    /// The id of the request that this answers, or `None` for notifications.
    pub fn answered(&self) -> Option<i64> {
        self.message
            .get("method")
            .is_none()
            .then(|| self.message["id"].as_i64())
            .flatten()
    }

    /// The parameters, if this is the notification `method`.
    pub fn notified(&self, method: &str) -> Option<&Value> {
        (self.message["method"] == method).then(|| &self.message["params"])
    }
}

impl Client {
    /// Starts `command` with pipes for its streams.
    pub fn start(command: &mut Command) -> anyhow::Result<Client> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| {
            format!(
                "while starting the server `{}`",
                command.get_program().display()
            )
        })?;
        let stdin = child.stdin.take().expect("stdin was asked for as a pipe");
        let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
        let stderr = child.stderr.take().expect("stderr was asked for as a pipe");
        let (sender, inbox) = channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            while let Some((at, body)) = read_message(&mut reader) {
                let Ok(message) = serde_json::from_slice(&body) else {
                    break;
                };
                if sender.send(Incoming { at, message }).is_err() {
                    break;
                }
            }
        });
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let kept = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(line);
                if kept.len() > KEPT_LOG_LINES {
                    kept.pop_front();
                }
            }
        });
        Ok(Client {
            child,
            stdin,
            inbox,
            log,
            last_id: 0,
        })
    }

    /// The process id of the server.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// A request message and its id. It is not sent.
    pub fn request(&mut self, method: &str, params: Value) -> (i64, Value) {
        self.last_id += 1;
        (
            self.last_id,
            json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}),
        )
    }

    /// Sends `messages` in one write; returns the time just before it.
    pub fn send(&mut self, messages: &[Value]) -> anyhow::Result<Instant> {
        let mut bytes = Vec::new();
        for message in messages {
            let body = message.to_string();
            write!(bytes, "Content-Length: {}\r\n\r\n{body}", body.len())
                .expect("writing to memory cannot fail");
        }
        let at = Instant::now();
        match self
            .stdin
            .write_all(&bytes)
            .and_then(|()| self.stdin.flush())
        {
            Ok(()) => Ok(at),
            Err(_) => Err(self.death()),
        }
    }

    /// The next message, or `None` when none came until `deadline`. Requests of the server are answered with null.
    pub fn receive(&mut self, deadline: Instant) -> anyhow::Result<Option<Incoming>> {
        loop {
            let incoming = match self
                .inbox
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(incoming) => incoming,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(self.death()),
            };
            if incoming.message.get("method").is_none() || incoming.message.get("id").is_none() {
                return Ok(Some(incoming));
            }
            self.send(&[json!({"jsonrpc": "2.0", "id": incoming.message["id"], "result": null})])?;
        }
    }

    /// Sends a request and waits for its result, at most `patience`; other messages meanwhile go to `aside`.
    pub fn call(
        &mut self,
        method: &str,
        params: Value,
        patience: Duration,
        mut aside: impl FnMut(Incoming),
    ) -> anyhow::Result<Value> {
        let (id, message) = self.request(method, params);
        let deadline = self.send(&[message])? + patience;
        while let Some(mut incoming) = self.receive(deadline)? {
            if incoming.answered() != Some(id) {
                aside(incoming);
            } else if let Some(error) = incoming.message.get("error") {
                bail!(
                    "the server refused `{method}`: {}",
                    error["message"].as_str().unwrap_or("no reason given")
                );
            } else {
                return Ok(incoming.message["result"].take());
            }
        }
        bail!("the server did not answer `{method}` within {patience:?}")
    }

    pub fn notify(&mut self, method: &str, params: Value) -> anyhow::Result<Instant> {
        self.send(&[notification(method, params)])
    }

    /// Shuts the server down as the protocol says; how long it took to end, and how it ended.
    pub fn shut_down(mut self) -> anyhow::Result<(Duration, ExitStatus)> {
        const PATIENCE: Duration = Duration::from_secs(5);
        self.call("shutdown", Value::Null, PATIENCE, drop)?;
        let started = self.notify("exit", Value::Null)?;
        self.wait_for_end(started, PATIENCE)
    }

    /// Waits until the server's process has ended; how long after `started` it did, and how.
    pub fn wait_for_end(
        &mut self,
        started: Instant,
        patience: Duration,
    ) -> anyhow::Result<(Duration, ExitStatus)> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok((started.elapsed(), status));
            }
            if started.elapsed() > patience {
                bail!("the server did not end within {patience:?}");
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// What to say when the server has gone.
    fn death(&mut self) -> anyhow::Error {
        // Its output closes a moment before the process is gone and its log is read.
        let ended = self.wait_for_end(Instant::now(), Duration::from_millis(500));
        let how = ended.map_or_else(
            |_| "closed its output".to_owned(),
            |(_, status)| format!("ended: {status}"),
        );
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log: String = log.iter().map(|line| format!("\n  {line}")).collect();
        anyhow::anyhow!("the server {how}{log}")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Fails only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn notification(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// One message and when it was read; `None` at the end of the stream or where it makes no sense.
fn read_message(reader: &mut impl BufRead) -> Option<(Instant, Vec<u8>)> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some((Instant::now(), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: &[&str]) {
        let mut reader = stream.as_bytes();
        let read: Vec<_> = std::iter::from_fn(|| read_message(&mut reader))
            .map(|(_, body)| String::from_utf8(body).unwrap())
            .collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn messages_are_cut_by_their_length() {
        check(
            "Content-Length: 2\r\n\r\n{}Content-Type: x\r\ncontent-length: 4\r\n\r\nnull",
            &["{}", "null"],
        );
    }

    #[test]
    fn a_broken_stream_ends_the_messages() {
        check("", &[]);
        check("Content-Length: 20\r\n\r\n{}", &[]);
        check("Content-Length: many\r\n\r\n{}", &[]);
        check("\r\n{}", &[]);
    }

    #[test]
    fn a_server_that_cannot_be_started_is_named() {
        let error = Client::start(&mut Command::new("/nowhere/ghostline"))
            .err()
            .expect("there is no such program");
        assert_eq!(
            error.to_string(),
            "while starting the server `/nowhere/ghostline`"
        );
    }
}
