//! The parameters that take one of a few words, each with its words in one place: the table of parameters offers them, and
//! what a run has is read with them.

/// Which part of a network is not trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freeze {
    /// All of it is trained.
    #[default]
    None,
    /// Everything but the head: the last layer, which answers for the classes.
    Backbone,
}

/// What computes a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// Fused for a grid CNN on a processor, plain elsewhere.
    #[default]
    Auto,
    /// Our own kernels, made for the grid CNNs on processors.
    Fused,
    /// libtorch's operations.
    Plain,
}

/// How the multiplicands of a run are rounded; weights, moments and sums are f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Not at all.
    #[default]
    Fp32,
    /// To bf16, 8 bits of mantissa.
    Bf16,
    /// To TensorFloat-32, 11 bits of mantissa: CUDA only.
    Tf32,
}

impl Freeze {
    pub(super) const ALL: [Self; 2] = [Self::None, Self::Backbone];
    /// The words of the table.
    pub(super) const WORDS: [&str; 2] = [Self::None.as_str(), Self::Backbone.as_str()];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Backbone => "backbone",
        }
    }
}

impl Kernels {
    pub(super) const ALL: [Self; 3] = [Self::Auto, Self::Fused, Self::Plain];
    /// The words of the table.
    pub(super) const WORDS: [&str; 3] = [Self::Auto.as_str(), Self::Fused.as_str(), Self::Plain.as_str()];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fused => "fused",
            Self::Plain => "plain",
        }
    }
}

impl Precision {
    pub(super) const ALL: [Self; 3] = [Self::Fp32, Self::Bf16, Self::Tf32];
    /// The words of the table.
    pub(super) const WORDS: [&str; 3] = [Self::Fp32.as_str(), Self::Bf16.as_str(), Self::Tf32.as_str()];

    /// As the spec says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Tf32 => "tf32",
        }
    }
}
