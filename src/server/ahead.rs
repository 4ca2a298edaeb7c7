//! Work done ahead, while nobody waits: what the model says once the ghost text is accepted, or if something
//! else is typed than it says, and the next head of the prompt. What comes of it goes into the history, where
//! whoever asks finds it.
//!
//! It is planned at each place that the user comes to, when it is known what is shown there. Whatever is
//! typed next makes the engine drop what it is at, within one step.

use std::{sync::Arc, time::Duration};

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
    engine::{DocumentId, Job, Outcome, Priority},
    prompt::{
        Prompt,
        anchor::{self, Anchor},
    },
    suggest::{Shape, ask, history::Source, reuse},
    text::{ByteOffset, Text},
};

/// A model whose steps take longer than this has enough to do with what is asked.
pub(super) const SLOW: Duration = Duration::from_millis(15);

/// What has been typed along is evaluated, so that the next job need not.
const HERE: Priority = Priority::Idle(0);
/// What follows the prompt costs next to nothing to find out then.
const LIKELY: Priority = Priority::Idle(1);
const ACCEPTED: Priority = Priority::Idle(2);
/// The likeliest of them; the others follow.
const DIVERGED: u8 = 3;
const NEXT_LINE: Priority = Priority::Idle(10);
const HEAD: Priority = Priority::Idle(11);

/// How many characters other than the ghost text's own are tried.
const BRANCHES: usize = 4;
/// Less likely ones are not.
const LEAST_LIKELY: f32 = 0.01;

/// A place as it is, from which others are supposed.
#[derive(Clone)]
struct Base {
    uri: String,
    document: DocumentId,
    epoch: (u64, u64),
    revision: u64,
    snapshot: Snapshot,
    cursor: ByteOffset,
    prompt: Prompt,
    /// The longest tail.
    tail: usize,
}

/// A place as it would be.
struct Supposed {
    snapshot: Snapshot,
    cursor: ByteOffset,
    shape: Shape,
    prompt: Prompt,
}

/// What is to be done at a place.
struct Plan {
    base: Base,
    shape: Shape,
    accepted: Option<Supposed>,
    next_line: Option<Supposed>,
    /// The anchor that has become long, and the one that is to take over, if it is known already.
    outgrown: Option<(Anchor, Option<Anchor>)>,
}

impl Session {
    /// Plans what to do ahead at the place where the user is, in place of what was planned before; does nothing
    /// where nothing is known yet, or when the machine does not keep up.
    pub(crate) fn plan_ahead(self: &Arc<Self>, uri: &str) {
        let config = self.config();
        if !config.engine.prefetch || !config.engine.reuse {
            return;
        }
        let Some(ready) = self.ready().filter(|ready| ready.engine.pace().step < SLOW) else {
            return;
        };
        let plan = self
            .documents
            .with(uri, |open| self.plan(uri, open, &ready))
            .flatten();
        let Some(plan) = plan else { return };

        ready.engine.drop_idle(plan.base.document);
        ready.engine.submit(self.here(&plan));
        ready.engine.submit(self.likely(&plan));
        for (supposed, priority) in [(plan.accepted, ACCEPTED), (plan.next_line, NEXT_LINE)] {
            if let Some(supposed) = supposed {
                let job = self.supposed_job(&plan.base, supposed, priority, Source::IfAccepted);
                ready.engine.submit(job);
            }
        }
        if let Some((anchor, successor)) = plan.outgrown {
            self.prepare_head(&plan.base, &ready, &anchor, successor);
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
        };
        let snapshot = &question.snapshot;
        let shape = ask::shape(snapshot, cursor, false, &self.wanted(false))?;
        let anchor = open.work.anchor(snapshot, cursor, &ready.model.plan)?;
        let shown = open.work.shown.as_ref();
        let typed_through = shown.and_then(|shown| reuse::typed_through(shown, snapshot, cursor));
        let ghost = match typed_through {
            Some(rest) => Some(rest.text),
            None => {
                let recalled = open.work.history.recall(snapshot, cursor, shape)?;
                self.ghost(&question, &recalled, &ready.model).ok()
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
        let next_line = ghost.as_deref().and_then(|ghost| {
            let text = &base.snapshot.text;
            let line = format!("{}{ghost}", convert::line_before(text, cursor));
            unknown(&format!("{ghost}{}", line_break(text, cursor, &line)?))
        });
        let is_outgrown = base.prompt.tail.len() > base.tail / 2;
        let outgrown = is_outgrown.then(|| {
            let successor = open.work.successor.as_ref();
            let plan = &ready.model.plan;
            let successor = successor.and_then(|it| it.fitting(&base.snapshot, cursor, plan));
            (anchor, successor)
        });
        Some(Plan {
            base,
            shape,
            accepted,
            next_line,
            outgrown,
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
            head: Arc::clone(&base.prompt.head),
            tail,
        };
        Some(Supposed {
            snapshot,
            cursor,
            shape,
            prompt,
        })
    }

    fn supposed_job(
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
    fn likely(self: &Arc<Self>, plan: &Plan) -> Job {
        let base = &plan.base;
        let job = Job {
            // With none, what is typed in part would not be gone through to where it ends.
            max_tokens: 1,
            branches: BRANCHES + 1,
            ..self.job(
                base.document,
                LIKELY,
                base.prompt.clone(),
                &base.snapshot,
                base.cursor,
                plan.shape,
            )
        };
        let of = base.clone();
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
                let priority = Priority::Idle(DIVERGED + jobs.len() as u8);
                jobs.push(session.supposed_job(&of, supposed, priority, Source::IfDiverged));
            }
            jobs
        })
    }

    /// Has the head of the next anchor evaluated, so that no key pays for it.
    fn prepare_head(
        self: &Arc<Self>,
        base: &Base,
        ready: &Ready,
        anchor: &Anchor,
        successor: Option<Anchor>,
    ) {
        let successor = successor.unwrap_or_else(|| {
            let others = self.others(&base.uri, &ready.model);
            let plan = &ready.model.plan;
            anchor::fresh(Some(anchor), &base.snapshot, base.cursor, plan, &others)
        });
        if Arc::ptr_eq(&successor.head, &anchor.head) {
            return;
        }
        let prompt = successor.prompt(&base.snapshot, base.cursor);
        let evaluated = prompt.tail.clone();
        let (snapshot, cursor) = (&base.snapshot, base.cursor);
        let job = Job {
            max_tokens: 0,
            ..self.job(base.document, HEAD, prompt, snapshot, cursor, Shape::Line)
        };
        let (plan, of) = (ready.model.plan.clone(), successor.clone());
        let job = self.with_reply(job, base, move |_, open, outcome| {
            let snapshot = open.document.unparsed();
            let now = (open.work.cursor)
                .filter(|_| matches!(outcome, Outcome::Done(_)))
                .and_then(|cursor| Some((of.fitting(&snapshot, cursor, &plan)?, cursor)));
            // When something was typed meanwhile, a key would have to pay for it.
            if let Some((now, cursor)) = now
                && now.prompt(&snapshot, cursor).tail == evaluated
            {
                open.work.succeed(now);
            }
            Vec::new()
        });
        self.documents.with(&base.uri, |open| {
            open.work.successor = Some(successor);
        });
        ready.engine.submit(job);
    }

    /// A job whose reply looks at the document, if it is still the same, and may want more jobs done.
    fn with_reply(
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
