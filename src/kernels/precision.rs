//! How the numbers of a convolution are rounded before they are multiplied: the words of `train.precision`.

/// How the numbers of a convolution are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Not at all: f32.
    #[default]
    Fp32,
    /// Multiplicands of the later convolutions to bf16, sums in f32.
    Bf16,
}

impl Precision {
    /// Bytes of a multiplicand.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Fp32 => size_of::<f32>(),
            Self::Bf16 => size_of::<u16>(),
        }
    }
}
