//! `fetch`.

use super::PageConnectivity;
use super::charset::in_utf8;
use super::global;
use super::policy_violation::PolicyViolations;
use super::upload::{self, Upload};
use crate::call::correlation::{CORRELATION_HEADER, SOURCE_SERVICE_HEADER};
use crate::call::trace_context::{TRACEPARENT_HEADER, TRACESTATE_HEADER};
use crate::error::ApiError;
use crate::error::network::{Page, Rejection, Surroundings};
use crate::platform::{
    Connectivity, FormValue, Headers, Http, NetworkFailure, NetworkFailureKind, OutgoingBody, OutgoingRequest, Progress,
    RequestSummary, Response, ResponseBody,
};
use js_sys::{Array, Function, JsString, Object, Promise, Reflect, Uint8Array};
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, Blob, BlobPropertyBag, Document, FormData, ReadableStreamDefaultReader, Request, RequestInit,
    RequestMode, Url,
};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = AbortSignal, js_name = any, catch)]
    fn any_signal(signals: &Array) -> Result<AbortSignal, JsValue>;

    /// A `Request`, of which web-sys would carry the texts through WebAssembly only to hand them back.
    type RequestMembers;
    #[wasm_bindgen(method, getter)]
    fn body(this: &RequestMembers) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn url(this: &RequestMembers) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn method(this: &RequestMembers) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn referrer(this: &RequestMembers) -> JsValue;
    #[wasm_bindgen(method, getter, js_name = referrerPolicy)]
    fn referrer_policy(this: &RequestMembers) -> JsValue;

    type AttemptInit;
    #[wasm_bindgen(method, setter)]
    fn set_signal(this: &AttemptInit, signal: &AbortSignal);
    #[wasm_bindgen(method, setter)]
    fn set_referrer(this: &AttemptInit, referrer: &JsValue);
    #[wasm_bindgen(method, setter, js_name = referrerPolicy)]
    fn set_referrer_policy(this: &AttemptInit, policy: &JsValue);

    /// What the application's `headers` function is asked with.
    type HeadersContext;
    #[wasm_bindgen(method, setter)]
    fn set_url(this: &HeadersContext, url: &JsValue);
    #[wasm_bindgen(method, setter)]
    fn set_method(this: &HeadersContext, method: &JsValue);

    /// `Headers`, by names that need not be made of WebAssembly's text each time.
    type NamedHeaders;
    #[wasm_bindgen(method, catch, js_name = get)]
    fn get_named(this: &NamedHeaders, name: &JsString) -> Result<Option<String>, JsValue>;
    #[wasm_bindgen(method, catch, js_name = set)]
    fn set_named(this: &NamedHeaders, name: &JsString, value: &str) -> Result<(), JsValue>;

    /// Whatever the `fetch` option has given.
    type Given;
    #[wasm_bindgen(method, getter, catch)]
    fn status(this: &Given) -> Result<JsValue, JsValue>;
}

thread_local! {
    static FETCH: JsString = "fetch".into();
    static CORRELATION_ID: JsString = CORRELATION_HEADER.into();
    static SOURCE_SERVICE: JsString = SOURCE_SERVICE_HEADER.into();
    static TRACEPARENT: JsString = TRACEPARENT_HEADER.into();
    static TRACESTATE: JsString = TRACESTATE_HEADER.into();
    static IDEMPOTENCY_KEY: JsString = "idempotency-key".into();
}

/// Sends with the application's `fetch`, and adds what its `headers` function gives to requests to trusted origins.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// The application's stand-in for `fetch`: takes a `Request`, returns a promise of a `Response`. The browser's own, if there is none.
    pub fetch: Option<Function>,
    /// Takes `{ url, method }`, returns headers or a promise of them: where credentials come from, at the moment of sending.
    pub headers: Option<Function>,
    /// Takes the JSON of an error, returns a promise of new credentials being there.
    pub refresh: Option<Function>,
    /// The origins that get those headers.
    pub trusted_origins: Vec<String>,
    /// Where the page is, and what it has learnt of the network around it.
    pub surroundings: Rc<Surroundings>,
}

/// This page, or this worker.
pub fn this_page() -> Page {
    let origin = global::member::<JsValue>("origin").and_then(|origin| origin.as_string());
    let is_isolated = global::member::<JsValue>("crossOriginIsolated").is_some_and(|isolated| isolated.is_truthy());
    // OpenTelemetry's convention: the server names the trace that it has sent the page in.
    let traceparent = global::member::<Document>("document")
        .and_then(|document| document.query_selector("meta[name=traceparent]").ok().flatten())
        .and_then(|meta| meta.get_attribute("content"));
    Page { origin, is_isolated, traceparent }
}

/// A request that can be sent any number of times: it is cloned for each attempt and never read itself.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    request: Request,
    signal: Option<AbortSignal>,
    /// Whether it is sent once, so that its body need not be kept: to copy one costs more than all else.
    once: bool,
    /// Its body, if there are files in it.
    cargo: Option<Cargo>,
    /// What the application adds to it, if it has been asked.
    added: Option<Headers>,
}

/// A body with files in it. It is no part of the request that it goes with, and can be sent any number of times.
#[derive(Clone)]
struct Cargo {
    /// A `Blob`, or a `FormData`.
    body: JsValue,
    /// How many bytes its files have.
    bytes: u64,
    /// Who is told how much of it has left.
    progress: Option<Progress>,
}

impl fmt::Debug for Cargo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cargo").field("body", &self.body).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// What may be sent by a page that is leaving: the browser allows 64 KiB for all such requests of a page together (Fetch Standard,
/// "inflight keep-alive bytes").
const LARGEST_FAREWELL: usize = 60 << 10;

impl FetchRequest {
    /// `signal` is what the caller can abort it by, if anything: the request has a signal of its own in any case, and to ask for it,
    /// combine it and listen to it costs as much as sending a request.
    pub fn new(request: Request, signal: Option<AbortSignal>) -> Self {
        Self { request, signal, once: false, cargo: None, added: None }
    }

    /// What the caller can abort it by.
    pub fn signal(&self) -> Option<&AbortSignal> {
        self.signal.as_ref()
    }
}

impl From<Request> for FetchRequest {
    /// A request that can be aborted by its own signal.
    fn from(request: Request) -> Self {
        let signal = Some(request.signal());
        Self::new(request, signal)
    }
}

/// A response. Dropping it unread aborts the transfer.
#[derive(Debug)]
pub struct FetchResponse {
    answer: Answer,
    /// What it answers.
    request: Request,
}

/// How a response has come.
#[derive(Debug)]
enum Answer {
    Fetched(web_sys::Response, Transfer),
    Uploaded(Upload),
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
    /// The response as the application gets it: its transfer goes on. What has gone with files in it is the queue's, which reads its
    /// answers itself: of those there is no such response.
    pub fn into_js(self) -> web_sys::Response {
        match self.answer {
            Answer::Fetched(response, mut transfer) => {
                transfer.0 = None;
                response
            }
            Answer::Uploaded(_) => web_sys::Response::error(),
        }
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

/// A body as it is sent, and how many bytes its files have. `None` if it has no files.
fn cargo_of(body: &OutgoingBody<'_, Blob>) -> Result<Option<(JsValue, u64)>, NetworkFailure> {
    let fields = match body {
        OutgoingBody::None | OutgoingBody::Text(_) => return Ok(None),
        OutgoingBody::File(file) => return Ok(Some((JsValue::from(*file), upload::length(file.size())))),
        OutgoingBody::Form(fields) => *fields,
    };
    let (form, mut bytes) = (FormData::new().map_err(invalid)?, 0.0);
    for (field, value) in fields {
        let appended = match value {
            FormValue::Text(text, None) => form.append_with_str(field, text),
            FormValue::Text(text, Some(kind)) => {
                let options = BlobPropertyBag::new();
                options.set_type(kind);
                let text = Blob::new_with_str_sequence_and_options(&Array::of1(&JsValue::from_str(text)), &options);
                text.and_then(|text| form.append_with_blob(field, &text))
            }
            FormValue::File { file, name } => {
                bytes += file.size();
                match name {
                    Some(name) => form.append_with_blob_and_filename(field, file, name),
                    None => form.append_with_blob(field, file),
                }
            }
        };
        appended.map_err(invalid)?;
    }
    Ok(Some((form.into(), upload::length(bytes))))
}

impl Http for Fetch {
    type File = Blob;
    type Request = FetchRequest;
    type Response = FetchResponse;

    fn json_request(&self, method: &str, url: &str, body: Option<String>) -> Result<FetchRequest, NetworkFailure> {
        let mut headers = vec![("Accept".into(), "application/json".into())];
        if body.is_some() {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        self.request(&OutgoingRequest {
            method,
            url,
            headers: &headers,
            body: body.as_deref().map_or(OutgoingBody::None, OutgoingBody::Text),
            credentials: None,
            progress: None,
        })
    }

    fn request(&self, request: &OutgoingRequest<'_, Blob>) -> Result<FetchRequest, NetworkFailure> {
        let headers = web_sys::Headers::new().map_err(invalid)?;
        for (name, value) in request.headers {
            headers.append(name, value).map_err(invalid)?;
        }
        let init = RequestInit::new();
        init.set_method(request.method);
        init.set_headers(&headers);
        if let OutgoingBody::Text(body) = request.body {
            // It may be the last moment of the page: the server is to get it all the same.
            if body.len() <= LARGEST_FAREWELL && !PageConnectivity.visible() {
                let _: Result<bool, JsValue> = Reflect::set(&init, &"keepalive".into(), &JsValue::TRUE);
            }
            init.set_body(&JsValue::from_str(body));
        }
        let cargo = cargo_of(&request.body)?;
        let cargo = cargo.map(|(body, bytes)| Cargo { body, bytes, progress: request.progress.clone() });
        if let Some(mode) = request.credentials {
            Reflect::set(&init, &"credentials".into(), &JsValue::from_str(mode)).map_err(invalid)?;
        }
        let request = Request::new_with_str_and_init(request.url, &init).map_err(invalid)?;
        Ok(FetchRequest { cargo, ..FetchRequest::new(request, None) })
    }

    fn once(&self, request: FetchRequest) -> FetchRequest {
        FetchRequest { once: true, ..request }
    }

    async fn authorize(&self, request: FetchRequest) -> Result<FetchRequest, NetworkFailure> {
        let added = Some(self.application_headers(&request.request).await?);
        Ok(FetchRequest { added, ..request })
    }

    fn summary(&self, request: &FetchRequest) -> RequestSummary {
        let request = &request.request;
        let (headers, url) = (request.headers(), request.url());
        let header = |name: &JsString| headers.unchecked_ref::<NamedHeaders>().get_named(name).ok().flatten();
        RequestSummary {
            method: request.method().to_ascii_uppercase(),
            origin: origin(&url),
            url,
            carries_headers: request.mode() != RequestMode::NoCors,
            idempotency_key: IDEMPOTENCY_KEY.with(header).filter(|key| !key.is_empty()),
            correlation_id: CORRELATION_ID.with(header),
            traceparent: TRACEPARENT.with(header),
            tracestate: TRACESTATE.with(header),
        }
    }

    async fn send(&self, request: &FetchRequest, headers: &Headers) -> Result<FetchResponse, NetworkFailure> {
        let FetchRequest { request, signal: callers, once, cargo, added } = request;
        let added =
            if let Some(added) = added { Cow::Borrowed(added) } else { Cow::Owned(self.application_headers(request).await?) };
        let controller = AbortController::new().map_err(invalid)?;
        let own = controller.signal();
        let signal = callers.as_ref().map_or_else(|| own.clone(), |callers| either_signal(callers, &own));
        let attempt = attempt(request, &signal, *once).map_err(invalid)?;
        let sent_headers = attempt.headers();
        for (name, value) in added.iter() {
            // What the caller of this very request set wins.
            if !sent_headers.has(name).unwrap_or(false) {
                sent_headers.set(name, value).map_err(headers_failed)?;
            }
        }
        for (name, value) in headers {
            set(&sent_headers, name, value).map_err(invalid)?;
        }
        let transfer = Transfer(Some(controller));
        match cargo {
            None => self.dispatch(attempt, transfer).await,
            Some(cargo) if self.fetch.is_none() && upload::is_possible(&attempt) => upload(attempt, cargo).await,
            Some(cargo) => self.dispatch_with(attempt, cargo, transfer).await,
        }
    }

    fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    fn can_refresh_credentials(&self) -> bool {
        self.refresh.is_some()
    }

    async fn refresh_credentials(&self, error: &ApiError) -> Result<(), NetworkFailure> {
        let failed = |thrown: JsValue| {
            let reason = "the refreshCredentials option failed";
            NetworkFailure::certain(NetworkFailureKind::Application, reason, rejection(&thrown))
        };
        let Some(refresh) = &self.refresh else { return Ok(()) };
        let text = serde_json::to_string(error).unwrap_or_default();
        let refreshed = refresh.call1(&JsValue::UNDEFINED, &JsValue::from_str(&text)).map_err(failed)?;
        JsFuture::from(Promise::resolve(&refreshed)).await.map_err(failed)?;
        Ok(())
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
        self.dispatch(request, Transfer(Some(controller))).await
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
        let Ok(sent) = self.call(&request) else { return false };
        JsFuture::from(Promise::resolve(&sent)).await.is_ok()
    }
}

impl Fetch {
    /// Hands a request over to `fetch`.
    async fn dispatch(&self, request: Request, transfer: Transfer) -> Result<FetchResponse, NetworkFailure> {
        let violations = PolicyViolations::listen();
        let answer = match self.call(&request) {
            Ok(sent) => JsFuture::from(Promise::resolve(&sent)).await,
            Err(thrown) => Err(thrown),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(thrown) => {
                let violates_policy = violations.include(&request.url()).await;
                return Err(NetworkFailure { violates_policy, ..NetworkFailure::unexplained(rejection(&thrown)) });
            }
        };
        if !answer.unchecked_ref::<Given>().status().is_ok_and(|status| !status.is_undefined()) {
            let reason = "the fetch option must return a promise of a Response";
            let failure = NetworkFailure::certain(NetworkFailureKind::Application, reason, rejection(&answer));
            return Err(NetworkFailure { was_dispatched: true, ..failure });
        }
        Ok(FetchResponse { answer: Answer::Fetched(answer.unchecked_into(), transfer), request })
    }

    /// The same for one that has files in it. `fetch` tells only when all of them have left.
    async fn dispatch_with(&self, head: Request, cargo: &Cargo, transfer: Transfer) -> Result<FetchResponse, NetworkFailure> {
        let init = RequestInit::new();
        init.set_body(&cargo.body);
        let request = Request::new_with_request_and_init(&head, &init).map_err(invalid)?;
        let response = self.dispatch(request, transfer).await?;
        if let Some(progress) = &cargo.progress {
            progress(cargo.bytes, cargo.bytes);
        }
        Ok(response)
    }

    /// Calls `fetch`. The browser's is looked up each time: another library may replace it.
    fn call(&self, request: &Request) -> Result<JsValue, JsValue> {
        let fetch = match &self.fetch {
            Some(fetch) => fetch.clone(),
            None => FETCH.with(|name| Reflect::get(&js_sys::global(), name))?.dyn_into()?,
        };
        fetch.call1(&JsValue::UNDEFINED, request)
    }

    /// What the application's `headers` function gives for that request.
    async fn application_headers(&self, request: &Request) -> Result<Headers, NetworkFailure> {
        let Some(source) = &self.headers else { return Ok(vec![]) };
        if !self.trusted_origins.contains(&origin(&request.url())) {
            return Ok(vec![]);
        }
        let members: &RequestMembers = request.unchecked_ref();
        let context: HeadersContext = Object::new().unchecked_into();
        context.set_url(&members.url());
        context.set_method(&members.method());
        let mut given = source.call1(&JsValue::UNDEFINED, &context).map_err(headers_failed)?;
        if !given.is_undefined() {
            given = JsFuture::from(Promise::resolve(&given)).await.map_err(headers_failed)?;
        }
        if given.is_undefined() || given.is_null() {
            return Ok(vec![]);
        }
        // Headers accepts whatever fetch accepts: an object, pairs, or Headers.
        let given = web_sys::Headers::new_with_record_from_str_to_str(given.unchecked_ref()).map_err(headers_failed)?;
        Ok(pairs(&given))
    }
}

/// Sends a request with files in it by `XMLHttpRequest`.
async fn upload(head: Request, cargo: &Cargo) -> Result<FetchResponse, NetworkFailure> {
    let violations = PolicyViolations::listen();
    match upload::send(&head, &pairs(&head.headers()), &cargo.body, cargo.progress.clone()).await {
        Ok(upload) => Ok(FetchResponse { answer: Answer::Uploaded(upload), request: head }),
        Err(thrown) => {
            let violates_policy = violations.include(&head.url()).await;
            Err(NetworkFailure { violates_policy, ..NetworkFailure::unexplained(rejection(&thrown)) })
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn headers_failed(thrown: JsValue) -> NetworkFailure {
    NetworkFailure::certain(NetworkFailureKind::Application, "the headers option failed", rejection(&thrown))
}

/// The request as it is sent once, under that signal.
fn attempt(request: &Request, signal: &AbortSignal, once: bool) -> Result<Request, JsValue> {
    let members: &RequestMembers = request.unchecked_ref();
    let init: AttemptInit = Object::new().unchecked_into();
    init.set_signal(signal);
    // A request made from another one falls back to the default referrer, unless it is told not to.
    init.set_referrer(&members.referrer());
    init.set_referrer_policy(&members.referrer_policy());
    let init: &RequestInit = init.unchecked_ref();
    // Whoever takes a request's body leaves it without one. A browser that does not know the member has to be asked for a copy.
    if once || members.body().is_null() {
        Request::new_with_request_and_init(request, init)
    } else {
        Request::new_with_request_and_init(&request.clone()?, init)
    }
}

/// Sets a header. The names that each request has are known to JavaScript already.
fn set(headers: &web_sys::Headers, name: &str, value: &str) -> Result<(), JsValue> {
    let named: &NamedHeaders = headers.unchecked_ref();
    match name {
        CORRELATION_HEADER => CORRELATION_ID.with(|name| named.set_named(name, value)),
        SOURCE_SERVICE_HEADER => SOURCE_SERVICE.with(|name| named.set_named(name, value)),
        TRACEPARENT_HEADER => TRACEPARENT.with(|name| named.set_named(name, value)),
        _ => headers.set(name, value),
    }
}

impl Response for FetchResponse {
    fn status(&self) -> u16 {
        match &self.answer {
            Answer::Fetched(response, _) => response.status(),
            Answer::Uploaded(upload) => upload.status(),
        }
    }

    fn headers(&self) -> Headers {
        match &self.answer {
            Answer::Fetched(response, _) => pairs(&response.headers()),
            Answer::Uploaded(upload) => upload.headers(),
        }
    }

    fn redirected_elsewhere(&self) -> bool {
        let landed = match &self.answer {
            // A stand-in for a response, as tests make them, may have neither.
            Answer::Fetched(response, _) => {
                let redirected = global::property::<JsValue>(response, "redirected");
                redirected.is_some_and(|redirected| redirected.is_truthy()).then(|| response.url())
            }
            Answer::Uploaded(upload) => Some(upload.url().to_owned()),
        };
        landed.is_some_and(|landed| origin(&landed) != origin(&self.request.url()))
    }

    async fn body(self, limit: usize) -> ResponseBody {
        let (response, mut transfer) = match self.answer {
            Answer::Fetched(response, transfer) => (response, transfer),
            Answer::Uploaded(upload) => {
                let content_type = upload.header("content-type").unwrap_or_default();
                let read = upload.body(limit).await;
                return ResponseBody { bytes: in_utf8(read.bytes, &content_type), ..read };
            }
        };
        let mut read = ResponseBody::default();
        // What is wrong with a body is a fact about it, not a failure to read it.
        if let Err(thrown) = read_chunks(&response, limit, &mut read).await {
            let reason = "the response broke off on its way";
            read.broken = Some(NetworkFailure::certain(NetworkFailureKind::Unknown, reason, rejection(&thrown)));
        }
        transfer.0 = None;
        let content_type = response.headers().get("content-type").ok().flatten().unwrap_or_default();
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
    any_signal(&Array::of2(callers, own)).unwrap_or_else(|_| own.clone())
}

/// The origin of a URL as a `Request` has it; `null`, as the platform has it, if it has none.
fn origin(url: &str) -> String {
    // The browser has written it: whatever stands before the path is the origin.
    let path = ["https://", "http://"].iter().find_map(|scheme| {
        let authority = url.strip_prefix(scheme)?;
        authority.find('/').map(|length| scheme.len() + length)
    });
    path.and_then(|path| url.get(..path))
        .map_or_else(|| Url::new(url).map_or_else(|_| "null".into(), |url| url.origin()), Into::into)
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
