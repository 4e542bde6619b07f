//! Web Locks and the channel between tabs.

use crate::fresh_database;
use futures_channel::oneshot;
use futures_util::FutureExt as _;
use js_sys::Function;
use std::cell::RefCell;
use steadfast::browser::{BroadcastChannels, WebLocks};
use steadfast::platform::{Channel, Locks};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn a_lock_is_held_by_one_until_it_is_dropped() {
    let name = fresh_database();
    let first = WebLocks.acquire(&name).await;
    let mut second = Box::pin(WebLocks.acquire(&name));
    assert!((&mut second).now_or_never().is_none());
    // Two rounds through the lock manager: it has had every chance.
    for round in 0..2 {
        drop(WebLocks.acquire(&format!("{name}-{round}")).await);
    }
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    drop(second.await);
}

#[wasm_bindgen_test]
async fn a_lock_that_nobody_waits_for_any_longer_is_not_granted() {
    let name = fresh_database();
    let first = WebLocks.acquire(&name).await;
    let mut waiting = Box::pin(WebLocks.acquire(&name));
    assert!((&mut waiting).now_or_never().is_none());
    drop(waiting);
    drop(first);
    // Had the request not been withdrawn, this one would wait for ever.
    drop(WebLocks.acquire(&name).await);
}

#[wasm_bindgen_test]
async fn a_lock_is_tried_without_waiting_for_its_holder() {
    let name = fresh_database();
    let held = WebLocks.try_acquire(&name).await;
    assert!(held.is_some());
    assert!(WebLocks.try_acquire(&name).await.is_none());
    drop(held);
    let held = WebLocks.acquire(&name).await;
    assert!(WebLocks.try_acquire(&name).await.is_none());
    drop(held);
    // The browser hears of a release a moment late; the one who waits gets it then.
    drop(WebLocks.acquire(&name).await);
}

#[wasm_bindgen_test]
async fn a_lock_that_was_tried_and_is_no_longer_asked_for_is_not_kept() {
    let name = fresh_database();
    let mut trying = Box::pin(WebLocks.try_acquire(&name));
    assert!((&mut trying).now_or_never().is_none());
    drop(trying);
    // Had it been kept, this one would wait for ever.
    drop(WebLocks.acquire(&name).await);
}

#[wasm_bindgen_test]
async fn where_there_are_no_locks_or_they_are_refused_everybody_gets_one() {
    for locks in ["undefined", "{}", "{ request: () => Promise.reject(new DOMException('denied', 'SecurityError')) }"] {
        let name = fresh_database();
        let replace = format!("Object.defineProperty(navigator, 'locks', {{ configurable: true, value: {locks} }})");
        Function::new_no_args(&replace).call0(&JsValue::NULL).unwrap();
        let _held = WebLocks.acquire(&name).await;
        let tried = WebLocks.try_acquire(&name).await;
        let _also = WebLocks.acquire(&name).await;
        Function::new_no_args("delete navigator.locks").call0(&JsValue::NULL).unwrap();
        assert!(tried.is_some(), "{locks}");
    }
}

#[wasm_bindgen_test]
async fn the_other_tabs_hear_a_message_and_the_tab_itself_does_not() {
    let name = fresh_database();
    let (here, there) = (BroadcastChannels::new(&name), BroadcastChannels::new(&name));
    let (sender, heard) = oneshot::channel();
    let sender = RefCell::new(Some(sender));
    let _ear = there.subscribe(Box::new(move |message| {
        if let Some(sender) = sender.take() {
            sender.send(message.to_string()).unwrap();
        }
    }));
    let _own = here.subscribe(Box::new(|_| panic!("a tab must not hear itself")));
    here.post("hello");
    assert_eq!(heard.await.unwrap(), "hello");
}
