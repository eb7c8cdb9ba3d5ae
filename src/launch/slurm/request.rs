//! What is asked of Slurm for a run, and what that rests on: the spec, an estimate, or nothing, which leaves it to the site. Pure.
//!
//! Asked by the launcher when a run is to be submitted, and by `gridboard plan`, which shows it before.

use crate::spec::SlurmPlan;

/// What is known of a run before its job is submitted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Needs {
    /// Estimated memory of its process on the host, bytes; 0 where it is not known.
    pub memory: u64,
    /// How long it takes by runs that have ended in the cluster, seconds.
    pub seconds: Option<f64>,
    /// An estimated limit that was too short for it, minutes.
    pub reached: Option<u64>,
}

/// What runs of a submission have in common, beside what the spec says of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    memory_mib: Option<u64>,
    minutes: Option<u64>,
}

/// What a number that is asked for rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The spec, or the user's config.yaml.
    Given,
    /// What is known of the run.
    Estimate,
    /// Nothing is asked for: the site's default holds.
    Site,
}

impl Source {
    /// One word for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Estimate => "estimate",
            Self::Site => "site",
        }
    }

    const fn of(is_given: bool, is_asked: bool) -> Self {
        match (is_given, is_asked) {
            (true, _) => Self::Given,
            (false, true) => Self::Estimate,
            (false, false) => Self::Site,
        }
    }
}

/// The limit of the check of a node, minutes. It takes seconds; a short job starts earlier between longer ones.
pub(in crate::launch) const CHECK_MINUTES: u64 = 5;
/// A job that is expected to take an instant may take this long, minutes: a node may be slow to start it.
const LEAST_MINUTES: u64 = 10;
/// Limits by estimate, minutes; beyond them whole days. In steps, so that runs share an array.
const STEPS: [u64; 15] = [10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1080, 1440];
const DAY: u64 = 1440;

impl Shape {
    /// What is asked for a run. No limit by estimate is longer than `most_minutes`, which the site allows.
    #[must_use]
    pub fn of(plan: &SlurmPlan, needs: Needs, most_minutes: Option<u64>) -> Self {
        // A quarter more than the estimate, and what libraries and logs take; in steps, so that runs share an array.
        let by_estimate = |bytes: u64| (bytes + bytes / 4 + (256 << 20)).div_ceil(256 << 20) * 256;
        let given = plan.memory.map(|bytes| bytes.div_ceil(1 << 20));
        // What a run on a GPU takes of its node's memory has not been measured.
        let known = needs.memory > 0 && plan.gpus == 0;
        let minutes = match plan.time {
            Some(time) => Some(time.duration().as_secs().div_ceil(60)),
            None => limit(needs, most_minutes),
        };
        Self { memory_mib: given.or_else(|| known.then(|| by_estimate(needs.memory))), minutes }
    }

    /// What the check of a node asks for: nodes that would take a run, for some minutes.
    pub(in crate::launch) fn of_check(plan: &SlurmPlan, starts_trainer: bool) -> Self {
        let run = Self::of(plan, Needs::default(), None);
        // More than libtorch takes to start; a site's default may be less.
        let trainer = if plan.gpus > 0 { 2048 } else { 1024 };
        Self {
            memory_mib: run.memory_mib.or_else(|| starts_trainer.then_some(trainer)),
            minutes: Some(run.minutes.map_or(CHECK_MINUTES, |minutes| minutes.min(CHECK_MINUTES))),
        }
    }

    /// Memory, MiB; `None` for the site's default.
    #[must_use]
    pub fn memory_mib(self) -> Option<u64> {
        self.memory_mib
    }

    /// The time limit, minutes; `None` for the site's default.
    #[must_use]
    pub fn minutes(self) -> Option<u64> {
        self.minutes
    }

    /// What the memory rests on.
    #[must_use]
    pub fn memory_from(self, plan: &SlurmPlan) -> Source {
        Source::of(plan.memory.is_some(), self.memory_mib.is_some())
    }

    /// What the time limit rests on.
    #[must_use]
    pub fn time_from(self, plan: &SlurmPlan) -> Source {
        Source::of(plan.time.is_some(), self.minutes.is_some())
    }

    /// The time limit, minutes, where it is an estimate.
    pub(in crate::launch) fn estimated_minutes(self, plan: &SlurmPlan) -> Option<u64> {
        self.minutes.filter(|_| plan.time.is_none())
    }

    /// The same without a time limit of its own.
    pub(in crate::launch) fn without_limit(self) -> Self {
        Self { minutes: None, ..self }
    }

    /// How long before its time limit a job is warned, seconds: the grace that a run has, and what Slurm is late with its signals.
    #[must_use]
    pub fn warning(self, grace: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration of seconds")]
        let wanted = (grace.max(0.0) as u64 + 60).max(120);
        // Half of a short job is its own.
        self.minutes.map_or(wanted, |minutes| wanted.min(minutes * 60 / 2))
    }
}

/// A time limit by what is known: twice of what the run is expected to take, and twice of a limit that was too short.
fn limit(needs: Needs, most: Option<u64>) -> Option<u64> {
    let seconds = needs.seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of minutes")]
    let expected = seconds.map(|seconds| in_steps((2.0 * seconds / 60.0).ceil() as u64));
    let doubled = needs.reached.map(|minutes| minutes.saturating_mul(2));
    let minutes = expected.max(doubled)?;
    Some(most.map_or(minutes, |most| minutes.min(most.max(1))))
}

fn in_steps(minutes: u64) -> u64 {
    let minutes = minutes.max(LEAST_MINUTES);
    STEPS.into_iter().find(|step| *step >= minutes).unwrap_or_else(|| minutes.div_ceil(DAY) * DAY)
}

/// Takes those out that are submitted next: the first one, and what is alike with it, `most` at most; the others stay in order.
pub(in crate::launch) fn next_together<T>(
    waiting: &mut Vec<T>,
    most: usize,
    shape_of: impl Fn(&T) -> Shape,
) -> Vec<T> {
    let Some(shape) = waiting.first().map(&shape_of) else { return Vec::new() };
    let (mut together, mut rest) = (Vec::new(), Vec::new());
    for one in std::mem::take(waiting) {
        if together.len() < most.max(1) && shape_of(&one) == shape {
            together.push(one)
        } else {
            rest.push(one)
        }
    }
    *waiting = rest;
    together
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::SpecDuration;

    fn shape(plan: &SlurmPlan, memory: u64) -> Shape {
        Shape::of(plan, Needs { memory, ..Needs::default() }, None)
    }

    #[test]
    fn memory_is_asked_for_in_steps_and_the_warning_leaves_half_of_a_short_job() {
        let plan = SlurmPlan::default();
        assert_eq!(shape(&plan, 0).memory_mib, None);
        assert_eq!(shape(&plan, 1).memory_mib, Some(512));
        assert_eq!(shape(&plan, 1 << 30).memory_mib, Some(1536));
        assert_eq!(shape(&plan, 1 << 30).memory_from(&plan), Source::Estimate);
        let given = SlurmPlan { memory: Some(1), ..plan.clone() };
        assert_eq!(shape(&given, 1 << 40).memory_mib, Some(1));
        assert_eq!(shape(&given, 1 << 40).memory_from(&given), Source::Given);
        let on_gpu = SlurmPlan { gpus: 1, ..plan.clone() };
        assert_eq!(shape(&on_gpu, 1 << 30).memory_mib, None, "that is the GPU's own memory");
        assert_eq!(shape(&on_gpu, 1 << 30).memory_from(&on_gpu), Source::Site);
        assert_eq!((shape(&plan, 0).warning(90.0), shape(&plan, 0).warning(1.0)), (150, 120));
        let short = SlurmPlan { time: Some(SpecDuration::seconds(60)), ..plan };
        assert_eq!(shape(&short, 0).warning(90.0), 30);
    }

    #[test]
    fn a_limit_is_twice_of_what_is_expected_and_of_what_was_too_short() {
        let plan = SlurmPlan::default();
        let of = |seconds: Option<f64>, reached, most| {
            Shape::of(&plan, Needs { memory: 0, seconds, reached }, most).minutes
        };
        assert_eq!(of(None, None, Some(60)), None, "nothing is known, and nothing is asked for");
        assert_eq!(of(Some(0.5), None, None), Some(10));
        assert_eq!(of(Some(601.0), None, None), Some(30));
        assert_eq!(of(Some(86_400.0 * 2.0), None, None), Some(4 * 1440));
        assert_eq!(of(Some(601.0), Some(10), None), Some(30), "twice ten is less");
        assert_eq!(of(Some(601.0), Some(30), None), Some(60));
        assert_eq!(of(None, Some(30), None), Some(60));
        assert_eq!(of(Some(601.0), Some(30), Some(50)), Some(50), "no more than the site allows");
        assert_eq!(of(Some(f64::NAN), None, None), None);
        let given = SlurmPlan { time: Some(SpecDuration::seconds(4 * 3600 + 1)), ..plan };
        let shape = Shape::of(&given, Needs { seconds: Some(1.0), reached: Some(900), memory: 0 }, Some(5));
        assert_eq!((shape.minutes, shape.estimated_minutes(&given)), (Some(241), None));
        assert_eq!(shape.time_from(&given), Source::Given);
    }

    #[test]
    fn a_check_asks_for_what_a_run_would_and_for_some_minutes() {
        let of = |plan: &SlurmPlan, starts_trainer| {
            let Shape { memory_mib, minutes } = Shape::of_check(plan, starts_trainer);
            (memory_mib, minutes)
        };
        let plan = SlurmPlan::default();
        assert_eq!((of(&plan, false), of(&plan, true)), ((None, Some(5)), (Some(1024), Some(5))));
        let time = Some(SpecDuration::seconds(120));
        let given = SlurmPlan { memory: Some(32 << 30), time, gpus: 1, ..plan };
        assert_eq!(of(&given, true), (Some(32 << 10), Some(2)));
    }

    #[test]
    fn what_is_alike_is_submitted_together_and_no_more_than_an_array_takes() {
        let plan = SlurmPlan::default();
        let (small, large) = (shape(&plan, 1), shape(&plan, 1 << 30));
        let mut waiting = vec![(0, large), (1, small), (2, large), (3, large), (4, small)];
        let mut next = || {
            let together = next_together(&mut waiting, 2, |(_, shape)| *shape);
            together.into_iter().map(|(run, _)| run).collect::<Vec<_>>()
        };
        assert_eq!((next(), next(), next(), next()), (vec![0, 2], vec![1, 4], vec![3], vec![]));
    }
}
