//! A long sorted list, in pieces, so that inserting and removing move one piece and not all that is behind.

use std::cmp::Ordering;

/// How many items a piece has at most.
const PIECE: usize = 256;

/// A sorted list. What it is sorted by, its owner says with each question.
#[derive(Debug, Clone)]
pub(super) struct Sorted<T> {
    /// None of them is empty.
    pieces: Vec<Vec<T>>,
}

/// A place in the list: a piece, and a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize, usize);

impl Place {
    pub(super) const START: Self = Self(0, 0);
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Sorted<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Where the item is that `compare` calls equal, or where it belongs. `compare` says how an item stands to what is sought.
    pub(super) fn find(&self, compare: &dyn Fn(&T) -> Ordering) -> Result<Place, Place> {
        let number = self.pieces.partition_point(|piece| piece.last().is_some_and(|item| compare(item) == Ordering::Less));
        match (self.pieces.get(number), self.pieces.last()) {
            (Some(piece), _) => {
                let found = piece.binary_search_by(compare);
                found.map(|at| Place(number, at)).map_err(|at| Place(number, at))
            }
            // Behind all that there are.
            (None, Some(last)) => Err(Place(number - 1, last.len())),
            (None, None) => Err(Place(0, 0)),
        }
    }

    pub(super) fn get(&self, Place(number, at): Place) -> Option<&T> {
        self.pieces.get(number)?.get(at)
    }

    /// The same, to be changed; not in what it is sorted by.
    pub(super) fn get_mut(&mut self, Place(number, at): Place) -> Option<&mut T> {
        self.pieces.get_mut(number)?.get_mut(at)
    }

    /// Puts an item where [`Sorted::find`] says that it belongs.
    pub(super) fn insert(&mut self, Place(number, at): Place, item: T) {
        let is_last = number + 1 >= self.pieces.len();
        let Some(piece) = self.pieces.get_mut(number) else {
            self.pieces.push(vec![item]);
            return;
        };
        if piece.len() < PIECE {
            piece.insert(at, item);
        } else if is_last && at == PIECE {
            // What grows at its end has full pieces.
            self.pieces.push(vec![item]);
        } else {
            let mut behind = piece.split_off(PIECE / 2);
            if at <= PIECE / 2 {
                piece.insert(at, item);
            } else {
                behind.insert(at - PIECE / 2, item);
            }
            self.pieces.insert(number + 1, behind);
        }
    }

    /// Takes out the item at a place where there is one.
    pub(super) fn remove(&mut self, Place(number, at): Place) -> Option<T> {
        let piece = self.pieces.get_mut(number)?;
        let item = (at < piece.len()).then(|| piece.remove(at))?;
        if piece.is_empty() {
            self.pieces.remove(number);
        }
        Some(item)
    }

    /// All from a place on.
    pub(super) fn from(&self, Place(number, at): Place) -> impl Iterator<Item = &T> {
        let first = self.pieces.get(number).and_then(|piece| piece.get(at..)).unwrap_or_default();
        let others = self.pieces.get(number + 1..).unwrap_or_default();
        first.iter().chain(others.iter().flatten())
    }

    /// The last before a place.
    pub(super) fn before(&self, Place(number, at): Place) -> Option<&T> {
        match at.checked_sub(1) {
            Some(at) => self.pieces.get(number)?.get(at),
            None => self.pieces.get(number.checked_sub(1)?)?.last(),
        }
    }

    /// How many there are before a place.
    pub(super) fn rank(&self, Place(number, at): Place) -> usize {
        self.pieces.iter().take(number).map(Vec::len).sum::<usize>() + at
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn either(found: Result<Place, Place>) -> Place {
        match found {
            Ok(place) | Err(place) => place,
        }
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_list(steps in prop::collection::vec((any::<bool>(), 0..4000u16, 1..600u16), 0..60)) {
            let (mut list, mut model) = (Sorted::default(), BTreeSet::new());
            for (inserts, first, count) in steps {
                for number in first..first + count {
                    let found = list.find(&|item: &u16| item.cmp(&number));
                    prop_assert_eq!(found.is_ok(), model.contains(&number));
                    match (inserts, found) {
                        (true, Err(place)) => {
                            list.insert(place, number);
                            model.insert(number);
                        }
                        (false, Ok(place)) => {
                            prop_assert_eq!(list.remove(place), Some(number));
                            model.remove(&number);
                        }
                        _ => {}
                    }
                }
                let place = either(list.find(&|item| item.cmp(&first)));
                prop_assert!(list.from(place).eq(model.range(first..)));
                prop_assert_eq!(list.before(place), model.range(..first).next_back());
                prop_assert_eq!(list.rank(place), model.range(..first).count());
                prop_assert_eq!(list.is_empty(), model.is_empty());
                prop_assert!(list.pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
            }
        }
    }
}
