//! Curves with fewer points that look the same: of each bucket of neighbours the least and the greatest stay. Pure.
//!
//! For the live page. Never every n-th point: a spike of one point is what somebody looks for.

use super::chunks::{Chunk, Pair};

/// Makes of the points or chunks of a curve, as they come, a curve of few points: of each bucket of neighbours the least and the
/// greatest, and the ends. Takes no more memory for a longer curve.
#[derive(Debug)]
pub(crate) struct Thinner {
    most: usize,
    /// Of `size` points each, but for chunks that have more.
    parts: Vec<Chunk>,
    size: u64,
    open: Option<Chunk>,
    ends: Option<(Pair, Pair)>,
}

/// Four are the ends, a least and a greatest.
const LEAST: usize = 4;

impl Thinner {
    /// For a curve of at most so many points, at least four.
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(LEAST), parts: Vec::new(), size: 1, open: None, ends: None }
    }

    /// The next point.
    pub(crate) fn point(&mut self, point: Pair) {
        self.end_at(point);
        self.chunk(point.into());
    }

    /// An end of the curve, which is shown as it is: the first and the last one that is told.
    pub(crate) fn end_at(&mut self, point: Pair) {
        let first = self.ends.map_or(point, |(first, _)| first);
        self.ends = Some((first, point));
    }

    /// The next points as a chunk, or one that stands for them.
    pub(crate) fn chunk(&mut self, chunk: Chunk) {
        let open = match self.open.take() {
            Some(open) => open.and(chunk),
            None => chunk,
        };
        if open.points < self.size {
            self.open = Some(open);
            return;
        }
        self.parts.push(open);
        if self.parts.len() >= 4 * self.most {
            self.parts = self.parts.chunks(2).filter_map(|pair| Chunk::of(pair.iter().copied())).collect();
            self.size *= 2;
        }
    }

    /// The curve.
    pub(crate) fn finish(mut self) -> Vec<Pair> {
        self.parts.extend(self.open.take());
        let alone = |part: &Chunk| (part.first, part.least.map_or(f64::NAN, |(_, value)| value));
        if self.parts.len() <= self.most && self.parts.iter().all(|part| part.points == 1) {
            return self.parts.iter().map(alone).collect();
        }
        let buckets = (self.most - 2) as u64 / 2;
        let total: u64 = self.parts.iter().map(|part| part.points).sum();
        let mut before = 0;
        let mut of = |part: &Chunk| {
            let bucket = u128::from(before) * u128::from(buckets) / u128::from(total.max(1));
            before += part.points;
            bucket
        };
        let placed: Vec<(u128, Chunk)> = self.parts.iter().map(|part| (of(part), *part)).collect();
        let mut curve = Vec::with_capacity(self.most);
        curve.extend(self.ends.map(|(first, _)| first));
        let end = self.ends.map_or(i64::MAX, |(_, last)| last.0);
        let mut put = |point: Pair| {
            if curve.last().is_none_or(|last: &Pair| last.0 < point.0) && point.0 < end {
                curve.push(point);
            }
        };
        for bucket in placed.chunk_by(|left, right| left.0 == right.0) {
            let Some(bucket) = Chunk::of(bucket.iter().map(|(_, part)| *part)) else { continue };
            match (bucket.least, bucket.greatest) {
                (Some(least), Some(greatest)) if least.0 <= greatest.0 => [least, greatest].map(&mut put),
                (Some(least), Some(greatest)) => [greatest, least].map(&mut put),
                // A gap stays a gap.
                _ => [(bucket.first, f64::NAN); 2].map(&mut put),
            };
        }
        curve.extend(
            self.ends.map(|(_, last)| last).filter(|last| curve.last().is_none_or(|known| known.0 < last.0)),
        );
        curve
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::chunks::{POINTS, lowest};

    fn curve(length: i64, value: impl Fn(i64) -> f64) -> Vec<Pair> {
        (0..length).map(|step| (step, value(step))).collect()
    }

    fn thin(points: &[Pair], most: usize) -> Vec<Pair> {
        let mut thinner = Thinner::new(most);
        for point in points {
            thinner.point(*point);
        }
        thinner.finish()
    }

    #[test]
    fn a_short_curve_is_left_alone() {
        let points = curve(10, |step| if step == 4 { f64::NAN } else { step as f64 });
        assert_eq!(format!("{:?}", thin(&points, 10)), format!("{points:?}"));
        assert_eq!(thin(&[], 10), []);
    }

    #[test]
    fn spikes_of_one_point_and_the_ends_stay() {
        let mut points = curve(100_000, |step| (step as f64 / 900.0).sin());
        points[33_333].1 = 50.0;
        points[77_777].1 = -50.0;
        let thin = thin(&points, 3_000);
        assert!(thin.len() <= 3_000 && thin.len() > 1_500, "{}", thin.len());
        assert!(thin.contains(&(33_333, 50.0)) && thin.contains(&(77_777, -50.0)));
        assert_eq!((thin[0], thin[thin.len() - 1]), (points[0], points[99_999]));
        assert!(thin.windows(2).all(|pair| pair[0].0 < pair[1].0), "steps go up");
    }

    #[test]
    fn a_gap_of_no_numbers_stays_a_gap() {
        let gap = 4_000..6_000;
        let points = curve(10_000, |step| if gap.contains(&step) { f64::NAN } else { 1.0 });
        assert!(thin(&points, 100).iter().any(|(step, value)| gap.contains(step) && value.is_nan()));
    }

    #[test]
    fn no_memory_for_a_longer_curve() {
        let mut thinner = Thinner::new(100);
        for step in 0..1_000_000 {
            thinner.point((step, step as f64));
            assert!(thinner.parts.len() < 400);
        }
        let thin = thinner.finish();
        assert!((50..=100).contains(&thin.len()), "{}", thin.len());
    }

    proptest! {
        /// What chunks make of a curve is what its points make: extremes of the whole, points of the curve only, steps upwards.
        #[test]
        fn chunks_and_points_show_the_same_curve(
            values in proptest::collection::vec(prop_oneof![9 => -1e6..1e6_f64, 1 => Just(f64::NAN)], 1..6_000),
            most in 4_usize..600,
        ) {
            let points: Vec<Pair> = values.iter().enumerate().map(|(at, value)| (3 * at as i64, *value)).collect();
            let whole = Chunk::of(points.iter().copied().map(Chunk::from)).unwrap();
            let mut by_chunks = Thinner::new(most);
            by_chunks.end_at(points[0]);
            let chunks = lowest(&points);
            for chunk in &chunks {
                by_chunks.chunk(*chunk);
            }
            for point in &points[chunks.len() * POINTS..] {
                by_chunks.chunk((*point).into());
            }
            by_chunks.end_at(points[points.len() - 1]);
            for drawn in [thin(&points, most), by_chunks.finish()] {
                prop_assert!(drawn.len() <= most, "{} of {most}", drawn.len());
                prop_assert!(drawn.windows(2).all(|pair| pair[0].0 < pair[1].0));
                let numbers = || drawn.iter().copied().filter(|(_, value)| !value.is_nan());
                prop_assert!(numbers().all(|point| points[(point.0 / 3) as usize] == point));
                prop_assert_eq!(numbers().map(|(_, value)| value).reduce(f64::min), whole.least.map(|(_, value)| value));
                prop_assert_eq!(numbers().map(|(_, value)| value).reduce(f64::max), whole.greatest.map(|(_, value)| value));
                prop_assert_eq!((drawn[0].0, drawn[drawn.len() - 1].0), (points[0].0, points[points.len() - 1].0));
            }
        }
    }
}
