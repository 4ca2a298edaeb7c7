//! `ghostline models`, and what it fetched in use: by the program and in an editor.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    gguf,
    hub::{Hub, Reply, file},
};

pub const MODEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/models/ghostline-small-q8_0.gguf"
);
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/corpus/ledger.rs");

/// A user with folders of their own.
pub struct User {
    pub home: TempDir,
    hub: String,
}

impl User {
    pub fn new(hub: &Hub) -> User {
        User {
            home: tempfile::tempdir().unwrap(),
            hub: hub.url(),
        }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ghostline"));
        for (name, _) in std::env::vars() {
            let is_network = name.to_lowercase().ends_with("_proxy") || name.starts_with("HF_");
            if is_network || name.starts_with("GHOSTLINE_") {
                command.env_remove(name);
            }
        }
        for (name, folder) in [
            ("HOME", "."),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_STATE_HOME", "state"),
        ] {
            command.env(name, self.home.path().join(folder));
        }
        // What is measured of a model is kept between tests.
        command.env(
            "XDG_CACHE_HOME",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        );
        command.env("HF_ENDPOINT", &self.hub).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    #[track_caller]
    pub fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], expected: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{said}");
        assert!(output.stdout.is_empty());
    }

    pub fn config(&self) -> PathBuf {
        self.home.path().join("config/ghostline/config.toml")
    }
}

#[test]
fn a_model_is_pulled_used_checked_and_deleted_by_its_name() {
    let hub = Hub::with_file(&fs::read(MODEL).unwrap());
    let user = User::new(&hub);
    let name = "org/small:small.gguf";
    user.refuses(
        &["complete", &format!("{SOURCE}:17:20"), "--model", name],
        "model `org/small:small.gguf` is not on this machine yet; fetch it with `ghostline models pull org/small:small.gguf`",
    );
    user.refuses(&["models", "use", name], "is not on this machine yet");
    user.refuses(
        &["models", "pull", name, "--offline"],
        "`network.offline` is set, so nothing is fetched",
    );
    assert!(hub.requests().is_empty(), "nobody asked for the network");

    let said = user.prints(&["models", "pull", name]);
    assert!(
        said.contains("Use it with: ghostline models use org/small:small.gguf"),
        "{said}"
    );
    assert_eq!(
        hub.requests()[0].target,
        "/org/small/resolve/main/small.gguf"
    );
    let path = user.prints(&["models", "path", name]);
    assert_eq!(fs::read(path.trim()).unwrap(), fs::read(MODEL).unwrap());
    assert!(
        user.prints(&["models", "pull", name])
            .contains("is here already")
    );
    assert_eq!(hub.requests().len(), 1);

    fs::create_dir_all(user.config().parent().unwrap()).unwrap();
    fs::write(user.config(), "# mine\n[completion]\nmax_tokens = 9\n").unwrap();
    user.prints(&["models", "use", name]);
    let config = fs::read_to_string(user.config()).unwrap();
    assert_eq!(
        config,
        "# mine\n[completion]\nmax_tokens = 9\n\n[model]\npath = \"org/small:small.gguf\"\n"
    );
    let doctor: Value = serde_json::from_str(&user.prints(&["doctor", "--json"])).unwrap();
    assert_eq!(doctor["model"]["asked_for"], name);
    assert_eq!(doctor["model"]["file"].as_str(), Some(path.trim()));
    let listed: Value = serde_json::from_str(&user.prints(&["models", "list", "--json"])).unwrap();
    assert_eq!(listed["other"][0]["name"], name);
    assert!(
        user.prints(&["models", "list"])
            .contains("org/small:small.gguf  used  9 MB")
    );

    assert!(user.prints(&["models", "verify"]).contains("as it came"));
    let mut bytes = fs::read(path.trim()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path.trim(), bytes).unwrap();
    let output = user.run(&["models", "verify", name]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("CHANGED since it came")
    );

    let said = user.prints(&["models", "rm", name]);
    assert!(said.contains("9 MB are free again"), "{said}");
    user.refuses(&["models", "rm", name], "is not here");
    user.refuses(&["models", "path", name], "is not on this machine yet");
    user.prints(&["models", "use", "builtin"]);
    assert!(!fs::read_to_string(user.config()).unwrap().contains("path"));
}

#[test]
fn a_model_in_parts_is_fetched_whole_and_the_missing_part_is_named() {
    let model = fs::read(MODEL).unwrap();
    let hub =
        Hub::start(
            move |request, _| match request.target.ends_with("-00003-of-00003.gguf") {
                true => Reply::new(404, ""),
                false => file(request, &model, "\"one\""),
            },
        );
    let user = User::new(&hub);
    let name = "org/big:big-00001-of-00003.gguf";
    user.refuses(&["models", "pull", name], "has no such file (404)");
    let targets: Vec<_> = hub.requests().iter().map(|it| it.target.clone()).collect();
    assert_eq!(targets.len(), 3);
    let folder = user.home.path().join("data/ghostline/models/org/big");
    let first = folder.join("big-00001-of-00003.gguf").display().to_string();
    user.refuses(
        &["complete", &format!("{SOURCE}:17:20"), "--model", &first],
        "big-00003-of-00003.gguf` is missing: the model is cut into 3 files",
    );
}

#[test]
fn a_model_in_parts_is_used_by_the_address_of_one_of_them() {
    let parts = tempfile::tempdir().unwrap();
    gguf::llama().write_in_two(parts.path());
    let folder = parts.path().to_owned();
    let hub = Hub::start(move |request, _| {
        let name = request.target.rsplit('/').next().unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        file(request, &fs::read(folder.join(name)).unwrap(), "\"one\"")
    });
    let user = User::new(&hub);
    let address = format!("{}/a/tiny-00001-of-00002.gguf?v=1", hub.url());
    user.prints(&["models", "pull", &address]);
    assert_eq!(hub.requests().len(), 2);
    let place = format!("{SOURCE}:17:20");
    user.prints(&["complete", &place, "--model", &address]);
    user.prints(&["models", "rm", &address]);
    assert_eq!(
        user.prints(&["models", "verify"]),
        "no model was fetched yet\n"
    );
}

#[test]
fn names_that_lead_nowhere_are_told_with_the_nearest() {
    let hub = Hub::start(|_, _| Reply::new(500, ""));
    let user = User::new(&hub);
    user.refuses(
        &["models", "pull", "qwen-2.5-coder-1.5b"],
        "no model is called `qwen-2.5-coder-1.5b`; did you mean `qwen2.5-coder-1.5b`?",
    );
    user.refuses(
        &["models", "pull", "x.gguf"],
        "is a path; it can be used as it is",
    );
    user.refuses(&["models", "use", "nowhere.gguf"], "not found");
    user.refuses(&["models", "use", SOURCE], "is not a GGUF file");
    assert!(hub.requests().is_empty());
}

#[test]
fn a_wrong_hash_is_refused() {
    let hub = Hub::with_file(&fs::read(MODEL).unwrap());
    let user = User::new(&hub);
    user.refuses(
        &[
            "models",
            "pull",
            "org/x:x.gguf",
            "--sha256",
            &"0".repeat(64),
        ],
        "is not the file that was asked for",
    );
    // Also when another one is there already.
    user.prints(&["models", "pull", "org/y:y.gguf"]);
    let zeros = "0".repeat(64);
    user.refuses(
        &["models", "pull", "org/y:y.gguf", "--sha256", &zeros],
        "is here with another SHA-256",
    );
    user.prints(&["models", "rm", "org/y:y.gguf"]);
    // And so is a file that is not the catalogue's.
    user.refuses(
        &["models", "pull", "qwen2.5-coder-1.5b"],
        "the server has a file of",
    );
    assert_eq!(
        user.prints(&["models", "verify"]),
        "no model was fetched yet\n"
    );
}

#[test]
fn the_doctor_says_why_a_recurrent_model_is_slow_and_what_a_cache_and_adapters_are() {
    let hub = Hub::start(|_, _| Reply::new(500, ""));
    let user = User::new(&hub);
    let file = |name: &str| user.home.path().join(name).display().to_string();
    gguf::mamba().write(Path::new(&file("mamba.gguf")));
    let said = user.prints(&["doctor", "--model", &file("mamba.gguf")]);
    assert!(
        said.contains(
            "note: the model is recurrent: what it has read cannot be taken back in part"
        ),
        "{said}"
    );

    gguf::llama().write(Path::new(&file("llama.gguf")));
    gguf::adapter("llama").write(Path::new(&file("lora.gguf")));
    let lora = format!("{}:0.5", file("lora.gguf"));
    let output = user
        .command()
        .env("GHOSTLINE_MODEL_KV_TYPE", "q8_0")
        .args([
            "doctor",
            "--json",
            "--model",
            &file("llama.gguf"),
            "--lora",
            &lora,
        ])
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        said["model"]["adapters"][0],
        format!("{} (0.5)", file("lora.gguf"))
    );
    assert_eq!(said["model"]["tuning"]["kv_type"], "q8_0");
    assert_eq!(said["model"]["order"], "prefix only");
    let bad = user
        .command()
        .env("GHOSTLINE_MODEL_KV_TYPE", "q3")
        .arg("config")
        .output()
        .unwrap();
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(
        said.contains("`model.kv_type`: unknown variant `q3`"),
        "{said}"
    );
    assert!(hub.requests().is_empty());
}
