//! Curves with fewer points that look the same: of each bucket of points the least and the greatest stay. Pure.
//!
//! Never every n-th point: a spike of one point is what somebody looks for.

/// A point: step and value.
pub(super) type Point = (i64, f64);

/// So many points a curve has at most on a page.
pub(super) const MOST_POINTS: usize = 3_000;

/// At most `most` of the points of a curve, which are by step: first and last, and of each bucket of neighbours the least and the
/// greatest. A point that is no number stays where its bucket has none but such.
pub(super) fn thinned(points: &[Point], most: usize) -> Vec<Point> {
    if points.len() <= most.max(4) {
        return points.to_vec();
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let inner = &points[1..points.len() - 1];
    let buckets = (most.max(4) - 2) / 2;
    let mut kept = Vec::with_capacity(most);
    kept.push(*first);
    for bucket in 0..buckets {
        let from = inner.len() * bucket / buckets;
        let to = inner.len() * (bucket + 1) / buckets;
        let Some(bucket) = inner.get(from..to).filter(|bucket| !bucket.is_empty()) else { continue };
        let finite = || bucket.iter().filter(|(_, value)| !value.is_nan());
        let least = finite().min_by(|left, right| left.1.total_cmp(&right.1));
        let greatest = finite().max_by(|left, right| left.1.total_cmp(&right.1));
        match (least, greatest) {
            (Some(least), Some(greatest)) if least.0 == greatest.0 => kept.push(*least),
            (Some(least), Some(greatest)) if least.0 < greatest.0 => kept.extend([*least, *greatest]),
            (Some(least), Some(greatest)) => kept.extend([*greatest, *least]),
            _ => kept.push(bucket[0]),
        }
    }
    kept.push(*last);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_curve_is_left_alone() {
        let points: Vec<Point> = (0..10).map(|step| (step, step as f64)).collect();
        assert_eq!(thinned(&points, 10), points);
        assert_eq!(thinned(&[], 10), []);
    }

    #[test]
    fn spikes_of_one_point_and_the_ends_stay() {
        let mut points: Vec<Point> = (0..100_000).map(|step| (step, (step as f64 / 900.0).sin())).collect();
        points[33_333].1 = 50.0;
        points[77_777].1 = -50.0;
        let thin = thinned(&points, MOST_POINTS);
        assert!(thin.len() <= MOST_POINTS && thin.len() > MOST_POINTS / 2, "{}", thin.len());
        assert!(thin.contains(&(33_333, 50.0)) && thin.contains(&(77_777, -50.0)));
        assert_eq!((thin[0], thin[thin.len() - 1]), (points[0], points[99_999]));
        assert!(thin.windows(2).all(|pair| pair[0].0 < pair[1].0), "steps go up");
    }

    #[test]
    fn a_gap_of_no_numbers_stays_a_gap() {
        let gap = 4_000..6_000;
        let points: Vec<Point> =
            (0..10_000).map(|step| (step, if gap.contains(&step) { f64::NAN } else { 1.0 })).collect();
        let thin = thinned(&points, 100);
        assert!(thin.iter().any(|(step, value)| gap.contains(step) && value.is_nan()));
    }
}
