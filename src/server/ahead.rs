//! Work done ahead, while nobody waits: what the model says once the ghost text is accepted, or if something
//! else is typed than it says; the next head of the prompt is in `heads.rs`. What comes of it goes into the history, where
//! whoever asks finds it.
//!
//! It is planned at each place that the user comes to, when it is known what is shown there. Whatever is
//! typed next makes the engine drop what it is at, within one step.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use super::{
    asking::Question,
    convert,
    eagerness::silence,
    jobs::{Landing, Ready},
    session::Session,
    state::Open,
};
use crate::{
    document::Snapshot,
    engine::{DocumentId, Job, Outcome, Pace, Priority},
    prompt::Prompt,
    suggest::{Shape, ask, history::Source, reuse},
    text::{ByteOffset, Text},
};

/// A model whose steps take longer than this evaluates what the next key needs anyway, and tries nothing: it has
/// enough to do with what is asked.
pub(super) const SLOW: Duration = Duration::from_millis(15);

/// What has been typed along is evaluated, so that the next job need not.
const HERE: Priority = Priority::Idle(0);
/// What follows the prompt costs next to nothing to find out then.
const LIKELY: Priority = Priority::Idle(1);
const ACCEPTED: Priority = Priority::Idle(2);
/// The likeliest of them; the next ones follow.
const DIVERGED: u8 = 3;
/// A head that is outgrown comes behind the likeliest of them: else a key would soon have to pay for it.
pub(super) const OUTGROWN_HEAD: Priority = Priority::Idle(4);
/// The same place with its whole head.
pub(super) const AGAIN: Priority = Priority::Idle(4);
const NEXT_LINE: Priority = Priority::Idle(10);
pub(super) const HEAD: Priority = Priority::Idle(11);
/// What comes next to never; in the order of its likelihood, too.
const SELDOM: u8 = 12;

/// How much of the model's time may go into trying what else may be typed at one place...
const TRYING: Duration = Duration::from_millis(40);
/// ...how many tokens one try takes, about...
const TRIED_TOKENS: usize = 8;
/// ...and how many characters other than the ghost text's own are tried.
const BRANCHES: RangeInclusive<usize> = 4..=8;
/// This many come before everything else that is done ahead.
const FIRST: usize = 4;
/// Less likely ones are not tried: a try takes about what it saves if it is wanted, and a millisecond that somebody
/// waits is worth 50 while nobody does. Over 472 keys 8 tries with at least this likelihood were 2.2 a key, and 18 % of the
/// keys found theirs; 16 with 0.3 % were 5.3, for 22 %: 68 more tries for each key more that found one.
const LEAST_LIKELY: f32 = 0.02;

/// A place as it is, from which others are supposed.
#[derive(Clone)]
pub(super) struct Base {
    pub uri: String,
    pub document: DocumentId,
    pub epoch: (u64, u64),
    pub revision: u64,
    pub snapshot: Snapshot,
    pub cursor: ByteOffset,
    pub prompt: Prompt,
    /// The longest tail.
    pub tail: usize,
    /// Whether the prompt looks at less than it should.
    pub is_short: bool,
}

/// A place as it would be.
pub(super) struct Supposed {
    pub snapshot: Snapshot,
    pub cursor: ByteOffset,
    pub shape: Shape,
    pub prompt: Prompt,
}

/// What is to be done at a place.
struct Plan {
    base: Base,
    shape: Shape,
    accepted: Option<Supposed>,
    next_line: Option<Supposed>,
}

impl Session {
    /// Plans what to do ahead at the place where the user is, in place of what was planned before; does nothing
    /// where nothing is known yet.
    pub(crate) fn plan_now(self: &Arc<Self>, uri: &str) {
        let config = self.config();
        if !config.engine.prefetch || !config.engine.reuse {
            return;
        }
        let Some(ready) = self.ready() else { return };
        self.give_head(uri, &ready);
        let plan = self
            .documents
            .with(uri, |open| self.plan(uri, open, &ready))
            .flatten();
        let Some(plan) = plan else { return };

        ready.engine.drop_idle(plan.base.document);
        ready.engine.submit(self.here(&plan));
        self.look_after_head(&plan.base, &ready);
        let pace = ready.engine.pace();
        if pace.step >= SLOW {
            return;
        }
        ready.engine.submit(self.likely(&plan, branches(pace)));
        for (supposed, priority) in [(plan.accepted, ACCEPTED), (plan.next_line, NEXT_LINE)] {
            if let Some(supposed) = supposed {
                let job = self.supposed_job(&plan.base, supposed, priority, Source::IfAccepted);
                ready.engine.submit(job);
            }
        }
    }

    fn plan(&self, uri: &str, open: &mut Open, ready: &Ready) -> Option<Plan> {
        let settings = self.config();
        if silence(open, &settings).is_some() {
            return None;
        }
        let cursor = open.work.cursor?;
        let state = (open.revision, cursor);
        if !open.work.is_of(ready.epoch) || open.work.planned == Some(state) {
            return None;
        }
        let question = Question {
            uri: uri.to_owned(),
            snapshot: open.document.unparsed(),
            cursor,
            is_supposed: false,
            revision: open.revision,
            is_invoked: false,
            epoch: ready.epoch,
        };
        let snapshot = &question.snapshot;
        let shape = ask::shape(snapshot, cursor, false, &self.wanted(false))?;
        let anchor = open.work.anchor(snapshot, cursor, &ready.model.plan)?;
        let shown = open.work.shown.as_ref();
        let typed_through = shown.and_then(|shown| reuse::typed_through(shown, snapshot, cursor));
        let (ghost, is_part) = match typed_through {
            Some(rest) => (Some(rest.text), open.work.shows_part),
            None => {
                let recalled = open.work.history.recall(snapshot, cursor, shape)?;
                let shown = self.ghost(&question, &recalled, &ready.model).ok();
                let is_part = shown.as_ref().is_some_and(|shown| shown.is_part);
                (shown.map(|shown| shown.text), is_part)
            }
        };
        open.work.planned = Some(state);
        let base = Base {
            uri: question.uri.clone(),
            document: open.id,
            epoch: ready.epoch,
            revision: open.revision,
            cursor,
            prompt: anchor.prompt(snapshot, cursor),
            tail: ready.model.plan.windows.tail,
            is_short: anchor.is_short(),
            snapshot: question.snapshot,
        };
        let mut unknown = |inserted: &str| {
            let supposed = self.suppose(&base, inserted)?;
            let Supposed {
                snapshot,
                cursor,
                shape,
                ..
            } = &supposed;
            let recalled = open.work.history.recall(snapshot, *cursor, *shape);
            recalled.is_none().then_some(supposed)
        };
        let accepted = ghost.as_deref().and_then(&mut unknown);
        let next_line = ghost.as_deref().filter(|_| !is_part).and_then(|ghost| {
            let text = &base.snapshot.text;
            let line = format!("{}{ghost}", convert::line_before(text, cursor));
            unknown(&format!("{ghost}{}", line_break(text, cursor, &line)?))
        });
        Some(Plan {
            base,
            shape,
            accepted,
            next_line,
        })
    }

    /// The document with `inserted` at the cursor, as an editor would have it; `None` where nothing would
    /// be asked or the prompt would need another head.
    fn suppose(&self, base: &Base, inserted: &str) -> Option<Supposed> {
        let text = &base.snapshot.text;
        let after = convert::line_after(text, base.cursor);
        let (inserted, replaced) = convert::insertion(inserted, &after);
        let inserted = convert::with_breaks_of(text, base.cursor, &inserted);
        let tail = format!("{}{inserted}", base.prompt.tail);
        if inserted.is_empty() || tail.len() > base.tail {
            return None;
        }
        let mut snapshot = base.snapshot.clone();
        let range = base.cursor..ByteOffset(base.cursor.0 + replaced);
        let edit = snapshot.text.replace(range, &inserted);
        // The tree is that of the text without it.
        snapshot.tree = None;
        let cursor = edit.new_end;
        let shape = ask::shape(&snapshot, cursor, false, &self.wanted(false))?;
        let prompt = Prompt {
            tail,
            ..base.prompt.clone()
        };
        Some(Supposed {
            snapshot,
            cursor,
            shape,
            prompt,
        })
    }

    pub(super) fn supposed_job(
        self: &Arc<Self>,
        base: &Base,
        supposed: Supposed,
        priority: Priority,
        source: Source,
    ) -> Job {
        let Supposed {
            snapshot,
            cursor,
            shape,
            prompt,
        } = supposed;
        let job = self.job(base.document, priority, prompt, &snapshot, cursor, shape);
        let landing = Landing {
            uri: base.uri.clone(),
            document: base.document,
            epoch: base.epoch,
            snapshot,
            cursor,
            shape,
        };
        self.with_reply(job, base, move |_, open, outcome| {
            if let Outcome::Done(completion) = outcome {
                let said = landing.said(completion, source);
                open.work.remember(&landing.snapshot, landing.cursor, said);
            }
            Vec::new()
        })
    }

    /// A job that evaluates the prompt and says nothing.
    fn here(self: &Arc<Self>, plan: &Plan) -> Job {
        let base = &plan.base;
        let (prompt, snapshot) = (base.prompt.clone(), &base.snapshot);
        let job = Job {
            max_tokens: 0,
            ..self.job(
                base.document,
                HERE,
                prompt,
                snapshot,
                base.cursor,
                plan.shape,
            )
        };
        self.with_reply(job, base, |_, _, _| Vec::new())
    }

    /// A job that finds out which characters are likely, and has them tried.
    fn likely(self: &Arc<Self>, plan: &Plan, n_branches: usize) -> Job {
        let base = &plan.base;
        let job = Job {
            // With none, what is typed in part would not be gone through to where it ends.
            max_tokens: 1,
            // The ghost text's own is one of them.
            branches: n_branches + 1,
            ..self.job(
                base.document,
                LIKELY,
                base.prompt.clone(),
                &base.snapshot,
                base.cursor,
                plan.shape,
            )
        };
        let of = Base {
            snapshot: base.snapshot.without_tree(),
            ..base.clone()
        };
        self.with_reply(job, base, move |session, open, outcome| {
            let is_here = open.revision == of.revision && open.work.cursor == Some(of.cursor);
            let Outcome::Done(completion) = outcome else {
                return Vec::new();
            };
            if !is_here {
                return Vec::new();
            }
            let likely = completion
                .branches
                .iter()
                .filter(|branch| branch.probability >= LEAST_LIKELY);
            let mut jobs = Vec::new();
            for branch in likely {
                let text = &of.snapshot.text;
                let typed = match branch.text.as_str() {
                    "\n" => {
                        let line = convert::line_before(text, of.cursor);
                        line_break(text, of.cursor, &line)
                    }
                    other => Some(other.to_owned()),
                };
                let supposed = typed.and_then(|typed| session.suppose(&of, &typed));
                let Some(supposed) = supposed else { continue };
                let known =
                    open.work
                        .history
                        .recall(&supposed.snapshot, supposed.cursor, supposed.shape);
                // The ghost text's own first character, above all.
                if known.is_some() {
                    continue;
                }
                let rank = if jobs.len() < FIRST { DIVERGED } else { SELDOM };
                let priority = Priority::Idle(rank + jobs.len() as u8);
                jobs.push(session.supposed_job(&of, supposed, priority, Source::IfDiverged));
            }
            jobs
        })
    }

    /// A job whose reply looks at the document, if it is still the same, and may want more jobs done.
    pub(super) fn with_reply(
        self: &Arc<Self>,
        job: Job,
        base: &Base,
        reply: impl FnOnce(&Arc<Session>, &mut Open, &Outcome) -> Vec<Job> + Send + 'static,
    ) -> Job {
        let session = Arc::downgrade(self);
        let Base {
            document, epoch, ..
        } = *base;
        let uri = base.uri.clone();
        let landed = move |outcome: Outcome| {
            let Some(session) = session.upgrade() else {
                return;
            };
            let jobs = session.documents.with(&uri, |open| {
                if open.id != document || !open.work.is_of(epoch) {
                    return Vec::new();
                }
                if let Outcome::Done(completion) = &outcome {
                    open.work.ahead.add(&completion.usage);
                }
                reply(&session, open, &outcome)
            });
            // Not while the document is held: the engine may refuse one, and tell it so at once.
            for job in jobs.unwrap_or_default() {
                if let Some(engine) = session.engines.engine() {
                    engine.submit(job);
                }
            }
        };
        Job {
            reply: Box::new(landed),
            ..job
        }
    }
}

/// How many characters to try at a place, with a model of this pace.
fn branches(pace: Pace) -> usize {
    let affordable = pace.tokens(TRYING).unwrap_or_default() / TRIED_TOKENS;
    affordable.clamp(*BRANCHES.start(), *BRANCHES.end())
}

/// What Enter inserts behind `line`: a line break and the same indentation; `None` where the editor would
/// indent otherwise.
fn line_break(text: &Text, cursor: ByteOffset, line: &str) -> Option<String> {
    let last = line.rsplit('\n').next().unwrap_or_default();
    if last.trim().is_empty() || last.trim_end().ends_with(['{', '(', '[', ':', ',']) {
        return None;
    }
    let indent = &last[..last.len() - last.trim_start().len()];
    Some(convert::with_breaks_of(
        text,
        cursor,
        &format!("\n{indent}"),
    ))
}
