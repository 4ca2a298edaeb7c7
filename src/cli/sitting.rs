//! Files that are open together, and in which order people turn from one to the other.

use std::ops::Range;

use super::typing::{Action, Session};

/// How many files are open together at most.
pub const OPEN_TOGETHER: usize = 3;

/// Typing at one place of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// An index into the sessions.
    pub session: usize,
    /// Indices into its keys.
    pub keys: Range<usize>,
}

/// The turns of each sitting. Sessions next to each other with different files are one sitting; each of
/// its files in turn gets the keys up to its next jump, until none has any left.
pub fn sittings(sessions: &[Session]) -> Vec<Vec<Turn>> {
    let mut sittings = Vec::new();
    let mut start = 0;
    while start < sessions.len() {
        let is_new = |end: &usize| {
            let names = sessions[start..*end].iter().map(|other| &other.file_name);
            names.clone().all(|name| *name != sessions[*end].file_name)
        };
        let last = sessions.len().min(start + OPEN_TOGETHER);
        let end = start + 1 + (start + 1..last).take_while(is_new).count();
        let mut waiting: Vec<_> = (start..end)
            .map(|session| (session, parts(&sessions[session]).into_iter()))
            .collect();
        let mut turns = Vec::new();
        loop {
            let before = turns.len();
            for (session, parts) in &mut waiting {
                turns.extend(parts.next().map(|keys| Turn {
                    session: *session,
                    keys,
                }));
            }
            if turns.len() == before {
                break;
            }
        }
        sittings.push(turns);
        start = end;
    }
    sittings
}

/// The keys from each jump to the next.
fn parts(session: &Session) -> Vec<Range<usize>> {
    let jumps = (1..session.keys.len()).filter(|idx| session.keys[*idx].action == Action::Jump);
    let mut start = 0;
    let mut parts = Vec::new();
    for end in jumps.chain([session.keys.len()]) {
        if start < end {
            parts.push(start..end);
        }
        start = end;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{
        random::Random,
        typing::{Source, sessions, tests::source},
    };

    #[track_caller]
    fn check(file_names: &[&str], expected: &str) {
        let sessions: Vec<Session> = file_names
            .iter()
            .map(|name| {
                let named = Source {
                    file_name: (*name).to_owned(),
                    ..source()
                };
                Session::new(&named, &[1..4, 7..10], &mut Random::new(1))
            })
            .collect();
        let written: Vec<String> = sittings(&sessions)
            .iter()
            .map(|turns| {
                let names = turns.iter().map(|turn| file_names[turn.session]);
                names.collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(written.join(", "), expected);
    }

    #[test]
    fn files_that_are_open_together_are_worked_on_in_turn() {
        check(&["a"], "a a a");
        check(&["a", "b"], "a b a b a b");
        check(&["a", "a"], "a a a, a a a");
        check(&["a", "b", "a", "b"], "a b a b a b, a b a b a b");
        check(&["a", "b", "c", "d"], "a b c a b c a b c, d d d");
        check(&[], "");
    }

    #[test]
    fn even_a_short_bench_switches_files() {
        let other = Source {
            file_name: "b.rs".to_owned(),
            ..source()
        };
        let sessions = sessions(&[source(), other], 60, 1);
        let turns = sittings(&sessions).remove(0);
        assert!(
            turns
                .windows(2)
                .all(|pair| pair[0].session != pair[1].session)
        );
        assert!(turns.len() > 2);
    }
}
