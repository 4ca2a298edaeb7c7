//! A scanner that tells brackets from text in strings and comments, byte by byte.
//!
//! Rough on purpose: it reads text that is not finished, in any language, without a grammar. A string ends
//! at the line's end at the latest, so an apostrophe or a half-typed string spoils one line, not a file.

use crate::syntax::language::Language;

/// What a byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Open(u8),
    Close(u8),
    /// The closing quote of a string.
    Quote(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Code,
    Comment,
    /// In a string that this byte ends.
    String(u8),
    /// In a string, behind a backslash.
    Escape(u8),
    /// Behind a single quote in a language where it starts a character or a lifetime.
    Apostrophe,
    /// Behind the one character that may be all of a character literal.
    Character,
}

/// Reads a text byte by byte.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    state: State,
    line_comment: Vec<u8>,
    /// How many bytes of `line_comment` have just been seen.
    comment_seen: usize,
    has_quoted_strings: bool,
}

impl Scanner {
    pub(super) fn new(language: &Language) -> Scanner {
        Scanner {
            state: State::Code,
            line_comment: language
                .line_comment
                .clone()
                .unwrap_or_default()
                .into_bytes(),
            comment_seen: 0,
            // Of the languages with blocks by indentation none has character literals or lifetimes.
            has_quoted_strings: language.is_indented,
        }
    }

    /// The scanner after reading `text`.
    pub(super) fn after(mut self, text: &str) -> Scanner {
        text.bytes().for_each(|byte| {
            self.push(byte);
        });
        self
    }

    /// The quote that ends the string being read.
    pub(super) fn open_quote(&self) -> Option<u8> {
        match self.state {
            State::String(quote) | State::Escape(quote) => Some(quote),
            _ => None,
        }
    }

    /// Whether a comment is being read that its line's end ends.
    pub(super) fn is_in_comment(&self) -> bool {
        self.state == State::Comment
    }

    pub(super) fn push(&mut self, byte: u8) -> Option<Mark> {
        if byte == b'\n' {
            self.state = State::Code;
            self.comment_seen = 0;
            return None;
        }
        match self.state {
            State::Comment => None,
            State::Escape(quote) => {
                self.state = State::String(quote);
                None
            }
            State::String(quote) if byte == quote => {
                self.state = State::Code;
                Some(Mark::Quote(quote))
            }
            State::String(quote) => {
                if byte == b'\\' {
                    self.state = State::Escape(quote);
                }
                None
            }
            State::Apostrophe => {
                self.state = if byte == b'\\' {
                    State::Escape(b'\'')
                } else {
                    State::Character
                };
                None
            }
            State::Character if (0x80..0xc0).contains(&byte) => None,
            State::Character if byte == b'\'' => {
                self.state = State::Code;
                None
            }
            State::Character | State::Code => self.push_code(byte),
        }
    }

    fn push_code(&mut self, byte: u8) -> Option<Mark> {
        self.state = State::Code;
        self.comment_seen = match self.line_comment.get(self.comment_seen) {
            Some(&expected) if expected == byte => self.comment_seen + 1,
            _ => usize::from(self.line_comment.first() == Some(&byte)),
        };
        if self.comment_seen > 0 && self.comment_seen == self.line_comment.len() {
            self.state = State::Comment;
            self.comment_seen = 0;
            return None;
        }
        match byte {
            b'(' | b'[' | b'{' => Some(Mark::Open(byte)),
            b')' | b']' | b'}' => Some(Mark::Close(byte)),
            b'"' | b'`' => {
                self.state = State::String(byte);
                None
            }
            b'\'' if self.has_quoted_strings => {
                self.state = State::String(byte);
                None
            }
            b'\'' => {
                self.state = State::Apostrophe;
                None
            }
            _ => None,
        }
    }
}

/// How many brackets `text` opens without closing them, and how many it closes without having opened
/// them, when read by `scanner`.
pub(super) fn unmatched(mut scanner: Scanner, text: &str) -> (usize, usize) {
    let (mut opened, mut closed) = (0, 0);
    for byte in text.bytes() {
        match scanner.push(byte) {
            Some(Mark::Open(_)) => opened += 1,
            Some(Mark::Close(_)) if opened > 0 => opened -= 1,
            Some(Mark::Close(_)) => closed += 1,
            Some(Mark::Quote(_)) | None => {}
        }
    }
    (opened, closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(language_id: &str, text: &str, opened: usize, closed: usize) {
        let scanner = Scanner::new(Language::of(language_id, None));
        assert_eq!(unmatched(scanner, text), (opened, closed), "{text}");
    }

    #[test]
    fn brackets_match() {
        check("rust", "f(a[i], {b})", 0, 0);
        check("rust", "f(g(", 2, 0);
        check("rust", "a))] (", 1, 3);
    }

    #[test]
    fn strings_and_comments_hold_no_brackets() {
        check("rust", "f(\"(\", \"\\\"(\") // (", 0, 0);
        check("rust", "a / (b) // )\n)", 0, 1);
        check("python", "f('(') # (\n)", 0, 1);
        check("plaintext", "f(`(`)", 0, 0);
    }

    #[test]
    fn characters_are_no_lifetimes() {
        check("rust", "f('(', '\\'', '(', 'é', '{')", 0, 0);
        check("rust", "fn f<'a>(x: &'a [u8]) -> &'static str {", 1, 0);
    }

    #[test]
    fn a_string_that_is_not_closed_ends_with_its_line() {
        check("rust", "don\"t (\n(", 1, 0);
    }

    #[test]
    fn the_open_quote_is_known() {
        let after = |text| {
            Scanner::new(Language::of("python", None))
                .after(text)
                .open_quote()
        };
        assert_eq!(after("open('a\\'"), Some(b'\''));
        assert_eq!(after("open(\"a'"), Some(b'"'));
        assert_eq!(after("open('a')"), None);
    }
}
