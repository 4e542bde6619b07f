//! Whether the backend can be reached, found out in a world that lies about it.

use crate::draft;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use steadfast::connectivity::{HEALTH_PATH, Report, Watch, WatchOptions};
use steadfast::platform::{Clock, Http, NetworkFailureKind, Platform, Response};
use steadfast::policy::connectivity::{Because, ProbePolicy, State};
use steadfast::sim::{Faults, Reply, SimRequest, Tab, TabPlatform, World};

const API: &str = "https://api.example";
const FILES: &str = "https://files.example";
const SEEDS: std::ops::Range<u64> = 0..20;
const PORTAL: Faults = Faults { lost_requests: 0, portals: 1000, ..Faults::OUTAGE };

/// A page that calls its backend, and watches whether it can.
struct Device {
    world: World,
    platform: Rc<TabPlatform>,
    watch: Rc<Watch<TabPlatform>>,
    /// How often it was told that the backend is back.
    returns: Rc<Cell<u32>>,
}

impl Device {
    fn open(world: &World) -> Self {
        Self::with(world, ProbePolicy::default())
    }

    fn with(world: &World, probes: ProbePolicy) -> Self {
        let platform = Rc::new(TabPlatform::bare(world));
        let options = WatchOptions {
            backend: API.into(),
            trusted_origins: vec![API.into(), FILES.into()],
            health_path: HEALTH_PATH.into(),
            probes,
        };
        let returns = Rc::new(Cell::new(0));
        let counter = returns.clone();
        let watch = Watch::open(&platform, options, Box::new(move || counter.set(counter.get() + 1)));
        Self { world: world.clone(), platform, watch: Rc::new(watch), returns }
    }

    /// Calls as the call path does, and says what it has seen.
    fn call(&self, origin: &'static str) -> bool {
        let (platform, watch) = (self.platform.clone(), self.watch.clone());
        self.world.block_on(async move {
            let sent = platform.clock().monotonic();
            let request = SimRequest { method: "GET".into(), url: format!("{origin}/api/drafts"), ..SimRequest::default() };
            match platform.http().send(&request, &vec![]).await {
                Ok(response) if response.reply().body.starts_with("<!doctype") => watch.answered_with_page(origin),
                Ok(response) => watch.answered(origin, response.status()),
                Err(_) => {
                    watch.not_answered(origin, NetworkFailureKind::Unknown, sent);
                    return false;
                }
            }
            true
        })
    }

    fn report(&self) -> Report {
        self.watch.report()
    }

    fn state(&self) -> State {
        self.report().state
    }

    /// Waits until it is found out, at most for so long.
    fn comes_to(&self, state: State, seconds: u64) -> bool {
        self.world.run_until(Duration::from_secs(seconds), || self.state() == state)
    }

    fn check(&self) -> State {
        let watch = self.watch.clone();
        self.world.block_on(async move { watch.check().await.state })
    }

    fn probes(&self) -> Vec<u64> {
        self.world.server(|server| server.health_checks.clone())
    }

    fn pass(&self, seconds: u64) {
        self.world.advance(Duration::from_secs(seconds));
    }
}

fn silence(world: &World, origin: &str) {
    world.server(|server| server.silent.insert(origin.into()));
}

fn end_silence(world: &World) {
    world.server(|server| server.silent.clear());
}

#[test]
fn a_page_that_asks_nothing_finds_out_by_itself() {
    for seed in SEEDS {
        let device = Device::open(&World::new(seed));
        assert_eq!((device.state(), device.report().because), (State::Unknown, Because::NothingKnown));
        assert!(device.comes_to(State::Online, 5));
        device.pass(3600);
        assert_eq!(device.probes().len(), 1, "what is well is not asked about");
    }
}

#[test]
fn offline_and_back() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        assert!(device.call(API));
        assert_eq!(device.state(), State::Online);
        world.set_online(false);
        world.set_faults(Faults::OUTAGE);
        assert_eq!((device.state(), device.report().because), (State::Offline, Because::BrowserOffline));
        device.pass(300);
        assert!(!device.report().online);
        world.set_online(true);
        device.pass(5);
        assert_eq!(device.state(), State::Offline, "the browser sees a network, and nothing answers");
        world.set_faults(Faults::default());
        assert!(device.comes_to(State::Online, 61), "found out without a request");
        assert_eq!(device.returns.get(), 1);
        let events = device.platform.events();
        let states: Vec<&str> =
            events.iter().map(|event| event.split(r#""state":""#).nth(1).unwrap().split('"').next().unwrap()).collect();
        assert_eq!(states, ["online", "offline", "online"], "each change is told once");
        assert!(events[1].contains(r#""type":"connectivityChanged","online":false"#), "{}", events[1]);
        assert!(events[1].contains(r#""because":"browserOffline","since":17803"#), "{}", events[1]);
    }
}

#[test]
fn the_network_is_looked_for_at_once_when_the_browser_sees_it() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        device.call(API);
        world.set_faults(Faults::OUTAGE);
        world.set_online(false);
        device.pass(1000);
        world.set_faults(Faults::default());
        world.set_online(true);
        assert!(device.comes_to(State::Online, 2));
    }
}

#[test]
fn a_browser_that_denies_a_network_that_is_there_is_not_believed_for_long() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        device.call(API);
        world.set_online(false);
        assert_eq!(device.state(), State::Offline);
        assert!(device.comes_to(State::Online, 2));
        device.pass(3600);
        assert!(device.call(API));
        assert_eq!((device.state(), device.returns.get()), (State::Online, 1));
    }
}

#[test]
fn a_browser_that_claims_a_network_that_is_not_there_is_found_out_at_the_first_failure() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        device.call(API);
        device.pass(60);
        world.set_faults(Faults::OUTAGE);
        assert!(!device.call(API));
        assert!(device.comes_to(State::Offline, 1));
        world.set_faults(Faults::default());
        assert!(device.call(API));
        assert_eq!(device.state(), State::Online, "a single answer ends it");
    }
}

#[test]
fn a_request_that_breaks_among_many_that_succeed_is_no_outage() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        world.set_faults(Faults { lost_requests: 0, cut_responses: 0, unreadable: 150, ..Faults::OUTAGE });
        let failed = (0..300).filter(|_| !device.call(API)).count();
        assert!(failed > 10);
        // A probe may get lost as well, with one failure in seven; an outage it never is for long.
        let offline = device.platform.events().iter().filter(|event| event.contains(r#""state":"offline""#)).count();
        assert!(offline <= 3, "{offline} of {failed}");
        world.set_faults(Faults::default());
        device.call(API);
        assert_eq!(device.state(), State::Online);
    }
}

#[test]
fn a_captive_portal_and_its_end() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        assert!(device.comes_to(State::Online, 5), "the health has been read");
        device.pass(60);
        world.set_faults(PORTAL);
        device.call(API);
        assert!(device.comes_to(State::CaptivePortal, 1));
        assert_eq!((device.report().online, device.report().because), (false, Because::PageInstead));
        device.pass(600);
        assert_eq!(device.state(), State::CaptivePortal);
        world.set_faults(Faults::default());
        assert!(device.comes_to(State::Online, 61), "the user has logged in");
        assert_eq!(device.returns.get(), 1);
    }
}

#[test]
fn a_511_is_a_captive_portal_from_the_first_answer_on() {
    let world = World::new(1);
    let device = Device::open(&world);
    world.server(|server| server.health = Some(Reply::new(511, "<html>Log in</html>")));
    assert!(device.comes_to(State::CaptivePortal, 5));
    assert_eq!(device.report().because, Because::NetworkAuthentication);
    world.server(|server| server.health = None);
    assert!(device.comes_to(State::Online, 61));
}

#[test]
fn the_page_that_a_web_server_gives_for_every_path_is_no_portal() {
    for seed in SEEDS {
        let world = World::new(seed);
        let page = Reply::new(200, "<!doctype html><div id=root></div>").header("Content-Type", "text/html");
        world.server(|server| server.health = Some(page));
        let device = Device::open(&world);
        assert!(device.comes_to(State::Online, 5));
        device.call(API);
        world.set_online(false);
        assert!(device.comes_to(State::Online, 5));
        assert!(!device.platform.events().iter().any(|event| event.contains("captivePortal")));
    }
}

#[test]
fn a_server_that_is_down_while_another_answers_is_degraded() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        device.call(API);
        device.pass(60);
        silence(&world, API);
        device.call(API);
        device.call(FILES);
        assert!(device.comes_to(State::Degraded, 3));
        assert_eq!((device.report().because, device.report().online), (Because::BackendSilent, true));
        silence(&world, FILES);
        assert!(device.comes_to(State::Offline, 180), "nobody has answered for a minute");
        end_silence(&world);
        assert!(device.comes_to(State::Online, 61));
    }
}

#[test]
fn an_origin_that_nobody_trusts_says_something_by_answering_and_nothing_by_silence() {
    let world = World::new(1);
    let device = Device::open(&world);
    device.call(API);
    silence(&world, "https://tracker.example");
    for _ in 0..10 {
        device.call("https://tracker.example");
    }
    assert_eq!(device.state(), State::Online);
    silence(&world, API);
    device.call("https://weather.example");
    assert_eq!(device.check(), State::Degraded);
}

#[test]
fn a_backend_that_is_not_well_is_degraded_until_it_is() {
    for seed in SEEDS {
        let world = World::new(seed);
        world.server(|server| server.health = Some(Reply::new(200, r#"{"status":"degraded","services":{}}"#)));
        let device = Device::open(&world);
        assert!(device.comes_to(State::Degraded, 5));
        assert!(device.call(API));
        assert_eq!((device.state(), device.report().because), (State::Degraded, Because::Health));
        world.server(|server| server.health = Some(Reply::new(503, r#"{"status":"unhealthy"}"#)));
        device.pass(100);
        assert_eq!(device.state(), State::Degraded);
        world.server(|server| server.health = None);
        assert!(device.comes_to(State::Online, 61));
        assert_eq!(device.returns.get(), 0, "it could be reached all the time");
    }
}

#[test]
fn a_health_that_is_not_there_answers_too() {
    for seed in SEEDS {
        let world = World::new(seed);
        world.server(|server| server.health = Some(Reply::new(404, "<html>Cannot GET /api/health</html>")));
        let device = Device::open(&world);
        assert!(device.comes_to(State::Online, 5));
        world.set_faults(Faults::OUTAGE);
        device.pass(60);
        device.call(API);
        assert!(device.comes_to(State::Offline, 2));
        world.set_faults(Faults::default());
        assert!(device.comes_to(State::Online, 61));
    }
}

#[test]
fn a_backend_that_may_not_be_read_any_longer_is_there_but_not_well() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        assert!(device.comes_to(State::Online, 5));
        device.pass(60);
        world.set_faults(Faults { lost_requests: 0, unreadable: 1000, ..Faults::OUTAGE });
        device.call(API);
        assert!(device.comes_to(State::Degraded, 1));
        assert_eq!(device.report().because, Because::Unreadable);
        assert_eq!(world.server(|server| server.probes.clone()), ["https://api.example/"]);
        world.set_faults(Faults::default());
        assert!(device.comes_to(State::Online, 61));
    }
}

#[test]
fn probes_back_off_and_rest_while_nobody_looks() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        device.call(API);
        // The answers are lost, so that the server counts what is asked.
        world.set_faults(Faults { lost_requests: 0, lost_responses: 1000, ..Faults::OUTAGE });
        world.set_online(false);
        device.pass(3600);
        let probes = device.probes();
        let gaps: Vec<u64> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| *gap >= 900), "a second, seen through a network: {gaps:?}");
        assert!(gaps[7..].iter().all(|gap| (29_900..=60_100).contains(gap)), "{gaps:?}");
        assert!(gaps[7..].iter().any(|gap| *gap != gaps[7]), "they are spread");
        assert!((60..=125).contains(&probes.len()), "{}", probes.len());
        world.hide();
        device.pass(3600);
        assert_eq!(device.probes().len(), probes.len());
        let shown = world.now();
        world.show();
        device.pass(1);
        assert!(device.probes().last().unwrap() - shown < 100, "the user looks: so does the page");
    }
}

#[test]
fn a_page_that_opens_in_the_background_rests() {
    let world = World::new(1);
    world.hide();
    let device = Device::open(&world);
    device.pass(3600);
    assert_eq!((device.state(), device.probes().len()), (State::Unknown, 0));
    world.show();
    assert!(device.comes_to(State::Online, 1));
}

#[test]
fn nothing_is_probed_while_requests_succeed() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        for _ in 0..200 {
            device.call(API);
            device.pass(3);
            world.hide();
            world.show();
        }
        assert!(device.probes().is_empty());
    }
}

#[test]
fn an_impatient_user_does_not_hammer_the_server() {
    let world = World::new(1);
    let device = Device::open(&world);
    world.set_faults(Faults { lost_requests: 0, lost_responses: 1000, ..Faults::OUTAGE });
    let begun = world.now();
    for turn in 0..200 {
        world.set_online(turn % 2 == 0);
        world.show();
        world.resume();
        world.advance(Duration::from_millis(50));
    }
    let probes = device.probes();
    assert!(probes.len() as u64 <= (world.now() - begun) / 1000 + 1, "{probes:?}");
}

#[test]
fn whoever_asks_gets_what_a_probe_finds() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        assert_eq!(device.check(), State::Online);
        world.set_faults(Faults::OUTAGE);
        assert_eq!(device.check(), State::Offline);
        world.hide();
        world.set_faults(Faults::default());
        assert_eq!(device.check(), State::Online, "even while the page is hidden");
        let asked = device.probes().len();
        device.watch.close();
        assert_eq!(device.check(), State::Online, "what was known last");
        assert_eq!(device.probes().len(), asked);
    }
}

#[test]
fn a_backend_that_hangs_is_given_five_seconds() {
    let world = World::new(1);
    let device = Device::open(&world);
    device.call(API);
    world.set_faults(Faults { lost_requests: 0, stalls: 1000, ..Faults::OUTAGE });
    let asked = world.now();
    assert_eq!(device.check(), State::Offline);
    assert_eq!(world.now() - asked, 5000);
}

#[test]
fn an_answer_whose_body_never_comes_is_an_answer() {
    let world = World::new(1);
    let device = Device::open(&world);
    world.server(|server| server.leaves_bodies_open = true);
    assert_eq!(device.check(), State::Online);
}

#[test]
fn a_probe_into_a_network_that_is_gone_is_given_up() {
    for seed in SEEDS {
        let world = World::new(seed);
        let device = Device::open(&world);
        device.call(API);
        world.set_faults(Faults { lost_requests: 0, stalls: 1000, ..Faults::OUTAGE });
        world.set_online(false);
        device.pass(2);
        world.set_faults(Faults::default());
        world.set_online(true);
        assert!(device.comes_to(State::Online, 2), "without waiting for the old one");
    }
}

#[test]
fn a_watch_that_is_dropped_leaves_nothing_behind() {
    let world = World::new(1);
    let device = Device::open(&world);
    world.set_faults(Faults::OUTAGE);
    world.set_online(false);
    let Device { watch, platform, .. } = device;
    let told = platform.events().len();
    drop(watch);
    world.set_online(true);
    world.advance(Duration::from_secs(3600));
    assert_eq!((platform.events().len(), world.server(|server| server.health_checks.len())), (told, 0));
}

#[test]
fn where_probes_are_turned_off_requests_alone_decide() {
    let world = World::new(1);
    let device = Device::with(&world, ProbePolicy { enabled: false, ..ProbePolicy::default() });
    world.set_faults(Faults::OUTAGE);
    for expected in [State::Unknown, State::Unknown, State::Offline] {
        device.call(API);
        assert_eq!(device.state(), expected);
        device.pass(1);
    }
    assert_eq!(device.check(), State::Offline);
    world.set_faults(Faults::default());
    device.call(API);
    assert_eq!((device.state(), device.probes().len()), (State::Online, 0));
}

#[test]
fn the_queue_is_brought_to_the_server_as_soon_as_that_is_seen() {
    for seed in SEEDS {
        let world = World::new(seed);
        let tab = Tab::open(&world, "ada", "");
        tab.client.watch_connectivity();
        assert!(world.run_until(Duration::from_secs(5), || tab.client.connectivity().state == State::Online));
        world.set_faults(Faults::OUTAGE);
        world.set_online(false);
        assert_eq!(tab.client.connectivity().state, State::Offline);
        let client = tab.client.clone();
        world.block_on(async move { client.enqueue(vec![draft("a", None)]).await }).unwrap();
        world.advance(Duration::from_secs(600));
        world.set_faults(Faults::default());
        // Found out by asking, while the browser still denies it.
        let client = tab.client.clone();
        assert!(world.block_on(async move { client.check_connectivity().await }).online);
        assert!(world.run_until(Duration::from_secs(1), || world.stored("ada").is_empty()));
    }
}

#[test]
fn a_wall_clock_that_jumps_changes_nothing_but_the_stamp() {
    let world = World::new(1);
    let device = Device::open(&world);
    device.call(API);
    world.jump_wall_clock(-365 * 86_400_000);
    world.set_faults(Faults::OUTAGE);
    device.pass(30);
    device.call(API);
    assert!(device.comes_to(State::Offline, 1));
    world.jump_wall_clock(2 * 365 * 86_400_000);
    world.set_faults(Faults::default());
    assert!(device.comes_to(State::Online, 61));
}

#[test]
fn nobody_looks_before_somebody_wants_to_know_nor_while_the_backend_wants_to_be_left_alone() {
    let world = World::new(3);
    let tab = Tab::open(&world, "ada", "");
    let looks = || world.server(|server| server.health_checks.len());
    world.set_faults(Faults::OUTAGE);
    world.advance(Duration::from_secs(600));
    assert_eq!(looks(), 0);
    world.set_faults(Faults::default());
    tab.client.watch_connectivity();
    assert!(world.run_until(Duration::from_secs(5), || tab.client.connectivity().state == State::Online));
    assert!(looks() > 0);
    let before = looks();
    tab.client.services().pause("https://api.example", Duration::from_secs(600));
    world.show();
    let client = tab.client.clone();
    let checked = world.block_on(async move { client.check_connectivity().await });
    assert_eq!(checked.state, State::Online, "what is known is said at once");
    world.advance(Duration::from_secs(300));
    assert_eq!(looks(), before);
}

#[test]
fn the_circuit_of_somebody_else_says_nothing_of_the_backend() {
    use steadfast::resilience::services::ByHand;
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", "");
    tab.client.watch_connectivity();
    assert!(world.run_until(Duration::from_secs(5), || tab.client.connectivity().state == State::Online));
    tab.client.services().set_by_hand(Some("https://stranger.example"), ByHand::Open);
    assert_ne!(tab.client.connectivity().state, State::Degraded);
    tab.client.services().set_by_hand(Some("https://api.example"), ByHand::Open);
    assert_eq!(tab.client.connectivity().state, State::Degraded);
    tab.client.services().set_by_hand(Some("https://api.example"), ByHand::Close);
    assert_ne!(tab.client.connectivity().state, State::Degraded);
}
