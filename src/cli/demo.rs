//! `ghostline demo`: somebody types two functions into a source file of this project, with the real server at
//! the other end of a pipe. Drawn in the terminal, summed up in a table.

use std::{
    fs,
    io::{self, IsTerminal},
    ops::Range,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::json;

use super::{
    Global,
    editor::Editor,
    figures::Figures,
    picture::Recording,
    print, process,
    random::Random,
    replay::{Replayed, Sample, Watcher, replay},
    scene::Scene,
    screen::Screen,
    table::short_table,
    typing::{Session, Source},
    typist::Typist,
};

/// The file that is typed into, and how the first and the last function begin that are missing there.
/// Two that resemble each other: there the built-in model shows what it can.
const FILE_NAME: &str = "src/engine/llama/gguf.rs";
const FILE: &str = include_str!("../engine/llama/gguf.rs");
const FUNCTIONS: [&str; 2] = ["    fn u32(&mut self)", "    fn u64(&mut self)"];

/// Seed of the typist's rhythm and mistakes.
const SEED: u64 = 33;

/// A quick typist: in the median a key every 95 ms.
const TYPIST: f64 = 1.5;

/// How long somebody looks at ghost text before accepting it.
const HESITATION: Duration = Duration::from_millis(350);
/// Ghost text that is shorter than this is quicker typed.
const SHORTEST_ACCEPTED: usize = 4;
/// How long the last picture stands.
const LAST_LOOK: Duration = Duration::from_millis(1500);

/// The size of recordings, in characters.
const RECORDED: (usize, usize) = (92, 26);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many times as fast as a person to type
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = positive)]
    speed: f64,
    /// Record the demo as an animated SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, &'static str> {
    text.parse()
        .ok()
        .filter(|factor| (0.1..=100.0).contains(factor))
        .ok_or("a number from 0.1 to 100")
}

pub(super) fn run(global: &Global, options: &Options) -> anyhow::Result<ExitCode> {
    let session = session();
    let mut editor = Editor::start(&mut process::server(global)?, &json!({}))?;
    let mut theatre = Theatre {
        screen: if io::stdout().is_terminal() {
            Some(Screen::enter().context("while taking over the terminal")?)
        } else {
            None
        },
        recording: options
            .svg
            .as_ref()
            .map(|_| Recording::new(RECORDED.0, RECORDED.1)),
        model: editor.model.clone(),
        started: None,
    };
    let mut replayed = Replayed::default();
    let ended = replay(
        &mut editor,
        std::slice::from_ref(&session),
        TYPIST * options.speed,
        &mut theatre,
        &mut replayed,
    );
    let is_stopped = ended.as_ref().is_err_and(|error| error.is::<Stopped>());
    if !is_stopped && ended.is_ok() && theatre.screen.is_some() {
        theatre.last_look();
    }
    // Gives the terminal back, before anything else is said.
    theatre.screen = None;
    if !is_stopped {
        ended?;
        editor.client.shut_down()?;
    }
    if let (Some(path), Some(recording)) = (&options.svg, &theatre.recording) {
        fs::write(path, recording.svg())
            .with_context(|| format!("while writing `{}`", path.display()))?;
    }
    let title = format!("Typing into {FILE_NAME} with {}:\n\n", theatre.model);
    print(&format!(
        "{title}{}",
        short_table(Figures::new(&replayed, None))
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The file without the functions, and the keys that type them.
fn session() -> Session {
    let source = Source {
        file_name: FILE_NAME.to_owned(),
        language_id: "rust".to_owned(),
        text: FILE.to_owned(),
    };
    Session::new(&source, &[functions()], &mut Random::new(SEED))
}

/// The lines of the functions.
fn functions() -> Range<usize> {
    let lines: Vec<&str> = FILE.lines().collect();
    let [first, last] = FUNCTIONS.map(|start| {
        let line = lines.iter().position(|line| line.starts_with(start));
        line.expect("the demo's functions are in its file; a test looks")
    });
    let len = lines[last..].iter().position(|line| *line == "    }");
    first..last + len.expect("a method ends with a brace on its own line") + 1
}

/// The user wants no more of it.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped;

/// Shows the typing on the screen and records it, as far as there is one and one is wanted.
struct Theatre {
    screen: Option<Screen>,
    recording: Option<Recording>,
    model: String,
    /// When the first frame was shown.
    started: Option<Instant>,
}

impl Theatre {
    fn last_look(&mut self) {
        let until = Instant::now() + LAST_LOOK;
        while Instant::now() < until && !matches!(self.pulse(), Some(Err(_))) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Watcher for Theatre {
    fn show(
        &mut self,
        session: &Session,
        typist: &Typist,
        ghost: &str,
        samples: &[Sample],
    ) -> anyhow::Result<()> {
        let scene = Scene {
            file_name: &session.file_name,
            model: &self.model,
            text: typist.text(),
            cursor: typist.cursor(),
            ghost,
            samples,
        };
        if let Some(screen) = &mut self.screen {
            let (width, height) = screen.size();
            screen.draw(&scene.draw(width, height))?;
        }
        if let Some(recording) = &mut self.recording {
            let (width, height) = recording.size();
            recording.push(
                self.started.get_or_insert_with(Instant::now).elapsed(),
                scene.draw(width, height),
            );
        }
        Ok(())
    }

    fn pulse(&mut self) -> Option<anyhow::Result<()>> {
        let screen = self.screen.as_ref()?;
        Some(match screen.wants_out() {
            Ok(true) => Err(Stopped.into()),
            Ok(false) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }

    fn accepts(&self, ghost: &str, _: &str) -> bool {
        ghost.chars().count() >= SHORTEST_ACCEPTED
    }

    fn hesitation(&self) -> Duration {
        HESITATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::typing::{Action, Key};

    #[test]
    fn the_functions_are_in_the_file_and_typing_them_restores_the_file() {
        let session = session();
        let mut typist = Typist::new(&session);
        assert!(
            typist
                .rest()
                .unwrap()
                .starts_with(FUNCTIONS[0].trim_start())
        );
        assert!(typist.rest().unwrap().ends_with("\n    }"));
        for key in &session.keys {
            typist.press(key);
        }
        assert_eq!(typist.text(), FILE);
    }

    #[test]
    fn the_demo_takes_half_a_minute_at_most_though_nothing_is_accepted_and_shows_a_mistake() {
        let session = session();
        let length: Duration = session.keys.iter().map(|key| key.gap).sum();
        let length = length.div_f64(TYPIST);
        assert!(length < Duration::from_secs(30), "{length:?}");
        let is_mistake = |key: &Key| matches!(key.action, Action::Mistype(_));
        assert!(session.keys.iter().any(is_mistake));
    }
}
