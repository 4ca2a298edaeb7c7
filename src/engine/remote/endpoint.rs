//! One server and how it stands: what it is, whether it answers, how fast. Broken ones rest, longer each time, and are
//! looked after by a probe; a question never pays for finding out.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Settings,
    address::Address,
    connection::Connections,
    probe::{Facts, probe},
    trouble::Trouble,
};

/// How long a server rests after a failure: twice as long after each that follows, up to the longest.
const REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(15);
/// One that does not say for how long it is busy.
const BUSY: Duration = Duration::from_secs(1);

/// What a question waits before its withdrawal says anything about the server.
const SLOW: Duration = Duration::from_secs(1);

/// A measured latency counts half after this time, so that a slow server is tried again.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// A new measurement weighs one part in so many.
const WEIGHT: f64 = 4.0;

pub(super) struct Endpoint {
    pub(super) connections: Connections,
    standing: Mutex<Standing>,
    /// Whether somebody is finding out what it is.
    is_probed: AtomicBool,
    /// The server understands none of the questions with probabilities.
    pub(super) hides_probabilities: AtomicBool,
}

#[derive(Default)]
struct Standing {
    /// `None` before the first probe, and after a failure until the next.
    facts: Option<Arc<Facts>>,
    /// What was last known.
    last: Option<Arc<Facts>>,
    rests_until: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    trouble: Option<Trouble>,
    /// Of first bytes, in milliseconds, and when that was.
    latency: Option<(f64, Instant)>,
    in_flight: usize,
    /// For how long questions have waited in vain since the last answer, those that were withdrawn soon not counted.
    waited: Duration,
}

/// How a server stands, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Host and port; nothing else of the address.
    pub host: String,
    pub is_encrypted: bool,
    /// Whether questions go there.
    pub answers: bool,
    pub protocol: Option<&'static str>,
    pub model: Option<String>,
    /// The prompt format, where prompts are written out here.
    pub format: Option<String>,
    pub context_length: Option<usize>,
    /// From a question to its first byte.
    pub latency_ms: Option<f64>,
    /// What is wrong and the way out.
    pub trouble: Option<String>,
}

impl Endpoint {
    pub(super) fn new(address: &Address, settings: &Settings) -> Endpoint {
        Endpoint {
            connections: Connections::new(
                address.clone(),
                settings.key.clone(),
                settings.timeout,
                settings.proxy_to(address),
            ),
            standing: Mutex::default(),
            is_probed: AtomicBool::new(false),
            hides_probabilities: AtomicBool::new(false),
        }
    }

    pub(super) fn host(&self) -> String {
        self.connections.address().host()
    }

    /// What it is, if it answers as far as is known.
    pub(super) fn facts(&self) -> Option<Arc<Facts>> {
        let standing = self.standing();
        let rests = standing
            .rests_until
            .is_some_and(|until| Instant::now() < until);
        standing.facts.clone().filter(|_| !rests)
    }

    /// What it was when it last answered.
    pub(super) fn last_facts(&self) -> Option<Arc<Facts>> {
        self.standing().last.clone()
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.standing().trouble.clone()
    }

    /// How long the next answer is likely to take; 0 while nobody knows.
    pub(super) fn estimate(&self) -> f64 {
        let standing = self.standing();
        let latency = standing.latency.map_or(0.0, |(latency, at)| {
            latency * 0.5_f64.powf(at.elapsed().as_secs_f64() / HALF_LIFE.as_secs_f64())
        });
        latency * (1 + standing.in_flight) as f64
    }

    /// A question is under way as long as what this returns lives.
    pub(super) fn enter(self: &Arc<Endpoint>) -> InFlight {
        self.standing().in_flight += 1;
        InFlight(Arc::clone(self))
    }

    pub(super) fn answered(&self, first_byte: Duration) {
        let mut standing = self.standing();
        let ms = first_byte.as_secs_f64() * 1e3;
        let average = standing
            .latency
            .map_or(ms, |(average, _)| average + (ms - average) / WEIGHT);
        standing.latency = Some((average, Instant::now()));
        standing.failures = 0;
        standing.waited = Duration::ZERO;
        standing.trouble = None;
        standing.rests_until = None;
    }

    /// A question was withdrawn `after` this time, before a byte had come. A server that hangs is found out although
    /// nobody waits for it to the end; `patience` is how long that may take.
    pub(super) fn was_left(&self, after: Duration, patience: Duration) {
        if after < SLOW {
            return;
        }
        let mut standing = self.standing();
        standing.waited += after;
        let hangs = standing.waited >= patience;
        drop(standing);
        if hangs {
            self.failed(&Trouble::Late);
        }
    }

    /// It failed. Unless it only has too much to do, it has to be probed before it is asked again.
    pub(super) fn failed(&self, trouble: &Trouble) {
        let mut standing = self.standing();
        standing.trouble = Some(trouble.clone());
        standing.waited = Duration::ZERO;
        let rest = match trouble {
            Trouble::Busy(after) => after.unwrap_or(BUSY),
            _ => {
                standing.failures += 1;
                standing.facts = None;
                (REST * 2_u32.pow(standing.failures.min(6) - 1)).min(LONGEST_REST)
            }
        };
        standing.rests_until = Some(Instant::now() + rest);
    }

    /// Another model answers than the one that was found: it has to be probed again.
    pub(super) fn has_changed(&self) {
        self.standing().facts = None;
    }

    /// Another way to ask it has been found.
    pub(super) fn learn(&self, facts: Facts) {
        let facts = Arc::new(facts);
        let mut standing = self.standing();
        standing.facts = Some(Arc::clone(&facts));
        standing.last = Some(facts);
    }

    /// Finds out what it is, now.
    pub(super) async fn probe(&self, settings: &Settings) -> Result<Arc<Facts>, Trouble> {
        match probe(&self.connections, settings).await {
            Ok(facts) => {
                let mut standing = self.standing();
                if standing.latency.is_none() {
                    standing.latency = Some((facts.latency.as_secs_f64() * 1e3, Instant::now()));
                }
                let facts = Arc::new(facts);
                standing.facts = Some(Arc::clone(&facts));
                standing.last = Some(Arc::clone(&facts));
                standing.trouble = None;
                standing.rests_until = None;
                Ok(facts)
            }
            Err(trouble) => {
                self.failed(&trouble);
                Err(trouble)
            }
        }
    }

    /// Whether the caller is the one who has to probe it, until `end_watch`.
    pub(super) fn begin_watch(&self) -> bool {
        !self.is_probed.swap(true, Ordering::AcqRel)
    }

    pub(super) fn end_watch(&self) {
        self.is_probed.store(false, Ordering::Release);
    }

    /// How long it still rests.
    pub(super) fn rest(&self) -> Duration {
        let until = self.standing().rests_until;
        until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    pub(super) fn health(&self) -> Health {
        let answers = self.facts().is_some();
        let standing = self.standing();
        let last = standing.last.as_ref();
        let host = self.host();
        let latency = standing
            .latency
            .map(|(latency, _)| (latency * 10.0).round() / 10.0);
        Health {
            is_encrypted: self.connections.address().is_encrypted,
            answers,
            protocol: last.map(|facts| facts.protocol()),
            model: last.and_then(|facts| facts.model_name().map(str::to_owned)),
            format: last.and_then(|facts| facts.format().map(str::to_owned)),
            context_length: last.map(|facts| facts.context_length).filter(|it| *it > 0),
            latency_ms: latency.filter(|_| answers),
            trouble: standing
                .trouble
                .as_ref()
                .map(|trouble| trouble.sentence(&host)),
            host,
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Endpoint::enter`].
pub(super) struct InFlight(Arc<Endpoint>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut standing = self.0.standing();
        standing.in_flight = standing.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn endpoint() -> Endpoint {
        let mut config = Config::default();
        assert_eq!(
            config.apply(&json!({"remote": {"url": "http://box:1"}})),
            []
        );
        let settings = Settings::new(&config, None).expect("settings that make sense");
        Endpoint::new(&settings.addresses[0], &settings)
    }

    fn trouble_after(waits: &[f64]) -> Option<Trouble> {
        let endpoint = endpoint();
        for &wait in waits {
            match wait {
                0.0 => endpoint.answered(Duration::from_millis(5)),
                wait => endpoint.was_left(Duration::from_secs_f64(wait), Duration::from_secs(5)),
            }
        }
        endpoint.trouble()
    }

    #[test]
    fn a_server_that_hangs_is_found_out_though_nobody_waits_for_the_end() {
        assert_eq!(trouble_after(&[1.8, 1.8]), None);
        assert_eq!(trouble_after(&[1.8, 1.8, 1.8]), Some(Trouble::Late));
        // It has answered in between, or was given no time to.
        assert_eq!(trouble_after(&[1.8, 1.8, 0.0, 1.8]), None);
        assert_eq!(trouble_after(&[0.9; 20]), None);
    }

    #[test]
    fn what_is_under_way_at_a_server_makes_it_less_likely_to_be_asked() {
        let endpoint = Arc::new(endpoint());
        assert_eq!(endpoint.estimate(), 0.0);
        endpoint.answered(Duration::from_millis(20));
        let alone = endpoint.estimate();
        let first = endpoint.enter();
        assert!(endpoint.estimate() > alone * 1.9);
        drop(first);
        assert!(endpoint.estimate() < alone * 1.1);
    }
}
