//! The paper's 27 networks on our kernels, with made-up images: what the kernels' bench and the profile share.

use gridboard::kernels::{Execution, InstructionSet, Network, Part, Precision, Shape};

/// Images of a batch.
pub(crate) const BATCH: usize = 32;
/// Rows and columns of an image.
pub(crate) const SIDE: usize = 224;

/// Threads to measure with: `GRIDBOARD_BENCH_THREADS`, else 2.
pub(crate) fn threads() -> usize {
    std::env::var("GRIDBOARD_BENCH_THREADS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// Convolutions, width and dense layers of every network, in the order of the paper's table.
pub(crate) fn shapes() -> impl Iterator<Item = (usize, usize, usize)> {
    let denses = |conv, size| (0..=2).map(move |dense| (conv, size, dense));
    (1..=3).flat_map(move |conv| [32, 64, 128].into_iter().flat_map(move |size| denses(conv, size)))
}

/// A network's name in the sweep.
pub(crate) fn name((conv_layers, layer_size, dense_layers): (usize, usize, usize)) -> String {
    format!("{conv_layers}-conv-{layer_size}-nodes-{dense_layers}-dense")
}

/// A network with random weights.
pub(crate) fn network(
    (conv_layers, layer_size, dense_layers): (usize, usize, usize),
    precision: Precision,
) -> (Network, Execution) {
    let shape = Shape { image_size: SIDE, conv_layers, dense_layers, layer_size, outputs: 1 };
    let instructions = InstructionSet::best();
    let execution = Execution { batch_size: BATCH, threads: threads(), instructions, precision };
    let mut network = Network::new(shape, execution).expect("224 pixels are enough for three convolutions");
    let mut state = 1u32;
    let infos: Vec<_> = network.parameters().cloned().collect();
    for (at, info) in infos.iter().enumerate().filter(|(_, info)| info.shape.len() > 1) {
        let row: usize = info.shape.iter().skip(1).product();
        let scale = (3.0 / row as f32).sqrt();
        let mut values = Vec::new();
        for start in (0..info.shape[0]).step_by(16) {
            let rows = start..(start + 16).min(info.shape[0]);
            values.clear();
            values.extend((0..rows.len() * row).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale
            }));
            network.set_rows(at, Part::Value, rows, &values);
        }
    }
    (network, execution)
}

/// A batch of images, and a gradient of the loss by each logit.
pub(crate) fn batch() -> (Vec<Vec<u8>>, Vec<f32>) {
    let images = (0..BATCH)
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
    let gradient = (0..BATCH).map(|image| if image % 2 == 0 { 0.5 } else { -0.5 } / BATCH as f32).collect();
    (images, gradient)
}
