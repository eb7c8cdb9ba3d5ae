//! Chunks of curves. Pure.
//!
//! A chunk has the least and the greatest of neighbouring points, so that a long curve is drawn without reading them all, and no
//! spike is missed: never every n-th point. Who writes points keeps those of long curves (`writer::chunks`, the bulk load), `verify`
//! works them out anew, and `thinner` draws from them.

/// Points of a chunk of the lowest level.
pub(crate) const POINTS: usize = 64;
/// So many chunks make one of the level above.
pub(super) const FAN: usize = 8;
/// A curve of no more points has no chunks: it is as quickly read whole.
pub(crate) const LONG: usize = 3_000;
/// So many points at the end of a live curve may be without chunks, which are made a few at a time.
pub(crate) const LAG: usize = POINTS * FAN;

/// A point: step and value.
pub(crate) type Pair = (i64, f64);

/// Neighbouring points of a curve; one point is a chunk too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chunk {
    /// Step of its first point.
    pub(crate) first: i64,
    /// Step of its last point.
    pub(crate) last: i64,
    pub(crate) points: u64,
    /// Points that are no number.
    pub(crate) nans: u64,
    /// The first of its least points; `None` where none is a number.
    pub(crate) least: Option<Pair>,
    /// The first of its greatest points.
    pub(crate) greatest: Option<Pair>,
}

impl From<Pair> for Chunk {
    fn from(point: Pair) -> Self {
        let (step, value) = point;
        let number = (!value.is_nan()).then_some(point);
        Self {
            first: step,
            last: step,
            points: 1,
            nans: u64::from(value.is_nan()),
            least: number,
            greatest: number,
        }
    }
}

/// A chunk as the table has it.
pub(super) type Columns = (i64, i64, i64, i64, Option<f64>, Option<i64>, Option<f64>, Option<i64>);

/// Names of [`Columns`].
pub(super) const COLUMNS: &str =
    "first_step, last_step, points, nans, least, least_step, greatest, greatest_step";

impl From<Columns> for Chunk {
    fn from((first, last, points, nans, least, least_step, greatest, greatest_step): Columns) -> Self {
        Self {
            first,
            last,
            points: points.unsigned_abs(),
            nans: nans.unsigned_abs(),
            least: least_step.zip(least),
            greatest: greatest_step.zip(greatest),
        }
    }
}

impl Chunk {
    /// This one and the one that follows it.
    pub(super) fn and(self, next: Self) -> Self {
        let either =
            |left: Option<Pair>, right: Option<Pair>, is_better: fn(f64, f64) -> bool| match (left, right) {
                // Not by total order: of a zero, SQLite drops the sign.
                (Some(left), Some(right)) => Some(if is_better(right.1, left.1) { right } else { left }),
                (left, right) => left.or(right),
            };
        Self {
            first: self.first,
            last: next.last,
            points: self.points + next.points,
            nans: self.nans + next.nans,
            least: either(self.least, next.least, |new, old| new < old),
            greatest: either(self.greatest, next.greatest, |new, old| new > old),
        }
    }

    /// Several neighbours as one; `None` of none.
    pub(super) fn of(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        parts.into_iter().reduce(Self::and)
    }
}

/// The chunks of a curve, by step, level by level: the whole ones; none where it is not long.
pub(crate) fn levels(points: &[Pair]) -> Vec<Vec<Chunk>> {
    if points.len() <= LONG {
        return Vec::new();
    }
    above(lowest(points))
}

/// The whole chunks of the lowest level.
pub(super) fn lowest(points: &[Pair]) -> Vec<Chunk> {
    points
        .chunks_exact(POINTS)
        .filter_map(|chunk| Chunk::of(chunk.iter().copied().map(Chunk::from)))
        .collect()
}

/// The chunks of this level and of all above it.
pub(crate) fn above(lowest: Vec<Chunk>) -> Vec<Vec<Chunk>> {
    let mut levels = Vec::new();
    let mut level = lowest;
    while !level.is_empty() {
        let next = level.chunks_exact(FAN).filter_map(|parts| Chunk::of(parts.iter().copied())).collect();
        levels.push(std::mem::replace(&mut level, next));
    }
    levels
}

/// What is wrong with the chunks that are kept of a curve, level by level; `None` where they are those of its points, but for a few
/// points at the end.
pub(crate) fn problem(points: &[Pair], kept: &[Vec<Chunk>]) -> Option<String> {
    let count = kept.first().map_or(0, Vec::len);
    let mut expected = lowest(points);
    expected.truncate(count);
    if above(expected) != kept {
        return Some("the chunks that are kept of it are not those of its points".to_owned());
    }
    let rest = points.len() - count * POINTS;
    (points.len() > LONG && rest >= LAG).then(|| format!("the last {rest} of its points are in no chunk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(length: i64, value: impl Fn(i64) -> f64) -> Vec<Pair> {
        (0..length).map(|step| (step, value(step))).collect()
    }

    #[test]
    fn a_chunk_has_the_first_of_its_least_and_greatest_points() {
        let points = [(3, 1.0), (4, f64::NAN), (6, -2.0), (7, 5.0), (8, -2.0), (9, 5.0)];
        let chunk = Chunk::of(points.map(Chunk::from)).unwrap();
        assert_eq!((chunk.first, chunk.last, chunk.points, chunk.nans), (3, 9, 6, 1));
        assert_eq!((chunk.least, chunk.greatest), (Some((6, -2.0)), Some((7, 5.0))));
        let none = Chunk::of([(0, f64::NAN), (1, f64::NAN)].map(Chunk::from)).unwrap();
        assert_eq!((none.nans, none.least, none.greatest), (2, None, None));
        // Whichever sign SQLite keeps, it is the first one.
        let zeros = Chunk::of([(0, 0.0), (1, -0.0)].map(Chunk::from)).unwrap();
        assert_eq!((zeros.least.unwrap().0, zeros.greatest.unwrap().0), (0, 0));
    }

    #[test]
    fn only_long_curves_have_chunks_and_levels_stand_on_each_other() {
        assert!(levels(&curve(LONG as i64, |step| step as f64)).is_empty());
        let levels = levels(&curve(100_000, |step| (step as f64 / 700.0).sin()));
        assert_eq!(levels.iter().map(Vec::len).collect::<Vec<_>>(), [1562, 195, 24, 3]);
        for pair in levels.windows(2) {
            for (place, chunk) in pair[1].iter().enumerate() {
                let parts = &pair[0][place * FAN..(place + 1) * FAN];
                assert_eq!(Some(*chunk), Chunk::of(parts.iter().copied()));
            }
        }
    }

    #[test]
    fn chunks_are_held_against_the_points() {
        let points = curve(10_000, |step| (step % 77) as f64);
        let kept = levels(&points);
        assert_eq!(problem(&points, &kept), None);
        // A live curve is a little ahead of them, one that was cut may have some without being long.
        let ahead = above(kept[0][..kept[0].len() - FAN + 1].to_vec());
        assert_eq!(
            (problem(&points, &ahead), problem(&points[..2_000], &above(kept[0][..31].to_vec()))),
            (None, None)
        );
        let behind = above(kept[0][..kept[0].len() - FAN].to_vec());
        assert_eq!(problem(&points, &behind).unwrap(), "the last 528 of its points are in no chunk");
        assert_eq!(problem(&points, &[]).unwrap(), "the last 10000 of its points are in no chunk");
        let mut other = kept.clone();
        other[1][3].greatest = Some((1_600, 78.0));
        for wrong in [other, kept[..1].to_vec(), vec![kept[0].clone(), Vec::new()]] {
            assert!(problem(&points, &wrong).unwrap().contains("are not those of its points"));
        }
        assert!(problem(&points[..5_000], &kept).is_some(), "more chunks than points");
    }
}
