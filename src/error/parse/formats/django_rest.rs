//! Django REST framework: `{ detail }`, or a map from fields to lists of messages.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "djangoRest", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let body = evidence.body?;
    if body.members().count() <= 3
        && body.get("detail")?.is_string()
        && body.first(&["title", "type", "error", "message"]).is_none()
    {
        return Some(("detail", Confidence::Likely));
    }
    None
}

fn read(evidence: &Evidence<'_>) -> Reading {
    evidence.generic()
}
