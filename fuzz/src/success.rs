//! What must hold for an answer that HTTP calls a success.

use super::{error_response, exchange};
use steadfast::call::LARGEST_ERROR_BODY;
use steadfast::error::parse::{Extensions, ResponseParts, Success, inspect, parse};

/// More warnings are not read.
const MOST_WARNINGS: usize = 100;

/// As much of a body is looked at.
const LARGEST_INSPECTED: usize = 256 << 10;

/// Reads the bytes as a response with a status below 400, and inspects it.
pub fn holds(bytes: &[u8]) {
    let response = exchange::read(bytes);
    // More is not looked at; whoever has more is told so.
    let truncated = response.truncated || response.body.len() > LARGEST_ERROR_BODY;
    let body = response.body.get(..LARGEST_ERROR_BODY).unwrap_or(&response.body).to_vec();
    let response = ResponseParts { status: 200 + response.status % 200, body, truncated, ..response };
    let extensions = Extensions::default();
    let success = inspect(&response, &extensions);
    assert!(success == inspect(&response, &extensions), "inspected twice, an answer is the same");
    match success {
        Success::Whole => {}
        Success::Degraded(degraded) => {
            assert!(degraded.fallback_used || !degraded.warnings.is_empty(), "something is wrong with what is degraded");
            assert!(degraded.warnings.len() <= MOST_WARNINGS);
            serde_json::to_string(&degraded).expect("warnings can be written");
        }
        Success::Failed(error) => {
            // Of a longer body only the beginning is looked at.
            if response.body.len() <= LARGEST_INSPECTED {
                assert!(*error == parse(&response, &extensions), "a failure is read as any error is");
                error_response::holds_for(&response, &error);
            }
        }
    }
}
