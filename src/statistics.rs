//! How many suggestions were shown, accepted and rejected, by day, language and model: one small file of this machine's
//! user. Counts only, never text, and nobody else hears of them. What is counted is decided in `suggest/fate.rs`, how it
//! is printed in `cli/stats.rs`.
//!
//! Several servers share the file. Whoever adds to it reads, adds and replaces it as a whole, under a lock that the
//! system drops with its process; so no count is lost, and what is read is never half a file.

mod file;
mod recorder;

use std::{
    collections::BTreeMap,
    fmt,
    ops::AddAssign,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    report::FRAME,
    suggest::fate::{About, End},
};

pub use file::{StatisticsError, add, path, read, reset};
pub use recorder::Recorder;

/// How many days are kept.
const DAYS: usize = 400;
/// How many pairs of language and model are told apart on one day; the rest is counted as `other`.
const PAIRS: usize = 64;
/// The longest name that is written, in characters.
const MAX_NAME: usize = 64;

/// Days since 1970-01-01, in UTC: the standard library knows no time zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Day(pub i64);

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Suggestions that stood long enough to be seen, or were used or dismissed before that. The others below are
    /// part of it; what is left went away by something that says nothing about it.
    pub shown: u64,
    pub accepted: u64,
    pub partly_accepted: u64,
    /// Characters that were accepted.
    pub characters: u64,
    pub typed_along: u64,
    pub typed_away: u64,
    pub dismissed: u64,
    /// In how much time they were there.
    pub latency: Latency,
}

/// How many came within how much time, from reading the request to its answer; each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    pub within_a_frame: u64,
    pub within_50_ms: u64,
    pub within_100_ms: u64,
    pub within_300_ms: u64,
    pub slower: u64,
}

/// All that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// By language, then by model.
    pub days: BTreeMap<Day, BTreeMap<String, BTreeMap<String, Tally>>>,
}

impl Statistics {
    /// Counts the end of one suggestion.
    pub fn count(&mut self, day: Day, about: &About, end: End) {
        let languages = self.days.entry(day).or_default();
        let (mut language, mut model) = (name(&about.language), name(&about.model));
        let is_known = (languages.get(&language)).is_some_and(|models| models.contains_key(&model));
        if !is_known && languages.values().map(BTreeMap::len).sum::<usize>() >= PAIRS {
            (language, model) = ("other".to_owned(), "other".to_owned());
        }
        let models = languages.entry(language).or_default();
        *models.entry(model).or_default() += Tally::of(end, about.latency);
    }

    /// The sum of all.
    pub fn total(&self) -> Tally {
        self.by_language_and_model()
            .into_iter()
            .fold(Tally::default(), |mut sum, (_, tally)| {
                sum += tally;
                sum
            })
    }

    /// All days together, the most frequent first.
    pub fn by_language_and_model(&self) -> Vec<((&str, &str), Tally)> {
        let mut sums: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
        for (language, models) in self.days.values().flatten() {
            for (model, tally) in models {
                *sums.entry((language, model)).or_default() += *tally;
            }
        }
        let mut sums = Vec::from_iter(sums);
        sums.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.shown));
        sums
    }

    /// The sum of one day.
    pub fn of(&self, day: Day) -> Tally {
        let mut sum = Tally::default();
        for tally in self.days.get(&day).into_iter().flat_map(|it| it.values()) {
            tally.values().for_each(|tally| sum += *tally);
        }
        sum
    }

    /// Only the days from `first` on.
    #[must_use]
    pub fn since(mut self, first: Day) -> Statistics {
        self.days = self.days.split_off(&first);
        self
    }

    fn merge(&mut self, other: &Statistics) {
        for (day, languages) in &other.days {
            for (language, models) in languages {
                for (model, tally) in models {
                    let day = self.days.entry(*day).or_default();
                    let models = day.entry(language.clone()).or_default();
                    *models.entry(model.clone()).or_default() += *tally;
                }
            }
        }
        while self.days.len() > DAYS {
            self.days.pop_first();
        }
    }
}

impl Tally {
    fn of(end: End, latency: Duration) -> Tally {
        let mut tally = Tally {
            shown: 1,
            latency: Latency::of(latency),
            ..Tally::default()
        };
        match end {
            End::Accepted { characters } => {
                tally.accepted = 1;
                tally.characters = characters as u64;
            }
            End::PartlyAccepted { characters } => {
                tally.partly_accepted = 1;
                tally.characters = characters as u64;
            }
            End::TypedAlong => tally.typed_along = 1,
            End::TypedAway => tally.typed_away = 1,
            End::Dismissed => tally.dismissed = 1,
            End::Left => {}
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        let sums = [
            (&mut self.shown, other.shown),
            (&mut self.accepted, other.accepted),
            (&mut self.partly_accepted, other.partly_accepted),
            (&mut self.characters, other.characters),
            (&mut self.typed_along, other.typed_along),
            (&mut self.typed_away, other.typed_away),
            (&mut self.dismissed, other.dismissed),
            (
                &mut self.latency.within_a_frame,
                other.latency.within_a_frame,
            ),
            (&mut self.latency.within_50_ms, other.latency.within_50_ms),
            (&mut self.latency.within_100_ms, other.latency.within_100_ms),
            (&mut self.latency.within_300_ms, other.latency.within_300_ms),
            (&mut self.latency.slower, other.latency.slower),
        ];
        for (sum, more) in sums {
            // The file is anybody's to write to.
            *sum = sum.saturating_add(more);
        }
    }
}

impl Latency {
    fn of(latency: Duration) -> Latency {
        let mut within = Latency::default();
        let count = match latency.as_micros() {
            us if us <= FRAME.as_micros() => &mut within.within_a_frame,
            us if us <= 50_000 => &mut within.within_50_ms,
            us if us <= 100_000 => &mut within.within_100_ms,
            us if us <= 300_000 => &mut within.within_300_ms,
            _ => &mut within.slower,
        };
        *count = 1;
        within
    }
}

impl Day {
    pub fn today() -> Day {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Day(since.map_or(0, |since| since.as_secs() as i64 / 86_400))
    }

    pub fn days_before(self, days: usize) -> Day {
        Day(self.0 - days as i64)
    }
}

impl fmt::Display for Day {
    /// `2026-11-26`, by the calendar that repeats every 400 years, which begins in March so that leap days come last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leaps) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Day, String> {
        let wrong = || format!("`{text}` is no day");
        let parts = text.splitn(3, '-').map(str::parse::<i64>);
        let parts: Result<Vec<i64>, _> = parts.collect();
        let [year, month, day] = parts.map_err(|_| wrong())?[..] else {
            return Err(wrong());
        };
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
            return Err(wrong());
        }
        let (shifted, month) = (year - i64::from(month <= 2), (month + 9) % 12);
        let (era, year_of_era) = (shifted / 400, shifted % 400);
        let day_of_year = (153 * month + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let day = Day(era * 146_097 + day_of_era - 719_468);
        // Only a day that there is comes out as it went in.
        (day.to_string() == text).then_some(day).ok_or_else(wrong)
    }
}

/// A name as it is written: short, and in one line, whatever the editor or a model file calls itself.
fn name(name: &str) -> String {
    let mut name: String = name
        .chars()
        .filter(|character| !character.is_control())
        .take(MAX_NAME)
        .collect();
    if name.trim().is_empty() {
        "unknown".clone_into(&mut name);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(language: &str, latency: u64) -> About {
        About {
            language: language.to_owned(),
            model: "small".to_owned(),
            latency: Duration::from_millis(latency),
        }
    }

    #[test]
    fn days_are_written_as_dates_and_read_again() {
        for (day, date) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (20_783, "2026-11-26"),
            (20_818, "2026-12-31"),
            (20_819, "2027-01-01"),
        ] {
            assert_eq!(Day(day).to_string(), date);
            assert_eq!(Day::try_from(date.to_owned()), Ok(Day(day)));
        }
        for no_day in [
            "2026-02-29",
            "2026-13-01",
            "1026-01-01",
            "2026-1-1",
            "today",
            "",
        ] {
            assert!(Day::try_from(no_day.to_owned()).is_err(), "{no_day}");
        }
    }

    #[test]
    fn each_end_is_counted_where_it_belongs() {
        let mut statistics = Statistics::default();
        let ends = [
            End::Accepted { characters: 7 },
            End::PartlyAccepted { characters: 3 },
            End::TypedAlong,
            End::TypedAway,
            End::Dismissed,
            End::Left,
        ];
        for (n, end) in ends.into_iter().enumerate() {
            statistics.count(Day(n as i64 % 2), &about("rust", 4 << n), end);
        }
        let total = statistics.total();
        let expected = Tally {
            shown: 6,
            accepted: 1,
            partly_accepted: 1,
            characters: 10,
            typed_along: 1,
            typed_away: 1,
            dismissed: 1,
            latency: Latency {
                within_a_frame: 3,
                within_50_ms: 1,
                within_100_ms: 1,
                within_300_ms: 1,
                slower: 0,
            },
        };
        assert_eq!(total, expected);
        assert_eq!(statistics.of(Day(0)).shown, 3);
        assert_eq!(statistics.clone().since(Day(1)).total().shown, 3);
    }

    #[test]
    fn the_most_frequent_stand_first() {
        let mut statistics = Statistics::default();
        statistics.count(Day(1), &about("python", 1), End::Left);
        for day in 1..3 {
            statistics.count(Day(day), &about("rust", 1), End::Left);
        }
        let by = statistics.by_language_and_model();
        assert_eq!((by[0].0, by[0].1.shown), (("rust", "small"), 2));
        assert_eq!((by[1].0, by[1].1.shown), (("python", "small"), 1));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut statistics = Statistics::default();
        for n in 0..1_000 {
            let language = format!("\u{1b}language\n{n} {}", "x".repeat(1_000));
            statistics.count(Day(1), &about(&language, 1), End::Left);
        }
        let day = &statistics.days[&Day(1)];
        assert_eq!(day.len(), PAIRS + 1);
        assert_eq!(day["other"]["other"].shown, 1_000 - PAIRS as u64);
        assert!(
            day.keys()
                .all(|name| name.len() <= MAX_NAME && !name.contains('\n'))
        );
        let mut all = Statistics::default();
        for day in 0..1_000 {
            let mut one = Statistics::default();
            one.count(Day(day), &about("rust", 1), End::Left);
            all.merge(&one);
        }
        assert_eq!(all.days.len(), DAYS);
        assert!(all.days.contains_key(&Day(999)));
    }
}
