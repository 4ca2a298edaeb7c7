//! Speculation: tokens that the model is likely to choose next, so that one step of the model can verify
//! several of them. Where drafts come from and whether they pay is here; verifying them is the worker's.
//! What is drafted never changes what is generated, only how many steps it takes.
//!
//! Three sources: ghost text that was rejected, re-aligned behind what was typed instead
//! (`rejected.rs`), what open files and accepted text went on with (`automaton.rs`), and the place that the live
//! cache follows at the moment, which the worker tells ([`Drafts::offer`]).
//!
//! In a job: [`Drafts::begin`] with its path; [`Drafts::step`] with each token that is chosen; then
//! [`Drafts::draft`] for what may follow it; and the measured time of each step, drafts or none.

pub mod automaton;
pub mod benefit;
mod rejected;
mod suffixes;

use std::time::Duration;

use super::model::Token;
use automaton::{Automaton, Match};
use benefit::{Benefit, Record};
use rejected::Rejected;

/// Tokens of the longest draft: with the token before it a step of eight, which CUDA kernels do almost
/// for the price of one.
pub const MAX_DRAFT: usize = 7;
/// A shorter match in the open files says too little.
pub const MIN_MATCH: usize = 3;

/// Tokens per generation of the automaton, some 200 KB of source text.
const LEARNT: usize = 1 << 16;
/// How many tokens of a prompt are looked at for what follows them.
const FOLLOWED: usize = 32;

/// Where a draft comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Ghost text that was rejected by typing something else.
    Rejected,
    /// What was learnt from files and accepted text.
    Learnt,
    /// How the place goes on that the live cache chose the last token with.
    Nearby,
}

impl Source {
    const ALL: [Source; 3] = [Source::Rejected, Source::Learnt, Source::Nearby];
}

/// Tokens that may follow, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub tokens: Vec<Token>,
    pub source: Source,
}

/// All sources, their records and what they are worth on this model and device.
pub struct Drafts {
    automaton: Automaton,
    cursor: Match,
    rejected: Rejected,
    /// What stands where the rejected text began.
    written: Vec<u8>,
    nearby: Vec<Token>,
    /// By [`Source`].
    records: [Record; 3],
    benefit: Benefit,
    unused: Option<Unused>,
}

/// A draft that was not worth a larger step. What the model chooses anyway tells how good it was.
struct Unused {
    source: Source,
    tokens: [Token; MAX_DRAFT],
    length: usize,
    agreed: usize,
}

impl Default for Drafts {
    fn default() -> Drafts {
        Drafts {
            automaton: Automaton::new(LEARNT),
            cursor: Match::default(),
            rejected: Rejected::default(),
            written: Vec::new(),
            nearby: Vec::new(),
            records: Default::default(),
            benefit: Benefit::default(),
            unused: None,
        }
    }
}

impl Drafts {
    /// Learns the tokens of a file, a part of one, or accepted text; see [`Automaton::learn`]. For idle
    /// moments: about 0.15 ms per thousand new tokens.
    pub fn learn(&mut self, text: &[Token]) {
        self.automaton.learn(text);
    }

    /// Remembers what a job generated, all tokens from the end of its path on, because the user is
    /// typing something else. Forgets what was rejected before; with no tokens, that only.
    pub fn reject<'a>(&mut self, tokens: &[Token], piece: impl Fn(Token) -> &'a [u8]) {
        self.rejected.set(tokens, piece);
    }

    /// A job begins: `path` is its prompt, of which the end counts. `typed` is the text at the end of the
    /// path that stands in place of the rejected tokens, from where those began; it is not looked at if
    /// there are none.
    pub fn begin(&mut self, path: &[Token], typed: &[u8]) {
        self.cursor = Match::default();
        for token in &path[path.len().saturating_sub(FOLLOWED)..] {
            self.cursor.step(&self.automaton, *token);
        }
        self.written.clear();
        self.written.extend_from_slice(typed);
        self.unused = None;
        self.nearby.clear();
    }

    /// The live cache goes on like this behind the last token, as far as it can tell.
    pub fn offer(&mut self, tokens: &[Token]) {
        self.nearby.clear();
        self.nearby.extend_from_slice(tokens);
    }

    /// The path goes on by `token`, be it chosen, drafted or forced; `piece` are its bytes.
    pub fn step(&mut self, token: Token, piece: &[u8]) {
        self.cursor.step(&self.automaton, token);
        self.written.extend_from_slice(piece);
        self.nearby.clear();
        let Some(unused) = &mut self.unused else {
            return;
        };
        let is_right = unused.tokens[unused.agreed] == token;
        unused.agreed += usize::from(is_right);
        if !is_right || unused.agreed == unused.length {
            self.records[unused.source as usize].observe(unused.length, unused.agreed);
            self.unused = None;
        }
    }

    /// What may follow, at most `max` tokens; `None` if nothing is known, or if it is faster to go on
    /// without. Of several sources the one that promises more tokens.
    pub fn draft(&mut self, max: usize) -> Option<Draft> {
        let max = max.min(MAX_DRAFT);
        // What pays, before what does not; then what promises more; then what was rejected.
        let mut best: Option<(bool, f64, usize, Source)> = None;
        for source in Source::ALL {
            let available = self.offered(source, max).len();
            if available == 0 {
                continue;
            }
            let record = &mut self.records[source as usize];
            let length = self.benefit.length(record, available);
            let pays = length > 0;
            let length = if pays { length } else { available };
            let promised = record.expected(length);
            if best.is_none_or(|known| (pays, promised) > (known.0, known.1)) {
                best = Some((pays, promised, length, source));
            }
        }
        let (pays, _, length, source) = best?;
        if pays {
            let tokens = self.offered(source, length).to_vec();
            return Some(Draft { tokens, source });
        }
        if self.unused.is_none() {
            let mut tokens = [Token(0); MAX_DRAFT];
            tokens[..length].copy_from_slice(self.offered(source, length));
            self.unused = Some(Unused {
                source,
                tokens,
                length,
                agreed: 0,
            });
        }
        None
    }

    /// As `draft`, whether it is faster or not.
    pub fn likeliest(&mut self, max: usize) -> Option<Draft> {
        let max = max.min(MAX_DRAFT);
        self.unused = None;
        let drafts = Source::ALL.map(|source| Draft {
            tokens: self.offered(source, max).to_vec(),
            source,
        });
        let promised =
            |draft: &Draft| self.records[draft.source as usize].expected(draft.tokens.len());
        let known = drafts.into_iter().filter(|draft| !draft.tokens.is_empty());
        known.max_by(|a, b| promised(a).total_cmp(&promised(b)))
    }

    /// How many tokens of a draft, from the first on, the model chose itself.
    pub fn observe_draft(&mut self, draft: &Draft, accepted: usize) {
        self.records[draft.source as usize].observe(draft.tokens.len(), accepted);
    }

    /// A step of `batch` tokens, one row of logits each, took so long; see [`Benefit::observe_step`].
    pub fn observe_step(&mut self, batch: usize, took: Duration) {
        self.benefit.observe_step(batch, took);
    }

    fn offered(&self, source: Source, max: usize) -> &[Token] {
        match source {
            Source::Rejected => {
                let rest = self.rejected.rest(&self.written);
                &rest[..rest.len().min(max)]
            }
            Source::Learnt => self.cursor.draft(&self.automaton, max),
            Source::Nearby => &self.nearby[..self.nearby.len().min(max)],
        }
    }
}

#[cfg(test)]
mod tests;
