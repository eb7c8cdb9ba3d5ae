//! The ranking of 10,000 runs.
//!
//!     cargo bench --bench micro -- rank

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use gridboard::{
    event::tags,
    rank::{Candidate, rank},
    run::{FailureKind, RunState},
    spec::{Metric, RankRule},
};

const RUNS: u32 = 10_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let rule = RankRule {
        by: Metric::by_tag(tags::VALIDATION_ACCURACY),
        then: Some(Metric::by_tag(tags::VALIDATION_LOSS)),
        top: 10,
    };
    let names: Vec<String> =
        (0..RUNS).map(|run| format!("{}-conv-{run}-nodes-1-dense", run % 3 + 1)).collect();
    // Accuracies of 640 images: many ties, which the loss decides. One run in 50 failed, one in 50 diverged.
    let candidates: Vec<Candidate<'_>> = (0..RUNS)
        .zip(&names)
        .map(|(run, name)| {
            let mixed = run.wrapping_mul(0x9e37_79b9) >> 8;
            let failed = run % 50 == 7;
            Candidate {
                run: name,
                state: if failed { RunState::Failed } else { RunState::Completed },
                failure: failed.then_some((FailureKind::Exit, "exited with status 1")),
                absent: None,
                by: Some(if run % 50 == 8 { f64::NAN } else { f64::from(mixed % 640) / 640.0 }),
                then: Some(f64::from(mixed) * 1e-6),
            }
        })
        .collect();
    let mut group = criterion.benchmark_group("rank");
    group.throughput(Throughput::Elements(u64::from(RUNS)));
    group.bench_function("10,000 runs", |bencher| bencher.iter(|| rank(&rule, black_box(&candidates))));
    group.finish();
}
