//! Greedy ghost text with everything that saves work (kept cache, kept rows of logits, typed or accepted ghost
//! text, several documents in one cache, work done ahead, drafts) equals greedy ghost text of an engine that
//! starts afresh every time, with the real model, character by character.

use std::sync::mpsc;

use ghostline::{
    document::{Document, Snapshot},
    engine::{
        Cancel, Completion, DocumentId, Engine, Job, Outcome, Priority, Speculation, Status,
        Summary,
        llama::{self, Options},
    },
    models,
    prompt::{
        Prompt,
        anchor::{self, Anchor},
    },
    suggest::{Shape, stop::Stop, trigger},
    text::ByteOffset,
};

const RUST: &str = include_str!("../src/text.rs");
const PYTHON: &str = include_str!("../benches/corpus/scheduler.py");
const MAX_TOKENS: usize = 16;

fn engine() -> (Engine, Summary) {
    let options = Options {
        // The other engine and other tests need cores, too; results do not depend on it (`real_model.rs`).
        threads: Some(1),
        gpu_layers: Some(0),
        ..Options::default()
    };
    let (sender, ready) = mpsc::channel();
    let engine = Engine::start(
        llama::loader(models::builtin().unwrap(), options),
        Box::new(move |status| match status {
            Status::Ready(summary) => sender.send(summary.as_ref().clone()).unwrap(),
            Status::Failed(sentence) => panic!("{sentence}"),
            Status::Loading(_) => {}
        }),
    );
    (engine, ready.recv().unwrap())
}

fn complete(engine: &Engine, job: Job) -> Completion {
    let (sender, answer) = mpsc::channel();
    let reply = Box::new(move |outcome| sender.send(outcome).unwrap());
    engine.submit(Job { reply, ..job });
    match answer.recv().unwrap() {
        Outcome::Done(completion) => completion,
        other => panic!("{other:?}"),
    }
}

/// Two engines, one of which reuses; and what they were asked.
struct Pair {
    reusing: Engine,
    fresh: Engine,
    summary: Summary,
    positions: usize,
    evaluated: usize,
    evaluated_afresh: usize,
    drafted: usize,
    accepted: usize,
}

impl Pair {
    fn new() -> Pair {
        let (reusing, summary) = engine();
        reusing.speculate(Speculation::Always);
        let (fresh, _) = engine();
        Pair {
            reusing,
            fresh,
            summary,
            positions: 0,
            evaluated: 0,
            evaluated_afresh: 0,
            drafted: 0,
            accepted: 0,
        }
    }

    #[track_caller]
    fn check(
        &mut self,
        document: u64,
        snapshot: &Snapshot,
        cursor: ByteOffset,
        prompt: Prompt,
    ) -> Completion {
        let shape = trigger::decide(snapshot, cursor, true).unwrap_or(Shape::Line);
        let job = |reuses| Job {
            document: DocumentId(document),
            priority: Priority::Now,
            prompt: prompt.clone(),
            max_tokens: MAX_TOKENS,
            stop: Stop::new(shape, snapshot, cursor),
            heals: true,
            reuses,
            branches: 0,
            cancel: Cancel::default(),
            progress: None,
            reply: Box::new(|_| {}),
        };
        let reused = complete(&self.reusing, job(true));
        // Ahead, as if it had been accepted and as if something else were typed; what follows must not
        // notice.
        for more in [&reused.text, "x", " "] {
            let mut ahead = job(true);
            ahead.priority = Priority::Idle(0);
            ahead.prompt.tail += more;
            complete(&self.reusing, ahead);
        }
        let fresh = complete(&self.fresh, job(false));
        assert_eq!(fresh.usage.reused_tokens, 0);
        assert_eq!(
            (&reused.text, reused.stop, &reused.tokens),
            (&fresh.text, fresh.stop, &fresh.tokens),
            "position {} after {:?}",
            self.positions,
            prompt.tail
        );
        self.positions += 1;
        self.evaluated += reused.usage.evaluated_tokens;
        self.evaluated_afresh += fresh.usage.evaluated_tokens;
        self.drafted += reused.usage.drafted_tokens;
        self.accepted += reused.usage.accepted_tokens;
        reused
    }
}

/// A person who types into the middle of a file.
struct Typist {
    id: u64,
    document: Document,
    cursor: ByteOffset,
    anchor: Option<Anchor>,
}

impl Typist {
    /// The file without what stands between `start` and `end`, which are about to be typed.
    fn new(id: u64, source: &str, language: &str, start: &str, end: &str) -> (Typist, String) {
        let start = source.find(start).unwrap();
        let end = start + source[start..].find(end).unwrap();
        let text = [&source[..start], &source[end..]].concat();
        let document = Document::new(&text, 1, language, None);
        let typist = Typist {
            id,
            document,
            cursor: ByteOffset(start),
            anchor: None,
        };
        (typist, source[start..end].to_owned())
    }

    fn check(&mut self, pair: &mut Pair) -> Completion {
        let snapshot = self.document.snapshot();
        let (anchor, prompt) = anchor::follow(
            self.anchor.as_ref(),
            &snapshot,
            self.cursor,
            &pair.summary.plan,
            &[],
        );
        self.anchor = Some(anchor);
        pair.check(self.id, &snapshot, self.cursor, prompt)
    }

    fn insert(&mut self, text: &str) {
        self.document.edit(self.cursor..self.cursor, text);
        self.cursor.0 += text.len();
    }

    fn delete(&mut self, n_bytes: usize) {
        let start = self
            .document
            .text()
            .floor(ByteOffset(self.cursor.0 - n_bytes));
        self.document.edit(start..self.cursor, "");
        self.cursor = start;
    }

    /// Types `text`; now and then mistypes and corrects it, or accepts ghost text and takes it back.
    fn types(&mut self, pair: &mut Pair, text: &str, most: usize) {
        for (index, character) in text.chars().take(most).enumerate() {
            self.insert(character.encode_utf8(&mut [0; 4]));
            let ghost = self.check(pair).text;
            if index % 17 == 11 {
                self.insert("qz");
                self.check(pair);
                self.delete(2);
                self.check(pair);
            }
            if index % 13 == 7 && !ghost.is_empty() {
                self.insert(&ghost);
                self.check(pair);
                self.delete(ghost.len());
                self.check(pair);
            }
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn ghost_text_with_reuse_equals_ghost_text_computed_afresh_at_every_keystroke() {
    let mut pair = Pair::new();
    let (mut rust, function) =
        Typist::new(1, RUST, "rust", "    pub fn line_of", "    pub fn slice");
    let (mut python, method) = Typist::new(2, PYTHON, "python", "    def ", "\n    def ");
    // Turn by turn: each document's cells come to lie between the other's.
    let (mut function, mut method) = (function.as_str(), method.as_str());
    while pair.positions < 260 {
        rust.types(&mut pair, function, 30);
        python.types(&mut pair, method, 30);
        function = function.get(30..).unwrap_or_default();
        method = method.get(30..).unwrap_or_default();
        assert!(
            !(function.is_empty() && method.is_empty()),
            "the texts end after {} positions",
            pair.positions
        );
    }
    // A jump away and back.
    let there = rust.cursor;
    rust.cursor = ByteOffset(RUST.find("impl Text").unwrap());
    rust.check(&mut pair);
    rust.cursor = there;
    rust.check(&mut pair);

    assert!(
        pair.evaluated * 10 < pair.evaluated_afresh,
        "{} of {} were evaluated",
        pair.evaluated,
        pair.evaluated_afresh
    );
    assert!(pair.accepted > 0, "{} were drafted", pair.drafted);
    println!(
        "{} positions, {} tokens evaluated instead of {}, {} of {} drafted ones accepted",
        pair.positions, pair.evaluated, pair.evaluated_afresh, pair.accepted, pair.drafted
    );
}
