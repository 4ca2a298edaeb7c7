//! `--calibrate`: the weights of a family of models, found on the development part, judged on the other one, and written
//! where the program is built from.

use std::{fs, io, path::Path};

use anyhow::Context;

use super::{
    super::{Unusable, settings::unreadable},
    files::File,
    fit::fit,
    judged::Judged,
    places::Place,
    summary::Figures,
};
use crate::{
    report::{percent, thousands},
    suggest::gate::{Evidence, Table, Weights},
};

/// Fewer suggestions teach nothing that holds elsewhere.
const FEWEST: usize = 200;

/// How good the probabilities are that `says` gives.
pub(super) fn judged<'p>(
    places: impl Iterator<Item = &'p Place> + Clone,
    says: impl Fn(&Evidence) -> f64,
) -> Judged {
    let known: Vec<(f64, bool)> = known(places.clone())
        .into_iter()
        .map(|(evidence, is_right)| (says(&evidence), is_right))
        .collect();
    Judged::new(&known, places.count())
}

/// The evidence of all suggestions of the first column, and whether they were right.
fn known<'p>(places: impl Iterator<Item = &'p Place>) -> Vec<(Evidence, bool)> {
    places
        .filter_map(|place| {
            let asked = place.asked.first()?;
            Some((asked.evidence?, asked.guess.is_right))
        })
        .collect()
}

/// Finds the weights of the model's family, says how good they are, and writes them into the table in `path`, beside
/// those of other families.
pub(super) fn calibrate(
    path: &Path,
    figures: &Figures,
    files: &[File],
    seed: u64,
) -> anyhow::Result<()> {
    let of_part = |is_development: bool| {
        (figures.places.iter())
            .filter(move |place| files[place.cursor.file].is_development == is_development)
    };
    let known = known(of_part(true));
    let from = format!(
        "{}, {} suggestions, seed {seed}",
        figures.model,
        thousands(known.len() as u64)
    );
    let weights = fit(&known, from).filter(|_| known.len() >= FEWEST);
    let Some(weights) = weights else {
        return Err(Unusable(format!(
            "{} suggestions in the development part are too few to learn from; ask at more places with `--cursors`, or give a folder with more packages",
            known.len()
        ))
        .into());
    };
    let judged = judged(of_part(false), |evidence| weights.probability(evidence));
    let mut table = match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str::<Table>(&text).map_err(|error| {
            Unusable(format!(
                "`{}` is no table of weights: {error}",
                path.display()
            ))
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Table::new(),
        Err(error) => return Err(unreadable(path, &error).into()),
    };
    super::super::say(&format!(
        "`{}`: {}; calibration error {}, log loss {:.3} bits on the {} suggestions of the other part; {} and {:.3} before",
        figures.family,
        said(&weights),
        percent(judged.error),
        judged.log_loss,
        thousands(judged.n as u64),
        percent(figures.gate.error),
        figures.gate.log_loss,
    ));
    table.insert(figures.family.clone(), weights);
    let text = serde_json::to_string_pretty(&table)?;
    fs::write(path, format!("{text}\n"))
        .with_context(|| format!("while writing `{}`", path.display()))
}

fn said(weights: &Weights) -> String {
    let all = weights.weights.iter();
    let all = all.map(|(name, weight)| format!("{name} {weight}"));
    let all: Vec<String> = [format!("{}", weights.intercept)]
        .into_iter()
        .chain(all)
        .collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        cli::eval::{
            cursors::{Cursor, Law},
            places::{Asked, Guess},
        },
        syntax::language::Language,
    };

    /// Surer suggestions are right more often.
    fn figures(n: usize) -> Figures {
        let place = |at: usize| Place {
            cursor: Cursor {
                file: at % 2,
                law: Law::NextLine,
                at: 0,
                end: 0,
            },
            target: String::new(),
            asked: vec![Asked {
                guess: Guess {
                    is_right: at % 7 < 3,
                    ..Guess::default()
                },
                evidence: Some(Evidence {
                    mean: if at % 7 < 4 { -0.1 } else { -2.0 },
                    ..Evidence::default()
                }),
                ..Asked::default()
            }],
            copied: Guess::default(),
            cached: Guess::default(),
        };
        Figures {
            family: "ghostline".to_owned(),
            model: "a model".to_owned(),
            places: (0..n).map(place).collect(),
            ..Figures::default()
        }
    }

    fn files() -> [File; 2] {
        [true, false].map(|is_development| File {
            name: "a.rs".to_owned(),
            language: Language::of("", Some(Path::new("a.rs"))),
            text: String::new(),
            is_development,
        })
    }

    #[test]
    fn the_familys_weights_are_replaced_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.json");
        let other = r#"{"others": {"from": "x", "intercept": 1.0, "weights": {}}}"#;
        fs::write(&path, other).unwrap();
        calibrate(&path, &figures(1400), &files(), 3).unwrap();
        let table: Table = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(table["others"].intercept, 1.0);
        let weights = &table["ghostline"];
        assert_eq!(weights.from, "a model, 700 suggestions, seed 3");
        let said = |mean: f32| {
            weights.probability(&Evidence {
                mean,
                ..Evidence::default()
            })
        };
        assert!((said(-0.1) - 0.75).abs() < 0.03 && said(-2.0) < 0.1);
        let judged = judged(figures(1400).places.iter(), |evidence| {
            weights.probability(evidence)
        });
        assert!(judged.error < 0.05 && judged.n == 1400);
    }

    #[test]
    fn too_few_suggestions_and_files_that_are_no_table_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.json");
        let error = calibrate(&path, &figures(20), &files(), 1).unwrap_err();
        assert!(error.to_string().starts_with("10 suggestions") && !path.exists());
        fs::write(&path, "[]").unwrap();
        let error = calibrate(&path, &figures(1400), &files(), 1).unwrap_err();
        assert!(error.to_string().contains("is no table of weights"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[]");
    }
}
