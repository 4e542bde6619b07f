//! `XMLHttpRequest`, for requests with files: it tells how much was sent, which `fetch` keeps to itself.

use super::global;
use crate::error::network::Rejection;
use crate::platform::{Headers, NetworkFailure, NetworkFailureKind, Progress, ResponseBody};
use futures_channel::oneshot;
use gloo_events::EventListener;
use js_sys::{Function, Uint8Array};
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ProgressEvent, Request, RequestCredentials, XmlHttpRequest, XmlHttpRequestResponseType};

#[wasm_bindgen]
extern "C" {
    /// An `XMLHttpRequest`, of which web-sys wants to know what kind of body it sends.
    type Sender;
    #[wasm_bindgen(method, catch)]
    fn send(this: &Sender, body: &JsValue) -> Result<(), JsValue>;
}

/// A request with files on its way, the headers of whose response have arrived; dropping it aborts it.
#[derive(Debug)]
pub(super) struct Upload {
    exchange: Exchange,
    head: Head,
    ended: oneshot::Receiver<()>,
}

/// What a response begins with.
#[derive(Debug)]
struct Head {
    status: u16,
    headers: String,
    /// Where redirects have led.
    url: String,
}

/// An `XMLHttpRequest` and those who listen to it.
#[derive(Debug)]
struct Exchange {
    request: XmlHttpRequest,
    listeners: Vec<EventListener>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // To abort is to tell those who listen, at once.
        self.listeners.clear();
        // One that is over stays as it is. None throws.
        let _: Result<(), JsValue> = self.request.abort();
    }
}

/// Whether requests like that one can go this way: a service worker has no `XMLHttpRequest`; one that is to leave cookies at home takes
/// them along to its own origin; and whoever has replaced `fetch` wants to see what is sent.
pub(super) fn is_possible(request: &Request) -> bool {
    let is_native = |fetch: Function| fetch.to_string().includes("[native code]", 0);
    global::member::<Function>("XMLHttpRequest").is_some()
        && global::member::<Function>("fetch").is_some_and(is_native)
        && request.credentials() != RequestCredentials::Omit
}

/// Sends a request, which has no body of its own, with that one; resolves when the headers of its response have arrived.
///
/// # Errors
/// What `fetch` would have thrown: that there was no response, in words that are known.
pub(super) async fn send(
    request: &Request,
    headers: &Headers,
    body: &JsValue,
    progress: Option<Progress>,
) -> Result<Upload, JsValue> {
    let sent = XmlHttpRequest::new()?;
    sent.open_with_async(&request.method(), &request.url(), true)?;
    sent.set_response_type(XmlHttpRequestResponseType::Arraybuffer);
    sent.set_with_credentials(request.credentials() == RequestCredentials::Include);
    for (name, value) in headers {
        sent.set_request_header(name, value)?;
    }
    let (head, arrived) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let mut exchange = Exchange { listeners: listen(&sent, head, end), request: sent };
    if let Some(progress) = progress {
        exchange.listeners.extend(listen_to_progress(&exchange.request, progress)?);
    }
    exchange.request.unchecked_ref::<Sender>().send(body)?;
    match arrived.await {
        Ok(head) => Ok(Upload { exchange, head, ended }),
        Err(oneshot::Canceled) => Err(js_sys::TypeError::new(NO_RESPONSE).into()),
    }
}

/// All that an `XMLHttpRequest` says of whatever went wrong, in the words in which others say it.
const NO_RESPONSE: &str = "Network error";

/// Tells of the head of the response, or lets go of `head` if there is none, and then that it is over.
fn listen(request: &XmlHttpRequest, head: oneshot::Sender<Head>, end: oneshot::Sender<()>) -> Vec<EventListener> {
    let head = Rc::new(Cell::new(Some(head)));
    let listened = request.clone();
    let waiting = head.clone();
    let arrival = EventListener::new(request, "readystatechange", move |_| {
        if listened.ready_state() != XmlHttpRequest::HEADERS_RECEIVED {
            return;
        }
        // They are not there any longer once the rest of the response breaks off.
        let (Ok(status), Some(waiting)) = (listened.status(), waiting.take()) else { return };
        let headers = listened.get_all_response_headers().unwrap_or_default();
        let _: Result<(), Head> = waiting.send(Head { status, headers, url: listened.response_url() });
    });
    let ending = EventListener::once(request, "loadend", move |_| {
        head.take();
        let _: Result<(), ()> = end.send(());
    });
    vec![arrival, ending]
}

/// Tells how much was sent, once for each time that it is more, and at the end that it was all.
fn listen_to_progress(request: &XmlHttpRequest, progress: Progress) -> Result<[EventListener; 2], JsValue> {
    let told = Rc::new(Cell::new(None));
    let tell = move |event: &web_sys::Event| {
        let event: &ProgressEvent = event.unchecked_ref();
        let now = (length(event.loaded()), length(event.total()));
        if event.length_computable() && told.replace(Some(now)) != Some(now) {
            progress(now.0, now.1);
        }
    };
    let upload = request.upload()?;
    let listeners = ["progress", "load"].map(|name| {
        EventListener::new(&upload, name, {
            let tell = tell.clone();
            move |event| tell(event)
        })
    });
    Ok(listeners)
}

/// A length as Rust counts it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "JavaScript has counted it")]
pub(super) fn length(bytes: f64) -> u64 {
    bytes as u64
}

impl Upload {
    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.head.status
    }

    /// The headers that the page may read.
    pub(super) fn headers(&self) -> Headers {
        let pairs = self.head.headers.split("\r\n").filter_map(|line| line.split_once(':'));
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
    }

    /// A header of the response, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers().into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// Where the response came from.
    pub(super) fn url(&self) -> &str {
        &self.head.url
    }

    /// Waits for the body, up to `limit` bytes of it.
    pub(super) async fn body(self, limit: usize) -> ResponseBody {
        let Self { exchange, ended, .. } = self;
        // Whoever is to tell goes with the exchange, and not before.
        let _: Result<(), oneshot::Canceled> = ended.await;
        let body = exchange
            .request
            .response()
            .ok()
            .filter(|body| !body.is_null() && exchange.request.status().is_ok_and(|status| status != 0));
        let Some(body) = body else {
            let reason = "the response broke off on its way";
            let rejection = Rejection { name: "TypeError".into(), message: NO_RESPONSE.into(), cause: None };
            let broken = Some(NetworkFailure::certain(NetworkFailureKind::Unknown, reason, rejection));
            return ResponseBody { broken, ..ResponseBody::default() };
        };
        let bytes = Uint8Array::new(&body);
        let taken = bytes.length().min(u32::try_from(limit).unwrap_or(u32::MAX));
        ResponseBody { bytes: bytes.subarray(0, taken).to_vec(), truncated: taken < bytes.length(), broken: None }
    }
}
