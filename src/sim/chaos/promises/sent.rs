//! What is sent is what it may be, by whom it may be sent, and has its effect once: what arrives, against what was promised.

use super::super::super::network::SimRequest;
use super::super::super::server::{THINGS, batch_of};
use super::{Known, OVERTAKEN_UNAWARE, Promises, USERS, UnderWay};
use crate::wire::{ActionResult, ActionStatus, QUEUE_ACTIONS_PATH, QueueActionsRequest, WireAction};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The statuses with which a server says of a lone action that it will never take it as it is.
const FINAL: [u16; 6] = [400, 404, 409, 410, 413, 422];

impl Promises {
    pub(super) fn sees_sent(&self, now: u64, tab: u64, number: u64, credentials_of: &str, request: &SimRequest) {
        let is_whole = request.url.contains(THINGS);
        let is_batch = is_whole || request.url.ends_with(QUEUE_ACTIONS_PATH);
        self.note(now, || {
            let ids: Vec<&str> = request.body.split(r#""id":""#).skip(1).filter_map(|rest| rest.split('"').next()).collect();
            let key = request.header("Idempotency-Key").unwrap_or("no key");
            format!(
                "tab {tab} sends #{number} {} {} as {credentials_of} under {key}: {}",
                request.method,
                request.url,
                ids.join(" ")
            )
        });
        if !is_batch {
            if let Some((_, user)) = request.url.split_once("/api/sync/status/")
                && user != credentials_of
            {
                self.break_promise(now, format!("the status of {user}'s queue was asked for as {credentials_of}"));
            }
            return;
        }
        let of_thing = request.url.split_once(THINGS).map(|(_, user)| user);
        let of_batch = || request.body.split(r#""userId":""#).nth(1).and_then(|rest| rest.split('"').next());
        let owner = of_thing.or_else(of_batch).unwrap_or_default();
        if owner != credentials_of {
            self.break_promise(now, format!("what {owner} had queued was sent under the credentials of {credentials_of}"));
        }
        if request.header("authorization") == Some("stale") {
            self.break_promise(now, "a credential was stored with a request".into());
        }
        self.check_edits(now, tab, number, request);
        self.check_files(now, request);
        self.check_repetition(now, request);
        let Some(key) = request.header("Idempotency-Key") else {
            return self.break_promise(now, "a batch was sent without an idempotency key".into());
        };
        let mut hasher = DefaultHasher::new();
        request.body.hash(&mut hasher);
        let user = USERS.iter().position(|user| *user == owner).unwrap_or_default();
        let (is_same, is_alone) = {
            let mut books = self.books.borrow_mut();
            books.tally.count(if is_whole { "whole requests sent" } else { "batches sent" });
            let hash = hasher.finish();
            // The key of a whole request is its id, and stays when its data is changed.
            let is_same = is_whole || books.bodies.get(key).is_none_or(|first| *first == hash);
            books.bodies.entry(key.into()).or_insert(hash);
            let has_slept = books.thawed.get(&tab).is_some_and(|thawed| now < thawed + OVERTAKEN_UNAWARE);
            let is_alone = has_slept || !books.under_way.iter().any(|other| other.user == user && !other.was_frozen);
            books.under_way.push(UnderWay { number, tab, user, was_frozen: has_slept });
            (is_same, is_alone || !books.locks)
        };
        if !is_same {
            self.break_promise(now, format!("two different batches were sent under the idempotency key {key}"));
        }
        if !is_alone {
            self.break_promise(now, format!("two drains of {owner}'s queue send at the same time, in spite of their lock"));
        }
    }

    /// What is sent has the files that it was enqueued with, to the last byte, and no others.
    fn check_files(&self, now: u64, request: &SimRequest) {
        let Some(batch) = batch_of(request) else { return };
        let is_whole = request.url.contains(THINGS);
        let wrong = {
            let books = self.books.borrow();
            let mut known = batch.actions.iter().filter_map(|action| Some((action, books.actions.get(number_of(action)?)?)));
            known.find_map(|(action, known)| wrong_of(request, action, known, is_whole))
        };
        if !request.parts.is_empty() {
            self.count("requests with files");
            if batch.actions.len() > 1 {
                self.break_promise(now, "an action with files was sent beside others".into());
            }
        }
        if let Some(what) = wrong {
            self.break_promise(now, what);
        }
    }

    /// What must not be sent twice is not, once the server has carried it out.
    fn check_repetition(&self, now: u64, request: &SimRequest) {
        let Some(batch) = batch_of(request) else { return };
        for action in &batch.actions {
            let books = self.books.borrow();
            let known = number_of(action).and_then(|number| books.actions.get(number));
            // What the network delivers twice is not the SDK's doing, and may be carried out after an answer that said otherwise.
            // Where there are no locks, what is brought from one place to another may be sent from both in the same moment.
            let may_be_in_two = |known: &Known| known.was_below && !books.locks;
            let is_repeated = |known: &Known| {
                let may_be_repeated = known.may_be_repeated || books.has_echoes || may_be_in_two(known);
                known.particulars.is_once && known.applied > 0 && !may_be_repeated
            };
            let is_repeated = known.is_some_and(is_repeated);
            drop(books);
            if is_repeated {
                self.break_promise(now, format!("{} must not be sent twice, and is", action.id));
            }
        }
    }

    /// What has been changed is sent as it is now.
    fn check_edits(&self, now: u64, tab: u64, number: u64, request: &SimRequest) {
        let mut books = self.books.borrow_mut();
        let has_slept = books.thawed.get(&tab).is_some_and(|thawed| now < thawed + OVERTAKEN_UNAWARE);
        if !books.has_edits || has_slept {
            return;
        }
        let Some(batch) = batch_of(request) else { return };
        for action in &batch.actions {
            let known = number_of(action).and_then(|number| books.actions.get(number));
            let Some((others, since)) = known.and_then(|known| known.outdated.as_ref()) else { continue };
            if number > *since && others.iter().any(|data| data == action.data.get()) {
                let what = format!("{} was changed, and is sent as it was: {}", action.id, action.data.get());
                books.violation.get_or_insert(what);
            }
        }
    }

    pub(super) fn sees_carried_out(&self, now: u64, number: u64, batch: &QueueActionsRequest, results: &[ActionResult]) {
        self.note(now, || {
            let said: Vec<String> = results.iter().map(|result| format!("{} {:?}", result.id, result.status)).collect();
            format!("the server carries out #{number}: {}", said.join(", "))
        });
        for (action, result) in batch.actions.iter().zip(results) {
            let request = number;
            let Some(number) = number_of(action) else {
                let (id, data) = (&action.id, action.data.get());
                return self.break_promise(now, format!("{id} arrived with the data {data}, which nobody has enqueued"));
            };
            self.is_spoken_of(number, request);
            self.identify(now, number, &action.id);
            let mut books = self.books.borrow_mut();
            let books = &mut *books;
            let is_certain = books.is_certain();
            let Some(known) = books.actions.get_mut(number) else { return };
            if USERS[known.user] != batch.user_id {
                books.violation.get_or_insert(format!("{} is not {}'s", action.id, batch.user_id));
            }
            let depended_on = known.particulars.depends_on.filter(|_| !known.has_lost_its_dependency);
            if !known.may_be(action.data.get(), number) {
                let (id, data) = (&action.id, action.data.get());
                books.violation.get_or_insert(format!("{id} arrived with the data {data}, which it never had"));
            }
            match result.status {
                ActionStatus::Applied => {
                    books.tally.count("actions applied");
                    let is_certain = is_certain && (books.locks || !known.was_below);
                    if known.is_given_up && !known.is_discarded && !known.has_survived && is_certain {
                        books.violation.get_or_insert(format!("{} was given up, and applied after that", action.id));
                    }
                    known.applied += 1;
                    if known.applied > 1 && books.dedupes {
                        books.violation.get_or_insert(format!("{} has had its effect twice", action.id));
                    }
                    if let Some(key) = known.key.filter(|_| known.applied == 1) {
                        let key = books.keys.entry((known.user, key)).or_default();
                        key.applied.push(number);
                        key.is_checked = false;
                    }
                }
                ActionStatus::Duplicate => books.tally.count("duplicates recognised"),
                ActionStatus::Rejected => {
                    books.tally.count("actions rejected");
                    known.is_refused = true;
                    known.is_denied |= known.applied > 0;
                }
                ActionStatus::Conflict => {
                    books.tally.count("conflicts");
                    known.is_conflicting = true;
                }
                ActionStatus::Retry => books.tally.count("actions to be retried"),
            }
            if let Some(other) = depended_on {
                books.tally.count("dependents arrived");
                if books.actions[other].applied == 0 && !books.actions[other].is_discarded {
                    books.violation.get_or_insert(format!("{} arrived before what it depends on was applied", action.id));
                }
            }
        }
    }

    /// What the server says to a batch as a whole it may mean of a lone action.
    pub(super) fn sees_refused(&self, now: u64, number: u64, status: u16, request: &SimRequest) {
        self.note(now, || format!("#{number} is answered {status}"));
        let Some(batch) = batch_of(request) else { return };
        let request = number;
        for action in &batch.actions {
            if let Some(number) = number_of(action) {
                self.is_spoken_of(number, request);
                self.identify(now, number, &action.id);
            }
        }
        if let ([action], true) = (batch.actions.as_slice(), FINAL.contains(&status)) {
            let mut books = self.books.borrow_mut();
            if let Some(known) = number_of(action).and_then(|action| books.actions.get_mut(action)) {
                known.is_refused = true;
                known.is_denied |= known.applied > 0;
                known.is_conflicting |= status == 409;
            }
        }
    }
}

/// What is wrong with the files of an action that is sent.
fn wrong_of(request: &SimRequest, action: &WireAction, known: &Known, is_whole: bool) -> Option<String> {
    let number = number_of(action)?;
    // What was changed since says no more than its new data.
    let is_changed = is_whole && request.parts.is_empty() && action.data.get() != known.data[0];
    if known.particulars.files == 0 || is_changed {
        return (!request.parts.is_empty()).then(|| format!("{} has no files, and was sent with some", action.id));
    }
    let first = usize::from(!known.is_body());
    let sent: Vec<&[u8]> = request.parts.iter().skip(first).map(|part| &*part.bytes).collect();
    let expected: Vec<Vec<u8>> = (0..known.particulars.files).map(|index| known.content(number, index)).collect();
    if sent != expected {
        return Some(format!("{} was not sent with its {} files as they are: {sent:?}", action.id, expected.len()));
    }
    let names: Vec<String> = action.files.iter().map(|file| format!("{:?} {} {:?}", file.field, file.part, file.name)).collect();
    let expected = |index| format!("{:?} file-{index} {:?}", Some(format!("field-{index}")), Some(format!("{index}.txt")));
    let expected: Vec<String> = (0..known.particulars.files).map(expected).collect();
    (!is_whole && names != expected).then(|| format!("{} was sent with files called {names:?}", action.id))
}

/// The number of an action is its data.
fn number_of(action: &WireAction) -> Option<usize> {
    let digits = action.data.get().strip_prefix(r#"{"n":"#)?;
    digits.get(..digits.find(|digit: char| !digit.is_ascii_digit())?)?.parse().ok()
}
