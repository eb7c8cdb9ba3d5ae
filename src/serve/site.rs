//! What every answer is made from, and which experiments are shown.

use std::sync::Arc;

use super::{carry::Carry, guard::Guard, hub::Hub, problem::Problem, readers::Readers};

/// What every answer is made from.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) hub: Hub,
    pub(super) readers: Readers,
    pub(super) guard: Arc<Guard>,
    /// The experiments that are shown; all where there is none.
    pub(super) experiments: Arc<[String]>,
    /// The path that the page is below, with a slash at either end.
    pub(super) base: Arc<str>,
    pub(super) carry: Carry,
}

impl Site {
    /// Whether an experiment is among those that are shown.
    pub(super) fn shows(&self, name: &str) -> bool {
        self.experiments.is_empty() || self.experiments.iter().any(|known| known == name)
    }

    /// Refuses an experiment that is not shown.
    ///
    /// # Errors
    /// Where it is not.
    pub(super) fn shown(&self, name: &str) -> Result<(), Problem> {
        match self.shows(name) {
            true => Ok(()),
            false => Err(Problem::missing(format!("no experiment `{name}` is shown here"))),
        }
    }
}
