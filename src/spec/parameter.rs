//! The parameters that each family knows: the one table behind validation, "did you mean", the JSON Schema and typed
//! access.
//!
//! A new parameter is a new row here; nothing else has to learn its name before a trainer reads it.

use super::{
    FAMILY_AXIS, Family, Parameters, Value,
    words::{Freeze, Kernels, Precision},
};

/// The section of the spec that a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `model:`, the shape of the network.
    Model,
    /// `train:`, how it is trained.
    Train,
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number, both bounds included.
    Int {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A finite number.
    Float {
        /// Excluded lower bound.
        above: f64,
        /// Included upper bound.
        max: f64,
    },
    /// `true` or `false`.
    Bool,
    /// A file, relative to the spec.
    Path,
    /// One of some words.
    Choice(&'static [&'static str]),
}

/// What a parameter is where the spec says nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Default {
    /// The spec has to give it.
    Required,
    /// This value.
    Value(Value),
    /// The parameter is not there.
    Absent,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its key in the spec, its axis name, its column.
    pub name: &'static str,
    /// Where it is fixed.
    pub section: Section,
    /// Its values.
    pub kind: Kind,
    /// Its default.
    pub default: Default,
    /// One sentence for the schema.
    pub doc: &'static str,
}

/// A parameter that a typed view needs and does not find as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Not among the parameters.
    #[error("parameter `{name}` is missing")]
    Missing {
        /// The parameter.
        name: &'static str,
    },
    /// Of the wrong type or out of range.
    #[error("parameter `{name}` must be {expected}, not {found}")]
    Invalid {
        /// The parameter.
        name: &'static str,
        /// What it takes.
        expected: String,
        /// What it is, as the message says it: `` `0` ``, ``the text `32` ``.
        found: String,
    },
}

/// More than any corpus or patience; keeps products of parameters inside 64 bits.
const MILLION: i64 = 1_000_000;

/// The paper's family; defaults are those of Keras, which the paper left as they are.
static GRID_CNN: [Parameter; 10] = [
    Parameter {
        name: "conv_layers",
        section: Section::Model,
        kind: Kind::Int { min: 0, max: 8 },
        default: Default::Required,
        doc: "Number of 3x3 convolutions, each followed by ReLU and a 2x2 max pooling.",
    },
    Parameter {
        name: "layer_size",
        section: Section::Model,
        kind: Kind::Int { min: 1, max: 4096 },
        default: Default::Required,
        doc: "Width of every layer: filters of a convolution, units of a dense layer.",
    },
    Parameter {
        name: "dense_layers",
        section: Section::Model,
        kind: Kind::Int { min: 0, max: 16 },
        default: Default::Required,
        doc: "Number of hidden dense layers between the flattened features and the output.",
    },
    EPOCHS,
    BATCH_SIZE,
    LEARNING_RATE,
    SHUFFLE,
    INITIAL_WEIGHTS,
    KERNELS,
    PRECISION_ROW,
];

/// VGG and ResNet, whose shape is in their name.
static BASELINES: [Parameter; 9] = [
    EPOCHS,
    BATCH_SIZE,
    LEARNING_RATE,
    SHUFFLE,
    INITIAL_WEIGHTS,
    KERNELS,
    PRECISION_ROW,
    Parameter {
        name: "freeze",
        section: Section::Train,
        kind: Kind::Choice(&Freeze::WORDS),
        default: Default::Absent,
        doc: "What keeps its initial weights: `none`, which is the default, or `backbone`, everything but the new head; \
              its batch norms keep their statistics too.",
    },
    Parameter {
        name: "backbone_learning_rate",
        section: Section::Train,
        kind: Kind::Float { above: 0.0, max: 1000.0 },
        default: Default::Absent,
        doc: "Step size of Adam for everything but the head; `learning_rate` where it is not given.",
    },
];

const EPOCHS: Parameter = Parameter {
    name: "epochs",
    section: Section::Train,
    kind: Kind::Int { min: 1, max: MILLION },
    default: Default::Required,
    doc: "Passes over the training images.",
};

const BATCH_SIZE: Parameter = Parameter {
    name: "batch_size",
    section: Section::Train,
    kind: Kind::Int { min: 1, max: MILLION },
    default: Default::Value(Value::Int(32)),
    doc: "Images of one optimisation step; a last smaller batch is kept.",
};

const LEARNING_RATE: Parameter = Parameter {
    name: "learning_rate",
    section: Section::Train,
    kind: Kind::Float { above: 0.0, max: 1000.0 },
    default: Default::Value(Value::Float(0.001)),
    doc: "Step size of Adam.",
};

const SHUFFLE: Parameter = Parameter {
    name: "shuffle",
    section: Section::Train,
    kind: Kind::Bool,
    default: Default::Value(Value::Bool(true)),
    doc: "Whether the training images are put in a new order every epoch.",
};

const INITIAL_WEIGHTS: Parameter = Parameter {
    name: "initial_weights",
    section: Section::Train,
    kind: Kind::Path,
    default: Default::Absent,
    doc: "A safetensors or PyTorch state_dict file to start from instead of random weights; relative to the spec file.",
};

const KERNELS: Parameter = Parameter {
    name: "kernels",
    section: Section::Train,
    kind: Kind::Choice(&Kernels::WORDS),
    // Absent and not `auto`: runs keep their ids.
    default: Default::Absent,
    doc: "What computes: `fused`, our own kernels for grid_cnn on processors; `plain`, libtorch; `auto`, which is the \
          default, takes `fused` where there is one and `plain` elsewhere.",
};

const PRECISION_ROW: Parameter = Parameter {
    name: "precision",
    section: Section::Train,
    kind: Kind::Choice(&Precision::WORDS),
    // Absent and not `fp32`: runs keep their ids.
    default: Default::Absent,
    doc: "How multiplicands are rounded; weights, moments and sums are 32 bits in any case. `fp32`, which is the \
          default: not at all; `bf16`: to 8 bits, on CUDA and on processors with AVX-512 BF16; `tf32`: to 11 bits, \
          on CUDA.",
};

/// The family as an axis. No row of any family: it says which rows there are.
static FAMILY: Parameter = Parameter {
    name: FAMILY_AXIS,
    section: Section::Model,
    kind: Kind::Choice(&["grid_cnn", "vgg16", "vgg19", "resnet18", "resnet50"]),
    default: Default::Absent,
    doc: "The networks: the family of the paper's small CNNs, and the architectures that it compares them with.",
};

/// The parameters of a family; empty for `command`, which takes any.
#[must_use]
pub fn parameters(family: Family) -> &'static [Parameter] {
    match family {
        Family::GridCnn => &GRID_CNN,
        Family::Vgg16 | Family::Vgg19 | Family::Resnet18 | Family::Resnet50 => &BASELINES,
        Family::Command => &[],
    }
}

/// The row of the family axis: its values are the built-in families.
#[must_use]
pub fn family_axis() -> &'static Parameter {
    &FAMILY
}

/// The rows of any of `families`, each name once, in the order of the families.
#[must_use]
pub fn parameters_of_any(families: &[Family]) -> Vec<&'static Parameter> {
    let mut rows: Vec<&'static Parameter> = Vec::new();
    for row in families.iter().flat_map(|family| parameters(*family)) {
        if rows.iter().all(|known| known.name != row.name) {
            rows.push(row);
        }
    }
    rows
}

/// The row of the parameter `name` in the first of `families` that has it. Built-in families that share a name mean the
/// same by it.
#[must_use]
pub fn parameter_of_any(families: &[Family], name: &str) -> Option<&'static Parameter> {
    families.iter().find_map(|family| parameter(*family, name))
}

/// The row of the parameter `name`.
#[must_use]
pub fn parameter(family: Family, name: &str) -> Option<&'static Parameter> {
    parameters(family).iter().find(|parameter| parameter.name == name)
}

impl Section {
    /// Its key in the spec.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Train => "train",
        }
    }
}

impl Kind {
    /// What it takes, to follow "must be".
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Int { min, max } => format!("a whole number from {min} to {max}"),
            Self::Float { above, max } => format!("a number over {above}, at most {max}"),
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Path => "the path of a file".to_owned(),
            Self::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                format!("one of {}", words.join(", "))
            }
        }
    }

    /// The value as this kind stores it (whole numbers become floats where floats are asked for), or `None` where it
    /// is of another type or out of range.
    #[must_use]
    pub fn accept(&self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Int { min, max }, Value::Int(number)) if (min..=max).contains(&number) => {
                Some(value.clone())
            }
            (Self::Float { above, max }, Value::Int(_) | Value::Float(_)) => {
                value.as_f64().filter(|number| number > above && number <= max).map(Value::Float)
            }
            (Self::Bool, Value::Bool(_)) => Some(value.clone()),
            (Self::Choice(words), Value::Text(word)) if words.contains(&word.as_str()) => Some(value.clone()),
            (Self::Path, Value::Text(path)) if !path.is_empty() && !path.contains('\0') => {
                Some(value.clone())
            }
            _ => None,
        }
    }
}

/// Typed reading of parameters that may have been edited by hand since they were validated (`run.json`).
pub(crate) struct View<'a> {
    pub(crate) families: &'a [Family],
    pub(crate) parameters: &'a Parameters,
}

impl View<'_> {
    /// The value of a parameter of the table, its default where it is not given, `None` where that is absence.
    fn value(&self, name: &'static str) -> Result<Option<Value>, ParameterError> {
        let row = parameter_of_any(self.families, name).ok_or(ParameterError::Missing { name })?;
        match (self.parameters.get(name), &row.default) {
            (Some(value), _) => row.kind.accept(value).map(Some).ok_or_else(|| ParameterError::Invalid {
                name,
                expected: row.kind.expected(),
                found: match value {
                    // Where the quotes are what is wrong, they are what is to be told.
                    Value::Text(text) if text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok() => {
                        format!("the text `{text}`")
                    }
                    value => format!("`{value}`"),
                },
            }),
            (None, Default::Value(value)) => Ok(Some(value.clone())),
            (None, Default::Absent) => Ok(None),
            (None, Default::Required) => Err(ParameterError::Missing { name }),
        }
    }

    /// A whole number of the table.
    pub(crate) fn int(&self, name: &'static str) -> Result<u32, ParameterError> {
        self.value(name)?
            .and_then(|value| value.as_u64())
            .and_then(|value| u32::try_from(value).ok())
            .ok_or(ParameterError::Missing { name })
    }

    /// A number of the table.
    pub(crate) fn float(&self, name: &'static str) -> Result<f64, ParameterError> {
        self.value(name)?.and_then(|value| value.as_f64()).ok_or(ParameterError::Missing { name })
    }

    /// A number of the table, where it is given.
    pub(crate) fn optional_float(&self, name: &'static str) -> Result<Option<f64>, ParameterError> {
        Ok(self.value(name)?.and_then(|value| value.as_f64()))
    }

    /// A switch of the table.
    pub(crate) fn bool(&self, name: &'static str) -> Result<bool, ParameterError> {
        match self.value(name)? {
            Some(Value::Bool(value)) => Ok(value),
            _ => Err(ParameterError::Missing { name }),
        }
    }

    /// One of several words of the table, `as_str` being the word of each; the default where none is given.
    pub(crate) fn choice<T: Copy + std::default::Default>(
        &self,
        name: &'static str,
        all: &[T],
        as_str: impl Fn(T) -> &'static str,
    ) -> Result<T, ParameterError> {
        let Some(found) = self.value(name)? else { return Ok(T::default()) };
        all.iter().copied().find(|&one| found == Value::Text(as_str(one).to_owned())).ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|&one| as_str(one)).collect();
            ParameterError::Invalid { name, expected: words.join(" or "), found: format!("`{found}`") }
        })
    }

    /// A path of the table, where it is given.
    pub(crate) fn path(&self, name: &'static str) -> Result<Option<std::path::PathBuf>, ParameterError> {
        Ok(match self.value(name)? {
            Some(Value::Text(path)) => Some(path.into()),
            _ => None,
        })
    }
}
