//! Replays sessions of typing against a server in real time, open loop: keys leave at their times,
//! whatever the server does. An answer that is not there when the next key leaves never came.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{
    editor::ghost_text,
    peer::{Cost, Event, Peer},
    sitting::{Turn, sittings},
    typing::{Action, Key, Session},
    typist::{Change, Typist},
};

/// How long the last answer of a session is waited for.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// A key that leaves later than this after its time is late.
const LATE: Duration = Duration::from_millis(5);

/// What was done to get an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Opened,
    /// Back in a file that was open already.
    Switched,
    Jumped,
    Typed,
    Newline,
    Deleted,
    Undone,
    Accepted,
}

impl Kind {
    /// Whether a key was pressed that changed the text; the others only moved the cursor.
    pub(super) fn is_keystroke(self) -> bool {
        !matches!(self, Kind::Opened | Kind::Switched | Kind::Jumped)
    }
}

/// One key and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) kind: Kind,
    /// Whether the editor asked for ghost text before the next key.
    pub(super) is_asked: bool,
    /// From the request to its answer; `None` if that had not come when the next key left.
    pub(super) latency: Option<Duration>,
    /// The same from the key, with what the editor waited.
    pub(super) since_key: Option<Duration>,
    /// What was shown; empty for nothing.
    pub(super) ghost: String,
    pub(super) cost: Option<Cost>,
    /// Whether the answer changed ghost text that the typing had not contradicted.
    pub(super) is_flicker: bool,
    /// Characters that were shown for the first time and are what is typed next.
    pub(super) n_foreseen: usize,
    /// Whether the key left so late that the machine must have been busy with something else.
    pub(super) is_late: bool,
}

impl Sample {
    /// Nothing has come of it yet.
    pub(super) fn new(kind: Kind) -> Sample {
        Sample {
            kind,
            is_asked: false,
            latency: None,
            since_key: None,
            ghost: String::new(),
            cost: None,
            is_flicker: false,
            n_foreseen: 0,
            is_late: false,
        }
    }
}

/// What a replay gave.
#[derive(Clone, Debug, Default)]
pub(super) struct Replayed {
    pub(super) samples: Vec<Sample>,
    /// Keys there would have been without accepting.
    pub(super) n_keys: usize,
    pub(super) elapsed: Duration,
}

/// Somebody who watches the typing.
pub(super) trait Watcher {
    /// Something has changed: the text, the ghost text behind the cursor, the samples.
    fn show(
        &mut self,
        session: &Session,
        typist: &Typist,
        ghost: &str,
        samples: &[Sample],
    ) -> anyhow::Result<()>;

    /// Called every few milliseconds; an error ends the replay. `None` is not to be woken.
    fn pulse(&mut self) -> Option<anyhow::Result<()>> {
        None
    }

    /// Whether somebody who is about to type `rest` accepts `ghost`, which is how it starts. Without an
    /// opinion: if it is all that the line still lacks.
    fn accepts(&self, ghost: &str, rest: &str) -> bool {
        let behind = &rest[ghost.len()..];
        (behind.is_empty() || behind.starts_with('\n')) && ghost.chars().count() >= 2
    }

    /// How long a person looks at ghost text before accepting it.
    fn hesitation(&self) -> Duration {
        Duration::ZERO
    }
}

/// How often a watcher's pulse beats.
const PULSE: Duration = Duration::from_millis(10);

/// Types all sessions, `speed` times as fast as their keys say. What was measured until an error is lost,
/// unless `replayed` keeps it.
pub(super) fn replay(
    peer: &mut dyn Peer,
    sessions: &[Session],
    speed: f64,
    watcher: &mut dyn Watcher,
    replayed: &mut Replayed,
) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut run = Run {
        peer,
        watcher,
        speed,
        sent: vec![None; replayed.samples.len()],
        replayed,
        newest: None,
        displayed: None,
        foreseen: HashMap::new(),
    };
    for turns in sittings(sessions) {
        run.sitting(sessions, &turns)?;
    }
    replayed.elapsed += started.elapsed();
    Ok(())
}

struct Run<'e> {
    peer: &'e mut dyn Peer,
    watcher: &'e mut dyn Watcher,
    speed: f64,
    replayed: &'e mut Replayed,
    /// When the key of each sample left; `None` for those of another replay.
    sent: Vec<Option<Sent>>,
    /// The sample of the newest key while it has no answer.
    newest: Option<usize>,
    /// The ghost text on the screen. As editors do, it is kept while what is typed agrees with it.
    displayed: Option<String>,
    /// How far each passage, of each session, was rightly shown before it was typed.
    foreseen: HashMap<(usize, usize), usize>,
}

/// A key that was pressed.
#[derive(Clone, Copy)]
struct Sent {
    at: Instant,
    /// When ghost text was asked for.
    asked: Option<Instant>,
    /// When the next key left.
    superseded: Option<Instant>,
}

/// The file in front, as it stands.
struct Front<'t, 's> {
    number: usize,
    session: &'s Session,
    typist: &'t mut Typist<'s>,
}

impl Run<'_> {
    fn sitting(&mut self, sessions: &[Session], turns: &[Turn]) -> anyhow::Result<()> {
        let mut typists: HashMap<usize, Typist> = HashMap::new();
        let mut due = Instant::now();
        for (idx, turn) in turns.iter().enumerate() {
            let session = &sessions[turn.session];
            let is_open = typists.contains_key(&turn.session);
            let arrival = match idx.checked_sub(1).map(|before| turns[before].session) {
                Some(before) if before == turn.session => Kind::Jumped,
                _ if is_open => Kind::Switched,
                _ => Kind::Opened,
            };
            let typist = typists
                .entry(turn.session)
                .or_insert_with(|| Typist::new(session));
            let mut front = Front {
                number: turn.session,
                session,
                typist,
            };
            self.displayed = None;
            for key in &session.keys[turn.keys.clone()] {
                self.key(key, &mut due, arrival, &mut front)?;
            }
        }
        if let Some(last) = turns.last() {
            let session = &sessions[last.session];
            let typist = typists.get_mut(&last.session);
            let typist = typist.expect("the last turn has a typist");
            self.wait_for_last(&Front {
                number: last.session,
                session,
                typist,
            })?;
        }
        self.peer.close()
    }

    fn key(
        &mut self,
        key: &Key,
        due: &mut Instant,
        arrival: Kind,
        front: &mut Front,
    ) -> anyhow::Result<()> {
        self.replayed.n_keys += usize::from(key.action != Action::Jump);
        if front.typist.is_needless(key) {
            return Ok(());
        }
        *due += key.gap.div_f64(self.speed);
        self.wait(*due, front)?;
        if key.action == Action::Type
            && let Some(ghost) = self.acceptable(front.typist)
        {
            *due += self.watcher.hesitation();
            self.wait(*due, front)?;
            let before = front.typist.text().to_owned();
            let change = front.typist.accept(&ghost);
            self.displayed = None;
            self.send(Kind::Accepted, Some((&before, &change)), *due, front)?;
            if front.typist.is_needless(key) {
                return Ok(());
            }
            *due += key.gap.div_f64(self.speed);
            self.wait(*due, front)?;
        }
        let before = front.typist.text().to_owned();
        if key.action == Action::Jump {
            // Opened and asked at once: that is what people see of a cold start.
            self.peer.open(front.number, front.session, &before)?;
            // Nobody types before the file is there: what the editor takes to hand over a large one is not the typist's.
            *due = (*due).max(Instant::now());
        }
        let change = front.typist.press(key);
        let kind = match (&key.action, &change) {
            (Action::Jump, _) => arrival,
            (Action::Backspace, _) => Kind::Deleted,
            (Action::Undo, _) => Kind::Undone,
            (_, Some(change)) if change.with.starts_with('\n') => Kind::Newline,
            _ => Kind::Typed,
        };
        let typed = change.as_ref().filter(|change| change.range.is_empty());
        let displayed = self.displayed.take().zip(typed);
        self.displayed = displayed
            .and_then(|(ghost, typed)| Some(ghost.strip_prefix(&typed.with)?.to_owned()))
            .filter(|ghost| !ghost.is_empty());
        let change = change.as_ref().map(|change| (before.as_str(), change));
        self.send(kind, change, *due, front)
    }

    fn send(
        &mut self,
        kind: Kind,
        change: Option<(&str, &Change)>,
        due: Instant,
        front: &Front,
    ) -> anyhow::Result<()> {
        let number = self.replayed.samples.len();
        let after = (front.typist.text(), front.typist.cursor());
        let at = self.peer.press(number, change, after)?;
        self.replayed.samples.push(Sample {
            is_late: at.saturating_duration_since(due) > LATE,
            ..Sample::new(kind)
        });
        if let Some(newest) = self.newest.and_then(|newest| self.sent[newest].as_mut()) {
            newest.superseded = Some(at);
        }
        self.sent.push(Some(Sent {
            at,
            asked: None,
            superseded: None,
        }));
        self.newest = Some(number);
        self.show(front)
    }

    fn show(&mut self, front: &Front) -> anyhow::Result<()> {
        self.watcher.show(
            front.session,
            front.typist,
            self.displayed.as_deref().unwrap_or_default(),
            &self.replayed.samples,
        )
    }

    /// The ghost text on the screen, if it is the newest answer, right, and wanted.
    fn acceptable(&self, typist: &Typist) -> Option<String> {
        let ghost = self.displayed.as_ref().filter(|_| self.newest.is_none())?;
        let rest = typist
            .rest()
            .filter(|rest| rest.starts_with(ghost.as_str()))?;
        self.watcher.accepts(ghost, rest).then(|| ghost.clone())
    }

    fn wait(&mut self, until: Instant, front: &Front) -> anyhow::Result<()> {
        loop {
            let is_watched = self.watcher.pulse().transpose()?.is_some();
            let now = Instant::now();
            let slice = if is_watched {
                until.min(now + PULSE)
            } else {
                until
            };
            while let Some(event) = self.peer.receive(slice)? {
                if self.take(event, front) {
                    self.show(front)?;
                }
            }
            if slice >= until {
                return Ok(());
            }
        }
    }

    /// Waits for the answer to the last key, and for what it cost.
    fn wait_for_last(&mut self, front: &Front) -> anyhow::Result<()> {
        let deadline = Instant::now() + LAST_ANSWER;
        while self.newest.is_some() && Instant::now() < deadline {
            self.wait(Instant::now() + PULSE, front)?;
        }
        // Its cost follows the answer at once.
        self.wait(Instant::now() + 2 * PULSE, front)?;
        self.newest = None;
        Ok(())
    }

    /// Notes what has come; whether what is shown changes by it.
    fn take(&mut self, event: Event, front: &Front) -> bool {
        let (Event::Asked { key, .. } | Event::Answer { key, .. } | Event::Cost { key, .. }) =
            event;
        let Some(sent) = self.sent.get_mut(key).and_then(Option::as_mut) else {
            return false;
        };
        let sample = &mut self.replayed.samples[key];
        match event {
            Event::Asked { at, .. } => {
                sent.asked = Some(at);
                sample.is_asked = true;
                false
            }
            Event::Cost { cost, .. } => {
                sample.cost = Some(cost);
                true
            }
            Event::Answer { at, items, .. } => {
                let Some(items) = items else { return false };
                if sent.superseded.is_some_and(|superseded| superseded < at) {
                    return false;
                }
                let asked = sent.asked.unwrap_or(sent.at);
                sample.latency = Some(at.saturating_duration_since(asked));
                sample.since_key = Some(at.saturating_duration_since(sent.at));
                if self.newest != Some(key) {
                    // It came while the next key was on its way out: in time, but nothing is shown any more.
                    return false;
                }
                self.newest = None;
                sample.ghost = items
                    .first()
                    .and_then(|item| ghost_text(item, front.typist.text(), front.typist.cursor()))
                    .unwrap_or_default();
                sample.is_flicker = self
                    .displayed
                    .as_ref()
                    .is_some_and(|shown| !sample.ghost.starts_with(shown.as_str()));
                self.displayed = Some(sample.ghost.clone()).filter(|ghost| !ghost.is_empty());
                if let Some(rest) = front.typist.rest() {
                    let (passage, done) = front.typist.progress();
                    let foreseen = self.foreseen.entry((front.number, passage)).or_insert(0);
                    let right = common_prefix(&sample.ghost, rest);
                    let new = right
                        .get(foreseen.saturating_sub(done)..)
                        .unwrap_or_default();
                    sample.n_foreseen = new.chars().count();
                    *foreseen = (*foreseen).max(done + right.len());
                }
                true
            }
        }
    }
}

/// What both texts begin with.
fn common_prefix<'t>(one: &'t str, two: &str) -> &'t str {
    let same = one.chars().zip(two.chars()).take_while(|(a, b)| a == b);
    let len = same.map(|(char, _)| char.len_utf8()).sum();
    &one[..len]
}

#[cfg(test)]
mod tests;
