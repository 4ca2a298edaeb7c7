//! What holds of every history, whatever is typed: laws. The examples are in `tests.rs`.

use proptest::prelude::*;

use super::{tests::said, *};
use crate::suggest::at_cursor;

/// A document of few words, so that places look alike; without a cursor.
fn lines() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec!["a = b\n", "  x(é)\n", "}\n", "\n", "foo\n", "    \n"]);
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

fn completion() -> impl Strategy<Value = String> {
    "[a(é \n)]{1,12}"
}

fn place(drawn: &str) -> (Snapshot, ByteOffset) {
    at_cursor("plaintext", drawn)
}

/// What stands left of the cursor as far as it makes a place, and whether the file starts there; found anew,
/// the slow way.
fn place_of(left: &str) -> (String, bool) {
    let lines: Vec<&str> = left.split_inclusive('\n').collect();
    let n_above = lines.len() - usize::from(!left.ends_with('\n') && !left.is_empty());
    let mut with_words = (0..n_above)
        .rev()
        .filter(|&n| lines[n].contains(char::is_alphanumeric));
    match with_words.nth(2) {
        Some(first) => (lines[first..].concat(), false),
        None => (left.to_owned(), true),
    }
}

/// The first line right of the cursor that is no blank and no closer.
fn right_of(right: &str) -> &str {
    let rest = right.trim_start_matches([' ', '\n', ')', '}']);
    rest.lines().next().unwrap_or_default().trim_end()
}

/// Whether a completion said at one cursor goes on at another, `typed_bytes` of it being typed.
fn goes_on(then: (&str, &str), text: &str, now: (&str, &str), typed_bytes: usize) -> bool {
    let (place, starts_file) = place_of(then.0);
    let behind = place + &text[..typed_bytes];
    let is_left = if starts_file {
        now.0 == behind
    } else {
        now.0.ends_with(&behind)
    };
    is_left && right_of(then.1) == right_of(now.1)
}

#[derive(Clone, Debug)]
enum Step {
    Type(char),
    /// Types the start of what was last said.
    Follow(usize),
    Backspace(usize),
    /// To some place in the text, in thousandths.
    Jump(usize),
    InsertAtStart(&'static str),
    InsertBelow(&'static str),
    Say(String),
    Undo,
}

fn step() -> impl Strategy<Value = Step> {
    let line = || prop::sample::select(vec!["a = b\n", "foo\n", "}\n", "\n"]);
    prop_oneof![
        prop::sample::select(vec!['a', '(', ' ', '\n', 'é']).prop_map(Step::Type),
        (0usize..9).prop_map(Step::Follow),
        (1usize..5).prop_map(Step::Backspace),
        (0usize..=1000).prop_map(Step::Jump),
        line().prop_map(Step::InsertAtStart),
        line().prop_map(Step::InsertBelow),
        completion().prop_map(Step::Say),
        Just(Step::Undo),
    ]
}

proptest! {
    #[test]
    fn any_typed_beginning_recalls_the_rest(
        above in lines(), before in "[ax ]{0,5}", below in lines(),
        text in completion(), n_typed in 0usize..12, inserted in "[)}]{0,2}",
        inserted_above in lines(), is_dos in any::<bool>(),
    ) {
        let words = "one\ntwo\nthree\n";
        let typed: String = text.chars().take(n_typed).collect();
        let dos = |text: String| if is_dos { text.replace('\n', "\r\n") } else { text };
        let then = dos(format!("{words}{above}{before}|\n{below}"));
        let now = dos(format!("{inserted_above}{words}{above}{before}{typed}|{inserted}\n{below}"));

        let mut history = History::default();
        let (snapshot, cursor) = place(&then);
        history.remember(&snapshot, cursor, said(&text));
        let (snapshot, cursor) = place(&now);
        let recalled = history.recall(&snapshot, cursor, Shape::Line);
        match recalled {
            Some(recalled) => {
                prop_assert_eq!(recalled.typed_bytes, typed.len());
                prop_assert_eq!(typed + &recalled.text, text.as_str());
            }
            None => prop_assert!(text[typed.len()..].trim().is_empty()),
        }
        // Back again.
        let (snapshot, cursor) = place(&then);
        let recalled = history.recall(&snapshot, cursor, Shape::Line);
        prop_assert!(text.trim().is_empty() || recalled.is_some_and(|it| it.text == text));
    }

    #[test]
    fn nothing_is_recalled_but_what_was_said_of_the_same_surroundings(
        text in lines(), steps in prop::collection::vec(step(), 1..60), n_entries in 1usize..20,
    ) {
        let mut history = History::new(Limits { entries: n_entries, bytes: 6000 });
        let (mut text, mut cursor) = (text, 0);
        let mut earlier = Vec::new();
        let mut all_said: Vec<(String, usize, String)> = Vec::new();
        for step in steps {
            let (old_text, old_cursor) = (text.clone(), cursor);
            let mut is_said_here = None;
            let floor = |text: &str, at: usize| floor(text, at);
            match step {
                Step::Type(typed) => {
                    text.insert(cursor, typed);
                    cursor += typed.len_utf8();
                }
                Step::Follow(n) => {
                    let typed = all_said.last().map_or("", |(.., said)| said);
                    let typed = &typed[..floor(typed, n)];
                    text.insert_str(cursor, typed);
                    cursor += typed.len();
                }
                Step::Backspace(n) => {
                    let start = floor(&text, cursor.saturating_sub(n));
                    text.replace_range(start..cursor, "");
                    cursor = start;
                }
                Step::Jump(thousandths) => cursor = floor(&text, text.len() * thousandths / 1000),
                Step::InsertAtStart(line) => {
                    text.insert_str(0, line);
                    cursor += line.len();
                }
                Step::InsertBelow(line) => {
                    let end = text[cursor..].find('\n').map_or(text.len(), |at| cursor + at + 1);
                    text.insert_str(end, line);
                }
                Step::Say(says) => {
                    let (snapshot, _) = place(&format!("{text}|"));
                    history.remember(&snapshot, ByteOffset(cursor), said(&says));
                    all_said.push((text.clone(), cursor, says.clone()));
                    is_said_here = Some(says);
                }
                Step::Undo => if let Some(old) = earlier.pop() {
                    (text, cursor) = old;
                },
            }
            if (&text, cursor) != (&old_text, old_cursor) {
                earlier.push((old_text, old_cursor));
            }
            prop_assert!(history.len() <= n_entries && history.bytes() <= 6000);

            let (snapshot, _) = place(&format!("{text}|"));
            let recalled = history.recall(&snapshot, ByteOffset(cursor), Shape::Line);
            if let Some(recalled) = &recalled {
                let is_right = all_said.iter().any(|(then, at, said)| {
                    said.get(recalled.typed_bytes..) == Some(&recalled.text)
                        && goes_on(then.split_at(*at), said, text.split_at(cursor), recalled.typed_bytes)
                });
                prop_assert!(is_right, "{recalled:?} in {:?}", text.split_at(cursor));
            }
            if let Some(says) = is_said_here.filter(|says| !says.trim().is_empty()) {
                // Unless an older answer agrees with more lines.
                let recalled = recalled.expect("what was just said is known");
                prop_assert!(recalled.text == says || recalled.typed_bytes > 0);
            }
        }
    }

    #[test]
    fn undoing_brings_back_what_was_said_there(
        above in lines(), before in "[ax ]{0,5}", below in lines(), text in "[a(é)]{1,12}",
        edits in prop::collection::vec("[a-c\n(]{1,6}", 0..8),
    ) {
        let then = format!("{above}{before}|\n{below}");
        let mut history = History::default();
        let (snapshot, cursor) = place(&then);
        history.remember(&snapshot, cursor, said(&text));
        // What is said on the way is said of other texts.
        let mut typed = String::from("z");
        for edit in edits {
            typed += &edit;
            let (snapshot, cursor) = place(&format!("{above}{before}{typed}|\n{below}"));
            history.remember(&snapshot, cursor, said(&edit));
        }
        let (snapshot, cursor) = place(&then);
        let recalled = history.recall(&snapshot, cursor, Shape::Line);
        prop_assert_eq!(recalled.map(|it| (it.text, it.typed_bytes)), Some((text, 0)));
    }
}
