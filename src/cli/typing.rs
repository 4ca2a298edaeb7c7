//! People typing into real files: the keys, their times, mistakes and jumps. The same seed gives the
//! same session on every machine. No server here; `replay.rs` sends what a [`Typist`] does.

use std::{ops::Range, time::Duration};

use super::random::Random;

/// Gaps between two keys that overlap (the next key goes down before the last is up), in
/// milliseconds: quantiles from 136 million keystrokes of 77,615 people.
const ROLLOVER: [(f64, f64); 7] = [
    (0.0, 25.0),
    (0.01, 31.0),
    (0.25, 74.0),
    (0.5, 96.0),
    (0.75, 121.0),
    (0.99, 466.0),
    (1.0, 600.0),
];
/// Gaps between keys that do not overlap: time held plus time until the next, same source.
const SEPARATE: [(f64, f64); 6] = [
    (0.0, 70.0),
    (0.25, 125.0),
    (0.5, 168.0),
    (0.75, 240.0),
    (0.99, 792.0),
    (1.0, 1000.0),
];
/// Looking for the next place, and finding one's mistake.
const PAUSE: [(f64, f64); 3] = [(0.0, 500.0), (0.5, 900.0), (1.0, 1500.0)];
const REACTION: [(f64, f64); 3] = [(0.0, 150.0), (0.5, 250.0), (1.0, 500.0)];

/// How many keys overlap, and how many letters are mistyped.
const ROLLOVER_SHARE: f64 = 0.4;
const MISTAKE_SHARE: f64 = 0.02;

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
}

/// Sessions over `sources` in turn, with `n_keys` keys that change text in all. Empty where no source
/// has a line to type.
pub fn sessions(sources: &[Source], n_keys: usize, seed: u64) -> Vec<Session> {
    let mut random = Random::new(seed);
    let mut sessions = Vec::new();
    let mut missing = n_keys;
    let usable: Vec<&Source> = sources
        .iter()
        .filter(|source| source.text.lines().any(|line| !line.trim().is_empty()))
        .collect();
    for source in usable.iter().cycle() {
        if missing == 0 {
            break;
        }
        let passages = choose_passages(&source.text, &mut random);
        let mut session = Session::new(source, &passages, &mut random);
        let mut n_changes = 0;
        let is_wanted = |key: &Key| {
            n_changes += usize::from(key.action != Action::Jump);
            n_changes <= missing
        };
        let n_wanted = session
            .keys
            .iter()
            .map(is_wanted)
            .take_while(|wanted| *wanted)
            .count();
        session.keys.truncate(n_wanted);
        missing -= session
            .keys
            .iter()
            .filter(|key| key.action != Action::Jump)
            .count();
        sessions.push(session);
    }
    sessions
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
            gap: millis(random.by_quantiles(&PAUSE)),
            passage: first.passage,
            action: Action::Jump,
            done: stands,
        });
        all.extend(part);
    }
    all
}

fn passage_keys(passage: usize, target: &str, random: &mut Random) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut done = 0;
    while let Some(next) = target[done..].chars().next() {
        if next.is_ascii_lowercase() && random.happens(MISTAKE_SHARE) {
            keys.extend(mistake(passage, done, &target[done..], random));
        }
        done += next.len_utf8();
        if next == '\n' {
            done += target[done..].len() - target[done..].trim_start_matches([' ', '\t']).len();
        }
        keys.push(Key {
            gap: gap(random),
            passage,
            action: Action::Type,
            done,
        });
    }
    keys
}

/// A wrong letter, perhaps typed on from, noticed, and taken back.
fn mistake(passage: usize, done: usize, rest: &str, random: &mut Random) -> Vec<Key> {
    let neighbour = |letter: char| {
        const ROWS: &str = "qwertyuiop asdfghjkl zxcvbnm";
        let idx = ROWS.find(letter).unwrap_or(0);
        ROWS[idx + 1..]
            .chars()
            .next()
            .filter(|letter| *letter != ' ')
            .unwrap_or('a')
    };
    let mut wrong: Vec<char> = rest
        .chars()
        .take(1 + random.below(2))
        .take_while(char::is_ascii_lowercase)
        .collect();
    wrong[0] = neighbour(wrong[0]);
    let mut keys: Vec<Key> = Vec::new();
    let n_wrong = wrong.len();
    keys.extend(wrong.into_iter().map(|letter| Key {
        gap: gap(random),
        passage,
        action: Action::Mistype(letter),
        done,
    }));
    for idx in 0..n_wrong {
        let gap = if idx == 0 {
            millis(random.by_quantiles(&REACTION))
        } else {
            gap(random)
        };
        keys.push(Key {
            gap,
            passage,
            action: Action::Backspace,
            done,
        });
    }
    keys
}

fn gap(random: &mut Random) -> Duration {
    let overlaps = random.happens(ROLLOVER_SHARE);
    millis(random.by_quantiles(if overlaps { &ROLLOVER } else { &SEPARATE }))
}

/// Whole microseconds, so that a session's times compare exactly.
fn millis(ms: f64) -> Duration {
    Duration::from_micros((ms * 1e3) as u64)
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
            let n_changes = sessions
                .iter()
                .flat_map(|session| &session.keys)
                .filter(|key| key.action != Action::Jump)
                .count();
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

    #[test]
    fn people_type_as_the_statistics_say() {
        let mut random = Random::new(11);
        let gaps: Vec<f64> = (0..20_000)
            .map(|_| gap(&mut random).as_secs_f64() * 1e3)
            .collect();
        let median = crate::report::median(&gaps).expect("there are gaps");
        assert!((96.0..150.0).contains(&median), "{median}");
        assert!(gaps.iter().all(|gap| (25.0..=1000.0).contains(gap)));
    }
}
