//! What the answer to a batch says about each of its actions.

use super::action::Action;
use crate::broken::{self, Variant};
use crate::error::ApiError;
use crate::error::parse::{Extensions, ResponseParts, decode, parse};
use crate::flat_map::FlatMap;
use crate::json::{Document, Json, Value};
use crate::time::WallTime;
use crate::wire::{ActionStatus, Conflict};
use std::borrow::Cow;
use std::time::Duration;

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
    /// Not now: it was not sent, because where it goes wants to be left alone for so long.
    Postponed(Duration),
    /// Nothing: the answer does not list it, or in a way that cannot be understood.
    Unlisted,
}

impl Verdict {
    /// Whether the server has the effect, so that the action leaves the queue.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Applied(_) | Self::Duplicate(_))
    }
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
    let root = answer.root();
    let mut by_id: FlatMap<Cow<'_, str>, (Option<ActionStatus>, Value<'_>)> = FlatMap::default();
    for (name, status) in LISTS {
        let Some(list) = root.get(name).filter(|list| list.is_array()) else { continue };
        for entry in list.items() {
            if let Some(id) = id_of(entry).filter(|id| !by_id.contains_key(id)) {
                by_id.insert(id, (status, entry));
            }
        }
    }
    if by_id.is_empty() {
        if counts_all(root, batch.len()) {
            return Ok(batch.iter().map(|_| Verdict::Applied(None)).collect());
        }
        // An empty list of results is an answer: it speaks of none.
        if root.get("results").is_none_or(|results| !results.is_array()) {
            return Err(NoAnswer::NoResults);
        }
    }
    let verdict_on = |action: &Action| {
        let (status, entry) = *by_id.get(action.id.as_str())?;
        verdict(status, entry, now, extensions)
    };
    let unlisted = if broken::is(Variant::UnlistedAcknowledged) { Verdict::Applied(None) } else { Verdict::Unlisted };
    Ok(batch.iter().map(|action| verdict_on(action).unwrap_or_else(|| unlisted.clone())).collect())
}

/// Where an answer lists actions, and what it says of those that are listed there. The first is the contract's, whose entries say it
/// themselves; the others are what backends answer that were there before it.
const LISTS: [(&str, Option<ActionStatus>); 11] = [
    ("results", None),
    ("conflicts", Some(ActionStatus::Conflict)),
    ("failed", Some(ActionStatus::Rejected)),
    ("rejected", Some(ActionStatus::Rejected)),
    ("retry", Some(ActionStatus::Retry)),
    ("duplicates", Some(ActionStatus::Duplicate)),
    ("applied", Some(ActionStatus::Applied)),
    ("processed", Some(ActionStatus::Applied)),
    ("succeeded", Some(ActionStatus::Applied)),
    ("accepted", Some(ActionStatus::Applied)),
    ("synced", Some(ActionStatus::Applied)),
];

/// The id of the action that an entry is about: the entry itself, or a member of it.
fn id_of(entry: Value<'_>) -> Option<Cow<'_, str>> {
    entry.as_str().or_else(|| entry.first(&["id", "actionId"])?.as_str())
}

/// Whether an answer without ids says that it has taken as many as there were, and failed over none.
fn counts_all(root: Value<'_>, sent: usize) -> bool {
    let count = |names: &[&str]| root.first(names).and_then(Value::as_u64);
    let taken = count(&["processed", "processedActions", "applied", "accepted"]);
    let failed = count(&["failed", "failedActions", "rejected", "errors"]).unwrap_or(0);
    let is_refused = root.get("success").and_then(Value::as_bool) == Some(false);
    let has_conflicts = root.get("conflicts").is_some_and(|conflicts| !conflicts.is_empty() && conflicts.as_u64() != Some(0));
    !is_refused && !has_conflicts && failed == 0 && taken.is_some_and(|taken| usize::try_from(taken) == Ok(sent))
}

/// What `GET /api/sync/status/:userId` says of a batch whose answer named no ids: it was taken as a whole, but for the conflicts, if
/// nothing waits and nothing has failed. `None` if that cannot be told.
pub fn reconcile(body: &[u8], batch: &[Action]) -> Option<Vec<Verdict>> {
    let text = decode(body);
    let answer = Document::read(&text)?;
    let count = |name| answer.root().get(name)?.as_u64();
    if count("pendingActions")? > 0 || count("failedActions")? > 0 || count("processedActions")? == 0 {
        return None;
    }
    let conflicts: Vec<Value<'_>> = answer.root().get("conflicts").into_iter().flat_map(Value::items).collect();
    let verdict_on = |action: &Action| {
        let stands_against = conflicts.iter().find(|entry| id_of(**entry).is_some_and(|id| id == action.id));
        stands_against.map_or(Verdict::Applied(None), |entry| Verdict::Conflict(conflict(Some(*entry))))
    };
    Some(batch.iter().map(verdict_on).collect())
}

fn verdict(listed: Option<ActionStatus>, entry: Value<'_>, now: WallTime, extensions: &Extensions) -> Option<Verdict> {
    let status = match listed {
        Some(status) => status,
        None => ActionStatus::from_name(&entry.get("status")?.as_str()?)?,
    };
    let error = entry.get("error").filter(|error| error.is_object());
    Some(match status {
        ActionStatus::Applied => Verdict::Applied(result(entry)),
        ActionStatus::Duplicate => Verdict::Duplicate(result(entry)),
        ActionStatus::Rejected => Verdict::Rejected(Box::new(item_error(error, now, extensions))),
        ActionStatus::Conflict => Verdict::Conflict(conflict(entry.get("conflict").or_else(|| listed.map(|_| entry)))),
        ActionStatus::Retry => Verdict::Retry(error.map(|error| Box::new(item_error(Some(error), now, extensions)))),
    })
}

/// The most that is kept of what came of an action, in bytes of JSON.
pub(crate) const LARGEST_RESULT: usize = 16 << 10;

/// What came of an action, such as the id that the server has given to what it made.
fn result(entry: Value<'_>) -> Option<Json> {
    entry.get("result").filter(|result| !result.is_null()).map(Value::to_json).filter(|json| json.text().len() <= LARGEST_RESULT)
}

/// A conflict without particulars is still one.
pub(crate) fn conflict(entry: Option<Value<'_>>) -> Conflict {
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
    fn answers_that_were_there_before_the_contract_are_understood_too() {
        let batch = [action(1, None), action(2, None), action(3, None)];
        let of = |body: &str| read(body.as_bytes(), &batch, NOW, &Extensions::default());
        let verdicts = of(
            r#"{"success":true,"processed":["action-1"],"failed":[{"actionId":"action-2","error":{"code":"VALIDATION_ERROR"}}],"conflicts":[{"actionId":"action-3","conflictType":"version_mismatch"}]}"#,
        )
        .unwrap();
        assert_eq!(verdicts[0], Verdict::Applied(None));
        let Verdict::Rejected(error) = &verdicts[1] else { panic!("{:?}", verdicts[1]) };
        assert_eq!(error.code.as_deref(), Some("VALIDATION_ERROR"));
        let Verdict::Conflict(conflict) = &verdicts[2] else { panic!("{:?}", verdicts[2]) };
        assert_eq!(conflict.conflict_type, "version_mismatch");
        assert_eq!(of(r#"{"applied":["action-1"]}"#).unwrap()[1..], [Verdict::Unlisted, Verdict::Unlisted]);
    }

    #[test]
    fn an_answer_that_only_counts_is_believed_if_the_count_is_right_and_nothing_failed() {
        let batch = [action(1, None), action(2, None)];
        let of = |body: &str| read(body.as_bytes(), &batch, NOW, &Extensions::default());
        assert_eq!(of(r#"{"success":true,"processed":2}"#).unwrap(), [Verdict::Applied(None), Verdict::Applied(None)]);
        assert_eq!(of(r#"{"processedActions":2,"failedActions":0,"conflicts":[]}"#).unwrap().len(), 2);
        for unclear in [
            r#"{"processed":1}"#,
            r#"{"processed":2,"failed":1}"#,
            r#"{"success":false,"processed":2}"#,
            r#"{"processed":2,"conflicts":[{}]}"#,
            r#"{"success":true}"#,
        ] {
            assert_eq!(of(unclear), Err(NoAnswer::NoResults), "{unclear}");
        }
        assert_eq!(of(r#"{"results":[]}"#).unwrap(), [Verdict::Unlisted, Verdict::Unlisted]);
    }

    #[test]
    fn a_status_tells_of_a_batch_only_if_nothing_waits_and_nothing_failed() {
        let batch = [action(1, None), action(2, None)];
        let status = |pending, failed| {
            format!(
                r#"{{"syncStatus":"idle","pendingActions":{pending},"processedActions":9,"failedActions":{failed},"conflicts":[{{"actionId":"action-2","conflictType":"version_mismatch","resolution":"manual_required"}}]}}"#
            )
        };
        let verdicts = reconcile(status(0, 0).as_bytes(), &batch).unwrap();
        assert_eq!(verdicts[0], Verdict::Applied(None));
        assert!(matches!(&verdicts[1], Verdict::Conflict(conflict) if conflict.conflict_type == "version_mismatch"));
        assert_eq!(reconcile(status(1, 0).as_bytes(), &batch), None);
        assert_eq!(reconcile(status(0, 1).as_bytes(), &batch), None);
        assert_eq!(reconcile(b"{}", &batch), None);
        assert_eq!(reconcile(b"<!doctype html>", &batch), None);
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
