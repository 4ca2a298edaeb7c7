//! The real program from a shell's point of view: what it prints where, and what it ends with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const MODEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/models/ghostline-small-q8_0.gguf"
);
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/corpus/ledger.rs");

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghostline"));
    // Not the user's: neither what is configured there, nor what is cached.
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command
        .env("XDG_CONFIG_HOME", own.join("config"))
        .env("XDG_CACHE_HOME", own.join("cache"))
        .env("XDG_STATE_HOME", own.join("state"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GHOSTLINE_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

#[track_caller]
fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the program runs")
}

#[track_caller]
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

/// Runs what has to work, and gives back what it prints.
#[track_caller]
fn prints(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout).to_owned()
}

#[track_caller]
fn prints_json(arguments: &[&str]) -> Value {
    serde_json::from_str(&prints(arguments)).expect("`--json` prints JSON")
}

/// Runs what the user has to put right: code 2, nothing on stdout, one line on stderr that says `complaint`.
#[track_caller]
fn refuses(arguments: &[&str], complaint: &str) {
    let output = run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert_eq!(text(&output.stdout), "");
    assert!(said.contains(complaint), "{said}");
    assert!(
        said.starts_with("ghostline: ") && said.trim_end().lines().count() == 1,
        "{said}"
    );
}

#[test]
fn a_file_that_is_left_alone_is_not_completed_and_the_reason_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for name in [".env", ".ghostlineignore", "mine.rs"] {
        fs::write(folder.path().join(name), "mine.rs").unwrap();
    }
    let place = |name: &str| format!("{}:1:1", folder.path().join(name).display());
    refuses(
        &["complete", &place(".env")],
        "is left alone: its name is one of those that usually hold secrets",
    );
    refuses(
        &["complete", &place("mine.rs")],
        ".ghostlineignore` names it by `mine.rs`",
    );
    // The same without a model, for those who wonder.
    let says = |name: &str| prints(&["config", &folder.path().join(name).display().to_string()]);
    assert!(says(".env").contains("is left alone: its name"));
    assert!(says("other.rs").contains("is not left alone"));
}

/// A file in the tests' own folder.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

#[track_caller]
fn check_model(model: &Path, complaint: &str) {
    refuses(
        &[
            "complete",
            &format!("{FILE}:17:20"),
            "--model",
            &model.display().to_string(),
        ],
        complaint,
    );
}

#[test]
fn a_model_that_is_not_there_is_named_with_the_way_out() {
    check_model(
        Path::new("nowhere.gguf"),
        "model file `nowhere.gguf` not found; give the path of a GGUF file",
    );
}

#[test]
fn a_folder_is_no_model() {
    check_model(
        Path::new(env!("CARGO_MANIFEST_DIR")),
        "is a directory; give the path of a GGUF file in it",
    );
}

#[test]
fn another_kind_of_file_is_no_model() {
    check_model(Path::new(FILE), "is not a GGUF file");
}

#[test]
fn a_model_that_ends_early_is_called_an_incomplete_download() {
    let model = fs::read(MODEL).unwrap();
    for (idx, len) in [model.len() - 1, model.len() / 2, 100]
        .into_iter()
        .enumerate()
    {
        check_model(
            &file(&format!("truncated-{idx}.gguf"), &model[..len]),
            "ends early: it is an incomplete download",
        );
    }
}

#[test]
fn a_model_without_fill_in_the_middle_works_and_the_doctor_says_what_it_lacks() {
    // The same model with its tokens called something else, in as many bytes.
    let mut model = fs::read(MODEL).unwrap();
    let needle = b"fim_";
    let places: Vec<usize> = model
        .windows(needle.len())
        .enumerate()
        .filter(|(_, bytes)| bytes == needle)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        model[at..at + needle.len()].copy_from_slice(b"abc_");
    }
    // Nor may it be known by its name.
    let path = file("no-fim.gguf", &model);
    let path = path.display().to_string();
    prints(&["complete", &format!("{FILE}:17:20"), "--model", &path]);
    let json = prints_json(&["doctor", "--json", "--model", &path]);
    assert_eq!(json["model"]["format"], "left-to-right");
    assert_eq!(json["model"]["order"], "prefix only");
    let note = json["model"]["notes"][0].as_str().unwrap();
    assert!(note.contains("sees nothing behind the cursor"), "{note}");
}

#[cfg(unix)]
#[test]
fn a_model_that_may_not_be_read_is_told_apart() {
    use std::os::unix::fs::PermissionsExt;
    let path = file("forbidden.gguf", b"GGUF");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        eprintln!("skipped: this user may read everything");
    } else {
        check_model(&path, "no permission to read");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_file_to_complete_that_cannot_be_read_is_named() {
    refuses(
        &["complete", "nowhere.rs:1:1"],
        "file `nowhere.rs` not found",
    );
    refuses(
        &["complete", &format!("{}:1:1", env!("CARGO_MANIFEST_DIR"))],
        "is a directory",
    );
    refuses(&["complete", &format!("{MODEL}:1:1")], "is not UTF-8 text");
}

#[test]
fn a_place_outside_of_the_file_is_refused_with_where_it_ends() {
    refuses(
        &["complete", &format!("{FILE}:100000:1")],
        "there is no line 100000; the file has",
    );
    refuses(
        &["complete", &format!("{FILE}:2:5")],
        "there is no column 5 in line 2; its end is column 1",
    );
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_two() {
    for arguments in [
        &["complete"][..],
        &["complete", "a.rs"],
        &["complete", "a.rs:0:1"],
        &["dance"],
        &["bench", "--runs", "0"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            text(&output.stderr).contains("--help"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn completing_prints_the_ghost_text_and_nothing_else() {
    let source = file(
        "complete.rs",
        b"fn main() {\n    let mut numbers = vec![1, 2, 3];\n    for number in numbers.\n}\n",
    );
    let place = format!("{}:3:26", source.display());
    let printed = prints(&["complete", &place]);
    let json = prints_json(&["complete", &place, "--json"]);
    let ghost = json["text"].as_str().unwrap();
    assert_eq!(
        printed,
        if ghost.is_empty() {
            String::new()
        } else {
            format!("{ghost}\n")
        }
    );
    assert!(json["generated_tokens"].as_u64().unwrap() > 0, "{json}");
    assert!(json["prompt_tokens"].as_u64().unwrap() >= json["evaluated_tokens"].as_u64().unwrap());
    assert_eq!(json["reused_tokens"], 0);
    assert!(json["load_us"].as_u64().unwrap() > 0);
    assert!((0.0..=1.0).contains(&json["confidence"].as_f64().unwrap()));
    assert!(json["stop_reason"].is_string());
}

#[test]
fn where_nothing_is_wanted_nothing_is_printed() {
    // Behind a statement that is complete.
    let done = file("done.rs", b"fn main() {\n    println!(\"done\");\n}\n");
    let place = format!("{}:2:22", done.display());
    assert_eq!(prints(&["complete", &place]), "");
    assert_eq!(prints_json(&["complete", &place, "--json"])["text"], "");
}

#[test]
fn settings_are_shown_with_where_they_came_from() {
    let config = file(
        "shown.toml",
        b"[completion]\nmax_tokens = 9\nmax_tokns = 3\n",
    );
    let config = config.display().to_string();
    let arguments = ["config", "--json", "--config", &config, "--model", "m.gguf"];
    let output = program(&arguments)
        .args(["--lora", "a.gguf", "--lora", "b.gguf:0.5"])
        .env("GHOSTLINE_LOG", "debug")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(all["completion.max_tokens"]["value"], 9);
    assert_eq!(
        all["completion.max_tokens"]["origin"],
        format!("file {config}")
    );
    assert_eq!(all["log.level"]["origin"], "environment");
    assert_eq!(all["model.path"]["value"], "m.gguf");
    assert_eq!(all["model.path"]["origin"], "command line");
    assert_eq!(
        all["model.lora"]["value"],
        serde_json::json!(["a.gguf", "b.gguf:0.5"])
    );
    assert_eq!(all["engine.reuse"]["origin"], "default");
    let said = text(&output.stderr);
    assert!(
        said.contains("`completion.max_tokns`: unknown; did you mean `completion.max_tokens`?"),
        "{said}"
    );
}

#[test]
fn a_named_configuration_has_to_be_there() {
    refuses(
        &["config", "--config", "nowhere.toml"],
        "file `nowhere.toml` not found",
    );
}

#[test]
fn the_doctor_says_that_it_works_here() {
    let json = prints_json(&["doctor", "--json"]);
    assert_eq!(json["is_usable"], true);
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["model"]["origin"], "built in");
    assert!(json["speed"]["n_keystrokes"].is_u64());
    assert!(prints(&["doctor"]).contains("ghostline works here"));
}

#[test]
fn the_doctor_says_what_to_do_about_a_model_that_is_not_there() {
    let output = run(&["doctor", "--model", "nowhere.gguf"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(
        said.contains("problem: model file `nowhere.gguf` not found; give the path"),
        "{said}"
    );
    assert!(said.contains("does not work here yet"));
}

#[test]
fn the_bench_counts_every_key() {
    let json = prints_json(&["bench", "--keystrokes", "6", "--baseline", "--json"]);
    let columns = json["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 2);
    for column in columns {
        let run = &column["runs"][0];
        let n_keystrokes = run["keystrokes"].as_u64().unwrap() as usize;
        assert!((1..=6).contains(&n_keystrokes), "{run}");
        assert_eq!(run["latencies_ms"].as_array().unwrap().len(), n_keystrokes);
    }
}

#[test]
fn without_a_terminal_the_demo_prints_its_table_alone() {
    let svg = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo.svg");
    let printed = prints(&["demo", "--speed", "20", "--svg", &svg.display().to_string()]);
    assert!(printed.contains("answered within 16.7 ms"), "{printed}");
    assert!(
        !printed.contains('\u{1b}'),
        "no terminal, no escape sequences"
    );
    let svg = fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

#[test]
fn a_server_that_cannot_load_its_model_ends_the_demo_with_a_sentence() {
    refuses(
        &["demo", "--model", "nowhere.gguf"],
        "model file `nowhere.gguf` not found",
    );
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let mut child = program(&["config", "--reference"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}
