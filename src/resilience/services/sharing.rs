//! What tabs learn of services from one another.

use super::super::shared::{self, SharedService};
use super::Services;
use crate::event::Event;
use crate::platform::{Clock, Platform};
use crate::time::milliseconds;

/// How the state of services is shared between tabs.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// What the tabs that share it know it by.
    pub scope: String,
    /// Whether news are also posted, for those who cannot read what is written down. Opens the channel between the tabs.
    pub posts: bool,
}

impl<P: Platform> Services<P> {
    /// Writes down for the other tabs, and for this one after a reload, what a service wants and how it does.
    pub(super) fn share(&self, key: &str, has_recovered: bool) {
        let Some(sharing) = &self.sharing else { return };
        self.catch_up();
        let (now, wall) = (self.now(), self.platform.clock().wall());
        let mut state = self.visit(key, |service| service.shared(now, wall));
        state.has_recovered = has_recovered;
        self.visit(key, |service| service.heard = Some(state));
        *self.seen.borrow_mut() = Some(shared::write(self.platform.as_ref(), key, state));
        if sharing.posts {
            shared::post(self.platform.as_ref(), &sharing.scope, key, state);
        }
    }

    /// Reads what other tabs have written down since this one looked last.
    pub(super) fn catch_up(&self) {
        if self.sharing.is_none() {
            return;
        }
        let written = shared::read(self.platform.as_ref());
        if *self.seen.borrow() == written {
            return;
        }
        let states = written.as_deref().map(shared::parse).unwrap_or_default();
        *self.seen.borrow_mut() = written;
        let wall = self.platform.clock().wall();
        for (key, state) in states {
            if self.accept(&key, state) && state.is_ahead_of(wall) {
                // The clock was set back since. From here on it counts, or each reload would wait for the whole of it.
                self.share(&key, state.has_recovered);
            }
        }
    }

    /// Hears what another tab has learnt.
    pub fn hear(&self, message: &str) {
        if let Some((key, state)) = self.sharing.as_ref().and_then(|sharing| shared::heard(&sharing.scope, message)) {
            self.accept(&key, state);
        }
    }

    /// Takes over what another tab has learnt, unless this one knows it already: by another clock it might mean something else by
    /// now. Says whether it is news.
    fn accept(&self, key: &str, state: SharedService) -> bool {
        let (now, wall) = (self.now(), self.platform.clock().wall());
        match self.by_key.borrow().get(key) {
            Some(service) if service.heard == Some(state) => return false,
            None if state.pause_left(wall).is_zero() && state.open_left(wall).is_zero() => return false,
            _ => {}
        }
        let pause = state.pause_left(wall);
        if self.visit(key, |service| service.pause.prolong(pause, now)) {
            self.platform.emit(&Event::ServicePaused { service: key.into(), for_ms: milliseconds(pause) });
        }
        let transition = self.visit(key, |service| {
            service.heard = Some(state);
            service.policy.breaker?;
            let left = state.open_left(wall);
            if left.is_zero() {
                service.opening = None;
                return state.has_recovered.then(|| service.breaker.recovered(now)).flatten();
            }
            service.opening = Some((now.after(left), state.opens));
            service.breaker.open_until(now.after(left), state.opens, now)
        });
        self.changed(key, transition);
        true
    }
}
