//! Prompts whose format is not decided yet: a head in marks of our own, which is taken apart again and put together
//! as somebody wants it. For engines that hand a prompt on to one of several models.

use std::sync::Arc;

use super::{
    Head, Prompt, Segment,
    format::{self, Format, Order, WindowTokens},
    window::Windows,
};

// No model has such tokens: a head with these marks that reached one by mistake would be refused.
const PREFIX: &str = "\u{1}prefix";
const SUFFIX: &str = "\u{1}suffix";
const MIDDLE: &str = "\u{1}middle";
const FILE: &str = "\u{1}file";
const LANGUAGE: &str = "\u{1}language ";

/// The format in marks, for prompts that will go to a model of `target`.
pub fn open_format(target: Option<&Format>, name: &str, windows: Option<WindowTokens>) -> Format {
    let has_files = target.is_some_and(|target| target.file_separator.is_some());
    let stop = target.map_or_else(Vec::new, |target| {
        target.spellings().map(String::from).collect()
    });
    Format {
        name: name.to_owned(),
        prefix: Some(PREFIX.to_owned()),
        suffix: Some(SUFFIX.to_owned()),
        middle: Some(MIDDLE.to_owned()),
        file_separator: has_files.then(|| FILE.to_owned()),
        languages: format::languages()
            .map(|name| (name.to_owned(), format!("{LANGUAGE}{name}")))
            .collect(),
        stop,
        windows,
        ..format::bare(Order::Psm)
    }
}

/// What a prompt is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// A language that some family has a token for.
    pub language: String,
    /// Pieces of other files, the nearest last.
    pub context: Vec<String>,
    pub prefix: String,
    pub suffix: String,
    /// What is typed behind the prefix.
    pub tail: String,
}

impl Parts {
    /// Takes apart a prompt in marks; `None` for one in a model's own tokens.
    pub fn of(prompt: &Prompt) -> Option<Parts> {
        let mut parts = Parts {
            tail: prompt.tail.clone(),
            ..Parts::default()
        };
        let mut mark = None;
        for segment in &prompt.head.segments {
            match segment {
                Segment::Special(special) => match special.strip_prefix(LANGUAGE) {
                    Some(language) => parts.language = language.to_owned(),
                    None => mark = Some(special.as_str()),
                },
                Segment::Text(text) | Segment::Suffix(text) => match mark? {
                    FILE => parts.context.push(text.clone()),
                    // Comments with other files' text come as a segment of their own.
                    PREFIX => parts.prefix += text,
                    SUFFIX => parts.suffix += text,
                    _ => return None,
                },
            }
        }
        (mark == Some(MIDDLE)).then_some(parts)
    }

    /// The head in a model's own tokens; texts are cut where they spell one of them.
    pub fn head(&self, format: &Format) -> Vec<Segment> {
        let mut context = Vec::new();
        if let Some(separator) = &format.file_separator {
            for text in &self.context {
                context.push(Segment::Special(separator.clone()));
                context.push(Segment::Text(text.clone()));
            }
        }
        format.head(&self.language, &context, &self.prefix, &self.suffix)
    }

    /// The same without what spells one of `spellings`, from there on away from the cursor: servers that take prompts
    /// as text read it as a control token.
    #[must_use]
    pub fn without(mut self, spellings: &[&str]) -> Parts {
        let last_end = |text: &str| {
            let ends = spellings
                .iter()
                .copied()
                .filter_map(|it| Some(text.rfind(it)? + it.len()));
            ends.max()
        };
        if let Some(end) = last_end(&self.tail) {
            self.tail.drain(..end);
            self.prefix.clear();
        }
        if let Some(end) = last_end(&self.prefix) {
            self.prefix.drain(..end);
        }
        if let Some(start) = spellings
            .iter()
            .copied()
            .filter_map(|it| self.suffix.find(it))
            .min()
        {
            self.suffix.truncate(start);
        }
        let spells = |text: &String| spellings.iter().copied().any(|it| text.contains(it));
        self.context.retain(|text| !spells(text));
        self
    }

    /// The same for a model with smaller windows and no room for other files.
    #[must_use]
    pub fn within(mut self, windows: &Windows) -> Parts {
        self.context.clear();
        let surplus = self.prefix.len().saturating_sub(windows.prefix);
        let from = (surplus..=self.prefix.len())
            .find(|&at| self.prefix.is_char_boundary(at))
            .unwrap_or(0);
        // From a line's start on, if there is one.
        let line = self.prefix[from..].find('\n').map_or(0, |at| at + 1);
        self.prefix
            .drain(..if surplus > 0 { from + line } else { 0 });
        self.suffix
            .truncate(super::floor(&self.suffix, windows.suffix));
        self
    }
}

/// Prompts in marks as they are given to a model in this process. Heads are remembered, so that equal ones stay the same.
#[derive(Debug, Default)]
pub struct Translator {
    heads: Vec<(Arc<Head>, Arc<Head>)>,
}

/// One for each live position, and some.
const HEADS: usize = 12;

impl Translator {
    /// The prompt for a model of this format and these windows; unchanged if it is in a model's tokens already.
    pub fn translate(&mut self, prompt: &Prompt, format: &Format, windows: &Windows) -> Prompt {
        let known = self
            .heads
            .iter()
            .position(|(from, _)| Arc::ptr_eq(from, &prompt.head));
        let pair = match known {
            Some(at) => self.heads.remove(at),
            None => {
                let Some(parts) = Parts::of(prompt) else {
                    return prompt.clone();
                };
                let segments = parts.within(windows).head(format);
                (Arc::clone(&prompt.head), Arc::new(Head { segments }))
            }
        };
        let head = Arc::clone(&pair.1);
        self.heads.push(pair);
        let surplus = self.heads.len().saturating_sub(HEADS);
        self.heads.drain(..surplus);
        Prompt {
            head,
            tail: prompt.tail.clone(),
            nearby: prompt.nearby.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(target: &Format, tail: &str) -> Prompt {
        let open = open_format(Some(target), "x", None);
        let context = match &open.file_separator {
            Some(mark) => vec![
                Segment::Special(mark.clone()),
                Segment::Text("fn other() {}\n".to_owned()),
            ],
            None => vec![Segment::Text("// fn other() {}\n".to_owned())],
        };
        let segments = open.head("rust", &context, "fn main() {\n", "}\n");
        Prompt {
            head: Arc::new(Head { segments }),
            tail: tail.to_owned(),
            nearby: None,
        }
    }

    #[test]
    fn a_prompt_in_marks_becomes_what_the_models_own_format_would_have_been() {
        for name in ["qwen-coder", "ghostline", "codestral", "starcoder"] {
            let format = format::named(name).unwrap();
            let parts = Parts::of(&prompt(&format, "    let")).unwrap();
            assert_eq!(
                (parts.language.as_str(), parts.tail.as_str()),
                ("rust", "    let")
            );
            let context = match &format.file_separator {
                Some(separator) => vec![
                    Segment::Special(separator.clone()),
                    Segment::Text("fn other() {}\n".to_owned()),
                ],
                None => Vec::new(),
            };
            let prefix = match context.is_empty() {
                true => "// fn other() {}\nfn main() {\n",
                false => "fn main() {\n",
            };
            assert_eq!(
                parts.head(&format),
                format.head("rust", &context, prefix, "}\n"),
                "{name}"
            );
        }
    }

    #[test]
    fn a_prompt_in_a_models_tokens_is_not_taken_apart() {
        let format = format::named("qwen-coder").unwrap();
        let head = Arc::new(Head {
            segments: format.head("rust", &[], "a", "b"),
        });
        let prompt = Prompt {
            head,
            tail: String::new(),
            nearby: None,
        };
        assert_eq!(Parts::of(&prompt), None);
        let windows = Windows::new(&format, 4096);
        let same = Translator::default().translate(&prompt, &format, &windows);
        assert!(Arc::ptr_eq(&same.head, &prompt.head));
    }

    #[test]
    fn equal_heads_stay_the_same_after_translation() {
        let format = format::named("ghostline").unwrap();
        let windows = Windows::new(&format, 512);
        let prompt = prompt(&format, "a");
        let mut translator = Translator::default();
        let first = translator.translate(&prompt, &format, &windows);
        let longer = Prompt {
            tail: "ab".to_owned(),
            ..prompt
        };
        let second = translator.translate(&longer, &format, &windows);
        assert!(Arc::ptr_eq(&first.head, &second.head));
        assert_eq!(second.tail, "ab");
    }

    #[test]
    fn text_that_spells_a_control_token_stays_behind() {
        let parts = Parts {
            context: vec!["ok".to_owned(), "a<|x|>".to_owned()],
            prefix: "one <|x|> two".to_owned(),
            suffix: "three <|x|> four".to_owned(),
            tail: "five".to_owned(),
            ..Parts::default()
        };
        let cut = parts.clone().without(&["<|x|>"]);
        assert_eq!(
            (cut.prefix.as_str(), cut.suffix.as_str()),
            (" two", "three ")
        );
        assert_eq!(cut.context, ["ok"]);
        let typed = Parts {
            tail: "a<|x|>b".to_owned(),
            ..parts
        }
        .without(&["<|x|>"]);
        assert_eq!((typed.prefix.as_str(), typed.tail.as_str()), ("", "b"));
    }

    #[test]
    fn a_smaller_window_keeps_whole_lines_around_the_cursor() {
        let windows = Windows {
            prefix: 9,
            suffix: 3,
            tail: 9,
            context: 0,
        };
        let parts = Parts {
            prefix: "größe\nzwei\ndrei\n".to_owned(),
            suffix: "äöü".to_owned(),
            context: vec!["x".to_owned()],
            ..Parts::default()
        };
        let within = parts.within(&windows);
        assert_eq!(
            (within.prefix.as_str(), within.suffix.as_str()),
            ("drei\n", "ä")
        );
        assert!(within.context.is_empty());
    }
}
