//! Replays into a server that says what it is told to, without a clock that matters.

use std::collections::VecDeque;

use expect_test::{Expect, expect};

use super::*;
use crate::cli::{
    editor::Item,
    random::Random,
    typing::{Source, tests::source},
};

/// Much faster than the clock's ticks.
const AT_ONCE: f64 = 1e9;

/// A server that says what it is told to say, for each key in turn; then nothing.
#[derive(Default)]
struct Told {
    ghosts: VecDeque<Said>,
    events: VecDeque<Event>,
    /// An answer that comes when the next key has been pressed.
    late: Option<Event>,
    opened: Vec<String>,
    /// How long the editor takes to open a file, and when it had done so.
    opens_in: Duration,
    opened_at: Option<Instant>,
    /// Until when was waited, since then.
    waited: Vec<Instant>,
}

#[derive(Clone, Copy)]
enum Said {
    Ghost(&'static str),
    Late(&'static str),
    Refused,
}

impl Peer for Told {
    fn open(&mut self, document: usize, session: &Session, _: &str) -> anyhow::Result<()> {
        self.opened
            .push(format!("{document} {}", session.file_name));
        std::thread::sleep(self.opens_in);
        self.opened_at = Some(Instant::now());
        self.waited.clear();
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        self.opened.push("closed".to_owned());
        Ok(())
    }

    fn press(
        &mut self,
        key: usize,
        _: Option<(&str, &Change)>,
        _: (&str, usize),
    ) -> anyhow::Result<Instant> {
        let at = Instant::now();
        self.events
            .extend(self.late.take().map(|event| match event {
                // Its time is that of its coming.
                Event::Answer { key, items, .. } => Event::Answer {
                    key,
                    items,
                    at: at + PULSE,
                },
                other => other,
            }));
        self.events.push_back(Event::Asked { key, at });
        let answer = |ghost: &str| {
            let item = (!ghost.is_empty()).then(|| Item::at_cursor(ghost.to_owned()));
            Event::Answer {
                key,
                at,
                items: Some(item.into_iter().collect()),
            }
        };
        match self.ghosts.pop_front().unwrap_or(Said::Ghost("")) {
            Said::Ghost(ghost) => self.events.push_back(answer(ghost)),
            Said::Late(ghost) => self.late = Some(answer(ghost)),
            Said::Refused => self.events.push_back(Event::Answer {
                key,
                at,
                items: None,
            }),
        }
        let cost = Cost {
            source: "told".to_owned(),
            ..Cost::default()
        };
        self.events.push_back(Event::Cost { key, cost });
        Ok(at)
    }

    fn receive(&mut self, deadline: Instant) -> anyhow::Result<Option<Event>> {
        self.waited.push(deadline);
        Ok(self.events.pop_front())
    }
}

struct Nobody;

impl Watcher for Nobody {
    fn show(&mut self, _: &Session, _: &Typist, _: &str, _: &[Sample]) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Types `fn f(one)`, at the end of a file.
fn short_session() -> Session {
    let source = Source {
        text: "a\nfn f(one)\n".to_owned(),
        ..source()
    };
    let mut session = Session::new(&source, std::slice::from_ref(&(1..2)), &mut Random::new(1));
    session
        .keys
        .retain(|key| matches!(key.action, Action::Type | Action::Jump));
    session
}

fn replayed(sessions: &[Session], ghosts: &[Said]) -> (Replayed, Told) {
    let mut told = Told {
        ghosts: ghosts.iter().copied().collect(),
        ..Told::default()
    };
    let mut replayed = Replayed::default();
    replay(&mut told, sessions, AT_ONCE, &mut Nobody, &mut replayed).unwrap();
    (replayed, told)
}

#[track_caller]
fn check(ghosts: &[Said], expected: Expect) {
    let (replayed, _) = replayed(&[short_session()], ghosts);
    let written: String = replayed
        .samples
        .iter()
        .map(|sample| {
            format!(
                "{:?} {}{}{}{}\n",
                sample.kind,
                if sample.latency.is_some() {
                    "in time"
                } else {
                    "never"
                },
                if sample.ghost.is_empty() { "" } else { ": " },
                sample.ghost,
                match (sample.is_flicker, sample.n_foreseen) {
                    (true, _) => ", flickers".to_owned(),
                    (false, 0) => String::new(),
                    (false, n) => format!(", {n} foreseen"),
                },
            )
        })
        .collect();
    expected.assert_eq(&written);
}

#[test]
fn the_rest_of_a_line_is_accepted_and_no_longer_typed() {
    check(
        &[Said::Ghost(""), Said::Ghost("n f(one)")],
        expect![[r#"
            Opened in time
            Typed in time: n f(one), 8 foreseen
            Accepted in time
        "#]],
    );
}

#[test]
fn what_was_foreseen_once_does_not_count_again() {
    check(
        &[
            Said::Ghost("fn x"),
            Said::Ghost("n x"),
            Said::Ghost(" f"),
            Said::Ghost("g"),
        ],
        expect![[r#"
            Opened in time: fn x, 3 foreseen
            Typed in time: n x
            Typed in time:  f, flickers
            Typed in time: g, flickers
            Typed in time
            Typed in time
            Typed in time
            Typed in time
            Typed in time
            Typed in time
        "#]],
    );
}

#[test]
fn an_answer_after_the_next_key_never_came() {
    check(
        &[Said::Late("fn f(one)"), Said::Refused, Said::Ghost("x")],
        expect![[r#"
            Opened never
            Typed never
            Typed in time: x
            Typed in time
            Typed in time
            Typed in time
            Typed in time
            Typed in time
            Typed in time
            Typed in time
        "#]],
    );
}

#[test]
fn files_are_opened_when_they_are_first_visited_and_closed_together() {
    let sessions: Vec<Session> = ["a.rs", "b.rs"]
        .map(|name| {
            let named = Source {
                file_name: name.to_owned(),
                ..source()
            };
            Session::new(&named, &[1..4, 7..10], &mut Random::new(1))
        })
        .into();
    let (replayed, told) = replayed(&sessions, &[]);
    let arrivals: Vec<Kind> = replayed
        .samples
        .iter()
        .map(|sample| sample.kind)
        .filter(|kind| !kind.is_keystroke())
        .collect();
    use Kind::{Opened, Switched};
    assert_eq!(
        arrivals,
        [Opened, Opened, Switched, Switched, Switched, Switched]
    );
    assert_eq!(
        told.opened,
        [
            "0 a.rs", "1 b.rs", "0 a.rs", "1 b.rs", "0 a.rs", "1 b.rs", "closed"
        ]
    );
    let n_keys: usize = sessions.iter().map(Session::n_changes).sum();
    assert_eq!(replayed.n_keys, n_keys);
}

#[test]
fn nobody_types_before_the_file_is_open() {
    let session = short_session();
    let gap = session.keys[1].gap;
    let mut told = Told {
        opens_in: Duration::from_millis(20),
        ..Told::default()
    };
    let mut replayed = Replayed::default();
    replay(&mut told, &[session], 1.0, &mut Nobody, &mut replayed).unwrap();
    let opened = told.opened_at.unwrap();
    assert!(told.waited[0] >= opened + gap, "{gap:?}");
}
