//! What holds of every search: points are new, lie in the space, and depend on what is known alone.

use proptest::prelude::*;

use super::super::{
    space::{Dimension, Number, Range, Space},
    suggest::{Method, Reason, Search},
    tpe::{Known, Trial},
};
use crate::spec::Goal;

fn number(low: f64, high: f64, step: Option<f64>, is_log: bool) -> Range {
    Range::Number(Number { low, high, step, is_log, is_integer: step == Some(1.0) })
}

fn space(ranges: &[Range]) -> Space {
    let dimension = |(place, range): (usize, &Range)| Dimension { name: format!("p{place}"), range: *range };
    Space { dimensions: ranges.iter().enumerate().map(dimension).collect() }
}

/// The paper's grid.
fn paper() -> Space {
    space(&[Range::Choice(3), Range::Choice(3), Range::Choice(3)])
}

/// Nearer to the middle of every range is better.
fn value(space: &Space, point: &[f64]) -> f64 {
    let share = |(coordinate, dimension): (&f64, &Dimension)| -> f64 {
        match dimension.range {
            Range::Choice(count) => coordinate / count as f64,
            Range::Number(number) => (coordinate - number.low) / (number.high - number.low),
        }
    };
    point.iter().zip(&space.dimensions).map(share).map(|share: f64| (share - 0.4).powi(2)).sum()
}

/// The points of a search with `lag` runs in flight, whose results come in order.
fn run(search: &mut Search, space: &Space, count: u64, lag: u64) -> Vec<(Vec<f64>, Reason)> {
    let mut points = Vec::new();
    for number in 0..count {
        if number >= lag {
            end(search, space, &points, number - lag);
        }
        let Some(suggestion) = search.suggest(number) else { break };
        search.know(Trial { number, point: suggestion.point.clone(), known: Known::Running });
        points.push((suggestion.point, suggestion.reason));
    }
    points
}

fn end(search: &mut Search, space: &Space, points: &[(Vec<f64>, Reason)], number: u64) {
    let point = points[number as usize].0.clone();
    let known = Known::Completed(value(space, &point));
    search.know(Trial { number, point, known });
}

#[test]
fn a_grid_is_exhausted_without_a_point_twice() {
    for method in [Method::Random, Method::Sobol, Method::Tpe] {
        for lag in [1, 4] {
            let mut search = Search::new(paper(), method, Goal::Minimize, 3).unwrap();
            let points = run(&mut search, &paper(), 40, lag);
            assert_eq!(points.len(), 27, "{method:?} with {lag} in flight");
            let mut distinct: Vec<String> = points.iter().map(|(point, _)| format!("{point:?}")).collect();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), 27, "{method:?}");
            assert_eq!(search.suggest(27), None);
        }
    }
}

#[test]
fn what_is_suggested_does_not_depend_on_the_order_of_what_is_told() {
    let space =
        space(&[number(1e-5, 0.1, None, true), number(16.0, 256.0, Some(1.0), true), Range::Choice(3)]);
    for method in [Method::Random, Method::Sobol, Method::Tpe] {
        let mut search = Search::new(space.clone(), method, Goal::Minimize, 1).unwrap();
        let points = run(&mut search, &space, 30, 2);
        // Another process that knows the same, told from the last to the first.
        let mut again = Search::new(space.clone(), method, Goal::Minimize, 1).unwrap();
        for number in (0..30).rev() {
            let (point, _) = points[number as usize].clone();
            again.know(Trial { number, point, known: Known::Running });
            if number < 28 {
                end(&mut again, &space, &points, number);
            }
        }
        assert_eq!(search.suggest(30), again.suggest(30), "{method:?}");
        let other = Search::new(space.clone(), method, Goal::Minimize, 2).unwrap();
        assert_ne!(
            other.suggest(0),
            Search::new(space.clone(), method, Goal::Minimize, 1).unwrap().suggest(0)
        );
    }
}

#[test]
fn the_estimator_comes_nearer_than_chance() {
    let space =
        space(&[number(0.0, 1.0, None, false), number(0.0, 1.0, None, false), number(0.0, 1.0, None, false)]);
    let best = |method, seed| {
        let mut search = Search::new(space.clone(), method, Goal::Minimize, seed).unwrap();
        let points = run(&mut search, &space, 60, 1);
        points.iter().map(|(point, _)| value(&space, point)).fold(f64::INFINITY, f64::min)
    };
    let wins = (0..20).filter(|seed| best(Method::Tpe, *seed) < best(Method::Random, *seed)).count();
    assert!(wins >= 15, "TPE was better in {wins} of 20");
}

#[test]
fn a_run_without_a_number_is_worse_than_all_others() {
    let space = space(&[number(0.0, 1.0, None, false)]);
    let mut search = Search::new(space.clone(), Method::Tpe, Goal::Maximize, 0).unwrap();
    for number in 0..20 {
        let point = vec![number as f64 / 20.0];
        let known = Known::Completed(if number >= 10 { f64::NAN } else { 1.0 });
        search.know(Trial { number, point, known });
    }
    let Some(suggestion) = search.suggest(20) else { panic!("a continuum") };
    assert!(matches!(suggestion.reason, Reason::Estimated { good: 2, others: 18, running: 0, .. }));
    let low = (20..60).filter(|number| search.suggest(*number).unwrap().point[0] < 0.5).count();
    assert!(low > 30, "{low} of 40 are where runs have values");
}

proptest! {
    #[test]
    fn points_lie_in_their_ranges(
        ranges in prop::collection::vec(range(), 1..5), seed in 0_u64..4, method in 0..3, lag in 1_u64..5,
    ) {
        let space = space(&ranges);
        let method = [Method::Random, Method::Sobol, Method::Tpe][method as usize];
        let mut search = Search::new(space.clone(), method, Goal::Minimize, seed).unwrap();
        for (point, _) in run(&mut search, &space, 25, lag) {
            for (coordinate, range) in point.iter().zip(&ranges) {
                match range {
                    Range::Choice(count) => {
                        prop_assert!(coordinate.fract() == 0.0 && (0.0..*count as f64).contains(coordinate));
                    }
                    Range::Number(number) => {
                        prop_assert!((number.low..=number.high).contains(coordinate), "{coordinate} of {number:?}");
                        if let Some(step) = number.step {
                            let steps = (coordinate - number.low) / step;
                            prop_assert!((steps - steps.round()).abs() < 1e-6, "{coordinate} of {number:?}");
                        }
                    }
                }
            }
        }
    }
}

fn range() -> impl Strategy<Value = Range> {
    prop_oneof![
        (1_usize..6).prop_map(Range::Choice),
        (-5.0..5.0_f64, 0.1..10.0_f64).prop_map(|(low, width)| number(low, low + width, None, false)),
        (-8.0..0.0_f64, 0.5..6.0_f64).prop_map(|(low, width)| number(
            10.0_f64.powf(low),
            10.0_f64.powf(low + width),
            None,
            true
        )),
        (0..9, 1..30).prop_map(|(low, count): (i32, i32)| {
            number(f64::from(low) * 0.25, f64::from(low + count) * 0.25, Some(0.25), false)
        }),
        (1..9, 1..300).prop_map(|(low, width): (i32, i32)| number(
            low.into(),
            (low + width).into(),
            Some(1.0),
            true
        )),
    ]
}
