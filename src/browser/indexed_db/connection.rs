//! Opening the database.

use super::request::{Once, store_error};
use super::{ACTIONS, BY_ID, Connection, USERS};
use crate::browser::{BrowserClock, global};
use crate::platform::{Clock, StoreError, StoreErrorKind};
use futures_util::future::{Either, select};
use std::cell::RefCell;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::time::Duration;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, IdbDatabase, IdbFactory, IdbIndexParameters, IdbObjectStoreParameters, IdbOpenDbRequest};

const VERSION: u32 = 1;
const OPENING: &str = "opening the database";
/// Some browsers now and then never answer (Safari after an update, a profile on a stalled disk).
const PATIENCE: Duration = Duration::from_secs(5);

enum Opened {
    Done,
    Failed,
    Blocked,
}

/// A request to open, with what listens to it. However it ends, nothing listens any longer; if it was given up on, a
/// connection that comes late is closed, and a database that is created late is not: it would have no stores for ever.
struct Opening {
    request: IdbOpenDbRequest,
    is_over: bool,
    _closures: [Closure<dyn FnMut(Event)>; 4],
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

/// Opens the database and creates what is missing in it. When the connection ends, `slot` is emptied.
pub(super) async fn open(name: Rc<str>, slot: Weak<RefCell<Connection>>) -> Result<IdbDatabase, StoreError> {
    let factory = global::member::<IdbFactory>("indexedDB")
        .ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, OPENING, "this scope has no IndexedDB"))?;
    let request = factory.open_with_u32(&name, VERSION).map_err(|thrown| store_error(OPENING, &thrown))?;
    let outcome = Once::new();
    let listen = |opened: fn() -> Opened| {
        let outcome = outcome.clone();
        Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            event.stop_propagation();
            outcome.happen(opened());
        })
    };
    let (done, failed, blocked) = (listen(|| Opened::Done), listen(|| Opened::Failed), listen(|| Opened::Blocked));
    let upgrading = request.clone();
    let upgrade = Closure::<dyn FnMut(Event)>::new(move |_: Event| {
        // A failure here aborts the upgrade, and the request then fails with its reason.
        if create_stores(&upgrading).is_err() {
            abort_upgrade(&upgrading);
        }
    });
    request.set_onsuccess(Some(done.as_ref().unchecked_ref()));
    request.set_onerror(Some(failed.as_ref().unchecked_ref()));
    request.set_onblocked(Some(blocked.as_ref().unchecked_ref()));
    request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
    let mut opening = Opening { request, is_over: false, _closures: [done, failed, blocked, upgrade] };
    let clock = BrowserClock::new();
    let opened = match select(outcome, pin!(clock.sleep(PATIENCE))).await {
        Either::Left((opened, _)) => opened,
        Either::Right(((), _)) => {
            let message = format!("no answer within {} s", PATIENCE.as_secs());
            return Err(StoreError::new(StoreErrorKind::TimedOut, OPENING, message));
        }
    };
    let request = &opening.request;
    match opened {
        Opened::Done => {
            let database: IdbDatabase = request.result().map_err(|thrown| store_error(OPENING, &thrown))?.unchecked_into();
            opening.is_over = true;
            let stores = database.object_store_names();
            if !stores.contains(ACTIONS) || !stores.contains(USERS) {
                database.close();
                let message = format!("the database {name} is not Steadfast's; the option database can name another");
                return Err(StoreError::new(StoreErrorKind::Unreadable, OPENING, message));
            }
            watch(&database, slot);
            Ok(database)
        }
        Opened::Failed => {
            let error = match request.error() {
                Ok(Some(error)) => store_error(OPENING, &error),
                _ => StoreError::new(StoreErrorKind::Failed, OPENING, "it failed without a reason"),
            };
            opening.is_over = true;
            Err(error)
        }
        Opened::Blocked => {
            let message = "another tab holds an older version of the database open";
            Err(StoreError::new(StoreErrorKind::Blocked, OPENING, message))
        }
    }
}

fn abort_upgrade(request: &IdbOpenDbRequest) {
    if let Some(transaction) = request.transaction() {
        // It fails only if the upgrade is over already.
        let _: Result<(), JsValue> = transaction.abort();
    }
}

fn create_stores(request: &IdbOpenDbRequest) -> Result<(), JsValue> {
    let database: IdbDatabase = request.result()?.unchecked_into();
    let keys = |names: [&str; 2]| js_sys::Array::of2(&names[0].into(), &names[1].into());
    let parameters = IdbObjectStoreParameters::new();
    parameters.set_key_path(&keys(["userId", "seq"]));
    let actions = database.create_object_store_with_optional_parameters(ACTIONS, &parameters)?;
    let unique = IdbIndexParameters::new();
    unique.set_unique(true);
    actions.create_index_with_str_sequence_and_optional_parameters(BY_ID, &keys(["userId", "id"]), &unique)?;
    database.create_object_store(USERS)?;
    Ok(())
}

/// Lets go of the connection when another tab needs a newer version, or when the browser has closed it.
fn watch(database: &IdbDatabase, slot: Weak<RefCell<Connection>>) {
    let connection = database.clone();
    let let_go = Closure::<dyn FnMut(Event)>::new(move |_: Event| {
        connection.close();
        if let Some(slot) = slot.upgrade() {
            slot.borrow_mut().forget(&connection);
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
}
