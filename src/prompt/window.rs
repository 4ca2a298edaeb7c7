//! Window sizes and where windows start: on line starts, moved in half-window steps.

use super::format::{Format, WindowTokens};

/// Window sizes in bytes of text; tokens are about 3.5 bytes of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    pub prefix: usize,
    pub suffix: usize,
    pub tail: usize,
    pub context: usize,
}
