//! A machine that was busy when the model was loaded is measured again when nobody has wanted anything for a while: when
//! to try, and what to make of it. `measure` does the measuring.

use std::time::Duration;

use super::calibration::{Calibration, Place};

/// How long nobody wants anything before it is tried...
const CALM: Duration = Duration::from_secs(4);
/// ...and at most, on a machine that is never calm: it is twice as long after each time in vain.
const LONGEST: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Debug)]
pub(super) struct Again {
    place: Place,
    /// The most threads to measure with.
    pub most: usize,
    pause: Duration,
}

impl Again {
    pub(super) fn new(place: Place, most: usize) -> Again {
        Again {
            place,
            most,
            pause: CALM,
        }
    }

    /// Which model, machine and version to measure for.
    pub(super) fn of(&self) -> &str {
        &self.place.of
    }

    /// How long nobody has to want anything before the next try.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// What was measured, and whether the machine was calm meanwhile; `None` if it had to be given up. Returns what
    /// holds from now on and is kept for later starts, or `None`, to be tried again.
    pub(super) fn take(&mut self, measured: Option<(Calibration, bool)>) -> Option<Calibration> {
        match measured {
            Some((calibration, true)) => {
                self.place.store(&calibration);
                Some(calibration)
            }
            Some((_, false)) | None => {
                self.pause = (self.pause * 2).min(LONGEST);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{config::KvType, engine::llama::calibration::Run};

    fn calibration(place: &Place) -> Calibration {
        let run = |threads, step_ms| Run {
            threads,
            flash_attention: true,
            kv_type: KvType::F16,
            step_ms,
            chunk_ms: 8.0,
            chunk: 48,
        };
        Calibration {
            of: place.of.clone(),
            at: 0,
            took_ms: 40.0,
            runs: vec![run(1, 1.0), run(2, 0.5)],
            wake_ms: 0.1,
        }
    }

    fn again(folder: &Path) -> (Again, Place) {
        let place = Place::new(Some(folder), "model", "machine");
        (Again::new(place.clone(), 2), place)
    }

    #[test]
    fn what_was_measured_in_a_calm_moment_is_kept_and_holds() {
        let folder = tempfile::tempdir().unwrap();
        let (mut again, place) = again(folder.path());
        let measured = calibration(&place);
        assert_eq!(place.load(), None);
        assert_eq!(again.take(Some((measured.clone(), true))), Some(measured));
        let kept = place.load().expect("it is kept");
        assert_eq!(kept.best().map(|best| best.threads), Some(2));
    }

    #[test]
    fn what_was_measured_on_a_busy_machine_or_in_part_is_not_and_the_next_try_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let (mut again, place) = again(folder.path());
        assert_eq!(again.pause(), CALM);
        assert_eq!(again.take(Some((calibration(&place), false))), None);
        assert_eq!(again.pause(), CALM * 2);
        assert_eq!(again.take(None), None);
        assert_eq!(again.pause(), CALM * 4);
        for _ in 0..40 {
            again.take(None);
        }
        assert_eq!(again.pause(), LONGEST);
        assert_eq!(place.load(), None);
    }
}
