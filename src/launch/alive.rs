//! When an attempt was alive, where whoever tells of its end was not there.

use serde::{Deserialize, Serialize};

/// When an attempt was alive, by the clock of the machine that it was on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alive {
    /// Seconds since 1970.
    pub began: f64,
    /// Seconds since 1970.
    pub ended: f64,
}

impl Alive {
    /// How long, seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        (self.ended - self.began).max(0.0)
    }
}
