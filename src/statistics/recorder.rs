//! Writes down what a session counts, on a thread of its own: whoever counts never waits for a disk.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{Day, Statistics, add};
use crate::suggest::fate::Ended;

/// What comes within this time is written together.
const GATHERED: Duration = Duration::from_secs(2);

/// How long the end of the process waits for the last counts.
const PATIENCE: Duration = Duration::from_millis(300);

/// See the module.
pub struct Recorder {
    sender: mpsc::Sender<Message>,
}

enum Message {
    Ended(Box<Ended>),
    /// Write now, and say so.
    Finish(mpsc::Sender<()>),
}

impl Recorder {
    /// Writes to this file from now on.
    pub fn start(path: PathBuf) -> Recorder {
        let (sender, messages) = mpsc::channel();
        let started = thread::Builder::new()
            .name("statistics".to_owned())
            .spawn(move || run(&path, &messages));
        if let Err(error) = started {
            tracing::warn!("nothing is counted for `ghostline stats`: {error}");
        }
        Recorder { sender }
    }

    /// What to call for each suggestion that is over.
    pub fn sink(&self) -> Arc<dyn Fn(Ended) + Send + Sync> {
        let sender = self.sender.clone();
        // Fails when the thread is gone; it has said why.
        Arc::new(move |ended| drop(sender.send(Message::Ended(Box::new(ended)))))
    }

    /// Waits a moment for what has been counted so far.
    pub fn finish(&self) {
        let (done, is_done) = mpsc::channel();
        if self.sender.send(Message::Finish(done)).is_ok() {
            let _ = is_done.recv_timeout(PATIENCE);
        }
    }
}

fn run(path: &std::path::Path, messages: &mpsc::Receiver<Message>) {
    let mut unsaved = Statistics::default();
    let mut is_told = false;
    let mut save = |unsaved: &mut Statistics| {
        if unsaved.days.is_empty() {
            return;
        }
        match add(path, unsaved) {
            Ok(()) => *unsaved = Statistics::default(),
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!("{error}");
                }
                // A damaged file has been set aside and these counts written. What could not be written is tried
                // again with what comes next.
                if matches!(error, super::StatisticsError::Damaged(_)) {
                    *unsaved = Statistics::default();
                }
            }
        }
    };
    let mut due: Option<Instant> = None;
    loop {
        let message = match due {
            Some(due) => messages.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => messages.recv().map_err(Into::into),
        };
        match message {
            Ok(Message::Ended(ended)) => {
                unsaved.count(Day::today(), &ended.about, ended.end);
                due.get_or_insert_with(|| Instant::now() + GATHERED);
                continue;
            }
            Ok(Message::Finish(done)) => {
                save(&mut unsaved);
                let _ = done.send(());
            }
            Err(mpsc::RecvTimeoutError::Timeout) => save(&mut unsaved),
            Err(mpsc::RecvTimeoutError::Disconnected) => return save(&mut unsaved),
        }
        due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        statistics::read,
        suggest::fate::{About, End, SuggestionId},
    };

    fn ended() -> Ended {
        Ended {
            id: SuggestionId(1),
            about: About {
                language: "rust".to_owned(),
                model: "small".to_owned(),
                latency: Duration::ZERO,
            },
            end: End::Dismissed,
        }
    }

    #[test]
    fn what_was_counted_is_written_at_the_latest_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("statistics.json");
        let recorders = [Recorder::start(path.clone()), Recorder::start(path.clone())];
        for recorder in &recorders {
            let sink = recorder.sink();
            (0..3).for_each(|_| sink(ended()));
            recorder.finish();
        }
        assert_eq!(read(&path).unwrap().total().dismissed, 6);
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::write(&taken, "").unwrap();
        let path = taken.join("statistics.json");
        let recorder = Recorder::start(path.clone());
        recorder.sink()(ended());
        recorder.finish();
        std::fs::remove_file(&taken).unwrap();
        recorder.sink()(ended());
        recorder.finish();
        assert_eq!(read(&path).unwrap().total().dismissed, 2);
    }
}
