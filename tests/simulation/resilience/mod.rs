//! What stands around calls: pauses, circuits, budgets, deadlines, credentials, over several tabs.

mod bulkhead;
mod chaos;
mod circuit;
mod credentials;
mod deadline;
mod hedge;
mod pause;
mod retry;
mod trace;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use steadfast::client::CallError;
use steadfast::error::ApiError;
use steadfast::sim::{Reply, SimRequest, Tab, World};

const ORIGIN: &str = "https://api.example";
/// Calls that come while a service is paused wait as long as those that were answered with the wish.
const PATIENT: &str = r#","retry":{"maxPauseMs":30000}"#;
const URL: &str = "https://api.example/api/drafts";
const SECOND: Duration = Duration::from_secs(1);

type Ended = Result<u16, Box<ApiError>>;

/// A call on its way, and what became of it.
#[derive(Clone, Default)]
struct Pending(Rc<RefCell<Option<Ended>>>);

impl Pending {
    fn has_ended(&self) -> bool {
        self.0.borrow().is_some()
    }

    fn result(&self) -> Ended {
        self.0.borrow().clone().expect("it has not ended")
    }

    /// Runs until it has ended.
    fn ended(&self, world: &World) -> Ended {
        assert!(world.run_until(Duration::from_secs(86_400), || self.has_ended()), "it did not end within a day");
        self.result()
    }
}

fn request(method: &str, url: &str) -> SimRequest {
    SimRequest { method: method.into(), url: url.into(), ..SimRequest::default() }
}

/// Starts a call in a tab, with which it stands still and ends.
fn start(tab: &Tab, request: SimRequest, options: &str) -> Pending {
    let (client, options, pending) = (tab.client.clone(), options.to_string(), Pending::default());
    let slot = pending.clone();
    tab.spawn(async move {
        let ended = match client.call(&request, &options).await {
            Ok(response) => Ok(response.reply().status),
            Err(CallError::Api(error)) => Err(error),
            Err(CallError::Closed) => return,
            Err(other) => panic!("{other}"),
        };
        *slot.0.borrow_mut() = Some(ended);
    });
    pending
}

fn get(world: &World, tab: &Tab, options: &str) -> Ended {
    start(tab, request("GET", URL), options).ended(world)
}

fn script(world: &World, replies: impl IntoIterator<Item = Reply>) {
    world.server(|server| server.scripted.extend(replies));
}

fn fails(status: u16, times: usize) -> Vec<Reply> {
    vec![Reply::new(status, ""); times]
}

fn asked(world: &World) -> Vec<(u64, SimRequest)> {
    world.server(|server| server.requests.clone())
}

fn count(world: &World) -> usize {
    world.server(|server| server.requests.len())
}

fn code(ended: &Ended) -> Option<&str> {
    ended.as_ref().unwrap_err().code.as_deref()
}

fn hint_source(ended: &Ended) -> &'static str {
    ended.as_ref().unwrap_err().retry_hint.expect("no hint").source.name()
}

fn events<'a>(events: &'a [String], kind: &str) -> Vec<&'a String> {
    let kind = format!(r#""type":"{kind}""#);
    events.iter().filter(|event| event.contains(&kind)).collect()
}
