//! The model and what it remembers: which sequence holds a path of tokens, which rows of logits are
//! kept, and how to get at one that is not. What the rows are wanted for is `worker.rs`; which
//! sequence is chosen or given up is `sequences.rs`.

use std::{sync::Arc, time::Duration};

use super::{
    Cancel, DocumentId, Priority, Progress,
    model::{Model, ModelError, Sequence, Token},
    pace::Pace,
    rows::Rows,
    sequences::{Place, Sequences},
};

/// Tells the time since some moment in the past.
pub type Clock = Box<dyn Fn() -> Duration>;

/// See the module.
pub(super) struct Memory {
    pub model: Box<dyn Model>,
    pub rows: Rows,
    sequences: Sequences,
    clock: Clock,
    pace: Pace,
    keeps_parts: bool,
    /// Who is told how much of a prompt has been evaluated.
    reader: Option<Arc<Progress>>,
    /// Tokens that the model has been given, all in all.
    evaluated: usize,
}

/// What it took to get a row.
#[derive(Default)]
pub(super) struct Reached {
    /// Tokens of the path that were evaluated.
    pub evaluated: usize,
    /// Tokens that may follow, which were evaluated with the last one of the path.
    pub ahead: usize,
    pub took: Duration,
}

/// Where a job is, and what it may do there.
pub(super) struct Seat {
    sequence: Sequence,
    /// Where the row is that was reached last: in another one, if that has been there before.
    pub reads: Sequence,
    document: DocumentId,
    priority: Priority,
    /// From here on the sequence may be cut. What was there before is not for idle jobs to throw away.
    own_from: usize,
}

impl Memory {
    pub fn new(model: Box<dyn Model>, clock: Clock) -> Memory {
        Memory {
            sequences: Sequences::new(model.sequences()),
            rows: Rows::new(model.vocabulary_size()),
            pace: Pace::default(),
            keeps_parts: true,
            reader: None,
            evaluated: 0,
            model,
            clock,
        }
    }

    pub fn now(&self) -> Duration {
        (self.clock)()
    }

    /// How fast the model was when it was measured.
    pub fn expect(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// So many tokens of a prompt that somebody waited for took so long.
    pub fn read(&mut self, n_tokens: usize, took: Duration) {
        self.pace.read(n_tokens, took);
    }

    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// How many tokens the model has been given, all in all.
    pub fn evaluated(&self) -> usize {
        self.evaluated
    }

    /// Whether sequences can be cut, as far as is known.
    pub fn keeps_parts(&self) -> bool {
        self.keeps_parts
    }

    /// What `document` had goes first from now on.
    pub fn retire(&mut self, document: DocumentId) {
        self.sequences.retire(document);
    }

    /// Finds a sequence for `prompt`.
    pub fn enter(&mut self, prompt: &[Token], document: DocumentId, priority: Priority) -> Seat {
        let mut seat = Seat {
            sequence: Sequence(0),
            reads: Sequence(0),
            document,
            priority,
            own_from: 0,
        };
        match self.sequences.choose(prompt, document, priority) {
            Place::Here(sequence) => seat.sequence = sequence,
            Place::Guest(sequence) => {
                seat.sequence = sequence;
                seat.own_from = self.sequences.held(sequence).len();
            }
            Place::Fork { from, to } => {
                let shared = self.sequences.shared(from, prompt);
                self.copy(from, to, shared);
                seat.sequence = to;
            }
        }
        seat.reads = seat.sequence;
        seat
    }

    /// Finds a sequence for a prompt that nothing is generated from yet: the document's place as it is now, or as
    /// it is going to be.
    pub fn enter_ahead(&mut self, prompt: &[Token], document: DocumentId, replaces: bool) -> Seat {
        let sequence = self.sequences.choose_ahead(prompt, document, replaces);
        Seat {
            sequence,
            reads: sequence,
            document,
            priority: Priority::Now,
            own_from: 0,
        }
    }

    /// Makes `to` hold what `from` holds, of which the first `len` tokens are wanted, and have the row
    /// behind these.
    fn copy(&mut self, from: Sequence, to: Sequence, len: usize) {
        // Whole, then cut by `reach`: models that cannot keep a part cannot copy one either, but say
        // so when they truncate.
        self.model.copy(from, to, self.sequences.held(from).len());
        self.sequences.copy(from, to);
        self.rows.copy(from, to, len);
    }

    /// As `reach`, for the whole of a prompt; `reader` is told how far it is.
    pub fn read_prompt(
        &mut self,
        seat: &mut Seat,
        path: &[Token],
        reader: Option<&Arc<Progress>>,
        cancel: &Cancel,
    ) -> Result<Reached, ModelError> {
        self.reader = reader.cloned();
        let reached = self.reach(seat, path, &[], cancel);
        self.reader = None;
        reached
    }

    /// Gets the row behind `path` kept; says what had to be evaluated for it: nothing when a sequence
    /// holds all of it and has the row there; then what that holds behind it stays.
    ///
    /// `ahead` is what may follow: when a single token is to be evaluated, these are in the same
    /// batch, and their rows are kept, too.
    pub fn reach(
        &mut self,
        seat: &mut Seat,
        path: &[Token],
        ahead: &[Token],
        cancel: &Cancel,
    ) -> Result<Reached, ModelError> {
        if let Some(sequence) = self.whereabouts(seat, path) {
            seat.reads = sequence;
            return Ok(Reached::default());
        }
        self.grow(seat, path, ahead, cancel)
    }

    /// Makes the job's own sequence hold `path`, which another one was found to hold: what has come true of the
    /// work done ahead is gone as soon as anything else is evaluated. Says how many tokens that took.
    pub fn catch_up(
        &mut self,
        seat: &mut Seat,
        path: &[Token],
        cancel: &Cancel,
    ) -> Result<usize, ModelError> {
        let is_behind = !self.is_there(seat.sequence, path) && self.is_there(seat.reads, path);
        if !is_behind {
            return Ok(0);
        }
        Ok(self.grow(seat, path, &[], cancel)?.evaluated)
    }

    /// Makes the job's own sequence hold `path`, or, when that would cut what is not the job's, another.
    fn grow(
        &mut self,
        seat: &mut Seat,
        path: &[Token],
        ahead: &[Token],
        cancel: &Cancel,
    ) -> Result<Reached, ModelError> {
        let shared = self.sequences.shared(seat.sequence, path);
        let mut kept = shared.min(path.len() - 1);
        if kept < seat.own_from
            && let Some(to) = self.sequences.beside(seat.sequence, seat.document, path)
        {
            self.copy(seat.sequence, to, kept);
            seat.sequence = to;
            seat.own_from = 0;
        }
        kept = self.truncate(seat.sequence, kept);
        seat.own_from = seat.own_from.min(kept);
        let from = std::mem::replace(&mut seat.reads, seat.sequence);
        if from != seat.sequence {
            // Its tokens are about to be evaluated here, but not one by one.
            let there = self.sequences.shared(from, path);
            self.rows.hand_over(from, seat.sequence, kept + 1..=there);
        }
        for twig in self.sequences.twigs_beside(seat.sequence) {
            self.truncate(twig, 0);
        }
        let reached = self.append(seat, path, kept, ahead, cancel);
        if reached.is_err() {
            let held = self.sequences.held(seat.sequence).len();
            self.rows.truncate(seat.sequence, held);
        }
        reached
    }

    /// Evaluates what comes behind the first `kept` tokens of `path`.
    fn append(
        &mut self,
        seat: &Seat,
        path: &[Token],
        kept: usize,
        ahead: &[Token],
        cancel: &Cancel,
    ) -> Result<Reached, ModelError> {
        let mut reached = Reached {
            evaluated: path.len() - kept,
            ..Reached::default()
        };
        if reached.evaluated == 1 && ahead.len() < self.model.batch_size() {
            let batch = [&path[kept..], ahead].concat();
            reached.ahead = ahead.len();
            reached.took = self.evaluate(seat.sequence, &batch, batch.len(), cancel)?;
            if ahead.is_empty() {
                self.pace.stepped(reached.took);
            }
            self.tell_reader(1);
            for (row, len) in (path.len()..=path.len() + ahead.len()).enumerate() {
                self.keep(seat, len, row);
            }
            return Ok(reached);
        }
        let mut rest = &path[kept..];
        while !rest.is_empty() {
            if cancel.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let wanted = self.pace.chunk(self.model.batch_size());
            let (chunk, behind) = rest.split_at(wanted.min(rest.len()));
            let took = self.evaluate(seat.sequence, chunk, 1, cancel)?;
            if chunk.len() == wanted {
                self.pace.took_chunk(wanted, took);
            }
            self.tell_reader(chunk.len());
            reached.took += took;
            rest = behind;
        }
        self.keep(seat, path.len(), 0);
        Ok(reached)
    }

    fn tell_reader(&self, n_tokens: usize) {
        if let Some(reader) = &self.reader {
            reader.read(n_tokens);
        }
    }

    fn keep(&mut self, seat: &Seat, len: usize, row: usize) {
        let logits = self.model.logits(row);
        self.rows.keep(seat.sequence, len, logits, seat.priority);
    }

    /// Whether `reach` costs nothing.
    pub fn has(&self, seat: &Seat, path: &[Token]) -> bool {
        self.whereabouts(seat, path).is_some()
    }

    /// The sequence that holds `path` and has the row behind it. It need not be the one the job is
    /// in: work done ahead, for one, has gone other ways from the same place.
    fn whereabouts(&self, seat: &Seat, path: &[Token]) -> Option<Sequence> {
        let all = (0..self.model.sequences()).map(Sequence);
        std::iter::once(seat.sequence)
            .chain(all)
            .find(|sequence| self.is_there(*sequence, path))
    }

    fn is_there(&self, sequence: Sequence, path: &[Token]) -> bool {
        self.sequences.held(sequence).len() >= path.len()
            && self.rows.has(sequence, path.len())
            && self.sequences.shared(sequence, path) == path.len()
    }

    /// Appends one batch to the sequence, making room for it; says how long that took.
    fn evaluate(
        &mut self,
        sequence: Sequence,
        batch: &[Token],
        rows: usize,
        cancel: &Cancel,
    ) -> Result<Duration, ModelError> {
        while self.sequences.used_cells() + batch.len() > self.model.capacity()
            && self.evict(sequence)
        {}
        let len = self.sequences.held(sequence).len();
        loop {
            let started = self.now();
            match self.model.decode(sequence, len, batch, rows, cancel) {
                // The model knows better what fits: fragmented memory, for one.
                Err(ModelError::Full) if self.evict(sequence) => (),
                Err(ModelError::Cancelled) => {
                    // A model whose state cannot be cut has lost all of it if that was in the middle of the batch.
                    if !self.model.truncate(sequence, len) {
                        self.sequences.truncate(sequence, 0);
                        self.rows.truncate(sequence, 0);
                    }
                    return Err(ModelError::Cancelled);
                }
                result => {
                    result?;
                    let took = self.now().saturating_sub(started);
                    self.sequences.append(sequence, batch);
                    self.evaluated += batch.len();
                    return Ok(took);
                }
            }
        }
    }

    /// Empties the sequence that is needed least, other than `sequence`; false when there is none.
    fn evict(&mut self, sequence: Sequence) -> bool {
        let victim = self.sequences.evictable(sequence);
        if let Some(victim) = victim {
            self.truncate(victim, 0);
        }
        victim.is_some()
    }

    /// Forgets everything from the `len`-th token on; says how many are left, 0 if the model cannot
    /// keep a part.
    fn truncate(&mut self, sequence: Sequence, len: usize) -> usize {
        let held = self.sequences.held(sequence).len();
        if len >= held {
            return held;
        }
        let is_kept = self.model.truncate(sequence, len);
        self.keeps_parts &= is_kept;
        let len = if is_kept { len } else { 0 };
        self.sequences.truncate(sequence, len);
        self.rows.truncate(sequence, len);
        len
    }

    pub fn forget_everything(&mut self) {
        for sequence in (0..self.model.sequences()).map(Sequence) {
            // Also those that the mirror says are empty: it may be asked because it is in doubt.
            self.model.truncate(sequence, 0);
            self.sequences.truncate(sequence, 0);
            self.rows.truncate(sequence, 0);
        }
    }
}
