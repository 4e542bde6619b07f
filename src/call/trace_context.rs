//! W3C Trace Context, levels 1 and 2 (<https://www.w3.org/TR/trace-context-2/>): the headers `traceparent` and `tracestate`, by
//! which the spans of all services that a call runs through make one trace.
//!
//! A broken `traceparent` is as good as none: whoever receives it starts a trace, and forgets the `tracestate` that came with it.
//! A broken `tracestate` is dropped alone.

use crate::platform::{Headers, Random};

/// Which trace a request belongs to, and which of its spans sent it.
pub const TRACEPARENT_HEADER: &str = "traceparent";
/// What the tracing systems that the trace runs through keep in it.
pub const TRACESTATE_HEADER: &str = "tracestate";

/// The most members of a `tracestate` (§3.3.1.1).
pub const MOST_MEMBERS: usize = 32;
/// How long a `tracestate` is passed on, in characters (§3.3.1.5 asks for at least so many).
pub const LONGEST_STATE: usize = 512;
/// The longest key, and the longest value, of a member.
const LONGEST_PART: usize = 256;
/// Of a `tracestate` that is too long, members beyond this length go first (§3.3.1.5).
const LONG_MEMBER: usize = 128;

/// Somebody may record this trace (§3.2.2.3).
const SAMPLED: u8 = 1;
/// The last 7 bytes of the trace id are random (level 2, §3.2.2.3).
const RANDOM: u8 = 2;

/// A `traceparent`: never all zero in any of its ids, and of its flags only those that have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
    flags: u8,
}

impl TraceParent {
    /// Reads the value of a header. What is no valid `traceparent` is `None`; of a version after 00, the first four fields count
    /// (§4.3). A value with a comma is none: that is what a browser makes of two headers (§3.2.2: there must be one).
    pub fn parse(value: &str) -> Option<Self> {
        let (version, rest) = field(trimmed(value).as_bytes(), 2)?;
        let (trace_id, rest) = field(rest, 32)?;
        let (parent_id, rest) = field(rest, 16)?;
        let (flags, rest) = rest.split_at_checked(2)?;
        let [version] = bytes(version)?;
        let [flags] = bytes(flags)?;
        let is_over = match (version, rest.first()) {
            (0xff, _) | (0, Some(_)) => false,
            (_, None) => true,
            (_, Some(after)) => *after == b'-' && !rest.contains(&b','),
        };
        let parent = Self { trace_id: bytes(trace_id)?, parent_id: bytes(parent_id)?, flags: flags & (SAMPLED | RANDOM) };
        (is_over && parent.trace_id != [0; 16] && parent.parent_id != [0; 8]).then_some(parent)
    }

    /// The first span of a new trace, of these random bytes. `sample_ratio` is the share of traces that may be recorded, from 0
    /// to 1; it is drawn from the trace id itself, as OpenTelemetry's consistent sampling does, so that all who know the ratio
    /// decide alike.
    pub fn start(trace_id: [u8; 16], parent_id: [u8; 8], sample_ratio: f64) -> Self {
        let trace_id = never_zero(trace_id);
        let sampled = if is_sampled(&trace_id, sample_ratio) { SAMPLED } else { 0 };
        Self { trace_id, parent_id: never_zero(parent_id), flags: sampled | RANDOM }
    }

    /// Another span of the same trace, of these random bytes.
    #[must_use]
    pub fn with_parent_id(self, parent_id: [u8; 8]) -> Self {
        Self { parent_id: never_zero(parent_id), ..self }
    }

    /// The id of the trace, in hexadecimal.
    pub fn trace_id(&self) -> String {
        let mut text = String::with_capacity(32);
        push_hexadecimal(&mut text, &self.trace_id);
        text
    }

    /// The id of the span that sends, in hexadecimal.
    pub fn parent_id(&self) -> String {
        let mut text = String::with_capacity(16);
        push_hexadecimal(&mut text, &self.parent_id);
        text
    }

    /// Whether the trace may be recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Whether the last 7 bytes of the trace id are known to be random.
    pub fn is_random(&self) -> bool {
        self.flags & RANDOM != 0
    }

    /// As the value of the header, in version 00.
    pub fn to_header(&self) -> String {
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        push_hexadecimal(&mut text, &self.trace_id);
        text.push('-');
        push_hexadecimal(&mut text, &self.parent_id);
        text.push('-');
        push_hexadecimal(&mut text, &[self.flags]);
        text
    }
}

/// A valid `tracestate`: at most [`MOST_MEMBERS`] members, no key twice, at most [`LONGEST_STATE`] characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceState(String);

impl TraceState {
    /// Reads the values of all headers of that name, in order. One broken member breaks it all, which is `None`: whoever does not
    /// understand it must not pass it on (§3.3.1). Empty members are dropped; of two of one key the first, which is the more
    /// recent, stays. What is longer than [`LONGEST_STATE`] loses first the members longer than 128 characters, then those at the
    /// end (§3.3.1.5).
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut members: Vec<(&str, &str)> = Vec::new();
        let mut found = 0;
        for member in values.into_iter().flat_map(|value| value.split(',')).map(trimmed).filter(|member| !member.is_empty()) {
            found += 1;
            let (key, value) = member.split_once('=')?;
            if found > MOST_MEMBERS || !is_key(key) || !is_value(value) {
                return None;
            }
            if members.iter().all(|(known, _)| *known != key) {
                members.push((key, value));
            }
        }
        Some(Self(fitting(members)))
    }

    /// As the value of the header; empty if there is nothing in it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is kept under that key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.split(',').filter_map(|member| member.split_once('=')).find(|(known, _)| *known == key).map(|(_, value)| value)
    }
}

/// A trace, and what the tracing systems keep in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace and the span.
    pub parent: TraceParent,
    /// What they keep.
    pub state: TraceState,
}

impl TraceContext {
    /// What the values of a request's headers say; `None` if the trace cannot be continued, and one must be
    /// [started](TraceParent::start).
    pub fn received<'a>(traceparent: Option<&str>, tracestate: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let parent = TraceParent::parse(traceparent?)?;
        Some(Self { parent, state: TraceState::parse(tracestate).unwrap_or_default() })
    }

    /// What the headers of a request say; names in any case. Two `traceparent` are as good as none (§3.2).
    pub fn of_headers(headers: &[(String, String)]) -> Option<Self> {
        let values = |name: &'static str| {
            headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let mut parents = values(TRACEPARENT_HEADER);
        let only = parents.next().filter(|_| parents.next().is_none());
        Self::received(only, values(TRACESTATE_HEADER))
    }

    /// The headers of a request that belongs to it. There is no empty `tracestate` (§3.3.1.1 asks not to send one).
    pub fn headers(&self) -> Headers {
        let mut headers = vec![(TRACEPARENT_HEADER.into(), self.parent.to_header())];
        if !self.state.is_empty() {
            headers.push((TRACESTATE_HEADER.into(), self.state.as_str().into()));
        }
        headers
    }

    /// The same trace, sent by another span.
    #[must_use]
    pub fn next_span<R: Random>(&self, random: &R) -> Self {
        let mut parent_id = [0; 8];
        random.fill(&mut parent_id);
        Self { parent: self.parent.with_parent_id(parent_id), state: self.state.clone() }
    }
}

/// What HTTP allows around a value (RFC 9110 §5.6.3), and nothing else that looks like a space.
fn trimmed(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// A field of that length, and what is behind the dash after it.
fn field(text: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (field, rest) = text.split_at_checked(length)?;
    Some((field, rest.strip_prefix(b"-")?))
}

/// The bytes that so many lower-case hexadecimal digits stand for.
fn bytes<const LENGTH: usize>(digits: &[u8]) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    if digits.len() != LENGTH * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = *byte << 4 | value;
        }
    }
    Some(bytes)
}

fn push_hexadecimal(text: &mut String, bytes: &[u8]) {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
}

/// An id that is not the one that means none.
fn never_zero<const LENGTH: usize>(mut id: [u8; LENGTH]) -> [u8; LENGTH] {
    if id.iter().all(|byte| *byte == 0)
        && let Some(last) = id.last_mut()
    {
        *last = 1;
    }
    id
}

/// Whether a trace is among that share of all: its last 7 bytes are, as a number, among the highest.
fn is_sampled(trace_id: &[u8; 16], ratio: f64) -> bool {
    let tail = trace_id.iter().skip(9).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    #[expect(clippy::cast_precision_loss, reason = "a few traces more or less of 2^53")]
    let place = tail as f64 / 72_057_594_037_927_936.0;
    // What is no number asks for nothing in particular: all of them.
    ratio.is_nan() || place >= 1.0 - ratio
}

/// A key of level 2, which takes all of level 1's: a letter or a digit first, lower case, at most 256 characters (§3.3.1.3.1).
fn is_key(key: &str) -> bool {
    let starts = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.len() <= LONGEST_PART
        && key.as_bytes().first().is_some_and(starts)
        && key.bytes().all(|byte| starts(&byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@'))
}

/// A value: 1 to 256 printable characters without comma and equals sign (§3.3.1.3.2). The last one is no space: those around
/// members are gone by now.
fn is_value(value: &str) -> bool {
    (1..=LONGEST_PART).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b',' | b'='))
}

/// The members as a list of at most [`LONGEST_STATE`] characters.
fn fitting(mut members: Vec<(&str, &str)>) -> String {
    let length = |member: &(&str, &str)| member.0.len() + 1 + member.1.len();
    let mut total = members.iter().map(|member| length(member) + 1).sum::<usize>().saturating_sub(1);
    while total > LONGEST_STATE {
        let Some(last) = members.len().checked_sub(1) else { break };
        let gone = members.remove(members.iter().rposition(|member| length(member) > LONG_MEMBER).unwrap_or(last));
        total = total.saturating_sub(length(&gone) + 1);
    }
    let mut text = String::with_capacity(total);
    for (key, value) in members {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(key);
        text.push('=');
        text.push_str(value);
    }
    text
}
