//! What must hold for what an application hands in.

use std::rc::Rc;
use std::time::Duration;
use steadfast::call::CallOptions;
use steadfast::client::{Options, read_codes};
use steadfast::error::parse::Extensions;
use steadfast::input::InvalidInput;
use steadfast::policy::retry::RetryPolicy;
use steadfast::queue::draft::Draft;
use steadfast::wire::{LARGEST_DATA, LONGEST_NAME, MOST_ACTIONS};

/// The longest that a call may be told to wait.
const HOUR: Duration = Duration::from_secs(3600);

/// Reads the bytes as the options of a client and of a call, as what is known of codes, and as an action.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let is_object = text.trim_start().starts_with('{');
    match Options::read(&text, "https://api.example.com", Rc::new(Extensions::default())) {
        Ok(options) => {
            assert!(is_object);
            retry_holds(&options.call.retry);
            assert!((1..=MOST_ACTIONS as usize).contains(&options.sync.limits.actions));
            assert!(options.sync.url.starts_with("https://api.example.com/"), "{}", options.sync.url);
            assert!(options.sync.timeout > Duration::ZERO && options.sync.backoff.base > Duration::ZERO);
            assert!(!options.database.is_empty() && options.user_id.as_ref().is_none_or(|user| !user.is_empty()));
            match CallOptions::read(&text, &options.call) {
                Ok(call) => retry_holds(&call.retry),
                Err(error) => is_said(&error),
            }
        }
        Err(error) => is_said(&error),
    }
    match read_codes(&text) {
        Ok(codes) => assert!(is_object && codes.len() <= text.len()),
        Err(error) => is_said(&error),
    }
    let (fields, data) = text.split_once('\n').unwrap_or((&text, "null"));
    match Draft::read(fields, data) {
        Ok(draft) => {
            assert_eq!(draft.data.get(), data.trim_matches([' ', '\t', '\r', '\n']), "data keeps its text");
            assert!(data.len() <= LARGEST_DATA);
            for name in [Some(&draft.kind), draft.key.as_ref(), draft.id.as_ref()].into_iter().flatten() {
                assert!((1..=LONGEST_NAME).contains(&name.chars().count()));
            }
        }
        Err(error) => is_said(&error),
    }
}

fn retry_holds(retry: &RetryPolicy) {
    assert!((1..=20).contains(&retry.max_attempts));
    assert!((1.0..=10.0).contains(&retry.backoff.multiplier));
    assert!(retry.attempt_timeout > Duration::ZERO && retry.attempt_timeout <= HOUR);
    assert!(retry.max_wait <= HOUR && retry.backoff.base <= HOUR && retry.backoff.cap <= HOUR);
}

/// Whoever handed in something wrong is told what, in a few words.
fn is_said(error: &InvalidInput) {
    assert!(!error.allowed.is_empty() && !error.received.is_empty(), "{error:?}");
    assert!(error.received.chars().count() <= 128, "{error}");
    serde_json::to_string(error).expect("it can be handed on");
}
