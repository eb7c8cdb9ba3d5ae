//! A fixed division of work, done by whichever thread is free.
//!
//! What the parts are depends on shapes alone, and what they sum up is joined in their order. So the results are the same
//! bits whatever else the machine does and with any number of threads; and a thread that loses its processor to another
//! process holds up one part and not its share of the whole.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
    thread,
};

/// Runs `work` on every part, on one thread for each worker (the calling thread is the first's). Returns when all are
/// done; a panic in one is a panic here.
pub(super) fn share<T: Send, W: Send>(parts: Vec<T>, workers: &mut [W], work: impl Fn(T, &mut W) + Sync) {
    let useful = workers.len().min(parts.len());
    let queue = Mutex::new(parts.into_iter());
    let run = |worker: &mut W| {
        loop {
            // Not in the condition of a `while let`, which would hold the lock during the work.
            let part = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            match part {
                Some(part) => work(part, worker),
                None => break,
            }
        }
    };
    let Some((first, others)) = workers[..useful].split_first_mut() else { return };
    let run = &run;
    thread::scope(|scope| {
        for worker in others {
            scope.spawn(move || run(worker));
        }
        run(first);
    });
}

/// Cuts `0..n` into at most `parts` ranges of nearly equal length, all but the last a multiple of `unit`; none is empty.
pub(super) fn ranges(n: usize, parts: usize, unit: usize) -> Vec<Range<usize>> {
    let units = n.div_ceil(unit);
    let parts = parts.min(units).max(1);
    (0..parts)
        .map(|part| units * part / parts * unit..(units * (part + 1) / parts * unit).min(n))
        .filter(|range| !range.is_empty())
        .collect()
}

/// Cuts a slice of rows of `row` elements at the ends of `ranges`, which follow one another from 0.
pub(super) fn split<'a, T>(mut slice: &'a mut [T], ranges: &[Range<usize>], row: usize) -> Vec<&'a mut [T]> {
    ranges
        .iter()
        .map(|range| {
            let (part, rest) = std::mem::take(&mut slice).split_at_mut(range.len() * row);
            slice = rest;
            part
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn ranges_cover_everything_once() {
        for n in [0, 1, 5, 16, 32, 33, 1000] {
            for parts in [1, 2, 3, 64] {
                for unit in [1, 4, 16] {
                    let ranges = ranges(n, parts, unit);
                    assert!(ranges.len() <= parts);
                    let all: Vec<usize> = ranges.iter().cloned().flatten().collect();
                    assert_eq!(all, (0..n).collect::<Vec<_>>());
                    assert!(ranges.iter().all(|range| range.start % unit == 0 && !range.is_empty()));
                    let longest = ranges.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
                    assert!(longest <= n / parts + 2 * unit);
                }
            }
        }
    }

    #[test]
    fn every_part_is_worked_on_once() {
        for n_workers in [1, 2, 5, 40] {
            let sum = AtomicUsize::new(0);
            let mut workers = vec![0; n_workers];
            share((1..=20).collect(), &mut workers, |part: usize, done| {
                sum.fetch_add(part, Ordering::Relaxed);
                *done += 1;
            });
            assert_eq!(sum.into_inner(), 210);
            assert_eq!(workers.iter().sum::<usize>(), 20);
        }
        share(Vec::<usize>::new(), &mut [(); 3], |_, ()| panic!("there is no part"));
    }

    #[test]
    fn slices_are_cut_at_the_ends_of_ranges() {
        let mut rows = [0u8; 6];
        let parts = split(&mut rows, &[0..1, 1..3], 2);
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 4]);
    }
}
