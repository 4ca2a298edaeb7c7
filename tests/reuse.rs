//! Greedy ghost text with everything that saves work (kept cache, kept rows of logits, typed or accepted ghost
//! text, several documents in one cache, work done ahead, drafts) equals greedy ghost text of an engine that
//! starts afresh every time, with the real model: while two files are typed into, and in a long random session.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use ghostline::{
    document::{Document, Snapshot},
    engine::{
        Cancel, Completion, DocumentId, Engine, Job, Outcome, Priority, Progress, Speculation,
        Status, Summary,
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
    fn check(&mut self, place: &Place) -> Completion {
        let job = |reuses| place.job(reuses, Priority::Now);
        let reused = complete(&self.reusing, job(true));
        let fresh = complete(&self.fresh, job(false));
        assert_eq!(fresh.usage.reused_tokens, 0);
        assert_eq!(
            (&reused.text, reused.stop, &reused.tokens),
            (&fresh.text, fresh.stop, &fresh.tokens),
            "position {} after {:?}",
            self.positions,
            place.prompt.tail
        );
        self.positions += 1;
        self.evaluated += reused.usage.evaluated_tokens;
        self.evaluated_afresh += fresh.usage.evaluated_tokens;
        self.drafted += reused.usage.drafted_tokens;
        self.accepted += reused.usage.accepted_tokens;
        reused
    }

    fn print(&self) {
        println!(
            "{} positions, {} tokens evaluated instead of {}, {} of {} drafted ones accepted",
            self.positions, self.evaluated, self.evaluated_afresh, self.accepted, self.drafted
        );
    }

    /// Works ahead as if `more` had been typed; what follows must not notice.
    fn ahead(&self, place: &Place, more: &str, max_tokens: usize) {
        let mut ahead = place.job(true, Priority::Idle(0));
        ahead.prompt.tail += more;
        ahead.max_tokens = max_tokens;
        complete(&self.reusing, ahead);
    }

    /// Begins a job and cancels it when it has written so many bytes, if it gets there; 0 is at once.
    fn cancelled(&self, place: &Place, more: &str, n_bytes: usize, priority: Priority) {
        let progress = Arc::new(Progress::default());
        let (sender, ended) = mpsc::channel();
        let mut job = place.job(true, priority);
        job.prompt.tail += more;
        job.progress = Some(progress.clone());
        job.reply = Box::new(move |_| sender.send(()).unwrap());
        let cancel = job.cancel.clone();
        self.reusing.submit(job);
        while progress.text().len() < n_bytes && !progress.is_done() {
            thread::yield_now();
        }
        cancel.cancel();
        ended.recv().unwrap();
    }
}

/// Where something is asked.
struct Place {
    document: u64,
    snapshot: Snapshot,
    cursor: ByteOffset,
    prompt: Prompt,
}

impl Place {
    fn job(&self, reuses: bool, priority: Priority) -> Job {
        let shape = trigger::decide(&self.snapshot, self.cursor, true).unwrap_or(Shape::Line);
        Job {
            document: DocumentId(self.document),
            priority,
            prompt: self.prompt.clone(),
            max_tokens: MAX_TOKENS,
            stop: Stop::new(shape, &self.snapshot, self.cursor),
            heals: true,
            reuses,
            mixes: true,
            branches: 0,
            replaces: false,
            cancel: Cancel::default(),
            progress: None,
            reply: Box::new(|_| {}),
        }
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

    fn place(&mut self, pair: &Pair) -> Place {
        let snapshot = self.document.snapshot();
        self.cursor = snapshot.text.floor(self.cursor);
        let (anchor, prompt) = anchor::follow(
            self.anchor.as_ref(),
            &snapshot,
            self.cursor,
            &pair.summary.plan,
            &[],
        );
        self.anchor = Some(anchor);
        Place {
            document: self.id,
            snapshot,
            cursor: self.cursor,
            prompt,
        }
    }

    #[track_caller]
    fn check(&mut self, pair: &mut Pair) -> Completion {
        let place = self.place(pair);
        let completion = pair.check(&place);
        // As if it had been accepted and as if something else were typed.
        for more in [&completion.text, "x", " "] {
            pair.ahead(&place, more, MAX_TOKENS);
        }
        completion
    }

    fn insert(&mut self, text: &str) {
        self.document.edit(self.cursor..self.cursor, text);
        self.cursor.0 += text.len();
    }

    fn delete(&mut self, n_bytes: usize) {
        let start = self
            .document
            .text()
            .floor(ByteOffset(self.cursor.0.saturating_sub(n_bytes)));
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
    while pair.positions < 120 {
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
    pair.print();
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % n
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn ghost_text_in_a_long_random_session_equals_ghost_text_computed_afresh() {
    let mut pair = Pair::new();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (front, _) = Typist::new(1, RUST, "rust", "    pub fn line_of", "    pub fn slice");
    let (behind, _) = Typist::new(2, PYTHON, "python", "    def ", "\n    def ");
    let (mut front, mut behind) = (front, behind);
    let mut ghost = String::new();
    // Texts to come back to, with the cursor in each.
    let mut undo: Vec<(u64, String, ByteOffset)> = Vec::new();
    while pair.positions < 500 {
        let before = front.document.text().to_string();
        let at = front.cursor;
        match dice.below(16) {
            // Along with the ghost text, or not.
            0..=3 => {
                let next = ghost.chars().next().unwrap_or('x');
                front.insert(next.encode_utf8(&mut [0; 4]));
            }
            4..=6 => {
                let typed = ["s", "e", "(", " ", ".", "_", ";", "é", "\t"][dice.below(9)];
                front.insert(typed);
            }
            7 => front.insert("\n        "),
            8 => front.insert(&ghost),
            9..=10 => front.delete(1 + dice.below(12)),
            11 => {
                let ends: Vec<usize> = before.match_indices('\n').map(|(at, _)| at).collect();
                front.cursor = ByteOffset(ends[dice.below(ends.len())]);
            }
            12..=13 => std::mem::swap(&mut front, &mut behind),
            _ => {
                if let Some((_, text, cursor)) = undo.pop_if(|(id, ..)| *id == front.id) {
                    front.document.replace_all(&text);
                    front.cursor = cursor;
                }
            }
        }
        if front.document.text().to_string() != before {
            undo.push((front.id, before, at));
        }
        // What does not matter: work ahead, prompts evaluated for later, and jobs given up in any step.
        let place = front.place(&pair);
        match dice.below(5) {
            0 => pair.ahead(&place, ["x", " = ", "\n    "][dice.below(3)], MAX_TOKENS),
            1 => pair.ahead(&place, "", 0),
            2 => {
                let priority = [Priority::Now, Priority::Idle(1)][dice.below(2)];
                let more = ["", "self", " "][dice.below(3)];
                pair.cancelled(&place, more, dice.below(12), priority);
            }
            _ => {}
        }
        ghost = pair.check(&place).text;
    }
    assert!(pair.evaluated * 3 < pair.evaluated_afresh);
    pair.print();
}
