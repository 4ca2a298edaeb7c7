//! Models of all kinds, through llama.cpp itself: in parts, with adapters, with smaller caches, without
//! fill-in-the-middle, without a cache that can be cut.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    time::Duration,
};

use ghostline::{
    config::KvType,
    document::Document,
    engine::{
        Cancel, DocumentId, Engine, Job, Outcome, Priority, RollBack, Status, Summary,
        llama::{self, Options},
        model::{Model, Sequence, Token},
    },
    prompt::{Head, Prompt, Segment, format::Order},
    suggest::{Shape, stop::Stop},
    text::ByteOffset,
};

use crate::gguf::{Gguf, adapter, hybrid, llama as attention, mamba, wide_llama, windowed};

fn load(path: &Path, options: &Options) -> (Box<dyn Model>, Summary) {
    let options = Options {
        threads: Some(1),
        gpu_layers: Some(0),
        ..options.clone()
    };
    llama::load(path, &options, &mut |_| true).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn check_refused(path: &Path, options: &Options, folder: &Path, expected: &str) {
    let error = llama::load(path, options, &mut |_| true)
        .err()
        .expect("it is refused")
        .to_string();
    let said = error.replace(folder.to_str().unwrap(), "FOLDER");
    assert!(said.contains(expected), "{said}");
}

/// The row of logits behind a text.
fn logits(model: &mut dyn Model, text: &str) -> Vec<f32> {
    let tokens = model.tokenize(text);
    model
        .decode(Sequence(0), 0, &tokens, 1, &Cancel::default())
        .unwrap();
    model.logits(0).to_vec()
}

fn distance(one: &[f32], other: &[f32]) -> f32 {
    let differences = one.iter().zip(other).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

fn written(name: &str, model: &Gguf) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = model.write(&folder.path().join(name));
    (folder, path)
}

const TEXT: &str = "fn main() { let a = 1; }";

#[test]
fn a_model_without_fill_in_the_middle_works_left_to_right() {
    let (_folder, path) = written("tiny.gguf", &attention());
    let (mut model, summary) = load(&path, &Options::default());
    assert_eq!(summary.plan.format.order, Order::LeftToRight);
    assert_eq!(summary.nature.roll_back, RollBack::Plain);
    assert!(logits(&mut *model, TEXT).iter().all(|it| it.is_finite()));
}

#[test]
fn a_model_in_parts_is_the_same_as_in_one_and_the_missing_part_is_named() {
    let (folder, path) = written("tiny.gguf", &attention());
    let (mut whole, one) = load(&path, &Options::default());
    let first = attention().write_in_two(folder.path());
    let (mut parts, two) = load(&first, &Options::default());
    assert_eq!(logits(&mut *whole, TEXT), logits(&mut *parts, TEXT));
    assert_eq!(one.parameters, two.parameters);
    assert_eq!(two.nature.files.len(), 2);

    let second = folder.path().join("tiny-00002-of-00002.gguf");
    let options = Options::default();
    check_refused(
        &second,
        &options,
        folder.path(),
        "`FOLDER/tiny-00002-of-00002.gguf` is not the first of the model's files; give `FOLDER/tiny-00001-of-00002.gguf`",
    );
    fs::remove_file(second).unwrap();
    check_refused(
        &first,
        &options,
        folder.path(),
        "`FOLDER/tiny-00002-of-00002.gguf` is missing: the model is cut into 2 files",
    );
}

#[test]
fn an_adapter_changes_what_the_model_says_as_strongly_as_is_wanted() {
    let (folder, path) = written("tiny.gguf", &attention());
    let lora = adapter("llama").write(&folder.path().join("lora.gguf"));
    let with = |scale: f32| {
        let options = Options {
            lora: vec![(lora.clone(), scale)],
            ..Options::default()
        };
        let (mut model, summary) = load(&path, &options);
        assert_eq!(summary.nature.adapters.len(), 1);
        logits(&mut *model, TEXT)
    };
    let plain = logits(&mut *load(&path, &Options::default()).0, TEXT);
    assert_eq!(distance(&plain, &with(0.0)), 0.0);
    let (half, whole) = (distance(&plain, &with(0.5)), distance(&plain, &with(1.0)));
    assert!(half > 1e-4 && whole > half, "{half} {whole}");
}

#[test]
fn each_thing_that_is_no_fitting_adapter_has_a_sentence() {
    let (folder, path) = written("tiny.gguf", &attention());
    let file = |name: &str| folder.path().join(name);
    adapter("qwen2").write(&file("other.gguf"));
    adapter("llama")
        .tensor("blk.7.attn_q.weight.lora_a", &[64, 4])
        .tensor("blk.7.attn_q.weight.lora_b", &[4, 64])
        .write(&file("larger.gguf"));
    for (name, expected) in [
        ("nowhere.gguf", "file `FOLDER/nowhere.gguf` not found"),
        ("tiny.gguf", "`FOLDER/tiny.gguf` is no LoRA adapter"),
        (
            "other.gguf",
            "the adapter `FOLDER/other.gguf` is for models of the architecture `qwen2`, the model is of `llama`",
        ),
        (
            "larger.gguf",
            "llama.cpp cannot load `FOLDER/larger.gguf`: ",
        ),
    ] {
        let options = Options {
            lora: vec![(file(name), 1.0)],
            ..Options::default()
        };
        check_refused(&path, &options, folder.path(), expected);
    }
    // The other way round.
    check_refused(
        &file("other.gguf"),
        &Options::default(),
        folder.path(),
        "holds no model but a thing of the kind `adapter`",
    );
}

#[test]
fn a_smaller_cache_says_nearly_the_same() {
    let (_folder, path) = written("tiny.gguf", &attention());
    let exact = logits(&mut *load(&path, &Options::default()).0, TEXT);
    let largest = exact.iter().fold(0f32, |most, it| most.max(it.abs()));
    let mut last = 0.0;
    for (kv_type, most) in [(KvType::Q8, 0.05), (KvType::Q5, 0.2), (KvType::Q4, 0.5)] {
        let options = Options {
            kv_type: Some(kv_type),
            ..Options::default()
        };
        let (mut model, summary) = load(&path, &options);
        assert_eq!(summary.tuning.unwrap().kv_type, kv_type);
        let tokens = model.tokenize(TEXT);
        // In two steps: what the cache holds is read again.
        let (head, tail) = tokens.split_at(tokens.len() - 2);
        for (len, part) in [(0, head), (head.len(), tail)] {
            model
                .decode(Sequence(0), len, part, 1, &Cancel::default())
                .unwrap();
        }
        let distance = distance(&exact, model.logits(0)) / largest;
        assert!(
            distance > last && distance < most,
            "{kv_type:?}: {distance}"
        );
        last = distance;
    }
}

#[test]
fn where_results_are_not_exact_anyway_a_smaller_cache_is_measured_beside_others() {
    let model = attention().quantized("blk.0.attn_q.weight");
    let (_folder, path) = written("tiny.gguf", &model);
    let ways = |kv_type| {
        let options = Options {
            gpu_layers: Some(0),
            kv_type,
            ..Options::default()
        };
        let (_, summary) = llama::load(&path, &options, &mut |_| true).unwrap();
        let measured = summary.tuning.unwrap().measured;
        let runs = measured.map_or_else(Vec::new, |it| it.runs);
        let mut ways: Vec<_> = runs
            .iter()
            .map(|it| (it.flash_attention, it.kv_type))
            .collect();
        ways.dedup();
        ways
    };
    let [plain, flash] = [false, true].map(|flash| (flash, KvType::F16));
    // What takes too long on a busy machine is given up.
    let shows = |kv_type, expected: &[_]| (0..100).any(|_| ways(kv_type) == expected);
    assert!(shows(None, &[plain, flash, (true, KvType::Q8)]));
    assert!(shows(Some(KvType::F16), &[plain, flash]));
    assert!(shows(Some(KvType::Q8), &[(true, KvType::Q8)]));
}

fn engine(path: &Path) -> Engine {
    let options = Options {
        threads: Some(1),
        gpu_layers: Some(0),
        ..Options::default()
    };
    let (sender, ready) = sync_channel(8);
    let engine = Engine::start(
        llama::loader(path.to_owned(), options),
        Box::new(move |status| {
            if matches!(status, Status::Ready(_)) {
                _ = sender.try_send(());
            }
        }),
    );
    ready.recv().unwrap();
    engine
}

/// Asks an engine for what follows a text; what it says, and how many tokens of the prompt it had to evaluate.
fn ask(engine: &Engine, text: &str) -> (String, usize) {
    match submit(engine, text, Cancel::default()).recv() {
        Ok(Outcome::Done(completion)) => (completion.text, completion.usage.evaluated_tokens),
        other => panic!("{other:?}"),
    }
}

fn submit(engine: &Engine, text: &str, cancel: Cancel) -> Receiver<Outcome> {
    let (sender, outcome) = sync_channel(1);
    let mut document = Document::new(text, 1, "rust", None);
    let head = Head {
        segments: vec![Segment::Text(text.to_owned())],
    };
    engine.submit(Job {
        document: DocumentId(0),
        priority: Priority::Now,
        prompt: Prompt {
            head: Arc::new(head),
            tail: String::new(),
            nearby: None,
        },
        max_tokens: 8,
        stop: Stop::new(Shape::Line, &document.snapshot(), ByteOffset(text.len())),
        heals: false,
        reuses: true,
        mixes: true,
        branches: 0,
        replaces: false,
        cancel,
        progress: None,
        reply: Box::new(move |outcome| drop(sender.send(outcome))),
    });
    outcome
}

#[test]
fn models_whose_state_cannot_be_cut_work_by_reading_everything_again() {
    for (file, kind) in [(mamba(), RollBack::Recurrent), (hybrid(), RollBack::Hybrid)] {
        let (_folder, path) = written("tiny.gguf", &file);
        let (mut model, summary) = load(&path, &Options::default());
        assert_eq!(summary.nature.roll_back, kind);
        assert_eq!(model.sequences(), 1);
        let row = logits(&mut *model, TEXT);
        assert!(!model.truncate(Sequence(0), 3), "it says that it cannot");
        assert_eq!(
            logits(&mut *model, TEXT),
            row,
            "and has forgotten everything"
        );
        drop(model);

        let engine = engine(&path);
        let (first, evaluated) = ask(&engine, TEXT);
        assert!(evaluated >= TEXT.len());
        // Something else, then the same again: nothing of it is left, and the answer is the same.
        ask(&engine, "x = 1");
        let (again, evaluated) = ask(&engine, TEXT);
        assert!(evaluated >= TEXT.len());
        assert_eq!(again, first);
        engine.shut_down();
    }
}

#[test]
fn a_job_that_is_cancelled_leaves_no_half_of_a_state_behind() {
    for file in [mamba(), hybrid()] {
        let (_folder, path) = written("tiny.gguf", &file);
        let engine = engine(&path);
        let text = TEXT.repeat(12);
        let (expected, _) = ask(&engine, &text);
        for wait in [0, 1, 2, 4, 8] {
            let cancel = Cancel::default();
            let outcome = submit(&engine, &format!("let b = 2;{text}"), cancel.clone());
            std::thread::sleep(Duration::from_millis(wait));
            cancel.cancel();
            drop(outcome.recv());
            assert_eq!(ask(&engine, &text).0, expected, "after {wait} ms");
        }
        engine.shut_down();
    }
}

#[test]
fn a_model_with_a_sliding_window_is_cut_only_where_it_still_sees_enough() {
    let (_folder, path) = written("tiny.gguf", &windowed(16));
    let (mut model, summary) = load(&path, &Options::default());
    assert_eq!(summary.nature.roll_back, RollBack::WindowKeptWhole(16));
    let text = TEXT.repeat(20);
    let tokens = model.tokenize(&text);
    let len = tokens.len() - 100;
    let cancel = Cancel::default();
    let decode = |model: &mut dyn Model, sequence: usize, from: usize, tokens: &[Token]| {
        let mut at = from;
        for batch in tokens.chunks(32) {
            (model.decode(Sequence(sequence), at, batch, 1, &cancel)).unwrap();
            at += batch.len();
        }
        model.logits(0).to_vec()
    };
    let other: Vec<Token> = tokens.iter().rev().copied().collect();
    decode(&mut *model, 1, 0, &other[..40]);
    let row = decode(&mut *model, 0, 0, &tokens[..=len]);
    decode(&mut *model, 0, len + 1, &tokens[len + 1..]);
    // llama.cpp looks for room from what was given up on, and takes what has left the window.
    model.truncate(Sequence(1), 0);
    decode(&mut *model, 2, 0, &other[..tokens.len()]);
    let from = if model.truncate(Sequence(0), len) {
        len
    } else {
        0
    };
    let again = decode(&mut *model, 0, from, &tokens[from..=len]);
    assert_eq!((from, distance(&row, &again) < 1e-3), (0, true));
    // What is still there is kept.
    let end = tokens.len() - 4;
    let row = decode(&mut *model, 0, len + 1, &tokens[len + 1..=end]);
    decode(&mut *model, 0, end + 1, &tokens[end + 1..]);
    assert!(model.truncate(Sequence(0), end));
    let again = decode(&mut *model, 0, end, &tokens[end..=end]);
    assert!(distance(&row, &again) < 1e-3);
}

#[test]
fn a_text_becomes_tokens_that_spell_it_and_nothing_more() {
    // SentencePiece puts a blank in front of each text it is given.
    let (_folder, path) = written("tiny.gguf", &attention());
    let (model, _) = load(&path, &Options::default());
    for text in ["x", " x", "\nx", "\n\n", "größe", " "] {
        let spelled: Vec<u8> = (model.tokenize(text).iter())
            .flat_map(|token| model.piece(*token).to_vec())
            .collect();
        assert_eq!(String::from_utf8_lossy(&spelled), text.replace(' ', "▁"));
    }
}

#[cfg(unix)]
#[test]
fn a_model_that_is_overwritten_in_place_does_not_end_the_process() {
    // One that is read, and one that is mapped.
    for hidden in [96, 45_000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        wide_llama(hidden).write_empty(&path);
        let (mut model, _) = load(&path, &Options::default());
        let tokens = model.tokenize("let a");
        let mut decode = |len: usize| {
            let token = &tokens[len..=len];
            model.decode(Sequence(0), len, token, 1, &Cancel::default())
        };
        decode(0).unwrap();
        fs::write(&path, b"GGUF").unwrap();
        let said = decode(1).map_err(|error| error.to_string());
        match hidden {
            96 => assert_eq!(said, Ok(())),
            _ => assert!(said.unwrap_err().contains("was written into while")),
        }
    }
}
