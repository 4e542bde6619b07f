//! What happens: how many clients there are, what they do, and what happens to their server.

use std::time::Duration;
use steadfast::sim::{Condition, Reply};

/// How a server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    /// It takes no connection: no response arrives.
    Refused,
    /// 503, and not a word on when to come back.
    Unavailable,
    /// 503 with `Retry-After: 1`, which it is 60 s too early with.
    ShortHint,
    /// 503 with `Retry-After: 30`.
    LongHint,
    /// 503 with a `Retry-After` that names the moment at which it will be back: the same one for everybody.
    Moment,
    /// It takes requests and does not answer.
    Silent,
}

impl Outage {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Refused, Self::Unavailable, Self::ShortHint, Self::LongHint, Self::Moment, Self::Silent];

    /// What the documentation calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::Unavailable => "503",
            Self::ShortHint => "503, Retry-After: 1",
            Self::LongHint => "503, Retry-After: 30",
            Self::Moment => "503, Retry-After: the end",
            Self::Silent => "no answer (timeouts)",
        }
    }

    /// How the server does meanwhile.
    pub(crate) fn condition(self) -> Condition {
        let unavailable = Reply::new(503, "");
        match self {
            Self::Refused => Condition::Refuses,
            Self::Unavailable => Condition::Answers(unavailable),
            Self::ShortHint => Condition::Answers(unavailable.header("Retry-After", "1")),
            Self::LongHint => Condition::Answers(unavailable.header("Retry-After", "30")),
            Self::Moment => Condition::Answers(unavailable.header("Retry-After", THE_END)),
            Self::Silent => Condition::Silent,
        }
    }
}

/// [`RECOVERY`] by the wall clock: a world begins at 12:00.
const THE_END: &str = "Mon, 01 Jun 2026 12:02:30 GMT";

/// When the clients have found their stride: the steady state is measured from here to [`OUTAGE`].
pub(crate) const STEADY: Duration = Duration::from_secs(10);
/// When the server fails.
pub(crate) const OUTAGE: Duration = Duration::from_secs(90);
/// When it is back.
pub(crate) const RECOVERY: Duration = Duration::from_secs(150);
/// When the run ends.
pub(crate) const END: Duration = Duration::from_secs(330);

/// A run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// From which everything follows that is left to chance.
    pub(crate) seed: u64,
    /// How many clients there are, each a user on a device of their own.
    pub(crate) clients: u32,
    /// How long it is, on average, from one call of a client to its next.
    pub(crate) between_calls: Duration,
    /// The same for the actions that it enqueues; `None` if it enqueues none.
    pub(crate) between_actions: Option<Duration>,
    /// How the server fails.
    pub(crate) outage: Outage,
}

impl Scenario {
    /// A call per client every 10 s, and nothing in the queue.
    pub(crate) fn calls(seed: u64, clients: u32, outage: Outage) -> Self {
        Self { seed, clients, between_calls: Duration::from_secs(10), between_actions: None, outage }
    }

    /// The same and, every 20 s, an action that must not be lost.
    pub(crate) fn calls_and_actions(seed: u64, clients: u32, outage: Outage) -> Self {
        Self { between_actions: Some(Duration::from_secs(20)), ..Self::calls(seed, clients, outage) }
    }
}
