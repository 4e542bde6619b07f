//! `fetch` as a network.

use crate::network;
use steadfast::browser::{Fetch, FetchRequest};
use steadfast::platform::{Headers, Http, NetworkFailureKind, Response};
use wasm_bindgen_test::wasm_bindgen_test;

fn request(fetch: &Fetch) -> FetchRequest {
    fetch.json_request("POST", "https://api.example/a", Some(r#"{"n":1}"#.into())).unwrap()
}

async fn text(fetch: &Fetch, headers: Headers) -> String {
    let response = fetch.send(&request(fetch), &headers).await.unwrap();
    String::from_utf8(response.body(1 << 20).await.bytes).unwrap()
}

#[wasm_bindgen_test]
async fn a_request_carries_its_body_and_headers_each_time_it_is_sent() {
    let echo = network(
        "return request.text().then((body) => new Response([request.method, request.url, request.headers.get('x-test'), request.headers.get('content-type'), body].join(' ')))",
    );
    let request = request(&echo);
    for attempt in ["first", "second"] {
        let response = echo.send(&request, &vec![("x-test".into(), attempt.into())]).await.unwrap();
        let body = response.body(1 << 20).await;
        let text = String::from_utf8(body.bytes).unwrap();
        assert_eq!(text, format!(r#"POST https://api.example/a {attempt} application/json {{"n":1}}"#));
    }
}

#[wasm_bindgen_test]
async fn what_the_caller_asked_of_the_browser_reaches_it() {
    let echo = network(
        "return Promise.resolve(new Response([request.referrerPolicy, request.referrer, request.credentials, request.cache, request.redirect, request.keepalive].join(' ')))",
    );
    let request = js_sys::Function::new_no_args(
        "return new Request('https://api.example/a', { referrerPolicy: 'no-referrer', referrer: '', credentials: 'omit', cache: 'no-store', redirect: 'manual', keepalive: true })",
    );
    let request = FetchRequest::from(web_sys::Request::from(request.call0(&wasm_bindgen::JsValue::NULL).unwrap()));
    let response = echo.send(&request, &vec![("x-test".into(), "1".into())]).await.unwrap();
    let text = String::from_utf8(response.body(1 << 20).await.bytes).unwrap();
    // Firefox and WebKit have not always had keepalive; what they do not know is undefined.
    assert!(text.starts_with("no-referrer  omit no-store manual"), "{text}");
}

#[wasm_bindgen_test]
async fn a_request_is_as_it_was_after_it_was_sent() {
    let echo = network("return request.text().then((body) => new Response(body + [...request.headers]))");
    for init in ["", "method: 'DELETE'", "method: 'PUT', body: 'b'", "method: 'POST', body: ''"] {
        let init = format!("return new Request('https://api.example/a', {{ headers: {{ 'x-own': '1' }}, {init} }})");
        let request = js_sys::Function::new_no_args(&init).call0(&wasm_bindgen::JsValue::NULL).unwrap();
        let wrapped = FetchRequest::new(request.clone().into(), None);
        let request = web_sys::Request::from(request);
        let mut answers = vec![];
        for _ in 0..2 {
            let response = echo.send(&wrapped, &vec![("x-test".into(), "1".into())]).await.unwrap();
            answers.push(String::from_utf8(response.body(1 << 20).await.bytes).unwrap());
        }
        assert_eq!(answers[0], answers[1], "{init}");
        assert!(answers[0].contains("x-own,1") && answers[0].contains("x-test,1"), "{}", answers[0]);
        assert!(!request.body_used(), "{init}");
        assert!(!request.headers().has("x-test").unwrap(), "{init}");
    }
}

#[wasm_bindgen_test]
async fn the_origin_of_a_request_is_the_browsers() {
    let fetch = network("");
    for (url, origin) in [
        ("https://API.example:443/a?b=/c#d", "https://api.example"),
        ("http://api.example:8080", "http://api.example:8080"),
        ("http://[::1]:80//a", "http://[::1]"),
        ("https://bücher.example/@/", "https://xn--bcher-kva.example"),
        ("blob:https://api.example/1", "https://api.example"),
        ("data:,https://api.example/", "null"),
    ] {
        let request = FetchRequest::from(web_sys::Request::new_with_str(url).unwrap());
        assert_eq!(fetch.summary(&request).origin, origin, "{url}");
    }
}

#[wasm_bindgen_test]
async fn whatever_is_thrown_is_a_failure_in_words() {
    for (thrown, said) in [
        ("new TypeError('Failed to fetch')", "TypeError: Failed to fetch"),
        ("'a string'", "a string"),
        ("undefined", "undefined"),
        ("{ reason: 1 }", "Object"),
    ] {
        for body in [format!("throw {thrown}"), format!("return Promise.reject({thrown})")] {
            let broken = network(&body);
            let failure = broken.send(&request(&broken), &vec![]).await.unwrap_err();
            assert_eq!(failure.verdict.kind, NetworkFailureKind::Unknown);
            assert!(failure.to_string().contains(said), "{failure}");
        }
    }
}

#[wasm_bindgen_test]
async fn a_stand_in_that_returns_no_response_is_told_so() {
    let confused = network("return Promise.resolve({ ok: true })");
    let failure = confused.send(&request(&confused), &vec![]).await.unwrap_err();
    assert_eq!(failure.verdict.kind, NetworkFailureKind::Application);
}

#[wasm_bindgen_test]
async fn a_body_is_read_up_to_the_limit_and_no_further() {
    let endless = network(
        "return Promise.resolve(new Response(new ReadableStream({ pull(controller) { controller.enqueue(new Uint8Array(1000)); } }), { status: 500 }))",
    );
    let response = endless.send(&request(&endless), &vec![]).await.unwrap();
    let body = response.body(2500).await;
    assert_eq!((body.bytes.len(), body.truncated, body.broken), (2500, true, None));
}

#[wasm_bindgen_test]
async fn a_body_that_breaks_off_keeps_what_came() {
    let breaking = network(
        "let sent = false; return Promise.resolve(new Response(new ReadableStream({ pull(controller) { if (sent) controller.error(new TypeError('network error')); else { sent = true; controller.enqueue(new TextEncoder().encode('{\"a')); } } })))",
    );
    let response = breaking.send(&request(&breaking), &vec![]).await.unwrap();
    let body = response.body(2500).await;
    assert_eq!(body.bytes, b"{\"a");
    assert!(body.broken.unwrap().to_string().contains("network error"));
}

#[wasm_bindgen_test]
async fn a_body_that_was_read_before_is_missing_and_no_more() {
    let read = network("const response = new Response('gone', { status: 503 }); return response.text().then(() => response)");
    let body = read.send(&request(&read), &vec![]).await.unwrap().body(2500).await;
    assert!(body.bytes.is_empty() && body.broken.is_some());
    let mock = network("return Promise.resolve({ status: 503, headers: new Headers(), body: 'a string' })");
    let body = mock.send(&request(&mock), &vec![]).await.unwrap().body(2500).await;
    assert!(body.broken.is_some());
}

#[wasm_bindgen_test]
async fn an_attempt_that_is_dropped_is_aborted() {
    let hanging = network(
        "globalThis.steadfastAborted = false; return new Promise(() => request.signal.addEventListener('abort', () => globalThis.steadfastAborted = true))",
    );
    let request = request(&hanging);
    let headers = vec![];
    let mut attempt = Box::pin(hanging.send(&request, &headers));
    assert!(futures_util::FutureExt::now_or_never(&mut attempt).is_none());
    drop(attempt);
    let aborted = js_sys::Reflect::get(&js_sys::global(), &"steadfastAborted".into()).unwrap();
    assert!(aborted.is_truthy());
}

#[wasm_bindgen_test]
async fn the_applications_headers_go_to_trusted_origins_only_and_never_over_the_callers_own() {
    let mut echo = network("return Promise.resolve(new Response(JSON.stringify([...request.headers])))");
    echo.headers = Some(js_sys::Function::new_with_args(
        "request",
        "return Promise.resolve({ authorization: 'Bearer for ' + request.url, accept: 'text/plain' })",
    ));
    assert!(!text(&echo, vec![]).await.contains("Bearer"), "the origin is not trusted");
    echo.trusted_origins.push("https://api.example".into());
    let sent = text(&echo, vec![]).await;
    assert!(sent.contains("Bearer for https://api.example/a"), "{sent}");
    assert!(sent.contains(r#"["accept","application/json"]"#), "{sent}");
    for none in ["undefined", "null", "Promise.resolve()", "Promise.resolve(null)", "{}"] {
        echo.headers = Some(js_sys::Function::new_no_args(&format!("return {none}")));
        assert!(text(&echo, vec![]).await.contains("accept"), "{none}");
    }
    echo.headers = Some(js_sys::Function::new_no_args("return new Headers({ authorization: 'at once' })"));
    assert!(text(&echo, vec![("x-correlation-id".into(), "c".into())]).await.contains("at once"));
    echo.headers = Some(js_sys::Function::new_no_args("return { authorization: 'line\\nbreak' }"));
    assert_eq!(echo.send(&request(&echo), &vec![]).await.unwrap_err().verdict.kind, NetworkFailureKind::Application);
    echo.headers = Some(js_sys::Function::new_no_args("throw new Error('no session')"));
    let failure = echo.send(&request(&echo), &vec![]).await.unwrap_err();
    assert_eq!(failure.verdict.kind, NetworkFailureKind::Application);
    assert!(failure.to_string().contains("no session"), "{failure}");
}
