//! IndexedDB as two tables: the layout, the way there from the first version, and what goes wrong with it.

#![expect(clippy::float_cmp, reason = "counts")]

use crate::clock::FakeTime;
use crate::fresh_database;
use futures_util::future::{Either, join, join_all, ready, select};
use js_sys::{Function, Promise, Reflect};
use std::cell::RefCell;
use std::pin::pin;
use steadfast::browser::{BrowserClock, Database, DatabaseTransaction};
use steadfast::platform::tables::{Kind, Lane, Row, Store, Transaction};
use steadfast::platform::{Access, StoreError, StoreErrorKind};
use steadfast::time::WallTime;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

fn database(name: &str) -> Database {
    Database::new(name, BrowserClock::new())
}

fn row(lane: Lane, seq: u64) -> Row {
    Row { lane, seq, id: format!("a{seq}"), key: None, due: None, after: None, text: format!("text {seq}"), weight: None }
}

async fn begin(store: &Database) -> DatabaseTransaction {
    store.transaction(Access::Write).await.unwrap()
}

/// Writes these rows of Ada's, in one transaction.
async fn write(store: &Database, rows: &[Row]) -> Result<(), StoreError> {
    let transaction = store.transaction(Access::Write).await?;
    for row in rows {
        transaction.write("ada", row)?;
    }
    transaction.commit().await
}

async fn seqs(store: &Database, lane: Lane) -> Vec<u64> {
    let transaction = store.transaction(Access::Read).await.unwrap();
    let rows = transaction.rows("ada", lane, 0, u64::MAX, u32::MAX).await.unwrap();
    rows.into_iter().map(|row| row.seq).collect()
}

/// Runs the body of an asynchronous JavaScript function, which gets the database's `name`, and `done(request or transaction)`.
async fn script(name: &str, body: &str) -> JsValue {
    let body = format!(
        "const done = (subject) => new Promise((resolve, reject) => {{
            subject.onsuccess = subject.oncomplete = () => resolve(subject.result);
            subject.onerror = subject.onabort = () => reject(subject.error);
        }});
        return (async () => {{ {body} }})();"
    );
    let promise: Promise = Function::new_with_args("name", &body).call1(&JsValue::NULL, &name.into()).unwrap().into();
    JsFuture::from(promise).await.unwrap()
}

/// Something of the browser's that is another until this is dropped.
struct Replaced(JsValue);

impl Replaced {
    /// `body` gets the `object` whose `member` is replaced, the `original`, and `seen`, which the test can look at; it returns
    /// what stands in for it.
    fn new(object: &str, member: &str, body: &str) -> Self {
        let install = format!(
            "const object = {object}, member = {member:?}, seen = {{ count: 0 }};
            const own = Object.getOwnPropertyDescriptor(object, member);
            const original = own?.value ?? object[member];
            const value = ((object, original, seen) => {{ {body} }})(object, original, seen);
            Object.defineProperty(object, member, {{ configurable: true, writable: true, value }});
            const restore = () => own ? Object.defineProperty(object, member, own) : delete object[member];
            return {{ seen, restore }};"
        );
        Self(Function::new_no_args(&install).call0(&JsValue::NULL).unwrap())
    }

    fn look(&self, expression: &str) -> JsValue {
        Function::new_with_args("seen", &format!("return {expression}"))
            .call1(&JsValue::NULL, &Reflect::get(&self.0, &"seen".into()).unwrap())
            .unwrap()
    }

    fn number(&self, expression: &str) -> f64 {
        self.look(expression).as_f64().unwrap()
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        Function::new_with_args("replaced", "replaced.restore()").call1(&JsValue::NULL, &self.0).unwrap();
    }
}

/// A turn of the event loop that no timer has a part in.
async fn turn() {
    let body = "const { port1, port2 } = new MessageChannel(); port1.onmessage = () => { port1.close(); resolve(); }; port2.postMessage(0)";
    let promise = Promise::new(&mut |resolve, _| {
        Function::new_with_args("resolve", body).call1(&JsValue::NULL, &resolve).unwrap();
    });
    JsFuture::from(promise).await.unwrap();
}

/// Lets time pass until the work is done, which it is within so many seconds: nothing that it waits for takes longer, or comes.
async fn within<T>(time: &FakeTime, seconds: u32, work: impl Future<Output = T>) -> T {
    let passing = async {
        for _ in 0..seconds {
            turn().await;
            time.advance(1000.0);
        }
        turn().await;
    };
    match select(pin!(work), pin!(passing)).await {
        Either::Left((value, _)) => value,
        Either::Right(_) => panic!("it is not done after {seconds} s"),
    }
}

#[wasm_bindgen_test]
async fn what_was_written_is_there_to_the_letter_after_the_database_is_opened_anew() {
    let name = fresh_database();
    let all = Row {
        lane: Lane::Waiting,
        seq: (1 << 53) - 1,
        id: "grüße-🚀".into(),
        key: Some(String::new()),
        due: Some(WallTime(-5)),
        after: Some("other".into()),
        text: "{\"text\":\"Grüße 🚀 \u{0} \u{feff}\"}".into(),
        weight: None,
    };
    let store = database(&name);
    write(&store, &[all.clone(), row(Lane::Critical, 0)]).await.unwrap();
    drop(store);
    let transaction = database(&name).transaction(Access::Read).await.unwrap();
    assert_eq!(transaction.find("ada", "grüße-🚀").await.unwrap(), Some(all.clone()));
    assert_eq!(transaction.rows("ada", Lane::Waiting, 0, u64::MAX, 10).await.unwrap(), [all]);
    assert_eq!(transaction.rows("ada", Lane::Critical, 0, 0, 10).await.unwrap(), [row(Lane::Critical, 0)]);
    assert_eq!(transaction.find("bob", "a0").await.unwrap(), None);
}

#[wasm_bindgen_test]
async fn a_lane_is_read_counted_and_deleted_by_ranges_and_limits() {
    let store = database(&fresh_database());
    let rows: Vec<_> = (0..10).map(|seq| row(if seq == 5 { Lane::Low } else { Lane::Normal }, seq)).collect();
    write(&store, &rows).await.unwrap();
    let transaction = begin(&store).await;
    let read = async |first, last, limit| -> Vec<u64> {
        let rows = transaction.rows("ada", Lane::Normal, first, last, limit).await.unwrap();
        rows.into_iter().map(|row| row.seq).collect()
    };
    assert_eq!(read(3, 7, 100).await, [3, 4, 6, 7]);
    assert_eq!(read(3, 7, 2).await, [3, 4]);
    assert_eq!(read(3, 7, 0).await, [0; 0]);
    assert_eq!(read(7, 3, 9).await, [0; 0]);
    transaction.delete("ada", Lane::Normal, 7, 3).unwrap();
    assert_eq!(transaction.count("ada", Lane::Normal).await.unwrap(), 9);
    transaction.delete("ada", Lane::Normal, 4, 8).unwrap();
    assert_eq!(read(0, u64::MAX, 100).await, [0, 1, 2, 3, 9], "a read sees what was written before");
    assert_eq!(transaction.count("bob", Lane::Normal).await.unwrap(), 0);
    transaction.commit().await.unwrap();
    assert_eq!((seqs(&store, Lane::Normal).await, seqs(&store, Lane::Low).await), (vec![0, 1, 2, 3, 9], vec![5]));
}

#[wasm_bindgen_test]
async fn rows_are_found_by_key_time_and_dependency() {
    let store = database(&fresh_database());
    let behind = |seq, key: &str| Row { key: Some(key.into()), ..row(Lane::Waiting, seq) };
    let due = |seq, at| Row { due: Some(WallTime(at)), ..row(Lane::Delayed, seq) };
    let after = |seq, id: &str| Row { after: Some(id.into()), ..row(Lane::Dependent, seq) };
    let rows = [
        behind(1, "k"),
        behind(12, "k"),
        behind(3, "k"),
        behind(4, "k2"),
        behind(2, ""),
        due(5, 300),
        due(6, 100),
        due(7, 200),
        after(8, "x"),
        after(9, "x"),
        after(10, "y"),
        row(Lane::Normal, 11),
    ];
    write(&store, &rows).await.unwrap();
    let transaction = store.transaction(Access::Read).await.unwrap();
    let found = |rows: Vec<Row>| -> Vec<u64> { rows.into_iter().map(|row| row.seq).collect() };
    assert_eq!(found(transaction.of_key("ada", "k", 0, 10).await.unwrap()), [1, 3, 12]);
    assert_eq!(found(transaction.of_key("ada", "k", 0, 2).await.unwrap()), [1, 3]);
    assert_eq!(found(transaction.of_key("ada", "k", 0, 0).await.unwrap()), [0; 0]);
    assert_eq!(found(transaction.of_key("ada", "", 0, 10).await.unwrap()), [2]);
    assert_eq!(transaction.last_of_key("ada", "k").await.unwrap(), Some(behind(12, "k")));
    assert_eq!(transaction.last_of_key("ada", "k1").await.unwrap(), None);
    assert_eq!(found(transaction.due("ada", WallTime(200), 10).await.unwrap()), [6, 7]);
    assert_eq!(found(transaction.due("ada", WallTime(99), 10).await.unwrap()), [0; 0]);
    assert_eq!(found(transaction.after("ada", "x", 10).await.unwrap()), [8, 9]);
    assert_eq!(found(transaction.after("bob", "x", 10).await.unwrap()), [0; 0]);
}

#[wasm_bindgen_test]
async fn documents_are_read_by_kind_and_name_and_users_are_found_by_either_table() {
    let store = database(&fresh_database());
    let transaction = begin(&store).await;
    for (user, kind, name) in
        [("ada", Kind::Queue, ""), ("ada", Kind::History, "b"), ("ada", Kind::History, ""), ("zoe", Kind::History, "é")]
    {
        transaction.write_document(user, kind, name, Some(&format!("{user} {name}"))).unwrap();
    }
    transaction.write("bob", &row(Lane::Dead, 1)).unwrap();
    transaction.write("ada", &row(Lane::Dead, 1)).unwrap();
    assert_eq!(transaction.users().await.unwrap(), ["ada", "bob", "zoe"]);
    assert_eq!(transaction.document("ada", Kind::Queue, "").await.unwrap().as_deref(), Some("ada "));
    assert_eq!(transaction.document("ada", Kind::History, "c").await.unwrap(), None);
    let documents = transaction.documents("ada", Kind::History).await.unwrap();
    assert_eq!(documents, [(String::new(), "ada ".into()), ("b".into(), "ada b".into())]);
    transaction.write_document("ada", Kind::History, "b", None).unwrap();
    assert_eq!(transaction.documents("ada", Kind::History).await.unwrap().len(), 1);
    transaction.commit().await.unwrap();
}

#[wasm_bindgen_test]
async fn several_reads_are_under_way_at_once_and_one_may_be_given_up() {
    let store = database(&fresh_database());
    write(&store, &(0..20).map(|seq| Row { key: Some("k".into()), ..row(Lane::Waiting, seq) }).collect::<Vec<_>>())
        .await
        .unwrap();
    let transaction = begin(&store).await;
    let mut given_up = Box::pin(transaction.find("ada", "a1"));
    assert!(futures_util::FutureExt::now_or_never(&mut given_up).is_none());
    drop(given_up);
    let finds = join_all((0..20).map(|seq| {
        let transaction = &transaction;
        async move { (seq, transaction.find("ada", &format!("a{seq}")).await.unwrap().unwrap().seq) }
    }));
    let others = join(transaction.users(), join(transaction.last_of_key("ada", "k"), transaction.count("ada", Lane::Waiting)));
    let (found, (users, (last, count))) = join(finds, others).await;
    assert!(found.into_iter().all(|(asked, found)| asked == found));
    assert_eq!((users.unwrap(), last.unwrap().unwrap().seq, count.unwrap()), (vec!["ada".into()], 19, 20));
    transaction.commit().await.unwrap();
}

#[wasm_bindgen_test]
async fn a_transaction_that_is_dropped_has_written_nothing() {
    let store = database(&fresh_database());
    let transaction = begin(&store).await;
    transaction.write("ada", &row(Lane::Normal, 1)).unwrap();
    assert_eq!(transaction.count("ada", Lane::Normal).await.unwrap(), 1);
    drop(transaction);
    assert_eq!(seqs(&store, Lane::Normal).await, [0; 0]);
}

#[wasm_bindgen_test]
async fn what_cannot_be_written_takes_the_whole_transaction_with_it_whoever_commits_that() {
    let store = database(&fresh_database());
    let transaction = begin(&store).await;
    transaction.write("ada", &row(Lane::Normal, 1)).unwrap();
    transaction.write("ada", &row(Lane::Normal, 2)).unwrap();
    let failing = Replaced::new(
        "IDBObjectStore.prototype",
        "put",
        "return function (...all) { if (++seen.count === 2) throw new DOMException('', 'DataError'); return original.apply(this, all); }",
    );
    transaction.rows("ada", Lane::Normal, 0, 9, 9).await.unwrap_err();
    drop(failing);
    transaction.commit().await.unwrap_err();
    assert_eq!(seqs(&store, Lane::Normal).await, [0; 0]);
}

/// As it is when an action was settled that came with others.
#[wasm_bindgen_test]
async fn rows_that_came_together_are_one_record_and_leave_with_it() {
    let name = fresh_database();
    let store = database(&name);
    let transaction = begin(&store).await;
    let new = |seq| Row { id: format!("019e830e-1b8a-7410-83eb-{seq:012x}"), ..row(Lane::Normal, seq) };
    for seq in 1..=150 {
        transaction.write_new("ada", &new(seq)).unwrap();
    }
    transaction.commit().await.unwrap();
    let transaction = begin(&store).await;
    let counted = Replaced::new(
        "IDBObjectStore.prototype",
        "get",
        "return function (...all) { seen.count++; return original.apply(this, all); }",
    );
    transaction.delete("ada", Lane::Normal, 1, 100).unwrap();
    transaction.delete("ada", Lane::Normal, 149, 149).unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(counted.number("seen.count"), 1.0, "only the one that is cut is read");
    drop(counted);
    let expected: Vec<u64> = (101..=148).chain([150]).collect();
    assert_eq!(seqs(&store, Lane::Normal).await, expected);
    drop(store);
    let keys = script(
        &name,
        "const opened = await done(indexedDB.open(name));
        const keys = await done(opened.transaction('queue').objectStore('queue').getAllKeys());
        opened.close();
        return JSON.stringify(keys);",
    );
    assert_eq!(keys.await.as_string().unwrap(), r#"[["ada",2,148,48],["ada",2,150]]"#);
}

#[wasm_bindgen_test]
async fn of_a_run_that_is_damaged_all_is_there_that_can_be_read_and_the_places_of_the_rest() {
    for (damage, read) in [
        ("text.replace('4 36 ', '4 3x ')", ["text 2", "text 3", "", "", ""]),
        ("text.replace('4 36 ', '3 36 ')", ["text 2", "text 3", "", "text 5", "text 6"]),
        ("text.slice(0, text.indexOf('6 36 '))", ["text 2", "text 3", "text 4", "text 5", ""]),
        ("text.replace('#6 ', '')", ["text 2", "text 3", "text 4", "text 5", "text 6"]),
        ("''", [""; 5]),
        ("[text]", [""; 5]),
    ] {
        let name = fresh_database();
        let store = database(&name);
        let transaction = begin(&store).await;
        for seq in 1..=6 {
            let row = Row { id: format!("019e830e-1b8a-7410-83eb-{seq:012x}"), ..row(Lane::Normal, seq) };
            transaction.write_new("ada", &row).unwrap();
        }
        transaction.commit().await.unwrap();
        write(&store, &[row(Lane::Normal, 7)]).await.unwrap();
        drop(store);
        let body = format!(
            "const opened = await done(indexedDB.open(name));
            const write = opened.transaction('queue', 'readwrite');
            const queue = write.objectStore('queue');
            const text = await done(queue.get(['ada', 2, 6, 6]));
            queue.put({damage}, ['ada', 2, 6, 6]);
            await done(write);
            opened.close();"
        );
        script(&name, &body).await;
        let store = database(&name);
        let transaction = begin(&store).await;
        for limit in [5, 6, 100] {
            let rows = transaction.rows("ada", Lane::Normal, 2, u64::MAX, limit).await.unwrap();
            assert_eq!(rows.iter().take(5).map(|row| &*row.text).collect::<Vec<_>>(), read, "{damage}");
            let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
            assert_eq!(seqs, (2..=7).take(limit as usize).collect::<Vec<_>>(), "{damage}");
        }
        transaction.delete("ada", Lane::Normal, 5, 5).unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(seqs(&store, Lane::Normal).await, [1, 2, 3, 4, 6, 7], "{damage}");
    }
}

#[wasm_bindgen_test]
async fn a_record_under_a_key_that_is_none_of_ours_is_one_row_and_can_be_deleted() {
    for key in [
        "['ada', 2, 5, 1e15]",
        "['ada', 2, 5, 0]",
        "['ada', 2, 5, -1]",
        "['ada', 2, 5, 3.5]",
        "['ada', 2, 5, 'x', 1]",
        "['ada', 2, 5, 1]",
    ] {
        let name = fresh_database();
        let store = database(&name);
        write(&store, &[row(Lane::Normal, 7)]).await.unwrap();
        drop(store);
        let body = format!(
            "const opened = await done(indexedDB.open(name));
            const write = opened.transaction('queue', 'readwrite');
            write.objectStore('queue').put('what?', {key});
            await done(write);
            opened.close();"
        );
        script(&name, &body).await;
        let store = database(&name);
        assert_eq!(seqs(&store, Lane::Normal).await, [5, 7], "{key}");
        let transaction = begin(&store).await;
        transaction.delete("ada", Lane::Normal, 5, 5).unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(seqs(&store, Lane::Normal).await, [7], "{key}");
    }
}

#[wasm_bindgen_test]
async fn a_second_row_of_an_id_takes_the_whole_transaction_with_it_and_the_page_hears_nothing_of_it() {
    let store = database(&fresh_database());
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    let errors = Replaced::new("globalThis", "onerror", "return () => { seen.count++ }");
    let failed = write(&store, &[row(Lane::Normal, 2), Row { id: "a1".into(), ..row(Lane::Normal, 3) }]).await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::Failed);
    assert!(failed.message.contains("ConstraintError"), "{failed}");
    assert_eq!(seqs(&store, Lane::Normal).await, [1]);
    assert_eq!(errors.number("seen.count"), 0.0);
}

#[wasm_bindgen_test]
async fn a_transaction_is_strictly_durable_and_committed_at_once() {
    let store = database(&fresh_database());
    let begun = Replaced::new(
        "IDBDatabase.prototype",
        "transaction",
        "return function (...given) { seen.given = given; return original.apply(this, given); }",
    );
    let commits =
        Replaced::new("IDBTransaction.prototype", "commit", "return function () { seen.count++; original.call(this); }");
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    assert_eq!(begun.look("seen.given[2].durability"), "strict");
    assert_eq!(commits.number("seen.count"), 1.0);
}

const FIRST_VERSION: &str = "
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => {
        opening.result.createObjectStore('actions', { keyPath: ['userId', 'seq'] }).createIndex('byId', ['userId', 'id'], { unique: true });
        opening.result.createObjectStore('users');
    };
    const database = await done(opening);
    const action = { schemaVersion: 1, id: '', userId: '', seq: 0, key: null, type: 'save', priority: 'normal', timestamp: 5,
        data: 'Grüße', state: 'pending', attempts: 0, notBefore: null, lastError: null, conflict: null };
    const write = database.transaction(['actions', 'users'], 'readwrite');
    const put = (userId, seq, members, row = JSON.stringify({ ...action, userId, seq, id: `a${seq}`, ...members })) =>
        write.objectStore('actions').put({ userId, seq, id: `a${seq}`, row });
    for (let seq = 100; seq < 1400; seq++) put('ada', seq, {});
    put('ada', 0, { priority: 'critical' }); put('ada', 1, { priority: 'high' }); put('ada', 2, { priority: 'low' });
    put('ada', 3, { key: 'k', notBefore: 7 }); put('ada', 4, { notBefore: 7 });
    put('ada', 5, { key: 'k', state: 'conflict' }); put('ada', 6, { key: 'k', state: 'dead' });
    put('ada', 7, { schemaVersion: 2, key: 'k' }); put('ada', 8, {}, '{cut');
    put('bob', 0, {});
    write.objectStore('users').put('{\"nextSeq\":1400}', 'ada');
    for (let user = 0; user < 600; user++) write.objectStore('users').put(`record ${user}`, `user ${user}`);
    await done(write);";

/// What the first version's database holds, as a text, if it is still there as it was.
const FIRST_CONTENT: &str = "
    const database = await done(indexedDB.open(name, 1));
    const read = database.transaction(['actions', 'users']);
    const all = [await done(read.objectStore('actions').getAll()), await done(read.objectStore('users').getAll())];
    database.close();
    return JSON.stringify(all);";

async fn is_as_the_first_version_left_it(store: &Database) {
    let transaction = store.transaction(Access::Read).await.unwrap();
    let row = async |id: &str| transaction.find("ada", id).await.unwrap().unwrap();
    for (id, lane) in [
        ("a0", Lane::Critical),
        ("a1", Lane::High),
        ("a100", Lane::Normal),
        ("a1399", Lane::Normal),
        ("a2", Lane::Low),
        ("a3", Lane::Waiting),
        ("a4", Lane::Delayed),
        ("a5", Lane::Conflict),
        ("a6", Lane::Dead),
        ("a7", Lane::Unreadable),
        ("a8", Lane::Unreadable),
    ] {
        assert_eq!(row(id).await.lane, lane, "{id}");
    }
    assert_eq!(row("a8").await.text, "{cut");
    let text = r#"{"schemaVersion":1,"id":"a4","userId":"ada","seq":4,"key":null,"type":"save","priority":"normal","timestamp":5,"data":"Grüße","state":"pending","attempts":0,"notBefore":7,"lastError":null,"conflict":null}"#;
    assert_eq!(
        row("a4").await,
        Row { id: "a4".into(), due: Some(WallTime(7)), text: text.into(), ..self::row(Lane::Delayed, 4) }
    );
    let of_key: Vec<_> = transaction.of_key("ada", "k", 0, 10).await.unwrap().into_iter().map(|row| row.seq).collect();
    assert_eq!(of_key, [3, 5, 7], "all of its key but the dead letter");
    assert_eq!(transaction.count("ada", Lane::Normal).await.unwrap(), 1300);
    assert_eq!(transaction.count("bob", Lane::Normal).await.unwrap(), 1);
    assert_eq!(transaction.document("ada", Kind::Queue, "").await.unwrap().as_deref(), Some(r#"{"nextSeq":1400}"#));
    assert_eq!(transaction.document("user 599", Kind::Queue, "").await.unwrap().as_deref(), Some("record 599"));
    assert_eq!(transaction.users().await.unwrap().len(), 602);
}

#[wasm_bindgen_test]
async fn what_the_first_version_has_left_is_all_there_to_the_letter() {
    let name = fresh_database();
    script(&name, &format!("{FIRST_VERSION} database.close()")).await;
    let store = database(&name);
    is_as_the_first_version_left_it(&store).await;
    drop(store);
    let names = script(&name, "const opened = await done(indexedDB.open(name)); const names = [...opened.objectStoreNames].join(); opened.close(); return names").await;
    assert_eq!(names, "documents,files,queue");
}

#[wasm_bindgen_test]
async fn an_upgrade_that_fails_or_is_given_up_leaves_the_first_version_as_it_was() {
    let name = fresh_database();
    script(&name, &format!("{FIRST_VERSION} database.close()")).await;
    let before = script(&name, FIRST_CONTENT).await;
    // Where it throws in the middle, and where its transaction is aborted under it.
    for failure in ["throw new DOMException('no', 'DataError')", "this.transaction.abort()"] {
        let body = format!(
            "return function (...given) {{ if (++seen.count === 700) {{ {failure} }} return original.apply(this, given); }}"
        );
        let puts = Replaced::new("IDBObjectStore.prototype", "put", &body);
        // Nothing is tried again while time stands still.
        let time = FakeTime::new();
        let store = database(&name);
        let failed = async {
            while puts.number("seen.count") < 700.0 {
                turn().await;
            }
        };
        let opening = pin!(store.transaction(Access::Read));
        select(opening, pin!(failed)).await;
        drop(time);
        assert_eq!(puts.number("seen.count"), 700.0);
        assert_eq!(script(&name, FIRST_CONTENT).await, before, "{failure}");
    }
    is_as_the_first_version_left_it(&database(&name)).await;
}

#[wasm_bindgen_test]
async fn an_upgrade_that_throws_says_why() {
    let name = fresh_database();
    script(&name, &format!("{FIRST_VERSION} database.close()")).await;
    let _puts = Replaced::new(
        "IDBObjectStore.prototype",
        "put",
        "return () => { throw new DOMException('cannot be cloned', 'DataError') }",
    );
    let failed = database(&name).transaction(Access::Read).await.unwrap_err();
    assert_eq!((failed.kind, failed.message.as_str()), (StoreErrorKind::Failed, "DataError: cannot be cloned"));
}

#[wasm_bindgen_test]
async fn a_database_of_a_newer_version_is_left_alone_with_a_word_on_what_to_do() {
    let name = fresh_database();
    script(&name, "(await done(indexedDB.open(name, 3))).close()").await;
    let failed = database(&name).transaction(Access::Write).await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::Unreadable);
    assert!(failed.message.contains("reload the page"), "{failed}");
}

#[wasm_bindgen_test]
async fn a_database_that_is_another_applications_is_left_alone() {
    for version in [1, 2] {
        let name = fresh_database();
        let create = "opening.onupgradeneeded = () => opening.result.createObjectStore('theirs'); (await done(opening)).close()";
        script(&name, &format!("const opening = indexedDB.open(name, {version}); {create}")).await;
        let failed = database(&name).transaction(Access::Write).await.unwrap_err();
        assert_eq!(failed.kind, StoreErrorKind::Unreadable);
        assert!(failed.message.contains("the option database"), "{failed}");
        let left = "const opened = await done(indexedDB.open(name)); opened.close(); return `${opened.version} ${[...opened.objectStoreNames]}`";
        assert_eq!(script(&name, left).await, format!("{version} theirs").as_str());
    }
}

#[wasm_bindgen_test]
async fn a_tab_with_the_older_version_is_waited_for() {
    let name = fresh_database();
    // It hears of the newer version, and takes a moment.
    script(&name, &format!("{FIRST_VERSION} database.onversionchange = () => setTimeout(() => database.close(), 50)")).await;
    is_as_the_first_version_left_it(&database(&name)).await;
}

#[wasm_bindgen_test]
async fn a_tab_that_does_not_let_go_of_the_older_version_is_not_waited_for_for_ever() {
    let name = fresh_database();
    script(&name, &format!("{FIRST_VERSION} globalThis.holder = database;")).await;
    let opened = Replaced::new(
        "IDBFactory.prototype",
        "open",
        "return function (...given) { const opening = original.apply(this, given); opening.addEventListener('blocked', () => seen.count++); return opening; }",
    );
    let time = FakeTime::new();
    let store = database(&name);
    let blocked = async {
        while opened.number("seen.count") < 1.0 {
            turn().await;
        }
        time.advance(4999.0);
        turn().await;
        time.advance(1.0);
    };
    let (failed, ()) = join(store.transaction(Access::Read), blocked).await;
    assert_eq!(failed.unwrap_err().kind, StoreErrorKind::Blocked);
    drop(time);
    script(&name, "globalThis.holder.close(); delete globalThis.holder").await;
    is_as_the_first_version_left_it(&store).await;
}

#[wasm_bindgen_test]
async fn an_opening_without_an_answer_is_given_up_and_closed_when_it_comes_late() {
    let name = fresh_database();
    write(&database(&name), &[row(Lane::Normal, 1)]).await.unwrap();
    let nudges = Replaced::new(
        "IDBFactory.prototype",
        "databases",
        "return function () { seen.count++; return Promise.reject(new Error('no')) }",
    );
    // Its answer comes when the test says so.
    let opened = Replaced::new(
        "IDBFactory.prototype",
        "open",
        "return function (...given) {
            const late = { result: { close() { seen.closed = true } } };
            seen.answer = () => late.onsuccess(new Event('success'));
            seen.count++;
            return late;
        }",
    );
    let time = FakeTime::new();
    let store = database(&name);
    let failed = within(&time, 6, store.transaction(Access::Read)).await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::TimedOut);
    assert_eq!((nudges.number("seen.count"), opened.number("seen.count")), (1.0, 1.0));
    opened.look("seen.answer()");
    assert_eq!(opened.look("seen.closed"), true);
    drop((time, opened, nudges));
    assert_eq!(seqs(&store, Lane::Normal).await, [1]);
}

#[wasm_bindgen_test]
async fn a_database_that_nobody_waits_for_any_longer_when_it_is_created_has_its_stores_all_the_same() {
    let name = fresh_database();
    let store = database(&name);
    // A page that is frozen, or a drain that is broken off, just then.
    assert!(matches!(select(pin!(store.transaction(Access::Write)), ready(())).await, Either::Right(_)));
    // Whoever opens it next gets it when that is over.
    script(&name, "(await done(indexedDB.open(name))).close()").await;
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    assert_eq!(seqs(&database(&name), Lane::Normal).await, [1]);
}

#[wasm_bindgen_test]
async fn an_opening_that_fails_for_the_browsers_own_reasons_is_tried_again() {
    for (name, message) in [
        ("UnknownError", "Internal error opening backing store for indexedDB.open."),
        ("SomeError", "Connection to Indexed Database server lost. Refresh the page to try again"),
        ("AbortError", ""),
    ] {
        let body = |failures| {
            format!(
                "return function (...given) {{
                    if (++seen.count > {failures}) return original.apply(this, given);
                    const failing = {{ error: new DOMException({message:?}, {name:?}) }};
                    queueMicrotask(() => failing.onerror(new Event('error')));
                    return failing;
                }}"
            )
        };
        let opened = Replaced::new("IDBFactory.prototype", "open", &body(2));
        write(&database(&fresh_database()), &[row(Lane::Normal, 1)]).await.unwrap();
        assert_eq!(opened.number("seen.count"), 3.0);
        drop(opened);
        let opened = Replaced::new("IDBFactory.prototype", "open", &body(1000));
        let failed = database(&fresh_database()).transaction(Access::Write).await.unwrap_err();
        assert_eq!((failed.kind, opened.number("seen.count")), (StoreErrorKind::Closed, 3.0));
    }
}

#[wasm_bindgen_test]
async fn a_connection_that_is_dead_when_a_transaction_begins_is_opened_again() {
    let store = database(&fresh_database());
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    for failures in [1, 2, 1000] {
        let begun = Replaced::new(
            "IDBDatabase.prototype",
            "transaction",
            &format!(
                "return function (...given) {{
                    if (++seen.count > {failures}) return original.apply(this, given);
                    throw new DOMException('The database connection is closing.', 'InvalidStateError');
                }}"
            ),
        );
        let opened = Replaced::new(
            "IDBFactory.prototype",
            "open",
            "return function (...given) { seen.count++; return original.apply(this, given) }",
        );
        let begins = store.transaction(Access::Read).await;
        if failures == 1000 {
            assert_eq!((begins.unwrap_err().kind, begun.number("seen.count")), (StoreErrorKind::Closed, 3.0));
        } else {
            assert_eq!(begins.unwrap().count("ada", Lane::Normal).await.unwrap(), 1);
            assert_eq!(opened.number("seen.count"), f64::from(failures));
        }
    }
}

#[wasm_bindgen_test]
async fn a_connection_that_was_lost_while_it_rested_is_opened_again() {
    let store = database(&fresh_database());
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    let begun = Replaced::new(
        "IDBDatabase.prototype",
        "transaction",
        "return function (...given) {
            const transaction = original.apply(this, given);
            if (++seen.count === 1) queueMicrotask(() => transaction.abort());
            return transaction;
        }",
    );
    let later = Replaced::new("performance", "now", "return () => original.call(performance) + 3_600_000");
    let transaction = store.transaction(Access::Read).await.unwrap();
    assert_eq!(transaction.count("ada", Lane::Normal).await.unwrap(), 1);
    drop(later);
    assert_eq!(begun.number("seen.count"), 2.0);
}

#[wasm_bindgen_test]
async fn a_read_without_an_answer_ends_the_transaction_and_the_connection() {
    let time = FakeTime::new();
    let store = database(&fresh_database());
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    let gets = Replaced::new(
        "IDBObjectStore.prototype",
        "get",
        "return function () {
            seen.count++;
            // So that the transaction does not end by itself.
            const keep = () => { original.call(this, 0).onsuccess = keep };
            keep();
            return {};
        }",
    );
    let transaction = begin(&store).await;
    transaction.write("ada", &row(Lane::Normal, 2)).unwrap();
    let asked = join(transaction.document("ada", Kind::Queue, ""), transaction.document("ada", Kind::Queue, "other"));
    let (one, other) = within(&time, 21, asked).await;
    assert_eq!((one.unwrap_err().kind, other.unwrap_err().kind), (StoreErrorKind::TimedOut, StoreErrorKind::TimedOut));
    assert_eq!(gets.number("seen.count"), 2.0);
    assert_eq!(transaction.commit().await.unwrap_err().kind, StoreErrorKind::TimedOut);
    drop((time, gets));
    assert_eq!(seqs(&store, Lane::Normal).await.first(), Some(&1), "another connection takes over");
}

#[wasm_bindgen_test]
async fn a_transaction_that_goes_on_is_not_late_however_long_it_takes() {
    let time = FakeTime::new();
    let store = database(&fresh_database());
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    let transaction = begin(&store).await;
    for _ in 0..5 {
        let count = join(transaction.count("ada", Lane::Normal), async { time.advance(15_000.0) }).await.0;
        assert_eq!(count.unwrap(), 1);
    }
    transaction.commit().await.unwrap();
}

#[wasm_bindgen_test]
async fn a_timer_that_comes_late_lets_the_answers_come_first() {
    let time = FakeTime::new();
    let store = database(&fresh_database());
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    let transaction = begin(&store).await;
    // The page was frozen: the timer is the first that is heard of.
    let count = join(transaction.count("ada", Lane::Normal), async { time.freeze(100_000.0) }).await.0;
    assert_eq!(count.unwrap(), 1);
}

#[wasm_bindgen_test]
async fn a_full_disk_is_told_of_when_the_transaction_is_committed() {
    let store = database(&fresh_database());
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    // The quota is only known to be exceeded when all is to be written down: no request fails.
    let commits = Replaced::new(
        "IDBTransaction.prototype",
        "commit",
        "return function () {
            Object.defineProperty(this, 'error', { value: new DOMException('', 'QuotaExceededError') });
            this.abort();
        }",
    );
    let failed = write(&store, &[row(Lane::Normal, 2)]).await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::QuotaExceeded);
    drop(commits);
    assert_eq!(seqs(&store, Lane::Normal).await, [1]);
}

#[wasm_bindgen_test]
async fn a_database_that_was_deleted_is_created_anew() {
    let name = fresh_database();
    let store = database(&name);
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    // The deletion waits for no one: the connection closes when it hears of it.
    script(&name, "await done(indexedDB.deleteDatabase(name))").await;
    write(&store, &[row(Lane::Normal, 2)]).await.unwrap();
    assert_eq!(seqs(&store, Lane::Normal).await, [2]);
}

#[wasm_bindgen_test]
async fn a_store_that_is_given_up_while_it_opens_leaves_nothing_in_the_way() {
    let name = fresh_database();
    let store = database(&name);
    let mut opening = Box::pin(store.transaction(Access::Write));
    assert!(futures_util::FutureExt::now_or_never(&mut opening).is_none());
    drop(opening);
    drop(store);
    write(&database(&name), &[row(Lane::Normal, 1)]).await.unwrap();
}

#[wasm_bindgen_test]
async fn those_who_come_while_the_database_opens_go_on_in_their_order() {
    let store = database(&fresh_database());
    let order = RefCell::new(vec![]);
    let writes = (0..20).map(|seq| {
        let (store, order) = (&store, &order);
        async move {
            write(store, &[row(Lane::Normal, seq)]).await.unwrap();
            order.borrow_mut().push(seq);
        }
    });
    join_all(writes).await;
    assert_eq!(order.take(), (0..20).collect::<Vec<_>>());
}

#[wasm_bindgen_test]
async fn a_damaged_record_is_read_as_far_as_it_can_be() {
    let name = fresh_database();
    let store = database(&name);
    write(&store, &[row(Lane::Normal, 1)]).await.unwrap();
    drop(store);
    script(
        &name,
        "const opened = await done(indexedDB.open(name));
        const write = opened.transaction('queue', 'readwrite');
        write.objectStore('queue').put({ u: 'ada', l: 99, s: 2, i: 'x', t: { no: 'text' }, k: [], d: 'soon' }, ['ada', 99, 2]);
        await done(write);
        opened.close();",
    )
    .await;
    let transaction = database(&name).transaction(Access::Read).await.unwrap();
    let found = transaction.find("ada", "x").await.unwrap().unwrap();
    assert_eq!(found, Row { id: "x".into(), text: String::new(), ..row(Lane::Unreadable, 2) });
}
