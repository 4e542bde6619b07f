//! Runs the queue through everything at once, from many seeds, and says whether a promise was broken: see
//! `src/sim/chaos`.
//!
//! ```console
//! cargo run -q --release --features simulation --example simulate -- --seeds N [--start S] [--threads T]
//! cargo run -q --release --features simulation --example simulate -- --trace SEED [--variant NAME]
//! cargo run -q --release --features simulation --example simulate -- --variants [--seeds N] [--start S]
//! ```
//!
//! `--trace` tells what happens in one seed. `--variants` breaks the queue in every way of `src/broken.rs` and says which seed
//! notices. Ends with 1 if a promise was broken, or a broken queue was not noticed.
#![cfg_attr(target_arch = "wasm32", allow(unused, reason = "runs natively"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a simulation fails by panicking"
)]

use std::io::{IsTerminal as _, Write as _, stderr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use steadfast::sim::chaos::{Progress, Report, Variant, catch, sweep, trace};

/// Among so many seeds a broken queue is to be noticed.
const SEEDS_FOR_A_VARIANT: u64 = 10_000;

struct Arguments(Vec<String>);

impl Arguments {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|argument| argument == name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        let place = self.0.iter().position(|argument| argument == name)?;
        self.0.get(place + 1).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        Some(self.text(name)?.parse().unwrap_or_else(|_| panic!("{name} takes a whole number")))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments(std::env::args().skip(1).collect());
    let start = arguments.number("--start").unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.number("--threads").map_or(cores, |threads| usize::try_from(threads).unwrap());
    let variant = arguments.text("--variant").map(named);
    if let Some(seed) = arguments.number("--trace") {
        return tell(seed, &trace(seed, variant));
    }
    if arguments.has("--variants") {
        return try_variants(start..start + arguments.number("--seeds").unwrap_or(SEEDS_FOR_A_VARIANT), threads);
    }
    let seeds = arguments.number("--seeds").unwrap_or(10_000);
    try_seeds(start..start + seeds, threads, variant)
}

fn named(name: &str) -> Variant {
    let found = Variant::ALL.into_iter().find(|variant| format!("{variant:?}") == name);
    found.unwrap_or_else(|| panic!("there is no variant {name}; there are {:?}", Variant::ALL))
}

fn try_seeds(seeds: std::ops::Range<u64>, threads: usize, variant: Option<Variant>) -> ExitCode {
    let began = Instant::now();
    let last = AtomicU64::new(0);
    let progress = |Progress { done, of }: Progress| {
        let second = began.elapsed().as_secs();
        if stderr().is_terminal() && last.swap(second, Ordering::Relaxed) != second {
            eprint!("\r{done} of {of} seeds, {:.0} seeds/s ", rate(done, began));
            // A line of progress that is not shown is no loss.
            drop(stderr().flush());
        }
    };
    let swept = sweep(seeds, threads, variant, progress);
    eprintln!("\r{} seeds in {:.1} s, {:.0} seeds/s ", swept.seeds, began.elapsed().as_secs_f64(), rate(swept.seeds, began));
    println!("\nWhat happened in them:");
    for (name, count) in swept.tally.all() {
        println!("{count:>12}  {name}");
    }
    let Some((seed, _)) = swept.violation else {
        println!("\nNo promise was broken.");
        return ExitCode::SUCCESS;
    };
    println!();
    tell(seed, &trace(seed, variant))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn rate(seeds: u64, began: Instant) -> f64 {
    seeds as f64 / began.elapsed().as_secs_f64().max(0.001)
}

/// What happened in a seed.
fn tell(seed: u64, report: &Report) -> ExitCode {
    for line in &report.trace {
        println!("{line}");
    }
    if let Some(what) = &report.violation {
        println!("\nSeed {seed} breaks a promise: {what}");
        return ExitCode::FAILURE;
    }
    println!("\nSeed {seed} breaks no promise.");
    ExitCode::SUCCESS
}

fn try_variants(seeds: std::ops::Range<u64>, threads: usize) -> ExitCode {
    println!("| Variant | Seeds needed | What it breaks |\n|---|---|---|");
    let mut all_caught = true;
    for variant in Variant::ALL {
        if let Some((seed, what)) = catch(variant, seeds.clone(), threads).by {
            println!("| {variant:?} | {} | {what} |", seed - seeds.start + 1);
        } else {
            all_caught = false;
            println!("| {variant:?} | not within {} | |", seeds.end - seeds.start);
        }
    }
    if all_caught { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
