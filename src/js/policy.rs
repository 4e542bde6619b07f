//! Policies around a function of the application's own: the same pipeline that calls go through.

use super::{Core, Failure as Rejection, promise_with_signal, to_text};
use crate::browser::{Browser, BrowserRandom};
use crate::call::attempt::within;
use crate::call::facts;
use crate::client::{Client, PolicyOptions};
use crate::error::{ApiError, Category};
use crate::flat_map::FlatMap;
use crate::platform::{Platform, Random};
use crate::policy::budget::RetryCost;
use crate::resilience::pipeline::{self, Attempt, Facts, Failure, Plan};
use crate::resilience::services::{Finding, Refusal, RefusalReason, ServicePolicy, Services};
use crate::time::{WallTime, milliseconds};
use js_sys::{Array, Function, Promise};
use serde::Deserialize;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

#[wasm_bindgen]
extern "C" {
    /// The facade's side of an attempt that runs.
    type Running;
    /// What the function has returned.
    #[wasm_bindgen(method, getter)]
    fn result(this: &Running) -> JsValue;
    /// Tells the function that nobody waits for it any longer.
    #[wasm_bindgen(method)]
    fn abort(this: &Running);
}

/// Aborts an attempt that is dropped before it has ended.
struct AbortWhenDropped<'a>(Option<&'a Running>);

impl Drop for AbortWhenDropped<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.0 {
            running.abort();
        }
    }
}

/// What is known of something that was thrown, as the facade describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Description {
    retryable: bool,
    after_ms: Option<u64>,
    /// What it shows of the service, if the application has said so.
    shows: Option<Shows>,
    /// The error that it is, if it is one of a call.
    api: Option<Api>,
    message: String,
}

/// What something that was thrown shows of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Shows {
    Failure,
    Success,
    Nothing,
}

/// What policies need to know of a call's error.
#[derive(Debug, Deserialize)]
struct Api {
    code: Option<String>,
    status: Option<u16>,
    category: Category,
    service: Option<String>,
}

impl Description {
    fn finding(&self) -> Finding {
        let by_server = self.api.as_ref().and_then(|api| api.status).is_some_and(|status| status >= 500);
        match (self.shows, &self.api) {
            (Some(Shows::Failure), _) => Finding::Fails { by_server },
            (Some(Shows::Success), _) => Finding::Works { degraded: false },
            // A policy within this one has ended it: for what stands around both, it took too long.
            (None, Some(Api { status: None, code: Some(code), .. })) if code == "DEADLINE_EXCEEDED" => {
                Finding::Fails { by_server: false }
            }
            (None, Some(api)) => facts::finding(api.status, api.code.as_deref(), api.category),
            (Some(Shows::Nothing), _) | (None, None) => Finding::Nothing,
        }
    }

    fn facts(&self) -> Facts<'_> {
        let api = self.api.as_ref();
        Facts {
            retryable: self.retryable,
            hint: self.after_ms.map(Duration::from_millis),
            // What the application names holds for all; what a server names, where it is about the service.
            pauses: api.is_none_or(|api| api.service.is_some() || matches!(api.status, Some(429 | 503))),
            finding: self.finding(),
            cost: api.map_or(RetryCost::Transient, |api| facts::cost(api.category)),
            // Whichever part of a backend it was: the policy stands around all of it.
            service: None,
        }
    }
}

/// Why an execution failed.
enum Failed {
    /// The function threw this.
    Thrown(JsValue, Box<Description>),
    /// The policies ended it.
    Ended(Box<ApiError>),
}

impl Failure for Failed {
    fn facts(&self) -> Facts<'_> {
        match self {
            Self::Ended(error) => {
                Facts { finding: Finding::Fails { by_server: false }, cost: RetryCost::Timeout, ..error.facts() }
            }
            Self::Thrown(_, description) => description.facts(),
        }
    }

    fn refused(refusal: &Refusal, now: WallTime) -> Self {
        Self::Ended(Failure::refused(refusal, now))
    }

    fn postpone(&mut self, reason: RefusalReason, retry_after: Duration, now: WallTime) {
        if let Self::Ended(error) = self {
            error.postpone(reason, retry_after, now);
        }
    }

    fn after(&mut self, _attempts: u32) {}

    fn to_error(&self) -> Box<ApiError> {
        match self {
            Self::Ended(error) => error.clone(),
            Self::Thrown(_, description) => {
                let api = description.api.as_ref();
                let code = api.and_then(|api| api.code.as_deref()).unwrap_or("FUNCTION_FAILED");
                let mut error = ApiError::without_response(code, description.message.clone(), description.retryable);
                if let Some(Api { status, category, service, .. }) = api {
                    (error.status, error.category) = (*status, *category);
                    error.service.clone_from(service);
                }
                Box::new(error)
            }
        }
    }
}

impl Failed {
    fn timed_out(limit: Duration) -> Self {
        let millis = milliseconds(limit).to_string();
        let message = ["It took longer than ", &millis, " ms."].concat();
        Self::Ended(Box::new(ApiError::without_response("DEADLINE_EXCEEDED", message, true)))
    }
}

/// A policy, private behind the facade.
#[wasm_bindgen]
pub struct Policy {
    services: Rc<Services<Browser>>,
    options: Rc<Settings>,
    /// Whose it is; when that is closed, so is this.
    client: Option<Client<Browser>>,
}

struct Settings {
    name: [String; 1],
    options: PolicyOptions,
}

#[wasm_bindgen]
impl Policy {
    /// A policy that stands alone. `emit` takes an event's JSON.
    ///
    /// # Errors
    /// An invalid option, as JSON text.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &str, emit: Function) -> Result<Policy, JsValue> {
        let services = Services::new(Rc::new(Browser::alone(emit)), ServicePolicy::default(), FlatMap::default(), None);
        Self::with(options, Rc::new(services), None)
    }

    /// A policy over the services of a client, if it names one; else over one of its own.
    ///
    /// # Errors
    /// An invalid option, as JSON text.
    pub fn of(options: &str, core: &Core) -> Result<Policy, JsValue> {
        Self::with(options, core.client.services().clone(), Some(core.client.clone()))
    }

    fn with(options: &str, services: Rc<Services<Browser>>, client: Option<Client<Browser>>) -> Result<Policy, JsValue> {
        let options = PolicyOptions::read(options, |key| services.policy_of(key)).map_err(Rejection::from)?;
        // Applications may make a policy for each of their calls, and few services are remembered.
        let services = if options.service.is_some() { services } else { Rc::new(services.apart()) };
        let name = options.service.clone().unwrap_or_else(|| {
            let mut random = [0; 8];
            BrowserRandom.fill(&mut random);
            ["policy-", &u64::from_le_bytes(random).to_string()].concat()
        });
        // What it does not change goes on following the client's settings.
        if options.protection != services.policy_of(&name) {
            services.define(&name, options.protection);
        }
        Ok(Self { services, options: Rc::new(Settings { name: [name], options }), client })
    }

    /// Runs a function under the policy. `run` takes the number of the attempt and that of the hedge, and gives what runs;
    /// `describe` takes what was thrown, and gives JSON. A promise of what the function gives; it rejects with an array of what the
    /// function has thrown, or with text.
    pub fn execute(&self, run: Function, describe: Function, signal: Option<AbortSignal>) -> Promise {
        let (services, settings, client) = (self.services.clone(), self.options.clone(), self.client.clone());
        promise_with_signal(signal, async move {
            let plan = Plan {
                id: &settings.name[0],
                services: &settings.name,
                is_named_by_caller: true,
                may_name_services: true,
                retry: &settings.options.retry,
                repeatable: true,
                hedge: settings.options.hedge,
                urgency: settings.options.urgency,
                bound: &|attempts| attempts,
            };
            let attempt = async |attempt: Attempt| run_once(services.platform(), &run, &describe, attempt).await;
            let execution = pipeline::execute(&services, &plan, |_| false, attempt);
            let ended = match client {
                Some(client) => client.until_closed(execution).await.map_err(Rejection::from)?,
                None => execution.await,
            };
            ended.map_err(|failed| match failed {
                Failed::Thrown(value, _) => Array::of1(&value).into(),
                Failed::Ended(error) => to_text(&Rejection::Api { error }),
            })
        })
    }

    /// The JSON of what is known of its service.
    pub fn snapshot(&self) -> JsValue {
        to_text(&self.services.snapshot_of(&self.options.name[0]))
    }

    /// Opens, closes or resets its circuit by hand.
    #[wasm_bindgen(js_name = setCircuit)]
    pub fn set_circuit(&self, change: &str) {
        super::set_circuit(&self.services, Some(&self.options.name[0]), change);
    }
}

async fn run_once(platform: &impl Platform, run: &Function, describe: &Function, attempt: Attempt) -> Result<JsValue, Failed> {
    let thrown = |value: JsValue| {
        let described = describe.call1(&JsValue::UNDEFINED, &value).ok().and_then(|text| text.as_string());
        let description = described.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Failed::Thrown(value, description)
    };
    let running: Running =
        run.call2(&JsValue::UNDEFINED, &attempt.number.into(), &attempt.hedge.into()).map_err(thrown)?.unchecked_into();
    let mut abort = AbortWhenDropped(Some(&running));
    let result = JsFuture::from(Promise::resolve(&running.result()));
    let ended = if attempt.limit == Duration::MAX {
        result.await
    } else {
        within(platform, attempt.limit, result).await.map_err(|_| Failed::timed_out(attempt.limit))?
    };
    abort.0 = None;
    ended.map_err(thrown)
}
