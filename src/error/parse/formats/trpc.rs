//! tRPC and JSON-RPC 2.0: `{ error: { message, code: -32603, data: { code, httpStatus, path } } }`, also under `json` when
//! a transformer wraps it, and as a list when calls were batched.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, generic};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "trpc", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let error = error(evidence)?;
    let code = error.get("code")?.as_digits()?;
    if error.get("data").is_some_and(|data| data.get("httpStatus").is_some()) {
        return Some(("error.data.httpStatus", Confidence::Certain));
    }
    if evidence.body?.get("jsonrpc").is_some() {
        return Some(("jsonrpc", Confidence::Certain));
    }
    code.starts_with("-32").then_some(("a JSON-RPC code", Confidence::Likely))
}

fn error<'a>(evidence: &Evidence<'a>) -> Option<Value<'a>> {
    let body = evidence.body?;
    let body = if body.is_array() { body.items().find(|item| item.get("error").is_some())? } else { body };
    let error = body.get("error").filter(|error| error.is_object())?;
    Some(error.get("json").unwrap_or(error))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let (Some(body), Some(error)) = (evidence.body, error(evidence)) else { return Reading::default() };
    let data = error.get("data");
    let symbol = data.and_then(|data| data.text("code"));
    let zod = data.and_then(|data| data.get("zodError")?.get("fieldErrors"));
    Reading {
        code: symbol.or_else(|| error.get("code").and_then(Value::as_digits).map(Into::into)),
        message: error.text("message"),
        field_errors: zod.map(super::fields::map).unwrap_or_default(),
        details: data.map(Value::to_json),
        ..generic::read_common(body)
    }
}
