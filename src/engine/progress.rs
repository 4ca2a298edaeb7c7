//! What a running job has written so far, for those who watch it from other threads: whether what is
//! typed meanwhile agrees with it, and what there is to show when time is up.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Outcome;
use crate::suggest::gate::Likelihood;

/// Made by who submits a job, written by the engine thread. Watching it costs the engine nothing but
/// a lock that is held as long as it takes to copy the text.
#[derive(Debug, Default)]
pub struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    text: String,
    tokens: Vec<Likelihood>,
    is_done: bool,
}

/// What a job's text so far says about what has been typed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// What was typed begins the text so far, or is all of it.
    Agrees,
    /// The text so far begins what was typed: it cannot be said yet.
    Ahead,
    /// The text will not be what was typed.
    Differs,
}

impl Progress {
    /// What there is so far: it continues the prompt's tail and is complete UTF-8. At the end it is
    /// the completion's text, or if there is none, what had been written when the job ended.
    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// As `text`, with how likely each of its tokens was.
    pub fn so_far(&self) -> (String, Vec<Likelihood>) {
        let state = self.lock();
        (state.text.clone(), state.tokens.clone())
    }

    /// Compares the text with what was typed behind the prompt's tail. Once the job has ended, what
    /// goes beyond its text differs from it.
    pub fn agreement(&self, typed: &str) -> Agreement {
        let state = self.lock();
        if state.text.starts_with(typed) {
            Agreement::Agrees
        } else if typed.starts_with(&state.text) && !state.is_done {
            Agreement::Ahead
        } else {
            Agreement::Differs
        }
    }

    /// Whether the job has ended, in whatever way. It has by the time that it is answered.
    pub fn is_done(&self) -> bool {
        self.lock().is_done
    }

    /// The text has become `text`, made of `tokens`; both begin with what they were.
    pub(super) fn grow(&self, text: &str, tokens: &[Likelihood]) {
        let mut state = self.lock();
        let (text_known, tokens_known) = (state.text.len(), state.tokens.len());
        state.text.push_str(&text[text_known..]);
        state.tokens.extend_from_slice(&tokens[tokens_known..]);
    }

    pub(super) fn end(&self, outcome: &Outcome) {
        let mut state = self.lock();
        if let Outcome::Done(completion) = outcome {
            state.text.clone_from(&completion.text);
            state.tokens.clone_from(&completion.tokens);
        }
        state.is_done = true;
    }

    /// A panic under the lock leaves a text that is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, typed: &str, expected: Agreement, expected_at_the_end: Agreement) {
        let progress = Progress::default();
        progress.grow(text, &[]);
        assert_eq!(progress.agreement(typed), expected);
        progress.end(&Outcome::Cancelled);
        assert_eq!(progress.agreement(typed), expected_at_the_end);
    }

    #[test]
    fn what_is_typed_agrees_is_ahead_or_differs() {
        use Agreement::{Agrees, Ahead, Differs};
        check("", "", Agrees, Agrees);
        check("", "x", Ahead, Differs);
        check("größe = 1", "grö", Agrees, Agrees);
        check("größe = 1", "größe = 1", Agrees, Agrees);
        check("größe = 1", "größe = 12", Ahead, Differs);
        check("größe = 1", "groß", Differs, Differs);
    }

    #[test]
    fn text_grows_and_stays_when_the_job_is_cancelled() {
        let progress = Progress::default();
        let tokens = [0, 1].map(|start| Likelihood {
            start,
            log_probability: -0.5,
        });
        for (text, n_tokens) in [("", 0), ("x", 1), ("x =", 2), ("x =", 2)] {
            progress.grow(text, &tokens[..n_tokens]);
            assert_eq!(
                (progress.text().as_str(), progress.is_done()),
                (text, false)
            );
        }
        progress.end(&Outcome::Cancelled);
        assert_eq!(progress.so_far(), ("x =".to_owned(), tokens.to_vec()));
        assert!(progress.is_done());
    }
}
