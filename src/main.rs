//! The `ghostline` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ghostline::cli::run(std::env::args_os())
}
