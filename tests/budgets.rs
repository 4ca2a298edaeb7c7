//! The time budgets of the benches make sense together, and each is measured. What they are compared with
//! is measured by `cargo bench`, never here: a test must not depend on how busy the machine is.

#[path = "../benches/parts/budgets.rs"]
mod budgets;

use std::time::Duration;

use budgets::{
    CHANGE, DRAFT, EDIT, LOOK, MASK, MIX, NEW_ANCHOR, PROMPT, RECALL, REPARSE, STOP, TRIM,
};
use ghostline::report::FRAME;

/// What every keystroke pays.
const KEYSTROKE: [Duration; 9] = [EDIT, REPARSE, PROMPT, MASK, STOP, TRIM, RECALL, DRAFT, MIX];

#[test]
fn all_parts_of_a_keystroke_leave_the_frame_to_the_model() {
    let all: Duration = KEYSTROKE.iter().sum();
    assert!(all <= FRAME / 4, "{all:?}");
    assert!(KEYSTROKE.iter().all(|budget| !budget.is_zero()));
    // A change is more than an edit: the wire, a lock, a parse that may not be finished.
    assert!(EDIT < CHANGE && CHANGE < FRAME / 4);
    // A jump pays for its anchor, too, and has to stay within the same quarter.
    assert!(all + NEW_ANCHOR <= FRAME / 4);
    // It comes with a new head, which takes the model longer by far.
    assert!(LOOK <= FRAME / 4);
}

#[test]
fn every_budget_is_measured() {
    let budgets = include_str!("../benches/parts/budgets.rs");
    let benches = include_str!("../benches/parts/main.rs");
    let names = budgets
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": Duration"));
    let names: Vec<&str> = names.map(|(name, _)| name).collect();
    assert!(names.len() >= KEYSTROKE.len());
    for name in names {
        assert!(
            benches.contains(&format!("budgets::{name}")),
            "{name} is not measured"
        );
    }
}
