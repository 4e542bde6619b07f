//! A model of a backend that keeps the sync contract, and remembers what it has seen.

use super::network::SimRequest;
use super::witness::Sight;
use super::world::BEGINNING;
use super::world::Inner;
use crate::platform::Headers;
use crate::time::{WallTime, civil_from_days};
use crate::wire::{ActionResult, ActionStatus, Priority, QUEUE_ACTIONS_PATH, QueueActionsRequest, WireAction};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// What a server answers.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: String,
    /// How long the server takes for it.
    pub after: Duration,
    /// Until when it wants whoever hears this to leave it alone.
    pub pause: Option<Pause>,
}

/// That the server wants to be left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    place: Place,
    until: u64,
    /// The number of the first request that was sent after somebody had heard of it.
    first: u64,
    /// When somebody heard of it.
    heard_at: u64,
}

/// The part of the server that a pause holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    origin: String,
    /// The queue of a user has a gate of its own, which calls do not go through.
    queue_of: Option<String>,
}

impl Reply {
    /// A JSON answer.
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// The same, after so long.
    #[must_use]
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// An action that the server has applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedAction {
    /// Whose it was.
    pub user_id: String,
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: Option<String>,
    /// When, by the monotonic clock.
    pub at: u64,
}

/// How a server does.
#[derive(Debug, Clone, Default)]
pub enum Condition {
    /// It handles requests.
    #[default]
    Well,
    /// It takes no connection.
    Refuses,
    /// It takes requests and never answers.
    Silent,
    /// It answers all requests with this.
    Answers(Reply),
}

/// What a request that has reached the server gets from it.
pub(super) enum Reception {
    Reply(Reply),
    Refusal,
    Silence,
}

/// The server.
#[expect(clippy::struct_excessive_bools, reason = "each is a way to be difficult")]
#[derive(Debug, Default)]
pub struct ModelServer {
    /// All effects, in order. The same action twice is a broken promise.
    pub applied: Vec<AppliedAction>,
    /// All requests that it has handled, with the moment.
    pub requests: Vec<(u64, SimRequest)>,
    /// Whether it forgets what it has handled, which would fill the memory of a long run.
    pub forgets_requests: bool,
    /// The moments at which it was reached, whatever came of that.
    pub arrivals: Vec<u64>,
    /// How it does.
    pub condition: Condition,
    /// The URLs at which it was asked for a sign of life, in order.
    pub probes: Vec<String>,
    /// What it answers at its health instead of that it is healthy.
    pub health: Option<Reply>,
    /// When it was asked for its health, in milliseconds. These requests are no others.
    pub health_checks: Vec<u64>,
    /// Whether the headers of its answers arrive, and their bodies never do.
    pub leaves_bodies_open: bool,
    /// The origins that nothing answers at.
    pub silent: BTreeSet<String>,
    /// How often it was asked before the moment that it had named, by someone who could have known.
    pub asked_too_early: u32,
    /// The statuses that `requests` were answered with, in the same order.
    pub statuses: Vec<u16>,
    /// How many requests are on their way, or are being answered.
    pub on_their_way: u32,
    /// The most that ever were.
    pub most_on_their_way: u32,
    /// The token that the pages send, as a number.
    pub newest_token: u32,
    /// Older tokens than this have expired.
    pub oldest_valid_token: u32,
    /// What it answers to some requests, if there is nothing scripted.
    pub answers: Option<fn(&SimRequest) -> Option<Reply>>,
    /// How long the application takes to refresh credentials.
    pub refresh_takes: Duration,
    /// What it answers next instead of handling requests, in order.
    pub scripted: VecDeque<Reply>,
    /// Ids that it will never take.
    pub poison: BTreeSet<String>,
    /// Ids that something stands against.
    pub conflicting: BTreeSet<String>,
    /// What it answers to a batch with a poisonous action in it, instead of a result for each.
    pub answer_to_poison: Option<Reply>,
    /// How often credentials were refreshed.
    pub refreshes: u32,
    /// Whether it refuses to refresh them.
    pub refuses_refresh: bool,
    /// Whether it has forgotten how to tell what it has applied already.
    pub does_not_dedupe: bool,
    /// How often, of a thousand actions, it wants to see one later.
    pub moody: u16,
    /// Ids that it may name without having been asked about them.
    pub strangers: Vec<String>,
    /// How long after somebody has heard of a moment others may still ask, in milliseconds: where no lock keeps them.
    pub grace: u64,
    /// How far its clock is ahead of the truth, in milliseconds, if it tells it: the moments that it names are then dates.
    pub tells_date: Option<i64>,
    /// How many whole requests it has carried out, or recognised.
    pub whole_requests: u32,
    /// How often a request came with the credentials of another user than it was for.
    pub confused_users: u32,
    seen: BTreeSet<(String, String)>,
    pauses: Vec<Pause>,
    /// Whether what one tab has heard, another may have no way to know.
    pub(super) knows_tabs_apart: bool,
    sent: u64,
}

impl ModelServer {
    /// The number of a request that is being sent.
    pub(super) fn sent(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// The number of the request that was sent last.
    pub(super) fn last_sent(&self) -> u64 {
        self.sent
    }

    /// One more is on its way.
    pub(super) fn begin(&mut self) {
        self.on_their_way += 1;
        self.most_on_their_way = self.most_on_their_way.max(self.on_their_way);
    }

    /// What its clock shows, if it names dates.
    fn date(&self, now: u64) -> Option<WallTime> {
        self.tells_date.map(|ahead| WallTime(BEGINNING + ahead + i64::try_from(now).unwrap()))
    }

    /// Answers 429, and holds those who have heard of it to that.
    pub(super) fn leave_alone(&mut self, now: u64, number: u64, request: &SimRequest, seconds: u64) -> Reply {
        self.note(now, number, request);
        let pause = Pause { place: place_of(request), until: now + seconds * 1000, first: 0, heard_at: 0 };
        let reply = Reply::new(429, "");
        let reply = match self.date(now) {
            None => reply.header("Retry-After", &seconds.to_string()),
            Some(date) => {
                reply.header("Date", &http_date(date)).header("Retry-After", &http_date(date.after(Duration::from_secs(seconds))))
            }
        };
        Reply { pause: Some(pause), ..reply }
    }

    /// A page has heard of it, and so can all that share what they know with it.
    pub(super) fn heard(&mut self, pause: &Pause, now: u64) {
        self.pauses.push(Pause { first: self.sent + 1, heard_at: now, ..pause.clone() });
    }

    /// Of what was said to the queue of a user, only what ends by then is still known to anyone.
    pub(super) fn forget_the_pauses_of_queue(&mut self, user_id: &str, until: u64) {
        self.pauses.retain(|pause| pause.place.queue_of.as_deref() != Some(user_id) || pause.until <= until);
    }

    /// What was said to no queue in particular is not known to everyone.
    pub fn forget_pauses_of_all(&mut self) {
        self.pauses.retain(|pause| pause.place.queue_of.is_some());
    }

    /// What was said is no longer known to anyone.
    pub fn forget_pauses(&mut self) {
        self.pauses.clear();
    }

    fn note(&mut self, now: u64, number: u64, request: &SimRequest) {
        self.pauses.retain(|pause| now < pause.until);
        let (place, grace) = (place_of(request), self.grace);
        let is_too_early =
            |pause: &Pause| pause.place == place && pause.first <= number && pause.heard_at + grace <= request.sent_at;
        if self.pauses.iter().any(is_too_early) && !self.knows_tabs_apart {
            self.asked_too_early += 1;
        }
    }

    /// What comes of a request that has reached it; of a look at its health, if it has no number.
    pub(super) fn receive(&mut self, now: u64, number: Option<u64>, request: &SimRequest, world: &Inner) -> Reception {
        self.arrivals.push(now);
        match (&self.condition, number) {
            (Condition::Well, Some(number)) => Reception::Reply(self.handle(now, number, request, world)),
            (Condition::Well, None) => Reception::Reply(self.tell_health(now)),
            (Condition::Answers(reply), _) => Reception::Reply(reply.clone()),
            (Condition::Refuses, _) => Reception::Refusal,
            (Condition::Silent, _) => Reception::Silence,
        }
    }

    /// A request for a sign of life has reached it. Whether it gives one.
    pub(super) fn receive_probe(&mut self, now: u64, url: &str) -> bool {
        self.arrivals.push(now);
        self.probes.push(url.into());
        matches!(self.condition, Condition::Well | Condition::Answers(_))
    }

    /// Says how it is.
    pub fn tell_health(&mut self, now: u64) -> Reply {
        self.health_checks.push(now);
        let healthy = || Reply::new(200, r#"{"status":"healthy"}"#).header("Content-Type", "application/json");
        self.health.clone().unwrap_or_else(healthy)
    }

    /// Handles a request.
    fn handle(&mut self, now: u64, number: u64, request: &SimRequest, world: &Inner) -> Reply {
        self.note(now, number, request);
        let mut reply = self.answer(now, number, request, world);
        if let (429 | 503, None, Some(seconds)) = (reply.status, &reply.pause, retry_after(&reply)) {
            reply.pause = Some(Pause { place: place_of(request), until: now + seconds * 1000, first: 0, heard_at: 0 });
        }
        if !self.forgets_requests {
            self.requests.push((now, request.clone()));
            self.statuses.push(reply.status);
        }
        reply
    }

    fn answer(&mut self, now: u64, number: u64, request: &SimRequest, world: &Inner) -> Reply {
        let token = request.header("authorization").and_then(|token| token.parse().ok()).unwrap_or(0);
        if token < self.oldest_valid_token {
            return Reply::new(401, r#"{"success":false,"error":{"code":"AUTH_TOKEN_EXPIRED","message":"m"}}"#);
        }
        if let Some(reply) = self.scripted.pop_front() {
            return reply;
        }
        if let Some(reply) = self.answers.and_then(|answers| answers(request)) {
            return reply;
        }
        let Some(batch) = batch_of(request) else {
            return Reply::new(200, r#"{"success":true}"#);
        };
        let is_whole = request.url.contains(THINGS);
        let credentials_of = request.credentials_of();
        if !credentials_of.is_empty() && credentials_of != batch.user_id {
            self.confused_users += 1;
            return Reply::new(403, r#"{"success":false,"error":{"code":"FORBIDDEN","message":"not yours"}}"#);
        }
        let is_poisonous =
            batch.actions.iter().any(|action| self.poison.contains(&action.id) && !self.knows(&batch.user_id, action));
        if let Some(reply) = self.answer_to_poison.as_ref().filter(|_| is_poisonous) {
            return reply.clone();
        }
        let mut held = BTreeSet::new();
        if is_whole {
            self.whole_requests += 1;
        }
        let results: Vec<ActionResult> = batch
            .actions
            .iter()
            .map(|action| {
                let is_moody = world.happens(self.moody);
                self.apply(now, &batch.user_id, action, &mut held, is_moody)
            })
            .collect();
        world.show(Sight::CarriedOut { number, batch: &batch, results: &results });
        if let (true, [action], [result]) = (is_whole, batch.actions.as_slice(), results.as_slice()) {
            return answer_alone(action, result.status);
        }
        let results =
            batch.actions.iter().zip(results).map(|(action, said)| Answered { said, result: made_of(action) }).collect();
        let answer = Answers { success: true, results };
        let reply = Reply::new(200, &serde_json::to_string(&answer).unwrap()).header("Content-Type", "application/json");
        match self.date(now) {
            Some(date) => reply.header("Date", &http_date(date)),
            None => reply,
        }
    }

    /// Whether it knows that it has applied that.
    fn knows(&self, user_id: &str, action: &WireAction) -> bool {
        !self.does_not_dedupe && self.seen.contains(&(user_id.to_string(), action.id.clone()))
    }

    /// The answer as a careless server would give it: some of its results are left out, some are there twice, and strangers stand
    /// among them.
    pub(super) fn make_strange(&self, body: &str, below: impl Fn(u64) -> u64) -> Option<String> {
        let mut answer: Answers = serde_json::from_str(body).ok()?;
        let asked: Vec<String> = answer.results.iter().map(|result| result.said.id.clone()).collect();
        answer.results.retain(|_| below(3) > 0);
        for stranger in self.strangers.iter().filter(|stranger| !asked.contains(stranger)) {
            let status = ActionStatus::Applied;
            let said = ActionResult { id: stranger.clone(), status, error: None, conflict: None, result: None };
            answer.results.push(Answered { said, result: None });
        }
        if let Some(first) = answer.results.first().cloned() {
            let said = ActionResult { status: ActionStatus::Retry, ..first.said };
            answer.results.push(Answered { said, result: None });
        }
        serde_json::to_string(&answer).ok()
    }

    fn apply(
        &mut self,
        now: u64,
        user_id: &str,
        action: &WireAction,
        held: &mut BTreeSet<String>,
        is_moody: bool,
    ) -> ActionResult {
        let status = if self.knows(user_id, action) {
            ActionStatus::Duplicate
        } else if action.key.as_ref().is_some_and(|key| held.contains(key)) {
            ActionStatus::Retry
        } else if self.conflicting.contains(&action.id) {
            held.extend(action.key.clone());
            ActionStatus::Conflict
        } else if is_moody {
            held.extend(action.key.clone());
            ActionStatus::Retry
        } else if self.poison.contains(&action.id) {
            ActionStatus::Rejected
        } else {
            self.seen.insert((user_id.into(), action.id.clone()));
            self.applied.push(AppliedAction { user_id: user_id.into(), id: action.id.clone(), key: action.key.clone(), at: now });
            ActionStatus::Applied
        };
        ActionResult { id: action.id.clone(), status, error: None, conflict: None, result: None }
    }
}

/// Where whole requests go; the user's id follows.
pub(super) const THINGS: &str = "/api/things/";

/// The actions of a request: those of a batch, or the one that a whole request is. `None` if it is about something else.
pub(super) fn batch_of(request: &SimRequest) -> Option<QueueActionsRequest> {
    let Some((_, user_id)) = request.url.split_once(THINGS) else {
        return serde_json::from_str(&request.body).ok();
    };
    let id = request.header("Idempotency-Key")?.trim_matches('"').into();
    let action = WireAction {
        id,
        kind: "save_thing".into(),
        key: request.header("x-key").map(Into::into),
        timestamp: String::new(),
        priority: Priority::default(),
        data: RawValue::from_string(data_of(request)).ok()?,
        files: Vec::new(),
    };
    Some(QueueActionsRequest { user_id: user_id.into(), actions: vec![action] })
}

/// The field of a form that has the data, and the text of the data: of a body that is a file, all of it.
pub(super) const DATA: &str = "data";

fn data_of(request: &SimRequest) -> String {
    let part = request.parts.iter().find(|part| part.field == DATA || part.field.is_empty());
    part.map_or_else(|| request.body.clone(), |part| String::from_utf8_lossy(&part.bytes).into_owned())
}

/// What it answers to a whole request, of which it says that.
fn answer_alone(action: &WireAction, status: ActionStatus) -> Reply {
    let reply = match status {
        ActionStatus::Applied | ActionStatus::Duplicate => {
            let made = made_of(action).map(|made| serde_json::to_string(&made).unwrap());
            Reply::new(200, &made.unwrap_or_default())
        }
        ActionStatus::Rejected => {
            Reply::new(422, r#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"It is wrong"}}"#)
        }
        ActionStatus::Conflict => Reply::new(409, r#"{"version":8}"#),
        ActionStatus::Retry => Reply::new(425, ""),
    };
    reply.header("Content-Type", "application/json")
}

/// What it answers to a batch.
#[derive(Serialize, Deserialize)]
struct Answers {
    success: bool,
    results: Vec<Answered>,
}

/// What it answers to an action.
#[derive(Clone, Serialize, Deserialize)]
struct Answered {
    #[serde(flatten)]
    said: ActionResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Made>,
}

/// What it makes of an action: the number in its data.
#[derive(Clone, Serialize, Deserialize)]
struct Made {
    n: u64,
}

fn made_of(action: &WireAction) -> Option<Made> {
    let digits = action.data.get().strip_prefix(r#"{"n":"#)?;
    let end = digits.find(|digit: char| !digit.is_ascii_digit())?;
    Some(Made { n: digits.get(..end)?.parse().ok()? })
}

/// The part of the server that a request goes to.
fn place_of(request: &SimRequest) -> Place {
    let is_the_queues = request.url.ends_with(QUEUE_ACTIONS_PATH) || request.url.contains(THINGS);
    Place {
        origin: request.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/"),
        queue_of: is_the_queues.then(|| request.credentials_of().to_string()),
    }
}

fn retry_after(reply: &Reply) -> Option<u64> {
    let (_, value) = reply.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    value.parse().ok().filter(|seconds| *seconds < 86_400)
}

/// As RFC 9110 §5.6.7 writes it.
fn http_date(moment: WallTime) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let (days, seconds) = (moment.0.div_euclid(86_400_000), moment.0.rem_euclid(86_400_000) / 1000);
    let (year, month, day) = civil_from_days(days);
    let nth = |names: &[&'static str], number: i64| *names.get(usize::try_from(number).unwrap()).unwrap();
    let (weekday, month) = (nth(&WEEKDAYS, days.rem_euclid(7)), nth(&MONTHS, month - 1));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hours:02}:{minutes:02}:{seconds:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_wants_it() {
        assert_eq!(http_date(WallTime(784_111_777_000)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(WallTime(BEGINNING)), "Mon, 01 Jun 2026 12:00:00 GMT");
    }
}
