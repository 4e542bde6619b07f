//! A network that delays, loses, and answers for others.

use super::server::{Reception, Reply};
use super::world::Inner;
use crate::error::ApiError;
use crate::error::network::{Rejection, Surroundings};
use crate::platform::{Headers, Http, NetworkFailure, NetworkFailureKind, RequestSummary, Response, ResponseBody};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

/// How often, of a thousand requests, something happens to one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// It never arrives.
    pub lost_requests: u16,
    /// It arrives and is carried out, and the answer never comes.
    pub lost_responses: u16,
    /// An extension blocks it, as it blocks all URLs but roots.
    pub blocked: u16,
    /// It arrives and is carried out, and the browser does not let the page read the answer.
    pub unreadable: u16,
    /// The answer breaks off in the middle.
    pub cut_responses: u16,
    /// A captive portal answers.
    pub portals: u16,
    /// The server answers 503.
    pub unavailable: u16,
    /// The server answers 429 and names a moment.
    pub rate_limited: u16,
    /// It takes a minute.
    pub stalls: u16,
}

impl Faults {
    /// Nothing gets through.
    pub const OUTAGE: Self = Self {
        lost_requests: 1000,
        lost_responses: 0,
        blocked: 0,
        unreadable: 0,
        cut_responses: 0,
        portals: 0,
        unavailable: 0,
        rate_limited: 0,
        stalls: 0,
    };
}

/// A tab's way to the network.
pub struct SimHttp {
    pub(super) world: Rc<Inner>,
    pub(super) surroundings: Surroundings,
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct SimRequest {
    /// The HTTP method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Its own headers and, once it is sent, those of the SDK.
    pub headers: Headers,
    /// The body.
    pub body: String,
}

impl SimRequest {
    /// The header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A response.
#[derive(Debug, Clone)]
pub struct SimResponse {
    reply: Reply,
    broken: bool,
}

impl SimResponse {
    /// What the server sent.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }
}

fn lost() -> NetworkFailure {
    NetworkFailure::unexplained(Rejection { name: "TypeError".into(), message: "Failed to fetch".into(), cause: None })
}

fn broken_off() -> NetworkFailure {
    let rejection = Rejection { name: "TypeError".into(), message: "network error".into(), cause: None };
    NetworkFailure::certain(NetworkFailureKind::Unknown, "the response broke off on its way", rejection)
}

impl Http for SimHttp {
    type Request = SimRequest;
    type Response = SimResponse;

    fn json_request(&self, method: &str, url: &str, body: Option<String>) -> Result<SimRequest, NetworkFailure> {
        let headers = body.iter().map(|_| ("Content-Type".into(), "application/json".into())).collect();
        Ok(SimRequest { method: method.into(), url: url.into(), headers, body: body.unwrap_or_default() })
    }

    fn summary(&self, request: &SimRequest) -> RequestSummary {
        let origin = request.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        RequestSummary {
            method: request.method.clone(),
            url: request.url.clone(),
            origin,
            carries_headers: true,
            idempotency_key: request.header("Idempotency-Key").map(ToString::to_string),
            correlation_id: request.header("x-correlation-id").map(ToString::to_string),
            traceparent: request.header("traceparent").map(ToString::to_string),
            tracestate: request.header("tracestate").map(ToString::to_string),
        }
    }

    async fn send(&self, request: &SimRequest, headers: &Headers) -> Result<SimResponse, NetworkFailure> {
        let mut sent = request.clone();
        sent.headers.extend(headers.iter().cloned());
        let (world, faults) = (&self.world, self.world.faults.get());
        world.sleep(Duration::from_millis(1 + world.below(40))).await;
        if world.happens(faults.stalls) {
            world.sleep(Duration::from_secs(60)).await;
        }
        if world.happens(faults.blocked) || world.happens(faults.lost_requests) {
            return Err(lost());
        }
        if world.happens(faults.portals) {
            let page =
                Reply::new(200, "<!doctype html><title>Welcome to the airport</title>").header("Content-Type", "text/html");
            return Ok(SimResponse { reply: page, broken: false });
        }
        let now = world.now();
        if world.happens(faults.rate_limited) {
            // Always heard: nobody can be held to a moment that was never named.
            let reply = world.server.borrow_mut().leave_alone(now, 1 + world.below(90));
            return Ok(SimResponse { reply, broken: false });
        }
        let received = if world.happens(faults.unavailable) {
            Reception::Reply(Reply::new(503, ""))
        } else {
            world.server.borrow_mut().receive(now, &sent)
        };
        world.sleep(Duration::from_millis(1 + world.below(40))).await;
        let reply = match received {
            Reception::Reply(reply) => reply,
            Reception::Refusal => return Err(lost()),
            Reception::Silence => pending().await,
        };
        if world.happens(faults.lost_responses) || world.happens(faults.unreadable) {
            return Err(lost());
        }
        Ok(SimResponse { reply, broken: world.happens(faults.cut_responses) })
    }

    fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    fn can_refresh_credentials(&self) -> bool {
        self.world.refreshes_credentials.get()
    }

    async fn refresh_credentials(&self, _error: &ApiError) -> Result<(), NetworkFailure> {
        let world = &self.world;
        world.sleep(Duration::from_millis(2 + world.below(80))).await;
        let mut server = world.server.borrow_mut();
        server.refreshes += 1;
        if server.refuses_refresh { Err(lost()) } else { Ok(()) }
    }

    async fn probe(&self, url: &str) -> bool {
        let (world, faults) = (&self.world, self.world.faults.get());
        world.sleep(Duration::from_millis(2 + world.below(80))).await;
        world.server.borrow_mut().probes.push(url.into());
        if !url.ends_with('/') && world.happens(faults.blocked) {
            return false;
        }
        !world.happens(faults.lost_requests) && !world.happens(faults.lost_responses)
    }
}

impl Response for SimResponse {
    fn status(&self) -> u16 {
        self.reply.status
    }

    fn headers(&self) -> Headers {
        self.reply.headers.clone()
    }

    async fn body(self, limit: usize) -> ResponseBody {
        let mut bytes = self.reply.body.into_bytes();
        let broken = self.broken.then(broken_off);
        if self.broken {
            bytes.truncate(bytes.len() / 2);
        }
        let truncated = bytes.len() > limit;
        bytes.truncate(limit);
        ResponseBody { bytes, truncated, broken }
    }
}
