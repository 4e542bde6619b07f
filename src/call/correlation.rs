//! What ties the requests of a call together, and the call to what happened before it and what it causes.

use super::idempotency::structured_string;
use super::trace_context::{TRACESTATE_HEADER, TraceContext, TraceParent, TraceState};
use crate::platform::{Clock, Headers, Platform, Random};

/// Carries the id of a call through all services (Cosnap).
pub const CORRELATION_HEADER: &str = "x-correlation-id";
/// Says which frontend calls (Cosnap).
pub const SOURCE_SERVICE_HEADER: &str = "x-source-service";
/// Which attempt of its call a request is; the first is 1.
pub const ATTEMPT_HEADER: &str = "x-attempt";

/// What correlation ids look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CorrelationIds {
    /// Cosnap's: `req_`, milliseconds since the epoch, `_`, nine digits of base 36.
    #[default]
    Cosnap,
    /// A UUID, version 7 (RFC 9562 §5.7): like Cosnap's, it sorts by the time it was made.
    Uuid,
}

impl CorrelationIds {
    /// All of them, by what configuration calls them.
    pub const NAMES: [&str; 2] = ["cosnap", "uuid"];

    /// The one that configuration calls so.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "cosnap" => Some(Self::Cosnap),
            "uuid" => Some(Self::Uuid),
            _ => None,
        }
    }
}

/// How calls are tied to what they cause. The headers go to origins that are trusted, and to no others.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrelationPolicy {
    /// What correlation ids look like.
    pub ids: CorrelationIds,
    /// What `x-source-service` says.
    pub source_service: String,
    /// Whether `traceparent` and `tracestate` go along where they may.
    pub traces: bool,
    /// Whether `x-attempt` goes along where it may.
    pub attempt_number: bool,
    /// The trusted origins that get `x-attempt`, `traceparent` and `tracestate` although they are not the page's own. Across
    /// origins the server must name each of them in `Access-Control-Allow-Headers`, or the browser refuses the call.
    pub traced_origins: Vec<String>,
    /// Which share of the traces started here may be recorded, from 0 to 1. Most services record what their caller lets them, and
    /// nothing else: with 0, calls of this application are in no trace.
    pub sample_ratio: f64,
}

impl Default for CorrelationPolicy {
    fn default() -> Self {
        Self {
            ids: CorrelationIds::default(),
            source_service: "steadfast".into(),
            traces: true,
            attempt_number: true,
            traced_origins: Vec::new(),
            sample_ratio: 1.0,
        }
    }
}

/// Who receives a request, as far as headers are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// An origin that nobody trusts: it gets nothing.
    Stranger,
    /// A trusted one: it gets the correlation id and who calls.
    Trusted,
    /// A trusted one for which more headers cost nothing, or were asked for: it gets the trace and the attempt's number, too.
    Traced,
}

impl Recipient {
    /// Who is behind that origin. `page` is the page's own; `None` outside a browser, where there are no preflights.
    pub fn of(origin: &str, page: Option<&str>, trusted: &[String], traced: &[String]) -> Self {
        let is_among = |origins: &[String]| origins.iter().any(|known| is_same_origin(known, origin));
        if !is_among(trusted) {
            Self::Stranger
        } else if page.is_none_or(|page| is_same_origin(page, origin)) || is_among(traced) {
            Self::Traced
        } else {
            Self::Trusted
        }
    }
}

/// Whether two origins are the same one, as a whole: scheme, host and port, letters in any case (RFC 6454 §5). `null` is the
/// origin of what has none, and never the same as anything.
pub fn is_same_origin(one: &str, other: &str) -> bool {
    let (one, other) = (without_default_port(one), without_default_port(other));
    one.contains("://") && one.eq_ignore_ascii_case(other)
}

fn without_default_port(origin: &str) -> &str {
    let has_scheme = |scheme: &str| origin.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let port = if has_scheme("https://") {
        ":443"
    } else if has_scheme("http://") {
        ":80"
    } else {
        return origin;
    };
    origin.strip_suffix(port).unwrap_or(origin)
}

/// What the caller has brought along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Brought<'a> {
    /// The request's own `x-correlation-id`.
    pub correlation_id: Option<&'a str>,
    /// The request's own `traceparent`.
    pub traceparent: Option<&'a str>,
    /// The request's own `tracestate`.
    pub tracestate: Option<&'a str>,
    /// The page's, by OpenTelemetry's convention: `<meta name="traceparent">`. Of the two, the request's own comes first.
    pub page_traceparent: Option<&'a str>,
}

/// What all attempts of a call have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct CallTrace {
    correlation_id: String,
    source_service: Option<String>,
    numbers_attempts: bool,
    context: Option<TraceContext>,
    /// The request carries a `tracestate` that must not be sent.
    replaces_state: bool,
}

impl CallTrace {
    /// Begins a call: settles its id, the caller's if there is one, and its trace. A trace that the caller has begun is continued;
    /// one that is broken is not, and a new one takes its place.
    pub fn begin<P: Platform>(platform: &P, policy: &CorrelationPolicy, recipient: Recipient, brought: Brought<'_>) -> Self {
        let own_id = brought.correlation_id.map(str::trim).filter(|id| !id.is_empty());
        let correlation_id = own_id.map_or_else(|| new_correlation_id(platform, policy.ids), Into::into);
        let source_service = (recipient != Recipient::Stranger).then(|| policy.source_service.clone());
        let context = (recipient == Recipient::Traced && policy.traces).then(|| context(platform, policy, brought));
        let replaces_state =
            brought.tracestate.is_some() && context.as_ref().is_some_and(|context: &TraceContext| context.state.is_empty());
        let numbers_attempts = recipient == Recipient::Traced && policy.attempt_number;
        Self { correlation_id, source_service, numbers_attempts, context, replaces_state }
    }

    /// The call's id, whoever receives the call.
    pub fn correlation_id(&self) -> &str {
        &self.correlation_id
    }

    /// The id of the trace, in hexadecimal; `None` where no trace goes along.
    pub fn trace_id(&self) -> Option<String> {
        self.context.as_ref().map(|context| context.parent.trace_id())
    }

    /// The headers of an attempt, to be set in place of the request's own; the first is 1. Each is a span of its own.
    pub fn headers<P: Platform>(&self, platform: &P, attempt: u32) -> Headers {
        let Some(source_service) = &self.source_service else { return Headers::new() };
        let mut headers = correlation_headers(&self.correlation_id, source_service);
        if self.numbers_attempts {
            headers.push((ATTEMPT_HEADER.into(), attempt.to_string()));
        }
        if let Some(context) = &self.context {
            headers.extend(context.next_span(platform.random()).headers());
        }
        if self.replaces_state {
            // It belongs to a trace that was not continued, or is broken: an empty one takes its place (§3.3.1.1 allows that).
            headers.push((TRACESTATE_HEADER.into(), String::new()));
        }
        headers
    }
}

/// The trace of a call.
fn context<P: Platform>(platform: &P, policy: &CorrelationPolicy, brought: Brought<'_>) -> TraceContext {
    let own = TraceContext::received(brought.traceparent, brought.tracestate);
    // A caller who has a trace of his own, if a broken one, does not mean the page's.
    let of_page = brought.page_traceparent.filter(|_| brought.traceparent.is_none());
    own.or_else(|| TraceContext::received(of_page, None)).unwrap_or_else(|| {
        let mut random = [0; 16];
        platform.random().fill(&mut random);
        // No request is sent by the span that begins the trace: each attempt is one of its own.
        TraceContext { parent: TraceParent::start(random, [0; 8], policy.sample_ratio), state: TraceState::default() }
    })
}

/// An id for a call, in that form.
pub fn new_correlation_id<P: Platform>(platform: &P, ids: CorrelationIds) -> String {
    match ids {
        CorrelationIds::Cosnap => correlation_id(platform),
        CorrelationIds::Uuid => unique_id(platform),
    }
}

/// A correlation id in Cosnap's form: `req_`, milliseconds since the epoch, `_`, nine digits of base 36.
pub fn correlation_id<P: Platform>(platform: &P) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut random = [0; 9];
    platform.random().fill(&mut random);
    let mut id = format!("req_{}_", platform.clock().wall().0);
    id.extend(random.iter().filter_map(|byte| DIGITS.get(usize::from(byte % 36)).map(|digit| char::from(*digit))));
    id
}

/// The headers that tie a request to its call: for trusted origins only.
pub fn correlation_headers(correlation_id: &str, source_service: &str) -> Headers {
    vec![(CORRELATION_HEADER.into(), correlation_id.into()), (SOURCE_SERVICE_HEADER.into(), source_service.into())]
}

/// The `Idempotency-Key` header: a structured string, as draft-ietf-httpapi-idempotency-key-header §2.1 asks.
pub fn idempotency_header(key: &str) -> (String, String) {
    ("Idempotency-Key".into(), structured_string(key))
}

/// A UUIDv7 (RFC 9562 §5.7): unique, and roughly in the order of creation.
pub fn unique_id<P: Platform>(platform: &P) -> String {
    let mut random = [0; 10];
    platform.random().fill(&mut random);
    let millis = u64::try_from(platform.clock().wall().0).unwrap_or(0);
    format!("{}", uuid::Builder::from_unix_timestamp_millis(millis, &random).as_uuid().hyphenated())
}
