//! Fill-in-the-middle formats of the model families, and how a model's own is recognised.
//! The rows stand in `families.rs`; what a prompt is made of is decided in `anchor.rs`.

use super::{
    Segment,
    families::{FAMILIES, Family},
};

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

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormatError {
    #[error("unknown prompt format `{0}`; known are {1}")]
    Unknown(String, String),
    #[error("the model has no token `{0}`, which the prompt format `{1}` needs")]
    MissingToken(String, String),
    #[error(
        "the model has no fill-in-the-middle tokens; use a code model trained for it, or set `model.format` to \"left-to-right\""
    )]
    NoFillInTheMiddle,
}

const GENERIC: &str = "generic";
const LEFT_TO_RIGHT: &str = "left-to-right";

/// The names that a configuration may ask for.
pub fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES
        .iter()
        .map(|family| family.name)
        .chain([GENERIC, LEFT_TO_RIGHT])
}

/// The order of the format with this name, if it is one of a family's.
pub fn order_of(name: &str) -> Option<Order> {
    let family = FAMILIES.iter().find(|family| family.name == name);
    family.map(|family| family.order)
}

/// The format of a model: `wanted` by name from the configuration, else by what the file says: the family
/// whose control tokens the vocabulary holds, then, between equals, the one the file's names point to, then
/// prefix-suffix-middle with the tokens that the GGUF itself names, then the prefix alone. Errors name the known formats.
pub fn recognise(facts: &ModelFacts, wanted: Option<&str>) -> Result<Format, FormatError> {
    let Some(wanted) = wanted else {
        return match best_family(facts) {
            Some(family) => Ok(family.format(facts)),
            // Better than nothing: it is told that the model sees nothing behind the cursor.
            None => Ok(generic(facts).unwrap_or_else(|_| left_to_right())),
        };
    };
    if wanted.eq_ignore_ascii_case(LEFT_TO_RIGHT) {
        return Ok(left_to_right());
    }
    if wanted.eq_ignore_ascii_case(GENERIC) {
        return generic(facts);
    }
    let Some(family) = FAMILIES
        .iter()
        .find(|family| wanted.eq_ignore_ascii_case(family.name))
    else {
        return Err(FormatError::Unknown(
            wanted.into(),
            names().collect::<Vec<_>>().join(", "),
        ));
    };
    match family.needed().find(|token| !facts.has(token)) {
        Some(token) => Err(FormatError::MissingToken(token.into(), family.name.into())),
        None => Ok(family.format(facts)),
    }
}

/// The format of a family with all that belongs to it, whatever a model's vocabulary holds.
pub fn named(name: &str) -> Option<Format> {
    let family = FAMILIES
        .iter()
        .find(|family| name.eq_ignore_ascii_case(family.name))?;
    Some(family.format(&ModelFacts {
        control_tokens: spellings().map(String::from).collect(),
        ..ModelFacts::default()
    }))
}

/// The windows that models of a format with this name are known to want with so long a context; 0 is unknown.
pub fn windows_of(name: &str, context_length: usize) -> Option<WindowTokens> {
    let family = FAMILIES.iter().find(|family| name == family.name)?;
    family.windows_for(context_length)
}

/// The format that a model's name points to, by the longest part that is known.
pub fn of_name(model: &str) -> Option<Format> {
    let model = model.to_lowercase();
    let hints = FAMILIES
        .iter()
        .flat_map(|family| family.hints.iter().map(move |hint| (hint, family)));
    let (_, family) = hints
        .filter(|(hint, _)| model.contains(*hint))
        .max_by_key(|(hint, _)| hint.len())?;
    named(family.name)
}

/// Every control token that any family's prompts are made of.
pub fn spellings() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().flat_map(|family| {
        let languages = family.languages.iter().map(|(_, token)| *token);
        let optional = [family.file_separator, family.repository];
        let needed = family.needed().chain(optional.into_iter().flatten());
        let others = family.marks.iter().chain(family.stop).copied();
        needed.chain(languages).chain(others)
    })
}

/// The languages that some family has tokens for.
pub fn languages() -> impl Iterator<Item = &'static str> {
    FAMILIES
        .iter()
        .flat_map(|family| family.languages.iter().map(|(name, _)| *name))
}

fn best_family(facts: &ModelFacts) -> Option<&'static Family> {
    let names =
        [&facts.architecture, &facts.name, &facts.file_name].map(|name| name.to_lowercase());
    let is_named = |family: &Family| {
        family
            .hints
            .iter()
            .any(|hint| names.iter().any(|name| name.contains(hint)))
    };
    let mut best: Option<(&Family, (bool, usize))> = None;
    for family in FAMILIES {
        let is_possible = family
            .needed()
            .chain(family.marks.iter().copied())
            .all(|token| facts.has(token));
        if !is_possible || (family.is_known_by_name_only && !is_named(family)) {
            continue;
        }
        let rank = (is_named(family), family.marks.len());
        if best.is_none_or(|(_, best_rank)| rank > best_rank) {
            best = Some((family, rank));
        }
    }
    best.map(|(family, _)| family)
}

/// Prefix, suffix, middle with the tokens that the GGUF names.
fn generic(facts: &ModelFacts) -> Result<Format, FormatError> {
    let (Some(prefix), Some(suffix), Some(middle)) =
        (&facts.fim_prefix, &facts.fim_suffix, &facts.fim_middle)
    else {
        return Err(FormatError::NoFillInTheMiddle);
    };
    let named = [
        &facts.fim_prefix,
        &facts.fim_suffix,
        &facts.fim_middle,
        &facts.file_separator,
        &facts.repository,
    ];
    Ok(Format {
        name: GENERIC.into(),
        prefix: Some(prefix.clone()),
        suffix: Some(suffix.clone()),
        middle: Some(middle.clone()),
        file_separator: facts.file_separator.clone(),
        repository: facts.repository.clone(),
        stop: named.into_iter().flatten().cloned().collect(),
        ..bare(Order::Psm)
    })
}

pub fn left_to_right() -> Format {
    Format {
        name: LEFT_TO_RIGHT.into(),
        ..bare(Order::LeftToRight)
    }
}

pub(super) fn bare(order: Order) -> Format {
    Format {
        name: String::new(),
        order,
        prefix: None,
        suffix: None,
        middle: None,
        file_separator: None,
        repository: None,
        languages: Vec::new(),
        stop: Vec::new(),
        windows: None,
    }
}

impl ModelFacts {
    fn has(&self, token: &str) -> bool {
        let named = [
            &self.fim_prefix,
            &self.fim_suffix,
            &self.fim_middle,
            &self.file_separator,
            &self.repository,
        ];
        self.control_tokens.contains(token) || named.into_iter().flatten().any(|name| name == token)
    }
}

impl Family {
    /// The tokens without which no prompt can be made.
    fn needed(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.prefix), Some(self.suffix), self.middle]
            .into_iter()
            .flatten()
    }

    /// The format for a model that has the needed tokens; what else its vocabulary lacks is left out.
    fn format(&self, facts: &ModelFacts) -> Format {
        let present =
            |token: Option<&str>| token.filter(|token| facts.has(token)).map(String::from);
        let optional = [self.file_separator, self.repository].into_iter().flatten();
        let languages = self.languages.iter().filter(|(_, token)| facts.has(token));
        Format {
            name: self.name.into(),
            order: self.order,
            prefix: Some(self.prefix.into()),
            suffix: Some(self.suffix.into()),
            middle: self.middle.map(String::from),
            file_separator: present(self.file_separator),
            repository: present(self.repository),
            languages: languages
                .map(|&(name, token)| (name.into(), token.into()))
                .collect(),
            stop: self
                .needed()
                .chain(optional)
                .chain(self.stop.iter().copied())
                .map(String::from)
                .collect(),
            windows: self.windows_for(facts.context_length),
        }
    }

    /// The sizes for the longest context that this one is not shorter than; for an unknown one the shortest.
    fn windows_for(&self, context_length: usize) -> Option<WindowTokens> {
        let fitting = |(trained, _): &&(usize, WindowTokens)| *trained <= context_length;
        let row = self.windows.iter().rfind(fitting);
        row.or(self.windows.first()).map(|&(_, windows)| windows)
    }
}

/// A half spelling at the end of a text counts from this many bytes on: `a <` is code.
const SHORTEST_HALF: usize = 3;

impl Format {
    /// The head of a prompt: everything but what is typed after the anchor. `context` is what
    /// `context.rs` has rendered; `language` is a language's name.
    ///
    /// Texts stay texts: a control token's spelling in a source file is not a control token.
    pub fn head(
        &self,
        language: &str,
        context: &[Segment],
        prefix: &str,
        suffix: &str,
    ) -> Vec<Segment> {
        let mut head = Vec::with_capacity(context.len() + 6);
        let special = |token: &Option<String>| token.clone().map(Segment::Special);
        let text = |text: &str| (!text.is_empty()).then(|| Segment::Text(text.into()));
        let suffix = (!suffix.is_empty()).then(|| Segment::Suffix(suffix.into()));
        let language = self.languages.iter().find(|(name, _)| name == language);
        head.extend(language.map(|(_, token)| Segment::Special(token.clone())));

        // Files that are told apart by tokens stand before the one being edited. Comments belong to the
        // text: no model has seen them before its PREFIX token.
        let (before, inside) = match context
            .iter()
            .any(|segment| matches!(segment, Segment::Special(_)))
        {
            true => (context, &[][..]),
            false => (&[][..], context),
        };
        head.extend_from_slice(before);
        match self.order {
            Order::Psm => {
                head.extend(special(&self.prefix));
                head.extend_from_slice(inside);
                head.extend(text(prefix));
                head.extend(special(&self.suffix));
                head.extend(suffix);
                head.extend(special(&self.middle));
            }
            Order::Spm => {
                head.extend(special(&self.suffix));
                head.extend(suffix);
                head.extend(special(&self.prefix));
                head.extend_from_slice(inside);
                head.extend(text(prefix));
                head.extend(special(&self.middle));
            }
            Order::LeftToRight => {
                head.extend_from_slice(inside);
                head.extend(text(prefix));
            }
        }
        head
    }

    /// Generated `text` up to where it spells one of this format's control tokens, or begins to at its end.
    ///
    /// A control *token* ends a completion by itself; this is for models that write one out in letters, as
    /// people have seen in every product that forgot about it. The price: CodeLlama cannot write an
    /// upper-case `<PRE>` tag.
    pub fn without_leaks<'a>(&self, text: &'a str) -> &'a str {
        let found = self
            .spellings()
            .filter_map(|spelling| text.find(spelling))
            .min();
        let mut kept = &text[..found.unwrap_or(text.len())];
        while let Some(shorter) = self
            .spellings()
            .find_map(|spelling| without_half(kept, spelling))
        {
            kept = shorter;
        }
        kept
    }

    /// Every control token of the format as it would look in text.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = &str> {
        [
            &self.prefix,
            &self.suffix,
            &self.middle,
            &self.file_separator,
            &self.repository,
        ]
        .into_iter()
        .flatten()
        .chain(self.languages.iter().map(|(_, token)| token))
        .chain(&self.stop)
        // SentencePiece's mark for a leading blank is a blank, or nothing, in text.
        .map(|token| token.trim_start_matches('▁'))
        .filter(|spelling| !spelling.is_empty())
    }
}

/// `text` without the beginning of `spelling` at its end.
fn without_half<'a>(text: &'a str, spelling: &str) -> Option<&'a str> {
    let halves = spelling
        .char_indices()
        .map(|(at, _)| at)
        .filter(|&at| at >= SHORTEST_HALF);
    halves
        .rev()
        .find_map(|at| text.strip_suffix(&spelling[..at]))
}

#[cfg(test)]
mod tests;
