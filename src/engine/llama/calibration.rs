//! How to run a model on this machine: the choice, as arithmetic on measured times, and the file that keeps
//! the times until the model, the machine or this program is another one. `measure` does the measuring.
//!
//! The file holds times, not choices: a hand that edits it cannot contradict itself.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::KvType;

/// What is typed and generated at a keystroke.
const PROMPT_TOKENS: f64 = 2.0;
const GENERATED_TOKENS: f64 = 12.0;
/// More threads have to be faster than this share of fewer ones' time: fewer survive a busy machine and save
/// power.
const WORTH_IT: f64 = 0.85;
/// Spinning while threads wait for work, as ggml counts it. 1 is the shortest, about 3 ms: longer than the pause
/// between two steps of a job, shorter than the one between two keystrokes.
pub(super) const SLEEPY: u32 = 1;
/// With 50 they keep a core busy for 130 ms after each keystroke: only where waking them is slow.
const WAKEFUL: u32 = 50;

/// Measured times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Which model, machine and version they are of.
    pub of: String,
    /// Seconds since 1970.
    pub at: u64,
    /// Milliseconds that the measuring took.
    pub took_ms: f64,
    pub runs: Vec<Run>,
    /// Milliseconds that the first step takes longer after a pause.
    pub wake_ms: f64,
}

/// What was measured with one number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub threads: usize,
    pub flash_attention: bool,
    /// What the numbers in the cache were.
    #[serde(default)]
    pub kv_type: KvType,
    /// Milliseconds for one token.
    pub step_ms: f64,
    /// Milliseconds for a chunk of `chunk` tokens of a prompt.
    pub chunk_ms: f64,
    /// 1..
    pub chunk: usize,
}

impl Run {
    /// Milliseconds that a keystroke takes: what was typed is read and a line is written.
    pub fn keystroke_ms(&self) -> f64 {
        PROMPT_TOKENS * self.chunk_ms / self.chunk as f64 + GENERATED_TOKENS * self.step_ms
    }

    /// What is measured apart from the number of threads.
    fn way(&self) -> (bool, KvType) {
        (self.flash_attention, self.kv_type)
    }

    fn is_sane(&self) -> bool {
        let is_time = |ms: f64| ms.is_finite() && ms > 0.0;
        (1..=256).contains(&self.threads)
            && self.chunk > 0
            && is_time(self.step_ms)
            && is_time(self.chunk_ms)
    }

    /// The times by number of tokens and threads, for the crew.
    pub(super) fn known(&self) -> [(usize, usize, Duration); 2] {
        let duration = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
        [
            (1, self.threads, duration(self.step_ms)),
            (self.chunk, self.threads, duration(self.chunk_ms)),
        ]
    }
}

impl Calibration {
    /// The fewest threads that are as good as the best; then flash attention, then a smaller cache, each if it is
    /// clearly better. `None` without measured times.
    pub fn best(&self) -> Option<&Run> {
        let mut best: Option<&Run> = None;
        for way in self.runs.chunk_by(|one, two| one.way() == two.way()) {
            let fewest = fewest(way.iter())?;
            let pays = |best: &Run| fewest.keystroke_ms() < best.keystroke_ms() * WORTH_IT;
            if best.is_none_or(pays) {
                best = Some(fewest);
            }
        }
        best
    }

    /// Threads that wake up slowly had better stay awake.
    pub fn polling(&self) -> u32 {
        match self.best() {
            Some(best) if self.wake_ms > (1.0 - WORTH_IT) * best.keystroke_ms() => WAKEFUL,
            _ => SLEEPY,
        }
    }

    /// What batches take by number of tokens and threads, in the chosen way.
    pub(super) fn known(&self) -> Vec<(usize, usize, Duration)> {
        let Some(best) = self.best() else {
            return Vec::new();
        };
        let alike = |run: &&Run| run.way() == best.way();
        self.runs
            .iter()
            .filter(alike)
            .flat_map(Run::known)
            .collect()
    }

    /// How long ago it was measured; zero if the clock went back.
    pub fn age(&self) -> Duration {
        now().saturating_sub(Duration::from_secs(self.at))
    }

    fn is_sane(&self) -> bool {
        !self.runs.is_empty() && self.runs.iter().all(Run::is_sane) && self.wake_ms.is_finite()
    }
}

fn fewest<'a>(runs: impl Iterator<Item = &'a Run> + Clone) -> Option<&'a Run> {
    let best = runs.clone().map(Run::keystroke_ms).reduce(f64::min)?;
    runs.filter(|run| run.keystroke_ms() * WORTH_IT <= best)
        .min_by_key(|run| run.threads)
}

/// Where the times of one model on one machine are kept.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub of: String,
    /// `None` keeps nothing.
    pub file: Option<PathBuf>,
}

impl Place {
    pub(super) fn new(folder: Option<&Path>, model: &str, machine: &str) -> Place {
        let hash = |text: &str| -> String {
            let digest = Sha256::digest(text);
            digest[..8].iter().map(|it| format!("{it:02x}")).collect()
        };
        let of = format!("{}-{}", hash(model), hash(machine));
        Place {
            file: folder.map(|folder| folder.join(format!("{of}.json"))),
            of,
        }
    }

    /// What is kept; `None` for a file that is not there, cannot be read or is of something else.
    pub(super) fn load(&self) -> Option<Calibration> {
        let kept = fs::read(self.file.as_ref()?).ok()?;
        let kept: Calibration = serde_json::from_slice(&kept).ok()?;
        (kept.of == self.of && kept.is_sane()).then_some(kept)
    }

    /// Keeps it; the file appears whole or not at all.
    pub(super) fn store(&self, calibration: &Calibration) {
        let Some(file) = &self.file else { return };
        let unfinished = file.with_extension(format!("{}.unfinished", process::id()));
        let stored = (|| {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut writer = fs::File::create(&unfinished)?;
            writer.write_all(&serde_json::to_vec_pretty(calibration)?)?;
            writer.sync_all()?;
            fs::rename(&unfinished, file)
        })();
        if let Err(error) = stored {
            _ = fs::remove_file(&unfinished);
            let shown = file.display();
            tracing::debug!("what was measured cannot be kept in {shown}: {error}");
        }
    }
}

/// Since 1970.
pub(super) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(threads: usize, flash_attention: bool, step_ms: f64) -> Run {
        Run {
            threads,
            flash_attention,
            kv_type: KvType::F16,
            step_ms,
            chunk_ms: step_ms * 8.0,
            chunk: 48,
        }
    }

    fn calibration(runs: &[Run]) -> Calibration {
        Calibration {
            of: String::new(),
            at: 0,
            took_ms: 40.0,
            runs: runs.to_vec(),
            wake_ms: 0.1,
        }
    }

    #[track_caller]
    fn check(steps: &[(usize, f64)], threads: usize) {
        for flash_attention in [false, true] {
            let runs: Vec<Run> = steps
                .iter()
                .map(|&(threads, step)| run(threads, flash_attention, step))
                .collect();
            let best = *calibration(&runs).best().expect("there are times");
            assert_eq!(
                (best.threads, best.flash_attention),
                (threads, flash_attention)
            );
        }
    }

    fn place(folder: &Path) -> Place {
        Place::new(Some(folder), "model", "machine")
    }

    #[test]
    fn a_keystroke_is_two_tokens_read_and_twelve_written() {
        let run = Run {
            chunk_ms: 24.0,
            ..run(1, false, 0.5)
        };
        assert_eq!(run.keystroke_ms(), 1.0 + 6.0);
    }

    #[test]
    fn threads_that_clearly_pay_are_taken() {
        check(&[(1, 1.0), (2, 0.6), (4, 0.4)], 4);
    }

    #[test]
    fn a_tie_goes_to_fewer_threads() {
        check(&[(4, 0.35), (2, 0.4), (1, 1.0)], 2);
        check(&[(8, 0.9), (4, 0.88), (2, 0.95), (1, 1.0)], 1);
    }

    #[test]
    fn threads_that_hinder_each_other_are_not_taken() {
        check(&[(1, 1.0), (2, 0.5), (4, 3.0)], 2);
    }

    #[test]
    fn flash_attention_has_to_pay() {
        let choose = |flash: f64| {
            let runs = [run(1, false, 1.0), run(2, false, 0.5), run(2, true, flash)];
            calibration(&runs).best().unwrap().flash_attention
        };
        assert!(choose(0.4));
        assert!(!choose(0.45));
    }

    #[test]
    fn a_smaller_cache_has_to_pay_beside_whatever_is_best_without_it() {
        let choose = |flash: f64, small: f64| {
            let small = Run {
                kv_type: KvType::Q8,
                ..run(2, true, small)
            };
            let runs = [
                run(1, false, 1.0),
                run(2, false, 0.5),
                run(2, true, flash),
                small,
            ];
            let best = *calibration(&runs).best().unwrap();
            (best.flash_attention, best.kv_type)
        };
        assert_eq!(choose(0.48, 0.47), (false, KvType::F16));
        assert_eq!(choose(0.48, 0.40), (true, KvType::Q8));
        assert_eq!(choose(0.40, 0.36), (true, KvType::F16));
        assert_eq!(choose(0.40, 0.30), (true, KvType::Q8));
    }

    #[test]
    fn only_threads_that_wake_slowly_are_kept_awake() {
        let mut calibration = calibration(&[run(2, false, 1.0)]);
        assert_eq!(calibration.polling(), SLEEPY);
        calibration.wake_ms = 3.0;
        assert_eq!(calibration.polling(), WAKEFUL);
        calibration.runs.clear();
        assert_eq!((calibration.best(), calibration.polling()), (None, SLEEPY));
    }

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder.path().join("not/yet/there"));
        assert_eq!(place.load(), None);
        let mut kept = calibration(&[run(1, false, 1.0 / 3.0)]);
        kept.of.clone_from(&place.of);
        place.store(&kept);
        assert_eq!(place.load(), Some(kept));
        let folder = place.file.as_ref().unwrap().parent().unwrap();
        assert_eq!(
            folder.read_dir().unwrap().count(),
            1,
            "nothing is left over"
        );
    }

    #[test]
    fn a_damaged_or_foreign_file_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let file = place.file.as_ref().unwrap();
        let mut kept = calibration(&[run(1, false, 0.5)]);
        kept.of.clone_from(&place.of);
        let good = serde_json::to_string(&kept).unwrap();
        let bad = [
            String::new(),
            "[]".to_owned(),
            good[..good.len() / 2].to_owned(),
            good.replace(&place.of, "another"),
            good.replace("0.5", "-0.5"),
            good.replace("\"threads\":1", "\"threads\":0"),
            good.replace("\"threads\":1", "\"threads\":100000"),
            good.replace("\"chunk\":48", "\"chunk\":0"),
        ];
        for text in bad {
            assert_ne!(text, good);
            fs::write(file, &text).unwrap();
            assert_eq!(place.load(), None, "{text}");
        }
        fs::write(file, good).unwrap();
        assert_eq!(place.load(), Some(kept));
    }

    #[test]
    fn another_model_or_machine_has_another_file() {
        let files = [("a", "m"), ("b", "m"), ("a", "n")]
            .map(|(model, machine)| Place::new(Some(Path::new("x")), model, machine).file);
        assert!(files[0] != files[1] && files[0] != files[2] && files[1] != files[2]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::write(&taken, b"").unwrap();
        let place = place(&taken);
        place.store(&calibration(&[run(1, false, 1.0)]));
        assert_eq!(place.load(), None);
    }
}
