//! The end of a run: the faults stop, and then all must come right within bounded time.

use super::drive::Run;
use super::promises::{USERS, is_orphan, is_without_file};
use crate::client::{Listed, QueueError};
use crate::platform::tables::{Kind, Lane, Row};
use crate::queue::file::LONGEST_WAIT;
use crate::queue::record::Counts;
use std::time::Duration;

/// Within so long after the faults have stopped the queue drains, when no clock has jumped: what a request of before may still
/// take, the longest moment that the server has named and as long again, and the longest backoff.
const BOUND: Duration = Duration::from_secs(600);
/// The same when the wall clock has jumped. A moment that lies no further ahead than the longest that a server can name is waited
/// for, though it was meant by a clock that has been set back since.
const BOUND_AFTER_JUMPS: Duration = Duration::from_secs(3 * 86_400);
/// Within so long the pages hear what has become of what they wait for, once they are looked at.
const NEWS: Duration = Duration::from_secs(60);
/// How often users put back what the answers of earlier requests have put aside.
const ROUNDS: u32 = 4;

/// How often something is tried that may fail as long as the last fault of the disk is still to come.
const TRIES: u32 = 1_000;

/// How often it is looked for what was left behind: the last fault of the disk may still be to come, and what was written down by a
/// clock that was set back since begins to wait then.
const SWEEPS: u32 = 4;

/// Plays it.
pub(super) fn play(run: &mut Run) {
    run.promises.note(run.world.now(), || "-- the faults stop".into());
    run.calm();
    // What must not be sent twice is not sent at all while the browser says that there is no network.
    run.world.set_online(true);
    run.world.server(|server| {
        server.moody = 0;
        server.strangers.clear();
        server.oldest_valid_token = server.newest_token;
    });
    run.thaw_some();
    for page in &run.pages {
        page.tab.survive();
        for id in page.tab.forget_others() {
            run.promises.discard(&id);
        }
    }
    run.understand_all();
    for user in 0..run.conditions.users {
        if !run.pages.iter().any(|page| page.user == user && page.is_awake()) {
            run.open(user);
        }
    }
    run.pass(Duration::from_secs(1));
    independent_keys(run);
    if run.promises.is_broken() {
        return;
    }
    counts_agree(run);
    all_is_decided(run);
    if run.promises.is_broken() {
        return;
    }
    everyone_hears(run);
    counts_agree(run);
    if run.conditions.files && !run.promises.is_broken() {
        nothing_is_left(run);
    }
}

fn bound(run: &Run) -> Duration {
    if run.conditions.jumps { BOUND_AFTER_JUMPS } else { BOUND }
}

/// What is parked holds nothing but its key: all else is applied while it waits.
fn independent_keys(run: &mut Run) {
    if run.conditions.answer_to_poison.is_some() {
        run.world.server(|server| run.promises.break_on(&server.poison));
    }
    let (promises, world, began) = (run.promises.clone(), run.world.clone(), run.world.now());
    let limit = bound(run);
    let mut drained = run.world.run_until(limit, || promises.unsettled(&world.places()).is_empty());
    // What a page has kept of a newer version's comes back to the disk only when there is room, and can be read from then on.
    let places = world.places();
    let is_unreadable =
        |id: &String| USERS.iter().any(|user| places.find(user, id).is_some_and(|row| row.lane == Lane::Unreadable));
    if !drained && promises.unsettled(&places).iter().any(is_unreadable) {
        run.understand_all();
        drained = world.run_until(limit, || promises.unsettled(&world.places()).is_empty());
    }
    run.bury();
    run.check();
    // What has been written down, though nobody could tell, is known now.
    let left = if drained { Vec::new() } else { run.promises.unsettled(&run.world.places()) };
    if !left.is_empty() {
        run.promises.break_promise(run.world.now(), format!("not sent within {limit:?} after the faults stopped: {left:?}"));
    }
    run.promises.note(run.world.now(), || format!("-- drained after {} ms", run.world.now() - began));
}

/// What stands against anything is decided: all that is stored is put back, and arrives, but for what cannot be sent as it is.
fn all_is_decided(run: &mut Run) {
    run.world.server(|server| {
        server.poison.clear();
        server.conflicting.clear();
    });
    // What was answered before that is still to arrive, and is put aside only then.
    run.pass(Run::aftermath());
    let limit = bound(run);
    for _ in 0..ROUNDS {
        run.bury();
        for (user, name) in USERS.iter().enumerate().take(run.conditions.users) {
            run.check();
            let pages: Vec<_> = run.pages.iter().filter(|page| page.user == user && page.is_awake()).collect();
            for (id, page) in run.world.stored(name).iter().flat_map(|id| pages.iter().map(move |page| (id.clone(), page))) {
                let places = run.world.places();
                let is_hopeless = |row: &Row| is_without_file(row) || is_orphan(row) || places.shut().contains(&row.id);
                if places.find(name, &id).as_ref().is_some_and(is_hopeless) {
                    run.promises.discard(&id);
                    let client = page.tab.client.clone();
                    let decided =
                        run.world.block_on(async move { eventually(async || client.discard(&id).await.map(Some)).await });
                    if let Err(why) = decided {
                        return run
                            .promises
                            .break_promise(run.world.now(), format!("what is hopeless cannot be discarded: {why}"));
                    }
                    continue;
                }
                run.promises.repeat(&id);
                let client = page.tab.client.clone();
                let decided = run.world.block_on(async move { eventually(async || client.requeue(&id).await.map(Some)).await });
                if let Err(why) = decided {
                    return run.promises.break_promise(run.world.now(), format!("what was put aside cannot be put back: {why}"));
                }
            }
        }
        let (world, users) = (run.world.clone(), run.conditions.users);
        if run.world.run_until(limit, || USERS.iter().take(users).all(|user| world.stored(user).is_empty())) {
            return run.check();
        }
    }
    let left = run.stored();
    run.promises.break_promise(run.world.now(), format!("nothing stands against it, and it is not sent: {left:?}"));
}

/// Who waits for an action that is settled hears of it.
fn everyone_hears(run: &mut Run) {
    run.world.show();
    let promises = run.promises.clone();
    if !run.world.run_until(NEWS, || !promises.has_waits()) {
        let waits = run.promises.waits();
        run.promises.break_promise(run.world.now(), format!("pages still wait for what was settled long ago: {waits:?}"));
    }
}

/// Does something until it is done, or has failed for so long that it always will.
async fn eventually<T>(attempt: impl AsyncFn() -> Result<Option<T>, QueueError>) -> Result<T, String> {
    let mut why = String::from("it changes for ever");
    for _ in 0..TRIES {
        match attempt().await {
            Ok(Some(done)) => return Ok(done),
            Ok(None) => {}
            Err(failed) => why = failed.to_string(),
        }
    }
    Err(why)
}

/// What a snapshot says is what is stored.
fn counts_agree(run: &mut Run) {
    run.bury();
    for (user, name) in USERS.iter().enumerate().take(run.conditions.users) {
        let Some(page) = run.pages.iter().find(|page| page.user == user && page.is_awake()) else { continue };
        let client = page.tab.client.clone();
        let looked = run.world.block_on(async move {
            // It must stand still while it is looked at: what is being brought to another place may be missed there, or seen twice.
            eventually(async || {
                let before = (client.snapshot().await?.counts, client.list(None, 10_000).await?);
                let after = (client.snapshot().await?.counts, client.list(None, 10_000).await?);
                let places = |listed: &[Listed]| -> Vec<_> {
                    listed.iter().map(|Listed { action, place, .. }| (*place, action.lane, action.seq)).collect()
                };
                Ok((before.0 == after.0 && places(&before.1) == places(&after.1)).then_some(after))
            })
            .await
        });
        let (counts, listed) = match looked {
            Ok(looked) => looked,
            Err(why) => return run.promises.break_promise(run.world.now(), format!("{name}'s queue cannot be looked at: {why}")),
        };
        // Where they lie: what cannot be read is put aside when it is to be sent, and not before.
        let of = |lanes: &[Lane]| listed.iter().filter(|listed| lanes.contains(&listed.action.lane)).count() as u64;
        let (conflicts, dead, unreadable) = (of(&[Lane::Conflict]), of(&[Lane::Dead]), of(&[Lane::Unreadable]));
        let pending = listed.len() as u64 - conflicts - dead - unreadable;
        let bytes = listed.iter().map(|listed| listed.action.bytes()).sum::<u64>();
        let there = Counts { pending, conflicts, dead, unreadable, bytes };
        if counts != there {
            run.promises.break_promise(run.world.now(), format!("{name}'s queue counts {counts:?}, and has {there:?}"));
        }
    }
}

/// No file is left behind of what has left: not even by pages that died over it, once others have looked for that.
fn nothing_is_left(run: &mut Run) {
    let world = run.world.clone();
    let users = run.conditions.users;
    let left = || {
        let table = world.inner.disk.table();
        let of = |user: &&str| (table.documents(user, Kind::File), world.kept_files(user));
        USERS
            .iter()
            .take(users)
            .map(of)
            .filter(|(documents, files)| !documents.is_empty() || !files.is_empty())
            .collect::<Vec<_>>()
    };
    for _ in 0..SWEEPS {
        if left().is_empty() {
            return;
        }
        run.pass(LONGEST_WAIT + Duration::from_secs(1));
        for user in 0..users {
            run.open(user);
        }
        run.pass(NEWS);
    }
    let left = left();
    if !left.is_empty() {
        run.promises.break_promise(run.world.now(), format!("files are left that nothing holds: {left:?}"));
    }
}
