//! What the answer to a batch says about each of its actions.

use super::action::Action;
use crate::broken::{self, Variant};
use crate::error::ApiError;
use crate::error::parse::{Extensions, ResponseParts, decode, parse};
use crate::flat_map::FlatMap;
use crate::json::{Document, Json, Value};
use crate::time::WallTime;
use crate::wire::{ActionStatus, Conflict};

/// What the server says of one action.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The effect is there, and what came of it.
    Applied(Option<Json>),
    /// The effect was there already, and what had come of it.
    Duplicate(Option<Json>),
    /// It can never be applied as it is.
    Rejected(Box<ApiError>),
    /// Something newer stands against it.
    Conflict(Conflict),
    /// Not now.
    Retry(Option<Box<ApiError>>),
    /// Not now, and not together with others: the server has failed over it when it was alone.
    StepsAside(Box<ApiError>),
    /// Nothing: the answer does not list it, or in a way that cannot be understood.
    Unlisted,
}

/// An answer that is no answer: what it is instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// It is no JSON: a captive portal's page, or cut off.
    NotJson,
    /// It is JSON without a list of results.
    NoResults,
}

/// Reads the body of a 2xx answer to `batch`: one verdict for each of its actions, in its order. Ids that were not sent are
/// ignored, and so is all but the first entry for an id. An entry that cannot be understood is [`Verdict::Unlisted`] and does
/// not spoil the others.
pub fn read(body: &[u8], batch: &[Action], now: WallTime, extensions: &Extensions) -> Result<Vec<Verdict>, NoAnswer> {
    let text = decode(body);
    let answer = Document::read(&text).ok_or(NoAnswer::NotJson)?;
    let results = answer.root().get("results").filter(|results| results.is_array()).ok_or(NoAnswer::NoResults)?;
    let mut by_id = FlatMap::default();
    for entry in results.items() {
        if let Some(id) = entry.get("id").and_then(Value::as_str).filter(|id| !by_id.contains_key(id)) {
            by_id.insert(id, entry);
        }
    }
    let verdict_on = |action: &Action| verdict(*by_id.get(action.id.as_str())?, now, extensions);
    let unlisted = if broken::is(Variant::UnlistedAcknowledged) { Verdict::Applied(None) } else { Verdict::Unlisted };
    Ok(batch.iter().map(|action| verdict_on(action).unwrap_or_else(|| unlisted.clone())).collect())
}

fn verdict(entry: Value<'_>, now: WallTime, extensions: &Extensions) -> Option<Verdict> {
    let status = ActionStatus::from_name(&entry.get("status")?.as_str()?)?;
    let error = entry.get("error").filter(|error| error.is_object());
    Some(match status {
        ActionStatus::Applied => Verdict::Applied(result(entry)),
        ActionStatus::Duplicate => Verdict::Duplicate(result(entry)),
        ActionStatus::Rejected => Verdict::Rejected(Box::new(item_error(error, now, extensions))),
        ActionStatus::Conflict => Verdict::Conflict(conflict(entry.get("conflict"))),
        ActionStatus::Retry => Verdict::Retry(error.map(|error| Box::new(item_error(Some(error), now, extensions)))),
    })
}

/// The most that is kept of what came of an action, in bytes of JSON.
const LARGEST_RESULT: usize = 16 << 10;

/// What came of an action, such as the id that the server has given to what it made.
fn result(entry: Value<'_>) -> Option<Json> {
    entry.get("result").filter(|result| !result.is_null()).map(Value::to_json).filter(|json| json.text().len() <= LARGEST_RESULT)
}

/// A conflict without particulars is still one.
fn conflict(entry: Option<Value<'_>>) -> Conflict {
    let text = |name| Some(entry?.get(name)?.as_str()?.into_owned());
    Conflict {
        conflict_type: text("conflictType").unwrap_or_else(|| "unspecified".into()),
        resolution: text("resolution"),
        server: entry.and_then(|entry| entry.get("server")).map(Value::to_json),
    }
}

/// The `error` of one entry, read as if it had come alone: whatever format it is in.
fn item_error(error: Option<Value<'_>>, now: WallTime, extensions: &Extensions) -> ApiError {
    let error = error.map(Value::to_json);
    let error = error.as_ref().map_or(r#"{"message":"The server rejected the action and gave no reason."}"#, Json::text);
    // 422 is what such an action would have been answered with on its own (RFC 9110 §15.5.21).
    let response = ResponseParts {
        status: 422,
        headers: Vec::new(),
        body: [r#"{"success":false,"error":"#, error, "}"].concat().into_bytes(),
        truncated: false,
        received_at: now,
    };
    parse(&response, extensions)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::queue::plan::tests::action;

    const NOW: WallTime = WallTime(1_780_315_200_000);

    #[test]
    fn each_action_gets_the_verdict_of_its_own_id() {
        let batch = [action(1, None), action(2, None), action(3, None), action(4, None), action(5, None)];
        let body = r#"{"success":true,"results":[
            {"id":"action-2","status":"duplicate"},
            {"id":"stranger","status":"applied"},
            {"id":"action-1","status":"applied"},
            {"id":"action-3","status":"rejected","error":{"code":"VALIDATION_ERROR","message":"Title is required","correlationId":"c","timestamp":"t","userMessage":"Give it a title","retryable":false,"severity":"low"}},
            {"id":"action-4","status":"perhaps"}]}"#;
        let verdicts = read(body.as_bytes(), &batch, NOW, &Extensions::default()).unwrap();
        assert_eq!(verdicts[0], Verdict::Applied(None));
        assert_eq!(verdicts[1], Verdict::Duplicate(None));
        let Verdict::Rejected(error) = &verdicts[2] else { panic!("{:?}", verdicts[2]) };
        assert_eq!((error.code.as_deref(), error.user_message.as_deref()), (Some("VALIDATION_ERROR"), Some("Give it a title")));
        assert_eq!(verdicts[3..], [Verdict::Unlisted, Verdict::Unlisted]);
    }

    #[test]
    fn a_page_and_a_cut_off_answer_are_no_answers() {
        let batch = [action(1, None)];
        assert_eq!(
            read(b"<!doctype html><title>Welcome to the airport</title>", &batch, NOW, &Extensions::default()),
            Err(NoAnswer::NotJson)
        );
        assert_eq!(
            read(br#"{"success":true,"results":[{"id":"action-1","sta"#, &batch, NOW, &Extensions::default()),
            Err(NoAnswer::NotJson)
        );
        assert_eq!(read(br#"{"success":true}"#, &batch, NOW, &Extensions::default()), Err(NoAnswer::NoResults));
        assert_eq!(read(b"", &batch, NOW, &Extensions::default()), Err(NoAnswer::NotJson));
    }

    #[test]
    fn of_two_entries_for_an_action_the_first_counts_whatever_stands_beside_them() {
        for strangers in 0..8 {
            let mut entries = vec![r#"{"id":"action-1","status":"retry"}"#, r#"{"id":"action-1","status":"applied"}"#];
            entries.extend(vec![r#"{"id":"a stranger","status":"applied"}"#; strangers]);
            let body = format!(r#"{{"results":[{}]}}"#, entries.join(","));
            let verdicts = read(body.as_bytes(), &[action(1, None)], NOW, &Extensions::default()).unwrap();
            assert_eq!(verdicts, [Verdict::Retry(None)], "beside {strangers}");
        }
    }

    #[test]
    fn half_an_emoji_and_a_byte_order_mark_do_not_spoil_an_answer() {
        let body = "\u{feff}{\"results\":[{\"id\":\"action-1\",\"status\":\"applied\",\"note\":\"\\\\ \\ud83d\"}]}";
        assert_eq!(read(body.as_bytes(), &[action(1, None)], NOW, &Extensions::default()).unwrap(), [Verdict::Applied(None)]);
    }

    #[test]
    fn an_answer_without_a_reason_is_still_kept_as_an_error() {
        let verdicts =
            read(br#"{"results":[{"id":"action-1","status":"rejected"}]}"#, &[action(1, None)], NOW, &Extensions::default())
                .unwrap();
        let Verdict::Rejected(error) = &verdicts[0] else { panic!() };
        assert!(error.message.as_deref().unwrap().contains("no reason"));
    }
}
