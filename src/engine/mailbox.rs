//! The mailbox between everyone and the engine thread: at most one waiting job per document, the
//! newest; the loser is told so at once, by the thread that brought the winner.
//!
//! It also holds the promise that every job is answered exactly once: a [`Reply`] that is dropped
//! unused answers by itself. No lock is held while a reply is called.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Cancel, DocumentId, Job, Outcome};
use crate::{prompt::Prompt, suggest::stop::StopReason};

/// Looks at the whole text so far; `Some` when it is enough, with how many bytes of it to keep.
pub type StopRule = Box<dyn FnMut(&str) -> Option<(StopReason, usize)> + Send>;

/// A job without its reply: what the worker needs to know.
pub struct Task {
    pub document: DocumentId,
    pub prompt: Prompt,
    pub max_tokens: usize,
    pub stop: StopRule,
    pub heals: bool,
    pub reuses: bool,
    pub cancel: Cancel,
}

/// The answer a job is owed. Dropped without having been used, it says that the engine stopped.
pub struct Reply(Option<Box<dyn FnOnce(Outcome) + Send>>);

impl Reply {
    pub fn send(mut self, outcome: Outcome) {
        self.call(outcome);
    }

    fn call(&mut self, outcome: Outcome) {
        let Some(reply) = self.0.take() else { return };
        // Someone else's code: it must not end the engine, nor the answers to the jobs behind it.
        if catch_unwind(AssertUnwindSafe(|| reply(outcome))).is_err() {
            tracing::error!("the receiver of a completion panicked");
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.call(Outcome::Failed(
            "the engine stopped before it answered".to_owned(),
        ));
    }
}

/// A job in the mailbox.
pub struct Posted {
    pub task: Task,
    pub reply: Reply,
    since: Instant,
}

impl Posted {
    /// How long ago it was put into the mailbox.
    pub fn queued(&self) -> Duration {
        self.since.elapsed()
    }
}

/// What happens to jobs that arrive.
enum Door {
    Open,
    /// They fail with this sentence: the model is loading, or broken for good.
    Shut(String),
    /// They are cancelled: the engine ends.
    Closed,
}

/// See the module.
pub struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    door: Door,
    /// Oldest first; the newest is taken first.
    waiting: VecDeque<Posted>,
    running: Option<(DocumentId, Cancel)>,
    /// Documents closed since the engine last looked.
    forgotten: Vec<DocumentId>,
}

/// What the engine thread has to do next.
pub enum Next {
    Job(Box<Posted>),
    Forget(DocumentId),
    End,
}

impl Mailbox {
    /// A mailbox that fails every job with `sentence` until it is opened.
    pub fn new(sentence: &str) -> Mailbox {
        let state = State {
            door: Door::Shut(sentence.to_owned()),
            waiting: VecDeque::new(),
            running: None,
            forgotten: Vec::new(),
        };
        Mailbox {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Nothing that can panic runs under the lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job in, in place of a waiting one of the same document; a running one of the same
    /// document is cancelled.
    pub fn put(&self, job: Job) {
        let Job {
            document,
            prompt,
            max_tokens,
            mut stop,
            heals,
            reuses,
            cancel,
            reply,
        } = job;
        let stop: StopRule = Box::new(move |text| stop.check(text));
        let task = Task {
            document,
            prompt,
            max_tokens,
            stop,
            heals,
            reuses,
            cancel,
        };
        let posted = Posted {
            task,
            reply: Reply(Some(reply)),
            since: Instant::now(),
        };

        let mut state = self.lock();
        let refusal = match &state.door {
            Door::Open => None,
            Door::Shut(sentence) => Some(Outcome::Failed(sentence.clone())),
            Door::Closed => Some(Outcome::Cancelled),
        };
        if let Some(outcome) = refusal {
            drop(state);
            posted.reply.send(outcome);
            return;
        }
        state.cancel_running(document);
        let replaced = state.remove_waiting(document);
        state.waiting.push_back(posted);
        drop(state);
        self.changed.notify_one();
        cancel_all(replaced);
    }

    /// The document is closed: its jobs are cancelled, and the engine is told.
    pub fn forget(&self, document: DocumentId) {
        let mut state = self.lock();
        state.cancel_running(document);
        let waiting = state.remove_waiting(document);
        if !matches!(state.door, Door::Closed) && !state.forgotten.contains(&document) {
            state.forgotten.push(document);
        }
        drop(state);
        self.changed.notify_one();
        cancel_all(waiting);
    }

    /// Waits for something to do. What was taken counts as running until the next call.
    pub fn take(&self) -> Next {
        let mut state = self.lock();
        state.running = None;
        loop {
            if matches!(state.door, Door::Closed) {
                return Next::End;
            }
            if let Some(document) = state.forgotten.pop() {
                return Next::Forget(document);
            }
            if let Some(posted) = state.waiting.pop_back() {
                state.running = Some((posted.task.document, posted.task.cancel.clone()));
                return Next::Job(Box::new(posted));
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// From now on jobs are taken in.
    pub fn open(&self) {
        let mut state = self.lock();
        if !matches!(state.door, Door::Closed) {
            state.door = Door::Open;
        }
    }

    /// From now on, and for the jobs that wait, the answer is that the engine failed.
    pub fn shut(&self, sentence: &str) {
        let mut state = self.lock();
        if matches!(state.door, Door::Closed) {
            return;
        }
        state.door = Door::Shut(sentence.to_owned());
        state.running = None;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for posted in waiting {
            posted.reply.send(Outcome::Failed(sentence.to_owned()));
        }
    }

    /// The end: every job is cancelled, waiting, running or still to come.
    pub fn close(&self) {
        let mut state = self.lock();
        state.door = Door::Closed;
        if let Some((_, cancel)) = &state.running {
            cancel.cancel();
        }
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.changed.notify_all();
        cancel_all(waiting);
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.lock().door, Door::Closed)
    }
}

impl State {
    fn cancel_running(&self, document: DocumentId) {
        if let Some((_, cancel)) = self
            .running
            .as_ref()
            .filter(|(running, _)| *running == document)
        {
            cancel.cancel();
        }
    }

    fn remove_waiting(&mut self, document: DocumentId) -> Option<Posted> {
        let at = self
            .waiting
            .iter()
            .position(|posted| posted.task.document == document)?;
        self.waiting.remove(at)
    }
}

fn cancel_all(posted: impl IntoIterator<Item = Posted>) {
    for posted in posted {
        posted.task.cancel.cancel();
        posted.reply.send(Outcome::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_reply_that_is_dropped_answers_by_itself_and_only_once() {
        let (sender, outcomes) = mpsc::channel();
        let reply = |sender: mpsc::Sender<Outcome>| {
            Reply(Some(Box::new(move |outcome| _ = sender.send(outcome))))
        };
        drop(reply(sender.clone()));
        reply(sender).send(Outcome::Cancelled);
        let outcomes: Vec<Outcome> = outcomes.iter().collect();
        assert!(
            matches!(&outcomes[..], [Outcome::Failed(_), Outcome::Cancelled]),
            "{outcomes:?}"
        );
    }
}
