//! Where each number of a parameter lies: PyTorch's place in a `state_dict` beside the place in these kernels' buffers.
//!
//! Features are channel, row, column there and row, column, channel here, with channels and outputs rounded up to whole
//! vectors; what is added by that is zero and stays zero, since its inputs or its gradients are zero.

use std::ops::Range;

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
    LaterBlock {
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
        self.rows() * self.row_len()
    }

    /// Length of the first dimension in PyTorch: a row of numbers for each output.
    pub(super) const fn rows(&self) -> usize {
        match *self {
            Self::First { outputs, .. }
            | Self::LaterBlock { outputs, .. }
            | Self::Wide { outputs, .. }
            | Self::Thin { outputs, .. } => outputs,
            Self::Vector { n, .. } => n,
        }
    }

    /// Numbers of a row.
    pub(super) const fn row_len(&self) -> usize {
        match *self {
            Self::First { .. } => 9,
            Self::LaterBlock { inputs, .. } => 9 * inputs,
            Self::Vector { .. } => 1,
            Self::Wide { positions, channels, .. } | Self::Thin { positions, channels, .. } => {
                positions * channels
            }
        }
    }

    /// Calls `pair(place in PyTorch, place here)` for each number of some rows; places in PyTorch count from the first of
    /// these.
    pub(super) fn each(&self, rows: Range<usize>, mut pair: impl FnMut(usize, usize)) {
        let begin = rows.start;
        match *self {
            Self::First { width, .. } => {
                for output in rows {
                    for tap in 0..9 {
                        pair((output - begin) * 9 + tap, tap * width + output);
                    }
                }
            }
            Self::LaterBlock { inputs, width, .. } => {
                for output in rows {
                    for input in 0..inputs {
                        for tap in 0..9 {
                            let there = ((output - begin) * inputs + input) * 9 + tap;
                            pair(there, (output * 9 + tap) * width + input);
                        }
                    }
                }
            }
            Self::Vector { from, .. } => rows.for_each(|at| pair(at - begin, from + at)),
            Self::Wide { positions, channels, width, stride, .. } => {
                // Sixteen positions are a cache line there; here they are rows that stay in the cache for all outputs.
                for first in (0..positions).step_by(16) {
                    for channel in 0..channels {
                        for output in rows.clone() {
                            for position in first..(first + 16).min(positions) {
                                let there = ((output - begin) * channels + channel) * positions + position;
                                pair(there, (position * width + channel) * stride + output);
                            }
                        }
                    }
                }
            }
            Self::Thin { positions, channels, width, stride, .. } => {
                for output in rows {
                    for first in (0..positions).step_by(16) {
                        for channel in 0..channels {
                            for position in first..(first + 16).min(positions) {
                                let there = ((output - begin) * channels + channel) * positions + position;
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
            Layout::LaterBlock { inputs: 3, outputs: 5, width: 16 },
            Layout::Vector { from: 9, n: 4 },
            Layout::Wide { positions: 35, channels: 3, width: 16, outputs: 5, stride: 16 },
            Layout::Thin { positions: 35, channels: 3, width: 16, outputs: 2, stride: 35 * 16 },
        ] {
            let (mut there, mut here) = (BTreeSet::new(), BTreeSet::new());
            // In two goes, which must be the halves of the whole.
            let half = layout.rows() / 2;
            layout.each(0..half, |a, b| {
                assert!(a < half * layout.row_len() && there.insert(a) && here.insert(b), "{layout:?}");
            });
            layout.each(half..layout.rows(), |a, b| {
                assert!(there.insert(half * layout.row_len() + a) && here.insert(b), "{layout:?}");
            });
            assert_eq!(there, (0..layout.len()).collect(), "{layout:?}");
        }
    }
}
