//! ASP.NET beside problem details: Web API's `{ Message, ExceptionMessage?, ModelState? }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "aspnet", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let body = evidence.body?;
    body.get("Message").filter(|message| message.is_string())?;
    let marks = ["ModelState", "ExceptionMessage", "MessageDetail", "StackTrace"];
    marks.iter().any(|name| body.get(name).is_some()).then_some(("Message with ModelState or an exception", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else { return Reading::default() };
    Reading { message: body.text("ExceptionMessage").or_else(|| body.text("Message")), ..evidence.generic() }
}
