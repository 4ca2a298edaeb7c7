//! Headers, whole and broken.

use super::*;
use proptest::prelude::*;

fn text(into: &mut Vec<u8>, text: &str) {
    into.extend((text.len() as u64).to_le_bytes());
    into.extend(text.as_bytes());
}

fn entry(into: &mut Vec<u8>, key: &str, kind: u32) {
    text(into, key);
    into.extend(kind.to_le_bytes());
}

/// A whole file: two tokens, a FIM token, one Q8_0 tensor of 64 values.
fn file() -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend(1u64.to_le_bytes());
    file.extend(5u64.to_le_bytes());
    entry(&mut file, "general.architecture", STRING);
    text(&mut file, "llama");
    entry(&mut file, "llama.context_length", UINT32);
    file.extend(512u32.to_le_bytes());
    entry(&mut file, "tokenizer.ggml.tokens", ARRAY);
    file.extend(STRING.to_le_bytes());
    file.extend(2u64.to_le_bytes());
    text(&mut file, "<pre>");
    text(&mut file, "word");
    entry(&mut file, "tokenizer.ggml.token_type", ARRAY);
    file.extend(INT32.to_le_bytes());
    file.extend(2u64.to_le_bytes());
    file.extend([3u32.to_le_bytes(), 1u32.to_le_bytes()].concat());
    entry(&mut file, "tokenizer.ggml.fim_pre_token_id", UINT32);
    file.extend(0u32.to_le_bytes());
    text(&mut file, "output.weight");
    file.extend(1u32.to_le_bytes());
    file.extend(64u64.to_le_bytes());
    file.extend(8u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.resize(file.len().next_multiple_of(32) + 2 * 34, 7);
    file
}

fn parse(file: &[u8]) -> Result<Header, HeaderError> {
    read(file, file.len() as u64)
}

#[test]
fn a_header_says_what_the_model_is() {
    let header = parse(&file()).unwrap();
    let facts = header.facts("x.gguf");
    assert_eq!(header.parameters, 64);
    assert_eq!(header.needed_len, file().len() as u64);
    assert_eq!(
        (facts.architecture.as_str(), facts.context_length),
        ("llama", 512)
    );
    assert_eq!(facts.fim_prefix.as_deref(), Some("<pre>"));
    assert_eq!(facts.fim_suffix, None);
    assert_eq!(
        facts.control_tokens.into_iter().collect::<Vec<_>>(),
        ["<pre>"]
    );
}

#[test]
fn a_file_that_lacks_its_last_byte_is_truncated_wherever_that_is() {
    let file = file();
    for len in 4..file.len() {
        assert!(
            matches!(parse(&file[..len]), Err(HeaderError::Truncated)),
            "{len} bytes"
        );
    }
    assert!(matches!(parse(&file[..3]), Err(HeaderError::NotGguf)));
    assert!(matches!(parse(b""), Err(HeaderError::NotGguf)));
    assert!(matches!(parse(b"#!/bin/sh\n"), Err(HeaderError::NotGguf)));
}

#[test]
fn a_length_that_lies_about_the_file_is_an_error_and_no_allocation() {
    let mut file = file();
    // The length of the first key, right after magic, version and the two counts.
    file[24..32].copy_from_slice(&(1u64 << 40).to_le_bytes());
    assert!(matches!(parse(&file), Err(HeaderError::Truncated)));
    assert!(matches!(
        read(&file[..], u64::MAX),
        Err(HeaderError::Truncated)
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend(&bytes);
        let _ = parse(&bytes);
        let _ = parse(&file);
    }

    #[test]
    fn a_changed_header_never_panics(at in 4usize..300, value in any::<u8>(), wide in any::<bool>()) {
        let mut file = file();
        let end = if wide { at + 8 } else { at + 1 };
        let Some(bytes) = file.get_mut(at..end) else { return Ok(()) };
        bytes.fill(value);
        if let Ok(header) = parse(&file) {
            header.facts("x.gguf");
        }
    }
}
