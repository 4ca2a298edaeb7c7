//! Which cells of llama.cpp's cache hold which tokens: a mirror of how it places them, which it does not tell. Pure.
//!
//! Attention visits cells by their number. A sequence whose later tokens lie in front of earlier ones is summed in
//! another order and rounds differently: so it must be known before it grows into a hole in front of it.

/// See the module. The rules are those of `llama_kv_cache` in the pinned version, with one stream.
pub(super) struct Cells {
    /// For each cell the sequences that it belongs to, one bit each, and the position.
    cells: Vec<(u64, usize)>,
    n_used: usize,
    /// Where the search for free cells begins.
    head: usize,
}

impl Cells {
    pub(super) fn new(count: usize) -> Cells {
        Cells {
            cells: vec![(0, 0); count],
            n_used: 0,
            head: 0,
        }
    }

    /// The cells that the next `n_tokens` tokens get, whatever their sequence; `None` when they do not fit.
    fn slot(&self, n_tokens: usize) -> Option<Vec<usize>> {
        let count = self.cells.len();
        let is_far = self.head > self.n_used + 2 * n_tokens;
        let start = if is_far { 0 } else { self.head };
        let free: Vec<usize> = (start..start + count)
            .map(|at| at % count)
            .filter(|at| self.cells[*at].0 == 0)
            .take(n_tokens)
            .collect();
        (free.len() == n_tokens).then_some(free)
    }

    /// Whether `n_tokens` tokens that are added to `sequence`, and `n_more` behind them, come to lie behind all that it
    /// has; also when they do not fit at all.
    pub(super) fn grows_in_order(&self, sequence: i32, n_tokens: usize, n_more: usize) -> bool {
        let bit = 1 << sequence;
        let last = (self.cells.iter()).rposition(|(sequences, _)| sequences & bit != 0);
        let Some(slot) = self.slot(n_tokens + n_more) else {
            return true;
        };
        let own = &slot[..n_tokens];
        last.is_none_or(|last| own[0] > last) && own.is_sorted()
    }

    /// Whether all of `sequence` and `n_tokens` more fit when what is its own is given up first.
    pub(super) fn may_move(&self, sequence: i32, n_tokens: usize) -> bool {
        let bit = 1 << sequence;
        let of_it = self.cells.iter().filter(|(it, _)| it & bit != 0);
        let own = of_it.clone().filter(|(it, _)| *it == bit).count();
        self.cells.len() - self.n_used + own >= of_it.count() + n_tokens
    }

    /// Tokens have been added, each to a sequence and at a position.
    pub(super) fn place(&mut self, tokens: impl ExactSizeIterator<Item = (i32, usize)>) {
        let Some(slot) = self.slot(tokens.len()) else {
            return;
        };
        for (&at, (sequence, position)) in slot.iter().zip(tokens) {
            self.cells[at] = (1 << sequence, position);
        }
        self.n_used += slot.len();
        self.head = slot.last().map_or(self.head, |last| last + 1);
    }

    /// `sequence` has been cut to `len` tokens.
    pub(super) fn cut(&mut self, sequence: i32, len: usize) {
        let bit = 1 << sequence;
        let mut freed = None;
        for (at, (sequences, position)) in self.cells.iter_mut().enumerate() {
            if *sequences & bit != 0 && *position >= len {
                *sequences &= !bit;
                if *sequences == 0 {
                    self.n_used -= 1;
                    freed.get_or_insert(at);
                }
            }
        }
        self.head = freed.map_or(self.head, |freed| freed.min(self.head));
    }

    /// The first `len` tokens of `from` belong to `to`, too, which was empty.
    pub(super) fn share(&mut self, from: i32, to: i32, len: usize) {
        for (sequences, position) in &mut self.cells {
            if *sequences & (1 << from) != 0 && *position < len {
                *sequences |= 1 << to;
            }
        }
    }

    /// `sequence`, which has `len` tokens, has been taken out and put in again.
    pub(super) fn moved(&mut self, sequence: i32, len: usize) {
        self.cut(sequence, 0);
        self.place((0..len).map(|position| (sequence, position)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(cells: &mut Cells, sequence: i32, positions: std::ops::Range<usize>) {
        cells.place(positions.map(|position| (sequence, position)));
    }

    /// A digit for the lowest sequence of each cell.
    fn drawn(cells: &Cells) -> String {
        let digit = |(sequences, _): &(u64, usize)| match sequences {
            0 => '.',
            _ => char::from(b'0' + sequences.trailing_zeros() as u8),
        };
        cells.cells.iter().map(digit).collect()
    }

    #[test]
    fn a_sequence_behind_a_hole_would_grow_into_it_until_it_is_moved() {
        let mut cells = Cells::new(16);
        add(&mut cells, 0, 0..5);
        add(&mut cells, 1, 0..4);
        assert_eq!(drawn(&cells), "000001111.......");
        assert!(cells.grows_in_order(0, 2, 0) && cells.grows_in_order(1, 2, 0));
        cells.cut(0, 2);
        assert_eq!(drawn(&cells), "00...1111.......");
        assert!(cells.grows_in_order(0, 2, 0), "it is its own hole");
        assert!(!cells.grows_in_order(1, 2, 0));
        assert!(cells.may_move(1, 2));
        cells.moved(1, 4);
        assert_eq!(drawn(&cells), "001111..........");
        assert!(cells.grows_in_order(1, 2, 0));
        add(&mut cells, 1, 4..6);
        assert_eq!(drawn(&cells), "00111111........");
    }

    #[test]
    fn shared_cells_stay_where_they_are() {
        let mut cells = Cells::new(8);
        add(&mut cells, 0, 0..4);
        cells.share(0, 1, 3);
        cells.cut(0, 0);
        assert_eq!(drawn(&cells), "111.....");
        add(&mut cells, 0, 0..2);
        assert_eq!(drawn(&cells), "11100...");
        cells.share(1, 2, 3);
        assert!(cells.may_move(2, 0) && !cells.may_move(2, 1));
    }

    #[test]
    fn what_does_not_fit_is_the_callers_affair() {
        let mut cells = Cells::new(4);
        add(&mut cells, 0, 0..4);
        assert!(cells.grows_in_order(0, 1, 0));
        add(&mut cells, 0, 4..5);
        assert_eq!(drawn(&cells), "0000");
    }
}
