//! People typing: every request answered once, and next to nothing evaluated per key.

use std::sync::Arc;

use ghostline::engine::{Engine, Loader, script::Script};
use serde_json::{Value, json};

use crate::{
    support::{
        Start, TestServer, inline_params, items,
        mirror::{Mirror, Units},
    },
    typist::Typist,
};

const URI: &str = "file:///a.rs";

/// A Rust file of about this many lines.
fn file(lines: usize) -> String {
    (0..lines / 4)
        .map(|n| format!("fn function_{n}(value: u32) -> u32 {{\n    let answer = value + {n};\n    answer * 2\n}}\n"))
        .collect()
}

async fn insert(server: &TestServer, mirror: &mut Mirror, version: usize, at: usize, text: &str) {
    let position = mirror.position(at);
    let change = json!([{"range": {"start": position, "end": position}, "text": text}]);
    let document = json!({"uri": URI, "version": version});
    mirror.apply(&change);
    server
        .notify(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": change}),
        )
        .await;
}

fn params(position: &Value) -> Value {
    let mut params = inline_params(URI, 0, 0);
    params["position"] = position.clone();
    params
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_character_that_continues_the_line_evaluates_three_tokens_at_most() {
    for lines in [100, 20_000] {
        let text = file(lines);
        // The model tells another story, so that nothing can be typed through.
        let story = text.replace("answer", "other");
        let start = Start::new(&Script::new([story.get(..20_000).unwrap_or(&story)]));
        let mut server = start
            .with("/capabilities/experimental/ghostline/figures", json!(true))
            .ready()
            .await;
        let mut at = text.len() / 2;
        at = text[..at].rfind("    answer").expect("there is one");
        let mut mirror = Mirror {
            text,
            units: Units::Utf16,
        };
        server.open(URI, "rust", &mirror.text).await;
        let mut by_engine = 0;
        for (n, typed) in "    let total = value.checked_add(answer)?.max(7) as usize;"
            .chars()
            .enumerate()
        {
            insert(&server, &mut mirror, n + 2, at, &typed.to_string()).await;
            if n == 0 {
                // The new line.
                insert(&server, &mut mirror, n + 2, at + 1, "\n").await;
            }
            at += 1;
            let answer = server
                .request(
                    "textDocument/inlineCompletion",
                    params(&mirror.position(at)),
                )
                .await;
            items(answer.expect("an answer"));
            let figures = server.notified("ghostline/completed").await;
            if figures["usage"].is_null() {
                continue;
            }
            let evaluated = figures["usage"]["evaluated_tokens"]
                .as_u64()
                .expect("a number");
            if by_engine > 0 {
                assert!(
                    evaluated <= 3,
                    "{lines} lines, key {n} ({typed:?}): {figures}"
                );
            }
            by_engine += 1;
        }
        assert!(by_engine > 20, "{by_engine}");
        server.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_keys_with_cancellations_answer_every_request_exactly_once() {
    let story = file(200);
    let mut server = Start::new(&Script::new([story.clone()])).ready().await;
    let mut mirror = Mirror {
        text: String::new(),
        units: Units::Utf16,
    };
    server.open(URI, "rust", "").await;
    let mut asked = Vec::new();
    for (n, typed) in story.chars().take(1_000).enumerate() {
        insert(&server, &mut mirror, n + 2, n, &typed.to_string()).await;
        // As VS Code does it: the request before is cancelled when the next key comes; some more than once, some
        // requests come twice, some not at all.
        if let Some(id) = asked.last().filter(|_| n % 2 == 0) {
            server.notify("$/cancelRequest", json!({"id": id})).await;
        }
        for _ in 0..[1, 1, 0, 2][n % 4] {
            let position = mirror.position(mirror.text.len());
            asked.push(
                server
                    .send("textDocument/inlineCompletion", params(&position))
                    .await,
            );
        }
    }
    let mut shown = 0;
    for id in asked {
        match server.answer(id).await {
            Ok(answer) => shown += items(answer).len(),
            Err(code) => assert_eq!(code, -32800),
        }
    }
    assert!(shown > 0);
    assert_eq!(server.text(URI).await.0, mirror.text);
    // `finish` sees to it that nothing was answered twice.
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_twenty_thousand_lines_is_typed_into_without_work_that_grows_with_it() {
    let text = file(20_000);
    let mut at = text[..text.len() / 2]
        .rfind("    answer")
        .expect("there is one");
    let script = Script::new([text.get(..20_000).unwrap_or(&text)]);
    let mut server = Start::new(&script).ready().await;
    server.open(URI, "rust", &text).await;
    let mut mirror = Mirror {
        text,
        units: Units::Utf16,
    };
    insert(&server, &mut mirror, 2, at, "    let a\n").await;
    at += "    let a".len();
    server
        .request(
            "textDocument/inlineCompletion",
            params(&mirror.position(at)),
        )
        .await
        .expect("an answer");
    let before = script.tokenised_bytes();
    for n in 0..20 {
        insert(&server, &mut mirror, n + 3, at, "b").await;
        at += 1;
        server
            .request(
                "textDocument/inlineCompletion",
                params(&mirror.position(at)),
            )
            .await
            .expect("an answer");
    }
    let per_key = (script.tokenised_bytes() - before) / 20;
    // The line, and how it goes on at places like it, from which drafts come.
    assert!(per_key < 800, "{per_key} bytes made into tokens per key");
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_files_that_are_alike_go_into_the_prompt() {
    let script = Script::new(["fn total(values: &[u32]) -> u32 {\n    values.iter().sum()\n}\n"]);
    let mut prompts = Vec::new();
    for n_others in [0, 1, 30] {
        let script = script.clone();
        let figures = "/capabilities/experimental/ghostline/figures";
        let mut start = Start::new(&script).with(figures, json!(true));
        start.start_engine = Arc::new(move |_, on_status| {
            let script = script.clone();
            let loader: Loader = Box::new(move |progress| {
                let (model, mut summary) = script.loader()(progress)?;
                summary.plan.windows.context = 2_000;
                Ok((model, summary))
            });
            Engine::start(loader, on_status)
        });
        let mut server = start.ready().await;
        for n in 0..n_others {
            let text = "fn total_of(values: &[u32]) -> u32 {\n    values.iter().sum()\n}\n";
            server.open(&format!("file:///{n}.rs"), "rust", text).await;
        }
        server
            .open(URI, "rust", "fn total(values: &[u32]) -> u32 {\n    val")
            .await;
        server.inline(URI, 1, 7).await;
        let figures = server.notified("ghostline/completed").await;
        prompts.push(
            figures["usage"]["prompt_tokens"]
                .as_u64()
                .expect("a number"),
        );
        server.finish().await;
    }
    assert!(
        prompts[0] < prompts[1] && prompts[1] <= prompts[2],
        "{prompts:?}"
    );
}

#[test]
fn edits_and_requests_wait_for_no_parse() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    // The only thread that parses aside stands still: what it was given is under way all the time.
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || held.recv());
    runtime.block_on(async {
        let text = file(40_000);
        let at = text.rfind("    answer").expect("there is one");
        let drawn = format!("{}    let total = |\n{}", &text[..at], &text[at..]);
        let script = Script::new(["    let total = answer;\n"]);
        let mut typist = Typist::start(&script, json!({}), &drawn).await;
        for typed in ["a", "n"] {
            typist.types(typed).await;
            assert!(typist.looks().await.ghost.is_some());
        }
        let (text, _) = typist.server.text(URI).await;
        assert_eq!(text, typist.mirror.text);
        go_on.send(()).expect("it waits");
        typist.leaves().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_hundred_thousand_lines_costs_the_tokens_of_one_of_a_hundred() {
    let mut evaluated = Vec::new();
    for lines in [100, 100_000] {
        let text: String = (0..lines / 4)
            .map(|n| format!("fn function_{n:06}(value: u32) -> u32 {{\n    let answer = value + 1;\n    answer * 2\n}}\n"))
            .collect();
        // The model tells another story, so that nothing can be typed through.
        let story = text[..2_000].replace("answer", "other");
        let script = Script::new([story]);
        let middle = text[..text.len() / 2].rfind("    answer");
        let middle = middle.expect("there is one");
        let drawn = format!("{}    |\n{}", &text[..middle], &text[middle..]);
        // Nothing ahead and no healing, so that every key is evaluated, when it is typed.
        let settings = json!({"engine": {"prefetch": false, "healing": false}});
        let mut typist = Typist::start(&script, settings, &drawn).await;
        typist.looks().await;
        let mut for_answers = 0;
        let typed = "let total = value.checked_add(answer)?.max(7) as usize;";
        for character in typed.chars() {
            typist.types(&character.to_string()).await;
            for_answers += typist.looks().await.evaluated();
        }
        evaluated.push(for_answers);
        typist.leaves().await;
    }
    let (few, many) = (evaluated[0], evaluated[1]);
    assert!(few > 30, "{evaluated:?}");
    assert!(
        many * 10 <= few * 11 && few * 10 <= many * 11,
        "{evaluated:?}"
    );
}
