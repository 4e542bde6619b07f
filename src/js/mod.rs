//! The face towards JavaScript: nothing but translation. The npm package's TypeScript facade is its only caller.
//!
//! Text crosses as JSON, once per call. Methods take `&self`, clone the client and return a promise, so that no borrow of
//! wasm-bindgen's lives across an await. A promise rejects with JSON text `{ kind, … }`, which the facade makes an error of.

mod policy;
mod reader;

pub use policy::Policy;
pub use reader::Reader;

use crate::browser::{Browser, Fetch, FetchRequest, describe, this_page};
use crate::client::{CallError, Client, Listed, Options, QueueError};
use crate::error::ApiError;
use crate::error::network::Surroundings;
use crate::error::parse::Degraded;
use crate::input::{InvalidInput, Subject};
use crate::outbox::Resolution;
use crate::platform::StoreError;
use crate::platform::tables::{Durability, Lane};
use crate::queue::action::Action;
use crate::queue::coalescing::Merge;
use crate::queue::draft::Draft;
use crate::queue::record::Counts;
use crate::resilience::services::{ByHand, Services};
use crate::sync::DrainReport;
use crate::time::milliseconds;
use futures_util::future::{Either, select};
use gloo_events::EventListener;
use js_sys::{Function, Promise};
use serde::de::value::StrDeserializer;
use serde::{Deserialize as _, Serialize};
use std::iter::repeat;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::str::Split;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::future_to_promise;
use web_sys::{AbortSignal, Blob, Request};

/// What a promise rejects with.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Failure {
    Api { error: Box<ApiError> },
    InvalidInput { error: InvalidInput, message: String },
    Store { error: StoreError, message: String },
    Closed { message: String },
    Aborted,
}

impl From<InvalidInput> for Failure {
    fn from(error: InvalidInput) -> Self {
        Self::InvalidInput { message: error.to_string(), error }
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        let message = error.to_string();
        match error {
            QueueError::Invalid(error) => Self::InvalidInput { error, message },
            QueueError::Store(error) => Self::Store { error, message },
            QueueError::Closed => Self::Closed { message },
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Invalid(error) => error.into(),
            CallError::Api(error) => Self::Api { error },
            CallError::Closed => Self::Closed { message: error.to_string() },
        }
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        to_text(&failure)
    }
}

fn to_text<T: Serialize>(value: &T) -> JsValue {
    // Our own types all serialise; if one did not, the facade would meet `null` where it expects an object, and say so.
    serde_json::to_string(value).map_or(JsValue::NULL, Into::into)
}

/// A promise of the JSON of what the work gives.
fn promise_of<T: Serialize>(work: impl Future<Output = Result<T, Failure>> + 'static) -> Promise {
    promise(async move { work.await.map(|value| to_text(&value)).map_err(JsValue::from) })
}

/// A promise of what the work gives. One kind of future for all: each has a machinery of its own around it.
fn promise(work: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let work: Work = Box::pin(work);
    future_to_promise(work)
}

type Work = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;

fn read_place(name: &str) -> Option<Durability> {
    Durability::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok()
}

/// An action as the application sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedAction {
    action: Action,
    /// The number of the lane that it lies in.
    lane: Lane,
    durability: Durability,
    in_flight: bool,
}

/// An answer in JSON, but for its text.
#[derive(Serialize)]
struct JsonHead {
    status: u16,
    headers: Vec<(String, String)>,
    degraded: Option<Degraded>,
}

/// What a sync came to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncReport {
    counts: Counts,
    next_attempt_in_ms: Option<u64>,
}

impl From<DrainReport> for SyncReport {
    fn from(report: DrainReport) -> Self {
        Self { counts: report.counts, next_attempt_in_ms: report.next.map(milliseconds) }
    }
}

/// A client, private behind the facade.
#[wasm_bindgen]
pub struct Core {
    client: Client<Browser>,
}

#[wasm_bindgen]
impl Core {
    /// Opens a client. `fetch` takes a `Request`, if it is not the browser's; `headers` takes `{ url, method }`; `refresh` takes
    /// the JSON of an error and refreshes credentials; `emit` takes an event's JSON.
    ///
    /// # Errors
    /// An invalid option, as JSON text.
    #[wasm_bindgen(constructor)]
    pub fn new(
        options: &str,
        base_origin: &str,
        reader: &Reader,
        fetch: Option<Function>,
        headers: Option<Function>,
        refresh: Option<Function>,
        emit: Function,
    ) -> Result<Core, JsValue> {
        let extensions = reader.extensions.clone();
        let options = Options::read(options, base_origin, extensions).map_err(|error| JsValue::from(Failure::from(error)))?;
        let surroundings = Surroundings::new(this_page(), options.development, options.probe).into();
        let http = Fetch { fetch, headers, refresh, trusted_origins: options.call.trusted_origins.clone(), surroundings };
        let browser = Browser::new(&options.database, http, emit);
        let browser = browser.for_user(&options.database, options.user_id.clone(), options.encryption);
        Ok(Self { client: Client::open(browser, options) })
    }

    /// Sends a request through the call path; a promise of the `Response`. `signal` is what the caller can abort it by.
    pub fn fetch(&self, request: Request, signal: Option<AbortSignal>, options: String) -> Promise {
        let client = self.client.clone();
        promise_with_signal(signal.clone(), async move {
            let response = client.call(&FetchRequest::new(request, signal), &options).await.map_err(Failure::from)?;
            Ok(response.into_js().into())
        })
    }

    /// Sends a request through the call path for an answer in JSON; a promise of the JSON of its head, and its text.
    pub fn json(&self, request: Request, signal: Option<AbortSignal>, options: String) -> Promise {
        let client = self.client.clone();
        promise_with_signal(signal.clone(), async move {
            let answer = client.call_json(&FetchRequest::new(request, signal), &options).await.map_err(Failure::from)?;
            let head = JsonHead { status: answer.status, headers: answer.headers, degraded: answer.degraded };
            Ok(js_sys::Array::of2(&to_text(&head), &answer.text.into()).into())
        })
    }

    /// Puts groups of actions into the queue, each of them all or none; a promise of what came of each group. `sizes` says how many
    /// actions each has. Of each action there are two `lines` of JSON, its fields and its data; fields that are as those of the action
    /// before are left empty. `merges` are functions that make one action's data of two, or `undefined`; those at the end may be left
    /// out.
    pub fn enqueue(&self, sizes: &[u32], lines: &str, merges: Vec<JsValue>) -> Promise {
        let client = self.client.clone();
        let read = Drafts::new(lines, merges).groups(sizes);
        promise_of(async move { Ok(enqueue(&client, read).await?) })
    }

    /// Stores blobs for actions that are to come; a promise of the JSON of their ids, in order. An action takes them by naming these
    /// among its `files`, within an hour.
    #[wasm_bindgen(js_name = storeFiles)]
    pub fn store_files(&self, blobs: Vec<Blob>) -> Promise {
        let client = self.client.clone();
        promise_of(async move { Ok(client.queue()?.store_files(blobs).await?) })
    }

    /// Deletes blobs that were stored and that no action has taken, by the JSON of their ids. A promise of the end of it.
    #[wasm_bindgen(js_name = dropFiles)]
    pub fn drop_files(&self, ids: &str) -> Promise {
        let (client, ids) = (self.client.clone(), serde_json::from_str::<Vec<String>>(ids));
        promise_of(async move {
            let ids = ids.map_err(|error| InvalidInput::new(Subject::Action, "files", &error.to_string(), "a list of ids"))?;
            Ok(client.queue()?.drop_files(&ids).await?)
        })
    }

    /// A promise of the JSON of an action's files, or of `null` if there is no action of that id.
    #[wasm_bindgen(js_name = filesOf)]
    pub fn files_of(&self, id: String) -> Promise {
        let client = self.client.clone();
        promise_of(async move { Ok(client.queue()?.files_of(&id).await?) })
    }

    /// A promise of the blob of that id, as one of that content type, or `undefined` if it is not there.
    #[wasm_bindgen(js_name = readFile)]
    pub fn read_file(&self, id: String, kind: String) -> Promise {
        let client = self.client.clone();
        promise(async move {
            let queue = client.queue().map_err(Failure::from)?;
            let file = queue.file(&id, &kind).await.map_err(Failure::from)?;
            Ok(file.map_or(JsValue::UNDEFINED, JsValue::from))
        })
    }

    /// Checks an action that may be put into the queue later.
    ///
    /// # Errors
    /// What is wrong with it, or that nothing can be queued, as JSON text.
    #[wasm_bindgen(js_name = checkAction)]
    pub fn check_action(&self, fields: &str, data: &str) -> Result<(), JsValue> {
        Draft::read(fields, data).map_err(Failure::from)?;
        Ok(self.client.can_enqueue().map_err(Failure::from)?)
    }

    /// Waits for an action to be settled; a promise of its outcome.
    pub fn settled(&self, id: &str) -> Promise {
        // Registered at once, so that nothing that happens from here on is missed.
        let outcome = self.client.settled(id);
        promise(async move {
            let outcome = outcome.map_err(Failure::from)?.await;
            Ok(JsValue::from_str(outcome.as_ref().map_or(r#"{"status":"detached"}"#, |outcome| outcome.get())))
        })
    }

    /// Syncs now, if the server lets us; a promise of what it came to.
    pub fn sync(&self) -> Promise {
        let client = self.client.clone();
        promise_of(async move { Ok(SyncReport::from(client.sync().await?)) })
    }

    /// A promise of what is in the queue, and what it waits for.
    pub fn snapshot(&self) -> Promise {
        let client = self.client.clone();
        promise_of(async move { Ok(client.snapshot().await?) })
    }

    /// A promise of the actions in the queue: those in these lanes, by their numbers, from that place and sequence number on, if any.
    pub fn list(&self, lanes: Vec<u8>, place: Option<String>, seq: f64, limit: u32) -> Promise {
        let client = self.client.clone();
        promise_of(async move {
            let lanes: Vec<Lane> = lanes.into_iter().map(Lane::from).collect();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sequence number")]
            let from = place.and_then(|name| Some((read_place(&name)?, seq as u64)));
            let listed = client.queue()?.list(&lanes, from, limit).await?.into_iter();
            let listed = listed.map(|Listed { action, place, in_flight }| ListedAction {
                lane: action.lane,
                action,
                durability: place,
                in_flight,
            });
            Ok(listed.collect::<Vec<_>>())
        })
    }

    /// Takes an action out of the queue; a promise of whether there was one.
    pub fn discard(&self, id: String) -> Promise {
        let client = self.client.clone();
        promise_of(async move { Ok(client.discard(&id).await?) })
    }

    /// Puts a dead letter or a conflict back, with other data if there is any; a promise of whether there was one.
    pub fn requeue(&self, id: String, data: Option<String>) -> Promise {
        let client = self.client.clone();
        promise_of(async move {
            let data = data.as_deref().map(Draft::read_data).transpose()?;
            Ok(client.queue()?.requeue(&id, data).await?)
        })
    }

    /// Decides a conflict: it goes back, with other data if there is any, or leaves the queue; a promise of whether there was one.
    pub fn resolve(&self, id: String, goes_back: bool, data: Option<String>) -> Promise {
        let client = self.client.clone();
        promise_of(async move {
            let data = data.as_deref().map(Draft::read_data).transpose()?;
            let resolution = if goes_back { Resolution::Again(data) } else { Resolution::Out };
            Ok(client.queue()?.resolve(&id, resolution).await?)
        })
    }

    /// Gives an action that is still to be sent other data; a promise of what came of it.
    pub fn edit(&self, id: String, data: String) -> Promise {
        let client = self.client.clone();
        promise_of(async move { Ok(client.queue()?.edit(&id, Draft::read_data(&data)?).await?) })
    }

    /// Takes all actions out of the queue.
    pub fn purge(&self) -> Promise {
        let client = self.client.clone();
        promise_of(async move { Ok(client.queue()?.purge().await?) })
    }

    /// The JSON of what is known of the services that are called.
    pub fn services(&self) -> JsValue {
        to_text(&self.client.services().snapshot())
    }

    /// Opens, closes or resets the circuit of a service by hand, or all circuits.
    #[wasm_bindgen(js_name = setCircuit)]
    #[expect(clippy::needless_pass_by_value, reason = "an optional text crosses by value")]
    pub fn set_circuit(&self, service: Option<String>, change: &str) {
        set_circuit(self.client.services(), service.as_deref(), change);
    }

    /// The JSON of whether the backend can be reached.
    pub fn connectivity(&self) -> JsValue {
        to_text(&self.client.connectivity())
    }

    /// Somebody wants to know whether the backend can be reached.
    #[wasm_bindgen(js_name = watchConnectivity)]
    pub fn watch_connectivity(&self) {
        self.client.watch_connectivity();
    }

    /// Looks whether the backend can be reached; a promise of the JSON of what is known then.
    #[wasm_bindgen(js_name = checkConnectivity)]
    pub fn check_connectivity(&self) -> Promise {
        let client = self.client.clone();
        promise_of(async move { Ok(client.check_connectivity().await) })
    }

    /// The JSON of the server's configuration, as far as it is in force.
    pub fn configuration(&self) -> String {
        self.client.settings().configuration_text()
    }

    /// The text that is kept of the user's preferences.
    #[wasm_bindgen(js_name = keptPreferences)]
    pub fn kept_preferences(&self) -> Option<String> {
        self.client.settings().kept_preferences()
    }

    /// What the user prefers has changed.
    pub fn prefer(&self, text: &str) {
        self.client.settings().prefer(text);
    }

    /// Stops everything. The queue stays on disk.
    pub fn close(&self) {
        self.client.close();
    }
}

/// What came of groups of actions.
#[derive(Serialize)]
struct Enqueued {
    durability: Durability,
    groups: Vec<Receipts>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Receipts {
    /// Ids and places.
    Places(Vec<(String, u64)>),
    Failure(Failure),
}

/// Reads actions as they are handed over.
struct Drafts<'a, M> {
    lines: Split<'a, char>,
    merges: M,
    last: Result<Draft, InvalidInput>,
}

impl<'a> Drafts<'a, ()> {
    fn new(lines: &'a str, merges: Vec<JsValue>) -> Drafts<'a, impl Iterator<Item = JsValue>> {
        Drafts {
            lines: lines.split('\n'),
            merges: merges.into_iter().chain(repeat(JsValue::UNDEFINED)),
            // The first one has fields of its own.
            last: Draft::read_fields(""),
        }
    }
}

impl<M: Iterator<Item = JsValue>> Drafts<'_, M> {
    fn groups(mut self, sizes: &[u32]) -> Vec<Result<Vec<Draft>, InvalidInput>> {
        // All lines of a group are read, though one of its actions is refused.
        let group = |size: &u32| (0..*size).map(|_| self.next()).collect::<Vec<_>>().into_iter().collect();
        sizes.iter().map(group).collect()
    }

    fn next(&mut self) -> Result<Draft, InvalidInput> {
        let (fields, data, merge) = (self.lines.next(), self.lines.next(), self.merges.next());
        if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
            self.last = Draft::read_fields(fields);
        }
        let mut draft = self.last.clone()?.with_data(data.unwrap_or_default())?;
        if let Some(merge) = merge.and_then(|merge| merge.dyn_into::<Function>().ok()) {
            draft.merge_by(merging(merge))?;
        }
        Ok(draft)
    }
}

/// Puts those groups that could be read into the queue.
async fn enqueue(client: &Client<Browser>, read: Vec<Result<Vec<Draft>, InvalidInput>>) -> Result<Enqueued, QueueError> {
    let (mut drafts, mut refused) = (Vec::with_capacity(read.len()), Vec::with_capacity(read.len()));
    for group in read {
        match group {
            Ok(group) => {
                drafts.push(group);
                refused.push(None);
            }
            Err(error) => refused.push(Some(error)),
        }
    }
    let (durability, taken) = client.enqueue_groups(drafts).await?;
    let mut taken = taken.into_iter();
    let groups = refused.into_iter().map(|refused| match refused.map_or_else(|| taken.next(), |error| Some(Err(error.into()))) {
        Some(Ok(places)) => Receipts::Places(places),
        Some(Err(error)) => Receipts::Failure(QueueError::from(error).into()),
        None => Receipts::Failure(QueueError::Closed.into()),
    });
    Ok(Enqueued { durability, groups: groups.collect() })
}

/// What makes one action's data of two, by a function of the application's.
fn merging(merge: Function) -> Merge {
    Rc::new(move |older, newer| {
        let merged = merge.call2(&JsValue::UNDEFINED, &older.into(), &newer.into()).map_err(|thrown| describe(&thrown))?;
        merged.as_string().ok_or_else(|| "it gave no JSON".into())
    })
}

/// A promise of what the work gives, unless the signal is aborted first.
fn promise_with_signal(signal: Option<AbortSignal>, work: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let Some(signal) = signal else { return promise(work) };
    let work: Work = Box::pin(work);
    promise(async move {
        match select(pin!(aborted(&signal)), work).await {
            Either::Left(((), _)) => Err(Failure::Aborted.into()),
            Either::Right((result, _)) => result,
        }
    })
}

/// Opens, closes or resets circuits by hand.
fn set_circuit(services: &Services<Browser>, key: Option<&str>, change: &str) {
    let change = match change {
        "open" => ByHand::Open,
        "close" => ByHand::Close,
        _ => ByHand::Reset,
    };
    services.set_by_hand(key, change);
}

/// Resolves when the signal is aborted.
async fn aborted(signal: &AbortSignal) {
    if signal.aborted() {
        return;
    }
    let (sender, receiver) = futures_channel::oneshot::channel();
    let _listener = EventListener::once(signal.unchecked_ref(), "abort", move |_| {
        let _: Result<(), ()> = sender.send(());
    });
    if receiver.await.is_err() {
        // The listener cannot go before this future does; if it did, nothing could abort any longer.
        std::future::pending::<()>().await;
    }
}
