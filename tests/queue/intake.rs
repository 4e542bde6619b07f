//! What new actions do to those that are there: they take their places, or make them give way.

use super::rules::{NOW, Queue, json, newcomer};
use std::rc::Rc;
use steadfast::outbox::{AppendError, Appended, Newcomer};
use steadfast::platform::StoreErrorKind;
use steadfast::platform::tables::Lane;
use steadfast::queue::action::Action;
use steadfast::queue::answer::Verdict;
use steadfast::queue::coalescing::Coalescing;
use steadfast::queue::limits::QueueLimits;
use steadfast::queue::outcome::Outcome;
use steadfast::wire::Priority;

/// An action that adds so many points to what is there.
fn points(id: &str, points: u32) -> Newcomer {
    let mut newcomer = newcomer(id, Some("score"));
    newcomer.action.data = json(&points.to_string());
    let number = |text: &str| text.parse::<u32>().map_err(|error| error.to_string());
    let merge = move |older: &str, newer: &str| Ok((number(older)? + number(newer)?).to_string());
    newcomer.coalescing = Coalescing::Merge(Rc::new(merge));
    newcomer
}

fn after(other: &str, mut newcomer: Newcomer) -> Newcomer {
    newcomer.action.depends_on = Some(other.into());
    newcomer
}

fn of_priority(priority: Priority, mut newcomer: Newcomer) -> Newcomer {
    newcomer.action.priority = priority;
    newcomer
}

fn replacing(mut newcomer: Newcomer) -> Newcomer {
    newcomer.coalescing = Coalescing::Replace;
    newcomer
}

fn at_most(actions: u64, evicts: &[Priority]) -> QueueLimits {
    QueueLimits { actions, evicts: evicts.to_vec(), ..QueueLimits::default() }
}

/// A queue from which an action of that id has been applied.
fn queue_that_has_applied(id: &str) -> Queue {
    let queue = Queue::default();
    queue.append(vec![newcomer(id, None)]);
    queue.answer(NOW, &Verdict::Applied(None));
    queue
}

fn data(queue: &Queue, id: &str) -> String {
    Action::read(&queue.row(id).unwrap(), "ada").data.get().into()
}

fn superseded(id: &str, by: &str) -> (String, Outcome) {
    (id.into(), Outcome::Superseded { by: by.into() })
}

fn is_full(appended: &Appended) -> bool {
    matches!(&appended.groups[..], [Err(AppendError::Store(error))] if error.kind == StoreErrorKind::QuotaExceeded)
}

#[test]
fn what_waits_for_nothing_any_longer_is_merged_with_the_one_before_it() {
    let queue = queue_that_has_applied("x");
    queue.append(vec![points("six", 6)]);
    let appended = queue.append_within(&QueueLimits::default(), vec![after("x", points("seven", 7))]);
    assert_eq!(appended.settled, [superseded("six", "seven")]);
    assert_eq!((data(&queue, "seven").as_str(), queue.row("six")), ("13", None));
}

#[test]
fn what_waits_for_nothing_any_longer_is_merged_within_its_group() {
    for group in [
        vec![points("six", 6), after("x", points("seven", 7))],
        vec![after("x", points("six", 6)), points("seven", 7)],
        vec![after("x", points("six", 6)), after("x", points("seven", 7))],
    ] {
        let queue = queue_that_has_applied("x");
        let appended = queue.append_within(&QueueLimits::default(), group);
        assert_eq!(appended.settled, [superseded("six", "seven")]);
        assert_eq!(data(&queue, "seven"), "13");
    }
}

#[test]
fn what_has_no_place_yet_is_not_taken_for_the_first_one_on_its_way() {
    let queue = Queue::default();
    queue.append(vec![newcomer("first", None)]);
    let epoch = queue.begin(NOW);
    queue.batch(epoch, NOW);
    queue.append(vec![points("six", 6), points("seven", 7), points("eight", 8)]);
    assert_eq!(data(&queue, "eight"), "21");
}

#[test]
fn what_is_taken_in_at_the_second_attempt_is_merged_wherever_it_was_to_lie_at_the_first() {
    let queue = Queue::default();
    let mut six = points("six", 6);
    six.action.lane = Lane::Dependent;
    queue.append(vec![six, points("seven", 7)]);
    assert_eq!(data(&queue, "seven"), "13");
}

#[test]
fn what_is_merged_is_not_evicted_to_make_room_for_the_one_that_it_is_merged_with() {
    let queue = Queue::default();
    let low = |newcomer| of_priority(Priority::Low, newcomer);
    queue.append(vec![low(points("one", 1))]);
    let mut two = low(points("two", 2));
    two.coalescing = Coalescing::Never;
    queue.append(vec![two]);
    let group = vec![points("four", 4), newcomer("other", None)];
    let appended = queue.append_within(&at_most(2, &[Priority::Low]), group);
    assert_eq!(appended.settled, [("one".into(), Outcome::Evicted), superseded("two", "four")]);
    assert_eq!(data(&queue, "four"), "6");
}

#[test]
fn a_full_queue_takes_what_replaces_another() {
    let queue = Queue::default();
    queue.append(vec![of_priority(Priority::Low, newcomer("old", Some("k")))]);
    for (evicts, [old, new]) in [(&[][..], ["old", "new"]), (&[Priority::Low][..], ["new", "newest"])] {
        let appended = queue.append_within(&at_most(1, evicts), vec![replacing(newcomer(new, Some("k")))]);
        assert_eq!(appended.settled, [superseded(old, new)]);
    }
    let other = queue.append_within(&at_most(1, &[]), vec![newcomer("other", Some("k"))]);
    assert!(is_full(&other) && queue.row("other").is_none());
}

#[test]
fn those_of_a_group_that_replace_each_other_need_room_for_one() {
    let queue = Queue::default();
    let group = ["a", "b", "c"].map(|id| replacing(newcomer(id, Some("k"))));
    let appended = queue.append_within(&at_most(1, &[]), group.to_vec());
    assert_eq!(appended.settled, [superseded("a", "b"), superseded("b", "c")]);
    assert_eq!(queue.record().counts().total(), 1);
}

#[test]
fn a_queue_that_is_over_its_limits_takes_what_does_not_let_it_grow() {
    let queue = Queue::default();
    queue.append(vec![newcomer("other", None), newcomer("a", Some("k"))]);
    let appended = queue.append_within(&at_most(1, &[Priority::Low]), vec![replacing(newcomer("b", Some("k")))]);
    assert_eq!(appended.settled, [superseded("a", "b")]);
}

#[test]
fn what_is_made_of_two_needs_room_for_what_it_has_become() {
    let queue = Queue::default();
    queue.append(vec![newcomer("a", Some("k"))]);
    let limits = QueueLimits { bytes: 100, ..QueueLimits::default() };
    let merged_to = |id: &str, bytes: usize| {
        let mut newcomer = newcomer(id, Some("k"));
        newcomer.coalescing = Coalescing::Merge(Rc::new(move |_, _| Ok("1".repeat(bytes))));
        newcomer
    };
    assert!(is_full(&queue.append_within(&limits, vec![merged_to("b", 100)])));
    let appended = queue.append_within(&limits, vec![merged_to("b", 90)]);
    assert_eq!(appended.settled, [superseded("a", "b")]);
}

#[test]
fn an_urgent_action_that_takes_the_place_of_another_hurries_its_key() {
    let queue = Queue::default();
    let low = |id| of_priority(Priority::Low, newcomer(id, Some("k")));
    queue.append(vec![low("a"), low("b")]);
    queue.append(vec![of_priority(Priority::Critical, replacing(newcomer("c", Some("k"))))]);
    assert_eq!(["a", "c"].map(|id| queue.lane(id)), [Lane::Critical; 2]);
    let mut last = of_priority(Priority::Critical, newcomer("d", Some("k")));
    last.coalescing = Coalescing::DropOlder;
    queue.append(vec![last]);
    assert_eq!(["a", "d"].map(|id| queue.lane(id)), [Lane::Critical; 2]);
}

#[test]
fn an_urgent_action_that_takes_the_place_of_one_that_waits_waits_as_well() {
    let queue = Queue::default();
    let mut behind = newcomer("behind", Some("k"));
    behind.action.depends_on = Some("other".into());
    queue.append(vec![newcomer("other", None), behind, newcomer("waiting", Some("k"))]);
    queue.append(vec![of_priority(Priority::Critical, replacing(newcomer("urgent", Some("k"))))]);
    assert_eq!((queue.lane("urgent"), queue.row("waiting")), (Lane::Waiting, None));
}

/// A queue in which a low action is on its way, and a critical one of its key is kept behind it in its lane.
fn queue_with_critical_behind_low(coalesces: bool) -> Queue {
    let queue = Queue::default();
    let low = |id| of_priority(Priority::Low, newcomer(id, Some("k")));
    queue.append(vec![low("sent")]);
    let epoch = queue.begin(NOW);
    queue.batch(epoch, NOW);
    let critical = of_priority(Priority::Critical, newcomer("critical", Some("k")));
    if coalesces {
        queue.append(vec![low("older")]);
        queue.append(vec![replacing(critical)]);
    } else {
        queue.append(vec![critical]);
    }
    assert_eq!(queue.lane("critical"), Lane::Low);
    queue
}

#[test]
fn what_is_urgent_gives_way_to_nothing_less_urgent_wherever_it_lies() {
    for coalesces in [false, true] {
        let queue = queue_with_critical_behind_low(coalesces);
        let limits = at_most(2, &[Priority::Low]);
        assert!(is_full(&queue.append_within(&limits, vec![newcomer("normal", None)])));
        queue.append(vec![of_priority(Priority::Low, newcomer("low", None))]);
        let limits = at_most(3, &[Priority::Low]);
        let appended = queue.append_within(&limits, vec![newcomer("normal", None)]);
        assert_eq!(appended.settled, [("low".into(), Outcome::Evicted)]);
        assert!(queue.row("critical").is_some());
    }
}
