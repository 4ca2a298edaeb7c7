//! The beginning of a line that is likely to be right where the whole line is not: `ries` of `entries.remove(&key)`,
//! say, where nobody knows what follows.
//!
//! It ends where a word or something in brackets ends, so it can be accepted as it stands, and it leaves no bracket and
//! no quote open. How likely it is to be right is the product of its tokens' probabilities.

use std::ops::Range;

use super::gate::Likelihood;

/// Shorter ones are as quickly typed as accepted, in characters that are no blanks.
const SHORTEST: usize = 3;

/// A short text is worth less than a line: it has to be likelier right than wrong.
const LEAST_LIKELY: f64 = 0.5;

/// How likely a beginning has to be, where lines have to be as likely as `min_confidence`.
pub fn threshold(min_confidence: f64) -> f64 {
    min_confidence.max(LEAST_LIKELY)
}

/// The longest beginning of `text` that is shorter than its first line and as likely as `threshold`, and how likely it
/// is. Where the line `goes_on` behind the text, the text is such a beginning itself. `tokens` are those that the bytes
/// `part` of a completion are made of, which are `text`.
pub fn of<'t>(
    text: &'t str,
    goes_on: bool,
    tokens: &[Likelihood],
    part: &Range<usize>,
    threshold: f64,
) -> Option<(&'t str, f64)> {
    let line_end = text.find(['\n', '\r']).unwrap_or(text.len());
    let mut sum = 0.0;
    let mut found = None;
    let mut balance = Balance::default();
    let mut read = 0;
    for (index, token) in tokens.iter().enumerate() {
        sum += f64::from(token.log_probability);
        let probability = sum.exp();
        if probability.is_nan() || probability < threshold {
            break;
        }
        let end = tokens.get(index + 1).map_or(part.end, |next| next.start);
        let end = end.saturating_sub(part.start);
        if end > line_end || (end == line_end && !(goes_on && end == text.len())) {
            break;
        }
        let Some(more) = text.get(read..end) else {
            // In the middle of a character.
            continue;
        };
        balance.read(more);
        read = end;
        if balance.is_closed() && is_end_of_word(text, end) {
            found = Some((&text[..end], probability));
        }
    }
    let is_long =
        |text: &str| text.chars().filter(|char| !char.is_whitespace()).count() >= SHORTEST;
    found.filter(|(text, _)| is_long(text))
}

/// Whether something ends at `at` that people would accept as it stands.
fn is_end_of_word(text: &str, at: usize) -> bool {
    let is_in_word = |char: char| char.is_alphanumeric() || char == '_';
    let before = text[..at].chars().next_back();
    let after = text[at..].chars().next();
    before.is_some_and(|before| {
        (is_in_word(before) && !after.is_some_and(is_in_word)) || matches!(before, ')' | ']' | '}')
    })
}

/// Brackets and double quotes opened and closed.
#[derive(Default)]
struct Balance {
    open: Vec<char>,
    is_quoted: bool,
    /// More was closed than opened.
    is_broken: bool,
}

impl Balance {
    fn read(&mut self, text: &str) {
        for char in text.chars() {
            match char {
                '"' => self.is_quoted = !self.is_quoted,
                _ if self.is_quoted => {}
                '(' => self.open.push(')'),
                '[' => self.open.push(']'),
                '{' => self.open.push('}'),
                ')' | ']' | '}' => self.is_broken |= self.open.pop() != Some(char),
                _ => {}
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.open.is_empty() && !self.is_quoted && !self.is_broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each token with its probability.
    #[track_caller]
    fn check(tokens: &[(&str, f32)], expected: Option<&str>) {
        let text: String = tokens.iter().map(|(text, _)| *text).collect();
        // Behind three bytes that have been typed.
        let (mut start, mut likelihoods) = (3, Vec::new());
        for (text, probability) in tokens {
            likelihoods.push(Likelihood {
                start,
                log_probability: probability.ln(),
            });
            start += text.len();
        }
        let found = of(&text, false, &likelihoods, &(3..start), 0.6);
        assert_eq!(found.map(|(text, _)| text), expected, "{tokens:?}");
        assert!(found.is_none_or(|(_, probability)| (0.6..=1.0).contains(&probability)));
    }

    #[test]
    fn it_ends_with_the_last_word_that_is_likely() {
        check(
            &[("ri", 0.9), ("es", 0.9), (".", 0.9), ("remove", 0.3)],
            Some("ries"),
        );
        check(
            &[("ri", 0.9), ("es", 0.9), (".remove", 0.9), ("(", 0.2)],
            Some("ries.remove"),
        );
        // The product counts, and half a word does not.
        check(&[("ri", 0.7), ("es", 0.7), (".", 1.0)], None);
        check(&[("ent", 0.9), ("ries", 0.2), (".", 1.0)], None);
        check(&[("x", 0.99), (" = ", 0.9), ("1", 0.2)], None);
        check(&[(" größe", 0.9), (" = ", 0.9), ("1", 0.2)], Some(" größe"));
    }

    #[test]
    fn it_leaves_nothing_open_and_closes_nothing() {
        check(
            &[
                ("f", 1.0),
                ("(", 1.0),
                ("abc", 1.0),
                (", ", 1.0),
                ("d", 0.1),
            ],
            None,
        );
        check(
            &[
                ("call", 1.0),
                ("(", 1.0),
                ("abc", 1.0),
                (")", 1.0),
                (".a", 0.1),
            ],
            Some("call(abc)"),
        );
        check(
            &[("abc", 1.0), (")", 1.0), (" + def", 1.0), (" x", 0.1)],
            Some("abc"),
        );
        check(
            &[("f", 1.0), ("(\"", 1.0), ("well)", 1.0), (" x", 0.1)],
            None,
        );
    }

    #[test]
    fn a_whole_line_is_no_beginning() {
        check(&[("done", 1.0)], None);
        check(&[("done", 1.0), ("\n", 1.0), ("more", 0.1)], None);
        check(&[("so", 1.0), (" done", 1.0), ("\nmore", 1.0)], None);
        check(&[], None);
    }

    #[test]
    fn what_goes_on_behind_its_end_is_a_beginning_itself() {
        let of = |text: &'static str| {
            let token = |start, log_probability| Likelihood {
                start,
                log_probability,
            };
            let tokens = [token(0, -0.1), token(3, -0.1)];
            of(text, true, &tokens, &(0..text.len()), 0.5).map(|(text, _)| text)
        };
        assert_eq!(of("let done"), Some("let done"));
        assert_eq!(of("let(done"), Some("let"));
        assert_eq!(of("let\nmore"), None);
    }

    #[test]
    fn it_is_likelier_right_than_wrong_whatever_is_set() {
        assert_eq!([0.0, 0.2, 0.6, 1.0].map(threshold), [0.5, 0.5, 0.6, 1.0]);
    }

    #[test]
    fn what_is_no_number_begins_nothing() {
        check(&[("abc", f32::NAN), (" ", 1.0), ("d", 1.0)], None);
    }
}
