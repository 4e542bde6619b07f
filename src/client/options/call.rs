//! The options of one call.

use super::members::{Members, named, read_json};
use super::protection::{LONGEST_CALL_WAIT, read_retry};
use crate::call::{CallOptions, CallPolicy, IdempotencyKey};
use crate::input::InvalidInput;
use crate::policy::budget::Urgency;
use crate::resilience::hedge::HedgePolicy;
use crate::wire::LONGEST_NAME;
use serde_json::Value;

impl CallOptions {
    /// Checks the options of one call, given as JSON.
    pub fn read(text: &str, policy: &CallPolicy) -> Result<Self, InvalidInput> {
        if text == "{}" {
            // Most calls have none.
            return Ok(Self::of(policy));
        }
        let mut members = Members::new("", read_json(text)?, "an object of options")?;
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
    match members.take("idempotencyKey") {
        None | Some(Value::Bool(false)) => Ok(IdempotencyKey::None),
        Some(Value::Bool(true)) => Ok(IdempotencyKey::Generated),
        // What a structured-field string may hold without escapes (RFC 9651 §3.3.3).
        Some(Value::String(key))
            if (1..=LONGEST_NAME).contains(&key.len())
                && key.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\') =>
        {
            Ok(IdempotencyKey::Given(key))
        }
        Some(other) => {
            let allowed = "true, or a string of 1 to 256 printable ASCII characters";
            Err(members.invalid("idempotencyKey", &other, allowed))
        }
    }
}

/// Reads `hedge`, of a call or of a policy.
pub(super) fn read_hedge(members: &mut Members<'_>) -> Result<Option<HedgePolicy>, InvalidInput> {
    let Some(value) = members.take("hedge") else { return Ok(None) };
    let mut hedge = members.inner("hedge", value, "an object such as { afterMs: 300 }")?;
    let Some(after) = hedge.milliseconds("afterMs", 1, LONGEST_CALL_WAIT)? else {
        return Err(hedge.invalid("afterMs", &Value::Null, "milliseconds, such as 300"));
    };
    let most = hedge.whole("max", 1, 5)?.unwrap_or(1);
    hedge.finish()?;
    Ok(Some(HedgePolicy { after, most }))
}
