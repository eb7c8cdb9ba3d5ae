//! Time of one training step of the paper's networks, 32 images of 224 x 224, on these kernels.
//!
//! `cargo bench --bench kernels` measures some of the 27, in fp32 and, where the processor has it, in bf16;
//! `cargo bench --bench kernels -- conv` filters. `GRIDBOARD_BENCH_THREADS` sets the threads (2).

#[path = "common/grid.rs"]
mod grid;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gridboard::kernels::{Precision, has_bf16};

fn steps(criterion: &mut Criterion) {
    let (images, gradient) = grid::batch();
    let slices: Vec<&[u8]> = images.iter().map(|image| &image[..]).collect();
    let mut group = criterion.benchmark_group("step");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(grid::BATCH as u64));
    let some =
        [(1, 32, 0), (1, 64, 1), (2, 32, 1), (2, 64, 1), (2, 128, 0), (3, 32, 0), (3, 64, 1), (3, 128, 2)];
    for shape in grid::shapes().filter(|shape| some.contains(shape)) {
        // The first convolution and dense layers are the same in both.
        let rounds = has_bf16() && shape.0 > 1;
        let precisions = [(Precision::Fp32, ""), (Precision::Bf16, ", bf16")];
        for (precision, said) in precisions.into_iter().take(if rounds { 2 } else { 1 }) {
            let (mut network, _) = grid::network(shape, precision);
            group.bench_function(format!("{}{said}", grid::name(shape)), |bencher| {
                bencher.iter(|| {
                    network.forward(&slices);
                    network.backward(&gradient, 1e-5);
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
