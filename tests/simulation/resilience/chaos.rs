//! Everything at once, from a seed. `STEADFAST_SEEDS` says how many; a failure names its seed.

use super::circuit::names_service;
use super::{ORIGIN, Pending, SECOND, URL, request, start};
use std::collections::BTreeMap;
use std::time::Duration;
use steadfast::policy::breaker::BreakerState;
use steadfast::sim::{Faults, SimRequest, Tab, World};

const EFFECTS: &str = "https://api.example/api/effects/1";
const PROBES: u32 = 3;
/// How long a probe is given, in milliseconds.
const PROBE_LEASE: u64 = 60_000;

/// What may happen in a run. Some of it makes promises that no one can keep: a page that is loaded after the wall clock has jumped
/// has nothing but that clock to go by.
struct Kind {
    clocks: Clocks,
    locks: bool,
    /// Whether calls name services of their own, for which alone they are then asked for patience.
    names_services: bool,
    options: String,
}

/// What happens to pages and clocks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clocks {
    Jump,
    RunAndPagesCrash,
    RunAndPagesCrashAndFreeze,
}

/// A call on its way.
struct Sent {
    pending: Pending,
    /// When it began, and how long it may take in all.
    bound: Option<(u64, u64)>,
    tab: usize,
}

fn chosen<'a>(world: &World, from: &[&'a str]) -> &'a str {
    from[usize::try_from(world.below(from.len() as u64)).unwrap()]
}

fn kind(world: &World) -> Kind {
    let clocks = [Clocks::Jump, Clocks::RunAndPagesCrash, Clocks::RunAndPagesCrashAndFreeze];
    let bulkhead = chosen(world, &["", "", r#","bulkhead":{"maxConcurrent":3,"maxQueued":10}"#]);
    let rate = chosen(world, &["", "", r#","adaptiveRate":true"#]);
    let breaker = chosen(world, &["", r#","breaker":{"consecutiveFailures":2,"openMs":3000,"failureRatio":0.3}"#]);
    Kind {
        clocks: clocks[usize::try_from(world.below(3)).unwrap()],
        locks: world.below(5) > 0,
        names_services: world.below(4) == 0,
        options: [bulkhead, rate, breaker].concat(),
    }
}

fn faults(world: &World) -> Faults {
    let some = |most: u64| if world.below(2) == 0 { 0 } else { u16::try_from(world.below(most)).unwrap() };
    Faults {
        lost_requests: some(400),
        lost_responses: some(300),
        cut_responses: some(300),
        portals: some(200),
        unavailable: some(600),
        rate_limited: some(200),
        stalls: some(100),
        blocked: some(100),
        unreadable: some(100),
        ..Faults::default()
    }
}

fn call(world: &World, kind: &Kind, tab: &Tab, place: usize) -> Sent {
    let total = (world.below(2) == 0).then(|| 1 + world.below(60_000));
    let mut options = format!(
        r#"{{"maxAttempts":{},"baseDelayMs":{},"attemptTimeoutMs":{},"maxWaitMs":{}"#,
        1 + world.below(5),
        world.below(3000),
        1 + world.below(40_000),
        world.below(60_000),
    );
    let deadline = total.map(|total| format!(r#","totalTimeoutMs":{total}"#));
    options.extend(deadline);
    let hedge = format!(r#","hedge":{{"afterMs":{},"max":{}}}"#, 1 + world.below(3000), 1 + world.below(3));
    options.extend((world.below(2) == 0).then_some(hedge));
    options += chosen(world, &["", "", r#","idempotencyKey":true"#, r#","urgency":"background""#]);
    if kind.names_services {
        options += chosen(world, &["", r#","service":"search""#, r#","service":"mail""#]);
    }
    options += "}";
    let method = chosen(world, &["GET", "GET", "POST", "PUT", "DELETE"]);
    let sent = request(method, chosen(world, &[URL, EFFECTS]));
    Sent { pending: start(tab, sent, &options), bound: total.map(|total| (world.now(), total)), tab: place }
}

fn effects_fail(request: &SimRequest) -> Option<steadfast::sim::Reply> {
    (request.url == EFFECTS).then(|| names_service(504))
}

fn upset(world: &World) {
    match world.below(4) {
        0 => world.server(|server| server.oldest_valid_token = server.newest_token + 1),
        1 => world.server(|server| server.refuses_refresh = !server.refuses_refresh),
        2 => {
            let takes = Duration::from_millis(world.below(40_000));
            world.server(|server| server.refresh_takes = takes);
        }
        _ => world.server(|server| server.answers = if server.answers.is_some() { None } else { Some(effects_fail) }),
    }
}

fn run(seed: u64) {
    let world = World::new(seed);
    let kind = kind(&world);
    world.set_faults(faults(&world));
    world.refresh_credentials();
    if !kind.locks {
        world.without_locks();
    }
    let open = || Tab::open(&world, "ada", &kind.options);
    let mut tabs: Vec<(usize, Tab)> = (0..=usize::try_from(world.below(4)).unwrap()).map(|place| (place, open())).collect();
    let (mut next, mut sent, mut froze, mut probing) = (tabs.len(), Vec::new(), false, None);
    for _ in 0..40 {
        let place = usize::try_from(world.below(tabs.len() as u64)).unwrap();
        match world.below(12) {
            0..=5 => {
                for _ in 0..=world.below(4) {
                    sent.push(call(&world, &kind, &tabs[place].1, tabs[place].0));
                }
            }
            6 if kind.clocks != Clocks::Jump => {
                let (gone, tab) = tabs.swap_remove(place);
                tab.crash();
                sent.retain(|call: &Sent| call.tab != gone);
                tabs.push((next, open()));
                next += 1;
            }
            6 => {
                // What has been said has been heard.
                while world.undelivered() > 0 {
                    world.advance(Duration::from_millis(1));
                }
                world.jump_wall_clock(i64::try_from(world.below(20_000_000)).unwrap() - 10_000_000);
            }
            7 if kind.clocks == Clocks::RunAndPagesCrashAndFreeze => {
                froze = true;
                if world.below(2) == 0 { tabs[place].1.freeze() } else { tabs[place].1.thaw() }
            }
            8 => upset(&world),
            9 => world.set_faults(faults(&world)),
            10 => world.set_online(world.below(3) > 0),
            _ => world.advance(Duration::from_secs(world.below(60))),
        }
        world.advance(Duration::from_millis(world.below(500)));
        check(&world, seed, &kind, &tabs, froze, &mut probing);
        check_bounds(&world, seed, &mut sent, froze);
    }
    recover(&world, seed, &tabs, &sent);
    check(&world, seed, &kind, &tabs, froze, &mut probing);
}

/// All that was upset is put right: within bounded time everything works again, and nothing is left over.
fn recover(world: &World, seed: u64, tabs: &[(usize, Tab)], sent: &[Sent]) {
    world.set_faults(Faults::default());
    world.set_online(true);
    world.server(|server| {
        server.answers = None;
        server.refuses_refresh = false;
        server.refresh_takes = Duration::ZERO;
        server.oldest_valid_token = 0;
    });
    for (_, tab) in tabs {
        tab.thaw();
    }
    let ended = world.run_until(Duration::from_secs(3600), || sent.iter().all(|call| call.pending.has_ended()));
    let left = sent.iter().filter(|call| !call.pending.has_ended()).count();
    assert!(ended, "seed {seed}: {left} calls have not ended an hour after all faults");
    let is_well = |tab: &Tab| {
        let all = tab.client.services().snapshot();
        let is_open = |state| matches!(state, BreakerState::Open | BreakerState::ForcedOpen);
        // What a tab has only heard of, and does not call, it has no reason to probe.
        all.iter().all(|service| {
            let state = service.breaker.unwrap().state;
            !is_open(state) && (service.service != ORIGIN || state == BreakerState::Closed)
        })
    };
    let began = world.now();
    loop {
        let mut succeeded = true;
        for (_, tab) in tabs {
            for url in [URL, EFFECTS] {
                for options in ["{}", r#"{"service":"search"}"#, r#"{"service":"mail"}"#] {
                    succeeded &= start(tab, request("GET", url), options).ended(world).is_ok();
                }
            }
        }
        if succeeded && tabs.iter().all(|(_, tab)| is_well(tab)) {
            break;
        }
        assert!(world.now() - began < 1_800_000, "seed {seed}: half an hour after all faults something is still left alone");
        world.advance(5 * SECOND);
    }
    world.advance(Duration::from_secs(120));
    assert_eq!(world.server(|server| server.on_their_way), 0, "seed {seed}");
    for (_, tab) in tabs {
        for service in tab.client.services().snapshot() {
            let bulkhead = service.bulkhead.unwrap_or_default();
            assert_eq!((bulkhead.running, bulkhead.queued), (0, 0), "seed {seed}: seats are lost");
        }
    }
}

fn check_bounds(world: &World, seed: u64, sent: &mut Vec<Sent>, froze: bool) {
    sent.retain(|call| !call.pending.has_ended());
    for call in sent.iter().filter(|_| !froze) {
        if let Some((began, total)) = call.bound {
            // What is read of an error's body may take a moment more.
            assert!(world.now() <= began + total + 1500, "seed {seed}: {} ms of {total}", world.now() - began);
        }
    }
}

fn check(world: &World, seed: u64, kind: &Kind, tabs: &[(usize, Tab)], froze: bool, probing: &mut Option<u64>) {
    let breakers: Vec<_> = tabs.iter().map(|(_, tab)| tab.client.services().snapshot_of(ORIGIN).breaker.unwrap()).collect();
    let probes: u32 = breakers.iter().map(|breaker| breaker.probes).sum();
    // Where nothing has come of probes for longer than one is given, each tab may think of the others that they stand still.
    let since = probing.take().unwrap_or(world.now());
    *probing = breakers.iter().any(|breaker| breaker.state == BreakerState::HalfOpen).then_some(since);
    let is_long = world.now() - since >= PROBE_LEASE;
    assert!(probes <= PROBES || !kind.locks || froze || is_long, "seed {seed}: {probes} probes are out");
    world.server(|server| {
        assert!(
            server.asked_too_early == 0 || kind.names_services,
            "seed {seed}: the server was asked {} times before the moment that it had named",
            server.asked_too_early
        );
        let mut carried_out: BTreeMap<&str, u32> = BTreeMap::new();
        let mut keys: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for ((_, request), status) in server.requests.iter().zip(&server.statuses) {
            let (call, key) = (request.header("x-correlation-id").unwrap(), request.header("Idempotency-Key"));
            assert_eq!(*keys.entry(call).or_insert(key), key, "seed {seed}: one call, two keys");
            if request.method == "POST" && key.is_none() && *status != 401 {
                *carried_out.entry(call).or_default() += 1;
            }
        }
        assert!(carried_out.values().all(|times| *times == 1), "seed {seed}: a request without a key was carried out twice");
    });
}

#[test]
fn no_promise_is_broken_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = number("STEADFAST_SEEDS").unwrap_or(300);
    let start = number("STEADFAST_FIRST_SEED").unwrap_or(0);
    for seed in start..start + seeds {
        run(seed);
    }
}
