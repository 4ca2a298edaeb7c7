//! What the server remembers of a document beside its text: what the model has said there, what was
//! shown, the heads of prompts, and the job that is running for it. Who asks is `asking.rs`, what is done ahead
//! is planned in `ahead.rs`.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    document::Snapshot,
    engine::{Agreement, Cancel, Outcome, Progress, Usage},
    prompt::anchor::{Anchor, Plan},
    suggest::{
        Shape, Suggestion,
        history::{History, Said, Source},
        stop::StopReason,
    },
    text::{ByteOffset, Edit, Text},
};

/// How many places of a document keep their heads.
const ANCHORS: usize = 4;
/// Of these the first ones are ready for a key. The others look around anew first.
const AWAKE: usize = 1;

/// See the module.
#[derive(Default)]
pub(crate) struct Work {
    /// What everything here was made with: an engine, and settings.
    epoch: (u64, u64),
    /// What was last shown, whole.
    pub shown: Option<Suggestion>,
    /// Whether it is only the beginning of what the model said: there may be more to show as it is typed.
    pub shows_part: bool,
    pub history: History,
    /// The last used one first.
    anchors: Vec<Anchor>,
    /// One whose head is being evaluated ahead, to take over from that of the first.
    pub successor: Option<Anchor>,
    /// When the first anchor last looked around.
    pub focus: u64,
    running: Option<Running>,
    /// Jobs of an engine that another has replaced, for whose answer a request still waits.
    departing: Vec<Running>,
    /// Dropped when the request that is waiting is superseded.
    alive: Option<oneshot::Sender<()>>,
    /// Where the user is, as far as known.
    pub cursor: Option<ByteOffset>,
    /// The state for which work has been planned: revision and cursor.
    pub planned: Option<(u64, ByteOffset)>,
    /// A job that ended before anybody asked for what it says.
    untold: Option<(Usage, StopReason)>,
    pub ahead: Ahead,
}

/// What was computed and was no answer to a request, or not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Ahead {
    pub jobs: usize,
    pub evaluated_tokens: usize,
    pub generated_tokens: usize,
}

impl Ahead {
    pub(crate) fn is_none(&self) -> bool {
        *self == Ahead::default()
    }

    pub(crate) fn add(&mut self, usage: &Usage) {
        self.jobs += 1;
        self.evaluated_tokens += usage.evaluated_tokens + usage.beside_tokens;
        self.generated_tokens += usage.generated_tokens;
    }
}

/// A job that somebody waits for, or will.
pub(crate) struct Running {
    /// Of all jobs of the session.
    pub number: u64,
    /// The cursor it was started for, and the end of what has been typed there since, closers included that the
    /// editor put there.
    pub at: ByteOffset,
    pub to: ByteOffset,
    pub shape: Shape,
    pub progress: Arc<Progress>,
    pub cancel: Cancel,
    pub waiter: Option<oneshot::Sender<Outcome>>,
    /// What it had cost when a request was answered before its end, and what it had read before the last key it agrees with.
    pub told: Usage,
    /// Tokens of the prompt that had been evaluated at the last edit.
    pub read_before: usize,
    /// For text that is nowhere but in a popup.
    pub is_supposed: bool,
}

/// Resolves, always with an error, when the request is superseded.
pub(crate) type Superseded = oneshot::Receiver<()>;

/// What a running job has to do with a place.
pub(crate) struct Joined {
    /// Of all jobs of the session.
    pub number: u64,
    /// Of what it cost, what an earlier request has been told.
    pub told: Usage,
    pub landed: oneshot::Receiver<Outcome>,
    pub progress: Arc<Progress>,
    /// What was typed since it started.
    pub typed: String,
    pub shape: Shape,
}

impl Work {
    /// Forgets what an earlier engine or earlier settings have made. Who waits for a job of theirs is still answered;
    /// an epoch that is over does not come back.
    pub(crate) fn enter(&mut self, epoch: (u64, u64)) {
        if epoch > self.epoch {
            let mut departing = std::mem::take(&mut self.departing);
            departing.extend(self.running.take_if(|running| running.is_awaited()));
            self.stop();
            let cursor = self.cursor;
            let alive = self.alive.take();
            *self = Work {
                epoch,
                cursor,
                alive,
                departing,
                ..Work::default()
            };
        }
    }

    pub(crate) fn epoch(&self) -> (u64, u64) {
        self.epoch
    }

    pub(crate) fn is_of(&self, epoch: (u64, u64)) -> bool {
        self.epoch == epoch
    }

    /// Answers the request that is being worked on, if any, as superseded. Its job goes on.
    pub(crate) fn supersede(&mut self) {
        self.alive = None;
    }

    /// Notes a new request in place of the one before it.
    pub(crate) fn asked(&mut self) -> Superseded {
        let (alive, superseded) = oneshot::channel();
        self.alive = Some(alive);
        superseded
    }

    /// Stops the running job.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.cancel.cancel();
        }
    }

    /// The text has been edited. The running job lives on if that was where it writes.
    pub(crate) fn edited(&mut self, edit: &Edit) {
        let Some(running) = &mut self.running else {
            return;
        };
        let is_inside = running.at <= edit.start && edit.old_end <= running.to;
        if is_inside && !running.is_supposed {
            running.to = ByteOffset(running.to.0 - edit.old_end.0 + edit.new_end.0);
            running.read_before = running.progress.evaluated();
        } else {
            self.stop();
        }
    }

    /// Stops the running job unless it is writing what a question of this shape at `cursor` wants to know. Then what it
    /// had read before the last edit is not what this question costs.
    pub(crate) fn keep_agreeing(&mut self, text: &Text, cursor: ByteOffset, shape: Shape) {
        let agrees = |running: &&mut Running| running.typed(text, cursor, shape).is_some();
        let Some(running) = self.running.as_mut().filter(agrees) else {
            self.stop();
            return;
        };
        let told = &mut running.told.evaluated_tokens;
        self.ahead.evaluated_tokens += running.read_before.saturating_sub(*told);
        *told = running.read_before.max(*told);
    }

    /// Stops the job with this number, unless somebody waits for it.
    pub(crate) fn stop_unawaited(&mut self, number: u64) {
        let is_it = |running: &Running| running.number == number && !running.is_awaited();
        if self.running.as_ref().is_some_and(is_it) {
            self.stop();
        }
    }

    /// Joins the running job, which `keep_agreeing` has left.
    pub(crate) fn join(&mut self, text: &Text, cursor: ByteOffset, shape: Shape) -> Option<Joined> {
        let running = self.running.as_mut()?;
        let typed = running.typed(text, cursor, shape)?;
        Some(running.wait(typed))
    }

    /// Whether a job is running.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the job with this number is.
    pub(crate) fn is_running(&self, number: u64) -> bool {
        self.running.as_ref().is_some_and(|it| it.number == number)
    }

    /// A job is about to be given to the engine, which stops the one before it.
    pub(crate) fn start(&mut self, running: Running) {
        self.running = Some(running);
        if let Some((usage, _)) = self.untold.take() {
            self.ahead.add(&usage);
        }
    }

    /// The job with this number has ended: who waits for it, if it is still the one that runs.
    pub(crate) fn landed(&mut self, number: u64) -> Option<Running> {
        self.running.take_if(|running| running.number == number)
    }

    /// As `landed`, for a job of an engine or of settings that are over.
    pub(crate) fn departed(&mut self, number: u64) -> Option<Running> {
        let at = self.departing.iter().position(|it| it.number == number)?;
        Some(self.departing.swap_remove(at))
    }

    /// A request has been answered before its job has ended, and was told what that had cost until then.
    pub(crate) fn told_so_far(&mut self, number: u64, usage: Usage) {
        let running = self.running.as_mut().filter(|it| it.number == number);
        if let Some(running) = running {
            running.told = usage;
        }
    }

    /// Nobody was waiting.
    pub(crate) fn tell_later(&mut self, usage: Usage, stop: StopReason) {
        if let Some((usage, _)) = self.untold.replace((usage, stop)) {
            self.ahead.add(&usage);
        }
    }

    /// What it cost to find out what has been recalled, if nobody has been told yet.
    pub(crate) fn told(&mut self, source: Source) -> Option<(Usage, StopReason)> {
        self.untold.take_if(|_| source == Source::AtEdit)
    }

    pub(crate) fn remember(&mut self, snapshot: &Snapshot, cursor: ByteOffset, said: Said) {
        self.history.remember(snapshot, cursor, said);
    }

    /// The anchor that fits a place, with the head that needs least work.
    pub(crate) fn anchor(
        &self,
        snapshot: &Snapshot,
        cursor: ByteOffset,
        plan: &Plan,
    ) -> Option<Anchor> {
        (self.anchors.iter().chain(&self.successor))
            .find_map(|anchor| anchor.fitting(snapshot, cursor, plan))
    }

    /// The last anchor.
    pub(crate) fn last_anchor(&self) -> Option<&Anchor> {
        self.anchors.first()
    }

    /// Remembers where an anchor stands now.
    pub(crate) fn use_anchor(&mut self, anchor: Anchor) {
        self.anchors
            .retain(|known| !Arc::ptr_eq(&known.head, &anchor.head));
        self.anchors.insert(0, anchor);
        self.anchors.truncate(ANCHORS);
        self.anchors.iter_mut().skip(AWAKE).for_each(Anchor::rest);
    }

    /// Another document is used now: what nobody waits for here must not hold it up.
    pub(crate) fn leave(&mut self) {
        if self.running.as_ref().is_some_and(|it| !it.is_awaited()) {
            self.stop();
        }
        self.anchors.iter_mut().for_each(Anchor::rest);
        self.successor.iter_mut().for_each(Anchor::rest);
    }

    /// Puts `successor` in the place of the first anchor.
    pub(crate) fn succeed(&mut self, successor: Anchor) {
        if !self.anchors.is_empty() {
            self.anchors.remove(0);
        }
        self.use_anchor(successor);
        self.successor = None;
    }
}

impl Running {
    /// Whether somebody waits for it.
    fn is_awaited(&self) -> bool {
        let waiter = self.waiter.as_ref();
        waiter.is_some_and(|waiter| !waiter.is_closed())
    }

    /// What has been typed since the job started, if it goes on from there for a question of this shape.
    fn typed(&self, text: &Text, cursor: ByteOffset, shape: Shape) -> Option<String> {
        // One that has been stopped has not always ended yet: whoever joined it would be told that it was superseded.
        if cursor < self.at || self.to < cursor || self.is_supposed || self.cancel.is_cancelled() {
            return None;
        }
        let behind = text.slice(cursor..self.to);
        let is_closed =
            behind.trim_matches([' ', '\t', '\r', '\n', ')', ']', '}', '>', '"', '\'', '`']);
        if !is_closed.is_empty() {
            return None;
        }
        let typed = text.slice(self.at..cursor);
        // A block goes on being one while its first line is typed.
        let is_wanted = self.shape == shape || (self.shape == Shape::Block && !typed.is_empty());
        let agrees = self.progress.agreement(&typed) == Agreement::Agrees;
        (is_wanted && agrees).then_some(typed)
    }

    /// Somebody waits for the job; whoever did before does no longer.
    pub(crate) fn wait(&mut self, typed: String) -> Joined {
        let (waiter, landed) = oneshot::channel();
        self.waiter = Some(waiter);
        Joined {
            number: self.number,
            told: self.told,
            landed,
            progress: Arc::clone(&self.progress),
            typed,
            shape: self.shape,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        prompt::{
            anchor,
            format::{self, Format},
            window::Windows,
        },
        suggest::at_cursor,
    };

    #[test]
    fn only_the_place_in_use_holds_what_makes_it_fast() {
        let format: Format = format::named("ghostline").unwrap();
        let windows = Windows::new(&format, 768);
        let plan = Plan { format, windows };
        let anchor_in = |text: &str| {
            let (snapshot, cursor) = at_cursor("rust", text);
            let anchor = anchor::fresh(None, &snapshot, cursor, &plan, &[]);
            anchor.prompt(&snapshot, cursor).nearby.unwrap().prepare();
            anchor
        };
        let mut work = Work::default();
        for text in ["let a = 1;|", "let b = 2;|", "let c = 3;|"] {
            work.use_anchor(anchor_in(text));
        }
        let prepared = |work: &Work| -> Vec<bool> {
            (work.anchors.iter())
                .map(|anchor| anchor.nearby().is_prepared())
                .collect()
        };
        assert_eq!(prepared(&work), [true, false, false]);
        work.leave();
        assert_eq!(prepared(&work), [false, false, false]);
    }
}
