//! Sessions of a person at a document: when the head stays the very same, and that it is always right.

use proptest::prelude::*;

use super::*;
use crate::{
    document::Document,
    prompt::format::{ModelFacts, recognise},
};

/// The built-in model's plan, or a prefix-suffix-middle one with context.
fn plan(context: usize) -> Plan {
    let tokens = match context {
        0 => ["<|fim_prefix|>", "<|fim_suffix|>", "<|rust|>", "<|python|>"],
        _ => ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>"],
    };
    let facts = ModelFacts {
        control_tokens: tokens.map(String::from).into(),
        ..ModelFacts::default()
    };
    let format = recognise(&facts, None).expect("its tokens are there");
    Plan {
        format,
        windows: Windows {
            prefix: 768,
            suffix: 288,
            tail: 288,
            context,
        },
    }
}

/// A person at a document.
struct Session {
    document: Document,
    cursor: usize,
    anchor: Option<Anchor>,
    plan: Plan,
}

impl Session {
    fn new(source: &str, cursor: usize) -> Session {
        Session {
            document: Document::new(source, 1, "plaintext", None),
            cursor,
            anchor: None,
            plan: plan(0),
        }
    }

    fn edit(&mut self, at: usize, deleted: usize, inserted: &str) {
        let end = ByteOffset((at + deleted).min(self.document.text().len().0));
        let edit = self.document.edit(ByteOffset(at)..end, inserted);
        if self.cursor >= edit.old_end.0 {
            self.cursor = self.cursor - (edit.old_end.0 - edit.start.0) + inserted.len();
        } else {
            self.cursor = self.cursor.min(edit.start.0);
        }
    }

    fn typed(&mut self, text: &str) -> Prompt {
        self.edit(self.cursor, 0, text);
        self.prompt()
    }

    fn prompt(&mut self) -> Prompt {
        let snapshot = self.document.snapshot();
        self.cursor = snapshot.text.floor(ByteOffset(self.cursor)).0;
        let (anchor, prompt) = follow(
            self.anchor.as_ref(),
            &snapshot,
            ByteOffset(self.cursor),
            &self.plan,
            &[],
        );
        self.anchor = Some(anchor);
        prompt
    }

    fn frozen(&self) -> &Frozen {
        &self.anchor.as_ref().expect("a prompt was made").frozen
    }
}

fn source(lines: usize) -> String {
    (0..lines)
        .map(|line| format!("    let value_{line} = compute({line});\n"))
        .collect()
}

/// Types `text` in the middle of a file of `lines` lines and says how often the head changed.
#[track_caller]
fn heads_while_typing(lines: usize, text: &str) -> usize {
    let source = source(lines);
    let middle = source[..source.len() / 2]
        .rfind('\n')
        .expect("several lines")
        + 1;
    let mut session = Session::new(&source, middle);
    let mut heads = vec![session.prompt().head];
    for c in text.chars() {
        let head = session.typed(c.encode_utf8(&mut [0; 4])).head;
        if !Arc::ptr_eq(&head, heads.last().expect("the first")) {
            heads.push(head);
        }
    }
    heads.len()
}

#[test]
fn a_typed_character_leaves_the_head_the_very_same() {
    assert_eq!(
        heads_while_typing(100, "    let total = value_1 + value_2;\n    total += 1;"),
        1
    );
}

#[test]
fn the_size_of_the_file_makes_no_difference() {
    let text = "    let x = f(1);\n".repeat(60);
    assert_eq!(
        heads_while_typing(100, &text),
        heads_while_typing(100_000, &text)
    );
}

#[test]
fn a_long_tail_is_taken_into_the_head() {
    let n_bytes = 18 * 60;
    assert_eq!(
        heads_while_typing(1000, &"    let x = f(1);\n".repeat(60)),
        n_bytes / 288 + 1
    );
}

#[test]
fn a_closer_that_the_editor_inserts_or_deletes_leaves_the_head_alone() {
    let mut session = Session::new("fn main() {\n    \n}\n", 16);
    let head = session.prompt().head;
    session.edit(16, 0, "print(");
    session.edit(22, 0, ")");
    session.cursor = 22;
    assert!(
        Arc::ptr_eq(&session.prompt().head, &head),
        "the closer is there"
    );
    assert!(
        Arc::ptr_eq(&session.typed("x").head, &head),
        "typing before it"
    );
    session.cursor += 1;
    assert!(Arc::ptr_eq(&session.prompt().head, &head), "typed over");
    session.edit(21, 3, "");
    assert!(Arc::ptr_eq(&session.prompt().head, &head), "both deleted");
}

#[test]
fn enter_between_braces_leaves_the_head_alone() {
    let mut session = Session::new("mod a;\n\nfn f() {}\n\nfn g() {}\n", 16);
    let head = session.prompt().head;
    session.typed("\n    ");
    session.edit(session.cursor, 0, "\n");
    session.cursor -= 1;
    let prompt = session.prompt();
    assert!(Arc::ptr_eq(&prompt.head, &head));
    assert_eq!(prompt.tail, "fn f() {\n    ");
}

#[test]
fn deleting_within_the_tail_leaves_the_head_alone() {
    let mut session = Session::new(&source(100), 0);
    session.prompt();
    let head = session.typed("let a = 1;\nlet b").head;
    session.edit(10, 6, "");
    assert!(Arc::ptr_eq(&session.prompt().head, &head));
}

#[test]
fn an_import_added_at_the_top_of_the_file_leaves_the_head_alone() {
    let source = source(1000);
    let mut session = Session::new(&source, source.len() / 2);
    session.prompt();
    let head = session.typed("\nHashMap").head;
    session.edit(0, 0, "use std::collections::HashMap;\n");
    let prompt = session.prompt();
    assert!(Arc::ptr_eq(&prompt.head, &head));
    assert!(prompt.tail.ends_with("\nHashMap"), "{}", prompt.tail);
}

#[test]
fn an_edit_in_the_head_makes_a_new_one() {
    let source = source(1000);
    let mut session = Session::new(&source, source.len() / 2);
    let head = session.prompt().head;
    session.edit(source.len() / 2 - 200, 1, "x");
    assert!(
        !Arc::ptr_eq(&session.prompt().head, &head),
        "before the cursor"
    );
    let head = session.prompt().head;
    session.edit(source.len() / 2 + 100, 1, "x");
    assert!(
        !Arc::ptr_eq(&session.prompt().head, &head),
        "after the cursor"
    );
}

#[test]
fn what_is_pasted_into_an_empty_file_is_read() {
    let mut session = Session::new("", 0);
    session.typed("x");
    let prompt = session.typed(&format!("\n{}let last = ", source(100)));
    let frozen = session.frozen();
    assert!(frozen.prefix.contains("value_98"), "{}", frozen.prefix);
    assert!(prompt.tail.ends_with("let last = "), "{}", prompt.tail);
}

#[test]
fn moving_to_a_line_below_makes_a_new_head_that_begins_as_the_old_one() {
    let source = source(1000);
    let mut session = Session::new(&source, source.len() / 2);
    session.prompt();
    session.cursor += 80;
    session.prompt();
    let prefix = session.frozen().prefix.clone();
    session.cursor += 80;
    session.prompt();
    assert!(session.frozen().prefix.starts_with(&prefix));
    assert!(session.frozen().prefix.len() > prefix.len());
}

#[test]
fn coming_back_to_the_same_place_is_the_same_head() {
    let mut session = Session::new(&source(10), 20);
    let head = session.prompt().head;
    session.anchor = session.anchor.map(|anchor| Anchor {
        at: ByteOffset(3),
        ..anchor
    });
    assert!(Arc::ptr_eq(&session.prompt().head, &head));
}

#[test]
fn another_model_or_language_makes_a_new_head() {
    let mut session = Session::new("fn f() {\n\n}\n", 9);
    let head = session.prompt().head;
    session.plan = plan(300);
    let other = session.prompt().head;
    assert_ne!(other, head);
    session.document = Document::new("fn f() {\n\n}\n", 1, "toml", None);
    session.plan = plan(0);
    assert!(!Arc::ptr_eq(&session.prompt().head, &head));
}

#[test]
fn a_model_with_room_is_told_the_imports_that_the_window_has_left_behind() {
    let source = format!("use std::fmt;\n\nfn f() {{\n{}}}\n", source(100));
    let mut session = Session::new(&source, source.len() / 2);
    session.document = Document::new(&source, 1, "rust", None);
    session.plan = plan(1000);
    let prompt = session.prompt();
    let prefix = &session.frozen().prefix;
    let text = Segment::Text(format!("use std::fmt;\nfn f() {{\n{prefix}"));
    assert!(prompt.head.segments.contains(&text), "{:?}", prompt.head);
    assert!(Arc::ptr_eq(&session.typed("a").head, &prompt.head));
}

#[test]
fn a_megabyte_on_one_line_has_windows_of_the_usual_size() {
    let mut session = Session::new(&"x=1;".repeat(250_000), 500_001);
    let head = session.prompt().head;
    let Frozen { prefix, suffix, .. } = session.frozen();
    assert!(
        (384..=771).contains(&prefix.len()) && suffix.len() == 288,
        "{} {}",
        prefix.len(),
        suffix.len()
    );
    for _ in 0..50 {
        assert!(Arc::ptr_eq(&session.typed("y").head, &head));
    }
}

#[test]
fn text_at_the_end_of_the_file_belongs_to_the_suffix() {
    let mut session = Session::new("fn f() {\n    \n}\n", 13);
    let head = session.prompt().head;
    session.edit(16, 0, "fn g() {}\n");
    assert!(!Arc::ptr_eq(&session.prompt().head, &head));
}

#[derive(Clone, Debug)]
enum Step {
    Type(String),
    Delete(usize),
    Jump(usize),
    Elsewhere(usize, usize, String),
}

fn step() -> impl Strategy<Value = Step> {
    let text = "[a-z(){} \n]|é|\"|    let x = foo(bar);\n|日本";
    prop_oneof![
        6 => text.prop_map(Step::Type),
        2 => (1usize..9).prop_map(Step::Delete),
        1 => (0usize..6000).prop_map(Step::Jump),
        1 => (0usize..6000, 0usize..50, text).prop_map(|(at, deleted, text)| Step::Elsewhere(at, deleted, text)),
    ]
}

proptest! {
    #[test]
    fn a_prompt_is_always_the_text_around_the_cursor(steps in proptest::collection::vec(step(), 1..120), n_lines in 0usize..120) {
        let mut session = Session::new(&source(n_lines), 0);
        for step in steps {
            match step {
                Step::Type(text) => session.edit(session.cursor, 0, &text),
                Step::Delete(n) => {
                    let from = session.document.text().floor(ByteOffset(session.cursor.saturating_sub(n))).0;
                    session.edit(from, session.cursor - from, "");
                }
                Step::Jump(at) => session.cursor = at,
                Step::Elsewhere(at, deleted, text) => {
                    let at = session.document.text().floor(ByteOffset(at)).0;
                    session.edit(at, deleted, &text);
                }
            }
            let prompt = session.prompt();
            let text = session.document.text().to_string();
            let (before, after) = text.split_at(session.cursor);
            let Frozen { prefix, suffix, plan, is_suffix_whole, .. } = session.frozen();
            let window = format!("{prefix}{}", prompt.tail);
            prop_assert!(before.ends_with(&window), "{before:?} {window:?}");
            prop_assert!(meaning(after).starts_with(meaning(suffix)), "{after:?} {suffix:?}");
            prop_assert!(!is_suffix_whole || meaning(after) == meaning(suffix));
            prop_assert!(prefix.len() <= plan.windows.prefix + 3);
            prop_assert!(suffix.len() <= plan.windows.suffix);
            prop_assert!(prompt.tail.len() <= plan.windows.tail);
            let expected = plan.format.head("text", &[], prefix, suffix);
            prop_assert_eq!(&prompt.head.segments, &expected);
        }
    }
}
