//! Work ahead begins when the answers are out. The engine's threads would take the cores from the one that
//! writes an answer, so a place is noted when it is known what to show there, and planned when nothing is left to
//! read or to write: measured, that is most of a millisecond for ghost text that needs no engine.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use super::session::Session;

/// Methods before which nothing is begun: they are what is to be answered first, or lead to it.
const URGENT: [&str; 4] = [
    "textDocument/didChange",
    "textDocument/inlineCompletion",
    "textDocument/completion",
    "$/cancelRequest",
];

/// Documents to plan for.
#[derive(Default)]
pub(crate) struct Later {
    noted: Mutex<BTreeSet<String>>,
    /// Held while planning, so that whoever finds nothing noted knows that it has been planned.
    planning: Mutex<()>,
}

/// Whether a message of this method is taken before what was noted is begun.
pub(crate) fn is_urgent(method: Option<&str>) -> bool {
    method.is_some_and(|method| URGENT.contains(&method))
}

impl Session {
    /// Has work ahead planned at the place where the user is, as soon as nobody waits for an answer.
    pub(crate) fn plan_ahead(&self, uri: &str) {
        let noted = self.later.noted.lock();
        let mut noted = noted.unwrap_or_else(PoisonError::into_inner);
        noted.insert(uri.to_owned());
    }

    /// Begins what was noted. Must not be called while a document is held.
    pub(crate) fn begin_later(self: &Arc<Self>) {
        let planning = self.later.planning.lock();
        let _planning = planning.unwrap_or_else(PoisonError::into_inner);
        let noted = self.later.noted.lock();
        let noted = std::mem::take(&mut *noted.unwrap_or_else(PoisonError::into_inner));
        for uri in noted {
            self.plan_now(&uri);
        }
    }
}
