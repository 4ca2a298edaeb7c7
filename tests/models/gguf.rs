//! Model files for tests, written byte by byte: as small as llama.cpp takes them, with weights that look random.

use std::path::{Path, PathBuf};

/// A GGUF file in the making.
#[derive(Clone, Default)]
pub struct Gguf {
    entries: Vec<Vec<u8>>,
    tensors: Vec<(String, Vec<usize>)>,
    /// Names of those in [`IQ4_NL`].
    quantized: Vec<String>,
}

const U16: u32 = 2;
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const TEXT: u32 = 8;
const LIST: u32 = 9;

/// Types of tensors. The second has blocks of 32 numbers: a factor and four bits for each.
const WHOLE: u32 = 0;
const IQ4_NL: u32 = 20;

fn text_bytes(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// What stands of a tensor in front of all weights.
fn described(name: &str, dimensions: &[usize], kind: u32, offset: usize) -> Vec<u8> {
    let mut bytes = text_bytes(name);
    bytes.extend((dimensions.len() as u32).to_le_bytes());
    for length in dimensions {
        bytes.extend((*length as u64).to_le_bytes());
    }
    bytes.extend(kind.to_le_bytes());
    bytes.extend((offset as u64).to_le_bytes());
    bytes
}

impl Gguf {
    fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Gguf {
        let entry = [text_bytes(key), kind.to_le_bytes().to_vec(), value.to_vec()];
        self.entries.push(entry.concat());
        self
    }

    pub fn text(self, key: &str, text: &str) -> Gguf {
        self.entry(key, TEXT, &text_bytes(text))
    }

    pub fn number(self, key: &str, number: u32) -> Gguf {
        self.entry(key, U32, &number.to_le_bytes())
    }

    pub fn real(self, key: &str, number: f32) -> Gguf {
        self.entry(key, F32, &number.to_le_bytes())
    }

    fn list(self, key: &str, kind: u32, items: &[Vec<u8>]) -> Gguf {
        let head = [
            kind.to_le_bytes().to_vec(),
            (items.len() as u64).to_le_bytes().to_vec(),
        ];
        self.entry(key, LIST, &[head.concat(), items.concat()].concat())
    }

    pub fn tensor(mut self, name: &str, dimensions: &[usize]) -> Gguf {
        self.tensors.push((name.to_owned(), dimensions.to_vec()));
        self
    }

    /// The same with one tensor in a type of which no kernels are exact.
    pub fn quantized(mut self, name: &str) -> Gguf {
        self.quantized.push(name.to_owned());
        self
    }

    /// A vocabulary of bytes, without any tokens for filling in.
    fn vocabulary(self) -> Gguf {
        let special = ["<unk>", "<s>", "</s>"].map(String::from);
        let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
        let tokens: Vec<String> = special.into_iter().chain(bytes).collect();
        let kinds = tokens.iter().enumerate().map(|(idx, _)| match idx {
            0 => 2i32,
            1 | 2 => 3,
            _ => 6,
        });
        let kinds: Vec<_> = kinds.map(|kind| kind.to_le_bytes().to_vec()).collect();
        let scores: Vec<_> = tokens.iter().map(|_| 0f32.to_le_bytes().to_vec()).collect();
        let tokens: Vec<_> = tokens.iter().map(|token| text_bytes(token)).collect();
        self.text("tokenizer.ggml.model", "llama")
            .list("tokenizer.ggml.tokens", TEXT, &tokens)
            .list("tokenizer.ggml.scores", F32, &scores)
            .list("tokenizer.ggml.token_type", I32, &kinds)
            .number("tokenizer.ggml.bos_token_id", 1)
            .number("tokenizer.ggml.eos_token_id", 2)
    }

    fn attention(mut self, layer: usize) -> Gguf {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        for (part, out) in [
            ("attn_q", WIDTH),
            ("attn_k", WIDTH / 2),
            ("attn_v", WIDTH / 2),
            ("attn_output", WIDTH),
        ] {
            self = self.tensor(&name(part), &[WIDTH, out]);
        }
        self
    }

    fn feed_forward(self, layer: usize, hidden: usize) -> Gguf {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        self.tensor(&name("ffn_gate"), &[WIDTH, hidden])
            .tensor(&name("ffn_up"), &[WIDTH, hidden])
            .tensor(&name("ffn_down"), &[hidden, WIDTH])
    }

    /// The sizes of layers with a state.
    fn state(self, architecture: &str) -> Gguf {
        let key = |name: &str| format!("{architecture}.ssm.{name}");
        self.number(&key("conv_kernel"), 4)
            .number(&key("inner_size"), INNER as u32)
            .number(&key("state_size"), STATE as u32)
            .number(&key("time_step_rank"), RANK as u32)
    }

    fn state_layer(self, layer: usize) -> Gguf {
        let part = |part: &str| format!("blk.{layer}.{part}");
        self.tensor(&part("ssm_in.weight"), &[WIDTH, 2 * INNER])
            .tensor(&part("ssm_conv1d.weight"), &[4, INNER])
            .tensor(&part("ssm_conv1d.bias"), &[INNER])
            .tensor(&part("ssm_x.weight"), &[INNER, RANK + 2 * STATE])
            .tensor(&part("ssm_dt.weight"), &[RANK, INNER])
            .tensor(&part("ssm_dt.bias"), &[INNER])
            .tensor(&part("ssm_a"), &[STATE, INNER])
            .tensor(&part("ssm_d"), &[INNER])
            .tensor(&part("ssm_out.weight"), &[INNER, WIDTH])
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        self.file(0..self.tensors.len())
    }

    /// The file with some of the tensors.
    fn file(&self, which: std::ops::Range<usize>) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3u32.to_le_bytes());
        file.extend((which.len() as u64).to_le_bytes());
        file.extend((self.entries.len() as u64).to_le_bytes());
        file.extend(self.entries.concat());
        let mut body = Vec::new();
        for (name, dimensions) in &self.tensors[which] {
            let is_quantized = self.quantized.contains(name);
            let kind = if is_quantized { IQ4_NL } else { WHOLE };
            file.extend(described(name, dimensions, kind, body.len()));
            let n_values: usize = dimensions.iter().product();
            // Every tensor the same in whichever file it stands.
            let mut state = name.bytes().fold(7u32, |hash, byte| {
                hash.wrapping_mul(31).wrapping_add(byte.into())
            });
            let n_words = n_values / if is_quantized { 32 } else { 1 };
            for _ in 0..n_words {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if is_quantized {
                    // 0.0013 as an F16, in front of any 16 bytes.
                    body.extend(0x1553_u16.to_le_bytes());
                    body.extend(state.to_le_bytes().repeat(4));
                    continue;
                }
                let value = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
                let value = match name {
                    _ if name.contains("norm") => 1.0 + value / 10.0,
                    _ if name.contains("ssm_a") => -1.0 - value,
                    // Small, so that attention does not settle on one token.
                    _ => value / 3.0,
                };
                body.extend(value.to_le_bytes());
            }
            body.resize(body.len().next_multiple_of(32), 0);
        }
        file.resize(file.len().next_multiple_of(32), 0);
        [file, body].concat()
    }

    pub fn write(&self, path: &Path) -> PathBuf {
        std::fs::write(path, self.bytes()).unwrap();
        path.to_owned()
    }

    /// The file with nothing but zeros for weights, which take no room on the disk.
    pub fn write_empty(&self, path: &Path) {
        let names = Gguf {
            tensors: Vec::new(),
            ..self.clone()
        };
        let mut file = names.file(0..0);
        file[8..16].copy_from_slice(&(self.tensors.len() as u64).to_le_bytes());
        file.truncate(24 + self.entries.concat().len());
        let mut len = 0;
        for (name, dimensions) in &self.tensors {
            file.extend(described(name, dimensions, WHOLE, len));
            len += (dimensions.iter().product::<usize>() * 4).next_multiple_of(32);
        }
        file.resize(file.len().next_multiple_of(32), 0);
        let whole = (file.len() + len) as u64;
        std::fs::write(path, file).unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_len(whole).unwrap();
    }

    /// Two files, as `llama-gguf-split` makes them; the first one's path.
    pub fn write_in_two(&self, folder: &Path) -> PathBuf {
        let (n_tensors, half) = (self.tensors.len(), self.tensors.len() / 2);
        let name = |number: usize| folder.join(format!("tiny-{number:05}-of-00002.gguf"));
        for (number, which) in [(1, 0..half), (2, half..n_tensors)] {
            let mut part = self.clone();
            if number == 2 {
                part.entries.clear();
            }
            let part = part
                .entry("split.no", U16, &(number as u16 - 1).to_le_bytes())
                .entry("split.count", U16, &2u16.to_le_bytes())
                .entry(
                    "split.tensors.count",
                    I32,
                    &(n_tensors as i32).to_le_bytes(),
                );
            std::fs::write(name(number), part.file(which)).unwrap();
        }
        name(1)
    }
}

const WIDTH: usize = 64;
const VOCABULARY: usize = 259;
/// Of layers with a state.
const INNER: usize = 2 * WIDTH;
const STATE: usize = 16;
const RANK: usize = 4;

/// Two layers of attention.
pub fn llama() -> Gguf {
    wide_llama(96)
}

/// The same with layers of so many hidden values, of which each takes 1,536 bytes.
pub fn wide_llama(hidden: usize) -> Gguf {
    let mut model = Gguf::default()
        .text("general.architecture", "llama")
        .text("general.type", "model")
        .text("general.name", "tiny")
        .number("llama.context_length", 512)
        .number("llama.embedding_length", WIDTH as u32)
        .number("llama.block_count", 2)
        .number("llama.feed_forward_length", hidden as u32)
        .number("llama.attention.head_count", 2)
        .number("llama.attention.head_count_kv", 1)
        .real("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .vocabulary()
        .tensor("token_embd.weight", &[WIDTH, VOCABULARY])
        .tensor("output_norm.weight", &[WIDTH]);
    for layer in 0..2 {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        model = model
            .attention(layer)
            .tensor(&name("attn_norm"), &[WIDTH])
            .tensor(&name("ffn_norm"), &[WIDTH])
            .feed_forward(layer, hidden);
    }
    model
}

/// Four layers of attention, of which three see no more than the last tokens, so many.
pub fn windowed(window: u32) -> Gguf {
    let mut model = Gguf::default()
        .text("general.architecture", "cohere2")
        .text("general.name", "tiny")
        .number("cohere2.context_length", 2048)
        .number("cohere2.embedding_length", WIDTH as u32)
        .number("cohere2.block_count", 4)
        .number("cohere2.feed_forward_length", 96)
        .number("cohere2.attention.head_count", 2)
        .number("cohere2.attention.head_count_kv", 1)
        .number("cohere2.attention.sliding_window", window)
        .real("cohere2.attention.layer_norm_epsilon", 1e-5)
        .real("cohere2.logit_scale", 1.0)
        .vocabulary()
        .tensor("token_embd.weight", &[WIDTH, VOCABULARY])
        .tensor("output_norm.weight", &[WIDTH]);
    for layer in 0..4 {
        model = model
            .attention(layer)
            .tensor(&format!("blk.{layer}.attn_norm.weight"), &[WIDTH]);
        model = model.feed_forward(layer, 96);
    }
    model
}

/// One layer with a state in place of a cache.
pub fn mamba() -> Gguf {
    let model = Gguf::default()
        .text("general.architecture", "mamba")
        .text("general.name", "tiny")
        .number("mamba.context_length", 512)
        .number("mamba.embedding_length", WIDTH as u32)
        .number("mamba.block_count", 1)
        .number("mamba.feed_forward_length", 0)
        .number("mamba.attention.head_count", 0)
        .real("mamba.attention.layer_norm_rms_epsilon", 1e-5)
        .state("mamba");
    model
        .vocabulary()
        .tensor("token_embd.weight", &[WIDTH, VOCABULARY])
        .tensor("output_norm.weight", &[WIDTH])
        .tensor("blk.0.attn_norm.weight", &[WIDTH])
        .state_layer(0)
}

/// A layer with a state and one of attention.
pub fn hybrid() -> Gguf {
    let heads = [0u32, 1].map(|heads| heads.to_le_bytes().to_vec());
    let mut model = Gguf::default()
        .text("general.architecture", "jamba")
        .text("general.name", "tiny")
        .number("jamba.context_length", 512)
        .number("jamba.embedding_length", WIDTH as u32)
        .number("jamba.block_count", 2)
        .number("jamba.feed_forward_length", 96)
        .number("jamba.attention.head_count", 2)
        .list("jamba.attention.head_count_kv", U32, &heads)
        .real("jamba.attention.layer_norm_rms_epsilon", 1e-5)
        .state("jamba")
        .vocabulary()
        .tensor("token_embd.weight", &[WIDTH, VOCABULARY])
        .tensor("output_norm.weight", &[WIDTH]);
    for layer in 0..2 {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        model = model
            .tensor(&name("attn_norm"), &[WIDTH])
            .tensor(&name("ffn_norm"), &[WIDTH])
            .feed_forward(layer, 96);
    }
    model
        .state_layer(0)
        .tensor("blk.0.ssm_dt_norm.weight", &[RANK])
        .tensor("blk.0.ssm_b_norm.weight", &[STATE])
        .tensor("blk.0.ssm_c_norm.weight", &[STATE])
        .attention(1)
}

/// A LoRA adapter for one matrix of [`llama`].
pub fn adapter(architecture: &str) -> Gguf {
    Gguf::default()
        .text("general.architecture", architecture)
        .text("general.type", "adapter")
        .text("adapter.type", "lora")
        .real("adapter.lora.alpha", 4.0)
        .tensor("blk.0.attn_q.weight.lora_a", &[WIDTH, 4])
        .tensor("blk.0.attn_q.weight.lora_b", &[4, WIDTH])
}
