//! The header of a GGUF file, read in safe Rust before llama.cpp sees the file: whether the file is
//! whole, and what it says about itself. Not the tensors' values; those are llama.cpp's.
//!
//! A file is bad input like any other: every length is checked against what is left of the file before
//! anything is allocated, and every sum is checked.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use crate::prompt::format::ModelFacts;

/// Token types of `tokenizer.ggml.token_type` whose spelling stands for itself.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// More entries than any real file has; what lies beyond is not worth the memory.
const MAX_ENTRIES: u64 = 1 << 16;

/// What the header of a GGUF file says.
#[derive(Debug, Default)]
pub struct Header {
    scalars: HashMap<String, Scalar>,
    tokens: Vec<String>,
    token_types: Vec<u64>,
    pub parameters: u64,
    /// The ggml types of the tensors, each once.
    pub tensor_types: Vec<u32>,
    /// How long the file has to be to hold every tensor.
    pub needed_len: u64,
    /// How long it is; all parts together.
    pub file_len: u64,
}

#[derive(Debug)]
enum Scalar {
    Number(u64),
    Text(String),
}

/// Why a header cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    #[error("not a GGUF file")]
    NotGguf,
    #[error("the file ends early")]
    Truncated,
    #[error("the header is damaged: {0}")]
    Damaged(&'static str),
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for HeaderError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => HeaderError::Truncated,
            _ => HeaderError::Io(error),
        }
    }
}

/// Reads the header of a file of `len` bytes. Reads forward only, so hand it something buffered.
pub fn read(file: impl Read, len: u64) -> Result<Header, HeaderError> {
    let mut source = Source { file, len, at: 0 };
    let mut magic = [0; 4];
    if len < 4 || source.bytes(&mut magic).is_err() || &magic != b"GGUF" {
        return Err(HeaderError::NotGguf);
    }
    let version = source.u32()?;
    if !(2..=3).contains(&version) {
        return Err(HeaderError::Damaged("its version is not 2 or 3"));
    }
    let n_tensors = source.u64()?;
    let n_entries = source.u64()?;
    if n_entries > MAX_ENTRIES || n_tensors > MAX_ENTRIES {
        return Err(HeaderError::Damaged("an absurd number of entries"));
    }

    let mut header = Header {
        file_len: len,
        ..Header::default()
    };
    for _ in 0..n_entries {
        let key = source.text()?;
        let kind = source.u32()?;
        header.entry(key, kind, &mut source)?;
    }

    let mut end = 0u64;
    for _ in 0..n_tensors {
        source.skip_text()?;
        let n_dimensions = source.u32()?;
        if n_dimensions > 8 {
            return Err(HeaderError::Damaged("a tensor of more than 8 dimensions"));
        }
        let mut elements = 1u64;
        for _ in 0..n_dimensions {
            elements = elements
                .checked_mul(source.u64()?)
                .ok_or(HeaderError::Damaged("a tensor of absurd size"))?;
        }
        let kind = source.u32()?;
        let offset = source.u64()?;
        header.parameters = header.parameters.saturating_add(elements);
        if !header.tensor_types.contains(&kind) {
            header.tensor_types.push(kind);
        }
        // A type that is newer than this table only goes unchecked.
        let size = block(kind).map_or(0, |(values, bytes)| {
            elements.div_ceil(values).saturating_mul(bytes)
        });
        end = end.max(offset.saturating_add(size));
    }

    let alignment = header.number("general.alignment").unwrap_or(32);
    if !alignment.is_power_of_two() {
        return Err(HeaderError::Damaged("its alignment is not a power of two"));
    }
    if n_tensors > 0 {
        header.needed_len = source
            .at
            .checked_next_multiple_of(alignment)
            .unwrap_or(u64::MAX)
            .saturating_add(end);
    }
    if header.needed_len > len {
        return Err(HeaderError::Truncated);
    }
    Ok(header)
}

impl Header {
    /// `general.type`: `model`, `adapter`, …
    pub fn kind(&self) -> Option<&str> {
        self.text("general.type")
    }

    pub fn architecture(&self) -> &str {
        self.text("general.architecture").unwrap_or_default()
    }

    /// Adds what another file of the same model holds.
    pub fn add_part(&mut self, part: &Header) {
        self.parameters = self.parameters.saturating_add(part.parameters);
        self.file_len += part.file_len;
        for kind in &part.tensor_types {
            if !self.tensor_types.contains(kind) {
                self.tensor_types.push(*kind);
            }
        }
    }

    /// Bytes that a token takes in an F16 cache, as far as the header says.
    pub fn kv_bytes(&self) -> Option<u64> {
        let of = |key: &str| self.of_architecture(key);
        let heads = of("attention.head_count")?;
        let head =
            of("attention.key_length").or_else(|| of("embedding_length")?.checked_div(heads))?;
        let kv_heads = of("attention.head_count_kv").unwrap_or(heads);
        of("block_count")?
            .checked_mul(4)?
            .checked_mul(kv_heads)?
            .checked_mul(head)
    }

    /// A number that the architecture's name stands before.
    pub fn of_architecture(&self, key: &str) -> Option<u64> {
        self.number(&format!("{}.{key}", self.architecture()))
    }

    /// What the header says about prompt formats and sizes.
    pub fn facts(&self, file_name: &str) -> ModelFacts {
        let architecture = self.architecture();
        let spelling = |keys: [&str; 2]| {
            let id = keys
                .iter()
                .find_map(|key| self.number(&format!("tokenizer.ggml.{key}_token_id")))?;
            self.tokens.get(usize::try_from(id).ok()?).cloned()
        };
        ModelFacts {
            context_length: self
                .number(&format!("{architecture}.context_length"))
                .and_then(|tokens| usize::try_from(tokens).ok())
                .unwrap_or(0),
            architecture: architecture.to_owned(),
            name: self.text("general.name").unwrap_or_default().to_owned(),
            file_name: file_name.to_owned(),
            fim_prefix: spelling(["fim_pre", "prefix"]),
            fim_suffix: spelling(["fim_suf", "suffix"]),
            fim_middle: spelling(["fim_mid", "middle"]),
            file_separator: spelling(["fim_sep", "fim_sep"]),
            repository: spelling(["fim_rep", "fim_rep"]),
            control_tokens: self
                .tokens
                .iter()
                .zip(&self.token_types)
                .filter(|&(_, &kind)| kind == CONTROL || kind == USER_DEFINED)
                .map(|(token, _)| token.clone())
                .collect(),
        }
    }

    /// How many tokens there are; 0 if it does not say.
    pub fn vocabulary_size(&self) -> usize {
        self.tokens.len()
    }

    fn number(&self, key: &str) -> Option<u64> {
        match self.scalars.get(key)? {
            Scalar::Number(number) => Some(*number),
            Scalar::Text(_) => None,
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.scalars.get(key)? {
            Scalar::Text(text) => Some(text),
            Scalar::Number(_) => None,
        }
    }

    fn entry(
        &mut self,
        key: String,
        kind: u32,
        source: &mut Source<impl Read>,
    ) -> Result<(), HeaderError> {
        match kind {
            STRING => {
                let text = source.text()?;
                self.scalars.insert(key, Scalar::Text(text));
            }
            ARRAY => {
                let item = source.u32()?;
                let count = source.u64()?;
                match (key.as_str(), item) {
                    ("tokenizer.ggml.tokens", STRING) => {
                        for _ in 0..count {
                            self.tokens.push(source.text()?);
                        }
                    }
                    ("tokenizer.ggml.token_type", INT32 | UINT32) => {
                        for _ in 0..count {
                            self.token_types.push(source.u32()?.into());
                        }
                    }
                    (_, STRING) => {
                        for _ in 0..count {
                            source.skip_text()?;
                        }
                    }
                    // No model has arrays of arrays; refusing them bounds the recursion.
                    _ => {
                        let size = scalar_size(item)
                            .ok_or(HeaderError::Damaged("an array of unknown type"))?;
                        source.skip(count.checked_mul(size).ok_or(HeaderError::Truncated)?)?;
                    }
                }
            }
            _ => {
                let size =
                    scalar_size(kind).ok_or(HeaderError::Damaged("an entry of unknown type"))?;
                let mut bytes = [0; 8];
                source.bytes(&mut bytes[..size as usize])?;
                if !matches!(kind, FLOAT32 | FLOAT64) {
                    self.scalars
                        .insert(key, Scalar::Number(u64::from_le_bytes(bytes)));
                }
            }
        }
        Ok(())
    }
}

const UINT32: u32 = 4;
const INT32: u32 = 5;
const FLOAT32: u32 = 6;
const STRING: u32 = 8;
const ARRAY: u32 = 9;
const FLOAT64: u32 = 12;

/// Bytes of a GGUF value that is neither a string nor an array.
fn scalar_size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        UINT32 | INT32 | FLOAT32 => Some(4),
        10 | 11 | FLOAT64 => Some(8),
        _ => None,
    }
}

/// Values and bytes of one block of a ggml type (`ggml.h`, `ggml-common.h`).
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),      // F32, I32
        1 | 25 | 30 => (1, 2), // F16, I16, BF16
        24 => (1, 1),          // I8
        27 | 28 => (1, 8),     // I64, F64
        2 => (32, 18),         // Q4_0
        3 => (32, 20),         // Q4_1
        6 => (32, 22),         // Q5_0
        7 => (32, 24),         // Q5_1
        8 => (32, 34),         // Q8_0
        9 => (32, 36),         // Q8_1
        10 => (256, 84),       // Q2_K
        11 => (256, 110),      // Q3_K
        12 => (256, 144),      // Q4_K
        13 => (256, 176),      // Q5_K
        14 => (256, 210),      // Q6_K
        15 => (256, 292),      // Q8_K
        16 => (256, 66),       // IQ2_XXS
        17 => (256, 74),       // IQ2_XS
        18 => (256, 98),       // IQ3_XXS
        19 => (256, 50),       // IQ1_S
        20 => (32, 18),        // IQ4_NL
        21 => (256, 110),      // IQ3_S
        22 => (256, 82),       // IQ2_S
        23 => (256, 136),      // IQ4_XS
        29 => (256, 56),       // IQ1_M
        34 => (256, 54),       // TQ1_0
        35 => (256, 66),       // TQ2_0
        39 => (32, 17),        // MXFP4
        _ => return None,
    })
}

/// A reader that knows how much is left.
struct Source<R> {
    file: R,
    len: u64,
    at: u64,
}

impl<R: Read> Source<R> {
    fn claim(&mut self, n_bytes: u64) -> Result<(), HeaderError> {
        if n_bytes > self.len - self.at {
            return Err(HeaderError::Truncated);
        }
        self.at += n_bytes;
        Ok(())
    }

    fn bytes(&mut self, into: &mut [u8]) -> Result<(), HeaderError> {
        self.claim(into.len() as u64)?;
        Ok(self.file.read_exact(into)?)
    }

    fn skip(&mut self, n_bytes: u64) -> Result<(), HeaderError> {
        self.claim(n_bytes)?;
        let skipped = io::copy(&mut self.file.by_ref().take(n_bytes), &mut io::sink())?;
        if skipped == n_bytes {
            Ok(())
        } else {
            Err(HeaderError::Truncated)
        }
    }

    fn u32(&mut self) -> Result<u32, HeaderError> {
        let mut bytes = [0; 4];
        self.bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> Result<u64, HeaderError> {
        let mut bytes = [0; 8];
        self.bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn text(&mut self) -> Result<String, HeaderError> {
        let len = self.u64()?;
        self.claim(len)?;
        // `take` and not an allocation of `len` bytes: the length is not to be trusted, the file's own
        // length may be wrong as well (a sparse file).
        let mut bytes = Vec::new();
        self.file.by_ref().take(len).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != len {
            return Err(HeaderError::Truncated);
        }
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn skip_text(&mut self) -> Result<(), HeaderError> {
        let len = self.u64()?;
        self.skip(len)
    }
}

#[cfg(test)]
mod tests;
