//! Figures with the range in which they would fall in 95 of 100 such draws.

use serde::Serialize;

use super::super::random::Random;

/// The normal distribution's 97.5th percentile.
const Z: f64 = 1.959_964;
/// How often it is drawn anew for the range of a quotient.
const RESAMPLES: usize = 1000;

/// A figure, its 95 % confidence interval, and over how many draws it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) n: usize,
}

/// How large a share `hits` are of `n`, by Wilson's score interval (1927), which keeps within 0 and 1 and is right
/// for small shares, too; `None` for none of none.
pub(super) fn share(hits: usize, n: usize) -> Option<Estimate> {
    if n == 0 {
        return None;
    }
    let (count, value) = (n as f64, hits as f64 / n as f64);
    let scale = 1.0 / (1.0 + Z * Z / count);
    let center = scale * (value + Z * Z / (2.0 * count));
    let spread = scale * Z * (value * (1.0 - value) / count + Z * Z / (4.0 * count * count)).sqrt();
    Some(Estimate {
        value,
        // The sums are 0 and 1 at the ends, but for the last bit.
        low: if hits == 0 { 0.0 } else { center - spread },
        high: if hits == n { 1.0 } else { center + spread },
        n,
    })
}

/// How much larger one share is than another of the same `n` draws, where `more` of these are hits of the first alone and
/// `fewer` of the second alone; by the interval for matched pairs of Agresti and Min (2005), which adds half a draw
/// to each of the four kinds. `None` for none of none.
pub(super) fn difference(more: usize, fewer: usize, n: usize) -> Option<Estimate> {
    if n == 0 {
        return None;
    }
    let value = (more as f64 - fewer as f64) / n as f64;
    let (all, distance) = (n as f64 + 2.0, more as f64 - fewer as f64);
    let discordant = (more + fewer) as f64 + 1.0;
    let spread = Z * (discordant - distance * distance / all).sqrt() / all;
    Some(Estimate {
        value,
        low: (distance / all - spread).clamp(-1.0, value),
        high: (distance / all + spread).clamp(value, 1.0),
        n,
    })
}

/// The mean of `values` and its interval by the normal distribution.
pub(super) fn mean(values: &[f64]) -> Option<Estimate> {
    let n = values.len();
    let value = crate::report::mean(values)?;
    let squares: f64 = values.iter().map(|other| (other - value).powi(2)).sum();
    let spread = Z * (squares / (n.max(2) - 1) as f64 / n as f64).sqrt();
    // With a few values it may reach beyond what there can be.
    let lowest = values.iter().copied().fold(value, f64::min);
    let highest = values.iter().copied().fold(value, f64::max);
    Some(Estimate {
        value,
        low: (value - spread).max(lowest),
        high: (value + spread).min(highest),
        n,
    })
}

/// The sum of the first numbers over that of the second, and the middle 95 % of what comes out where the pairs are
/// drawn anew with replacement (the percentile bootstrap, Efron 1979). The same each time.
pub(super) fn quotient(pairs: &[(f64, f64)]) -> Option<Estimate> {
    let n = pairs.len();
    let of = |picked: &mut dyn Iterator<Item = (f64, f64)>| {
        let (upper, lower) = picked.fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
        (lower != 0.0).then(|| upper / lower)
    };
    let value = of(&mut pairs.iter().copied())?;
    let mut random = Random::new(n as u64);
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| of(&mut (0..n).map(|_| pairs[random.below(n)])))
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share).round() as usize];
    Some(Estimate {
        value,
        low: at(0.025).min(value),
        high: at(0.975).max(value),
        n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4
    }

    #[test]
    fn shares_have_wilsons_interval() {
        // Reference values of statsmodels' proportion_confint(…, method="wilson").
        let ten = share(1, 10).unwrap();
        assert!(near(ten.low, 0.0179) && near(ten.high, 0.4042), "{ten:?}");
        let half = share(100, 200).unwrap();
        assert!(
            near(half.low, 0.4314) && near(half.high, 0.5686),
            "{half:?}"
        );
        let none = share(0, 20).unwrap();
        assert!(none.low == 0.0 && near(none.high, 0.1611), "{none:?}");
        let all = share(20, 20).unwrap();
        assert!(near(all.low, 0.8389) && all.high == 1.0, "{all:?}");
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn differences_at_the_same_places_have_an_interval_for_pairs() {
        // Of 1,600 people 150 and 86 changed their mind on a prime minister (Agresti 2002, section 10.1: 0.021 to 0.059).
        let changed = difference(150, 86, 1600).unwrap();
        assert!(near(changed.value, 0.0400), "{changed:?}");
        assert!(
            near(changed.low, 0.0211) && near(changed.high, 0.0588),
            "{changed:?}"
        );
        let same = difference(0, 0, 100).unwrap();
        assert!(same.low < 0.0 && same.value == 0.0 && same.high > 0.0);
        let most = difference(10, 0, 10).unwrap();
        assert!(most.value == 1.0 && most.high == 1.0 && most.low > 0.5);
        assert_eq!(difference(0, 0, 0), None);
    }

    #[test]
    fn means_have_a_normal_interval() {
        let some = mean(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        // The standard error is 1.29099 / 2.
        assert!(
            near(some.value, 2.5) && near(some.high, 2.5 + 1.2651),
            "{some:?}"
        );
        let one = mean(&[7.0]).unwrap();
        assert_eq!((one.low, one.value, one.high), (7.0, 7.0, 7.0));
        let shares = mean(&[0.0, 0.0, 0.3]).unwrap();
        assert_eq!(shares.low, 0.0);
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn a_quotients_interval_holds_it_and_narrows_with_more_draws() {
        let pairs = |n: usize| -> Vec<(f64, f64)> {
            (0..n)
                .map(|i| (f64::from((i * 7 % 5) as u8), 4.0))
                .collect()
        };
        let (few, many) = (
            quotient(&pairs(10)).unwrap(),
            quotient(&pairs(1000)).unwrap(),
        );
        assert!(near(few.value, 0.5) && near(many.value, 0.5));
        assert!(few.low <= 0.5 && few.high >= 0.5);
        assert!(many.high - many.low < (few.high - few.low) / 5.0);
        assert_eq!(quotient(&pairs(10)), quotient(&pairs(10)));
        assert_eq!(quotient(&[]), None);
        assert_eq!(quotient(&[(1.0, 0.0)]), None);
    }
}
