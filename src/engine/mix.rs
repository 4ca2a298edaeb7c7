//! The live cache beside the model: what each place in the open files says comes next, and the mixture of that with
//! the model's own distribution.
//!
//! A place that is like the text before the cursor says one token: the first of its continuation. Places and the model
//! are weighed by a softmax over scores that are linear in a few features (`mix/weights.rs`); so places that
//! agree add up, and a model that is sure outweighs them. No feature depends on how much of a word is typed: what does
//! not agree with it falls out of the sum, and the rest stays in the order it was. So who types along with the
//! ghost text sees it stay.
//!
//! No token is evaluated for it: the row of logits is the one that the model's own choice is made from.

pub mod fitting;
pub mod weights;

use std::{collections::HashMap, sync::Arc};

use super::{
    model::{Model, Token},
    sample::{self, Choice},
};
use crate::nearby::{Continuation, Left, Nearby, Place, Search};
use weights::{MODEL_FEATURES, PLACE_FEATURES, Said, Weights};

/// The live cache of one job.
pub struct Mixer {
    search: Search,
    /// The text up to where the next token starts.
    left: Vec<u8>,
    known: Known,
    /// What the place goes on with that the last token was chosen with.
    ahead: Vec<Token>,
    /// `None` where the model chooses alone.
    weights: Option<&'static Weights>,
}

/// The tokens of continuations, by their text and whether it is cut: neighbouring keystrokes ask for the same ones.
#[derive(Debug, Default)]
pub struct Known(HashMap<(String, bool), Arc<[Token]>>);

/// Some hundred bytes each.
const MOST_KNOWN: usize = 2_000;

/// What a place says.
#[derive(Clone, Debug)]
pub struct Vote {
    /// What comes next, and what after that; at least one token.
    pub tokens: Arc<[Token]>,
    pub features: [f32; PLACE_FEATURES],
}

/// All that is to be weighed at one step; at least one place says something.
#[derive(Clone, Debug)]
pub struct Votes {
    pub votes: Vec<Vote>,
    pub model: [f32; MODEL_FEATURES],
    /// What logits are less than log probabilities.
    total: f32,
}

impl Mixer {
    /// `tail` is the prompt's; what stands behind `boundary` constrains decoding. `known` is of the same model. Without
    /// `mixes` the model chooses alone, and what stands elsewhere only tells what may follow.
    pub fn new(
        nearby: Arc<Nearby>,
        tail: &str,
        boundary: usize,
        known: Known,
        mixes: bool,
    ) -> Mixer {
        let search = Search::new(nearby, tail);
        let left = [search.left().as_bytes(), &tail.as_bytes()[..boundary]].concat();
        Mixer {
            search,
            left,
            known,
            ahead: Vec::new(),
            weights: mixes.then_some(&weights::WEIGHTS),
        }
    }

    /// The next token is chosen; these are its bytes.
    pub fn step(&mut self, piece: &[u8]) {
        self.left.extend_from_slice(piece);
    }

    /// What the next job need not find out again.
    pub fn into_known(self) -> Known {
        self.known
    }

    /// What may follow the token that was chosen last.
    pub fn ahead(&self) -> &[Token] {
        &self.ahead
    }

    /// What the places say behind the text so far, which goes on with `rest`.
    pub fn votes(&mut self, model: &dyn Model, row: &[f32], rest: &[u8]) -> Option<Votes> {
        let left = Left::new(&self.left, rest);
        let mut said: Vec<(Place, Arc<[Token]>)> = Vec::new();
        for place in self.search.places(&left) {
            let Continuation { text, is_cut } = self.search.continuation(&place, &left, rest);
            if text.len() <= rest.len() {
                continue;
            }
            let tokens = self.known.tokens(model, text, is_cut);
            if !tokens.is_empty() {
                said.push((place, tokens));
            }
        }
        if said.is_empty() {
            return None;
        }
        let top = sample::max(row);
        let total = top + sample::sum_exp(row, top).ln();
        let vote = |(place, tokens): &(Place, Arc<[Token]>)| {
            let token = tokens[0];
            let n_same = said.iter().filter(|(_, other)| other[0] == token).count();
            let said = Said {
                piece: model.piece(token),
                log_probability: row[token.0 as usize] - total,
                n_same,
            };
            Vote {
                tokens: tokens.clone(),
                features: weights::of_place(place, &left, &said),
            }
        };
        Some(Votes {
            votes: said.iter().map(vote).collect(),
            model: weights::of_model(top - total),
            total,
        })
    }

    /// The likeliest token of the mixture. `own` is the model's own choice among the tokens that agree with `rest`.
    pub fn choose(&mut self, model: &dyn Model, row: &[f32], rest: &[u8], own: Choice) -> Choice {
        self.ahead.clear();
        let Some(votes) = self.votes(model, row, rest) else {
            return own;
        };
        let (choice, vote) = match self.weights {
            Some(weights) => votes.choose(weights, row, own),
            None => (own, votes.foremost(&weights::WEIGHTS, own.token)),
        };
        if let Some(vote) = vote {
            self.ahead.extend_from_slice(&vote.tokens[1..]);
        }
        choice
    }
}

impl Known {
    fn tokens(&mut self, model: &dyn Model, text: String, is_cut: bool) -> Arc<[Token]> {
        if self.0.len() >= MOST_KNOWN {
            self.0.clear();
        }
        let tokens = self
            .0
            .entry((text, is_cut))
            .or_insert_with_key(|(text, _)| {
                let mut tokens = model.tokenize(text);
                if is_cut {
                    // It may have been another one.
                    tokens.pop();
                }
                tokens.into()
            });
        tokens.clone()
    }
}

impl Vote {
    pub fn token(&self) -> Token {
        self.tokens[0]
    }
}

impl Votes {
    /// The model's own, by the row that the votes were taken at.
    pub fn probability(&self, row: &[f32], token: Token) -> f32 {
        (row[token.0 as usize] - self.total).exp()
    }

    /// The likeliest token and its share, and the place that is most in favour of it, if one is.
    fn choose(&self, weights: &Weights, row: &[f32], own: Choice) -> (Choice, Option<&Vote>) {
        let probability = |token: Token| self.probability(row, token);
        let scores = self.votes.iter().map(|vote| weights.place(&vote.features));
        let scores: Vec<f32> = scores.collect();
        let model = weights.model(&self.model);
        let top = scores.iter().copied().fold(model, f32::max);
        let model = (model - top).exp();
        let shares: Vec<f32> = scores.iter().map(|score| (score - top).exp()).collect();
        // The model's part is what it gives to all tokens that agree with what is typed.
        let agreeing = probability(own.token) / own.log_probability.exp();
        let all = model * agreeing + shares.iter().sum::<f32>();
        let weight = |token: Token| {
            let places = self.votes.iter().zip(&shares);
            let said = places.filter(|(vote, _)| vote.token() == token);
            model * probability(token) + said.map(|(_, share)| share).sum::<f32>()
        };
        let (mut best, mut most) = (own.token, weight(own.token));
        for vote in &self.votes {
            let weight = weight(vote.token());
            if weight > most || (weight == most && vote.token() < best) {
                (best, most) = (vote.token(), weight);
            }
        }
        let choice = Choice {
            token: best,
            log_probability: (most / all).ln().min(0.0),
        };
        (choice, self.foremost(weights, best))
    }

    /// The place that is most in favour of `token`, if one is.
    fn foremost(&self, weights: &Weights, token: Token) -> Option<&Vote> {
        let score = |vote: &&Vote| weights.place(&vote.features);
        (self.votes.iter())
            .filter(|vote| vote.token() == token)
            .max_by(|a, b| score(a).total_cmp(&score(b)))
    }
}
