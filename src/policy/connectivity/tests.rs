use super::*;
use proptest::prelude::*;

const UP: Evidence = Evidence::Answered { by: Origin::Backend, status: 200 };
const ERROR: Evidence = Evidence::Answered { by: Origin::Backend, status: 503 };
const OTHERS_UP: Evidence = Evidence::Answered { by: Origin::Sibling, status: 200 };

fn at(seconds: u64) -> MonotonicTime {
    MonotonicTime(1_000_000 + seconds * 1000)
}

fn silence(from: Origin, silence: Silence, sent: u64) -> Evidence {
    Evidence::NoResponse { from, silence, sent: at(sent) }
}

fn unanswered(sent: u64) -> Evidence {
    silence(Origin::Backend, Silence::Unanswered, sent)
}

/// A machine whose evidence comes second by second.
struct Story {
    machine: Connectivity,
    second: u64,
}

impl Story {
    fn new() -> Self {
        Self { machine: Connectivity::new(ProbePolicy::default(), true, at(0)), second: 0 }
    }

    fn said(browser: bool) -> Self {
        Self { machine: Connectivity::new(ProbePolicy::default(), browser, at(0)), second: 0 }
    }

    fn up() -> Self {
        let mut story = Self::new();
        story.hears(UP);
        story
    }

    fn later(&mut self, seconds: u64) -> &mut Self {
        self.second += seconds;
        self
    }

    fn hears(&mut self, evidence: Evidence) -> (State, Because) {
        self.machine.observe(evidence, at(self.second));
        (self.machine.state(), self.machine.because())
    }

    /// A request that is sent now fails a second later.
    fn fails(&mut self) -> (State, Because) {
        let evidence = unanswered(self.second);
        self.later(1).hears(evidence)
    }

    fn wait(&mut self) -> Option<Duration> {
        self.machine.probe_after(at(self.second), 0.5)
    }

    fn probes(&mut self, outcome: ProbeOutcome) -> (State, Because) {
        let sent = at(self.second);
        self.machine.probe_begins(sent);
        assert_eq!(self.wait(), None, "one at a time");
        self.later(1).hears(Evidence::Probed { outcome, sent })
    }
}

#[test]
fn before_anything_is_known_nothing_is_claimed_and_somebody_looks_soon() {
    let mut story = Story::new();
    assert_eq!(story.machine.state(), State::Unknown);
    assert!(story.machine.state().is_online(), "a request has a chance");
    assert_eq!(story.wait(), Some(Duration::from_secs(3)));
    assert_eq!(story.hears(UP), (State::Online, Because::Answered));
    assert_eq!(story.wait(), None);
}

#[test]
fn a_browser_that_begins_with_no_network_is_believed_and_checked_at_once() {
    let mut story = Story::said(false);
    assert_eq!((story.machine.state(), story.machine.because()), (State::Offline, Because::BrowserOffline));
    assert_eq!(story.wait(), Some(Duration::ZERO));
    assert_eq!(story.probes(ProbeOutcome::Health(Health::Healthy)).0, State::Online, "it lied");
    assert_eq!(story.later(1).hears(Evidence::BrowserSays(false)).0, State::Online, "the same again says nothing new");
}

#[test]
fn a_network_that_the_browser_sees_again_is_none_until_something_answers() {
    let mut story = Story::up();
    assert_eq!(story.later(5).hears(Evidence::BrowserSays(false)), (State::Offline, Because::BrowserOffline));
    assert_eq!(story.probes(ProbeOutcome::Silence).0, State::Offline);
    assert_eq!(story.later(5).hears(Evidence::BrowserSays(true)).0, State::Offline);
    assert_eq!(story.wait(), Some(Duration::ZERO));
    assert_eq!(story.hears(UP).0, State::Online);
}

#[test]
fn one_failure_is_a_doubt_and_a_probe_decides_it() {
    let mut story = Story::up();
    assert_eq!(story.later(1).fails().0, State::Online);
    assert_eq!(story.wait(), Some(Duration::ZERO));
    assert_eq!(story.probes(ProbeOutcome::Silence), (State::Offline, Because::NoAnswer));
    let mut story = Story::up();
    story.later(1).fails();
    assert_eq!(story.probes(ProbeOutcome::Answered(404)).0, State::Online, "a 404 is an answer");
    assert_eq!(story.wait(), None);
    story.fails();
    assert_eq!(story.wait(), Some(Duration::from_secs(8)), "ten seconds after the last probe");
}

#[test]
fn a_failure_among_many_that_succeed_is_none() {
    let mut story = Story::up();
    for _ in 0..100 {
        let sent = story.second;
        story.later(1).hears(UP);
        assert_eq!(story.hears(unanswered(sent)).0, State::Online);
        assert_eq!(story.wait(), None);
    }
}

#[test]
fn failures_one_after_the_other_are_a_fact_without_a_probe_and_those_of_one_moment_are_one() {
    let mut story = Story::up();
    story.later(1);
    story.hears(Evidence::Hidden);
    assert_eq!([story.fails().0, story.fails().0, story.fails().0], [State::Online, State::Online, State::Offline]);
    let mut story = Story::up();
    story.later(2);
    for _ in 0..20 {
        assert_eq!(story.hears(unanswered(1)).0, State::Online);
    }
}

#[test]
fn failures_of_another_hour_do_not_add_up() {
    let mut story = Story::up();
    for _ in 0..10 {
        assert_eq!(story.later(3600).fails().0, State::Online);
    }
}

#[test]
fn a_failure_that_says_nothing_about_the_network_is_looked_into_and_no_more() {
    let mut story = Story::up();
    for _ in 0..10 {
        let sent = story.second + 1;
        assert_eq!(story.later(2).hears(silence(Origin::Backend, Silence::Inconclusive, sent)).0, State::Online);
    }
    assert_eq!(story.wait(), Some(Duration::ZERO));
}

#[test]
fn a_server_that_is_silent_while_others_answer_is_degraded_and_offline_when_they_fall_silent() {
    let mut story = Story::up();
    story.later(1).fails();
    story.hears(OTHERS_UP);
    assert_eq!(story.probes(ProbeOutcome::Silence), (State::Degraded, Because::BackendSilent));
    assert!(story.wait().is_some());
    assert_eq!(story.later(61).probes(ProbeOutcome::Silence), (State::Offline, Because::NoAnswer));
    assert_eq!(story.hears(OTHERS_UP).0, State::Degraded, "any answer ends offline");
}

#[test]
fn a_browser_that_lies_does_not_outweigh_those_who_answer() {
    let mut story = Story::up();
    story.later(1).hears(Evidence::BrowserSays(false));
    assert_eq!(story.hears(OTHERS_UP), (State::Degraded, Because::BackendSilent));
    let failure = silence(Origin::Backend, Silence::NoNetwork, 2);
    assert_eq!(story.later(2).hears(failure).0, State::Degraded);
    assert_eq!(story.hears(UP).0, State::Online);
    let failure = silence(Origin::Backend, Silence::NoNetwork, 4);
    assert_eq!(story.later(2).hears(failure).0, State::Online, "one failure like any other");
}

#[test]
fn an_error_that_says_that_there_is_no_network_is_believed_at_once() {
    let mut story = Story::up();
    let failure = silence(Origin::Backend, Silence::NoNetwork, 1);
    assert_eq!(story.later(2).hears(failure), (State::Offline, Because::NoNetwork));
}

#[test]
fn server_errors_in_a_row_are_degraded_and_one_good_answer_ends_it() {
    let mut story = Story::up();
    assert_eq!([story.hears(ERROR).0, story.hears(ERROR).0], [State::Online, State::Online]);
    assert_eq!(story.hears(ERROR), (State::Degraded, Because::ServerErrors));
    assert!(story.wait().is_some());
    assert_eq!(story.probes(ProbeOutcome::Health(Health::Healthy)).0, State::Degraded, "the health does not know it all");
    assert_eq!(story.later(61).probes(ProbeOutcome::Health(Health::Healthy)).0, State::Online);
    for _ in 0..3 {
        story.hears(ERROR);
    }
    assert_eq!(story.machine.state(), State::Degraded);
    assert_eq!(story.hears(Evidence::Answered { by: Origin::Backend, status: 404 }).0, State::Online);
}

#[test]
fn what_the_backend_says_of_its_health_stands_until_it_says_otherwise() {
    let mut story = Story::new();
    assert_eq!(story.probes(ProbeOutcome::Health(Health::Degraded)), (State::Degraded, Because::Health));
    assert_eq!(story.hears(UP).0, State::Degraded);
    assert_eq!(story.probes(ProbeOutcome::Answered(503)).0, State::Degraded);
    assert_eq!(story.probes(ProbeOutcome::Health(Health::Healthy)).0, State::Online);
}

#[test]
fn a_breaker_degrades_and_is_left_to_find_out_by_itself() {
    let mut story = Story::up();
    assert_eq!(story.hears(Evidence::BreakerOpen(true)), (State::Degraded, Because::CircuitOpen));
    assert_eq!(story.wait(), None);
    assert_eq!(story.hears(Evidence::BreakerOpen(false)).0, State::Online);
}

#[test]
fn what_comes_to_an_open_breaker_is_watched_as_if_there_were_none() {
    let mut story = Story::up();
    story.hears(Evidence::BreakerOpen(true));
    story.hears(Evidence::Asked);
    assert_eq!(story.probes(ProbeOutcome::Health(Health::Degraded)), (State::Degraded, Because::Health));
    story.hears(Evidence::BreakerOpen(false));
    assert!(story.wait().is_some(), "or it would be degraded for ever");
}

#[test]
fn other_trusted_origins_that_fall_silent_degrade_for_as_long_as_that_is_news() {
    let mut story = Story::up();
    for sent in [1, 2, 3] {
        story.later(1).hears(silence(Origin::Sibling, Silence::Unanswered, sent));
    }
    assert_eq!(story.hears(UP), (State::Degraded, Because::SiblingsSilent));
    assert_eq!(story.later(61).hears(UP).0, State::Online);
}

#[test]
fn a_page_at_the_healths_path_is_a_portal_only_where_the_health_was_read_before() {
    let mut story = Story::new();
    assert_eq!(story.probes(ProbeOutcome::Page).0, State::Online, "the index.html of an application without such a path");
    assert_eq!(story.probes(ProbeOutcome::Health(Health::Healthy)).0, State::Online);
    assert_eq!(story.probes(ProbeOutcome::Page), (State::CaptivePortal, Because::PageInstead));
    assert_eq!(story.probes(ProbeOutcome::Health(Health::Healthy)).0, State::Online);
    story.probes(ProbeOutcome::Page);
    assert_eq!(story.hears(UP).0, State::Online);
    assert_eq!(story.probes(ProbeOutcome::Page).0, State::Online, "it was this server's own page");
}

#[test]
fn a_page_instead_of_json_is_a_portal_if_the_probe_says_so_or_if_it_goes_on() {
    let page = Evidence::Unreadable { from: Origin::Backend };
    let mut story = Story::new();
    story.probes(ProbeOutcome::Health(Health::Healthy));
    assert_eq!(story.later(20).hears(page).0, State::Online);
    assert_eq!(story.wait(), Some(Duration::ZERO));
    assert_eq!(story.probes(ProbeOutcome::Page).0, State::CaptivePortal);
    let mut story = Story::up();
    assert_eq!([story.hears(page).0, story.hears(page).0], [State::Online, State::Online]);
    assert_eq!(story.hears(page), (State::CaptivePortal, Because::PageInstead));
    let mut story = Story::new();
    for _ in 0..3 {
        story.hears(page);
    }
    assert_eq!(story.machine.state(), State::Degraded, "it has never answered otherwise");
}

#[test]
fn a_511_is_a_portal_whoever_seems_to_send_it() {
    for by in [Origin::Backend, Origin::Sibling] {
        let mut story = Story::new();
        let evidence = Evidence::Answered { by, status: 511 };
        assert_eq!(story.hears(evidence), (State::CaptivePortal, Because::NetworkAuthentication));
        assert_eq!(story.probes(ProbeOutcome::Page).0, State::CaptivePortal);
        assert_eq!(story.probes(ProbeOutcome::Answered(511)).0, State::CaptivePortal);
        assert_eq!(story.hears(UP).0, State::Online);
    }
}

#[test]
fn what_may_not_be_read_is_there_and_not_well() {
    let mut story = Story::new();
    story.probes(ProbeOutcome::Health(Health::Healthy));
    assert_eq!(story.probes(ProbeOutcome::Unreadable), (State::Degraded, Because::Unreadable));
    for _ in 0..5 {
        assert_eq!(story.fails().0, State::Degraded, "something is there");
    }
    assert_eq!(story.probes(ProbeOutcome::Silence).0, State::Offline);
}

#[test]
fn what_could_never_be_read_is_not_well_if_requests_fail_too() {
    let mut story = Story::new();
    assert_eq!(story.probes(ProbeOutcome::Unreadable).0, State::Online, "only the health's path, perhaps");
    for _ in 0..3 {
        story.fails();
    }
    assert_eq!(story.machine.state(), State::Offline);
    assert_eq!(story.probes(ProbeOutcome::Unreadable), (State::Degraded, Because::Unreadable));
    assert_eq!(story.hears(UP).0, State::Online);
}

#[test]
fn who_has_answered_since_outweighs_a_request_that_found_no_network() {
    let mut story = Story::up();
    story.later(5).hears(OTHERS_UP);
    assert_eq!(story.hears(silence(Origin::Backend, Silence::NoNetwork, 4)).0, State::Online);
    assert_eq!(story.hears(silence(Origin::Sibling, Silence::NoNetwork, 4)).0, State::Online);
    assert_eq!(story.hears(silence(Origin::Backend, Silence::NoNetwork, 6)).0, State::Offline);
}

#[test]
fn a_probe_that_an_answer_overtakes_says_nothing_by_its_silence() {
    for outcome in [ProbeOutcome::Silence, ProbeOutcome::Page, ProbeOutcome::Unreadable] {
        let mut story = Story::new();
        story.probes(ProbeOutcome::Health(Health::Healthy));
        let sent = at(story.second);
        story.machine.probe_begins(sent);
        story.later(1).hears(UP);
        assert_eq!(story.later(1).hears(Evidence::Probed { outcome, sent }).0, State::Online);
    }
}

#[test]
fn an_answer_from_a_future_that_the_clock_has_left_hides_no_outage() {
    let mut story = Story::new();
    story.later(100_000).hears(UP);
    story.second = 10;
    assert_eq!([story.fails().0, story.fails().0, story.fails().0], [State::Online, State::Online, State::Offline]);
}

#[test]
fn pages_after_a_511_are_of_the_same_network() {
    let mut story = Story::up();
    story.hears(Evidence::Answered { by: Origin::Backend, status: 511 });
    for _ in 0..5 {
        let page = Evidence::Unreadable { from: Origin::Backend };
        assert_eq!(story.hears(page), (State::CaptivePortal, Because::NetworkAuthentication));
    }
}

#[test]
fn a_doubt_does_not_put_off_what_is_due_anyway() {
    let mut story = Story::up();
    story.hears(Evidence::BrowserSays(false));
    story.probes(ProbeOutcome::Silence);
    story.hears(Evidence::Unreadable { from: Origin::Backend });
    assert!(story.wait().unwrap() <= Duration::from_secs(1));
}

#[test]
fn whoever_asks_gets_a_probe_whatever_answers_meanwhile() {
    let mut story = Story::up();
    story.hears(Evidence::Asked);
    story.hears(UP);
    assert_eq!(story.wait(), Some(Duration::ZERO));
    story.probes(ProbeOutcome::Answered(404));
    assert_eq!(story.wait(), None);
}

#[test]
fn probes_are_further_and_further_apart_and_begin_anew_after_a_success() {
    let mut story = Story::up();
    story.hears(Evidence::BrowserSays(false));
    for _ in 0..2 {
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = story.wait().unwrap().as_secs();
            waits.push(wait);
            story.later(wait);
            let sent = at(story.second);
            story.machine.probe_begins(sent);
            story.hears(Evidence::Probed { outcome: ProbeOutcome::Silence, sent });
        }
        assert_eq!(waits, [0, 1, 1, 3, 6, 12, 24, 45, 45]);
        story.later(60).hears(UP);
        story.later(60).hears(Evidence::BrowserSays(true));
        story.hears(Evidence::BrowserSays(false));
    }
}

#[test]
fn a_hidden_page_does_not_probe_unless_it_is_asked_to() {
    let mut story = Story::up();
    story.hears(Evidence::Hidden);
    story.hears(Evidence::BrowserSays(false));
    assert_eq!(story.wait(), None);
    story.hears(Evidence::Asked);
    assert_eq!(story.wait(), Some(Duration::ZERO));
    story.probes(ProbeOutcome::Silence);
    assert_eq!(story.wait(), None);
    story.later(100).hears(Evidence::Visible);
    assert_eq!(story.wait(), Some(Duration::ZERO));
}

#[test]
fn a_page_that_is_seen_again_asks_unless_an_answer_is_fresh() {
    let mut story = Story::up();
    story.hears(Evidence::Hidden);
    story.later(10).hears(Evidence::Visible);
    assert_eq!(story.wait(), None);
    story.hears(Evidence::Hidden);
    story.later(1).hears(Evidence::Visible);
    assert_eq!(story.wait(), Some(Duration::ZERO));
}

#[test]
fn a_probe_that_was_frozen_with_the_page_says_nothing() {
    let mut story = Story::up();
    let sent = at(story.second);
    story.machine.probe_begins(sent);
    assert!(!story.machine.probe_is_outdated());
    story.later(1).hears(Evidence::Resumed);
    assert!(story.machine.probe_is_outdated());
    let mut given_up = story.machine.clone();
    assert_eq!(story.hears(Evidence::Probed { outcome: ProbeOutcome::Silence, sent }).0, State::Online);
    assert_eq!(story.wait(), Some(Duration::ZERO));
    given_up.probe_given_up();
    assert_eq!(given_up.probe_after(at(story.second), 0.5), Some(Duration::ZERO));
}

#[test]
fn nothing_is_probed_where_that_is_turned_off() {
    let mut machine = Connectivity::new(ProbePolicy { enabled: false, ..ProbePolicy::default() }, false, at(0));
    machine.observe(Evidence::Asked, at(1));
    assert_eq!(machine.probe_after(at(1), 0.5), None);
    machine.observe(UP, at(2));
    assert_eq!(machine.state(), State::Online);
}

fn origins() -> impl Strategy<Value = Origin> {
    prop_oneof![Just(Origin::Backend), Just(Origin::Sibling)]
}

fn outcomes() -> impl Strategy<Value = ProbeOutcome> {
    prop_oneof![
        prop_oneof![Just(Health::Healthy), Just(Health::Degraded), Just(Health::Unhealthy)].prop_map(ProbeOutcome::Health),
        prop_oneof![200..600_u16, Just(511)].prop_map(ProbeOutcome::Answered),
        Just(ProbeOutcome::Page),
        Just(ProbeOutcome::Unreadable),
        Just(ProbeOutcome::Silence),
        Just(ProbeOutcome::Inconclusive),
    ]
}

/// What happens next, and how many milliseconds later by the clock, which may also be set back.
fn steps() -> impl Strategy<Value = Vec<(i64, f64, Step)>> {
    let evidence = prop_oneof![
        1 => any::<bool>().prop_map(Evidence::BrowserSays),
        4 => (origins(), prop_oneof![200..600_u16, Just(511)]).prop_map(|(by, status)| Evidence::Answered { by, status }),
        4 => (origins(), prop_oneof![Just(Silence::NoNetwork), Just(Silence::Unanswered), Just(Silence::Inconclusive)], 0..9000_u64)
            .prop_map(|(from, silence, ago)| Evidence::NoResponse { from, silence, sent: MonotonicTime(ago) }),
        1 => origins().prop_map(|from| Evidence::Unreadable { from }),
        1 => any::<bool>().prop_map(Evidence::BreakerOpen),
        1 => Just(Evidence::Hidden),
        1 => Just(Evidence::Visible),
        1 => Just(Evidence::Resumed),
        1 => Just(Evidence::Asked),
    ];
    let step = prop_oneof![
        3 => evidence.prop_map(Step::Hears),
        2 => outcomes().prop_map(Step::Probes),
    ];
    let passes = prop_oneof![8 => 0..20_000_i64, 1 => Just(0), 1 => -90_000_000..90_000_000_i64];
    proptest::collection::vec((passes, 0.0..1.0_f64, step), 1..200)
}

#[derive(Debug, Clone)]
enum Step {
    Hears(Evidence),
    /// If a probe is due it is made, and comes to this.
    Probes(ProbeOutcome),
}

fn is_reached(state: State) -> bool {
    matches!(state, State::Online | State::Degraded)
}

proptest! {
    #[test]
    fn whatever_happens_answers_count_at_once_and_probes_keep_their_distance(steps in steps(), said in any::<bool>()) {
        let mut now = MonotonicTime(100_000_000);
        let mut machine = Connectivity::new(ProbePolicy::default(), said, now);
        let (mut last_probe, mut hidden, mut asked) = (None::<MonotonicTime>, false, false);
        for (passes, unit, step) in steps {
            let before = machine.state();
            now = MonotonicTime(now.0.saturating_add_signed(passes));
            // A clock that was set back says nothing about distances.
            last_probe = last_probe.filter(|last| *last <= now);
            let consequence = match step {
                Step::Hears(evidence) => {
                    let evidence = match evidence {
                        Evidence::NoResponse { from, silence, sent } =>
                            Evidence::NoResponse { from, silence, sent: MonotonicTime(now.0.saturating_sub(sent.0)) },
                        other => other,
                    };
                    match evidence {
                        Evidence::Hidden => hidden = true,
                        Evidence::Visible => hidden = false,
                        Evidence::Asked => asked = true,
                        _ => {}
                    }
                    let consequence = machine.observe(evidence, now);
                    match evidence {
                        Evidence::Answered { status: 511, .. } => prop_assert_eq!(machine.state(), State::CaptivePortal),
                        Evidence::Answered { by: Origin::Backend, .. } => prop_assert!(is_reached(machine.state())),
                        Evidence::Answered { by: Origin::Sibling, .. } => prop_assert_ne!(machine.state(), State::Offline),
                        Evidence::BrowserSays(true) | Evidence::Asked | Evidence::Visible | Evidence::Hidden =>
                            prop_assert!(before == machine.state() || before != State::Offline),
                        _ => {}
                    }
                    consequence
                }
                Step::Probes(outcome) => {
                    let Some(wait) = machine.probe_after(now, unit) else { continue };
                    prop_assert!(!hidden || asked, "a hidden page rests");
                    prop_assert!(wait <= Duration::from_secs(60));
                    prop_assert_eq!(machine.probe_after(now, 1.0 - unit), Some(wait), "it is decided once");
                    let sent = MonotonicTime(now.0 + u64::try_from(wait.as_millis()).unwrap());
                    prop_assert_eq!(machine.probe_after(sent, unit), Some(Duration::ZERO), "the wait was the whole of it");
                    if let Some(last) = last_probe {
                        prop_assert!(sent.since(last) >= Duration::from_secs(1));
                    }
                    last_probe = Some(sent);
                    asked = false;
                    machine.probe_begins(sent);
                    now = MonotonicTime(sent.0 + 40);
                    let consequence = machine.observe(Evidence::Probed { outcome, sent }, now);
                    match outcome {
                        ProbeOutcome::Health(_) => prop_assert!(is_reached(machine.state())),
                        ProbeOutcome::Answered(511) => prop_assert_eq!(machine.state(), State::CaptivePortal),
                        ProbeOutcome::Answered(_) => prop_assert!(is_reached(machine.state())),
                        _ => {}
                    }
                    consequence
                }
            };
            prop_assert_eq!(consequence.changed, machine.state() != before);
        }
        // Whatever state it has come to: it is seen, it is looked at within a minute, and a good answer ends it.
        machine.observe(Evidence::BreakerOpen(false), now);
        machine.observe(Evidence::Visible, now);
        for _ in 0..2 {
            if let Some(wait) = machine.probe_after(now, 0.99) {
                prop_assert!(wait <= Duration::from_secs(60));
                now = MonotonicTime(now.0 + u64::try_from(wait.as_millis()).unwrap());
                machine.probe_begins(now);
                machine.observe(Evidence::Probed { outcome: ProbeOutcome::Health(Health::Healthy), sent: now }, now);
                prop_assert!(is_reached(machine.state()));
            }
            // Old server errors, and the silence of others, are forgotten in a minute.
            now = MonotonicTime(now.0 + 61_000);
        }
        machine.observe(UP, now);
        prop_assert_eq!(machine.state(), State::Online);
        prop_assert_eq!(machine.probe_after(now, 0.5), None);
    }

    #[test]
    fn an_outage_is_probed_no_more_often_than_the_backoff_allows(unit in 0.0..1.0_f64, failures in 0..2000_u64) {
        let mut machine = Connectivity::new(ProbePolicy::default(), true, at(0));
        let (mut now, mut probes) = (at(0), 0);
        let end = at(3600);
        machine.observe(UP, now);
        while now < end {
            // Requests fail all the time.
            for _ in 0..failures % 7 {
                machine.observe(Evidence::NoResponse { from: Origin::Backend, silence: Silence::Unanswered, sent: now }, now);
            }
            match machine.probe_after(now, unit) {
                Some(Duration::ZERO) => {
                    probes += 1;
                    machine.probe_begins(now);
                    machine.observe(Evidence::Probed { outcome: ProbeOutcome::Silence, sent: now }, now);
                }
                _ => now = MonotonicTime(now.0 + 500),
            }
        }
        // 1, 1, 2, 4, … 60 s, each at least halved, and at least 30 s from then on.
        prop_assert!(probes <= 9 + 3600 / 30, "{}", probes);
        prop_assert_eq!(probes > 0, failures % 7 > 0);
    }
}
