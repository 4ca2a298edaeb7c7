//! The command line: what can be asked for, and what the process says when it cannot be done. Each
//! command has a file of its own; the work itself is done in the layers below.

mod bench;
mod chart;
mod choose;
pub mod client;
mod complete;
mod configuration;
mod crowd;
mod demo;
mod devices;
mod doctor;
mod editor;
mod eval;
mod figures;
mod filler;
mod hand;
mod http;
mod infill;
mod keys;
mod log;
mod lsp;
mod models;
mod outbox;
mod page;
mod particulars;
mod peer;
mod picture;
mod process;
mod random;
mod reach;
mod replay;
mod scene;
mod screen;
mod settings;
mod sitting;
mod stats;
mod table;
mod tuned;
mod typing;
mod typist;
mod watch;
mod weigh;

use std::{
    ffi::OsString,
    io::{self, Write},
    panic,
    path::PathBuf,
    process::ExitCode,
};

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::engine::model::ModelError;

/// Ghost text within one frame of a keystroke, from a language model in the same process.
#[derive(Debug, Parser)]
#[command(
    name = "ghostline",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve an editor over stdin and stdout; this is what editors start
    Lsp(lsp::Options),
    /// Print the ghost text for one place in a file
    Complete(complete::Options),
    /// Watch ghost text appear while somebody types into a source file
    Demo(demo::Options),
    /// Measure how long ghost text takes, keystroke by keystroke
    Bench(bench::Options),
    /// Measure how often ghost text is right in a folder of source code
    Eval(eval::Options),
    /// Say what works on this machine, how fast, and what to do about the rest
    Doctor(doctor::Options),
    /// Fetch, choose, check and delete models by name
    Models(models::Options),
    /// Show how many suggestions were accepted and rejected on this machine
    Stats(stats::Options),
    /// Show every setting, its value and where that came from; or whether a file is left alone
    Config(configuration::Options),
    /// Fit the live cache to a model, for those who build ghostline with another one
    #[command(hide = true)]
    Weigh(weigh::Options),
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
struct Global {
    /// The model: the path of a GGUF file, or a name (see `ghostline models`); without it the built-in one [env: GHOSTLINE_MODEL]
    #[arg(long, global = true, value_name = "MODEL")]
    model: Option<String>,
    /// A LoRA adapter for the model, a GGUF file, with its strength if that is not 1; may be given several times
    #[arg(long, global = true, value_name = "FILE[:SCALE]")]
    lora: Vec<String>,
    /// The configuration file, TOML; without it `config.toml` in the user's configuration folder, if there is one [env: GHOSTLINE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How much to log to stderr: off, error, warn, info, debug or trace [env: GHOSTLINE_LOG]
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    /// Log more: once for debug, twice for trace
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "log")]
    verbose: u8,
    /// Use no network, whatever is set: no remote server, no downloads [env: GHOSTLINE_OFFLINE]
    #[arg(long, global = true)]
    offline: bool,
    /// Append the log to this file, too
    #[arg(long, global = true, value_name = "FILE")]
    log_file: Option<PathBuf>,
}

/// Something that only the user can put right. The process ends with code 2, as it does for a command
/// line that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

/// Runs the program with these arguments, its own name first.
///
/// Exit codes: 0 done, 1 failed, 2 asked for something that cannot be.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let CommandLine { command, global } = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => {
            // Help and version go to stdout and are no failure; a closed pipe is none either.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    panic::set_hook(Box::new(|bug| say(&place_of(bug))));
    let done = match command {
        Command::Lsp(options) => lsp::run(&global, &options),
        Command::Complete(options) => complete::run(&global, &options),
        Command::Demo(options) => demo::run(&global, &options),
        Command::Bench(options) => bench::run(&global, &options),
        Command::Eval(options) => eval::run(&global, &options),
        Command::Doctor(options) => doctor::run(&global, &options),
        Command::Models(options) => models::run(&global, &options),
        Command::Stats(options) => stats::run(&global, &options),
        Command::Config(options) => configuration::run(&global, &options),
        Command::Weigh(options) => weigh::run(&global, &options),
    };
    done.unwrap_or_else(|error| fail(&error))
}

/// What is said of a panic: where, never why. The standard library's messages quote the text that an index
/// did not fit, and that text is somebody's source.
fn place_of(bug: &panic::PanicHookInfo<'_>) -> String {
    let place = bug
        .location()
        .map_or_else(String::new, |at| format!(" at {at}"));
    format!(
        "a bug{place} in ghostline {}; please report it",
        env!("CARGO_PKG_VERSION")
    )
}

/// Says what went wrong, in one line, and what the process ends with.
fn fail(error: &anyhow::Error) -> ExitCode {
    let is_closed_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if error
        .chain()
        .filter_map(|cause| cause.downcast_ref())
        .any(is_closed_pipe)
    {
        // Whoever was reading has read enough.
        return ExitCode::SUCCESS;
    }
    say(&format!("{error:#}"));
    let is_users = error
        .chain()
        .any(|cause| cause.is::<Unusable>() || cause.is::<ModelError>());
    ExitCode::from(if is_users { 2 } else { 1 })
}

/// Writes a line for the user to stderr.
fn say(line: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "ghostline: {line}");
}

/// Writes to stdout; a closed pipe is an error that [`fail`] keeps quiet about.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_panic_is_reported_without_the_text_it_is_about() {
        let (sender, said) = std::sync::mpsc::channel();
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |bug| drop(sender.send(place_of(bug)))));
        let text = String::from("sécret");
        let sliced = panic::catch_unwind(|| text[..2].len());
        panic::set_hook(previous);
        assert!(sliced.is_err());
        let said = said.try_iter().find(|line| line.contains(file!())).unwrap();
        assert!(
            said.starts_with("a bug at") && !said.contains("cret"),
            "{said}"
        );
    }

    #[test]
    fn what_the_user_can_put_right_ends_with_two_and_the_rest_with_one() {
        let code = |error: anyhow::Error| format!("{:?}", fail(&error));
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        let missing = ModelError::NotFound("x.gguf".to_owned());
        assert_eq!(
            code(anyhow::Error::new(missing).context("while loading")),
            expected(2)
        );
        assert_eq!(
            code(Unusable("no such file".to_owned()).into()),
            expected(2)
        );
        assert_eq!(code(anyhow::anyhow!("the server ended")), expected(1));
        assert_eq!(
            code(io::Error::from(io::ErrorKind::BrokenPipe).into()),
            expected(0)
        );
    }
}
