//! A model of a backend that keeps the sync contract, and remembers what it has seen.

use super::network::SimRequest;
use crate::platform::Headers;
use crate::wire::{ActionResult, ActionStatus, QueueActionsRequest, QueueActionsResponse, WireAction};
use std::collections::{BTreeSet, VecDeque};

/// What a server answers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: String,
}

impl Reply {
    /// A JSON answer.
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, headers: vec![], body: body.into() }
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
    /// Until when it wants to be left alone, in milliseconds.
    pub left_alone_until: u64,
    /// How often it was asked before that.
    pub asked_too_early: u32,
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
    seen: BTreeSet<(String, String)>,
}

impl ModelServer {
    /// Answers 429 and remembers until when.
    pub fn leave_alone(&mut self, now: u64, seconds: u64) -> Reply {
        self.note(now);
        self.left_alone_until = self.left_alone_until.max(now + seconds * 1000);
        Reply::new(429, "").header("Retry-After", &seconds.to_string())
    }

    fn note(&mut self, now: u64) {
        if now < self.left_alone_until {
            self.asked_too_early += 1;
        }
    }

    /// What comes of a request that has reached it.
    pub(super) fn receive(&mut self, now: u64, request: &SimRequest) -> Reception {
        self.arrivals.push(now);
        match &self.condition {
            Condition::Well => Reception::Reply(self.handle(now, request)),
            Condition::Answers(reply) => Reception::Reply(reply.clone()),
            Condition::Refuses => Reception::Refusal,
            Condition::Silent => Reception::Silence,
        }
    }

    /// Handles a request.
    pub fn handle(&mut self, now: u64, request: &SimRequest) -> Reply {
        self.note(now);
        if !self.forgets_requests {
            self.requests.push((now, request.clone()));
        }
        if let Some(reply) = self.scripted.pop_front() {
            return reply;
        }
        let Ok(batch) = serde_json::from_str::<QueueActionsRequest>(&request.body) else {
            return Reply::new(200, r#"{"success":true}"#);
        };
        let is_poisonous = batch.actions.iter().any(|action| self.poison.contains(&action.id));
        if let Some(reply) = self.answer_to_poison.as_ref().filter(|_| is_poisonous) {
            return reply.clone();
        }
        let mut held = BTreeSet::new();
        let results = batch.actions.iter().map(|action| self.apply(now, &batch.user_id, action, &mut held)).collect();
        let answer = QueueActionsResponse { success: true, results };
        Reply::new(200, &serde_json::to_string(&answer).unwrap()).header("Content-Type", "application/json")
    }

    fn apply(&mut self, now: u64, user_id: &str, action: &WireAction, held: &mut BTreeSet<String>) -> ActionResult {
        let is_known = !self.does_not_dedupe && self.seen.contains(&(user_id.to_string(), action.id.clone()));
        let status = if is_known {
            ActionStatus::Duplicate
        } else if action.key.as_ref().is_some_and(|key| held.contains(key)) {
            ActionStatus::Retry
        } else if self.conflicting.contains(&action.id) {
            held.extend(action.key.clone());
            ActionStatus::Conflict
        } else if self.poison.contains(&action.id) {
            ActionStatus::Rejected
        } else {
            self.seen.insert((user_id.into(), action.id.clone()));
            self.applied.push(AppliedAction { user_id: user_id.into(), id: action.id.clone(), key: action.key.clone(), at: now });
            ActionStatus::Applied
        };
        ActionResult { id: action.id.clone(), status, error: None, conflict: None }
    }
}
