//! A fixed division of work over threads.
//!
//! Which thread does what depends on the number of threads alone, and what they sum up is joined in their order: the
//! same number of threads gives the same bits, whatever else the machine does meanwhile.

use std::{ops::Range, thread};

/// Runs `work` on every part at once, the first on the calling thread. Returns when all are done; a panic in one is a
/// panic here.
pub(super) fn on_each<T: Send>(parts: Vec<T>, work: impl Fn(T) + Sync) {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return };
    let work = &work;
    thread::scope(|scope| {
        for part in parts {
            scope.spawn(move || work(part));
        }
        work(first);
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
    fn every_part_is_worked_on() {
        let sum = AtomicUsize::new(0);
        on_each((1..=20).collect(), |part: usize| {
            sum.fetch_add(part, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 210);
        let mut rows = [0u8; 6];
        let parts = split(&mut rows, &[0..1, 1..3], 2);
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 4]);
    }
}
