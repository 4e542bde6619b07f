//! Everything at once, from a seed: pages and a service worker over one disk, a network and a server that do what networks and
//! servers do, users who change their minds; and someone who has written down what was promised, and looks after each step
//! whether it still holds.
//!
//! The same seed gives the same run. [`sweep`] runs many, [`trace`] tells what happened in one.

mod conditions;
mod drive;
mod finale;
mod promises;
mod sweep;
mod tally;

pub use crate::broken::Variant;
pub use sweep::{Caught, Progress, Sweep, catch, sweep};
pub use tally::Tally;

use crate::broken;
use conditions::Conditions;
use drive::Run;

/// How a seed ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// What happened, by name, and how often.
    pub tally: Tally,
    /// The promise that was broken, if one was.
    pub violation: Option<String>,
    /// What happened, line by line, if it was to be told.
    pub trace: Vec<String>,
}

/// Runs a seed. `variant` breaks the queue first.
pub fn run(seed: u64, variant: Option<Variant>) -> Report {
    simulate(seed, variant, false)
}

/// Runs a seed and tells what happens.
pub fn trace(seed: u64, variant: Option<Variant>) -> Report {
    simulate(seed, variant, true)
}

fn simulate(seed: u64, variant: Option<Variant>, tells: bool) -> Report {
    let _until_the_end = broken::breaking(variant);
    let world = super::World::new(seed);
    let conditions = Conditions::draw(&world);
    Run::begin(world, conditions, tells).play()
}
