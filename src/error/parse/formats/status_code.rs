//! Node frameworks' `{ statusCode, error, message }`: NestJS and Fastify, whose `message` may be a list, and hapi's boom.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "statusCode", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let body = evidence.body?;
    body.get("statusCode").filter(|code| code.is_number())?;
    let shaped = body.get("message").is_some() || body.get("error").is_some_and(Value::is_string);
    shaped.then_some(("statusCode, error and message", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else { return Reading::default() };
    let general = evidence.generic();
    Reading { message: general.message.or_else(|| body.text("error")), ..general }
}
