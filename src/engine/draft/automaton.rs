//! What the open files and the accepted ghost text would go on with: drafts for whatever the user, or
//! the model, is writing again. Bounded: what was learnt long ago and not since is forgotten.
//!
//! There are two generations, each a suffix automaton. The young one learns; once full it becomes the
//! old one, which only answers, and the one that was old is forgotten.

use super::{
    Token,
    suffixes::{Place, Suffixes},
};

/// What is known already is not learnt again, by blocks of so many tokens: prompts of one place
/// overlap almost entirely.
const BLOCK: usize = 64;
/// New text is learnt with so many known tokens around it, so that matches go across the border.
const AROUND: usize = 16;

/// See the module.
pub struct Automaton {
    young: Suffixes,
    old: Suffixes,
    /// How often the young one became the old one.
    generation: u64,
    /// Tokens per generation.
    limit: usize,
}

/// Follows tokens and knows their longest ending that was learnt. Small, and free to copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Match {
    young: Place,
    old: Place,
    generation: u64,
}

impl Automaton {
    /// Remembers at least the last `limit` tokens, at most twice as many. They take 65 to 72 bytes each
    /// (measured on 280,000 tokens of Rust).
    pub fn new(limit: usize) -> Automaton {
        Automaton {
            young: Suffixes::new(),
            old: Suffixes::new(),
            generation: 0,
            limit: limit.max(1),
        }
    }

    /// Learns the tokens of a file, or of a part of one. Nothing goes on from one call to the next, nor
    /// across a negative token. Costs about 0.15 µs per new token, a tenth of it per known one.
    pub fn learn(&mut self, document: &[Token]) {
        let mut unknown_from = None;
        for start in (0..document.len()).step_by(BLOCK) {
            let end = document.len().min(start + BLOCK);
            if !self.knows(&document[start..end]) {
                unknown_from.get_or_insert(start.saturating_sub(AROUND));
            } else if let Some(from) = unknown_from.take() {
                self.extend(&document[from..end.min(start + AROUND)]);
            }
        }
        if let Some(from) = unknown_from {
            self.extend(&document[from..]);
        }
    }

    /// What the old generation knows is learnt again, while it is still there.
    fn knows(&self, run: &[Token]) -> bool {
        let mut place = Place::default();
        run.iter().enumerate().all(|(at, token)| {
            place = self.young.advance(place, *token);
            place.length as usize == at + 1
        })
    }

    fn extend(&mut self, run: &[Token]) {
        for token in run {
            if self.young.len() >= self.limit {
                std::mem::swap(&mut self.young, &mut self.old);
                self.young.clear();
                self.generation += 1;
            }
            self.young.push(*token);
        }
        self.young.end();
    }
}

impl Match {
    /// Goes on by a token: with `draft` 0.2 µs. A mismatch after a long run of one token takes 2 ns per
    /// token of that run.
    pub fn step(&mut self, automaton: &Automaton, token: Token) {
        let now = self.now(automaton);
        *self = Match {
            young: automaton.young.advance(now.young, token),
            old: automaton.old.advance(now.old, token),
            ..now
        };
    }

    /// How many of the last tokens were learnt in this order, at least: more may be, if the others were
    /// learnt only after the match had passed them.
    pub fn length(&self, automaton: &Automaton) -> usize {
        let now = self.now(automaton);
        now.young.length.max(now.old.length) as usize
    }

    /// What followed the longest ending that was learnt and followed by anything: where it stood last,
    /// since what was edited or accepted last is most like what comes next. At most `max` tokens and no
    /// more than were matched (Arctic's rule: the longer the match, the further it carries); nothing if
    /// fewer than [`MIN_MATCH`](super::MIN_MATCH) were.
    pub fn draft<'a>(&self, automaton: &'a Automaton, max: usize) -> &'a [Token] {
        let now = self.now(automaton);
        let young = automaton.young.continuation(now.young);
        let old = automaton.old.continuation(now.old);
        let (tokens, length) = if old.1 > young.1 { old } else { young };
        let tokens = &tokens[..tokens.len().min(length).min(max)];
        let end = tokens.iter().position(|token| token.0 < 0);
        &tokens[..end.unwrap_or(tokens.len())]
    }

    /// The match in today's generations.
    fn now(&self, automaton: &Automaton) -> Match {
        let mut now = Match {
            generation: automaton.generation,
            ..Match::default()
        };
        match automaton.generation - self.generation {
            0 => now = *self,
            1 => now.old = self.young,
            _ => (),
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        text.chars().map(|char| Token(char as i32)).collect()
    }

    fn shown(tokens: &[Token]) -> String {
        let chars = tokens.iter().map(|token| char::from_u32(token.0 as u32));
        chars.map(|char| char.unwrap()).collect()
    }

    fn matched(automaton: &Automaton, text: &str) -> Match {
        let mut matched = Match::default();
        for token in tokens(text) {
            matched.step(automaton, token);
        }
        matched
    }

    /// The place to go on from is drawn as `|`, with the draft behind it.
    #[track_caller]
    fn check(documents: &[&str], expected: &str) {
        let mut automaton = Automaton::new(1000);
        for document in documents {
            automaton.learn(&tokens(document));
        }
        let (written, _) = expected.split_once('|').unwrap();
        let draft = matched(&automaton, written);
        let draft = shown(draft.draft(&automaton, 7));
        assert_eq!(format!("{written}|{draft}"), expected);
    }

    #[test]
    fn what_is_written_again_goes_on_as_before() {
        check(&["let x = open(file)?;"], "return open(|file)?");
        check(&["let x = open(file)?;"], "= open(|file)?;");
        check(&["abcdefghijklmnopqrst"], "abcdefghijk|lmnopqr");
    }

    #[test]
    fn a_draft_is_no_longer_than_what_was_matched() {
        check(&["abcdefgh"], "xab|");
        check(&["abcdefgh"], "xabc|def");
        check(&["abcdefgh"], "xabcd|efgh");
    }

    #[test]
    fn the_longest_match_wins_over_the_last() {
        check(&["(self.one", "&self.two"], "(self.|one");
        check(&["(self.one", "&self.two"], "&self.|two");
        check(&["(self.one", "&self.two"], "*self.|two");
    }

    #[test]
    fn where_a_text_ends_a_shorter_match_goes_on() {
        check(&["if so {\n then }", "if not {\n"], "if not {\n| th");
    }

    #[test]
    fn documents_do_not_run_into_each_other() {
        check(&["abc", "def"], "abc|");
        check(&["abc", "def"], "bcde|");
        check(&["abc", "def"], "abcdef|");
    }

    #[test]
    fn what_was_learnt_long_ago_is_forgotten() {
        let mut automaton = Automaton::new(20);
        automaton.learn(&tokens("first draft"));
        let early = matched(&automaton, "first");
        assert_eq!(shown(early.draft(&automaton, 7)), " draf");
        let mut texts = ('a'..='z').map(|char| tokens(&String::from(char).repeat(10)));
        automaton.learn(&texts.next().unwrap());
        automaton.learn(&texts.next().unwrap());
        assert_eq!(
            shown(early.draft(&automaton, 7)),
            " draf",
            "in the old generation"
        );
        assert_eq!(matched(&automaton, "first").length(&automaton), 5);
        texts
            .by_ref()
            .take(3)
            .for_each(|text| automaton.learn(&text));
        assert_eq!(
            (early.length(&automaton), early.draft(&automaton, 7)),
            (0, &[][..])
        );
        assert_eq!(matched(&automaton, "first").length(&automaton), 0);
    }

    #[test]
    fn a_text_that_is_known_is_not_learnt_again() {
        let mut automaton = Automaton::new(100_000);
        let document: Vec<Token> = (0..1000).map(Token).collect();
        automaton.learn(&document);
        let learnt = automaton.young.len();
        automaton.learn(&document[300..]);
        assert_eq!(automaton.young.len(), learnt);
    }

    #[test]
    fn of_a_changed_text_the_surroundings_are_learnt_again() {
        let mut automaton = Automaton::new(100_000);
        let mut document: Vec<Token> = (0..1000).map(Token).collect();
        automaton.learn(&document);
        let learnt = automaton.young.len();
        // At the first and at the last token of a block.
        document[5 * BLOCK] = Token(5000);
        document[9 * BLOCK - 1] = Token(6000);
        automaton.learn(&document);
        assert_eq!(automaton.young.len() - learnt, 2 * (BLOCK + 2 * AROUND + 1));
        for changed in [5 * BLOCK, 9 * BLOCK - 1] {
            let mut matched = Match::default();
            for token in &document[changed - 6..changed + 3] {
                matched.step(&automaton, *token);
            }
            assert_eq!(matched.length(&automaton), 9);
            assert_eq!(
                matched.draft(&automaton, 7),
                &document[changed + 3..changed + 10]
            );
        }
    }

    #[test]
    fn of_two_equal_matches_the_younger_generation_counts() {
        let mut automaton = Automaton::new(10);
        automaton.learn(&tokens("abcd123456"));
        automaton.learn(&tokens("abcxyz"));
        assert!(automaton.generation == 1);
        assert_eq!(
            shown(matched(&automaton, "abc").draft(&automaton, 7)),
            "xyz"
        );
        assert_eq!(
            shown(matched(&automaton, "abcd").draft(&automaton, 7)),
            "1234"
        );
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_the_last_tokens_are_there(
            documents in vec(vec((0..50).prop_map(Token), 1..40), 1..20), limit in 1..60usize,
        ) {
            let mut automaton = Automaton::new(limit);
            for document in &documents {
                automaton.learn(document);
                prop_assert!(automaton.young.len() <= limit + 1 && automaton.old.len() <= limit + 1);
                let last = document.len().min(limit / 2).min(4);
                let mut matched = Match::default();
                document[document.len() - last..].iter().for_each(|token| matched.step(&automaton, *token));
                let in_one = automaton.young.len() > last;
                prop_assert!(!in_one || matched.length(&automaton) == last);
            }
        }

        #[test]
        fn a_draft_followed_what_was_matched(
            documents in vec(vec((-1..4).prop_map(Token), 0..40), 1..6), query in vec((0..4).prop_map(Token), 0..40), limit in 4..80usize,
        ) {
            let mut automaton = Automaton::new(limit);
            let mut documents = documents.iter();
            let mut learnt: Vec<&Vec<Token>> = Vec::new();
            let mut matched = Match::default();
            for (at, token) in query.iter().enumerate() {
                // Learning goes on while a match is on its way.
                if at % 8 == 0 && let Some(document) = documents.next() {
                    automaton.learn(document);
                    learnt.push(document);
                }
                matched.step(&automaton, *token);
                let draft = matched.draft(&automaton, 7);
                let n = draft.len();
                prop_assert!(n <= 7 && n <= matched.length(&automaton));
                if n > 0 {
                    let run = [&query[(at + 1).saturating_sub(n.max(3))..=at], draft].concat();
                    prop_assert!(learnt.iter().any(|it| it.windows(run.len()).any(|it| it == run)));
                }
            }
        }
    }
}
