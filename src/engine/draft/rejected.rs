//! Ghost text that was rejected by typing something else, as a draft for what comes instead: behind the
//! divergence people and models often write the same rest. Bytes decide where the two agree again,
//! since other text splits into other tokens.

use super::Token;

/// How many tokens the rest may stand away from where it stood before the divergence.
const WITHIN: usize = 8;
/// Bytes compared to tell one place of agreement from another.
const COMPARED: usize = 32;

/// See the module.
#[derive(Default)]
pub(super) struct Rejected {
    tokens: Vec<Token>,
    bytes: Vec<u8>,
    /// Where each token ends in `bytes`.
    ends: Vec<usize>,
}

impl Rejected {
    /// Takes the place of what was rejected before. No tokens: nothing was.
    pub(super) fn set<'a>(&mut self, tokens: &[Token], piece: impl Fn(Token) -> &'a [u8]) {
        self.tokens.clear();
        self.bytes.clear();
        self.ends.clear();
        self.tokens.extend_from_slice(tokens);
        for token in tokens {
            self.bytes.extend_from_slice(piece(*token));
            self.ends.push(self.bytes.len());
        }
    }

    /// What comes next, if what is `written` in place of the rejected text agrees with it: so far, or
    /// again for at least a whole token at its end. Empty if nothing is known.
    ///
    /// Of several places that of the longest agreement counts, then the nearest to where the rest would
    /// stand had nothing diverged. Costs 0.1 µs and a comparison of
    /// what agrees from the start.
    pub(super) fn rest(&self, written: &[u8]) -> &[Token] {
        let agreed = self.bytes.iter().zip(written).take_while(|(a, b)| a == b);
        let agreed = agreed.count();
        let beside = self.ends.partition_point(|end| *end <= written.len());
        if agreed == written.len() {
            let is_boundary = self.start(beside) == agreed;
            return if is_boundary {
                &self.tokens[beside..]
            } else {
                &[]
            };
        }
        let mut best = None;
        for at in beside.saturating_sub(WITHIN)..self.ends.len().min(beside + WITHIN) {
            let end = self.ends[at];
            let length = end - self.start(at);
            if end <= agreed || length == 0 {
                continue;
            }
            let common = common_ending(&self.bytes[..end], written);
            if common < length.min(COMPARED) || is_chance(written, common) {
                continue;
            }
            let rank = (common, std::cmp::Reverse(end.abs_diff(written.len())));
            if best.is_none_or(|(known, _)| rank > known) {
                best = Some((rank, at + 1));
            }
        }
        best.map_or(&[], |(_, next)| &self.tokens[next..])
    }

    /// Where the `at`-th token starts.
    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

fn common_ending(a: &[u8], b: &[u8]) -> usize {
    let pairs = a.iter().rev().zip(b.iter().rev()).take(COMPARED);
    pairs.take_while(|(a, b)| a == b).count()
}

/// Whether the agreement is but the last letter of a longer word.
fn is_chance(written: &[u8], common: usize) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    common == 1 && written.len() > 1 && written[written.len() - 2..].iter().all(is_word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words, runs of blanks and single marks are tokens, each with a number of its own.
    fn split(text: &str) -> Vec<&str> {
        let is_word = |char: char| char.is_alphanumeric() || char == '_';
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let others = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            let (piece, behind) = rest.split_at(others.max(first.len_utf8()));
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }

    fn rejected(text: &str) -> (Rejected, Vec<&str>) {
        let pieces = split(text);
        let tokens: Vec<Token> = (0..pieces.len() as i32).map(Token).collect();
        let mut rejected = Rejected::default();
        rejected.set(&tokens, |token| pieces[token.0 as usize].as_bytes());
        (rejected, pieces)
    }

    /// What is offered behind `|` after `ghost` was rejected.
    #[track_caller]
    fn check(ghost: &str, expected: &str) {
        let (rejected, pieces) = rejected(ghost);
        let (written, _) = expected.split_once('|').unwrap();
        let rest = rejected.rest(written.as_bytes()).iter();
        let rest: String = rest.map(|token| pieces[token.0 as usize]).collect();
        assert_eq!(format!("{written}|{rest}"), expected);
    }

    #[test]
    fn behind_another_name_the_same_rest_is_offered() {
        check("foo(x, y)", "b|");
        check("foo(x, y)", "bar|");
        check("foo(x, y)", "bar(|x, y)");
        check("foo(x, y)", "bar(x|, y)");
        check("foo(x, y)", "bar(z|");
        check("foo(x, y)", "bar(z,| y)");
    }

    #[test]
    fn behind_something_inserted_the_same_rest_is_offered() {
        check("x + y", "(|");
        check("x + y", "(x| + y");
        check("open(path)?;", "fs::open|(path)?;");
    }

    #[test]
    fn behind_something_left_out_the_same_rest_is_offered() {
        check("self.inner.open(path)", "open|(path)");
        check("self.inner.open(path)", "self.open|(path)");
    }

    #[test]
    fn what_agrees_from_the_start_goes_on() {
        check("foo(x)", "|foo(x)");
        check("foo(x)", "f|");
        check("foo(x)", "foo|(x)");
        check("foo(x)", "foo(x)|");
        check("foo(x)", "foo(x);|");
        check("", "|");
        check("", "x|");
    }

    #[test]
    fn the_longer_agreement_wins_then_the_nearer_one() {
        check("f(a, b, c)", "g(z, b,| c)");
        check("f(a, b, c)", "g(z,| b, c)");
        check("f(a, b, c)", "g(a, x,| c)");
        check("f(a, b, c)", "g(xx, yy, a,| b, c)");
    }

    #[test]
    fn one_letter_in_common_is_chance() {
        check("s + t", "class|");
        check("s + t", "(s| + t");
    }

    #[test]
    fn what_stands_far_away_is_another_place() {
        check("a b c d e f g h i j = k", "x =|");
        check("a b c = k", "x =| k");
        check("a = b c d e f g h i j k", "some(rather, long) =|");
    }

    #[test]
    fn tokens_without_text_agree_with_nothing() {
        let mut rejected = Rejected::default();
        let pieces = [&b"x"[..], b"", b"y"];
        rejected.set(&[Token(0), Token(1), Token(2)], |token| {
            pieces[token.0 as usize]
        });
        assert_eq!(rejected.rest(b"z"), &[]);
        assert_eq!(rejected.rest(b"x"), &[Token(2)]);
    }

    proptest! {
        #[test]
        fn the_rest_is_an_ending_behind_the_divergence(ghost in "[ab(,é]{0,30}", written in "[ab(,é]{0,30}") {
            let (rejected, pieces) = rejected(&ghost);
            let rest = rejected.rest(written.as_bytes());
            prop_assert!(rejected.tokens.ends_with(rest));
            if rest.is_empty() {
                return Ok(());
            }
            let next = pieces.len() - rest.len();
            let before = pieces[..next].concat();
            if ghost.starts_with(&written) {
                prop_assert_eq!(before, written);
            } else {
                prop_assert!(written.ends_with(pieces[next - 1]));
                prop_assert!(!written.starts_with(&before));
            }
        }

        #[test]
        fn another_word_does_not_matter(
            before in "([a-d]{1,3}[(,]){0,3}", old in "[e-h]{1,6}", new in "[i-l]{1,6}", after in "[.;=][m-p]{1,4}[(,)]{0,4}",
        ) {
            let (ghost, written) = (format!("{before}{old}{after}"), format!("{before}{new}{}", &after[..1]));
            let (rejected, _) = rejected(&ghost);
            prop_assert_eq!(rejected.rest(written.as_bytes()).len(), split(&after).len() - 1);
        }
    }
}
