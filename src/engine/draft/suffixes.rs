//! Every run of tokens that occurs in a growing text, and what followed it last: a suffix automaton.
//! The text is a row of streams (files, accepted ghost text); no run goes from one into the next.
//!
//! A state stands for all runs that end at the same places: one longest run and its shorter endings.
//! Its link leads to the longest ending that occurs elsewhere, too. Built online, amortised O(1) per
//! token; at most two states and three edges per token of text. It only grows: `automaton.rs` lets it age.

use std::collections::HashMap;

use super::{MIN_MATCH, Token};

/// Stands between streams in the text. Models have no negative tokens.
const GAP: Token = Token(-1);
const ROOT: u32 = 0;
const NONE: u32 = u32::MAX;

/// How many states learn of a newer occurrence per token. Only texts that repeat themselves over and
/// over have longer chains; there what followed is a little less recent, but still followed.
const RECENT: usize = 32;

/// See the module.
pub(super) struct Suffixes {
    text: Vec<Token>,
    states: Vec<State>,
    /// All edges of a state but its first.
    edges: Vec<Edge>,
    /// Where such an edge stands in `edges`. std's hash costs 15 ns, but no file can make it collide.
    index: HashMap<(u32, Token), u32>,
    /// The state of the whole stream so far.
    last: u32,
}

struct State {
    /// Tokens of the longest run.
    length: u32,
    link: u32,
    /// Where in the text stands what followed the most recent occurrence that something followed.
    follow: u32,
    /// In place: most states have only this one.
    first: Edge,
}

#[derive(Clone, Copy)]
struct Edge {
    token: Token,
    target: u32,
    /// The state's next edge, in `edges`.
    next: u32,
}

const NO_EDGE: Edge = Edge {
    token: GAP,
    target: NONE,
    next: NONE,
};

/// The longest ending of what was followed that occurs in the text: a state, and how much of its
/// longest run. Stays true while the text grows, though a longer ending may occur by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    state: u32,
    pub(super) length: u32,
}

impl Suffixes {
    pub(super) fn new() -> Suffixes {
        let mut suffixes = Suffixes {
            text: Vec::new(),
            states: Vec::new(),
            edges: Vec::new(),
            index: HashMap::new(),
            last: ROOT,
        };
        suffixes.clear();
        suffixes
    }

    /// Forgets everything but keeps the memory.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.states.clear();
        self.edges.clear();
        self.index.clear();
        self.last = ROOT;
        self.add_state(0, NONE, NONE);
    }

    /// Tokens of text, gaps included.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Ends the stream: nothing follows it.
    pub(super) fn end(&mut self) {
        if self.last != ROOT {
            self.text.push(GAP);
            self.last = ROOT;
        }
    }

    /// Appends a token to the stream. A negative one ends it.
    pub(super) fn push(&mut self, token: Token) {
        if token.0 < 0 {
            return self.end();
        }
        let at = self.text.len() as u32;
        self.text.push(token);
        let from = self.last;
        if let Some(target) = self.go(from, token) {
            // The whole stream occurred before, as the start of another.
            self.last = self.split(from, token, target);
            self.renew(from, at);
            return;
        }
        let new = self.add_state(self.states[from as usize].length + 1, ROOT, NONE);
        let mut state = from;
        while state != NONE {
            if let Some(target) = self.go(state, token) {
                self.states[new as usize].link = self.split(state, token, target);
                break;
            }
            self.add_edge(state, token, new);
            self.states[state as usize].follow = at;
            state = self.states[state as usize].link;
        }
        self.last = new;
        self.renew(state, at);
    }

    /// Goes on from `place` by a token; amortised O(1).
    pub(super) fn advance(&self, place: Place, token: Token) -> Place {
        let mut place = self.settled(place);
        loop {
            if let Some(target) = self.go(place.state, token) {
                return Place {
                    state: target,
                    length: place.length + 1,
                };
            }
            if place.state == ROOT {
                return Place::default();
            }
            place = self.shorter(place);
        }
    }

    /// What followed the longest ending of `place` that anything followed: where it did so last. Also
    /// says how long that ending is. Empty when it is shorter than [`MIN_MATCH`].
    pub(super) fn continuation(&self, place: Place) -> (&[Token], usize) {
        let mut place = self.settled(place);
        while place.length as usize >= MIN_MATCH {
            let follow = self.states[place.state as usize].follow;
            if follow != NONE {
                return (&self.text[follow as usize..], place.length as usize);
            }
            place = self.shorter(place);
        }
        (&[], 0)
    }

    /// The longest ending that occurs elsewhere, too.
    fn shorter(&self, place: Place) -> Place {
        let state = self.states[place.state as usize].link;
        Place {
            state,
            length: self.states[state as usize].length,
        }
    }

    /// The state that stands for the place's run now: it may have been split since.
    fn settled(&self, mut place: Place) -> Place {
        while place.state != ROOT {
            let link = self.states[place.state as usize].link;
            if place.length > self.states[link as usize].length {
                break;
            }
            place.state = link;
        }
        place
    }

    /// Tells `state`, and those that its link leads to, that the token at `at` followed them.
    fn renew(&mut self, mut state: u32, at: u32) {
        for _ in 0..RECENT {
            let Some(known) = self.states.get_mut(state as usize) else {
                return;
            };
            if (known.length as usize) < MIN_MATCH {
                return;
            }
            known.follow = at;
            state = known.link;
        }
    }

    /// The state for the longest run of `from` and `token`, which lead to `target`: `target`, or a copy of
    /// it if `target` stands for longer runs, too.
    fn split(&mut self, from: u32, token: Token, target: u32) -> u32 {
        let length = self.states[from as usize].length + 1;
        let State {
            length: longest,
            link,
            follow,
            first,
        } = self.states[target as usize];
        if longest == length {
            return target;
        }
        let copy = self.add_state(length, link, follow);
        let mut edge = first;
        while edge.target != NONE {
            self.add_edge(copy, edge.token, edge.target);
            edge = self
                .edges
                .get(edge.next as usize)
                .copied()
                .unwrap_or(NO_EDGE);
        }
        self.states[target as usize].link = copy;
        let mut state = from;
        while state != NONE && self.go(state, token) == Some(target) {
            self.edge_mut(state, token).target = copy;
            state = self.states[state as usize].link;
        }
        copy
    }

    fn add_state(&mut self, length: u32, link: u32, follow: u32) -> u32 {
        self.states.push(State {
            length,
            link,
            follow,
            first: NO_EDGE,
        });
        self.states.len() as u32 - 1
    }

    fn go(&self, state: u32, token: Token) -> Option<u32> {
        let first = self.states[state as usize].first;
        if first.token == token && first.target != NONE {
            return Some(first.target);
        }
        if first.next == NONE {
            return None;
        }
        let at = *self.index.get(&(state, token))?;
        Some(self.edges[at as usize].target)
    }

    /// An edge that is there.
    fn edge_mut(&mut self, state: u32, token: Token) -> &mut Edge {
        let first = &mut self.states[state as usize].first;
        if first.token == token {
            return first;
        }
        &mut self.edges[self.index[&(state, token)] as usize]
    }

    /// An edge that is not there yet.
    fn add_edge(&mut self, state: u32, token: Token, target: u32) {
        let first = &mut self.states[state as usize].first;
        let mut edge = Edge {
            token,
            target,
            next: NONE,
        };
        if first.target == NONE {
            *first = edge;
            return;
        }
        let at = self.edges.len() as u32;
        edge.next = std::mem::replace(&mut first.next, at);
        self.edges.push(edge);
        self.index.insert((state, token), at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn tokens() -> impl Strategy<Value = Vec<Token>> {
        vec((0..3).prop_map(Token), 0..24)
    }

    fn suffixes(streams: &[Vec<Token>]) -> Suffixes {
        let mut suffixes = Suffixes::new();
        for stream in streams {
            stream.iter().for_each(|token| suffixes.push(*token));
            suffixes.end();
        }
        suffixes
    }

    /// The length of the longest ending of `query` that occurs in a stream.
    fn longest(streams: &[Vec<Token>], query: &[Token]) -> usize {
        let occurs = |run: &[Token]| {
            run.is_empty()
                || streams
                    .iter()
                    .any(|it| it.windows(run.len()).any(|it| it == run))
        };
        let lengths = (0..=query.len()).rev();
        lengths
            .into_iter()
            .find(|length| occurs(&query[query.len() - length..]))
            .unwrap_or_default()
    }

    /// What followed the longest ending of `query` (at least [`MIN_MATCH`]) that was followed, where it
    /// was last, up to the end of the stream.
    fn followed<'a>(streams: &'a [Vec<Token>], query: &[Token]) -> (&'a [Token], usize) {
        for length in (MIN_MATCH..=query.len()).rev() {
            let run = &query[query.len() - length..];
            for stream in streams.iter().rev() {
                for end in (length..stream.len()).rev() {
                    if stream[end - length..end] == *run {
                        return (&stream[end..], length);
                    }
                }
            }
        }
        (&[], 0)
    }

    fn stream_of(tokens: &[Token]) -> &[Token] {
        tokens.split(|token| *token == GAP).next().unwrap_or(&[])
    }

    proptest! {
        #[test]
        fn a_place_is_the_longest_ending_that_occurs(streams in vec(tokens(), 0..5), query in tokens()) {
            let suffixes = suffixes(&streams);
            let mut place = Place::default();
            for end in 0..query.len() {
                place = suffixes.advance(place, query[end]);
                prop_assert_eq!(place.length as usize, longest(&streams, &query[..=end]));
            }
        }

        #[test]
        fn what_is_proposed_followed_the_longest_match_last(streams in vec(tokens(), 0..4), query in tokens()) {
            // Short enough that every state hears of its newest occurrence.
            let suffixes = suffixes(&streams);
            let mut place = Place::default();
            for end in 0..query.len() {
                place = suffixes.advance(place, query[end]);
                let (proposed, length) = suffixes.continuation(place);
                prop_assert_eq!((stream_of(proposed), length), followed(&streams, &query[..=end]));
            }
        }

        #[test]
        fn a_place_stays_true_while_the_text_grows(old in tokens(), new in tokens(), query in tokens(), later in tokens()) {
            let mut suffixes = suffixes(std::slice::from_ref(&old));
            let mut place = Place::default();
            for token in &query {
                place = suffixes.advance(place, *token);
            }
            new.iter().for_each(|token| suffixes.push(*token));
            let streams = [old.clone(), new];
            let whole = [query.clone(), later].concat();
            for end in query.len()..=whole.len() {
                let known = &whole[whole.len().min(end) - place.length as usize..end];
                prop_assert_eq!(longest(&streams, known), known.len());
                // Not less than what was known before there was more.
                prop_assert!(known.len() >= longest(std::slice::from_ref(&old), &whole[..end]));
                let (proposed, length) = suffixes.continuation(place);
                prop_assert_eq!((stream_of(proposed), length), followed(&streams, known));
                if let Some(token) = whole.get(end) {
                    place = suffixes.advance(place, *token);
                }
            }
        }

        #[test]
        fn it_grows_in_step_with_the_text(streams in vec(vec((0..4).prop_map(Token), 0..200), 0..4)) {
            let suffixes = suffixes(&streams);
            prop_assert!(suffixes.states.len() <= 2 * suffixes.len() + 1);
            prop_assert!(suffixes.edges.len() <= 3 * suffixes.len());
        }
    }

    #[test]
    fn a_token_repeated_for_ever_is_still_linear() {
        let suffixes = suffixes(&[vec![Token(7); 5000]]);
        assert_eq!(suffixes.states.len(), 5001);
        let mut place = Place::default();
        for _ in 0..6000 {
            place = suffixes.advance(place, Token(7));
        }
        assert_eq!(place.length, 5000);
        assert!(suffixes.continuation(place).1 >= MIN_MATCH);
    }

    #[test]
    fn nothing_follows_the_end_of_a_stream() {
        let stream = |ids: &[i32]| ids.iter().copied().map(Token).collect::<Vec<_>>();
        let suffixes = suffixes(&[stream(&[1, 2, 3, 4]), stream(&[9, 9, 9])]);
        let mut place = Place::default();
        for id in [1, 2, 3, 4] {
            place = suffixes.advance(place, Token(id));
        }
        assert_eq!(suffixes.continuation(place), (&[][..], 0));
        assert_eq!(suffixes.advance(place, GAP), Place::default());
    }
}
