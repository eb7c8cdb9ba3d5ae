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
use tch::{Device, Tensor};

use crate::{error::TrainError, init};

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
        init::glorot_uniform(shape, seed, place as u64 / 2)
    }
}

impl Network {
    /// A network with the initial weights of `seed`: Glorot uniform kernels and zero biases, as Keras'.
    ///
    /// # Errors
    /// [`TrainError::Model`] where the image is too small; [`TrainError::Torch`] where memory is short.
    pub(crate) fn new(
        model: &GridCnn,
        image_size: u32,
        classes: u32,
        seed: u64,
        device: Device,
    ) -> Result<Self, TrainError> {
        let parameters = shapes(model, image_size, classes)?
            .into_iter()
            .enumerate()
            .map(|(place, (name, shape))| {
                let values = initial(&shape, seed, place);
                let tensor = Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_device(device)?;
                Ok(Parameter { name, tensor: tensor.f_set_requires_grad(true)? })
            })
            .collect::<Result<_, TrainError>>()?;
        Ok(Self { parameters, n_convs: model.conv_layers as usize, classes: classes as usize, device })
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
    pub(crate) fn forward(&self, images: &Tensor) -> Result<Tensor, TrainError> {
        let mut layers = self.parameters.chunks_exact(2).map(|pair| (&pair[0].tensor, &pair[1].tensor));
        let mut x = images.shallow_clone();
        for (weight, bias) in layers.by_ref().take(self.n_convs) {
            x = x.f_conv2d(weight, Some(bias), [1, 1], [0, 0], [1, 1], 1)?;
            x = x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?.f_relu_()?;
        }
        x = x.f_flatten(1, -1)?;
        let n_dense = self.parameters.len() / 2 - self.n_convs - 1;
        for (weight, bias) in layers.by_ref().take(n_dense) {
            x = x.f_linear(weight, Some(bias))?.f_relu_()?;
        }
        let (weight, bias) = layers.next().expect("the output layer is the last");
        let logits = x.f_linear(weight, Some(bias))?;
        Ok(if self.classes == 2 { logits.f_squeeze_dim(1)? } else { logits })
    }
}

#[cfg(test)]
mod tests {
    use gridboard::{
        model::summary,
        spec::{Parameters, Train, Value},
    };
    use tch::{Kind, no_grad};

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
                assert_eq!(summary(&model.into(), 224, 2, &train()).unwrap().parameters, expected, "{model:?}");
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
        assert!(error.one_line().contains("conv2d_3"), "{error}");
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
