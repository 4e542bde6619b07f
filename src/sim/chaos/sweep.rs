//! Many seeds, on all cores: every world is in one thread, and every thread has worlds of its own.

use super::{Tally, Variant, run};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How many seeds a thread takes at a time.
const CHUNK: u64 = 64;

/// What many seeds came to.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// How many were run.
    pub seeds: u64,
    /// What happened in them.
    pub tally: Tally,
    /// The lowest of those that have broken a promise, and the promise.
    pub violation: Option<(u64, String)>,
}

/// How far a sweep has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// How many seeds were run.
    pub done: u64,
    /// Of how many.
    pub of: u64,
}

/// When a broken queue was caught.
#[derive(Debug, Clone)]
pub struct Caught {
    /// How it was broken.
    pub variant: Variant,
    /// The first seed that noticed, and the promise that was broken.
    pub by: Option<(u64, String)>,
}

/// Runs those seeds in so many threads, until one breaks a promise. `tell` is told how far it is, now and then.
pub fn sweep(seeds: Range<u64>, threads: usize, variant: Option<Variant>, tell: impl Fn(Progress) + Sync) -> Sweep {
    let of = seeds.end.saturating_sub(seeds.start);
    let (next, lowest) = (AtomicU64::new(seeds.start), AtomicU64::new(u64::MAX));
    let (total, done) = (Mutex::new(Sweep::default()), AtomicU64::new(0));
    let work = &|| {
        let mut own = Sweep::default();
        loop {
            let first = next.fetch_add(CHUNK, Ordering::Relaxed);
            // What lies above a seed that has failed is not looked at any more; what lies below is.
            if first >= seeds.end || first > lowest.load(Ordering::Relaxed) {
                break;
            }
            for seed in first..(first + CHUNK).min(seeds.end) {
                let report = run(seed, variant);
                own.seeds += 1;
                own.tally.merge(&report.tally);
                if let Some(what) = report.violation {
                    lowest.fetch_min(seed, Ordering::Relaxed);
                    if own.violation.as_ref().is_none_or(|(known, _)| seed < *known) {
                        own.violation = Some((seed, what));
                    }
                    break;
                }
            }
            done.store(done.load(Ordering::Relaxed).max(first + CHUNK - seeds.start), Ordering::Relaxed);
        }
        let mut total = total.lock().unwrap();
        total.seeds += own.seeds;
        total.tally.merge(&own.tally);
        if let Some((seed, what)) = own.violation
            && total.violation.as_ref().is_none_or(|(known, _)| seed < *known)
        {
            total.violation = Some((seed, what));
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::sleep(Duration::from_millis(5));
            tell(Progress { done: done.load(Ordering::Relaxed).min(of), of });
        }
    });
    total.into_inner().unwrap()
}

/// Looks for the first of those seeds that notices that the queue is broken in that way.
pub fn catch(variant: Variant, seeds: Range<u64>, threads: usize) -> Caught {
    Caught { variant, by: sweep(seeds, threads, Some(variant), |_| {}).violation }
}
