//! `ghostline eval` from a shell's point of view, on a small folder: what it prints and writes, and that it is the same
//! each time. How good the figures are is no matter here, nor how long they take.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A project with a file in each of two languages, and some that do not count.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (from, to) in [
        ("benches/corpus/ledger.rs", "src/ledger.rs"),
        ("benches/corpus/scheduler.py", "scheduler.py"),
        ("benches/corpus/ledger.rs", "mine.rs"),
        ("README.md", "README.md"),
    ] {
        let to = folder.path().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root.join(from), to).unwrap();
    }
    fs::write(folder.path().join(".ghostlineignore"), "mine.rs\n").unwrap();
    folder
}

#[track_caller]
fn eval(folder: &Path, arguments: &[&str]) -> Output {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghostline"));
    command
        .env("XDG_CONFIG_HOME", own.join("config"))
        .env("XDG_CACHE_HOME", own.join("cache"))
        .env("XDG_STATE_HOME", own.join("state"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GHOSTLINE_")) {
        command.env_remove(name);
    }
    let command = command
        .arg("eval")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null());
    command.output().expect("the program runs")
}

#[track_caller]
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

#[track_caller]
fn succeeds(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// `value` is a share with its range around it.
#[track_caller]
fn is_estimate(value: &Value, n: u64) {
    let number = |name: &str| value[name].as_f64().unwrap_or(f64::NAN);
    let (low, middle, high) = (number("low"), number("value"), number("high"));
    assert!(
        0.0 <= low && low <= middle && middle <= high && high <= 1.0,
        "{value}"
    );
    assert_eq!(value["n"], n);
}

#[test]
fn places_of_every_kind_are_asked_about_in_every_language() {
    let (project, outputs) = (project(), tempfile::tempdir().unwrap());
    let [svg, reliability, cases] =
        ["a.svg", "b.svg", "c.jsonl"].map(|name| outputs.path().join(name).display().to_string());
    let arguments = [
        "--cursors",
        "3",
        "--keystrokes",
        "5",
        "--without",
        "healing",
        "--without",
        "model",
        "--thresholds",
        "0,1",
        "--json",
        "--svg",
        &svg,
        "--reliability",
        &reliability,
        "--cases",
        &cases,
    ];
    let output = eval(project.path(), &arguments);
    let all: Value = serde_json::from_str(succeeds(&output)).unwrap();

    assert_eq!(
        all["files"], 2,
        "what is left alone and what is no code does not count"
    );
    assert_eq!(all["family"], "ghostline");
    assert_eq!(
        all["columns"],
        serde_json::json!(["ghostline", "without healing", "without model"])
    );
    let rows = all["rows"].as_array().unwrap();
    let kinds: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {}", row["language"], row["law"]).replace('"', ""))
        .collect();
    let laws = ["next_line", "rest_of_line", "name"];
    let expected = ["python", "rust"].map(|language| laws.map(|law| format!("{language} {law}")));
    assert_eq!(kinds, expected.concat());
    for row in rows {
        assert_eq!(
            (&row["n"], row["ghostline"].as_array().unwrap().len()),
            (&3.into(), 3)
        );
        for one in [
            &row["ghostline"][0],
            &row["ghostline"][1],
            &row["ghostline"][2],
            &row["copy"],
            &row["cache"],
        ] {
            is_estimate(&one["exact"], 3);
        }
        is_estimate(&row["either"], 3);
        let ahead = row["ahead"].as_array().unwrap();
        let others = [
            &row["ghostline"][1],
            &row["ghostline"][2],
            &row["copy"],
            &row["cache"],
        ];
        assert_eq!(ahead.len(), others.len());
        for (ahead, other) in ahead.iter().zip(others) {
            let exact = |of: &Value| of["exact"]["value"].as_f64().unwrap();
            let expected = exact(&row["ghostline"][0]) - exact(other);
            assert!((ahead["value"].as_f64().unwrap() - expected).abs() < 1e-9);
        }
        is_estimate(&row["ghostline"][0]["shown"], 3);
    }
    for language in all["languages"].as_array().unwrap() {
        let bits = language["bits_per_byte"]["value"].as_f64().unwrap();
        assert!((0.05..8.0).contains(&bits), "{bits}");
        assert!(language["keystrokes"].as_u64().unwrap() >= 5);
        assert_eq!(language["saved"].as_array().unwrap().len(), 3);
        let first = |of: &Value| of["value"].as_f64().unwrap();
        let expected = first(&language["saved"][0]) - first(&language["saved_by_cache"]);
        assert!((first(&language["ahead"][3]) - expected).abs() < 1e-9);
    }
    assert_eq!(all["at_thresholds"].as_array().unwrap().len(), 4);
    let at = |threshold: f64| {
        let all = all["at_thresholds"].as_array().unwrap().iter();
        let of = all.filter(move |of| of["threshold"] == threshold);
        of.map(|of| of["shown"].as_f64().unwrap()).sum::<f64>()
    };
    assert!(at(0.0) > at(1.0), "what nothing reaches shows nothing");
    assert_eq!(at(1.0), 0.0);
    assert!(all["gate"]["n"].as_u64().unwrap() <= 18);

    for file in [svg, reliability] {
        let drawn = fs::read_to_string(file).unwrap();
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    }
    let cases = fs::read_to_string(cases).unwrap();
    let cases: Vec<Value> = cases
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(cases.len(), 18);
    for case in cases {
        let file = fs::read_to_string(project.path().join(case["file"].as_str().unwrap())).unwrap();
        let line = file
            .lines()
            .nth(case["line"].as_u64().unwrap() as usize - 1)
            .unwrap();
        let whole = format!(
            "{}{}",
            case["before"].as_str().unwrap(),
            case["target"].as_str().unwrap()
        );
        assert_eq!(line.trim_end(), whole);
        let asked = &case["asked"][0];
        let is_right = asked["text"] == case["target"];
        assert_eq!(asked["right"], is_right);
        assert!(
            asked["shown"] == false || asked["evidence"]["tokens"].as_u64() > Some(0),
            "{case}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_figures_and_people_get_a_table() {
    let project = project();
    let arguments = ["--cursors", "3", "--keystrokes", "10", "--language", "rust"];
    let first = eval(project.path(), &arguments);
    let second = eval(project.path(), &arguments);
    let printed = succeeds(&first);
    assert_eq!(printed, succeeds(&second));
    for expected in [
        ", 1 files, 9 places, seed 1\n",
        "first line right",
        "rust, next line",
        "edit similarity",
        "of it right",
        "ahead, percentage points",
        "keystrokes saved",
        "bits per byte",
        "threshold",
        "Calibration error",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_way_out() {
    let refuses = |folder: &Path, arguments: &[&str], complaint: &str| {
        let output = eval(folder, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(complaint) && text(&output.stdout).is_empty(),
            "{said}"
        );
    };
    let empty = tempfile::tempdir().unwrap();
    refuses(empty.path(), &[], "there is no source code in");
    refuses(&empty.path().join("no"), &[], "is not there; give a folder");
    let project = project();
    refuses(
        project.path(),
        &["--language", "cobol"],
        "there is no source code in",
    );
    refuses(
        project.path(),
        &["--cursors", "0", "--keystrokes", "0"],
        "there is nothing to measure",
    );
    refuses(
        project.path(),
        &["--thresholds", "2"],
        "a number from 0 to 1",
    );
}
