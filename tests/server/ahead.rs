//! What is computed ahead is found when it is wanted, and no key pays for a new head.

use std::time::{Duration, Instant};

use ghostline::engine::script::{Act, Script};
use serde_json::json;

use crate::typist::Typist;

const STORY: &str = "fn main() {\n    let answer = 42;\n    print(answer);\n}\n";
const OTHER: &str = "fn main() {\n    let answer - 42;\n}\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_accepted_ghost_text_is_there_already() {
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, json!({}), "fn main() {\n    let an|\n}\n").await;
    let ghost = typist.looks().await.ghost.expect("ghost text");
    typist.pauses().await;
    typist.types(&ghost).await;
    let seen = typist.looks().await;
    assert_eq!(seen.source, "nothing");
    assert!(seen.figures["usage"].is_null());
    // The next line, where editors indent it.
    typist.types("\n    ").await;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some("print(answer);"), "prefetched")
    );
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_likely_to_be_typed_instead_is_there_already() {
    let script = Script::new([STORY, OTHER]);
    let mut typist = Typist::start(&script, json!({}), "fn main() {\n    let answer |\n}\n").await;
    assert_eq!(typist.looks().await.ghost.as_deref(), Some("- 42;"));
    typist.pauses().await;
    typist.types("=").await;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (Some(" 42;"), "prefetched")
    );
    // What was done ahead is told with the next request.
    assert!(seen.figures["ahead"]["jobs"].as_u64() > Some(1), "{seen:?}");
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_ahead_where_that_is_switched_off() {
    let script = Script::new([STORY, OTHER]);
    let settings = json!({"engine": {"prefetch": false}});
    let mut typist = Typist::start(&script, settings, "fn main() {\n    let an|\n}\n").await;
    typist.looks().await;
    let decodes = script.decodes();
    typist.pauses().await;
    assert_eq!(script.decodes(), decodes);
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_typed_characters_cost_a_token_each_whatever_the_windows_do() {
    let text: String = (0..6)
        .map(|n| format!("    let value_{n} = self[{n}].match(answer);\n"))
        .collect();
    // Of words that are tokens, as most are in real vocabularies. Another story, so that little can be typed through.
    let script = Script::new([text.replace("self", "Vec").replace("match", "return")]);
    let drawn = format!("{text}fn more() {{\n|\n}}\n{text}");
    let settings = json!({"completion": {"max_tokens": 2}});
    let mut typist = Typist::start(&script, settings, &drawn).await;
    typist.looks().await;
    typist.pauses().await;
    let (mut total, mut heads) = (0, 0);
    let typed: Vec<char> = text.chars().cycle().take(2_000).collect();
    for (n, character) in typed.iter().enumerate() {
        typist.types(&character.to_string()).await;
        let seen = typist.looks().await;
        assert!(
            seen.evaluated() <= 3,
            "key {n} {character:?}: {:?}",
            seen.figures
        );
        total += seen.evaluated();
        let ahead = seen.figures["ahead"]["evaluated_tokens"].as_u64();
        heads += u64::from(ahead.unwrap_or(0) > 200);
        typist.pauses().await;
    }
    assert!(total as f64 <= 1.2 * typed.len() as f64, "{total}");
    assert!(heads >= 3, "the anchor moved {heads} times");
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_seen_a_moment_ago_costs_only_what_has_changed_there() {
    let text: String = (0..200)
        .map(|n| format!("fn function_{n}() {{\n    let value = {n};\n}}\n"))
        .collect();
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, json!({}), &format!("{text}|")).await;
    for round in 0..3 {
        for n in [20, 100, 180] {
            let name = format!("fn function_{n}()");
            let line = typist.mirror.text.find(&name).expect("it is there");
            let end = typist.mirror.text[line..].find(" =").expect("it is there");
            // At the end of a line, where something is wanted.
            let end = end
                + typist.mirror.text[line + end..]
                    .find(";\n")
                    .expect("it is there");
            typist.at = line + end;
            typist.types("x").await;
            let seen = typist.looks().await;
            if round > 0 {
                assert!(
                    seen.evaluated() <= 3,
                    "round {round}, function {n}: {:?}",
                    seen.figures
                );
            }
            typist.pauses().await;
        }
    }
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_whose_answer_was_known_is_read_before_the_next_key() {
    let text: String = (0..40)
        .map(|n| format!("fn function_{n}() {{\n    let value = {n};\n}}\n"))
        .collect();
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, json!({}), &format!("{text}|")).await;
    let place = |text: &str, n: usize| {
        text.find(&format!(" = {n}")).expect("it is there") + format!(" = {n}").len()
    };
    typist.at = place(&typist.mirror.text, 20);
    typist.types("x").await;
    typist.looks().await;
    typist.pauses().await;
    // What is typed below is in what was read above.
    typist.at = place(&typist.mirror.text, 22);
    typist.types("12345").await;
    typist.looks().await;
    typist.pauses().await;
    typist.at = place(&typist.mirror.text, 20) + "x".len();
    let back = typist.looks().await;
    assert_eq!(back.evaluated(), 0, "{back:?}");
    assert!(
        !["decoded", "joined"].contains(&back.source.as_str()),
        "{back:?}"
    );
    typist.pauses().await;
    typist.types("y").await;
    let seen = typist.looks().await;
    assert!(seen.evaluated() <= 3, "{seen:?}");
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_in_a_file_finds_its_head_evaluated() {
    let text: String = (0..20)
        .map(|n| format!("fn function_{n}() {{\n    let value = {n};\n}}\n"))
        .collect();
    let mut costs = Vec::new();
    for prefetch in [false, true] {
        let settings = json!({"engine": {"prefetch": prefetch}});
        let script = Script::new([STORY]);
        let mut typist = Typist::start(&script, settings, &format!("{text}    let a|")).await;
        typist.pauses().await;
        let before = script.evaluated();
        typist.types("n").await;
        let end = typist.looks().await.evaluated();
        // Somewhere else, what stands before it is known.
        typist.at = typist.mirror.text.find(" = 15").expect("it is there") + " = 15".len();
        typist.types("1").await;
        costs.push((before > 0, end, typist.looks().await.evaluated()));
        typist.leaves().await;
    }
    let [(false, cold, _), (true, warm, elsewhere)] = costs[..] else {
        panic!("{costs:?}");
    };
    assert!(cold > 300 && warm <= 8 && elsewhere < 200, "{costs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_opened_again_is_prepared_where_the_cursor_was() {
    let text: String = (0..400)
        .map(|n| format!("fn function_{n}() {{\n    let value = {n};\n}}\n"))
        .collect();
    let script = Script::new([STORY]);
    let mut typist = Typist::start(&script, json!({}), &text.replace("= 200;", "= 200|;")).await;
    typist.types("1").await;
    typist.looks().await;
    typist.pauses().await;
    let document = json!({"uri": typist.uri});
    typist
        .server
        .notify("textDocument/didClose", json!({"textDocument": document}))
        .await;
    let (uri, text) = (typist.uri.clone(), typist.mirror.text.clone());
    typist.server.open(&uri, "rust", &text).await;
    typist.pauses().await;
    typist.types("2").await;
    let seen = typist.looks().await;
    assert!(seen.evaluated() <= 3, "{seen:?}");
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_makes_the_head_anew_and_no_key_pays_for_it() {
    let text: String = (0..40)
        .map(|n| format!("    let value_{n} = {n};\n"))
        .collect();
    let script = Script::new([STORY]);
    let drawn = format!("fn main() {{\n{text}    |\n}}\n");
    let mut typist = Typist::start(&script, json!({}), &drawn).await;
    typist.looks().await;
    let stretch = "let other = value_1;\n    let more = value_2;\n    ".repeat(4);
    // On a machine that is busy enough, a key may come so late that the pause was before it: then once more.
    let mut is_made = false;
    for _ in 0..5 {
        for character in stretch.chars() {
            typist.types(&character.to_string()).await;
            let seen = typist.looks().await;
            typist.pauses().await;
            assert!(seen.evaluated() <= 8, "{seen:?}");
        }
        // The user waits for it; nothing else would be evaluated.
        let (before, since) = (script.evaluated(), Instant::now());
        while !is_made && since.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            is_made = script.evaluated() >= before + 500;
        }
        if is_made {
            break;
        }
    }
    assert!(is_made, "no head was made in a pause");
    typist.pauses().await;
    for character in "let last = 1;".chars() {
        typist.types(&character.to_string()).await;
        let seen = typist.looks().await;
        assert!(seen.evaluated() <= 3, "{seen:?}");
        typist.pauses().await;
    }
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_model_reads_little_of_a_new_place_first_and_the_rest_while_nobody_waits() {
    let text: String = (0..400)
        .map(|n| format!("fn function_{n}() {{\n    let value = {n};\n}}\n"))
        .collect();
    let mut costs = Vec::new();
    for prefetch in [true, false] {
        // 64 tokens take 3 ms, so the whole prompt takes 90.
        let script = Script::new([STORY]).batch_size(64).on_decode(|_| {
            std::thread::sleep(Duration::from_millis(3));
            Act::Go
        });
        let settings = json!({"latency": {"prompt_ms": 20}, "engine": {"prefetch": prefetch}});
        let mut typist = Typist::start(&script, settings, &format!("{text}|")).await;
        typist.pauses().await;
        // So its pace is known.
        typist.at = typist.mirror.text.find(" = 100").expect("it is there") + " = 100".len();
        typist.types("1").await;
        assert!(typist.looks().await.evaluated() > 1_000);
        typist.pauses().await;
        typist.at = typist.mirror.text.find(" = 200").expect("it is there") + " = 200".len();
        let before = script.evaluated();
        typist.types("1").await;
        let seen = typist.looks().await;
        let first = seen.evaluated();
        typist.pauses().await;
        let read = script.evaluated() - before;
        typist.types("2").await;
        let second = typist.looks().await.evaluated();
        costs.push((first, read as u64, second));
        typist.leaves().await;
    }
    let [(short, read, then), (whole, _, _)] = costs[..] else {
        panic!("{costs:?}");
    };
    assert!(
        short >= 50 && 3 * short < 2 * whole && whole > 1_000,
        "{costs:?}"
    );
    assert!(read > short + 1_000 && then <= 3, "{costs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_shown_a_place_asked_with_little_is_asked_again_with_all_of_it() {
    // What stands just above is all that the first prompt holds, and two stories have it.
    let lines = |name: &str, numbers: std::ops::Range<u32>| -> String {
        numbers
            .map(|n| format!("    let {name}_{n} = value + answer;\n"))
            .collect()
    };
    let above = |name| format!("{}{}", lines(name, 10..20), lines("total", 20..26));
    let script = Script::new([
        format!("{}    return total;\n}}\n", above("first")),
        format!("{}    println(total);\n}}\n", above("second")),
    ]);
    let script = script.batch_size(64).on_decode(|_| {
        std::thread::sleep(Duration::from_millis(3));
        Act::Go
    });
    let settings = json!({
        "latency": {"prompt_ms": 1},
        "completion": {"min_confidence": 0.6, "partial_lines": false, "live_cache": false},
    });
    let filler = "fn nothing() {}\n".repeat(200);
    let text = format!("{}    \n}}\n{filler}", above("second"));
    let mut typist = Typist::start(&script, settings, &format!("{text}|")).await;
    // So its pace is known.
    typist.types("x").await;
    typist.looks().await;
    typist.pauses().await;
    typist.at = text.find("    \n}").expect("it is there") + 4;
    let seen = typist.looks().await;
    assert_eq!(
        (seen.ghost.as_deref(), seen.source.as_str()),
        (None, "unsure")
    );
    assert!(seen.evaluated() < 100, "{seen:?}");
    typist.pauses().await;
    let seen = typist.looks().await;
    assert_eq!(
        (
            seen.ghost.as_deref(),
            seen.source.as_str(),
            seen.evaluated()
        ),
        (Some("println(total);"), "prefetched", 0)
    );
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_looked_at_before_anybody_types_has_its_whole_head_read() {
    let text = "fn nothing() {}\n".repeat(100);
    let script = Script::new([STORY]).batch_size(64).on_decode(|_| {
        std::thread::sleep(Duration::from_millis(1));
        Act::Go
    });
    let settings = json!({"latency": {"prompt_ms": 1}});
    let mut typist = Typist::start(&script, settings, &format!("{text}|")).await;
    // So its pace is known.
    typist.types("x").await;
    typist.looks().await;
    typist.pauses().await;
    let mut elsewhere = typist.opens("file:///b.rs", &text).await;
    typist.pauses().await;
    typist.turns_to(&mut elsewhere);
    // Where nobody knows better, the head is that of the end.
    typist.at = text.len();
    typist.types("f").await;
    let seen = typist.looks().await;
    let prompt = seen.figures["usage"]["prompt_tokens"].as_u64();
    assert!(seen.evaluated() <= 3 && prompt > Some(500), "{seen:?}");
    typist.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_by_hand_waits_for_more_of_a_new_place() {
    let text: String = (0..400)
        .map(|n| format!("fn function_{n}() {{\n    let value = {n};\n}}\n"))
        .collect();
    let script = Script::new([STORY]).batch_size(64).on_decode(|_| {
        std::thread::sleep(Duration::from_millis(1));
        Act::Go
    });
    let settings = json!({"latency": {"prompt_ms": 10}, "completion": {"max_tokens": 4}});
    let mut typist = Typist::start(&script, settings, &format!("{text}|")).await;
    // So its pace is known.
    typist.types("x").await;
    typist.looks().await;
    typist.pauses().await;
    let mut tokens = Vec::new();
    for number in ["100", "200"] {
        let place = format!(" = {number}");
        typist.at = typist.mirror.text.find(&place).expect("it is there") + place.len();
        let seen = match number {
            "100" => {
                typist.types("1").await;
                typist.looks().await
            }
            _ => typist.looks_by_hand().await,
        };
        tokens.push(
            seen.figures["usage"]["prompt_tokens"]
                .as_u64()
                .expect("it was asked"),
        );
        typist.pauses().await;
    }
    assert!(tokens[0] > 100 && tokens[1] > tokens[0] + 100, "{tokens:?}");
    typist.leaves().await;
}
