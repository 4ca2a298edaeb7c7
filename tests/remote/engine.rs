//! The engine's seam over HTTP: what is asked, what comes of an answer, and how a stream is cut off.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

use ghostline::{
    config::Config,
    document::Document,
    engine::{
        Cancel, DocumentId, Engine, Job, Outcome, Priority, Progress, Status,
        remote::{Key, Settings},
        script::Script,
    },
    prompt::anchor,
    suggest::{Shape, stop::Stop},
    text::ByteOffset,
};
use serde_json::{Value, json};

use crate::faulty::{Act, Faulty, Kind};

const STORY: &str = "fn main() {\n    let local = 1;\n}\n";

/// An engine with these settings of the section `remote`; with a script the model in the process answers where they do not.
pub fn engine(remote: Value, script: Option<&Script>) -> Engine {
    let mut config = Config::default();
    assert_eq!(config.apply(&json!({"remote": remote})), []);
    let settings = Settings::new(&config, Key::new("s3cret")).expect("settings that make sense");
    let engine = Engine::start_remote(settings, script.map(Script::loader), Box::new(|_| ()));
    let is_settled = || {
        let is_known =
            |server: &ghostline::engine::remote::Health| server.answers || server.trouble.is_some();
        matches!(engine.status(), Status::Ready(_)) && engine.remotes().iter().all(is_known)
    };
    until(is_settled);
    engine
}

pub fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it does not become so"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A question at the cursor, which is drawn as `|`.
pub struct Asked {
    pub cancel: Cancel,
    pub progress: Arc<Progress>,
    outcome: Receiver<Outcome>,
}

pub fn ask(engine: &Engine, drawn: &str) -> Asked {
    ask_of(engine, 1, drawn, Priority::Now, Shape::Line)
}

pub fn ask_of(
    engine: &Engine,
    document: u64,
    drawn: &str,
    priority: Priority,
    shape: Shape,
) -> Asked {
    let cursor = ByteOffset(drawn.find('|').expect("a cursor"));
    let snapshot = Document::new(&drawn.replacen('|', "", 1), 1, "rust", None).snapshot();
    let Status::Ready(summary) = engine.status() else {
        panic!("not ready")
    };
    let (_, prompt) = anchor::follow(None, &snapshot, cursor, &summary.plan, &[]);
    let (sender, outcome) = channel();
    let (cancel, progress) = (Cancel::default(), Arc::<Progress>::default());
    engine.submit(Job {
        document: DocumentId(document),
        priority,
        prompt,
        max_tokens: 16,
        stop: Stop::new(shape, &snapshot, cursor),
        heals: true,
        reuses: true,
        mixes: true,
        branches: 0,
        replaces: false,
        cancel: cancel.clone(),
        progress: Some(progress.clone()),
        reply: Box::new(move |outcome| drop(sender.send(outcome))),
    });
    Asked {
        cancel,
        progress,
        outcome,
    }
}

impl Asked {
    pub fn outcome(self) -> Outcome {
        let outcome = self
            .outcome
            .recv_timeout(Duration::from_secs(20))
            .expect("an outcome");
        // Exactly one.
        assert!(self.outcome.recv().is_err());
        outcome
    }

    #[track_caller]
    pub fn text(self) -> String {
        match self.outcome() {
            Outcome::Done(completion) => completion.text,
            other => panic!("no text: {other:?}"),
        }
    }
}

fn at(server: &Faulty) -> Value {
    json!({"url": server.url(), "timeout_ms": 2000})
}

#[test]
fn a_llama_server_is_asked_in_its_models_own_format_with_a_head_that_stays() {
    let server = Faulty::start(Kind::Llama, Act::Say(vec!["swer", " = 42;"]));
    let engine = engine(at(&server), None);
    assert_eq!(
        ask(&engine, "fn main() {\n    let an|\n}\n").text(),
        "swer = 42;"
    );
    assert_eq!(
        ask(&engine, "fn main() {\n    let ans|\n}\n").text(),
        "swer = 42;"
    );
    let [first, second] = &server.questions()[..] else {
        panic!("two questions")
    };
    assert_eq!(
        first["prompt"],
        json!(["", 11, "fn main() {\n", 12, "\n}\n", 13, "    let an"])
    );
    // A key typed only adds to what the server has evaluated.
    assert_eq!(second["prompt"][6], "    let ans");
    assert_eq!(
        (
            &first["cache_prompt"],
            &first["n_predict"],
            &first["stream"]
        ),
        (&json!(true), &json!(16), &json!(true))
    );
    assert_eq!(first["stop"], json!(["\n"]));
    assert!(
        server.requests()[0]
            .to_lowercase()
            .contains("authorization: bearer s3cret")
    );
    // What was read to its end is kept for the next question.
    assert!(server.requests().len() == 4 && server.connections() <= 2);
    let health = &engine.remotes()[0];
    assert!(
        health.answers && health.format.as_deref() == Some("qwen-coder"),
        "{health:?}"
    );
    engine.shut_down();
}

#[test]
fn a_model_of_no_known_family_is_left_to_the_servers_infill() {
    let server = Faulty::start(Kind::UnknownLlama, Act::Say(vec!["swer"]));
    let engine = engine(at(&server), None);
    assert_eq!(ask(&engine, "fn main() {\n    let an|\n}\n").text(), "swer");
    let question = &server.questions()[0];
    let sent =
        ["input_prefix", "prompt", "input_suffix"].map(|name| question[name].as_str().unwrap());
    assert_eq!(sent, ["fn main() {\n", "    let an", "\n}\n"]);
    assert!(
        server
            .requests()
            .iter()
            .any(|request| request.starts_with("POST /infill "))
    );
    engine.shut_down();
}

#[test]
fn an_openai_server_gets_prefix_and_suffix_or_what_was_written_out() {
    let models = r#"{"data": [{"id": "qwen2.5-coder"}]}"#;
    let server = Faulty::start(Kind::OpenAi(models), Act::Say(vec!["swer"]));
    let plain = engine(at(&server), None);
    assert_eq!(ask(&plain, "let an|;\n").text(), "swer");
    let mut settings = at(&server);
    settings["format"] = json!("qwen-coder");
    let written_out = engine(settings, None);
    assert_eq!(ask(&written_out, "let an|;\n").text(), "swer");
    let [first, second] = &server.questions()[..] else {
        panic!("two questions")
    };
    assert_eq!(
        (&first["prompt"], &first["suffix"], &first["model"]),
        (&json!("let an"), &json!(";\n"), &json!("qwen2.5-coder"))
    );
    assert_eq!(
        second["prompt"],
        "<|fim_prefix|><|fim_suffix|>;\n<|fim_middle|>let an"
    );
    assert!(second.get("suffix").is_none());
    plain.shut_down();
    written_out.shut_down();
}

#[test]
fn vllm_takes_no_suffix_and_is_never_sent_one() {
    let models =
        r#"{"data": [{"id": "Qwen/Qwen2.5-Coder-7B", "owned_by": "vllm", "max_model_len": 8192}]}"#;
    let server = Faulty::start(Kind::OpenAi(models), Act::Say(vec!["swer"]));
    let engine = engine(at(&server), None);
    assert_eq!(ask(&engine, "let an|;\n").text(), "swer");
    let prompt = server.questions()[0]["prompt"].to_string();
    assert!(prompt.contains("<|fim_middle|>let an"), "{prompt}");
    assert_eq!(engine.remotes()[0].context_length, Some(8192));
    engine.shut_down();
}

#[test]
fn probabilities_reach_the_gate_and_count_as_sure_where_there_are_none() {
    let server = Faulty::start(Kind::Llama, Act::Say(vec!["a", "b"]));
    let engine = engine(at(&server), None);
    let mean = |drawn: &str| match ask(&engine, drawn).outcome() {
        Outcome::Done(completion) => completion.confidence.mean,
        other => panic!("{other:?}"),
    };
    assert!((mean("let x|\n") - -0.1).abs() < 1e-6);
    server.act(Act::Raw(
        "application/json",
        r#"{"content": "ab", "stop": true}"#,
    ));
    assert_eq!(mean("let y|\n"), 0.0);
    engine.shut_down();
}

#[test]
fn blanks_behind_text_are_kept_back_and_the_answer_has_to_begin_with_them() {
    let server = Faulty::start(Kind::Llama, Act::Say(vec![" 42", ";"]));
    let engine = engine(at(&server), None);
    assert_eq!(ask(&engine, "let x = |\n").text(), "42;");
    assert_eq!(server.questions()[0]["prompt"][5], "let x =");
    server.act(Act::Say(vec!["= 1"]));
    assert_eq!(ask(&engine, "let x = |\n").text(), "");
    engine.shut_down();
}

#[test]
fn a_cancelled_question_cuts_its_stream_off_within_milliseconds() {
    let server = Faulty::start(Kind::Llama, Act::SayAndWait(vec!["swer"]));
    let engine = engine(at(&server), None);
    for act in [Act::SayAndWait(vec!["swer"]), Act::Silence] {
        server.act(act);
        let n_asked = server.questions().len();
        let asked = ask(&engine, "let an|\n");
        until(|| server.questions().len() > n_asked);
        asked.cancel.cancel();
        assert!(matches!(asked.outcome(), Outcome::Cancelled));
    }
    server.until_cut(2);
    engine.shut_down();
}

#[test]
fn the_newest_question_of_a_document_wins_and_other_documents_go_on() {
    let server = Faulty::start(Kind::Llama, Act::SayAndWait(vec!["x"]));
    let engine = engine(at(&server), None);
    let old = ask_of(&engine, 1, "let a|\n", Priority::Now, Shape::Line);
    let other = ask_of(&engine, 2, "let b|\n", Priority::Now, Shape::Line);
    until(|| old.progress.text() == "x" && other.progress.text() == "x");
    server.act(Act::Say(vec!["new"]));
    let new = ask_of(&engine, 1, "let ab|\n", Priority::Now, Shape::Line);
    assert!(matches!(old.outcome(), Outcome::Cancelled));
    assert_eq!(new.text(), "new");
    assert!(!other.progress.is_done());
    engine.forget(DocumentId(2));
    assert!(matches!(other.outcome(), Outcome::Cancelled));
    engine.shut_down();
}

#[test]
fn work_ahead_goes_nowhere_unless_it_is_allowed_and_then_makes_way() {
    let server = Faulty::start(Kind::Llama, Act::Say(vec!["x"]));
    let frugal = engine(at(&server), None);
    let ahead = ask_of(&frugal, 1, "let a|\n", Priority::Idle(2), Shape::Line);
    assert!(matches!(ahead.outcome(), Outcome::Cancelled));
    assert!(server.questions().is_empty());
    frugal.shut_down();

    let mut settings = at(&server);
    settings["ahead"] = json!(true);
    let eager = engine(settings, None);
    assert_eq!(
        ask_of(&eager, 1, "let a|\n", Priority::Idle(2), Shape::Line).text(),
        "x"
    );
    // What is only likely is not worth somebody else's time.
    let unlikely = ask_of(&eager, 1, "let a|\n", Priority::Idle(3), Shape::Line);
    assert!(matches!(unlikely.outcome(), Outcome::Cancelled));
    server.act(Act::SayAndWait(vec!["x"]));
    let ahead = ask_of(&eager, 1, "let b|\n", Priority::Idle(2), Shape::Line);
    until(|| ahead.progress.text() == "x");
    server.act(Act::Say(vec!["y"]));
    assert_eq!(
        ask_of(&eager, 2, "let c|\n", Priority::Now, Shape::Line).text(),
        "y"
    );
    assert!(matches!(ahead.outcome(), Outcome::Cancelled));
    eager.shut_down();
}

#[test]
fn shutting_down_cancels_what_is_under_way_and_everything_after() {
    let server = Faulty::start(Kind::Llama, Act::Silence);
    let engine = engine(at(&server), Some(&Script::new([STORY])));
    let asked = ask(&engine, "let a|\n");
    until(|| !server.questions().is_empty());
    engine.shut_down();
    assert!(matches!(asked.outcome(), Outcome::Cancelled));
    assert!(matches!(
        ask(&engine, "let b|\n").outcome(),
        Outcome::Cancelled
    ));
}

#[test]
fn a_block_ends_by_the_rules_of_this_process_and_the_stream_is_cut_there() {
    let server = Faulty::start(
        Kind::Llama,
        Act::SayAndWait(vec!["\n    a();\n", "}\n", "fn next() {"]),
    );
    let engine = engine(at(&server), None);
    let asked = ask_of(&engine, 1, "fn main() {|", Priority::Now, Shape::Block);
    assert_eq!(asked.text(), "\n    a();\n}");
    server.until_cut(1);
    engine.shut_down();
}
