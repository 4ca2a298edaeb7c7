//! Framing: `Content-Length` headers and JSON bodies, read in a way that survives a broken message.
//!
//! The library's own codec ends the connection after one message it cannot parse, and writes whole messages,
//! source text included, into the trace log. Neither will do here.

use std::io;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tower_lsp::jsonrpc::{Error, Id};

/// The largest message that is read; a larger one is skipped. No source file comes near it.
const MAX_BODY: usize = 512 << 20;

/// A message as it stands on the wire: a request or notification when it has a method, else a response.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Message {
    pub method: Option<String>,
    pub params: Option<Value>,
    pub id: Option<Id>,
    pub result: Option<Value>,
    pub error: Option<Error>,
}

/// Reads messages from a stream.
pub(crate) struct Frames<R> {
    input: BufReader<R>,
    body: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(input: R) -> Frames<R> {
        Frames {
            input: BufReader::with_capacity(64 << 10, input),
            body: Vec::new(),
        }
    }

    /// The next message; the inner error says what is wrong with one whose frame was all right, so that
    /// reading can go on behind it. `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Result<Message, serde_json::Error>>> {
        let Some(length) = self.length().await? else {
            return Ok(None);
        };
        if length > MAX_BODY {
            let skipped = tokio::io::copy(
                &mut (&mut self.input).take(length as u64),
                &mut tokio::io::sink(),
            )
            .await?;
            tracing::warn!(bytes = skipped, "skipped a message that is too large");
            return Ok(Some(Ok(Message::default())));
        }
        // One large document does not hold its memory for good.
        self.body = Vec::with_capacity(length.min(1 << 20));
        let read = (&mut self.input)
            .take(length as u64)
            .read_to_end(&mut self.body)
            .await?;
        if read < length {
            return Ok(None);
        }
        let mut message = serde_json::from_slice(&self.body);
        if message.is_err() && replace_half_characters(&mut self.body) {
            message = serde_json::from_slice(&self.body);
        }
        Ok(Some(message))
    }

    /// Reads headers up to the blank line; lines that are no header are skipped.
    async fn length(&mut self) -> io::Result<Option<usize>> {
        let mut length = None;
        loop {
            self.body.clear();
            // A line without end is garbage, too: it is read in pieces.
            let read = (&mut self.input)
                .take(4096)
                .read_until(b'\n', &mut self.body)
                .await?;
            if read == 0 {
                return Ok(None);
            }
            let line = self.body.trim_ascii();
            if line.is_empty() {
                if length.is_some() {
                    return Ok(length);
                }
                continue;
            }
            let mut parts = line.splitn(2, |&byte| byte == b':');
            let (name, value) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            );
            if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
                length = std::str::from_utf8(value)
                    .ok()
                    .and_then(|value| value.trim().parse().ok());
                if length.is_none() {
                    tracing::warn!("a message has no usable Content-Length; skipped");
                }
            }
        }
    }
}

/// Makes U+FFFD of each `\uXXXX` that is half a character, and says whether there was one. Editors whose text is
/// UTF-16 (VS Code) can hold such halves and send them, and Rust's strings cannot; a message refused for that would
/// leave the document out of step. Both count as one UTF-16 unit, so positions stay right.
fn replace_half_characters(body: &mut [u8]) -> bool {
    let unit = |body: &[u8], at: usize| {
        let digits = body.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut at, mut has_replaced) = (0, false);
    while at < body.len() {
        if body[at] != b'\\' {
            at += 1;
            continue;
        }
        let is_low = |unit: Option<u16>| unit.is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
        match unit(body, at) {
            Some(0xd800..0xdc00) if is_low(unit(body, at + 6)) => at += 12,
            Some(0xd800..0xe000) => {
                body[at + 2..at + 6].copy_from_slice(b"fffd");
                has_replaced = true;
                at += 6;
            }
            _ => at += 2,
        }
    }
    has_replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8]) -> Vec<String> {
        let mut frames = Frames::new(input);
        let mut seen = Vec::new();
        while let Some(message) = frames.next().await.unwrap() {
            seen.push(match message {
                Ok(message) => message.method.unwrap_or_else(|| "response".into()),
                Err(error) => format!("{:?}", error.classify()),
            });
        }
        seen
    }

    fn frame(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_message_after_a_broken_one_is_read() {
        let good = frame(r#"{"jsonrpc":"2.0","method":"a"}"#);
        for broken in [
            frame(r#"{"jsonrpc":"2.0","#),
            frame("[]"),
            frame("7"),
            frame(""),
            "Content-Length: many\r\n\r\n".to_string(),
            "Content-Type: nonsense\r\n\r\n".to_string(),
            "garbage without end\r\n".to_string(),
            "x".repeat(10_000) + "\r\n",
        ] {
            let seen = read(format!("{good}{broken}{good}").as_bytes()).await;
            assert_eq!(
                (seen.first(), seen.last()),
                (Some(&"a".to_string()), Some(&"a".to_string())),
                "{broken:.40}"
            );
            assert!((2..=3).contains(&seen.len()));
        }
        let mut bytes = frame("{\"method\":\"__\"}").into_bytes();
        let end = bytes.len() - 4;
        bytes[end] = 0xff;
        bytes.extend(good.as_bytes());
        assert_eq!(read(&bytes).await, ["Syntax", "a"]);
    }

    #[tokio::test]
    async fn half_a_character_is_replaced_and_whole_ones_are_left() {
        for (sent, read) in [
            (r"a\ud83db", "a\u{fffd}b"),
            (r"\uDE00", "\u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud83d\u0041\\", "\u{fffd}A\\"),
            (r"\\ud83d\ud83d", "\\ud83d\u{fffd}"),
            (r"\ud83d\n", "\u{fffd}\n"),
        ] {
            let body = frame(&format!(r#"{{"params":"{sent}"}}"#));
            let message = Frames::new(body.as_bytes()).next().await;
            let message = message.unwrap().unwrap().expect(sent);
            assert_eq!(message.params, Some(read.into()), "{sent}");
        }
    }

    #[tokio::test]
    async fn header_names_may_be_written_in_any_case_and_come_with_a_content_type() {
        let body = r#"{"method":"a"}"#;
        let message = format!(
            "content-length:{}\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(read(message.as_bytes()).await, ["a"]);
    }

    #[tokio::test]
    async fn a_message_cut_off_by_the_end_of_the_stream_is_the_end() {
        assert!(
            read(b"Content-Length: 100\r\n\r\n{\"method\"")
                .await
                .is_empty()
        );
    }
}
