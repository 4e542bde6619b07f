//! Stripe's `{ error: { type, code?, message, param?, doc_url?, decline_code? } }`, and those who took after it: OpenAI and
//! Anthropic.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "stripe", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let error = evidence.error_object()?;
    error.get("type").filter(|kind| kind.is_string())?;
    error.get("message")?;
    if ["doc_url", "request_log_url", "decline_code", "charge", "payment_intent"].iter().any(|name| error.get(name).is_some()) {
        return Some(("error.type with Stripe's members", Confidence::Certain));
    }
    let param = error.members().any(|(name, _)| name.is("param"));
    let kind = error.text("type").unwrap_or_default();
    (param || kind.ends_with("_error")).then_some(("error.type", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    evidence.generic()
}
