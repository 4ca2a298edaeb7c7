//! Random numbers that are the same on every machine for the same seed. Not for secrets.

/// SplitMix64: one multiplication-based step per number, any seed is a good seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly spread over `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly spread over `0..limit`; 0 for a limit of 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.unit() * limit as f64) as usize
    }

    /// True in a share of `probability` of the calls.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A value with the distribution that `knots` describes: (share of values below, value), both rising;
    /// between two knots the logarithm of the value runs straight.
    pub fn by_quantiles(&mut self, knots: &[(f64, f64)]) -> f64 {
        let share = self.unit();
        let Some(pair) = knots.windows(2).find(|pair| share < pair[1].0) else {
            return knots.last().map_or(0.0, |last| last.1);
        };
        let [(left, low), (right, high)] = [pair[0], pair[1]];
        let along = ((share - left) / (right - left)).max(0.0);
        (low.ln() + along * (high.ln() - low.ln())).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_everywhere() {
        let mut random = Random::new(7);
        let first: Vec<usize> = (0..6).map(|_| random.below(1000)).collect();
        assert_eq!(first, {
            let mut again = Random::new(7);
            (0..6).map(|_| again.below(1000)).collect::<Vec<_>>()
        });
        // Reference values of SplitMix64 for seed 1234567, from its author's C code.
        let mut reference = Random::new(1_234_567);
        assert_eq!(
            [reference.next(), reference.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn quantiles_are_met() {
        let knots = [(0.0, 10.0), (0.5, 100.0), (1.0, 200.0)];
        let mut random = Random::new(1);
        let values: Vec<f64> = (0..10_000).map(|_| random.by_quantiles(&knots)).collect();
        assert!(values.iter().all(|value| (10.0..200.0).contains(value)));
        let below_the_median = values.iter().filter(|value| **value < 100.0).count();
        assert!(
            (4_800..5_200).contains(&below_the_median),
            "{below_the_median}"
        );
    }
}
