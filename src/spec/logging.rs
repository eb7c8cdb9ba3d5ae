//! What a run of a built-in family logs beside its metrics, or leaves out.
//!
//! Keys of `train` like its parameters, and none of them: they change no result, so they are part of no run's id.

use serde::{Deserialize, Serialize};

/// What the runs of an experiment log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// Distributions of weights and gradients after every so many epochs and the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histograms: Option<u32>,
    /// Precision-recall curves after every so many epochs; after the last one they are always there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr_curves: Option<u32>,
    /// The loss of each batch, which is a TensorBoard run of its own.
    pub batch_curves: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Self { histograms: None, pr_curves: None, batch_curves: true }
    }
}

impl Logging {
    /// Whether it is what a spec means that says nothing.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether something that comes after every so many epochs comes after this one, from 0, of so many.
    #[must_use]
    pub fn is_due(every: Option<u32>, epoch: u32, epochs: u32) -> bool {
        every.is_some_and(|every| (epoch + 1).is_multiple_of(every.max(1)) || epoch + 1 == epochs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_its_rhythm_and_at_the_end() {
        let due = |every| (0..5).filter(|&epoch| Logging::is_due(every, epoch, 5)).collect::<Vec<_>>();
        assert_eq!((due(None), due(Some(1)), due(Some(2))), (vec![], vec![0, 1, 2, 3, 4], vec![1, 3, 4]));
        assert_eq!(due(Some(9)), [4]);
    }
}
