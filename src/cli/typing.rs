//! People typing into real files: which lines are missing, and the keys that put them back. The same seed
//! gives the same session on every machine. The rhythm and the mistakes are in `keys.rs`, the order of files in
//! `sitting.rs`; `replay.rs` sends what a `Typist` does.

use std::{ops::Range, time::Duration};

use super::{
    keys::{passage_keys, pause, with_undos},
    random::Random,
    sitting::{OPEN_TOGETHER, sittings},
};

/// A source file to type into.
#[derive(Clone, Debug)]
pub struct Source {
    pub file_name: String,
    pub language_id: String,
    pub text: String,
}

/// One file with pieces missing, and the keys that put them back.
#[derive(Clone, Debug)]
pub struct Session {
    pub file_name: String,
    pub language_id: String,
    /// The file without the passages.
    pub text: String,
    pub passages: Vec<Passage>,
    pub keys: Vec<Key>,
}

/// What is typed, and where it starts in the session's first text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    pub start: usize,
    pub target: String,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Since the key before.
    pub gap: Duration,
    /// An index into the session's passages.
    pub passage: usize,
    pub action: Action,
    /// How many bytes of the passage stand when the key has been pressed.
    pub done: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next of the passage, up to `done`: one character, or a line break with the indentation
    /// that an editor adds to it.
    Type,
    /// Something that does not belong there.
    Mistype(char),
    Backspace,
    /// Takes back what was typed last, down to `done`, in one change.
    Undo,
    /// The cursor goes to where the passage is being typed; no text changes.
    Jump,
}

impl Session {
    /// The session that types the lines in `passages` (zero-based, rising, apart from each other, not
    /// empty) into the rest of `source`. The indentation of a passage's first line stands already.
    pub fn new(source: &Source, passages: &[Range<usize>], random: &mut Random) -> Session {
        let lines: Vec<&str> = source.text.split_inclusive('\n').collect();
        let mut session = Session {
            file_name: source.file_name.clone(),
            language_id: source.language_id.clone(),
            text: String::new(),
            passages: Vec::new(),
            keys: Vec::new(),
        };
        let mut line = 0;
        for range in passages {
            session
                .text
                .extend(lines[line..range.start].iter().copied());
            let whole = lines[range.clone()].concat();
            let typed = whole.trim_end_matches(['\n', '\r']);
            let indentation = typed.len() - typed.trim_start_matches([' ', '\t']).len();
            session.text.push_str(&typed[..indentation]);
            session.passages.push(Passage {
                start: session.text.len(),
                target: typed[indentation..].to_owned(),
            });
            session.text.push_str(&whole[typed.len()..]);
            line = range.end;
        }
        session.text.extend(lines[line..].iter().copied());
        session.keys = keys(&session.passages, random);
        session
    }

    /// How many keys change text.
    pub fn n_changes(&self) -> usize {
        let changes = |key: &&Key| key.action != Action::Jump;
        self.keys.iter().filter(changes).count()
    }
}

/// Sessions over `sources` in turn, as many as are open together at a time, with `n_keys` keys that
/// change text in all. Empty where no source has a line to type.
pub fn sessions(sources: &[Source], n_keys: usize, seed: u64) -> Vec<Session> {
    let mut random = Random::new(seed);
    let mut sessions: Vec<Session> = Vec::new();
    let usable: Vec<&Source> = sources
        .iter()
        .filter(|source| source.text.lines().any(|line| !line.trim().is_empty()))
        .collect();
    let mut n_found = 0;
    for together in usable.chunks(OPEN_TOGETHER).cycle() {
        if n_found >= n_keys {
            break;
        }
        for source in together {
            let passages = choose_passages(&source.text, &mut random);
            let mut session = Session::new(source, &passages, &mut random);
            session.keys = with_undos(&session.keys, &session.passages, &mut random);
            n_found += session.n_changes();
            sessions.push(session);
        }
    }
    shorten(&mut sessions, n_keys);
    sessions
}

/// Drops what comes after `n_keys` keys that change text, in the order in which they are pressed.
fn shorten(sessions: &mut Vec<Session>, n_keys: usize) {
    let mut left = n_keys;
    let mut kept = vec![0; sessions.len()];
    for turn in sittings(sessions).into_iter().flatten() {
        for idx in turn.keys {
            let changes = sessions[turn.session].keys[idx].action != Action::Jump;
            if left == 0 {
                break;
            }
            left -= usize::from(changes);
            kept[turn.session] = idx + 1;
        }
    }
    for (session, n_kept) in sessions.iter_mut().zip(kept) {
        session.keys.truncate(n_kept);
    }
    sessions.retain(|session| !session.keys.is_empty());
}

/// Up to three runs of three to eight lines inside of something, with at least two lines between them.
pub(super) fn choose_passages(text: &str, random: &mut Random) -> Vec<Range<usize>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_inside = |line: &str| line.starts_with([' ', '\t']) && !line.trim().is_empty();
    let has_inside = lines.iter().any(|line| is_inside(line));
    let starts: Vec<usize> = (0..lines.len())
        .filter(|idx| {
            if has_inside {
                is_inside(lines[*idx])
            } else {
                !lines[*idx].trim().is_empty()
            }
        })
        .collect();
    let mut passages: Vec<Range<usize>> = Vec::new();
    for _ in 0..12 {
        let start = starts[random.below(starts.len())];
        let longest = start + 3 + random.below(6);
        let end = (start + 1..longest)
            .find(|idx| lines.get(*idx).is_none_or(|line| line.trim().is_empty()))
            .unwrap_or(longest);
        if passages.len() < 3
            && passages
                .iter()
                .all(|other| end + 2 <= other.start || other.end + 2 <= start)
        {
            passages.push(start..end);
        }
    }
    passages.sort_by_key(|range| range.start);
    passages
}

/// All keys of a session: half of the first passage, the second, the rest of the first, the others.
fn keys(passages: &[Passage], random: &mut Random) -> Vec<Key> {
    let mut by_passage: Vec<Vec<Key>> = (0..passages.len())
        .map(|idx| passage_keys(idx, &passages[idx].target, random))
        .collect();
    let is_middle =
        |key: &Key| key.action == Action::Type && key.done * 2 >= passages[0].target.len();
    let half = by_passage
        .first()
        .and_then(|first| first.iter().position(is_middle));
    let rest = match half {
        Some(half) if passages.len() > 1 => by_passage[0].split_off(half + 1),
        _ => Vec::new(),
    };
    by_passage.insert(2.min(by_passage.len()), rest);
    let mut all = Vec::new();
    for part in by_passage {
        let Some(first) = part.first() else { continue };
        let stands = all
            .iter()
            .rev()
            .find(|key: &&Key| key.passage == first.passage)
            .map_or(0, |key| key.done);
        all.push(Key {
            gap: pause(random),
            passage: first.passage,
            action: Action::Jump,
            done: stands,
        });
        all.extend(part);
    }
    all
}

#[cfg(test)]
pub(super) mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::cli::typist::Typist;

    pub(in crate::cli) fn source() -> Source {
        let text = "fn first() {\n    let one = 1;\n\n    two(one)\n}\n\nfn second() {\n    if three() {\n        four();\n    }\n}\n";
        Source {
            file_name: "a.rs".to_owned(),
            language_id: "rust".to_owned(),
            text: text.to_owned(),
        }
    }

    #[track_caller]
    fn check_keys(session: &Session, expected: Expect) {
        let mut typist = Typist::new(session);
        let mut written = String::new();
        for key in &session.keys {
            let change = typist.press(key);
            let sign = match key.action {
                Action::Jump => format!("<to {}>", key.passage),
                Action::Backspace => "<back>".to_owned(),
                Action::Undo => "<undo>".to_owned(),
                Action::Mistype(letter) => format!("<{letter}?>"),
                Action::Type => change
                    .expect("typing changes the text")
                    .with
                    .replace('\n', "<enter>\n"),
            };
            written.push_str(&sign);
        }
        expected.assert_eq(&written);
    }

    #[test]
    fn line_breaks_bring_their_indentation_and_work_jumps_between_places() {
        let session = Session::new(&source(), &[1..4, 7..10], &mut Random::new(3));
        check_keys(
            &session,
            expect![[r#"
            <to 0>let one = 1;<enter>
            <to 1>if three() {<enter>
                    four();<enter>
                }<to 0><enter>
                two(one)"#]],
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_session() {
        let sources = [source()];
        let [one, two] = [sessions(&sources, 100, 5), sessions(&sources, 100, 5)];
        assert_eq!(
            one.iter()
                .flat_map(|session| &session.keys)
                .collect::<Vec<_>>(),
            two.iter()
                .flat_map(|session| &session.keys)
                .collect::<Vec<_>>()
        );
        let other = sessions(&sources, 100, 6);
        assert_ne!(one[0].keys, other[0].keys);
    }

    #[test]
    fn as_many_keys_change_text_as_were_asked_for() {
        for n_keys in [0, 1, 10, 500] {
            let sessions = sessions(&[source()], n_keys, 1);
            let n_changes: usize = sessions.iter().map(Session::n_changes).sum();
            assert_eq!(n_changes, n_keys);
        }
    }

    #[test]
    fn a_file_without_lines_gives_no_session() {
        let empty = Source {
            text: "\n \n".to_owned(),
            ..source()
        };
        assert!(sessions(&[empty], 10, 1).is_empty());
    }
}
