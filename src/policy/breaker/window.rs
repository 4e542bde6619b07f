//! What the calls of the last while came to: counts by time, and failures in a row.

/// In how many steps the window moves.
const STEPS: u8 = 10;

/// What some calls came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u32,
    pub(super) failures: u32,
    /// Those of the failures that the server answered with.
    pub(super) failures_by_server: u32,
    pub(super) slow: u32,
    /// Those of the slow that the server called degraded.
    pub(super) degraded: u32,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.failures_by_server = self.failures_by_server.saturating_add(other.failures_by_server);
        self.slow = self.slow.saturating_add(other.slow);
        self.degraded = self.degraded.saturating_add(other.degraded);
    }

    fn subtract(&mut self, other: Self) {
        self.calls = self.calls.saturating_sub(other.calls);
        self.failures = self.failures.saturating_sub(other.failures);
        self.failures_by_server = self.failures_by_server.saturating_sub(other.failures_by_server);
        self.slow = self.slow.saturating_sub(other.slow);
        self.degraded = self.degraded.saturating_sub(other.degraded);
    }

    /// The calls whose outcome the server had a part in: all but those that no response has arrived for.
    pub(super) fn calls_with_response(&self) -> u32 {
        self.calls.saturating_sub(self.failures.saturating_sub(self.failures_by_server))
    }
}

/// The counts of a window of time that moves in steps, so that what is older than the window is gone, however long nothing
/// happens.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// How long a step is, at least 1 ms.
    step: u64,
    /// When the current step began.
    began: u64,
    /// Where in `steps` the current one is.
    current: u8,
    steps: [Counts; STEPS as usize],
    total: Counts,
}

impl Window {
    /// An empty window of this length, in milliseconds.
    pub(super) fn new(length: u64) -> Self {
        Self { step: step_of(length), began: 0, current: 0, steps: Default::default(), total: Counts::default() }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.steps = Default::default();
        self.total = Counts::default();
    }

    /// Makes it a window of another length, and keeps what is in both. Where the steps differ, a call is taken to be as old as the
    /// step it was counted in.
    pub(super) fn resize(&mut self, length: u64, now: u64) {
        if step_of(length) == self.step {
            return;
        }
        // What the old window has let go must not come back with a longer one.
        self.advance(now);
        let mut resized = Self::new(length);
        for age in (0..STEPS).rev() {
            let began = self.began.saturating_sub(u64::from(age).saturating_mul(self.step));
            let index = (self.current + STEPS - age) % STEPS;
            if let Some(counts) = self.steps.get(usize::from(index)).filter(|counts| counts.calls > 0) {
                resized.add(*counts, began);
            }
        }
        resized.advance(now);
        *self = resized;
    }

    /// Counts this in at `now`, which is not earlier than what was counted before.
    pub(super) fn add(&mut self, counts: Counts, now: u64) {
        self.advance(now);
        if let Some(step) = self.steps.get_mut(usize::from(self.current)) {
            step.add(counts);
            self.total.add(counts);
        }
    }

    /// What was counted within the window that ends now.
    pub(super) fn total(&self) -> Counts {
        self.total
    }

    /// Forgets what has become too old.
    pub(super) fn advance(&mut self, now: u64) {
        let since = now.saturating_sub(self.began);
        if since < self.step {
            return;
        }
        let steps = since / self.step;
        self.began = self.began.saturating_add(steps.saturating_mul(self.step));
        if steps >= u64::from(STEPS) {
            self.clear();
            return;
        }
        for _ in 0..steps {
            self.current = (self.current + 1) % STEPS;
            if let Some(step) = self.steps.get_mut(usize::from(self.current)) {
                self.total.subtract(*step);
                *step = Counts::default();
            }
        }
    }
}

fn step_of(length: u64) -> u64 {
    (length / u64::from(STEPS)).max(1)
}

/// Failures without a success between them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FailuresInRow {
    failures: u32,
    last: u64,
}

impl FailuresInRow {
    /// How many there are, if the last is not longer ago than the window.
    pub(super) fn count(self, now: u64, window: u64) -> u32 {
        if now.saturating_sub(self.last) > window { 0 } else { self.failures }
    }

    /// Lets go of those that are too long ago for this window.
    pub(super) fn forget(&mut self, now: u64, window: u64) {
        self.failures = self.count(now, window);
    }

    /// One more, which counts for so many.
    pub(super) fn add(&mut self, weight: u32, now: u64, window: u64) {
        self.failures = self.count(now, window).saturating_add(weight);
        self.last = now;
    }
}
