//! The program beside a server: what `doctor` says of it, and what `bench` measures there.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::faulty::{Act, Faulty, Kind};

const KEY: &str = "sk-4242-secret";

fn program(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghostline"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GHOSTLINE_")) {
        command.env_remove(name);
    }
    let own = |name: &str| folder.join(name);
    command
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", own("config"))
        .env("XDG_CACHE_HOME", own("cache"))
        .env("XDG_STATE_HOME", own("state"))
        .env("THE_KEY", KEY)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

/// What `doctor --json` prints, as text and as JSON, where a project lies whose text must not be in it.
fn diagnosis(url: &str, consent: &str, arguments: &[&str]) -> (String, Value) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("main.rs"), "fn secret_of_mine() {}\n").unwrap();
    let settings = format!(
        "[engine]\nkind = \"remote\"\n[remote]\nurl = \"{url}\"\nkey_env = \"THE_KEY\"\nconsent = \"{consent}\"\ntimeout_ms = 300\n"
    );
    fs::write(folder.path().join("ghostline.toml"), settings).unwrap();
    let output = program(
        folder.path(),
        &[
            &["--config", "ghostline.toml", "doctor", "--json"],
            arguments,
        ]
        .concat(),
    );
    let said = String::from_utf8(output.stdout).unwrap();
    for secret in [KEY, "secret_of_mine"] {
        assert!(!said.contains(secret), "{said}");
    }
    let diagnosis = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    (said, diagnosis)
}

#[test]
fn the_doctor_says_what_a_server_is_and_sends_it_nothing_of_the_user() {
    let server = Faulty::start(Kind::Llama, Act::Say(vec!["x"]));
    let (_, found) = diagnosis(&server.url(), "given", &[]);
    let remote = &found["remote"];
    assert_eq!(remote["consent"], "given");
    let one = &remote["servers"][0];
    assert_eq!(one["host"], server.address().to_string());
    assert_eq!(
        [&one["answers"], &one["encrypted"]],
        [&Value::from(true), &Value::from(false)]
    );
    assert_eq!(one["format"], "qwen-coder");
    assert!(one["latency_ms"].is_f64(), "{one}");
    assert_eq!(found["is_usable"], true);
    assert!(!server.requests().is_empty());
    for request in server.requests() {
        assert!(!request.contains("secret_of_mine"), "{request}");
    }
}

#[test]
fn the_doctor_has_a_sentence_for_each_reason_for_which_a_server_says_nothing() {
    let website = Faulty::start(Kind::Website, Act::Silence);
    let (_, found) = diagnosis(&website.url(), "given", &[]);
    let trouble = found["problems"][0].as_str().unwrap();
    assert!(
        trouble.contains(&website.address().to_string()) && trouble.contains("remote.protocol"),
        "{trouble}"
    );

    let server = Faulty::start(Kind::Llama, Act::Say(vec!["x"]));
    let asked = server.requests().len();
    let (said, found) = diagnosis(&server.url(), "ask", &[]);
    assert!(
        said.contains("nobody has agreed yet that text goes to"),
        "{said}"
    );
    assert_eq!(found["remote"]["consent"], "not asked yet");
    let (said, found) = diagnosis(&server.url(), "given", &["--offline"]);
    assert!(said.contains("`network.offline` is set"), "{said}");
    assert_eq!(found["remote"]["servers"].as_array().unwrap().len(), 0);
    assert_eq!(server.requests().len(), asked, "it was not looked at");

    server.die();
    let (_, found) = diagnosis(&server.url(), "given", &[]);
    let one = &found["remote"]["servers"][0];
    assert_eq!(one["answers"], false);
    let trouble = one["trouble"].as_str().unwrap();
    assert!(trouble.contains(&server.address().to_string()), "{trouble}");
    // The model in the process is there all the same.
    assert_eq!(found["is_usable"], true);
}

#[test]
fn the_bench_types_for_several_people_at_one_server() {
    let server = Faulty::start(Kind::Llama, Act::Say(vec!["x", " = ", "1;"]));
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let arguments = [
        "bench",
        "--remote",
        &url,
        "--users",
        "1,3",
        "--keystrokes",
        "5",
        "--json",
    ];
    let output = program(folder.path(), &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let crowds = found["crowds"].as_array().unwrap();
    let users: Vec<_> = crowds.iter().map(|crowd| &crowd["users"]).collect();
    assert_eq!(users, [1, 3]);
    let count = |crowd: &Value| crowd["questions"].as_u64().unwrap();
    assert!((1..=5).contains(&count(&crowds[0])), "{found}");
    assert!((3..=15).contains(&count(&crowds[1])), "{found}");
    for crowd in crowds {
        assert!(crowd["answered"].as_f64().unwrap() > 0.0, "{crowd}");
        assert!(crowd["p50_ms"].is_f64(), "{crowd}");
        assert!(
            crowd["tokens_per_second"].as_f64().unwrap() > 0.0,
            "{crowd}"
        );
        assert!(
            crowd["prompt_tokens_per_second"].as_f64().unwrap() > 0.0,
            "{crowd}"
        );
    }
    assert!(server.questions().len() >= 4);
}
