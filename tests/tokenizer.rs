//! llama.cpp makes the same ids of a text as the tokenizer that the model is trained with. The recipe writes the
//! expected ones (`models/recipe/tokenizer.py`); it compares a megabyte of code, too, which is not in the repository.

use ghostline::{
    engine::llama::{self, Options},
    models,
};

const TEXT: &str = include_str!("../models/tests/tokenizer.txt");
const IDS: &str = include_str!("../models/tests/tokenizer.ids");

#[test]
fn the_built_in_model_makes_the_ids_it_was_trained_with() {
    let options = Options {
        threads: Some(1),
        gpu_layers: Some(0),
        ..Options::default()
    };
    let (model, _) = llama::load(&models::builtin().unwrap(), &options, &mut |_| true).unwrap();
    let expected: Vec<i32> = IDS
        .split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect();
    let found: Vec<i32> = model.tokenize(TEXT).iter().map(|token| token.0).collect();
    assert!(expected.len() > 1000, "the fixture is there");
    let same = found
        .iter()
        .zip(&expected)
        .take_while(|(a, b)| a == b)
        .count();
    assert!(
        found == expected,
        "{} and {} tokens, different from number {same} on",
        found.len(),
        expected.len()
    );
}
