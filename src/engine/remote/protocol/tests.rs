//! What is asked and what answers mean, without a network.

use expect_test::{Expect, expect};

use super::*;
use crate::prompt::format;

fn parts() -> Parts {
    Parts {
        language: "rust".to_owned(),
        context: vec!["fn other() {}\n".to_owned()],
        prefix: "fn main() {\n".to_owned(),
        suffix: "}\n".to_owned(),
        tail: "    let".to_owned(),
    }
}

#[track_caller]
fn check(dialect: &Dialect, parts: &Parts, expected: Expect) {
    let body = dialect.body(&Question {
        parts,
        max_tokens: 9,
        is_line: true,
        model: None,
        with_probabilities: false,
        slot: Some(3),
    });
    let mut body = body.as_object().unwrap().clone();
    for name in ["response_fields", "stream", "cache_prompt", "temperature"] {
        body.remove(name);
    }
    expected.assert_eq(&serde_json::to_string(&body).unwrap());
}

fn completion(name: &str, tokens: &[(&str, i64)]) -> Dialect {
    Dialect::Completion {
        format: format::named(name).unwrap(),
        tokens: tokens
            .iter()
            .map(|(name, id)| ((*name).to_owned(), *id))
            .collect(),
    }
}

#[test]
fn known_control_tokens_go_as_numbers_and_texts_apart() {
    let qwen = [
        ("<|fim_prefix|>", 1),
        ("<|fim_suffix|>", 2),
        ("<|fim_middle|>", 3),
        ("<|file_sep|>", 4),
    ];
    check(
        &completion("qwen-coder", &qwen),
        &parts(),
        expect![[
            r#"{"id_slot":3,"n_predict":9,"prompt":["",4,"fn other() {}\n",1,"fn main() {\n",2,"}\n",3,"    let"],"stop":["\n"],"timings_per_token":true}"#
        ]],
    );
    let own = [
        ("<|fim_prefix|>", 1),
        ("<|fim_suffix|>", 2),
        ("<|rust|>", 5),
    ];
    check(
        &completion("ghostline", &own),
        &parts(),
        expect![[
            r#"{"id_slot":3,"n_predict":9,"prompt":["",5,2,"}\n",1,"fn main() {\n","    let"],"stop":["\n"],"timings_per_token":true}"#
        ]],
    );
}

#[test]
fn a_prompt_without_a_number_is_one_text_or_it_would_be_several_questions() {
    let left_to_right = Dialect::Completion {
        format: format::left_to_right(),
        tokens: HashMap::new(),
    };
    check(
        &left_to_right,
        &parts(),
        expect![[
            r#"{"id_slot":3,"n_predict":9,"prompt":"fn main() {\n    let","stop":["\n"],"timings_per_token":true}"#
        ]],
    );
}

#[test]
fn infill_gets_its_parts() {
    check(
        &Dialect::Infill,
        &parts(),
        expect![[
            r#"{"id_slot":3,"input_extra":[{"filename":"","text":"fn other() {}\n"}],"input_prefix":"fn main() {\n","input_suffix":"}\n","n_predict":9,"prompt":"    let","stop":["\n"],"timings_per_token":true}"#
        ]],
    );
}

#[test]
fn a_prompt_that_is_written_out_ends_at_other_files() {
    let written_out = Dialect::OpenAi {
        format: format::named("qwen-coder"),
    };
    check(
        &written_out,
        &parts(),
        expect![[
            r#"{"max_tokens":9,"prompt":"<|file_sep|>fn other() {}\n<|fim_prefix|>fn main() {\n<|fim_suffix|>}\n<|fim_middle|>    let","stop":["\n","<|file_sep|>","<|fim_prefix|>","<|fim_suffix|>"]}"#
        ]],
    );
    let llama = Dialect::OpenAi {
        format: format::named("codellama"),
    };
    check(
        &llama,
        &Parts {
            context: Vec::new(),
            ..parts()
        },
        expect![[
            r#"{"max_tokens":9,"prompt":" <PRE>fn main() {\n <SUF>}\n <MID>    let","stop":["\n"," <PRE>"," <SUF>"]}"#
        ]],
    );
}

#[test]
fn text_that_spells_a_control_token_is_not_sent_where_it_would_become_one() {
    let spelled = Parts {
        prefix: "a\"<|fim_middle|>\";\nb".to_owned(),
        ..parts()
    };
    let qwen = completion("qwen-coder", &[("<|fim_prefix|>", 1)]);
    check(
        &qwen,
        &spelled,
        expect![[
            r#"{"id_slot":3,"n_predict":9,"prompt":["","<|file_sep|>","fn other() {}\n",1,"\";\nb","<|fim_suffix|>","}\n","<|fim_middle|>","    let"],"stop":["\n"],"timings_per_token":true}"#
        ]],
    );
}

#[track_caller]
fn check_said(event: Value, text: &str, log_probabilities: &[f32], end: Option<StopReason>) {
    let said = said(&event).unwrap();
    assert_eq!((said.text.as_str(), said.end), (text, end));
    assert_eq!(said.log_probabilities, log_probabilities);
}

#[test]
fn every_dialect_is_understood() {
    check_said(
        json!({"content": "a", "completion_probabilities": [{"logprob": -0.5}]}),
        "a",
        &[-0.5],
        None,
    );
    check_said(
        json!({"content": "", "stop": true, "stop_type": "limit"}),
        "",
        &[],
        Some(StopReason::MaxTokens),
    );
    check_said(
        json!({"stop": true, "stop_type": "word", "stopping_word": "\n"}),
        "",
        &[],
        Some(StopReason::EndOfLine),
    );
    check_said(
        json!({"choices": [{"text": "ab", "finish_reason": null, "logprobs": {"token_logprobs": [-0.5, null, -1.0]}}]}),
        "ab",
        &[-0.5, -1.0],
        None,
    );
    check_said(
        json!({"choices": [{"text": "a", "logprobs": {"content": [{"logprob": -0.25}]}, "finish_reason": "length"}]}),
        "a",
        &[-0.25],
        Some(StopReason::MaxTokens),
    );
    check_said(
        json!({"choices": [{"delta": {"content": "a"}}]}),
        "a",
        &[],
        None,
    );
    check_said(
        json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}),
        "a",
        &[],
        Some(StopReason::EndToken),
    );
    check_said(
        json!({"choices": [], "usage": {"prompt_tokens": 3}}),
        "",
        &[],
        None,
    );
}

#[test]
fn what_makes_no_sense_is_trouble() {
    for event in [
        json!({}),
        json!([1]),
        json!("x"),
        json!({"content": 7}),
        json!({"choices": 7}),
    ] {
        assert!(
            matches!(said(&event), Err(Trouble::Malformed(_))),
            "{event}"
        );
    }
    assert_eq!(
        said(&json!({"error": {"message": "secret"}})),
        Err(Trouble::Failed)
    );
}
