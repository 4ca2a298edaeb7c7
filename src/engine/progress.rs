//! What a running job has written so far, for those who watch it from other threads: whether what is
//! typed meanwhile agrees with it, and what there is to show when time is up.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Outcome, Usage};
use crate::suggest::gate::Likelihood;

/// Made by who submits a job, written by the engine thread. Watching it costs the engine nothing but
/// a lock that is held as long as it takes to copy the text.
#[derive(Debug, Default)]
pub struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    text: String,
    tokens: Vec<Likelihood>,
    usage: Usage,
    is_done: bool,
    watch: Option<Watch>,
}

/// Somebody who waits for something about the tokens.
struct Watch {
    is_so: Box<dyn FnMut(&[Likelihood]) -> bool + Send>,
    tell: oneshot::Sender<Usage>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
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

    /// Resolves, with what the job has cost until then, as soon as the tokens written so far are such that `is_so`; with an
    /// error if they never are. It is asked now and, on the engine's thread, whenever there are more. Whoever watched
    /// before does no longer.
    pub fn watch(
        &self,
        mut is_so: impl FnMut(&[Likelihood]) -> bool + Send + 'static,
    ) -> oneshot::Receiver<Usage> {
        let (tell, told) = oneshot::channel();
        let mut state = self.lock();
        state.watch = None;
        if is_so(&state.tokens) {
            // Whoever asked is there to hear it.
            let _ = tell.send(state.usage);
        } else if !state.is_done {
            let is_so = Box::new(is_so);
            state.watch = Some(Watch { is_so, tell });
        }
        told
    }

    /// Whether the job has ended, in whatever way. It has by the time that it is answered.
    pub fn is_done(&self) -> bool {
        self.lock().is_done
    }

    /// The text has become `text`, made of `tokens`, at a cost of `usage`; both begin with what they were.
    pub(super) fn grow(&self, text: &str, tokens: &[Likelihood], usage: &Usage) {
        let mut state = self.lock();
        let state = &mut *state;
        let (text_known, tokens_known) = (state.text.len(), state.tokens.len());
        state.text.push_str(&text[text_known..]);
        state.tokens.extend_from_slice(&tokens[tokens_known..]);
        state.usage = *usage;
        let is_so = |watch: &mut Watch| (watch.is_so)(&state.tokens);
        if let Some(watch) = state.watch.take_if(is_so) {
            // Nobody listens when the request was superseded.
            let _ = watch.tell.send(*usage);
        }
    }

    pub(super) fn end(&self, outcome: &Outcome) {
        let mut state = self.lock();
        if let Outcome::Done(completion) = outcome {
            state.text.clone_from(&completion.text);
            state.tokens.clone_from(&completion.tokens);
        }
        state.is_done = true;
        state.watch = None;
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
        progress.grow(text, &[], &Usage::default());
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
            progress.grow(text, &tokens[..n_tokens], &Usage::default());
            assert_eq!(
                (progress.text().as_str(), progress.is_done()),
                (text, false)
            );
        }
        progress.end(&Outcome::Cancelled);
        assert_eq!(progress.so_far(), ("x =".to_owned(), tokens.to_vec()));
        assert!(progress.is_done());
    }

    #[test]
    fn who_watches_is_told_once_when_it_is_so() {
        let token = |log_probability| Likelihood {
            start: 0,
            log_probability,
        };
        let usage = |generated_tokens| Usage {
            generated_tokens,
            ..Usage::default()
        };
        let progress = Progress::default();
        let mut first = progress.watch(|tokens| tokens.len() == 1);
        let mut second = progress.watch(|tokens| tokens.len() == 2);
        for n in 1..4 {
            let tokens = [-1.0, -2.0, -3.0].map(token);
            progress.grow("", &tokens[..n], &usage(n));
            assert_eq!(second.try_recv().ok(), (n == 2).then(|| usage(2)));
        }
        assert!(first.try_recv().is_err(), "another has taken its place");
        let mut third = progress.watch(|tokens| tokens.len() == 3);
        assert_eq!(third.try_recv(), Ok(usage(3)), "it is so already");
        let mut never = progress.watch(|_| false);
        progress.end(&Outcome::Cancelled);
        assert_eq!(never.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        let mut late = progress.watch(|_| false);
        assert_eq!(late.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
