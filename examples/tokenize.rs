//! The ids that llama.cpp makes of files, a line for each: `tokenize FILE…`. With the built-in model's vocabulary;
//! `make -C models check-tokenizer` compares them with those the model is trained on.

use std::{
    env, fs,
    io::{self, Write},
};

use anyhow::Context;
use ghostline::{
    engine::llama::{self, Options},
    models,
};

fn main() -> anyhow::Result<()> {
    let options = Options {
        threads: Some(1),
        gpu_layers: Some(0),
        ..Options::default()
    };
    let (model, _) = llama::load(&models::builtin()?, &options, &mut |_| true)?;
    let mut out = io::stdout().lock();
    for path in env::args_os().skip(1) {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("while reading `{}` to tokenise it", path.display()))?;
        let ids: Vec<String> = model
            .tokenize(&text)
            .iter()
            .map(|token| token.0.to_string())
            .collect();
        writeln!(out, "{}", ids.join(" "))?;
    }
    Ok(())
}
