//! The simulation notices a broken queue: each of the ways of `src/broken.rs` is caught, and by a seed that finds nothing wrong
//! with the queue as it is.

use steadfast::sim::chaos::{Variant, catch, run};

/// Among so many seeds one notices.
const SEEDS: u64 = 10_000;

#[test]
fn every_way_to_break_the_queue_is_noticed() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let caught: Vec<_> = Variant::ALL.into_iter().map(|variant| catch(variant, 0..SEEDS, threads)).collect();
    let unnoticed: Vec<Variant> = caught.iter().filter(|caught| caught.by.is_none()).map(|caught| caught.variant).collect();
    assert!(unnoticed.is_empty(), "not noticed within {SEEDS} seeds: {unnoticed:?}");
    for (seed, what) in caught.into_iter().filter_map(|caught| caught.by) {
        assert_eq!(run(seed, None).violation, None, "seed {seed}, which noticed: {what}");
    }
}
