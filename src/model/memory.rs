//! Memory that a run needs on a processor, by what computes it.
//!
//! The scheduler admits runs by it: too little and a run is killed, too much and a device stands idle.

use super::{Architecture, ModelError, summary};
use crate::{
    kernels::{self, Execution, InstructionSet, Shape},
    spec::{Freeze, Kernels, Precision, Train},
};

/// Resident memory of a worker before it trains with our own kernels: the parts of libtorch's libraries that it touches,
/// the mapped corpus' pages, allocator and figures. Measured 130 to 170 MB.
pub const FUSED_PROCESS_BYTES: u64 = 180_000_000;

/// What a libtorch with CUDA adds to the peak resident memory of a worker on a processor: the parts of its CUDA half and
/// of NVIDIA's libraries that are touched when they are loaded. Measured with libtorch 2.13.0 and CUDA 13.0
/// (`1-conv-4-nodes-0-dense`, our own kernels): 663 MB instead of 129 once the files are in the page cache, 406 before.
/// 132 MB of it are the process' own; the rest are pages of files, which workers share, so many at once are
/// estimated too high rather than too low.
pub const CUDA_LIBRARIES_BYTES: u64 = 535_000_000;

/// Peak resident memory on the host of a worker that trains on a CUDA device: at least this, by the same measurement.
/// What a context on a device adds has not been measured.
pub const CUDA_HOST_BYTES: u64 = 665_000_000;

/// Whether the libtorch that the worker is built with has CUDA, as `build.rs` found it.
const LIBTORCH_HAS_CUDA: bool = !env!("GRIDBOARD_LIBTORCH_CUDA").is_empty();

/// Estimated peak memory of the process that trains a network on a processor with so many threads, bytes.
/// With our own kernels it is [`FUSED_PROCESS_BYTES`] and their buffers, which are known exactly; with
/// libtorch [`Summary::memory_bytes`](super::Summary::memory_bytes), which is for CUDA too. Where libtorch
/// has CUDA, [`CUDA_LIBRARIES_BYTES`] come on top.
///
/// # Errors
/// The network cannot be built, see [`super::layers`].
pub fn memory_on_processor(
    model: &Architecture,
    image_size: u32,
    n_classes: u32,
    train: &Train,
    threads: u32,
) -> Result<u64, ModelError> {
    let bytes = with_cpu_libtorch(model, image_size, n_classes, train, threads)?;
    Ok(if LIBTORCH_HAS_CUDA { bytes.saturating_add(CUDA_LIBRARIES_BYTES) } else { bytes })
}

fn with_cpu_libtorch(
    model: &Architecture,
    image_size: u32,
    n_classes: u32,
    train: &Train,
    threads: u32,
) -> Result<u64, ModelError> {
    let summary = summary(model, image_size, n_classes, train)?;
    let model = match model {
        Architecture::GridCnn(model) if train.kernels != Kernels::Plain => model,
        _ => {
            return Ok(summary
                .memory_bytes
                .saturating_add(moving_bytes(model, image_size, n_classes, train)?));
        }
    };
    let shape = Shape {
        image_size: image_size as usize,
        conv_layers: model.conv_layers as usize,
        dense_layers: model.dense_layers as usize,
        layer_size: model.layer_size as usize,
        outputs: super::outputs(n_classes) as usize,
    };
    let execution = Execution {
        batch_size: train.batch_size as usize,
        threads: threads.max(1) as usize,
        instructions: InstructionSet::best(),
        precision: match train.precision {
            Precision::Bf16 => kernels::Precision::Bf16,
            Precision::Fp32 | Precision::Tf32 => kernels::Precision::Fp32,
        },
    };
    let buffers = kernels::memory_bytes(shape, execution).unwrap_or(u64::MAX);
    Ok(FUSED_PROCESS_BYTES.saturating_add(buffers))
}

/// What libtorch's operations need on a processor for moments beside [`Summary::memory_bytes`](super::Summary::memory_bytes): the
/// largest layer's weights as its matrix library packs them, and its gradient before it lies as the weights do. Measured on
/// `1-conv-288-nodes-1-dense` and `1-conv-304-nodes-1-dense`, 38 pixels: peaks of 795 to 1014 and of 992 to 1108 MB, of which
/// the summary has 866 to 882 and 928 to 946. They come and go with the pages that the allocator holds.
fn moving_bytes(
    model: &Architecture,
    image_size: u32,
    n_classes: u32,
    train: &Train,
) -> Result<u64, ModelError> {
    let layers = model.layers(image_size, n_classes)?;
    let largest = match train.freeze {
        Freeze::None => layers.iter().map(|layer| layer.parameters).max(),
        Freeze::Backbone => layers.last().map(|layer| layer.parameters),
    };
    Ok(largest.unwrap_or(0).saturating_mul(2 * 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::GridCnn, spec::Value};

    fn train(parameters: &[(&str, Value)]) -> Train {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let epochs = ("epochs".to_owned(), Value::Int(1));
        Train::from_parameters(&parameters.chain([epochs]).collect()).unwrap()
    }

    /// Peaks of real workers of two threads (`scripts/bench.sh --only training`), MiB.
    const MEASURED: [((u32, u32, u32), f64); 3] =
        [((1, 128, 2), 2768.0), ((3, 32, 0), 207.7), ((2, 64, 1), 429.4)];

    #[test]
    fn estimates_are_near_what_was_measured() {
        for ((conv_layers, layer_size, dense_layers), mib) in MEASURED {
            let model = GridCnn { conv_layers, dense_layers, layer_size };
            let estimate = with_cpu_libtorch(&model.into(), 224, 2, &train(&[]), 2).unwrap() as f64;
            let measured = mib * f64::from(1 << 20);
            let ratio = estimate / measured;
            assert!((0.95..1.25).contains(&ratio), "{model:?}: {estimate} estimated, {measured} measured");
        }
    }

    /// Whichever libtorch this is.
    #[test]
    fn cuda_comes_on_top() {
        let model = GridCnn { conv_layers: 2, dense_layers: 1, layer_size: 64 }.into();
        let without = with_cpu_libtorch(&model, 224, 2, &train(&[]), 2).unwrap();
        let on_top = if LIBTORCH_HAS_CUDA { CUDA_LIBRARIES_BYTES } else { 0 };
        assert_eq!(memory_on_processor(&model, 224, 2, &train(&[]), 2).unwrap(), without + on_top);
    }

    #[test]
    fn libtorch_needs_its_own() {
        let model = GridCnn { conv_layers: 2, dense_layers: 1, layer_size: 64 };
        let plain = train(&[("kernels", Value::Text("plain".to_owned()))]);
        let memory = |train| with_cpu_libtorch(&model.into(), 224, 2, train, 2).unwrap();
        let largest = Architecture::from(model)
            .layers(224, 2)
            .unwrap()
            .iter()
            .map(|layer| layer.parameters)
            .max()
            .unwrap();
        assert_eq!(
            memory(&plain),
            summary(&model.into(), 224, 2, &plain).unwrap().memory_bytes + 8 * largest
        );
        assert!(memory(&plain) > 2 * memory(&train(&[])));
        let small = GridCnn { conv_layers: 3, ..model };
        assert!(with_cpu_libtorch(&small.into(), 9, 2, &train(&[]), 2).is_err());
    }
}
