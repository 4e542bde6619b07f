//! Slack and those like it: `{ ok: false, error: "a_code" }`, usually under 200; Telegram's `{ ok: false, error_code,
//! description, parameters: { retry_after } }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "slack", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let failed = evidence.body?.get("ok")?.as_bool() == Some(false);
    failed.then_some(("ok is false", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    evidence.generic()
}
