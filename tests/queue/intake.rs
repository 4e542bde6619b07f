//! What new actions do to those that are there: they take their places, or make them give way.

use super::rules::{NOW, Queue, json, newcomer};
use std::rc::Rc;
use steadfast::outbox::Newcomer;
use steadfast::platform::tables::Lane;
use steadfast::queue::action::Action;
use steadfast::queue::answer::Verdict;
use steadfast::queue::coalescing::Coalescing;
use steadfast::queue::limits::QueueLimits;
use steadfast::queue::outcome::Outcome;

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
