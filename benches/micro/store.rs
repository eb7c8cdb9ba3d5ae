//! The store: points of curves in, one run's curves out, ranks of 1,000 runs.
//!
//!     cargo bench --bench micro -- store
//!
//! `scale` measures the same at 10,000 runs and 20 million points.

use criterion::{BenchmarkId, Criterion, Throughput};
use gridboard::store::Store;

use crate::common::{self, experiment, points};

pub(crate) fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = runtime.block_on(Store::open(folder.path())).expect("a new database");
    let (key, runs) = runtime.block_on(common::ledger(&mut store, &experiment("bench", 1_000)));
    runtime.block_on(async {
        for run in &runs {
            common::complete(&mut store, *run, &points(run_number(&runs, *run), 0, 3)).await;
        }
        store.set_ranks(key).await.expect("ranks");
    });

    let mut group = criterion.benchmark_group("store");
    // What a tick of the sweep appends: a few points of a slow run, or many of a fast one.
    for steps in [1_i64, 32, 512] {
        let elements = points(0, 0, steps).len() as u64;
        group.throughput(Throughput::Elements(elements));
        let mut from = 0;
        group.bench_function(BenchmarkId::new("append points", elements), |bencher| {
            bencher.iter(|| {
                let batch = points(0, from, from + steps);
                from += steps;
                runtime.block_on(store.append_scalars(runs[0], &batch)).expect("room on the disk");
            });
        });
    }
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("set ranks, none moved", |bencher| {
        bencher.iter(|| runtime.block_on(store.set_ranks(key)).expect("ranks"));
    });
    group.bench_function("whole leaderboard", |bencher| {
        bencher.iter(|| runtime.block_on(store.leaderboard(key)).expect("a leaderboard"));
    });
    group.throughput(Throughput::Elements(10));
    group.bench_function("head of the leaderboard", |bencher| {
        bencher.iter(|| runtime.block_on(store.leaderboard_head(key, 10, 10)).expect("a leaderboard"));
    });
    group.finish();
}

fn run_number(runs: &[gridboard::store::RunKey], run: gridboard::store::RunKey) -> u64 {
    runs.iter().position(|other| *other == run).map_or(0, |place| place as u64)
}
