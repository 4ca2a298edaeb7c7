//! Asking the model, in one way for everybody who asks: an edit, which is asked about before a request
//! comes, and requests, for ghost text or for a menu. What has been said before is not asked again; what is
//! being said is joined.
//!
//! All of it happens in wire order, on the task that reads: nothing here waits. What comes back from the
//! engine lands on its thread.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    eagerness::{is_manual, silence},
    figures::Source,
    jobs::{Landing, Ready},
    session::Session,
    state::Open,
    work::{Joined, Running},
};
use crate::{
    document::Snapshot,
    engine::{Cancel, DocumentId, Engine, Job, Priority, Summary, Usage},
    prompt::anchor::{self, Anchor},
    suggest::{Shape, Suggestion, ask, eagerness, gate::Evidence, reuse, stop::StopReason},
    text::ByteOffset,
};

/// Edits in a row that nobody asked about, after which it is no longer assumed that somebody will: there are
/// clients that ask only by hand.
const UNASKED: u64 = 64;

/// Asked by hand, so many times as much of a new place is read first.
const BY_HAND: u32 = 10;

/// A place and what is known of who asks.
pub(crate) struct Question {
    pub uri: String,
    /// The text, and the cursor in it.
    pub snapshot: Snapshot,
    pub cursor: ByteOffset,
    /// Whether the text is only what it would be with a popup's item accepted.
    pub is_supposed: bool,
    /// Of the document, when the question came up.
    pub revision: u64,
    pub is_invoked: bool,
    /// Of the engine and the settings that it was put to last.
    pub epoch: (u64, u64),
}

/// What can be said at once.
pub(crate) enum Answer {
    Ghost(Ghost),
    Silence(Source, Option<(Usage, StopReason)>),
    /// It is being worked on, and the caller may wait for it.
    Pending(Box<Pending>),
    /// It is being worked on, and the caller does not wait.
    Underway,
}

pub(crate) struct Ghost {
    pub text: String,
    /// What it was judged by; not for the rest of what is on the screen.
    pub evidence: Option<Evidence>,
    pub source: Source,
    /// Only the beginning of what the model said.
    pub is_part: bool,
    /// What it cost, if nobody has been told yet.
    pub cost: Option<(Usage, StopReason)>,
}

/// A job to wait for.
pub(crate) struct Pending {
    pub joined: Joined,
    /// Whether it was started for this very question.
    pub is_own: bool,
    pub model: Arc<Summary>,
}

impl Pending {
    /// Where an answer is from that comes of it.
    pub(super) fn source(&self) -> Source {
        if self.is_own {
            Source::Decoded
        } else {
            Source::Joined
        }
    }
}

/// What has to be asked.
struct Miss {
    document: DocumentId,
    shape: Shape,
    anchor: Option<Anchor>,
    last_anchor: Option<Anchor>,
    /// Whether something was written elsewhere since the anchor looked around.
    is_late: bool,
    focus: u64,
}

enum Look {
    Answer(Answer),
    Miss(Miss),
}

impl Session {
    /// An edit has been applied and the cursor is at a place where a request is likely to follow.
    pub(crate) fn ask_early(self: &Arc<Self>, uri: &str, cursor: ByteOffset, revision: u64) {
        let config = self.config();
        if !config.engine.reuse || self.unasked.fetch_add(1, Ordering::Relaxed) > UNASKED {
            return;
        }
        let snapshot = self.documents.with(uri, |open| {
            let is_silent = silence(open, &config).is_some() || is_manual(&config);
            (!is_silent).then(|| open.document.unparsed())
        });
        let Some(snapshot) = snapshot.flatten() else {
            return;
        };
        let mut question = Question {
            uri: uri.to_owned(),
            snapshot,
            cursor,
            is_supposed: false,
            revision,
            is_invoked: false,
            epoch: Default::default(),
        };
        match self.ask(&mut question, false) {
            Answer::Silence(Source::Quiet, _) => {}
            Answer::Ghost(_) | Answer::Silence(..) => self.plan_ahead(uri),
            Answer::Pending(_) | Answer::Underway => {}
        }
    }

    /// What there is to say at a place, at once or by a job, which is given to the engine if none runs that
    /// agrees. With `waits` the caller waits for the job and takes over what it cost.
    pub(crate) fn ask(self: &Arc<Self>, question: &mut Question, waits: bool) -> Answer {
        let ready = self.ready();
        let looked = self.documents.with(&question.uri.clone(), |open| {
            self.look(open, question, ready.as_ref(), waits)
        });
        let miss = match looked {
            None => return Answer::Silence(Source::NotOpen, None),
            Some(Look::Answer(Answer::Silence(Source::Loading, _))) if waits => {
                return self.copied(question).map_or(
                    Answer::Silence(Source::Loading, None),
                    |text| {
                        Answer::Ghost(Ghost {
                            text,
                            source: Source::OpenFiles,
                            cost: None,
                            evidence: None,
                            is_part: false,
                        })
                    },
                );
            }
            Some(Look::Answer(answer)) => return answer,
            Some(Look::Miss(miss)) => miss,
        };
        let Some(ready) = ready else {
            return Answer::Silence(Source::Loading, None);
        };
        match self.start(question, miss, ready, waits) {
            Some(answer) => answer,
            // Another engine has taken over in between.
            None => self.ask(question, waits),
        }
    }

    /// What is known of the place without a new job.
    fn look(
        &self,
        open: &mut Open,
        question: &mut Question,
        ready: Option<&Ready>,
        waits: bool,
    ) -> Look {
        if open.revision != question.revision {
            return Look::Answer(Answer::Silence(Source::Superseded, None));
        }
        let config = self.config();
        let Question { cursor, .. } = *question;
        if let Some(ready) = ready {
            open.work.enter(ready.epoch);
        }
        question.epoch = open.work.epoch();
        let rest = (open.work.shown.as_ref())
            .filter(|_| config.engine.reuse)
            .and_then(|shown| reuse::typed_through(shown, &question.snapshot, cursor));
        if let Some(Suggestion { text, .. }) = rest
            && let Some(ghost) = self.typed_along(open, question, ready, text)
        {
            return Look::Answer(Answer::Ghost(ghost));
        }
        let comes_by_itself = !question.is_invoked;
        if comes_by_itself && is_manual(&config) {
            // What was asked for by hand has been left.
            open.work.shown = None;
            return Look::Answer(Answer::Silence(Source::Quiet, None));
        }
        let Some(ready) = ready else {
            return Look::Answer(Answer::Silence(Source::Loading, None));
        };
        // Only now is the syntax needed.
        if !question.is_supposed {
            self.parse(&question.uri, open);
            question.snapshot = open.document.unparsed();
        }
        let snapshot = &question.snapshot;
        let work = &mut open.work;
        if comes_by_itself && eagerness::is_quiet_at(snapshot, cursor, &config.eagerness) {
            work.stop();
            return Look::Answer(Answer::Silence(Source::Quiet, None));
        }
        let wanted = self.wanted(question.is_invoked);
        let shape = ask::shape(snapshot, cursor, question.is_invoked, &wanted);
        let Some(shape) = shape else {
            work.stop();
            return Look::Answer(Answer::Silence(Source::NotWanted, None));
        };
        work.keep_agreeing(&snapshot.text, cursor, shape);
        // Whoever asks by hand wants the whole.
        let recalled = (config.engine.reuse)
            .then(|| work.history.recall(snapshot, cursor, shape))
            .flatten()
            .filter(|it| !(question.is_invoked && it.stop == StopReason::Deadline));
        if let Some(recalled) = recalled {
            let cost = waits.then(|| work.told(recalled.source)).flatten();
            let answer = self.recalled(question, &recalled, &ready.model, cost);
            return Look::Answer(answer);
        }
        if !waits && work.is_busy() {
            return Look::Answer(Answer::Underway);
        }
        if let Some(joined) = work.join(&snapshot.text, cursor, shape) {
            return Look::Answer(Answer::Pending(Box::new(Pending {
                joined,
                is_own: false,
                model: Arc::clone(&ready.model),
            })));
        }
        // What was said here before, or is just being said, has come back; nothing new does.
        if comes_by_itself && open.retractions.is_last() && !config.eagerness.after_delete {
            return Look::Answer(Answer::Silence(Source::Quiet, None));
        }
        let anchor = work.anchor(snapshot, cursor, &ready.model.plan);
        let last_anchor = work.last_anchor().cloned();
        let is_last = |anchor: &Anchor| {
            let last = last_anchor.as_ref();
            last.is_some_and(|last| Arc::ptr_eq(&last.head, &anchor.head))
        };
        let focus = self.documents.focus();
        Look::Miss(Miss {
            document: open.id,
            shape,
            is_late: work.focus != focus || !anchor.as_ref().is_some_and(is_last),
            focus,
            anchor,
            last_anchor,
        })
    }

    /// How many tokens a prompt may have at a place of which nothing is known. What it leaves out follows while nobody
    /// waits, so where nothing is done then, it leaves out nothing. Who asks by hand has stopped typing, and waits for
    /// the best there is.
    pub(super) fn affordable_prompt(&self, engine: &Engine, is_invoked: bool) -> usize {
        let config = self.config();
        let time = Duration::from_millis(config.latency.prompt_ms);
        let times = if is_invoked { BY_HAND } else { 1 };
        let tokens = engine.pace().prompt_tokens(time * times);
        tokens
            .filter(|_| config.engine.prefetch && config.engine.reuse)
            .unwrap_or(usize::MAX)
    }

    fn start(
        self: &Arc<Self>,
        question: &Question,
        miss: Miss,
        ready: Ready,
        waits: bool,
    ) -> Option<Answer> {
        let Ready {
            engine,
            model,
            epoch,
        } = ready;
        let Miss {
            document,
            shape,
            anchor,
            last_anchor,
            is_late,
            focus,
        } = miss;
        let (snapshot, cursor) = (&question.snapshot, question.cursor);
        let anchor = match anchor {
            Some(anchor) if !is_late => anchor,
            Some(anchor) => {
                let others = self.documents.others(&question.uri);
                anchor.looking_around(snapshot, cursor, &others)
            }
            None => {
                let others = self.documents.others(&question.uri);
                let (last, plan) = (last_anchor.as_ref(), &model.plan);
                let tokens = self.affordable_prompt(&engine, question.is_invoked);
                anchor::fresh_within(tokens, last, snapshot, cursor, plan, &others)
            }
        };
        let prompt = anchor.prompt(snapshot, cursor);
        let mut running = Running {
            number: self.next_job.fetch_add(1, Ordering::Relaxed),
            at: cursor,
            to: cursor,
            shape,
            progress: Arc::default(),
            cancel: Cancel::default(),
            waiter: None,
            told: Usage::default(),
            read_before: 0,
            is_supposed: question.is_supposed,
        };
        let landing = Landing {
            uri: question.uri.clone(),
            document,
            epoch,
            snapshot: snapshot.without_tree(),
            cursor,
            shape,
        };
        let number = running.number;
        let session = Arc::downgrade(self);
        let job = Job {
            progress: Some(Arc::clone(&running.progress)),
            cancel: running.cancel.clone(),
            reply: Box::new(move |outcome| {
                if let Some(session) = session.upgrade() {
                    session.landed(&landing, number, waits, outcome);
                }
            }),
            ..self.job(document, Priority::Now, prompt, snapshot, cursor, shape)
        };
        // Before it is submitted, since it may land before that returns.
        let joined = waits.then(|| running.wait(String::new()));
        let is_current = self.documents.with(&question.uri, |open| {
            let is_current = open.revision == question.revision;
            if is_current && !open.work.is_of(epoch) {
                return None;
            }
            if is_current && !question.is_supposed {
                open.work.use_anchor(anchor);
                open.work.focus = focus;
            }
            if is_current {
                open.work.start(running);
            }
            Some(is_current)
        });
        if is_current == Some(None) {
            return None;
        }
        if is_current.flatten() != Some(true) {
            return Some(Answer::Silence(Source::Superseded, None));
        }
        engine.submit(job);
        let Some(joined) = joined else {
            return Some(Answer::Underway);
        };
        Some(Answer::Pending(Box::new(Pending {
            joined,
            is_own: true,
            model,
        })))
    }
}
