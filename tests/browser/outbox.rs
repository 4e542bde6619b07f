//! The queue's transactions, over IndexedDB.

use crate::fresh_database;
use std::time::Duration;
use steadfast::browser::{BrowserClock, Database};
use steadfast::outbox::{self, AppendError, Begin, Claim, Claiming, Following, Newcomer, Step};
use steadfast::platform::tables::Lane;
use steadfast::policy::{backoff::Backoff, gate::Trigger};
use steadfast::queue::action::{Action, ActionState};
use steadfast::queue::answer::Verdict;
use steadfast::queue::coalescing::Coalescing;
use steadfast::queue::limits::QueueLimits;
use steadfast::queue::plan::BatchLimits;
use steadfast::queue::record::UserRecord;
use steadfast::queue::settlement::Moment;
use steadfast::time::WallTime;
use wasm_bindgen_test::wasm_bindgen_test;

const NOW: WallTime = WallTime(1_780_315_200_000);
const LIMITS: BatchLimits = BatchLimits { actions: 100, bytes: 1 << 18 };
const BACKOFF: Backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));
const MOMENT: Moment<'static> = Moment { backoff: &BACKOFF, now: NOW, unit: 0.5, server_ahead: None };

fn store(name: &str) -> Database {
    Database::new(name, BrowserClock::new())
}

fn newcomer(id: &str, key: Option<&str>) -> Newcomer {
    let data = serde_json::value::RawValue::from_string(r#"{"text":"Grüße 🚀 \u0000"}"#.into()).unwrap();
    let action = Action { key: key.map(Into::into), ..Action::new(id.into(), "ada", "save_draft".into(), data, NOW) };
    Newcomer { action, has_own_id: true, is_named: true, tried: None, coalescing: Coalescing::Never }
}

async fn append(store: &Database, user: &str, newcomers: Vec<Newcomer>) -> Result<(Vec<(String, u64)>, UserRecord), AppendError> {
    let mut appended = outbox::append(store, user, &mut [newcomers], &QueueLimits::default(), NOW).await?;
    Ok((appended.groups.remove(0)?, appended.record))
}

async fn begin(store: &Database) -> u64 {
    let Begin::Open(record) = outbox::begin(store, "ada", Trigger::Opened, NOW, true).await.unwrap() else { panic!() };
    record.epoch
}

async fn claim(store: &Database, epoch: u64, key: &str) -> Step {
    outbox::claim(
        store,
        "ada",
        epoch,
        Claiming { limits: LIMITS, now: NOW, fresh_key: key, next_key: "next" },
        Following::Unknown,
    )
    .await
    .unwrap()
}

async fn list(store: &Database) -> Vec<Action> {
    outbox::list(store, "ada", &Lane::ALL, 0, 1000).await.unwrap().1
}

#[wasm_bindgen_test]
async fn what_was_appended_is_there_after_the_store_is_opened_anew() {
    let name = fresh_database();
    let first = store(&name);
    let newcomers = (0..300).map(|index| newcomer(&format!("a{index}"), Some("key"))).collect();
    let (places, record) = append(&first, "ada", newcomers).await.unwrap();
    assert_eq!((places[0].1, places[299].1, record.counts().pending), (0, 299, 300));
    drop(first);
    let second = store(&name);
    let listed = list(&second).await;
    assert_eq!(outbox::record(&second, "ada").await.unwrap(), record);
    assert_eq!(listed.len(), 300);
    assert_eq!(listed[7].id, "a7");
    assert_eq!(listed[7].data.get(), r#"{"text":"Grüße 🚀 \u0000"}"#, "to the letter");
    let (_, page) = outbox::list(&second, "ada", &Lane::ALL, 250, 10).await.unwrap();
    assert_eq!((page.len(), page[0].seq), (10, 250));
}

#[wasm_bindgen_test]
async fn a_batch_goes_from_claim_to_settlement_and_the_next_one_is_claimed_with_that() {
    let store = store(&fresh_database());
    append(&store, "ada", vec![newcomer("a", Some("k")), newcomer("b", None), newcomer("c", None)]).await.unwrap();
    let epoch = begin(&store).await;
    let Claim::Batch(batch) = claim(&store, epoch, "batch-1").await.claim else { panic!() };
    assert_eq!((batch.key.as_str(), batch.actions.len()), ("batch-1", 3));
    append(&store, "ada", vec![newcomer("d", None)]).await.unwrap();
    let verdicts = [Verdict::Applied(None), Verdict::Duplicate(None), Verdict::Unlisted];
    let next = Claiming { limits: LIMITS, now: NOW, fresh_key: "batch-2", next_key: "next" };
    let step = outbox::settle(&store, "ada", epoch, &batch, &verdicts, MOMENT, (Some(next), Following::Unknown)).await.unwrap();
    assert_eq!((step.record.counts().pending, step.settled.len()), (2, 2));
    let Claim::Batch(batch) = step.claim else { panic!() };
    assert_eq!((batch.key.as_str(), batch.actions[0].id.as_str(), batch.actions.len()), ("batch-2", "d", 1));
    let left = list(&store).await;
    assert_eq!((left.len(), left[0].id.as_str(), left[0].attempts, left[0].lane), (2, "c", 1, Lane::Delayed));
}

#[wasm_bindgen_test]
async fn a_drain_that_was_superseded_may_delete_what_the_server_has_and_nothing_else() {
    let store = store(&fresh_database());
    append(&store, "ada", vec![newcomer("a", None), newcomer("b", None)]).await.unwrap();
    let old = begin(&store).await;
    let Claim::Batch(batch) = claim(&store, old, "batch").await.claim else { panic!() };
    begin(&store).await;
    assert!(matches!(claim(&store, old, "other").await.claim, Claim::Superseded));
    let verdicts = [Verdict::Applied(None), Verdict::Retry(None)];
    let step = outbox::settle(&store, "ada", old, &batch, &verdicts, MOMENT, (None, Following::Unknown)).await.unwrap();
    assert!(matches!(step.claim, Claim::Superseded));
    let left = list(&store).await;
    assert_eq!((left.len(), left[0].attempts), (1, 0), "only what was applied is gone, and nothing else has changed");
    assert!(step.record.batch.is_some(), "the batch belongs to the drain that took over");
}

#[wasm_bindgen_test]
async fn those_who_come_while_the_database_opens_go_on_in_their_order() {
    let store = store(&fresh_database());
    let names: Vec<String> = (0..20).map(|index| format!("a{index}")).collect();
    let appends = names.iter().map(|name| append(&store, "ada", vec![newcomer(name, Some("key"))]));
    futures_util::future::join_all(appends).await;
    assert_eq!(list(&store).await.into_iter().map(|action| action.id).collect::<Vec<_>>(), names);
}

#[wasm_bindgen_test]
async fn a_damaged_row_is_put_aside_and_can_be_discarded_and_the_others_are_sent() {
    let name = fresh_database();
    let store = store(&name);
    append(&store, "ada", vec![newcomer("a", None), newcomer("b", None)]).await.unwrap();
    let damage = format!(
        "return new Promise((resolve) => {{ const opening = indexedDB.open({name:?}); opening.onsuccess = () => {{ const write = opening.result.transaction('queue', 'readwrite'); write.objectStore('queue').put({{ u: 'ada', l: 2, s: 0, i: 'a', t: '{{cut' }}, ['ada', 2, 0]); write.oncomplete = () => {{ opening.result.close(); resolve(); }}; }}; }})"
    );
    let promise: js_sys::Promise = js_sys::Function::new_no_args(&damage).call0(&wasm_bindgen::JsValue::NULL).unwrap().into();
    wasm_bindgen_futures::JsFuture::from(promise).await.unwrap();
    let epoch = begin(&store).await;
    let Claim::Batch(batch) = claim(&store, epoch, "batch").await.claim else { panic!() };
    assert_eq!(batch.actions.iter().map(|action| action.id.as_str()).collect::<Vec<_>>(), ["b"]);
    let listed = list(&store).await;
    assert_eq!((listed[0].id.as_str(), listed[0].state), ("a", ActionState::Unreadable));
    let counts = outbox::discard(&store, "ada", "a").await.unwrap().unwrap().record.counts();
    assert_eq!((counts.pending, counts.unreadable), (1, 0));
}

#[wasm_bindgen_test]
async fn an_id_that_is_there_already_is_refused_with_its_group_and_no_other() {
    let store = store(&fresh_database());
    append(&store, "ada", vec![newcomer("a", None)]).await.unwrap();
    let mut groups = vec![vec![newcomer("b", None), newcomer("a", None)], vec![newcomer("c", None)]];
    let appended = outbox::append(&store, "ada", &mut groups, &QueueLimits::default(), NOW).await.unwrap();
    assert!(matches!(appended.groups[0], Err(AppendError::Invalid(_))), "{:?}", appended.groups[0]);
    assert_eq!(list(&store).await.into_iter().map(|action| action.id).collect::<Vec<_>>(), ["a", "c"]);
    assert!(append(&store, "bob", vec![newcomer("a", None)]).await.is_ok());
}
