//! Laravel: `{ message, errors: { field: [message] } }`, and `{ message, exception, file, line, trace }` in development.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "laravel", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let body = evidence.body?;
    body.get("message").filter(|message| message.is_string())?;
    if body.get("exception").is_some() && body.get("trace").is_some() {
        return Some(("exception with trace", Confidence::Certain));
    }
    let errors = body.get("errors").filter(|errors| errors.is_object())?;
    let lists = errors.members().all(|(_, messages)| messages.items().next().is_some_and(Value::is_string));
    (lists && !errors.is_empty() && body.members().count() <= 3).then_some(("message and errors by field", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else { return Reading::default() };
    let general = evidence.generic();
    // The class of an exception is no code that a client could rely on.
    let code = general.code.filter(|_| body.get("exception").is_none());
    Reading { code, ..general }
}
