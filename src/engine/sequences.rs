//! Which tokens each sequence of the KV cache holds: choose one for a prompt, keep, evict. A mirror
//! of what the model holds, and pure: `worker.rs` tells the model and this in the same breath.
//!
//! There are few sequences (8 to 16), so everything is a linear scan. A radix tree over token ids would
//! find the longest prefix of a prompt in 0.5 µs instead of 0.5 to 3.5 µs (8 sequences of 1,000 tokens that
//! share none to 990, two cores of an AVX-512 EPYC, November 2026): nothing in a frame of 16,667 µs, and
//! there can be no more leaves than sequences. Its other merits are here: tokens with a common start share
//! cells, count once, and stay as long as one sequence has them.

use super::{
    DocumentId, Priority,
    model::{Sequence, Token},
};

/// More prompt tokens than these are never thrown away when another sequence can be had: about what
/// one chunk costs to evaluate again.
const SMALL_LOSS: usize = 256;

/// Where a prompt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into this sequence; what differs in it goes.
    Here(Sequence),
    /// Behind what this sequence holds; what differs from it must not go.
    Guest(Sequence),
    /// Into `to`, which starts as a copy of `from`, so that both live on.
    Fork { from: Sequence, to: Sequence },
}

/// See the module.
pub struct Sequences {
    held: Vec<Held>,
    cells: Cells,
    clock: u64,
}

#[derive(Default)]
struct Held {
    tokens: Vec<Token>,
    /// The cell of each token; sequences that were copied share cells.
    cells: Vec<u32>,
    /// How many of the tokens were asked for, as opposed to generated: what is worth keeping.
    prompt: usize,
    document: Option<DocumentId>,
    /// When it was last chosen; 0 if it may go first.
    used: u64,
    kind: Kind,
    /// The place that this one is made to take over from.
    replaces: Option<usize>,
}

/// What a sequence is there for; what goes first comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Another way to go on from some place, made ahead. It is read, but nothing is added to it later:
    /// see [`Sequences::twigs_beside`].
    Twig,
    /// A try where nothing was shared, a place that another has replaced, or one of a closed document.
    #[default]
    Spare,
    Live,
    /// Where the user is going to be next, made ahead: at most one, and the dearest, as the next key would have to pay for
    /// all of it.
    Next,
}

impl Sequences {
    pub fn new(count: usize) -> Sequences {
        Sequences {
            held: std::iter::repeat_with(Held::default)
                .take(count.max(1))
                .collect(),
            cells: Cells::default(),
            clock: 0,
        }
    }

    /// What `sequence` holds.
    pub fn held(&self, sequence: Sequence) -> &[Token] {
        &self.held[sequence.0].tokens
    }

    /// How many tokens at the start of `path` the sequence holds.
    pub fn shared(&self, sequence: Sequence, path: &[Token]) -> usize {
        shared(&self.held[sequence.0].tokens, path)
    }

    /// How many cells are in use; shared ones count once.
    pub fn used_cells(&self) -> usize {
        self.cells.used
    }

    /// Where `prompt` goes: to the sequence that shares most with it, unless that would cost another
    /// document, or another place, more than is gained; then to the one that is needed least.
    ///
    /// Idle work is a guest where most is shared, and only where nothing is, it takes a sequence.
    pub fn choose(&mut self, prompt: &[Token], document: DocumentId, priority: Priority) -> Place {
        let sharing = self
            .held
            .iter()
            .map(|held| shared(&held.tokens, prompt))
            .enumerate();
        let best = sharing
            .filter(|(at, kept)| *kept > 0 && self.held[*at].kind != Kind::Twig)
            .max_by_key(|(at, kept)| (*kept, self.held[*at].kind, self.held[*at].used));
        let is_idle = priority != Priority::Now;
        let place = match best {
            Some((at, _)) if is_idle => return Place::Guest(Sequence(at)),
            Some((at, kept)) => match self.needed_least(|it| it != at) {
                Some(to) if !self.may_be_cut(at, kept, document) => Place::Fork {
                    from: Sequence(at),
                    to,
                },
                _ => Place::Here(Sequence(at)),
            },
            None => {
                let any = self.needed_least(|_| true);
                Place::Here(any.expect("there is at least one sequence"))
            }
        };
        let (Place::Here(chosen) | Place::Guest(chosen) | Place::Fork { to: chosen, .. }) = place;
        let kind = if is_idle { Kind::Spare } else { Kind::Live };
        self.settle(chosen, document, prompt.len(), kind);
        place
    }

    /// Where a prompt goes that somebody is likely to go on from: into the document's own place, if all that
    /// was asked for there begins it, or it begins that; else into a sequence that shares nothing with others, so that it outlives
    /// whatever is added to them. One that `replaces` the document's place leaves that to others once it is asked for.
    pub fn choose_ahead(
        &mut self,
        prompt: &[Token],
        document: DocumentId,
        replaces: bool,
    ) -> Sequence {
        let of_document = (0..self.held.len()).filter(|at| {
            let held = &self.held[*at];
            held.document == Some(document) && held.kind != Kind::Twig && !held.tokens.is_empty()
        });
        // Where the document is now, though it may have been made ahead.
        let place = of_document.clone().max_by_key(|at| self.held[*at].used);
        let goes_on = |at: &usize| {
            let held = &self.held[*at];
            let kept = shared(&held.tokens, prompt);
            let lost = held.prompt.min(held.tokens.len()).saturating_sub(kept);
            // A try of the same that had to make way.
            let is_same = held.kind != Kind::Live && place != Some(*at) && kept * 2 >= prompt.len();
            // Deleted or undone: all of it is there.
            let is_beginning = kept == prompt.len();
            (kept > 0 && (lost == 0 || is_beginning || is_same)).then_some((kept, *at))
        };
        let best = of_document.filter_map(|at| goes_on(&at)).max();
        let at = match best {
            Some((_, at)) => at,
            None => {
                let any = self.needed_least(|_| true);
                let at = any.expect("there is at least one sequence").0;
                self.held[at].replaces = None;
                at
            }
        };
        let is_live = best.is_some() && self.held[at].kind == Kind::Live;
        let kind = if is_live { Kind::Live } else { Kind::Next };
        self.settle(Sequence(at), document, prompt.len(), kind);
        if replaces && !is_live {
            self.held[at].replaces = place.filter(|place| *place != at);
        }
        Sequence(at)
    }

    fn settle(&mut self, sequence: Sequence, document: DocumentId, prompt: usize, kind: Kind) {
        self.clock += 1;
        if kind == Kind::Next {
            let others = self.held.iter_mut().filter(|it| it.kind == Kind::Next);
            others.for_each(|other| other.kind = Kind::Spare);
        }
        let held = &mut self.held[sequence.0];
        held.used = self.clock;
        held.document = Some(document);
        held.prompt = prompt;
        held.kind = kind;
        // It is what it was made to be, or something else by now.
        let replaced = held.replaces.take_if(|_| kind != Kind::Next);
        if let Some(replaced) = replaced.filter(|_| kind == Kind::Live) {
            let replaced = &mut self.held[replaced];
            if replaced.document == Some(document) {
                replaced.kind = replaced.kind.min(Kind::Spare);
            }
        }
    }

    /// Another sequence for work done ahead for `document`, that goes along `path` and cannot go on in
    /// `sequence` without cutting it. `None` when there is only one.
    pub fn beside(
        &mut self,
        sequence: Sequence,
        document: DocumentId,
        path: &[Token],
    ) -> Option<Sequence> {
        let beside = self.needed_least(|at| at != sequence.0)?;
        let is_twig = self.shared(sequence, path) * 2 >= path.len();
        let kind = if is_twig { Kind::Twig } else { Kind::Spare };
        self.settle(beside, document, path.len(), kind);
        Some(beside)
    }

    /// The twigs that are to be given up before anything is added to `sequence`: all, if it is none
    /// itself.
    ///
    /// A twig's cells lie behind those of the sequence that it branches off. If that one were cut and the
    /// twig went on growing, or the twig were given up below what has grown since, new tokens would get cells in front of
    /// older ones, and attention would sum in another order (measured: 0.003 in a mean log probability). llama.cpp's
    /// context moves a sequence before that happens; giving up the twigs first, which were only tries, spares the move.
    pub fn twigs_beside(&self, sequence: Sequence) -> Vec<Sequence> {
        let is_twig = |at: &usize| {
            let held = &self.held[*at];
            held.kind == Kind::Twig && !held.tokens.is_empty()
        };
        if self.held[sequence.0].kind == Kind::Twig {
            return Vec::new();
        }
        (0..self.held.len()).filter(is_twig).map(Sequence).collect()
    }

    /// Whether no more than the first `kept` tokens of a sequence need to stay. What was only generated
    /// is no loss.
    fn may_be_cut(&self, at: usize, kept: usize, document: DocumentId) -> bool {
        let held = &self.held[at];
        let lost = held.prompt.min(held.tokens.len()).saturating_sub(kept);
        lost == 0 || (held.document == Some(document) && lost <= kept.min(SMALL_LOSS))
    }

    /// The sequence to evict next for room in `sequence`; `None` when it holds everything alone.
    pub fn evictable(&self, sequence: Sequence) -> Option<Sequence> {
        self.needed_least(|at| at != sequence.0 && !self.held[at].tokens.is_empty())
    }

    /// Empty ones first, then what was made ahead; of these the least recently used.
    fn needed_least(&self, is_wanted: impl Fn(usize) -> bool) -> Option<Sequence> {
        let wanted = (0..self.held.len()).filter(|at| is_wanted(*at));
        let need = |at: &usize| {
            let held = &self.held[*at];
            (!held.tokens.is_empty(), held.kind, held.used)
        };
        wanted.min_by_key(need).map(Sequence)
    }

    /// What `document` had goes first from now on.
    pub fn retire(&mut self, document: DocumentId) {
        for held in self
            .held
            .iter_mut()
            .filter(|held| held.document == Some(document))
        {
            held.used = 0;
            held.kind = held.kind.min(Kind::Spare);
        }
    }

    pub fn append(&mut self, sequence: Sequence, tokens: &[Token]) {
        let held = &mut self.held[sequence.0];
        held.tokens.extend_from_slice(tokens);
        held.cells
            .extend(std::iter::repeat_with(|| self.cells.take()).take(tokens.len()));
    }

    pub fn truncate(&mut self, sequence: Sequence, len: usize) {
        let held = &mut self.held[sequence.0];
        held.tokens.truncate(len);
        for cell in held.cells.drain(len.min(held.cells.len())..) {
            self.cells.release(cell);
        }
    }

    /// Makes `to` hold what `from` holds.
    pub fn copy(&mut self, from: Sequence, to: Sequence) {
        self.truncate(to, 0);
        let tokens = self.held[from.0].tokens.clone();
        let cells = self.held[from.0].cells.clone();
        cells.iter().for_each(|cell| self.cells.share(*cell));
        let held = &mut self.held[to.0];
        held.tokens = tokens;
        held.cells = cells;
    }
}

/// The length of the common start. 3 µs for 10,000 tokens.
fn shared(a: &[Token], b: &[Token]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// How many sequences use each cell.
#[derive(Default)]
struct Cells {
    users: Vec<u16>,
    free: Vec<u32>,
    used: usize,
}

impl Cells {
    fn take(&mut self) -> u32 {
        self.used += 1;
        let cell = self.free.pop().unwrap_or_else(|| {
            self.users.push(0);
            (self.users.len() - 1) as u32
        });
        self.users[cell as usize] = 1;
        cell
    }

    fn share(&mut self, cell: u32) {
        self.users[cell as usize] += 1;
    }

    fn release(&mut self, cell: u32) {
        let users = &mut self.users[cell as usize];
        *users -= 1;
        if *users == 0 {
            self.free.push(cell);
            self.used -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
