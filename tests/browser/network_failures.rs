//! Failures that really happen, in the words of this browser's own `fetch`.

use crate::fresh_database;
use js_sys::{Function, Object, Reflect};
use steadfast::browser::{Browser, Fetch, FetchRequest, this_page};
use steadfast::client::{CallError, Client, Options};
use steadfast::error::network::{Statement, Surroundings};
use steadfast::error::{ApiError, Confidence};
use steadfast::platform::Http;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Request, RequestInit};

/// Nobody listens there, and browsers do not refuse it by themselves, as they do many lower ports.
const REFUSED: &str = "http://127.0.0.1:47113";

fn real_fetch(probes: bool) -> Fetch {
    Fetch {
        fetch: None,
        headers: None,
        refresh: None,
        trusted_origins: vec![],
        surroundings: Surroundings::new(this_page(), Some(false), Some(probes)).into(),
    }
}

async fn failure_of(fetch: Fetch, method: &str, url: &str) -> Box<ApiError> {
    let init: RequestInit = Object::new().unchecked_into();
    init.set_method(method);
    let request = FetchRequest::from(Request::new_with_str_and_init(url, &init).unwrap());
    let options = Options::read(r#"{"baseUrl":"https://api.example"}"#, "https://api.example", std::rc::Rc::default()).unwrap();
    let client = Client::open(Browser::new(&fresh_database(), fetch, Function::new_no_args("")), options);
    match client.call(&request, r#"{"maxAttempts":1}"#).await {
        Err(CallError::Api(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{url} was answered"),
    }
}

fn code(error: &ApiError) -> (&str, Confidence, bool) {
    (error.code.as_deref().unwrap(), error.format.confidence, error.retryable)
}

/// The page's own server under its other name: another origin, which allows this one nothing.
fn own_server_as_another_origin() -> String {
    let origin = this_page().origin.unwrap();
    if origin.contains("127.0.0.1") { origin.replace("127.0.0.1", "localhost") } else { origin.replace("localhost", "127.0.0.1") }
}

#[wasm_bindgen_test]
async fn this_browsers_words_for_a_failed_fetch_are_known() {
    let fetch = real_fetch(false);
    let request = fetch.json_request("POST", REFUSED, Some("{}".into())).unwrap();
    let failure = fetch.send(&request, &vec![]).await.unwrap_err();
    let statement = failure.rejection.statement();
    assert!(matches!(statement, Statement::NoResponse | Statement::Unreachable), "{:?}", failure.rejection);
    assert_eq!(failure.rejection.name, "TypeError");
}

#[wasm_bindgen_test]
async fn a_refused_connection_is_an_unreachable_server_if_a_probe_may_ask() {
    let error = failure_of(real_fetch(true), "GET", &format!("{REFUSED}/a")).await;
    assert_eq!(code(&error), ("NETWORK_UNREACHABLE", Confidence::Guess, true), "{error}");
    let error = failure_of(real_fetch(false), "GET", &format!("{REFUSED}/a")).await;
    assert_eq!(code(&error), ("NETWORK_ERROR", Confidence::Guess, true), "{error}");
}

#[wasm_bindgen_test]
async fn a_host_that_does_not_exist_is_an_unreachable_server() {
    let error = failure_of(real_fetch(true), "GET", "http://steadfast.invalid/a").await;
    assert_eq!(code(&error), ("NETWORK_UNREACHABLE", Confidence::Guess, true), "{error}");
}

#[wasm_bindgen_test]
async fn an_answer_that_the_page_may_not_read_is_cors() {
    assert!(!this_page().is_isolated, "nothing would be heard of it: set WASM_BINDGEN_TEST_NO_ORIGIN_ISOLATION=1");
    for method in ["GET", "PUT"] {
        let error = failure_of(real_fetch(true), method, &format!("{}/", own_server_as_another_origin())).await;
        assert_eq!(code(&error), ("NETWORK_CORS", Confidence::Likely, true), "{method}: {error}");
        assert!(error.to_string().contains("Access-Control-Allow-Origin"), "{error}");
    }
}

#[wasm_bindgen_test]
async fn what_this_browser_calls_an_invalid_request_is_one() {
    let fetch = Function::new_no_args("return fetch('https://user:secret@api.example/')");
    let error = failure_of(Fetch { fetch: Some(fetch), ..real_fetch(true) }, "GET", "https://api.example/").await;
    assert_eq!(code(&error), ("REQUEST_INVALID", Confidence::Certain, false), "{error}");
}

#[wasm_bindgen_test]
async fn a_mistake_in_the_fetch_option_is_the_applications() {
    for body in ["return undefined()", "return JSON.parse('<')", "return nobodyHasDeclaredThis", "return undefined.token"] {
        let error =
            failure_of(Fetch { fetch: Some(Function::new_no_args(body)), ..real_fetch(true) }, "GET", "https://api.example/")
                .await;
        assert_eq!(code(&error), ("APPLICATION_HOOK_FAILED", Confidence::Certain, false), "{body}: {error}");
    }
}

#[wasm_bindgen_test]
async fn an_abort_that_was_not_the_callers_is_no_verdict_on_the_network() {
    let fetch = Function::new_with_args("request", "return fetch(request, { signal: AbortSignal.abort() })");
    let error = failure_of(Fetch { fetch: Some(fetch), ..real_fetch(true) }, "GET", &format!("{REFUSED}/a")).await;
    assert_eq!(code(&error), ("NETWORK_ERROR", Confidence::Certain, true), "{error}");
}

#[wasm_bindgen_test]
async fn a_probe_shows_nothing_and_changes_nothing() {
    let fetch =
        Function::new_with_args("request", "globalThis.steadfastProbe = request; return Promise.resolve(Response.error())");
    let fetch = Fetch { fetch: Some(fetch), ..real_fetch(true) };
    assert!(fetch.probe("https://api.example/").await);
    let probe: JsValue = Reflect::get(&js_sys::global(), &"steadfastProbe".into()).unwrap();
    for (member, value) in [
        ("url", "https://api.example/"),
        ("method", "HEAD"),
        ("mode", "no-cors"),
        ("credentials", "omit"),
        ("cache", "no-store"),
        ("referrerPolicy", "no-referrer"),
    ] {
        assert_eq!(Reflect::get(&probe, &member.into()).unwrap().as_string().as_deref(), Some(value), "{member}");
    }
}

#[wasm_bindgen_test]
async fn a_cause_is_read_where_there_is_one() {
    let fetch = Function::new_no_args("throw new TypeError('fetch failed', { cause: { code: 'ENOTFOUND' } })");
    let error = failure_of(Fetch { fetch: Some(fetch), ..real_fetch(false) }, "GET", "https://api.example/").await;
    assert_eq!(code(&error), ("NETWORK_UNREACHABLE", Confidence::Likely, true), "{error}");
    assert!(error.to_string().starts_with("TypeError: fetch failed: ENOTFOUND"), "{error}");
}
