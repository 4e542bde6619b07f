//! Those who carry out what users want: the SDK, and what is often written instead.

use super::demand::Wish;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::time::Duration;
use steadfast::platform::{Clock, Http, Platform};
use steadfast::queue::draft::Draft;
use steadfast::sim::{SimRequest, Tab, TabPlatform};

/// What clients are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The SDK, with its defaults.
    Steadfast,
    /// One second after it has failed a request is sent again, until it succeeds. No jitter, no growth, no circuit breaker, no
    /// budget, and a hint is not looked at.
    FixedBackoff {
        /// How often a request is sent at most.
        attempts: u32,
    },
}

impl Kind {
    /// A retry loop that does not give up.
    pub(crate) const STUBBORN: Self = Self::FixedBackoff { attempts: u32::MAX };
    /// One that is as patient as the SDK.
    pub(crate) const THREE_TIMES: Self = Self::FixedBackoff { attempts: 3 };

    /// What the documentation calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steadfast => "Steadfast",
            Self::STUBBORN => "fixed backoff",
            Self::FixedBackoff { .. } => "fixed backoff, 3 attempts",
        }
    }
}

/// The delay of the fixed backoff.
const FIXED: Duration = Duration::from_secs(1);
/// How long it waits for an answer: as long as the SDK does.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Carries out what a user wants. Whether it was done; an action in the queue is, because it is on disk.
pub(crate) async fn carry_out(kind: Kind, client: steadfast::client::Client<TabPlatform>, wish: Wish) -> bool {
    match kind {
        Kind::Steadfast => match wish {
            Wish::See => client.call(&request("GET"), "{}").await.is_ok(),
            Wish::Do => client.call(&request("POST"), r#"{"idempotencyKey":true}"#).await.is_ok(),
            Wish::Leave => {
                let draft = Draft::read(r#"{"type":"save_draft"}"#, r#"{"n":1}"#).unwrap();
                client.enqueue(vec![draft]).await.is_ok()
            }
        },
        Kind::FixedBackoff { attempts } => {
            let request = request(if wish == Wish::See { "GET" } else { "POST" });
            with_fixed_backoff(client.services().platform(), &request, attempts).await
        }
    }
}

async fn with_fixed_backoff(platform: &TabPlatform, request: &SimRequest, attempts: u32) -> bool {
    let headers = vec![];
    for attempt in 1..=attempts {
        let sent = pin!(platform.http().send(request, &headers));
        let timeout = pin!(platform.clock().sleep(ATTEMPT_TIMEOUT));
        if let Either::Left((Ok(response), _)) = select(sent, timeout).await
            && response.reply().status < 500
        {
            return true;
        }
        if attempt < attempts {
            platform.clock().sleep(FIXED).await;
        }
    }
    false
}

fn request(method: &str) -> SimRequest {
    SimRequest { method: method.into(), url: "https://api.example/api/drafts".into(), ..SimRequest::default() }
}

/// Opens the page of a client.
pub(crate) fn open(world: &steadfast::sim::World, number: u32) -> Tab {
    let device = world.another_device();
    device.without_events();
    Tab::open(&device, &number.to_string(), "")
}
