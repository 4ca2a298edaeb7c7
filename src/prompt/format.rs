//! Fill-in-the-middle formats of the model families, and how a model's own is recognised.

/// Which of prefix and suffix comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// prefix, suffix, middle
    Psm,
    /// suffix, prefix, middle: what is typed is appended to the prefix
    Spm,
    /// prefix only: the model knows no fill-in-the-middle
    LeftToRight,
}

/// How a model family wants its prompt. Token texts are spellings in the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pub name: String,
    pub order: Order,
    pub prefix: Option<String>,
    pub suffix: Option<String>,
    pub middle: Option<String>,
    /// Starts another file's text in a repository-level prompt (`<|file_sep|>`).
    pub file_separator: Option<String>,
    /// Starts the repository's name (`<|repo_name|>`).
    pub repository: Option<String>,
    /// First token of the prompt by language name, for models that were trained with one.
    pub languages: Vec<(String, String)>,
    /// Control tokens that end a completion, beside the model's own end tokens.
    pub stop: Vec<String>,
    /// Window sizes in tokens when the model was trained with particular ones.
    pub windows: Option<WindowTokens>,
}

/// How many tokens of what a prompt may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowTokens {
    pub prefix: usize,
    pub suffix: usize,
    pub tail: usize,
    pub context: usize,
}

/// What a model file says about itself, as far as formats go.
#[derive(Clone, Debug, Default)]
pub struct ModelFacts {
    /// `general.architecture`, `general.name`, file name.
    pub architecture: String,
    pub name: String,
    pub file_name: String,
    /// `*.context_length`: what the model was trained with, in tokens.
    pub context_length: usize,
    /// Spellings of the tokens that the GGUF names as FIM tokens.
    pub fim_prefix: Option<String>,
    pub fim_suffix: Option<String>,
    pub fim_middle: Option<String>,
    pub file_separator: Option<String>,
    pub repository: Option<String>,
    /// Every control or user-defined token's spelling.
    pub control_tokens: std::collections::HashSet<String>,
}

/// The format of a model: `wanted` by name from the configuration, else by what the file says.
/// Errors name the known formats.
pub fn recognise(facts: &ModelFacts, wanted: Option<&str>) -> Result<Format, FormatError> { todo!() }

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormatError {
    #[error("unknown prompt format `{0}`; known are {1}")]
    Unknown(String, String),
    #[error("the model has no token `{0}`, which the prompt format `{1}` needs")]
    MissingToken(String, String),
    #[error("the model has no fill-in-the-middle tokens; use a code model trained for it, or set `model.format` to \"left-to-right\"")]
    NoFillInTheMiddle,
}
