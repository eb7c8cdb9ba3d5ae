//! What a page may ask to be changed, and the code that does it, which the command line hands in.

use std::sync::Arc;

use serde::Deserialize;

use crate::run::Answer;

/// A wish of the page. Runs are given by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Change {
    /// These runs are not wanted.
    Cancel {
        /// Whose.
        experiment: String,
        /// Which.
        runs: Vec<String>,
    },
    /// These runs are to be trained after all.
    Requeue {
        /// Whose.
        experiment: String,
        /// Which.
        runs: Vec<String>,
    },
    /// Words by which a run is found.
    Tag {
        /// Whose.
        experiment: String,
        /// Which.
        run: String,
        /// To be added.
        #[serde(default)]
        add: Vec<String>,
        /// To be taken away.
        #[serde(default)]
        remove: Vec<String>,
    },
}

impl Change {
    /// Whose runs it is about.
    pub(super) fn experiment(&self) -> &str {
        match self {
            Self::Cancel { experiment, .. }
            | Self::Requeue { experiment, .. }
            | Self::Tag { experiment, .. } => experiment,
        }
    }
}

/// A change that was not carried out, in a sentence.
#[derive(Debug)]
pub(crate) struct NotCarried(pub(crate) String);

/// Carries a change out. Blocks.
pub(crate) type Carry = Arc<dyn Fn(Change) -> Result<Answer, NotCarried> + Send + Sync>;
