//! How often a run that has failed is tried again in a sweep, as the spec says it. What follows for which failure is
//! decided in `schedule::retry`.

use serde::{Deserialize, Serialize};

use super::duration::SpecDuration;

/// When a failed run is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts that a run has in one sweep, the first one too; 1 tries nothing again.
    pub attempts: u32,
    /// Exit codes of a program that ask for another try.
    pub exit_codes: Vec<i32>,
    /// How long a run that was killed, lost or not started waits before it is tried again; twice as long each further time.
    #[serde(default = "Retry::first_pause")]
    pub pause: SpecDuration,
}

impl Retry {
    /// The most attempts that a spec may ask for.
    pub const MOST_ATTEMPTS: u32 = 100;
    /// Attempts where the spec does not say.
    pub const ATTEMPTS: u32 = 3;
    /// `EX_TEMPFAIL` of `sysexits.h`: "temporary failure; user is invited to retry".
    pub const TEMPORARY: i32 = 75;

    /// As long as whatever has ended a run may take to be over.
    const fn first_pause() -> SpecDuration {
        SpecDuration::seconds(1)
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: Self::ATTEMPTS, exit_codes: vec![Self::TEMPORARY], pause: Self::first_pause() }
    }
}
