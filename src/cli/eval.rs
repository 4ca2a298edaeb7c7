//! `ghostline eval`: how often ghost text is right, in a folder of source code: for the project's figures, and for
//! whoever wants to know which model is good for their own code.
//!
//! A server like the one that editors start is asked at places where the rest of a line is missing, beside two simple
//! ways to guess it; then lines are typed back in. Only the bits per byte go past the server. What is measured is
//! defined in docs/evaluation.md. How long answers take is the bench's business.

mod alone;
mod bits;
mod cache;
mod calibrated;
mod copy;
mod cursors;
mod desk;
mod files;
mod fit;
mod interval;
mod judged;
mod likeness;
mod picture;
mod places;
mod progress;
mod reliability;
mod summary;
mod typed;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use super::{Global, Unusable, log, print, settings};
use crate::{
    config::{Config, Level, Origin},
    models,
    report::thousands,
    suggest::gate,
    syntax::language::Language,
};
use cursors::Law;
use desk::Desk;
use files::{File, Part};
use places::Place;
use progress::Progress;
use summary::{AtThreshold, Figures, Known, Typing};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The folder with source code, a project of yours for example
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// At how many places to ask, for each language and each kind of place
    #[arg(long, default_value_t = 300, value_name = "N")]
    cursors: usize,
    /// How many keystrokes to type for each language
    #[arg(long, default_value_t = 3000, value_name = "N")]
    keystrokes: usize,
    /// Only this language, `rust` for example; may be given several times
    #[arg(long, value_name = "NAME")]
    language: Vec<String>,
    /// Beside it, the same with this switched off; may be given several times
    #[arg(long, value_enum, value_name = "WHAT")]
    without: Vec<Without>,
    /// Only a part of the folder's packages, so that what is chosen by the figures of one is judged by those of the other
    #[arg(long, value_enum, default_value_t)]
    part: Part,
    /// Another seed asks at other places
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Type with these values of `completion.min_confidence`, too, to see what each saves
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = probability)]
    thresholds: Vec<f64>,
    /// Find the weights by which ghost text is judged on the development part, judge them on the other one, and write them into this file (`models/gate.json`)
    #[arg(long, value_name = "FILE", conflicts_with = "part")]
    calibrate: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the figures into this file, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draw how often what is said to be likely is right into this file
    #[arg(long, value_name = "FILE")]
    reliability: Option<PathBuf>,
    /// Write each place and what was said there into this file, as lines of JSON; they hold source code
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
}

fn probability(text: &str) -> Result<f64, &'static str> {
    text.parse()
        .ok()
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or("a number from 0 to 1")
}

/// What can be switched off to see what it brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Without {
    /// The half-typed word at the cursor goes to the model like any other text
    Healing,
    /// What stands elsewhere in the open files does not count beside the model's own opinion
    Cache,
    /// Only what stands elsewhere in the open file, as it is said while a model is loading
    Model,
}

impl Without {
    fn name(self) -> &'static str {
        match self {
            Without::Healing => "without healing",
            Without::Cache => "without cache",
            Without::Model => "without model",
        }
    }

    /// Of the server; `None` if there is none.
    fn settings(self) -> Option<Value> {
        match self {
            Without::Healing => Some(json!({"engine": {"healing": false}})),
            Without::Cache => Some(json!({"completion": {"live_cache": false}})),
            Without::Model => None,
        }
    }
}

/// Everything that is measured.
struct Evaluation<'a> {
    global: &'a Global,
    options: &'a Options,
    files: Vec<File>,
    languages: Vec<&'static Language>,
}

/// What the model itself says.
struct KnownModel {
    of_languages: Vec<Known>,
    /// The name of its prompt format.
    family: String,
}

pub(super) fn run(global: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    let (layered, warnings) = settings::load(global)?;
    let mut config = layered.config().clone();
    if layered.origin("log.level") == Origin::Default {
        config.log.level = Level::Off;
    }
    log::Log::start(&config.log);
    for warning in warnings {
        super::say(&warning.to_string());
    }
    if options.cursors == 0 && options.keystrokes == 0 {
        let sentence = "there is nothing to measure: `--cursors` and `--keystrokes` are 0";
        return Err(Unusable(sentence.to_owned()).into());
    }
    let files = files::files(
        &options.folder,
        &config.files.exclude,
        &options.language,
        options.part,
    )?;
    let mut languages: Vec<&'static Language> = files.iter().map(|file| file.language).collect();
    languages.sort_by(|a, b| a.name.cmp(&b.name));
    languages.dedup_by(|a, b| std::ptr::eq(*a, *b));
    let evaluation = Evaluation {
        global,
        options,
        files,
        languages,
    };
    let figures = evaluation.measure(&config)?;
    evaluation.report(&figures)
}

impl Evaluation<'_> {
    fn measure(&self, config: &Config) -> anyhow::Result<Figures> {
        let Options { cursors, seed, .. } = *self.options;
        let mut progress = Progress::new();
        let known = self.known(config, &mut progress)?;
        let mut places: Vec<Place> = Vec::new();
        for language in &self.languages {
            for law in Law::ALL {
                let drawn = cursors::draw(&self.files, language, law, cursors, seed);
                places.extend(
                    drawn
                        .into_iter()
                        .map(|cursor| Place::new(cursor, &self.files)),
                );
            }
        }
        let columns = [("ghostline", Some(json!({})))].into_iter().chain(
            (self.options.without.iter()).map(|without| (without.name(), without.settings())),
        );
        let mut figures = Figures::default();
        let mut typing = self.typed_by_baselines(&mut progress)?;
        for (name, settings) in columns {
            figures.columns.push(name);
            let Some(settings) = settings else {
                for place in &mut places {
                    place.ask_alone(&self.files);
                }
                for (language, typing) in self.languages.iter().zip(&mut typing) {
                    let says = |text: &str, cursor| alone::says(text, cursor, language);
                    let typed = self.typed_by(language, &mut progress, &says)?;
                    typing.by_ghostline.push(typed);
                }
                continue;
            };
            let mut desk = Desk::start(self.global, &settings)?;
            figures.model = desk.model.clone();
            let n_places = places.len();
            for (number, place) in places.iter_mut().enumerate() {
                progress.show(&format!("{name}: place"), number + 1, n_places);
                place.ask(&self.files, &mut desk)?;
            }
            for (language, typing) in self.languages.iter().zip(&mut typing) {
                typing.by_ghostline.push(self.typed(
                    language,
                    &mut progress,
                    &mut typed::Served {
                        desk: &mut desk,
                        open: None,
                    },
                )?);
            }
            desk.shut_down()?;
        }
        for threshold in &self.options.thresholds {
            let settings = json!({"completion": {"min_confidence": threshold}});
            let mut desk = Desk::start(self.global, &settings)?;
            for language in &self.languages {
                let mut served = typed::Served {
                    desk: &mut desk,
                    open: None,
                };
                let typed = self.typed(language, &mut progress, &mut served)?;
                let of = AtThreshold::new(*threshold, language, &typed);
                figures.at_thresholds.push(of);
            }
            desk.shut_down()?;
        }
        progress.end();
        figures.summarise(
            &self.languages,
            &self.files,
            places,
            &typing,
            &known.of_languages,
        );
        let is_judged = |place: &&Place| {
            self.options.calibrate.is_none() || !self.files[place.cursor.file].is_development
        };
        figures.gate = calibrated::judged(figures.places.iter().filter(is_judged), |evidence| {
            gate::probability(evidence, &known.family)
        });
        figures.family = known.family;
        Ok(figures)
    }

    /// The bits per byte in each language, from the model itself.
    fn known(&self, config: &Config, progress: &mut Progress) -> anyhow::Result<KnownModel> {
        let mut loader = models::loader(config);
        let (mut model, summary) = loader(&mut |_| true).map_err(anyhow::Error::new)?;
        let mut of_languages = Vec::new();
        for language in &self.languages {
            let drawn = bits::draw(
                &self.files,
                language,
                self.options.cursors,
                self.options.seed,
            );
            let mut pairs = Vec::new();
            for (number, stretch) in drawn.iter().enumerate() {
                progress.show(
                    &format!("{}: stretch", language.name),
                    number + 1,
                    drawn.len(),
                );
                pairs.push(bits::bits(
                    &mut *model,
                    &summary.plan,
                    &self.files,
                    *stretch,
                )?);
            }
            of_languages.push(Known { pairs });
        }
        Ok(KnownModel {
            of_languages,
            family: summary.plan.format.name.clone(),
        })
    }

    fn typed_by_baselines(&self, progress: &mut Progress) -> anyhow::Result<Vec<Typing>> {
        let copied = |text: &str, cursor: usize| copy::copied(text, cursor).to_owned();
        self.languages
            .iter()
            .map(|language| {
                Ok(Typing {
                    by_ghostline: Vec::new(),
                    by_copying: self.typed_by(language, progress, &copied)?,
                    by_cache: self.typed_by(language, progress, &cache::guessed)?,
                })
            })
            .collect()
    }

    /// Types the passages of a language with what `says` guesses at each place.
    fn typed_by(
        &self,
        language: &Language,
        progress: &mut Progress,
        says: &dyn Fn(&str, usize) -> String,
    ) -> anyhow::Result<Vec<typed::Typed>> {
        let mut computed = typed::Computed {
            says,
            text: String::new(),
            ghost: String::new(),
        };
        self.typed(language, progress, &mut computed)
    }

    /// Types the passages of a language.
    fn typed(
        &self,
        language: &Language,
        progress: &mut Progress,
        suggests: &mut dyn typed::Suggests,
    ) -> anyhow::Result<Vec<typed::Typed>> {
        let Options {
            keystrokes, seed, ..
        } = *self.options;
        let passages = typed::draw(&self.files, language, keystrokes, seed);
        let mut all = Vec::new();
        for (number, passage) in passages.iter().enumerate() {
            progress.show(
                &format!("{}: passage", language.name),
                number + 1,
                passages.len(),
            );
            all.push(typed::type_in(passage, &self.files, suggests)?);
        }
        Ok(all)
    }

    /// Writes the files that are wanted, prints the rest.
    fn report(&self, figures: &Figures) -> anyhow::Result<ExitCode> {
        let options = self.options;
        let about = self.about(figures);
        if let Some(path) = &options.svg {
            let svg = picture::svg(figures, &about);
            fs::write(path, svg).with_context(|| format!("while writing `{}`", path.display()))?;
        }
        if let Some(path) = &options.reliability {
            let svg = reliability::svg(&figures.gate, &figures.model);
            fs::write(path, svg).with_context(|| format!("while writing `{}`", path.display()))?;
        }
        if let Some(path) = &options.cases {
            let lines = figures.places.iter().map(|place| place.record(&self.files));
            let lines: String = lines.map(|line| format!("{line}\n")).collect();
            fs::write(path, lines)
                .with_context(|| format!("while writing `{}`", path.display()))?;
        }
        if options.json {
            let about = json!({
                "version": env!("CARGO_PKG_VERSION"), "seed": options.seed, "part": options.part.name(),
                "files": self.files.len(),
            });
            let mut all = serde_json::to_value(figures).map_err(|error| anyhow!(error))?;
            if let (Value::Object(all), Value::Object(about)) = (&mut all, about) {
                all.extend(about);
            }
            print(&format!("{all:#}\n"))?;
        } else {
            print(&format!("{about}\n\n{}", figures.tables()))?;
        }
        // At the end: where there is too little to learn from, the figures are there all the same.
        if let Some(path) = &options.calibrate {
            calibrated::calibrate(path, figures, &self.files, options.seed)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn about(&self, figures: &Figures) -> String {
        let part = match self.options.part {
            Part::All => String::new(),
            part => format!(" ({} part)", part.name()),
        };
        format!(
            "{}, {} files{part}, {} places, seed {}",
            figures.model,
            thousands(self.files.len() as u64),
            thousands(figures.places.len() as u64),
            self.options.seed,
        )
    }
}
