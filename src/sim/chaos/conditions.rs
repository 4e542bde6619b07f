//! What may happen in a run. Which of it does varies from seed to seed, so that each fault also meets the queue without all the
//! others, behind which it could hide.

use super::super::World;
use super::super::disk::DiskFaults;
use super::super::network::Faults;
use super::super::server::Reply;

/// What a step of a run may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Enqueue,
    Nap,
    Sleep,
    Crash,
    CrashSoon,
    Freeze,
    Overtake,
    Switch,
    WakeWorker,
    Weather,
    Discard,
    Requeue,
    Edit,
    Purge,
    Clear,
    Newer,
    Sync,
    Online,
    Visibility,
    Disk,
    Lose,
    Jump,
    Mood,
    Expire,
}

/// What may happen in a run.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a part of the world that may be missing")]
pub(super) struct Conditions {
    /// Whether there are Web Locks.
    pub(super) locks: bool,
    /// Whether there is a `localStorage`.
    pub(super) key_value: bool,
    /// Whether the server knows what it has applied.
    pub(super) dedupes: bool,
    /// Whether the application can refresh credentials.
    pub(super) refreshes: bool,
    /// Whether the wall clock jumps.
    pub(super) jumps: bool,
    /// How far the server's clock is ahead, in milliseconds, if it names dates.
    pub(super) server_clock: Option<i64>,
    /// What the server answers to a batch with something poisonous in it, instead of a result for each.
    pub(super) answer_to_poison: Option<Reply>,
    /// How often, of a thousand actions, the server wants to see one later.
    pub(super) moody: u16,
    /// Whether actions take the place of others.
    pub(super) coalesces: bool,
    /// Whether actions cease to be worth sending.
    pub(super) expires: bool,
    /// Whether actions depend on others.
    pub(super) depends: bool,
    /// Whether some actions are whole requests.
    pub(super) whole: bool,
    /// Whether some actions have files.
    pub(super) files: bool,
    /// Whether some are given up for others.
    pub(super) evicts: bool,
    /// How many pages there are.
    pub(super) pages: usize,
    /// How many users share the device.
    pub(super) users: usize,
    /// How many keys each of them writes to.
    pub(super) keys: u64,
    /// How many of ten actions have none.
    pub(super) keyless: u64,
    /// What the client is opened with.
    options: String,
    /// How the queue is kept: each time a client is opened, as one of these says.
    encryption: &'static [&'static str],
    /// The steps to choose from, as often as they are likely.
    pub(super) steps: Vec<Step>,
    /// How many there are.
    pub(super) length: u64,
    /// The faults of the disk that may be on.
    disk: [bool; 5],
    /// The faults of the network that may be on.
    network: [bool; FAULTS],
}

const FAULTS: usize = 17;

/// It is encrypted, or was, or is in some tabs.
const ENCRYPTION: [&[&str]; 4] = [&["preferred"], &["required"], &["off", "preferred"], &["off", "preferred", "required"]];

/// Steps with their weights.
const ALWAYS: [(Step, usize); 4] = [(Step::Enqueue, 10), (Step::Nap, 4), (Step::Sleep, 2), (Step::Weather, 3)];
const SOMETIMES: [(Step, usize); 19] = [
    (Step::Crash, 2),
    (Step::CrashSoon, 3),
    (Step::Freeze, 2),
    (Step::Overtake, 1),
    (Step::Switch, 2),
    (Step::WakeWorker, 2),
    (Step::Discard, 1),
    (Step::Requeue, 1),
    (Step::Edit, 2),
    (Step::Purge, 1),
    (Step::Clear, 1),
    (Step::Newer, 1),
    (Step::Sync, 2),
    (Step::Online, 2),
    (Step::Visibility, 2),
    (Step::Disk, 3),
    (Step::Jump, 2),
    (Step::Mood, 2),
    (Step::Expire, 1),
];

impl Conditions {
    pub(super) fn draw(world: &World) -> Self {
        let one_in = |odds: u64| world.below(odds) == 0;
        let size = |most: u64| usize::try_from(world.below(most)).unwrap();
        let mut steps = Vec::new();
        let mut put = |step, weight| steps.extend(std::iter::repeat_n(step, weight));
        for (step, weight) in ALWAYS {
            put(step, weight);
        }
        let mut jumps = false;
        for (step, weight) in SOMETIMES {
            // Most runs are without jumps of the clock: after one, what was to come in a moment may come in two days.
            let is_on = match step {
                Step::Jump => one_in(5),
                Step::Purge | Step::Clear => one_in(12),
                _ => one_in(2),
            };
            if is_on {
                put(step, weight);
                jumps |= step == Step::Jump;
            }
        }
        let answer_to_poison = one_in(3).then(|| {
            let status = *world.inner.one_of(&[400_u16, 409, 413, 422, 500]);
            let body = r#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"One of them is wrong"}}"#;
            Reply::new(status, world.inner.one_of::<&str>(&["", body]))
        });
        let (coalesces, expires, depends, limits) = (one_in(3), one_in(4), one_in(3), one_in(6));
        let most = 4 + world.below(30);
        let queue = if limits { format!(r#","queue":{{"maxActions":{most},"evicts":["low","normal"]}}"#) } else { String::new() };
        let health = if one_in(2) { "" } else { r#","health":false"# };
        let options = format!(r#","sync":{{"maxActions":{}}}{health}{queue}"#, 1 + world.below(6));
        let mut conditions = Self {
            locks: !one_in(4),
            key_value: !one_in(3),
            dedupes: !one_in(6),
            refreshes: one_in(2),
            jumps,
            server_clock: one_in(3).then(|| i64::try_from(world.below(7_200_000)).unwrap() - 3_600_000),
            answer_to_poison,
            coalesces,
            expires,
            depends,
            evicts: limits,
            whole: one_in(2),
            moody: if one_in(3) { u16::try_from(world.below(300)).unwrap() } else { 0 },
            pages: 1 + size(4),
            users: 1 + usize::from(one_in(3)),
            keys: 1 + world.below(4),
            keyless: world.below(6),
            options,
            steps,
            length: 25 + world.below(25),
            disk: std::array::from_fn(|_| one_in(3)),
            network: std::array::from_fn(|_| one_in(3)),
            // Last, so that the others are what they are without them.
            encryption: if one_in(4) { world.inner.one_of::<&[&str]>(&ENCRYPTION) } else { &[] },
            files: one_in(4),
        };
        if one_in(4) {
            conditions.steps.extend([Step::Lose; 4]);
        }
        conditions
    }

    /// What a client is opened with now.
    pub(super) fn options(&self, world: &World) -> String {
        if self.encryption.is_empty() {
            return self.options.clone();
        }
        let member = format!(r#""encryption":"{}""#, world.inner.one_of(self.encryption));
        match self.options.split_once(r#""queue":{"#) {
            Some((before, behind)) => format!(r#"{before}"queue":{{{member},{behind}"#),
            None => format!(r#"{},"queue":{{{member}}}"#, self.options),
        }
    }

    /// Whether the server does not say that it will never take an action, but fails.
    pub(super) fn breaks_silently(&self) -> bool {
        let is_final = |reply: &Reply| reply.status == 413 || matches!(reply.status, 400 | 422) && !reply.body.is_empty();
        self.answer_to_poison.as_ref().is_some_and(|reply| !is_final(reply))
    }

    /// Whether what has been sent may arrive after its page has had an answer to it, or has given it up.
    pub(super) fn has_echoes(&self) -> bool {
        let [.., duplicated, outlives, _, _, _, _, _] = self.network;
        duplicated || outlives
    }

    /// What the disk is like until it changes again, and whether it is full.
    pub(super) fn disk(&self, world: &World) -> (DiskFaults, bool) {
        let some = |is_on: bool, most: u64| if is_on { u16::try_from(world.below(most)).unwrap() } else { 0 };
        let [unavailable, unreadable, aborted, unheard, fills] = self.disk;
        let faults = DiskFaults {
            unavailable: some(unavailable, 150),
            unreadable: some(unreadable, 60),
            aborted: some(aborted, 200),
            unheard: some(unheard, 200),
        };
        (faults, fills && world.below(4) == 0)
    }

    /// What the network is like until it changes again.
    pub(super) fn weather(&self, world: &World) -> Faults {
        // Fair for a while.
        if world.below(4) == 0 {
            return Faults::default();
        }
        let mut enabled = self.network.iter();
        let mut some = |most: u64| {
            let is_on = *enabled.next().unwrap();
            if is_on && world.below(2) == 0 { u16::try_from(world.below(most)).unwrap() } else { 0 }
        };
        Faults {
            lost_requests: some(700),
            lost_responses: some(600),
            cut_responses: some(300),
            portals: some(300),
            unavailable: some(300),
            rate_limited: some(300),
            stalls: some(150),
            blocked: some(150),
            unreadable: some(150),
            delayed: some(200),
            duplicated: some(400),
            outlives: some(1000),
            refused: some(300),
            breakdowns: some(300),
            hollow: some(300),
            strange: some(500),
            slow_headers: some(300),
        }
    }
}
