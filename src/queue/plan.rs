//! Which actions make the next batch.

use super::action::Action;
use super::row::Lane;
use crate::broken::{self, Variant};

/// How large a batch may be. One action always fits, however large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Actions.
    pub actions: usize,
    /// Bytes of their data and names.
    pub bytes: u64,
}

/// Every so many places in batches, one belongs to the oldest action, however urgent others are: so that the least urgent is sent
/// as well, after at most so many times as many as came before it.
pub const PLACES_PER_OLDEST: u64 = 8;

/// Chooses a batch from what may be sent: for each lane, the most urgent first, its first actions in their order. `places` is how
/// many places in batches have been given away before, and is counted on.
///
/// The most urgent go first, and every eighth place is the oldest's. Within a lane the order is kept, and so it is within a key,
/// whose actions are all in the same lane. The batch is in the order of the sequence numbers. One over which the server has failed
/// when it was alone is sent alone, and so is a whole request, and one with files.
pub fn choose(lanes: [Vec<Action>; 4], limits: BatchLimits, places: &mut u64) -> Vec<Action> {
    let lanes = lanes.map(|mut lane| {
        if broken::is(Variant::OrderByWallClock) {
            lane.sort_by_key(|action| action.timestamp);
        }
        lane
    });
    let mut lanes = lanes.map(|lane| lane.into_iter().peekable());
    let (mut batch, mut bytes) = (Vec::new(), 0_u64);
    while batch.len() < limits.actions.max(1) {
        let is_the_oldests = places.wrapping_add(1).is_multiple_of(PLACES_PER_OLDEST);
        let heads = lanes.iter_mut().enumerate().filter_map(|(index, lane)| Some((lane.peek()?.seq, index)));
        let chosen = if is_the_oldests { heads.min() } else { heads.min_by_key(|(_, index)| *index) };
        let Some(lane) = chosen.and_then(|(_, index)| lanes.get_mut(index)) else { break };
        let fits = |next: &Action| batch.is_empty() || !next.goes_alone() && bytes.saturating_add(next.bytes()) <= limits.bytes;
        let Some(action) = lane.next_if(fits) else { break };
        bytes = bytes.saturating_add(action.bytes());
        *places = places.wrapping_add(1);
        let is_alone = action.goes_alone();
        batch.push(action);
        if is_alone {
            break;
        }
    }
    batch.sort_by_key(|action| action.seq);
    if broken::is(Variant::OrderByWallClock) {
        batch.sort_by_key(|action| action.timestamp);
    }
    batch
}

/// How many actions of a lane have to be looked at for a batch of that size, if so many lie in more urgent lanes.
pub fn enough_of(lane: Lane, more_urgent: u64, size: usize) -> u32 {
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    if lane != Lane::Critical && more_urgent >= u64::from(size) {
        // No more than the places of the oldest.
        size / u32::try_from(PLACES_PER_OLDEST).unwrap_or(1) + 1
    } else {
        size
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) mod tests {
    use super::*;
    use crate::time::WallTime;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    const NOW: WallTime = WallTime(1_780_315_200_000);

    pub(crate) fn action(seq: u64, key: Option<&str>) -> Action {
        let data = RawValue::from_string(format!(r#"{{"n":{seq}}}"#)).unwrap();
        Action { seq, key: key.map(Into::into), ..Action::new(format!("action-{seq}"), "ada", "save_draft".into(), data, NOW) }
    }

    fn lanes(seqs: [&[u64]; 4]) -> [Vec<Action>; 4] {
        seqs.map(|seqs| seqs.iter().map(|seq| action(*seq, None)).collect())
    }

    fn chosen(seqs: [&[u64]; 4], limit: usize, places: &mut u64) -> Vec<u64> {
        let limits = BatchLimits { actions: limit, bytes: 1 << 18 };
        choose(lanes(seqs), limits, places).iter().map(|action| action.seq).collect()
    }

    #[test]
    fn the_most_urgent_go_first_and_a_batch_is_in_the_order_of_enqueueing() {
        assert_eq!(chosen([&[9], &[4, 7], &[1, 2], &[3]], 3, &mut 0), [4, 7, 9]);
        assert_eq!(chosen([&[9], &[4, 7], &[1, 2], &[3]], 100, &mut 0), [1, 2, 3, 4, 7, 9]);
    }

    #[test]
    fn every_eighth_place_is_the_oldests() {
        let urgent: Vec<u64> = (100..120).collect();
        let mut places = 0;
        assert_eq!(chosen([&urgent, &[], &[], &[1, 2]], 8, &mut places), [1, 100, 101, 102, 103, 104, 105, 106]);
        // One by one as well.
        let mut sent = Vec::new();
        for place in 0..16 {
            sent.extend(chosen([&urgent[place..], &[], &[], &[1]], 1, &mut places));
        }
        assert_eq!(sent.iter().filter(|seq| **seq == 1).count(), 2);
    }

    #[test]
    fn one_over_which_the_server_has_failed_goes_alone() {
        let mut of = lanes([&[], &[1, 2, 3], &[], &[4]]);
        of[1][1].alone = true;
        let limits = BatchLimits { actions: 100, bytes: 1 << 18 };
        let mut seen = Vec::new();
        while of.iter().any(|lane| !lane.is_empty()) {
            let batch: Vec<u64> = choose(of.clone(), limits, &mut 0).iter().map(|action| action.seq).collect();
            of = of.map(|lane| lane.into_iter().filter(|action| !batch.contains(&action.seq)).collect());
            seen.push(batch);
        }
        assert_eq!(seen, [vec![1], vec![2], vec![3, 4]]);
    }

    #[test]
    fn a_whole_request_is_never_part_of_a_batch() {
        let mut of = lanes([&[], &[1, 2, 3], &[], &[4]]);
        for index in [0, 2] {
            of[1][index].request = Some(Box::new(crate::queue::request::tests::request("PUT", "https://api.example/a")));
        }
        let limits = BatchLimits { actions: 100, bytes: 1 << 18 };
        let mut seen = Vec::new();
        while of.iter().any(|lane| !lane.is_empty()) {
            let batch: Vec<u64> = choose(of.clone(), limits, &mut 0).iter().map(|action| action.seq).collect();
            of = of.map(|lane| lane.into_iter().filter(|action| !batch.contains(&action.seq)).collect());
            seen.push(batch);
        }
        assert_eq!(seen, [vec![1], vec![2], vec![3], vec![4]]);
    }

    #[test]
    fn an_action_larger_than_a_batch_goes_alone() {
        let mut large = action(1, None);
        large.data = RawValue::from_string(format!("\"{}\"", "x".repeat(1 << 19))).unwrap();
        let limits = BatchLimits { actions: 100, bytes: 1 << 18 };
        let of = |actions: Vec<Action>| choose([vec![], vec![], actions, vec![]], limits, &mut 0);
        let sequences = |batch: Vec<Action>| batch.into_iter().map(|action| action.seq).collect::<Vec<_>>();
        assert_eq!(sequences(of(vec![large.clone(), action(2, None)])), [1]);
        large.seq = 3;
        assert_eq!(sequences(of(vec![action(2, None), large])), [2]);
    }

    proptest! {
        #[test]
        fn whatever_is_enqueued_meanwhile_the_oldest_is_sent_within_eight_places(
            old in 0_usize..4, urgency in 0_usize..4, limit in 1_usize..20, places in any::<u64>(),
        ) {
            let mut places = places;
            let mut given = 0;
            let newer: Vec<u64> = (1..200).collect();
            loop {
                let mut seqs: [&[u64]; 4] = [&[], &[], &[], &[]];
                seqs[urgency] = &newer;
                let mut of = lanes(seqs);
                of[old].insert(0, action(0, None));
                let batch = choose(of, BatchLimits { actions: limit, bytes: 1 << 18 }, &mut places);
                prop_assert_eq!(batch.len(), limit);
                given += limit;
                if batch[0].seq == 0 {
                    break;
                }
                prop_assert!(given < 8, "{} places were given away", given);
            }
        }

        #[test]
        fn a_lane_keeps_its_order(sizes in prop::array::uniform4(0_usize..30), limit in 1_usize..40, places in any::<u64>()) {
            let mut next = 0;
            let of = sizes.map(|size| (0..size).map(|_| { next += 1; action(next, None) }).collect::<Vec<_>>());
            let sent = choose(of.clone(), BatchLimits { actions: limit, bytes: 1 << 18 }, &mut { places });
            prop_assert_eq!(sent.len(), limit.min(sizes.iter().sum()));
            for lane in of {
                let gone = lane.iter().take_while(|action| sent.iter().any(|other| other.seq == action.seq)).count();
                prop_assert!(lane[gone..].iter().all(|action| !sent.iter().any(|other| other.seq == action.seq)));
            }
        }

        #[test]
        fn a_batch_with_room_left_is_no_larger_where_there_is_more_room(
            alone in prop::array::uniform4(prop::collection::vec(any::<bool>(), 0..6)),
            limit in 1_usize..6, bytes in 50_u64..500, places in any::<u64>(),
        ) {
            let mut next = 0;
            let all = alone.map(|lane| lane.into_iter().map(|alone| { next += 1; Action { alone, ..action(next, None) } }).collect::<Vec<_>>());
            let (mut few, mut many) = (places, places);
            let small = choose(all.clone(), BatchLimits { actions: limit, bytes }, &mut few);
            let large = choose(all, BatchLimits { actions: 100, bytes }, &mut many);
            let seqs = |batch: &[Action]| batch.iter().map(|action| action.seq).collect::<Vec<_>>();
            if small.len() < limit {
                prop_assert_eq!((seqs(&small), few), (seqs(&large), many));
            }
        }

        #[test]
        fn what_is_looked_at_is_enough(sizes in prop::array::uniform4(0_usize..60), limit in 1_usize..40, places in any::<u64>()) {
            let mut next = 0;
            let all = sizes.map(|size| (0..size).map(|_| { next += 1; action(next, None) }).collect::<Vec<_>>());
            let mut more_urgent = 0;
            let mut index = 0;
            let some = all.clone().map(|lane| {
                let enough = enough_of(Lane::READY[index], more_urgent, limit) as usize;
                more_urgent += lane.len() as u64;
                index += 1;
                lane.into_iter().take(enough).collect::<Vec<_>>()
            });
            let limits = BatchLimits { actions: limit, bytes: 1 << 18 };
            let ids = |lanes| choose(lanes, limits, &mut { places }).into_iter().map(|action| action.seq).collect::<Vec<_>>();
            prop_assert_eq!(ids(all), ids(some));
        }
    }
}
