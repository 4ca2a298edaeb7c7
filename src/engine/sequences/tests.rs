//! Which sequence a prompt goes to, and which one is given up, without a model.

use proptest::prelude::*;

use super::*;

const A: DocumentId = DocumentId(1);
const B: DocumentId = DocumentId(2);

fn tokens(text: &str) -> Vec<Token> {
    text.bytes().map(|byte| Token(i32::from(byte))).collect()
}

/// What the worker does with a prompt, without a model.
fn enter(sequences: &mut Sequences, prompt: &str, document: DocumentId) -> (Place, usize) {
    let prompt = tokens(prompt);
    let place = sequences.choose(&prompt, document, Priority::Now);
    let (Place::Here(sequence) | Place::Guest(sequence) | Place::Fork { to: sequence, .. }) = place;
    if let Place::Fork { from, to } = place {
        sequences.copy(from, to);
    }
    let kept = sequences.shared(sequence, &prompt);
    sequences.truncate(sequence, kept);
    sequences.append(sequence, &prompt[kept..]);
    (place, kept)
}

#[test]
fn typing_stays_in_its_sequence() {
    let mut sequences = Sequences::new(4);
    assert_eq!(
        enter(&mut sequences, "let ", A),
        (Place::Here(Sequence(0)), 0)
    );
    assert_eq!(
        enter(&mut sequences, "let a", A),
        (Place::Here(Sequence(0)), 4)
    );
    assert_eq!(
        enter(&mut sequences, "let b", A),
        (Place::Here(Sequence(0)), 4)
    );
    assert_eq!(
        enter(&mut sequences, "let", A),
        (Place::Here(Sequence(0)), 3)
    );
}

#[test]
fn another_document_gets_a_sequence_of_its_own_with_what_is_shared() {
    let mut sequences = Sequences::new(4);
    enter(&mut sequences, "<x>abcdefgh", A);
    let (place, kept) = enter(&mut sequences, "<x>ABCDEFGH", B);
    assert_eq!(
        (place, kept),
        (
            Place::Fork {
                from: Sequence(0),
                to: Sequence(1)
            },
            3
        )
    );
    assert_eq!(sequences.used_cells(), 3 + 8 + 8);
    for (prompt, document) in [
        ("<x>abcdefghi", A),
        ("<x>ABCDEFGHI", B),
        ("<x>abcdefghij", A),
    ] {
        assert_eq!(enter(&mut sequences, prompt, document).1, prompt.len() - 1);
    }
}

#[test]
fn the_least_recently_used_sequence_goes_first_and_a_closed_document_before_it() {
    let mut sequences = Sequences::new(3);
    for (text, document) in [("aaaa", 1), ("bbbb", 2), ("cccc", 3)] {
        enter(&mut sequences, text, DocumentId(document));
    }
    assert_eq!(
        enter(&mut sequences, "dddd", DocumentId(4)).0,
        Place::Here(Sequence(0))
    );
    sequences.retire(DocumentId(3));
    assert_eq!(
        enter(&mut sequences, "eeee", DocumentId(5)).0,
        Place::Here(Sequence(2))
    );
    assert_eq!(sequences.evictable(Sequence(1)), Some(Sequence(0)));
}

#[test]
fn a_place_is_moved_along_and_the_next_one_made_where_nothing_is_shared() {
    let mut sequences = Sequences::new(4);
    enter(&mut sequences, "let x", A);
    sequences.append(Sequence(0), &tokens(" = 1;"));
    // Typed along, then something else: what was only generated may go.
    assert_eq!(
        sequences.choose_ahead(&tokens("let x ="), A, false),
        Sequence(0)
    );
    assert_eq!(
        sequences.choose_ahead(&tokens("let x =y"), A, false),
        Sequence(0)
    );
    // Something asked for may not: the next head, which is found again when it had to make way.
    let next = sequences.choose_ahead(&tokens("let z = 1;"), A, false);
    assert_ne!(next, Sequence(0));
    sequences.append(next, &tokens("let z ="));
    assert_eq!(
        sequences.choose_ahead(&tokens("let z = 1;"), A, false),
        next
    );
    assert_eq!(
        enter(&mut sequences, "let z = 1;", A),
        (Place::Here(next), 7)
    );
}

#[test]
fn a_place_that_was_made_ahead_is_not_cut_for_the_next_one() {
    let mut sequences = Sequences::new(4);
    enter(&mut sequences, "let x", A);
    let here = sequences.choose_ahead(&tokens("use a; let y"), A, false);
    sequences.append(here, &tokens("use a; let y"));
    // It has become where the user is: typed along, and nothing was asked that needed the model.
    assert_eq!(
        sequences.choose_ahead(&tokens("use a; let y ="), A, false),
        here
    );
    let next = sequences.choose_ahead(&tokens("use a; let z"), A, false);
    assert_ne!(next, here);
    sequences.append(next, &tokens("use a; le"));
    // It had to make way, and is gone on with though the text has grown since.
    assert_eq!(
        sequences.choose_ahead(&tokens("use a; let y = "), A, false),
        here
    );
    assert_eq!(
        sequences.choose_ahead(&tokens("use a; letter"), A, false),
        next
    );
}

#[test]
fn a_head_made_ahead_outlasts_every_try_and_what_it_replaces_goes_first_once_it_is_used() {
    let mut sequences = Sequences::new(3);
    for (text, document) in [("bbbb", B), ("aaaa", A)] {
        enter(&mut sequences, text, document);
    }
    let (other, here) = (Sequence(0), Sequence(1));
    let next = sequences.choose_ahead(&tokens("cccc"), A, true);
    sequences.append(next, &tokens("cc"));
    // Half of it is there when something else is tried.
    let tried = sequences.beside(here, A, &tokens("aaaX"));
    assert_eq!(tried, Some(other), "the oldest place of another document");
    sequences.truncate(other, 0);
    sequences.append(other, &tokens("aaaX"));
    assert_eq!(sequences.beside(here, A, &tokens("aaaY")), Some(other));
    assert_eq!(sequences.evictable(here), Some(other));
    assert_eq!(sequences.choose_ahead(&tokens("cccc"), A, true), next);
    sequences.append(next, &tokens("cc"));

    enter(&mut sequences, "bbbb", B);
    assert_eq!(sequences.evictable(other), Some(here), "not yet replaced");
    assert_eq!(enter(&mut sequences, "ccccd", A), (Place::Here(next), 4));
    enter(&mut sequences, "aaaab", A);
    enter(&mut sequences, "cccce", A);
    assert_eq!(sequences.evictable(next), Some(other), "it was used again");
}

#[test]
fn only_the_last_head_made_ahead_is_kept_before_all_else() {
    let mut sequences = Sequences::new(3);
    enter(&mut sequences, "aaaa", A);
    let given_up = sequences.choose_ahead(&tokens("cccc"), A, true);
    sequences.append(given_up, &tokens("cccc"));
    let next = sequences.choose_ahead(&tokens("dddd"), B, true);
    sequences.append(next, &tokens("dddd"));
    assert_eq!(sequences.evictable(next), Some(given_up));
    assert_eq!(sequences.evictable(given_up), Some(Sequence(0)));
}

#[test]
fn a_place_that_was_replaced_goes_before_the_places_of_others() {
    let mut sequences = Sequences::new(3);
    for (text, document) in [("bbbb", B), ("aaaa", A)] {
        enter(&mut sequences, text, document);
    }
    let next = sequences.choose_ahead(&tokens("cccc"), A, true);
    sequences.append(next, &tokens("cccc"));
    enter(&mut sequences, "ccccd", A);
    assert_eq!(sequences.evictable(next), Some(Sequence(1)));
}

#[test]
fn a_place_from_which_something_was_deleted_is_the_same_place() {
    let mut sequences = Sequences::new(4);
    enter(&mut sequences, "let x = foo(bar)", A);
    sequences.append(Sequence(0), &tokens(";"));
    for deleted in ["let x = foo(bar", "let x = foo", "let x"] {
        assert_eq!(
            sequences.choose_ahead(&tokens(deleted), A, false),
            Sequence(0)
        );
    }
}

#[test]
fn what_was_generated_is_no_loss() {
    let mut sequences = Sequences::new(4);
    enter(&mut sequences, "let x", A);
    sequences.append(Sequence(0), &tokens(" = a_long_tale();"));
    assert_eq!(
        enter(&mut sequences, "let y", A),
        (Place::Here(Sequence(0)), 4)
    );
}

#[test]
fn one_sequence_is_enough() {
    let mut sequences = Sequences::new(1);
    enter(&mut sequences, "aaaa", A);
    assert_eq!(
        enter(&mut sequences, "abbb", B),
        (Place::Here(Sequence(0)), 1)
    );
    assert_eq!(sequences.evictable(Sequence(0)), None);
}

proptest! {
    #[test]
    fn cells_in_use_are_what_is_held_less_what_is_shared(
        jobs in prop::collection::vec(("[ab]{1,12}", 0..3_u64), 1..40),
    ) {
        let mut sequences = Sequences::new(3);
        for (prompt, document) in jobs {
            enter(&mut sequences, &prompt, DocumentId(document));
            let cells: std::collections::HashSet<u32> = sequences.held.iter().flat_map(|held| held.cells.clone()).collect();
            prop_assert_eq!(sequences.used_cells(), cells.len());
            prop_assert!(sequences.held.iter().all(|held| held.cells.len() == held.tokens.len()));
        }
    }
}
