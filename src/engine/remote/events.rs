//! What a server streams, taken apart: lines of server-sent events, and the one JSON object of a server that does
//! not stream. Pure; what the objects mean is `protocol.rs`'s.

use serde_json::Value;

use super::trouble::Trouble;

/// No token's event is that long; the last one of some servers repeats the prompt.
const LONGEST: usize = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Events {
    /// The objects that are complete with `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Value>, Trouble> {
        self.bytes.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut start = 0;
        while let Some(length) = self.bytes[start..].iter().position(|&byte| byte == b'\n') {
            let line = &self.bytes[start..start + length];
            start += length + 1;
            match event(line)? {
                Line::Event(value) => events.push(value),
                Line::End => self.is_over = true,
                Line::Nothing => {}
            }
        }
        self.bytes.drain(..start);
        if self.bytes.len() > LONGEST {
            return Err(Trouble::Malformed("a line without an end"));
        }
        Ok(events)
    }

    /// Whether the stream has said by itself that it is over.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

enum Line {
    Event(Value),
    End,
    Nothing,
}

fn event(line: &[u8]) -> Result<Line, Trouble> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // Old llama.cpp servers have a field of their own for errors.
    let data = match (line.strip_prefix(b"data:"), line.strip_prefix(b"error:")) {
        (Some(data), _) => data.trim_ascii(),
        (None, Some(_)) => return Err(Trouble::Failed),
        // Comments, names and numbers of events, the blank lines between them.
        (None, None) => return Ok(Line::Nothing),
    };
    match data {
        b"" => Ok(Line::Nothing),
        b"[DONE]" => Ok(Line::End),
        data => serde_json::from_slice(data)
            .map(Line::Event)
            .map_err(|_| Trouble::Malformed("no JSON")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: Result<(&str, bool), Trouble>) {
        // However it is cut into pieces.
        for size in [1, 3, 7, stream.len().max(1)] {
            let mut events = Events::default();
            let mut seen = Ok(Vec::new());
            for piece in stream.as_bytes().chunks(size) {
                match (events.push(piece), &mut seen) {
                    (Ok(more), Ok(all)) => all.extend(more),
                    (Err(trouble), _) => {
                        seen = Err(trouble);
                        break;
                    }
                    _ => {}
                }
            }
            let seen = seen.map(|all| (serde_json::to_string(&all).unwrap(), events.is_over()));
            let expected = expected
                .clone()
                .map(|(text, is_over)| (text.to_owned(), is_over));
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn events_are_lines_of_data_in_whatever_pieces_they_come() {
        check(
            ": hello\r\nid: 1\r\ndata: {\"a\":\"größe\"}\r\n\r\ndata:[1]\n\ndata: [DONE]\n\n",
            Ok(("[{\"a\":\"größe\"},[1]]", true)),
        );
        check(
            "data: {\"a\":1}\n\ndata: {\"b\"",
            Ok(("[{\"a\":1}]", false)),
        );
        check("", Ok(("[]", false)));
    }

    #[test]
    fn what_is_no_event_is_trouble() {
        check("data: {oops}\n", Err(Trouble::Malformed("no JSON")));
        check("error: {\"code\":500}\n", Err(Trouble::Failed));
        let mut events = Events::default();
        let long = vec![b'x'; LONGEST + 1];
        assert_eq!(
            events.push(&long),
            Err(Trouble::Malformed("a line without an end"))
        );
    }
}
