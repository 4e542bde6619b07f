//! gRPC-Web: `grpc-status` and `grpc-message`, in the headers of an answer without a body, or in the trailers that its last
//! frame is (gRPC-Web protocol, "Protocol differences").

use super::{Confidence, Evidence, FormatDefinition, GRPC_CODES, Mark, Reading, percent_decoded};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "grpcWeb", recognise, read };

fn trailer<'a>(evidence: &Evidence<'a>, name: &str) -> Option<&'a str> {
    evidence.response.header(name).or_else(|| {
        if !evidence.media_type.starts_with("application/grpc-web") {
            return None;
        }
        evidence.text.lines().find_map(|line| {
            // A frame's five bytes may stand before the first trailer.
            let at = line.to_ascii_lowercase().find(name)?;
            line.get(at + name.len()..)?.strip_prefix(':').map(str::trim)
        })
    })
}

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let status = trailer(evidence, "grpc-status")?;
    (status != "0").then_some(("grpc-status", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let status = trailer(evidence, "grpc-status").unwrap_or_default();
    let name = status.parse::<usize>().ok().and_then(|number| GRPC_CODES.get(number)).copied().unwrap_or(status);
    Reading {
        code: Some(name.into()),
        message: trailer(evidence, "grpc-message").map(percent_decoded).filter(|message| !message.is_empty()),
        ..Reading::default()
    }
}
