//! Ids that tie a call's traces together.

use crate::platform::{Clock, Platform, Random};

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

/// A UUIDv7 (RFC 9562 §5.7): unique, and roughly in the order of creation.
pub fn unique_id<P: Platform>(platform: &P) -> String {
    let mut random = [0; 10];
    platform.random().fill(&mut random);
    let millis = u64::try_from(platform.clock().wall().0).unwrap_or(0);
    format!("{}", uuid::Builder::from_unix_timestamp_millis(millis, &random).as_uuid().hyphenated())
}
