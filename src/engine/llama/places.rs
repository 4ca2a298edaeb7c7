//! On which processors the threads of a pool run.
//!
//! ggml's threads wait for each other by spinning, so two of them on one processor take turns of a time slice each, while
//! another processor idles. The kernel's scheduler events show how they get there: a thread is woken on the processor of
//! the one that wakes it, though the other one idles, and it takes 10 to 30 ms until that one fetches either (three were
//! looked at). Presumably because an idle processor of a KVM guest counts as one that the host has taken away
//! (`vcpu_is_preempted` in Linux), so this is done in virtual machines only. Of the batches on two threads behind a pause
//! or one on one thread, 7 of 75 took more than 8 ms, with places none of 316 (bench of 1,350 and 3,600 keys; two virtual
//! cores of a Sapphire Rapids Xeon).
//!
//! So a pool with a thread for each processor of a virtual machine has each at home on its own, and who computes with the
//! pool has one, too, while it does. Fewer threads than processors are left alone: those have to dodge what else is running.

#[cfg(target_os = "linux")]
pub(super) use linux::Places;

#[cfg(target_os = "linux")]
mod linux {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::super::machine;

    /// How many processors ggml's masks have room for.
    const MOST: usize = 512;

    /// A processor for each thread of a pool.
    pub(in super::super) struct Places {
        /// All that may be used. ggml gives them to the pool's own threads in order, and the last one to the thread that
        /// computes with the pool.
        processors: Vec<usize>,
        own: CpuSet,
        /// Where that thread may run otherwise.
        all: CpuSet,
    }

    impl Places {
        /// For a pool of so many threads; `None` where the kernel finds places for them.
        pub(in super::super) fn new(threads: usize) -> Option<Places> {
            let all = sched_getaffinity(None).ok()?;
            Places::among(all, threads).filter(|_| machine::is_virtual())
        }

        fn among(all: CpuSet, threads: usize) -> Option<Places> {
            let processors: Vec<usize> =
                (0..CpuSet::MAX_CPU).filter(|it| all.is_set(*it)).collect();
            let last = processors.last().copied().filter(|last| *last < MOST)?;
            if threads != processors.len() || threads < 2 {
                return None;
            }
            let mut own = CpuSet::new();
            own.set(last);
            Some(Places {
                processors,
                own,
                all,
            })
        }

        pub(in super::super) fn processors(&self) -> &[usize] {
            &self.processors
        }

        /// Takes the calling thread to its place, off those of the others before they are woken there.
        pub(in super::super) fn enter(&self) {
            // Where this fails the thread stays where it is.
            let _ = sched_setaffinity(None, &self.own);
        }

        /// Lets the calling thread run anywhere again. ggml takes it to its place, too, when it makes a pool or wakes one.
        pub(in super::super) fn leave(&self) {
            let _ = sched_setaffinity(None, &self.all);
        }
    }

    #[cfg(test)]
    mod tests {
        use rustix::thread::sched_getcpu;

        use super::*;

        fn set(processors: &[usize]) -> CpuSet {
            let mut set = CpuSet::new();
            processors.iter().for_each(|it| set.set(*it));
            set
        }

        #[test]
        fn only_a_thread_for_each_processor_has_a_place() {
            let places = |all: &[usize], threads| {
                let places = Places::among(set(all), threads)?;
                let own = all.iter().position(|it| places.own.is_set(*it));
                Some((places.processors, own))
            };
            assert_eq!(places(&[3, 5], 2), Some((vec![3, 5], Some(1))));
            assert_eq!(places(&[0, 1, 2, 3], 2), None, "they dodge what else runs");
            assert_eq!(places(&[3, 5], 4), None);
            assert_eq!(places(&[7], 1), None);
            assert_eq!(places(&[0, MOST], 2), None, "ggml knows no such processor");
            assert_eq!(places(&[], 0), None);
        }

        #[test]
        fn who_enters_is_in_its_own_place_and_may_leave_it() {
            let all = sched_getaffinity(None).unwrap();
            let Some(places) = Places::among(all, all.count() as usize) else {
                // One processor is everybody's.
                assert_eq!(all.count(), 1);
                return;
            };
            for home in &places.processors {
                sched_setaffinity(None, &set(&[*home])).unwrap();
                places.enter();
                assert!(places.own.is_set(sched_getcpu()));
            }
            places.leave();
            assert_eq!(sched_getaffinity(None).unwrap(), all);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    /// Nobody is given a place here.
    pub(in super::super) enum Places {}

    impl Places {
        pub(in super::super) fn new(_threads: usize) -> Option<Places> {
            None
        }

        pub(in super::super) fn processors(&self) -> &[usize] {
            match *self {}
        }

        pub(in super::super) fn leave(&self) {
            match *self {}
        }

        pub(in super::super) fn enter(&self) {
            match *self {}
        }
    }
}
