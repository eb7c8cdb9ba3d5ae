//! The sizes of a later block, and of what belongs to it.

/// Sizes of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Rows and columns of the input.
    pub(super) side: usize,
    /// Channels of the input, whole vectors.
    pub(super) inputs: usize,
    /// Channels of the output, whole vectors.
    pub(super) outputs: usize,
}

impl Shape {
    /// Rows and columns of the pooled output.
    pub(super) const fn pooled(&self) -> usize {
        (self.side - 2) / 2
    }

    pub(super) const fn input_len(&self) -> usize {
        self.side * self.side * self.inputs
    }

    pub(super) const fn output_len(&self) -> usize {
        self.pooled() * self.pooled() * self.outputs
    }

    /// Length of the weights.
    pub(super) const fn weights_len(&self) -> usize {
        weights_len(self.inputs, self.outputs)
    }
}

/// Length of the weights between so many channels.
pub(super) const fn weights_len(inputs: usize, outputs: usize) -> usize {
    9 * inputs * outputs
}
