//! The mailbox between everyone and the engine thread: at most one job per document that somebody
//! waits for, the newest, and behind those a few idle ones; the loser is told so at once, by the
//! thread that brought the winner.
//!
//! It also holds the promise that every job is answered exactly once: a [`Reply`] that is dropped
//! unused answers by itself. No lock is held while a reply is called.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Cancel, DocumentId, Job, Outcome, Priority, Progress};
use crate::{prompt::Prompt, suggest::stop::StopReason};

/// How many idle jobs may wait, all documents together. What is done ahead for longer than this
/// lasts is seldom wanted any more.
const IDLE: usize = 24;

/// Looks at the whole text so far; `Some` when it is enough, with how many bytes of it to keep.
pub type StopRule = Box<dyn FnMut(&str) -> Option<(StopReason, usize)> + Send>;

/// A job without its reply: what the worker needs to know.
pub struct Task {
    pub document: DocumentId,
    pub priority: Priority,
    pub prompt: Prompt,
    pub max_tokens: usize,
    pub stop: StopRule,
    pub heals: bool,
    pub reuses: bool,
    pub mixes: bool,
    pub branches: usize,
    pub replaces: bool,
    pub cancel: Cancel,
    pub progress: Option<Arc<Progress>>,
}

/// The answer a job is owed. Dropped without having been used, it says that the engine stopped.
pub struct Reply {
    reply: Option<Box<dyn FnOnce(Outcome) + Send>>,
    progress: Option<Arc<Progress>>,
}

impl Reply {
    pub(super) fn new(
        reply: Box<dyn FnOnce(Outcome) + Send>,
        progress: Option<Arc<Progress>>,
    ) -> Reply {
        Reply {
            reply: Some(reply),
            progress,
        }
    }

    pub fn send(mut self, outcome: Outcome) {
        self.call(outcome);
    }

    fn call(&mut self, outcome: Outcome) {
        let Some(reply) = self.reply.take() else {
            return;
        };
        if let Some(progress) = &self.progress {
            progress.end(&outcome);
        }
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
    /// Somebody waits for these. Oldest first; the newest is taken first.
    waiting: VecDeque<Posted>,
    /// In the order in which they are to be done.
    idle: VecDeque<Posted>,
    running: Option<Running>,
    /// Documents closed since the engine last looked.
    forgotten: Vec<DocumentId>,
}

struct Running {
    /// `None` for what is of the engine itself.
    document: Option<DocumentId>,
    priority: Priority,
    cancel: Cancel,
}

/// What the engine thread has to do next.
pub enum Next {
    Job(Box<Posted>),
    Forget(DocumentId),
    /// Nobody has wanted anything for a while. Cancelled as soon as somebody waits.
    Rest(Cancel),
    End,
}

impl Mailbox {
    /// A mailbox that fails every job with `sentence` until it is opened.
    pub fn new(sentence: &str) -> Mailbox {
        let state = State {
            door: Door::Shut(sentence.to_owned()),
            waiting: VecDeque::new(),
            idle: VecDeque::new(),
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

    /// Puts a job in. One that somebody waits for takes the place of all others of its document,
    /// waiting or running, and stops any idle one that is running. An idle one queues up; of too many
    /// the last one goes.
    pub fn put(&self, job: Job) {
        let Job {
            document,
            priority,
            prompt,
            max_tokens,
            mut stop,
            heals,
            reuses,
            mixes,
            branches,
            replaces,
            cancel,
            progress,
            reply,
        } = job;
        let stop: StopRule = Box::new(move |text| stop.check(text));
        let task = Task {
            document,
            priority,
            prompt,
            max_tokens,
            stop,
            heals,
            reuses,
            mixes,
            branches,
            replaces,
            cancel,
            progress: progress.clone(),
        };
        let posted = Posted {
            task,
            reply: Reply::new(reply, progress),
            since: Instant::now(),
        };
        // Superseded on the way here: it must not end the newer one of its document.
        if posted.task.cancel.is_cancelled() {
            posted.reply.send(Outcome::Cancelled);
            return;
        }

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
        let losers = match priority {
            Priority::Now => {
                let document = Some(document);
                state.cancel_running(|it| it.document == document || it.priority != Priority::Now);
                let replaced = state.remove_waiting(posted.task.document);
                state.waiting.push_back(posted);
                replaced
            }
            Priority::Idle(_) => state.queue(posted).into_iter().collect(),
        };
        drop(state);
        self.changed.notify_one();
        cancel_all(losers);
    }

    /// The document's idle jobs are cancelled, waiting and running.
    pub fn drop_idle(&self, document: DocumentId) {
        let mut state = self.lock();
        state.cancel_running(|it| it.document == Some(document) && it.priority != Priority::Now);
        let idle = state.remove_idle(document);
        drop(state);
        cancel_all(idle);
    }

    /// The document is closed: its jobs are cancelled, and the engine is told.
    pub fn forget(&self, document: DocumentId) {
        let mut state = self.lock();
        state.cancel_running(|it| it.document == Some(document));
        let waiting = state.remove_waiting(document);
        if !matches!(state.door, Door::Closed) && !state.forgotten.contains(&document) {
            state.forgotten.push(document);
        }
        drop(state);
        self.changed.notify_one();
        cancel_all(waiting);
    }

    /// Waits for something to do, if there is nothing for so long then it is [`Next::Rest`]. What was taken counts as
    /// running until the next call.
    pub fn take(&self, rests_after: Option<Duration>) -> Next {
        let rest = rests_after.map(|after| Instant::now() + after);
        let mut state = self.lock();
        state.running = None;
        loop {
            if matches!(state.door, Door::Closed) {
                return Next::End;
            }
            if let Some(document) = state.forgotten.pop() {
                return Next::Forget(document);
            }
            if let Some(posted) = state.waiting.pop_back().or_else(|| state.idle.pop_front()) {
                state.running = Some(Running {
                    document: Some(posted.task.document),
                    priority: posted.task.priority,
                    cancel: posted.task.cancel.clone(),
                });
                return Next::Job(Box::new(posted));
            }
            state = match rest.map(|rest| rest.saturating_duration_since(Instant::now())) {
                None => (self.changed.wait(state)).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    let cancel = Cancel::default();
                    state.running = Some(Running {
                        document: None,
                        priority: Priority::Idle(u8::MAX),
                        cancel: cancel.clone(),
                    });
                    return Next::Rest(cancel);
                }
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Whether there is a job that somebody waits for, running or waiting.
    pub fn is_awaited(&self) -> bool {
        let state = self.lock();
        let is_now = |running: &Running| running.priority == Priority::Now;
        !state.waiting.is_empty() || state.running.as_ref().is_some_and(is_now)
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
        let waiting = state.remove_all();
        drop(state);
        for posted in waiting {
            posted.reply.send(Outcome::Failed(sentence.to_owned()));
        }
    }

    /// The end: every job is cancelled, waiting, running or still to come.
    pub fn close(&self) {
        let mut state = self.lock();
        state.door = Door::Closed;
        state.cancel_running(|_| true);
        let waiting = state.remove_all();
        drop(state);
        self.changed.notify_all();
        cancel_all(waiting);
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.lock().door, Door::Closed)
    }
}

impl State {
    fn cancel_running(&self, is_meant: impl Fn(&Running) -> bool) {
        if let Some(running) = self.running.as_ref().filter(|running| is_meant(running)) {
            running.cancel.cancel();
        }
    }

    /// Behind all idle jobs that are as urgent; returns the one there is no room for.
    fn queue(&mut self, posted: Posted) -> Option<Posted> {
        let behind = |it: &Posted| it.task.priority <= posted.task.priority;
        let at = self.idle.partition_point(behind);
        self.idle.insert(at, posted);
        if self.idle.len() > IDLE {
            self.idle.pop_back()
        } else {
            None
        }
    }

    fn remove_idle(&mut self, document: DocumentId) -> Vec<Posted> {
        let idle = std::mem::take(&mut self.idle);
        let (removed, kept): (VecDeque<Posted>, _) = idle
            .into_iter()
            .partition(|posted| posted.task.document == document);
        self.idle = kept;
        removed.into()
    }

    /// The document's jobs of all kinds.
    fn remove_waiting(&mut self, document: DocumentId) -> Vec<Posted> {
        let mut removed = self.remove_idle(document);
        let of_document = |posted: &Posted| posted.task.document == document;
        if let Some(at) = self.waiting.iter().position(of_document) {
            removed.extend(self.waiting.remove(at));
        }
        removed
    }

    fn remove_all(&mut self) -> impl Iterator<Item = Posted> + use<> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().chain(std::mem::take(&mut self.idle))
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
        let reply = |sender: mpsc::Sender<Outcome>| Reply {
            reply: Some(Box::new(move |outcome| _ = sender.send(outcome))),
            progress: None,
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
