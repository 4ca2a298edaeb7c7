//! The healing boundary against a real tokeniser: what stands before it keeps its tokens while a
//! person types on, so that it never has to be evaluated twice.

use ghostline::{
    engine::{
        heal,
        llama::{self, Options},
        model::{Model, Token},
    },
    models,
};

const RUST: &str = include_str!("../src/engine/worker.rs");
const PYTHON: &str = include_str!("../benches/corpus/scheduler.py");
const OTHER: &str = "fn größe<'a>(x: &'a str) -> Vec<u32> {\r\n\tlet mut y = 0x1F..=12;\t// 日本語 — naïve…\r\n\n\n   if !x.is_empty()&&y!=1 { y<<=2; }\r\n}\n";
/// About as long as a tail gets.
const TAIL: usize = 400;

fn model() -> Box<dyn Model> {
    let options = Options {
        threads: Some(1),
        gpu_layers: Some(0),
        ..Options::default()
    };
    llama::load(&models::builtin().unwrap(), &options, &mut |_| true)
        .unwrap()
        .0
}

#[test]
fn tokens_before_the_boundary_stay_while_more_is_typed() {
    let model = model();
    for text in [RUST, PYTHON, OTHER] {
        let mut anchor = 0;
        let mut before: Vec<Token> = Vec::new();
        for (cursor, _) in text.char_indices() {
            let typed = &text[..cursor];
            if cursor - anchor > TAIL && typed.ends_with('\n') {
                anchor = cursor;
                before.clear();
            }
            let tail = &text[anchor..cursor];
            let now = model.tokenize(&tail[..heal::boundary(tail)]);
            let shared = before.iter().zip(&now).take_while(|(a, b)| a == b).count();
            // Two line breaks are one token: the second one changes the first. Nothing else does.
            let allowed = usize::from(typed.ends_with("\n\n"));
            assert!(
                before.len() - shared <= allowed,
                "at {cursor} after {tail:?}"
            );
            before = now;
        }
    }
}
