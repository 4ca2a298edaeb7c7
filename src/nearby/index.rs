//! Where a text goes on behind the last few bytes of another: chains of places by the hash of the bytes before them.

use super::{Origin, page::Page};

/// Bytes that are hashed: few for what has hardly begun, more for what is common.
const SHINGLES: [usize; 2] = [3, 8];
/// How many places of a chain are looked at, the last ones first.
const STEPS: [usize; 2] = [192, 96];
const NONE: u32 = u32::MAX;
const BITS: u32 = 16;

/// A page that can be searched.
pub(super) struct Index {
    pub page: Page,
    chains: [Chains; 2],
    after_from: usize,
}

struct Chains {
    last: Vec<u32>,
    /// By place: the one before it with the same hash.
    before: Vec<u32>,
}

impl Index {
    pub fn new(page: Page) -> Index {
        let chains = SHINGLES.map(|n| Chains::new(&page.bytes, n));
        let after_from = page
            .lines
            .iter()
            .position(|line| line.origin == Origin::After);
        Index {
            after_from: after_from.unwrap_or(0),
            page,
            chains,
        }
    }

    /// The first line behind the cursor.
    pub fn after_from(&self) -> usize {
        self.after_from
    }

    /// Calls `found` with places behind which text goes on that is like `left`, and how alike it is. Some may
    /// come twice.
    pub fn find(&self, left: &[u8], mut found: impl FnMut(usize, usize)) {
        for ((chains, n), steps) in self.chains.iter().zip(SHINGLES).zip(STEPS) {
            if left.len() < n {
                continue;
            }
            let wanted = &left[left.len() - n..];
            let mut at = chains.last[hash(wanted)];
            for _ in 0..steps {
                if at == NONE {
                    break;
                }
                let place = at as usize;
                let length = self.page.matched(place, left);
                if length >= n && place < self.page.bytes.len() {
                    found(place, length);
                }
                at = chains.before[place];
            }
        }
    }
}

impl Chains {
    fn new(bytes: &[u8], n: usize) -> Chains {
        let mut chains = Chains {
            last: vec![NONE; 1 << BITS],
            before: vec![NONE; bytes.len() + 1],
        };
        let mut word = 0;
        for (at, byte) in bytes.iter().enumerate() {
            word = word << 8 | u64::from(*byte);
            let end = at + 1;
            if end >= n {
                let last = &mut chains.last[slot(word, n)];
                chains.before[end] = std::mem::replace(last, end as u32);
            }
        }
        chains
    }
}

fn hash(shingle: &[u8]) -> usize {
    let word = shingle
        .iter()
        .fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
    slot(word, shingle.len())
}

/// Where the chain of the last `n` bytes of `word` begins, 8 at most.
fn slot(word: u64, n: usize) -> usize {
    let word = word << (64 - 8 * n);
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BITS)) as usize
}
