//! Replays sessions of typing against a server in real time, open loop: keys leave at their times,
//! whatever the server does. An answer that is not there when the next key leaves never came.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{
    editor::{Cost, Editor, Event, ghost_text},
    typing::{Action, Session},
    typist::{Change, Typist},
};

/// How long the last answer of a session is waited for.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// What was done to get an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Opened,
    Jumped,
    Typed,
    Newline,
    Deleted,
    Accepted,
}

impl Kind {
    /// Whether a key was pressed that changed the text; the others only moved the cursor.
    pub(super) fn is_keystroke(self) -> bool {
        !matches!(self, Kind::Opened | Kind::Jumped)
    }
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) kind: Kind,
    /// `None` if the answer had not come when the next key left.
    pub(super) latency: Option<Duration>,
    /// What was shown; empty for nothing.
    pub(super) ghost: String,
    pub(super) cost: Option<Cost>,
    /// Whether the answer changed ghost text that the typing had not contradicted.
    pub(super) is_flicker: bool,
}

/// What a replay gave.
#[derive(Clone, Debug, Default)]
pub(super) struct Replayed {
    pub(super) samples: Vec<Sample>,
    /// Keys there would have been without accepting.
    pub(super) n_keys: usize,
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
    editor: &mut Editor,
    sessions: &[Session],
    speed: f64,
    watcher: &mut dyn Watcher,
    replayed: &mut Replayed,
) -> anyhow::Result<()> {
    let mut run = Run {
        editor,
        watcher,
        speed,
        replayed,
        sent: HashMap::new(),
        newest: None,
        displayed: None,
    };
    sessions.iter().try_for_each(|session| run.session(session))
}

struct Run<'e> {
    editor: &'e mut Editor,
    watcher: &'e mut dyn Watcher,
    speed: f64,
    replayed: &'e mut Replayed,
    sent: HashMap<i64, Sent>,
    /// The newest request while it has no answer.
    newest: Option<i64>,
    /// The ghost text on the screen. As editors do, it is kept while what is typed agrees with it.
    displayed: Option<String>,
}

/// A request that was sent.
struct Sent {
    sample: usize,
    at: Instant,
    /// When the next key left.
    superseded: Option<Instant>,
}

impl Run<'_> {
    fn session(&mut self, session: &Session) -> anyhow::Result<()> {
        let mut typist = Typist::new(session);
        self.editor
            .open(&session.file_name, &session.language_id, typist.text())?;
        self.displayed = None;
        let mut due = Instant::now();
        let mut is_open = false;
        for key in &session.keys {
            self.replayed.n_keys += usize::from(key.action != Action::Jump);
            if typist.is_needless(key) {
                continue;
            }
            due += key.gap.div_f64(self.speed);
            self.wait(due, session, &typist)?;
            if key.action == Action::Type
                && let Some(ghost) = self.acceptable(&typist)
            {
                due += self.watcher.hesitation();
                self.wait(due, session, &typist)?;
                let before = typist.text().to_owned();
                let change = typist.accept(&ghost);
                self.displayed = None;
                self.send(Kind::Accepted, Some((&before, &change)), session, &typist)?;
                if typist.is_needless(key) {
                    continue;
                }
                due += key.gap.div_f64(self.speed);
                self.wait(due, session, &typist)?;
            }
            let before = typist.text().to_owned();
            let change = typist.press(key);
            let kind = match (&key.action, &change) {
                (Action::Jump, _) if !is_open => Kind::Opened,
                (Action::Jump, _) => Kind::Jumped,
                (Action::Backspace, _) => Kind::Deleted,
                (_, Some(change)) if change.with.starts_with('\n') => Kind::Newline,
                _ => Kind::Typed,
            };
            is_open = true;
            let typed = change.as_ref().filter(|change| change.range.is_empty());
            let displayed = self.displayed.take().zip(typed);
            self.displayed = displayed
                .and_then(|(ghost, typed)| Some(ghost.strip_prefix(&typed.with)?.to_owned()));
            self.send(
                kind,
                change.as_ref().map(|change| (before.as_str(), change)),
                session,
                &typist,
            )?;
        }
        self.wait_for_last(session, &typist)
    }

    fn send(
        &mut self,
        kind: Kind,
        change: Option<(&str, &Change)>,
        session: &Session,
        typist: &Typist,
    ) -> anyhow::Result<()> {
        let unanswered = self.newest.take();
        let (id, at) = self
            .editor
            .press(unanswered, change, (typist.text(), typist.cursor()))?;
        if let Some(sent) = unanswered.and_then(|id| self.sent.get_mut(&id)) {
            sent.superseded = Some(at);
        }
        let sample = self.replayed.samples.len();
        self.replayed.samples.push(Sample {
            kind,
            latency: None,
            ghost: String::new(),
            cost: None,
            is_flicker: false,
        });
        self.sent.insert(
            id,
            Sent {
                sample,
                at,
                superseded: None,
            },
        );
        self.newest = Some(id);
        self.show(session, typist)
    }

    fn show(&mut self, session: &Session, typist: &Typist) -> anyhow::Result<()> {
        self.watcher.show(
            session,
            typist,
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

    fn wait(&mut self, until: Instant, session: &Session, typist: &Typist) -> anyhow::Result<()> {
        loop {
            let is_watched = self.watcher.pulse().transpose()?.is_some();
            let now = Instant::now();
            let slice = if is_watched {
                until.min(now + PULSE)
            } else {
                until
            };
            while let Some(event) = self.editor.receive(slice)? {
                if self.take(event, typist) {
                    self.show(session, typist)?;
                }
            }
            if slice >= until {
                return Ok(());
            }
        }
    }

    /// Waits for the answer to the last key, and for what it cost.
    fn wait_for_last(&mut self, session: &Session, typist: &Typist) -> anyhow::Result<()> {
        let deadline = Instant::now() + LAST_ANSWER;
        while self.newest.is_some() && Instant::now() < deadline {
            self.wait(Instant::now() + PULSE, session, typist)?;
        }
        // Its cost follows the answer at once.
        self.wait(Instant::now() + 2 * PULSE, session, typist)?;
        self.newest = None;
        Ok(())
    }

    /// Notes what has come; whether what is shown changes by it.
    fn take(&mut self, event: Event, typist: &Typist) -> bool {
        match event {
            Event::Cost(cost) => {
                if let Some(sent) = self.sent.get(&cost.id) {
                    self.replayed.samples[sent.sample].cost = Some(cost);
                }
                true
            }
            Event::Answer { id, at, items } => {
                let (Some(sent), Some(items)) = (self.sent.get(&id), items) else {
                    return false;
                };
                if sent.superseded.is_some_and(|superseded| superseded < at) {
                    return false;
                }
                let sample = &mut self.replayed.samples[sent.sample];
                sample.latency = Some(at.saturating_duration_since(sent.at));
                if self.newest != Some(id) {
                    // It came while the next key was on its way out: in time, but nothing is shown any more.
                    return false;
                }
                self.newest = None;
                sample.ghost = items
                    .first()
                    .and_then(|item| ghost_text(item, typist.text(), typist.cursor()))
                    .unwrap_or_default();
                sample.is_flicker = self
                    .displayed
                    .as_ref()
                    .is_some_and(|shown| !sample.ghost.starts_with(shown.as_str()));
                self.displayed = Some(sample.ghost.clone()).filter(|ghost| !ghost.is_empty());
                true
            }
        }
    }
}
