//! What must hold for why there was no response, whatever was thrown.

use std::time::Duration;
use steadfast::error::network::{Answers, Evidence, Rejection, classify, is_development};

/// Reads the bytes as lines: what was thrown (name, message, cause), the page's origin and the URL that was asked for.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let rejection = Rejection {
        name: line().into(),
        message: line().into(),
        cause: Some(line().to_string()).filter(|cause| !cause.is_empty()),
    };
    let (page, target) = (line(), line());
    let evidence = Evidence {
        rejection: &rejection,
        page: Some(page).filter(|page| !page.is_empty()),
        target,
        no_cors: bytes.len().is_multiple_of(2),
        online: !bytes.len().is_multiple_of(3),
        violates_policy: bytes.len().is_multiple_of(5),
        elapsed: Duration::from_millis(bytes.len() as u64),
        answers: Answers::default(),
        probe: None,
    };
    let verdict = classify(&evidence);
    assert_eq!(verdict, classify(&evidence), "the same evidence, the same verdict");
    assert!(!verdict.reason.is_empty() && !verdict.code().is_empty());
    assert!(!rejection.to_string().is_empty(), "there is always something to say");
    let _ = is_development(page);
}
