//! One line on stderr that says how far it is.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// How often the line changes.
const INTERVAL: Duration = Duration::from_millis(100);

/// See the module; says nothing where stderr is no terminal.
pub(super) struct Progress {
    shown: Option<Instant>,
    is_wanted: bool,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress {
            shown: None,
            is_wanted: io::stderr().is_terminal(),
        }
    }

    pub(super) fn show(&mut self, what: &str, number: usize, of: usize) {
        let is_new = |shown: Instant| shown.elapsed() >= INTERVAL;
        if self.is_wanted && self.shown.is_none_or(is_new) {
            // A courtesy; without stderr there is nobody to show it to.
            let _ = write!(io::stderr(), "\r\x1b[K{what} {number} of {of}");
            self.shown = Some(Instant::now());
        }
    }

    pub(super) fn end(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
