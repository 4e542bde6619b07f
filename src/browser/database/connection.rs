//! Opening the database.

use super::failure::store_error;
use super::upgrade::{not_ours, upgrade};
use super::{DOCUMENTS, FILES, OPENING, Owner, QUEUE};
use crate::browser::{BrowserClock, global};
use crate::platform::{Clock, StoreError, StoreErrorKind};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use js_sys::{Function, Promise};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, IdbDatabase, IdbFactory, IdbOpenDbRequest};

const VERSION: u32 = 2;
/// How long an opening may take. Some browsers now and then never answer (Safari after an update, a profile on a stalled disk).
const PATIENCE: Duration = Duration::from_secs(5);
/// After this part of it, Safari is asked what databases there are: that wakes what has hung there since its start
/// (<https://bugs.webkit.org/show_bug.cgi?id=226547>).
const NUDGE: Duration = Duration::from_secs(2);
/// How long an upgrade may take to be written down, after the last row was read.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(60);

/// What happens to a request to open.
#[derive(Debug, Clone, Copy)]
enum Step {
    Blocked,
    Upgrade,
    Done,
    Failed,
}

/// A request to open, with what listens to it. However it ends, nothing listens any longer; if it was given up on, a
/// connection that comes late is closed, and a database that is created late is not: it would have no stores for ever.
struct Opening {
    request: IdbOpenDbRequest,
    is_over: bool,
    steps: UnboundedReceiver<Step>,
    _closures: [Closure<dyn FnMut(Event)>; 4],
}

impl Opening {
    fn new(request: IdbOpenDbRequest) -> Self {
        let (sender, steps) = unbounded();
        let listen = |step| listener(sender.clone(), step);
        let closures = [Step::Done, Step::Failed, Step::Blocked, Step::Upgrade].map(listen);
        let [done, failed, blocked, upgrade] = closures.each_ref().map(|closure| Some(closure.as_ref().unchecked_ref()));
        request.set_onsuccess(done);
        request.set_onerror(failed);
        request.set_onblocked(blocked);
        request.set_onupgradeneeded(upgrade);
        Self { request, is_over: false, steps, _closures: closures }
    }

    fn database(&self) -> Result<IdbDatabase, StoreError> {
        self.request.result().map(JsCast::unchecked_into).map_err(|thrown| store_error(OPENING, &thrown))
    }

    fn failure(&self) -> StoreError {
        match self.request.error() {
            Ok(Some(error)) => store_error(OPENING, &error),
            _ => StoreError::new(StoreErrorKind::Failed, OPENING, "it failed without a reason"),
        }
    }

    /// What happens next, unless it takes too long.
    async fn step(&mut self, clock: &BrowserClock, patience: Duration) -> Option<Step> {
        match select(self.steps.next(), pin!(clock.sleep(patience))).await {
            Either::Left((step, _)) => step,
            Either::Right(((), _)) => None,
        }
    }

    /// The connection, when all of it is done.
    async fn finish(&mut self, factory: &IdbFactory, clock: &BrowserClock) -> Result<IdbDatabase, StoreError> {
        let began = clock.monotonic();
        let (mut patience, mut is_blocked, mut is_nudged, mut upgraded) = (PATIENCE, false, false, Ok(()));
        loop {
            let left = patience.saturating_sub(clock.monotonic().since(began));
            let left = if is_nudged { left } else { left.min(NUDGE) };
            match self.step(clock, left).await {
                None if !is_nudged => {
                    is_nudged = true;
                    nudge(factory);
                }
                None => return Err(too_late(is_blocked)),
                // The other tab usually closes as soon as it hears of this.
                Some(Step::Blocked) => is_blocked = true,
                Some(Step::Upgrade) => {
                    // Each of its requests has a deadline of its own: how many there are depends on what has piled up.
                    let transaction = self.request.transaction();
                    upgraded = match transaction {
                        Some(transaction) => upgrade(&self.database()?, transaction, clock.clone()).await,
                        None => Err(self.failure()),
                    };
                    is_blocked = false;
                    is_nudged = true;
                    patience = clock.monotonic().since(began).saturating_add(UPGRADE_PATIENCE);
                }
                Some(Step::Done) => {
                    let database = self.database()?;
                    self.is_over = true;
                    return Ok(database);
                }
                Some(Step::Failed) => {
                    self.is_over = true;
                    // That the upgrade was aborted is known; why, it has said itself.
                    upgraded?;
                    return Err(self.failure());
                }
            }
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.request.set_onsuccess(None);
        self.request.set_onerror(None);
        self.request.set_onblocked(None);
        self.request.set_onupgradeneeded(None);
        if !self.is_over {
            undo_when_it_opens(&self.request);
        }
    }
}

fn listener(sender: UnboundedSender<Step>, step: Step) -> Closure<dyn FnMut(Event)> {
    Closure::new(move |event: Event| {
        event.stop_propagation();
        // Whoever has given up on it does not hear it.
        let _: Result<(), _> = sender.unbounded_send(step);
    })
}

fn too_late(is_blocked: bool) -> StoreError {
    if is_blocked {
        let message = "another tab holds an older version of the database open and does not let go of it: close it, or reload it";
        return StoreError::new(StoreErrorKind::Blocked, OPENING, message);
    }
    StoreError::new(StoreErrorKind::TimedOut, OPENING, "no answer within 5 s")
}

/// Asks what databases there are, for what it does and not for its answer.
fn nudge(factory: &IdbFactory) {
    let Some(databases) = global::property::<Function>(factory, "databases") else { return };
    if let Ok(promise) = databases.call0(factory)
        && let Ok(promise) = promise.dyn_into::<Promise>()
    {
        wasm_bindgen_futures::spawn_local(async move {
            let _: Result<JsValue, JsValue> = wasm_bindgen_futures::JsFuture::from(promise).await;
        });
    }
}

/// Opens the database and brings it into its present form. When the connection ends, its owner hears of it.
pub(super) async fn open(name: Rc<str>, owner: Owner, clock: BrowserClock) -> Result<IdbDatabase, StoreError> {
    let factory = global::member::<IdbFactory>("indexedDB")
        .ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, OPENING, "this scope has no IndexedDB"))?;
    let request = factory.open_with_u32(&name, VERSION).map_err(|thrown| store_error(OPENING, &thrown))?;
    let database = Opening::new(request).finish(&factory, &clock).await?;
    let stores = database.object_store_names();
    if ![QUEUE, DOCUMENTS, FILES].into_iter().all(|store| stores.contains(store)) {
        database.close();
        return Err(not_ours(&name));
    }
    watch(&database, owner);
    Ok(database)
}

/// Lets go of the connection when another tab needs a newer version, or when the browser has closed it.
fn watch(database: &IdbDatabase, owner: Owner) {
    let connection = database.clone();
    let let_go = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        connection.close();
        if let Some(slot) = owner.slot.upgrade() {
            slot.borrow_mut().forget(&connection);
        }
        // One that makes way for a newer version has lost nothing.
        let makes_way = global::property::<JsValue>(&event, "newVersion").is_some_and(|version| version.as_f64().is_some());
        if let Some(loss) = owner.loss.upgrade().filter(|_| !makes_way) {
            loss.tell();
        }
    });
    database.set_onversionchange(Some(let_go.as_ref().unchecked_ref()));
    database.set_onclose(Some(let_go.as_ref().unchecked_ref()));
    // Collected by JavaScript together with the connection that holds it.
    let_go.into_js_value();
}

/// A connection that comes after we have given up would stand in the way of the next version for ever.
fn undo_when_it_opens(request: &IdbOpenDbRequest) {
    let (late, created) = (request.clone(), request.clone());
    let close = Closure::once_into_js(move |_: Event| {
        if let Ok(database) = late.result() {
            database.unchecked_into::<IdbDatabase>().close();
        }
    });
    let abort = Closure::once_into_js(move |_: Event| abort_upgrade(&created));
    request.set_onsuccess(Some(close.unchecked_ref()));
    request.set_onupgradeneeded(Some(abort.unchecked_ref()));
    // One that is under way already.
    abort_upgrade(request);
}

fn abort_upgrade(request: &IdbOpenDbRequest) {
    if let Some(transaction) = request.transaction() {
        // It fails only if the upgrade is over already.
        let _: Result<(), JsValue> = transaction.abort();
    }
}
