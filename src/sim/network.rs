//! A network that delays, loses, and answers for others.

use super::disk::SimFile;
use super::server::{Reception, Reply};
use super::witness::Sight;
use super::world::Inner;
use crate::error::ApiError;
use crate::error::network::{Rejection, Surroundings};
use crate::platform::{
    FormValue, Headers, Http, NetworkFailure, NetworkFailureKind, OutgoingBody, OutgoingRequest, Progress, RequestSummary,
    Response, ResponseBody,
};
use crate::wire::ACTIONS_PART;
use futures_channel::oneshot;
use futures_util::future::{AbortHandle, abortable};
use futures_util::task::LocalSpawnExt as _;
use std::cell::RefCell;
use std::fmt;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

/// How long the pages of this world may still take to hear of an answer when they have been frozen, in milliseconds: their timers
/// come first.
const LATE_NEWS: u64 = 20;

/// How long it takes until other pages know what one has heard that has been frozen meanwhile, in milliseconds: they may have taken
/// over from it, and then no lock keeps them from sending.
const OVERTAKEN: u64 = 50;

/// The longest that a request may be under way, in milliseconds.
pub(super) const LONGEST_DELAY: u64 = 120_000;
/// The longest that the application takes to say what it adds to a request, in milliseconds.
const SLOWEST_HEADERS: u64 = 20_000;

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
    /// The application takes its time to say what it adds to a request.
    pub slow_headers: u16,
    /// It takes up to two minutes, so that later ones overtake it.
    pub delayed: u16,
    /// It arrives once more, up to two minutes later.
    pub duplicated: u16,
    /// Once it has left it arrives, whether anybody still waits for the answer or not.
    pub outlives: u16,
    /// Something before the server answers with a status of `REFUSALS`.
    pub refused: u16,
    /// It is carried out, and something answers with a status of `BREAKDOWNS` all the same.
    pub breakdowns: u16,
    /// It is carried out, and the answer is a success in which nothing is said of any action.
    pub hollow: u16,
    /// The answer to a batch leaves out some of its actions, and names others.
    pub strange: u16,
}

/// The statuses that a request may be refused with.
pub(super) const REFUSALS: [u16; 12] = [400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504];
/// The statuses that hide that a request was carried out.
pub(super) const BREAKDOWNS: [u16; 4] = [500, 502, 503, 504];
/// Successes in which nothing is said.
const HOLLOW: [(u16, &str); 8] = [
    (204, ""),
    (200, ""),
    (200, r#"{"success":true}"#),
    (200, "[]"),
    (200, "null"),
    (200, r#"{"success":true,"results":{}}"#),
    (202, r#"{"status":"accepted"}"#),
    (200, "OK"),
];
/// What a refusal says.
const BODIES: [&str; 3] =
    ["", r#"{"success":false,"error":{"code":"REFUSED","message":"refused"}}"#, "<!doctype html><title>Sorry</title>"];

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
        slow_headers: 0,
        delayed: 0,
        duplicated: 0,
        outlives: 0,
        refused: 0,
        breakdowns: 0,
        hollow: 0,
        strange: 0,
    };
}

/// Stands for what a backend reads in a request's credentials.
const CREDENTIALS_OF: &str = "x-credentials-of";

/// A tab's way to the network.
pub struct SimHttp {
    pub(super) world: Rc<Inner>,
    pub(super) tab: u64,
    pub(super) surroundings: Surroundings,
    /// Who is signed in to the page: whose credentials its requests carry.
    pub(super) credentials_of: Rc<RefCell<String>>,
}

/// A request.
#[derive(Clone, Default)]
pub struct SimRequest {
    /// The HTTP method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Its own headers and, once it is sent, those of the SDK.
    pub headers: Headers,
    /// The body.
    pub body: String,
    /// The parts of a body that is a form; a body that is a file is one part without a name.
    pub parts: Vec<SimPart>,
    /// When it was sent, in milliseconds.
    pub sent_at: u64,
    /// Whether the application has added its headers.
    pub is_authorized: bool,
    /// Who is told how much of it has left.
    pub progress: Option<Progress>,
}

impl fmt::Debug for SimRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url, headers, body, parts, .. } = self;
        write!(formatter, "{method} {url} {headers:?} {body} {parts:?}")
    }
}

/// A part of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SimPart {
    /// The name of its field.
    pub field: String,
    /// The file name.
    pub name: Option<String>,
    /// Its content type, if it has one of its own.
    pub kind: Option<String>,
    /// What it says.
    pub bytes: SimFile,
}

impl SimPart {
    fn of(field: &str, value: &FormValue<'_, SimFile>) -> Self {
        match value {
            FormValue::Text(text, kind) => {
                let bytes = text.as_bytes().into();
                Self { field: field.into(), name: None, kind: kind.map(Into::into), bytes }
            }
            FormValue::File { file, name } => {
                Self { field: field.into(), name: name.map(Into::into), kind: None, bytes: SimFile::clone(file) }
            }
        }
    }
}

impl SimRequest {
    /// Whose credentials it carries; empty if nobody's.
    pub fn credentials_of(&self) -> &str {
        self.header(CREDENTIALS_OF).unwrap_or_default()
    }

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
    /// Whether its body never ends.
    endless: bool,
}

impl SimResponse {
    /// What the server sent.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }
}

/// The origin of a URL.
fn origin(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn lost() -> NetworkFailure {
    NetworkFailure::unexplained(Rejection { name: "TypeError".into(), message: "Failed to fetch".into(), cause: None })
}

fn broken_off() -> NetworkFailure {
    let rejection = Rejection { name: "TypeError".into(), message: "network error".into(), cause: None };
    NetworkFailure::certain(NetworkFailureKind::Unknown, "the response broke off on its way", rejection)
}

/// Ends what goes on for a request that nobody waits for any longer.
struct AbortWhenDropped(AbortHandle);

impl Drop for AbortWhenDropped {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Counts a request among those that are on their way, until it is dropped.
struct OnItsWay(Rc<Inner>);

impl OnItsWay {
    fn begin(world: &Rc<Inner>) -> Self {
        world.server.borrow_mut().begin();
        Self(world.clone())
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.server.borrow_mut().on_their_way -= 1;
    }
}

/// Tells whoever looks on that a request is over for its page, when it is dropped.
struct UnderWay<'a> {
    world: &'a Inner,
    number: u64,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.world.show(Sight::Over { number: self.number });
    }
}

fn answered(reply: Reply) -> SimResponse {
    SimResponse { reply, broken: false, endless: false }
}

/// What becomes of a request; of a look at the server's health, if it has no number.
async fn exchange(world: Rc<Inner>, number: Option<u64>, sent: SimRequest) -> Result<SimResponse, NetworkFailure> {
    let faults = world.faults.get();
    let _on_its_way = number.map(|_| OnItsWay::begin(&world));
    let fate = |fate| world.show(Sight::Fate { number: number.unwrap_or(0), fate });
    world.sleep(Duration::from_millis(1 + world.below(40))).await;
    if world.happens(faults.stalls) {
        fate("stalled");
        world.sleep(Duration::from_secs(60)).await;
    }
    if world.happens(faults.delayed) {
        fate("delayed");
        world.sleep(Duration::from_millis(world.below(LONGEST_DELAY))).await;
    }
    let is_silent = world.server.borrow().silent.contains(&origin(&sent.url));
    if is_silent || world.happens(faults.blocked) || world.happens(faults.lost_requests) {
        fate("lost requests");
        return Err(lost());
    }
    if world.happens(faults.portals) {
        fate("portals");
        let page = Reply::new(200, "<!doctype html><title>Welcome to the airport</title>").header("Content-Type", "text/html");
        return Ok(answered(page));
    }
    let now = world.now();
    // A health is there to be asked for.
    if let Some(number) = number.filter(|_| world.happens(faults.rate_limited)) {
        fate("told to wait");
        let reply = world.server.borrow_mut().leave_alone(now, number, &sent, 1 + world.below(90));
        return Ok(answered(reply));
    }
    if let Some(number) = number.filter(|_| world.happens(faults.refused)) {
        fate("refused");
        let reply = Reply::new(*world.one_of(&REFUSALS), world.one_of::<&str>(&BODIES));
        world.show(Sight::Refused { number, status: reply.status, request: &sent });
        return Ok(answered(reply));
    }
    let received = if world.happens(faults.unavailable) {
        fate("unavailable");
        Reception::Reply(Reply::new(503, ""))
    } else {
        receive(&world, number, &sent)
    };
    let mut reply = match received {
        Reception::Reply(reply) => reply,
        Reception::Refusal => return Err(lost()),
        Reception::Silence => pending().await,
    };
    if number.is_some() && world.happens(faults.duplicated) {
        fate("delivered twice");
        deliver_again(&world, number, sent);
    }
    world.sleep(reply.after + Duration::from_millis(1 + world.below(40))).await;
    if world.happens(faults.lost_responses) || world.happens(faults.unreadable) {
        fate("lost answers");
        return Err(lost());
    }
    if reply.status == 200 && world.happens(faults.breakdowns) {
        fate("breakdowns");
        return Ok(answered(Reply::new(*world.one_of(&BREAKDOWNS), world.one_of::<&str>(&BODIES))));
    }
    if reply.status == 200 && world.happens(faults.hollow) {
        fate("hollow answers");
        let (status, body) = *world.one_of(&HOLLOW);
        return Ok(answered(Reply::new(status, body)));
    }
    if reply.status == 200 && world.happens(faults.strange) {
        fate("strange answers");
        let below = |limit| world.below(limit);
        reply.body = world.server.borrow().make_strange(&reply.body, below).unwrap_or(reply.body);
    }
    let endless = world.server.borrow().leaves_bodies_open;
    let broken = world.happens(faults.cut_responses);
    if broken {
        fate("cut answers");
    }
    Ok(SimResponse { reply, broken, endless })
}

fn receive(world: &Inner, number: Option<u64>, sent: &SimRequest) -> Reception {
    let received = world.server.borrow_mut().receive(world.now(), number, sent, world);
    if let (Some(number), Reception::Reply(Reply { status: status @ 400.., .. })) = (number, &received) {
        world.show(Sight::Refused { number, status: *status, request: sent });
    }
    received
}

/// The same request arrives once more, later, and nobody hears the answer.
fn deliver_again(world: &Rc<Inner>, number: Option<u64>, sent: SimRequest) {
    let again = world.clone();
    // Soon, or long after everybody has forgotten it.
    let limit = *world.one_of(&[100, 5_000, LONGEST_DELAY]);
    let delivery = async move {
        again.sleep(Duration::from_millis(1 + again.below(limit))).await;
        drop(receive(&again, number, &sent));
    };
    world.spawner.spawn_local(delivery).unwrap();
}

impl Http for SimHttp {
    type File = SimFile;
    type Request = SimRequest;
    type Response = SimResponse;

    fn json_request(&self, method: &str, url: &str, body: Option<String>) -> Result<SimRequest, NetworkFailure> {
        let headers = body.iter().map(|_| ("Content-Type".into(), "application/json".into())).collect();
        let (method, url, body) = (method.into(), url.into(), body.unwrap_or_default());
        Ok(SimRequest { method, url, headers, body, ..SimRequest::default() })
    }

    fn request(&self, request: &OutgoingRequest<'_, SimFile>) -> Result<SimRequest, NetworkFailure> {
        let (method, url, headers) = (request.method.into(), request.url.into(), request.headers.clone());
        let mut sent = SimRequest { method, url, headers, progress: request.progress.clone(), ..SimRequest::default() };
        match request.body {
            OutgoingBody::None => {}
            OutgoingBody::Text(text) => sent.body = text.into(),
            OutgoingBody::File(file) => sent.parts.push(SimPart { bytes: file.clone(), ..SimPart::default() }),
            OutgoingBody::Form(fields) => {
                sent.parts.extend(fields.iter().map(|(field, value)| SimPart::of(field, value)));
                // What a batch says is its first part.
                let actions = sent.parts.first().filter(|part| part.field == ACTIONS_PART);
                sent.body = actions.map(|part| String::from_utf8(part.bytes.to_vec()).unwrap()).unwrap_or_default();
            }
        }
        Ok(sent)
    }

    async fn authorize(&self, mut request: SimRequest) -> Result<SimRequest, NetworkFailure> {
        if request.is_authorized {
            return Ok(request);
        }
        if self.world.happens(self.world.faults.get().slow_headers) {
            self.world.sleep(Duration::from_millis(self.world.below(SLOWEST_HEADERS))).await;
        }
        let token = self.world.server.borrow().newest_token;
        request.headers.push(("authorization".into(), token.to_string()));
        let credentials_of = self.credentials_of.borrow().clone();
        if !credentials_of.is_empty() {
            request.headers.push((CREDENTIALS_OF.into(), credentials_of));
        }
        request.is_authorized = true;
        Ok(request)
    }

    fn summary(&self, request: &SimRequest) -> RequestSummary {
        RequestSummary {
            method: request.method.clone(),
            url: request.url.clone(),
            origin: origin(&request.url),
            carries_headers: true,
            idempotency_key: request.header("Idempotency-Key").map(ToString::to_string),
            correlation_id: request.header("x-correlation-id").map(ToString::to_string),
            traceparent: request.header("traceparent").map(ToString::to_string),
            tracestate: request.header("tracestate").map(ToString::to_string),
        }
    }

    async fn send(&self, request: &SimRequest, headers: &Headers) -> Result<SimResponse, NetworkFailure> {
        let mut sent = self.authorize(request.clone()).await?;
        sent.headers.extend(headers.iter().cloned());
        self.world.may_send_from_memory(self.tab);
        let number = self.world.server.borrow_mut().sent();
        sent.sent_at = self.world.now();
        let credentials_of = sent.credentials_of().to_string();
        self.world.show(Sight::Sent { tab: self.tab, number, credentials_of: &credentials_of, request: &sent });
        let _under_way = UnderWay { world: &self.world, number };
        if let Some(progress) = sent.progress.take() {
            let total = sent.parts.iter().fold(0, |total, part| total + part.bytes.len() as u64);
            progress(total / 2, total);
            progress(total, total);
        }
        self.carry(Some(number), sent).await
    }

    async fn look(&self, url: &str) -> Result<SimResponse, NetworkFailure> {
        self.carry(None, SimRequest { method: "GET".into(), url: url.into(), ..SimRequest::default() }).await
    }

    fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    fn can_refresh_credentials(&self) -> bool {
        self.world.refreshes_credentials.get()
    }

    async fn refresh_credentials(&self, _error: &ApiError) -> Result<(), NetworkFailure> {
        let world = &self.world;
        world.server.borrow_mut().refreshes += 1;
        let takes = world.server.borrow().refresh_takes;
        world.sleep(takes + Duration::from_millis(2 + world.below(80))).await;
        let mut server = world.server.borrow_mut();
        if server.refuses_refresh {
            return Err(lost());
        }
        server.newest_token += 1;
        Ok(())
    }

    async fn probe(&self, url: &str) -> bool {
        let (world, faults) = (&self.world, self.world.faults.get());
        world.sleep(Duration::from_millis(2 + world.below(80))).await;
        if !world.server.borrow_mut().receive_probe(world.now(), url) {
            return false;
        }
        if world.server.borrow().silent.contains(&origin(url)) || !url.ends_with('/') && world.happens(faults.blocked) {
            return false;
        }
        !world.happens(faults.lost_requests) && !world.happens(faults.lost_responses)
    }
}

impl SimHttp {
    /// Carries a request to the server, or a look at its health, and the answer back.
    async fn carry(&self, number: Option<u64>, sent: SimRequest) -> Result<SimResponse, NetworkFailure> {
        // Once it has left, it is under way whether the page runs or not.
        let (answer, arrived) = oneshot::channel();
        let outlives = number.is_some() && self.world.happens(self.world.faults.get().outlives);
        let (exchange, abort) = abortable(exchange(self.world.clone(), number, sent));
        let _aborted_with_the_request = (!outlives).then(|| AbortWhenDropped(abort));
        let flight = async move {
            if let Ok(result) = exchange.await {
                // Nobody may wait for it any longer.
                drop(answer.send(result));
            }
        };
        let freezes = self.world.freezes(self.tab);
        self.world.spawner.spawn_local(flight).unwrap();
        // The other end is only dropped with the world.
        let Ok(result) = arrived.await else { return pending().await };
        let mut until_known = 0;
        if self.world.freezes(self.tab) != freezes {
            until_known = OVERTAKEN;
            self.world.sleep(Duration::from_millis(1 + self.world.below(LATE_NEWS))).await;
        }
        if let Ok(SimResponse { reply: Reply { pause: Some(pause), .. }, .. }) = &result {
            // Nobody can be held to a moment before it has been heard of.
            self.world.server.borrow_mut().heard(pause, self.world.now() + until_known);
        }
        result
    }
}

impl Response for SimResponse {
    fn status(&self) -> u16 {
        self.reply.status
    }

    fn headers(&self) -> Headers {
        self.reply.headers.clone()
    }

    fn redirected_elsewhere(&self) -> bool {
        false
    }

    async fn body(self, limit: usize) -> ResponseBody {
        if self.endless {
            pending::<()>().await;
        }
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
