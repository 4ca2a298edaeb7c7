//! Every family is recognised by its vocabulary, gets its own prompt, and leaks no token.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Control tokens of real vocabularies, as far as formats go, with names as in the files people have.
const VOCABULARIES: &[(&str, &str, &str)] = &[
    (
        "ghostline",
        "ghostline-small-q8_0.gguf",
        "<|endoftext|> <|fim_prefix|> <|fim_suffix|> <|fim_middle|> <|fim_pad|> <|file_sep|> <|rust|> <|python|>",
    ),
    (
        "qwen-coder",
        "qwen2.5-coder-1.5b-q8_0.gguf",
        "<|endoftext|> <|im_start|> <|im_end|> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|>",
    ),
    (
        "codeqwen",
        "codeqwen-1_5-7b.gguf",
        "<|endoftext|> <fim_prefix> <fim_middle> <fim_suffix> <fim_pad> <reponame> <file_sep>",
    ),
    (
        "starcoder2",
        "starcoder2-3b.gguf",
        "<|endoftext|> <fim_prefix> <fim_middle> <fim_suffix> <fim_pad> <repo_name> <file_sep>",
    ),
    (
        "starcoder",
        "starcoderbase-1b.gguf",
        "<|endoftext|> <fim_prefix> <fim_middle> <fim_suffix> <fim_pad> <filename> <reponame>",
    ),
    (
        "stable-code",
        "stable-code-3b-q5_k_m.gguf",
        "<|endoftext|> <fim_prefix> <fim_middle> <fim_suffix> <fim_pad>",
    ),
    (
        "granite-code",
        "granite-3b-code-base.gguf",
        "<|endoftext|> <fim_prefix> <fim_middle> <fim_suffix> <fim_pad> <filename> <reponame>",
    ),
    (
        "granite-4",
        "granite-4.0-micro.gguf",
        "<|end_of_text|> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|start_of_role|>",
    ),
    (
        "deepseek-coder",
        "deepseek-coder-1.3b-base.gguf",
        "<｜begin▁of▁sentence｜> <｜end▁of▁sentence｜> <｜fim▁hole｜> <｜fim▁begin｜> <｜fim▁end｜>",
    ),
    (
        "codellama",
        "codellama-7b.gguf",
        "<s> </s> ▁<PRE> ▁<SUF> ▁<MID> ▁<EOT>",
    ),
    (
        "codestral",
        "codestral-22b-v0.1.gguf",
        "<s> </s> [INST] [/INST] [PREFIX] [MIDDLE] [SUFFIX]",
    ),
    (
        "codegemma",
        "codegemma-2b.gguf",
        "<pad> <eos> <bos> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|file_separator|> <start_of_turn> <end_of_turn>",
    ),
    (
        "seed-coder",
        "seed-coder-8b-base.gguf",
        "<[begin▁of▁sentence]> <[end▁of▁sentence]> <[fim-prefix]> <[fim-suffix]> <[fim-middle]>",
    ),
    (
        "mellum",
        "mellum-4b-base.gguf",
        "<|endoftext|> <fim_prefix> <fim_middle> <fim_suffix> <fim_pad> <filename> <reponame>",
    ),
    (
        "glm-4",
        "glm-4-9b.gguf",
        "<|endoftext|> <|user|> <|code_prefix|> <|code_middle|> <|code_suffix|>",
    ),
];

fn facts(file_name: &str, tokens: &str) -> ModelFacts {
    let control_tokens = tokens.split(' ').map(String::from).collect();
    ModelFacts {
        file_name: file_name.into(),
        control_tokens,
        ..ModelFacts::default()
    }
}

fn every_format() -> Vec<Format> {
    let known = VOCABULARIES
        .iter()
        .map(|(name, file, tokens)| recognise(&facts(file, tokens), Some(name)));
    let named = ModelFacts {
        fim_prefix: Some("<PRE>".into()),
        fim_suffix: Some("<SUF>".into()),
        fim_middle: Some("<MID>".into()),
        ..ModelFacts::default()
    };
    known
        .chain([recognise(&named, None)])
        .map(|format| format.expect("its tokens are there"))
        .collect()
}

/// The segments as one line; control tokens between `⟨⟩`.
fn drawn(segments: &[Segment]) -> String {
    let one = |segment: &Segment| match segment {
        Segment::Special(token) => format!("⟨{token}⟩"),
        Segment::Text(text) | Segment::Suffix(text) => text.replace('\n', "⏎"),
    };
    segments.iter().map(one).collect()
}

#[track_caller]
fn check_head(name: &str, expected: Expect) {
    let (_, file, tokens) = VOCABULARIES
        .iter()
        .find(|(known, ..)| *known == name)
        .expect("a row");
    let format = recognise(&facts(file, tokens), None).expect("its tokens are there");
    assert_eq!(format.name, name);
    expected.assert_eq(&drawn(&format.head("rust", &[], "fn main() {\n", "\n}\n")));
}

#[test]
fn every_family_is_tried() {
    let tried: Vec<&str> = VOCABULARIES
        .iter()
        .map(|(name, ..)| *name)
        .chain([GENERIC, LEFT_TO_RIGHT])
        .collect();
    assert!(names().all(|name| tried.contains(&name)), "{tried:?}");
}

#[test]
fn the_built_in_model_has_its_language_first_and_no_middle_token() {
    check_head(
        "ghostline",
        expect!["⟨<|rust|>⟩⟨<|fim_suffix|>⟩⏎}⏎⟨<|fim_prefix|>⟩fn main() {⏎"],
    );
}

#[test]
fn a_language_the_built_in_model_never_saw_gets_no_language_token() {
    let (_, file, tokens) = VOCABULARIES[0];
    let format = recognise(&facts(file, tokens), None).expect("its tokens are there");
    expect!["⟨<|fim_suffix|>⟩}⟨<|fim_prefix|>⟩int main() {"].assert_eq(&drawn(&format.head(
        "c",
        &[],
        "int main() {",
        "}",
    )));
}

#[test]
fn qwen() {
    check_head(
        "qwen-coder",
        expect!["⟨<|fim_prefix|>⟩fn main() {⏎⟨<|fim_suffix|>⟩⏎}⏎⟨<|fim_middle|>⟩"],
    );
    check_head(
        "codeqwen",
        expect!["⟨<fim_prefix>⟩fn main() {⏎⟨<fim_suffix>⟩⏎}⏎⟨<fim_middle>⟩"],
    );
}

#[test]
fn starcoder_and_those_who_took_its_tokens() {
    for name in ["starcoder", "starcoder2", "stable-code", "granite-code"] {
        check_head(
            name,
            expect!["⟨<fim_prefix>⟩fn main() {⏎⟨<fim_suffix>⟩⏎}⏎⟨<fim_middle>⟩"],
        );
    }
}

#[test]
fn mellum_has_the_suffix_first() {
    check_head(
        "mellum",
        expect!["⟨<fim_suffix>⟩⏎}⏎⟨<fim_prefix>⟩fn main() {⏎⟨<fim_middle>⟩"],
    );
}

#[test]
fn granite_4() {
    check_head(
        "granite-4",
        expect!["⟨<|fim_prefix|>⟩fn main() {⏎⟨<|fim_suffix|>⟩⏎}⏎⟨<|fim_middle|>⟩"],
    );
}

#[test]
fn deepseek() {
    check_head(
        "deepseek-coder",
        expect!["⟨<｜fim▁begin｜>⟩fn main() {⏎⟨<｜fim▁hole｜>⟩⏎}⏎⟨<｜fim▁end｜>⟩"],
    );
}

#[test]
fn codellama() {
    check_head(
        "codellama",
        expect!["⟨▁<PRE>⟩fn main() {⏎⟨▁<SUF>⟩⏎}⏎⟨▁<MID>⟩"],
    );
}

#[test]
fn codestral_has_the_suffix_first_and_no_middle_token() {
    check_head("codestral", expect!["⟨[SUFFIX]⟩⏎}⏎⟨[PREFIX]⟩fn main() {⏎"]);
}

#[test]
fn codegemma() {
    check_head(
        "codegemma",
        expect!["⟨<|fim_prefix|>⟩fn main() {⏎⟨<|fim_suffix|>⟩⏎}⏎⟨<|fim_middle|>⟩"],
    );
}

#[test]
fn seed_coder_has_the_suffix_first() {
    check_head(
        "seed-coder",
        expect!["⟨<[fim-suffix]>⟩⏎}⏎⟨<[fim-prefix]>⟩fn main() {⏎⟨<[fim-middle]>⟩"],
    );
}

#[test]
fn glm() {
    check_head(
        "glm-4",
        expect!["⟨<|code_prefix|>⟩fn main() {⏎⟨<|code_suffix|>⟩⏎}⏎⟨<|code_middle|>⟩"],
    );
}

#[test]
fn tokens_count_for_more_than_a_file_name() {
    let (_, _, tokens) = VOCABULARIES[0];
    let format = recognise(&facts("better-than-qwen-and-starcoder2.gguf", tokens), None);
    assert_eq!(format.map(|format| format.name), Ok("ghostline".into()));
}

#[test]
fn an_unknown_model_is_served_by_the_tokens_its_file_names() {
    let mut facts = facts("falcon.gguf", "<|prefix|> <|suffix|> <|middle|>");
    assert_eq!(
        recognise(&facts, Some("generic")),
        Err(FormatError::NoFillInTheMiddle)
    );
    facts.fim_prefix = Some("<|prefix|>".into());
    facts.fim_suffix = Some("<|suffix|>".into());
    facts.fim_middle = Some("<|middle|>".into());
    let format = recognise(&facts, None).expect("the file names them");
    expect!["⟨<|prefix|>⟩a⟨<|suffix|>⟩b⟨<|middle|>⟩"].assert_eq(&drawn(&format.head(
        "rust",
        &[],
        "a",
        "b",
    )));
}

#[test]
fn a_model_without_tokens_is_served_left_to_right_as_if_that_was_asked_for() {
    for wanted in [None, Some("left-to-right")] {
        let format = recognise(&ModelFacts::default(), wanted).expect("needs no token");
        expect!["fn main() {"].assert_eq(&drawn(&format.head("rust", &[], "fn main() {", "}")));
    }
}

#[test]
fn a_format_can_be_asked_for_by_name() {
    let (_, _, tokens) = VOCABULARIES
        .iter()
        .find(|(name, ..)| *name == "starcoder")
        .expect("a row");
    let format = recognise(&facts("starcoder.gguf", tokens), Some("Mellum"));
    assert_eq!(format.map(|format| format.order), Ok(Order::Spm));
}

#[test]
fn a_format_that_the_model_cannot_have_is_an_error_that_names_the_token() {
    let error =
        recognise(&facts("codellama.gguf", "▁<PRE>"), Some("codellama")).expect_err("tokens lack");
    expect!["the model has no token `▁<SUF>`, which the prompt format `codellama` needs"]
        .assert_eq(&error.to_string());
}

#[test]
fn an_unknown_format_is_an_error_that_names_the_known_ones() {
    let error = recognise(&ModelFacts::default(), Some("qwen-codr")).expect_err("a typing error");
    expect![[r#"
        unknown prompt format `qwen-codr`; known are ghostline, qwen-coder, codeqwen, starcoder2, starcoder, stable-code, granite-code, granite-4, deepseek-coder, codellama, codestral, codegemma, seed-coder, mellum, glm-4, generic, left-to-right"#]]
    .assert_eq(&error.to_string());
}

#[test]
fn a_spelling_in_a_source_file_stays_text() {
    for format in every_format() {
        for spelling in format.spellings() {
            let source = format!("const END: &str = \"{spelling}\";\n");
            let head = format.head("rust", &[Segment::Text(source.clone())], &source, &source);
            let texts = head
                .iter()
                .filter(|segment| match segment {
                    Segment::Special(_) => false,
                    Segment::Text(text) | Segment::Suffix(text) => *text == source,
                })
                .count();
            assert_eq!(texts, 3, "{}: {spelling}", format.name);
        }
    }
}

#[test]
fn no_control_token_leaks_into_ghost_text() {
    for format in every_format() {
        assert!(format.spellings().count() >= 3, "{}", format.name);
        for spelling in format.spellings() {
            assert_eq!(
                format.without_leaks(&format!("foo(bar){spelling}\nbaz")),
                "foo(bar)",
                "{spelling}"
            );
            for (at, _) in spelling
                .char_indices()
                .filter(|&(at, _)| at >= SHORTEST_HALF)
            {
                let half = format!("foo(bar){}", &spelling[..at]);
                assert_eq!(
                    format.without_leaks(&half),
                    "foo(bar)",
                    "{}: {half}",
                    format.name
                );
            }
        }
    }
}

#[test]
fn every_token_of_a_prompt_ends_a_completion() {
    for format in every_format() {
        for segment in format.head("rust", &[], "a", "b") {
            if let Segment::Special(token) = segment {
                let is_language = format
                    .languages
                    .iter()
                    .any(|(_, language)| *language == token);
                assert!(
                    is_language || format.stop.contains(&token),
                    "{}: {token}",
                    format.name
                );
            }
        }
    }
}

#[test]
fn code_that_looks_a_little_like_a_token_is_kept() {
    for format in every_format() {
        for code in [
            "if a <",
            "a[S",
            "Vec<",
            "x |",
            "a <|",
            "[",
            "let x: [u8",
            "<",
        ] {
            assert_eq!(format.without_leaks(code), code, "{}", format.name);
        }
    }
}

proptest! {
    #[test]
    fn what_is_left_begins_the_text_and_spells_no_token(parts in proptest::collection::vec("<\\|fim_|prefix\\|>|<\\|file_sep|\\|>|[a-z<|é]{0,4}", 0..12)) {
        let text = parts.concat();
        for format in every_format() {
            let kept = format.without_leaks(&text);
            prop_assert!(text.starts_with(kept));
            prop_assert!(format.spellings().all(|spelling| !kept.contains(spelling)));
        }
    }
}
