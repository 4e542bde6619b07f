//! What must hold for an answer that HTTP calls a success.

use super::{error_response, exchange};
use steadfast::error::parse::{Extensions, ResponseParts, Success, inspect, parse};

/// More warnings are not read.
const MOST_WARNINGS: usize = 100;

/// As much of a body is looked at.
const LARGEST_INSPECTED: usize = 256 << 10;

/// Reads the bytes as a response with a status below 400, and inspects it.
pub fn holds(bytes: &[u8]) {
    let response = exchange::read(bytes);
    let response = ResponseParts { status: 200 + response.status % 200, ..response };
    let extensions = Extensions::default();
    let success = inspect(&response, &extensions);
    assert_eq!(success, inspect(&response, &extensions), "inspected twice, an answer is the same");
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
                assert_eq!(*error, parse(&response, &extensions), "a failure is read as any error is");
                error_response::holds_for(&response, &error);
            }
        }
    }
}
