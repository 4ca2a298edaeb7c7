//! What each client needs of an item, because of what that client does with it. `docs/editors.md` tells the users
//! what is left of it.

use serde_json::Value;

use crate::support::mirror::Mirror;

/// An item, and what it was an answer to.
pub struct Shown<'a> {
    pub params: &'a Value,
    /// The document as the client had it when it asked.
    pub mirror: &'a Mirror,
    /// The whole answer.
    pub answer: &'a Value,
    pub item: &'a Value,
}

/// Nothing where the rule is not put to the test, else whether it holds.
type Rule = (&'static str, fn(&Shown) -> Option<bool>);

pub struct Client {
    pub traces: &'static [&'static str],
    /// Whether it takes items of the menu, and those to the letter; the others put the document's own line breaks in.
    pub has_menu: bool,
    pub rules: &'static [Rule],
}

const RANGE: Rule = (
    "a range is there, has one line, the cursor's, and the cursor in it",
    |shown| {
        let (start, end) = (&shown.range()["start"], &shown.range()["end"]);
        let line = &shown.params["position"]["line"];
        // `offset` asserts that they exist in the encoding that was agreed on.
        let (from, to) = (shown.mirror.offset(start), shown.mirror.offset(end));
        Some(
            start["line"] == *line && end["line"] == *line && (from..=to).contains(&shown.cursor()),
        )
    },
);

const TEXT: Rule = ("an item has a text", |shown| Some(!shown.text().is_empty()));

const PLAIN_BREAKS: Rule = (
    "a line break is `\\n`, which the client turns into the document's own",
    |shown| (shown.text().contains('\n')).then(|| !shown.text().contains('\r')),
);

const AT_CURSOR: Rule = (
    "a range starts at the cursor and is empty unless closers follow: others are drawn over the line",
    |shown| {
        let start = shown.mirror.offset(&shown.range()["start"]);
        let replaced = shown.replaced();
        Some(start == shown.cursor() && replaced.chars().all(|c| ")]}>\"'`".contains(c)))
    },
);

const CLOSERS: Rule = (
    "what the editor closed on its own is not closed twice",
    |shown| {
        let (before, after) = shown.line();
        if !after.starts_with([')', ']', '}']) {
            return None;
        }
        let applied = format!(
            "{}{}{}",
            &before[..before.len() - shown.taken()],
            shown.text(),
            &after[shown.replaced().len()..]
        );
        Some(too_many_closers(&applied) <= too_many_closers(&format!("{before}{after}")))
    },
);

const COMMAND: Rule = ("the client can tell that the item was accepted", |shown| {
    Some(shown.item["command"]["command"] == "ghostline.accepted")
});

const SELECTED: Rule = (
    "beside a popup, the item continues what is selected there, in the same place",
    |shown| {
        let selected = shown.params["context"].get("selectedCompletionInfo")?;
        let text = selected["text"].as_str().expect("a text");
        Some(shown.text().starts_with(text) && shown.range()["start"] == selected["range"]["start"])
    },
);

const UNSELECTED: Rule = ("without one, the range starts at the cursor", |shown| {
    let context = &shown.params["context"];
    context
        .get("selectedCompletionInfo")
        .is_none()
        .then(|| shown.mirror.offset(&shown.range()["start"]) == shown.cursor())
});

const WORD: Rule = (
    "the edit takes the typed word and brings it back, and the filter begins with it",
    |shown| {
        let (before, _) = shown.line();
        let word = &before[before.len() - shown.taken()..];
        let is_whole = !before[..before.len() - word.len()]
            .ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let filter = shown.item["filterText"].as_str().expect("a filter");
        Some(is_whole && shown.text().starts_with(word) && filter.starts_with(word))
    },
);

const FIRST: Rule = (
    "the item leads the menu and is asked for again with each key",
    |shown| {
        let sort = shown.item["sortText"].as_str().expect("it sorts");
        Some(shown.item["preselect"] == true && sort < "!" && shown.answer["isIncomplete"] == true)
    },
);

const LITERAL: Rule = (
    "text is no snippet: a `$` in it is a dollar, and it is not indented again",
    |shown| {
        let item = shown.item;
        Some(item["insertTextFormat"] == 1 && item["insertTextMode"] == 1 && item["kind"] != 15)
    },
);

const LABEL: Rule = (
    "a label is one line, and the whole text stands beside it",
    |shown| {
        let label = shown.item["label"].as_str().expect("a label");
        let whole = shown.item["documentation"]["value"].as_str().expect("text");
        let mut lines = shown.text().lines().map(str::trim);
        Some(!label.contains('\n') && lines.all(|line| whole.contains(line)))
    },
);

pub const VSCODE: Client = Client {
    traces: &["vscode-code-server", "vscode-code-server-2"],
    has_menu: false,
    rules: &[
        RANGE,
        TEXT,
        PLAIN_BREAKS,
        CLOSERS,
        COMMAND,
        SELECTED,
        UNSELECTED,
    ],
};

pub const NEOVIM: Client = Client {
    traces: &["neovim-0.12.4", "neovim-0.12.4-2", "neovim-0.12.4-3"],
    has_menu: false,
    rules: &[RANGE, TEXT, AT_CURSOR, COMMAND],
};

pub const EMACS: Client = Client {
    traces: &["emacs-30.2-lsp-mode-10"],
    has_menu: false,
    rules: &[RANGE, TEXT, AT_CURSOR, COMMAND],
};

pub const HELIX: Client = Client {
    traces: &["helix-25.07.1"],
    has_menu: true,
    rules: &[RANGE, TEXT, WORD, FIRST, LITERAL, LABEL],
};

impl Shown<'_> {
    pub fn range(&self) -> &Value {
        let edit = self.item.get("textEdit").unwrap_or(self.item);
        edit.get("range").expect("a range")
    }

    pub fn text(&self) -> &str {
        let text = match self.item.get("textEdit") {
            Some(edit) => &edit["newText"],
            None => &self.item["insertText"],
        };
        text.as_str().expect("a text")
    }

    fn cursor(&self) -> usize {
        self.mirror.offset(&self.params["position"])
    }

    /// How many bytes left of the cursor are replaced.
    fn taken(&self) -> usize {
        self.cursor() - self.mirror.offset(&self.range()["start"])
    }

    /// What is replaced right of the cursor.
    fn replaced(&self) -> &str {
        &self.mirror.text[self.cursor()..self.mirror.offset(&self.range()["end"])]
    }

    /// The cursor's line, left and right of it.
    fn line(&self) -> (&str, &str) {
        let (before, after) = self.mirror.text.split_at(self.cursor());
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = after.find(['\r', '\n']).unwrap_or(after.len());
        (&before[start..], &after[..end])
    }
}

/// How many closing brackets have no opening one before them.
fn too_many_closers(text: &str) -> usize {
    let mut open = Vec::new();
    let mut found = 0;
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => open.push(character),
            ')' | ']' | '}' => found += usize::from(open.pop().is_none()),
            _ => {}
        }
    }
    found
}
