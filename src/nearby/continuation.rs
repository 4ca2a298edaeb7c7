//! What follows at a place, as it would be written at the cursor: with the indentation of the lines there moved to
//! where the cursor's line is.

use super::{
    Left,
    page::{END, Page},
};

/// How far a continuation is followed: to the first letter of the next line, or for so many bytes.
const LENGTH: usize = 64;

/// Text that may follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// It begins with the healed rest.
    pub text: String,
    /// Whether there is more of it than was followed.
    pub is_cut: bool,
}

impl Continuation {
    pub(super) fn of(page: &Page, at: usize, left: &Left, rest: &[u8]) -> Continuation {
        let mut line = page.line_of(at);
        let is_line_start = left.is_line_start();
        let (here, there) = match is_line_start {
            true => (left.indent_above, page.indent_above(line)),
            false => (left.indent, page.lines[line].indent),
        };
        let indent = |line: usize| (page.lines[line].indent + here).saturating_sub(there);
        let blank = if left.is_tabbed { b'\t' } else { b' ' };
        let mut text = rest.to_vec();
        if is_line_start && at == page.lines[line].start && page.bytes.get(at) != Some(&b'\n') {
            let missing = indent(line).saturating_sub(left.indent);
            text.extend(std::iter::repeat_n(blank, missing));
        }
        let mut is_cut = false;
        let mut is_next_line = false;
        for (offset, &byte) in page.bytes[at..].iter().enumerate() {
            if byte == END {
                break;
            }
            text.push(byte);
            if text.len() >= rest.len() + LENGTH || (is_next_line && byte != b'\n') {
                is_cut = true;
                break;
            }
            if byte == b'\n' {
                line += 1;
                is_next_line = true;
                let is_empty =
                    matches!(page.bytes.get(at + offset + 1), None | Some(&(b'\n' | END)));
                if !is_empty {
                    text.extend(std::iter::repeat_n(blank, indent(line)));
                }
            }
        }
        // A character may be cut at the end; where the rest starts within one, there is nothing to say.
        let valid = text
            .utf8_chunks()
            .next()
            .map_or(0, |chunk| chunk.valid().len());
        is_cut |= valid < text.len();
        text.truncate(valid);
        Continuation {
            text: String::from_utf8(text).unwrap_or_default(),
            is_cut,
        }
    }
}
