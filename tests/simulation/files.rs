//! Files of actions: what was stored arrives, to the last byte and with its action, and nothing of it is left behind.

use serde_json::Value;
use std::rc::Rc;
use std::time::Duration;
use steadfast::client::{Edited, QueueError, Receipt};
use steadfast::platform::StoreErrorKind;
use steadfast::queue::draft::Draft;
use steadfast::sim::{Faults, Reply, SimFile, SimPart, SimRequest, Tab, World};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const THINGS: &str = "https://api.example/api/things/ada";

fn file(content: &[u8]) -> SimFile {
    content.into()
}

/// The draft of an action with these files: fields and ids.
fn with_files(id: &str, members: &str, files: &[(&str, &str)]) -> Draft {
    let files = files
        .iter()
        .map(|(field, id)| format!(r#"{{"id":"{id}","field":"{field}","name":"{field}.bin","type":"a/b","bytes":4}}"#));
    let files: Vec<String> = files.collect();
    let fields = format!(r#"{{"id":"{id}","type":"add_photo"{members},"files":[{}]}}"#, files.join(","));
    Draft::read(&fields, r#"{"n":1}"#).unwrap()
}

/// A whole request with files of these ids.
fn request(id: &str, body: &str, files: &[&str]) -> Draft {
    let files: Vec<String> =
        files.iter().map(|id| format!(r#"{{"id":"{id}","name":"me.bin","type":"a/b","bytes":4}}"#)).collect();
    let request = format!(r#"{{"method":"POST","url":"{THINGS}","headers":[["Content-Type","x/y"]],"body":{body}}}"#);
    let fields = format!(r#"{{"id":"{id}","request":{request},"files":[{}]}}"#, files.join(","));
    Draft::read(&fields, r#"{"n":1}"#).unwrap()
}

fn store(world: &World, tab: &Tab, files: Vec<SimFile>) -> Result<Vec<String>, QueueError> {
    let queue = tab.client.queue().unwrap().clone();
    world.block_on(async move { queue.store_files(files).await })
}

fn enqueue(world: &World, tab: &Tab, drafts: Vec<Draft>) -> Result<Vec<Receipt>, QueueError> {
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(drafts).await })
}

/// Stores a file and puts an action with it into the queue.
fn add(world: &World, tab: &Tab, id: &str, members: &str, content: &[u8]) -> String {
    let ids = store(world, tab, vec![file(content)]).unwrap();
    enqueue(world, tab, vec![with_files(id, members, &[("photo", &ids[0])])]).unwrap();
    ids[0].clone()
}

fn is_gone(failed: Result<Vec<Receipt>, QueueError>) -> bool {
    matches!(failed, Err(QueueError::Store(error)) if error.kind == StoreErrorKind::FilesGone)
}

fn sync(world: &World, tab: &Tab) {
    let client = tab.client.clone();
    world.block_on(async move { drop(client.sync().await) });
}

fn drained(world: &World) -> bool {
    world.run_until(HOUR, || world.stored("ada").is_empty())
}

fn requests(world: &World) -> Vec<SimRequest> {
    world.server(|server| server.requests.iter().map(|(_, request)| request.clone()).collect())
}

fn applied(world: &World) -> Vec<String> {
    world.server(|server| server.applied.iter().map(|action| action.id.clone()).collect())
}

fn events(tab: &Tab, kind: &str) -> Vec<Value> {
    let events = tab.events().into_iter().map(|event| serde_json::from_str::<Value>(&event).unwrap());
    events.filter(|event| event["type"] == kind).collect()
}

fn offline(seed: u64) -> (World, Tab) {
    let world = World::new(seed);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    (world, tab)
}

fn goes_online(world: &World) {
    world.set_faults(Faults::default());
    world.set_online(false);
    world.set_online(true);
}

/// The same, where the server has been asked in vain, so that what comes now has not been sent.
fn waiting(seed: u64) -> (World, Tab) {
    let (world, tab) = offline(seed);
    enqueue(&world, &tab, vec![crate::draft("first", None)]).unwrap();
    world.advance(MINUTE);
    (world, tab)
}

/// Whether nothing is left of any file after pages that are gone have been swept up after.
fn nothing_is_left(world: &World) -> bool {
    world.advance(HOUR + MINUTE);
    let sweeper = Tab::open(world, "ada", "");
    sync(world, &sweeper);
    world.advance(MINUTE);
    world.kept_files("ada").is_empty() && world.held_files("ada").is_empty()
}

#[test]
fn an_action_with_files_is_sent_as_a_form_by_itself_and_its_files_are_gone_when_it_is() {
    let (world, tab) = offline(1);
    let ids = store(&world, &tab, vec![file(b"\x00one"), file(b"two\xff")]).unwrap();
    let drafts =
        vec![crate::draft("a", None), with_files("b", "", &[("front", &ids[0]), ("back", &ids[1])]), crate::draft("c", None)];
    enqueue(&world, &tab, drafts).unwrap();
    assert_eq!(world.kept_files("ada").len(), 2);
    goes_online(&world);
    assert!(drained(&world));
    assert_eq!(applied(&world), ["a", "b", "c"]);
    world.advance(MINUTE);
    assert!(world.kept_files("ada").is_empty() && world.held_files("ada").is_empty());
    let sent = requests(&world).into_iter().find(|request| !request.parts.is_empty()).unwrap();
    let [actions, front, back] = sent.parts.as_slice() else { panic!("{sent:?}") };
    assert_eq!((actions.field.as_str(), actions.kind.as_deref()), ("actions", Some("application/json")));
    let part = |field: &str, name: &str, bytes: &[u8]| SimPart {
        field: field.into(),
        name: Some(name.into()),
        kind: None,
        bytes: bytes.into(),
    };
    assert_eq!(*front, part("file-0", "front.bin", b"\x00one"));
    assert_eq!(*back, part("file-1", "back.bin", b"two\xff"));
    let said: Value = serde_json::from_str(&sent.body).unwrap();
    let described = r#"[{"field":"front","part":"file-0","name":"front.bin","type":"a/b","bytes":4},{"field":"back","part":"file-1","name":"back.bin","type":"a/b","bytes":4}]"#;
    assert_eq!(said["actions"][0]["files"], serde_json::from_str::<Value>(described).unwrap());
    assert_eq!(said["actions"].as_array().unwrap().len(), 1);
    assert!(sent.header("Idempotency-Key").is_some());
    let told = events(&tab, "uploadProgress");
    assert_eq!(told.last().unwrap()["sentBytes"], told.last().unwrap()["totalBytes"]);
    assert_eq!(told.last().unwrap()["id"], "b");
}

#[test]
fn a_whole_request_has_a_file_for_its_body_or_a_form_in_its_order() {
    let (world, tab) = offline(2);
    let ids = store(&world, &tab, vec![file(br#"{"n":1}"#), file(b"\xff\x00")]).unwrap();
    let form = r#"{"form":[{"name":"photo","file":0},{"name":"data","text":"{\"n\":1}"}]}"#;
    enqueue(&world, &tab, vec![request("raw", r#""file""#, &[&ids[0]]), request("form", form, &[&ids[1]])]).unwrap();
    goes_online(&world);
    assert!(drained(&world));
    let of = |id: &str| requests(&world).into_iter().find(|request| request.header("Idempotency-Key") == Some(id)).unwrap();
    let raw = of("\"raw\"");
    assert_eq!(&*raw.parts[0].bytes, br#"{"n":1}"#);
    assert_eq!(raw.header("content-type"), Some("x/y"));
    let form = of("\"form\"");
    let fields: Vec<(&str, &[u8])> = form.parts.iter().map(|part| (part.field.as_str(), &*part.bytes)).collect();
    assert_eq!(fields, [("photo", &b"\xff\x00"[..]), ("data", br#"{"n":1}"#)]);
    assert_eq!(form.header("content-type"), None, "whoever sends it chooses the boundary");
    assert!(nothing_is_left(&world));
}

#[test]
fn wherever_a_page_dies_over_it_nothing_is_half_done_and_nothing_is_left() {
    for steps in 0..80 {
        let world = World::new(steps.into());
        let tab = Tab::open(&world, "ada", "");
        world.advance(MINUTE);
        let client = tab.client.clone();
        tab.crash_after(steps);
        tab.spawn(async move {
            let Ok(queue) = client.queue().cloned() else { return };
            let Ok(ids) = queue.store_files(vec![Rc::from(&b"1234"[..]), Rc::from(&b"5678"[..])]).await else { return };
            let draft = with_files("a", "", &[("front", &ids[0]), ("back", &ids[1])]);
            drop(client.enqueue(vec![draft]).await);
        });
        world.advance(MINUTE);
        tab.crash();
        let _other = Tab::open(&world, "ada", "");
        assert!(drained(&world), "{steps}");
        for sent in requests(&world).iter().filter(|request| request.method == "POST") {
            let parts: Vec<&[u8]> = sent.parts.iter().skip(1).map(|part| &*part.bytes).collect();
            assert_eq!(parts, [b"1234", b"5678"], "{steps}");
        }
        assert!(nothing_is_left(&world), "{steps}");
    }
}

#[test]
fn what_no_action_takes_is_deleted_at_once_if_that_is_said_and_else_after_an_hour() {
    let (world, tab) = offline(3);
    let ids = store(&world, &tab, vec![file(b"1234"), file(b"5678")]).unwrap();
    let (queue, dropped) = (tab.client.queue().unwrap().clone(), vec![ids[0].clone()]);
    world.block_on(async move { queue.drop_files(&dropped).await }).unwrap();
    assert_eq!(world.kept_files("ada"), [ids[1].clone()]);
    assert!(is_gone(enqueue(&world, &tab, vec![with_files("a", "", &[("photo", &ids[0])])])));
    world.advance(59 * MINUTE);
    sync(&world, &Tab::open(&world, "ada", ""));
    assert_eq!(world.kept_files("ada").len(), 1, "an action of another page may be on its way");
    assert!(nothing_is_left(&world));
    assert!(is_gone(enqueue(&world, &tab, vec![with_files("a", "", &[("photo", &ids[1])])])));
    assert!(world.stored("ada").is_empty());
}

#[test]
fn a_clock_that_was_set_back_keeps_nothing_for_ever() {
    let (world, tab) = offline(4);
    store(&world, &tab, vec![file(b"1234")]).unwrap();
    world.jump_wall_clock(-365 * 86_400_000);
    tab.crash();
    sync(&world, &Tab::open(&world, "ada", ""));
    assert!(nothing_is_left(&world));
}

#[test]
fn a_file_belongs_to_one_action() {
    let (world, tab) = offline(5);
    let id = add(&world, &tab, "a", "", b"1234");
    assert!(is_gone(enqueue(&world, &tab, vec![with_files("b", "", &[("photo", &id)])])));
    let other = store(&world, &tab, vec![file(b"5678")]).unwrap();
    let twice = vec![with_files("c", "", &[("photo", &other[0])]), with_files("d", "", &[("photo", &other[0])])];
    assert!(is_gone(enqueue(&world, &tab, twice)));
    assert_eq!(world.stored("ada"), ["a"]);
    goes_online(&world);
    assert!(drained(&world) && nothing_is_left(&world));
}

#[test]
fn what_takes_the_place_of_another_lets_go_of_its_files() {
    for how in ["replace", "dropOlder"] {
        let (world, tab) = waiting(6);
        add(&world, &tab, "a", r#","key":"k""#, b"1234");
        let newer = add(&world, &tab, "b", &format!(r#","key":"k","coalesce":"{how}""#), b"5678");
        world.advance(MINUTE);
        assert_eq!((world.stored("ada"), world.kept_files("ada")), (vec!["first".into(), "b".into()], vec![newer]), "{how}");
        goes_online(&world);
        assert!(drained(&world) && nothing_is_left(&world), "{how}");
        assert_eq!(applied(&world), ["first", "b"]);
    }
}

#[test]
fn what_is_merged_has_the_files_of_both_and_of_each_field_the_newer_ones() {
    let (world, tab) = waiting(7);
    let ids = store(&world, &tab, vec![file(b"old1"), file(b"old2"), file(b"new2")]).unwrap();
    let key = r#","key":"k""#;
    enqueue(&world, &tab, vec![with_files("a", key, &[("one", &ids[0]), ("two", &ids[1])])]).unwrap();
    let mut newer = with_files("b", key, &[("two", &ids[2])]);
    newer.merge_by(Rc::new(|_, newer| Ok(newer.into()))).unwrap();
    enqueue(&world, &tab, vec![newer]).unwrap();
    world.advance(MINUTE);
    let mut left = vec![ids[0].clone(), ids[2].clone()];
    left.sort();
    assert_eq!(world.kept_files("ada"), left);
    goes_online(&world);
    assert!(drained(&world));
    let sent = requests(&world).into_iter().find(|request| !request.parts.is_empty()).unwrap();
    let mut parts: Vec<&[u8]> = sent.parts.iter().skip(1).map(|part| &*part.bytes).collect();
    parts.sort_unstable();
    assert_eq!(parts, [b"new2", b"old1"]);
    assert!(nothing_is_left(&world));
}

#[test]
fn whatever_leaves_the_queue_leaves_no_file_behind() {
    let (world, tab) = waiting(8);
    add(&world, &tab, "discarded", "", b"1234");
    add(&world, &tab, "expired", r#","ttlMs":60000"#, b"1234");
    assert_eq!(world.kept_files("ada").len(), 2);
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.discard("discarded").await }).unwrap());
    world.advance(2 * MINUTE);
    assert_eq!((world.stored("ada"), world.kept_files("ada").len()), (vec!["first".into()], 0));

    let limited = Tab::open(&world, "ada", r#","queue":{"maxActions":2,"evicts":["low"]}"#);
    add(&world, &limited, "evicted", r#","priority":"low""#, b"1234");
    enqueue(&world, &limited, vec![crate::draft("other", None)]).unwrap();
    world.advance(MINUTE);
    assert_eq!((world.stored("ada"), world.kept_files("ada").len()), (vec!["first".into(), "other".into()], 0));
}

#[test]
fn a_dead_letter_and_a_conflict_keep_their_files_and_are_sent_with_them_when_they_are_put_back() {
    let (world, tab) = offline(9);
    add(&world, &tab, "refused", "", b"1234");
    add(&world, &tab, "conflicting", "", b"5678");
    world.server(|server| {
        server.poison.insert("refused".into());
        server.conflicting.insert("conflicting".into());
    });
    goes_online(&world);
    world.advance(MINUTE);
    assert_eq!((world.stored("ada").len(), world.kept_files("ada").len()), (2, 2));
    world.server(|server| {
        server.poison.clear();
        server.conflicting.clear();
    });
    for id in ["refused", "conflicting"] {
        let client = tab.client.clone();
        assert!(world.block_on(async move { client.requeue(id).await }).unwrap());
    }
    assert!(drained(&world));
    let sent = requests(&world).into_iter().filter(|request| request.parts.len() == 2).count();
    assert_eq!((sent, applied(&world).len()), (4, 2));
    assert!(nothing_is_left(&world));
}

#[test]
fn other_data_leaves_an_action_its_files_and_takes_them_from_a_request() {
    let (world, tab) = waiting(10);
    add(&world, &tab, "action", "", b"1234");
    let ids = store(&world, &tab, vec![file(b"5678")]).unwrap();
    enqueue(&world, &tab, vec![request("request", r#""file""#, &[&ids[0]])]).unwrap();
    for id in ["action", "request"] {
        let queue = tab.client.queue().unwrap().clone();
        let data = Draft::read_data(r#"{"n":2}"#).unwrap();
        assert_eq!(world.block_on(async move { queue.edit(id, data).await }).unwrap(), Edited::Done);
    }
    world.advance(MINUTE);
    assert_eq!(world.kept_files("ada").len(), 1);
    goes_online(&world);
    assert!(drained(&world));
    let whole = requests(&world).into_iter().find(|request| request.url == THINGS).unwrap();
    assert_eq!((whole.body.as_str(), whole.parts.len()), (r#"{"n":2}"#, 0));
    assert_eq!(whole.header("content-type"), Some("application/json"));
    let batch = requests(&world).into_iter().find(|request| !request.parts.is_empty()).unwrap();
    assert!(batch.body.contains(r#""data":{"n":2}"#), "{batch:?}");
    assert!(nothing_is_left(&world));
}

#[test]
fn a_user_who_leaves_nothing_behind_in_the_middle_of_storing_leaves_no_file_and_no_action_without_one() {
    for moment in 0..40 {
        let world = World::new(moment);
        let (tab, other) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
        world.set_faults(Faults::OUTAGE);
        world.advance(MINUTE);
        let client = tab.client.clone();
        tab.spawn(async move {
            let Ok(queue) = client.queue().cloned() else { return };
            let Ok(ids) = queue.store_files(vec![Rc::from(&b"1234"[..])]).await else { return };
            drop(client.enqueue(vec![with_files("a", "", &[("photo", &ids[0])])]).await);
        });
        world.advance(Duration::from_millis(moment));
        let queue = other.client.queue().unwrap().clone();
        world.block_on(async move { queue.purge().await }).unwrap();
        world.advance(MINUTE);
        // It was enqueued after that, with its file, or it was not.
        assert_eq!(world.stored("ada").len(), world.kept_files("ada").len(), "{moment}");
        goes_online(&world);
        assert!(drained(&world), "{moment}");
        assert!(events(&other, "settled").iter().all(|settled| !settled.to_string().contains("FILE_MISSING")), "{moment}");
        assert!(nothing_is_left(&world), "{moment}");
    }
}

#[test]
fn what_there_is_no_room_for_is_refused_and_nothing_of_it_is_kept() {
    let world = World::new(11);
    let tab = Tab::open(&world, "ada", r#","queue":{"maxBytes":2000}"#);
    let kind_of = |failed: Result<Vec<String>, QueueError>| match failed {
        Err(QueueError::Store(error)) => error.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind_of(store(&world, &tab, vec![file(&[0; 2001])])), StoreErrorKind::QuotaExceeded);
    assert!(world.held_files("ada").is_empty());
    // Its action is too large with it.
    let ids = store(&world, &tab, vec![file(&[0; 1999])]).unwrap();
    let fields = format!(r#"{{"type":"t","files":[{{"id":"{}","field":"f","bytes":1999}}]}}"#, ids[0]);
    let refused = enqueue(&world, &tab, vec![Draft::read(&fields, r#"{"n":1}"#).unwrap()]);
    assert!(matches!(refused, Err(QueueError::Store(error)) if error.kind == StoreErrorKind::QuotaExceeded));
    world.fill_disk(true);
    assert_eq!(kind_of(store(&world, &tab, vec![file(b"1234")])), StoreErrorKind::QuotaExceeded);
    world.fill_disk(false);
    assert!(nothing_is_left(&world));
}

#[test]
fn an_action_whose_file_was_deleted_with_all_else_is_told_of_and_never_sent_without_it() {
    let (world, tab) = offline(12);
    add(&world, &tab, "a", "", b"1234");
    enqueue(&world, &tab, vec![crate::draft("b", None)]).unwrap();
    world.clear_disk();
    goes_online(&world);
    world.advance(MINUTE);
    assert_eq!((applied(&world), world.stored("ada")), (vec!["b".to_string()], vec!["a".to_string()]));
    let settled = events(&tab, "settled").into_iter().find(|settled| settled["id"] == "a").unwrap();
    assert_eq!(
        (&settled["outcome"]["status"], &settled["outcome"]["error"]["code"]),
        (&"rejected".into(), &"FILE_MISSING".into())
    );
    assert!(requests(&world).iter().all(|request| !request.body.contains(r#""id":"a""#)));
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.discard("a").await }).unwrap());
    assert!(nothing_is_left(&world));
}

#[test]
fn where_the_queue_is_encrypted_its_files_are_and_they_arrive_in_the_clear() {
    let world = World::new(13);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", r#","queue":{"encryption":"required"}"#);
    let id = add(&world, &tab, "a", "", b"what nobody is to read");
    assert!(!world.file_on_disk("ada", &id).windows(6).any(|part| part == b"nobody"));
    let queue = tab.client.queue().unwrap().clone();
    let read = world.block_on(async move { queue.file(&id, "").await }).unwrap().unwrap();
    assert_eq!(&*read, b"what nobody is to read");
    tab.crash();
    // It is read where nothing more is encrypted, too.
    let _plain = Tab::open(&world, "ada", "");
    goes_online(&world);
    assert!(drained(&world));
    let sent = requests(&world).into_iter().find(|request| !request.parts.is_empty()).unwrap();
    assert_eq!(&*sent.parts[1].bytes, b"what nobody is to read");
    assert!(nothing_is_left(&world));
}

#[test]
fn a_lost_answer_and_a_server_that_fails_send_the_same_files_again_under_the_same_key() {
    let world = World::new(14);
    let tab = Tab::open(&world, "ada", "");
    add(&world, &tab, "a", "", b"1234");
    world.server(|server| server.scripted.extend([Reply::new(500, ""), Reply::new(503, "")]));
    assert!(drained(&world));
    let sent: Vec<SimRequest> = requests(&world).into_iter().filter(|request| !request.parts.is_empty()).collect();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|request| request.parts == sent[0].parts));
    assert!(sent.iter().all(|request| request.header("Idempotency-Key") == sent[0].header("Idempotency-Key")));
    assert!(nothing_is_left(&world));
}
