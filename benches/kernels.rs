//! Time of one training step of the paper's networks, 32 images of 224 x 224, on these kernels.
//!
//! `cargo bench --bench kernels` measures some of the 27; `cargo bench --bench kernels -- conv` filters.
//! `GRIDBOARD_BENCH_THREADS` sets the threads (2).

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gridboard::kernels::{Execution, InstructionSet, Network, Part, Shape};

const BATCH: usize = 32;
const SIDE: usize = 224;

fn network(conv_layers: usize, layer_size: usize, dense_layers: usize) -> Network {
    let threads =
        std::env::var("GRIDBOARD_BENCH_THREADS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let shape = Shape { image_size: SIDE, conv_layers, dense_layers, layer_size, outputs: 1 };
    let execution = Execution { batch_size: BATCH, threads, instructions: InstructionSet::best() };
    let mut network = Network::new(shape, execution).expect("224 pixels are enough for three convolutions");
    let mut state = 1u32;
    let infos: Vec<_> = network.parameters().cloned().collect();
    for (at, info) in infos.iter().enumerate().filter(|(_, info)| info.shape.len() > 1) {
        let fan: usize = info.shape.iter().skip(1).product();
        let scale = (3.0 / fan as f32).sqrt();
        let values: Vec<f32> = (0..info.shape.iter().product())
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale
            })
            .collect();
        network.set(at, Part::Value, &values);
    }
    network
}

fn steps(criterion: &mut Criterion) {
    let images: Vec<Vec<u8>> = (0..BATCH)
        .map(|image| {
            (0..SIDE * SIDE)
                .map(|at| {
                    let (y, x) = (at / SIDE, at % SIDE);
                    let noise = (at as u32 ^ (image as u32) << 20).wrapping_mul(2_654_435_761) >> 28;
                    ((y * (image + 3) / 8 + x) % 200) as u8 + noise as u8
                })
                .collect()
        })
        .collect();
    let slices: Vec<&[u8]> = images.iter().map(|image| &image[..]).collect();
    let gradient: Vec<f32> =
        (0..BATCH).map(|image| if image % 2 == 0 { 0.5 } else { -0.5 } / BATCH as f32).collect();

    let mut group = criterion.benchmark_group("step");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(BATCH as u64));
    for (conv_layers, layer_size, dense_layers) in
        [(1, 32, 0), (1, 64, 1), (2, 32, 1), (2, 64, 1), (2, 128, 0), (3, 32, 0), (3, 64, 1), (3, 128, 2)]
    {
        let mut network = network(conv_layers, layer_size, dense_layers);
        group.bench_function(
            format!("{conv_layers}-conv-{layer_size}-nodes-{dense_layers}-dense"),
            |bencher| {
                bencher.iter(|| {
                    network.forward(&slices);
                    network.backward(&gradient, 1e-5);
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
