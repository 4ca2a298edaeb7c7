//! The text around a cursor as what was said there is compared with it: bounded, with `\n` for every `\r\n`, and nothing in
//! it that says where in the file it stands.

use crate::{
    prompt::floor,
    suggest::place::{has_words, is_blank},
    text::{ByteOffset, Text},
};

/// How many lines with words above the cursor's make a place.
const WORD_LINES: usize = 3;
/// The bytes left of the cursor that make a place at most.
pub(super) const MAX_LEFT: usize = 768;
/// A line this long is cut into pieces: a place in a paragraph or a minified file may begin at any of them.
/// Small enough that a window of `MAX_LEFT` bytes always holds the start of one.
const PIECE: usize = 256;
/// Stands in front of the file's first line; no byte of UTF-8.
const FILE_START: u8 = 0xff;
/// How many blanks and closers are looked past right of the cursor.
const MAX_SKIPPED: usize = 256;
/// How much of the text right of the cursor makes a place, in bytes and in lines that are not blank.
const MAX_RIGHT: usize = 192;
const RIGHT_LINES: usize = 2;

/// The text left of a cursor.
pub(super) struct Left {
    /// `FILE_START`, then the text.
    bytes: Vec<u8>,
    /// Where lines that are not empty and their pieces start, in `bytes`, ascending. The first is 0 when the file
    /// starts here.
    starts: Vec<usize>,
}

impl Left {
    /// About the last `limit` bytes before `cursor`, which is no half character.
    pub(super) fn of(text: &Text, cursor: ByteOffset, limit: usize) -> Left {
        let from = text.floor(ByteOffset(cursor.0.saturating_sub(limit)));
        let raw = text.slice(from..cursor);
        let mut bytes = Vec::with_capacity(raw.len() + 1);
        bytes.push(FILE_START);
        let mut starts = Vec::new();
        if from == ByteOffset(0) {
            starts.push(0);
        }
        // How much of the line stands before the window; pieces count from the line's start.
        let mut before = from.0 - text.line_start(text.line_of(from)).0;
        // A lone `\r` is no break here: looking for one byte is several times faster than for two.
        for line in raw.split_inclusive('\n') {
            let len = line.trim_end_matches(['\r', '\n']).len();
            let mut piece = before.next_multiple_of(PIECE) - before;
            while piece < len {
                starts.push(bytes.len() + floor(line, piece));
                piece += PIECE;
            }
            bytes.extend_from_slice(line.as_bytes());
            if line.ends_with("\r\n") {
                bytes.truncate(bytes.len() - 2);
                bytes.push(b'\n');
            }
            before = 0;
        }
        Left { bytes, starts }
    }

    /// The texts that end at the cursor and may begin with a place, the longest first; none is empty.
    pub(super) fn tails(&self) -> impl Iterator<Item = &[u8]> {
        self.starts.iter().map(|&start| &self.bytes[start..])
    }

    /// What makes the cursor a place: the rest of its line and some lines with words above; from the start of
    /// the file, which is marked, when there are fewer.
    pub(super) fn place(&self) -> &[u8] {
        let (mut n_lines, mut end) = (0, self.bytes.len());
        for &start in self.starts.iter().rev() {
            let line = &self.bytes[start..end];
            n_lines += usize::from(line.ends_with(b"\n") && line.iter().any(is_word_byte));
            if n_lines == WORD_LINES {
                return &self.bytes[start..];
            }
            end = start;
        }
        &self.bytes[self.starts.first().copied().unwrap_or(end)..]
    }
}

fn is_word_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || (0x80..FILE_START).contains(byte)
}

/// The text right of a cursor, without what an editor puts there on its own: a closer that comes when
/// its opener is typed, and goes when it is typed over or deleted, or moves down at Enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Right {
    /// Whether words follow on the cursor's line.
    is_mid_line: bool,
    /// The next lines that are more than closers and blanks, as far as they are looked at.
    lines: String,
}

impl Right {
    pub(super) fn of(text: &Text, cursor: ByteOffset) -> Right {
        let after = text.slice(cursor..ByteOffset(cursor.0 + MAX_SKIPPED + MAX_RIGHT));
        let own_end = after.find(['\n', '\r']).unwrap_or(after.len());
        let mut rest =
            after.trim_start_matches([' ', '\t', '\r', '\n', ')', ']', '}', '>', '"', '\'', '`']);
        let skipped = &after[..after.len() - rest.len()];
        // The indentation of a line below belongs to it, unless closers stand in it.
        if let Some(line) = skipped.rfind('\n').map(|at| &after[at + 1..])
            && is_blank(&line[..line.len() - rest.len()])
        {
            rest = line;
        }
        if skipped.len() > MAX_SKIPPED {
            rest = "";
        }
        let lines = rest[..floor(rest, MAX_RIGHT)].lines().map(str::trim_end);
        let lines: Vec<&str> = lines
            .filter(|line| !is_blank(line))
            .take(RIGHT_LINES)
            .collect();
        Right {
            is_mid_line: has_words(&after[..own_end]),
            lines: lines.join("\n"),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }
}
