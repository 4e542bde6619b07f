//! Which batch goes next, and when what became of one is entered into the books: before the next one goes, or while it is on its way.

use super::drain::{DrainReport, Drainer, LONGEST_CLAIM, Turn};
use super::news::News;
use crate::broken::{self, Variant};
use crate::call::correlation::unique_id;
use crate::outbox::{self, Batch, Claim, Claiming, Following, Step};
use crate::platform::{Clock as _, Platform, StoreError};
use crate::policy::gate::Trigger;
use crate::queue::action::Action;
use crate::queue::answer::Verdict;
use crate::queue::plan::BatchLimits;
use crate::time::MonotonicTime;
use std::time::Duration;

/// What the books said so short a while ago they say still, as far as anybody can tell who reads them and sends then.
const JUST_NOW: Duration = Duration::from_millis(5);

/// A batch that is claimed, or may follow the one on its way.
pub(super) struct Ready {
    pub(super) batch: Batch,
    /// When the books said so at the latest.
    pub(super) known_at: MonotonicTime,
}

/// What a drain has in hand between one batch and the next.
pub(super) struct Succession<'d, P: Platform> {
    drainer: &'d Drainer<P>,
    turn: Turn,
    trigger: Trigger,
    /// How large batches are just now.
    pub(super) limits: BatchLimits,
    /// What was claimed when the books were brought up to date, and when that was asked for.
    claimed: Option<(MonotonicTime, Step)>,
    /// The batch that may follow the one on its way.
    ready: Option<Ready>,
    /// The batch that follows, and the one before it, all of which was taken, which is not in the books yet.
    following: Option<(Ready, (Batch, Vec<Verdict>))>,
    /// The one before the batch on its way, until it is in the books.
    before: Option<(Batch, Vec<Verdict>)>,
    news: Option<News<'d, P>>,
}

impl<'d, P: Platform> Succession<'d, P> {
    pub(super) fn new(drainer: &'d Drainer<P>, turn: Turn, trigger: Trigger) -> Self {
        let limits = drainer.policy.limits;
        Self { drainer, turn, trigger, limits, claimed: None, ready: None, following: None, before: None, news: None }
    }

    /// The batch that goes next, or what to report if none does.
    pub(super) async fn next(&mut self) -> Result<Result<Ready, DrainReport>, StoreError> {
        if let Some((ready, before)) = self.following.take() {
            self.before = Some(before);
            return Ok(Ok(ready));
        }
        self.news.take_if(|_| self.claimed.is_none());
        let (asked_at, step) = match self.claim_anew().await? {
            Ok(claimed) => claimed,
            Err(paused) => return Ok(Err(paused)),
        };
        self.ready = step.next.map(|batch| Ready { batch, known_at: asked_at });
        let drainer = self.drainer;
        let report = match step.claim {
            Claim::Batch(batch) => return Ok(Ok(Ready { batch, known_at: asked_at })),
            Claim::Nothing { next_due } => drainer.report(&step.record, next_due.map(|moment| moment.since(drainer.now()))),
            // Another drain sees to the rest, unless its tab is gone.
            Claim::Superseded => {
                let next = step.record.has_work().then_some(drainer.policy.timeout);
                drainer.report(&step.record, next)
            }
        };
        Ok(Err(report))
    }

    /// Tells what the batch before the one on its way has come to, and enters it into the books, if it is not there yet.
    pub(super) async fn catch_up(&mut self) -> Result<(), StoreError> {
        self.news = None;
        let Some((before, verdicts)) = self.before.take() else { return Ok(()) };
        let (_, step) = self.settle(&before, &verdicts, Following::OnItsWay).await?;
        let known_at = self.drainer.platform.clock().monotonic();
        self.ready = step.next.map(|batch| Ready { batch, known_at });
        self.drainer.announce(step.record.counts(), step.settled);
        Ok(())
    }

    /// There are verdicts on the batch that began to be sent then. What may follow it does, and is sent at once; otherwise they are entered
    /// into the books first, with which the next one is claimed.
    pub(super) async fn answered(
        &mut self,
        batch: Batch,
        verdicts: Vec<Verdict>,
        began: MonotonicTime,
    ) -> Result<(), StoreError> {
        let (drainer, actions) = (self.drainer, batch.actions.len());
        let clock = drainer.platform.clock();
        if let Some(known_at) = self.may_follow(&verdicts).await
            && let Some(ready) = self.ready.take()
        {
            drainer.took(actions, clock.monotonic().since(began));
            self.following = Some((Ready { known_at, ..ready }, (batch, verdicts)));
            return Ok(());
        }
        let (asked_at, step) = self.settle(&batch, &verdicts, self.unsent()).await?;
        self.ready = None;
        self.news = Some(News { drainer, counts: step.record.counts(), settled: step.settled.clone() });
        drainer.took(actions, clock.monotonic().since(began));
        // Not only at the end: they may be large, and there may be many.
        drainer.clean_up(step.record.has_let_go).await;
        // What was not claimed is claimed when the server may be asked again.
        self.claimed = asked_at.filter(|_| drainer.left_alone(self.trigger).is_zero()).map(|asked_at| (asked_at, step));
        Ok(())
    }

    /// What is known of the batch that may follow, if it does not. One that was found on disk may have been sent by whoever made it ready.
    pub(super) fn unsent(&self) -> Following<'_> {
        let unsent = self.ready.as_ref().filter(|ready| !ready.batch.is_again);
        unsent.map_or(Following::Unknown, |ready| Following::Unsent(&ready.batch))
    }

    /// Whether the batch that was made ready goes at once: all of the one before it is taken, and nothing has happened meanwhile. Gives
    /// when the books said so. What the disk fails with here it is asked for again when it is needed.
    async fn may_follow(&self, verdicts: &[Verdict]) -> Option<MonotonicTime> {
        let (drainer, clock) = (self.drainer, self.drainer.platform.clock());
        let ready = self.ready.as_ref()?;
        let all_taken = verdicts.iter().all(Verdict::is_taken) || broken::is(Variant::NextGoesRegardless);
        if !all_taken || !drainer.left_alone(self.trigger).is_zero() {
            return None;
        }
        let asked_at = clock.monotonic();
        if asked_at.since(ready.known_at) <= JUST_NOW {
            return Some(ready.known_at);
        }
        let (place, now) = (drainer.at(self.turn.place), drainer.now());
        let may_go = outbox::may_go(&place, &drainer.user_id, self.turn.epoch, &ready.batch, now).await.unwrap_or(false);
        // A page that stood still meanwhile asks in vain.
        (may_go && clock.monotonic().since(asked_at) <= LONGEST_CLAIM).then_some(asked_at)
    }

    /// What was claimed, with when that was asked for, or else what is claimed now; or what to report if the server wants to be left alone.
    async fn claim_anew(&mut self) -> Result<Result<(MonotonicTime, Step), DrainReport>, StoreError> {
        if let Some(claimed) = self.claimed.take() {
            return Ok(Ok(claimed));
        }
        if let Some(report) = self.paused().await? {
            return Ok(Err(report));
        }
        let asked_at = self.drainer.platform.clock().monotonic();
        Ok(Ok((asked_at, self.claim().await?)))
    }

    async fn claim(&self) -> Result<Step, StoreError> {
        let drainer = self.drainer;
        let [fresh_key, next_key] = self.keys();
        let claiming = Claiming { limits: self.limits, now: drainer.now(), fresh_key: &fresh_key, next_key: &next_key };
        let place = drainer.at(self.turn.place);
        let step = outbox::claim(&place, &drainer.user_id, self.turn.epoch, claiming, self.unsent()).await?;
        if !step.settled.is_empty() {
            drainer.announce(step.record.counts(), step.settled.clone());
        }
        Ok(step)
    }

    /// What to report while the server wants to be left alone, or when another place is sent from by now. Nothing is kept ready meanwhile:
    /// it can be edited, and expires.
    async fn paused(&self) -> Result<Option<DrainReport>, StoreError> {
        let drainer = self.drainer;
        let paused = drainer.paused(self.turn, self.trigger).await?;
        if let (Some(_), following @ Following::Unsent(_)) = (&paused, self.unsent()) {
            outbox::let_wait(&drainer.at(self.turn.place), &drainer.user_id, self.turn.epoch, following).await?;
        }
        Ok(paused)
    }

    /// Enters the verdicts into the books, and claims what comes next with that, unless the server wants to be left alone. While the disk
    /// fails, what was answered to something that is not sent again is written again and again: nobody else is told.
    /// Gives when what was claimed was asked for, if it was.
    async fn settle(
        &self,
        batch: &Batch,
        verdicts: &[Verdict],
        following: Following<'_>,
    ) -> Result<(Option<MonotonicTime>, Step), StoreError> {
        let drainer = self.drainer;
        let write = async || {
            let ([fresh_key, next_key], moment) = (self.keys(), drainer.moment());
            let (limits, now, place) = (self.limits, moment.now, drainer.at(self.turn.place));
            let claiming = Claiming { limits, now, fresh_key: &fresh_key, next_key: &next_key };
            let asked_at = drainer.left_alone(self.trigger).is_zero().then(|| drainer.platform.clock().monotonic());
            let next = asked_at.map(|_| claiming);
            let settled =
                outbox::settle(&place, &drainer.user_id, self.turn.epoch, batch, verdicts, moment, (next, following)).await;
            settled.map(|step| (asked_at, step))
        };
        if batch.actions.iter().any(Action::is_sent_once) { drainer.insist(write).await } else { write().await }
    }

    /// For what is claimed, and for what is made ready.
    fn keys(&self) -> [String; 2] {
        [(); 2].map(|()| unique_id(self.drainer.platform.as_ref()))
    }
}
