//! Classification metrics from counts and scores: pure, checked against scikit-learn.
//!
//! Used by the trainer every epoch and by the report from stored predictions.

use serde::{Deserialize, Serialize};

/// Counts of (true class, predicted class) pairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    /// Number of classes, K.
    classes: usize,
    /// `[K, K]` row-major: row = true class, column = predicted class.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// An empty matrix of `classes` classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one image.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Images of class `truth` that were taken for `predicted`.
    #[must_use]
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// Images of class `truth`.
    #[must_use]
    pub fn support(&self, truth: usize) -> u64 {
        self.counts[truth * self.classes..(truth + 1) * self.classes].iter().sum()
    }

    /// All images.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}
