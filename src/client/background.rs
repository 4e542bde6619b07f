//! What a client does by itself, beside its queue: it asks the backend how it wants to be treated, and how its services do.

use super::options::{Configured, Polled};
use super::settings::Settings;
use crate::call::{self, CallOptions, Caller, credentials::Credentials};
use crate::platform::{Clock, Http, Platform, Random};
use crate::policy::budget::Urgency;
use crate::policy::health::{self, ReportedState};
use crate::policy::hint::timestamp;
use crate::policy::retry::spread;
use crate::resilience::services::{Services, ToldCircuit};
use futures_util::future::{AbortHandle, Aborted, abortable};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

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
            tasks.0.push(this.clone().repeat(polled, |this, answer| this.settings.configure(answer.body.as_bytes())));
        }
        if let Some(polled) = configured.circuits {
            tasks.0.push(this.repeat(polled, Self::take_report));
        }
        tasks
    }

    /// Asks, hands on the answer, waits, and asks again.
    fn repeat(self: Rc<Self>, polled: Polled, take: fn(&Self, &Answer)) -> AbortHandle {
        let platform = self.platform.clone();
        let (run, handle) = abortable(async move {
            loop {
                // One that fails has told so itself, as any call does.
                if let Some(answer) = self.ask(&polled.url).await {
                    take(&self, &answer);
                }
                // Not all pages at once: they may have been opened by the same news.
                self.platform.clock().sleep(spread(polled.every, self.platform.random().unit())).await;
            }
        });
        platform.spawn(async move {
            // It ends when it is aborted, and then there is nothing left to say.
            let _: Result<Infallible, Aborted> = run.await;
        });
        handle
    }

    async fn ask(&self, url: &str) -> Option<Answer> {
        let policy = self.settings.policy();
        let request = self.platform.http().json_request("GET", url, None).ok()?;
        let caller = Caller {
            services: &self.services,
            policy: &policy,
            credentials: &self.credentials,
            preferences: &|| self.settings.preferences(),
        };
        let mut options = CallOptions::of(&policy);
        options.urgency = Urgency::Background;
        let answer = call::call_json(&caller, &options, &request).await.ok()?;
        let date = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("date")).map(|(_, value)| value.clone());
        Some(Answer { body: answer.text, date })
    }

    /// Opens and closes circuits by what the backend says of them, ahead of any failure here.
    fn take_report(&self, answer: &Answer) {
        let (clock, date) = (self.platform.clock(), answer.date.as_deref().and_then(timestamp));
        let default = Duration::from_secs(30);
        for report in health::read(answer.body.as_bytes(), date, clock.wall()).unwrap_or_default() {
            let circuit = match report.state {
                ReportedState::Closed => ToldCircuit::Closed,
                ReportedState::HalfOpen => ToldCircuit::HalfOpen,
                ReportedState::Open { remaining } => {
                    // Everyone is told the same moment.
                    ToldCircuit::Open { for_so_long: spread(remaining.unwrap_or(default), self.platform.random().unit()) }
                }
            };
            self.services.told(&report.service, circuit);
        }
    }
}

/// An answer to what was asked.
struct Answer {
    body: String,
    date: Option<String>,
}
