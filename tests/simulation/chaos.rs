//! Everything at once, from a seed. `STEADFAST_SEEDS` says how many; a failure names its seed.

use crate::draft;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use steadfast::sim::{Faults, Tab, World};

/// What the pages were promised: the actions whose `enqueue` resolved, with their place.
type Promised = Rc<RefCell<BTreeMap<String, u64>>>;

fn open(world: &World) -> Tab {
    Tab::open(world, "ada", r#","sync":{"maxActions":5}"#)
}

/// A page enqueues one to three actions, and may crash before it hears of it.
fn enqueue(world: &World, tab: &Tab, name: u64, keys: &Rc<RefCell<BTreeMap<String, String>>>, promised: &Promised) {
    let key = format!("key-{}", world.below(3));
    let ids: Vec<String> = (0..=world.below(3)).map(|part| format!("{name}-{part}")).collect();
    keys.borrow_mut().extend(ids.iter().map(|id| (id.clone(), key.clone())));
    let drafts = ids.iter().map(|id| draft(id, Some(&key))).collect();
    let (client, promised) = (tab.client.clone(), promised.clone());
    tab.spawn(async move {
        if let Ok(receipts) = client.enqueue(drafts).await {
            promised.borrow_mut().extend(receipts.into_iter().map(|receipt| (receipt.id, receipt.seq)));
        }
    });
}

fn faults(world: &World) -> Faults {
    // Swarm testing: which faults are on varies from seed to seed.
    let some = |most: u64| if world.below(2) == 0 { 0 } else { u16::try_from(world.below(most)).unwrap() };
    Faults {
        lost_requests: some(500),
        lost_responses: some(500),
        cut_responses: some(300),
        portals: some(200),
        unavailable: some(300),
        rate_limited: some(200),
        stalls: some(100),
        blocked: some(200),
        unreadable: some(200),
        ..Faults::default()
    }
}

fn run(seed: u64) {
    let world = World::new(seed);
    world.set_faults(faults(&world));
    let has_locks = world.below(4) > 0;
    if !has_locks {
        world.without_locks();
    }
    // Some of what the pages will enqueue is wrong, or stands against something newer.
    let mut rejected = BTreeSet::new();
    if world.below(3) == 0 {
        let troubled: Vec<String> = (0..4).map(|_| format!("{}-{}", world.below(30), world.below(3))).collect();
        rejected.extend(troubled[..2].iter().cloned());
        world.server(|server| server.poison.extend(rejected.iter().cloned()));
        world.server(|server| server.conflicting.extend(troubled[2..].iter().cloned()));
    }
    let (keys, promised, mut discarded) = (Rc::default(), Promised::default(), BTreeSet::new());
    let mut tabs: Vec<Tab> = (0..=world.below(3)).map(|_| open(&world)).collect();
    for step in 0..30 {
        let chosen = usize::try_from(world.below(tabs.len() as u64)).unwrap();
        match world.below(10) {
            0..=4 => enqueue(&world, &tabs[chosen], step, &keys, &promised),
            5 => {
                tabs.swap_remove(chosen).crash();
                tabs.push(open(&world));
            }
            6 => world.set_faults(faults(&world)),
            7 if world.below(2) == 0 => {
                // The user changes their mind about something: what was promised is void, whatever becomes of it.
                let stored = world.stored("ada");
                if !stored.is_empty() {
                    let id = stored[usize::try_from(world.below(stored.len() as u64)).unwrap()].clone();
                    let client = tabs[chosen].client.clone();
                    discarded.insert(id.clone());
                    tabs[chosen].spawn(async move {
                        // A disk that fails leaves it where it is.
                        drop(client.discard(&id).await);
                    });
                }
            }
            7 => world.set_online(world.below(2) == 0),
            8 => world.advance(Duration::from_secs(world.below(120))),
            _ => world.fail_a_commit_after(u32::try_from(world.below(6)).unwrap()),
        }
        world.advance(Duration::from_millis(world.below(200)));
        check(&world, seed, &keys.borrow(), &promised.borrow(), &discarded, &rejected, has_locks);
    }
    // The faults stop, and what stood against anything is decided: within bounded time all is there.
    world.set_faults(Faults::default());
    world.server(|server| {
        server.poison.clear();
        server.conflicting.clear();
    });
    // What was answered before that is still to arrive, and becomes a dead letter or a conflict only then.
    world.advance(Duration::from_secs(120));
    for id in world.stored("ada") {
        let client = tabs[0].client.clone();
        // The last fault of the disk may still be to come.
        world.block_on(async move { while client.requeue(&id).await.is_err() {} });
    }
    let drained = world.run_until(Duration::from_secs(600), || world.stored("ada").is_empty());
    assert!(drained, "seed {seed}: still stored after ten minutes: {:?}", world.stored("ada"));
    check(&world, seed, &keys.borrow(), &promised.borrow(), &discarded, &rejected, has_locks);
}

fn check(
    world: &World,
    seed: u64,
    keys: &BTreeMap<String, String>,
    promised: &BTreeMap<String, u64>,
    discarded: &BTreeSet<String>,
    rejected: &BTreeSet<String>,
    has_locks: bool,
) {
    let stored: BTreeSet<String> = world.stored("ada").into_iter().collect();
    world.server(|server| {
        let mut seen = BTreeSet::new();
        let mut last_of_key: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
        for action in &server.applied {
            assert!(seen.insert(action.id.as_str()), "seed {seed}: {} was applied twice", action.id);
            // The place is known for those whose page heard of it. A dead letter does not hold its key: what was put back later
            // comes later. Neither does what was discarded, and its request may still be on its way.
            let is_free = rejected.contains(&action.id) || discarded.contains(&action.id);
            if let Some(seq) = promised.get(&action.id).filter(|_| !is_free) {
                let last = last_of_key.entry(&keys[&action.id]).or_insert((*seq, &action.id));
                assert!(last.0 <= *seq, "seed {seed}: {} was applied after {}", action.id, last.1);
                *last = (*seq, &action.id);
            }
        }
        for id in promised.keys().filter(|id| !discarded.contains(*id)) {
            assert!(stored.contains(id) || seen.contains(id.as_str()), "seed {seed}: {id} is lost");
        }
        let mut bodies: BTreeMap<&str, &str> = BTreeMap::new();
        for (_, request) in &server.requests {
            let key = request.header("Idempotency-Key").unwrap();
            let first = bodies.entry(key).or_insert(&request.body);
            assert_eq!(*first, request.body, "seed {seed}: one idempotency key, two requests");
        }
        // Without locks a request may be on its way when another tab hears the moment.
        assert!(
            !has_locks || server.asked_too_early == 0,
            "seed {seed}: the server was asked before the moment that it had named"
        );
    });
}

#[test]
fn nothing_is_lost_repeated_or_reordered_whatever_happens() {
    let seeds = std::env::var("STEADFAST_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    let start = std::env::var("STEADFAST_FIRST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    for seed in start..start + seeds {
        run(seed);
    }
}
