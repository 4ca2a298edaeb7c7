//! How near a guess comes to what was meant.

/// 1 where they are the same, 0 where nothing is: one less the edits that turn one into the other (characters put in,
/// taken out or replaced; Levenshtein 1966), as a share of the longer one.
pub(super) fn likeness(guess: &str, meant: &str) -> f64 {
    let (guess, meant): (Vec<char>, Vec<char>) = (guess.chars().collect(), meant.chars().collect());
    let longest = guess.len().max(meant.len());
    if longest == 0 {
        return 1.0;
    }
    1.0 - edits(&guess, &meant) as f64 / longest as f64
}

fn edits(from: &[char], to: &[char]) -> usize {
    // The edits from the first i characters to each beginning of `to`.
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, from) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edit_counts_once() {
        for (guess, meant, expected) in [
            ("", "", 1.0),
            ("abc", "abc", 1.0),
            ("", "abcd", 0.0),
            ("abcd", "", 0.0),
            ("abcd", "abxd", 0.75),
            ("abcd", "abd", 0.75),
            ("kitten", "sitting", 1.0 - 3.0 / 7.0),
            ("größe", "grösse", 1.0 - 2.0 / 6.0),
        ] {
            assert!((likeness(guess, meant) - expected).abs() < 1e-12, "{guess}");
            assert_eq!(likeness(guess, meant), likeness(meant, guess));
        }
    }
}
