//! PostgREST and Supabase: `{ code, message, details, hint }`, the code a SQLSTATE or one of PostgREST's own.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, generic};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "postgrest", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let body = evidence.body?;
    let code = body.get("code")?.as_str()?;
    let named = |name: &str| body.members().any(|(found, _)| found.is(name));
    let shaped = code.starts_with("PGRST") || code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (shaped && named("details") && named("hint") && named("message"))
        .then_some(("code, message, details and hint", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else { return Reading::default() };
    let hint = body.text("hint");
    Reading {
        code: body.text("code"),
        message: body.text("message").or_else(|| body.text("details")),
        recovery: hint.map(|hint| crate::error::Recovery { suggested_action: Some(hint), links: Vec::new() }),
        details: body.get("details").map(crate::json::Value::to_json),
        ..generic::read_common(body)
    }
}
