//! Exactness: with everything on that saves work, what is shown is what the model says when it is asked
//! afresh, or the rest of what it said a few typed characters ago.

use ghostline::{
    config,
    document::Document,
    engine::{
        Cancel, Loader,
        model::{Model, ModelError, Sequence, Token},
        script::{MIDDLE, PREFIX, SUFFIX, Script},
    },
    suggest::{
        Shape,
        ask::{self, Raw},
        gate::Confidence,
        stop::Stop,
    },
    text::ByteOffset,
};
use serde_json::json;

use crate::typist::Typist;

const MAX_TOKENS: usize = 12;
/// How far back what is shown may have been said.
const FAR: usize = 40;

/// What follows `left`, which is decided by its last bytes.
fn next(left: &[u8]) -> u8 {
    let hash = left[left.len().saturating_sub(5)..]
        .iter()
        .fold(7_u32, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        });
    b"aabbcd  =;.\n"[(hash >> 7) as usize % 12]
}

/// A model of bytes that knows nothing but `next`: what it says does not depend on where a prompt is cut into
/// head and tail, so that the whole text tells what is right.
struct Parrot {
    held: Vec<Vec<Token>>,
    rows: Vec<Vec<f32>>,
    bytes: Vec<Vec<u8>>,
}

const CONTROL: [&str; 3] = [PREFIX, SUFFIX, MIDDLE];

impl Parrot {
    fn loader() -> Loader {
        Box::new(|_| {
            let mut summary = Script::new(["x"]).summary();
            summary.vocabulary_size = 259;
            // Small ones, so that the anchor moves often.
            summary.plan.windows.prefix = 400;
            summary.plan.windows.tail = 120;
            let parrot = Parrot {
                held: vec![Vec::new(); 8],
                rows: Vec::new(),
                bytes: (0..=u8::MAX)
                    .map(|byte| vec![byte])
                    .chain([vec![], vec![], vec![]])
                    .collect(),
            };
            Ok((Box::new(parrot), summary))
        })
    }
}

fn row(tokens: &[Token]) -> Vec<f32> {
    let at = |n: i32| tokens.iter().position(|token| token.0 == n);
    let (suffix, middle) = (at(257), at(258));
    let part = |range: std::ops::Range<usize>| tokens[range].to_vec();
    let prefix = part(1.min(tokens.len())..suffix.unwrap_or(tokens.len()));
    let tail = middle.map_or(Vec::new(), |at| part(at + 1..tokens.len()));
    let left: Vec<u8> = prefix
        .into_iter()
        .chain(tail)
        .map(|token| token.0 as u8)
        .collect();
    let mut row = vec![0.0; 259];
    row[usize::from(next(&left))] = 9.0;
    // Something else is likely, too.
    row[usize::from(b"abcd"[left.len() % 4])] += 7.0;
    row
}

impl Model for Parrot {
    fn vocabulary_size(&self) -> usize {
        self.bytes.len()
    }
    fn piece(&self, token: Token) -> &[u8] {
        &self.bytes[token.0 as usize]
    }
    fn is_end(&self, token: Token) -> bool {
        token.0 > 255
    }
    fn tokenize(&self, text: &str) -> Vec<Token> {
        text.bytes().map(|byte| Token(i32::from(byte))).collect()
    }
    fn special(&self, spelling: &str) -> Option<Token> {
        let at = CONTROL.iter().position(|it| *it == spelling)?;
        Some(Token(256 + at as i32))
    }
    fn start_token(&self) -> Option<Token> {
        None
    }
    fn sequences(&self) -> usize {
        self.held.len()
    }
    fn capacity(&self) -> usize {
        8_192
    }
    fn batch_size(&self) -> usize {
        512
    }
    fn truncate(&mut self, sequence: Sequence, len: usize) -> bool {
        self.held[sequence.0].truncate(len);
        true
    }
    fn copy(&mut self, from: Sequence, to: Sequence, len: usize) {
        self.held[to.0] = self.held[from.0][..len].to_vec();
    }
    fn decode(
        &mut self,
        sequence: Sequence,
        len: usize,
        tokens: &[Token],
        rows: usize,
        cancel: &Cancel,
    ) -> Result<(), ModelError> {
        if cancel.is_cancelled() {
            return Err(ModelError::Cancelled);
        }
        let held = &mut self.held[sequence.0];
        assert_eq!(held.len(), len);
        held.extend_from_slice(tokens);
        let len = held.len();
        self.rows = (len - rows + 1..=len)
            .map(|end| row(&held[..end]))
            .collect();
        Ok(())
    }
    fn logits(&self, row: usize) -> &[f32] {
        &self.rows[row]
    }
}

/// What the model says at `at`, computed without an engine.
fn says(text: &str, at: usize) -> String {
    let snapshot = Document::new(text, 0, "rust", None).snapshot();
    let mut stop = Stop::new(Shape::Line, &snapshot, ByteOffset(at));
    let (mut left, mut said) = (text.as_bytes()[..at].to_vec(), String::new());
    for _ in 0..MAX_TOKENS {
        let byte = next(&left);
        left.push(byte);
        said.push(char::from(byte));
        if let Some((_, keep)) = stop.check(&said) {
            said.truncate(keep);
            break;
        }
    }
    said
}

/// What of `said` is shown at `at`.
fn shows(said: &str, text: &str, at: usize) -> Option<String> {
    let snapshot = Document::new(text, 0, "rust", None).snapshot();
    let format = Script::new(["x"]).summary().plan.format;
    let raw = Raw {
        text: said,
        confidence: Confidence::default(),
        shape: Shape::Line,
        format: &format,
        goes_on: false,
    };
    let settings = config::Completion {
        min_confidence: 0.0,
        ..config::Completion::default()
    };
    ask::shown(&raw, &snapshot, ByteOffset(at), false, &settings)
        .ok()
        .map(|shown| shown.text)
}

#[track_caller]
fn check(text: &str, at: usize, ghost: &str) {
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let agrees = |typed: usize| {
        let then = at - typed;
        let before = [&text[..then], &text[at..]].concat();
        let said = says(&before, then);
        let rest_of_shown = shows(&said, &before, then)
            .and_then(|shown| shown.strip_prefix(&text[then..at]).map(str::to_owned));
        let rest_of_said = said
            .strip_prefix(&text[then..at])
            .and_then(|rest| shows(rest, text, at));
        rest_of_shown.as_deref() == Some(ghost) || rest_of_said.as_deref() == Some(ghost)
    };
    assert!(
        (0..=FAR.min(at - line)).any(agrees),
        "{ghost:?} is shown behind {:?}, and {:?} is what the model says",
        &text[at.saturating_sub(60)..at],
        says(text, at)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_in_a_long_random_session_is_what_the_model_says() {
    for seed in 1..4 {
        let mut state = seed * 0x9e37_79b9_7f4a_u64;
        let mut below = move |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % n
        };
        let settings = json!({"completion": {
            "max_tokens": MAX_TOKENS, "multi_line": false, "min_confidence": 0.0,
        }});
        let lines: String = (0..30).map(|n| format!("    a{n} = bb;\n")).collect();
        let drawn = format!("{lines}|\n{lines}");
        let mut typist = Typist::with_model(Parrot::loader, settings, &drawn).await;
        let mut elsewhere = typist.opens("file:///b.rs", &lines).await;
        let mut undo: Vec<(String, String)> = Vec::new();
        let mut pending = Vec::new();
        let mut ghost: Option<String> = None;
        let (mut shown, mut from_memory) = (0, 0);
        for _ in 0..700 {
            let before = typist.mirror.text.clone();
            match below(20) {
                // With the ghost text, or one of the characters it is made of, or another.
                0..=6 => {
                    let next = ghost.as_deref().and_then(|ghost| ghost.get(..1));
                    typist.types(next.unwrap_or("a")).await;
                }
                7..=9 => {
                    let typed = ["a", "b", "c", " ", "=", ";", "z"][below(7)];
                    typist.types(typed).await;
                }
                10..=11 if typist.at > 0 => typist.deletes(1).await,
                12 => {
                    let ghost = ghost.take().unwrap_or_default();
                    typist.types(&ghost).await;
                }
                13 => typist.types("\n    ").await,
                14 => {
                    let ends: Vec<usize> = typist
                        .mirror
                        .text
                        .match_indices('\n')
                        .map(|(at, _)| at)
                        .collect();
                    typist.at = ends[below(ends.len())];
                }
                15 => typist.turns_to(&mut elsewhere),
                // What was done last is undone: one edit somewhere.
                16 => {
                    if let Some((uri, text)) = undo.pop()
                        && uri == typist.uri
                    {
                        typist.becomes(&text).await;
                    }
                }
                _ => typist.pauses().await,
            }
            if typist.mirror.text != before {
                undo.push((typist.uri.clone(), before));
            }
            ghost = None;
            if below(4) == 0 {
                let id = typist.asks().await;
                pending.push((id, typist.mirror.text.clone(), typist.at));
                if below(3) == 0 {
                    typist
                        .server
                        .notify("$/cancelRequest", json!({"id": id}))
                        .await;
                }
                continue;
            }
            let seen = typist.looks().await;
            if let Some(text) = &seen.ghost {
                check(&typist.mirror.text, typist.at, text);
                shown += 1;
                from_memory += usize::from(seen.figures["usage"].is_null());
            }
            ghost = seen.ghost;
        }
        for (id, text, at) in pending {
            if let Some(seen) = typist.saw(id).await
                && let Some(ghost) = seen.ghost
            {
                check(&text, at, &ghost);
            }
        }
        assert!(shown > 150 && from_memory > 50, "{shown}, {from_memory}");
        typist.leaves().await;
    }
}

/// What can come next while somebody types a line.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// The next character of the ghost text, or `a`.
    Along,
    /// What the model does not expect.
    Strays,
    Deletes,
    Accepts,
    /// Takes the last change back.
    Undoes,
    /// To the end of another line.
    Jumps,
    /// Asks, and changes their mind before the answer.
    Cancels,
}

const ACTS: [Act; 7] = [
    Act::Along,
    Act::Strays,
    Act::Deletes,
    Act::Accepts,
    Act::Undoes,
    Act::Jumps,
    Act::Cancels,
];
/// So many of them one after the other, in every order.
const IN_A_ROW: u32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_what_the_model_says_whatever_four_things_are_done_in_a_row() {
    let settings = json!({"completion": {
        "max_tokens": MAX_TOKENS, "multi_line": false, "min_confidence": 0.0,
    }});
    let mut shown = 0;
    for number in 0..ACTS.len().pow(IN_A_ROW) {
        let acts = (0..IN_A_ROW).map(|nth| ACTS[number / ACTS.len().pow(nth) % ACTS.len()]);
        let drawn = "    a = bb;\n    b|\n    c = dd;\n";
        let mut typist = Typist::with_model(Parrot::loader, settings.clone(), drawn).await;
        let mut undo: Vec<(String, usize)> = Vec::new();
        let mut pending = Vec::new();
        let mut ghost = typist.looks().await.ghost;
        for act in acts {
            let before = (typist.mirror.text.clone(), typist.at);
            match act {
                Act::Along => {
                    let next = ghost.as_deref().and_then(|ghost| ghost.get(..1));
                    typist.types(next.unwrap_or("a")).await;
                }
                Act::Strays => typist.types("z").await,
                Act::Deletes => typist.deletes(1).await,
                Act::Accepts => typist.types(&ghost.take().unwrap_or_default()).await,
                Act::Undoes => {
                    if let Some((text, at)) = undo.pop() {
                        typist.becomes(&text).await;
                        typist.at = at;
                    }
                }
                Act::Jumps => {
                    let ends = typist.mirror.text.match_indices('\n');
                    let ends = Vec::from_iter(ends.map(|(at, _)| at).filter(|at| *at != typist.at));
                    typist.at = ends[ends.len() / 2];
                }
                Act::Cancels => {
                    let id = typist.asks().await;
                    let cancelled = json!({"id": id});
                    typist.server.notify("$/cancelRequest", cancelled).await;
                    pending.push((id, typist.mirror.text.clone(), typist.at));
                    continue;
                }
            }
            if typist.mirror.text != before.0 && !matches!(act, Act::Undoes) {
                undo.push(before);
            }
            ghost = typist.looks().await.ghost;
            if let Some(ghost) = &ghost {
                check(&typist.mirror.text, typist.at, ghost);
                shown += 1;
            }
        }
        for (id, text, at) in pending {
            let seen = typist.saw(id).await;
            if let Some(ghost) = seen.and_then(|seen| seen.ghost) {
                check(&text, at, &ghost);
            }
        }
        typist.leaves().await;
    }
    assert!(shown > 2_000, "{shown}");
}
