//! Someone who looks on and changes nothing.

use super::network::SimRequest;
use crate::event::Event;
use crate::wire::{ActionResult, QueueActionsRequest};

/// Someone who looks on and changes nothing.
pub(super) trait Witness {
    /// Something happens, at that moment by the monotonic clock.
    fn sees(&self, now: u64, sight: Sight<'_>);
}

/// Something that happens.
pub(super) enum Sight<'a> {
    /// A page sends a request, with the credentials of a user.
    Sent { tab: u64, number: u64, credentials_of: &'a str, request: &'a SimRequest },
    /// The page has an answer, or has given up.
    Over { number: u64 },
    /// What the network does to a request, or to its answer.
    Fate { number: u64, fate: &'static str },
    /// A batch has reached the server, which carries it out.
    CarriedOut { number: u64, batch: &'a QueueActionsRequest, results: &'a [ActionResult] },
    /// A batch has reached the server, or what stands before it, and was answered as a whole.
    Refused { number: u64, status: u16, request: &'a SimRequest },
    /// A page was told something by the SDK.
    Told { tab: u64, event: &'a Event },
    /// What only a page had is gone.
    Lost { ids: &'a [String] },
    /// A page is gone.
    Died { tab: u64 },
}
