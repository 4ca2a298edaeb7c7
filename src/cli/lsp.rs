//! `ghostline lsp`: the server over stdin and stdout, with signals, the log and the model wired to it.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;

use super::{Global, hand::Hand, log, settings, watch};
use crate::{
    exclude, remote,
    server::{self, Ending, Outside},
    statistics::{self, Recorder},
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Accepted for editors that pass it to every server; it changes nothing
    #[arg(long)]
    stdio: bool,
}

/// Serves until the client leaves or a signal comes. Does not return: a thread may still be reading stdin,
/// and would keep the process alive until the client's next byte.
pub(super) fn run(global: &Global, _: &Options) -> anyhow::Result<ExitCode> {
    let (config, warnings) = settings::load(global)?;
    let log = log::Log::start(&config.config().log);
    log::warn(&warnings);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        process = std::process::id(),
        "ghostline serves stdin and stdout"
    );

    let (watch, changes) = watch::start(settings::file_to_write(global));
    // Without a file nothing is counted.
    let recorder = statistics::path().map(Recorder::start);
    let on_ended = match &recorder {
        Some(recorder) => recorder.sink(),
        None => Arc::new(|_| ()),
    };
    let options = server::Options {
        config,
        start_engine: Arc::new(remote::start),
        on_config: Arc::new(move |config| log.apply(&config.log)),
        on_ended,
        excludes: Arc::new(exclude::verdict),
        outside: Outside {
            models: Arc::new(Hand {
                global: global.clone(),
                watch,
            }),
            changes: Some(changes),
        },
        remotes: Arc::new(remote::Consents::default()),
    };
    // Two threads: one for the wire, one so that a slow answer cannot hold it up. The cores are the engine's.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("tokio")
        .enable_all()
        .build()
        .context("while starting the server's threads")?;
    let code = runtime.block_on(async {
        tokio::select! {
            ending = server::serve(tokio::io::stdin(), tokio::io::stdout(), options) => match ending {
                Ending::Exit { is_clean } => i32::from(!is_clean),
                Ending::Closed => 0,
            },
            signal = signal() => {
                tracing::info!(signal, "ends");
                0
            }
        }
    });
    if let Some(recorder) = recorder {
        recorder.finish();
    }
    leave(code)
}

/// Ends the process at once. Not by `exit`, which runs llama.cpp's destructors: an engine that was left behind in
/// its step, or one that makes room for another, would lose its footing and take the process down with a signal.
fn leave(code: i32) -> ! {
    #[cfg(unix)]
    signal_hook::low_level::exit(code);
    #[cfg(not(unix))]
    std::process::exit(code)
}

/// Waits for a signal that asks the process to end; its name.
pub(super) async fn signal() -> &'static str {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            return tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupted() => "SIGINT",
            };
        }
    }
    interrupted().await;
    "interrupt"
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Signals cannot be had here: the client's leaving ends the process.
        std::future::pending::<()>().await;
    }
}
