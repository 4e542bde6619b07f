//! AWS: JSON (`__type`, or the header `x-amzn-errortype`), and the XML of the query and REST protocols.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, markup};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "aws", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    if evidence.body.is_some_and(|body| body.get("__type").is_some_and(Value::is_string)) {
        return Some(("__type", Confidence::Certain));
    }
    if evidence.response.header("x-amzn-errortype").is_some() {
        return Some(("x-amzn-errortype", Confidence::Certain));
    }
    // No other header is a mark: API Gateway and CloudFront put theirs on the answers of whoever stands behind them.
    let start = evidence.text.trim_start();
    if evidence.body.is_some() || !start.starts_with('<') || markup::leaf(start, &["Code"]).is_none() {
        return None;
    }
    let named = ["RequestId", "RequestID", "HostId"].iter().any(|name| start.contains(name));
    let shaped = start.contains("<Error>") || start.contains("<ErrorResponse");
    (named || shaped).then_some(("<Error><Code>", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let header = evidence.response.header("x-amzn-errortype").map(short);
    let Some(body) = evidence.body else {
        return Reading {
            code: markup::leaf(evidence.text, &["Code"]).map(|code| short(&code)).or(header),
            message: markup::leaf(evidence.text, &["Message"]),
            request_id: markup::leaf(evidence.text, &["RequestId", "RequestID"]),
            ..Reading::default()
        };
    };
    let mut reading = evidence.generic();
    let named = body.first(&["code", "Code", "__type"]).and_then(Value::as_str);
    reading.code = named.map(|code| short(&code)).or(header).or(reading.code);
    reading
}

/// The name of an error: without its namespace before `#` and the address after `:` (Smithy's AWS protocols).
fn short(code: &str) -> String {
    let name = code.rsplit('#').next().unwrap_or(code);
    name.split(':').next().unwrap_or(name).trim().into()
}
