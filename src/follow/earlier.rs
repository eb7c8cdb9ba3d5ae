//! Whether a trainer goes on where an earlier attempt stopped.
//!
//! A new attempt starts with no event files, those of the attempt before are set aside. A trainer that resumes by itself, from
//! a checkpoint of its own, logs only the rest of its curves: its first points say so, and then the earlier files belong to
//! its curves. Used by the sweep, which moves the files. Pure.

use std::collections::{HashMap, HashSet};

use crate::event::{Cut, Scalar};

/// The curves of the attempts before, as far as they tell a trainer that resumes from one that starts anew.
#[derive(Debug, Default)]
pub struct Earlier {
    /// By tag: the first step.
    first: HashMap<String, i64>,
    /// Tags that the present attempt has logged.
    logged: HashSet<String>,
}

impl Earlier {
    /// The curves of these points.
    #[must_use]
    pub fn new(points: &[Scalar]) -> Self {
        let mut first = HashMap::new();
        for point in points {
            let step = first.entry(point.tag.clone()).or_insert(point.step);
            *step = point.step.min(*step);
        }
        Self { first, logged: HashSet::new() }
    }

    /// Whether new points of the present attempt show that it has resumed: a curve begins after the first step that it had
    /// before.
    pub fn is_resumed_by(&mut self, points: &[Scalar]) -> bool {
        let mut resumed = false;
        for point in points {
            if !self.logged.contains(&point.tag) {
                resumed |= self.first.get(&point.tag).is_some_and(|first| point.step > *first);
                self.logged.insert(point.tag.clone());
            }
        }
        resumed
    }

    /// Whether the present attempt has logged anything.
    #[must_use]
    pub fn has_logged(&self) -> bool {
        !self.logged.is_empty()
    }

    /// What takes back every point that was handed over since [`Earlier::new`].
    #[must_use]
    pub fn cuts(&self) -> Vec<Cut> {
        let mut cuts: Vec<Cut> =
            self.logged.iter().map(|tag| Cut { tag: tag.clone(), from: i64::MIN }).collect();
        cuts.sort_by(|left, right| left.tag.cmp(&right.tag));
        cuts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(points: &[(&str, i64)]) -> Vec<Scalar> {
        let point =
            |&(tag, step): &(&str, i64)| Scalar { tag: tag.to_owned(), step, value: 0.5, wall_time: 1.0 };
        points.iter().map(point).collect()
    }

    #[test]
    fn a_curve_that_begins_later_than_before_is_a_resumed_one() {
        let before = points(&[("a", 0), ("a", 5), ("b", 3)]);
        let mut earlier = Earlier::new(&before);
        assert!(!earlier.has_logged());
        // A start from scratch, other first steps, and tags that were not there before.
        assert!(!earlier.is_resumed_by(&points(&[("a", 0), ("a", 1), ("c", 9)])));
        assert!(!earlier.is_resumed_by(&points(&[("b", 2), ("a", 7)])));
        assert!(earlier.has_logged());
        assert!(Earlier::new(&before).is_resumed_by(&points(&[("c", 0), ("a", 1)])));
        let mut earlier = Earlier::new(&before);
        assert!(earlier.is_resumed_by(&points(&[("b", 4)])));
        assert_eq!(earlier.cuts(), [Cut { tag: "b".to_owned(), from: i64::MIN }]);
        assert!(!Earlier::default().is_resumed_by(&points(&[("a", 7)])));
    }
}
