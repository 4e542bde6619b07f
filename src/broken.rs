//! Ways in which the queue could be broken, so that the simulation can prove that it would notice.
//!
//! Where the queue's code asks [`is`], a variant does what other queues have been found to do. Nothing of it ships: without the
//! feature `simulation` the answer is a constant, and the branches are gone.

/// A way to break the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Rows leave the disk when they are claimed, before they are sent. A lost request, or a crash, loses them.
    DeleteBeforeSend,
    /// Any 2xx acknowledges the whole batch, whatever is in it: a portal's page, an empty body, verdicts that say otherwise.
    AcknowledgeOnSuccess,
    /// An action of the batch that the answer does not list counts as applied.
    UnlistedAcknowledged,
    /// Whatever the answer lists as applied is deleted, whether it was sent or not.
    StrangersAcknowledged,
    /// A drain that was overtaken goes on claiming and settling.
    NoEpochFence,
    /// Actions are sent in the order of the wall clock at which they were enqueued.
    OrderByWallClock,
    /// Instead of a lock a drain holds a lease of five seconds, which a slow answer outlives.
    LeaseWithoutLock,
    /// A batch is put together anew for each attempt, under the key of the last one.
    BatchNotFixed,
    /// An attempt after a failure gives its actions new ids, which the server cannot know.
    NewIdOnRetry,
    /// What is to be retried later does not hold back what stands behind it in its key.
    RetryLosesOrder,
    /// What is parked, or waits, holds back everything behind it, whatever its key.
    OneKeyBlocksAll,
    /// The gate is closed in the tab that was told, and not on disk.
    GateNotPersisted,
    /// That the browser is online opens every gate.
    OnlineOpensGate,
    /// The moment that a server names is not looked at: backoff alone says when to come back.
    HintIgnored,
    /// The counts are written in a transaction of their own, after the rows.
    CountsApart,
    /// `enqueue` resolves when its requests have succeeded, whatever becomes of the commit.
    ResolveBeforeCommit,
    /// Closing a client leaves its drain running, which then sends under the credentials of whoever is signed in next.
    DrainOutlivesClose,
    /// What the server rejects is deleted without a word.
    RejectedDropped,
    /// A conflict is resolved for the server: the action is deleted without a word.
    ConflictDropped,
    /// After five attempts an action is given up and deleted without a word.
    RetriesRunOut,
    /// Who waits for an action is told that it was applied as soon as there is an answer to its batch.
    SettledOnAnswer,
    /// After a failure nothing is planned: the next attempt waits for something else to happen.
    NoTimer,
    /// Neighbours are deleted together, and one too many.
    NeighbourDeleted,
    /// What cannot be read does not hold back what stands behind it in its key.
    UnreadableHoldsNothing,
    /// What depends on another action is sent without waiting for that.
    DependentGoesAtOnce,
    /// What an action names of another one's result is not put in.
    ResultNotPutIn,
    /// Who waits for an action that was applied is not told.
    DependentsForgotten,
    /// An action takes the place of one that may have been applied.
    SentIsReplaced,
    /// What is being sent, or may have been, makes room for others.
    EvictsSent,
    /// What may have been applied expires.
    ExpiresSent,
    /// The data of an action can be changed while it is being sent.
    EditsSent,
    /// What is on its way is hurried, and its batch no longer finds it.
    PromotionMovesBatch,
    /// An urgent action overtakes those of its key.
    UrgentOvertakesItsKey,
    /// What waited behind an action stays there when that has left.
    ReleaseForgotten,
    /// Nobody takes the lock from a page that stands still.
    NobodySteals,
    /// What lay in a queue that was deleted is not written again by the tab that had put it there.
    ClearedIsForgotten,
    /// A request that must not be sent twice is sent again though the server may have carried it out.
    SentOnceSentAgain,
    /// An action is sent without a file that is not there.
    SentWithoutFile,
    /// Files are deleted before it is certain that their action has left.
    FilesDeletedFirst,
    /// What holds a file is not written down when its action is, so that it is taken for one that nobody wants.
    FilesNotHeld,
    /// What leaves the queue does not let go of its files.
    FilesNotLetGo,
    /// What lies in a lesser place is sent whatever lies in a better one.
    LesserPlaceOvertakes,
    /// What is brought to a better place leaves the lesser one before it is there.
    DeletedBeforePromoted,
    /// What is brought to a better place is written there though it is there already.
    PromotedTwice,
    /// The batch that was made ready goes whatever has become of the one before it.
    NextGoesRegardless,
    /// The batch that was made ready is taken for unsent by whoever finds it.
    NextTakenForUnsent,
}

impl Variant {
    /// All of them.
    pub const ALL: [Self; 46] = [
        Self::DeleteBeforeSend,
        Self::AcknowledgeOnSuccess,
        Self::UnlistedAcknowledged,
        Self::StrangersAcknowledged,
        Self::NoEpochFence,
        Self::OrderByWallClock,
        Self::LeaseWithoutLock,
        Self::BatchNotFixed,
        Self::NewIdOnRetry,
        Self::RetryLosesOrder,
        Self::OneKeyBlocksAll,
        Self::GateNotPersisted,
        Self::OnlineOpensGate,
        Self::HintIgnored,
        Self::CountsApart,
        Self::ResolveBeforeCommit,
        Self::DrainOutlivesClose,
        Self::RejectedDropped,
        Self::ConflictDropped,
        Self::RetriesRunOut,
        Self::SettledOnAnswer,
        Self::NoTimer,
        Self::NeighbourDeleted,
        Self::UnreadableHoldsNothing,
        Self::DependentGoesAtOnce,
        Self::ResultNotPutIn,
        Self::DependentsForgotten,
        Self::SentIsReplaced,
        Self::EvictsSent,
        Self::ExpiresSent,
        Self::EditsSent,
        Self::PromotionMovesBatch,
        Self::UrgentOvertakesItsKey,
        Self::ReleaseForgotten,
        Self::NobodySteals,
        Self::ClearedIsForgotten,
        Self::SentOnceSentAgain,
        Self::SentWithoutFile,
        Self::FilesDeletedFirst,
        Self::FilesNotHeld,
        Self::FilesNotLetGo,
        Self::LesserPlaceOvertakes,
        Self::DeletedBeforePromoted,
        Self::PromotedTwice,
        Self::NextGoesRegardless,
        Self::NextTakenForUnsent,
    ];
}

/// Whether the queue is broken in that way.
#[cfg(not(feature = "simulation"))]
pub const fn is(_variant: Variant) -> bool {
    false
}

/// Whether the queue is broken in that way, in this thread.
#[cfg(feature = "simulation")]
pub fn is(variant: Variant) -> bool {
    switch::BROKEN.get() == Some(variant)
}

#[cfg(feature = "simulation")]
pub use switch::{Breakage, breaking};

#[cfg(feature = "simulation")]
mod switch {
    use super::Variant;
    use std::cell::Cell;

    thread_local! {
        pub(super) static BROKEN: Cell<Option<Variant>> = const { Cell::new(None) };
    }

    /// Breaks the queue of this thread in that way, or mends it, until what is given back is dropped.
    #[must_use = "it is mended as soon as this is dropped"]
    pub fn breaking(variant: Option<Variant>) -> Breakage {
        Breakage { before: BROKEN.replace(variant) }
    }

    /// Restores what was before, when it is dropped.
    #[derive(Debug)]
    pub struct Breakage {
        before: Option<Variant>,
    }

    impl Drop for Breakage {
        fn drop(&mut self) {
            BROKEN.set(self.before);
        }
    }
}
