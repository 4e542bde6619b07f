//! What the SDK does about an error by itself, in words.

use crate::markdown::distinct;
use crate::prose::{Example, Page};
use std::time::Duration;
use steadfast::error::{ApiError, Category};
use steadfast::policy::retry::{Decision, FailedAttempt, RetryBecause, RetryPolicy, StopBecause, decide};

/// What the SDK does about each of the examples, said once where it is the same.
pub(crate) fn what_steadfast_does(page: &Page) -> Vec<String> {
    let errors: Vec<_> = page.examples.iter().map(|example| (example, example.read(&page.code))).collect();
    // A batch is not a call: its answer is only ever met by the queue.
    let is_of_the_queue = page.examples.iter().all(|example| example.overruled.is_some());
    let mut does = Vec::new();
    if !is_of_the_queue {
        does.extend(said_once("A call", &errors, what_a_call_does));
    }
    does.extend(said_once("The queue", &errors, what_the_queue_does));
    does.extend(page.steadfast.iter().cloned());
    does
}

fn said_once(who: &str, errors: &[(&Example, ApiError)], say: fn(&ApiError) -> String) -> Vec<String> {
    let said = distinct(errors.iter().map(|(_, error)| say(error)));
    if let [only] = said.as_slice() {
        return vec![format!("**{who}** {only}")];
    }
    errors.iter().map(|(example, error)| format!("**{who}** ({}) {}", example.title, say(error))).collect()
}

/// What `sdk.fetch` does when a request that may be repeated is answered so.
fn what_a_call_does(error: &ApiError) -> String {
    let policy = RetryPolicy::default();
    let hint = error.retry_hint.map(|hint| Duration::from_millis(hint.after_ms));
    let failed = FailedAttempt { attempt: 1, retryable: error.retryable, repeatable: true, hint, left: None };
    match decide(&policy, &mut policy.backoff.delays(), failed, 0.0) {
        Decision::Stop(StopBecause::HintBeyondMaxWait) => format!(
            "fails at once, and says in `error.retryAt` when to come back: the server asks for {}, more than `maxWaitMs` ({}).",
            duration(hint.unwrap_or_default()),
            duration(policy.max_wait)
        ),
        Decision::Stop(_) => "fails at once: the same request would fail again.".into(),
        Decision::Retry { because: RetryBecause::ServerHint, .. } => format!(
            "waits the {} that the server asks for and a little more, and sends the request again, {} attempts in all; a POST or a PATCH only with an idempotency key.",
            duration(hint.unwrap_or_default()),
            policy.max_attempts
        ),
        Decision::Retry { because: RetryBecause::Backoff, .. } => format!(
            "sends the request again after {}, {} attempts in all; a POST or a PATCH only with an idempotency key.",
            retries(&policy),
            policy.max_attempts
        ),
    }
}

/// What the queue does when a whole batch is answered so: the table in docs/sync-contract.md.
fn what_the_queue_does(error: &ApiError) -> String {
    let has_hint = error.retry_hint.is_some_and(|hint| hint.after_ms > 0);
    let then = match error.status {
        Some(_) if has_hint => "waits until the moment that the server named",
        Some(400 | 413 | 422) => {
            return "halves the batch until the action that is refused stands alone; that one becomes a dead letter.".into();
        }
        Some(401 | 403) => {
            "sends it again after growing, random delays, or at once when you call `sdk.queue.sync()` or open the SDK anew"
        }
        None if error.retryable => {
            "sends it again after growing, random delays, or when the browser says that the network is back"
        }
        _ => "sends it again after growing, random delays",
    };
    // A gateway's answer says nothing about what was sent; a slow one or a breakdown may be the batch's own doing.
    let may_be_the_batch = match error.status {
        Some(401 | 403 | 429 | 502..=504) => false,
        Some(_) => !has_hint && error.format.name != "html",
        None => error.category == Category::Timeout,
    };
    let halving =
        if may_be_the_batch { "; after three failures it halves it, and an action that fails alone waits by itself" } else { "" };
    format!("keeps the batch as it is and {then}{halving}.")
}

/// The random delays of a policy, in words.
pub(crate) fn retries(policy: &RetryPolicy) -> String {
    let ceilings: Vec<_> = (1..policy.max_attempts).map(|failures| duration(policy.backoff.ceiling(failures))).collect();
    format!("a random delay of at most {}", ceilings.join(", then "))
}

/// A time, in words that no line break parts.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 3600 && seconds % 3600 == 0 => format!("{}\u{a0}h", seconds / 3600),
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{}\u{a0}min", seconds / 60),
        seconds if duration.subsec_millis() == 0 => format!("{seconds}\u{a0}s"),
        _ => format!("{}\u{a0}ms", duration.as_millis()),
    }
}
