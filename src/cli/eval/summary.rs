//! What all places and passages add up to, and the tables that people read.

use serde::Serialize;

use super::{
    cursors::Law,
    files::File,
    interval::{Estimate, difference, mean, quotient, share},
    judged::Judged,
    places::{Asked, Guess, Place},
    typed::Typed,
};
use crate::{
    report::{Table, percent, thousands},
    syntax::language::Language,
};

/// Everything that was measured. JSON is made of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    /// The model's name.
    pub(super) model: String,
    /// The name of its prompt format, by which its weights are known.
    pub(super) family: String,
    /// The ways in which the server was run; the first is the usual one.
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    pub(super) languages: Vec<OfLanguage>,
    /// How good the probabilities are by which ghost text is shown or not.
    pub(super) gate: Judged,
    /// Keystrokes saved where `completion.min_confidence` is something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) at_thresholds: Vec<AtThreshold>,
    #[serde(skip)]
    pub(super) places: Vec<Place>,
}

/// The places of one kind in one language.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) language: String,
    pub(super) law: Law,
    pub(super) n: usize,
    /// One for each column.
    pub(super) ghostline: Vec<Shown>,
    pub(super) copy: Exact,
    pub(super) cache: Exact,
    /// The first column or copying.
    pub(super) either: Option<Estimate>,
    /// By how much more often the first column is right, at the same places: than each other one, copying, and the
    /// n-gram cache.
    pub(super) ahead: Vec<Option<Estimate>>,
}

/// How good guesses are.
#[derive(Debug, Serialize)]
pub(super) struct Exact {
    /// The share of places whose line is guessed to its end.
    pub(super) exact: Option<Estimate>,
    pub(super) similarity: Option<Estimate>,
}

/// How good ghost text is.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// Of all that the model would say.
    #[serde(flatten)]
    pub(super) all: Exact,
    /// The share of places at which something is shown by itself.
    pub(super) shown: Option<Estimate>,
    /// The share of that whose first line is right.
    pub(super) precision: Option<Estimate>,
    /// The share of places at which only the beginning of the line is shown.
    pub(super) beginnings: Option<Estimate>,
    /// The share of these that are right.
    pub(super) beginnings_right: Option<Estimate>,
    /// The share of places at which an editor would have given up waiting.
    pub(super) late: f64,
}

/// What is measured once for each language.
#[derive(Debug, Serialize)]
pub(super) struct OfLanguage {
    pub(super) language: String,
    pub(super) bits_per_byte: Option<Estimate>,
    pub(super) keystrokes: usize,
    /// Shares of the keystrokes, one for each column.
    pub(super) saved: Vec<Option<Estimate>>,
    pub(super) saved_by_copying: Option<Estimate>,
    pub(super) saved_by_cache: Option<Estimate>,
    /// By how many of the keystrokes the first column saves more: than each other one, copying, and the n-gram cache.
    pub(super) ahead: Vec<Option<Estimate>>,
}

/// What comes of typing where `completion.min_confidence` is `threshold`.
#[derive(Debug, Serialize)]
pub(super) struct AtThreshold {
    pub(super) threshold: f64,
    pub(super) language: String,
    pub(super) saved: Option<Estimate>,
    /// The share of keys after which something was shown.
    pub(super) shown: f64,
}

impl AtThreshold {
    pub(super) fn new(threshold: f64, language: &Language, typed: &[Typed]) -> AtThreshold {
        let sum = |of: fn(&Typed) -> usize| typed.iter().map(of).sum::<usize>() as f64;
        AtThreshold {
            threshold,
            language: language.name.clone(),
            saved: saved(typed),
            shown: sum(|typed| typed.shown) / sum(|typed| typed.pressed).max(1.0),
        }
    }
}

/// Bits and bytes of each stretch of a language.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) pairs: Vec<(f64, f64)>,
}

/// What came of each passage of a language.
#[derive(Debug)]
pub(super) struct Typing {
    /// One for each column.
    pub(super) by_ghostline: Vec<Vec<Typed>>,
    pub(super) by_copying: Vec<Typed>,
    pub(super) by_cache: Vec<Typed>,
}

impl Figures {
    pub(super) fn summarise(
        &mut self,
        languages: &[&'static Language],
        files: &[File],
        places: Vec<Place>,
        typing: &[Typing],
        known: &[Known],
    ) {
        for ((language, typing), known) in languages.iter().zip(typing).zip(known) {
            for law in Law::ALL {
                let is_of_row = |place: &&Place| {
                    place.cursor.law == law
                        && std::ptr::eq(files[place.cursor.file].language, *language)
                };
                let of_row: Vec<&Place> = places.iter().filter(is_of_row).collect();
                if !of_row.is_empty() {
                    self.rows.push(Row::new(language, law, &of_row));
                }
            }
            self.languages.push(OfLanguage {
                language: language.name.clone(),
                bits_per_byte: quotient(&known.pairs),
                keystrokes: typing.by_copying.iter().map(|typed| typed.keys).sum(),
                saved: typing
                    .by_ghostline
                    .iter()
                    .map(|typed| saved(typed))
                    .collect(),
                saved_by_copying: saved(&typing.by_copying),
                saved_by_cache: saved(&typing.by_cache),
                ahead: typing.ahead(),
            });
        }
        self.places = places;
    }

    /// For people.
    pub(super) fn tables(&self) -> String {
        let ways = self
            .columns
            .iter()
            .copied()
            .chain(["copying", "n-gram cache"]);
        let ways: Vec<&str> = ways.collect();
        let head = |first: &'static str, others: &[&'static str]| -> Vec<String> {
            let all = [first, "n"].into_iter().chain(ways.iter().copied());
            all.chain(others.iter().copied())
                .map(str::to_owned)
                .collect()
        };
        let mut exact = Table::new(head("first line right", &["either"]));
        let mut similar = Table::new(head("edit similarity", &[]));
        let shown_head = self.columns.iter().flat_map(|column| {
            let others = ["of it right", "beginnings", "of them right"].map(str::to_owned);
            [format!("{column}: shown")].into_iter().chain(others)
        });
        let first = ["by itself".to_owned(), "n".to_owned()];
        let mut shown = Table::new(first.into_iter().chain(shown_head));
        for row in &self.rows {
            let name = format!("{}, {}", row.language, row.law.name());
            let start = [name, thousands(row.n as u64)];
            let all = || {
                let own = row.ghostline.iter().map(|shown| &shown.all);
                own.chain([&row.copy, &row.cache])
            };
            let cells = all()
                .map(|one| ranged(one.exact))
                .chain([ranged(row.either)]);
            exact.row(start.iter().cloned().chain(cells));
            similar.row(
                start
                    .iter()
                    .cloned()
                    .chain(all().map(|one| ranged(one.similarity))),
            );
            let cells = (row.ghostline.iter()).flat_map(|one| {
                [
                    one.shown,
                    one.precision,
                    one.beginnings,
                    one.beginnings_right,
                ]
                .map(ranged)
            });
            shown.row(start.iter().cloned().chain(cells));
        }
        let mut ahead = Table::new(
            ["ahead, percentage points", "n"]
                .iter()
                .chain(ways.get(1..).unwrap_or_default())
                .map(|way| (*way).to_owned()),
        );
        for row in &self.rows {
            let name = format!("{}, {}", row.language, row.law.name());
            let start = [name, thousands(row.n as u64)];
            ahead.row(start.into_iter().chain(row.ahead.iter().map(points)));
        }
        for of in &self.languages {
            let name = format!("{}, keystrokes saved", of.language);
            let start = [name, thousands(of.keystrokes as u64)];
            ahead.row(start.into_iter().chain(of.ahead.iter().map(points)));
        }
        let mut typed = Table::new(head("keystrokes saved", &[]));
        let mut bits = Table::new(["bits per byte", "n", ""]);
        for of in &self.languages {
            let start = [of.language.clone(), thousands(of.keystrokes as u64)];
            let all = of
                .saved
                .iter()
                .chain([&of.saved_by_copying, &of.saved_by_cache]);
            typed.row(start.into_iter().chain(all.map(|one| ranged(*one))));
            if let Some(of_model) = of.bits_per_byte {
                let Estimate {
                    value,
                    low,
                    high,
                    n,
                } = of_model;
                let figure = format!("{value:.3} ({low:.3}–{high:.3})");
                bits.row([of.language.clone(), thousands(n as u64), figure]);
            }
        }
        let tables = [exact, similar, shown, typed, ahead, bits];
        let mut texts: Vec<String> = tables.iter().map(Table::to_string).collect();
        if !self.at_thresholds.is_empty() {
            let mut table =
                Table::new(["threshold", "", "keys with ghost text", "saved"]).with_left(2);
            for of in &self.at_thresholds {
                let language = of.language.clone();
                let threshold = format!("{:.2}", of.threshold);
                table.row([threshold, language, percent(of.shown), ranged(of.saved)]);
            }
            texts.push(table.to_string());
        }
        texts.push(self.gate.table());
        format!(
            "{}\nIn brackets: the range of 95 %. What the figures mean: docs/evaluation.md.\n",
            texts.join("\n")
        )
    }
}

impl Typing {
    fn ahead(&self) -> Vec<Option<Estimate>> {
        let Some((own, others)) = self.by_ghostline.split_first() else {
            return Vec::new();
        };
        let others = others.iter().chain([&self.by_copying, &self.by_cache]);
        others
            .map(|other| {
                let pairs: Vec<(f64, f64)> = (own.iter().zip(other))
                    .map(|(own, other)| {
                        let fewer = other.pressed as f64 - own.pressed as f64;
                        (fewer, own.keys as f64)
                    })
                    .collect();
                quotient(&pairs)
            })
            .collect()
    }
}

impl Row {
    fn new(language: &Language, law: Law, places: &[&Place]) -> Row {
        let n_columns = places.first().map_or(0, |place| place.asked.len());
        let is_right = |place: &&Place| {
            place.copied.is_right
                || place
                    .asked
                    .first()
                    .is_some_and(|asked| asked.guess.is_right)
        };
        let n_right = places.iter().copied().filter(is_right).count();
        let ahead_of = |other: &dyn Fn(&Place) -> bool| {
            let own = |place: &Place| place.asked[0].guess.is_right;
            let count = |of: &dyn Fn(&Place) -> bool| places.iter().filter(|it| of(it)).count();
            let more = count(&|place| own(place) && !other(place));
            let fewer = count(&|place| !own(place) && other(place));
            (n_columns > 0)
                .then(|| difference(more, fewer, places.len()))
                .flatten()
        };
        let columns =
            (1..n_columns).map(|column| ahead_of(&move |place| place.asked[column].guess.is_right));
        let baselines = [
            ahead_of(&|place| place.copied.is_right),
            ahead_of(&|place| place.cached.is_right),
        ];
        Row {
            language: language.name.clone(),
            law,
            n: places.len(),
            ghostline: (0..n_columns)
                .map(|column| Shown::new(places.iter().map(|place| &place.asked[column]).collect()))
                .collect(),
            copy: Exact::new(places.iter().map(|place| &place.copied)),
            cache: Exact::new(places.iter().map(|place| &place.cached)),
            either: share(n_right, places.len()),
            ahead: columns.chain(baselines).collect(),
        }
    }
}

impl Exact {
    fn new<'g>(guesses: impl Iterator<Item = &'g Guess> + Clone) -> Exact {
        let n_right = guesses.clone().filter(|guess| guess.is_right).count();
        let likeness: Vec<f64> = guesses.map(|guess| guess.likeness).collect();
        Exact {
            exact: share(n_right, likeness.len()),
            similarity: mean(&likeness),
        }
    }
}

impl Shown {
    fn new(asked: Vec<&Asked>) -> Shown {
        let n_shown = asked.iter().filter(|asked| asked.is_shown).count();
        let is_right = |asked: &&&Asked| asked.is_shown && asked.guess.is_right;
        let beginnings: Vec<bool> = asked.iter().filter_map(|asked| asked.beginning).collect();
        let n_late = asked.iter().filter(|asked| asked.said.is_late).count();
        Shown {
            all: Exact::new(asked.iter().map(|asked| &asked.guess)),
            shown: share(n_shown, asked.len()),
            precision: share(asked.iter().filter(is_right).count(), n_shown),
            beginnings: share(beginnings.len(), asked.len()),
            beginnings_right: share(
                beginnings.iter().filter(|it| **it).count(),
                beginnings.len(),
            ),
            late: n_late as f64 / asked.len().max(1) as f64,
        }
    }
}

/// The share of keys that need not be pressed.
fn saved(typed: &[Typed]) -> Option<Estimate> {
    let pairs: Vec<(f64, f64)> = typed
        .iter()
        .map(|typed| (typed.keys as f64 - typed.pressed as f64, typed.keys as f64))
        .collect();
    quotient(&pairs)
}

/// `17.3 % (13.5–22.0)`
fn ranged(estimate: Option<Estimate>) -> String {
    let Some(Estimate {
        value, low, high, ..
    }) = estimate
    else {
        return "–".to_owned();
    };
    format!(
        "{} ({:.1}–{:.1})",
        percent(value),
        low * 100.0,
        high * 100.0
    )
}

/// `+3.5 (+1.2 to +5.7)`, in percentage points.
fn points(estimate: &Option<Estimate>) -> String {
    let Some(Estimate {
        value, low, high, ..
    }) = estimate
    else {
        return "–".to_owned();
    };
    let [value, low, high] = [value, low, high].map(|share| share * 100.0);
    format!("{value:+.1} ({low:+.1} to {high:+.1})")
}
