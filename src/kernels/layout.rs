//! Where each number of a parameter lies: PyTorch's place in a `state_dict` beside the place in these kernels' buffers.
//!
//! Features are channel, row, column there and row, column, channel here, with channels and outputs rounded up to whole
//! vectors; what is added by that is zero and stays zero, since its inputs or its gradients are zero.

/// The layout of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[out, 1, 3, 3]` as `[9][width]`.
    First {
        /// Real outputs.
        outputs: usize,
        /// Outputs as they lie.
        width: usize,
    },
    /// `[out, in, 3, 3]` as `[width][9][width]`.
    Later {
        /// Real inputs.
        inputs: usize,
        /// Real outputs.
        outputs: usize,
        /// Inputs as they lie.
        width: usize,
    },
    /// `[n]` as it is, from some place on.
    Vector {
        /// The place.
        from: usize,
        /// Length.
        n: usize,
    },
    /// `[out, channels * positions]` as `[positions][width][stride]`.
    Wide {
        /// Rows times columns of the features.
        positions: usize,
        /// Real channels.
        channels: usize,
        /// Channels as they lie.
        width: usize,
        /// Real outputs.
        outputs: usize,
        /// Outputs as they lie.
        stride: usize,
    },
    /// `[out, channels * positions]` as `[out][stride]`, of which `[positions][width]` are used.
    Thin {
        /// Rows times columns of the features.
        positions: usize,
        /// Real channels.
        channels: usize,
        /// Channels as they lie.
        width: usize,
        /// Outputs.
        outputs: usize,
        /// Features as they lie.
        stride: usize,
    },
}

impl Layout {
    /// Numbers of the parameter.
    pub(super) const fn len(&self) -> usize {
        match *self {
            Self::First { outputs, .. } => 9 * outputs,
            Self::Later { inputs, outputs, .. } => 9 * inputs * outputs,
            Self::Vector { n, .. } => n,
            Self::Wide { positions, channels, outputs, .. }
            | Self::Thin { positions, channels, outputs, .. } => positions * channels * outputs,
        }
    }

    /// Calls `pair(place in PyTorch, place here)` for each number.
    pub(super) fn each(&self, mut pair: impl FnMut(usize, usize)) {
        match *self {
            Self::First { outputs, width } => {
                for output in 0..outputs {
                    for tap in 0..9 {
                        pair(output * 9 + tap, tap * width + output);
                    }
                }
            }
            Self::Later { inputs, outputs, width } => {
                for output in 0..outputs {
                    for input in 0..inputs {
                        for tap in 0..9 {
                            pair((output * inputs + input) * 9 + tap, (output * 9 + tap) * width + input);
                        }
                    }
                }
            }
            Self::Vector { from, n } => (0..n).for_each(|at| pair(at, from + at)),
            Self::Wide { positions, channels, width, outputs, stride } => {
                // Sixteen positions are a cache line there; here they are rows that stay in the cache for all outputs.
                for first in (0..positions).step_by(16) {
                    for channel in 0..channels {
                        for output in 0..outputs {
                            for position in first..(first + 16).min(positions) {
                                let there = (output * channels + channel) * positions + position;
                                pair(there, (position * width + channel) * stride + output);
                            }
                        }
                    }
                }
            }
            Self::Thin { positions, channels, width, outputs, stride } => {
                for output in 0..outputs {
                    for first in (0..positions).step_by(16) {
                        for channel in 0..channels {
                            for position in first..(first + 16).min(positions) {
                                let there = (output * channels + channel) * positions + position;
                                pair(there, output * stride + position * width + channel);
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_has_one_place_on_either_side() {
        for layout in [
            Layout::First { outputs: 5, width: 16 },
            Layout::Later { inputs: 3, outputs: 5, width: 16 },
            Layout::Vector { from: 9, n: 4 },
            Layout::Wide { positions: 35, channels: 3, width: 16, outputs: 5, stride: 16 },
            Layout::Thin { positions: 35, channels: 3, width: 16, outputs: 2, stride: 35 * 16 },
        ] {
            let (mut there, mut here) = (BTreeSet::new(), BTreeSet::new());
            layout.each(|a, b| {
                assert!(there.insert(a) && here.insert(b), "{layout:?}");
            });
            assert_eq!(there, (0..layout.len()).collect(), "{layout:?}");
        }
    }
}
