//! What there is to do for remote servers: for each document the newest question that somebody waits for, at once;
//! work ahead one by one, while there is none of the other kind. Answering is done elsewhere.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::super::{Cancel, DocumentId, Job, Outcome, Priority, mailbox::Reply};

/// What is done ahead for longer than these last is seldom wanted any more.
const IDLE: usize = 4;

/// A job whose answer is owed exactly once.
pub(super) struct Order {
    /// Its reply is `reply`.
    pub job: Job,
    pub reply: Reply,
    pub since: Instant,
    /// Whether something of an answer has been shown.
    pub has_begun: bool,
    /// Told by the desk.
    pub number: u64,
}

impl Order {
    pub(super) fn new(mut job: Job) -> Order {
        let reply = std::mem::replace(&mut job.reply, Box::new(|_| ()));
        Order {
            reply: Reply::new(reply, job.progress.clone()),
            job,
            since: Instant::now(),
            has_begun: false,
            number: 0,
        }
    }
}

#[derive(Default)]
pub(super) struct Desk(Mutex<State>);

#[derive(Default)]
struct State {
    is_closed: bool,
    last_number: u64,
    running: Vec<Running>,
    /// In the order in which they are to be done.
    idle: VecDeque<Order>,
}

struct Running {
    number: u64,
    document: DocumentId,
    is_idle: bool,
    cancel: Cancel,
}

impl Desk {
    /// Puts an order in; what is to be begun at once.
    pub(super) fn put(&self, order: Order) -> Option<Order> {
        let document = order.job.document;
        let is_idle = order.job.priority != Priority::Now;
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            order.reply.send(Outcome::Cancelled);
            return None;
        }
        let mut losers = Vec::new();
        let begun = if is_idle && !state.running.is_empty() {
            let behind = |it: &Order| it.job.priority <= order.job.priority;
            let at = state.idle.partition_point(behind);
            state.idle.insert(at, order);
            if state.idle.len() > IDLE {
                losers.extend(state.idle.pop_back());
            }
            None
        } else {
            if !is_idle {
                state.cancel(|it| it.document == document || it.is_idle);
                losers = state.remove_idle(document);
            }
            Some(state.begin(order))
        };
        drop(state);
        cancel_all(losers);
        begun
    }

    /// An order has been answered; the next one that has waited for it.
    pub(super) fn ended(&self, number: u64) -> Option<Order> {
        let mut state = self.lock();
        state.running.retain(|running| running.number != number);
        if state.is_closed || !state.running.is_empty() {
            return None;
        }
        let next = state.idle.pop_front()?;
        Some(state.begin(next))
    }

    pub(super) fn drop_idle(&self, document: DocumentId) {
        let mut state = self.lock();
        state.cancel(|it| it.document == document && it.is_idle);
        let idle = state.remove_idle(document);
        drop(state);
        cancel_all(idle);
    }

    pub(super) fn forget(&self, document: DocumentId) {
        let mut state = self.lock();
        state.cancel(|it| it.document == document);
        let idle = state.remove_idle(document);
        drop(state);
        cancel_all(idle);
    }

    /// The end: everything is cancelled, now and from now on.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.cancel(|_| true);
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        cancel_all(idle);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.lock().running.is_empty()
    }

    /// Nothing that can panic runs under the lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, mut order: Order) -> Order {
        self.last_number += 1;
        order.number = self.last_number;
        self.running.push(Running {
            number: order.number,
            document: order.job.document,
            is_idle: order.job.priority != Priority::Now,
            cancel: order.job.cancel.clone(),
        });
        order
    }

    fn cancel(&self, is_meant: impl Fn(&Running) -> bool) {
        let meant = self.running.iter().filter(|running| is_meant(running));
        meant.for_each(|running| running.cancel.cancel());
    }

    fn remove_idle(&mut self, document: DocumentId) -> Vec<Order> {
        let idle = std::mem::take(&mut self.idle);
        let (removed, kept): (VecDeque<Order>, _) = idle
            .into_iter()
            .partition(|order| order.job.document == document);
        self.idle = kept;
        removed.into()
    }
}

fn cancel_all(orders: impl IntoIterator<Item = Order>) {
    for order in orders {
        order.job.cancel.cancel();
        order.reply.send(Outcome::Cancelled);
    }
}
