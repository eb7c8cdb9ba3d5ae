//! Tests: the bf16 kernels against the f32 kernels on numbers that were rounded to bf16 beforehand, which must differ by no
//! more than the order of their sums; and what the rounding does to a whole network.

#![expect(unsafe_code, reason = "loads and stores through pointers into arrays of the right size")]

use proptest::prelude::*;

use super::{
    Execution, InstructionSet, Network, Part, Precision, Shape, block_shape,
    multiplicand::{Full, Half, Multiplicand},
    simd::{
        HalfKernel, Halves, Kernel, LANES, Simd, dispatch, dispatch_halves, each, has_bf16, round,
        tests::available, widen,
    },
    stopwatch::Stopwatch,
    weights_gradient::weights_gradient,
    winner_lists::WinnerLists,
    winograd::{self, Direction, Scratch, Tile},
};

/// f32 that hold what bf16 hold.
struct Rounded;

fn rounded<S: Simd>(s: S, value: S::V) -> S::V {
    let mut numbers = [0.0f32; LANES];
    unsafe {
        s.store(numbers.as_mut_ptr(), value);
        numbers = numbers.map(|number| widen(round(number)));
        s.load(numbers.as_ptr())
    }
}

impl<S: Simd> Multiplicand<S> for Rounded {
    const STEP: usize = 1;
    const PACKS: bool = true;
    type T = f32;
    type F = S::V;

    #[inline(always)]
    unsafe fn store(s: S, to: *mut f32, value: S::V) {
        unsafe { s.store(to, rounded(s, value)) };
    }

    #[inline(always)]
    unsafe fn store_lines(s: S, to: *mut f32, [line, _]: [S::V; 2]) {
        unsafe { s.store(to, rounded(s, line)) };
    }

    #[inline(always)]
    unsafe fn load(s: S, from: *const f32) -> S::V {
        unsafe { s.load(from) }
    }

    #[inline(always)]
    unsafe fn splat(s: S, from: *const f32) -> S::V {
        s.splat(unsafe { *from })
    }

    #[inline(always)]
    fn multiply(s: S, a: S::V, b: S::V, sum: S::V) -> S::V {
        s.fma(a, b, sum)
    }

    #[inline(always)]
    fn pixel(width: usize) -> usize {
        width
    }

    #[inline(always)]
    unsafe fn pack(s: S, from: *const f32, width: usize, to: *mut f32) {
        for part in (0..width).step_by(LANES) {
            unsafe { s.store(to.add(part), rounded(s, s.load(from.add(part)))) };
        }
    }

    #[inline(always)]
    fn prepare(_s: S, lists: &mut WinnerLists, out: usize) {
        lists.of_mut(out).iter_mut().for_each(|gradient| *gradient = widen(round(*gradient)));
    }

    #[inline(always)]
    unsafe fn add_patches(
        s: S,
        lists: &WinnerLists,
        out: usize,
        patch: (*const f32, usize),
        width: usize,
        to: *mut f32,
        inputs: usize,
    ) {
        unsafe { <Full as Multiplicand<S>>::add_patches(s, lists, out, patch, width, to, inputs) }
    }
}

/// Numbers in -1..1.
fn numbers(n: usize, salt: u32) -> Vec<f32> {
    (0..n)
        .map(|at| {
            ((at as u32).wrapping_mul(2_654_435_761).wrapping_add(salt).wrapping_mul(2_246_822_519) >> 8)
                as f32
        })
        .map(|number| number / (1 << 23) as f32 - 1.0)
        .collect()
}

/// A convolution of tiles, forwards or backwards.
struct Convolve<'a> {
    tiles: usize,
    channels: (usize, usize),
    direction: Direction,
    weights: &'a [f32],
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Convolve<'_> {
    #[inline(always)]
    fn with<S: Simd, M: Multiplicand<S>>(self, s: S, precision: Precision) {
        let Self { tiles, channels: (inputs, outputs), direction, weights, input, output } = self;
        // `transform_weights` names channels as the forward pass does.
        let named = if direction == Direction::Forward { (inputs, outputs) } else { (outputs, inputs) };
        let mut transformed = vec![0.0; winograd::transformed_len(inputs, outputs, precision)];
        winograd::transform_weights::<S, M>(s, weights, named.0, named.1, direction, &mut transformed);
        let mut scratch = Scratch::new(inputs, precision);
        winograd::convolve::<S, M>(
            s,
            tiles,
            (inputs, outputs),
            &transformed,
            &mut scratch,
            |_| {},
            #[inline(always)]
            |tile, channel| -> Tile<S::V, 6> {
                each(|row| {
                    each(|column| {
                        let at = ((tile * 6 + row) * 6 + column) * inputs + channel;
                        unsafe { s.load(input[at..at + LANES].as_ptr()) }
                    })
                })
            },
            #[inline(always)]
            |tile, channel, values| {
                for (place, value) in values.as_flattened().iter().enumerate() {
                    let at = (tile * 16 + place) * outputs + channel;
                    unsafe { s.store(output[at..at + LANES].as_mut_ptr(), *value) };
                }
            },
        );
    }
}

impl Kernel for Convolve<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.with::<S, Rounded>(s, Precision::Fp32);
    }
}

impl HalfKernel for Convolve<'_> {
    #[inline(always)]
    fn run_halves<S: Halves>(self, s: S) {
        self.with::<S, Half>(s, Precision::Bf16);
    }
}

/// The gradient of a block's weights.
struct Gradient<'a> {
    shape: block_shape::Shape,
    input: &'a [f32],
    gradient: &'a [f32],
    winners: &'a [u8],
    sums: &'a mut [f32],
    bias: &'a mut [f32],
}

impl Gradient<'_> {
    #[inline(always)]
    fn with<S: Simd, M: Multiplicand<S>>(self, s: S, precision: Precision) {
        let Self { shape, input, gradient, winners, sums, bias } = self;
        let (mut lists, mut watch) = (WinnerLists::new(shape.outputs, precision), Stopwatch::new(1));
        let watch = (&mut watch, 0);
        weights_gradient::<S, M>(s, shape, input, gradient, winners, &mut lists, sums, bias, watch);
    }
}

impl Kernel for Gradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.with::<S, Rounded>(s, Precision::Fp32);
    }
}

impl HalfKernel for Gradient<'_> {
    #[inline(always)]
    fn run_halves<S: Halves>(self, s: S) {
        self.with::<S, Half>(s, Precision::Bf16);
    }
}

/// Largest difference over the largest number.
fn difference(ours: &[f32], theirs: &[f32]) -> f32 {
    let scale = theirs.iter().fold(1e-6f32, |scale, value| scale.max(value.abs()));
    ours.iter().zip(theirs).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / scale
}

/// Emulated, and natively where the processor has it. Both sides of a comparison transform with the same instructions: a last
/// bit of f32 decides now and then which way a number is rounded.
fn sets() -> Vec<InstructionSet> {
    let native = has_bf16().then_some(InstructionSet::Avx512);
    [InstructionSet::Portable].into_iter().chain(native).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_of_bf16_are_those_of_rounded_f32(
        tiles in 1usize..60,
        inputs in 1usize..=3,
        outputs in 1usize..=3,
        backwards: bool,
        salt: u32,
    ) {
        let channels = (inputs * LANES, outputs * LANES);
        let direction = if backwards { Direction::Backward } else { Direction::Forward };
        let weights = numbers(9 * channels.0 * channels.1, salt);
        let input = numbers(tiles * 36 * channels.0, salt ^ 77);
        let run = |half: bool, set| {
            let mut output = vec![0.0; tiles * 16 * channels.1];
            let kernel =
                Convolve { tiles, channels, direction, weights: &weights, input: &input, output: &mut output };
            if half { dispatch_halves(set, kernel) } else { dispatch(set, kernel) }
            output
        };
        for set in sets() {
            let worst = difference(&run(true, set), &run(false, set));
            prop_assert!(worst < 2e-5, "{worst} on {set:?}");
        }
    }

    #[test]
    fn gradients_of_weights_in_bf16_are_those_of_rounded_f32(
        side in 4usize..62,
        inputs in 1usize..=3,
        outputs in 1usize..=2,
        salt: u32,
    ) {
        let shape = block_shape::Shape { side, inputs: inputs * LANES, outputs: outputs * LANES };
        let windows = shape.pooled() * shape.pooled() * shape.outputs;
        let input = numbers(side * side * shape.inputs, salt);
        let gradient = numbers(windows, salt ^ 5);
        let winners: Vec<u8> = numbers(windows, salt ^ 9).iter().map(|x| ((x + 1.0) * 2.499) as u8).collect();
        let run = |half: bool, set| {
            let (mut sums, mut bias) = (vec![0.0; shape.weights_len()], vec![0.0; shape.outputs]);
            let kernel = Gradient {
                shape,
                input: &input,
                gradient: &gradient,
                winners: &winners,
                sums: &mut sums,
                bias: &mut bias,
            };
            if half { dispatch_halves(set, kernel) } else { dispatch(set, kernel) }
            (sums, bias)
        };
        for set in sets() {
            let ((sums, bias), (ours, our_bias)) = (run(false, set), run(true, set));
            let worst = difference(&ours, &sums);
            prop_assert!(worst < 2e-5, "{worst} on {set:?}");
            // Biases are sums, and sums are f32 of what was not rounded.
            prop_assert!(difference(&our_bias, &bias) < 0.01);
        }
    }
}

/// Logits and the gradients of all parameters of a network with two later blocks.
fn step(precision: Precision, instructions: InstructionSet) -> (Vec<f32>, Vec<Vec<f32>>) {
    let shape = Shape { image_size: 30, conv_layers: 3, dense_layers: 1, layer_size: 20, outputs: 3 };
    let mut network =
        Network::new(shape, Execution { batch_size: 6, threads: 2, instructions, precision }).unwrap();
    let infos: Vec<_> = network.parameters().cloned().collect();
    for (at, info) in infos.iter().enumerate() {
        let fan = info.shape.iter().skip(1).product::<usize>().max(4) as f32;
        let values = numbers(info.shape.iter().product(), at as u32);
        let values: Vec<f32> = values.into_iter().map(|value| value * (3.0 / fan).sqrt()).collect();
        network.set(at, Part::Value, &values);
    }
    let images: Vec<Vec<u8>> = (0..6)
        .map(|image| {
            numbers(30 * 30, 1000 + image).iter().map(|pixel| ((pixel + 1.0) * 127.0) as u8).collect()
        })
        .collect();
    let slices: Vec<&[u8]> = images.iter().map(|image| &image[..]).collect();
    let logits = network.forward(&slices).to_vec();
    network.backward(&numbers(18, 4), 0.001);
    (logits, (0..infos.len()).map(|at| network.get(at, Part::FirstMoment)).collect())
}

#[test]
fn a_network_in_bf16_is_near_the_one_in_f32() {
    for set in available() {
        let ((full, full_gradients), (half, half_gradients)) =
            (step(Precision::Fp32, set), step(Precision::Bf16, set));
        let worst = difference(&half, &full);
        assert!(worst > 1e-5 && worst < 0.05, "{worst} in the logits, {set:?}");
        for (at, (full, half)) in full_gradients.iter().zip(&half_gradients).enumerate() {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let cosine = dot(full, half) / (dot(full, full) * dot(half, half)).sqrt();
            assert!(cosine > 0.95, "parameter {at}: the gradients' cosine is {cosine}, {set:?}");
        }
    }
}
