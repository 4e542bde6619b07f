//! `fetch`.

use super::charset::in_utf8;
use super::global;
use super::policy_violation::PolicyViolations;
use crate::call::correlation::CORRELATION_HEADER;
use crate::error::network::{Page, Rejection, Surroundings};
use crate::platform::{Headers, Http, NetworkFailure, NetworkFailureKind, RequestSummary, Response, ResponseBody};
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, ReadableStreamDefaultReader, Request, RequestInit, RequestMode, Url};

/// Sends with the application's `fetch`, and adds what its `headers` function gives to requests to trusted origins.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// `fetch`, or the application's stand-in for it: takes a `Request`, returns a promise of a `Response`.
    pub fetch: Function,
    /// Takes `{ url, method }`, returns headers or a promise of them: where credentials come from, at the moment of sending.
    pub headers: Option<Function>,
    /// The origins that get those headers.
    pub trusted_origins: Vec<String>,
    /// Where the page is, and what it has learnt of the network around it.
    pub surroundings: Rc<Surroundings>,
}

/// This page, or this worker.
pub fn this_page() -> Page {
    let origin = global::member::<JsValue>("origin").and_then(|origin| origin.as_string());
    Page { origin, is_isolated: global::member::<JsValue>("crossOriginIsolated").is_some_and(|isolated| isolated.is_truthy()) }
}

/// A request that can be sent any number of times: it is cloned for each attempt and never read itself.
#[derive(Debug, Clone)]
pub struct FetchRequest(pub Request);

/// A response. Dropping it unread aborts the transfer.
#[derive(Debug)]
pub struct FetchResponse {
    response: web_sys::Response,
    /// That of the request.
    origin: String,
    transfer: Transfer,
}

/// An attempt on its way; dropping it aborts it.
#[derive(Debug)]
struct Transfer(Option<AbortController>);

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

impl FetchResponse {
    /// The response as the application gets it: its transfer goes on.
    pub fn into_js(mut self) -> web_sys::Response {
        self.transfer.0 = None;
        AsRef::<JsValue>::as_ref(&self.response).clone().unchecked_into()
    }
}

fn rejection(thrown: &JsValue) -> Rejection {
    let text = |object: &JsValue, name| global::property::<JsValue>(object, name).and_then(|value| value.as_string());
    // Node tells in a cause what browsers keep to themselves.
    let cause = global::property::<JsValue>(thrown, "cause").and_then(|cause| text(&cause, "code"));
    let name = text(thrown, "name").unwrap_or_default();
    let message = text(thrown, "message").or_else(|| thrown.as_string());
    Rejection {
        message: message.unwrap_or_else(|| if name.is_empty() { format!("{thrown:?}") } else { String::new() }),
        name,
        cause,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn invalid(thrown: JsValue) -> NetworkFailure {
    NetworkFailure::certain(NetworkFailureKind::Invalid, "the request cannot be sent", rejection(&thrown))
}

impl Http for Fetch {
    type Request = FetchRequest;
    type Response = FetchResponse;

    fn json_request(&self, method: &str, url: &str, body: String) -> Result<FetchRequest, NetworkFailure> {
        let headers = web_sys::Headers::new().map_err(invalid)?;
        headers.set("Content-Type", "application/json").map_err(invalid)?;
        headers.set("Accept", "application/json").map_err(invalid)?;
        let init = RequestInit::new();
        init.set_method(method);
        init.set_headers(&headers);
        init.set_body(&JsValue::from_str(&body));
        Request::new_with_str_and_init(url, &init).map(FetchRequest).map_err(invalid)
    }

    fn summary(&self, request: &FetchRequest) -> RequestSummary {
        let request = &request.0;
        let header = |name| request.headers().get(name).ok().flatten();
        RequestSummary {
            method: request.method().to_ascii_uppercase(),
            url: request.url(),
            origin: origin(&request.url()),
            carries_headers: request.mode() != RequestMode::NoCors,
            idempotency_key: header("Idempotency-Key").filter(|key| !key.is_empty()),
            correlation_id: header(CORRELATION_HEADER),
        }
    }

    async fn send(&self, request: &FetchRequest, headers: &Headers) -> Result<FetchResponse, NetworkFailure> {
        let request = &request.0;
        let combined = web_sys::Headers::new_with_headers(&request.headers()).map_err(invalid)?;
        self.add_application_headers(request, &combined).await?;
        for (name, value) in headers {
            combined.set(name, value).map_err(invalid)?;
        }
        let controller = AbortController::new().map_err(invalid)?;
        let init = RequestInit::new();
        init.set_headers(&combined);
        init.set_signal(Some(&either_signal(&request.signal(), &controller.signal())));
        // A request made from another one falls back to the default referrer, unless it is told not to.
        for member in ["referrer", "referrerPolicy"] {
            let name = JsValue::from_str(member);
            Reflect::set(&init, &name, &Reflect::get(request, &name).map_err(invalid)?).map_err(invalid)?;
        }
        let copy = request.clone().map_err(invalid)?;
        let attempt = Request::new_with_request_and_init(&copy, &init).map_err(invalid)?;
        self.dispatch(&attempt, Transfer(Some(controller))).await
    }

    fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    async fn look(&self, url: &str) -> Result<FetchResponse, NetworkFailure> {
        let headers = web_sys::Headers::new().map_err(invalid)?;
        // The only header of ours: it needs no preflight.
        headers.set("Accept", "application/json").map_err(invalid)?;
        let controller = AbortController::new().map_err(invalid)?;
        let init = RequestInit::new();
        init.set_headers(&headers);
        init.set_signal(Some(&controller.signal()));
        Reflect::set(&init, &JsValue::from_str("cache"), &JsValue::from_str("no-store")).map_err(invalid)?;
        let request = Request::new_with_str_and_init(url, &init).map_err(invalid)?;
        self.dispatch(&request, Transfer(Some(controller))).await
    }

    async fn probe(&self, url: &str) -> bool {
        let init = Object::new();
        for (name, value) in [
            ("method", "HEAD"),
            ("mode", "no-cors"),
            ("cache", "no-store"),
            ("credentials", "omit"),
            ("referrerPolicy", "no-referrer"),
        ] {
            if Reflect::set(&init, &JsValue::from_str(name), &JsValue::from_str(value)).is_err() {
                return false;
            }
        }
        let Ok(controller) = AbortController::new() else { return false };
        let init: RequestInit = init.unchecked_into();
        init.set_signal(Some(&controller.signal()));
        let _given_up_when_dropped = Transfer(Some(controller));
        let Ok(request) = Request::new_with_str_and_init(url, &init) else { return false };
        let Ok(sent) = self.fetch.call1(&JsValue::UNDEFINED, &request) else { return false };
        JsFuture::from(Promise::resolve(&sent)).await.is_ok()
    }
}

impl Fetch {
    /// Hands a request over to `fetch`.
    async fn dispatch(&self, request: &Request, transfer: Transfer) -> Result<FetchResponse, NetworkFailure> {
        let violations = PolicyViolations::listen();
        let url = request.url();
        let answer = match self.fetch.call1(&JsValue::UNDEFINED, request) {
            Ok(sent) => JsFuture::from(Promise::resolve(&sent)).await,
            Err(thrown) => Err(thrown),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(thrown) => {
                let violates_policy = violations.include(&url).await;
                return Err(NetworkFailure { violates_policy, ..NetworkFailure::unexplained(rejection(&thrown)) });
            }
        };
        if !Reflect::has(&answer, &JsValue::from_str("status")).unwrap_or(false) {
            let reason = "the fetch option must return a promise of a Response";
            return Err(NetworkFailure::certain(NetworkFailureKind::Application, reason, rejection(&answer)));
        }
        Ok(FetchResponse { response: answer.unchecked_into(), origin: origin(&url), transfer })
    }

    async fn add_application_headers(&self, request: &Request, headers: &web_sys::Headers) -> Result<(), NetworkFailure> {
        let Some(source) = &self.headers else { return Ok(()) };
        if !self.trusted_origins.contains(&origin(&request.url())) {
            return Ok(());
        }
        let failed = |thrown: JsValue| {
            NetworkFailure::certain(NetworkFailureKind::Application, "the headers option failed", rejection(&thrown))
        };
        let context = Object::new();
        Reflect::set(&context, &JsValue::from_str("url"), &JsValue::from_str(&request.url())).map_err(failed)?;
        Reflect::set(&context, &JsValue::from_str("method"), &JsValue::from_str(&request.method())).map_err(failed)?;
        let given = source.call1(&JsValue::UNDEFINED, &context).map_err(failed)?;
        let given = JsFuture::from(Promise::resolve(&given)).await.map_err(failed)?;
        if given.is_undefined() || given.is_null() {
            return Ok(());
        }
        // Headers accepts whatever fetch accepts: an object, pairs, or Headers.
        let given = web_sys::Headers::new_with_record_from_str_to_str(given.unchecked_ref()).map_err(failed)?;
        for (name, value) in pairs(&given) {
            // What the caller of this very request set wins.
            if !headers.has(&name).unwrap_or(false) {
                headers.set(&name, &value).map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl Response for FetchResponse {
    fn status(&self) -> u16 {
        self.response.status()
    }

    fn headers(&self) -> Headers {
        pairs(&self.response.headers())
    }

    fn redirected_elsewhere(&self) -> bool {
        // A stand-in for a response, as tests make them, may have neither.
        global::property::<JsValue>(&self.response, "redirected").is_some_and(|redirected| redirected.is_truthy())
            && origin(&self.response.url()) != self.origin
    }

    async fn body(mut self, limit: usize) -> ResponseBody {
        let mut read = ResponseBody::default();
        // What is wrong with a body is a fact about it, not a failure to read it.
        if let Err(thrown) = read_chunks(&self.response, limit, &mut read).await {
            let reason = "the response broke off on its way";
            read.broken = Some(NetworkFailure::certain(NetworkFailureKind::Unknown, reason, rejection(&thrown)));
        }
        self.transfer.0 = None;
        let content_type = self.response.headers().get("content-type").ok().flatten().unwrap_or_default();
        read.bytes = in_utf8(read.bytes, &content_type);
        read
    }
}

async fn read_chunks(response: &web_sys::Response, limit: usize, read: &mut ResponseBody) -> Result<(), JsValue> {
    let Some(stream) = response.body() else { return Ok(()) };
    // Called by name: a stream that is in use already, or a stand-in for one, throws, and nothing else would catch that.
    let get_reader: Function = global::property(&stream, "getReader").ok_or("the body is not a stream")?;
    let reader: ReadableStreamDefaultReader = get_reader.call0(&stream)?.unchecked_into();
    loop {
        let chunk = JsFuture::from(reader.read()).await?;
        if Reflect::get(&chunk, &JsValue::from_str("done"))?.is_truthy() {
            return Ok(());
        }
        let bytes = Uint8Array::new(&Reflect::get(&chunk, &JsValue::from_str("value"))?);
        let left = limit - read.bytes.len();
        let taken = bytes.subarray(0, bytes.length().min(u32::try_from(left).unwrap_or(u32::MAX)));
        read.bytes.extend(taken.to_vec());
        if bytes.length() as usize > left {
            read.truncated = true;
            JsFuture::from(reader.cancel()).await?;
            return Ok(());
        }
    }
}

/// A signal that is aborted when either is. Browsers without `AbortSignal.any` (before 2024) leave the body of a response
/// that has arrived to its own fate; the attempt itself is aborted either way.
fn either_signal(callers: &AbortSignal, own: &AbortSignal) -> AbortSignal {
    let combine = global::member::<JsValue>("AbortSignal")
        .and_then(|class| global::property::<Function>(&class, "any").map(|any| (class, any)));
    combine
        .and_then(|(class, any)| any.call1(&class, &Array::of2(callers, own)).ok())
        .map_or_else(|| own.clone(), JsCast::unchecked_into)
}

/// The origin of a URL; `null`, as the platform has it, if it has none.
pub(crate) fn origin(url: &str) -> String {
    Url::new(url).map_or_else(|_| "null".into(), |url| url.origin())
}

fn pairs(headers: &web_sys::Headers) -> Headers {
    let Ok(Some(entries)) = js_sys::try_iter(headers) else { return Headers::new() };
    entries
        .filter_map(|entry| {
            let entry: Array = entry.ok()?.unchecked_into();
            Some((entry.get(0).as_string()?, entry.get(1).as_string()?))
        })
        .collect()
}
