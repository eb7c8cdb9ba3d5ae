//! The `train` parameters of the built-in families, typed: what the training loop and the cost model read.

use std::path::PathBuf;

use super::{
    Family, Parameters,
    parameter::{ParameterError, View},
    words::{Freeze, Kernels, Precision},
};

/// How a run of a built-in family is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// Passes over the training images, at least 1.
    pub epochs: u32,
    /// Images of one step, at least 1; a last smaller batch is kept.
    pub batch_size: u32,
    /// Step size of Adam, over 0.
    pub learning_rate: f64,
    /// Whether the training images are put in a new order every epoch.
    pub shuffle: bool,
    /// A safetensors or PyTorch state_dict file to start from instead of random weights.
    pub initial_weights: Option<PathBuf>,
    /// What computes.
    pub kernels: Kernels,
    /// How multiplicands are rounded.
    pub precision: Precision,
    /// What keeps its initial weights.
    pub freeze: Freeze,
    /// Step size of Adam for everything but the head, over 0; `None` is [`Self::learning_rate`].
    pub backbone_learning_rate: Option<f64>,
}

impl Train {
    /// The same for a corpus with so many training images: no batch is larger.
    #[must_use]
    pub fn fitting(self, images: u64) -> Self {
        let most = u32::try_from(images.max(1)).unwrap_or(u32::MAX);
        Self { batch_size: self.batch_size.min(most), ..self }
    }

    /// Reads the parameters of a run.
    ///
    /// # Errors
    /// A parameter is missing, of the wrong type or out of range; a spec that was validated never gives one.
    pub fn from_parameters(parameters: &Parameters) -> Result<Self, ParameterError> {
        // Whichever family a run has: they mean the same by a name, and what one does not know is absent there.
        let view = View { families: &Family::BUILT_IN, parameters };
        Ok(Self {
            epochs: view.int("epochs")?,
            batch_size: view.int("batch_size")?,
            learning_rate: view.float("learning_rate")?,
            shuffle: view.bool("shuffle")?,
            initial_weights: view.path("initial_weights")?,
            kernels: view.choice("kernels", &Kernels::ALL, Kernels::as_str)?,
            freeze: view.choice("freeze", &Freeze::ALL, Freeze::as_str)?,
            backbone_learning_rate: view.optional_float("backbone_learning_rate")?,
            precision: view.choice("precision", &Precision::ALL, Precision::as_str)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Value;

    #[test]
    fn reads_values_and_defaults() {
        let mut parameters = Parameters::from([("epochs".to_owned(), Value::Int(5))]);
        let mut expected = Train {
            epochs: 5,
            batch_size: 32,
            learning_rate: 0.001,
            shuffle: true,
            initial_weights: None,
            kernels: Kernels::Auto,
            freeze: Freeze::None,
            backbone_learning_rate: None,
            precision: Precision::Fp32,
        };
        assert_eq!(Train::from_parameters(&parameters), Ok(expected.clone()));
        parameters.insert("shuffle".to_owned(), Value::Bool(false));
        parameters.insert("learning_rate".to_owned(), Value::Int(1));
        parameters.insert("initial_weights".to_owned(), Value::Text("/w.safetensors".to_owned()));
        expected.shuffle = false;
        expected.learning_rate = 1.0;
        expected.initial_weights = Some("/w.safetensors".into());
        parameters.insert("kernels".to_owned(), Value::Text("plain".to_owned()));
        expected.kernels = Kernels::Plain;
        parameters.insert("freeze".to_owned(), Value::Text("backbone".to_owned()));
        expected.freeze = Freeze::Backbone;
        parameters.insert("backbone_learning_rate".to_owned(), Value::Float(1e-5));
        expected.backbone_learning_rate = Some(1e-5);
        for precision in [Precision::Fp32, Precision::Bf16, Precision::Tf32] {
            parameters.insert("precision".to_owned(), Value::Text(precision.as_str().to_owned()));
            expected.precision = precision;
            assert_eq!(Train::from_parameters(&parameters), Ok(expected.clone()));
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_edited_value() {
        let error = |name: &str, value| {
            let mut parameters = Parameters::from([("epochs".to_owned(), Value::Int(5))]);
            parameters.insert(name.to_owned(), value);
            Train::from_parameters(&parameters).expect_err("the value is bad").to_string()
        };
        assert_eq!(
            error("batch_size", Value::Int(0)),
            "parameter `batch_size` must be a whole number from 1 to 1000000, not `0`"
        );
        assert_eq!(
            error("batch_size", Value::Text("32".to_owned())),
            "parameter `batch_size` must be a whole number from 1 to 1000000, not the text `32`"
        );
        assert_eq!(
            error("learning_rate", Value::Float(-0.5)),
            "parameter `learning_rate` must be a number over 0, at most 1000, not `-0.5`"
        );
        assert_eq!(
            error("kernels", Value::Text("fast".to_owned())),
            "parameter `kernels` must be one of `auto`, `fused`, `plain`, not `fast`"
        );
        assert_eq!(
            Train::from_parameters(&Parameters::new()).expect_err("empty").to_string(),
            "parameter `epochs` is missing"
        );
    }
}
