//! Importances held to those of the Optuna package, and effects to what is known of a function.

use super::{
    super::importance::{effects, of_the_best},
    fixture,
    optuna::{point_of, space_of},
};
use crate::spec::Goal;

#[test]
fn importances_are_those_of_the_optuna_package() {
    let mut compared = 0;
    for record in fixture("importance.json") {
        let (space, choices) = space_of(&record["parameters"]);
        let goal = if record["goal"] == "maximize" { Goal::Maximize } else { Goal::Minimize };
        let points: Vec<(Vec<f64>, f64)> = record["points"]
            .as_array()
            .expect("points")
            .iter()
            .map(|point| {
                let value = point["value"].as_f64().expect("a value");
                (point_of(&space, &choices, &point["parameters"]), value)
            })
            .collect();
        let borrowed: Vec<(&[f64], f64)> =
            points.iter().map(|(point, value)| (point.as_slice(), *value)).collect();
        let found = of_the_best(&space, &borrowed, goal).expect("two points and more");
        for (dimension, ours) in space.dimensions.iter().zip(found) {
            let theirs = record["importance"][&dimension.name].as_f64().expect("an importance");
            assert!((ours - theirs).abs() <= 1e-9 * theirs.abs(), "{}: {ours}, not {theirs}", dimension.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 13);
}

#[test]
fn effects_of_a_whole_grid_are_exact() {
    let counts = [3, 2, 2];
    let mut points = Vec::new();
    for a in 0..3 {
        for b in 0..2 {
            for c in 0..2 {
                // The first axis alone, and the other two only together.
                let both = if b == c { 1.0 } else { -1.0 };
                points.push((vec![a, b, c], 2.0 * (a as f64 - 1.0) + both));
            }
        }
    }
    let found = effects(&counts, &points).expect("a whole grid");
    // Variances 8/3 and 1.
    let close = |share: f64, expected: f64| (share - expected).abs() < 1e-12;
    assert!(close(found.main[0], 8.0 / 11.0) && close(found.main[1], 0.0) && close(found.main[2], 0.0));
    let shares: Vec<(usize, usize)> = found.pairs.iter().map(|(a, b, _)| (*a, *b)).collect();
    assert_eq!(shares, [(0, 1), (0, 2), (1, 2)]);
    assert!(close(found.pairs[2].2, 3.0 / 11.0) && close(found.pairs[0].2, 0.0), "{found:?}");
    let all = found.main.iter().sum::<f64>() + found.pairs.iter().map(|(_, _, share)| share).sum::<f64>();
    assert!(close(all, 1.0));

    assert_eq!(effects(&counts, &points[1..]), None, "a point is missing");
    let twice: Vec<_> = points[1..].iter().chain(&points[1..2]).cloned().collect();
    assert_eq!(effects(&counts, &twice), None);
    let flat: Vec<_> = points.iter().map(|(places, _)| (places.clone(), 0.5)).collect();
    assert_eq!(effects(&counts, &flat), None);
}
