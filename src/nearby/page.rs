//! Text as it is compared: line by line, without indentation. A line remembers how far it was indented.

use super::Origin;

/// One text after the other.
#[derive(Default)]
pub(super) struct Page {
    /// Lines end with `\n`; texts with 0, which nothing matches.
    pub bytes: Vec<u8>,
    /// In the order of their starts; never empty when something was added.
    pub lines: Vec<Line>,
    tabs: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub start: usize,
    /// In bytes.
    pub indent: usize,
    pub origin: Origin,
}

/// What ends a text.
pub(super) const END: u8 = 0;

impl Page {
    /// Adds a text of its own.
    pub fn add(&mut self, text: &str, origin: Origin) {
        self.add_bytes(text.as_bytes(), origin);
    }

    pub fn add_bytes(&mut self, text: &[u8], origin: Origin) {
        if !self.bytes.is_empty() {
            self.bytes.push(END);
        }
        self.lines.push(Line {
            start: self.bytes.len(),
            indent: 0,
            origin,
        });
        self.append(text);
    }

    /// Goes on with the last text.
    pub fn append(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line = &rest[..end];
            self.append_part(line.strip_suffix(b"\r").unwrap_or(line));
            self.bytes.push(b'\n');
            let origin = self.lines.last().map_or(Origin::Before, |line| line.origin);
            self.lines.push(Line {
                start: self.bytes.len(),
                indent: 0,
                origin,
            });
            rest = &rest[end + 1..];
        }
        self.append_part(rest);
    }

    /// Goes on with the last line.
    fn append_part(&mut self, part: &[u8]) {
        let Some(line) = self.lines.last_mut() else {
            return;
        };
        let mut part = part;
        if line.start == self.bytes.len() {
            let indent = part
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t'))
                .count();
            self.tabs += usize::from(part.first() == Some(&b'\t'));
            line.indent += indent;
            part = &part[indent..];
        }
        self.bytes.extend(part.iter().map(|&byte| byte.max(1)));
    }

    pub fn last_line(&self) -> Line {
        *self.lines.last().expect("a text was added")
    }

    pub fn is_tabbed(&self) -> bool {
        self.tabs > 0
    }

    /// The number of the line that holds `at`.
    pub fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|line| line.start <= at) - 1
    }

    /// How far the last line above `line` is indented that has something on it.
    pub fn indent_above(&self, line: usize) -> usize {
        let above = self.lines[..line].iter().enumerate().rev();
        above
            .take(4)
            .find(|(at, above)| self.lines[at + 1].start - above.start > 1)
            .map_or(0, |(_, above)| above.indent)
    }

    /// How long the text before `at` and the end of `left` are alike.
    pub fn matched(&self, at: usize, left: &[u8]) -> usize {
        let pairs = self.bytes[..at].iter().rev().zip(left.iter().rev());
        pairs.take_while(|(a, b)| a == b && **a != END).count()
    }

    /// Calls `found` with each place from `from` on behind which the text goes on, and how alike it is; for short
    /// texts.
    pub fn scan(&self, from: usize, left: &[u8], mut found: impl FnMut(usize, usize)) {
        let n = left.len().min(super::MIN_MATCH);
        let wanted = &left[left.len() - n..];
        for at in from.max(n)..self.bytes.len() {
            if self.bytes[at - n..at] == *wanted {
                found(at, self.matched(at, left));
            }
        }
    }
}
