//! What depends on others, and on what is no longer there.

use super::rules::{NOW, Queue, json, newcomer};
use futures_executor::block_on;
use steadfast::json::Json;
use steadfast::outbox::{self, Change, Decided, Newcomer};
use steadfast::platform::tables::Lane;
use steadfast::queue::action::Action;
use steadfast::queue::answer::Verdict;
use steadfast::queue::outcome::Outcome;
use steadfast::queue::request::WholeRequest;

const NAMES_THE_ID: &str = r#"{"post":{"$result":"post","at":"/id"}}"#;

fn photo(id: &str, key: Option<&str>) -> Newcomer {
    let mut photo = newcomer(id, key);
    photo.action.depends_on = Some("post".into());
    photo.action.data = json(NAMES_THE_ID);
    photo
}

/// A queue with a dead letter, `photo`: what it depends on, `post`, was discarded.
fn queue_with_orphan(key: Option<&str>) -> Queue {
    let queue = Queue::default();
    queue.append(vec![newcomer("post", None), photo("photo", key)]);
    block_on(outbox::discard(&queue.0, "ada", "post")).unwrap().unwrap();
    assert_eq!(queue.lane("photo"), Lane::Dead);
    queue
}

fn requeue(queue: &Queue, data: Option<&str>) -> Decided {
    let decided = block_on(outbox::requeue(&queue.0, "ada", "photo", data.map(json))).unwrap().unwrap();
    queue.check();
    decided
}

fn created() -> Verdict {
    Verdict::Applied(Json::new(r#"{"id":"p7"}"#.into()))
}

fn read(queue: &Queue, id: &str) -> Action {
    Action::read(&queue.row(id).unwrap(), "ada")
}

fn error(queue: &Queue) -> String {
    read(queue, "photo").last_error.unwrap().get().into()
}

#[test]
fn what_is_put_back_though_what_it_names_never_came_dies_again_of_the_same() {
    let queue = queue_with_orphan(None);
    let before = (queue.row("photo"), error(&queue));
    let decided = requeue(&queue, None);
    assert!(matches!(&decided.settled[..], [(id, Outcome::Rejected { .. })] if id == "photo"), "{decided:?}");
    assert_eq!((queue.row("photo"), error(&queue)), before);
    assert!(before.1.contains("ACTION_DEPENDENCY_FAILED"));
}

#[test]
fn what_is_put_back_after_what_it_names_was_applied_has_it() {
    let queue = queue_with_orphan(None);
    queue.append(vec![newcomer("post", None)]);
    queue.answer(NOW, &created());
    assert_eq!(requeue(&queue, None).settled, []);
    let photo = read(&queue, "photo");
    assert_eq!((photo.data.get(), photo.lane, photo.depends_on), (r#"{"post":"p7"}"#, Lane::Normal, None));
}

#[test]
fn what_is_put_back_though_the_result_has_nothing_there_dies_again_of_the_same() {
    let queue = Queue::default();
    queue.append(vec![newcomer("post", None), photo("photo", None)]);
    queue.answer(NOW, &Verdict::Applied(None));
    let before = error(&queue);
    assert!(before.contains("has nothing at"), "{before}");
    requeue(&queue, None);
    assert_eq!((queue.lane("photo"), error(&queue)), (Lane::Dead, before));
}

#[test]
fn what_is_put_back_with_other_data_waits_for_nothing() {
    let queue = queue_with_orphan(None);
    assert_eq!(requeue(&queue, Some("2")).settled, []);
    let photo = read(&queue, "photo");
    assert_eq!((photo.data.get(), photo.lane, photo.depends_on), ("2", Lane::Normal, None));
}

#[test]
fn what_is_put_back_with_data_that_was_given_before_waits_for_nothing() {
    let queue = queue_with_orphan(None);
    let change = block_on(outbox::edit(&queue.0, "ada", "photo", json("2"))).unwrap();
    assert!(matches!(change, Change::Done(_)));
    assert_eq!(requeue(&queue, None).settled, []);
    assert_eq!((read(&queue, "photo").data.get(), queue.lane("photo")), ("2", Lane::Normal));
}

#[test]
fn other_data_does_not_put_right_a_url_that_names_what_never_came() {
    let queue = Queue::default();
    let mut request = photo("photo", None);
    let url = r#"{"method":"POST","url":"https://api.example/posts/$result(post,%2Fid)/photos","body":"data"}"#;
    request.action.request = Some(Box::new(serde_json::from_str::<WholeRequest>(url).unwrap()));
    queue.append(vec![newcomer("post", None), request]);
    block_on(outbox::discard(&queue.0, "ada", "post")).unwrap().unwrap();
    requeue(&queue, Some("2"));
    assert_eq!(queue.lane("photo"), Lane::Dead);
    queue.append(vec![newcomer("post", None)]);
    queue.answer(NOW, &created());
    requeue(&queue, None);
    let photo = read(&queue, "photo");
    assert_eq!((photo.data.get(), photo.request.unwrap().url.as_str()), ("2", "https://api.example/posts/p7/photos"));
}

#[test]
fn what_dies_again_holds_back_nobody_and_what_is_completed_is_sent_in_its_old_place() {
    let queue = queue_with_orphan(Some("k"));
    queue.append(vec![newcomer("behind", Some("k"))]);
    requeue(&queue, None);
    assert_eq!((queue.lane("photo"), queue.lane("behind")), (Lane::Dead, Lane::Normal));
    queue.append(vec![newcomer("post", None)]);
    let epoch = queue.begin(NOW);
    let batch = queue.batch(epoch, NOW);
    let verdicts: Vec<Verdict> =
        batch.actions.iter().map(|action| if action.id == "post" { created() } else { Verdict::Unlisted }).collect();
    queue.settle(epoch, &batch, &verdicts, super::rules::moment(NOW));
    requeue(&queue, None);
    assert!(queue.row("photo").unwrap().seq < queue.row("behind").unwrap().seq);
    assert_eq!(queue.lane("photo"), Lane::Normal);
}

#[test]
fn what_is_put_back_does_not_wait_for_one_that_waits_behind_it() {
    let queue = queue_with_orphan(Some("k"));
    queue.append(vec![newcomer("post", Some("k")), photo("other", None)]);
    requeue(&queue, None);
    assert_eq!((queue.lane("photo"), queue.lane("post")), (Lane::Dead, Lane::Normal));
    assert_eq!(queue.lane("other"), Lane::Dependent, "it is not told what is told to the other one");
}
