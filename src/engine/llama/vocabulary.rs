//! The vocabulary of a loaded model: pieces computed once, so that reading one is a slice.

use std::collections::{HashMap, HashSet};

use llama_cpp_sys_2 as sys;

use super::{Token, Weights, backend};
use crate::prompt::format::Format;

/// Which bytes each token stands for, and which tokens are control tokens.
pub(super) struct Vocabulary {
    /// All pieces, one after the other; token `i` is `bytes[ends[i - 1]..ends[i]]`.
    bytes: Box<[u8]>,
    ends: Box<[u32]>,
    is_end: Box<[bool]>,
    specials: HashMap<String, Token>,
    pub start: Option<Token>,
    /// What a newline becomes if SentencePiece puts a blank in front of every text: the blank and the newline.
    lead: Vec<Token>,
}

impl Vocabulary {
    /// Ids and pieces of all tokens. What `format` names as a control token is one, whatever the file says.
    pub(super) fn new(weights: &Weights, format: &Format) -> Vocabulary {
        let raw = weights.vocabulary();
        // SAFETY: `raw` belongs to a loaded model that lives during this function; these only read it.
        let (n_tokens, fim, start) = unsafe {
            (
                sys::llama_vocab_n_tokens(raw),
                [
                    sys::llama_vocab_fim_pre(raw),
                    sys::llama_vocab_fim_suf(raw),
                    sys::llama_vocab_fim_mid(raw),
                    sys::llama_vocab_fim_pad(raw),
                    sys::llama_vocab_fim_rep(raw),
                    sys::llama_vocab_fim_sep(raw),
                ],
                sys::llama_vocab_get_add_bos(raw)
                    .then(|| sys::llama_vocab_bos(raw))
                    .filter(|&bos| bos >= 0),
            )
        };
        let mut vocabulary = Vocabulary {
            bytes: Box::default(),
            ends: Box::default(),
            is_end: Box::default(),
            specials: HashMap::new(),
            start: start.map(Token),
            lead: Vec::new(),
        };
        let (mut bytes, mut ends, mut is_end) = (Vec::new(), Vec::new(), Vec::new());
        let mut buffer = vec![0u8; 256];
        let control: HashSet<&str> = format.spellings().collect();
        for token in 0..n_tokens {
            // SAFETY: as above, and `token` is below the vocabulary's size.
            let (attributes, ends_generation) = unsafe {
                (
                    sys::llama_vocab_get_attr(raw, token),
                    sys::llama_vocab_is_eog(raw, token),
                )
            };
            // SAFETY: as above.
            let spelling = unsafe { backend::text(sys::llama_vocab_get_text(raw, token)) };
            // Some converters leave control tokens typed as ordinary ones: the format knows better.
            let is_control = ends_generation
                || fim.contains(&token)
                || attributes & (sys::LLAMA_TOKEN_ATTR_CONTROL | sys::LLAMA_TOKEN_ATTR_UNUSED) != 0
                || control.contains(spelling.trim_start_matches('▁'));
            if is_control || attributes & sys::LLAMA_TOKEN_ATTR_USER_DEFINED != 0 {
                vocabulary.specials.entry(spelling).or_insert(Token(token));
            }
            if !is_control {
                bytes.extend_from_slice(piece(raw, token, &mut buffer));
            }
            ends.push(u32::try_from(bytes.len()).expect("a vocabulary is far below 4 GiB"));
            is_end.push(is_control);
        }
        vocabulary.bytes = bytes.into();
        vocabulary.ends = ends.into();
        vocabulary.is_end = is_end.into();
        let newline = split(weights, "\n");
        if newline.len() > 1 && vocabulary.piece(newline[newline.len() - 1]) == b"\n" {
            vocabulary.lead = newline;
        }
        vocabulary
    }

    /// Splits `text` into tokens, which spell it and nothing else; control tokens spelled in it stay text.
    pub(super) fn tokenize(&self, weights: &Weights, text: &str) -> Vec<Token> {
        // Prompts are made of texts that go on in each other, where a blank in front would be one more.
        if !self.lead.is_empty() && !text.is_empty() {
            let mut tokens = split(weights, &format!("\n{text}"));
            if tokens.starts_with(&self.lead) {
                tokens.drain(..self.lead.len());
                return tokens;
            }
        }
        split(weights, text)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn contains(&self, token: Token) -> bool {
        usize::try_from(token.0).is_ok_and(|index| index < self.len())
    }

    pub(super) fn piece(&self, token: Token) -> &[u8] {
        let Ok(index) = usize::try_from(token.0) else {
            return &[];
        };
        let Some(&end) = self.ends.get(index) else {
            return &[];
        };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start as usize..end as usize]
    }

    pub(super) fn is_end(&self, token: Token) -> bool {
        // An id outside of the vocabulary ends a completion, too: there is nothing to show for it.
        usize::try_from(token.0)
            .ok()
            .and_then(|index| self.is_end.get(index).copied())
            .unwrap_or(true)
    }

    pub(super) fn special(&self, spelling: &str) -> Option<Token> {
        self.specials.get(spelling).copied()
    }
}

/// Splits `text` as llama.cpp does without looking for control tokens.
fn split(weights: &Weights, text: &str) -> Vec<Token> {
    // llama.cpp counts in 32 bits, and a prompt is a few kilobytes.
    let Ok(len) = i32::try_from(text.len()) else {
        return Vec::new();
    };
    if len == 0 {
        return Vec::new();
    }
    let mut tokens = vec![0; text.len() / 2 + 8];
    loop {
        // SAFETY: the model is loaded, `text` is `len` bytes long, and `tokens` has the room it says.
        let n_tokens = unsafe {
            sys::llama_tokenize(
                weights.vocabulary(),
                text.as_ptr().cast(),
                len,
                tokens.as_mut_ptr(),
                i32::try_from(tokens.len()).unwrap_or(i32::MAX),
                false,
                false,
            )
        };
        match usize::try_from(n_tokens) {
            Ok(n_tokens) => {
                tokens.truncate(n_tokens);
                return tokens.into_iter().map(Token).collect();
            }
            // Too little room: the answer is the negated number of tokens.
            Err(_) if n_tokens != i32::MIN && n_tokens.unsigned_abs() as usize > tokens.len() => {
                tokens.resize(n_tokens.unsigned_abs() as usize, 0);
            }
            Err(_) => return Vec::new(),
        }
    }
}

fn piece(vocabulary: *const sys::llama_vocab, token: i32, buffer: &mut Vec<u8>) -> &[u8] {
    loop {
        // SAFETY: the vocabulary belongs to a loaded model, `token` is below its size, and `buffer` has
        // the room it says.
        let len = unsafe {
            sys::llama_token_to_piece(
                vocabulary,
                token,
                buffer.as_mut_ptr().cast(),
                i32::try_from(buffer.len()).unwrap_or(i32::MAX),
                0,
                false,
            )
        };
        match usize::try_from(len) {
            Ok(len) => return &buffer[..len],
            // Too little room: the answer is the negated length.
            Err(_) if len.unsigned_abs() as usize > buffer.len() => {
                buffer.resize(len.unsigned_abs() as usize, 0)
            }
            Err(_) => return &[],
        }
    }
}
