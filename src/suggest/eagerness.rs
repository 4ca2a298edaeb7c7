//! How readily ghost text comes by itself: what the settings under `eagerness` mean at a place. Whoever asks by
//! hand gets everything; that is the callers' to see to.
//!
//! Not here: which edits take something back (`retraction.rs`), and who is asked when (the server).

use std::time::Duration;

use super::{brackets::Scanner, place::Place};
use crate::{
    config::{self, Mode, MultiLine},
    document::Snapshot,
    syntax::scope::{Literal, literal_at},
    text::ByteOffset,
};

/// How much of the doubt that `completion.min_confidence` leaves is allowed in the mode `subtle`. Half of it: so
/// whatever is set, `subtle` shows less, and only what is likelier right than wrong.
const SUBTLE_DOUBT: f64 = 0.5;

/// What of a completion is wanted in this mode: in `subtle`, one line, and only what is very likely.
pub fn completion(settings: &config::Completion, mode: Mode) -> config::Completion {
    let settings = settings.clone();
    match mode {
        Mode::Automatic | Mode::Manual => settings,
        Mode::Subtle => config::Completion {
            multi_line: MultiLine::Never,
            min_confidence: 1.0 - (1.0 - settings.min_confidence) * SUBTLE_DOUBT,
            ..settings
        },
    }
}

/// Whether `cursor` stands in a comment or string where nothing is to come by itself.
pub fn is_quiet_at(snapshot: &Snapshot, cursor: ByteOffset, settings: &config::Eagerness) -> bool {
    if settings.in_comments && settings.in_strings {
        return false;
    }
    let literal = match snapshot.tree {
        Some(_) => literal_at(snapshot, cursor),
        None => literal_by_text(snapshot, cursor),
    };
    match literal {
        Some(Literal::Comment) => !settings.in_comments,
        Some(Literal::String) => !settings.in_strings,
        None => false,
    }
}

/// The comment or string around `cursor` in a language without a tree, by its comment marks. In one that has none
/// quotes mean little: it is prose.
fn literal_by_text(snapshot: &Snapshot, cursor: ByteOffset) -> Option<Literal> {
    let language = snapshot.language;
    if language.line_comment.is_none() && language.block_comment.is_none() {
        return None;
    }
    let place = Place::of(snapshot, cursor);
    let scanner = Scanner::new(language).after(&place.left);
    if scanner.is_in_comment() || is_in_block_comment(&place) {
        return Some(Literal::Comment);
    }
    let is_code = language.line_comment.is_some();
    (is_code && scanner.open_quote().is_some()).then_some(Literal::String)
}

/// By the nearest mark before the cursor. Rough: a mark in a string counts.
fn is_in_block_comment(place: &Place) -> bool {
    let Some([open, close]) = &place.language.block_comment else {
        return false;
    };
    let opens = |line: &str| {
        let (open, close) = (line.rfind(open.as_str()), line.rfind(close.as_str()));
        (open.is_some() || close.is_some()).then_some(open > close)
    };
    let lines = std::iter::once(place.left.clone()).chain(place.above());
    lines.into_iter().find_map(|line| opens(&line)) == Some(true)
}

/// When ghost text may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Now,
    /// After this time.
    In(Duration),
    /// Not as long as the request can wait.
    TooLate,
}

/// When ghost text may be shown `since_edit` after the last edit, if that is to be `delay` after it at the
/// earliest and a request can wait for `patience`.
pub fn due(since_edit: Duration, delay: Duration, patience: Duration) -> Due {
    match delay.saturating_sub(since_edit) {
        Duration::ZERO => Due::Now,
        rest if rest < patience => Due::In(rest),
        _ => Due::TooLate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{document::Document, suggest::at_cursor};

    #[test]
    fn subtle_wants_one_line_and_always_more_confidence() {
        for (min_confidence, expected) in [(0.0, 0.5), (0.2, 0.6), (0.9, 0.95), (1.0, 1.0)] {
            let settings = config::Completion {
                min_confidence,
                multi_line: MultiLine::Always,
                ..config::Completion::default()
            };
            let subtle = completion(&settings, Mode::Subtle);
            assert!((subtle.min_confidence - expected).abs() < 1e-9);
            assert_eq!(subtle.multi_line, MultiLine::Never);
            assert_eq!(completion(&settings, Mode::Automatic), settings);
        }
    }

    /// Asks by the text alone and, where the language has a parser, with the tree.
    #[track_caller]
    fn check(language_id: &str, drawn: &str, expected: Option<Literal>) {
        let (by_text, cursor) = at_cursor(language_id, drawn);
        let by_tree = Document::new(&by_text.text.to_string(), 1, language_id, None).snapshot();
        for (how, snapshot) in [("by text", by_text), ("by tree", by_tree)] {
            for (in_comments, in_strings) in [(true, false), (false, true), (true, true)] {
                let settings = config::Eagerness {
                    in_comments,
                    in_strings,
                    ..config::Eagerness::default()
                };
                let is_quiet = match expected {
                    Some(Literal::Comment) => !in_comments,
                    Some(Literal::String) => !in_strings,
                    None => false,
                };
                assert_eq!(
                    is_quiet_at(&snapshot, cursor, &settings),
                    is_quiet,
                    "{how}: {drawn}"
                );
            }
        }
    }

    #[test]
    fn comments_and_strings_are_told_by_the_tree_and_by_the_text() {
        use Literal::{Comment, String};
        for (drawn, expected) in [
            ("let a = 1; // why|\n", Some(Comment)),
            ("let a = 1; //|\n", Some(Comment)),
            ("let a = 1; /|\n", None),
            ("let a = \"so|\n", Some(String)),
            ("let a = \"so\";|\n", None),
            ("let a = \"http://so|\";\n", Some(String)),
            ("fn f() {\n    /* why\n    so|\n    */\n}\n", Some(Comment)),
            ("/* why */\nlet a|\n", None),
        ] {
            check("rust", drawn, expected);
        }
        for (drawn, expected) in [
            ("a = 1  # why|\n", Some(Comment)),
            ("a = 'so|\n", Some(String)),
            ("a = 'so #|'\n", Some(String)),
            ("a = 1|\n", None),
        ] {
            check("python", drawn, expected);
        }
    }

    #[test]
    fn languages_without_a_parser_are_told_by_their_marks() {
        use Literal::{Comment, String};
        check("javascript", "let a = 1; // why|\n", Some(Comment));
        check("javascript", "let a = \"so|\n", Some(String));
        check("c", "/*\n * why|\n */\n", Some(Comment));
        check("css", "a { /* why|\n", Some(Comment));
        check("sql", "select 1 -- why|\n", Some(Comment));
        check("yaml", "a: b # why|\n", Some(Comment));
        // Without marks it is prose, or nothing is known.
        check("markdown", "He said \"so|\n", None);
        check("plaintext", "# \"so|\n", None);
    }

    #[test]
    fn a_comment_that_the_tree_has_not_seen_yet_counts() {
        let mut document = Document::new("fn f() {\n    a();\n}\n", 1, "rust", None);
        document.snapshot();
        let at = ByteOffset("fn f() {\n    a();".len());
        let edit = document.edit(at..at, " // so");
        let settings = config::Eagerness {
            in_comments: false,
            ..config::Eagerness::default()
        };
        assert!(is_quiet_at(&document.unparsed(), edit.new_end, &settings));
    }

    #[test]
    fn ghost_text_is_due_the_delay_after_the_edit_if_a_request_can_wait_that_long() {
        let ms = Duration::from_millis;
        assert_eq!(due(ms(40), ms(0), ms(700)), Due::Now);
        assert_eq!(due(ms(40), ms(40), ms(700)), Due::Now);
        assert_eq!(due(ms(40), ms(300), ms(700)), Due::In(ms(260)));
        assert_eq!(due(ms(40), ms(740), ms(700)), Due::TooLate);
        assert_eq!(due(ms(900), ms(800), ms(700)), Due::Now);
    }
}
