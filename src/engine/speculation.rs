//! A job's drafts: what it is told of the jobs before it, and what becomes of what it drafts. Where
//! drafts come from and whether they pay is `draft.rs`; evaluating them is `memory.rs`. A draft is
//! evaluated ahead of the choices, which are made as ever: what was chosen otherwise is cut off, so that
//! nothing but the number of steps depends on drafts.

use std::{sync::Arc, time::Duration};

use super::{
    DocumentId,
    draft::{Draft, Drafts, MAX_DRAFT},
    mailbox::Task,
    model::{Model, Token},
};
use crate::prompt::Head;

/// Whether drafts are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speculation {
    Off,
    /// When by what was measured they make generating faster.
    #[default]
    Measured,
    /// Whenever there is something to draft; for measurements.
    Always,
}

/// See the module.
#[derive(Default)]
pub(super) struct Speculator {
    drafts: Drafts,
    /// What was generated last, and may turn out to be rejected.
    last: Option<(Start, Vec<Token>)>,
    /// Where the rejected text began that `drafts` knows.
    rejected: Option<Start>,
    is_on: bool,
    /// What was drafted and has not been refuted, and how much of it was chosen so far.
    pending: Option<(Draft, usize)>,
    /// A prompt to be learnt from.
    unlearnt: Vec<Token>,
}

/// Where generated text began.
struct Start {
    document: DocumentId,
    head: Arc<Head>,
    /// The tail up to there.
    text: String,
}

impl Start {
    /// What stands behind it in the tail, if it is still there.
    fn behind<'a>(&self, task: &Task, tail: &'a str) -> Option<&'a str> {
        let is_same = self.document == task.document && Arc::ptr_eq(&self.head, &task.prompt.head);
        is_same.then(|| tail.strip_prefix(&self.text)).flatten()
    }
}

impl Speculator {
    /// A job begins. Its prompt is `path`, which spells the tail up to `boundary`.
    pub fn begin(
        &mut self,
        model: &dyn Model,
        mode: Speculation,
        task: &Task,
        boundary: usize,
        path: &[Token],
    ) {
        self.is_on = mode != Speculation::Off;
        self.pending = None;
        if !self.is_on {
            return;
        }
        let (tail, evaluated) = (&*task.prompt.tail, &task.prompt.tail[..boundary]);
        let is_rejected = |(start, tokens): &mut (Start, Vec<Token>)| {
            let typed = start.behind(task, tail).map(str::as_bytes);
            typed.is_some_and(|typed| !is_spelled(model, tokens, typed))
        };
        if let Some((start, tokens)) = self.last.take_if(is_rejected) {
            self.drafts.reject(&tokens, |token| model.piece(token));
            self.rejected = Some(start);
        }
        let start = self.rejected.as_ref();
        let typed = start.and_then(|start| start.behind(task, evaluated));
        if typed.is_none() {
            self.drafts.reject(&[], |_| &[]);
            self.rejected = None;
        }
        self.drafts
            .begin(path, typed.unwrap_or_default().as_bytes());
    }

    /// Whether drafts are made for the job.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The live cache goes on like this behind the last token.
    pub fn offer(&mut self, tokens: &[Token]) {
        if self.is_on {
            self.drafts.offer(tokens);
        }
    }

    /// What to evaluate together with the last token of the path, at most `most` tokens.
    pub fn draft(&mut self, mode: Speculation, most: usize) -> &[Token] {
        if !self.is_on || self.pending.is_some() {
            return &[];
        }
        let most = most.min(MAX_DRAFT);
        let draft = match mode {
            Speculation::Off => None,
            Speculation::Measured => self.drafts.draft(most),
            Speculation::Always => self.drafts.likeliest(most),
        };
        self.pending = draft.map(|draft| (draft, 0));
        self.pending
            .as_ref()
            .map_or(&[], |(draft, _)| &draft.tokens)
    }

    /// The draft was not evaluated after all.
    pub fn withdraw(&mut self) {
        self.pending = None;
    }

    /// A step with `drafted` tokens beside the chosen one took so long.
    pub fn took(&mut self, drafted: usize, time: Duration) {
        if self.is_on {
            self.drafts.observe_step(1 + drafted, time);
        }
    }

    /// The path goes on by `token`; whether it was drafted.
    pub fn step(&mut self, token: Token, piece: &[u8]) -> bool {
        if !self.is_on {
            return false;
        }
        self.drafts.step(token, piece);
        let Some((draft, accepted)) = &mut self.pending else {
            return false;
        };
        let is_right = draft.tokens[*accepted] == token;
        *accepted += usize::from(is_right);
        if !is_right || *accepted == draft.tokens.len() {
            self.drafts.observe_draft(draft, *accepted);
            self.pending = None;
        }
        is_right
    }

    /// The job has generated `path[prompt..]`.
    pub fn end(&mut self, task: &Task, boundary: usize, path: &[Token], prompt: usize) {
        if !self.is_on {
            return;
        }
        if let Some((mut draft, accepted)) = self.pending.take()
            && accepted > 0
        {
            // What the job did not get to is neither right nor wrong.
            draft.tokens.truncate(accepted);
            self.drafts.observe_draft(&draft, accepted);
        }
        let start = Start {
            document: task.document,
            head: task.prompt.head.clone(),
            text: task.prompt.tail[..boundary].to_owned(),
        };
        self.last = Some((start, path[prompt..].to_vec()));
        self.unlearnt.clear();
        self.unlearnt.extend_from_slice(&path[..prompt]);
    }

    /// Learns from the last prompt: 0.3 ms for a thousand new tokens, 20 µs for as many known ones.
    pub fn learn(&mut self) {
        // What is being typed changes with every key, and would be learnt again with each.
        let settled = self.unlearnt.len() / WHOLE * WHOLE;
        self.drafts.learn(&self.unlearnt[..settled]);
        self.unlearnt.clear();
    }
}

/// Prompts are learnt by so many tokens.
const WHOLE: usize = 64;

/// Whether `typed` and the text of `tokens` agree as far as the shorter one goes.
fn is_spelled(model: &dyn Model, tokens: &[Token], typed: &[u8]) -> bool {
    let spelled = tokens.iter().flat_map(|token| model.piece(*token));
    spelled.zip(typed).all(|(a, b)| a == b)
}
