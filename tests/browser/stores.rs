//! Every store keeps the promises of the contract, in a browser as well: see `tests/conformance`.

#[path = "../conformance/promises.rs"]
mod promises;

macro_rules! test {
    ($place:ty: $promise:ident) => {
        #[wasm_bindgen_test::wasm_bindgen_test]
        async fn $promise() {
            super::promises::$promise::<$place>().await;
        }
    };
}

mod memory {
    use super::promises::{Place, for_each_promise};
    use steadfast::store::Memory;

    struct Here(Memory);

    impl Place for Here {
        type Store = Memory;

        fn fresh() -> Self {
            Self(Memory::default())
        }

        fn open(&self) -> Memory {
            self.0.clone()
        }
    }

    for_each_promise!(test, Here);
}

mod local_storage {
    use super::promises::{Place, for_each_promise};
    use crate::fresh_database;
    use crate::key_value::StandIn;
    use steadfast::browser::LocalTexts;
    use steadfast::platform::tables::{Lane, Row, Store, Transaction};
    use steadfast::platform::{Access, StoreErrorKind, Texts};
    use steadfast::store::{Journalled, TextStore};
    use wasm_bindgen_test::wasm_bindgen_test;

    struct Here(LocalTexts);

    impl Place for Here {
        type Store = TextStore<LocalTexts>;

        fn fresh() -> Self {
            Self(LocalTexts::new(&fresh_database()))
        }

        fn open(&self) -> TextStore<LocalTexts> {
            TextStore::new(Journalled::new(self.0.clone(), &fresh_database()))
        }
    }

    /// All tests share the origin's few megabytes.
    impl Drop for Here {
        fn drop(&mut self) {
            for key in self.0.keys("").unwrap() {
                self.0.remove(&key).unwrap();
            }
        }
    }

    for_each_promise!(test, Here);

    fn row() -> Row {
        Row { lane: Lane::Normal, seq: 1, id: "a".into(), key: None, due: None, after: None, text: "{}".into(), weight: None }
    }

    #[wasm_bindgen_test]
    async fn a_full_storage_is_full_and_nothing_has_changed() {
        let place = Here::fresh();
        let store = place.open();
        let full = StandIn::new(
            "return new Proxy(original, {
                get: (storage, name) => name === 'setItem'
                    ? () => { throw new DOMException('full', 'QuotaExceededError') }
                    : storage[name].bind(storage),
            })",
        );
        let transaction = store.transaction(Access::Write).await.unwrap();
        transaction.write("ada", &row()).unwrap();
        assert_eq!(transaction.commit().await.unwrap_err().kind, StoreErrorKind::QuotaExceeded);
        drop(full);
        assert_eq!(store.transaction(Access::Read).await.unwrap().find("ada", "a").await.unwrap(), None);
        assert_eq!(place.0.keys("").unwrap(), [] as [String; 0]);
    }

    #[wasm_bindgen_test]
    async fn where_there_is_no_storage_there_is_no_store() {
        for getter in ["throw new DOMException('denied', 'SecurityError')", "return null", "return undefined", "return {}"] {
            let place = Here::fresh();
            let stand_in = StandIn::new(getter);
            let failed = place.open().transaction(Access::Write).await.unwrap_err();
            assert_eq!(failed.kind, StoreErrorKind::Unavailable, "{getter}: {failed}");
            drop(stand_in);
        }
    }
}

mod indexed_db {
    use super::promises::{Place, for_each_promise};
    use crate::fresh_database;
    use steadfast::browser::{BrowserClock, Database};

    struct Here(String);

    impl Place for Here {
        type Store = Database;

        fn fresh() -> Self {
            Self(fresh_database())
        }

        fn open(&self) -> Database {
            Database::new(&self.0, BrowserClock::new())
        }
    }

    for_each_promise!(test, Here);
}
