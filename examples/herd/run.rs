//! Lets clients carry out what users want while their server fails and comes back, and counts what reaches it.

use super::clients::{Kind, carry_out, open};
use super::demand;
use super::scenario::{END, OUTAGE, RECOVERY, STEADY, Scenario};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use steadfast::sim::{Condition, Tab, World};

/// What came of one demand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    /// When it was made, in milliseconds.
    pub(crate) at: u64,
    /// Whether it was met.
    pub(crate) met: bool,
}

/// What a run has shown.
#[derive(Debug)]
pub(crate) struct Load {
    /// How many requests reached the server in each second, answered or not.
    pub(crate) per_second: Vec<u32>,
    /// What came of what users wanted, in the order in which that was known.
    pub(crate) fates: Vec<Fate>,
}

/// Runs it. The same scenario gives the same load.
pub(crate) fn run(scenario: &Scenario, kind: Kind) -> Load {
    let world = World::new(scenario.seed);
    world.server(|server| server.forgets_requests = true);
    let tabs: Vec<Tab> = (0..scenario.clients).map(|number| open(&world, number)).collect();
    let fates: Rc<RefCell<Vec<Fate>>> = Rc::default();
    let mut turns = [(OUTAGE, scenario.outage.condition()), (RECOVERY, Condition::Well)].into_iter().peekable();
    for demand in demand::of(scenario) {
        while let Some((moment, condition)) = turns.next_if(|(moment, _)| moment.as_millis() <= u128::from(demand.at)) {
            until(&world, moment);
            world.server(|server| server.condition = condition);
        }
        until(&world, Duration::from_millis(demand.at));
        let (client, fates) = (tabs[demand.client].client.clone(), fates.clone());
        tabs[demand.client].spawn(async move {
            let met = carry_out(kind, client, demand.wish).await;
            fates.borrow_mut().push(Fate { at: demand.at, met });
        });
    }
    until(&world, END);
    let mut per_second = vec![0; usize::try_from(END.as_secs()).unwrap()];
    world.server(|server| {
        for arrival in &server.arrivals {
            if let Some(count) = per_second.get_mut(usize::try_from(arrival / 1000).unwrap()) {
                *count += 1;
            }
        }
    });
    Load { per_second, fates: fates.take() }
}

fn until(world: &World, moment: Duration) {
    world.advance(moment.saturating_sub(Duration::from_millis(world.now())));
}

/// The figures of a run. Rates are requests per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// The mean rate before the outage.
    pub(crate) steady: f64,
    /// The highest rate of any one second before the outage: what chance alone makes of the mean.
    pub(crate) steady_peak: f64,
    /// The mean rate during the outage.
    pub(crate) outage: f64,
    /// The highest rate of any one second of it.
    pub(crate) outage_peak: f64,
    /// The highest rate of any one second after it. It is this that counts: over the mean of the steady state, with nothing
    /// taken off for chance.
    pub(crate) peak: f64,
    /// The highest mean of any five seconds after it.
    pub(crate) peak_of_five: f64,
    /// For how many seconds after the recovery the mean of ten seconds is still off the steady rate by more than 15 %.
    pub(crate) settled_after: usize,
    /// The share of the demands made during the outage that were met.
    pub(crate) met_during: f64,
    /// The share of those made in the first 30 s after it.
    pub(crate) met_after: f64,
}

impl Figures {
    /// The peak after the recovery, over the mean of the steady state.
    pub(crate) fn ratio(&self) -> f64 {
        self.peak / self.steady
    }

    /// Takes them from a load.
    pub(crate) fn of(load: &Load) -> Self {
        let seconds = |moment: Duration| usize::try_from(moment.as_secs()).unwrap();
        let part = |from: Duration, to: Duration| &load.per_second[seconds(from)..seconds(to)];
        let (before, during, after) = (part(STEADY, OUTAGE), part(OUTAGE, RECOVERY), part(RECOVERY, END));
        let steady = highest(before, before.len());
        let unsettled = after.windows(10).rposition(|window| (mean(window) / steady - 1.0).abs() > 0.15);
        Self {
            steady,
            steady_peak: highest(before, 1),
            outage: mean(during),
            outage_peak: highest(during, 1),
            peak: highest(after, 1),
            peak_of_five: highest(after, 5),
            settled_after: unsettled.map_or(0, |second| second + 1),
            met_during: met(load, OUTAGE, RECOVERY),
            met_after: met(load, RECOVERY, RECOVERY + Duration::from_secs(30)),
        }
    }
}

fn mean(counts: &[u32]) -> f64 {
    f64::from(counts.iter().sum::<u32>()) / f64::from(u32::try_from(counts.len()).unwrap())
}

/// The highest mean of any so many seconds.
fn highest(counts: &[u32], seconds: usize) -> f64 {
    counts.windows(seconds).map(mean).fold(0.0, f64::max)
}

fn met(load: &Load, from: Duration, to: Duration) -> f64 {
    let within = load.fates.iter().filter(|fate| (from.as_millis()..to.as_millis()).contains(&fate.at.into()));
    let (met, all) = within.fold((0, 0), |(met, all), fate| (met + u32::from(fate.met), all + 1));
    f64::from(met) / f64::from(all.max(1))
}
