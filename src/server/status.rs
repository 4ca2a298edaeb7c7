//! What clients are told about the session as a whole: `ghostline/status` for those that want it, `didChangeStatus`
//! for those that speak Copilot's dialect. Progress bars are in `progress.rs`.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep_until},
};

use super::{copilot, remote, session::Session};
use crate::{
    config::Mode,
    engine::{Status, Summary},
};

/// Counts and latencies change with every key; what is told of them changes no oftener than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(5);

/// Of how many answers the median latency is.
const ANSWERS: usize = 100;

/// What `ghostline/status` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// `loading`, `ready` or `failed`.
    state: &'static str,
    /// Of the loading, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u32>,
    /// What is wrong and the way out; also of a model that is ready, but does not run as it was meant to.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelReport>,
    /// Where text goes, if it is to leave this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<remote::Report>,
    /// Whether there is ghost text at all.
    enabled: bool,
    /// Those in which there is none.
    disabled_languages: Vec<String>,
    /// As it is set, or `subtle` after several rejections in a row.
    mode: Mode,
    shown: u64,
    /// Of these, from the open files alone.
    from_open_files: u64,
    accepted: u64,
    /// Of the last answers with ghost text.
    #[serde(skip_serializing_if = "Option::is_none")]
    median_latency_ms: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelReport {
    name: String,
    parameters: u64,
    context_length: usize,
    vocabulary_size: usize,
    format: String,
    threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<String>,
    gpu_layers: usize,
}

/// What has been counted in this session, and who hears of it.
pub(crate) struct Counts {
    shown: AtomicU64,
    copied: AtomicU64,
    accepted: AtomicU64,
    /// The newest last.
    latencies: Mutex<VecDeque<Duration>>,
    news: watch::Sender<News>,
}

/// Counts what has happened, so that it can be told what has happened since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Changes to be told at once.
    urgent: u64,
    /// Changes of counts and latencies.
    counts: u64,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            shown: AtomicU64::new(0),
            copied: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            latencies: Mutex::default(),
            news: watch::Sender::new(News::default()),
        }
    }
}

impl Counts {
    /// Ghost text was handed out, so long after it was asked for.
    pub(crate) fn answered(&self, latency: Duration) {
        let mut latencies = self.latencies();
        latencies.push_back(latency);
        if latencies.len() > ANSWERS {
            latencies.pop_front();
        }
        drop(latencies);
        self.news.send_modify(|news| news.counts += 1);
    }

    /// A suggestion was handed out for the first time.
    pub(crate) fn shown(&self) {
        self.shown.fetch_add(1, Ordering::Relaxed);
        self.news.send_modify(|news| news.counts += 1);
    }

    /// One that was shown is from the open files alone.
    pub(crate) fn copied(&self) {
        self.copied.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.news.send_modify(|news| news.counts += 1);
    }

    /// Something has changed that clients should know of at once.
    pub(crate) fn changed(&self) {
        self.news.send_modify(|news| news.urgent += 1);
    }

    fn median_latency(&self) -> Option<Duration> {
        let mut latencies = Vec::from_iter(self.latencies().iter().copied());
        latencies.sort_unstable();
        latencies.get(latencies.len().checked_sub(1)? / 2).copied()
    }

    fn latencies(&self) -> std::sync::MutexGuard<'_, VecDeque<Duration>> {
        self.latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ModelReport {
    fn of(summary: &Summary) -> ModelReport {
        ModelReport {
            name: summary.name.clone(),
            parameters: summary.parameters,
            context_length: summary.context_length,
            vocabulary_size: summary.vocabulary_size,
            format: summary.plan.format.name.clone(),
            threads: summary.threads,
            gpu: summary.gpu.as_ref().map(|(_, device)| device.clone()),
            gpu_layers: summary.gpu.as_ref().map_or(0, |(layers, _)| *layers),
        }
    }
}

impl Session {
    pub(crate) fn report(&self) -> Report {
        self.report_of(&self.engines.status())
    }

    fn report_of(&self, status: &Status) -> Report {
        let mut report = Report {
            state: "loading",
            percent: None,
            message: None,
            model: None,
            remote: self.report_of_remotes(),
            enabled: self.config().completion.enabled,
            disabled_languages: self.config().languages.disabled.clone(),
            mode: self.mode(),
            shown: self.counts.shown.load(Ordering::Relaxed),
            from_open_files: self.counts.copied.load(Ordering::Relaxed),
            accepted: self.counts.accepted.load(Ordering::Relaxed),
            median_latency_ms: None,
        };
        match status {
            Status::Loading(done) => report.percent = Some(percent(*done)),
            Status::Ready(summary) => {
                report.state = "ready";
                report.model = Some(ModelReport::of(summary));
                let nature = &summary.nature;
                let said = [nature.notes.as_slice(), &nature.limits].concat();
                report.message = (!said.is_empty()).then(|| said.join("\n"));
                let median = self.counts.median_latency();
                report.median_latency_ms =
                    median.map(|median| (median.as_secs_f64() * 1e6).round() / 1e3);
            }
            Status::Failed(message) => {
                report.state = "failed";
                report.message = Some(message.clone());
            }
        }
        report
    }

    /// Tells the client of each change of state and settings, and now and then of counts, as long as the
    /// session goes on.
    pub(crate) async fn tell_status(&self) {
        let mut states = self.engines.states();
        let mut news = self.counts.news.subscribe();
        let mut limit = Limit::default();
        let (mut told, mut told_copilot) = (None, None);
        loop {
            let status = states.borrow_and_update().1.clone();
            let urgent = news.borrow_and_update().urgent;
            // Also if nobody wants to know: what is due stays due, and would be told for ever.
            limit.sent(Instant::now());
            if self.peer().wants_status {
                let now = self.report_of(&status);
                if told.as_ref() != Some(&now) {
                    self.client.notify("ghostline/status", &now);
                    told = Some(now);
                }
            }
            if self.speaks_copilot() {
                let now = copilot::Status::of(&status, self.config().completion.enabled);
                if told_copilot.as_ref() != Some(&now) {
                    self.client.notify("didChangeStatus", &now);
                    told_copilot = Some(now);
                }
            }
            loop {
                let due = limit.due();
                tokio::select! {
                    changed = states.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    changed = news.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        if news.borrow_and_update().urgent != urgent {
                            break;
                        }
                        limit.pend(Instant::now());
                    }
                    () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => break,
                }
            }
        }
    }
}

/// When something may be told that can wait.
#[derive(Debug, Default)]
struct Limit {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Limit {
    /// Something has been told, and with it everything that was waiting.
    fn sent(&mut self, now: Instant) {
        self.last = Some(now);
        self.due = None;
    }

    /// Something is to be told.
    fn pend(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| last + AT_MOST_EVERY);
        self.due.get_or_insert(earliest.max(now));
    }

    /// When to tell it.
    fn due(&self) -> Option<Instant> {
        self.due
    }
}

pub(super) fn percent(done: f32) -> u32 {
    (done.clamp(0.0, 1.0) * 100.0) as u32
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        future::poll_fn,
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use serde_json::{Value, json};
    use tower_lsp::LanguageServer;

    use super::*;
    use crate::{
        config::Layered,
        engine::{Engine, script::Script},
        server::{
            NoRemotes, Options, Outside, Verdict,
            client::{Client, Outgoing, Queue},
            session::Methods,
        },
    };

    /// A session with a client that has these capabilities of ours.
    pub(in crate::server) async fn session(ours: Value) -> (Arc<Session>, Queue) {
        let (client, queue) = Client::new();
        let options = Options {
            config: Layered::new(),
            start_engine: Arc::new(|_, on_status| {
                Engine::start(Script::new(["x"]).loader(), on_status)
            }),
            on_config: Arc::new(|_| ()),
            on_ended: Arc::new(|_| ()),
            excludes: Arc::new(|_| Verdict::default()),
            outside: Outside::default(),
            remotes: Arc::new(NoRemotes),
        };
        let session = Arc::new(Session::new(options, client));
        let capabilities = json!({"experimental": {"ghostline": ours}});
        let params = serde_json::from_value(json!({"capabilities": capabilities}));
        let initialized = Methods(session.clone()).initialize(params.unwrap()).await;
        assert!(initialized.is_ok());
        (session, queue)
    }

    /// The next status that is told, and how long after `since` that is.
    async fn next(queue: &mut Queue, since: Instant) -> (Value, Duration) {
        loop {
            let Some(Outgoing::Message(bytes)) = queue.recv().await else {
                panic!("the session goes on");
            };
            let mut message: Value = serde_json::from_slice(&bytes).unwrap();
            if message["method"] == "ghostline/status" {
                return (message["params"].take(), since.elapsed());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn counts_are_told_every_five_seconds_and_settings_at_once() {
        let (session, mut queue) = session(json!({"status": true})).await;
        let telling = session.clone();
        let told = tokio::spawn(async move { telling.tell_status().await });
        while next(&mut queue, Instant::now()).await.0["state"] != "ready" {}

        let start = Instant::now();
        for _ in 0..100 {
            session.counts.shown();
            session.counts.answered(Duration::from_millis(3));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (status, after) = next(&mut queue, start).await;
        assert_eq!((&status["shown"], after), (&json!(100), AT_MOST_EVERY));
        assert_eq!(status["medianLatencyMs"], json!(3.0));

        session.counts.accepted();
        tokio::time::sleep(Duration::from_secs(2)).await;
        session.counts.changed();
        let (status, after) = next(&mut queue, start).await;
        assert_eq!((&status["accepted"], after.as_secs()), (&json!(1), 7));
        // That was everything there was to tell.
        tokio::time::sleep(Duration::from_secs(60)).await;
        session.counts.shown();
        let (_, after) = next(&mut queue, start).await;
        assert_eq!(after.as_secs(), 67);
        told.abort();
        session.close();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_wants_no_status_costs_nothing() {
        let (session, _queue) = session(json!({})).await;
        let mut states = session.engines.states();
        let is_ready = |(_, status): &(u64, Status)| matches!(status, Status::Ready(_));
        assert!(states.wait_for(is_ready).await.is_ok());
        let n_polls = Arc::new(AtomicUsize::new(0));
        let (telling, counter) = (session.clone(), n_polls.clone());
        let told = tokio::spawn(async move {
            let mut telling = pin!(telling.tell_status());
            poll_fn(|cx| {
                counter.fetch_add(1, Ordering::Relaxed);
                telling.as_mut().poll(cx)
            })
            .await;
        });
        for _ in 0..3 {
            session.counts.shown();
            // The clock stands still meanwhile.
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            assert!(n_polls.load(Ordering::Relaxed) < 20);
            tokio::time::sleep(AT_MOST_EVERY * 2).await;
        }
        told.abort();
        session.close();
    }

    #[test]
    fn the_median_is_that_of_the_last_hundred() {
        let counts = Counts::default();
        assert_eq!(counts.median_latency(), None);
        for ms in 0..200 {
            counts.answered(Duration::from_millis(ms));
        }
        assert_eq!(counts.median_latency(), Some(Duration::from_millis(149)));
    }
}
