//! What `gridboard` and `gridboard-worker predict` say to each other.
//!
//! In: any number of `.npy` arrays of bytes, `[n, side, side]`, one behind the other on the worker's stdin; its end is
//! the end of the work. Out: one JSON object a line on stdout, a [`Hello`] first and then [`Answers`] for each array, in
//! order. Lines that do not begin with `{` are not ours: native libraries print what they like. What goes wrong is one
//! line on stderr and exit code 1. So `gridboard-worker predict RUN_DIR < images.npy` works by hand too.

use serde::{Deserialize, Serialize};

/// The first line: the network is loaded and waits for images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The run's content id.
    pub id: String,
    /// Number of classes, K.
    pub classes: usize,
    /// Side of the images, pixels.
    pub image_size: u32,
    /// Images that are computed at once, as the validation of the training does. Arrays of a multiple of it, but for the
    /// last, are computed in the same batches as one array of all images: so a run's own validation images, in their
    /// order, get the probabilities that the training wrote to the last bit, on the same processor with the same threads.
    /// Our own kernels compute each image by itself, whatever the batches; libtorch does not, and other batches may move a
    /// probability by 1e-6.
    pub batch: usize,
}

/// What the network says of the images of one array.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Predicted classes, `[n]`, each below K.
    pub predicted: Vec<usize>,
    /// `[n][K]`: `f32` widened, so that the decimal of each reads back to the same bits.
    pub probabilities: Vec<Vec<f64>>,
}

impl Answers {
    /// The answers of `predicted` `[n]` and `probabilities` `[n, classes]`, row-major.
    #[must_use]
    pub fn new(predicted: Vec<usize>, probabilities: &[f32], classes: usize) -> Self {
        let widened = |row: &[f32]| row.iter().copied().map(f64::from).collect();
        Self { predicted, probabilities: probabilities.chunks(classes.max(1)).map(widened).collect() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn probabilities_keep_their_bits(rows in proptest::collection::vec((0.0_f32..=1.0, any::<u32>()), 1..20)) {
            // Uniform numbers, and every exponent that a probability has.
            let of = |&(plain, bits): &(f32, u32)| [plain, f32::from_bits(bits % 1.0_f32.to_bits())];
            let flat: Vec<f32> = rows.iter().flat_map(of).collect();
            let line = serde_json::to_string(&Answers::new(vec![1; rows.len()], &flat, 2)).unwrap();
            let framed = line.starts_with('{') && !line.contains('\n');
            prop_assert!(framed, "{}", line);
            let read: Answers = serde_json::from_str(&line).unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "they were widened")]
            let bits: Vec<u32> = read.probabilities.iter().flatten().map(|&p| (p as f32).to_bits()).collect();
            prop_assert_eq!(bits, flat.iter().map(|p| p.to_bits()).collect::<Vec<_>>());
        }
    }
}
