//! A submission before it is made, for `gridboard plan`: what would be submitted at first, and the very script.

use std::{io, path::Path};

use super::{
    SlurmSetup, name_of,
    request::{Shape, next_together},
    site::Site,
};
use crate::run::ExperimentDir;

/// A call of `sbatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// What each of its runs asks for.
    pub shape: Shape,
    /// The runs, by their index, in the order of the tasks.
    pub runs: Vec<u64>,
}

impl Submitted {
    /// What is submitted at first, of runs in the order in which they start: as many as may be in Slurm at once. The others follow
    /// as those end.
    #[must_use]
    pub fn at_first(runs: Vec<(u64, Shape)>, at_once: u32, site: Site) -> Vec<Self> {
        let mut waiting = runs;
        waiting.truncate(usize::try_from(at_once).unwrap_or(usize::MAX));
        let most = usize::try_from(site.array_tasks).unwrap_or(usize::MAX);
        let mut all = Vec::new();
        while let Some((_, shape)) = waiting.first().copied() {
            let together = next_together(&mut waiting, most, |(_, shape)| *shape);
            all.push(Self { shape, runs: together.into_iter().map(|(run, _)| run).collect() });
        }
        all
    }
}

impl SlurmSetup {
    /// Stands in a preview where the name of a submission's folder will: it gets one when it is made.
    pub const NAME_TO_COME: &'static str = "SUBMISSION";

    /// The script of a submission as it would be, but for its name.
    ///
    /// # Errors
    /// Where this program or its working directory has no name.
    pub fn preview(
        &self,
        dir: &ExperimentDir,
        experiment: &str,
        submitted: &Submitted,
        site: Site,
    ) -> io::Result<String> {
        let tasks = u32::try_from(submitted.runs.len()).unwrap_or(u32::MAX);
        let name = name_of(experiment, Self::NAME_TO_COME);
        let folder: &Path = &dir.slurm().join(Self::NAME_TO_COME);
        self.script(&name, folder, Some(tasks).filter(|_| site.array_tasks > 0), submitted.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::request::Needs, *};
    use crate::spec::SlurmPlan;

    #[test]
    fn as_many_as_may_be_at_once_are_submitted_in_arrays_of_what_is_alike() {
        let shape = |memory| Shape::of(&SlurmPlan::default(), Needs { memory, ..Needs::default() }, None);
        let (small, large) = (shape(1), shape(1 << 30));
        let runs = vec![(7, large), (8, large), (0, small), (1, large), (2, small), (3, small)];
        let site = Site { array_tasks: 2, most_minutes: None };
        let first = Submitted::at_first(runs.clone(), 5, site);
        let expected = [(large, vec![7, 8]), (small, vec![0, 2]), (large, vec![1])];
        assert_eq!(first, expected.map(|(shape, runs)| Submitted { shape, runs }));
        // Where there are no arrays each run is a job of its own.
        let site = Site { array_tasks: 0, ..site };
        assert_eq!(Submitted::at_first(runs, 3, site).len(), 3);
    }
}
