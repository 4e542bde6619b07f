//! IndexedDB as a store.

use crate::fresh_database;
use std::time::Duration;
use steadfast::browser::IndexedDb;
use steadfast::flat_map::FlatMap;
use steadfast::outbox::{self, AppendError, Begin, Claim, Moment};
use steadfast::platform::{Access, Store, StoreErrorKind, Transaction};
use steadfast::policy::{backoff::Backoff, gate::Trigger};
use steadfast::queue::action::{Action, ActionState, SCHEMA_VERSION};
use steadfast::queue::answer::Verdict;
use steadfast::queue::plan::BatchLimits;
use steadfast::time::WallTime;
use steadfast::wire::Priority;
use wasm_bindgen_test::wasm_bindgen_test;

const NOW: WallTime = WallTime(1_780_315_200_000);
const LIMITS: BatchLimits = BatchLimits { actions: 100, bytes: 1 << 18 };
const BACKOFF: Backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));

fn action(id: &str, key: Option<&str>) -> Action {
    Action {
        schema_version: SCHEMA_VERSION,
        id: id.into(),
        user_id: "ada".into(),
        seq: 0,
        key: key.map(Into::into),
        kind: "save_draft".into(),
        priority: Priority::Normal,
        timestamp: NOW,
        data: serde_json::value::RawValue::from_string(r#"{"text":"Grüße 🚀 \u0000"}"#.into()).unwrap(),
        state: ActionState::Pending,
        attempts: 0,
        not_before: None,
        last_error: None,
        conflict: None,
    }
}

fn moment() -> Moment<'static> {
    Moment { backoff: &BACKOFF, now: NOW, unit: 0.5 }
}

#[wasm_bindgen_test]
async fn what_was_appended_is_there_after_the_store_is_opened_anew() {
    let name = fresh_database();
    let first = IndexedDb::new(&name);
    let actions = (0..300).map(|index| action(&format!("a{index}"), Some("key"))).collect();
    let (appended, counts) = outbox::append(&first, "ada", actions).await.unwrap();
    assert_eq!((appended[0].seq, appended[299].seq, counts.pending), (0, 299, 300));
    drop(first);
    let second = IndexedDb::new(&name);
    let (record, listed) = outbox::list(&second, "ada", 0, 1000).await.unwrap();
    assert_eq!((record.counts, record.next_seq), (counts, 300));
    assert_eq!(listed.len(), 300);
    assert_eq!(listed[7].id, "a7");
    assert_eq!(listed[7].data.get(), r#"{"text":"Grüße 🚀 \u0000"}"#, "to the letter");
    let (_, page) = outbox::list(&second, "ada", 250, 10).await.unwrap();
    assert_eq!((page.len(), page[0].seq), (10, 250));
}

#[wasm_bindgen_test]
async fn a_batch_goes_from_claim_to_settlement() {
    let store = IndexedDb::new(&fresh_database());
    let actions = vec![action("a", Some("k")), action("b", None), action("c", None)];
    outbox::append(&store, "ada", actions).await.unwrap();
    let Begin::Open { epoch, .. } = outbox::begin(&store, "ada", Trigger::Opened, NOW).await.unwrap() else { panic!() };
    let claim = outbox::claim(&store, "ada", epoch, LIMITS, NOW, "batch-1").await.unwrap();
    let Claim::Batch { key, actions, .. } = claim else { panic!("{claim:?}") };
    assert_eq!((key.as_str(), actions.len()), ("batch-1", 3));
    let verdicts = FlatMap::from_iter([(0, Verdict::Applied), (1, Verdict::Duplicate), (2, Verdict::Unlisted)]);
    let settled = outbox::settle(&store, "ada", epoch, &verdicts, moment()).await.unwrap();
    assert_eq!((settled.counts.pending, settled.settlement.settled.len()), (1, 2));
    let (_, left) = outbox::list(&store, "ada", 0, 10).await.unwrap();
    assert_eq!((left.len(), left[0].id.as_str(), left[0].attempts), (1, "c", 1));
}

#[wasm_bindgen_test]
async fn a_drain_that_was_superseded_may_delete_what_the_server_has_and_nothing_else() {
    let store = IndexedDb::new(&fresh_database());
    outbox::append(&store, "ada", vec![action("a", None), action("b", None)]).await.unwrap();
    let Begin::Open { epoch: old, .. } = outbox::begin(&store, "ada", Trigger::Opened, NOW).await.unwrap() else { panic!() };
    outbox::claim(&store, "ada", old, LIMITS, NOW, "batch").await.unwrap();
    outbox::begin(&store, "ada", Trigger::Opened, NOW).await.unwrap();
    assert!(matches!(outbox::claim(&store, "ada", old, LIMITS, NOW, "other").await.unwrap(), Claim::Superseded));
    let verdicts = FlatMap::from_iter([(0, Verdict::Applied), (1, Verdict::Retry(None))]);
    let settled = outbox::settle(&store, "ada", old, &verdicts, moment()).await.unwrap();
    assert!(!settled.current);
    let (record, left) = outbox::list(&store, "ada", 0, 10).await.unwrap();
    assert_eq!((left.len(), left[0].attempts), (1, 0), "only what was applied is gone, and nothing else has changed");
    assert!(record.batch.is_some(), "the batch belongs to the drain that took over");
}

#[wasm_bindgen_test]
async fn those_who_come_while_the_database_opens_go_on_in_their_order() {
    let store = IndexedDb::new(&fresh_database());
    let names: Vec<String> = (0..20).map(|index| format!("a{index}")).collect();
    let appends = names.iter().map(|name| outbox::append(&store, "ada", vec![action(name, Some("key"))]));
    futures_util::future::join_all(appends).await;
    let (_, listed) = outbox::list(&store, "ada", 0, 100).await.unwrap();
    assert_eq!(listed.into_iter().map(|action| action.id).collect::<Vec<_>>(), names);
}

#[wasm_bindgen_test]
async fn a_database_that_is_another_applications_is_left_alone() {
    let name = fresh_database();
    let creation = format!(
        "return new Promise((resolve) => {{ const request = indexedDB.open({name:?}, 1); request.onupgradeneeded = () => request.result.createObjectStore('theirs'); request.onsuccess = () => {{ request.result.close(); resolve(); }} }})"
    );
    let promise: js_sys::Promise = js_sys::Function::new_no_args(&creation).call0(&wasm_bindgen::JsValue::NULL).unwrap().into();
    wasm_bindgen_futures::JsFuture::from(promise).await.unwrap();
    let failed = outbox::record(&IndexedDb::new(&name), "ada").await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::Unreadable);
    assert!(failed.message.contains("the option database"), "{}", failed.message);
}

#[wasm_bindgen_test]
async fn a_store_that_is_given_up_while_it_opens_leaves_nothing_in_the_way() {
    let name = fresh_database();
    let store = IndexedDb::new(&name);
    let mut opening = Box::pin(outbox::record(&store, "ada"));
    assert!(futures_util::FutureExt::now_or_never(&mut opening).is_none());
    drop(opening);
    drop(store);
    // Its upgrade was undone, and its connection does not block this one.
    let again = IndexedDb::new(&name);
    outbox::append(&again, "ada", vec![action("a", None)]).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_damaged_row_is_shown_and_can_be_discarded_and_the_others_are_read() {
    let name = fresh_database();
    let store = IndexedDb::new(&name);
    outbox::append(&store, "ada", vec![action("a", None), action("b", None)]).await.unwrap();
    let damage = format!(
        "return new Promise((resolve) => {{ const opening = indexedDB.open({name:?}); opening.onsuccess = () => {{ const write = opening.result.transaction('actions', 'readwrite'); write.objectStore('actions').put({{ userId: 'ada', seq: 0, id: 'a', row: '{{cut' }}); write.oncomplete = () => {{ opening.result.close(); resolve(); }}; }}; }})"
    );
    let promise: js_sys::Promise = js_sys::Function::new_no_args(&damage).call0(&wasm_bindgen::JsValue::NULL).unwrap().into();
    wasm_bindgen_futures::JsFuture::from(promise).await.unwrap();
    let (_, listed) = outbox::list(&store, "ada", 0, 10).await.unwrap();
    assert_eq!((listed[0].id.as_str(), listed[0].state), ("a", ActionState::Unreadable));
    assert_eq!((listed[1].id.as_str(), listed[1].state), ("b", ActionState::Pending));
    assert_eq!(outbox::discard(&store, "ada", "a").await.unwrap().unwrap().pending, 1);
}

#[wasm_bindgen_test]
async fn a_transaction_that_is_dropped_leaves_nothing() {
    let store = IndexedDb::new(&fresh_database());
    let transaction = store.transaction(Access::Write).await.unwrap();
    transaction.write(&action("a", None)).unwrap();
    drop(transaction);
    let (_, listed) = outbox::list(&store, "ada", 0, 10).await.unwrap();
    assert!(listed.is_empty());
}

#[wasm_bindgen_test]
async fn an_id_that_is_there_already_is_refused_with_the_whole_batch() {
    let store = IndexedDb::new(&fresh_database());
    outbox::append(&store, "ada", vec![action("a", None)]).await.unwrap();
    let again = outbox::append(&store, "ada", vec![action("b", None), action("a", None)]).await;
    assert!(matches!(again, Err(AppendError::Invalid(_))), "{again:?}");
    let (record, listed) = outbox::list(&store, "ada", 0, 10).await.unwrap();
    assert_eq!((listed.len(), record.counts.pending), (1, 1));
    assert!(outbox::append(&store, "bob", vec![Action { user_id: "bob".into(), ..action("a", None) }]).await.is_ok());
}

#[wasm_bindgen_test]
async fn a_connection_that_was_closed_is_opened_again() {
    let name = fresh_database();
    let store = IndexedDb::new(&name);
    outbox::append(&store, "ada", vec![action("a", None)]).await.unwrap();
    // Deleting the database makes every connection to it let go.
    let deletion = format!(
        "return new Promise((resolve, reject) => {{ const request = indexedDB.deleteDatabase({name:?}); request.onsuccess = resolve; request.onerror = reject; }})"
    );
    let promise: js_sys::Promise = js_sys::Function::new_no_args(&deletion).call0(&wasm_bindgen::JsValue::NULL).unwrap().into();
    wasm_bindgen_futures::JsFuture::from(promise).await.unwrap();
    outbox::append(&store, "ada", vec![action("b", None)]).await.unwrap();
    let (_, listed) = outbox::list(&store, "ada", 0, 10).await.unwrap();
    assert_eq!(listed.iter().map(|action| action.id.as_str()).collect::<Vec<_>>(), ["b"]);
}
