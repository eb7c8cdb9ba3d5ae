//! What becomes of the points of a run's files in the order that they are read: one series for each tag, steps rising.
//!
//! Used by the follower, which hands every point through here. Pure. The rule is that of TensorBoard's default loader: a
//! point at or below the last step of its tag is a restart, and the points from there on are void. So is what a
//! `SessionLog.START` (a writer's `purge_step`) names, in the curves of its directory.

use std::collections::HashMap;

use super::FollowProblem;
use crate::event::{Cut, Scalar};

/// From so many restarts on a tag is taken for two series: a trainer that resumes does so once or twice.
const MANY_RESTARTS: u32 = 8;

/// Where a point was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Number of the directory.
    pub(super) directory: usize,
    /// Number of the file.
    pub(super) file: usize,
}

/// The curves of a run.
#[derive(Debug, Default)]
pub(super) struct Curves {
    series: HashMap<String, Series>,
    /// The points since the last [`Curves::take`]; `None` where a restart made one void.
    points: Vec<Option<Scalar>>,
}

/// The points of one tag.
#[derive(Debug)]
struct Series {
    source: Source,
    /// An upper bound of the steps that were handed over and still count.
    handed: Option<i64>,
    /// Places in `Curves::points`, steps rising.
    new: Vec<usize>,
    /// What was handed over is void from here on.
    cut: Option<i64>,
    restarts: u32,
    /// The latest wall time.
    latest: f64,
    /// Whether it has been told that the tag holds two series.
    told: bool,
}

impl Series {
    fn new(source: Source) -> Self {
        Self {
            source,
            handed: None,
            new: Vec::new(),
            cut: None,
            restarts: 0,
            latest: f64::NEG_INFINITY,
            told: false,
        }
    }

    /// Makes the points at `from` and after it void; whether there was one.
    fn cut(&mut self, points: &mut Vec<Option<Scalar>>, from: i64) -> bool {
        let mut any = false;
        while let Some(&place) = self.new.last() {
            if points[place].as_ref().is_some_and(|point| point.step < from) {
                return any;
            }
            self.new.pop();
            any = true;
            if place + 1 == points.len() {
                points.pop();
            } else {
                points[place] = None;
            }
        }
        if self.handed.is_some_and(|handed| handed >= from) {
            self.cut = Some(self.cut.map_or(from, |cut| cut.min(from)));
            self.handed = from.checked_sub(1);
            any = true;
        }
        any
    }
}

impl Curves {
    /// Takes the next point of a file.
    pub(super) fn point(&mut self, source: Source, point: Scalar, problems: &mut Vec<FollowProblem>) {
        if !self.series.contains_key(&point.tag) {
            self.series.insert(point.tag.clone(), Series::new(source));
        }
        let series = self.series.get_mut(&point.tag).expect("put there above");
        let restart = series.cut(&mut self.points, point.step);
        series.restarts = series.restarts.saturating_add(u32::from(restart));
        // A file of a writer that goes on after another's first point was not restarted from it: both are at work.
        let two_writers = source != series.source && point.wall_time < series.latest;
        if !series.told && (two_writers || series.restarts == MANY_RESTARTS) {
            series.told = true;
            problems.push(FollowProblem::TwoSeries { tag: point.tag.clone(), two_writers });
        }
        series.source = source;
        series.latest = series.latest.max(point.wall_time);
        series.new.push(self.points.len());
        self.points.push(Some(point));
    }

    /// A session starts in a directory: its curves are void from `step` on.
    pub(super) fn start(&mut self, directory: usize, step: i64) {
        for series in self.series.values_mut().filter(|series| series.source.directory == directory) {
            series.cut(&mut self.points, step);
        }
    }

    /// Everything that was read in a directory is void.
    pub(super) fn forget(&mut self, directory: usize) {
        for series in self.series.values_mut().filter(|series| series.source.directory == directory) {
            series.cut(&mut self.points, i64::MIN);
            (series.restarts, series.latest) = (0, f64::NEG_INFINITY);
        }
    }

    /// What was taken since the last call: first the ends of curves that were handed over and no longer count, then the
    /// points, each tag and step once.
    pub(super) fn take(&mut self) -> (Vec<Cut>, Vec<Scalar>) {
        let mut cuts = Vec::new();
        for (tag, series) in &mut self.series {
            if let Some(from) = series.cut.take() {
                cuts.push(Cut { tag: tag.clone(), from });
            }
            if let Some(&place) = series.new.last() {
                series.handed = self.points[place].as_ref().map(|point| point.step);
                series.new.clear();
            }
        }
        cuts.sort_by(|left, right| left.tag.cmp(&right.tag));
        (cuts, self.points.drain(..).flatten().collect())
    }

    /// Whether nothing waits to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty() && self.series.values().all(|series| series.cut.is_none())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const FIRST: Source = Source { directory: 0, file: 0 };
    const SECOND: Source = Source { directory: 0, file: 1 };

    fn point(tag: &str, step: i64, wall_time: f64) -> Scalar {
        Scalar { tag: tag.to_owned(), step, value: 0.5, wall_time }
    }

    fn steps(curves: &mut Curves) -> (Vec<(String, i64)>, Vec<i64>) {
        let (cuts, points) = curves.take();
        (
            cuts.into_iter().map(|cut| (cut.tag, cut.from)).collect(),
            points.into_iter().map(|point| point.step).collect(),
        )
    }

    fn feed(curves: &mut Curves, source: Source, steps: &[i64]) -> Vec<FollowProblem> {
        let mut problems = Vec::new();
        for &step in steps {
            curves.point(source, point("a", step, 1.0), &mut problems);
        }
        problems
    }

    /// The steps and results that TensorBoard 2.21 gives.
    #[test]
    fn a_step_that_goes_back_makes_what_follows_it_void() {
        let mut curves = Curves::default();
        feed(&mut curves, FIRST, &[0, 1, 2, 3, 4, 2, 3]);
        assert_eq!(steps(&mut curves), (vec![], vec![0, 1, 2, 3]));
        feed(&mut curves, FIRST, &[-5]);
        assert_eq!(steps(&mut curves), (vec![("a".to_owned(), -5)], vec![-5]));
        // The end of what is left is at most -6: no cut is needed again.
        feed(&mut curves, FIRST, &[-4]);
        assert_eq!(steps(&mut curves), (vec![], vec![-4]));
    }

    #[test]
    fn the_extreme_steps_are_steps() {
        let mut curves = Curves::default();
        feed(&mut curves, FIRST, &[i64::MIN, i64::MAX]);
        assert_eq!(steps(&mut curves).1, [i64::MIN, i64::MAX]);
        feed(&mut curves, FIRST, &[i64::MAX, i64::MIN]);
        assert_eq!(steps(&mut curves), (vec![("a".to_owned(), i64::MIN)], vec![i64::MIN]));
    }

    #[test]
    fn a_flood_at_one_step_keeps_one_point_and_no_memory() {
        let mut curves = Curves::default();
        let problems = feed(&mut curves, FIRST, &[0; 1_000_000]);
        assert!(matches!(&problems[..], [FollowProblem::TwoSeries { two_writers: false, .. }]));
        assert_eq!(curves.points.len(), 1);
        assert_eq!(steps(&mut curves), (vec![], vec![0]));
    }

    #[test]
    fn a_session_cuts_the_curves_of_its_directory_alone() {
        let mut curves = Curves::default();
        let mut problems = Vec::new();
        let elsewhere = Source { directory: 1, file: 2 };
        for step in 0..6 {
            curves.point(FIRST, point("a", step, 1.0), &mut problems);
            curves.point(FIRST, point("b", step, 1.0), &mut problems);
            curves.point(elsewhere, point("c", step, 1.0), &mut problems);
        }
        curves.take();
        curves.start(0, 3);
        // `b` is not written again.
        curves.point(SECOND, point("a", 3, 2.0), &mut problems);
        let (cuts, points) = curves.take();
        let cut = |tag: &str| Cut { tag: tag.to_owned(), from: 3 };
        assert_eq!((cuts, points.len()), (vec![cut("a"), cut("b")], 1));
        assert!(problems.is_empty(), "{problems:?}");
        curves.forget(0);
        let cuts: Vec<_> = curves.take().0.into_iter().map(|cut| (cut.tag, cut.from)).collect();
        assert_eq!(cuts, [("a".to_owned(), i64::MIN), ("b".to_owned(), i64::MIN)]);
    }

    #[test]
    fn two_writers_of_a_tag_are_told_once_and_a_restart_is_not() {
        let mut curves = Curves::default();
        let mut problems = Vec::new();
        for wall_time in 0..5 {
            curves.point(FIRST, point("a", wall_time, wall_time as f64), &mut problems);
        }
        curves.point(SECOND, point("a", 2, 5.0), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        for wall_time in 0..5 {
            curves.point(FIRST, point("a", 9, wall_time as f64), &mut problems);
        }
        assert!(matches!(&problems[..], [FollowProblem::TwoSeries { two_writers: true, .. }]));
    }

    proptest! {
        /// However the points are divided into polls, what a reader keeps is what one pass over all of them keeps.
        #[test]
        fn polls_do_not_change_the_curve(
            steps in proptest::collection::vec((0_usize..2, -3_i64..6), 0..40),
            starts in proptest::collection::vec((0_usize..40, -3_i64..6), 0..3),
            polls in proptest::collection::vec(0_usize..40, 0..6),
        ) {
            let mut plain: [Vec<i64>; 2] = Default::default();
            let mut kept: [BTreeMap<i64, ()>; 2] = Default::default();
            let mut curves = Curves::default();
            let mut problems = Vec::new();
            let apply = |curves: &mut Curves, kept: &mut [BTreeMap<i64, ()>; 2]| {
                let (cuts, points) = curves.take();
                for cut in cuts {
                    kept[usize::from(cut.tag == "1")].retain(|step, ()| *step < cut.from);
                }
                for point in points {
                    let known = kept[usize::from(point.tag == "1")].insert(point.step, ());
                    assert!(known.is_none(), "a step is handed over once");
                }
            };
            for (at, &(tag, step)) in steps.iter().enumerate() {
                for &(_, step) in starts.iter().filter(|(start, _)| *start == at) {
                    curves.start(0, step);
                    plain.iter_mut().for_each(|plain| plain.retain(|kept| *kept < step));
                }
                curves.point(FIRST, point(&tag.to_string(), step, 1.0), &mut problems);
                plain[tag].retain(|kept| *kept < step);
                plain[tag].push(step);
                if polls.contains(&at) {
                    apply(&mut curves, &mut kept);
                }
            }
            apply(&mut curves, &mut kept);
            for (plain, kept) in plain.iter().zip(&kept) {
                prop_assert_eq!(plain, &kept.keys().copied().collect::<Vec<_>>());
            }
        }
    }
}
