//! A place where it is asked, what is right there, and what each way of guessing says.

use serde_json::{Value, json};

use super::{
    alone, cache, copy,
    cursors::{Cursor, line_around},
    desk::{Asks, Desk, Said},
    files::File,
    likeness::likeness,
};
use crate::suggest::gate::Evidence;

/// A guess at the rest of a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Guess {
    /// Its first line, without blanks at the end.
    pub(super) text: String,
    pub(super) is_right: bool,
    /// 0..=1
    pub(super) likeness: f64,
}

impl Guess {
    fn new(text: &str, target: &str) -> Guess {
        let first = text.split('\n').next().unwrap_or_default().trim_end();
        Guess {
            is_right: first == target,
            likeness: likeness(first, target),
            text: first.to_owned(),
        }
    }
}

/// Whether `text` begins with `ghost`, and a word ends there.
pub(super) fn begins(text: &str, ghost: &str) -> bool {
    let is_in_word = |char: char| char.is_alphanumeric() || char == '_';
    text.strip_prefix(ghost)
        .is_some_and(|rest| !(ghost.ends_with(is_in_word) && rest.starts_with(is_in_word)))
}

/// What the server said.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// All that the model would say, as the user gets it who asks by hand.
    pub(super) guess: Guess,
    /// Whether it is shown by itself, whole.
    pub(super) is_shown: bool,
    /// Whether the beginning of it that is shown in its place is right, if one is.
    pub(super) beginning: Option<bool>,
    /// What became of the editor's question.
    pub(super) said: Said,
    /// What the gate knew; `None` where there is nothing to show.
    pub(super) evidence: Option<Evidence>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) cursor: Cursor,
    pub(super) target: String,
    /// One for each way in which the server is run.
    pub(super) asked: Vec<Asked>,
    pub(super) copied: Guess,
    pub(super) cached: Guess,
}

impl Place {
    pub(super) fn new(cursor: Cursor, files: &[File]) -> Place {
        Place {
            target: cursor.target(files).to_owned(),
            cursor,
            asked: Vec::new(),
            copied: Guess::default(),
            cached: Guess::default(),
        }
    }

    /// Asks a server, and the others while that reads the text.
    ///
    /// The text is opened anew for each place, without the rest of the line: what had once been there might be
    /// remembered. Asked by itself first, since what was asked for by hand stays on the screen.
    pub(super) fn ask(&mut self, files: &[File], desk: &mut Desk) -> anyhow::Result<()> {
        let file = &files[self.cursor.file];
        let at = self.cursor.at;
        let open = desk.open(&file.name, &file.language.name, self.cursor.document(files))?;
        if self.asked.is_empty() {
            self.copied = Guess::new(copy::copied(&open.text, at), &self.target);
            self.cached = Guess::new(&cache::guessed(&open.text, at), &self.target);
        }
        let said = desk.ask(&open, at, Asks::ByItself)?;
        let beginning = (said.account.is_part)
            .then(|| begins(&self.target, &said.ghost) && !said.ghost.is_empty());
        let is_shown = !said.ghost.is_empty() && beginning.is_none();
        let all = match is_shown {
            true => said.clone(),
            false => desk.ask(&open, at, Asks::ByHand)?,
        };
        self.asked.push(Asked {
            guess: Guess::new(&all.ghost, &self.target),
            evidence: all.account.evidence,
            is_shown,
            beginning,
            said,
        });
        desk.close(open)
    }

    /// The same without a server and its model.
    pub(super) fn ask_alone(&mut self, files: &[File]) {
        let language = files[self.cursor.file].language;
        let ghost = alone::says(&self.cursor.document(files), self.cursor.at, language);
        self.asked.push(Asked {
            guess: Guess::new(&ghost, &self.target),
            evidence: None,
            is_shown: !ghost.is_empty(),
            beginning: None,
            said: Said::default(),
        });
    }

    /// All of it, for whoever wants to look.
    pub(super) fn record(&self, files: &[File]) -> Value {
        let Cursor { file, law, at, .. } = self.cursor;
        let text = &files[file].text;
        let line = text[..at].matches('\n').count() + 1;
        let start = line_around(text, at).0;
        let guess = |guess: &Guess| json!({"text": guess.text, "right": guess.is_right});
        let asked = self.asked.iter().map(|asked| {
            json!({
                "text": asked.guess.text, "right": asked.guess.is_right, "shown": asked.is_shown,
                "beginning": asked.beginning.map(|is_right| json!({"text": asked.said.ghost, "right": is_right})),
                "source": asked.said.account.source, "usage": asked.said.account.usage, "evidence": asked.evidence,
            })
        });
        json!({
            "file": files[file].name, "language": files[file].language.name, "law": law, "line": line,
            "before": text[start..at], "target": self.target, "asked": asked.collect::<Value>(),
            "copy": guess(&self.copied), "cache": guess(&self.cached),
        })
    }
}
