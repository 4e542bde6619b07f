//! Everything at once, from a seed: see `src/sim/chaos`. `STEADFAST_SEEDS` says how many, `STEADFAST_FIRST_SEED` where they
//! begin; a failure names its seed, and `cargo run --release --features simulation --example simulate -- --trace SEED` tells it.

use steadfast::sim::chaos::{run, sweep, trace};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_is_lost_repeated_or_reordered_whatever_happens() {
    let (first, seeds) = (number("STEADFAST_FIRST_SEED", 0), number("STEADFAST_SEEDS", 3000));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let swept = sweep(first..first + seeds, threads, None, |_| {});
    if let Some((seed, what)) = swept.violation {
        panic!("seed {seed}: {what}\n{}", trace(seed, None).trace.join("\n"));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        assert_eq!(trace(seed, None).trace, trace(seed, None).trace, "seed {seed}");
    }
}

#[test]
fn to_tell_of_a_run_does_not_change_it() {
    for seed in 0..20 {
        assert_eq!(run(seed, None).tally.all(), trace(seed, None).tally.all(), "seed {seed}");
    }
}

#[test]
fn what_is_to_happen_happens() {
    let tally = sweep(0..3000, 2, None, |_| {}).tally;
    for name in [
        "actions applied",
        "actions rejected",
        "actions to be retried",
        "batches halved",
        "breakdowns",
        "conflicts",
        "crashes",
        "credentials expired",
        "cut answers",
        "delayed",
        "delivered twice",
        "discards",
        "dependents arrived",
        "disk failures told",
        "disks cleared",
        "disks full",
        "edits done",
        "evicted told",
        "expired told",
        "duplicates recognised",
        "freezes",
        "hollow answers",
        "jumps of the clock",
        "lost answers",
        "lost requests",
        "outcomes heard",
        "pages frozen for ever",
        "pages overtaken",
        "portals",
        "purges",
        "refused",
        "requeues",
        "rows of a newer version",
        "runs without locks",
        "service workers woken",
        "stalled",
        "strange answers",
        "superseded told",
        "told to wait",
        "unavailable",
        "users switched",
    ] {
        assert!(tally.of(name) > 10, "{name}: {}", tally.of(name));
    }
}
