//! What ties the requests of a call together, and the call to what happened before it and what it causes.

use super::idempotency::structured_string;
use super::trace_context::{TRACESTATE_HEADER, TraceContext, TraceParent, TraceState};
use crate::platform::{Clock, Headers, Platform, Random};
use crate::time::WallTime;

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
        Self::begin_at(platform.clock().wall(), platform.random(), policy, recipient, brought)
    }

    fn begin_at<R: Random>(
        now: WallTime,
        random: &R,
        policy: &CorrelationPolicy,
        recipient: Recipient,
        brought: Brought<'_>,
    ) -> Self {
        let own_id = brought.correlation_id.map(str::trim).filter(|id| !id.is_empty());
        let correlation_id = own_id.map_or_else(|| policy.ids.make(now, random), Into::into);
        let source_service = (recipient != Recipient::Stranger).then(|| policy.source_service.clone());
        let context = (recipient == Recipient::Traced && policy.traces).then(|| context(random, policy, brought));
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
        self.headers_of(platform.random(), attempt)
    }

    fn headers_of<R: Random>(&self, random: &R, attempt: u32) -> Headers {
        let Some(source_service) = &self.source_service else { return Headers::new() };
        let mut headers = correlation_headers(&self.correlation_id, source_service);
        if self.numbers_attempts {
            headers.push((ATTEMPT_HEADER.into(), attempt.to_string()));
        }
        if let Some(context) = &self.context {
            headers.extend(context.next_span(random).headers());
        }
        if self.replaces_state {
            // It belongs to a trace that was not continued, or is broken: an empty one takes its place (§3.3.1.1 allows that).
            headers.push((TRACESTATE_HEADER.into(), String::new()));
        }
        headers
    }
}

/// The trace of a call.
fn context<R: Random>(random: &R, policy: &CorrelationPolicy, brought: Brought<'_>) -> TraceContext {
    let own = TraceContext::received(brought.traceparent, brought.tracestate);
    // A caller who has a trace of his own, if a broken one, does not mean the page's.
    let of_page = brought.page_traceparent.filter(|_| brought.traceparent.is_none());
    own.or_else(|| TraceContext::received(of_page, None)).unwrap_or_else(|| {
        let mut trace_id = [0; 16];
        random.fill(&mut trace_id);
        // No request is sent by the span that begins the trace: each attempt is one of its own.
        TraceContext { parent: TraceParent::start(trace_id, [0; 8], policy.sample_ratio), state: TraceState::default() }
    })
}

impl CorrelationIds {
    /// An id for a call that begins now.
    fn make<R: Random>(self, now: WallTime, random: &R) -> String {
        match self {
            Self::Cosnap => cosnap_id(now, random),
            Self::Uuid => uuid(now, random),
        }
    }
}

/// A correlation id in Cosnap's form: `req_`, milliseconds since the epoch, `_`, nine digits of base 36.
pub fn correlation_id<P: Platform>(platform: &P) -> String {
    cosnap_id(platform.clock().wall(), platform.random())
}

fn cosnap_id<R: Random>(now: WallTime, random: &R) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut bytes = [0; 9];
    random.fill(&mut bytes);
    let mut id = format!("req_{}_", now.0);
    id.extend(bytes.iter().filter_map(|byte| DIGITS.get(usize::from(byte % 36)).map(|digit| char::from(*digit))));
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
    uuid(platform.clock().wall(), platform.random())
}

fn uuid<R: Random>(now: WallTime, random: &R) -> String {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    let millis = u64::try_from(now.0).unwrap_or(0);
    format!("{}", uuid::Builder::from_unix_timestamp_millis(millis, &bytes).as_uuid().hyphenated())
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    const NOW: WallTime = WallTime(1_780_315_200_000);
    const PARENT: &str = "00-5ca1ab1e0ddba11c0de5facade0ff1ce-0b5e55ed0ba5eba1-01";
    const TRACE_ID: &str = "5ca1ab1e0ddba11c0de5facade0ff1ce";

    /// Bytes that count up.
    #[derive(Default)]
    struct Counting(Cell<u8>);

    impl Random for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            for byte in buffer {
                self.0.set(self.0.get().wrapping_add(1));
                *byte = self.0.get();
            }
        }
    }

    fn policy() -> CorrelationPolicy {
        CorrelationPolicy { source_service: "shop".into(), ..CorrelationPolicy::default() }
    }

    fn names(headers: &Headers) -> Vec<&str> {
        headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn recipient(origin: &str, traced: &[&str]) -> Recipient {
        let owned = |list: &[&str]| list.iter().map(|origin| (*origin).to_string()).collect::<Vec<_>>();
        let trusted = owned(&["https://api.example.com", "https://app.example.com", "http://localhost:3000"]);
        Recipient::of(origin, Some("https://app.example.com"), &trusted, &owned(traced))
    }

    #[test]
    fn strangers_are_told_nothing() {
        for origin in [
            "https://api.example.com.evil.com",
            "https://api.example.evil.com",
            "https://evil-api.example.com",
            "https://api.example.co",
            "https://api.example.com:8443",
            "https://api.example.com:4430",
            "http://api.example.com",
            "https://xapi.example.com",
            "https://example.com",
            "https://evil.com/https://api.example.com",
            "https://api.example.com@evil.com",
            "http://localhost",
            "http://localhost:30001",
            "null",
            "",
            "https://",
        ] {
            let everything = ["https://api.example.com", origin];
            let recipient = recipient(origin, &everything);
            assert_eq!(recipient, Recipient::Stranger, "{origin}");
            let random = Counting::default();
            let trace = CallTrace::begin_at(NOW, &random, &policy(), recipient, Brought::default());
            assert_eq!(trace.headers_of(&random, 1), Headers::new(), "{origin}");
            assert!(trace.correlation_id().starts_with("req_1780315200000_"), "the call has its id all the same");
            assert_eq!(trace.trace_id(), None);
        }
        assert_eq!(Recipient::of("null", Some("null"), &["null".into()], &["null".into()]), Recipient::Stranger);
    }

    #[test]
    fn a_trace_costs_no_preflight_that_nobody_asked_for() {
        assert_eq!(recipient("https://api.example.com", &[]), Recipient::Trusted);
        assert_eq!(recipient("https://api.example.com", &["https://api.example.com.evil.com"]), Recipient::Trusted);
        assert_eq!(recipient("https://api.example.com", &["https://api.example.com"]), Recipient::Traced);
        assert_eq!(recipient("https://app.example.com", &[]), Recipient::Traced, "the page's own");
        assert_eq!(
            Recipient::of("https://api.example.com", None, &["https://api.example.com".into()], &[]),
            Recipient::Traced,
            "outside a browser"
        );
        let random = Counting::default();
        let headers_of = |recipient| {
            let trace = CallTrace::begin_at(NOW, &random, &policy(), recipient, Brought::default());
            trace.headers_of(&random, 1)
        };
        assert_eq!(names(&headers_of(Recipient::Trusted)), [CORRELATION_HEADER, SOURCE_SERVICE_HEADER]);
        assert_eq!(
            names(&headers_of(Recipient::Traced)),
            [CORRELATION_HEADER, SOURCE_SERVICE_HEADER, ATTEMPT_HEADER, "traceparent"]
        );
    }

    #[test]
    fn an_origin_is_the_same_however_it_is_written() {
        assert!(is_same_origin("https://API.example.com", "https://api.example.com"));
        assert!(is_same_origin("https://api.example.com:443", "https://api.example.com"));
        assert!(is_same_origin("http://api.example.com", "HTTP://api.example.com:80"));
        assert!(!is_same_origin("https://api.example.com:80", "https://api.example.com"));
        assert!(!is_same_origin("http://api.example.com:443", "http://api.example.com"));
    }

    #[test]
    fn all_attempts_of_a_call_are_spans_of_one_trace_and_have_one_id() {
        let random = Counting::default();
        let trace = CallTrace::begin_at(NOW, &random, &policy(), Recipient::Traced, Brought::default());
        let attempts: Vec<Headers> = (1..=3).map(|attempt| trace.headers_of(&random, attempt)).collect();
        let mut spans: Vec<String> = Vec::new();
        for (number, headers) in (1..).zip(&attempts) {
            assert_eq!(value(headers, CORRELATION_HEADER), Some(trace.correlation_id()));
            assert_eq!(value(headers, SOURCE_SERVICE_HEADER), Some("shop"));
            assert_eq!(value(headers, ATTEMPT_HEADER), Some(number.to_string().as_str()));
            let parent = TraceParent::parse(value(headers, "traceparent").unwrap()).unwrap();
            assert_eq!(Some(parent.trace_id()), trace.trace_id());
            assert!(parent.is_sampled() && parent.is_random());
            assert_eq!(value(headers, "tracestate"), None);
            spans.push(parent.parent_id());
        }
        spans.dedup();
        assert_eq!(spans.len(), 3);
    }

    #[test]
    fn what_the_caller_has_begun_is_continued() {
        let random = Counting::default();
        let begin = |brought| {
            let trace = CallTrace::begin_at(NOW, &random, &policy(), Recipient::Traced, brought);
            let headers = trace.headers_of(&random, 1);
            (trace, headers)
        };
        let own = Brought {
            correlation_id: Some(" mine "),
            traceparent: Some(PARENT),
            tracestate: Some("red=1, blue=2"),
            page_traceparent: Some("00-11111111111111111111111111111111-2222222222222222-00"),
        };
        let (trace, headers) = begin(own);
        assert_eq!(trace.correlation_id(), "mine");
        assert_eq!(trace.trace_id().as_deref(), Some(TRACE_ID));
        assert_eq!(value(&headers, "tracestate"), Some("red=1,blue=2"));
        assert_ne!(value(&headers, "traceparent"), Some(PARENT));
        let (trace, headers) = begin(Brought { traceparent: None, tracestate: None, page_traceparent: Some(PARENT), ..own });
        assert_eq!((trace.trace_id().as_deref(), value(&headers, "tracestate")), (Some(TRACE_ID), None), "the page's");
    }

    #[test]
    fn what_the_caller_brings_broken_is_replaced_and_its_state_with_it() {
        let random = Counting::default();
        let headers_of =
            |brought| CallTrace::begin_at(NOW, &random, &policy(), Recipient::Traced, brought).headers_of(&random, 1);
        let page = Some("00-11111111111111111111111111111111-2222222222222222-00");
        for traceparent in [Some("nonsense"), Some(""), Some("00-00000000000000000000000000000000-2222222222222222-00"), None] {
            let headers =
                headers_of(Brought { traceparent, tracestate: Some("red=1"), page_traceparent: page, ..Brought::default() });
            let sent = TraceParent::parse(value(&headers, "traceparent").unwrap()).unwrap();
            let is_the_pages = sent.trace_id() == "11111111111111111111111111111111";
            assert_eq!(is_the_pages, traceparent.is_none(), "a broken trace is a fresh one: {traceparent:?}");
            assert_eq!(value(&headers, "tracestate"), Some(""), "it must not stay what the request has");
        }
        let headers = headers_of(Brought { traceparent: Some(PARENT), tracestate: Some("RED=1"), ..Brought::default() });
        assert!(value(&headers, "traceparent").unwrap().contains(TRACE_ID));
        assert_eq!(value(&headers, "tracestate"), Some(""));
        for id in [None, Some(""), Some("  ")] {
            let headers = headers_of(Brought { correlation_id: id, ..Brought::default() });
            assert!(value(&headers, CORRELATION_HEADER).unwrap().starts_with("req_"), "{id:?}");
        }
    }

    #[test]
    fn what_was_switched_off_does_not_go_along() {
        let random = Counting::default();
        let policy = CorrelationPolicy { traces: false, attempt_number: false, ..policy() };
        let brought = Brought { traceparent: Some(PARENT), tracestate: Some("red=1"), ..Brought::default() };
        let trace = CallTrace::begin_at(NOW, &random, &policy, Recipient::Traced, brought);
        assert_eq!(names(&trace.headers_of(&random, 1)), [CORRELATION_HEADER, SOURCE_SERVICE_HEADER]);
    }

    #[test]
    fn ids_have_the_form_that_was_asked_for() {
        let random = Counting::default();
        let id = |ids| {
            CallTrace::begin_at(NOW, &random, &CorrelationPolicy { ids, ..policy() }, Recipient::Trusted, Brought::default())
                .correlation_id
        };
        assert_eq!(id(CorrelationIds::Cosnap), "req_1780315200000_123456789");
        let uuid = id(CorrelationIds::Uuid);
        let version = uuid::Uuid::parse_str(&uuid).unwrap().get_version_num();
        assert_eq!((version, &uuid[..8]), (7, "019e830e"));
    }

    proptest! {
        #[test]
        fn nothing_that_a_caller_brings_breaks_what_is_sent(
            correlation_id in proptest::option::of(any::<String>()),
            traceparent in proptest::option::of("[0-9a-f\\-]{0,60}|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
            tracestate in proptest::option::of("[a-z0-9=, @\t]{0,80}"),
            ratio in proptest::num::f64::ANY,
            attempt in any::<u32>(),
        ) {
            let random = Counting::default();
            let brought = Brought {
                correlation_id: correlation_id.as_deref(),
                traceparent: traceparent.as_deref(),
                tracestate: tracestate.as_deref(),
                page_traceparent: None,
            };
            let policy = CorrelationPolicy { sample_ratio: ratio, ..policy() };
            let trace = CallTrace::begin_at(NOW, &random, &policy, Recipient::Traced, brought);
            let headers = trace.headers_of(&random, attempt);
            let sent = TraceContext::of_headers(&headers).unwrap();
            prop_assert_eq!(Some(sent.parent.trace_id()), trace.trace_id());
            prop_assert!(!trace.correlation_id().trim().is_empty());
            let stated = headers.iter().filter(|(name, _)| name == "tracestate").count();
            prop_assert!(stated <= 1 && (tracestate.is_none() || stated == 1));
        }

        #[test]
        fn no_two_different_origins_are_the_same(one in "https?://[a-z.]{1,12}(:[0-9]{2,4})?", other in "https?://[a-z.]{1,12}(:[0-9]{2,4})?") {
            prop_assert!(is_same_origin(&one, &one));
            let spelt_out = |origin: &str| {
                let port = if origin.starts_with("https:") { ":443" } else { ":80" };
                if origin.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())) { origin.to_string() } else { format!("{origin}{port}") }
            };
            prop_assert_eq!(is_same_origin(&one, &other), spelt_out(&one) == spelt_out(&other));
        }
    }
}
