//! The client of a llama.cpp server: asks its `/infill` as llama.vim does, streams the answer, and closes
//! the stream at the next key, which is the only way in which such a server stops in time. No cache of its
//! own: what is measured is the server.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Instant,
};

use anyhow::Context;
use serde_json::{Value, json};

use super::{
    Unusable,
    editor::Item,
    http::{Response, Url, post},
    peer::{Cost, Event, Peer, Profile, Usage},
    typing::Session,
    typist::Change,
};

/// The lines around the cursor that llama.vim sends.
const LINES_BEFORE: usize = 256;
const LINES_AFTER: usize = 64;

/// See the module.
pub(super) struct Infill {
    url: Url,
    profile: Profile,
    max_tokens: usize,
    request: Option<Request>,
    /// The connection of the newest request, until the next key.
    open: Option<TcpStream>,
    sender: Sender<anyhow::Result<Event>>,
    inbox: Receiver<anyhow::Result<Event>>,
}

/// What is to be sent and when.
struct Request {
    key: usize,
    due: Instant,
    body: String,
    /// Blanks left of the cursor in an otherwise empty line: the answer begins with them again.
    lead: String,
}

impl Infill {
    /// A client of the server at `url`, which has to answer. `max_tokens` is how many it may generate.
    pub(super) fn start(url: &Url, profile: Profile, max_tokens: usize) -> anyhow::Result<Infill> {
        let mut url = url.clone();
        if url.path == "/" {
            url.path = "/infill".to_owned();
        }
        if let Err(error) = TcpStream::connect(&url.address) {
            let sentence = format!("nothing answers at `http://{}`: {error}", url.address);
            return Err(Unusable(sentence).into());
        }
        let (sender, inbox) = channel();
        Ok(Infill {
            url,
            profile,
            max_tokens,
            request: None,
            open: None,
            sender,
            inbox,
        })
    }

    /// Sends the request; returns the time just before.
    fn send(&mut self, request: Request) -> anyhow::Result<Instant> {
        let address = self.url.address.as_str();
        let bytes = post(&self.url, &request.body);
        let at = Instant::now();
        let connected = TcpStream::connect(address).and_then(|stream| {
            stream.set_nodelay(true)?;
            (&stream).write_all(&bytes)?;
            Ok((stream.try_clone()?, stream))
        });
        let (closer, stream) =
            connected.with_context(|| format!("while asking `http://{address}`"))?;
        self.open = Some(closer);
        let (sender, key) = (self.sender.clone(), request.key);
        // Nobody listens any more when the replay has ended.
        let _ = sender.send(Ok(Event::Asked { key, at }));
        thread::spawn(move || {
            match answer(BufReader::new(stream), &request.lead) {
                Ok(Some(answer)) => {
                    let _ = sender.send(Ok(Event::Cost {
                        key,
                        cost: answer.cost,
                    }));
                    let items = Some(vec![Item::at_cursor(answer.text)]);
                    let _ = sender.send(Ok(Event::Answer {
                        key,
                        at: answer.at,
                        items,
                    }));
                }
                // Cut off by us.
                Ok(None) => {}
                Err(error) => drop(sender.send(Err(error))),
            }
        });
        Ok(at)
    }

    fn stop(&mut self) {
        self.request = None;
        if let Some(stream) = self.open.take() {
            // Fails where the server has closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Peer for Infill {
    fn open(&mut self, _: usize, _: &Session, _: &str) -> anyhow::Result<()> {
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        self.stop();
        // Events of what was stopped go with the channel that nobody reads any more.
        (self.sender, self.inbox) = channel();
        Ok(())
    }

    fn press(
        &mut self,
        key: usize,
        _: Option<(&str, &Change)>,
        (text, cursor): (&str, usize),
    ) -> anyhow::Result<Instant> {
        self.stop();
        let (body, lead) = body(text, cursor, self.max_tokens);
        let now = Instant::now();
        let request = Request {
            key,
            due: now + self.profile.request_delay(),
            body: body.to_string(),
            lead,
        };
        if self.profile.request_delay().is_zero() {
            return self.send(request);
        }
        self.request = Some(request);
        Ok(now)
    }

    fn receive(&mut self, deadline: Instant) -> anyhow::Result<Option<Event>> {
        loop {
            let now = Instant::now();
            if let Some(request) = self.request.take_if(|request| request.due <= now) {
                self.send(request)?;
            }
            let due = self.request.as_ref().map(|request| request.due);
            let until = due.map_or(deadline, |due| due.min(deadline));
            match self
                .inbox
                .recv_timeout(until.saturating_duration_since(now))
            {
                Ok(event) => return event.map(Some),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if until == deadline => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Drop for Infill {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What llama.vim sends for a cursor, but greedy and streaming; and the blanks that its answer begins with.
fn body(text: &str, cursor: usize, max_tokens: usize) -> (Value, String) {
    let (before, after) = text.split_at(cursor);
    let line_start = before.rfind('\n').map_or(0, |idx| idx + 1);
    let (above, left) = before.split_at(line_start);
    let right = after.split('\n').next().unwrap_or_default();
    let below = after[right.len()..].strip_prefix('\n').unwrap_or_default();
    let above: Vec<&str> = above.lines().collect();
    let above = above[above.len().saturating_sub(LINES_BEFORE)..].join("\n");
    let below: Vec<&str> = below.lines().take(LINES_AFTER).collect();
    // In an empty line llama.vim starts from its beginning.
    let is_blank = left.trim().is_empty() && right.trim().is_empty();
    let (prompt, right) = if is_blank { ("", "") } else { (left, right) };
    let indentation = prompt.len() - prompt.trim_start().len();
    let body = json!({
        "input_prefix": format!("{above}\n"),
        "input_suffix": format!("{right}\n{}\n", below.join("\n")),
        "input_extra": [],
        "prompt": prompt,
        "n_predict": max_tokens,
        "n_indent": indentation,
        // llama.vim has 40 here; with 1 the answer is the likeliest, as it is with the others.
        "top_k": 1,
        "top_p": 0.99,
        "samplers": ["top_k", "top_p", "infill"],
        "cache_prompt": true,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 1000,
        "stream": true,
        // Costs the server nothing worth mentioning, and says how much of the prompt it evaluated.
        "timings_per_token": true,
    });
    let lead = if is_blank { left } else { "" };
    (body, lead.to_owned())
}

/// What a server has said.
struct Answer {
    at: Instant,
    text: String,
    cost: Cost,
}

/// Reads an answer until its first line is complete, which is when it can be shown; `None` where the stream
/// breaks off, as it does when it is closed here.
fn answer(stream: impl BufRead, lead: &str) -> anyhow::Result<Option<Answer>> {
    let response = match Response::read(stream) {
        Ok(response) => response,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    let mut lines = BufReader::new(response.body).lines();
    if response.status != 200 {
        let said: String = lines.map_while(Result::ok).take(5).collect();
        let said: String = said.chars().take(200).collect();
        anyhow::bail!("the server answers {}: {said}", response.status);
    }
    let (mut text, mut cost) = (String::new(), Cost::default());
    let is_complete = loop {
        let Some(Ok(line)) = lines.next() else {
            break false;
        };
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let Ok(said) = serde_json::from_str::<Value>(data) else {
            break data.trim() == "[DONE]";
        };
        if let Some(error) = said.get("error") {
            anyhow::bail!("the server fails: {}", error["message"]);
        }
        text += said["content"].as_str().unwrap_or_default();
        if let Some(timings) = said.get("timings") {
            cost = cost_of(timings);
        }
        if said["stop"] == true || first_line(&text, lead).is_some() {
            break true;
        }
    };
    let at = Instant::now();
    let shown = first_line(&text, lead).unwrap_or_else(|| without(&text, lead));
    Ok(is_complete.then(|| Answer {
        at,
        text: shown.to_owned(),
        cost,
    }))
}

/// The text up to the end of its first line that is not blank, once that has come.
fn first_line<'t>(text: &'t str, lead: &str) -> Option<&'t str> {
    let text = without(text, lead);
    let content = text.find(|char: char| !char.is_whitespace())?;
    let end = text[content..].find('\n')? + content;
    Some(&text[..end])
}

/// `text` without the blanks that stand left of the cursor already.
fn without<'t>(text: &'t str, lead: &str) -> &'t str {
    let same = text.bytes().zip(lead.bytes()).take_while(|(a, b)| a == b);
    // Blanks are ASCII, or the same characters in both.
    text.get(same.count()..).unwrap_or(text)
}

fn cost_of(timings: &Value) -> Cost {
    let count = |name: &str| timings[name].as_u64().unwrap_or_default();
    let decode_ms = timings["predicted_ms"].as_f64().unwrap_or_default();
    Cost {
        source: "server".to_owned(),
        usage: Usage {
            evaluated_tokens: count("prompt_n"),
            generated_tokens: count("predicted_n"),
            decode_us: (decode_ms * 1e3) as u64,
            ..Usage::default()
        },
        ..Cost::default()
    }
}

#[cfg(test)]
mod tests;
