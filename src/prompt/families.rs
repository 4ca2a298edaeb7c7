//! The table of fill-in-the-middle families, as data. `format.rs` chooses a row and makes a `Format` of it.
//!
//! Sources are the families' own read-mes, model cards and generation scripts; what could not be checked
//! there says so. The end tokens that a model names itself (`eos`, `eot`) are known without this table.

use super::format::{Order, WindowTokens};

/// One row: a model family, or several that share their tokens and order.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) order: Order,
    pub(super) prefix: &'static str,
    pub(super) suffix: &'static str,
    pub(super) middle: Option<&'static str>,
    pub(super) file_separator: Option<&'static str>,
    pub(super) repository: Option<&'static str>,
    pub(super) languages: &'static [(&'static str, &'static str)],
    /// Other control tokens that end a completion; the ones above always do.
    pub(super) stop: &'static [&'static str],
    /// Window sizes by the tokens that the model was trained with, rising, where they are known to be right.
    pub(super) windows: &'static [(usize, WindowTokens)],
    /// Tokens that tell this family from others with the same fill-in-the-middle tokens.
    pub(super) marks: &'static [&'static str],
    /// Parts of architecture, model or file name, in lower case, that decide between equal vocabularies.
    pub(super) hints: &'static [&'static str],
    /// Whether the vocabulary alone proves nothing because a better known family has the same one.
    pub(super) is_known_by_name_only: bool,
}

/// What most rows have in common.
const PLAIN: Family = Family {
    name: "",
    order: Order::Psm,
    prefix: "",
    suffix: "",
    middle: None,
    file_separator: None,
    repository: None,
    languages: &[],
    stop: &[],
    windows: &[],
    marks: &[],
    hints: &[],
    is_known_by_name_only: false,
};

/// StarCoder's tokens, which several families took over.
const STARCODER: Family = Family {
    prefix: "<fim_prefix>",
    suffix: "<fim_suffix>",
    middle: Some("<fim_middle>"),
    stop: &[
        "<|endoftext|>",
        "<fim_pad>",
        "<reponame>",
        "<filename>",
        "<gh_stars>",
    ],
    ..PLAIN
};

/// Qwen's tokens, which several families took over.
const QWEN: Family = Family {
    prefix: "<|fim_prefix|>",
    suffix: "<|fim_suffix|>",
    middle: Some("<|fim_middle|>"),
    ..PLAIN
};

pub(super) const FAMILIES: &[Family] = &[
    // The built-in model. Suffix first, and the middle simply continues the prefix: it answers better
    // without the MIDDLE token that its vocabulary has. Trained with suffixes of up to a quarter of the
    // context; 416 of 512 tokens and 624 of 768 leave room for control tokens, a healed word and the answer.
    Family {
        name: "ghostline",
        order: Order::Spm,
        middle: None,
        languages: &[("rust", "<|rust|>"), ("python", "<|python|>")],
        stop: &[
            "<|endoftext|>",
            "<|fim_middle|>",
            "<|fim_pad|>",
            "<|file_sep|>",
        ],
        windows: &[
            (
                512,
                WindowTokens {
                    prefix: 240,
                    suffix: 80,
                    tail: 96,
                    context: 0,
                },
            ),
            (
                768,
                WindowTokens {
                    prefix: 400,
                    suffix: 112,
                    tail: 112,
                    context: 0,
                },
            ),
        ],
        marks: &["<|rust|>", "<|python|>"],
        ..QWEN
    },
    // Qwen2.5-Coder, Qwen3-Coder.
    Family {
        name: "qwen-coder",
        file_separator: Some("<|file_sep|>"),
        repository: Some("<|repo_name|>"),
        stop: &["<|endoftext|>", "<|fim_pad|>", "<|im_start|>", "<|im_end|>"],
        marks: &["<|repo_name|>", "<|file_sep|>"],
        hints: &["qwen"],
        ..QWEN
    },
    Family {
        name: "codeqwen",
        file_separator: Some("<file_sep>"),
        repository: Some("<reponame>"),
        marks: &["<reponame>", "<file_sep>"],
        hints: &["codeqwen"],
        ..STARCODER
    },
    // Half of its training had neither repository nor path, only `<file_sep>` between files. That is the
    // form used here, as paths are not known where prompts are made. `<file_sep>` is also how it ends.
    Family {
        name: "starcoder2",
        file_separator: Some("<file_sep>"),
        stop: &["<|endoftext|>", "<fim_pad>", "<repo_name>"],
        marks: &["<repo_name>", "<file_sep>"],
        hints: &["starcoder2"],
        ..STARCODER
    },
    Family {
        name: "starcoder",
        hints: &["starcoder"],
        ..STARCODER
    },
    Family {
        name: "stable-code",
        hints: &["stable-code", "stablecode", "stable_code"],
        ..STARCODER
    },
    // The first two generations of Granite code; the third was not trained to fill in.
    Family {
        name: "granite-code",
        hints: &["granite"],
        ..STARCODER
    },
    Family {
        name: "granite-4",
        stop: &[
            "<|end_of_text|>",
            "<|fim_pad|>",
            "<|start_of_role|>",
            "<|end_of_role|>",
        ],
        marks: &["<|end_of_text|>", "<|fim_pad|>"],
        hints: &["granite"],
        ..QWEN
    },
    // The bars are U+FF5C and the blanks U+2581.
    Family {
        name: "deepseek-coder",
        prefix: "<｜fim▁begin｜>",
        suffix: "<｜fim▁hole｜>",
        middle: Some("<｜fim▁end｜>"),
        stop: &[
            "<｜begin▁of▁sentence｜>",
            "<｜end▁of▁sentence｜>",
            "<|EOT|>",
        ],
        hints: &["deepseek"],
        ..PLAIN
    },
    // The vocabulary is SentencePiece's: U+2581 is the blank in front. The engine must not put a blank of
    // its own before the texts between these tokens (`encode_infilling` of the family's own script).
    Family {
        name: "codellama",
        prefix: "▁<PRE>",
        suffix: "▁<SUF>",
        middle: Some("▁<MID>"),
        stop: &["▁<EOT>"],
        hints: &["codellama", "code-llama", "code llama"],
        ..PLAIN
    },
    // Suffix first and no MIDDLE (`encode_fim` of mistral-common), though the vocabulary has one.
    Family {
        name: "codestral",
        order: Order::Spm,
        prefix: "[PREFIX]",
        suffix: "[SUFFIX]",
        stop: &["[MIDDLE]", "[INST]", "[/INST]"],
        hints: &["codestral", "mistral"],
        ..PLAIN
    },
    // `<|file_separator|>` also ends a file, and so a completion.
    Family {
        name: "codegemma",
        file_separator: Some("<|file_separator|>"),
        stop: &["<start_of_turn>", "<end_of_turn>", "<eos>"],
        marks: &["<|file_separator|>"],
        hints: &["gemma"],
        ..QWEN
    },
    Family {
        name: "seed-coder",
        order: Order::Spm,
        prefix: "<[fim-prefix]>",
        suffix: "<[fim-suffix]>",
        middle: Some("<[fim-middle]>"),
        stop: &["<[begin▁of▁sentence]>", "<[end▁of▁sentence]>"],
        hints: &["seed"],
        ..PLAIN
    },
    // Suffix first, with StarCoder's tokens: so has the model card's example, `<fim_suffix>…<fim_prefix>…<fim_middle>`
    // (its commit 4179e39, as others quote it; the page itself was not at hand), and so say summaries of the paper
    // (arXiv 2510.05788). Later versions of the card put `<filename>` and a path before that, and before each other
    // file; as paths are not known where prompts are made, other files are comments here.
    Family {
        name: "mellum",
        order: Order::Spm,
        hints: &["mellum"],
        is_known_by_name_only: true,
        ..STARCODER
    },
    Family {
        name: "glm-4",
        prefix: "<|code_prefix|>",
        suffix: "<|code_suffix|>",
        middle: Some("<|code_middle|>"),
        stop: &[
            "<|endoftext|>",
            "<|user|>",
            "<|assistant|>",
            "<|observation|>",
        ],
        hints: &["glm"],
        ..PLAIN
    },
];
