//! Requests with files: `XMLHttpRequest` where it can be, `fetch` where it must be.

use crate::network;
use futures_util::FutureExt as _;
use js_sys::{Array, Function};
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use steadfast::browser::{Fetch, FetchRequest, this_page};
use steadfast::error::network::{Statement, Surroundings};
use steadfast::platform::{FormValue, Headers, Http, OutgoingBody, OutgoingRequest, Response};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Blob, BlobPropertyBag};

/// The browser's own `fetch`.
fn browser() -> Fetch {
    let surroundings = Surroundings::new(this_page(), Some(false), Some(false)).into();
    Fetch { fetch: None, headers: None, refresh: None, trusted_origins: vec![], surroundings }
}

/// That browser, whose application has credentials for the page's own server.
fn with_credentials() -> Fetch {
    let headers = Some(Function::new_no_args("return { authorization: 'Bearer new', 'x-own': 'not this' }"));
    Fetch { headers, trusted_origins: this_page().origin.into_iter().collect(), ..browser() }
}

fn blob(size: usize, kind: &str) -> Blob {
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    Blob::new_with_str_sequence_and_options(&Array::of1(&"x".repeat(size).into()), &options).unwrap()
}

/// What was told of the progress.
type Told = Rc<RefCell<Vec<(u64, u64)>>>;

fn post(fetch: &Fetch, url: &str, body: OutgoingBody<'_, Blob>) -> (FetchRequest, Told) {
    let told = Told::default();
    let telling = told.clone();
    let headers: Headers = vec![("x-own".into(), "own".into())];
    let request = fetch.request(&OutgoingRequest {
        method: "POST",
        url,
        headers: &headers,
        body,
        credentials: None,
        progress: Some(Rc::new(move |sent, total| telling.borrow_mut().push((sent, total)))),
    });
    (request.unwrap(), told)
}

/// A place of the page's own server where there is nothing.
fn nowhere() -> String {
    format!("{}/nothing-here", this_page().origin.unwrap())
}

fn evaluate(script: &str) -> JsValue {
    Function::new_no_args(script).call0(&JsValue::NULL).unwrap()
}

#[wasm_bindgen_test]
async fn a_file_is_sent_again_and_again_and_each_time_it_is_told_how_far_it_is() {
    let fetch = browser();
    let file = blob(3 << 20, "image/png");
    let (request, told) = post(&fetch, &nowhere(), OutgoingBody::File(&file));
    for _ in 0..2 {
        told.borrow_mut().clear();
        let response = fetch.send(&request, &vec![]).await.unwrap();
        assert_eq!(response.status(), 404);
        assert!(!response.redirected_elsewhere());
        assert!(!response.headers().is_empty());
        assert_eq!(response.body(1 << 10).await.broken, None);
        let told = told.borrow();
        assert_eq!(told.last(), Some(&(3 << 20, 3 << 20)));
        assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "{told:?}");
    }
}

#[wasm_bindgen_test]
async fn an_upload_carries_the_headers_of_the_request_of_the_attempt_and_of_the_application() {
    evaluate(
        "globalThis.steadfastSent = []; const { setRequestHeader } = XMLHttpRequest.prototype;
        globalThis.steadfastRestore = () => { XMLHttpRequest.prototype.setRequestHeader = setRequestHeader };
        XMLHttpRequest.prototype.setRequestHeader = function (name, value) {
            steadfastSent.push(`${name.toLowerCase()}: ${value}`); return setRequestHeader.call(this, name, value); };",
    );
    let fetch = with_credentials();
    let file = blob(10, "image/png");
    let (request, _) = post(&fetch, &nowhere(), OutgoingBody::File(&file));
    fetch.send(&request, &vec![("Idempotency-Key".into(), "\"k\"".into())]).await.unwrap();
    let sent = evaluate("steadfastRestore(); return steadfastSent.sort().join('\\n')").as_string().unwrap();
    assert_eq!(sent, "authorization: Bearer new\nidempotency-key: \"k\"\nx-own: own");
}

#[wasm_bindgen_test]
async fn an_upload_that_gets_no_response_fails_as_fetch_does() {
    let fetch = browser();
    let file = blob(10, "");
    let (request, _) = post(&fetch, "http://127.0.0.1:47113/a", OutgoingBody::File(&file));
    let failure = fetch.send(&request, &vec![]).await.unwrap_err();
    assert_eq!((failure.rejection.statement(), failure.rejection.name.as_str()), (Statement::NoResponse, "TypeError"));
    assert!(!failure.violates_policy);
}

#[wasm_bindgen_test]
async fn an_upload_that_nobody_waits_for_is_aborted_and_no_other() {
    evaluate(
        "globalThis.steadfastAborted = 0; const { abort } = XMLHttpRequest.prototype;
        globalThis.steadfastRestore = () => { XMLHttpRequest.prototype.abort = abort };
        XMLHttpRequest.prototype.abort = function () { if (this.readyState !== 4) steadfastAborted++; return abort.call(this); };",
    );
    let aborted = || evaluate("return steadfastAborted").as_f64().unwrap();
    let fetch = browser();
    let file = blob(1 << 20, "");
    let (request, told) = post(&fetch, &nowhere(), OutgoingBody::File(&file));
    let response = fetch.send(&request, &vec![]).await.unwrap();
    response.body(1 << 10).await;
    assert!(aborted() < 0.5, "it was over");
    told.borrow_mut().clear();
    {
        let headers = vec![];
        let mut sending = pin!(fetch.send(&request, &headers));
        assert!(sending.as_mut().now_or_never().is_none());
    }
    assert!(aborted() > 0.5);
    assert!(told.borrow().is_empty(), "nobody wants to know any longer");
    evaluate("steadfastRestore()");
}

#[wasm_bindgen_test]
async fn files_go_through_what_the_application_has_given_as_fetch() {
    // WebKit cannot read a form that it has made itself, and says at least what it is.
    let echo = network(
        "const head = [request.headers.get('x-test'), request.headers.get('content-type').split(';')[0]];
        return request.formData().then(async (form) => new Response(JSON.stringify([...head, ...await Promise.all([...form].map(
            async ([name, value]) => typeof value === 'string' ? [name, value] : [name, value.name, value.type, (await value.text()).length]))])),
            () => new Response(JSON.stringify(head)))",
    );
    let file = blob(1000, "image/png");
    let form = [
        ("actions", FormValue::Text("{}", Some("application/json"))),
        ("caption", FormValue::Text("Été", None)),
        ("photo", FormValue::File { file: &file, name: Some("sea.png") }),
    ];
    let (request, told) = post(&echo, "https://api.example/a", OutgoingBody::Form(&form));
    for attempt in ["1", "2"] {
        told.borrow_mut().clear();
        let response = echo.send(&request, &vec![("x-test".into(), attempt.into())]).await.unwrap();
        let text = String::from_utf8(response.body(1 << 20).await.bytes).unwrap();
        let head = format!(r#"["{attempt}","multipart/form-data""#);
        let form = r#",["actions","blob","application/json",2],["caption","Été"],["photo","sea.png","image/png",1000]]"#;
        assert!([[&head, form].concat(), [&head, "]"].concat()].contains(&text), "{text}");
        assert_eq!(*told.borrow(), [(1000, 1000)], "when all of it has left");
    }
}

#[wasm_bindgen_test]
async fn a_file_has_its_own_content_type_unless_a_header_says_another() {
    let echo =
        network("return request.text().then((text) => new Response(`${request.headers.get('content-type')} ${text.length}`))");
    let file = blob(7, "image/png");
    for (headers, expected) in [(vec![], "image/png 7"), (vec![("content-type".to_string(), "text/x".to_string())], "text/x 7")] {
        let outgoing = OutgoingRequest {
            method: "PUT",
            url: "https://api.example/a",
            headers: &headers,
            body: OutgoingBody::File(&file),
            credentials: None,
            progress: None,
        };
        let request = echo.request(&outgoing).unwrap();
        let response = echo.send(&request, &vec![]).await.unwrap();
        assert_eq!(String::from_utf8(response.body(1 << 10).await.bytes).unwrap(), expected);
    }
}
