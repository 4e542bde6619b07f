//! What is remembered of the network around a page: where the page is, who has answered, who was probed and who was told of.

use super::Probe;
use super::origin::is_development;
use crate::time::MonotonicTime;
use futures_util::lock::Mutex;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

/// The most origins that are remembered.
const MOST_ORIGINS: usize = 32;
/// An answer, or a probe, says something for this long.
const FRESH: Duration = Duration::from_secs(10);

/// What a page knows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Its origin; `None` outside a browser.
    pub origin: Option<String>,
    /// Whether it is cross-origin isolated: answers that it could not read do not reach it at all.
    pub is_isolated: bool,
    /// The trace that it was sent in, if it says so.
    pub traceparent: Option<String>,
}

/// Where a page is, and what it has learnt of the network around it.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The page.
    pub page: Page,
    /// Whether developers are looking: they are warned of what only they can put right.
    pub development: bool,
    /// Whether a server whose request failed may be asked for a sign of life.
    pub probes: bool,
    /// Held while a probe is on its way: who fails at the same time waits for its outcome instead of asking again.
    pub probing: Mutex<()>,
    servers: RefCell<VecDeque<Server>>,
}

/// One origin.
#[derive(Debug)]
struct Server {
    origin: String,
    last_answer: Option<MonotonicTime>,
    probe: Option<(MonotonicTime, String, Probe)>,
    is_warned_of: bool,
}

/// What is known of who answers, as seen from one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// Whether it has ever answered.
    pub ever: bool,
    /// Whether it has answered after the request was sent.
    pub meanwhile: bool,
    /// Whether another server has answered within the last ten seconds.
    pub others: bool,
}

impl Surroundings {
    /// Those of a page. What the application leaves open depends on whether the page
    /// [is being developed](is_development); probes are for developers, unless asked for.
    pub fn new(page: Page, development: Option<bool>, probes: Option<bool>) -> Self {
        let development = development.unwrap_or_else(|| page.origin.as_deref().is_some_and(is_development));
        Self { page, development, probes: probes.unwrap_or(development), ..Self::default() }
    }

    /// Whether a request to that origin leaves the page's own.
    pub fn crosses_origins(&self, target: &str) -> bool {
        self.page.origin.as_deref().is_some_and(|page| page != target)
    }

    /// A server has answered.
    pub fn answered(&self, origin: &str, now: MonotonicTime) {
        self.visit(origin, |server| server.last_answer = Some(now));
    }

    /// Who answers, as seen from a request to that origin that was sent at that moment.
    pub fn answers(&self, origin: &str, sent: MonotonicTime, now: MonotonicTime) -> Answers {
        let servers = self.servers.borrow();
        let others = servers.iter().filter(|server| server.origin != origin).filter_map(|server| server.last_answer);
        let target = servers.iter().find(|server| server.origin == origin);
        let last = target.and_then(|server| server.last_answer);
        Answers {
            ever: last.is_some(),
            meanwhile: last.is_some_and(|last| last > sent),
            others: others.max().is_some_and(|last| now.since(last) <= FRESH),
        }
    }

    /// Whether that origin may be probed at all, and would be heard.
    pub fn may_probe(&self, origin: &str) -> bool {
        let is_heard = !(self.page.is_isolated && self.crosses_origins(origin));
        self.probes && is_heard && (origin.starts_with("http://") || origin.starts_with("https://"))
    }

    /// A probe of that origin, on behalf of a request to that URL, came to this.
    pub fn probed(&self, origin: &str, url: &str, outcome: Probe, now: MonotonicTime) {
        self.visit(origin, |server| server.probe = Some((now, url.into(), outcome)));
    }

    /// What a probe of that origin came to within the last ten seconds. What it says of one URL it does not say of another.
    pub fn last_probe(&self, origin: &str, url: &str, now: MonotonicTime) -> Option<Probe> {
        let servers = self.servers.borrow();
        let server = servers.iter().find(|server| server.origin == origin)?;
        let (at, probed, outcome) = server.probe.as_ref().filter(|(at, _, _)| now.since(*at) <= FRESH)?;
        // An answer since then has overtaken silence.
        let is_outdated = *outcome == Probe::Silence && server.last_answer.is_some_and(|last| last > *at);
        match *outcome {
            _ if is_outdated => None,
            Probe::Silence => Some(Probe::Silence),
            of_url if probed == url => Some(of_url),
            _ => Some(Probe::RootAnswers),
        }
    }

    /// Whether developers have yet to be told of that origin; from now on they have been.
    pub fn warns_of(&self, origin: &str) -> bool {
        self.development && self.visit(origin, |server| !std::mem::replace(&mut server.is_warned_of, true))
    }

    /// Looks at what is known of an origin. Who was not looked at for the longest time is forgotten first.
    fn visit<T>(&self, origin: &str, look: impl FnOnce(&mut Server) -> T) -> T {
        let mut servers = self.servers.borrow_mut();
        let known = servers.iter().position(|server| server.origin == origin).and_then(|place| servers.remove(place));
        let mut server =
            known.unwrap_or_else(|| Server { origin: origin.into(), last_answer: None, probe: None, is_warned_of: false });
        let seen = look(&mut server);
        if servers.len() >= MOST_ORIGINS {
            servers.pop_front();
        }
        servers.push_back(server);
        seen
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    const API: &str = "https://api.example";
    const OTHER: &str = "https://other.example";

    fn at(millis: u64) -> MonotonicTime {
        MonotonicTime(millis)
    }

    fn page(origin: &str) -> Page {
        Page { origin: Some(origin.into()), is_isolated: false, traceparent: None }
    }

    fn developing() -> Surroundings {
        Surroundings::new(page("http://localhost:5173"), None, None)
    }

    #[test]
    fn what_is_left_open_depends_on_whether_the_page_is_being_developed() {
        let both = |surroundings: Surroundings| (surroundings.development, surroundings.probes);
        assert_eq!(both(developing()), (true, true));
        assert_eq!(both(Surroundings::new(page(API), None, None)), (false, false));
        assert_eq!(both(Surroundings::new(Page::default(), None, None)), (false, false));
        assert_eq!(both(Surroundings::new(page(API), Some(true), None)), (true, true));
        assert_eq!(both(Surroundings::new(page("http://localhost:1"), None, Some(false))), (true, false));
        assert_eq!(both(Surroundings::new(page(API), None, Some(true))), (false, true));
    }

    #[test]
    fn an_answer_speaks_for_its_server_and_for_the_network_for_a_while() {
        let around = developing();
        assert_eq!(around.answers(API, at(0), at(0)), Answers::default());
        around.answered(API, at(250));
        assert_eq!(around.answers(API, at(200), at(260)), Answers { ever: true, meanwhile: true, others: false });
        assert!(!around.answers(API, at(250), at(260)).meanwhile, "it had answered before this one was sent");
        assert!(around.answers(OTHER, at(300), at(10_250)).others);
        assert!(!around.answers(OTHER, at(300), at(10_251)).others);
    }

    #[test]
    fn a_probe_speaks_for_ten_seconds_and_of_a_url_only_what_it_found_there() {
        let around = developing();
        let (url, other) = ("https://api.example/a", "https://api.example/b");
        assert_eq!(around.last_probe(API, url, at(0)), None);
        around.probed(API, url, Probe::OnlyRootAnswers, at(5));
        assert_eq!(around.last_probe(API, url, at(10_005)), Some(Probe::OnlyRootAnswers));
        assert_eq!(around.last_probe(API, other, at(10_005)), Some(Probe::RootAnswers));
        assert_eq!(around.last_probe(API, url, at(10_006)), None);
        assert_eq!(around.last_probe(OTHER, url, at(5)), None);
    }

    #[test]
    fn an_answer_ends_the_silence() {
        let around = developing();
        around.probed(API, "https://api.example/a", Probe::Silence, at(5));
        assert_eq!(around.last_probe(API, "https://api.example/b", at(6)), Some(Probe::Silence));
        around.answered(API, at(7));
        assert_eq!(around.last_probe(API, "https://api.example/b", at(8)), None);
    }

    #[test]
    fn what_has_no_address_is_not_probed_and_nothing_is_where_probes_are_off() {
        assert!(developing().may_probe(API));
        assert!(!developing().may_probe("null"));
        assert!(!Surroundings::new(Page::default(), Some(true), Some(false)).may_probe(API));
        let isolated = Surroundings::new(Page { is_isolated: true, ..page(API) }, None, Some(true));
        assert!(isolated.may_probe(API) && !isolated.may_probe(OTHER), "no answer from elsewhere would be heard");
    }

    #[test]
    fn developers_are_told_once_of_an_origin_and_nobody_else_is() {
        let around = developing();
        assert!(around.warns_of(API) && around.warns_of(OTHER) && !around.warns_of(API));
        assert!(!Surroundings::new(page(API), None, None).warns_of(OTHER));
    }

    #[test]
    fn a_page_that_talks_to_everyone_does_not_grow() {
        let around = developing();
        for index in 0..1000 {
            around.answered(&format!("https://{index}.example"), at(1));
        }
        assert_eq!(around.servers.borrow().len(), MOST_ORIGINS);
        assert!(around.answers("https://999.example", at(0), at(1)).ever);
        assert!(!around.answers("https://0.example", at(0), at(1)).ever);
    }
}
