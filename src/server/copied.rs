//! Ghost text from the open files alone: while the model is still loading or has failed, and when time is up and it
//! has not said anything yet. Only where what stands elsewhere leaves little doubt (`nearby/alone.rs`).

use super::{asking::Question, session::Session};
use crate::{
    nearby,
    suggest::{Shape, eagerness, trigger, trim},
};

/// So many other files are looked at: nobody waits for a thousandth of a second.
const OTHERS: usize = 2;

impl Session {
    /// What goes on elsewhere in the open files as it does here, if that is beyond doubt.
    pub(super) fn copied(&self, question: &Question) -> Option<String> {
        let Question {
            snapshot, cursor, ..
        } = question;
        let config = self.config();
        let is_quiet =
            !question.is_invoked && eagerness::is_quiet_at(snapshot, *cursor, &config.eagerness);
        if is_quiet || !self.uses_live_cache() {
            return None;
        }
        trigger::decide(snapshot, *cursor, question.is_invoked)?;
        let mut others = self.documents.others(&question.uri);
        others.truncate(OTHERS);
        let text = nearby::alone(snapshot, *cursor, &others)?;
        trim::trim(&text, snapshot, *cursor, Shape::Line)
    }
}
