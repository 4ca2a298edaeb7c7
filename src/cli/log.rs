//! The log: to stderr and, where one is wanted, to a file; never to stdout, which is the wire. Level and
//! file can change while the process runs.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Registry, filter::Targets, fmt::MakeWriter, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

use crate::config::{Level, Log as Settings, Warning};

/// The running log; applies new settings to it.
#[derive(Clone)]
pub(super) struct Log {
    filter: reload::Handle<Targets, Registry>,
    sink: Sink,
}

impl Log {
    /// Starts logging as `settings` say. Once per process; a second call changes nothing.
    pub(super) fn start(settings: &Settings) -> Log {
        let (filter, handle) = reload::Layer::new(targets(settings.level));
        let log = Log {
            filter: handle,
            sink: Sink::default(),
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(log.sink.clone());
        let started = tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .try_init();
        if started.is_ok() {
            log.apply(settings);
        }
        log
    }

    /// Applies new settings. A file that cannot be opened is logged to stderr and the old one kept.
    pub(super) fn apply(&self, settings: &Settings) {
        // Fails only when logging has ended.
        let _ = self.filter.reload(targets(settings.level));
        if let Err(error) = self.sink.open(settings.file.as_deref()) {
            let file = settings.file.as_deref().unwrap_or_default();
            tracing::warn!(
                "cannot write the log to `{file}`: {error}; set `log.file` to another place"
            );
        }
    }
}

/// Logs what in the configuration could not be used.
pub(super) fn warn(warnings: &[Warning]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// ghostline itself at `level`; the libraries below it only when something is wrong.
fn targets(level: Level) -> Targets {
    let level = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_target("ghostline", level)
        .with_default(level.min(LevelFilter::WARN))
}

/// Where log lines go.
#[derive(Clone, Default)]
struct Sink {
    file: Arc<Mutex<Option<(String, File)>>>,
}

impl Sink {
    fn open(&self, path: Option<&str>) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.as_ref().map(|(path, _)| path.as_str()) != path {
            *file = match path {
                Some(path) => {
                    let opened = OpenOptions::new().create(true).append(true).open(path)?;
                    Some((path.to_owned(), opened))
                }
                None => None,
            };
        }
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A log that cannot be written must not stop the work, and there is nowhere to say so.
        let _ = io::stderr().write_all(line);
        if let Some((_, file)) = &mut *self.file.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = file.write_all(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Sink;

    fn make_writer(&'a self) -> Sink {
        self.clone()
    }
}
