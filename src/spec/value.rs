//! The value of a parameter: what an axis lists, what a command receives, what a table shows.
//!
//! Used by the whole crate; knows nothing of YAML or SQL.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// One parameter value. Floats are finite: the spec refuses the others.
#[derive(Clone, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number with a fraction or an exponent.
    Float(f64),
    /// Anything else.
    Text(String),
    /// None of them: `null`, for a program of the user's.
    Null,
    /// Several of them, for a program of the user's.
    List(Vec<Value>),
}

/// Parameters by name.
pub type Parameters = BTreeMap<String, Value>;

impl Value {
    /// The value as a number, where it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "parameters are far below 2^53")]
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Bool(_) | Self::Text(_) | Self::Null | Self::List(_) => None,
        }
    }

    /// The value as a non-negative whole number, where it is one.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(*value).ok(),
            Self::Bool(_) | Self::Float(_) | Self::Text(_) | Self::Null | Self::List(_) => None,
        }
    }
}

/// As the spec would write it: `32`, `0.001`, `true`, `adam`, `null`; lists as JSON, `[64,128]`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => f.pad(value),
            Self::Null => f.pad("null"),
            // Finite numbers and text always are JSON.
            Self::List(_) => f.pad(&serde_json::to_string(self).unwrap_or_default()),
        }
    }
}
