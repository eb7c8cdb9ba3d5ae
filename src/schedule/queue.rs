//! The waiting runs, in the order in which they should start.
//!
//! Used by the scheduler alone. A run's position is its place in the order (longest first) and never changes. The
//! queue answers the one question of a dispatch, "the first waiting run that needs no more than so much memory", in
//! O(log n): a segment tree over the positions holds the least memory of every subtree.

/// Marks a position where nobody waits; larger than every limit that can be asked for.
const ABSENT: u64 = u64::MAX;

/// Waiting runs by position.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// Number of leaves: a power of two, at least the number of positions.
    leaves: usize,
    /// The tree, root at 1, leaves from `leaves`: the least memory below each node, bytes.
    least: Vec<u64>,
}

impl Queue {
    /// The largest memory estimate and the largest limit, bytes.
    pub(super) const MOST: u64 = ABSENT - 1;

    /// An empty queue with places for `positions` runs.
    pub(super) fn new(positions: usize) -> Self {
        let leaves = positions.next_power_of_two();
        Self { leaves, least: vec![ABSENT; 2 * leaves] }
    }

    /// Makes places for so many runs.
    pub(super) fn grow(&mut self, positions: usize) {
        if positions <= self.leaves {
            return;
        }
        let waiting: Vec<(usize, u64)> =
            self.positions().map(|position| (position, self.memory(position))).collect();
        *self = Self::new(positions);
        for (position, memory) in waiting {
            self.insert(position, memory);
        }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.least[1] == ABSENT
    }

    /// Lets the run at `position` wait; it needs `memory` bytes, taken as [`Self::MOST`] at most.
    pub(super) fn insert(&mut self, position: usize, memory: u64) {
        debug_assert!(!self.contains(position), "a run waits once");
        self.set(position, memory.min(Self::MOST));
    }

    /// Takes the run at `position` out.
    pub(super) fn remove(&mut self, position: usize) {
        debug_assert!(self.contains(position), "only a waiting run is taken out");
        self.set(position, ABSENT);
    }

    /// Whether the run at `position` waits.
    pub(super) fn contains(&self, position: usize) -> bool {
        self.least[self.leaves + position] != ABSENT
    }

    /// What the waiting run at `position` needs, bytes.
    pub(super) fn memory(&self, position: usize) -> u64 {
        debug_assert!(self.contains(position), "only a waiting run has its need here");
        self.least[self.leaves + position]
    }

    /// The first waiting run that needs no more than `limit` bytes.
    pub(super) fn first_within(&self, limit: u64) -> Option<usize> {
        let limit = limit.min(Self::MOST);
        if self.least[1] > limit {
            return None;
        }
        let mut node = 1;
        while node < self.leaves {
            node *= 2;
            if self.least[node] > limit {
                node += 1;
            }
        }
        Some(node - self.leaves)
    }

    /// The first waiting run.
    pub(super) fn first(&self) -> Option<usize> {
        self.first_within(Self::MOST)
    }

    /// Positions of the waiting runs, in order.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.leaves).filter(|position| self.contains(*position))
    }

    fn set(&mut self, position: usize, memory: u64) {
        let mut node = self.leaves + position;
        self.least[node] = memory;
        while node > 1 {
            node /= 2;
            self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_queue_has_nobody() {
        for positions in [0, 1, 5] {
            let queue = Queue::new(positions);
            assert!(queue.is_empty());
            assert_eq!(queue.first(), None);
            assert_eq!(queue.positions().count(), 0);
        }
    }

    #[test]
    fn the_largest_estimate_still_waits() {
        let mut queue = Queue::new(1);
        queue.insert(0, u64::MAX);
        assert_eq!(queue.first_within(u64::MAX - 2), None);
        assert_eq!(queue.first(), Some(0));
    }

    proptest! {
        /// Against a plain list: any mix of insertions and removals, any limit.
        #[test]
        fn answers_like_a_scan(
            memories in prop::collection::vec(0_u64..20, 1..40),
            toggles in prop::collection::vec(0_usize..40, 0..120),
            limit in 0_u64..22,
        ) {
            let mut queue = Queue::new(memories.len());
            let mut waiting = vec![false; memories.len()];
            for toggle in toggles {
                let position = toggle % memories.len();
                if waiting[position] { queue.remove(position) } else { queue.insert(position, memories[position]) }
                waiting[position] = !waiting[position];
                let expected = (0..memories.len()).find(|p| waiting[*p] && memories[*p] <= limit);
                prop_assert_eq!(queue.first_within(limit), expected);
                prop_assert_eq!(queue.positions().count(), waiting.iter().filter(|w| **w).count());
            }
        }
    }
}
