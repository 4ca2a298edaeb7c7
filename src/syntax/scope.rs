//! What the syntax tree says about a place: comment or string, enclosing definitions, imports, end of block.

use std::ops::Range;

use crate::{document::Snapshot, text::ByteOffset};

/// What is known of a cursor's surroundings. Without a tree everything is empty or false.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub is_in_comment: bool,
    pub is_in_string: bool,
    /// The definitions (functions, types, impls, classes) around the cursor, outermost first: the
    /// whole node, and its first line ("signature").
    pub enclosing: Vec<Enclosing>,
    /// Whether the cursor stands in a block that holds nothing yet (`fn f() {|}`, the line after `def f():`):
    /// the place where a whole body is wanted.
    pub is_at_empty_block: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosing {
    pub node: Range<ByteOffset>,
    /// From the start of the definition to the start of its body.
    pub signature: Range<ByteOffset>,
}

/// The scope at `cursor`. Cost: one walk from the root and one query over the nodes around the cursor.
pub fn scope_at(snapshot: &Snapshot, cursor: ByteOffset) -> Scope {
    todo!()
}

/// The byte ranges of the import statements at the top level, in order.
pub fn imports(snapshot: &Snapshot) -> Vec<Range<ByteOffset>> {
    todo!()
}
