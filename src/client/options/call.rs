//! The options of one call.

use super::members::{Members, named, read_json};
use super::protection::{LONGEST_CALL_WAIT, read_retry};
use crate::call::{CallOptions, CallPolicy, IdempotencyKey};
use crate::input::InvalidInput;
use crate::policy::budget::Urgency;
use crate::resilience::hedge::HedgePolicy;
use crate::wire::LONGEST_NAME;

impl CallOptions {
    /// Checks the options of one call, given as JSON.
    pub fn read(text: &str, policy: &CallPolicy) -> Result<Self, InvalidInput> {
        if text == "{}" {
            // Most calls have none.
            return Ok(Self::of(policy));
        }
        let document = read_json(text)?;
        let mut members = Members::new("", Some(document.root()), "an object of options")?;
        let options = Self {
            retry: read_retry(&mut members, policy.retry)?,
            idempotency_key: read_idempotency_key(&mut members)?,
            service: members.text("service")?,
            urgency: named(&mut members, "urgency", &Urgency::NAMES, Urgency::from_name)?.unwrap_or_default(),
            hedge: read_hedge(&mut members)?,
            refresh: members.flag("refreshCredentials")?.unwrap_or(true),
            apart: members.internal("apart"),
        };
        members.finish()?;
        Ok(options)
    }

    /// Those of a call that has none of its own.
    pub fn of(policy: &CallPolicy) -> Self {
        Self {
            retry: policy.retry,
            idempotency_key: IdempotencyKey::None,
            service: None,
            urgency: Urgency::Interactive,
            hedge: None,
            refresh: true,
            apart: None,
        }
    }
}

fn read_idempotency_key(members: &mut Members<'_>) -> Result<IdempotencyKey, InvalidInput> {
    let Some(value) = members.take("idempotencyKey") else { return Ok(IdempotencyKey::None) };
    // What a structured-field string may hold without escapes (RFC 9651 §3.3.3).
    let is_key = |key: &str| {
        (1..=LONGEST_NAME).contains(&key.len())
            && key.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\')
    };
    match (value.as_bool(), value.as_str()) {
        (Some(false), _) => Ok(IdempotencyKey::None),
        (Some(true), _) => Ok(IdempotencyKey::Generated),
        (_, Some(key)) if is_key(&key) => Ok(IdempotencyKey::Given(key.into_owned())),
        _ => Err(members.invalid("idempotencyKey", value, "true, or a string of 1 to 256 printable ASCII characters")),
    }
}

/// Reads `hedge`, of a call or of a policy.
pub(super) fn read_hedge(members: &mut Members<'_>) -> Result<Option<HedgePolicy>, InvalidInput> {
    let Some(value) = members.take("hedge") else { return Ok(None) };
    let mut hedge = members.inner("hedge", Some(value), "an object such as { afterMs: 300 }")?;
    let Some(after) = hedge.milliseconds("afterMs", 1, LONGEST_CALL_WAIT)? else {
        return Err(hedge.refuse("afterMs", "null", "milliseconds, such as 300"));
    };
    let most = hedge.whole("max", 1, 5)?.unwrap_or(1);
    hedge.finish()?;
    Ok(Some(HedgePolicy { after, most }))
}
