//! Benches of the parts of a keystroke, without a model, each beside its budget. The whole is measured by
//! `ghostline bench`.

mod budgets;
mod changes;
mod nearby;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::Criterion;
use ghostline::{
    document::{Document, Snapshot},
    engine::{
        Cancel,
        draft::{
            MAX_DRAFT,
            automaton::{Automaton, Match},
        },
        heal::SortedVocabulary,
        model::{Model, ModelError, Sequence, Token},
    },
    prompt::{
        anchor::{self, Plan},
        format::{self, ModelFacts},
        window::Windows,
    },
    suggest::{
        Shape,
        gate::Confidence,
        history::{History, Limits, Said, Source},
        stop::{Stop, StopReason},
        trim,
    },
    text::ByteOffset,
};

const SOURCE: &str = include_str!("../corpus/ledger.rs");
const CURSOR: &str = "        self.transactions.push(";
const COMPLETION: &str = "transaction);\n        self.accounts.len();\n";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    edits(&mut criterion);
    prompts(&mut criterion);
    mask(&mut criterion);
    rules(&mut criterion);
    recall(&mut criterion);
    drafts(&mut criterion);
    let bytes = Pieces::of_bytes();
    nearby::bench(&mut criterion, &bytes, budgets::LOOK, budgets::MIX);
    changes::bench(&megabyte(), budgets::CHANGE);
    criterion.final_summary();
}

/// Benches `work` and says whether its median keeps to the budget.
fn part(criterion: &mut Criterion, name: &str, budget: Duration, mut work: impl FnMut()) {
    criterion.bench_function(name, |bencher| bencher.iter(&mut work));
    let mut times: Vec<Duration> = (0..101)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    times.sort();
    let verdict = if times[50] <= budget {
        "within"
    } else {
        "OVER"
    };
    println!(
        "{name}: {:?}, {verdict} its budget of {budget:?}\n",
        times[50]
    );
}

fn megabyte() -> String {
    SOURCE.repeat((1 << 20) / SOURCE.len() + 1)
}

fn edits(criterion: &mut Criterion) {
    let text = megabyte();
    let middle = text[..text.len() / 2]
        .rfind(CURSOR)
        .expect("the corpus has the line")
        + CURSOR.len();
    let mut document = Document::new(&text, 0, "rust", None);
    document.snapshot();
    let mut is_there = false;
    let mut toggle = |document: &mut Document| {
        let (end, with) = if is_there {
            (middle + 1, "")
        } else {
            (middle, "x")
        };
        document.edit(ByteOffset(middle)..ByteOffset(end), with);
        is_there = !is_there;
    };
    part(criterion, "edit in 1 MB", budgets::EDIT, || {
        toggle(&mut document)
    });
    part(
        criterion,
        "edit and parse in 1 MB",
        budgets::EDIT + budgets::REPARSE,
        || {
            toggle(&mut document);
            black_box(document.snapshot());
        },
    );
}

/// A snapshot of the corpus and the place in it where a completion would stand.
fn place() -> (Snapshot, ByteOffset) {
    let cursor = SOURCE.find(CURSOR).expect("the corpus has the line") + CURSOR.len();
    (
        Document::new(SOURCE, 0, "rust", None).snapshot(),
        ByteOffset(cursor),
    )
}

fn prompts(criterion: &mut Criterion) {
    let (snapshot, cursor) = place();
    let facts = ModelFacts {
        control_tokens: ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
            .map(String::from)
            .into(),
        ..ModelFacts::default()
    };
    let format =
        format::recognise(&facts, Some("qwen-coder")).expect("a known format with all its tokens");
    let plan = Plan {
        windows: Windows::new(&format, 32_768),
        format,
    };
    let (previous, _) = anchor::follow(None, &snapshot, cursor, &plan, &[]);
    part(criterion, "prompt, anchor stays", budgets::PROMPT, || {
        black_box(anchor::follow(
            Some(&previous),
            &snapshot,
            cursor,
            &plan,
            &[],
        ));
    });
    part(criterion, "prompt, new anchor", budgets::NEW_ANCHOR, || {
        black_box(anchor::follow(None, &snapshot, cursor, &plan, &[]));
    });
}

fn mask(criterion: &mut Criterion) {
    let model = Pieces::new(151_936);
    let mut vocabulary = SortedVocabulary::new(&model);
    let row: Vec<f32> = (0..model.0.len())
        .map(|idx| (idx as f32 * 0.618).fract())
        .collect();
    // A blank allows most; tabs, runs of blanks and parts of characters are tokens of their own.
    for rest in [
        "t", "trans", " self.tr", " ", "        ", "\t\t", "größ", "日本",
    ] {
        part(
            criterion,
            &format!("mask for {rest:?}, 152,000 tokens"),
            budgets::MASK,
            || {
                black_box(vocabulary.choose(&model, &row, rest.as_bytes()));
            },
        );
    }
}

fn rules(criterion: &mut Criterion) {
    let (snapshot, cursor) = place();
    part(criterion, "stop rules", budgets::STOP, || {
        let mut stop = Stop::new(Shape::Block, &snapshot, cursor);
        for end in (3..=COMPLETION.len()).step_by(3) {
            black_box(stop.check(&COMPLETION[..end]));
        }
    });
    part(criterion, "trim", budgets::TRIM, || {
        black_box(trim::trim(COMPLETION, &snapshot, cursor, Shape::Block));
    });
}

/// As many completions as are remembered, each at a place of its own in the corpus.
fn recall(criterion: &mut Criterion) {
    let snapshot = Document::new(SOURCE, 0, "rust", None).snapshot();
    let mut history = History::new(Limits::default());
    let n_entries = Limits::default().entries;
    let places: Vec<usize> = (1..=n_entries)
        .map(|idx| SOURCE.len() * idx / (n_entries + 2))
        .collect();
    for place in &places {
        let text = SOURCE.get(*place..*place + 40).unwrap_or("rest");
        let said = Said {
            text: text.to_owned(),
            shape: Shape::Block,
            stop: StopReason::EndOfBlock,
            confidence: Confidence {
                first: -0.1,
                mean: -0.1,
                least: -0.1,
                tokens: 2,
            },
            tokens: Vec::new(),
            source: Source::Asked,
        };
        history.remember(&snapshot, ByteOffset(*place), said);
    }
    let mut next = places.iter().cycle();
    part(criterion, "recall, 250 entries", budgets::RECALL, || {
        let place = ByteOffset(*next.next().expect("there is always a next place"));
        black_box(history.recall(&snapshot, place, Shape::Block));
    });
    part(criterion, "recall in vain", budgets::RECALL, || {
        black_box(history.recall(&snapshot, ByteOffset(SOURCE.len()), Shape::Block));
    });
}

/// The corpus, one token per byte, so that there are many matches and long ones.
fn drafts(criterion: &mut Criterion) {
    let tokens: Vec<Token> = SOURCE.bytes().map(|byte| Token(byte.into())).collect();
    let mut automaton = Automaton::new(tokens.len());
    automaton.learn(&tokens);
    let written = &tokens[tokens.len() / 2..][..16];
    part(
        criterion,
        "16 steps, each with a draft",
        budgets::DRAFT,
        || {
            let mut at = Match::default();
            for token in written {
                at.step(&automaton, *token);
                black_box(at.draft(&automaton, MAX_DRAFT));
            }
        },
    );
}

/// A vocabulary and nothing else: words in the mixture of lengths that code has.
struct Pieces(Vec<Vec<u8>>);

impl Pieces {
    fn new(n_tokens: usize) -> Pieces {
        const PARTS: [&[u8]; 24] = [
            b"a",
            b"e",
            b"t",
            b"tr",
            b"an",
            b"s",
            b"self",
            b".",
            b" ",
            b"in",
            b"_",
            b"re",
            b"ing",
            b"o",
            b"x",
            b"ion",
            b"    ",
            b"\t",
            b"gr",
            "ö".as_bytes(),
            "ß".as_bytes(),
            "日本".as_bytes(),
            &[0xE6],
            &[0x97, 0xA5],
        ];
        let piece = |idx: usize| {
            let mut left = idx + 1;
            let mut piece = Vec::new();
            while left > 0 {
                piece.extend_from_slice(PARTS[left % PARTS.len()]);
                left /= PARTS.len();
            }
            piece
        };
        Pieces((0..n_tokens).map(piece).collect())
    }

    fn of_bytes() -> Pieces {
        Pieces((0..=u8::MAX).map(|byte| vec![byte]).collect())
    }
}

impl Model for Pieces {
    fn vocabulary_size(&self) -> usize {
        self.0.len()
    }

    fn piece(&self, token: Token) -> &[u8] {
        usize::try_from(token.0)
            .ok()
            .and_then(|idx| self.0.get(idx))
            .map_or(&[], Vec::as_slice)
    }

    fn is_end(&self, _: Token) -> bool {
        false
    }

    /// Of bytes.
    fn tokenize(&self, text: &str) -> Vec<Token> {
        text.bytes().map(|byte| Token(byte.into())).collect()
    }

    fn special(&self, _: &str) -> Option<Token> {
        None
    }

    fn start_token(&self) -> Option<Token> {
        None
    }

    fn sequences(&self) -> usize {
        0
    }

    fn capacity(&self) -> usize {
        0
    }

    fn batch_size(&self) -> usize {
        0
    }

    fn truncate(&mut self, _: Sequence, _: usize) -> bool {
        false
    }

    fn copy(&mut self, _: Sequence, _: Sequence, _: usize) {}

    fn decode(
        &mut self,
        _: Sequence,
        _: usize,
        _: &[Token],
        _: usize,
        _: &Cancel,
    ) -> Result<(), ModelError> {
        Err(ModelError::Failed(
            "a vocabulary alone decodes nothing".to_owned(),
        ))
    }

    fn logits(&self, _: usize) -> &[f32] {
        &[]
    }
}
