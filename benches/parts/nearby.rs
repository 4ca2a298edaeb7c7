//! What the live cache costs: once for each head of a prompt, and at each token.

use std::{hint::black_box, time::Duration};

use criterion::Criterion;
use ghostline::{
    document::Document,
    engine::{
        mix::{Known, Mixer},
        model::{Model, Token},
        sample,
    },
    nearby::Nearby,
    text::ByteOffset,
};

use super::{CURSOR, SOURCE, part};

const N_TOKENS: usize = 16;

/// `model` has one token per byte, so that each token is a step of its own.
pub fn bench(criterion: &mut Criterion, model: &dyn Model, to_look: Duration, to_mix: Duration) {
    // As much as is looked at of the file itself, and of eight others.
    let text = SOURCE.repeat(400 * 1024 / SOURCE.len());
    let middle = text[..text.len() / 2]
        .rfind(CURSOR)
        .expect("the corpus has the line")
        + CURSOR.len();
    let snapshot = Document::new(&text, 0, "rust", None).snapshot();
    let others = vec![snapshot.clone(); 8];
    let line = snapshot
        .text
        .line_start(snapshot.text.line_of(ByteOffset(middle)));
    let look = || Nearby::of(&snapshot, line, ByteOffset(middle), &others);
    part(criterion, "open files, looked at", to_look, || {
        let nearby = look();
        nearby.prepare();
        black_box(nearby);
    });

    let nearby = look();
    nearby.prepare();
    let tail = &text[line.0..middle];
    let row: Vec<f32> = (0..8192).map(|idx| (idx as f32 * 0.618).fract()).collect();
    let own = sample::best(&row).expect("there are numbers");
    let name = format!("open files beside the model, {N_TOKENS} tokens");
    part(criterion, &name, to_mix, || {
        let mut mixer = Mixer::new(nearby.clone(), tail, tail.len(), Known::default(), true);
        for byte in text[middle..].bytes().take(N_TOKENS) {
            black_box(mixer.choose(model, &row, &[], own));
            mixer.step(model.piece(Token(i32::from(byte))));
        }
    });
}
