//! The scripted model itself: its vocabulary, what it holds, and what it finds likely. How it is asked
//! for is in `script.rs`.

use std::{
    collections::HashSet,
    sync::{PoisonError, atomic::Ordering},
};

use super::{Act, END, FILE, MIDDLE, PREFIX, REPOSITORY, SUFFIX, Script};
use crate::engine::{
    Cancel,
    model::{Model, ModelError, Sequence, Token},
};

const CONTROL: [&str; 6] = [END, PREFIX, SUFFIX, MIDDLE, FILE, REPOSITORY];

/// Tokens beside the 256 bytes. Some cross what pre-tokenisers would not (`\n    `, `);`), some end
/// within a character.
#[rustfmt::skip]
const WORDS: [&[u8]; 56] = [
    b"  ", b"    ", b"        ", b"\n    ", b"\n        ", b"\n\n", b"\r\n", b"\t\t", b" =", b" = ", b"==",
    b"::", b"->", b" ->", b"();", b");", b"()", b" {\n", b"let", b" let", b"fn", b" fn", b"fn ", b"return",
    b" return", b"self", b" self", b".self", b"answer", b" answer", b"nswer", b"pub", b" pub", b"struct",
    b"impl", b"for", b" for", b" in", b"in", b"if", b" if", b"else", b"match", b"println", b"value",
    b" value", b"String", b"Vec", b"def", b" def", b"import", b"None", "é".as_bytes(), &[0xE8, 0xAA],
    "日本".as_bytes(), &[0x9E, b' '],
];

/// The token that ends no completion and has no bytes: nothing good comes of it.
pub const EMPTY: Token = Token(256 + WORDS.len() as i32);
/// The id of [`END`]; the other control tokens follow.
const FIRST_CONTROL: i32 = EMPTY.0 + 1;

pub(super) fn vocabulary_size() -> usize {
    FIRST_CONTROL as usize + CONTROL.len()
}

/// See the module. Made by [`Script::model`].
pub struct ScriptModel {
    script: Script,
    pieces: Vec<Vec<u8>>,
    /// Per sequence its tokens and the cell of each, which copies share.
    held: Vec<Vec<(Token, u64)>>,
    next_cell: u64,
    rows: Vec<Vec<f32>>,
}

impl ScriptModel {
    pub(super) fn new(script: Script) -> ScriptModel {
        let pieces = (0..=u8::MAX)
            .map(|byte| vec![byte])
            .chain(WORDS.iter().map(|word| word.to_vec()));
        let without_bytes = std::iter::repeat_n(Vec::new(), 1 + CONTROL.len());
        let held = vec![Vec::new(); script.sequences];
        ScriptModel {
            script,
            pieces: pieces.chain(without_bytes).collect(),
            held,
            next_cell: 0,
            rows: Vec::new(),
        }
    }

    fn drifted(&self, what: String) -> ModelError {
        self.script.record_drift(&what);
        ModelError::Failed(what)
    }

    /// The length of the first word of `text` as GPT-2's pre-tokeniser sees it: letters, digits or marks
    /// with a blank before them; of other blanks all but the last one, which goes with what follows.
    fn word(&self, text: &[u8]) -> usize {
        if self.script.joins_words {
            return text.len();
        }
        let class = |byte: &u8| match byte {
            b'0'..=b'9' => 0,
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => 1,
            byte if byte.is_ascii_whitespace() => 2,
            _ => 3,
        };
        let run = |from: usize| {
            text[from..]
                .iter()
                .take_while(|byte| class(byte) == class(&text[from]))
                .count()
        };
        match text {
            [b' ', next, ..] if class(next) != 2 => 1 + run(1),
            [first, ..] if class(first) == 2 && run(0) > 1 && run(0) < text.len() => run(0) - 1,
            [] => 0,
            _ => run(0),
        }
    }

    /// What stands left of the cursor: the prefix and what was typed behind it, or everything in a
    /// prompt without fill-in-the-middle.
    fn left_text(&self, tokens: &[(Token, u64)]) -> Vec<u8> {
        let control = |spelling: &str| {
            self.special(spelling)
                .expect("it is one of the control tokens")
        };
        let (prefix, middle) = (control(PREFIX), control(MIDDLE));
        let is_infilling = tokens.iter().any(|(token, _)| *token == prefix);
        let mut is_left = !is_infilling;
        let mut text = Vec::new();
        for (token, _) in tokens {
            match self.pieces[token.0 as usize].as_slice() {
                [] if is_infilling && *token != EMPTY => {
                    is_left = *token == prefix || *token == middle
                }
                piece if is_left => text.extend_from_slice(piece),
                _ => (),
            }
        }
        text
    }

    /// The row of logits behind `tokens`: a function of nothing else.
    fn row(&self, tokens: &[(Token, u64)]) -> Vec<f32> {
        let context = tokens
            .iter()
            .fold(0, |hash, (token, _)| mix(hash ^ (token.0 as u64 + 1)));
        // Arbitrary numbers in 0..1 first, so that something is likeliest anywhere.
        let mut row: Vec<f32> = (0..self.pieces.len() as u64)
            .map(|id| (mix(context ^ (id << 32)) >> 40) as f32 / (1 << 24) as f32)
            .collect();
        row[FIRST_CONTROL as usize..].fill(-1.0);
        row[EMPTY.0 as usize] = -1.0;

        let text = self.left_text(tokens);
        for story in self.script.stories.iter() {
            let Some((agreement, at)) = agreement(story, &text) else {
                continue;
            };
            let bonus = agreement.min(500) as f32 / 100.0;
            if at == story.len() {
                let end = &mut row[FIRST_CONTROL as usize];
                *end = end.max(20.0 + bonus);
                continue;
            }
            // What the tokeniser would make of it is likeliest, shorter tokens come after it.
            let next = &story[at..at + self.word(&story[at..])];
            let fits = |piece: &&Vec<u8>| !piece.is_empty() && next.starts_with(piece);
            let longest = self
                .pieces
                .iter()
                .filter(fits)
                .map(Vec::len)
                .max()
                .unwrap_or_default();
            for (piece, logit) in self
                .pieces
                .iter()
                .zip(&mut row)
                .filter(|(piece, _)| fits(piece))
            {
                let base = if piece.len() == longest {
                    20.0
                } else {
                    10.0 + piece.len() as f32 / 100.0
                };
                *logit = logit.max(base + bonus);
            }
        }
        if let Some(token) = self.script.insists_on {
            row[token.0 as usize] = 100.0;
        }
        row
    }
}

/// Where in `story` the text that ends at that place agrees longest with the end of `text`, and by how
/// many bytes; of equals the first. At its start when there is no text at all.
fn agreement(story: &[u8], text: &[u8]) -> Option<(usize, usize)> {
    if text.is_empty() {
        return Some((0, 0));
    }
    let agrees = |at: usize| {
        story[..at]
            .iter()
            .rev()
            .zip(text.iter().rev())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let places = (1..=story.len())
        .map(|at| (agrees(at), at))
        .filter(|(agreement, _)| *agreement > 0);
    places.max_by_key(|(agreement, at)| (*agreement, std::cmp::Reverse(*at)))
}

/// splitmix64
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Model for ScriptModel {
    fn vocabulary_size(&self) -> usize {
        self.pieces.len()
    }

    fn piece(&self, token: Token) -> &[u8] {
        &self.pieces[token.0 as usize]
    }

    fn is_end(&self, token: Token) -> bool {
        token.0 >= FIRST_CONTROL
    }

    /// Word by word the longest token that fits, from the left.
    fn tokenize(&self, text: &str) -> Vec<Token> {
        self.script
            .counts
            .tokenised_bytes
            .fetch_add(text.len(), Ordering::SeqCst);
        let (mut tokens, mut text) = (Vec::new(), text.as_bytes());
        while !text.is_empty() {
            let (mut word, behind) = text.split_at(self.word(text));
            while let Some(byte) = word.first() {
                let fitting = WORDS
                    .iter()
                    .enumerate()
                    .filter(|(_, it)| word.starts_with(it));
                let longest = fitting
                    .max_by_key(|(_, it)| it.len())
                    .map(|(id, it)| (256 + id, it.len()));
                let (id, length) = longest.unwrap_or((usize::from(*byte), 1));
                tokens.push(Token(id as i32));
                word = &word[length..];
            }
            text = behind;
        }
        tokens
    }

    fn special(&self, spelling: &str) -> Option<Token> {
        let at = CONTROL.iter().position(|control| *control == spelling)?;
        Some(Token(FIRST_CONTROL + at as i32))
    }

    fn start_token(&self) -> Option<Token> {
        None
    }

    fn sequences(&self) -> usize {
        self.script.sequences
    }

    fn capacity(&self) -> usize {
        self.script.capacity
    }

    fn batch_size(&self) -> usize {
        self.script.batch_size
    }

    fn truncate(&mut self, sequence: Sequence, len: usize) -> bool {
        let held = self.held[sequence.0].len();
        if len > held && self.script.keeps_parts {
            self.drifted(format!(
                "{sequence:?} is cut to {len} tokens but holds {held}"
            ));
        }
        let is_kept = self.script.keeps_parts || len == held || len == 0;
        self.held[sequence.0].truncate(if is_kept { len } else { 0 });
        is_kept
    }

    fn copy(&mut self, from: Sequence, to: Sequence, len: usize) {
        let held = self.held[from.0].len();
        if len > held || (!self.script.keeps_parts && len != held) || from == to {
            self.drifted(format!(
                "{len} tokens of {from:?}, which holds {held}, are copied to {to:?}"
            ));
        }
        self.held[to.0] = self.held[from.0][..len.min(held)].to_vec();
    }

    fn decode(
        &mut self,
        sequence: Sequence,
        len: usize,
        tokens: &[Token],
        rows: usize,
        cancel: &Cancel,
    ) -> Result<(), ModelError> {
        let number = self.script.counts.decodes.fetch_add(1, Ordering::SeqCst);
        let act = (self
            .script
            .on_decode
            .lock()
            .unwrap_or_else(PoisonError::into_inner))(number);
        self.rows.clear();
        match act {
            Act::Panic => panic!("the script says so"),
            Act::FailDevice => return Err(ModelError::Device("the script says so".to_owned())),
            Act::Fail => return Err(ModelError::Failed("the script says so".to_owned())),
            Act::Go | Act::Nonsense => (),
        }
        if cancel.is_cancelled() {
            // As if it came in the middle of the batch, which no state that cannot be cut survives.
            if !self.script.keeps_parts {
                self.held[sequence.0].clear();
            }
            return Err(ModelError::Cancelled);
        }
        let held = self.held[sequence.0].len();
        if len != held {
            return Err(self.drifted(format!("{sequence:?} holds {held} tokens, not {len}")));
        }
        if tokens.is_empty()
            || tokens.len() > self.script.batch_size
            || rows == 0
            || rows > tokens.len()
        {
            return Err(self.drifted(format!(
                "{} tokens and {rows} rows are no batch",
                tokens.len()
            )));
        }
        let cells: HashSet<u64> = self.held.iter().flatten().map(|(_, cell)| *cell).collect();
        if cells.len() + tokens.len() > self.script.capacity {
            return Err(self.drifted(format!(
                "{} more tokens than the {} cells hold",
                tokens.len(),
                self.script.capacity
            )));
        }
        for token in tokens {
            self.held[sequence.0].push((*token, self.next_cell));
            self.next_cell += 1;
        }
        self.script
            .counts
            .evaluated
            .fetch_add(tokens.len(), Ordering::SeqCst);
        let all = &self.held[sequence.0];
        self.rows = (0..rows)
            .map(|row| self.row(&all[..all.len() + 1 - rows + row]))
            .collect();
        if act == Act::Nonsense {
            self.rows.iter_mut().for_each(|row| row.fill(f32::NAN));
        }
        Ok(())
    }

    fn logits(&self, row: usize) -> &[f32] {
        &self.rows[row]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a model with these stories says after `prompt` (text and control tokens by spelling).
    #[track_caller]
    fn check(stories: &[&str], prompt: &[&str], expected: &str) {
        let mut model = Script::new(stories.iter().copied()).model();
        let mut tokens: Vec<Token> = prompt
            .iter()
            .flat_map(|part| {
                model
                    .special(part)
                    .map_or_else(|| model.tokenize(part), |it| vec![it])
            })
            .collect();
        let (mut len, mut said) = (0, Vec::new());
        for _ in 0..30 {
            model
                .decode(Sequence(0), len, &tokens, 1, &Cancel::default())
                .unwrap();
            len += tokens.len();
            let row = model.logits(0);
            let best = Token(
                (0..row.len())
                    .max_by(|a, b| row[*a].total_cmp(&row[*b]))
                    .unwrap() as i32,
            );
            if model.is_end(best) {
                break;
            }
            said.extend_from_slice(model.piece(best));
            tokens = vec![best];
        }
        assert_eq!(String::from_utf8_lossy(&said), expected);
    }

    #[test]
    fn it_goes_on_with_the_story_that_agrees_longest() {
        let stories = ["let answer = 42;\n", "let other = 語;\n"];
        check(&stories, &["let answer"], " = 42;\n");
        check(&stories, &["x\nlet o"], "ther = 語;\n");
        check(&stories, &["nothing of it: other"], " = 語;\n");
        check(&stories, &[PREFIX, SUFFIX, MIDDLE], "let answer = 42;\n");
    }

    #[test]
    fn infilling_goes_on_from_the_prefix_and_what_was_typed() {
        let stories = ["fn f() {\n    let x = 1;\n}\n"];
        check(
            &stories,
            &[PREFIX, "fn f() {\n", SUFFIX, "}\n", MIDDLE, "    let"],
            " x = 1;\n}\n",
        );
        check(
            &stories,
            &[SUFFIX, "}\n", PREFIX, "fn f() {\n", "    let"],
            " x = 1;\n}\n",
        );
    }

    #[test]
    fn wrong_ideas_of_its_memory_are_noticed() {
        let script = Script::new(["x"]);
        let mut model = script.model();
        assert!(
            model
                .decode(Sequence(0), 3, &[Token(65)], 1, &Cancel::default())
                .is_err()
        );
        assert!(script.drift().unwrap().contains("holds 0 tokens, not 3"));
    }
}
