//! What somebody does at a keyboard, step by step, and what becomes of the suggestion.

mod accepted;

use std::ops::Range;

use expect_test::{Expect, expect};

use super::*;
use crate::document::Snapshot;
use crate::suggest::{at_cursor, rejected::Key};

/// Long enough to have been seen.
const LATER: u64 = 2_000;

/// A document, its user and its suggestions.
struct Story {
    snapshot: Snapshot,
    cursor: usize,
    fate: Fate,
    now: Instant,
    next_id: u64,
    is_told: bool,
    seen: Vec<String>,
}

impl Story {
    fn new(drawn: &str) -> Story {
        let (snapshot, cursor) = at_cursor("rust", drawn);
        Story {
            snapshot,
            cursor: cursor.0,
            fate: Fate::default(),
            now: Instant::now(),
            next_id: 1,
            is_told: false,
            seen: Vec::new(),
        }
    }

    /// `ghost` is shown at the cursor of `drawn`.
    fn shown(drawn: &str, ghost: &str) -> Story {
        let mut story = Story::new(drawn);
        story.shows(ghost);
        story
    }

    fn note(&mut self, ended: impl IntoIterator<Item = Ended>) {
        self.seen.extend(
            ended
                .into_iter()
                .map(|it| format!("{} {:?}", it.id.0, it.end)),
        );
    }

    fn offer(&self, at: usize, text: &str, lead: usize) -> Offer {
        Offer {
            id: SuggestionId(self.next_id),
            at: ByteOffset(at),
            to: ByteOffset(self.cursor),
            text: text.to_owned(),
            lead,
            units_before: 0,
            key: Key::of(&self.snapshot.text, ByteOffset(at), text),
            about: About {
                language: "rust".to_owned(),
                model: "script".to_owned(),
                latency: Duration::ZERO,
            },
        }
    }

    fn hands_out(&mut self, offer: Offer) -> u64 {
        self.next_id += 1;
        let text = &self.snapshot.text;
        let (id, ended) = self.fate.offered(offer, text, self.is_told, self.now);
        self.note(ended);
        id.0
    }

    fn shows(&mut self, ghost: &str) -> u64 {
        self.hands_out(self.offer(self.cursor, ghost, 0))
    }

    fn waits(&mut self, milliseconds: u64) -> &mut Story {
        self.now += Duration::from_millis(milliseconds);
        self
    }

    /// Several edits in one message, each in the text that the one before has left.
    fn edits(&mut self, edits: &[(Range<usize>, &str)]) -> &mut Story {
        let mut all = Vec::new();
        for (range, with) in edits {
            let range = ByteOffset(range.start)..ByteOffset(range.end);
            all.push(self.snapshot.text.replace(range, with));
        }
        let ended = self.fate.edited(&all, &self.snapshot.text, self.now);
        self.note(ended);
        self
    }

    /// In one piece.
    fn inserts(&mut self, text: &str) -> &mut Story {
        let at = self.cursor;
        self.cursor += text.len();
        self.edits(&[(at..at, text)])
    }

    fn types(&mut self, text: &str) -> &mut Story {
        for character in text.chars() {
            self.waits(120).inserts(&character.to_string());
        }
        self
    }

    fn deletes(&mut self, bytes: usize) -> &mut Story {
        let at = self.cursor;
        self.cursor -= bytes;
        self.waits(120).edits(&[(at - bytes..at, "")])
    }

    fn command(&mut self, id: u64) -> &mut Story {
        let ended = self.fate.told_accepted(SuggestionId(id));
        self.note(ended.expect("it is known"));
        self
    }

    fn part(&mut self, id: u64, units: usize) -> &mut Story {
        assert!(self.fate.told_part(SuggestionId(id), units, self.now));
        self
    }

    fn dismisses(&mut self, id: u64, by_key: bool) -> &mut Story {
        let ended = self.fate.told_dismissed(SuggestionId(id), by_key, self.now);
        self.note(ended.expect("it is known"));
        self
    }

    /// Whether `ghost` at the cursor has been rejected.
    fn rejects(&self, ghost: &str) -> bool {
        let text = &self.snapshot.text;
        self.fate
            .is_rejected(Key::of(text, ByteOffset(self.cursor), ghost))
    }

    #[track_caller]
    fn check(&mut self, expected: Expect) {
        let ended = self.fate.closed(self.now);
        self.note(ended);
        expected.assert_eq(&self.seen.join(", "));
    }
}

#[test]
fn what_is_typed_key_by_key_is_typed_along() {
    let mut story = Story::shown("let x = |\n", "foo(bar)");
    story.types("foo(bar)");
    story.check(expect!["1 TypedAlong"]);
    // Gathered in pieces, as Neovim sends it.
    let mut story = Story::shown("let x = |\n", "foo(bar)");
    story.waits(400).inserts("f");
    story
        .waits(150)
        .inserts("oo")
        .waits(150)
        .inserts("(bar")
        .waits(150)
        .inserts(")");
    story.check(expect!["1 TypedAlong"]);
    // With an indentation that the editor puts in.
    let mut story = Story::shown("fn f() {|}\n", "\n    a");
    story.waits(LATER).inserts("\n    ").types("a");
    story.check(expect!["1 TypedAlong"]);
}

#[test]
fn the_rest_that_is_sent_again_is_the_same_suggestion() {
    let mut story = Story::shown("let x = |\n", "foo(bar)");
    for (typed, rest) in [("f", "oo(bar)"), ("o", "o(bar)"), ("o", "(bar)")] {
        story.types(typed);
        assert_eq!(story.shows(rest), 1);
    }
    story.deletes(2);
    assert_eq!(story.shows("oo(bar)"), 1);
    story.types("oo(bar)");
    story.check(expect!["1 TypedAlong"]);
}

#[test]
fn more_of_the_same_is_the_same_suggestion() {
    let mut story = Story::shown("let x = |\n", "foo");
    story.types("f");
    assert_eq!(story.shows("oo(bar)"), 1);
    story.waits(LATER).inserts("oo(bar)");
    story.check(expect!["1 Accepted { characters: 7 }"]);
}

#[test]
fn closers_that_the_editor_puts_in_are_typed_along() {
    let mut story = Story::shown("let x = foo|\n", "(bar);");
    let at = story.cursor;
    story.waits(LATER).edits(&[(at..at, "()")]);
    story.cursor += 1;
    story.types("bar").edits(&[]);
    story.check(expect!["1 Left"]);
    let mut story = Story::shown("let x = foo|\n", "(bar);");
    story.waits(LATER).inserts("()");
    story.cursor -= 1;
    story.types("z");
    story.check(expect!["1 TypedAway"]);
}

#[test]
fn something_else_is_a_rejection_only_of_what_was_seen() {
    let mut story = Story::shown("let x = |\n", "foo");
    story.waits(300).inserts("q").deletes(1);
    assert!(!story.rejects("foo"));
    story.check(expect![""]);

    let mut story = Story::shown("let x = |\n", "foo");
    story.waits(700).inserts("q").deletes(1);
    assert!(story.rejects("foo"));
    story.check(expect!["1 TypedAway"]);
    // Deleting is something else, too.
    let mut story = Story::shown("let x = |\n", "foo");
    story.waits(700).deletes(2);
    story.check(expect!["1 TypedAway"]);
}

#[test]
fn where_the_editor_tells_it_is_seen_from_then_on() {
    let mut story = Story::new("let x = |\n");
    story.is_told = true;
    story.shows("foo");
    story.waits(LATER);
    assert!(story.fate.told_shown(SuggestionId(1), story.now));
    assert!(!story.fate.told_shown(SuggestionId(2), story.now));
    story.waits(300).inserts("q");
    story.check(expect![""]);

    let mut story = Story::new("let x = |\n");
    story.is_told = true;
    story.shows("foo");
    story.waits(LATER).inserts("q");
    story.check(expect![""]);
}

#[test]
fn going_elsewhere_rejects_nothing() {
    let mut story = Story::shown("let x = |\nlet y = \n", "foo");
    story.waits(LATER).edits(&[(17..17, "1")]);
    assert!(!story.rejects("foo"));
    story.check(expect!["1 Left"]);
    let mut story = Story::shown("let x = |\n", "foo");
    story.waits(LATER).edits(&[(0..0, "\n")]);
    story.check(expect!["1 Left"]);
    // Another suggestion, or none of it seen.
    let mut story = Story::shown("let x = |\n", "foo");
    story.waits(LATER);
    assert_eq!(story.shows("bar"), 2);
    story.waits(100);
    story.check(expect!["1 Left"]);
}

#[test]
fn a_key_dismisses_whatever_was_seen_of_it() {
    let mut story = Story::shown("let x = |\n", "foo");
    story.waits(100).dismisses(1, true);
    assert!(story.rejects("foo") && !story.rejects("bar"));
    story
        .dismisses(1, true)
        .types("q")
        .check(expect!["1 Dismissed"]);
    let mut story = Story::shown("let x = |\n", "foo");
    story.waits(100).dismisses(1, false);
    story.check(expect![""]);
    let mut story = Story::shown("let x = |\n", "foo bar");
    story.waits(400).inserts("foo").dismisses(1, true);
    story.check(expect!["1 PartlyAccepted { characters: 3 }"]);
}

#[test]
fn what_is_accepted_after_all_is_rejected_no_more() {
    let mut story = Story::shown("let x = |\n", "foo");
    story.dismisses(1, true).shows("foo");
    story.waits(400).inserts("foo").command(2).deletes(3);
    assert!(!story.rejects("foo"));
    story.check(expect!["1 Dismissed, 2 Accepted { characters: 3 }"]);
}

#[test]
fn rejections_in_a_row_make_it_subtle_until_something_is_used() {
    let settings = config::Eagerness::default();
    let mut row = 0;
    for end in [End::Dismissed, End::TypedAway, End::Left, End::TypedAway] {
        row = rejections_in_row(row, end);
    }
    assert_eq!((row, effective_mode(&settings, row)), (3, Mode::Automatic));
    row = rejections_in_row(row, End::Dismissed);
    assert_eq!(effective_mode(&settings, row), Mode::Subtle);
    for end in [
        End::TypedAlong,
        End::Accepted { characters: 1 },
        End::PartlyAccepted { characters: 1 },
    ] {
        assert_eq!(
            effective_mode(&settings, rejections_in_row(row, end)),
            Mode::Automatic
        );
    }
    let never = config::Eagerness {
        back_off: 0,
        ..settings.clone()
    };
    assert_eq!(effective_mode(&never, 1_000), Mode::Automatic);
    let manual = config::Eagerness {
        mode: Mode::Manual,
        ..settings
    };
    assert_eq!(effective_mode(&manual, 1_000), Mode::Manual);
}

#[test]
fn ids_are_forgotten_after_a_while() {
    let mut story = Story::new("let x = |\n");
    for n in 0..20 {
        story.shows(&format!("v{n}"));
    }
    assert!(story.fate.told_accepted(SuggestionId(1)).is_none());
    assert!(story.fate.told_accepted(SuggestionId(19)).is_some());
}
