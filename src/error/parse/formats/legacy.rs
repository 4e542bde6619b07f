//! What Cosnap's services sent before the standard: `{ error: "…" }`, `{ success: false, message }` and
//! `{ status, error: { message } }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "legacy", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let body = evidence.body?;
    let members = body.members().count();
    if members == 1 && body.get("error")?.is_string() {
        return Some(("error is a string", Confidence::Likely));
    }
    if body.get("success").is_some_and(|success| success.as_bool() == Some(false)) && body.get("message").is_some() {
        return Some(("success is false, with a message", Confidence::Likely));
    }
    let error = evidence.error_object()?;
    let bare = members <= 2 && error.get("message")?.is_string() && error.members().count() == 1;
    bare.then_some(("error.message", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    evidence.generic()
}
