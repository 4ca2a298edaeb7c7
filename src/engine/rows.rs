//! Rows of logits kept in host memory, by the place in a sequence that they belong to: the end of
//! each prompt and each generated position. With its row at hand a place needs no evaluation, so
//! that typing inside a word, deleting and accepting ghost text cost the model nothing.

use std::ops::RangeInclusive;

use super::{Priority, model::Sequence};

/// Rows may take this many bytes altogether...
const BUDGET: usize = 8 << 20;
/// ...but at least this many of them are kept, whatever the vocabulary: a completion and the place
/// it started from. That is 58 MiB for 152 k tokens, beside gigabytes of weights.
const AT_LEAST: usize = 96;
/// More are never needed, and every look-up scans them.
const AT_MOST: usize = 512;

/// See the module.
pub struct Rows {
    rows: Vec<Row>,
    limit: usize,
    clock: u64,
    /// Buffers of dropped rows.
    spare: Vec<Vec<f32>>,
}

struct Row {
    sequence: Sequence,
    /// How many tokens of the sequence come before what this row predicts.
    len: usize,
    logits: Vec<f32>,
    /// What it was last wanted for. What was done ahead goes first.
    priority: Priority,
    used: u64,
}

impl Rows {
    pub fn new(vocabulary_size: usize) -> Rows {
        let fit = BUDGET / (size_of::<f32>() * vocabulary_size.max(1));
        Rows {
            rows: Vec::new(),
            limit: fit.clamp(AT_LEAST, AT_MOST),
            clock: 0,
            spare: Vec::new(),
        }
    }

    fn position(&self, sequence: Sequence, len: usize) -> Option<usize> {
        self.rows
            .iter()
            .position(|row| row.len == len && row.sequence == sequence)
    }

    pub fn has(&self, sequence: Sequence, len: usize) -> bool {
        self.position(sequence, len).is_some()
    }

    /// The row behind the first `len` tokens of `sequence`.
    pub fn get(&mut self, sequence: Sequence, len: usize, priority: Priority) -> Option<&[f32]> {
        let at = self.position(sequence, len)?;
        self.clock += 1;
        let row = &mut self.rows[at];
        row.used = self.clock;
        row.priority = row.priority.min(priority);
        Some(&row.logits)
    }

    /// Keeps a copy of `logits`, in place of the row unused for longest, or of the one that was made
    /// ahead and is unused for longest, if there are such. A copy takes 20 µs for
    /// 152 k tokens, 0.2 µs for 8 k.
    pub fn keep(&mut self, sequence: Sequence, len: usize, logits: &[f32], priority: Priority) {
        self.drop_where(|row| row.sequence == sequence && row.len == len);
        if self.rows.len() >= self.limit {
            let order = |row: &Row| (row.priority == Priority::Now, row.used);
            if let Some(first) = self.rows.iter().map(order).min() {
                self.drop_where(|row| order(row) == first);
            }
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(logits);
        self.clock += 1;
        self.rows.push(Row {
            sequence,
            len,
            logits: buffer,
            priority,
            used: self.clock,
        });
    }

    /// The sequence holds `len` tokens now: what came behind is gone.
    pub fn truncate(&mut self, sequence: Sequence, len: usize) {
        self.drop_where(|row| row.sequence == sequence && row.len > len);
    }

    /// `to` shares its first `len` tokens with `from` now: so it does the row there.
    pub fn copy(&mut self, from: Sequence, to: Sequence, len: usize) {
        self.drop_where(|row| row.sequence == to);
        if let Some(at) = self.position(from, len) {
            let Row {
                logits, priority, ..
            } = &self.rows[at];
            let (logits, priority) = (logits.clone(), *priority);
            self.keep(to, len, &logits, priority);
        }
    }

    /// What `from` has behind `lens` tokens becomes `to`'s, which is going to hold the same ones.
    pub fn hand_over(&mut self, from: Sequence, to: Sequence, lens: RangeInclusive<usize>) {
        self.drop_where(|row| row.sequence == to && lens.contains(&row.len));
        for row in &mut self.rows {
            if row.sequence == from && lens.contains(&row.len) {
                row.sequence = to;
            }
        }
    }

    fn drop_where(&mut self, is_dropped: impl Fn(&Row) -> bool) {
        for row in self.rows.extract_if(.., |row| is_dropped(row)) {
            self.spare.push(row.logits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Sequence = Sequence(0);
    const T: Sequence = Sequence(1);

    fn rows() -> Rows {
        Rows {
            rows: Vec::new(),
            limit: 3,
            clock: 0,
            spare: Vec::new(),
        }
    }

    #[test]
    fn the_row_unused_for_longest_gives_way() {
        let mut rows = rows();
        for len in 1..=3 {
            rows.keep(S, len, &[len as f32], Priority::Now);
        }
        assert_eq!(rows.get(S, 1, Priority::Now), Some(&[1.0][..]));
        rows.keep(S, 4, &[4.0], Priority::Now);
        assert!(rows.has(S, 1) && !rows.has(S, 2) && rows.has(S, 3) && rows.has(S, 4));
    }

    #[test]
    fn what_was_made_ahead_gives_way_first_unless_it_was_wanted_since() {
        let mut rows = rows();
        rows.keep(S, 1, &[1.0], Priority::Now);
        rows.keep(S, 2, &[2.0], Priority::Idle(0));
        rows.keep(S, 3, &[3.0], Priority::Idle(1));
        rows.get(S, 2, Priority::Now);
        for len in 4..9 {
            rows.keep(S, len, &[len as f32], Priority::Idle(0));
            assert!(rows.has(S, 1) && rows.has(S, 2) && rows.has(S, len));
        }
    }

    #[test]
    fn a_place_that_is_gone_has_no_row() {
        let mut rows = rows();
        rows.keep(S, 1, &[1.0], Priority::Now);
        rows.keep(S, 2, &[2.0], Priority::Now);
        rows.keep(T, 2, &[3.0], Priority::Now);
        rows.truncate(S, 1);
        assert!(rows.has(S, 1) && !rows.has(S, 2) && rows.has(T, 2));
    }

    #[test]
    fn a_copied_sequence_starts_with_the_row_of_its_end() {
        let mut rows = rows();
        rows.keep(S, 5, &[5.0], Priority::Now);
        rows.keep(T, 7, &[7.0], Priority::Now);
        rows.copy(S, T, 5);
        assert_eq!(rows.get(T, 5, Priority::Now), Some(&[5.0][..]));
        assert!(!rows.has(T, 7));
    }

    #[test]
    fn rows_go_to_the_sequence_that_holds_the_tokens() {
        let mut rows = rows();
        rows.keep(S, 1, &[1.0], Priority::Now);
        rows.keep(T, 1, &[2.0], Priority::Now);
        rows.keep(T, 2, &[3.0], Priority::Now);
        rows.hand_over(T, S, 2..=5);
        assert_eq!(rows.get(S, 2, Priority::Now), Some(&[3.0][..]));
        assert!(rows.has(S, 1) && rows.has(T, 1) && !rows.has(T, 2));
    }

    #[test]
    fn a_large_vocabulary_keeps_enough_rows_for_a_completion() {
        assert_eq!(Rows::new(152_000).limit, AT_LEAST);
        assert_eq!(Rows::new(8_192).limit, 256);
    }
}
