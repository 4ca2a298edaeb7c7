//! From a prompt to its tokens: heads are remembered, tails are tokenised, what is too long is
//! shortened. Which part of the tail is meant is decided by `heal.rs`.

use std::{ops::Range, sync::Arc};

use super::model::{Model, Token};
use crate::prompt::{Head, Segment};

/// How many heads are remembered: one per live position, and some.
const HEADS: usize = 12;

/// What is too long is shortened in steps of so many tokens, so that the same tokens go while a few
/// more are typed and the rest of the prompt can be reused.
const STEP: usize = 64;

/// See the module.
#[derive(Default)]
pub struct Tokens {
    /// Most recently used last.
    heads: Vec<Known>,
}

/// A control token of the prompt's head that the model lacks: they do not belong together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the model has no token `{0}`, which its prompt format needs; choose another `model.format`"
)]
pub struct MissingToken(String);

struct Known {
    /// Held so that no other head gets its address.
    head: Arc<Head>,
    tokens: Vec<Token>,
    /// Where the texts stand in `tokens`.
    texts: Vec<Piece>,
    /// The last tail and its tokens: inside a word it is the same one for every keystroke.
    tail: (String, Vec<Token>),
}

/// Where a text stands, and from which end it is shortened.
#[derive(Clone, Debug)]
struct Piece {
    range: Range<usize>,
    is_suffix: bool,
}

impl Tokens {
    /// The tokens of `head` and `tail`, at most `limit` of them (which is at least 1).
    ///
    /// Costs the tokenising of `tail` (about 0.25 µs per byte) unless it is the last one's, and a copy of the head's tokens. An
    /// error if the model lacks one of the head's control tokens.
    pub fn of(
        &mut self,
        model: &dyn Model,
        head: &Arc<Head>,
        tail: &str,
        limit: usize,
    ) -> Result<Vec<Token>, MissingToken> {
        let known = self.head(model, head)?;
        if known.tail.0 != tail {
            known.tail = (tail.to_owned(), model.tokenize(tail));
        }
        let tail = &known.tail.1;
        let mut tokens = Vec::with_capacity(known.tokens.len() + tail.len());
        tokens.extend_from_slice(&known.tokens);
        tokens.extend_from_slice(tail);
        let tail = known.tokens.len()..tokens.len();
        shorten(&mut tokens, &known.texts, tail, limit);
        Ok(tokens)
    }

    pub fn clear(&mut self) {
        self.heads.clear();
    }

    fn head(&mut self, model: &dyn Model, head: &Arc<Head>) -> Result<&mut Known, MissingToken> {
        let known = match self
            .heads
            .iter()
            .position(|known| Arc::ptr_eq(&known.head, head))
        {
            Some(at) => self.heads.remove(at),
            None => {
                if self.heads.len() >= HEADS {
                    self.heads.remove(0);
                }
                tokenise(model, head)?
            }
        };
        self.heads.push(known);
        Ok(self.heads.last_mut().expect("one was pushed"))
    }
}

fn tokenise(model: &dyn Model, head: &Arc<Head>) -> Result<Known, MissingToken> {
    let mut tokens: Vec<Token> = model.start_token().into_iter().collect();
    let mut texts = Vec::new();
    for segment in &head.segments {
        match segment {
            Segment::Special(spelling) => {
                let token = model.special(spelling);
                tokens.push(token.ok_or_else(|| MissingToken(spelling.clone()))?);
            }
            Segment::Text(text) | Segment::Suffix(text) => {
                let start = tokens.len();
                tokens.extend(model.tokenize(text));
                texts.push(Piece {
                    range: start..tokens.len(),
                    is_suffix: matches!(segment, Segment::Suffix(_)),
                });
            }
        }
    }
    Ok(Known {
        head: head.clone(),
        tokens,
        texts,
        tail: Default::default(),
    })
}

/// Takes tokens from the texts, from each in proportion to its length and from the end that is farther from the cursor,
/// until at most `limit` are left. Then from the front of the tail, whose end stays always; control tokens stay as
/// long as they fit.
fn shorten(tokens: &mut Vec<Token>, texts: &[Piece], tail: Range<usize>, limit: usize) {
    if tokens.len() <= limit {
        return;
    }
    let excess = (tokens.len() - limit).next_multiple_of(STEP);
    let mut left: usize = texts.iter().map(|text| text.range.len()).sum();
    let mut to_go = excess.min(left);
    let from_tail = (excess - to_go).min(tail.len().saturating_sub(1));
    let mut gone = Vec::with_capacity(texts.len() + 1);
    for Piece { range, is_suffix } in texts {
        // Rounded up, so that the last text has enough for the rest.
        let share = (to_go * range.len()).div_ceil(left.max(1));
        left -= range.len();
        to_go -= share;
        gone.push(match is_suffix {
            true => range.end - share..range.end,
            false => range.start..range.start + share,
        });
    }
    gone.push(tail.start..tail.start + from_tail);
    // From the back, so that the places before stay what they are.
    for range in gone.into_iter().rev() {
        tokens.drain(range);
    }
    // Only with absurd limits: control tokens alone do not fit, or not one token of the tail does.
    let over = tokens.len().saturating_sub(limit);
    tokens.drain(..over);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::script::{MIDDLE, PREFIX, SUFFIX, Script, ScriptModel};

    fn model() -> ScriptModel {
        Script::new(Vec::<String>::new()).model()
    }

    fn head(prefix: &str, suffix: &str) -> Arc<Head> {
        let special = |spelling: &str| Segment::Special(spelling.to_owned());
        let text = |text: &str| Segment::Text(text.to_owned());
        Arc::new(Head {
            segments: vec![
                special(PREFIX),
                text(prefix),
                special(SUFFIX),
                Segment::Suffix(suffix.to_owned()),
                special(MIDDLE),
            ],
        })
    }

    fn shown(tokens: &[Token]) -> String {
        let model = model();
        tokens
            .iter()
            .map(|token| {
                if model.is_end(*token) {
                    "|".into()
                } else {
                    String::from_utf8_lossy(model.piece(*token)).into_owned()
                }
            })
            .collect()
    }

    #[test]
    fn a_head_is_tokenised_once() {
        let script = Script::new(Vec::<String>::new());
        let (model, head) = (script.model(), head("aé", "b"));
        let mut tokens = Tokens::default();
        let first = tokens.of(&model, &head, "xy", 100).unwrap();
        assert_eq!(shown(&first), "|aé|b|xy");
        let before = script.tokenised_bytes();
        assert_eq!(
            tokens.of(&model, &head, "xyz", 100).unwrap()[..first.len()],
            first
        );
        assert_eq!(script.tokenised_bytes() - before, 3, "the tail");
        tokens.of(&model, &head, "xyz", 100).unwrap();
        assert_eq!(script.tokenised_bytes() - before, 3, "which is known now");
    }

    #[test]
    fn control_tokens_spelled_in_text_are_text() {
        let (model, head) = (model(), head(MIDDLE, ""));
        let tokens = Tokens::default().of(&model, &head, MIDDLE, 100).unwrap();
        assert_eq!(
            tokens.iter().filter(|token| model.is_end(**token)).count(),
            3
        );
    }

    #[test]
    fn a_control_token_that_the_model_lacks_is_named() {
        let head = Arc::new(Head {
            segments: vec![Segment::Special("<nope>".to_owned())],
        });
        let error = Tokens::default()
            .of(&model(), &head, "x", 100)
            .unwrap_err()
            .to_string();
        assert!(error.contains("`<nope>`"), "{error}");
    }

    #[test]
    fn a_long_prompt_loses_what_is_farthest_from_the_cursor_in_steps() {
        let model = model();
        let (long, behind) = ("0123456789".repeat(30), "abcdefghij".repeat(10));
        let head = head(&long, &behind);
        let mut tokens = Tokens::default();
        let mut kept = std::collections::BTreeSet::new();
        for typed in 0..STEP {
            let all = tokens.of(&model, &head, &"z".repeat(typed), 200).unwrap();
            assert!(all.len() <= 200 && all.len() > 200 - STEP);
            let text = shown(&all);
            let parts: Vec<&str> = text[1..].split('|').collect();
            let [prefix, suffix, tail] = parts[..] else {
                panic!("{text}");
            };
            assert!(long.ends_with(prefix) && behind.starts_with(suffix));
            assert!((2 * suffix.len()..4 * suffix.len()).contains(&prefix.len()));
            assert_eq!(tail, "z".repeat(typed));
            kept.insert((prefix.len(), suffix.len()));
        }
        assert_eq!(kept.len(), 2, "the cut moved once");
    }

    #[test]
    fn even_with_an_absurd_limit_the_end_of_the_tail_stays() {
        let (model, head) = (model(), head("some text before", "some text behind"));
        for limit in 1..60 {
            let all = Tokens::default().of(&model, &head, "xyz", limit).unwrap();
            assert!((1..=limit).contains(&all.len()));
        }
        let all = Tokens::default().of(&model, &head, "xyz", 1).unwrap();
        assert_eq!(shown(&all), "z");
    }
}
