//! Somebody typing through a session: presses its keys, accepts ghost text, knows what is still to come.

use std::ops::Range;

use super::typing::{Action, Key, Passage, Session};

/// A change of a text: the bytes in `range` become `with`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub range: Range<usize>,
    pub with: String,
}

/// Somebody working through a session: the text as it stands, and what is still to be typed.
#[derive(Clone, Debug)]
pub struct Typist<'a> {
    session: &'a Session,
    text: String,
    passage: usize,
    places: Vec<Place>,
}

/// How far a passage is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Where its next byte goes.
    cursor: usize,
    done: usize,
    n_wrong: usize,
    /// How much of it was done when ghost text was last accepted in it.
    accepted: usize,
}

impl Place {
    /// What stands when `undo` has been pressed. What was accepted stays: it was right.
    fn after_undo(&self, undo: &Key) -> usize {
        undo.done.max(self.accepted)
    }
}

impl<'a> Typist<'a> {
    pub fn new(session: &'a Session) -> Typist<'a> {
        let place = |passage: &Passage| Place {
            cursor: passage.start,
            done: 0,
            n_wrong: 0,
            accepted: 0,
        };
        Typist {
            session,
            text: session.text.clone(),
            passage: 0,
            places: session.passages.iter().map(place).collect(),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The offset of the cursor in bytes.
    pub fn cursor(&self) -> usize {
        self.places[self.passage].cursor
    }

    /// What is still missing of the passage at hand; `None` while something wrong stands there.
    pub fn rest(&self) -> Option<&'a str> {
        let place = self.places[self.passage];
        (place.n_wrong == 0).then(|| &self.session.passages[self.passage].target[place.done..])
    }

    /// Whether accepted ghost text has done already what `key` would do.
    pub fn is_needless(&self, key: &Key) -> bool {
        let place = self.places[key.passage];
        match key.action {
            Action::Jump => false,
            Action::Undo => place.done <= place.after_undo(key),
            _ => place.accepted > 0 && key.done <= place.accepted,
        }
    }

    /// Which passage is at hand, and how many bytes of it stand.
    pub fn progress(&self) -> (usize, usize) {
        (self.passage, self.places[self.passage].done)
    }

    /// Presses `key`; the change it makes, or `None` for a jump.
    pub fn press(&mut self, key: &Key) -> Option<Change> {
        self.passage = key.passage;
        let place = self.places[key.passage];
        match key.action {
            Action::Jump => None,
            Action::Type => {
                self.places[key.passage].done = key.done;
                Some(self.change(
                    0,
                    &self.session.passages[key.passage].target[place.done..key.done],
                ))
            }
            Action::Mistype(letter) => {
                self.places[key.passage].n_wrong += 1;
                Some(self.change(0, letter.encode_utf8(&mut [0; 4])))
            }
            Action::Backspace => {
                self.places[key.passage].n_wrong -= 1;
                // Mistakes are ASCII, so one byte is one character.
                Some(self.change(1, ""))
            }
            Action::Undo => {
                let done = place.after_undo(key);
                self.places[key.passage].done = done;
                Some(self.change(place.done - done, ""))
            }
        }
    }

    /// Accepts ghost text, which has to be the start of [`Typist::rest`].
    pub fn accept(&mut self, ghost: &str) -> Change {
        let place = &mut self.places[self.passage];
        place.done += ghost.len();
        place.accepted = place.done;
        self.change(0, ghost)
    }

    fn change(&mut self, n_removed: usize, with: &str) -> Change {
        let cursor = self.cursor();
        let range = cursor - n_removed..cursor;
        self.text.replace_range(range.clone(), with);
        for place in &mut self.places {
            // Passages never touch, so a place at or behind the cursor is this one or a later one.
            if place.cursor >= cursor {
                place.cursor = place.cursor + with.len() - n_removed;
            }
        }
        Change {
            range,
            with: with.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{
        keys::with_undos,
        random::Random,
        typing::{choose_passages, tests::source},
    };

    /// A session with more undone than anybody would.
    fn session(random: &mut Random) -> Session {
        let passages = choose_passages(&source().text, random);
        let mut session = Session::new(&source(), &passages, random);
        for _ in 0..10 {
            session.keys = with_undos(&session.keys, &session.passages, random);
        }
        session
    }

    #[test]
    fn pressing_every_key_restores_the_file() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let session = session(&mut random);
            let mut typist = Typist::new(&session);
            for key in &session.keys {
                typist.press(key);
            }
            assert_eq!(typist.text(), source().text, "seed {seed}");
        }
    }

    #[test]
    fn accepting_now_and_then_restores_the_file_too() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let session = session(&mut random);
            let mut typist = Typist::new(&session);
            for key in &session.keys {
                if typist.is_needless(key) {
                    continue;
                }
                typist.press(key);
                if let Some(rest) = typist
                    .rest()
                    .filter(|rest| !rest.is_empty() && random.happens(0.1))
                {
                    typist.accept(&rest[..1 + random.below(rest.len())]);
                }
            }
            assert_eq!(typist.text(), source().text, "seed {seed}");
        }
    }
}
