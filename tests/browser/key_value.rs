//! Small texts that the tabs of an origin share.

use crate::fresh_database;
use js_sys::{Function, Object, Reflect};
use steadfast::browser::LocalStorage;
use steadfast::platform::{KeyValue, LONGEST_SHARED_VALUE};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

/// Another `localStorage`, until it is dropped.
pub(crate) struct StandIn {
    original: JsValue,
}

impl StandIn {
    /// What the body of this JavaScript function gives, or throws; it gets the `original`.
    pub(crate) fn new(getter: &str) -> Self {
        let global = js_sys::global();
        let original = Object::get_own_property_descriptor(&global, &"localStorage".into());
        let storage = Reflect::get(&global, &"localStorage".into()).unwrap();
        let bound = Function::new_with_args("original", &format!("return () => {{ {getter} }}"));
        let descriptor = Object::new();
        Reflect::set(&descriptor, &"get".into(), &bound.call1(&JsValue::NULL, &storage).unwrap()).unwrap();
        Reflect::set(&descriptor, &"configurable".into(), &JsValue::TRUE).unwrap();
        Object::define_property(&global, &"localStorage".into(), &descriptor);
        Self { original }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        Object::define_property(&js_sys::global(), &"localStorage".into(), self.original.unchecked_ref());
    }
}

fn stored(name: &str) -> Option<String> {
    let read = Function::new_with_args("name", "return localStorage.getItem(name)");
    read.call1(&JsValue::NULL, &name.into()).unwrap().as_string()
}

#[wasm_bindgen_test]
fn a_text_is_shared_by_the_tabs_of_a_database_and_by_no_others() {
    let database = fresh_database();
    let (here, there) = (LocalStorage::new(&database), LocalStorage::new(&database));
    assert_eq!(there.read("breaker"), None);
    here.write("breaker", "Grüße 🚀 \0");
    assert_eq!(there.read("breaker").as_deref(), Some("Grüße 🚀 \0"));
    assert_eq!(stored(&format!("steadfast:{database}:breaker")).as_deref(), Some("Grüße 🚀 \0"));
    assert_eq!(LocalStorage::new(&fresh_database()).read("breaker"), None);
    there.write("breaker", "");
    assert_eq!(here.read("breaker").as_deref(), Some(""));
    there.remove("breaker");
    assert_eq!(here.read("breaker"), None);
    assert_eq!(stored(&format!("steadfast:{database}:breaker")), None);
}

#[wasm_bindgen_test]
fn where_looking_at_the_storage_throws_the_tab_remembers_for_itself() {
    let database = fresh_database();
    let (here, there) = (LocalStorage::new(&database), LocalStorage::new(&database));
    let denied = StandIn::new("throw new DOMException('denied', 'SecurityError')");
    assert_eq!(here.read("breaker"), None);
    here.write("breaker", "open");
    assert_eq!(here.read("breaker").as_deref(), Some("open"));
    assert_eq!(there.read("breaker"), None);
    here.remove("breaker");
    assert_eq!(here.read("breaker"), None);
    here.write("breaker", "open");
    drop(denied);
    assert_eq!(here.read("breaker").as_deref(), Some("open"), "nobody has written anything newer");
    there.write("breaker", "closed");
    assert_eq!(here.read("breaker").as_deref(), Some("closed"));
    here.remove("breaker");
    assert_eq!(here.read("breaker"), None, "both are forgotten");
}

#[wasm_bindgen_test]
fn a_storage_that_is_null_missing_or_no_storage_is_none() {
    for storage in ["return null", "return undefined", "return {}", "return 7"] {
        let texts = LocalStorage::new(&fresh_database());
        let _stand_in = StandIn::new(storage);
        texts.write("breaker", "open");
        assert_eq!(texts.read("breaker").as_deref(), Some("open"), "{storage}");
        texts.remove("breaker");
        assert_eq!(texts.read("breaker"), None, "{storage}");
    }
}

#[wasm_bindgen_test]
fn when_the_storage_is_full_no_tab_reads_what_is_out_of_date() {
    let database = fresh_database();
    let (here, there) = (LocalStorage::new(&database), LocalStorage::new(&database));
    here.write("breaker", "closed");
    let full = StandIn::new(
        "return {
            getItem: (name) => original.getItem(name),
            setItem() { throw new DOMException('full', 'QuotaExceededError') },
            removeItem: (name) => original.removeItem(name),
        }",
    );
    here.write("breaker", "open");
    assert_eq!(here.read("breaker").as_deref(), Some("open"));
    assert_eq!(there.read("breaker"), None);
    drop(full);
    here.write("breaker", "half open");
    assert_eq!(there.read("breaker").as_deref(), Some("half open"));
    there.remove("breaker");
    assert_eq!(here.read("breaker"), None, "what could not be shared is long forgotten");
}

#[wasm_bindgen_test]
fn what_is_longer_than_64_kib_is_not_shared() {
    let database = fresh_database();
    let (here, there) = (LocalStorage::new(&database), LocalStorage::new(&database));
    let longest = "x".repeat(LONGEST_SHARED_VALUE);
    here.write("text", &longest);
    assert_eq!(there.read("text").as_ref(), Some(&longest));
    let longer = format!("{longest}x");
    here.write("text", &longer);
    assert_eq!(here.read("text").as_ref(), Some(&longer));
    assert_eq!(there.read("text"), None);
    here.remove("text");
    assert_eq!(here.read("text"), None);
}
