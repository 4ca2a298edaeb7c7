//! Back ends as files: a GPU's text is the processor's, what is wrong with a file or a device is a sentence, and ghost text
//! comes all the same. Only in builds with the feature `backends`; `make test-vulkan` runs it with Mesa's software device.
#![cfg(feature = "backends")]

use std::{
    env,
    ffi::CString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
};

use ghostline::{
    document::Document,
    engine::{
        Cancel, DocumentId, Engine, Job, Outcome, Priority, Status, Summary,
        llama::{self, Options},
        model::{Model, Sequence, Token},
    },
    models,
    prompt::anchor,
    suggest::{Shape, stop::Stop},
    text::ByteOffset,
};
use llama_cpp_sys_2 as sys;
use serde_json::{Value, json};
use tempfile::TempDir;

use server::Server;

#[expect(dead_code, reason = "the tests of models use the rest of it")]
#[path = "../models/gguf.rs"]
mod gguf;
mod server;

const RUST: &str = include_str!("../../src/text.rs");
const PYTHON: &str = include_str!("../../benches/corpus/scheduler.py");

/// The device under test; the script that runs this says which.
fn device() -> String {
    env::var("GHOSTLINE_TEST_DEVICE").expect("`make test-vulkan` names the device")
}

fn options(device: &str) -> Options {
    Options {
        threads: Some(2),
        device: Some(device.to_owned()),
        ..Options::default()
    }
}

fn load(device: &str) -> (Box<dyn Model>, Summary) {
    llama::load(&models::builtin().unwrap(), &options(device), &mut |_| true).unwrap()
}

/// The rows of logits behind each of the last tokens.
fn rows(model: &mut dyn Model, tokens: &[Token], n_rows: usize) -> Vec<Vec<f32>> {
    let (head, tail) = tokens.split_at(tokens.len() - n_rows);
    let mut len = 0;
    for batch in head.chunks(model.batch_size()) {
        let cancel = Cancel::default();
        model.decode(Sequence(0), len, batch, 1, &cancel).unwrap();
        len += batch.len();
    }
    let cancel = Cancel::default();
    model
        .decode(Sequence(0), len, tail, n_rows, &cancel)
        .unwrap();
    (0..n_rows).map(|row| model.logits(row).to_vec()).collect()
}

/// The likeliest token, and by how much it is ahead.
fn best(row: &[f32]) -> (usize, f32) {
    let mut order = Vec::from_iter(0..row.len());
    order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
    (order[0], row[order[0]] - row[order[1]])
}

#[test]
fn a_gpus_logits_are_the_processors_within_rounding() {
    let (mut processor, on_processor) = load("cpu");
    let (mut gpu, on_gpu) = load(&device());
    assert!(on_processor.gpu.is_none());
    assert!(on_gpu.gpu.is_some(), "{:?}", on_gpu.nature.notes);
    let tokens = processor.tokenize(RUST);
    let tokens = &tokens[..600];
    let expected = rows(&mut *processor, tokens, 32);
    let found = rows(&mut *gpu, tokens, 32);
    let mut differences = Vec::new();
    for (a, b) in expected.iter().flatten().zip(found.iter().flatten()) {
        differences.push(f64::from((a - b).abs()));
    }
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let most = differences.iter().copied().fold(0.0, f64::max);
    eprintln!("logits differ by {mean:.4} on average, {most:.4} at most");
    // The processor rounds its activations to 8 bits, a GPU need not.
    assert!(mean < 0.1 && most < 1.0, "{mean} {most}");
    let mut clear = 0;
    for (a, b) in expected.iter().zip(&found) {
        let (best, margin) = best(a);
        if f64::from(margin) > 2.0 * most {
            assert_eq!(best, self::best(b).0);
            clear += 1;
        }
    }
    eprintln!(
        "{clear} of {} tokens are clear, and the same",
        expected.len()
    );
    assert!(clear >= 8);
}

/// The built-in model with its weights as they are, but in 32 bits: with those of 8 bits the processor rounds its
/// activations to 8 bits, too, and where two tokens are about as likely that decides.
fn unrounded() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unrounded.gguf");
    let to_c = |path: &Path| CString::new(path.to_str().unwrap()).unwrap();
    let (from, to) = (to_c(&models::builtin().unwrap()), to_c(&path));
    // It is what starts llama.cpp.
    assert!(!llama::devices().is_empty());
    // SAFETY: both paths are C strings and the parameters are a valid value, all of which live during the call.
    let code = unsafe {
        let mut params = sys::llama_model_quantize_default_params();
        params.ftype = sys::LLAMA_FTYPE_ALL_F32;
        params.allow_requantize = true;
        sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const params)
    };
    assert_eq!(code, 0);
    path
}

/// Whole completions at a number of places.
fn texts(model: &Path, device: &str) -> Vec<String> {
    let (sender, ready) = mpsc::channel();
    let engine = Engine::start(
        llama::loader(model.to_owned(), options(device)),
        Box::new(move |status| match status {
            Status::Ready(summary) => sender.send(Ok(summary)).unwrap(),
            Status::Failed(sentence) => sender.send(Err(sentence)).unwrap(),
            Status::Loading(_) => {}
        }),
    );
    let summary = ready.recv().unwrap().unwrap();
    assert_eq!(summary.gpu.is_some(), device != "cpu");
    let mut texts = Vec::new();
    for (language, source) in [("rust", RUST), ("python", PYTHON)] {
        for at in (400..4000).step_by(600) {
            let mut document = Document::new(source, 1, language, None);
            let snapshot = document.snapshot();
            let cursor = snapshot.text.floor(ByteOffset(at));
            let (_, prompt) = anchor::follow(None, &snapshot, cursor, &summary.plan, &[]);
            let (sender, answer) = mpsc::channel();
            engine.submit(Job {
                document: DocumentId(1),
                priority: Priority::Now,
                prompt,
                max_tokens: 16,
                stop: Stop::new(Shape::Line, &snapshot, cursor),
                heals: true,
                reuses: true,
                mixes: true,
                branches: 0,
                replaces: false,
                cancel: Cancel::default(),
                progress: None,
                reply: Box::new(move |outcome| sender.send(outcome).unwrap()),
            });
            match answer.recv().unwrap() {
                Outcome::Done(completion) => texts.push(completion.text),
                other => panic!("{other:?}"),
            }
        }
    }
    engine.shut_down();
    texts
}

#[test]
fn a_gpus_text_is_the_processors() {
    let model = unrounded();
    let expected = texts(&model, "cpu");
    let found = texts(&model, &device());
    let differ = expected.iter().zip(&found).filter(|(a, b)| a != b);
    let differ = Vec::from_iter(differ);
    eprintln!("{} of {} texts differ", differ.len(), expected.len());
    assert!(expected.iter().filter(|it| !it.is_empty()).count() > 8);
    assert!(differ.is_empty(), "{differ:#?}");
}

/// The folder with back ends, linked file by file, so that one can be replaced.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let real =
        PathBuf::from(env::var_os("GHOSTLINE_BACKENDS").expect("the script names the folder"));
    for entry in fs::read_dir(real).unwrap() {
        let entry = entry.unwrap();
        symlink(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn program(backends: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghostline"));
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command
        .env("XDG_CONFIG_HOME", own.join("config"))
        .env("XDG_CACHE_HOME", own.join("cache"))
        .env("GHOSTLINE_BACKENDS", backends)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn diagnosis(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The back end of the device under test: its name and its file.
fn driving(folder: &Path) -> (String, PathBuf) {
    let kind = device().to_lowercase();
    let kind = kind.trim_end_matches(char::is_numeric);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files = files.map(|entry| entry.file_name().into_string().unwrap());
    let name = files.find(|name| name.contains(&format!("ggml-{kind}.")));
    let name = name.expect("its file is there");
    (name.clone(), folder.join(name))
}

/// What `doctor` calls a problem, all in one.
fn problems(diagnosis: &Value) -> String {
    diagnosis["problems"].to_string()
}

#[test]
fn doctor_names_the_devices_and_the_files_that_drive_them() {
    let folder = folder();
    let output = program(folder.path(), &["doctor", "--json"])
        .output()
        .unwrap();
    let found = diagnosis(&output);
    let devices = found["devices"].as_array().unwrap();
    assert!(devices.iter().any(|it| it["id"] == "CPU"));
    let gpu = devices.iter().find(|it| it["is_gpu"] == true).unwrap();
    assert!(gpu["total"].as_u64().unwrap() > 0);
    let used = found["backends"]["files"].as_array().unwrap().iter();
    let used = used.filter(|it| it["fate"] == "used");
    assert_eq!(used.count(), 2, "{}", found["backends"]);
    assert!(
        found["model"]["gpu"]
            .as_str()
            .unwrap()
            .contains("layers on")
    );
}

#[test]
fn a_corrupt_back_end_is_a_sentence_and_the_processor_goes_on() {
    let folder = folder();
    let (name, file) = driving(folder.path());
    let whole = fs::read(&file).unwrap();
    for broken in [&whole[..whole.len() / 2], &[7; 100_000][..], b""] {
        fs::remove_file(&file).unwrap();
        fs::write(&file, broken).unwrap();
        let output = program(folder.path(), &["doctor", "--json"])
            .output()
            .unwrap();
        let found = diagnosis(&output);
        assert_eq!(found["is_usable"], true);
        assert!(
            problems(&found).contains(&format!("`{name}` is damaged or incomplete")),
            "{}",
            problems(&found)
        );
        assert!(found["model"]["gpu"].is_null());
    }

    // The same in an editor.
    let mut server = Server::start(program(folder.path(), &["lsp"]));
    let said = server.said();
    assert!(said.contains(&format!("`{name}` is damaged or incomplete")));
    assert!(said.contains("restart the editor"), "{said}");
    assert_eq!(server.status["model"]["gpu"], Value::Null);
    server.has_ghost_text();
    fs::remove_file(&file).unwrap();
    fs::write(&file, whole).unwrap();
    let mut server = Server::start(program(folder.path(), &["lsp"]));
    assert!(
        server.status["model"]["gpu"].is_string(),
        "{}",
        server.status
    );
    server.has_ghost_text();
}

#[test]
fn where_a_devices_memory_does_not_do_there_is_a_sentence_and_ghost_text_all_the_same() {
    let folder = TempDir::new().unwrap();
    let large = folder.path().join("large.gguf");
    gguf::wide_llama(800_000).write_empty(&large);
    // Mapped once, 2.4 GB fit; not beside as much again on the software device, whose memory is the process's.
    let limited = |arguments: &[&str]| {
        let backends = env::var_os("GHOSTLINE_BACKENDS").unwrap();
        let command = program(Path::new(&backends), arguments);
        let shell = format!("ulimit -v {}; exec \"$0\" \"$@\"", 4_200_000);
        let mut limited = Command::new("sh");
        limited.args(["-c", &shell]).arg(command.get_program());
        limited.args(command.get_args()).stdin(Stdio::null());
        limited.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        limited.env("GHOSTLINE_MODEL_PATH", &large);
        limited
    };
    let output = limited(&["doctor", "--json"]).output().unwrap();
    let found = diagnosis(&output);
    assert_eq!(found["is_usable"], true, "{found:#}");
    let notes = found["model"]["notes"].to_string();
    for part in ["does not take", "layers of the model", "free memory there"] {
        assert!(notes.contains(part), "{notes}");
    }

    let mut server = Server::start(limited(&["lsp"]));
    let said = server.said();
    assert!(said.contains("free memory there"), "{said}");
    // Zeros say nothing, but they say it.
    server.ask();
    // Another model, which fits: there is room as soon as it is chosen.
    server.settings(&json!({"model": {"path": "builtin"}}), "ghostline-small");
    server.has_ghost_text();
}

#[test]
fn where_a_devices_memory_runs_out_in_the_middle_of_the_work_the_processor_goes_on() {
    // A Vulkan layer that lets the driver take no more work while the file is there: `exhausted.c`.
    let Some(layers) = env::var_os("GHOSTLINE_TEST_LAYERS") else {
        eprintln!("skip: the layer stands for Vulkan's devices only");
        return;
    };
    let folder = TempDir::new().unwrap();
    let cause = folder.path().join("exhausted");
    let start = || {
        let backends = env::var_os("GHOSTLINE_BACKENDS").unwrap();
        let mut command = program(Path::new(&backends), &["lsp"]);
        command
            .env("VK_LAYER_PATH", &layers)
            .env("VK_INSTANCE_LAYERS", "VK_LAYER_GHOSTLINE_exhausted")
            .env("GHOSTLINE_TEST_EXHAUSTED", &cause);
        Server::start(command)
    };
    let mut server = start();
    assert!(server.status["model"]["gpu"].is_string());
    server.has_ghost_text();

    fs::write(&cause, "").unwrap();
    let said = server.leaves_the_gpu();
    for part in [
        "the GPU failed",
        "OutOfDeviceMemory",
        "the processor runs it",
        "start again",
    ] {
        assert!(said.contains(part), "{said}");
    }
    server.has_ghost_text();

    fs::remove_file(&cause).unwrap();
    let mut server = start();
    assert!(server.status["model"]["gpu"].is_string());
    server.has_ghost_text();
}

#[test]
fn without_back_ends_there_is_a_sentence_and_the_current_directory_is_not_searched() {
    let empty = TempDir::new().unwrap();
    let here = folder();
    let mut command = program(empty.path(), &["doctor", "--json"]);
    let found = diagnosis(&command.current_dir(here.path()).output().unwrap());
    assert_eq!(found["is_usable"], false);
    assert!(problems(&found).contains("unpack the release again"));
    assert_eq!(found["devices"].as_array().unwrap().len(), 0);

    let mut command = program(Path::new("."), &["doctor", "--json"]);
    let found = diagnosis(&command.current_dir(here.path()).output().unwrap());
    assert!(problems(&found).contains("a relative path"));
}
