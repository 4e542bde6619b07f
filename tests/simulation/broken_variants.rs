//! The simulation notices a broken queue: each of the ways of `src/broken.rs` is caught, and by a seed that finds nothing wrong
//! with the queue as it is.

use steadfast::sim::chaos::{Variant, catch, run};

/// Among so many seeds one notices.
const SEEDS: u64 = 10_000;
/// What no seed notices: what a drain that was overtaken still sends is the batch that all send until it is resolved, and what it
/// still settles is what the server has said.
const WITHOUT_CONSEQUENCES: [Variant; 1] = [Variant::NoEpochFence];

#[test]
fn every_way_to_break_the_queue_is_noticed() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let variants = Variant::ALL.into_iter().filter(|variant| !WITHOUT_CONSEQUENCES.contains(variant));
    let caught: Vec<_> = variants.map(|variant| catch(variant, 0..SEEDS, threads)).collect();
    let unnoticed: Vec<Variant> = caught.iter().filter(|caught| caught.by.is_none()).map(|caught| caught.variant).collect();
    assert!(unnoticed.is_empty(), "not noticed within {SEEDS} seeds: {unnoticed:?}");
    for (seed, what) in caught.into_iter().filter_map(|caught| caught.by) {
        assert_eq!(run(seed, None).violation, None, "seed {seed}, which noticed: {what}");
    }
}
