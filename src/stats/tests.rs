//! The formulas beside scipy, statsmodels and scikit-learn.

use serde::Deserialize;

use super::{interval::interval, *};
use crate::metrics::roc_auc;

#[derive(Deserialize)]
struct Fixture {
    wilson: Vec<Wilson>,
    mcnemar: Vec<Test>,
    summary: Vec<Spread>,
    spearman: Vec<Agreement>,
    binary: Vec<Binary>,
    several: Vec<Several>,
}

#[derive(Deserialize)]
struct Wilson {
    hits: u64,
    trials: u64,
    level: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Test {
    only_first: u64,
    only_second: u64,
    p: f64,
}

#[derive(Deserialize)]
struct Spread {
    values: Vec<f64>,
    mean: f64,
    deviation: Option<f64>,
}

#[derive(Deserialize)]
struct Agreement {
    pairs: Vec<(f64, f64)>,
    rho: f64,
}

#[derive(Deserialize)]
struct Binary {
    name: String,
    scores: Vec<f32>,
    positive: Vec<bool>,
    thresholds: Vec<f64>,
    false_positive_rates: Vec<f64>,
    true_positive_rates: Vec<f64>,
    roc_area: f64,
    precisions: Vec<f64>,
    recalls: Vec<f64>,
    average_precision: f64,
}

#[derive(Deserialize)]
struct Several {
    classes: usize,
    truths: Vec<usize>,
    probabilities: Vec<f32>,
    roc_area: f64,
    average_precision: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../tests/fixtures/statistics.json")).unwrap()
}

#[track_caller]
fn close(what: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-12, "{what}: {ours} is not {theirs}");
}

#[test]
fn rank_correlations_are_scipys() {
    for case in fixture().spearman {
        close("rank correlation", spearman(&case.pairs).unwrap(), case.rho);
    }
}

/// The two-sided quantile of the standard normal distribution, from its tables.
fn quantile(level: f64) -> f64 {
    match level {
        0.5 => 0.674_489_750_196_081_7,
        0.9 => 1.644_853_626_951_472_2,
        0.95 => 1.959_963_984_540_054,
        0.99 => 2.575_829_303_548_900_4,
        _ => panic!("no quantile of {level}"),
    }
}

#[test]
fn wilson_intervals_are_those_of_statsmodels() {
    for Wilson { hits, trials, level, low, high } in fixture().wilson {
        let what = format!("{hits} of {trials} at {level}");
        let ours = interval(hits, trials, quantile(level)).unwrap();
        close(&what, ours.low, low);
        close(&what, ours.high, high);
        if level == CONFIDENCE {
            assert_eq!(wilson(hits, trials), Some(ours));
        }
    }
}

#[test]
fn exact_tests_are_those_of_statsmodels_and_scipy() {
    for Test { only_first, only_second, p } in fixture().mcnemar {
        let ours = exact_p(only_first, only_second);
        // Relative: the small ones are what counts.
        assert!((ours - p).abs() <= 1e-10 * p, "{only_first} and {only_second}: {ours} is not {p}");
    }
}

#[test]
fn means_and_deviations_are_those_of_numpy() {
    for Spread { values, mean, deviation } in fixture().summary {
        let ours = Summary::from_values(&values).unwrap();
        close("mean", ours.mean / mean, 1.0);
        assert_eq!(ours.deviation.is_some(), deviation.is_some());
        if let (Some(ours), Some(theirs)) = (ours.deviation, deviation) {
            close("deviation", ours, theirs);
        }
    }
}

#[test]
fn curves_and_areas_are_those_of_scikit_learn() {
    for case in fixture().binary {
        let name = &case.name;
        let roc = RocCurve::from_scores(&case.scores, &case.positive).unwrap();
        close(name, roc.area, case.roc_area);
        assert_eq!(roc.points.len(), case.false_positive_rates.len(), "{name}");
        assert_eq!(roc.points[0].threshold, f64::INFINITY);
        for (place, point) in roc.points.iter().enumerate() {
            close(name, point.false_positive_rate, case.false_positive_rates[place]);
            close(name, point.true_positive_rate, case.true_positive_rates[place]);
            if place > 0 {
                assert_eq!(point.threshold, case.thresholds[place - 1], "{name}");
            }
        }
        let pr = PrCurve::from_scores(&case.scores, &case.positive).unwrap();
        close(name, pr.average_precision, case.average_precision);
        assert_eq!(pr.points.len(), case.precisions.len(), "{name}");
        for (place, point) in pr.points.iter().enumerate() {
            close(name, point.precision, case.precisions[place]);
            close(name, point.recall, case.recalls[place]);
        }
    }
}

#[test]
fn several_classes_average_as_in_scikit_learn() {
    for Several { classes, truths, probabilities, roc_area, average_precision } in fixture().several {
        close("area", roc_auc(&probabilities, &truths, classes).unwrap(), roc_area);
        let ours = macro_average_precision(&probabilities, &truths, classes).unwrap();
        close("average precision", ours, average_precision);
    }
}
