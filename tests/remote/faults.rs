//! Everything that goes wrong with servers: each time with a sentence, the model in the process in their place, and ghost
//! text at the first question after the cause is gone.

use std::time::{Duration, Instant};

use ghostline::{
    engine::{Outcome, Status, script::Script},
    suggest::Shape,
};
use serde_json::json;

use crate::{
    engine::{ask, ask_of, engine, until},
    faulty::{Act, Faulty, Kind},
};

const STORY: &str = "fn main() {\n    let local = 1;\n}\n";
const PLACE: &str = "fn main() {\n    let l|\n}\n";
const MODELS: &str = r#"{"data": [{"id": "some-model"}]}"#;

/// With nobody in its place, a question says what is wrong; and the next one after that is answered.
#[track_caller]
fn check(kind: Kind, act: Act, expected: &str) {
    let server = Faulty::start(kind, act);
    let alone = engine(json!({"url": server.url(), "timeout_ms": 300}), None);
    let Outcome::Failed(sentence) = ask(&alone, PLACE).outcome() else {
        panic!("it fails")
    };
    let host = format!("`{}`", server.address());
    assert!(
        sentence.starts_with(&host) || sentence.contains(&format!("to {host}")),
        "{sentence}"
    );
    assert!(sentence.contains(expected), "{sentence}");
    server.act(Act::Say(vec!["x = 2;"]));
    assert_eq!(ask(&alone, PLACE).text(), "x = 2;");
    alone.shut_down();
}

#[test]
fn what_is_wrong_is_said_and_gone_with_its_cause() {
    let llama = Kind::Llama;
    check(llama, Act::Silence, "does not answer in time");
    check(llama, Act::HangUp, "broke off");
    check(llama, Act::SayAndCut(vec!["x"]), "broke off in the middle");
    check(llama, Act::SayAndWait(vec!["x"]), "does not answer in time");
    check(llama, Act::Status(401, ""), "refuses the key");
    check(llama, Act::Status(404, ""), "has nothing at `/completion`");
    check(
        llama,
        Act::Status(429, "Retry-After: 30\r\n"),
        "too many questions",
    );
    // More than a clock can add up.
    check(
        llama,
        Act::Status(429, "Retry-After: 18446744073709551615\r\n"),
        "too many questions",
    );
    check(llama, Act::Ping, "does not answer in time");
    check(llama, Act::Status(500, ""), "fails with status 500");
    check(llama, Act::Status(503, ""), "is not ready");
    check(
        llama,
        Act::Status(302, "Location: http://elsewhere/\r\n"),
        "sends to another address",
    );
    check(llama, Act::Status(400, ""), "does not understand");
    check(
        llama,
        Act::Raw("text/html", "<html>"),
        "answers with `text/html`",
    );
    check(
        llama,
        Act::Raw("text/event-stream", "data: {oops\n\n"),
        "makes no sense (no JSON)",
    );
    check(
        llama,
        Act::Raw("text/event-stream", "data: {\"a\":1}\n\n"),
        "makes no sense",
    );
    check(llama, Act::Raw("text/event-stream", ""), "broke off");
    check(
        llama,
        Act::Raw(
            "text/event-stream",
            "data: {\"error\":{\"message\":\"s\"}}\n\n",
        ),
        "failed while it answered",
    );
    check(llama, Act::Raw("application/json", "[1"), "makes no sense");
    check(
        Kind::OpenAi(MODELS),
        Act::Raw("text/event-stream", "data: [1]\n\n"),
        "makes no sense",
    );
}

#[test]
fn while_a_server_fails_the_model_in_the_process_answers_the_same_question() {
    for act in [
        Act::HangUp,
        Act::Silence,
        Act::Status(500, ""),
        Act::Status(429, ""),
        Act::SayAndCut(vec!["x"]),
        Act::Raw("text/html", ""),
    ] {
        let server = Faulty::start(Kind::Llama, act.clone());
        let script = Script::new([STORY]);
        let engine = engine(
            json!({"url": server.url(), "timeout_ms": 300}),
            Some(&script),
        );
        assert_eq!(ask(&engine, PLACE).text(), "ocal = 1;", "{act:?}");
        // And at once from then on.
        assert_eq!(ask(&engine, PLACE).text(), "ocal = 1;");
        // Once more only where a kept connection may have been closed before the question arrived.
        let most = if matches!(act, Act::HangUp) { 2 } else { 1 };
        assert!(server.questions().len() <= most, "{act:?}");
        let health = &engine.remotes()[0];
        assert!(!health.answers && health.trouble.is_some(), "{health:?}");
        // It comes back by itself, without a question that pays for finding out.
        server.act(Act::Say(vec!["remote = 2;"]));
        until(|| engine.remotes()[0].answers);
        assert_eq!(ask(&engine, PLACE).text(), "remote = 2;");
        engine.shut_down();
    }
}

#[test]
fn a_server_that_dies_in_the_middle_and_comes_back_is_used_at_the_next_question() {
    let server = Faulty::start(Kind::Llama, Act::SayAndWait(vec!["x"]));
    let alone = engine(json!({"url": server.url()}), None);
    let asked = ask(&alone, PLACE);
    until(|| asked.progress.text() == "x");
    server.die();
    let Outcome::Failed(sentence) = asked.outcome() else {
        panic!("it broke off")
    };
    assert!(sentence.contains("broke off"), "{sentence}");
    let Outcome::Failed(sentence) = ask(&alone, PLACE).outcome() else {
        panic!("nobody is there")
    };
    assert!(sentence.contains("cannot be reached"), "{sentence}");
    let again = Faulty::at(server.address(), Kind::Llama, Act::Say(vec!["y"]));
    assert_eq!(ask(&alone, PLACE).text(), "y");
    assert_eq!(again.questions().len(), 1);
    alone.shut_down();
}

#[test]
fn a_kept_connection_that_the_server_has_closed_costs_nothing() {
    let server = Faulty::start(Kind::Llama, Act::Say(vec!["x"]));
    let alone = engine(json!({"url": server.url()}), None);
    assert_eq!(ask(&alone, PLACE).text(), "x");
    server.hang_up_idle();
    assert_eq!(ask(&alone, PLACE).text(), "x");
    assert_eq!(server.connections(), 2);
    assert_eq!(alone.remotes()[0].trouble, None);
    alone.shut_down();
}

#[test]
fn a_busy_server_is_asked_again_when_it_said() {
    let server = Faulty::start(Kind::Llama, Act::Status(429, "Retry-After: 1\r\n"));
    let alone = engine(json!({"url": server.url()}), None);
    let started = Instant::now();
    let asked = ask(&alone, PLACE);
    until(|| server.questions().len() == 1);
    server.act(Act::Say(vec!["x"]));
    assert_eq!(asked.text(), "x");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.questions().len(), 2);
    alone.shut_down();
}

#[test]
fn what_a_server_does_not_understand_is_put_more_simply_once() {
    let models = r#"{"data": [{"id": "qwen2.5-coder:1.5b"}]}"#;
    let server = Faulty::start(Kind::OpenAi(models), Act::Status(400, ""));
    let alone = engine(json!({"url": server.url()}), None);
    assert!(matches!(ask(&alone, PLACE).outcome(), Outcome::Failed(_)));
    let questions = server.questions();
    let kinds: Vec<(bool, bool)> = (questions.iter())
        .map(|it| (it.get("suffix").is_some(), it.get("logprobs").is_some()))
        .collect();
    assert_eq!(
        kinds,
        [(true, true), (true, false), (false, true), (false, false)]
    );
    alone.shut_down();
}

#[test]
fn of_several_servers_another_one_answers_when_one_fails() {
    let bad = Faulty::start(Kind::Llama, Act::Status(500, ""));
    let good = Faulty::start(Kind::Llama, Act::Say(vec!["x"]));
    let engine = engine(json!({"url": bad.url(), "endpoints": [good.url()]}), None);
    for _ in 0..5 {
        assert_eq!(ask(&engine, PLACE).text(), "x");
    }
    assert!(bad.questions().len() <= 1);
    assert!(good.questions().len() >= 5);
    engine.shut_down();
}

#[test]
fn of_several_servers_the_fastest_is_asked() {
    let late = Duration::from_millis(300);
    let slow = Faulty::start(Kind::Llama, Act::SayAfter(late, vec!["x"]));
    let fast = Faulty::start(Kind::Llama, Act::Say(vec!["x"]));
    let engine = engine(json!({"url": slow.url(), "endpoints": [fast.url()]}), None);
    for _ in 0..8 {
        assert_eq!(ask(&engine, PLACE).text(), "x");
    }
    // Until one has been asked nobody knows how slow it is.
    assert!(slow.questions().len() <= 1, "{:?}", engine.remotes());
    engine.shut_down();
}

#[test]
fn the_status_names_the_server_that_answers() {
    let gone = Faulty::start(Kind::Llama, Act::HangUp);
    gone.die();
    let good = Faulty::start(Kind::Llama, Act::Say(vec!["x"]));
    let engine = engine(json!({"url": gone.url(), "endpoints": [good.url()]}), None);
    let Status::Ready(summary) = engine.status() else {
        panic!("it is ready")
    };
    assert_eq!(summary.name, format!("fake at {}", good.address()));
    engine.shut_down();
}

#[test]
fn a_website_is_no_server_of_completions() {
    let server = Faulty::start(Kind::Website, Act::HangUp);
    let script = Script::new([STORY]);
    let engine = engine(json!({"url": server.url()}), Some(&script));
    let health = &engine.remotes()[0];
    assert!(
        health
            .trouble
            .as_ref()
            .unwrap()
            .contains("neither a llama.cpp server nor"),
        "{health:?}"
    );
    assert_eq!(ask(&engine, PLACE).text(), "ocal = 1;");
    // Nothing of the text was sent to find that out.
    assert!(
        server
            .requests()
            .iter()
            .all(|request| !request.contains("main"))
    );
    engine.shut_down();
}

#[test]
fn what_has_been_shown_of_a_broken_answer_does_not_grow_by_other_text() {
    let server = Faulty::start(Kind::Llama, Act::SayAndCut(vec!["remote"]));
    let script = Script::new([STORY]);
    let engine = engine(json!({"url": server.url()}), Some(&script));
    let asked = ask_of(&engine, 1, PLACE, Default::default(), Shape::Line);
    let progress = asked.progress.clone();
    assert_eq!(asked.text(), "ocal = 1;");
    assert_eq!(progress.text(), "ocal = 1;");
    engine.shut_down();
}
