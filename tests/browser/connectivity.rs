//! What the page hears of itself and of the network, and how it looks at a backend's health.

use crate::network;
use js_sys::Function;
use std::cell::RefCell;
use std::rc::Rc;
use steadfast::browser::{Fetch, PageConnectivity};
use steadfast::platform::{Connectivity, ConnectivityChange, Http, Response};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

const HEALTH: &str = "https://api.example/api/health";

fn dispatch(target: &str, event: &str) {
    let script = format!("{target}.dispatchEvent(new {event})");
    Function::new_no_args(&script).call0(&JsValue::NULL).unwrap();
}

#[wasm_bindgen_test]
fn changes_are_heard_until_the_subscription_ends() {
    let heard = Rc::new(RefCell::new(vec![]));
    let ears = heard.clone();
    assert!(PageConnectivity.online());
    assert!(PageConnectivity.visible());
    let subscription = PageConnectivity.subscribe(Box::new(move |change| ears.borrow_mut().push(change)));
    dispatch("globalThis", "Event('offline')");
    dispatch("globalThis", "Event('online')");
    dispatch("document", "Event('visibilitychange')");
    dispatch("document", "Event('freeze')");
    dispatch("document", "Event('resume')");
    dispatch("globalThis", "PageTransitionEvent('pageshow', { persisted: false })");
    dispatch("globalThis", "PageTransitionEvent('pageshow', { persisted: true })");
    drop(subscription);
    dispatch("globalThis", "Event('offline')");
    assert_eq!(
        *heard.borrow(),
        [
            ConnectivityChange::Offline,
            ConnectivityChange::Online,
            ConnectivityChange::Visible,
            ConnectivityChange::Frozen,
            ConnectivityChange::Hidden,
            ConnectivityChange::Resumed,
            ConnectivityChange::Visible,
            ConnectivityChange::Resumed,
            ConnectivityChange::Visible,
        ]
    );
}

#[wasm_bindgen_test]
async fn a_look_carries_nothing_of_the_application_and_asks_no_cache() {
    let echo = network(
        "return Promise.resolve(new Response([request.method, request.url, request.cache, request.headers.get('accept'), request.headers.get('authorization')].join(' ')))",
    );
    let echo = Fetch {
        headers: Some(Function::new_no_args("return { authorization: 'secret' }")),
        trusted_origins: vec!["https://api.example".into()],
        ..echo
    };
    let response = echo.look(HEALTH).await.unwrap();
    assert!(!response.redirected_elsewhere());
    let text = String::from_utf8(response.body(1 << 10).await.bytes).unwrap();
    assert_eq!(text, format!("GET {HEALTH} no-store application/json "));
}

#[wasm_bindgen_test]
async fn a_redirect_within_the_origin_leads_nowhere_else() {
    for (url, elsewhere) in [("https://api.example/health", false), ("https://login.example/", true), ("", false)] {
        let redirect = format!(
            "const response = new Response('{{}}'); Object.defineProperties(response, {{ redirected: {{ value: {} }}, url: {{ value: '{url}' }} }}); return Promise.resolve(response)",
            !url.is_empty(),
        );
        assert_eq!(network(&redirect).look(HEALTH).await.unwrap().redirected_elsewhere(), elsewhere, "{url}");
    }
}

#[wasm_bindgen_test]
async fn a_look_that_is_dropped_is_aborted() {
    let hangs = network("globalThis.steadfastLook = request; return new Promise(() => {})");
    let looking = hangs.look(HEALTH);
    drop(futures_util::future::select(Box::pin(looking), Box::pin(std::future::ready(()))).await);
    let request: web_sys::Request = js_sys::Reflect::get(&js_sys::global(), &"steadfastLook".into()).unwrap().unchecked_into();
    assert!(request.signal().aborted());
}
