//! The client's own idea of a document, written as simply as can be, to compare the server's with.

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    Utf8,
    Utf16,
    Utf32,
}

impl Units {
    pub const ALL: [Units; 3] = [Units::Utf8, Units::Utf16, Units::Utf32];

    pub fn name(self) -> &'static str {
        match self {
            Units::Utf8 => "utf-8",
            Units::Utf16 => "utf-16",
            Units::Utf32 => "utf-32",
        }
    }

    fn len(self, character: char) -> usize {
        match self {
            Units::Utf8 => character.len_utf8(),
            Units::Utf16 => character.len_utf16(),
            Units::Utf32 => 1,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Mirror {
    pub text: String,
    pub units: Units,
}

impl Mirror {
    /// A text with the cursor drawn as `|`, and where that is.
    pub fn drawn(drawn: &str, units: Units) -> (Mirror, usize) {
        let at = drawn.find('|').expect("a cursor is drawn");
        (
            Mirror {
                text: drawn.replacen('|', "", 1),
                units,
            },
            at,
        )
    }

    /// Where each line starts: behind `\n`, `\r\n` or a lone `\r`.
    pub fn line_starts(&self) -> Vec<usize> {
        // The library's search is fast without optimisation, too.
        let bytes = self.text.as_bytes();
        let is_lone = |at: &usize| bytes.get(at + 1) != Some(&b'\n');
        let breaks = self.text.match_indices('\n').map(|(at, _)| at);
        let lone = self.text.match_indices('\r').map(|(at, _)| at);
        let mut starts: Vec<usize> = breaks
            .chain(lone.filter(is_lone))
            .map(|at| at + 1)
            .collect();
        starts.push(0);
        starts.sort_unstable();
        starts
    }

    pub fn position(&self, at: usize) -> Value {
        let starts = self.line_starts();
        let line = starts.partition_point(|&start| start <= at) - 1;
        let column: usize = self.text[starts[line]..at]
            .chars()
            .map(|character| self.units.len(character))
            .sum();
        json!({"line": line, "character": column})
    }

    /// The byte offset of a position, which must exist.
    #[track_caller]
    pub fn offset(&self, position: &Value) -> usize {
        let line = position["line"].as_u64().expect("a line") as usize;
        let column = position["character"].as_u64().expect("a column") as usize;
        let starts = self.line_starts();
        let start = *starts.get(line).unwrap_or_else(|| panic!("no line {line}"));
        let mut at = start;
        let mut units = 0;
        for character in self.text[start..].chars() {
            if units >= column || character == '\n' || character == '\r' {
                break;
            }
            units += self.units.len(character);
            at += character.len_utf8();
        }
        assert_eq!(units, column, "no column {column} in line {line}");
        at
    }

    /// Applies changes as the protocol says; positions past the end of a line or of the text are clamped.
    pub fn apply(&mut self, changes: &Value) {
        for change in changes.as_array().expect("changes") {
            let text = change["text"].as_str().expect("text");
            match change.get("range") {
                None => self.text = text.to_string(),
                Some(range) => {
                    let (start, end) = (self.clamped(&range["start"]), self.clamped(&range["end"]));
                    self.text.replace_range(start..end, text);
                }
            }
        }
    }

    pub fn clamped(&self, position: &Value) -> usize {
        let line = position["line"].as_u64().expect("a line") as usize;
        let starts = self.line_starts();
        let Some(&start) = starts.get(line) else {
            return self.text.len();
        };
        let mut at = start;
        let mut units = position["character"].as_u64().expect("a column") as usize;
        for character in self.text[start..].chars() {
            if units < self.units.len(character) || character == '\n' || character == '\r' {
                break;
            }
            units -= self.units.len(character);
            at += character.len_utf8();
        }
        at
    }

    /// The document with an item's text in `«»` and what it replaces in `[]`.
    #[track_caller]
    pub fn draw(&self, item: &Value) -> String {
        let (range, text) = match item.get("textEdit") {
            Some(edit) => (&edit["range"], &edit["newText"]),
            None => (&item["range"], &item["insertText"]),
        };
        assert_eq!(
            range["start"]["line"], range["end"]["line"],
            "a range has one line"
        );
        let (start, end) = (self.offset(&range["start"]), self.offset(&range["end"]));
        let inserted = text.as_str().expect("text");
        format!(
            "{}«{inserted}»[{}]{}",
            &self.text[..start],
            &self.text[start..end],
            &self.text[end..]
        )
    }
}
