//! The network of the grid CNN family as tensors: parameters under PyTorch's names, and the forward pass.
//!
//! `model::layers` of the library says which layers there are; this file gives them weights. Losses, gradients and
//! updates are elsewhere.
//!
//! In Python the same network is
//!
//! ```python
//! class GridCnn(torch.nn.Module):          # side: width and height that the last pooling leaves
//!     def __init__(self, convs, size, denses, outputs, side):
//!         super().__init__()
//!         for i in range(convs):
//!             setattr(self, f"conv{i + 1}", torch.nn.Conv2d(size if i else 1, size, 3))
//!         features = (size if convs else 1) * side * side
//!         for i in range(denses):
//!             setattr(self, f"dense{i + 1}", torch.nn.Linear(size if i else features, size))
//!         self.output = torch.nn.Linear(size if denses else features, outputs)
//! ```
//!
//! whose `state_dict` has these names and shapes. Features are flattened channel, height, width.

use gridboard::model::{GridCnn, LayerKind, ModelError, layers};
use tch::{Device, Kind, TchError, Tensor};

use crate::{engine::EngineError, init};

/// A weight or bias.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// `conv1.weight`, `dense2.bias`, `output.weight`.
    pub(crate) name: String,
    /// f32: `[out, in, 3, 3]` or `[out, in]` for weights, `[out]` for biases. Requires a gradient.
    pub(crate) tensor: Tensor,
}

/// The network.
#[derive(Debug)]
pub(crate) struct Network {
    /// Weight and bias of each layer in turn.
    parameters: Vec<Parameter>,
    n_convs: usize,
    classes: usize,
    device: Device,
    /// Whether images and convolution weights lie channels last.
    channels_last: bool,
    /// What layers multiply: f32 or bf16.
    multiplied: Kind,
}

/// Names and shapes of the parameters: weight, then bias, of each layer that has them.
///
/// # Errors
/// [`ModelError`] where the image is too small.
pub(crate) fn shapes(
    model: &GridCnn,
    image_size: u32,
    classes: u32,
) -> Result<Vec<(String, Vec<i64>)>, ModelError> {
    let layers = layers(model, image_size, classes)?;
    let dense = layers.iter().filter(|layer| layer.kind == LayerKind::Dense).count();
    let (mut n_convs, mut n_dense) = (0, 0);
    let mut inputs = 1;
    let mut shapes = Vec::new();
    for layer in &layers {
        // Sizes of a network that fits in memory fit in 63 bits.
        let outputs = i64::try_from(layer.output_shape[0]).unwrap_or(i64::MAX);
        let (name, shape) = match layer.kind {
            LayerKind::Conv2d => {
                n_convs += 1;
                (format!("conv{n_convs}"), vec![outputs, inputs, 3, 3])
            }
            LayerKind::Dense => {
                n_dense += 1;
                let name = if n_dense == dense { "output".to_owned() } else { format!("dense{n_dense}") };
                (name, vec![outputs, inputs])
            }
            LayerKind::Flatten => {
                inputs = outputs;
                continue;
            }
            // Poolings; a grid CNN has nothing else without weights.
            _ => continue,
        };
        shapes.push((format!("{name}.weight"), shape));
        shapes.push((format!("{name}.bias"), vec![outputs]));
        inputs = outputs;
    }
    Ok(shapes)
}

/// Initial values of the parameter at `place` among [`shapes`].
pub(crate) fn initial(shape: &[i64], seed: u64, place: usize) -> Vec<f32> {
    if shape.len() == 1 {
        vec![0.0; shape[0] as usize]
    } else {
        init::glorot_uniform(shape, seed, stream(place))
    }
}

/// The random stream of the parameter at `place` among [`shapes`]: that of its layer.
pub(crate) fn stream(place: usize) -> u64 {
    place as u64 / 2
}

impl Network {
    /// A network with the initial weights of `seed`: Glorot uniform kernels and zero biases, as Keras'.
    ///
    /// # Errors
    /// [`EngineError::Model`] where the image is too small; [`EngineError::Torch`] where memory is short.
    pub(crate) fn new(
        model: &GridCnn,
        image_size: u32,
        classes: u32,
        seed: u64,
        device: Device,
    ) -> Result<Self, EngineError> {
        let parameters = shapes(model, image_size, classes)?
            .into_iter()
            .enumerate()
            .map(|(place, (name, shape))| {
                let values = initial(&shape, seed, place);
                let tensor = Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_device(device)?;
                Ok(Parameter { name, tensor: tensor.f_set_requires_grad(true)? })
            })
            .collect::<Result<_, EngineError>>()?;
        Ok(Self {
            parameters,
            n_convs: model.conv_layers as usize,
            classes: classes as usize,
            device,
            channels_last: false,
            multiplied: Kind::Float,
        })
    }

    /// The network with convolution weights that lie channels last, `[out, 3, 3, in]` in memory, and a forward pass that
    /// lays out images likewise: what tensor cores read without a transposition. Values and shapes are the same.
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn channels_last(mut self) -> Result<Self, TchError> {
        for Parameter { tensor, .. } in self.parameters.iter_mut().filter(|p| p.tensor.dim() == 4) {
            *tensor = channels_last(&tensor.f_detach()?)?.f_set_requires_grad(true)?;
        }
        self.channels_last = true;
        Ok(self)
    }

    /// The network with a forward pass whose layers multiply bf16, as PyTorch's autocast has them: activations and the
    /// weights that a layer sees are rounded, the weights themselves and their gradients stay f32. tch has no autocast to
    /// bf16.
    pub(crate) fn in_bf16(mut self) -> Self {
        self.multiplied = Kind::BFloat16;
        self
    }

    /// Weight and bias of each layer in turn.
    pub(crate) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Where the parameters are.
    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// Logits of images `[n, 1, h, w]`, f32 in 0..=1: `[n]` for two classes (of the second), `[n, K]` for more.
    ///
    /// The pooling comes before the ReLU, where Keras has it behind: max(relu(x)) = relu(max(x)), in value and in
    /// gradient, and the ReLU has a quarter of the work and nothing more to keep. In gradient, because where the largest
    /// of four is positive both give it all the gradient, and where it is not both give none. (Equal maxima come from
    /// equal patches, up to rounding, so that it makes no difference either which one gets the gradient.)
    ///
    /// # Errors
    /// Where memory is short, or the images have another size than the network.
    pub(crate) fn forward(&self, images: &Tensor) -> Result<Tensor, EngineError> {
        // Where they are f32 already these are the tensors themselves.
        let rounded = |tensor: &Tensor| tensor.f_to_kind(self.multiplied);
        let mut layers = self.parameters.chunks_exact(2).map(|pair| (&pair[0].tensor, &pair[1].tensor));
        let mut layer = move || {
            let (weight, bias) = layers.next().expect("there are as many layers as were made");
            Ok::<_, TchError>((rounded(weight)?, rounded(bias)?))
        };
        let mut x = rounded(images)?;
        if self.channels_last {
            x = channels_last(&x)?;
        }
        for _ in 0..self.n_convs {
            let (weight, bias) = layer()?;
            x = x.f_conv2d(&weight, Some(&bias), [1, 1], [0, 0], [1, 1], 1)?;
            x = x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?.f_relu_()?;
        }
        x = x.f_flatten(1, -1)?;
        let n_dense = self.parameters.len() / 2 - self.n_convs - 1;
        for _ in 0..n_dense {
            let (weight, bias) = layer()?;
            x = x.f_linear(&weight, Some(&bias))?.f_relu_()?;
        }
        let (weight, bias) = layer()?;
        // The loss is computed in f32.
        let logits = x.f_linear(&weight, Some(&bias))?.f_to_kind(Kind::Float)?;
        Ok(if self.classes == 2 { logits.f_squeeze_dim(1)? } else { logits })
    }
}

/// The tensor `[n, c, h, w]` as `[n, h, w, c]` in memory. Strides are written out: with one channel both orders are one, and
/// libtorch would keep the strides of the wrong one.
fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    let size = tensor.size();
    let [_, c, h, w] = size[..] else { return Ok(tensor.shallow_clone()) };
    let rows = tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    rows.f_as_strided(&size, [h * w * c, 1, w * c, c], None::<i64>)
}

#[cfg(test)]
mod tests {
    use gridboard::{
        model::summary,
        spec::{Parameters, Train, Value},
    };
    use tch::no_grad;

    use super::*;

    fn model(conv_layers: u32, layer_size: u32, dense_layers: u32) -> GridCnn {
        GridCnn { conv_layers, dense_layers, layer_size }
    }

    fn train() -> Train {
        let epochs = Parameters::from([("epochs".to_owned(), Value::Int(1))]);
        Train::from_parameters(&epochs).unwrap()
    }

    fn count(shapes: &[(String, Vec<i64>)]) -> u64 {
        shapes.iter().map(|(_, shape)| shape.iter().product::<i64>() as u64).sum()
    }

    /// The paper's 27 networks at 224 x 224: convolutions, width, then the parameters with 0, 1 and 2 dense layers.
    const PAPER: [(u32, u32, [u64; 3]); 9] = [
        (1, 32, [394_593, 12_617_089, 12_618_145]),
        (2, 32, [102_881, 2_995_617, 2_996_673]),
        (3, 32, [40_449, 711_105, 712_161]),
        (1, 64, [789_185, 50_467_585, 50_471_745]),
        (2, 64, [224_193, 11_981_633, 11_985_793]),
        (3, 64, [117_761, 2_843_521, 2_847_681]),
        (1, 128, [1_578_369, 201_868_801, 201_885_313]),
        (2, 128, [522_113, 47_924_865, 47_941_377]),
        (3, 128, [382_977, 11_372_289, 11_388_801]),
    ];

    #[test]
    fn the_papers_networks_have_its_number_of_parameters() {
        for (convs, size, parameters) in PAPER {
            for (denses, expected) in (0..).zip(parameters) {
                let model = model(convs, size, denses);
                assert_eq!(count(&shapes(&model, 224, 2).unwrap()), expected, "{model:?}");
                assert_eq!(
                    summary(&model.into(), 224, 2, &train()).unwrap().parameters,
                    expected,
                    "{model:?}"
                );
            }
        }
    }

    #[test]
    fn real_tensors_have_the_shapes_that_were_counted() {
        for (model, size, classes) in [
            (model(3, 32, 0), 224, 2),
            (model(2, 8, 2), 30, 5),
            (model(0, 4, 1), 6, 3),
            (model(1, 3, 0), 4, 2),
        ] {
            let network = Network::new(&model, size, classes, 0, Device::Cpu).unwrap();
            let built: u64 = network.parameters().iter().map(|p| p.tensor.numel() as u64).sum();
            assert_eq!(built, summary(&model.into(), size, classes, &train()).unwrap().parameters);
            let side = i64::from(size);
            let images = Tensor::zeros([3, 1, side, side], (Kind::Float, Device::Cpu));
            let outputs = if classes == 2 { vec![3] } else { vec![3, i64::from(classes)] };
            assert_eq!(network.forward(&images).unwrap().size(), outputs);
        }
    }

    #[test]
    fn names_are_those_of_the_python_module() {
        let names: Vec<_> = shapes(&model(1, 4, 1), 8, 2).unwrap();
        let expected = [
            ("conv1.weight", vec![4, 1, 3, 3]),
            ("conv1.bias", vec![4]),
            ("dense1.weight", vec![4, 36]),
            ("dense1.bias", vec![4]),
            ("output.weight", vec![1, 4]),
            ("output.bias", vec![1]),
        ];
        assert_eq!(names, expected.map(|(name, shape)| (name.to_owned(), shape)));
    }

    #[test]
    fn too_small_an_image_names_the_layer() {
        let error = Network::new(&model(3, 4, 0), 16, 2, 0, Device::Cpu).unwrap_err();
        assert!(error.to_string().contains("conv2d_3"), "{error}");
    }

    fn logits_and_gradients(network: &Network, images: &Tensor) -> (Tensor, Vec<Tensor>) {
        let tensors: Vec<&Tensor> = network.parameters().iter().map(|p| &p.tensor).collect();
        let logits = network.forward(images).unwrap();
        let sum = logits.square().sum(Kind::Float);
        (logits, Tensor::f_run_backward(&[sum], &tensors, false, false).unwrap())
    }

    #[test]
    fn channels_last_is_another_layout_and_nothing_else() {
        let made = || Network::new(&model(2, 6, 1), 21, 3, 3, Device::Cpu).unwrap();
        tch::manual_seed(1);
        let images = Tensor::rand([5, 1, 21, 21], (Kind::Float, Device::Cpu));
        let (plain, last) = (made(), made().channels_last().unwrap());
        let strides = |at: usize| last.parameters()[at].tensor.stride();
        assert_eq!((strides(0), strides(2)), (vec![9, 1, 3, 1], vec![54, 1, 18, 6]));
        assert_eq!(channels_last(&images).unwrap().stride(), [441, 1, 21, 1]);
        for (plain, last) in plain.parameters().iter().zip(last.parameters()) {
            assert!(last.tensor.is_leaf() && last.tensor.requires_grad(), "{}", last.name);
            assert_eq!(plain.tensor.size(), last.tensor.size());
            assert!(plain.tensor.equal(&last.tensor), "{}", last.name);
        }
        let ((plain, plain_gradients), (last, last_gradients)) =
            (logits_and_gradients(&plain, &images), logits_and_gradients(&last, &images));
        assert!(plain.allclose(&last, 1e-5, 1e-6, false));
        for (plain, last) in plain_gradients.iter().zip(&last_gradients) {
            assert!(plain.allclose(last, 1e-4, 1e-6, false));
        }
    }

    #[test]
    fn in_bf16_only_what_is_multiplied_is_rounded() {
        let made = || Network::new(&model(2, 6, 1), 21, 3, 3, Device::Cpu).unwrap();
        tch::manual_seed(1);
        let images = Tensor::rand([5, 1, 21, 21], (Kind::Float, Device::Cpu));
        let (full, full_gradients) = logits_and_gradients(&made(), &images);
        let network = made().in_bf16();
        let (half, half_gradients) = logits_and_gradients(&network, &images);
        assert_eq!(half.kind(), Kind::Float);
        // 8 bits of mantissa: near, and not the same.
        let far = |a: &Tensor, b: &Tensor| f64::try_from((a - b).norm() / b.norm()).unwrap();
        let difference = far(&half, &full);
        assert!(difference > 1e-5 && difference < 0.05, "{difference}");
        for (half, full) in half_gradients.iter().zip(&full_gradients) {
            assert_eq!(half.kind(), Kind::Float);
            // Where two of four are nearly equal, rounding chooses which of them the gradient goes through.
            assert!(far(half, full) < 0.3, "{}", far(half, full));
        }
        assert!(network.parameters().iter().all(|p| p.tensor.kind() == Kind::Float));
    }

    /// Pooling before the ReLU against the order that the paper writes down, in value and in every gradient.
    #[test]
    fn pooling_first_changes_neither_values_nor_gradients() {
        let network = Network::new(&model(2, 6, 1), 21, 3, 3, Device::Cpu).unwrap();
        let tensors: Vec<&Tensor> = network.parameters().iter().map(|p| &p.tensor).collect();
        // Biases away from zero, so that the ReLU cuts some windows and not others.
        for bias in tensors.iter().filter(|tensor| tensor.dim() == 1) {
            no_grad(|| {
                bias.shallow_clone().copy_(&Tensor::linspace(
                    -0.3,
                    0.3,
                    bias.size()[0],
                    (Kind::Float, Device::Cpu),
                ))
            });
        }
        tch::manual_seed(1);
        let images = Tensor::rand([5, 1, 21, 21], (Kind::Float, Device::Cpu));

        let ours = network.forward(&images).unwrap();
        let mut x = images.shallow_clone();
        for layer in 0..2 {
            x = x.conv2d(tensors[2 * layer], Some(tensors[2 * layer + 1]), [1, 1], [0, 0], [1, 1], 1);
            x = x.relu().max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false);
        }
        x = x.flatten(1, -1).linear(tensors[4], Some(tensors[5])).relu();
        let plain = x.linear(tensors[6], Some(tensors[7]));
        assert!(ours.allclose(&plain, 1e-6, 1e-7, false));

        let of = |logits: &Tensor| {
            Tensor::f_run_backward(&[logits.square().sum(Kind::Float)], &tensors, false, false).unwrap()
        };
        for (ours, plain) in of(&ours).iter().zip(of(&plain)) {
            assert!(ours.allclose(&plain, 1e-5, 1e-6, false));
        }
    }
}
