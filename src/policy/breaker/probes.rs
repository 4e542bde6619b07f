//! The probes of a half-open breaker: how many are out, and until when each has its place.

/// The probes that are out. Each has its place for a while, so that one that never comes back does not keep it for ever.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes {
    out: Vec<Probe>,
    /// How many were sent; the next one's number.
    sent: u32,
    /// How many have succeeded.
    pub(super) succeeded: u32,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    number: u32,
    lease_ends: u64,
}

impl Probes {
    /// Gives a place to one more, if fewer than `most` are out, and returns its number.
    pub(super) fn send(&mut self, most: u32, lease: u64, now: u64) -> Option<u32> {
        self.out.retain(|probe| probe.lease_ends > now);
        if self.out(now) >= most {
            return None;
        }
        let number = self.sent;
        self.sent = self.sent.wrapping_add(1);
        self.out.push(Probe { number, lease_ends: now.saturating_add(lease) });
        Some(number)
    }

    /// Takes its place back from the probe of this number. Whether it still had it.
    pub(super) fn back(&mut self, number: u32, now: u64) -> bool {
        let place = self.out.iter().position(|probe| probe.number == number);
        place.map(|place| self.out.swap_remove(place)).is_some_and(|probe| probe.lease_ends > now)
    }

    /// How many are out.
    pub(super) fn out(&self, now: u64) -> u32 {
        let out = self.out.iter().filter(|probe| probe.lease_ends > now).count();
        u32::try_from(out).unwrap_or(u32::MAX)
    }

    /// How long it takes at most until one more may be sent.
    pub(super) fn free_after(&self, most: u32, now: u64) -> u64 {
        // A policy that allows fewer than are out already waits for several of them.
        let ends = self.out.iter().map(|probe| probe.lease_ends).filter(|end| self.out(*end) < most);
        ends.min().map_or(0, |end| end.saturating_sub(now))
    }
}
