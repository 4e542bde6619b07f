//! What the users want, and when: the same for every kind of client.

use super::scenario::{END, Scenario};
use fastrand::Rng;
use std::time::Duration;

/// What a user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To see something: a GET.
    See,
    /// To do something now: a POST with an idempotency key.
    Do,
    /// To do something that must not be lost: an action in the queue.
    Leave,
}

/// That a user wants something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// When, in milliseconds.
    pub(crate) at: u64,
    /// Which client's user.
    pub(crate) client: usize,
    /// What.
    pub(crate) wish: Wish,
}

/// All that users want, in order: of every client independently, and at moments that know nothing of each other (a Poisson
/// process), as those of people.
pub(crate) fn of(scenario: &Scenario) -> Vec<Demand> {
    let mut rng = Rng::with_seed(scenario.seed);
    let mut demands = Vec::new();
    for client in 0..usize::try_from(scenario.clients).unwrap() {
        for at in moments(&mut rng, scenario.between_calls) {
            let wish = if rng.bool() { Wish::See } else { Wish::Do };
            demands.push(Demand { at, client, wish });
        }
        let actions = scenario.between_actions.map(|between| moments(&mut rng, between)).unwrap_or_default();
        demands.extend(actions.into_iter().map(|at| Demand { at, client, wish: Wish::Leave }));
    }
    demands.sort_by_key(|demand| (demand.at, demand.client));
    demands
}

fn moments(rng: &mut Rng, between: Duration) -> Vec<u64> {
    let mut moments = Vec::new();
    let mut at = 0.0;
    loop {
        at -= (1.0 - rng.f64()).ln() * between.as_secs_f64();
        if at >= END.as_secs_f64() {
            return moments;
        }
        moments.push(u64::try_from(Duration::from_secs_f64(at).as_millis()).unwrap());
    }
}
