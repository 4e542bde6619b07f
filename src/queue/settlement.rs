//! What a verdict makes of an action.

use super::action::{Action, ActionState};
use super::answer::Verdict;
use super::outcome::Outcome;
use super::request::OUTCOME_UNKNOWN;
use super::row::Lane;
use crate::error::ApiError;
use crate::policy::backoff::Backoff;
use crate::policy::gate::LONGEST_HONOURED_HINT;
use crate::policy::retry::spread;
use crate::time::WallTime;
use serde_json::value::RawValue;
use std::time::Duration;

/// How the policies of the queue bear on a transaction, and the chance and the moment it is decided at.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The delays between attempts.
    pub backoff: &'a Backoff,
    /// Now, by the wall clock.
    pub now: WallTime,
    /// Uniformly random in `[0, 1)`.
    pub unit: f64,
    /// By how many milliseconds the server's clock is ahead, if the answer that is acted upon has told.
    pub server_ahead: Option<i64>,
}

/// What becomes of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It leaves the disk.
    Leaves(Outcome),
    /// It stays, and nothing happens to it until the application decides.
    Rests(Outcome),
    /// It stays, and is sent again.
    Stays,
}

/// Carries out a verdict on an action: what it says of itself from now on, the lane included. The first of its key that stays
/// holds back the later ones.
pub fn carry_out(action: &mut Action, verdict: &Verdict, moment: Moment<'_>) -> Fate {
    let outcome = match verdict {
        Verdict::Applied(result) => return Fate::Leaves(Outcome::Applied { result: result.clone() }),
        Verdict::Duplicate(result) => return Fate::Leaves(Outcome::Duplicate { result: result.clone() }),
        Verdict::Rejected(error) => {
            action.state = ActionState::Dead;
            action.lane = Lane::Dead;
            action.last_error = to_json(error);
            if let Some(request) = &mut action.request {
                // Whoever puts it back does not know either.
                request.is_in_doubt |= error.code.as_deref() == Some(OUTCOME_UNKNOWN);
            }
            Fate::Rests(Outcome::Rejected { error: error.clone() })
        }
        Verdict::Conflict(conflict) => {
            action.state = ActionState::Conflict;
            action.lane = Lane::Conflict;
            action.conflict = Some(conflict.clone());
            Fate::Rests(Outcome::Conflict { conflict: conflict.clone() })
        }
        Verdict::Postponed(wait) => {
            action.lane = Lane::Delayed;
            action.not_before = Some(moment.now.after(spread((*wait).min(LONGEST_HONOURED_HINT), moment.unit)));
            return Fate::Stays;
        }
        Verdict::Retry(_) | Verdict::StepsAside(_) | Verdict::Unlisted => Fate::Stays,
    };
    action.attempts = action.attempts.saturating_add(1);
    // The server has spoken of it: what it was not applied for may be changed.
    let may_have_been_seen = action.sent || !action.is_sent_once();
    action.sent = may_have_been_seen && matches!(verdict, Verdict::StepsAside(_) | Verdict::Unlisted);
    action.alone |= matches!(verdict, Verdict::StepsAside(_));
    if outcome == Fate::Stays {
        let said = match verdict {
            Verdict::Retry(error) => error.as_ref(),
            Verdict::StepsAside(error) => Some(error),
            _ => None,
        };
        let hint = said.and_then(|error| error.retry_hint).map(|hint| Duration::from_millis(hint.after_ms));
        let wait = match hint.filter(|hint| !hint.is_zero()) {
            Some(hint) => spread(hint.min(LONGEST_HONOURED_HINT), moment.unit),
            None => moment.backoff.delay(action.attempts, moment.unit),
        };
        action.lane = Lane::Delayed;
        action.not_before = Some(moment.now.after(wait));
        action.last_error = said.and_then(|error| to_json(error)).or_else(|| action.last_error.take());
    }
    outcome
}

/// Makes a dead letter of an action for a reason of the queue's own.
pub fn bury(action: &mut Action, error: ApiError) -> Outcome {
    action.state = ActionState::Dead;
    action.lane = Lane::Dead;
    action.last_error = to_json(&error);
    Outcome::Rejected { error: Box::new(error) }
}

/// Kept as text: it is only ever shown, and code that reads an error back would be dead weight.
fn to_json(error: &ApiError) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(error).ok()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::queue::plan::tests::action;

    const BACKOFF: Backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));
    const MOMENT: Moment<'static> = Moment { backoff: &BACKOFF, now: WallTime(1000), unit: 0.5, server_ahead: None };

    #[test]
    fn an_action_can_be_tired_without_end() {
        let mut tired = Action { attempts: u32::MAX, ..action(7, None) };
        assert_eq!(carry_out(&mut tired, &Verdict::Retry(None), MOMENT), Fate::Stays);
        assert_eq!((tired.attempts, tired.lane), (u32::MAX, Lane::Delayed));
        assert!(tired.not_before.unwrap() > MOMENT.now);
    }

    #[test]
    fn what_was_not_sent_waits_as_it_was() {
        for sent in [false, true] {
            let mut postponed = Action { sent, attempts: 2, ..action(7, None) };
            assert_eq!(carry_out(&mut postponed, &Verdict::Postponed(Duration::from_secs(5)), MOMENT), Fate::Stays);
            assert_eq!((postponed.attempts, postponed.sent, postponed.lane), (2, sent, Lane::Delayed));
            assert!(postponed.not_before.unwrap() >= MOMENT.now.after(Duration::from_secs(5)));
        }
    }

    #[test]
    fn what_the_server_has_not_spoken_of_may_have_been_applied() {
        let mut unlisted = action(7, None);
        carry_out(&mut unlisted, &Verdict::Unlisted, MOMENT);
        assert!(unlisted.sent);
        carry_out(&mut unlisted, &Verdict::Retry(None), MOMENT);
        assert!(!unlisted.sent);
    }
}
