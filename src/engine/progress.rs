//! What a running job has written so far, for those who watch it from other threads: whether what is
//! typed meanwhile agrees with it, and what there is to show when time is up.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::{Outcome, Usage};
use crate::suggest::gate::Likelihood;

/// Made by who submits a job, written by the engine thread. Watching it costs the engine nothing but
/// a lock that is held as long as it takes to copy the text.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<State>,
    evaluated: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    text: String,
    tokens: Vec<Likelihood>,
    usage: Usage,
    is_done: bool,
    watch: Option<Watch>,
}

/// Somebody who looks at what is written whenever there is more, until it has seen enough.
struct Watch(Box<Look>);

type Look = dyn FnMut(&str, &[Likelihood], &Usage) -> bool + Send;

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

    /// Has `look` look at the text so far, its tokens, and what they have cost: now and, on the engine's thread, whenever
    /// there are more, until it says that it has seen enough or the job ends; then it is dropped. Whoever watched before
    /// does no longer.
    pub fn watch(
        &self,
        mut look: impl FnMut(&str, &[Likelihood], &Usage) -> bool + Send + 'static,
    ) {
        let mut state = self.lock();
        state.watch = None;
        if !look(&state.text, &state.tokens, &state.usage) && !state.is_done {
            state.watch = Some(Watch(Box::new(look)));
        }
    }

    /// How many tokens of the prompt have been evaluated so far.
    pub fn evaluated(&self) -> usize {
        self.evaluated.load(Ordering::Relaxed)
    }

    /// So many more have been.
    pub(super) fn read(&self, n_tokens: usize) {
        self.evaluated.fetch_add(n_tokens, Ordering::Relaxed);
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
        let has_seen = |watch: &mut Watch| (watch.0)(&state.text, &state.tokens, usage);
        drop(state.watch.take_if(has_seen));
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn who_watches_sees_more_until_it_has_seen_enough() {
        use std::sync::mpsc::{Receiver, channel};
        let usage = |generated_tokens| Usage {
            generated_tokens,
            ..Usage::default()
        };
        let progress = Progress::default();
        let watch = |enough: usize| -> Receiver<(usize, usize)> {
            let (seen, all) = channel();
            progress.watch(move |_, tokens, usage| {
                seen.send((tokens.len(), usage.generated_tokens)).unwrap();
                tokens.len() >= enough
            });
            all
        };
        let grow = |n: usize| {
            let token = Likelihood {
                start: 0,
                log_probability: -1.0,
            };
            progress.grow("", &[token; 4][..n], &usage(n));
        };
        let first = watch(4);
        let second = watch(2);
        for n in 1..4 {
            grow(n);
        }
        assert_eq!(
            Vec::from_iter(first),
            [(0, 0)],
            "another has taken its place"
        );
        assert_eq!(Vec::from_iter(second), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(Vec::from_iter(watch(3)), [(3, 3)], "it is enough already");
        let last = watch(9);
        progress.end(&Outcome::Cancelled);
        assert_eq!(Vec::from_iter(last), [(3, 3)]);
        assert_eq!(Vec::from_iter(watch(9)), [(3, 3)], "there will be no more");
    }
}
