//! The keys of one passage: when people press them, which ones they get wrong, what they take back. Which
//! passages there are is in `typing.rs`.

use std::time::Duration;

use super::{
    random::Random,
    typing::{Action, Key, Passage},
};

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
/// In how many of the pauses between words people take back what they have just typed, and begin it again.
const UNDO_SHARE: f64 = 0.015;
/// What an editor's undo takes back at least, in characters.
const SHORTEST_UNDONE: usize = 4;

/// The keys that type `target` from its beginning.
pub(super) fn passage_keys(passage: usize, target: &str, random: &mut Random) -> Vec<Key> {
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

/// `keys` with some undone and typed again: from a word's end back to the beginning of the word, or of the one
/// before it.
pub(super) fn with_undos(keys: &[Key], passages: &[Passage], random: &mut Random) -> Vec<Key> {
    let mut all: Vec<Key> = Vec::new();
    // What stood of the passage when this stretch of typing began: an undo goes no further back.
    let mut floor = 0;
    for key in keys {
        all.push(key.clone());
        if key.action == Action::Jump {
            floor = key.done;
        }
        let target = &passages[key.passage].target;
        let Some(back) = undone(target, floor, key) else {
            continue;
        };
        if !random.happens(UNDO_SHARE) {
            continue;
        }
        all.push(Key {
            gap: millis(random.by_quantiles(&PAUSE)),
            passage: key.passage,
            action: Action::Undo,
            done: back,
        });
        for (idx, char) in target[back..key.done].char_indices() {
            all.push(Key {
                gap: gap(random),
                passage: key.passage,
                action: Action::Type,
                done: back + idx + char.len_utf8(),
            });
        }
    }
    all
}

/// Where an undo at the end of the word that `key` has finished leads; `None` where it has finished none.
fn undone(target: &str, floor: usize, key: &Key) -> Option<usize> {
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let typed = target.get(floor..key.done)?;
    let ends_word = typed.ends_with(is_word) && !target[key.done..].starts_with(is_word);
    if key.action != Action::Type || !ends_word {
        return None;
    }
    let line = &typed[typed.rfind('\n').map_or(0, |idx| idx + 1)..];
    let mut starts = line.char_indices().filter(|(idx, char)| {
        is_word(*char)
            && !line[..*idx].ends_with(is_word)
            && line[*idx..].chars().count() >= SHORTEST_UNDONE
    });
    let (start, _) = starts.next_back()?;
    Some(key.done - line.len() + start)
}

/// How long people take to find the next place.
pub(super) fn pause(random: &mut Random) -> Duration {
    millis(random.by_quantiles(&PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[track_caller]
    fn check_undone(typed_and_rest: &str, expected: Option<&str>) {
        let done = typed_and_rest.find('|').unwrap();
        let target = typed_and_rest.replace('|', "");
        let key = Key {
            gap: Duration::ZERO,
            passage: 0,
            action: Action::Type,
            done,
        };
        let stands = undone(&target, 0, &key).map(|back| &target[..back]);
        assert_eq!(stands, expected);
    }

    #[test]
    fn an_undo_takes_back_a_word_or_two_of_the_same_line() {
        check_undone("let number| = 1;", Some("let "));
        check_undone("let one| = 1;", Some(""));
        check_undone("let numb|er = 1;", None);
        check_undone("let number |= 1;", None);
        check_undone("a\nb|", None);
        check_undone("first\nlet b|", Some("first\n"));
    }

    #[test]
    fn what_is_undone_is_typed_again() {
        let passages = [Passage {
            start: 0,
            target: "alpha beta gamma delta epsilon ".repeat(200),
        }];
        let mut random = Random::new(1);
        let plain = passage_keys(0, &passages[0].target, &mut random);
        let keys = with_undos(&plain, &passages, &mut random);
        let n_undone = keys.iter().filter(|key| key.action == Action::Undo).count();
        assert!(n_undone > 0 && keys.len() > plain.len());
        assert_eq!(keys.last(), plain.last());
    }
}
