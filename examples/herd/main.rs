//! A thousand clients whose server fails for a minute: what reaches the server, with the SDK and with a plain retry loop. Writes
//! `docs/images/herd.svg` and prints the figures of `docs/resilience.md`.
//!
//! ```console
//! cargo run -q --release --features simulation --example herd -- [--seed N] [--seeds N] [--clients N]
//! ```
//!
//! `--seeds 20` runs every scenario with 20 seeds, with the SDK alone, and prints how far the figures spread.
#![cfg_attr(target_arch = "wasm32", allow(unused, reason = "runs natively"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a simulation fails by panicking"
)]

mod clients;
mod demand;
mod plot;
mod run;
mod scenario;

use clients::Kind;
use run::{Figures, run};
use scenario::{Outage, Scenario};

const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images/herd.svg");

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u32| {
        let place = arguments.iter().position(|argument| argument == name);
        place.map_or(default, |place| arguments[place + 1].parse().unwrap())
    };
    let (seed, seeds, clients) = (u64::from(number("--seed", 1)), number("--seeds", 0), number("--clients", 1000));
    for (title, scenario) in
        [("Calls", Scenario::calls as fn(u64, u32, Outage) -> Scenario), ("Calls and a queue", Scenario::calls_and_actions)]
    {
        println!("\n{title}, {clients} clients\n");
        if seeds > 0 {
            spread(seeds, clients, scenario);
        } else {
            compare(seed, clients, scenario);
        }
    }
    if seeds == 0 {
        let scenario = Scenario::calls(seed, clients, Outage::Unavailable);
        let (steadfast, fixed) = (run(&scenario, Kind::Steadfast), run(&scenario, Kind::STUBBORN));
        let title = format!("{clients} clients whose server answers 503 for a minute");
        std::fs::write(PLOT, plot::draw(&title, &steadfast, &fixed)).unwrap();
        println!("\nWrote {PLOT}");
    }
}

/// All kinds of client, with one seed.
fn compare(seed: u64, clients: u32, scenario: fn(u64, u32, Outage) -> Scenario) {
    println!(
        "| Outage | Client | Steady, mean (peak) | During, mean (peak) | After, peak of 1 s (5 s) | Ratio | Settled after | Met during | Met in the 30 s after |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for outage in Outage::ALL {
        for kind in [Kind::Steadfast, Kind::THREE_TIMES, Kind::STUBBORN] {
            let figures = Figures::of(&run(&scenario(seed, clients, outage), kind));
            println!(
                "| {} | {} | {:.0} ({:.0}) | {:.0} ({:.0}) | {:.0} ({:.0}) | **{:.2}** | {} s | {:.0} % | {:.0} % |",
                outage.name(),
                kind.name(),
                figures.steady,
                figures.steady_peak,
                figures.outage,
                figures.outage_peak,
                figures.peak,
                figures.peak_of_five,
                figures.ratio(),
                figures.settled_after,
                figures.met_during * 100.0,
                figures.met_after * 100.0,
            );
        }
    }
}

/// The SDK, with many seeds.
fn spread(seeds: u32, clients: u32, scenario: fn(u64, u32, Outage) -> Scenario) {
    println!("| Outage | Ratio: least, median, most of {seeds} seeds |");
    println!("|---|---|");
    for outage in Outage::ALL {
        let ratio = |seed| Figures::of(&run(&scenario(seed, clients, outage), Kind::Steadfast)).ratio();
        let mut ratios: Vec<f64> = (1..=u64::from(seeds)).map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        println!("| {} | {:.2}, {:.2}, {:.2} |", outage.name(), ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    }
}
