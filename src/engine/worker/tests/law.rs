//! The law that everything that saves work changes no answer: over whole editing sessions, with
//! cancelled jobs in between, the worker says what a model without any memory says.

use proptest::prelude::*;

use super::*;
use crate::engine::model::Sequence;

/// What the model says, worked out plainly: everything is evaluated at once by a model of its own, and
/// at each step all tokens are tried. Healing as the brief says it: the best continuation whose text
/// begins with what was typed.
fn plainly(script: &Script, head: &Head, tail: &str, max_tokens: usize) -> String {
    let mut model = script.model();
    let boundary = heal::boundary(tail);
    let mut path = Vec::new();
    for segment in &head.segments {
        match segment {
            Segment::Special(spelling) => path.extend(model.special(spelling)),
            Segment::Text(text) | Segment::Suffix(text) => path.extend(model.tokenize(text)),
        }
    }
    path.extend(model.tokenize(&tail[..boundary]));
    let mut rest = tail.as_bytes()[boundary..].to_vec();
    let (mut said, mut left) = (Vec::new(), max_tokens);
    while left > 0 && !said.contains(&b'\n') {
        model.truncate(Sequence(0), 0);
        for (at, token) in path.iter().enumerate() {
            model
                .decode(Sequence(0), at, &[*token], 1, &Cancel::default())
                .unwrap();
        }
        let row = model.logits(0);
        let agrees = |token: &Token| {
            let piece = model.piece(*token);
            rest.is_empty()
                || (!piece.is_empty() && (piece.starts_with(&rest) || rest.starts_with(piece)))
        };
        let tokens = (0..row.len() as i32).map(Token).filter(agrees);
        let best = tokens
            .max_by(|a, b| {
                row[a.0 as usize]
                    .total_cmp(&row[b.0 as usize])
                    .then(b.cmp(a))
            })
            .unwrap();
        if model.is_end(best) {
            break;
        }
        let piece = model.piece(best);
        let healed = piece.len().min(rest.len());
        left -= usize::from(healed == 0 || piece.len() > healed);
        said.extend_from_slice(&piece[healed..]);
        rest.drain(..healed);
        path.push(best);
    }
    let text = said.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    text.split('\n').next().unwrap_or_default().to_owned()
}

/// What a person does.
#[derive(Clone, Debug)]
enum Step {
    Type(String),
    Delete(usize),
    Accept,
    Jump(usize),
    Switch(usize),
    Undo,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => "[a-z(:= \n\t]|let |answer|é|語|\\n    |0\\.\\.".prop_map(Step::Type),
        1 => (1..12_usize).prop_map(Step::Delete),
        2 => Just(Step::Accept),
        1 => (0..STORY.chars().count()).prop_map(Step::Jump),
        1 => (0..3_usize).prop_map(Step::Switch),
        1 => Just(Step::Undo),
    ]
}

/// Work done ahead: as if the ghost text were accepted, or as if something else were typed; and
/// whether it is interrupted.
type Ahead = Vec<(Option<String>, Option<usize>)>;

fn ahead() -> impl Strategy<Value = Ahead> {
    let more = prop::option::of("[a-z(: \n]|let");
    prop::collection::vec((more, prop::option::weighted(0.3, 0..4_usize)), 0..3)
}

/// A model's oddities.
fn oddities() -> impl Strategy<Value = Script> {
    let sizes = (
        1..4_usize,
        prop_oneof![Just(96_usize), Just(160), Just(16_384)],
        prop_oneof![Just(3_usize), Just(512)],
        any::<bool>(),
        any::<bool>(),
    );
    sizes.prop_map(
        |(sequences, capacity, batch_size, keeps_parts, joins_words)| {
            let script = Script::new([STORY, "let other = 語 + é;\n    for x in value"])
                .sequences(sequences)
                .capacity(capacity)
                .batch_size(batch_size);
            let script = if joins_words {
                script.joins_words()
            } else {
                script
            };
            if keeps_parts {
                script
            } else {
                script.without_truncation()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Over a whole editing session, with cancelled jobs in between, every answer is what a model
    /// without any memory says.
    #[test]
    fn reuse_changes_no_answer(
        script in oddities(),
        speculates in any::<bool>(),
        session in prop::collection::vec((step(), prop::option::weighted(0.3, 0..6_usize), ahead()), 1..24),
    ) {
        const MAX_TOKENS: usize = 5;
        let due: Arc<Mutex<Option<(usize, Cancel)>>> = Arc::default();
        let hand = due.clone();
        let reference = script.clone();
        let mut bench = Bench::new(script.on_decode(move |_| {
            if let Some((steps, cancel)) = hand.lock().unwrap().as_mut() {
                if *steps == 0 { cancel.cancel() } else { *steps -= 1 }
            }
            Act::Go
        }));
        if speculates {
            bench.worker.speculate(Speculation::Always);
        }
        let heads = [head("// a\n", "}\n"), head("// b\nlet", ""), head("", "// c\n")];
        let mut tails = [String::new(), String::new(), String::new()];
        let (mut at, mut ghost, mut undo) = (0, String::new(), String::new());
        for (step, cancel_after, ahead) in session {
            let before = tails[at].clone();
            match step {
                Step::Type(text) => tails[at] += &text,
                Step::Delete(count) => (0..count).for_each(|_| _ = tails[at].pop()),
                Step::Accept => tails[at] += &ghost,
                Step::Jump(to) => tails[at] = STORY.chars().take(to.min(30)).collect(),
                Step::Switch(to) => at = to,
                Step::Undo => tails[at] = undo,
            }
            undo = before;
            if tails[at].len() > 60 {
                tails[at].clear();
            }
            if let Some(steps) = cancel_after {
                let task = Task { max_tokens: MAX_TOKENS, ..task(DocumentId(at as u64), &heads[at], &tails[at]) };
                *due.lock().unwrap() = Some((steps, task.cancel.clone()));
                bench.try_task(task);
                *due.lock().unwrap() = None;
            }
            let completion = bench.task(Task { max_tokens: MAX_TOKENS, ..task(DocumentId(at as u64), &heads[at], &tails[at]) });
            prop_assert_eq!(&completion.text, &plainly(&reference, &heads[at], &tails[at], MAX_TOKENS));
            ghost = completion.text;
            for (more, steps) in ahead {
                let tail = [&tails[at], more.as_deref().unwrap_or(&ghost)].concat();
                let task = Task {
                    priority: Priority::Idle(0),
                    max_tokens: MAX_TOKENS,
                    ..task(DocumentId(at as u64), &heads[at], &tail)
                };
                *due.lock().unwrap() = steps.map(|steps| (steps, task.cancel.clone()));
                if let Outcome::Done(completion) = bench.try_task(task) {
                    prop_assert_eq!(&completion.text, &plainly(&reference, &heads[at], &tail, MAX_TOKENS));
                }
                bench.worker.tidy_up();
                *due.lock().unwrap() = None;
            }
        }
    }
}
