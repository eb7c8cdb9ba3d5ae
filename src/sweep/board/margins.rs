//! Several seeds of a grid point as one curve with a band: which tags the sweep's own run has for them, their values, and
//! the charts that show them. Pure.
//!
//! The band is from the lowest seed to the highest. A point is written when all its seeds have completed: until then the
//! mean would be of others at every look.

use std::collections::BTreeMap;

use crate::{
    run::RunSpec,
    spec::Experiment,
    store::{Curve, RunKey},
    tags,
    tfevents::{Category, Chart, Margin},
};

/// Curves of one chart, at most: more of them cannot be told apart.
const MOST_SERIES: usize = 12;
/// With more grid points than these, only the metric that ranks has bands.
const MANY_POINTS: usize = 60;

/// A grid point with several seeds.
#[derive(Clone, Debug)]
pub(super) struct SeededPoint {
    /// The names of its runs without the seed.
    pub(super) name: String,
    /// Its value of the first axis, for the title of its chart.
    facet: String,
    pub(super) runs: Vec<RunKey>,
}

/// The grid points of an experiment with several seeds, in order; none of one with a single seed.
pub(super) fn points<'a>(
    experiment: &Experiment,
    runs: impl IntoIterator<Item = &'a RunSpec>,
    keys: &[RunKey],
) -> Vec<SeededPoint> {
    let mut points: BTreeMap<u64, SeededPoint> = BTreeMap::new();
    if experiment.seeds.len() < 2 {
        return Vec::new();
    }
    for (run, key) in runs.into_iter().zip(keys) {
        let point = points.entry(run.index.point(experiment.seeds.len())).or_insert_with(|| SeededPoint {
            name: point_name(run).to_owned(),
            facet: run.axes.first().map(|(axis, value)| format!("{axis} {value}")).unwrap_or_default(),
            runs: Vec::new(),
        });
        point.runs.push(*key);
    }
    points.into_values().collect()
}

/// The name of a run without its seed.
pub(in crate::sweep) fn point_name(run: &RunSpec) -> &str {
    run.name.strip_suffix(&format!("-seed-{}", run.seed)).unwrap_or(&run.name)
}

/// The metrics that have bands.
pub(super) fn metrics(experiment: &Experiment, points: usize) -> Vec<String> {
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

/// The tags of a grid point's band: value, lower and upper end.
pub(super) fn margin(metric: &str, point: &str) -> Margin {
    let tag = |end: &str| format!("seeds/{metric}/{point}/{end}");
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

/// The charts of the bands, a category for each metric: a chart for each value of the first axis, or for every few points.
pub(super) fn categories(metrics: &[String], points: &[SeededPoint]) -> Vec<Category> {
    let mut groups: Vec<(String, Vec<&SeededPoint>)> = Vec::new();
    for point in points {
        match groups.iter_mut().find(|(facet, of)| *facet == point.facet && of.len() < MOST_SERIES) {
            Some((_, of)) => of.push(point),
            None => groups.push((point.facet.clone(), vec![point])),
        }
    }
    if points.len() <= MOST_SERIES {
        groups = vec![(String::new(), points.iter().collect())];
    }
    if points.is_empty() {
        return Vec::new();
    }
    let category = |metric: &String| Category {
        title: format!("{metric}: mean over the seeds, lowest to highest"),
        charts: groups
            .iter()
            .enumerate()
            .map(|(place, (facet, of))| {
                let again = groups[..place].iter().filter(|(other, _)| other == facet).count();
                let more = if again > 0 { format!(" ({})", again + 1) } else { String::new() };
                let of_what = if facet.is_empty() { String::new() } else { format!(", {facet}{more}") };
                Chart::Margins {
                    title: format!("{metric}{of_what}"),
                    series: of.iter().map(|point| margin(metric, &point.name)).collect(),
                }
            })
            .collect(),
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

    #[test]
    fn charts_hold_a_dozen_curves_at_most() {
        let point = |place: usize| SeededPoint {
            name: format!("a-{}-b-{}", place / 15, place % 15),
            facet: format!("a {}", place / 15),
            runs: Vec::new(),
        };
        let points: Vec<SeededPoint> = (0..30).map(point).collect();
        let categories = categories(&["m".to_owned()], &points);
        let charts: Vec<(String, usize)> = categories[0]
            .charts
            .iter()
            .map(|chart| match chart {
                Chart::Margins { title, series } => (title.clone(), series.len()),
                Chart::Tag { .. } => panic!("{chart:?}"),
            })
            .collect();
        let expected = [("m, a 0", 12), ("m, a 0 (2)", 3), ("m, a 1", 12), ("m, a 1 (2)", 3)];
        assert_eq!(charts, expected.map(|(title, series)| (title.to_owned(), series)));
    }
}
