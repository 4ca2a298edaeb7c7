//! llama.cpp with the built-in model: loading, tokens, the KV cache, aborts, and that what is cached equals
//! what is computed afresh. Nothing here depends on what the model is good at.

use std::fs;

use ghostline::{
    config::KvType,
    engine::{
        Cancel, Summary,
        llama::{self, Options, Origin, Run},
        model::{Model, ModelError, Sequence, Token},
    },
    models,
};

const TEXT: &str = include_str!("../src/text.rs");
const FIRST: Sequence = Sequence(0);
const SECOND: Sequence = Sequence(1);

fn load_with(options: &Options) -> (Box<dyn Model>, Summary) {
    llama::load(&models::builtin().unwrap(), options, &mut |_| true).unwrap()
}

/// One thread: these tests run side by side, and computing threads that wait for each other spin.
fn load() -> Box<dyn Model> {
    load_with(&on_cpu(1)).0
}

fn on_cpu(threads: usize) -> Options {
    Options {
        threads: Some(threads),
        gpu_layers: Some(0),
        ..Options::default()
    }
}

/// Evaluates `tokens` in pieces of the given lengths, over and over; the last row of logits.
fn evaluate(
    model: &mut dyn Model,
    sequence: Sequence,
    tokens: &[Token],
    lengths: &[usize],
) -> Vec<f32> {
    assert!(model.truncate(sequence, 0));
    append(model, sequence, 0, tokens, lengths)
}

fn append(
    model: &mut dyn Model,
    sequence: Sequence,
    mut len: usize,
    tokens: &[Token],
    lengths: &[usize],
) -> Vec<f32> {
    let mut rest = tokens;
    for length in lengths.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*length).min(model.batch_size()));
        model
            .decode(sequence, len, now, 1, &Cancel::default())
            .unwrap();
        len += now.len();
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    model.logits(0).to_vec()
}

fn best(logits: &[f32]) -> Token {
    let (index, _) = logits
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .unwrap();
    Token(index as i32)
}

fn tokens(model: &dyn Model, n_tokens: usize) -> Vec<Token> {
    let tokens = model.tokenize(TEXT);
    assert!(tokens.len() >= n_tokens, "only {} tokens", tokens.len());
    tokens[..n_tokens].to_vec()
}

#[test]
fn the_built_in_model_loads_and_says_what_it_is() {
    let mut fractions = Vec::new();
    let path = models::builtin().unwrap();
    let (model, summary) = llama::load(&path, &Options::default(), &mut |fraction| {
        fractions.push(fraction);
        true
    })
    .unwrap();
    assert!(
        fractions.is_sorted() && fractions.last() == Some(&1.0),
        "{fractions:?}"
    );
    assert_eq!(model.vocabulary_size(), summary.vocabulary_size);
    assert!(summary.parameters > 0 && summary.context_length > 0 && summary.threads > 0);
    assert!(
        model.sequences() > 1
            && model.capacity() >= summary.context_length
            && model.batch_size() > 1
    );
    for spelling in [&summary.plan.format.prefix, &summary.plan.format.suffix]
        .into_iter()
        .flatten()
    {
        let token = model
            .special(spelling)
            .expect("a FIM token is in the vocabulary");
        assert!(
            model.is_end(token) && model.piece(token).is_empty(),
            "{spelling} is shown"
        );
    }
}

/// What is measured depends on the machine, so the times are laid into the file.
#[test]
fn a_second_load_takes_the_times_from_the_file_and_chooses_by_them() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        gpu_layers: Some(0),
        calibration: Some(folder.path().join("calibration")),
        ..Options::default()
    };
    let tuning = load_with(&options).1.tuning.unwrap();
    let Some(mut times) = tuning.measured else {
        // With one core there is no choice, and beside very busy ones no time.
        assert_eq!(tuning.origin, Origin::Estimated);
        return;
    };
    let file = tuning.file.unwrap();
    assert_eq!(file.exists(), tuning.origin == Origin::Measured);

    fs::create_dir_all(file.parent().unwrap()).unwrap();
    for threads in [1, 2] {
        times.runs = [1, 2]
            .map(|count| Run {
                threads: count,
                flash_attention: true,
                kv_type: KvType::F16,
                step_ms: if count == threads { 1.0 } else { 2.0 },
                chunk_ms: 8.0,
                chunk: 48,
            })
            .to_vec();
        fs::write(&file, serde_json::to_vec(&times).unwrap()).unwrap();
        let tuning = load_with(&options).1.tuning.unwrap();
        assert_eq!((tuning.threads, tuning.origin), (threads, Origin::Kept));
        assert_eq!(tuning.measured.unwrap().runs, times.runs);
    }
}

#[test]
fn configured_threads_are_not_measured() {
    let tuning = load_with(&on_cpu(3)).1.tuning.unwrap();
    assert_eq!((tuning.threads, tuning.origin), (3, Origin::Configured));
    assert!(tuning.measured.is_none());
}

#[test]
fn loading_stops_when_it_is_told_to() {
    let path = models::builtin().unwrap();
    let stopped = llama::load(&path, &Options::default(), &mut |fraction| fraction < 0.2);
    assert_eq!(stopped.err(), Some(ModelError::Cancelled));
}

#[test]
fn pieces_of_tokens_are_the_text_again() {
    let model = load();
    for text in [
        TEXT,
        "",
        " ",
        "\n\n\t",
        "naïve → 日本語 🦀\r\n",
        "\u{0}\u{7f}",
        "<|fim_prefix|><SUF></s>",
    ] {
        let tokens = model.tokenize(text);
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|&token| model.piece(token))
            .copied()
            .collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
        assert!(
            !tokens.iter().any(|&token| model.is_end(token)),
            "a control token in {text:?}"
        );
    }
}

#[test]
fn control_tokens_spelled_in_a_text_stay_text() {
    let (model, summary) = load_with(&Options::default());
    let format = &summary.plan.format;
    for spelling in [&format.prefix, &format.suffix, &format.middle]
        .into_iter()
        .flatten()
    {
        let tokens = model.tokenize(spelling);
        assert!(
            !tokens.contains(&model.special(spelling).unwrap()),
            "{spelling}"
        );
    }
}

#[test]
fn a_token_outside_of_the_vocabulary_is_an_error_and_shows_nothing() {
    let mut model = load();
    for id in [-1, i32::MIN, i32::MAX, model.vocabulary_size() as i32] {
        assert!(model.piece(Token(id)).is_empty() && model.is_end(Token(id)));
        assert!(matches!(
            model.decode(FIRST, 0, &[Token(id)], 1, &Cancel::default()),
            Err(ModelError::Failed(_))
        ));
    }
}

#[test]
fn the_same_prompt_gives_the_same_text_twice() {
    let generate = || {
        let mut model = load();
        let mut text = tokens(&*model, 200);
        let mut logits = evaluate(&mut *model, FIRST, &text, &[50]);
        let mut answer = Vec::new();
        while answer.len() < 24 && !model.is_end(best(&logits)) {
            let token = best(&logits);
            answer.push(token);
            logits = append(&mut *model, FIRST, text.len(), &[token], &[1]);
            text.push(token);
        }
        answer
    };
    let answer = generate();
    assert!(!answer.is_empty());
    assert_eq!(answer, generate());
}

/// The claim that caching rests on, and the engine's chunks, healing and cancels with it.
#[test]
#[cfg(target_arch = "x86_64")]
fn logits_do_not_depend_on_how_a_prompt_is_cut_or_where_it_lies_or_on_threads() {
    let (mut one, _) = load_with(&on_cpu(1));
    let (mut two, _) = load_with(&on_cpu(2));
    // Crosses 256 and 512 cells, where graphs change, and 63 tokens, where batches end.
    let prompt = tokens(&*one, 560);
    for n_tokens in [2, 64, 65, 257, 400, 560] {
        let text = &prompt[..n_tokens];
        let whole = evaluate(&mut *one, FIRST, text, &[usize::MAX]);
        for cut in [&[1][..], &[1, 2, 3], &[37], &[62], &[63], &[300, 1, 1, 5]] {
            let same =
                [&mut one, &mut two].map(|it| evaluate(&mut **it, FIRST, text, cut) == whole);
            assert_eq!(same, [true; 2], "{n_tokens} tokens in {cut:?}");
        }
    }
    let whole = evaluate(&mut *one, FIRST, &prompt, &[usize::MAX]);
    for n_others in [1, 7, 100, 333] {
        one.truncate(FIRST, 0);
        one.truncate(SECOND, 0);
        evaluate(&mut *one, SECOND, &prompt[..n_others], &[50]);
        let same = evaluate(&mut *one, FIRST, &prompt, &[40, 1]) == whole;
        assert!(same, "beside {n_others} cells of another sequence");
    }
}

#[test]
fn every_row_that_was_asked_for_is_the_row_of_its_token() {
    let mut model = load();
    let prompt = tokens(&*model, 20);
    let expected: Vec<_> = (1..=prompt.len())
        .map(|len| evaluate(&mut *model, FIRST, &prompt[..len], &[usize::MAX]))
        .collect();
    for rows in [1, 2, 19, 20] {
        model.truncate(FIRST, 0);
        model
            .decode(FIRST, 0, &prompt, rows, &Cancel::default())
            .unwrap();
        for row in 0..rows {
            let of_token = prompt.len() - rows + row;
            assert_eq!(
                best(model.logits(row)),
                best(&expected[of_token]),
                "row {row} of {rows}"
            );
        }
    }
}

#[test]
fn a_truncated_sequence_goes_on_as_if_the_rest_had_never_been() {
    let mut model = load();
    let prompt = tokens(&*model, 200);
    let (start, other) = prompt.split_at(120);
    let expected = evaluate(&mut *model, FIRST, start, &[usize::MAX]);
    evaluate(&mut *model, FIRST, &[start, other].concat(), &[usize::MAX]);
    assert!(model.truncate(FIRST, 119));
    assert_eq!(
        best(&append(&mut *model, FIRST, 119, &start[119..], &[1])),
        best(&expected)
    );
    assert!(model.truncate(FIRST, 500), "there is nothing to forget");
    assert!(model.truncate(FIRST, 0));
    assert_eq!(
        best(&append(&mut *model, FIRST, 0, start, &[usize::MAX])),
        best(&expected)
    );
}

#[test]
fn a_copy_goes_its_own_way() {
    let mut model = load();
    let prompt = tokens(&*model, 300);
    let (start, one, two) = (&prompt[..100], &prompt[100..150], &prompt[200..260]);
    let expected_one = evaluate(&mut *model, FIRST, &[start, one].concat(), &[usize::MAX]);
    let expected_two = evaluate(&mut *model, FIRST, &[start, two].concat(), &[usize::MAX]);

    evaluate(&mut *model, SECOND, two, &[usize::MAX]);
    evaluate(&mut *model, FIRST, start, &[usize::MAX]);
    model.copy(FIRST, SECOND, 100);
    assert_eq!(
        best(&append(&mut *model, FIRST, 100, one, &[usize::MAX])),
        best(&expected_one)
    );
    assert_eq!(
        best(&append(&mut *model, SECOND, 100, two, &[usize::MAX])),
        best(&expected_two)
    );
    // The original goes, the copy stays; and a copy of nothing is empty.
    model.truncate(FIRST, 0);
    assert!(model.truncate(SECOND, 100));
    assert_eq!(
        best(&append(&mut *model, SECOND, 100, two, &[usize::MAX])),
        best(&expected_two)
    );
    model.copy(FIRST, SECOND, 0);
    evaluate(&mut *model, SECOND, start, &[usize::MAX]);
    // A copy onto itself only shortens.
    model.copy(SECOND, SECOND, 60);
    append(&mut *model, SECOND, 60, &start[60..], &[usize::MAX]);
}

#[test]
fn a_cache_without_room_says_so_and_goes_on() {
    let mut model = load();
    let chunk = tokens(&*model, model.batch_size());
    let capacity = model.capacity();
    let mut len = 0;
    while len < capacity {
        let now = chunk.len().min(capacity - len);
        model
            .decode(FIRST, len, &chunk[..now], 1, &Cancel::default())
            .expect("it fits");
        len += now;
    }
    assert_eq!(
        model.decode(FIRST, len, &chunk, 1, &Cancel::default()),
        Err(ModelError::Full)
    );
    assert!(model.truncate(FIRST, capacity - 1));
    model
        .decode(FIRST, capacity - 1, &chunk[..1], 1, &Cancel::default())
        .expect("the last cell can be used");
    assert!(model.truncate(FIRST, 0));
    model
        .decode(FIRST, 0, &chunk, 1, &Cancel::default())
        .expect("there is room again");
}

#[test]
fn wrong_calls_are_errors_and_never_the_end_of_the_process() {
    let mut model = load();
    let chunk = tokens(&*model, model.batch_size());
    let mut fails = |sequence, len, tokens: &[Token], rows| {
        let result = model.decode(Sequence(sequence), len, tokens, rows, &Cancel::default());
        assert!(matches!(result, Err(ModelError::Failed(_))), "{result:?}");
    };
    fails(0, 0, &[], 1);
    fails(0, 0, &chunk, 0);
    fails(0, 0, &chunk, chunk.len() + 1);
    fails(0, 1, &chunk, 1);
    fails(1000, 0, &chunk, 1);
    fails(0, 0, &[&chunk[..], &chunk[..1]].concat(), 1);
    assert!(!model.truncate(Sequence(1000), 1));
    model.copy(Sequence(1000), FIRST, 1);
    model
        .decode(FIRST, 0, &chunk, chunk.len(), &Cancel::default())
        .expect("the model still works");
}

#[test]
fn a_cancelled_decode_leaves_nothing_of_its_tokens() {
    let mut model = load();
    let prompt = tokens(&*model, 100);
    let expected = evaluate(&mut *model, FIRST, &prompt, &[usize::MAX]);
    let (start, rest) = prompt.split_at(60);
    evaluate(&mut *model, FIRST, start, &[usize::MAX]);

    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(
        model.decode(FIRST, 60, rest, 1, &cancel),
        Err(ModelError::Cancelled)
    );
    assert_eq!(
        best(&append(&mut *model, FIRST, 60, rest, &[usize::MAX])),
        best(&expected)
    );
}

/// Cancels from another thread at ever later moments, so that some fall into a running graph.
#[test]
fn an_abort_in_the_middle_of_a_batch_leaves_the_cache_as_it_was() {
    let mut model = load();
    let prompt = tokens(&*model, 60 + model.batch_size());
    let expected = evaluate(&mut *model, FIRST, &prompt, &[usize::MAX]);
    let (start, rest) = prompt.split_at(60);
    evaluate(&mut *model, FIRST, start, &[usize::MAX]);
    let mut n_aborted = 0;
    for attempt in 0..400 {
        let cancel = Cancel::default();
        let result = std::thread::scope(|scope| {
            let cancel = &cancel;
            scope.spawn(move || {
                for _ in 0..attempt * 200 {
                    std::hint::spin_loop();
                }
                cancel.cancel();
            });
            model.decode(FIRST, 60, rest, 1, cancel)
        });
        match result {
            Err(error) => {
                assert_eq!(error, ModelError::Cancelled);
                n_aborted += 1;
            }
            Ok(()) => assert!(model.truncate(FIRST, 60)),
        }
    }
    assert!(n_aborted > 0);
    assert_eq!(
        best(&append(&mut *model, FIRST, 60, rest, &[usize::MAX])),
        best(&expected)
    );
}
