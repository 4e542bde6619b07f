//! Ids that tie a call's traces together.

use crate::platform::{Clock, Headers, Platform, Random};

/// Carries the id of a call through all services (Cosnap).
pub const CORRELATION_HEADER: &str = "x-correlation-id";
/// Says which frontend calls (Cosnap).
pub const SOURCE_SERVICE_HEADER: &str = "x-source-service";

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

/// The `Idempotency-Key` header: a quoted string (RFC 9651 §3.3.3), as draft-ietf-httpapi-idempotency-key-header asks.
pub fn idempotency_header(key: &str) -> (String, String) {
    ("Idempotency-Key".into(), format!("\"{key}\""))
}

/// A UUIDv7 (RFC 9562 §5.7): unique, and roughly in the order of creation.
pub fn unique_id<P: Platform>(platform: &P) -> String {
    let mut random = [0; 10];
    platform.random().fill(&mut random);
    let millis = u64::try_from(platform.clock().wall().0).unwrap_or(0);
    format!("{}", uuid::Builder::from_unix_timestamp_millis(millis, &random).as_uuid().hyphenated())
}
