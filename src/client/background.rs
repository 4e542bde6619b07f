//! What a client does by itself, beside its queue: it asks the backend how it wants to be treated, and how its services do.

use super::options::{Configured, Polled};
use super::settings::Settings;
use crate::call::{self, CallOptions, Caller, attempt, credentials::Credentials};
use crate::connectivity::{self, Watch};
use crate::error::parse::parse;
use crate::event::Event;
use crate::platform::{Clock, Connectivity, Http, KeyValue, Locks, Platform, Random};
use crate::policy::budget::Urgency;
use crate::policy::health::{self, ReportedState};
use crate::policy::hint::timestamp;
use crate::policy::retry::spread;
use crate::resilience::services::{Services, ToldCircuit};
use crate::time::WallTime;
use futures_util::future::{AbortHandle, Aborted, abortable};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

/// The most that is read of a configuration.
const LARGEST_CONFIGURATION: usize = 64 << 10;

/// Where the tabs find what the backend has said of its services: when, by the clock here and by its own, and the text.
const CIRCUITS: &str = "circuits";
/// A tab that asks and stands still holds the others no longer than this.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// What a task in the background works with.
pub(super) struct Background<P: Platform> {
    /// The world.
    pub(super) platform: Rc<P>,
    /// The services that are told of.
    pub(super) services: Rc<Services<P>>,
    /// What holds.
    pub(super) settings: Rc<Settings<P>>,
    /// What requests are authorised by.
    pub(super) credentials: Rc<Credentials<P>>,
    /// The backend.
    pub(super) origin: String,
    /// What learns from answers whether the backend can be reached.
    pub(super) watch: Rc<Watch<P>>,
    /// The name of the lock under which one tab asks for circuits.
    pub(super) circuits_lock: String,
}

/// Tasks, until they are dropped.
#[derive(Debug, Default)]
pub(super) struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl<P: Platform> Background<P> {
    /// Starts what the application has asked for.
    pub(super) fn start(self, configured: Configured) -> Tasks {
        let (this, mut tasks) = (Rc::new(self), Tasks::default());
        if let Some(polled) = configured.configuration {
            let this = this.clone();
            tasks.0.push(this.clone().repeat(polled, async move |polled: &Polled| this.ask_for_configuration(&polled.url).await));
        }
        if let Some(polled) = configured.circuits {
            let this = this.clone();
            tasks.0.push(this.clone().repeat(polled, async move |polled: &Polled| this.ask_for_circuits(polled).await));
        }
        tasks
    }

    /// Asks, waits, and asks again.
    fn repeat(&self, polled: Polled, ask: impl AsyncFn(&Polled) + 'static) -> AbortHandle {
        let platform = self.platform.clone();
        let (run, handle) = abortable(async move {
            loop {
                ask(&polled).await;
                // Not all pages at once: they may have been opened by the same news.
                platform.clock().sleep(spread(polled.every, platform.random().unit())).await;
            }
        });
        self.platform.spawn(async move {
            // It ends when it is aborted, and then there is nothing left to say.
            let _: Result<Infallible, Aborted> = run.await;
        });
        handle
    }

    /// Asks how the backend wants to be treated. It may say so differently to each user, so it is a call like any other.
    async fn ask_for_configuration(&self, url: &str) {
        let policy = self.settings.policy();
        let Ok(request) = self.platform.http().json_request("GET", url, None) else { return };
        let caller = Caller {
            services: &self.services,
            policy: &policy,
            credentials: &self.credentials,
            preferences: &|| self.settings.preferences(),
            watch: &self.watch,
        };
        let mut options = CallOptions::of(&policy);
        options.urgency = Urgency::Background;
        // One that fails has told so itself, as any call does.
        let Ok(response) = call::call(&caller, &options, &request).await else { return };
        let platform = self.platform.as_ref();
        let limit = policy.retry.attempt_timeout;
        let answer = attempt::read_error(platform, response, limit, LARGEST_CONFIGURATION).await;
        if parse(&answer, &policy.extensions).format.name == "html" {
            self.watch.answered_with_page(&platform.http().summary(&request).origin);
        }
        // What is broken is not asked for at once again: it is what the backend says, until someone puts it right there.
        if answer.truncated {
            let message = "the configuration is cut off, or longer than 65536 bytes".into();
            platform.emit(&Event::ConfigurationIgnored { message });
        } else {
            self.settings.configure(&answer.body);
        }
    }

    /// Opens and closes circuits by what the backend says of them, ahead of any failure here; not in a page that nobody looks at.
    async fn ask_for_circuits(&self, polled: &Polled) {
        if !self.platform.connectivity().visible() {
            return;
        }
        let Some(told) = self.health(polled).await else { return };
        let age = self.platform.clock().wall().since(told.at);
        for report in health::read(told.body.as_bytes(), told.date, told.at).unwrap_or_default() {
            let circuit = match report.state {
                ReportedState::Closed => ToldCircuit::Closed,
                ReportedState::HalfOpen => ToldCircuit::HalfOpen,
                ReportedState::Open { remaining } => {
                    // Everyone is told the same moment.
                    let open = self.services.policy_of(&report.service).breaker.unwrap_or_default().open_for;
                    let left = remaining.unwrap_or(open).saturating_sub(age);
                    ToldCircuit::Open { for_so_long: spread(left, self.platform.random().unit()) }
                }
            };
            self.services.told(&report.service, circuit);
        }
    }

    /// What the backend says of its health: of all tabs one asks, and the others take what it was told. It is asked in a way that
    /// no circuit stands in; but if it wants to be left alone, it is.
    async fn health(&self, polled: &Polled) -> Option<Told> {
        let (platform, clock) = (self.platform.as_ref(), self.platform.clock());
        // Whose turn does not come waits for a tab that stands still.
        let _one_tab = attempt::within(platform, LONGEST_LOOK, platform.locks().acquire(&self.circuits_lock)).await.ok();
        let now = clock.wall();
        let kept = platform.key_value().read(CIRCUITS).and_then(|text| Told::read(&text));
        // One from the future was kept by a clock that has been set back since.
        if let Some(told) =
            kept.filter(|told| told.at <= now && now.since(told.at) < polled.every.saturating_sub(polled.every / 4))
        {
            return Some(told);
        }
        if !self.services.paused_for(&self.origin).is_zero() {
            return None;
        }
        // A backend that is not well may say so with a 503. Where a redirect has led is not the backend.
        let answer = connectivity::look(platform, &polled.url).await?.ok().filter(|answer| !answer.leads_elsewhere)?;
        let date = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("date"));
        let date = date.and_then(|(_, value)| timestamp(value));
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let told = Told { at: clock.wall(), date, body };
        platform.key_value().write(CIRCUITS, &told.to_text());
        Some(told)
    }
}

/// What the backend has said of its health.
struct Told {
    /// When, by the wall clock here.
    at: WallTime,
    /// When, by its own.
    date: Option<WallTime>,
    body: String,
}

impl Told {
    fn read(text: &str) -> Option<Self> {
        let (at, rest) = text.split_once(' ')?;
        let (date, body) = rest.split_once(' ')?;
        Some(Self { at: WallTime(at.parse().ok()?), date: date.parse().ok().map(WallTime), body: body.into() })
    }

    fn to_text(&self) -> String {
        let date = self.date.map_or_else(String::new, |date| date.0.to_string());
        [&self.at.0.to_string(), " ", &date, " ", &self.body].concat()
    }
}
