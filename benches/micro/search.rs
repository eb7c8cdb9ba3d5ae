//! A suggestion of the estimator with 1,000 finished runs and six axes. `scripts/optuna_speed.py` asks Optuna for the same.
//!
//!     cargo bench --bench micro -- search

use std::hint::black_box;

use criterion::Criterion;
use gridboard::{
    search::{Dimension, Known, Method, Number, Range, Search, Space, Trial},
    spec::Goal,
};

const RUNS: u64 = 1_000;

/// Floats and integers, in logarithms and not, steps and choices.
fn space() -> Space {
    let number = |low, high, step: Option<f64>, is_log| {
        Range::Number(Number { low, high, step, is_log, is_integer: step == Some(1.0) })
    };
    let ranges = [
        ("learning_rate", number(1e-5, 0.1, None, true)),
        ("width", number(16.0, 256.0, Some(1.0), true)),
        ("depth", number(1.0, 8.0, Some(1.0), false)),
        ("dropout", number(0.0, 0.5, None, false)),
        ("decay", number(0.0, 0.5, Some(0.05), false)),
        ("activation", Range::Choice(4)),
    ];
    let dimension = |(name, range): &(&str, Range)| Dimension { name: (*name).to_owned(), range: *range };
    Space { dimensions: ranges.iter().map(dimension).collect() }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let of = |method| Search::new(space(), method, Goal::Minimize, 1).expect("few dimensions");
    let (mut drawn, mut search) = (of(Method::Random), of(Method::Tpe));
    for number in 0..RUNS {
        let point = drawn.suggest(number).expect("a large space").point;
        drawn.know(Trial { number, point: point.clone(), known: Known::Running });
        let value =
            (point[0].ln() + 7.0).powi(2) + (point[1] / 256.0 - 0.5).powi(2) + point[3] + point[5] / 4.0;
        search.know(Trial { number, point, known: Known::Completed(value) });
    }
    let mut number = RUNS;
    let mut group = criterion.benchmark_group("search");
    group.bench_function("a suggestion with 1,000 runs and six axes", |bencher| {
        bencher.iter(|| {
            // Each number has draws of its own.
            number += 1;
            black_box(search.suggest(number))
        });
    });
    group.finish();
}
