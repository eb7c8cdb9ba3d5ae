//! Several seeds of a grid point as one curve with a band: the tags that the run of its first seed has for them, their values,
//! and the charts that show them. Pure.
//!
//! The band is from the lowest seed to the highest. A point is written when all its seeds have completed: until then the
//! mean would be of others at every look. It lies in a run and not in the sweep's own, since TensorBoard has one colour for
//! all curves of a run: there, all bands would be of one.

use std::collections::BTreeMap;

use crate::{
    run::{RunIndex, RunSpec},
    spec::Experiment,
    store::{Curve, RunKey},
    tags,
    tfevents::{Category, Chart, Margin, hparams::StepOfCurves},
};

/// With more grid points than these, only the metric that ranks has bands.
const MANY_POINTS: usize = 60;

/// A grid point with several seeds.
#[derive(Clone, Debug)]
pub(super) struct SeededPoint {
    /// Its runs, that of the first seed first.
    pub(super) runs: Vec<RunKey>,
}

/// The grid points of an experiment with several seeds, in order; none of one with a single seed.
pub(super) fn points<'a>(
    experiment: &Experiment,
    runs: impl IntoIterator<Item = &'a RunSpec>,
    keys: &[RunKey],
) -> Vec<SeededPoint> {
    let mut points: BTreeMap<u64, BTreeMap<RunIndex, RunKey>> = BTreeMap::new();
    if experiment.seeds.len() < 2 {
        return Vec::new();
    }
    for (run, key) in runs.into_iter().zip(keys) {
        points.entry(run.index.point(experiment.seeds.len())).or_default().insert(run.index, *key);
    }
    points.into_values().map(|runs| SeededPoint { runs: runs.into_values().collect() }).collect()
}

/// The name of a run without its seed.
pub(in crate::sweep) fn point_name(run: &RunSpec) -> &str {
    run.name.strip_suffix(&format!("-seed-{}", run.seed)).unwrap_or(&run.name)
}

/// The metrics that have bands; none with a single seed.
pub(super) fn metrics(experiment: &Experiment, points: usize) -> Vec<String> {
    if experiment.seeds.len() < 2 {
        return Vec::new();
    }
    let rule = &experiment.rank;
    let mut metrics = vec![rule.by.tag.clone()];
    if points <= MANY_POINTS {
        metrics.extend(rule.then.iter().map(|then| then.tag.clone()));
        if !experiment.is_command() {
            metrics.extend([tags::VALIDATION_ACCURACY, tags::VALIDATION_LOSS].map(str::to_owned));
        }
    }
    let mut seen = Vec::new();
    metrics.retain(|tag| !seen.contains(tag) && !tag.contains('*') && (seen.push(tag.clone()), true).1);
    metrics
}

/// The tags of a band: value, lower and upper end.
pub(super) fn margin(metric: &str) -> Margin {
    let tag = |end: &str| format!("{}{metric}/{end}", tags::SEEDS_FOLDER);
    Margin { value: tag("mean"), lower: tag("low"), upper: tag("high") }
}

/// A point of a band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BandPoint {
    pub(super) step: i64,
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// When the last of the seeds was there, seconds since 1970.
    pub(super) wall_time: f64,
}

/// The band of the curves of some seeds, at the steps that all of them have.
pub(super) fn band(seeds: &[Curve]) -> Vec<BandPoint> {
    let mut steps: BTreeMap<i64, Vec<(f64, f64)>> = BTreeMap::new();
    for point in seeds.iter().flat_map(|seed| &seed.points) {
        steps.entry(point.step).or_default().push((point.value, point.wall_time));
    }
    steps
        .into_iter()
        .filter(|(_, values)| values.len() == seeds.len())
        .map(|(step, values)| {
            #[expect(clippy::cast_precision_loss, reason = "a number of seeds")]
            let mean = values.iter().map(|(value, _)| value).sum::<f64>() / values.len() as f64;
            let of =
                |fold: fn(f64, f64) -> f64, first| values.iter().map(|(value, _)| *value).fold(first, fold);
            BandPoint {
                step,
                mean,
                low: of(f64::min, f64::INFINITY),
                high: of(f64::max, f64::NEG_INFINITY),
                wall_time: values.iter().map(|(_, time)| *time).fold(0.0, f64::max),
            }
        })
        .collect()
}

/// The band of some seeds as the steps of its three curves.
pub(super) fn steps(metric: &str, seeds: &[Curve]) -> Vec<StepOfCurves> {
    let Margin { value, lower, upper } = margin(metric);
    let step = |at: BandPoint| {
        let values = [(&value, at.mean), (&lower, at.low), (&upper, at.high)];
        #[expect(clippy::cast_possible_truncation, reason = "the format has 32-bit floats")]
        let values = values.map(|(tag, value)| (tag.clone(), value as f32));
        (at.step, at.wall_time, values.into())
    };
    band(seeds).into_iter().map(step).collect()
}

/// The charts of the bands, a category for each metric: TensorBoard turns the order of several in one.
pub(super) fn categories(metrics: &[String]) -> Vec<Category> {
    let category = |metric: &String| Category {
        title: format!("{metric}: mean over the seeds, lowest to highest"),
        charts: vec![Chart::Margins {
            title: format!("{metric} of ticked runs"),
            series: vec![margin(metric)],
        }],
        closed: false,
    };
    metrics.iter().map(category).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Point;

    fn curve(values: &[f64]) -> Curve {
        let point = |(step, value): (i64, &f64)| Point { step, value: *value, wall_time: step as f64 };
        Curve { tag: "a".to_owned(), points: (0..).zip(values).map(point).collect() }
    }

    #[test]
    fn a_band_has_the_steps_of_all_seeds() {
        let band = band(&[curve(&[1.0, 4.0, 9.0]), curve(&[3.0, 2.0])]);
        let values: Vec<_> =
            band.iter().map(|point| (point.step, point.mean, point.low, point.high)).collect();
        assert_eq!(values, [(0, 2.0, 1.0, 3.0), (1, 3.0, 2.0, 4.0)]);
    }
}
